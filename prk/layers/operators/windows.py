"""Operators that reduce: pooling, batch norm, softmax."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from prk.layers.operators import Arrays, Operator, Shapes, Sizes

# What keeps batch norm from dividing by nothing.
EPSILON = 1e-5


class Pooling(Operator):
    """Base of the poolings over windows of r x r, `stride` apart."""

    sizes: ClassVar[Mapping[str, int | None]] = {**dict.fromkeys(("n", "c", "h", "w", "r")), "stride": 2}

    def wrong(self, s: Sizes) -> str:
        return f"a window of {s.r} x {s.r} is larger than the image" if s.r > min(s.h, s.w) else ""

    def inputs(self, s: Sizes) -> Shapes:
        return {"x": (s.n, s.c, s.h, s.w)}

    def output(self, s: Sizes) -> tuple[int, ...]:
        return (s.n, s.c, (s.h - s.r) // s.stride + 1, (s.w - s.r) // s.stride + 1)

    def flop(self, s: Sizes) -> float:
        # A comparison or an addition for each number of each window.
        return int(np.prod(self.output(s))) * s.r * s.r

    def windows(self, s: Sizes, x: np.ndarray) -> np.ndarray:
        """Return the windows (n, c, p, q, r, r) of images, as a view."""
        step = (slice(None), slice(None), slice(None, None, s.stride), slice(None, None, s.stride))
        return np.lib.stride_tricks.sliding_window_view(x, (s.r, s.r), (2, 3))[step]


class MaxPooling(Pooling):
    """y = the largest number of each window; its gradient goes to the first such one."""

    name = "max_pooling"

    def flop_backward(self, s: Sizes) -> float:
        return int(np.prod(self.output(s)))

    def forward(self, s: Sizes, a: Arrays) -> np.ndarray:
        return self.windows(s, a["x"]).max((4, 5))

    def backward(self, s: Sizes, a: Arrays) -> Sequence[np.ndarray]:
        seen = self.windows(s, a["x"])
        place = seen.reshape(*seen.shape[:4], -1).argmax(-1)
        n, c, p, q = np.indices(place.shape)
        dx = np.zeros_like(a["x"])
        np.add.at(dx, (n, c, p * s.stride + place // s.r, q * s.stride + place % s.r), a["dy"])
        return (dx,)

    def run(self, s: Sizes, backward: bool, a: Arrays, out: Arrays) -> None:
        from prk.layers import loops

        if backward:
            loops.max_pooling_gradient(a["x"], a["dy"], s.r, s.stride, out["dx"])
        else:
            loops.max_pooling(a["x"], s.r, s.stride, out["y"])

    def tensor(self, torch: Any, s: Sizes, t: Mapping[str, Any]) -> Any:
        return torch.nn.functional.max_pool2d(t["x"], s.r, s.stride)


class AveragePooling(Pooling):
    """y = the mean of each window."""

    name = "average_pooling"
    remembers = False

    def flop_backward(self, s: Sizes) -> float:
        return self.flop(s)

    def forward(self, s: Sizes, a: Arrays) -> np.ndarray:
        return self.windows(s, a["x"]).mean((4, 5))

    def backward(self, s: Sizes, a: Arrays) -> Sequence[np.ndarray]:
        *_, p, q = self.output(s)
        dx = np.zeros((s.n, s.c, s.h, s.w), a["dy"].dtype)
        for i in range(s.r):
            for j in range(s.r):
                rows = slice(i, i + s.stride * (p - 1) + 1, s.stride)
                dx[:, :, rows, j : j + s.stride * (q - 1) + 1 : s.stride] += a["dy"] / (s.r * s.r)
        return (dx,)

    def run(self, s: Sizes, backward: bool, a: Arrays, out: Arrays) -> None:
        from prk.layers import loops

        if backward:
            loops.average_pooling_gradient(a["dy"], s.r, s.stride, out["dx"])
        else:
            loops.average_pooling(a["x"], s.r, s.stride, out["y"])

    def tensor(self, torch: Any, s: Sizes, t: Mapping[str, Any]) -> Any:
        return torch.nn.functional.avg_pool2d(t["x"], s.r, s.stride)


class BatchNorm(Operator):
    """y = g (x - mean) / deviation + b, mean and deviation of each channel of this batch."""

    name = "batch_norm"
    cancels = True
    sizes: ClassVar[Mapping[str, int | None]] = dict.fromkeys(("n", "c", "h", "w"))

    def inputs(self, s: Sizes) -> Shapes:
        return {"x": (s.n, s.c, s.h, s.w), "g": (s.c,), "b": (s.c,)}

    def output(self, s: Sizes) -> tuple[int, ...]:
        return (s.n, s.c, s.h, s.w)

    def flop(self, s: Sizes) -> float:
        # A number: 1 for the mean, 3 for the variance, 4 to scale and shift it.
        return 8 * s.n * s.c * s.h * s.w

    def flop_backward(self, s: Sizes) -> float:
        # A number: 2 to scale x once more, 3 for the sums of dy and of its product with that, 5 for dx.
        return 10 * s.n * s.c * s.h * s.w

    def scaled(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return x with mean 0 and deviation 1 in each channel, and what it was multiplied by."""
        factor = 1 / np.sqrt(x.var((0, 2, 3), keepdims=True) + x.dtype.type(EPSILON))
        return (x - x.mean((0, 2, 3), keepdims=True)) * factor, factor

    def forward(self, s: Sizes, a: Arrays) -> np.ndarray:
        return a["g"][:, None, None] * self.scaled(a["x"])[0] + a["b"][:, None, None]

    def backward(self, s: Sizes, a: Arrays) -> Sequence[np.ndarray]:
        (x, factor), dy = self.scaled(a["x"]), a["dy"]
        mean, along = (v.mean((0, 2, 3), keepdims=True) for v in (dy, dy * x))
        dx = a["g"][:, None, None] * factor * (dy - mean - x * along)
        return dx, (dy * x).sum((0, 2, 3)), dy.sum((0, 2, 3))

    def tensor(self, torch: Any, s: Sizes, t: Mapping[str, Any]) -> Any:
        # Else the mean would have the type of g, of which too little is left in bfloat16.
        g, b = t["g"].float(), t["b"].float()
        return torch.nn.functional.batch_norm(t["x"], None, None, g, b, training=True, eps=EPSILON)


class Softmax(Operator):
    """y = exp(x) / sum of exp(x), in each of n rows of c numbers."""

    name = "softmax"
    sizes: ClassVar[Mapping[str, int | None]] = dict.fromkeys(("n", "c"))

    def inputs(self, s: Sizes) -> Shapes:
        return {"x": (s.n, s.c)}

    def output(self, s: Sizes) -> tuple[int, ...]:
        return (s.n, s.c)

    def flop(self, s: Sizes) -> float:
        # A number: the largest is found and taken away, exp, the sum, a division.
        return 5 * s.n * s.c

    def flop_backward(self, s: Sizes) -> float:
        # From y: dy y and its sum, which is taken away, times y.
        return 4 * s.n * s.c

    def forward(self, s: Sizes, a: Arrays) -> np.ndarray:
        e = np.exp(a["x"] - a["x"].max(1, keepdims=True))
        return e / e.sum(1, keepdims=True)

    def backward(self, s: Sizes, a: Arrays) -> Sequence[np.ndarray]:
        y = self.forward(s, a)
        return (y * (a["dy"] - (a["dy"] * y).sum(1, keepdims=True)),)

    def run(self, s: Sizes, backward: bool, a: Arrays, out: Arrays) -> None:
        from prk.layers import loops

        if backward:
            loops.softmax_gradient(a["x"], a["dy"], out["dx"])
        else:
            loops.softmax(a["x"], out["y"])

    def tensor(self, torch: Any, s: Sizes, t: Mapping[str, Any]) -> Any:
        return t["x"].softmax(1)
