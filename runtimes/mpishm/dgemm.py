"""DGEMM, MPI shared memory: panels are read where a mate has them, and go round a ring of groups."""

from collections.abc import Mapping

import numpy as np

from prk.dgemm import serial
from prk.dgemm.schedule import Line

from .._mpi.group import Group, Meeting
from ..mpi1 import dgemm as mpi1


class Shared(mpi1.Ring):
    """Panels in the blocks of mates, or where the line's first rank in the group has received them."""

    kernel: "Kernel"

    def landing(self) -> list[np.ndarray]:
        line, group = self.line, self.kernel.group
        widths = [0 if line.source(p) is None else panel.width for p, panel in enumerate(line.panels)]
        # Nothing lands in a group of all ranks.
        shape = max(widths), self.block.shape[1]
        places = [group.share(shape) for _ in range(2)] if group.count > 1 else []
        for place in places:
            place[group.rank][:] = 0.0
        blocks = self.kernel.blocks[0 if self.block is self.kernel.A else 1]
        found = []
        for number, panel in enumerate(line.panels):
            holder = line.holder(number)
            near, mate = holder == line.owner(number), holder - group.first
            where = line.within(number) if near else slice(0, panel.width)
            found.append((blocks if near else places[number % 2])[mate][where])
        return found

    def panel(self, number: int) -> np.ndarray:
        return self.places[number]


class Kernel(serial.Kernel):
    """This rank's blocks, A and B in windows of its group, where nothing changes."""

    def setup(self) -> None:
        self.group = Group(self.comm, self.options["group-size"])
        self.blocks: list[list[np.ndarray]] = []
        super().setup()
        mates = [rank for rank in range(self.group.size) if rank != self.group.rank]
        self.meet = Meeting(self.group, mates, self.options["local-sync"])
        self.expose()

    def allocate(self, shape: tuple[int, int]) -> np.ndarray:
        self.blocks.append(self.group.share(shape))
        return self.blocks[-1][self.group.rank]

    def lines(self) -> tuple[Line, Line]:
        return self.problem.lines(self.comm.rank, self.comm.size, self.group.size)

    def make(self, line: Line, block: np.ndarray) -> serial.Panels:
        return Shared(self, line, block)

    def end(self, number: int) -> None:
        super().end(number)
        self.agree()

    def finish(self) -> None:
        super().finish()
        self.agree()

    def agree(self) -> None:
        """Return when what landed is there for all mates, and none of them uses the panel before any more."""
        # In a group of all ranks nothing lands, and nobody waits for anybody.
        if self.group.count > 1:
            self.meet()

    def expose(self) -> None:
        """Return when the blocks of all mates are as they are to be read."""
        self.group.sync()
        self.group.comm.Barrier()
        self.group.sync()

    def restore(self, state: Mapping[str, np.ndarray], repetition: int) -> None:
        super().restore(state, repetition)
        self.expose()

    def close(self) -> None:
        super().close()
        self.meet.close()
        self.group.close()
