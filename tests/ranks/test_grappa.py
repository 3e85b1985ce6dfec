"""Grappa's words and messages: none is lost or early, whoever is late, and as many travel as is said."""

import time

import numpy as np
import pytest

from prk.runtimes.grappa import core as grappa
from prk.runtimes.grappa.core import FILL, check, delegate, fill, is_full, read_fe, rest, send_all
from tests import cells, counts

TURNS = 200


def take(this, word):
    """Return the value of a word as soon as it is full, and leave it empty."""
    end = time.perf_counter() + 60
    while not is_full(this, word):
        check(rest(this, 1))
        assert time.perf_counter() < end
    return read_fe(this, word)


@pytest.mark.mpi
@pytest.mark.parametrize("ahead", [0, 7, TURNS])
def test_every_write_of_a_word_is_read_once_and_in_order(comm, agree, ahead):
    """Whether the reader waits for a late writer, or the writer comes to a word that is still full."""
    rank, size = comm.rank, comm.size
    home = grappa.Home(comm, {"aggregate": 1 + ahead % 3, "deadline": 0}, np.zeros(0), 2)
    this = home.core
    wrong, written = [], 0
    for turn in range(1, TURNS + 1):
        # One after the other comes late to write, and then to read.
        if turn % (2 * size) == rank:
            time.sleep(0.001)
        while written < min(turn + ahead, TURNS):
            written += 1
            check(delegate(this, (rank + 1) % size, FILL, written % 2, 1000.0 * written + rank))
        check(send_all(this, 0) if size > 1 else grappa.flush(this, 0, 0))
        if turn % (2 * size) == size + rank:
            time.sleep(0.001)
        found = take(this, turn % 2)
        wrong += [f"{turn}: {found}"] if found != 1000.0 * turn + (rank - 1) % size else []
    wrong += [f"word {word} is full" for word in range(2) if is_full(this, word)]
    home.drain()
    agree(wrong)


@pytest.mark.mpi
def test_a_delegate_leaves_by_the_deadline(comm, agree):
    """Without one it stays until others join it, or a phase ends."""
    wrong, right = [], (comm.rank + 1) % comm.size
    for deadline in (0, 2000):
        home = grappa.Home(comm, {"aggregate": 64, "deadline": deadline}, np.zeros(0), 1)
        this = home.core
        comm.Barrier()
        check(delegate(this, right, FILL, 0, 1.0))
        end = time.perf_counter() + (0.05 if deadline == 0 else 30)
        while not is_full(this, 0) and time.perf_counter() < end:
            check(rest(this, 1))
        wrong += [f"after {deadline} us: {is_full(this, 0)}"] if is_full(this, 0) != (deadline > 0) else []
        # What this one sends may have its deadline yet to come.
        arrived = comm.Ibarrier()
        while not arrived.Test():
            check(rest(this, 1))
        if deadline == 0:
            check(grappa.flush(this, right, 0))
        if not wrong:
            take(this, 0)
        home.drain()
    agree(wrong)


@pytest.mark.mpi
def test_more_writes_than_can_wait_are_an_error(comm):
    home = grappa.Home(comm, {"aggregate": 1, "deadline": 0}, np.zeros(0), 1)
    this = home.core
    codes = [fill(this, 0, 1.0) for _ in range(grappa.PENDING + 2)]
    assert set(codes[:-1]) == {0}
    with pytest.raises(RuntimeError, match="writes wait for their word"):
        check(codes[-1])


@pytest.mark.mpi
@pytest.mark.parametrize("kernel", ["stencil", "synch_p2p", "transpose", "random"])
def test_messages_are_as_many_as_each_aggregation_says(comm, agree, kernel):
    """Also where delegates fill all messages, so that an empty one ends the phase."""
    jobs = [next(cells.jobs("grappa", kernel, comm.size, aggregate=n), None) for n in (4, 7)]
    agree([line for job in jobs if job for line in counts.compare(job, comm)])
