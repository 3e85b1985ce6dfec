"""What a model takes, counted operator by operator on PyTorch's meta device, where nothing is computed."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from prk.models import zoo


@dataclass(frozen=True)
class Counts:
    """What a batch takes.

    Flop are those of matrix products, convolutions and attention, 2 a multiplication with its addition, as
    torch.utils.flop_counter counts them. Bytes are those of each operator's inputs and outputs, as if nothing
    stayed in cache between two of them; what only looks at data in another way moves none.
    """

    parameters: int
    flop: int
    read: int
    written: int
    # Bytes of the operator with most inputs and outputs, and of the model's inputs and outputs.
    largest: int
    outside: int
    # Elements of the outputs.
    output: int


class Bytes(TorchDispatchMode):
    """Adds up the bytes that operators read and write."""

    def __init__(self) -> None:
        super().__init__()
        self.read = self.written = self.largest = 0

    def __torch_dispatch__(
        self, operator: Any, types: Any, args: tuple = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        out = operator(*args, **(kwargs or {}))
        given, made = tensors((args, kwargs)), tensors(out)
        known = {t.untyped_storage()._cdata for t in given}
        new = [t for t in made if t.untyped_storage()._cdata not in known]
        if new or operator._schema.is_mutable:
            if operator is torch.ops.aten.embedding.default:
                # Of the table, the rows that are looked up.
                given = [*made, args[1]]
            read, written = (sum(t.nbytes for t in several) for several in (given, made))
            self.read, self.written = self.read + read, self.written + written
            self.largest = max(self.largest, read + written)
        return out


def backwards(dy: Any, x: Any, w: Any, *others: Any, out_shape: Any = None, **_: Any) -> int:
    """Return the flop of a convolution's way back: once for the inputs and once for the weights, if wanted.

    torch.utils.flop_counter takes no account of groups there. What a filter is multiplied with is a number of
    the outputs, of a transposed convolution one of the inputs.
    """
    transposed, wanted = others[4], others[-1]
    return 2 * math.prod(x if transposed else dy) * math.prod(w[1:]) * sum(wanted[:2])


def tensors(values: Any) -> list[torch.Tensor]:
    """Return the tensors in nested values."""
    return [t for t in tree_leaves(values) if isinstance(t, torch.Tensor)]


def step(model: torch.nn.Module, inputs: list[torch.Tensor], training: bool) -> list[torch.Tensor]:
    """Run a batch forwards, in training back again too; return the outputs.

    There being no labels, the mean of the outputs' squares is differentiated.
    """
    if not training:
        with torch.no_grad():
            return tensors(model(*inputs))
    model.zero_grad(set_to_none=True)
    made = tensors(model(*inputs))
    torch.stack([one.square().mean() for one in made]).sum().backward()
    return [one.detach() for one in made]


@cache
def counts(name: str, batch: int, training: bool) -> Counts:
    """Return what a batch of a model takes."""
    own = zoo.model(name)
    with torch.device("meta"):
        model = own.build().train(training)
        kinds = [(i.shape, torch.int64 if i.below else torch.float32) for i in own.inputs(batch)]
        inputs = [torch.empty(shape, dtype=kind) for shape, kind in kinds]
        rules = {torch.ops.aten.convolution_backward: backwards}
        with FlopCounterMode(display=False, custom_mapping=rules) as flop, Bytes() as moved:
            made = step(model, inputs, training)
    return Counts(
        parameters=sum(weight.numel() for weight in model.parameters()),
        flop=flop.get_total_flops(),
        read=moved.read,
        written=moved.written,
        largest=moved.largest,
        outside=sum(t.nbytes for t in [*inputs, *made]),
        output=sum(one.numel() for one in made),
    )
