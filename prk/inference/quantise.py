"""Post-training quantisation to int8: each layer's weights and inputs on 255 steps, and no retraining.

Products of such whole numbers, and sums of up to a thousand of them, are exact in single precision, in which
they are computed. So this shows what int8 does to the answers, and nothing of the speed of units for int8.
"""

from typing import Any

import numpy as np
import torch
from torch import nn

from prk.ddp.workload import Tensors, Workload

# The largest step, and the calibration set: the first samples of the training data.
STEPS, CALIBRATION = 127, 128


class Quantised(nn.Module):
    """A linear or convolutional layer whose weights and inputs are whole numbers times a scale.

    scale: of the inputs, by calibration; weights have one for each output.
    """

    def __init__(self, layer: nn.Linear | nn.Conv2d, largest: float):
        super().__init__()
        weight = layer.weight.detach()
        self.layer, self.scale = layer, max(largest, 1e-12) / STEPS
        self.shape = (1, -1, *[1] * (weight.dim() - 2))
        scales = weight.abs().flatten(1).amax(1).clamp(min=1e-12) / STEPS
        self.steps = torch.round(weight / scales.view(-1, *[1] * (weight.dim() - 1)))
        self.scales = (scales * self.scale).view(self.shape)
        self.bias = None if layer.bias is None else layer.bias.detach().view(self.shape)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        steps = torch.clamp(torch.round(x / self.scale), -STEPS, STEPS)
        if isinstance(self.layer, nn.Conv2d):
            sums = self.layer._conv_forward(steps, self.steps, None)
        else:
            sums = nn.functional.linear(steps, self.steps)
        found = sums * self.scales
        return found if self.bias is None else found + self.bias


def quantised(model: nn.Module, trains: Workload, problem: Any, data: Tensors) -> nn.Module:
    """Return the model with its layers quantised, scaled by what they meet on the calibration samples.

    problem, data: those of the training, of whose first samples they are.
    """
    layers = {name: m for name, m in model.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)}
    largest = dict.fromkeys(layers, 0.0)

    def noting(name: str):
        def note(_: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            largest[name] = max(largest[name], float(inputs[0].abs().max()))

        return note

    hooks = [layer.register_forward_pre_hook(noting(name)) for name, layer in layers.items()]
    with torch.no_grad():
        trains.loss(model, trains.batch(problem, data, np.arange(min(CALIBRATION, len(data[0]))), 0))
    for hook in hooks:
        hook.remove()
    for name, layer in layers.items():
        parent, _, own = name.rpartition(".")
        setattr(model.get_submodule(parent), own, Quantised(layer, largest[name]))
    return model
