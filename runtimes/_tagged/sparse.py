"""Sparse on tagged messages: a slice, or what is needed of it, goes to each member that needs it."""

from typing import Any

from prk import decomposition, memory
from prk.sparse import loops, serial
from prk.team import Messages

from . import counted


class Kernel(serial.Kernel):
    """This member's rows and the whole vector."""

    comm: Messages

    def setup(self) -> None:
        super().setup()
        self.selected = self.options["gather"] == "needed"
        self.taken, self.given = self.needed() if self.selected else ({}, {})
        others = [source for source, _ in decomposition.pairwise(self.comm.rank, self.comm.size)]
        self.sources = list(self.taken) if self.selected else others

    def gather(self) -> None:
        self.comm.repetitions += 1
        self.give()
        for source in self.sources:
            (part,) = self.comm.receive((self.comm.repetitions, source))
            if self.selected:
                loops.unpack(part, self.taken[source], self.vector)
            else:
                self.vector[source * self.own.size :][: self.own.size] = part

    def give(self) -> None:
        """Send copies: the messages may be under way when the slice changes."""
        tag = self.comm.repetitions, self.comm.rank
        for to, places in self.given.items():
            part = memory.empty(places.size)
            loops.pack(self.vector, places, part)
            self.comm.send(to, tag, part)
        if not self.selected:
            part = self.own.ravel().copy()
            for to in self.sources:
                self.comm.send(to, tag, part)

    def findings(self) -> dict[str, Any]:
        return counted(self.comm, len(self.sources))
