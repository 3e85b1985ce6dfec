"""The operators, found by looking: every class with a name in a module of this folder.

An operator says which sizes its lines have, what it reads and makes, what that takes, how plain NumPy
computes it (which the check compares with, in double precision), and how PyTorch calls it. The fast version
for NumPy and Numba is the plain one unless it says otherwise.
"""

import importlib
import math
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np

Arrays = Mapping[str, np.ndarray]
Shapes = Mapping[str, tuple[int, ...]]
Sizes = SimpleNamespace


class Operator:
    """One operator; the inputs are all differentiated unless `backwards` says otherwise.

    A multiplication, an addition, a comparison and a transcendental function are one flop each.
    """

    name: ClassVar[str]
    # The sizes of a line with their defaults, None where there is none.
    sizes: ClassVar[Mapping[str, int | None]]
    # Whether its gradient needs what went in.
    remembers: ClassVar[bool] = True
    # Whether its gradient holds sums of large terms that may cancel.
    cancels: ClassVar[bool] = False
    # Whether it draws random numbers, which nobody else can tell.
    draws: ClassVar[bool] = False

    def wrong(self, s: Sizes) -> str:
        """Say why sizes, all of them positive, do not fit together, or nothing."""
        return ""

    def inputs(self, s: Sizes) -> Shapes:
        """Return the shapes of what goes in, by name."""
        raise NotImplementedError

    def output(self, s: Sizes) -> tuple[int, ...]:
        """Return the shape of what comes out."""
        raise NotImplementedError

    def flop(self, s: Sizes) -> float:
        """Return the flop of the forward direction."""
        raise NotImplementedError

    def flop_backward(self, s: Sizes) -> float:
        """Return the flop of the backward direction."""
        return 2 * self.flop(s)

    def given(self, s: Sizes, backward: bool) -> Shapes:
        """Return the shapes of what a direction reads, by name."""
        if not backward:
            return self.inputs(s)
        return {**(self.inputs(s) if self.remembers else {}), "dy": self.output(s)}

    def made(self, s: Sizes, backward: bool) -> Shapes:
        """Return the shapes of what a direction makes, by name."""
        if not backward:
            return {"y": self.output(s)}
        return {f"d{name}": shape for name, shape in self.inputs(s).items()}

    def forward(self, s: Sizes, a: Arrays) -> np.ndarray:
        """Return y in plain NumPy, in the precision of what is given."""
        raise NotImplementedError

    def backward(self, s: Sizes, a: Arrays) -> Sequence[np.ndarray]:
        """Return the inputs' gradients in plain NumPy, in the inputs' order."""
        raise NotImplementedError

    def plain(self, s: Sizes, backward: bool, a: Arrays) -> dict[str, np.ndarray]:
        """Return what a direction makes, by name, in plain NumPy."""
        made = self.backward(s, a) if backward else [self.forward(s, a)]
        return dict(zip(self.made(s, backward), made, strict=True))

    def run(self, s: Sizes, backward: bool, a: Arrays, out: Arrays) -> None:
        """Compute what a direction makes into arrays, by NumPy or Numba, in single precision."""
        for name, values in self.plain(s, backward, a).items():
            out[name][...] = values

    def tensor(self, torch: Any, s: Sizes, t: Mapping[str, Any]) -> Any:
        """Return y by PyTorch, which is handed in: an import costs a call a microsecond."""
        raise NotImplementedError

    def gradient(self, s: Sizes, t: Mapping[str, Any]) -> Callable[[], Any] | None:
        """Return the call that goes backward in PyTorch, or None for what autograd makes of `tensor`."""
        return None

    def error(self, s: Sizes, backward: bool, given: Arrays, made: Arrays) -> dict[str, float]:
        """Return how far what was made is from plain NumPy in double precision, relative to its largest."""
        right = self.plain(s, backward, {name: v.astype(np.float64) for name, v in given.items()})
        return {name: relative(made[name], want) for name, want in right.items()}


def relative(found: np.ndarray, want: np.ndarray) -> float:
    """Return the largest difference, relative to the largest value that is wanted; a NaN stays one."""
    largest = float(np.abs(want).max(initial=0)) or 1.0
    return float(np.abs(found - want).max(initial=0)) / largest


@cache
def operators() -> dict[str, Operator]:
    """Return the operators by name."""
    found: dict[str, Operator] = {}
    for module in pkgutil.iter_modules(__path__):
        for kind in vars(importlib.import_module(f"{__name__}.{module.name}")).values():
            if isinstance(kind, type) and issubclass(kind, Operator) and "name" in vars(kind):
                found[kind.name] = kind()
    return dict(sorted(found.items()))


def elements(shapes: Shapes) -> int:
    """Return how many numbers arrays of these shapes hold together."""
    return sum(math.prod(shape) for shape in shapes.values())
