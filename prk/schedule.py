"""What members do in a repetition, as data: a runtime executes it, tests count it, a model replays it. Pure.

A cell's `schedule` returns steps, which the ranks take one after the other. Arrays have an element a rank, or
a row a message. What stands here is who sends how much to whom, after which work, and by which of a few ways;
what that takes is the machine's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

# How a member tells another one: by a message that is received; by a put that the other has allowed before
# (post, start, put, complete, wait); by a put and a flag after it, each waited for at the far side, or only
# ordered; by a get of the other's; by a flag in memory that both share.
SEND, POSTED, FLUSHED, ORDERED, GOT, FLAG = "send", "posted", "flushed", "ordered", "got", "flag"
# How a group meets besides: by the library's barrier.
BARRIER = "barrier"


class Layout(NamedTuple):
    """Ranks that fill nodes evenly, one after the other, with so many threads each."""

    ranks: int
    nodes: int = 1
    threads: int = 1

    @property
    def each(self) -> int:
        """Return the ranks of a node."""
        return -(-self.ranks // self.nodes)


class Counts(NamedTuple):
    """Messages that carry data, and their bytes, that each rank sends."""

    messages: np.ndarray
    bytes: np.ndarray


class Step(Protocol):
    """Something that all ranks do."""

    def sent(self, ranks: int) -> Counts:
        """Return what each rank sends in it."""


def nothing(ranks: int) -> Counts:
    """Return what ranks send that send nothing."""
    return Counts(np.zeros(ranks, np.int64), np.zeros(ranks, np.int64))


def total(steps: Sequence[Step], ranks: int) -> Counts:
    """Return what each rank sends in all steps."""
    found = nothing(ranks)
    for step in steps:
        own = step.sent(ranks)
        found = Counts(found.messages + own.messages, found.bytes + own.bytes)
    return found


@dataclass(frozen=True, eq=False)
class Work:
    """Bytes between memory and cores and flop, of each rank: a number, or one a rank."""

    bytes: np.ndarray | float = 0.0
    flop: np.ndarray | float = 0.0

    def sent(self, ranks: int) -> Counts:
        return nothing(ranks)


@dataclass(frozen=True, eq=False)
class Exchange:
    """Messages that all begin before any is waited for, sorted by sender in the order of sending.

    `completed`: a sender goes on only when its own have arrived, as it does after puts that it flushes.
    """

    source: np.ndarray
    to: np.ndarray
    size: np.ndarray
    way: str = SEND
    completed: bool = False

    def sent(self, ranks: int) -> Counts:
        own = self.source[self.size > 0]
        sizes = np.bincount(self.source, self.size, ranks).astype(np.int64)
        return Counts(np.bincount(own, minlength=ranks), sizes)


@dataclass(frozen=True, eq=False)
class Meeting:
    """Groups of so many consecutive ranks, of which nobody leaves before all are in.

    By SEND each tells each other by an empty message, by FLAG by a flag of its own, by BARRIER the library
    does.
    """

    members: int
    way: str = BARRIER

    def sent(self, ranks: int) -> Counts:
        return nothing(ranks)


@dataclass(frozen=True, eq=False)
class Shifts:
    """Phases of messages round a ring of units, each a group of `members` consecutive ranks.

    In a phase of shift s, unit u packs, sends to unit u - s (`size` bytes by each of its `senders`), receives
    from u + s and unpacks, so many bytes a member. With a `meeting`, the unit meets before it sends and after
    it has received. With a `fence`, the ranks of all units meet before and after `bundle` phases. `answered`:
    who has unpacked tells the sender so. A message of more than `segment` bytes is cut (0: never).
    """

    shifts: np.ndarray
    units: int
    size: np.ndarray
    members: int = 1
    senders: tuple[int, ...] = (0,)
    pack: float = 0.0
    unpack: float = 0.0
    way: str = SEND
    meeting: str = ""
    fence: bool = False
    bundle: int = 1
    answered: bool = False
    segment: int = 0

    @property
    def pieces(self) -> np.ndarray:
        """Return the messages that each sender sends in a phase."""
        return -(-self.size // self.segment) if self.segment else np.sign(self.size)

    def sent(self, ranks: int) -> Counts:
        messages, size = nothing(self.members)
        messages[[*self.senders]] = len(self.shifts) * self.pieces
        size[[*self.senders]] = len(self.shifts) * self.size
        return Counts(np.tile(messages, self.units), np.tile(size, self.units))


@dataclass(frozen=True, eq=False)
class Pipeline:
    """Lines that go through all members of a row, and the last one's corner back to the first.

    A member is a thread of a rank, with `width` points of each line; `way` says how a member tells the next
    one, its last entry how the last one tells the first. `carries`: whether that is a message with the value.
    """

    lines: int
    group: int
    width: np.ndarray
    way: tuple[str, ...]
    carries: np.ndarray
    threads: int = 1

    def sent(self, ranks: int) -> Counts:
        messages, size = nothing(len(self.width))
        messages[:-1], size[:-1] = -(-(self.lines - 1) // self.group), 8 * (self.lines - 1)
        messages[-1], size[-1] = 1, 8
        by_rank = [np.where(self.carries, a, 0).reshape(ranks, -1).sum(axis=1) for a in (messages, size)]
        return Counts(*by_rank)


@dataclass(frozen=True, eq=False)
class Fastest:
    """Whichever of several ways takes least: a library chooses among its algorithms. It is one call."""

    alternatives: tuple[tuple[Step, ...], ...]
    bytes: int

    def sent(self, ranks: int) -> Counts:
        return Counts(np.ones(ranks, np.int64), np.full(ranks, self.bytes))


@dataclass(frozen=True, eq=False)
class Meanwhile:
    """Steps that go on beside work: each part is ready when its share of the work is done."""

    work: Work
    ready: tuple[float, ...]
    parts: tuple[tuple[Step, ...], ...]

    def sent(self, ranks: int) -> Counts:
        return total([step for part in self.parts for step in part], ranks)
