"""Clocks around MPI: sums that make up the time, messages whose two halves fit, and no trace of them left."""

import ctypes
import time
from dataclasses import replace

import numpy as np
import pytest
from mpi4py import MPI

from prk.run import member, registry, split
from prk.run.trace import lanes
from prk.run.trace.lanes import Member
from prk.runtimes._mpi import calls, clocks, onesided
from prk.runtimes._mpi.group import Group
from prk.runtimes._mpi.linked import slots
from prk.runtimes._threads import team as threads
from prk.runtimes.shmem import compiled, rma
from tests import cells

# From Python and from inside compiled code, requests of three kinds, windows, and threads.
KERNELS = [("mpi1", kernel) for kernel in ("stencil", "synch_p2p", "transpose")]
KERNELS += [("mpirma", "stencil"), ("mpithreads", "synch_p2p")]


def several(name, kernel, size):
    """Return a job of each value of an option that says how ranks wait or exchange."""
    jobs = list(cells.jobs(name, kernel, size))
    ways = ("sync", "local-sync", "handshake", "exchange")
    return {tuple(job.options.get(way) for way in ways): job for job in jobs}.values()


@pytest.mark.mpi
@pytest.mark.parametrize(("name", "kernel"), KERNELS)
def test_parts_make_up_a_repetition_and_messages_arrive(comm, agree, name, kernel, tmp_path):
    how, wrong = registry.runtime(name), list[str]()
    if comm.size > 3 and name != "mpi1":
        return
    for job in several(name, kernel, comm.size):
        make = registry.kernel_class(name, kernel)
        asked = replace(job, split=2, trace=str(tmp_path / "trace"))
        found = split.run(asked, job.problem, how, make, comm, member._check)
        if not found:
            continue
        wrong += [f"{job}: {c}" for c in found.checks if not c.valid]
        for member_, parts in zip(found.members, found.ranks, strict=True):
            for (begin, end), part in zip(member_.spans, parts, strict=True):
                if abs(sum(part) - (end - begin)) > 1e-9 or min(part) < 0:
                    wrong.append(f"{job}: {part} in {end - begin} s")
        sent = sum(len(m.lane.sent) for m in found.members)
        received = sum(len(m.lane.received) for m in found.members)
        arrived = len(lanes.messages(found.members))
        if not sent == received == arrived:
            wrong.append(f"{job}: {sent} messages sent, {received} received, {arrived} of them matched")
        if name == "mpi1" and job.options.get("exchange") != "alltoall":
            wrong += counted(job, how, comm.size, found)
    agree(wrong)


def counted(job, how, size, found):
    """Return a line for each rank that did not send what its cell says, in messages and bytes."""
    wrong = []
    for rank, one in enumerate(found.members):
        formula = how.messages(job.kernel, job.problem, job.options, size, rank)
        own = len(one.lane.sent), sum(c.bytes for c in one.lane.calls)
        if own != (2 * formula.messages, 2 * formula.bytes):
            wrong.append(f"{job}: rank {rank} sent {own} in two repetitions, not twice {formula}")
    return wrong


@pytest.mark.mpi
def test_every_wait_of_compiled_code_is_clocked(comm, agree):
    """For a flag that is up already, of a window, a symmetric heap or a group of ranks; and for a lock."""
    wrong = []
    with clocks.clocking(comm, 10) as (_, found):
        counters, heap, group = onesided.Counters(comm, "allocate"), rma.OneSided(comm, 1024), Group(comm, 1)
        flag, flags = heap.zeros(1, np.int64), group.flags()
        for what, wait in {
            "window": lambda: counters.wait_for(comm.rank, 0),
            "heap": lambda: heap.wait_until(flag, compiled.GE, 0),
            "group": lambda: threads.wait(flags, threads.DONE, 0),
            "lock": lambda: threads.acquire(flags, np.zeros(1, np.int64).ctypes.data),
        }.items():
            wait()
            before = found.spent().waiting
            wait()
            wrong += [] if found.spent().waiting > before else [what]
        for one in (heap, group):
            one.close()
        counters.free()
    agree(wrong)


@pytest.mark.mpi
def test_nothing_of_the_clocks_is_left(comm):
    names = {f"MPI_{name}": calls.address(f"MPI_{name}") for name in ("Send", "Wait", "Win_flush")}

    def held():
        return {slot: ctypes.c_uint64.from_address(slot).value for slot in slots(calls.library, names)}

    before = held()
    with clocks.clocking(comm, 10):
        assert before != held()
        assert calls.address("MPI_Send") != names["MPI_Send"]
    assert before == held()
    assert {name: calls.address(name) for name in names} == names


@pytest.mark.mpi
def test_a_receiver_that_waits_for_a_sender_is_named_and_the_time_is_summed(comm, agree):
    """The last rank receives from the first, which sends when it has slept."""
    if comm.size == 1:
        return
    last, word = comm.size - 1, np.zeros(3)
    with clocks.clocking(comm, 100) as (_, found):
        comm.Barrier()
        since = time.perf_counter()
        before = found.spent()
        if comm.rank == last:
            comm.Ssend(word, 0)
            comm.Recv(word, 0)
        elif comm.rank == 0:
            comm.Recv(word, last)
            time.sleep(0.3)
            comm.Send(word, last)
        comm.Barrier()
        spent = [b - a for a, b in zip(before, found.spent(), strict=True)]
        own = Member("", [(since, time.perf_counter())], found.lane(since))
    members = comm.allgather(own)
    waits = [
        (lanes.name(members[rank].lane.calls[number], wait), wait.whom)
        for (rank, number), wait in lanes.waits(members).items()
        if rank == last
    ]
    wrong = [] if ("MPI_Recv: late sender", 0) in waits else [f"{waits}"]
    if comm.rank == last and not spent[1] > 0.05:
        wrong.append(f"spent {spent}")
    agree(wrong)


@pytest.mark.mpi
def test_the_clocks_of_ranks_are_compared_by_ping_pong(comm, agree):
    """Every rank's clock is made to run a hundred seconds behind the one before it."""
    found = clocks.ahead(comm, lambda: time.perf_counter() - 100.0 * comm.rank)
    agree([] if abs(found - 100.0 * comm.rank) < 1.0 else [f"rank {comm.rank}: {found}"])


@pytest.mark.mpi
def test_a_group_is_told_by_its_ranks(comm, agree):
    """Halves and at last all of a communicator, and a window: ranks are those of the team."""
    with clocks.clocking(comm, 0) as (_, found):
        half = comm.Split(comm.rank % 2, comm.rank)
        window = MPI.Win.Allocate(8, 8, comm=half)
        mine = tuple(range(comm.rank % 2, comm.size, 2))
        wrong = [] if found.group("Comm", int(calls.handle(half))) == mine else ["of a communicator"]
        wrong += [] if found.group("Win", int(calls.handle(window))) == mine else ["of a window"]
        window.Free()
        half.Free()
    agree(wrong)
