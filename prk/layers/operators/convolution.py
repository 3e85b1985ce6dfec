"""Convolution of images by square or oblong filters."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from prk.layers.operators import Arrays, Operator, Shapes, Sizes


class Convolution(Operator):
    """y[n, k] = sum over c of x[n, c] * w[k, c], filters of r x s, without a bias."""

    name = "convolution"
    sizes: ClassVar[Mapping[str, int | None]] = {
        **dict.fromkeys(("n", "c", "h", "w", "k", "r", "s")), "stride": 1, "pad": 0,
    }  # fmt: skip

    def wrong(self, s: Sizes) -> str:
        if s.r > s.h + 2 * s.pad or s.s > s.w + 2 * s.pad:
            return f"a filter of {s.r} x {s.s} is larger than the image with its frame"
        return ""

    def inputs(self, s: Sizes) -> Shapes:
        return {"x": (s.n, s.c, s.h, s.w), "w": (s.k, s.c, s.r, s.s)}

    def output(self, s: Sizes) -> tuple[int, ...]:
        high, wide = ((a + 2 * s.pad - b) // s.stride + 1 for a, b in ((s.h, s.r), (s.w, s.s)))
        return (s.n, s.k, high, wide)

    def flop(self, s: Sizes) -> float:
        n, k, p, q = self.output(s)
        return 2 * n * k * p * q * s.c * s.r * s.s

    def taps(self, s: Sizes) -> Iterator[tuple[int, int, Any]]:
        """Yield each number of a filter, and what of the framed images it is multiplied with."""
        *_, p, q = self.output(s)
        for i in range(s.r):
            for j in range(s.s):
                rows = slice(i, i + s.stride * (p - 1) + 1, s.stride)
                yield i, j, (..., rows, slice(j, j + s.stride * (q - 1) + 1, s.stride))

    def forward(self, s: Sizes, a: Arrays) -> np.ndarray:
        x, w = framed(a["x"], s.pad), a["w"]
        y = np.zeros(self.output(s), x.dtype)
        for i, j, seen in self.taps(s):
            y += np.moveaxis(np.tensordot(w[:, :, i, j], x[seen], (1, 1)), 0, 1)
        return y

    def backward(self, s: Sizes, a: Arrays) -> Sequence[np.ndarray]:
        x, w, dy = framed(a["x"], s.pad), a["w"], a["dy"]
        dx, dw = np.zeros_like(x), np.zeros_like(w)
        for i, j, seen in self.taps(s):
            dx[seen] += np.moveaxis(np.tensordot(w[:, :, i, j], dy, (0, 1)), 0, 1)
            dw[:, :, i, j] = np.tensordot(dy, x[seen], ((0, 2, 3), (0, 2, 3)))
        return dx[:, :, s.pad : s.pad + s.h, s.pad : s.pad + s.w], dw

    def run(self, s: Sizes, backward: bool, a: Arrays, out: Arrays) -> None:
        """Multiply, image by image, the filters with all that they see, gathered into one matrix."""
        filters = a["w"].reshape(s.k, -1)
        if backward:
            out["dw"][...] = 0
        for image in range(s.n):
            seen = np.stack([framed(a["x"][image], s.pad)[part] for _, _, part in self.taps(s)], 1)
            columns = seen.reshape(filters.shape[1], -1)
            if not backward:
                np.matmul(filters, columns, out=out["y"][image].reshape(s.k, -1))
                continue
            dy = a["dy"][image].reshape(s.k, -1)
            out["dw"].reshape(s.k, -1)[...] += dy @ columns.T
            parts = (filters.T @ dy).reshape(seen.shape)
            whole = np.zeros((s.c, s.h + 2 * s.pad, s.w + 2 * s.pad), dy.dtype)
            for number, (_, _, part) in enumerate(self.taps(s)):
                whole[part] += parts[:, number]
            out["dx"][image] = whole[:, s.pad : s.pad + s.h, s.pad : s.pad + s.w]

    def tensor(self, torch: Any, s: Sizes, t: Mapping[str, Any]) -> Any:
        return torch.nn.functional.conv2d(t["x"], t["w"], None, s.stride, s.pad)


def framed(images: np.ndarray, pad: int) -> np.ndarray:
    """Return images (..., h, w) with a frame of zeros."""
    return np.pad(images, [(0, 0)] * (images.ndim - 2) + [(pad, pad)] * 2)
