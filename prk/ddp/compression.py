"""Gradients that travel in fewer bits, and how far that may move what they do. Pure, without PyTorch."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Format:
    """Bytes of a number, half the relative distance of two neighbours, and that of the smallest ones."""

    bytes: int
    roundoff: float = 0.0
    least: float = 0.0

    def scale(self, members: int, norm: float, spread: float, length: int) -> float:
        """Return the norm that the error of a mean gradient is relative to.

        members: of whose gradients it is the mean. norm: its own. spread: the root mean square of the
        norms of theirs. length: its numbers. Each member's gradient is rounded, and each of members - 1 sums,
        the k-th of which is about k / members of the whole: independent errors add up to less than roundoff
        times sqrt(members) norm + spread. Numbers below the smallest normal one are rounded to whole steps.
        """
        if not self.roundoff:
            return norm
        steps = self.least / self.roundoff * math.sqrt(length * members)
        return math.sqrt(members) * norm + spread + steps


# The words are PyTorch's names of its types.
FORMATS = {
    "float32": Format(4),
    "bfloat16": Format(2, 2.0**-8),
    "float16": Format(2, 2.0**-11, 2.0**-25),
}
