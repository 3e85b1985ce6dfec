"""MPI from inside compiled code, on other communicators than the world."""

import numpy as np
import pytest
from mpi4py import MPI
from numba import njit

from prk.run import registry
from prk.runtimes._compiled import first_error
from prk.runtimes._mpi import calls
from tests import cells


@njit
def around(mpi, out, into, rank, size):
    """Pass `out` to the right neighbour round the ring; even ranks send first."""
    code = 0
    for turn in range(2):
        if rank % 2 == turn:
            code = first_error(code, calls.send(mpi, out.ctypes.data, out.size, (rank + 1) % size))
        else:
            code = first_error(code, calls.recv(mpi, into.ctypes.data, into.size, (rank - 1) % size))
    return code


@pytest.mark.mpi
@pytest.mark.parametrize("reverse", [False, True])
def test_ring_on_a_split_communicator(comm, agree, reverse):
    even = comm.size - comm.size % 2
    part = comm.Split(0 if comm.rank < even else MPI.UNDEFINED, -comm.rank if reverse else comm.rank)
    wrong = []
    if part != MPI.COMM_NULL:
        into = np.zeros(3)
        code = around(calls.calls(part), np.full(3, part.rank, float), into, part.rank, part.size)
        calls.succeed(code)
        if set(into) != {(part.rank - 1) % part.size}:
            wrong.append(f"rank {part.rank} received {into}")
        part.Free()
    agree(wrong)


@pytest.mark.mpi
def test_kernels_run_on_a_reversed_communicator(comm, agree):
    reversed_ = comm.Split(0, -comm.rank)
    case = next(cells.jobs("mpi1", "synch_p2p", comm.size))
    agree(cells.compare(case, reversed_))
    reversed_.Free()


@pytest.mark.mpi
def test_error_of_the_library_is_raised(comm, agree):
    comm.Set_errhandler(MPI.ERRORS_RETURN)
    code = around(calls.calls(comm), np.zeros(1), np.zeros(1), -7, 1 << 20)
    with pytest.raises(MPI.Exception):
        calls.succeed(code)
    assert registry.runtime("mpi1").describe()["mpi"]
