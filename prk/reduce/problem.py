"""Reduce: v += 1 everywhere, then the sum of all members' v in the first one's (PRK_SPEC, Reduce)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from prk.check import Box, Check, Fields, Largest, Partial, Smallest
from prk.cost import Cost
from prk.coverage import Whole
from prk.problem import Positional, Problem, Refusal, parameter


@dataclass(frozen=True, kw_only=True)
class Reduce(Problem):
    """Vector length of Reduce; every member has a vector of its own, and one of ones."""

    title: ClassVar[str] = "Reduce: the sum of all members' vectors in the first one's"
    positional: ClassVar[Positional] = ("iterations", "n")

    n: int = parameter(2_000_000, "vector length of each member", label="Vector length", size=True)

    @property
    def work(self) -> int:
        return self.work_of(1)

    def work_of(self, size: int) -> int:
        return (2 * size - 1) * self.n

    def cost(self, size: int, repetition: int = 1) -> Cost:
        # Each member reads its two vectors and writes one. A sum may follow while the elements are in cache;
        # whoever has heard of all others has that in so many steps, the number doubled by each.
        least = Cost(flop=self.work_of(size), bytes=24 * size * self.n)
        if size == 1:
            return least
        return least + Cost(messages=1, message_bytes=8 * self.n, chain=(size - 1).bit_length())

    def memory(self, size: int) -> int:
        return 16 * self.n

    def refuse(self, size: int) -> None:
        super().refuse(size)
        if self.n < 1:
            raise Refusal("--n", f"{self.n} is too small", "use at least 1")

    def whole(self, size: int) -> Mapping[str, Whole]:
        # A member's vector is a row; the first one's holds the sums.
        return dict.fromkeys(("v", "ones"), Whole((size, self.n)))

    def partial(self, parts: Fields) -> Partial:
        box, ones = parts["v"], parts["ones"].values
        assert isinstance(box, Box)
        (rows, _), v = box
        first = min(1, rows.stop) - min(1, rows.start)
        ends = {"root": v[:first], "others": v[first:], "ones": ones}
        # A NaN anywhere is both ends. No element where a member has no such row.
        low = {f"low {name}": Smallest(float(a.min(initial=np.inf))) for name, a in ends.items()}
        high = {f"high {name}": Largest(float(a.max(initial=-np.inf))) for name, a in ends.items()}
        return {"members": rows.stop - rows.start, **low, **high}

    def check(self, found: Partial) -> list[Check]:
        k, others = self.repetitions, found["members"] - 1
        answers = {"root": k + 1 + k * (k + 3) / 2 * others, "others": k + 1.0, "ones": 1.0}
        if not others:
            del answers["others"]
        checks = []
        for name, answer in answers.items():
            ends = np.array([found[f"{end} {name}"].value for end in ("low", "high")])
            error = float(np.abs(ends / answer - 1).max())
            checks.append(Check(f"largest relative error of {name}", error, self.tolerance(name)))
        return checks
