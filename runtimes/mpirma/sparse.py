"""Sparse, MPI one-sided: slices, or what is needed of them, are got out of their owners' windows."""

import numpy as np

from prk import decomposition, memory
from prk.sparse import loops, serial

from .._mpi import onesided
from .._mpi.largecount import message


class Kernel(serial.Kernel):
    """This rank's rows, and the whole vector, in a window unless only what is needed of it travels."""

    def setup(self) -> None:
        self.selected = self.options["gather"] == "needed"
        super().setup()
        if self.selected:
            self.prepare()
        self.others = [source for source, _ in decomposition.pairwise(self.comm.rank, self.comm.size)]
        self.window.Fence()

    def allocate(self, shape: tuple[int, int]) -> np.ndarray:
        if self.selected:
            return super().allocate(shape)
        self.window, lines = onesided.allocate(self.comm, shape, self.options["window"])
        return lines

    def prepare(self) -> None:
        """Expose room for what this rank packs for the others, who learn where their part begins."""
        taken, given = self.needed()
        lengths = [given[rank].size if rank in given else 0 for rank in range(self.comm.size)]
        starts = np.cumsum([0, *lengths])
        self.window, room = onesided.allocate(self.comm, [starts[-1]], self.options["window"])
        self.given = [(places, room[starts[rank] :][: places.size]) for rank, places in given.items()]
        where = self.comm.alltoall(starts[:-1].tolist())
        self.taken = [(s, where[s], places, memory.empty(places.size)) for s, places in taken.items()]

    def gather(self) -> None:
        if self.selected:
            self.gather_needed()
            return
        # All slices are updated, and all that was got before is used.
        self.window.Fence()
        for source in self.others:
            part = self.vector[source * self.own.size :][: self.own.size]
            self.window.Get(message(part), source, source * self.own.size)
        self.window.Fence()

    def gather_needed(self) -> None:
        for places, out in self.given:
            loops.pack(self.vector, places, out)
        self.window.Fence()
        for source, start, _, into in self.taken:
            self.window.Get(message(into), source, start)
        self.window.Fence()
        for _, _, places, into in self.taken:
            loops.unpack(into, places, self.vector)

    def close(self) -> None:
        self.window.Free()
