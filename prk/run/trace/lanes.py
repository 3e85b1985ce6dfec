"""The lanes of a timeline, and what they tell together: whose message it was, who waited for whom. Pure."""

import math
from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from prk.runtime import Call, Half, Lane

# Calls of all members together: a call and half a message take 260 bytes of Chrome's trace, so below 20 MB.
MOST = 70_000
# Seconds below which a wait is none: a call takes as long by itself.
SHORT = 1e-6
GATHERINGS = {"MPI_Barrier": "wait at barrier", "MPI_Win_fence": "wait at fence"}


class Member(NamedTuple):
    """What one member did: its repetitions from begin to end, and its calls, by one clock for all."""

    host: str
    spans: Sequence[tuple[float, float]]
    lane: Lane
    # When the timeline ends, where it is not the end of the last repetition.
    end: float = math.inf


class Message(NamedTuple):
    """A message: its sender with the call that begins it, its receiver with the call that completes it."""

    sender: int
    begun: int
    receiver: int
    complete: int


class Wait(NamedTuple):
    """Why a call took so long: as the field names it, for how many seconds, and for which member."""

    name: str
    seconds: float
    whom: int


@dataclass(frozen=True)
class Waits:
    """The waits of one member by their cause."""

    rank: int
    name: str
    whom: int
    seconds: float
    calls: int


def shifted(member: Member, seconds: float) -> Member:
    """Return a member's times by another clock, which is so many seconds ahead."""
    calls = [c._replace(begin=c.begin + seconds, end=c.end + seconds) for c in member.lane.calls]
    spans = [(begin + seconds, end + seconds) for begin, end in member.spans]
    return member._replace(spans=spans, lane=member.lane._replace(calls=calls))


def end_of_share(member: Member, size: int, most: int = MOST) -> float:
    """Return when a member of `size` has made its share of calls, or infinity if it never does."""
    ends = sorted(call.end for call in member.lane.calls)
    share = max(1, most // size)
    if len(ends) > share:
        return ends[share - 1]
    return ends[-1] if member.lane.full and ends else math.inf


def until(member: Member, end: float) -> Member:
    """Return what a member did until then: repetitions that had begun, and calls that were over."""
    if end == math.inf:
        return member
    calls = [(number, c) for number, c in enumerate(member.lane.calls) if c.end <= end]
    now = {number: place for place, (number, _) in enumerate(calls)}

    def kept(halves: Sequence[Half]) -> list[Half]:
        return [
            h._replace(begun=now[h.begun], complete=None if h.complete is None else now.get(h.complete))
            for h in halves
            if h.begun in now
        ]

    lane = Lane(
        [c for _, c in calls],
        kept(member.lane.sent),
        kept(member.lane.received),
        [m._replace(call=now[m.call]) for m in member.lane.met if m.call in now],
        True,
    )
    spans = [(begin, min(last, end)) for begin, last in member.spans if begin < end]
    return Member(member.host, spans, lane, end)


def pairs(members: Sequence[Member]) -> Iterator[tuple[int, Half, int, Half]]:
    """Yield sender and receiver of each message with the halves of it that they know."""
    sent: dict[tuple[int, int, int], deque[Half]] = defaultdict(deque)
    for rank, member in enumerate(members):
        for half in member.lane.sent:
            sent[rank, half.peer, half.key].append(half)
    for rank, member in enumerate(members):
        for half in member.lane.received:
            left = sent[half.peer, rank, half.key]
            place = next((n for n, out in enumerate(left) if half.tag in (None, out.tag)), None)
            if place is not None:
                yield half.peer, left[place], rank, half
                del left[place]


def messages(members: Sequence[Member]) -> list[Message]:
    """Return the messages of which both ends are known."""
    return [
        Message(sender, out.begun, receiver, into.complete)
        for sender, out, receiver, into in pairs(members)
        if into.complete is not None
    ]


def waits(members: Sequence[Member]) -> dict[tuple[int, int], Wait]:
    """Return why calls took long, by rank and number of the call: the longest reason of each."""
    found: dict[tuple[int, int], Wait] = {}

    def note(rank: int, number: int, name: str, until: float, whom: int) -> None:
        call = members[rank].lane.calls[number]
        seconds = min(until, call.end) - call.begin
        if seconds > max(SHORT, found[rank, number].seconds if (rank, number) in found else 0.0):
            found[rank, number] = Wait(name, seconds, whom)

    for sender, out, receiver, into in pairs(members):
        begun = members[sender].lane.calls[out.begun].begin
        if into.complete is not None:
            note(receiver, into.complete, "late sender", begun, sender)
        posted = members[receiver].lane.calls[into.begun].begin
        # Of one that was over before, the library had taken a copy.
        if out.complete is not None and members[sender].lane.calls[out.complete].end >= posted:
            note(sender, out.complete, "late receiver", posted, receiver)
    for entered in _gatherings(members):
        last = max(entered, key=lambda one: members[one[0]].lane.calls[one[1]].begin)
        there = members[last[0]].lane.calls[last[1]]
        for rank, number in entered:
            note(rank, number, GATHERINGS.get(there.name, "wait at collective"), there.begin, last[0])
    return found


def _gatherings(members: Sequence[Member]) -> Iterator[list[tuple[int, int]]]:
    """Yield who entered a barrier or its like with which call, once all have."""
    entered: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    sizes: dict[tuple[int, int], int] = {}
    for rank, member in enumerate(members):
        times: Counter[int] = Counter()
        for met in member.lane.met:
            which = met.key, times[met.key]
            times[met.key] += 1
            entered[which].append((rank, met.call))
            sizes[which] = met.size
    yield from (those for which, those in entered.items() if len(those) == sizes[which] > 1)


def summed(found: dict[tuple[int, int], Wait]) -> list[Waits]:
    """Return the waits of each member by their cause, the longest first."""
    causes: dict[tuple[int, str, int], list[float]] = defaultdict(list)
    for (rank, _), wait in found.items():
        causes[rank, wait.name, wait.whom].append(wait.seconds)
    made = [Waits(*cause, math.fsum(seconds), len(seconds)) for cause, seconds in causes.items()]
    return sorted(made, key=lambda one: -one.seconds)


def name(call: Call, wait: Wait | None) -> str:
    """Return what a call is called in a timeline."""
    return f"{call.name}: {wait.name}" if wait else call.name
