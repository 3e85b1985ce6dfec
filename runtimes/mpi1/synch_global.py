"""Synch_global, MPI two-sided: the library's allgather, called from inside compiled code."""

from numba import njit

from prk.synch_global import loops, serial

from .._compiled import first_error
from .._mpi import calls
from .._mpi.calls import allgather, succeed


class Kernel(serial.Kernel):
    """This rank's digits, and the string of all."""

    def setup(self) -> None:
        super().setup()
        self.mpi = calls.gather(self.comm)

    def repeat(self, count: int) -> None:
        succeed(synchronise(self.mpi, self.string, self.digits, self.comm.rank, self.comm.size, count))


@njit(nogil=True, cache=True)
def synchronise(mpi, string, digits, rank, size, count):
    """Run `count` repetitions; return MPI's error code, 0 if all went well."""
    code = 0
    for _ in range(count):
        code = first_error(code, allgather(mpi, digits, string))
        loops.scramble(string, rank, size, digits)
    return code
