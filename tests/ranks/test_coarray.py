"""Coarrays and events: what was told arrives, however late an image comes, and in pieces."""

import ctypes
import time

import numpy as np
import pytest

from prk.runtimes.coarray import library
from prk.runtimes.coarray.images import Coarray

TURNS = 200


@pytest.mark.mpi
@pytest.mark.parametrize("how", ["events", "images"])
def test_nothing_that_an_image_is_told_is_lost(comm, agree, how):
    """Whether it waits already, or comes when it has been told."""
    rank, size = comm.rank, comm.size
    left, right = (rank - 1) % size, (rank + 1) % size
    images = Coarray(comm, 16, events=2)
    here, wrong, late = images.array(2), [], 0
    for turn in range(1, TURNS + 1):
        # One after the other comes late to tell, and then to wait.
        if turn % (2 * size) == rank:
            time.sleep(0.001)
            late += 1
        images.put(here[turn % 2 :], np.array([1000.0 * turn + rank]), right)
        if how == "events":
            images.post(0, right)
        if turn % (2 * size) == size + rank:
            time.sleep(0.001)
        if how == "events":
            images.wait(0)
        else:
            images.sync_images(sorted({left, right} - {rank}))
        wrong += [f"{turn}: {here}"] if here[turn % 2] != 1000.0 * turn + left else []
        # The neighbour may put the next one but one.
        if how == "events":
            images.post(1, left)
            images.wait(1)
    wrong += [] if late else [f"{rank} was never late"]
    images.close()
    agree(wrong)


@pytest.mark.mpi
def test_events_are_counted_however_many_come_before_somebody_waits(comm, agree):
    images, times = Coarray(comm, 0, events=2), 20
    # Those of one event are no other's.
    for number in range(times * comm.size):
        images.post(1, number % comm.size)
    images.wait(1, times)
    images.wait(1, times * (comm.size - 1))
    images.sync_all()
    wrong = [event for event in range(2) if images.functions.caf_posted(ctypes.c_int64(event))]
    images.close()
    agree(wrong)


@pytest.mark.mpi
def test_what_is_longer_than_a_c_int_counts_travels_in_pieces(comm, agree):
    rank, size = comm.rank, comm.size
    left, right, sent = (rank - 1) % size, (rank + 1) % size, np.arange(990.0)
    images, fortran = Coarray(comm, 8000), library.load(comm)
    there, found = images.array(1000)[3:], np.zeros(990)
    piece = ctypes.c_int64.in_dll(images.functions, "caf_piece")
    before, piece.value = piece.value, 72
    images.put(there, sent + rank, right)
    images.sync_all()
    wrong = [] if (there[:990] == sent + left).all() else ["a put"]
    images.get(found, there, right)
    wrong += [] if (found == sent + rank).all() else ["a get"]
    for root in (size - 1, library.EVERYBODY):
        given = sent + rank
        fortran.co_sum(given, root)
        if root in (rank, library.EVERYBODY) and (given != size * sent + sum(range(size))).any():
            wrong += [f"a sum for {root}"]
    piece.value = before
    images.close()
    agree(wrong)
