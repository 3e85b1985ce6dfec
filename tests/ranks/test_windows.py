"""Groups that share memory, and windows that others put into, on other communicators than the world."""

import numpy as np
import pytest
from numba import njit

from prk.runtimes._compiled import first_error
from prk.runtimes._mpi import calls, group, onesided
from tests import cells


@pytest.fixture
def reversed_(comm):
    """Return the ranks in the opposite order."""
    own = comm.Split(0, -comm.rank)
    yield own
    own.Free()


@njit
def around(window, out, landing, flag, rank, size, rounds):
    """Put a value a round into the right neighbour's window; return 1 if a wrong one came from the left."""
    to = (rank + 1) % size
    for k in range(1, rounds + 1):
        out[0] = 1000.0 * k + rank
        flag[0] = k
        code = first_error(calls.put(window, out.ctypes.data, 1, to, k), calls.flush(window, to))
        code = first_error(code, calls.put_flag(window, flag.ctypes.data, to, 0))
        code = first_error(code, calls.flush(window, to))
        code = first_error(code, calls.await_flag(window, landing.ctypes.data, k))
        if code or landing[k] != 1000.0 * k + (rank - 1) % size:
            return 1
    return 0


@pytest.mark.mpi
@pytest.mark.parametrize("flavour", ["allocate", "create"])
def test_a_flag_tells_that_the_value_is_there(reversed_, agree, flavour):
    rounds = 200
    window, landing = onesided.allocate(reversed_, [rounds + 1], flavour)
    landing[:] = 0.0
    window.Lock_all()
    window.Sync()
    reversed_.Barrier()
    about = calls.window(window, reversed_)
    out, flag = np.zeros(1), np.zeros(1, np.int64)
    wrong = around(about, out, landing, flag, reversed_.rank, reversed_.size, rounds)
    window.Unlock_all()
    window.Free()
    agree([f"{flavour} on {reversed_.rank}"] * wrong)


@pytest.mark.mpi
@pytest.mark.parametrize("sync", ["fence", "pscw", "passive"])
def test_what_neighbours_put_is_of_this_repetition(reversed_, agree, sync):
    rank, size = reversed_.rank, reversed_.size
    neighbours = sorted({(rank + 1) % size, (rank - 1) % size})
    landing = onesided.Landing(reversed_, neighbours, size, np.float64, {"sync": sync, "window": "allocate"})
    wrong = []
    for turn in range(200):
        landing.open()
        points = np.full(1, 1000.0 * turn + rank)
        for to in neighbours:
            landing.put(points, to, rank)
        half = landing.close()
        wrong += [f"{turn}: {half}" for n in neighbours if half[n] != 1000.0 * turn + n]
    landing.free()
    agree(wrong)


@pytest.mark.mpi
@pytest.mark.parametrize("way", ["messages", "flags", "barrier"])
def test_partners_meet_in_every_round(reversed_, agree, way):
    team = group.Group(reversed_, None)
    shared = team.share_one([team.size])
    partners = [r for r in (team.rank - 1, team.rank + 1) if 0 <= r < team.size]
    meet = group.Meeting(team, partners, way)
    wrong = []
    for turn in range(200):
        shared[team.rank] = turn
        meet()
        wrong += [f"{turn}: {shared}" for p in partners if shared[p] != turn]
        meet()
    meet.close()
    team.close()
    agree(wrong)


@pytest.mark.mpi
@pytest.mark.parametrize("kernel", ["stencil", "synch_p2p", "transpose", "nstream"])
def test_whole_fields_with_several_groups(comm, agree, kernel):
    sizes = [g for g in range(1, comm.size) if comm.size % g == 0]
    cases = [case for g in sizes for case in cells.jobs("mpishm", kernel, comm.size, **{"group-size": g})]
    agree([line for case in cases[::3] for line in cells.compare(case, comm)])


@pytest.mark.mpi
def test_the_window_flavours_work_here(comm):
    for flavour in ("allocate", "create"):
        assert not onesided.wrong(comm, flavour)
    assert not onesided.wrong_xor(comm, "allocate")
    group.try_share(comm)


@pytest.mark.mpi
@pytest.mark.parametrize("way", ["messages", "flags", "barrier"])
def test_a_meeting_synchronises_memory_before_and_after(comm, agree, monkeypatch, way):
    """Counted, because processors that keep the order of stores hide a missing one from any run."""
    team, synced = group.Group(comm, None), []
    meet = group.Meeting(team, [r for r in range(team.size) if r != team.rank], way)
    monkeypatch.setattr(team, "sync", lambda: synced.append(1))
    meet()
    monkeypatch.undo()
    meet.close()
    team.close()
    agree([f"{way}: {len(synced)} of 2"] if len(synced) != 2 else [])
