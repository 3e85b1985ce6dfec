"""Data-parallel training, MPI two-sided: gradients in buckets, each reduced while the backward pass goes on.

The library moves a nonblocking collective only inside its own calls, so every later bucket's hook also
drives those under way.
"""

from typing import Any

import numpy as np
import torch
from mpi4py import MPI

from prk.ddp import serial


class Bucket:
    """Neighbouring gradients in one array, complete when the backward pass has filled all of them."""

    def __init__(self, weights: list[torch.Tensor]):
        self.weights = weights
        self.flat = torch.zeros(sum(w.numel() for w in weights))
        self.array: np.ndarray = self.flat.numpy()
        self.missing = len(weights)
        start = 0
        for weight in weights:
            # The backward pass writes straight into the bucket.
            weight.grad = self.flat[start : start + weight.numel()].view_as(weight)
            start += weight.numel()


class Kernel(serial.Kernel):
    """This rank's replica; gradients are summed over the ranks, of losses divided by their number."""

    def connect(self) -> None:
        limit = self.options["bucket-mb"] * 1e6
        # Gradients become ready from the last layer to the first.
        groups: list[list[torch.Tensor]] = [[]]
        for weight in reversed(self.weights):
            if groups[-1] and sum(w.nbytes for w in groups[-1]) + weight.nbytes > limit:
                groups.append([])
            groups[-1].append(weight)
        self.buckets = [Bucket(group) for group in groups]
        self.requests: list[MPI.Request] = []
        self.reducing = False
        for bucket in self.buckets:
            for member in bucket.weights:
                member.register_post_accumulate_grad_hook(lambda _, bucket=bucket: self.ready(bucket))

    def ready(self, bucket: Bucket) -> None:
        """Note that one more gradient of the bucket is there; reduce the bucket if it was the last."""
        if not self.reducing:
            return
        bucket.missing -= 1
        if not bucket.missing:
            bucket.missing = len(bucket.weights)
            if self.options["overlap"] == "yes":
                self.requests.append(self.comm.Iallreduce(MPI.IN_PLACE, bucket.array))
        if self.requests:
            MPI.Request.Testall(self.requests)

    def backward(self, loss: torch.Tensor) -> None:
        self.reducing = True
        (loss / self.comm.size).backward()
        self.reducing = False
        if self.options["overlap"] == "yes":
            MPI.Request.Waitall(self.requests)
            self.requests.clear()
        else:
            self.average_only()

    def average_only(self) -> None:
        for bucket in self.buckets:
            self.comm.Allreduce(MPI.IN_PLACE, bucket.array)

    def backward_alone(self, loss: torch.Tensor) -> Any:
        (loss / self.comm.size).backward()
