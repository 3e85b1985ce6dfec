"""Which members die when, drawn from the suite's generator (PRK_SPEC, PIC: random numbers). Pure.

The specification has no generator of failures. Ours: random_draw(F) repetitions lie between two of them, at
least one, and each takes K of the members that compute then, by next(n) of the n that are left.
"""

import math
from collections.abc import Iterator

from prk.run.faults import roles

FIRST, FACTOR, ADDED, WORD = 27182818285, 6364136223846793005, 1442695040888963407, 1 << 64
# Numbers from one seed's first to the next one's.
APART = 1 << 32


class Numbers:
    """The suite's linear congruential generator."""

    def __init__(self, skipped: int = 0):
        self.state = FIRST
        factor, added = FACTOR, ADDED
        while skipped:
            if skipped & 1:
                self.state = (factor * self.state + added) % WORD
            factor, added = factor * factor % WORD, (factor + 1) * added % WORD
            skipped >>= 1

    def next(self, bound: int) -> int:
        """Return a number from 0 to bound - 1."""
        self.state = (FACTOR * self.state + ADDED) % WORD
        return self.state % bound

    def draw(self, mean: int) -> int:
        """Return the specification's random_draw of a mean of 1 or more."""
        u0, u1 = (self.next(WORD - 1) / (WORD - 1) for _ in range(2))
        z = math.sqrt(-2 * math.log(u0 or 1 / WORD)) * math.cos(2 * math.pi * u1)
        return math.trunc(z * 0.15 * mean + mean + 0.5)


def failures(
    period: int, together: int, seed: int, iterations: int, size: int, spares: int
) -> Iterator[tuple[int, list[int]]]:
    """Yield repetition and ranks of each failure of a run, one rank at least being left.

    Ranks are numbered as they were when the run started; spares take the places of those that died.
    """
    numbers = Numbers(seed * APART)
    slots, living = tuple(range(size - spares)), set(range(size))
    repetition = max(1, numbers.draw(period))
    while repetition <= iterations and len(living) > together and len(slots) >= together:
        left = list(slots)
        dead = [left.pop(numbers.next(len(left))) for _ in range(together)]
        yield repetition, dead
        living -= {*dead}
        slots = roles.filled(slots, sorted(living)) or tuple(r for r in slots if r in living)
        repetition += max(1, numbers.draw(period))
