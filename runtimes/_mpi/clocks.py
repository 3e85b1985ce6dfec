"""Clocks around MPI's functions, and what their arguments say: who sends whom how much, and who meets."""

import ctypes
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from mpi4py import MPI

from prk.runtime import Call, Half, Lane, Met

from .._clocks.recorder import (
    ARGUMENTS,
    BEGIN,
    COMMUNICATING,
    FIRST,
    FLAG,
    HELD,
    REQUESTS,
    WAITING,
    WHAT,
    Recorder,
    Watched,
    running,
)
from .._clocks.recorder import Clocks as Waits
from .._compiled import address
from . import calls, count
from .interpose import interposed

# Round trips by which two clocks are compared: the shortest counts.
TRIPS = 20
SENDS = ("Send", "Ssend", "Bsend", "Rsend")
SENDS_BEGUN = ("Isend", "Issend", "Ibsend", "Irsend")
# A call that moves data is communication also where it waits for others, as a collective does.
MOVING = """
    Irecv Imrecv Sendrecv Sendrecv_replace Fetch_and_op Compare_and_swap Get_accumulate
    Gather Gatherv Scatter Scatterv Allgatherv Reduce_scatter Alltoallw Igather Igatherv Iscatter Iscatterv
    Iallgatherv Ireduce_scatter Ialltoallw Neighbor_allgather Neighbor_allgatherv Neighbor_alltoall
    Neighbor_alltoallv Neighbor_alltoallw
"""
# MPI_Iprobe is not among them: whoever waits for a flag calls it meanwhile, and that is clocked.
WAITS = """
    Recv Mrecv Probe Mprobe Barrier Ibarrier Waitany Waitsome Test Testall Testany Testsome
    Win_fence Win_flush Win_flush_all Win_flush_local Win_flush_local_all Win_sync Win_lock Win_lock_all
    Win_unlock Win_unlock_all Win_post Win_start Win_complete Win_wait Win_test
"""
# Which argument says with whom all ranks of a group meet: a communicator, or a window.
MEETINGS = {"Barrier": 0, "Win_fence": 1} | {
    name: count.COLLECTIVES[name.lower()][1] - 1
    for name in ("Allreduce", "Allgather", "Alltoall", "Alltoallv", "Reduce_scatter_block")
}


class End(NamedTuple):
    """Which arguments of a call name the other end of a message: rank, tag, communicator, and a request."""

    sends: bool
    peer: int = 3
    tag: int = 4
    comm: int = 5
    request: bool = False
    # Whether nothing moves before the request is started.
    held: bool = False


ENDS: dict[str, tuple[End, ...]] = {
    **dict.fromkeys(SENDS, (End(True),)),
    **dict.fromkeys(SENDS_BEGUN, (End(True, request=True),)),
    **{
        f"{mode}send_init".capitalize(): (End(True, request=True, held=True),) for mode in ("", "s", "b", "r")
    },
    "Recv": (End(False),),
    "Irecv": (End(False, request=True),),
    "Recv_init": (End(False, request=True, held=True),),
    "Sendrecv": (End(True, comm=10), End(False, 8, 9, 10)),
}
# By name, where the target of an access to a window stands.
TARGETS = dict.fromkeys(("Put", "Rput", "Get", "Rget", "Accumulate", "Raccumulate", "Fetch_and_op"), 3) | {
    "Compare_and_swap": 4, "Win_flush": 0, "Win_flush_local": 0, "Win_unlock": 0,
}  # fmt: skip
WINDOWS = {"Put": 7, "Rput": 7, "Get": 7, "Rget": 7, "Accumulate": 8, "Raccumulate": 8}
WINDOWS |= {"Fetch_and_op": 6, "Compare_and_swap": 6, "Win_flush": 1, "Win_flush_local": 1, "Win_unlock": 1}


@cache
def functions() -> dict[str, Watched]:
    """Return the functions to be clocked, those that this library has, by name."""
    kinds = {**dict.fromkeys((*count.PLACES, *MOVING.split(), "Recv_init"), COMMUNICATING)}
    kinds |= dict.fromkeys(WAITS.split(), WAITING)
    made = {name: 6 for name, ends in ENDS.items() if ends[0].request}
    wanted = {name: Watched(0, kind, made=made.get(name)) for name, kind in kinds.items()}
    wanted |= {
        "Start": Watched(0, COMMUNICATING, given=0),
        "Startall": Watched(0, COMMUNICATING, given=1, several=0),
        "Wait": Watched(0, WAITING, given=0),
        "Waitall": Watched(0, WAITING, given=1, several=0),
    }
    return {
        f"MPI_{name}{end}": watched._replace(address=address(calls.library, f"MPI_{name}{end}"))
        for name, watched in wanted.items()
        for end in ("", "_c")
        if hasattr(calls.library, f"MPI_{name}{end}")
    }


@contextmanager
def clocking(
    comm: Any, noted: int, library: ctypes.CDLL = calls.library
) -> Iterator[tuple[Any, "Clocks | None"]]:
    """Clock while the context lasts; yield the team and what tells, or None where this cannot be done.

    library: who calls MPI, by default mpi4py.
    """
    recorder = Recorder(functions(), noted, MPI._sizeof(MPI.Request))
    interposing = interposed(recorder.addresses, lambda: recorder.addresses, library)
    with interposing as there, running(recorder):
        yield comm, Clocks(recorder, comm) if there else None


class Clocks(Waits):
    """What a recorder tells of this rank."""

    def __init__(self, recorder: Recorder, comm: MPI.Intracomm):
        super().__init__(recorder)
        self.comm, self.everyone = comm, comm.Get_group()
        self.groups: dict[tuple[str, int], tuple[int, ...]] = {}

    def lane(self, since: float) -> Lane:
        found = Reader(self)
        for row in self.recorder.calls():
            name = "" if row[WHAT] == FLAG else self.recorder.names[row[WHAT]]
            found.read(row, name, row[BEGIN] >= since * 1e9)
        return Lane(found.calls, found.sent, found.received, found.met, self.recorder.full)

    def group(self, kind: str, handle: int) -> tuple[int, ...]:
        """Return the team's ranks of a communicator ("Comm") or of a window's ("Win"), by its handle."""
        made: Any = getattr(MPI, kind)
        known = kind, handle & ((1 << 8 * MPI._sizeof(made)) - 1)
        if known not in self.groups:
            group = made.fromhandle(known[1]).Get_group()
            self.groups[known] = tuple(group.Translate_ranks(range(group.size), self.everyone))
            group.Free()
        return self.groups[known]

    def ahead(self) -> float:
        """Return by how much rank 0's clock is ahead; nothing where all ranks are on one node."""
        hosts = self.comm.allgather(os.uname().nodename)
        return ahead(self.comm) if len(set(hosts)) > 1 else 0.0


def ahead(comm: MPI.Intracomm, clock: Callable[[], float] = time.perf_counter) -> float:
    """Return the seconds by which rank 0's clock is ahead of this one's, by ping-pong. Collective.

    The other clock is read halfway between a message there and its answer (Cristian, 1989).
    """
    found, word = 0.0, np.zeros(1)
    for rank in range(1, comm.size):
        if comm.rank == 0:
            trips = []
            for _ in range(TRIPS):
                begin = clock()
                comm.Send(word, rank)
                comm.Recv(word, rank)
                end = clock()
                trips.append((end - begin, (begin + end) / 2 - word[0]))
            comm.send(min(trips)[1], rank)
        elif comm.rank == rank:
            for _ in range(TRIPS):
                comm.Recv(word, 0)
                word[0] = clock()
                comm.Send(word, 0)
            found = float(comm.recv(source=0))
    return found


class Other(NamedTuple):
    """Who is at the other end of a message (less than 0: nobody, or it may be anybody), its key and tag."""

    rank: int
    key: int
    tag: int | None


NOBODY = Other(-1, 0, None)


class Reader:
    """Noted calls of one rank, read in the order in which they began."""

    def __init__(self, clocks: Clocks):
        self.clocks = clocks
        self.calls: list[Call] = []
        self.sent: list[Half] = []
        self.received: list[Half] = []
        self.met: list[Met] = []
        # Requests by handle: those that wait to be started, and the halves of messages that others complete.
        self.held: dict[int, tuple[bool, Other, int]] = {}
        self.open: dict[int, tuple[list[Half], int]] = {}

    def read(self, row: np.ndarray, full_name: str, wanted: bool) -> None:
        """Take up a call; of one before those that are wanted only what it says of requests."""
        name = full_name.removeprefix("MPI_").removesuffix("_c")
        arguments = tuple(int(a) for a in row[FIRST : FIRST + ARGUMENTS])
        requests = [int(r) for r in row[REQUESTS + 1 : REQUESTS + 1 + min(row[REQUESTS], HELD)]]
        ends = ENDS.get(name, ())
        if ends and ends[0].held:
            other, size = self.other(ends[0], arguments), 0
            if ends[0].sends:
                size = count.size(count.PLACES[name], full_name.endswith("_c"), arguments)
            self.held[requests[0]] = ends[0].sends, other, size
        if not wanted:
            return
        number, about = len(self.calls), self.about(name, full_name, arguments, requests)
        kind = name and self.clocks.recorder.kinds[row[WHAT]] == WAITING
        self.calls.append(self.clocks.call(row, f"MPI_{name}", waiting=bool(kind), **about))
        for end in ends if not (ends and ends[0].held) else ():
            other = self.other(end, arguments)
            self.begin(end.sends, number, None if end.request else number, other, requests)
        if name in ("Start", "Startall"):
            for request in requests:
                if request in self.held:
                    sends, other, _ = self.held[request]
                    self.begin(sends, number, None, other, [request])
        elif name in ("Wait", "Waitall"):
            for request in requests:
                halves, which = self.open.pop(request, ([], 0))
                if halves:
                    halves[which] = halves[which]._replace(complete=number)
        elif name in MEETINGS:
            kind = "Win" if name == "Win_fence" else "Comm"
            group = self.clocks.group(kind, arguments[MEETINGS[name]])
            self.met.append(Met(number, hash((name == "Win_fence", *group)), len(group)))

    def begin(
        self, sends: bool, number: int, complete: int | None, other: "Other", requests: list[int]
    ) -> None:
        """Take up one half of a message, unless nobody is at the other end or it may be anybody."""
        if other.rank < 0:
            return
        halves = self.sent if sends else self.received
        if complete is None:
            self.open[requests[0]] = halves, len(halves)
        halves.append(Half(number, complete, *other))

    def other(self, end: End, arguments: tuple[int, ...]) -> "Other":
        """Return who is at the other end of a message."""
        peer, tag = count.as_int(arguments[end.peer]), count.as_int(arguments[end.tag])
        if peer in (MPI.PROC_NULL, MPI.ANY_SOURCE):
            return NOBODY
        group = self.clocks.group("Comm", arguments[end.comm])
        return Other(group[peer], hash(group), None if tag == MPI.ANY_TAG else tag)

    def about(
        self, name: str, full_name: str, arguments: tuple[int, ...], requests: list[int]
    ) -> dict[str, Any]:
        """Return the other end of a call and the bytes that it moves, where they are known."""
        peers, size = set(), 0
        if name in TARGETS:
            rank = count.as_int(arguments[TARGETS[name]])
            if rank >= 0 and name in WINDOWS:
                peers.add(self.clocks.group("Win", arguments[WINDOWS[name]])[rank])
        for end in ENDS.get(name, ()):
            peers.add(self.other(end, arguments).rank)
        started = [self.held[r] for r in requests if r in self.held and name in ("Start", "Startall")]
        peers |= {other.rank for _, other, _ in started}
        # Arrays of counts may be others by now.
        place = count.PLACES.get(name)
        if place and place.request is None and not place.several:
            size = count.size(place, full_name.endswith("_c"), arguments)
        peers.discard(-1)
        found: dict[str, Any] = {"bytes": size + sum(each for _, _, each in started)}
        return {**found, "peer": peers.pop()} if len(peers) == 1 else found
