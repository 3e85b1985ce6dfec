"""RefCount: all members update two counters in tandem, as reference counts are (PRK_SPEC, RefCount)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from prk.check import Box, Check, Fields, Partial
from prk.cost import Cost
from prk.coverage import Whole
from prk.metric import Metric
from prk.problem import Positional, Problem, Refusal, parameter

UPDATES = Metric("rate", "Mupdates/s", 1e6)
# Words of 8 bytes from a counter to the other, and to the lock: a page.
PAGE = 512


@dataclass(frozen=True, kw_only=True)
class RefCount(Problem):
    """Whose the counters are, how they are updated, and what is done in between."""

    title: ClassVar[str] = "RefCount: exclusive updates of a pair of counters"
    metrics: ClassVar[tuple[Metric, ...]] = (UPDATES,)
    positional: ClassVar[Positional] = ("iterations", "stream")

    iterations: int = parameter(
        100_000, "timed updates by each member; one more runs first, untimed", label="Number of iterations"
    )
    counters: str = parameter(
        "shared", "one pair of counters, or one a member", ("shared", "private"), label="Counters"
    )
    update: str = parameter(
        "independent",
        "add 1 to either, or rotate the pair by a radian",
        ("independent", "dependent"),
        label="Update",
    )
    lock: str = parameter(
        "atomic", "what makes an update exclusive", ("atomic", "lock"), label="Exclusive by"
    )
    stream: int = parameter(
        0, "elements of a private triad after each update", label="Private stream size", size=True
    )

    @property
    def work(self) -> int:
        """Return the updates of the pair that a member makes in a repetition."""
        return 1

    def work_of(self, size: int) -> int:
        return size

    @property
    def dtype(self) -> str:
        """Return the type of the counters."""
        return "int64" if self.update == "independent" else "float64"

    def pairs(self, first: int, last: int) -> tuple[int, int]:
        """Return the half-open range of counter pairs that members `first` to `last` - 1 hold."""
        return (first, last) if self.counters == "private" else (min(first, 1), min(last, 1))

    def cost(self, size: int, repetition: int = 1) -> Cost:
        # A rotation takes four products and two sums; the triad is Nstream's. Members that share a counter,
        # or a lock, update it one after the other.
        return Cost(
            flop=size * ((6 if self.update == "dependent" else 0) + 3 * self.stream),
            bytes=32 * size * self.stream,
            atomics=size if self.counters == "shared" else 1,
        )

    @property
    def pair_bytes(self) -> int:
        """Return the bytes of a pair of counters and its lock, a page each."""
        return 8 * 3 * PAGE

    def memory(self, size: int) -> int:
        return self.pair_bytes + 3 * 8 * self.stream

    def refuse(self, size: int) -> None:
        super().refuse(size)
        if self.update == "dependent" and self.lock == "atomic":
            raise Refusal(
                "--lock", "atomic cannot change both counters at once, as dependent does", "use --lock lock"
            )
        if self.stream < 0:
            raise Refusal("--stream", f"{self.stream} is negative", "use 0 for none, or more")

    def tolerance(self, name: str) -> float:
        return 1e-7 if name == "counters" and self.update == "dependent" else 0.0

    def whole(self, size: int) -> Mapping[str, Whole]:
        counters = Whole((self.pairs(0, size)[1], 2), self.dtype)
        # A member's vectors are a row.
        return {"counters": counters, **dict.fromkeys("abc", Whole((size, self.stream)))}

    def partial(self, parts: Fields) -> Partial:
        box = parts["a"]
        assert isinstance(box, Box)
        rows = box.where[0]
        answers = {"a": 8.0 * self.repetitions, "b": 2.0, "c": 2.0}
        wrong = sum(int(np.count_nonzero(parts[name].values != answers[name])) for name in answers)
        # The answer depends on how many members there are: that is known when all are combined.
        return {
            "vectors": wrong,
            "members": rows.stop - rows.start,
            "pairs": [tuple(pair) for pair in parts["counters"].values.tolist()],
        }

    def check(self, found: Partial) -> list[Check]:
        updates = self.repetitions * (found["members"] if self.counters == "shared" else 1)
        right = self.after(updates)
        pairs = found["pairs"]
        errors = [max(abs(a - b) for a, b in zip(pair, right, strict=True)) for pair in pairs]
        name = "largest error of a counter"
        return [
            Check(name, float(np.max(errors, initial=0.0)), self.tolerance("counters")),
            Check("#wrong elements of vectors", float(found["vectors"]), 0.0),
        ]

    def after(self, updates: int) -> tuple[float, float]:
        """Return both counters after so many updates of (1, 0)."""
        if self.update == "independent":
            return updates + 1, updates
        return math.cos(updates), math.sin(updates)
