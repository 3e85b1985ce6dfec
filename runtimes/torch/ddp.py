"""Data-parallel training by DistributedDataParallel over gloo."""

import gc
from typing import Any

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from prk.allreduce.problem import Allreduce
from prk.ddp import serial

from . import allreduce, team


class Kernel(serial.Kernel):
    """This rank's replica, wrapped: gradients are averaged in buckets during the backward pass."""

    def connect(self) -> None:
        team.join(self.comm)
        # About as the wrapper groups them, which makes its first group a small one.
        self.groups = self.group(self.options["bucket-mb"] * 1e6)
        self.messages = [torch.zeros(sum(w.numel() for w in group)) for group in self.groups]
        self.wrapped = DistributedDataParallel(
            self.model, bucket_cap_mb=self.options["bucket-mb"], gradient_as_bucket_view=True
        )

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return self.wrapped(*inputs)

    def add(self, batch, backward):
        # The wrapper decides in the forward pass whether the backward pass will communicate.
        self.wrapped.require_backward_grad_sync = backward != self.backward_alone
        return super().add(batch, backward)

    def average_only(self) -> None:
        for message in self.messages:
            dist.all_reduce(message)

    def allreduce(self, problem: Allreduce) -> Any:
        return allreduce.Kernel(problem, self.comm, {})

    def close(self) -> None:
        # The wrapper is part of cycles: it would stay until the next collection, beside the next training.
        del self.wrapped
        gc.collect()
