"""Layers by PyTorch: the operator that it has, and for the way back what autograd makes of it."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from prk.layers import serial

from . import device


class Kernel(serial.Kernel):
    """This rank's data as tensors, and the call that is timed."""

    def setup(self) -> None:
        super().setup()
        self.device = device.chosen(self.options)
        self.result: Any = None
        self.prepare()

    def prepare(self) -> None:
        """Make tensors of what is given, and the call of them."""
        operator, sizes = self.line.operator, self.line.sizes
        kind = getattr(torch, self.problem.dtype)
        self.tensors = {n: torch.from_numpy(v[0]).to(self.device, kind) for n, v in self.given.items()}
        tensors = self.tensors
        self.call: Callable[[], Any] = lambda: (operator.tensor(torch, sizes, tensors),)
        if self.problem.backward:
            self.call = operator.gradient(sizes, tensors) or self.backward(tensors, kind)

    def backward(self, tensors: Mapping[str, torch.Tensor], kind: torch.dtype) -> Callable[[], Any]:
        """Go forward once; return the call that goes back."""
        leaves = {
            name: tensors.get(name, torch.zeros(shape, dtype=kind, device=self.device)).requires_grad_()
            for name, shape in self.line.operator.inputs(self.line.sizes).items()
        }
        y, inputs = self.line.operator.tensor(torch, self.line.sizes, leaves), list(leaves.values())
        return lambda: torch.autograd.grad(y, inputs, tensors["dy"], retain_graph=True)

    def repeat(self, count: int) -> None:
        call, result = self.call, self.result
        with torch.set_grad_enabled(False):
            for _ in range(count):
                result = call()
        self.result = result
        device.wait(self.device)

    def fields(self) -> Any:
        pairs = [(self.given[name], tensor) for name, tensor in self.tensors.items()]
        if self.result is not None:
            pairs += zip(self.made.values(), self.result, strict=True)
        for values, tensor in pairs:
            values[0] = tensor.detach().float().cpu().numpy()
        return super().fields()

    def restore(self, state: Mapping[str, np.ndarray], repetition: int) -> None:
        super().restore(state, repetition)
        self.prepare()
