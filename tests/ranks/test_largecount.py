"""More elements than an MPI count holds: with a limit lowered to a few, and with the real one."""

import numpy as np
import pytest
from mpi4py import MPI

from prk.job import Job
from prk.reduce.problem import Reduce
from prk.runtime import Sent
from prk.runtimes._mpi import largecount
from tests import cells, counts

LIMIT = 40


@pytest.mark.mpi
@pytest.mark.parametrize("name", ["mpi1", "mpirma", "mpishm", "shmem"])
def test_blocks_over_the_limit_travel_by_rows(comm, agree, monkeypatch, name):
    """Every library takes counts of some thousands, so what counts is that no block is sent any other way."""
    row, made = largecount._row, []

    def counted(*kind):
        made.append(kind)
        return row(*kind)

    monkeypatch.setattr(largecount, "LARGEST", LIMIT)
    monkeypatch.setattr(largecount, "_row", counted)
    wrong = []
    for job in cells.jobs(name, "transpose", comm.size):
        made.clear()
        wrong += cells.compare(job, comm)
        # A group that is the whole team sends nothing; a block of 12 columns over 6 ranks is small.
        messages = comm.size > 1 and name != "mpishm" and (job.problem.order // comm.size) ** 2 > LIMIT
        if messages and not made:
            wrong.append(f"{job} sends its blocks element by element")
    agree(wrong)


@pytest.mark.mpi
@pytest.mark.parametrize("name", ["mpi1", "mpithreads"])
def test_a_reduction_over_the_limit_takes_several_calls(comm, agree, monkeypatch, name):
    monkeypatch.setattr(largecount, "LARGEST", LIMIT)
    problem = Reduce(n=3 * LIMIT + 5, iterations=2)
    job = Job("reduce", name, problem, cells.variants(name, "reduce", {})[0])
    sent = Sent(2 * 4, 2 * 8 * problem.n)
    agree([*cells.compare(job, comm), *([] if counts.sent(job, comm) == sent else [f"{job}: not {sent}"])])


@pytest.mark.mpi
def test_the_library_takes_more_than_two_thousand_million_elements(comm):
    # Never touched, so it costs no memory.
    block = np.empty((2, 2**30 + 5), np.uint8)
    for request in (comm.Recv_init, comm.Send_init):
        request(largecount.message(block), MPI.PROC_NULL if comm.size == 1 else 0).Free()
