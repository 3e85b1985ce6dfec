"""Models by PyTorch in one process; every other runtime changes only how many there are, and where."""

from typing import Any

import numpy as np
import torch

from prk import kernel
from prk.check import Box, Fields
from prk.models import count, hotspots, zoo
from prk.models.problem import Models

# The part of a mean gradient below which a gradient is next to nothing.
LEAST = 0.1


class Kernel(kernel.Kernel[Models]):
    """This member's model and batch."""

    def setup(self) -> None:
        torch.set_flush_denormal(True)
        self.device = self.place()
        p = self.problem
        self.model = weighted(zoo.model(p.model).build(), p.audit or p.seed).train(p.training).to(self.device)
        self.inputs = [torch.from_numpy(a).to(self.device) for a in p.draw(self.comm.rank)]
        self.outputs: list[torch.Tensor] = []
        self.shares: dict[str, float] = {}

    def place(self) -> torch.device:
        """Return where it is computed; a rank is a worker, with one thread."""
        torch.set_num_threads(1)
        return torch.device("cpu")

    def wait(self) -> None:
        """Wait until all is computed, where the device does that by itself."""

    def repeat(self, count: int) -> None:
        for _ in range(count):
            self.step()
        self.wait()

    def step(self) -> None:
        self.outputs = count.step(self.model, self.inputs, self.problem.training)

    def fields(self) -> Fields:
        """Return the outputs, and how far they and the gradients are from double precision."""
        rank = self.comm.rank
        outputs = flat(self.outputs)[None].astype(np.float32)
        errors = np.array([self.errors()], np.float32)
        member = slice(rank, rank + 1)
        return {
            "outputs": Box((member, slice(0, outputs.size)), outputs),
            "error": Box((member, slice(0, errors.size)), errors),
        }

    def errors(self) -> list[float]:
        """Return how far outputs and gradients are from those of the same model in double precision."""
        training = self.problem.training
        outputs, found = flat(self.outputs), [flat([g]) for g in gradients(self.model)]
        kept = {name: value.clone() for name, value in self.model.named_buffers()}
        inputs = [i.double() if i.is_floating_point() else i for i in self.inputs]
        # Whatever a step has left must not be in what it is compared with.
        self.model.zero_grad(set_to_none=True)
        right_outputs = flat(count.step(self.model.double(), inputs, training))
        right = [flat([g]) for g in gradients(self.model)]
        # Single precision is exact in double precision, and comes back as it was.
        self.model.float()
        for name, value in self.model.named_buffers():
            value.copy_(kept[name])
        # A weight whose gradient is next to nothing is judged by what the others have.
        least = LEAST * np.linalg.norm([np.linalg.norm(g) for g in right]) / max(1, len(right)) ** 0.5
        worst = [relative(a, b, least) for a, b in zip(found, right, strict=True)]
        return [relative(outputs, right_outputs), *([float(np.max(worst))] if training else [])]

    def probe(self) -> None:
        """See where the time goes, in some batches more."""
        self.shares = hotspots.shares(self.step, self.wait)

    def findings(self) -> dict[str, Any]:
        return {"shares": self.shares}


def weighted(model: torch.nn.Module, seed: int) -> torch.nn.Module:
    """Give a model random weights, drawn by NumPy: as large as keep what passes through as large as it is.

    Vectors are 1 where they are weights, else 0.
    """
    draw = np.random.default_rng((seed, 0))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() > 1:
                values = draw.standard_normal(tuple(weight.shape), np.float32)
                values *= np.float32(np.sqrt(2 / np.prod(weight.shape[1:])))
                weight.copy_(torch.from_numpy(values))
            else:
                weight.fill_(0.0 if "bias" in name else 1.0)
    return model


def gradients(model: torch.nn.Module) -> list[torch.Tensor]:
    """Return the weights' gradients."""
    return [w.grad for w in model.parameters() if w.grad is not None]


def flat(several: list[torch.Tensor]) -> np.ndarray:
    """Return all numbers of several tensors."""
    values: np.ndarray = torch.cat([one.detach().reshape(-1) for one in several]).cpu().numpy()
    return values


def relative(found: np.ndarray, right: np.ndarray, least: float = 0.0) -> float:
    """Return the length of the difference, relative to that of what is right, or to `least`."""
    return float(np.linalg.norm(found - right)) / (max(float(np.linalg.norm(right)), least) or 1.0)
