"""Compare `prk.layers` by PyTorch with a bare loop of the same call: python benchmarks/layers.py.

Both loops run in one process by turns, on the same tensors, so that a machine whose speed drifts still
gives a ratio; which goes first changes from turn to turn. The calls are written out here as a user of PyTorch
writes them. Nothing else may run meanwhile.
"""

import argparse
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from prk.layers.operators.windows import EPSILON
from prk.layers.problem import Layers
from prk.run import registry
from prk.team import Solo

CALLS: Mapping[str, Callable[[Any, Any], Any]] = {
    "convolution": lambda t, s: functional.conv2d(t["x"], t["w"], None, s.stride, s.pad),
    "fully_connected": lambda t, s: functional.linear(t["x"], t["w"], t["b"]),
    "gemm": lambda t, s: t["a"] @ t["b"],
    "relu": lambda t, s: torch.relu(t["x"]),
    "sigmoid": lambda t, s: torch.sigmoid(t["x"]),
    "tanh": lambda t, s: torch.tanh(t["x"]),
    "multiply": lambda t, s: t["x"] * t["z"],
    "memcpy": lambda t, s: t["x"].clone(),
    "arrangement": lambda t, s: t["x"].permute(0, 2, 3, 1).contiguous(),
    "dropout": lambda t, s: functional.dropout(t["x"]),
    "max_pooling": lambda t, s: functional.max_pool2d(t["x"], s.r, s.stride),
    "average_pooling": lambda t, s: functional.avg_pool2d(t["x"], s.r, s.stride),
    "batch_norm": lambda t, s: functional.batch_norm(
        t["x"], None, None, t["g"], t["b"], training=True, eps=EPSILON
    ),
    "softmax": lambda t, s: functional.softmax(t["x"], 1),
}
SECONDS = 0.02


def bare(call: Callable[[Any, Any], Any], tensors: Any, sizes: Any, count: int) -> None:
    """Run a call `count` times, and keep what it made last."""
    with torch.set_grad_enabled(False):
        for _ in range(count):
            kept = call(tensors, sizes)
    del kept


def compare(problem: Layers, turns: int) -> np.ndarray:
    """Return (package, bare) in seconds of a call in each turn."""
    # It knows more than every kernel has: its tensors.
    kernel: Any = registry.kernel_class("torch", "layers")(problem, Solo(), {"threads": 1, "device": "cpu"})
    call, line = CALLS[problem.line.name], problem.line

    def ours(count: int) -> None:
        kernel.repeat(count)

    def theirs(count: int) -> None:
        bare(call, kernel.tensors, line.sizes, count)

    ours(3)
    begin = time.perf_counter()
    ours(10)
    count = max(3, int(SECONDS / ((time.perf_counter() - begin) / 10)))
    found = np.zeros((turns, 2))
    for turn in range(turns):
        order = ((0, ours), (1, theirs)) if turn % 2 else ((1, theirs), (0, ours))
        for which, loop in order:
            begin = time.perf_counter()
            loop(count)
            found[turn, which] = (time.perf_counter() - begin) / count
    kernel.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--turns", type=int, default=40, help="of both loops (default: 40)")
    parser.add_argument("--shapes", default="quick", help="as of prk.layers (default: quick)")
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{given.turns} turns on one core, median ratio and quartiles")
    print(f"{'layer':<44}  package (us)  bare (us)  ratio  quartiles")
    whole = Layers(shapes=given.shapes)
    middles = []
    for case in whole.cases(1, 0):
        if case.line.name not in CALLS:
            continue
        found = compare(case, given.turns)
        low, middle, high = np.percentile(found[:, 0] / found[:, 1], (25, 50, 75))
        ours, theirs = np.median(found, axis=0) * 1e6
        middles.append(middle)
        print(
            f"{case.line!s:<44}{ours:>14.2f}{theirs:>11.2f}{middle:>7.3f}  {low:.3f}-{high:.3f}", flush=True
        )
    print(f"all: {np.median(middles):.3f} in the middle, {max(middles):.3f} at most")


if __name__ == "__main__":
    main()
