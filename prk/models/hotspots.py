"""Where the time of a model goes, by eight classes of operators (those of AIBench's hotspot functions)."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

# Steps that are looked at.
STEPS = 3
# What an operator's name contains decides; the first class that fits has it, and the last one the rest: sums,
# products, sigmoids, softmax, layer norm.
CLASSES = {
    "convolution": ("conv",),
    "batch norm": ("batch_norm",),
    "ReLU": ("relu", "threshold", "clamp_min"),
    "pooling": ("pool",),
    "GEMM": ("mm", "linear", "lstm", "gru", "rnn", "attention", "matmul"),
    "memory copy": ("copy", "clone", "contiguous", "fill", "zero"),
    "data arrangement": (
        "cat", "stack", "permute", "transpose", "view", "reshape", "embedding", "index", "gather", "select",
        "slice", "split", "chunk", "unbind", "unfold", "pad", "expand", "strided", "squeeze", "flatten",
        "::t",
    ),
    "element-wise": ("",),
}  # fmt: skip


def classified(operator: str) -> str:
    """Return the class of an operator by its name, as aten::addmm."""
    return next(
        name
        for name, parts in CLASSES.items()
        if any(operator.endswith(p) if p.startswith("::") else p in operator for p in parts)
    )


class Clock(TorchDispatchMode):
    """Adds up the seconds of operators, each of which is waited for, by their classes."""

    def __init__(self, wait: Callable[[], None]):
        super().__init__()
        self.wait, self.spent = wait, dict.fromkeys(CLASSES, 0.0)

    def __torch_dispatch__(
        self, operator: Any, types: Any, args: tuple = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        begin = time.perf_counter()
        out = operator(*args, **(kwargs or {}))
        self.wait()
        self.spent[classified(operator._schema.name)] += time.perf_counter() - begin
        return out


def shares(step: Callable[[], Any], wait: Callable[[], None]) -> dict[str, float]:
    """Return each class's part of the time that operators take in some steps."""
    with Clock(wait) as clock:
        for _ in range(STEPS):
            step()
    total = sum(clock.spent.values()) or 1.0
    return {name: seconds / total for name, seconds in clock.spent.items()}
