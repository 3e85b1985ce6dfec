"""PIC, MPI shared memory: what a rank gives, its mates read where it stands, and others get by messages."""

from collections.abc import Sequence

import numpy as np

from prk.pic import distributed

from .._mpi.group import Group
from .._mpi.partners import Exchange
from .._pic import doubles
from .._pic.outbox import Outbox
from .._threads import team as threads
from .._threads.team import DONE, STRIDE, publish, wait


class Shared(Outbox):
    """The outbox in the group's window, with two flags from each mate to each other one."""

    def __init__(self, group: Group, length: int):
        self.all, self.size = group.share([length]), group.size
        self.all[group.rank][:] = 0
        super().__init__(group.rank, group.size, self.all[group.rank])
        words = group.share_one([(DONE + 2 * group.size**2) * STRIDE // 8], np.int64)
        if group.rank == 0:
            words[:] = 0
        group.comm.Barrier()
        self.flags = threads.shared(words, group.size)
        # How often this rank has raised the flags.
        self.raised = np.zeros((2, group.size), np.int64)

    def flag(self, kind: int, source: int, to: int) -> int:
        return DONE + (kind * self.size + source) * self.size + to

    def lift(self, kind: int, to: int) -> None:
        self.raised[kind, to] += 1
        publish(self.flags, self.flag(kind, self.rank, to), self.raised[kind, to])

    def tell(self, to: int) -> None:
        self.lift(0, to)

    def await_told(self, source: int, times: int) -> None:
        threads.check(wait(self.flags, self.flag(0, source, self.rank), times))

    def thank(self, source: int) -> None:
        self.lift(1, source)

    def await_thanked(self, to: int, times: int) -> None:
        threads.check(wait(self.flags, self.flag(1, to, self.rank), times))

    def read(self, source: int, start: int, into: np.ndarray) -> None:
        into[:] = self.all[source][start : start + into.size]


class Kernel(distributed.Kernel):
    """This rank's tile."""

    def setup(self) -> None:
        self.group = Group(self.comm, self.options["group-size"])
        self.outbox = Shared(self.group, doubles(self.problem, self.comm.size))
        super().setup()

    def exchange(self, partners: Sequence[int], out: Sequence[np.ndarray]) -> list[np.ndarray]:
        first, size = self.group.first, self.group.size
        given = dict(zip(partners, out, strict=True))
        mates = [rank for rank in partners if first <= rank < first + size]
        others = [rank for rank in partners if rank not in mates]
        far = Exchange(self.comm, others, [given[rank] for rank in others])
        near = self.outbox.exchange([rank - first for rank in mates], [given[rank] for rank in mates])
        came = {**dict(zip(mates, near, strict=True)), **dict(zip(others, far.end(), strict=True))}
        return [came[rank] for rank in partners]

    def close(self) -> None:
        self.group.close()
