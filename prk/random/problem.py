"""Random: table[v mod 2^t] ^= v, for values v of a pseudo-random sequence (PRK_SPEC, Random)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from prk.check import Box, Check, Fields, Partial, Xor, rows_at_a_time
from prk.cost import Cost
from prk.coverage import Whole
from prk.metric import Metric
from prk.problem import Positional, Problem, Refusal, parameter
from prk.random import sequence

GUPS = Metric("rate", "GUPS", 1e9)
# More would exceed the places of an address.
LARGEST = 48
# Values that a message may hold.
MESSAGE = 2**31 - 1


@dataclass(frozen=True, kw_only=True)
class Random(Problem):
    """Table size, number of updates, and how many of them a member may have under way."""

    title: ClassVar[str] = "random access: T[v mod 2^t] = T[v mod 2^t] ^ v"
    metrics: ClassVar[tuple[Metric, ...]] = (GUPS,)
    positional: ClassVar[Positional] = ("ratio", "log2_size")

    ratio: int = parameter(
        4, "updates of a repetition a word of the table, a power of two", label="Update ratio"
    )
    log2_size: int = parameter(
        20,
        "the table has two to this power words of 64 bits",
        label="Log2 of the table size",
        size=True,
        exponent=True,
    )
    lookahead: int = parameter(
        1024, "streams of updates a member, a power of two", label="Streams a member (lookahead)"
    )

    @property
    def words(self) -> int:
        return 1 << self.log2_size

    @property
    def work(self) -> int:
        """Return the updates of a repetition, which is two equal rounds."""
        return self.ratio * self.words

    def batches(self, size: int) -> int:
        """Return the batches of a round: in each, every stream of every member makes an update."""
        return self.work // size // (2 * self.lookahead)

    def span(self, rank: int, size: int) -> tuple[int, int]:
        """Return the half-open range of words that `rank` owns."""
        each = self.words // size
        return rank * each, (rank + 1) * each

    def seeds(self, rank: int, size: int) -> np.ndarray:
        """Return what precedes the first value of each of the member's streams in a round."""
        step = self.work // size // self.lookahead
        first = sequence.FIRST + rank * (self.words // size)
        return sequence.starts(range(first, first + step * self.lookahead, step))

    def leaving(
        self, rank: int, size: int, near: Sequence[int] = (), together: bool = False
    ) -> tuple[int, int]:
        """Return how many messages and values a member sends in a round, by generating all of its values.

        A batch is a message to each member that it has values for, or one if all travel together; values for
        members that are `near`, or for its own words, are not sent.
        """
        stay = sorted({rank, *near})
        messages = values = 0
        for batch in sequence.batches(self.seeds(rank, size), self.batches(size)):
            owners = batch % np.uint64(self.words) // np.uint64(self.words // size)
            counts = np.bincount(owners.astype(np.int64), minlength=size)
            counts[stay] = 0
            values += int(counts.sum())
            messages += int(counts.any()) if together else int(np.count_nonzero(counts))
        return messages, values

    def cost(self, size: int, repetition: int = 1) -> Cost:
        batches, own = 2 * self.batches(size), self.work // size
        # Of the values, as many go to each member.
        return Cost(
            updates=self.work,
            messages=batches * (size - 1),
            message_bytes=8 * own * (size - 1) / size,
            chain=batches if size > 1 else 0,
        )

    def most_threads(self, size: int) -> int:
        return self.lookahead

    def memory(self, size: int) -> int:
        # Seeds, streams and what leaves; all values of a batch may be for one member.
        values = self.lookahead * (2 if size == 1 else 3 + size)
        # An audit keeps the table of the first round.
        return 8 * ((2 if self.audit else 1) * (self.words // size) + values)

    def refuse(self, size: int) -> None:
        super().refuse(size)
        _refuse_power("--ratio", self.ratio)
        _refuse_power("--lookahead", self.lookahead)
        _refuse_power("the number of ranks", size)
        self._refuse_size(size)

    def _refuse_size(self, size: int) -> None:
        """Raise Refusal if the table is too small or too large, or the lookahead for its messages."""
        log2_ranks, log2_ratio = size.bit_length() - 1, self.ratio.bit_length() - 1
        # Half of a member's updates must be one of each stream at least.
        least = max(0, log2_ranks, log2_ranks + self.lookahead.bit_length() - log2_ratio)
        if self.log2_size < least:
            raise Refusal(
                "--log2-size",
                f"{self.log2_size} leaves some of {size} ranks without words, or streams without updates",
                f"use at least {least}, or a smaller --lookahead",
            )
        if self.log2_size > LARGEST:
            raise Refusal("--log2-size", f"2^{self.log2_size} words fit no memory", f"use at most {LARGEST}")
        if self.lookahead * size > MESSAGE:
            raise Refusal(
                "--lookahead",
                f"{self.lookahead} values from each of {size} ranks are more than a message may hold",
                f"use at most {1 << ((MESSAGE // size).bit_length() - 1)}",
            )

    def tolerance(self, name: str) -> float:
        return 0.0

    def whole(self, size: int) -> Mapping[str, Whole]:
        table = Whole((self.words,), "uint64")
        each = {"first rounds": Whole((size,), "uint64"), "updates": Whole((size,), "int64")}
        return {"table": table, **each, **({"after the first round": table} if self.audit else {})}

    def partial(self, parts: Fields) -> Partial:
        box = parts["table"]
        assert isinstance(box, Box)
        wrong = 0
        for chunk in rows_at_a_time(box.values):
            first = box.where[0].start + chunk.start
            right = np.arange(first, first + box.values[chunk].size, dtype=np.uint64)
            wrong += int(np.count_nonzero(box.values[chunk] != right))
        return {
            "table": wrong,
            "first rounds": Xor(int(np.bitwise_xor.reduce(parts["first rounds"].values))),
            "updates": int(parts["updates"].values.sum()),
        }

    def check(self, found: Partial) -> list[Check]:
        # Of all words of the table as it was, which is what is left when all updates are taken back.
        words = int(np.bitwise_xor.reduce(np.arange(min(self.words, 4), dtype=np.uint64)))
        right = sequence.sum_of_powers(words, self.repetitions)
        missing = abs(self.repetitions * self.work - found["updates"])
        return [
            Check("#words that two rounds did not leave as they were", float(found["table"]), 0.0),
            Check(
                "bits in which tables and updates differ after first rounds",
                float((found["first rounds"].value ^ right).bit_count()),
                0.0,
            ),
            Check("#updates that are missing or too many", float(missing), 0.0),
        ]


def _nearest(value: int) -> tuple[int, int]:
    """Return the powers of two below and above."""
    below = 1 << max(value.bit_length() - 1, 0)
    return below, 2 * below


def _refuse_power(option: str, value: int) -> None:
    """Raise Refusal if the value is no power of two."""
    if value < 1:
        raise Refusal(option, f"{value} is no power of two", "use 1 or 2")
    if value & (value - 1):
        below, above = _nearest(value)
        raise Refusal(option, f"{value} is no power of two", f"use {below} or {above}")
