"""UPC's shared arrays and counters: what was told arrives, however late a thread comes."""

import time

import numpy as np
import pytest

from prk.run import registry
from prk.runtimes._mpi import group
from prk.runtimes.upc.shared import Threads, await_counter, counters, post, set_strict
from tests import cells

TURNS = 200


@pytest.mark.mpi
@pytest.mark.parametrize("access", ["memget", "loads"])
@pytest.mark.parametrize("semaphore", [False, True])
def test_nothing_that_a_thread_is_told_is_lost(comm, agree, access, semaphore):
    """Whether it waits already, or comes when it has been told."""
    rank, size = comm.rank, comm.size
    left, right = (rank - 1) % size, (rank + 1) % size
    team = Threads(comm, access)
    values, counter = team.array([TURNS + 1]), counters(team, semaphore)
    wrong, found, late = [], np.zeros(1), 0
    for turn in range(1, TURNS + 1):
        # One after the other comes late to tell, and then to wait.
        if turn % (2 * size) == rank:
            time.sleep(0.001)
            late += 1
        values.own[turn] = 1000.0 * turn + rank
        values.window.Sync()
        code = post(counter, right) if semaphore else set_strict(counter, right, turn)
        if turn % (2 * size) == size + rank:
            time.sleep(0.001)
        code = code or await_counter(counter, turn)
        values.memget(found, left, ((turn, turn + 1),))
        wrong += [f"{turn}: {found}"] if code or found[0] != 1000.0 * turn + left else []
    wrong += [] if late else [f"{rank} was never late"]
    team.barrier()
    team.close()
    agree(wrong)


@pytest.mark.mpi
def test_loads_are_refused_where_threads_are_on_several_nodes(comm, monkeypatch):
    """One line, equal on all; copies go everywhere."""
    how = registry.runtime("upc")
    jobs = {job.options["access"]: job for job in cells.jobs("upc", "stencil", comm.size)}
    assert how.probe(jobs["loads"], comm) == ""
    monkeypatch.setattr(group, "largest", lambda comm: comm.size - 1)
    assert "use --access memget" in how.probe(jobs["loads"], comm)
    assert how.probe(jobs["memget"], comm) == ""
