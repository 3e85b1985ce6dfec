"""Data-parallel training: by DistributedDataParallel, or with shards of the optimizer by our own buckets."""

import gc
from collections.abc import Mapping
from typing import Any

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from prk.allreduce.problem import Allreduce
from prk.ddp import buckets, serial
from prk.ddp.buckets import Bucket
from prk.ddp.problem import Ddp
from prk.ddp.schedule import SHARDED

from . import allreduce, device, team


def rounding(kind: torch.dtype, bucket: dist.GradBucket) -> torch.futures.Future[torch.Tensor]:
    """Average a bucket's gradients as numbers of `kind`; PyTorch's own hook has no bfloat16 over gloo."""
    sent = bucket.buffer().to(kind).div_(dist.get_world_size())
    return (
        dist.all_reduce(sent, async_op=True)
        .get_future()
        .then(lambda done: bucket.buffer().copy_(done.value()[0]))
    )


class Wrapped(serial.Kernel):
    """This rank's replica, wrapped: gradients are averaged in buckets during the backward pass."""

    def connect(self) -> None:
        team.join(self.comm, self.options["backend"])
        # About as the wrapper groups them, which makes its first group a small one.
        groups = self.group(self.options["bucket-mb"] * 1e6)
        lengths = [sum(w.numel() for w in group) for group in groups]
        self.sent = [torch.zeros(length, dtype=self.kind, device=self.device) for length in lengths]
        self.wrapped = DistributedDataParallel(
            self.model, bucket_cap_mb=self.options["bucket-mb"], gradient_as_bucket_view=True
        )
        if self.kind != torch.float32:
            self.wrapped.register_comm_hook(self.kind, rounding)

    def place(self) -> torch.device:
        return device.taken(self.options, self.comm)

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return self.wrapped(*inputs)

    def add(self, batch, backward):
        # The wrapper decides in the forward pass whether the backward pass will communicate.
        self.wrapped.require_backward_grad_sync = backward != self.backward_alone
        return super().add(batch, backward)

    def average_only(self) -> None:
        for message in self.sent:
            dist.all_reduce(message)

    def messages(self) -> list[tuple[str, int]]:
        return [("allreduce", message.nbytes) for message in self.sent]

    def allreduce(self, problem: Allreduce) -> Any:
        return allreduce.Kernel(problem, self.comm, {})

    def close(self) -> None:
        # The wrapper is part of cycles: it would stay until the next collection, beside the next training.
        del self.wrapped
        gc.collect()


class Sharded(buckets.Kernel):
    """This rank's replica and its shards: PyTorch's own sharded optimizer would reduce all to all ranks."""

    def connect(self) -> None:
        team.join(self.comm, self.options["backend"])
        super().connect()
        self.begun: list[Any] = []

    def place(self) -> torch.device:
        return device.taken(self.options, self.comm)

    def begin(self, bucket: Bucket) -> None:
        self.begun.append(allreduce.REDUCE_SCATTER(bucket.landed, bucket.wire, async_op=True))

    def finish(self) -> None:
        for work in self.begun:
            work.wait()
        self.begun.clear()

    def gather(self, bucket: Bucket) -> None:
        allreduce.ALLGATHER(bucket.values, bucket.shard)

    def allreduce(self, problem: Allreduce) -> Any:
        return allreduce.Kernel(problem, self.comm, {})


def Kernel(problem: Ddp, comm: Any, options: Mapping[str, Any]) -> serial.Kernel:
    """Return this rank's replica."""
    return (Sharded if options["optimizer"] == SHARDED else Wrapped)(problem, comm, options)
