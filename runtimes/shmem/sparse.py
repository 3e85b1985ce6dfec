"""Sparse, OpenSHMEM: slices, or what is needed of them, are put to those who need them, and counted."""

import numpy as np

from prk import decomposition, memory
from prk.sparse import loops, serial

from . import heap
from .compiled import GE
from .layer import symmetric


class Kernel(serial.Kernel):
    """This PE's rows, and the whole vector; symmetric is the vector, or what is needed of it as it lands."""

    def setup(self) -> None:
        size = self.comm.size
        self.shmem = symmetric(self.comm, heap.sparse(self.problem, size))
        self.selected = self.options["gather"] == "needed"
        super().setup()
        # Slices that have come, and slices of this PE that are used up.
        self.arrived, self.used = (self.shmem.zeros(1, np.int64) for _ in range(2))
        self.others = [to for _, to in decomposition.pairwise(self.comm.rank, size)]
        if self.selected:
            self.prepare()
        self.done = 0
        self.shmem.barrier_all()

    def allocate(self, shape: tuple[int, int]) -> np.ndarray:
        return super().allocate(shape) if self.selected else self.shmem.zeros(shape)

    def prepare(self) -> None:
        """Make room where what this PE needs lands; the others learn where their part begins."""
        taken, given = self.needed()
        lengths = [taken[source].size if source in taken else 0 for source in range(self.comm.size)]
        starts = np.cumsum([0, *lengths])
        every = self.comm.bcast(self.comm.gather(starts.tolist()))
        # Symmetric arrays are alike on all PEs.
        self.landing = self.shmem.zeros(max(s[-1] for s in every))
        self.taken = [(places, self.landing[starts[s] :][: places.size]) for s, places in taken.items()]
        self.given = [
            (to, places, memory.empty(places.size), self.landing[every[to][self.comm.rank] :][: places.size])
            for to, places in given.items()
        ]

    def gather(self) -> None:
        self.done += 1
        others = len(self.others)
        # All have used up what this PE put before.
        self.shmem.wait_until(self.used, GE, others * (self.done - 1))
        self.put()
        self.shmem.fence()
        for to in self.others:
            self.shmem.atomic_inc(self.arrived, to)
        self.shmem.wait_until(self.arrived, GE, others * self.done)
        for places, landed in self.taken if self.selected else []:
            loops.unpack(landed, places, self.vector)

    def put(self) -> None:
        """Put this PE's slice, or what is needed of it, to the others."""
        if not self.selected:
            for to in self.others:
                self.shmem.put(self.own, self.own, to)
            return
        for to, places, out, there in self.given:
            loops.pack(self.vector, places, out)
            self.shmem.put(there, out, to)

    def step(self) -> None:
        super().step()
        for to in self.others:
            self.shmem.atomic_inc(self.used, to)

    def close(self) -> None:
        self.shmem.close()
