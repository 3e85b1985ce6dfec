"""Operators that work on each number by itself, and those that only move numbers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from prk.layers.operators import Arrays, Operator, Shapes, Sizes

# The part of the numbers that dropout drops.
DROPPED = 0.5
# By how many standard deviations the number of those kept may be off.
DEVIATIONS = 6.0


class Each(Operator):
    """Base of the operators on n numbers."""

    sizes: ClassVar[Mapping[str, int | None]] = {"n": None}

    def inputs(self, s: Sizes) -> Shapes:
        return {"x": (s.n,)}

    def output(self, s: Sizes) -> tuple[int, ...]:
        return (s.n,)

    def flop(self, s: Sizes) -> float:
        return s.n


class Relu(Each):
    """y = max(x, 0)."""

    name = "relu"

    def flop_backward(self, s: Sizes) -> float:
        return s.n

    def forward(self, s: Sizes, a: Arrays) -> np.ndarray:
        return np.maximum(a["x"], 0)

    def backward(self, s: Sizes, a: Arrays) -> Sequence[np.ndarray]:
        return (np.where(a["x"] > 0, a["dy"], 0),)

    def run(self, s: Sizes, backward: bool, a: Arrays, out: Arrays) -> None:
        from prk.layers import loops

        if backward:
            loops.relu_gradient(a["x"], a["dy"], out["dx"])
        else:
            np.maximum(a["x"], 0, out=out["y"])

    def tensor(self, torch: Any, s: Sizes, t: Mapping[str, Any]) -> Any:
        return t["x"].relu()


class Sigmoid(Each):
    """y = 1 / (1 + exp(-x))."""

    name = "sigmoid"

    def flop(self, s: Sizes) -> float:
        return 4 * s.n

    def flop_backward(self, s: Sizes) -> float:
        # From y: dy y (1 - y).
        return 3 * s.n

    def forward(self, s: Sizes, a: Arrays) -> np.ndarray:
        return 1 / (1 + np.exp(-a["x"]))

    def backward(self, s: Sizes, a: Arrays) -> Sequence[np.ndarray]:
        y = self.forward(s, a)
        return (a["dy"] * y * (1 - y),)

    def run(self, s: Sizes, backward: bool, a: Arrays, out: Arrays) -> None:
        from prk.layers import loops

        if backward:
            loops.sigmoid_gradient(a["x"], a["dy"], out["dx"])
        else:
            loops.sigmoid(a["x"], out["y"])

    def tensor(self, torch: Any, s: Sizes, t: Mapping[str, Any]) -> Any:
        return t["x"].sigmoid()


class Tanh(Each):
    """y = tanh(x)."""

    name = "tanh"

    def flop_backward(self, s: Sizes) -> float:
        # From y: dy (1 - y y).
        return 3 * s.n

    def forward(self, s: Sizes, a: Arrays) -> np.ndarray:
        return np.tanh(a["x"])

    def backward(self, s: Sizes, a: Arrays) -> Sequence[np.ndarray]:
        return (a["dy"] * (1 - np.tanh(a["x"]) ** 2),)

    def run(self, s: Sizes, backward: bool, a: Arrays, out: Arrays) -> None:
        if backward:
            # NumPy's tanh is many times as fast as a loop that calls the C library's.
            dx = np.tanh(a["x"], out=out["dx"])
            np.multiply(dx, dx, out=dx)
            np.subtract(1, dx, out=dx)
            np.multiply(a["dy"], dx, out=dx)
        else:
            np.tanh(a["x"], out=out["y"])

    def tensor(self, torch: Any, s: Sizes, t: Mapping[str, Any]) -> Any:
        return t["x"].tanh()


class Multiply(Each):
    """y = x z, number by number."""

    name = "multiply"

    def inputs(self, s: Sizes) -> Shapes:
        return {"x": (s.n,), "z": (s.n,)}

    def forward(self, s: Sizes, a: Arrays) -> np.ndarray:
        return a["x"] * a["z"]

    def backward(self, s: Sizes, a: Arrays) -> Sequence[np.ndarray]:
        return a["dy"] * a["z"], a["dy"] * a["x"]

    def run(self, s: Sizes, backward: bool, a: Arrays, out: Arrays) -> None:
        if backward:
            np.multiply(a["dy"], a["z"], out=out["dx"])
            np.multiply(a["dy"], a["x"], out=out["dz"])
        else:
            np.multiply(a["x"], a["z"], out=out["y"])

    def tensor(self, torch: Any, s: Sizes, t: Mapping[str, Any]) -> Any:
        return t["x"] * t["z"]


class Dropout(Each):
    """y = x / (1 - p) where a number drawn anew each time is not below p = 0.5, else 0."""

    name = "dropout"
    draws = True

    def flop(self, s: Sizes) -> float:
        # A comparison and a product.
        return 2 * s.n

    def flop_backward(self, s: Sizes) -> float:
        return 2 * s.n

    def given(self, s: Sizes, backward: bool) -> Shapes:
        return {"mask": (s.n,), "dy": (s.n,)} if backward else {"x": (s.n,)}

    def backward(self, s: Sizes, a: Arrays) -> Sequence[np.ndarray]:
        return (a["dy"] * a["mask"] / (1 - DROPPED),)

    def run(self, s: Sizes, backward: bool, a: Arrays, out: Arrays) -> None:
        from prk.layers import loops

        if backward:
            np.multiply(a["dy"], a["mask"], out=out["dx"])
            out["dx"][...] *= np.float32(1 / (1 - DROPPED))
        else:
            loops.dropout(a["x"], DROPPED, out["y"])

    def tensor(self, torch: Any, s: Sizes, t: Mapping[str, Any]) -> Any:
        return torch.nn.functional.dropout(t["x"], DROPPED)

    def gradient(self, s: Sizes, t: Mapping[str, Any]) -> Callable[[], Any] | None:
        from torch.ops import aten

        mask = t["mask"].bool()
        return lambda: (aten.native_dropout_backward(t["dy"], mask, 1 / (1 - DROPPED)),)

    def error(self, s: Sizes, backward: bool, given: Arrays, made: Arrays) -> dict[str, float]:
        """Compare what is kept with what it must be, and their number with what is likely."""
        if backward:
            return super().error(s, backward, given, made)
        x, y = given["x"].astype(np.float64), made["y"]
        kept = y != 0
        wrong = np.where(kept, y - x / (1 - DROPPED), 0)
        spread = np.sqrt(s.n * DROPPED * (1 - DROPPED))
        # Numbers that are 0 themselves seem dropped.
        off = abs(kept.sum() - (1 - DROPPED) * (x != 0).sum()) > DEVIATIONS * spread
        return {"y": float("inf") if off else relative_to(wrong, x)}


def relative_to(wrong: np.ndarray, whole: np.ndarray) -> float:
    """Return the largest error relative to the largest of the numbers."""
    return float(np.abs(wrong).max(initial=0)) / (float(np.abs(whole).max(initial=0)) or 1.0)


class Memcpy(Each):
    """y = x."""

    name = "memcpy"
    remembers = False

    def flop(self, s: Sizes) -> float:
        return 0

    def forward(self, s: Sizes, a: Arrays) -> np.ndarray:
        return a["x"].copy()

    def backward(self, s: Sizes, a: Arrays) -> Sequence[np.ndarray]:
        return (a["dy"].copy(),)

    def run(self, s: Sizes, backward: bool, a: Arrays, out: Arrays) -> None:
        np.copyto(*(out["dx"], a["dy"]) if backward else (out["y"], a["x"]))

    def tensor(self, torch: Any, s: Sizes, t: Mapping[str, Any]) -> Any:
        return t["x"].clone()

    def gradient(self, s: Sizes, t: Mapping[str, Any]) -> Callable[[], Any] | None:
        # Autograd would hand the gradient on as it is.
        return lambda: (t["dy"].clone(),)


class Arrangement(Operator):
    """Data arrangement: images from channels first to channels last."""

    name = "arrangement"
    sizes: ClassVar[Mapping[str, int | None]] = dict.fromkeys(("n", "c", "h", "w"))
    remembers = False

    def inputs(self, s: Sizes) -> Shapes:
        return {"x": (s.n, s.c, s.h, s.w)}

    def output(self, s: Sizes) -> tuple[int, ...]:
        return (s.n, s.h, s.w, s.c)

    def flop(self, s: Sizes) -> float:
        return 0

    def forward(self, s: Sizes, a: Arrays) -> np.ndarray:
        return np.ascontiguousarray(a["x"].transpose(0, 2, 3, 1))

    def backward(self, s: Sizes, a: Arrays) -> Sequence[np.ndarray]:
        return (np.ascontiguousarray(a["dy"].transpose(0, 3, 1, 2)),)

    def run(self, s: Sizes, backward: bool, a: Arrays, out: Arrays) -> None:
        if backward:
            np.copyto(out["dx"], a["dy"].transpose(0, 3, 1, 2))
        else:
            np.copyto(out["y"], a["x"].transpose(0, 2, 3, 1))

    def tensor(self, torch: Any, s: Sizes, t: Mapping[str, Any]) -> Any:
        return t["x"].permute(0, 2, 3, 1).contiguous()

    def gradient(self, s: Sizes, t: Mapping[str, Any]) -> Callable[[], Any] | None:
        # Autograd would only turn the gradient's strides.
        return lambda: (t["dy"].permute(0, 3, 1, 2).contiguous(),)
