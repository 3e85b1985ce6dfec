"""What a repetition takes of a machine, whatever carries it out."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cost:
    """The least that one repetition takes.

    Flop, bytes and updates are those of all members together; the bytes move between memory and cores,
    nothing being kept in cache, and an update reads and writes one word somewhere in a table that no cache
    holds. Messages and their bytes are those that the busiest member sends. `chain` counts the messages that
    wait for one another: as many latencies pass at least; `atomics` the atomic updates of one word, which
    whoever makes them wait for one another, too.
    """

    flop: float = 0.0
    bytes: float = 0.0
    messages: float = 0.0
    message_bytes: float = 0.0
    chain: float = 0.0
    updates: float = 0.0
    atomics: float = 0.0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(*(a + b for a, b in zip(self._values(), other._values(), strict=True)))

    def __truediv__(self, parts: float) -> "Cost":
        return Cost(*(value / parts for value in self._values()))

    def _values(self) -> Iterator[float]:
        # Not astuple, which copies deeply: a large sweep adds up millions of them.
        return (getattr(self, name) for name in self.__slots__)
