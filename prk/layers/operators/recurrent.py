"""Recurrent layers over t steps of n sequences: RNN, LSTM and GRU, from a state of zeros.

Weights w of the inputs and u of the state hold the gates' rows one after the other; each gate has two biases.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from prk.layers.operators import Arrays, Operator, Shapes, Sizes


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


class Recurrent(Operator):
    """Base: every step multiplies inputs and state with the weights of all gates."""

    sizes: ClassVar[Mapping[str, int | None]] = dict.fromkeys(("t", "n", "i", "h"))
    gates: ClassVar[int]
    # Flop of a number of the state besides the products.
    besides: ClassVar[int]

    def inputs(self, s: Sizes) -> Shapes:
        rows = self.gates * s.h
        return {"x": (s.t, s.n, s.i), "w": (rows, s.i), "u": (rows, s.h), "bi": (rows,), "bh": (rows,)}

    def output(self, s: Sizes) -> tuple[int, ...]:
        return (s.t, s.n, s.h)

    def flop(self, s: Sizes) -> float:
        return s.t * s.n * s.h * (2 * self.gates * (s.i + s.h) + self.besides)

    def split(self, values: np.ndarray) -> list[np.ndarray]:
        """Return each gate's part of the last axis."""
        return np.split(values, self.gates, -1)

    def steps(self, s: Sizes, a: Arrays) -> tuple[np.ndarray, list[Any]]:
        """Return the states of all steps, and what the way back needs of each step."""
        raise NotImplementedError

    def forward(self, s: Sizes, a: Arrays) -> np.ndarray:
        return self.steps(s, a)[0]

    def back(self, kept: Any, dh: np.ndarray, carried: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, Any]:
        """Return of one step the gradients of what inputs and state gave the gates, what of the state's
        gradient goes past the weights, and what besides is carried to the step before."""
        raise NotImplementedError

    def backward(self, s: Sizes, a: Arrays) -> Sequence[np.ndarray]:
        y, kept = self.steps(s, a)
        dx, dw, du, di, dh = (np.zeros_like(a[name]) for name in ("x", "w", "u", "bi", "bh"))
        down, carried = np.zeros_like(y[0]), None
        for t in range(s.t - 1, -1, -1):
            before = y[t - 1] if t else np.zeros_like(y[0])
            of_inputs, of_state, past, carried = self.back(kept[t], a["dy"][t] + down, carried)
            dx[t] = of_inputs @ a["w"]
            dw += of_inputs.T @ a["x"][t]
            du += of_state.T @ before
            di += of_inputs.sum(0)
            dh += of_state.sum(0)
            down = past + of_state @ a["u"]
        return dx, dw, du, di, dh


class Rnn(Recurrent):
    """h = tanh(w x + u h)."""

    name = "rnn"
    gates, besides = 1, 4

    def steps(self, s: Sizes, a: Arrays) -> tuple[np.ndarray, list[Any]]:
        y = np.zeros(self.output(s), a["x"].dtype)
        h = y[0]
        for t in range(s.t):
            y[t] = h = np.tanh(a["x"][t] @ a["w"].T + a["bi"] + h @ a["u"].T + a["bh"])
        return y, list(y)

    def back(self, kept: Any, dh: np.ndarray, carried: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, Any]:
        d = dh * (1 - kept * kept)
        return d, d, np.zeros_like(dh), None

    def tensor(self, torch: Any, s: Sizes, t: Mapping[str, Any]) -> Any:
        return by_library(torch, "rnn_tanh", s, t)


class Lstm(Recurrent):
    """c = f c + i g, h = o tanh(c), gates in the order i, f, g, o."""

    name = "lstm"
    # Three sums a gate, sigmoids of 4 flop, two hyperbolic tangents, and c and h.
    gates, besides = 4, 12 + 12 + 2 + 4

    def steps(self, s: Sizes, a: Arrays) -> tuple[np.ndarray, list[Any]]:
        y = np.zeros(self.output(s), a["x"].dtype)
        h, c, kept = y[0], np.zeros_like(y[0]), []
        for t in range(s.t):
            i, f, g, o = self.split(a["x"][t] @ a["w"].T + a["bi"] + h @ a["u"].T + a["bh"])
            i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
            before, c = c, f * c + i * g
            y[t] = h = o * np.tanh(c)
            kept.append((i, f, g, o, before, np.tanh(c)))
        return y, kept

    def back(self, kept: Any, dh: np.ndarray, carried: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, Any]:
        i, f, g, o, before, squashed = kept
        dc = dh * o * (1 - squashed * squashed) + (0 if carried is None else carried)
        parts = (
            dc * g * i * (1 - i), dc * before * f * (1 - f), dc * i * (1 - g * g), dh * squashed * o * (1 - o)
        )  # fmt: skip
        d = np.concatenate(parts, 1)
        return d, d, np.zeros_like(dh), dc * f

    def tensor(self, torch: Any, s: Sizes, t: Mapping[str, Any]) -> Any:
        return by_library(torch, "lstm", s, t)


class Gru(Recurrent):
    """h = (1 - z) n + z h, n = tanh(w x + r (u h)), gates in the order r, z, n."""

    name = "gru"
    gates, besides = 3, 9 + 8 + 1 + 5

    def steps(self, s: Sizes, a: Arrays) -> tuple[np.ndarray, list[Any]]:
        y = np.zeros(self.output(s), a["x"].dtype)
        h, kept = y[0], []
        for t in range(s.t):
            of_inputs = self.split(a["x"][t] @ a["w"].T + a["bi"])
            of_state = self.split(h @ a["u"].T + a["bh"])
            r, z = (sigmoid(v + w) for v, w in zip(of_inputs[:2], of_state[:2], strict=True))
            n = np.tanh(of_inputs[2] + r * of_state[2])
            before, h = h, (1 - z) * n + z * h
            y[t] = h
            kept.append((r, z, n, of_state[2], before if t else np.zeros_like(h)))
        return y, kept

    def back(self, kept: Any, dh: np.ndarray, carried: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, Any]:
        r, z, n, of_state, before = kept
        dn = dh * (1 - z) * (1 - n * n)
        dr, dz = dn * of_state * r * (1 - r), dh * (before - n) * z * (1 - z)
        return np.concatenate((dr, dz, dn), 1), np.concatenate((dr, dz, dn * r), 1), dh * z, None

    def tensor(self, torch: Any, s: Sizes, t: Mapping[str, Any]) -> Any:
        return by_library(torch, "gru", s, t)


def by_library(torch: Any, name: str, s: Sizes, t: Mapping[str, Any]) -> Any:
    """Return the states of all steps by PyTorch's own layer of this name."""
    zeros = nothing(s.n, s.h, t["x"].dtype, t["x"].device)
    state = (zeros, zeros) if name == "lstm" else zeros
    weights = [t[n] for n in ("w", "u", "bi", "bh")]
    # With biases, one layer, no dropout, one direction, steps first; trained where weights are.
    return getattr(torch._VF, name)(
        t["x"], state, weights, True, 1, 0.0, weights[0].requires_grad, False, False
    )[0]


@lru_cache(maxsize=1)
def nothing(n: int, h: int, dtype: Any, device: Any) -> Any:
    """Return the first state, which a call need not make anew."""
    import torch

    return torch.zeros(1, n, h, dtype=dtype, device=device)
