"""Operators that are products of matrices: GEMM, fully connected, cosine normalisation."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from prk.layers.operators import Arrays, Operator, Shapes, Sizes


class Gemm(Operator):
    """y = a b."""

    name = "gemm"
    sizes: ClassVar[Mapping[str, int | None]] = {"m": None, "n": None, "k": None}

    def inputs(self, s: Sizes) -> Shapes:
        return {"a": (s.m, s.k), "b": (s.k, s.n)}

    def output(self, s: Sizes) -> tuple[int, ...]:
        return (s.m, s.n)

    def flop(self, s: Sizes) -> float:
        return 2 * s.m * s.n * s.k

    def forward(self, s: Sizes, a: Arrays) -> np.ndarray:
        return a["a"] @ a["b"]

    def backward(self, s: Sizes, a: Arrays) -> Sequence[np.ndarray]:
        return a["dy"] @ a["b"].T, a["a"].T @ a["dy"]

    def run(self, s: Sizes, backward: bool, a: Arrays, out: Arrays) -> None:
        if backward:
            np.matmul(a["dy"], a["b"].T, out=out["da"])
            np.matmul(a["a"].T, a["dy"], out=out["db"])
        else:
            np.matmul(a["a"], a["b"], out=out["y"])

    def tensor(self, torch: Any, s: Sizes, t: Mapping[str, Any]) -> Any:
        return t["a"] @ t["b"]


class FullyConnected(Operator):
    """y = x w' + b, w by rows of outputs."""

    name = "fully_connected"
    sizes: ClassVar[Mapping[str, int | None]] = {"n": None, "i": None, "o": None}

    def inputs(self, s: Sizes) -> Shapes:
        return {"x": (s.n, s.i), "w": (s.o, s.i), "b": (s.o,)}

    def output(self, s: Sizes) -> tuple[int, ...]:
        return (s.n, s.o)

    def flop(self, s: Sizes) -> float:
        return 2 * s.n * s.i * s.o + s.n * s.o

    def flop_backward(self, s: Sizes) -> float:
        return 4 * s.n * s.i * s.o + s.n * s.o

    def forward(self, s: Sizes, a: Arrays) -> np.ndarray:
        return a["x"] @ a["w"].T + a["b"]

    def backward(self, s: Sizes, a: Arrays) -> Sequence[np.ndarray]:
        return a["dy"] @ a["w"], a["dy"].T @ a["x"], a["dy"].sum(0)

    def run(self, s: Sizes, backward: bool, a: Arrays, out: Arrays) -> None:
        if backward:
            np.matmul(a["dy"], a["w"], out=out["dx"])
            np.matmul(a["dy"].T, a["x"], out=out["dw"])
            np.sum(a["dy"], axis=0, out=out["db"])
        else:
            np.matmul(a["x"], a["w"].T, out=out["y"])
            out["y"][...] += a["b"]

    def tensor(self, torch: Any, s: Sizes, t: Mapping[str, Any]) -> Any:
        return torch.nn.functional.linear(t["x"], t["w"], t["b"])


class CosineNorm(Operator):
    """y = cosine of the angles between the rows of x and of w (Luo et al., 2017, without a bias)."""

    name = "cosine_norm"
    cancels = True
    sizes: ClassVar[Mapping[str, int | None]] = {"n": None, "i": None, "o": None}

    def inputs(self, s: Sizes) -> Shapes:
        return {"x": (s.n, s.i), "w": (s.o, s.i)}

    def output(self, s: Sizes) -> tuple[int, ...]:
        return (s.n, s.o)

    def flop(self, s: Sizes) -> float:
        # The product, and for each row its length (2 a number) and a division of every number.
        return 2 * s.n * s.i * s.o + 3 * s.i * (s.n + s.o)

    def forward(self, s: Sizes, a: Arrays) -> np.ndarray:
        return units(a["x"])[0] @ units(a["w"])[0].T

    def backward(self, s: Sizes, a: Arrays) -> Sequence[np.ndarray]:
        (x, long_x), (w, long_w), dy = units(a["x"]), units(a["w"]), a["dy"]

        def inner(unit: np.ndarray, length: np.ndarray, g: np.ndarray) -> np.ndarray:
            """Return the gradient before a vector was divided by its length."""
            return (g - unit * (unit * g).sum(1, keepdims=True)) / length

        return inner(x, long_x, dy @ w), inner(w, long_w, dy.T @ x)

    def tensor(self, torch: Any, s: Sizes, t: Mapping[str, Any]) -> Any:
        functional = torch.nn.functional
        return functional.linear(functional.normalize(t["x"]), functional.normalize(t["w"]))


def units(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return rows of length 1, and the lengths (n, 1)."""
    length = np.sqrt((rows * rows).sum(1, keepdims=True))
    return rows / length, length
