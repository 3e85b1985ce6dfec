"""Synch_global: gather all digits everywhere, then take every P-th of them (PRK_SPEC, Synch_global)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from prk.check import Box, Check, Fields, Largest, Partial, Smallest, rows_at_a_time
from prk.cost import Cost
from prk.coverage import Whole
from prk.metric import Metric
from prk.problem import Positional, Problem, Refusal, parameter

SYNCHRONISATIONS = Metric("rate", "synch/s", figure_unit="thousand synch/s", figure_scale=1e3)
STRING = "27638472638746283742712311207892"
# The most digits of a member, which calls of communication libraries count in 32 bits.
MOST = 2**31 - 1


@dataclass(frozen=True, kw_only=True)
class SynchGlobal(Problem):
    """Number of digits of Synch_global, of which every member has as many.

    Every repetition moves them, unless there is one member, or one digit a member.
    """

    title: ClassVar[str] = "Synch_global: all gather all digits"
    positional: ClassVar[Positional] = ("iterations", "n")
    metrics: ClassVar[tuple[Metric, ...]] = (SYNCHRONISATIONS,)

    n: int = parameter(10_080, "digits of all members", label="Length of the string", size=True)

    @property
    def work(self) -> int:
        return 1

    def cost(self, size: int, repetition: int = 1) -> Cost:
        # Strings stay in cache. Whoever has heard of all others has that in so many steps, the number doubled
        # by each.
        steps = (size - 1).bit_length()
        return Cost(messages=steps, message_bytes=self.n // size * (size - 1), chain=steps)

    def memory(self, size: int) -> int:
        return self.n + self.n // size

    def refuse(self, size: int) -> None:
        super().refuse(size)
        if self.n < size or self.n % size:
            below, above = self.n // size * size, (max(self.n, 0) // size + 1) * size
            works = f"{below} or {above}" if below > 0 else f"{above}"
            raise Refusal("--n", f"{self.n} digits do not divide over {size} ranks", f"use {works}")
        if self.n // size > MOST:
            raise Refusal("--n", f"{self.n // size} digits a rank are too many", f"use at most {MOST * size}")

    def start(self, size: int) -> np.ndarray:
        """Return the digits that every one of `size` members has at first."""
        cyclic = np.frombuffer(STRING.encode(), np.uint8)
        return np.resize(cyclic, self.n // size)

    def origin(self, size: int, span: slice, repetitions: int) -> np.ndarray:
        """Return where in the string digits stood so many repetitions ago.

        Taking every P-th of n digits moves the digit at x P modulo n - 1 to x, and leaves the last one.
        """
        factor = pow(size, repetitions, max(1, self.n - 1))
        # Products of 64 bits overflow beyond that.
        kind = np.int64 if self.n < 2**31 else object
        places = np.arange(span.start, span.stop).astype(kind)
        moved = (places * factor % max(1, self.n - 1)).astype(np.int64)
        return np.where(places == self.n - 1, self.n - 1, moved)

    def whole(self, size: int) -> Mapping[str, Whole]:
        return {"members": Whole((size,), "int64"), "digits": Whole((self.n,), "uint8")}

    def partial(self, parts: Fields) -> Partial:
        members, box = parts["members"].values, parts["digits"]
        assert isinstance(box, Box)
        (where,), digits = box
        size, wrong = int(members[0]), 0
        first = self.start(size)
        for chunk in rows_at_a_time(digits, 1 << 16):
            span = slice(where.start + chunk.start, where.start + chunk.stop)
            right = first[self.origin(size, span, self.repetitions) % first.size]
            wrong += int(np.count_nonzero(digits[chunk] != right))
        ends = {"least": Smallest(float(members.min())), "most": Largest(float(members.max()))}
        return {"wrong": wrong, "members": members.size, **ends}

    def check(self, found: Partial) -> list[Check]:
        size = found["members"]
        strangers = max(abs(found[end].value - size) for end in ("least", "most"))
        return [
            Check("wrong digits", float(found["wrong"]), 0.0),
            Check("members that are not in the team", strangers, 0.0),
        ]

    def tolerance(self, name: str) -> float:
        return 0.0
