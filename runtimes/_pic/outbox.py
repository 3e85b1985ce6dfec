"""An exchange through memory that others read: each member writes what it gives there, and tells them.

What does not fit at once is given in several rounds.
"""

from collections.abc import Sequence

import numpy as np

from prk import memory

from . import HEAD, portions


class Outbox:
    """What one member gives; a runtime says how the memory of others is read, and who tells whom what.

    memory: `doubles` of them, a head for each member first.
    """

    def __init__(self, rank: int, size: int, held: np.ndarray):
        self.rank, self.held = rank, held
        self.heads, self.room = held[: HEAD * size].reshape(size, HEAD), held[HEAD * size :]
        # How often each member was told that something is there, and has told so.
        self.gave, self.took = np.zeros((2, size), np.int64)
        # Who has not read yet what stands there.
        self.pending: list[int] = []

    def tell(self, to: int) -> None:
        """Tell a member that what was written for it may be read."""
        raise NotImplementedError

    def await_told(self, source: int, times: int) -> None:
        """Wait until a member has told so often that there is something."""
        raise NotImplementedError

    def thank(self, source: int) -> None:
        """Tell a member that what it wrote was read."""
        raise NotImplementedError

    def await_thanked(self, to: int, times: int) -> None:
        """Wait until a member has told so often that it has read."""
        raise NotImplementedError

    def read(self, source: int, start: int, into: np.ndarray) -> None:
        """Read doubles of a member's memory."""
        raise NotImplementedError

    def exchange(self, partners: Sequence[int], out: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Give each partner its array of doubles; return what each one gave."""
        rest = {to: part.ravel() for to, part in zip(partners, out, strict=True)}
        came: dict[int, np.ndarray] = {}
        begun = dict.fromkeys(partners, 0)
        giving, taking = list(partners), list(partners)
        while giving or taking:
            self.give(rest, giving)
            giving = [to for to in giving if rest[to].size]
            for source in taking:
                begun[source] += self.take(source, came, begun[source])
            taking = [source for source in taking if begun[source] < came[source].size]
        return [came[source] for source in partners]

    def give(self, rest: dict[int, np.ndarray], giving: Sequence[int]) -> None:
        """Write as much of what is left as there is room for, when all that was written before is read."""
        for to in self.pending:
            self.await_thanked(to, self.gave[to])
        start = 0
        for to, length in zip(
            giving, portions([rest[to].size for to in giving], self.room.size), strict=True
        ):
            self.room[start : start + length] = rest[to][:length]
            rest[to] = rest[to][length:]
            self.heads[to] = start, length, rest[to].size
            start += length
        for to in giving:
            self.gave[to] += 1
            self.tell(to)
        self.pending = list(giving)

    def take(self, source: int, came: dict[int, np.ndarray], begun: int) -> int:
        """Read what a member has written for this one; return how much that was."""
        self.took[source] += 1
        self.await_told(source, self.took[source])
        head = np.empty(HEAD)
        self.read(source, HEAD * self.rank, head)
        start, length, left = map(int, head)
        if source not in came:
            came[source] = memory.empty(length + left)
        if length:
            at = self.heads.size + start
            self.read(source, at, came[source][begun : begun + length])
        self.thank(source)
        return length
