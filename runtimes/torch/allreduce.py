"""Collectives by torch.distributed over gloo."""

import torch
import torch.distributed as dist

from prk.allreduce import serial

from . import team

# Their names before PyTorch 2.13.
ALLGATHER = getattr(dist, "all_gather_single", None) or dist.all_gather_into_tensor
REDUCE_SCATTER = getattr(dist, "reduce_scatter_single", None) or dist.reduce_scatter_tensor


class Kernel(serial.Kernel):
    """This rank's buffers as tensors, and the call that fills the output."""

    def setup(self) -> None:
        super().setup()
        team.join(self.comm)
        self.made = torch.from_numpy(self.output)
        self.given = torch.from_numpy(self.source)
        self.parts = list(self.made.unbind())
        self.collective = {  # type: ignore[method-assign]
            "allreduce": self.allreduce,
            "reduce_scatter": lambda: REDUCE_SCATTER(self.made[0], self.given.view(-1)),
            "allgather": lambda: dist.all_gather(self.parts, self.given[0]),
            "broadcast": lambda: dist.broadcast(self.made, 0),
            "alltoall": lambda: dist.all_to_all_single(self.made, self.given),
        }[self.problem.collective]

    def allreduce(self) -> None:
        """Sum in place; out of place that takes a copy first, since torch has no other."""
        if not self.in_place:
            self.made.copy_(self.given)
        dist.all_reduce(self.made)
