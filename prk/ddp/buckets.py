"""Gradients in buckets, each on its way as soon as it is full, and shards of an optimizer.

What a runtime adds is how a bucket is reduced, and how weights are gathered.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from prk.ddp import audit, models, serial
from prk.ddp.schedule import SHARDED


class Bucket:
    """Neighbouring gradients in one array, complete when the backward pass has filled all of them.

    `wire` is what travels of it. In shards the array has a whole number of them, `values` are the weights as
    another one, and `shard` is the own part of those, whose gradient is all that a member learns.
    """

    def __init__(self, weights: Sequence[torch.Tensor], kind: torch.dtype, shards: int = 1):
        self.weights = weights
        self.lengths = [w.numel() for w in weights]
        self.missing = len(weights)
        self.flat = torch.zeros(-(-sum(self.lengths) // shards) * shards, device=weights[0].device)
        self.wire = self.flat if kind == self.flat.dtype else torch.zeros_like(self.flat, dtype=kind)
        # The backward pass writes straight into the array.
        for weight, part in zip(weights, self.parts(self.flat), strict=True):
            weight.grad = part

    def parts(self, flat: torch.Tensor) -> list[torch.Tensor]:
        """Return the views of an array that stand for the weights."""
        pieces = flat[: sum(self.lengths)].split(self.lengths)
        return [piece.view_as(weight) for weight, piece in zip(self.weights, pieces, strict=True)]

    def divide(self, rank: int, size: int) -> None:
        """Keep the weights in one array, too, of which the optimizer has a shard."""
        self.values = torch.zeros_like(self.flat)
        for weight, part in zip(self.weights, self.parts(self.values), strict=True):
            part.copy_(weight.detach())
            weight.data = part
        each = len(self.flat) // size
        self.own = slice(each * rank, each * (rank + 1))
        self.shard = self.values[self.own].detach()
        self.shard.grad = torch.zeros_like(self.shard)
        self.landed = self.shard.grad if self.wire is self.flat else torch.zeros_like(self.wire[self.own])

    def pack(self) -> None:
        """Round the gradients to what travels."""
        if self.wire is not self.flat:
            self.wire.copy_(self.flat)

    def unpack(self) -> None:
        """Take the mean of the gradients from what has travelled."""
        if self.wire is not self.flat:
            self.flat.copy_(self.wire)

    def land(self) -> None:
        """Take the own part of it, from what has travelled in shards."""
        if self.shard.grad is not None and self.landed is not self.shard.grad:
            self.shard.grad.copy_(self.landed)


class Kernel(serial.Kernel):
    """A replica whose gradients are summed over the members, of losses divided by their number."""

    def connect(self) -> None:
        groups = self.group(self.options["bucket-mb"] * 1e6)
        self.sharded = self.options["optimizer"] == SHARDED
        shards = self.comm.size if self.sharded else 1
        self.buckets = [Bucket(group, self.kind, shards) for group in groups]
        if self.sharded:
            for bucket in self.buckets:
                bucket.divide(self.comm.rank, self.comm.size)
            self.optimised = [bucket.shard for bucket in self.buckets]
            self.optimizer = models.optimizer(self.problem, self.optimised)
        self.reducing = False
        self.hooks = [
            weight.register_post_accumulate_grad_hook(lambda _, bucket=bucket: self.ready(bucket))
            for bucket in self.buckets
            for weight in bucket.weights
        ]

    def begin(self, bucket: Bucket) -> None:
        """Begin to sum what travels of a bucket over the members, in place or into the own shard."""
        raise NotImplementedError

    def finish(self) -> None:
        """Wait until all that was begun has come."""
        raise NotImplementedError

    def gather(self, bucket: Bucket) -> None:
        """Give every member all members' parts of a bucket's weights. Collective."""
        raise NotImplementedError

    def ready(self, bucket: Bucket) -> None:
        """Note that one more gradient of the bucket is there; let it travel if it was the last."""
        if not self.reducing:
            return
        bucket.missing -= 1
        if not bucket.missing:
            bucket.missing = len(bucket.weights)
            bucket.pack()
            self.begin(bucket)

    def clear(self) -> None:
        for bucket in self.buckets:
            bucket.flat.zero_()

    def backward(self, loss: torch.Tensor) -> None:
        self.reducing = True
        (loss / self.comm.size).backward()
        self.reducing = False
        self.finish()
        self.take()

    def take(self) -> None:
        """Take the sums from what has travelled."""
        for bucket in self.buckets:
            if self.sharded:
                bucket.land()
            else:
                bucket.unpack()

    def backward_alone(self, loss: torch.Tensor) -> Any:
        (loss / self.comm.size).backward()

    def average_only(self) -> None:
        for bucket in self.buckets:
            bucket.pack()
            self.begin(bucket)
        self.finish()
        self.take()
        self.gather_all()

    def update(self, alone: bool) -> None:
        self.optimizer.step()
        if not alone:
            self.gather_all()

    def gather_all(self) -> None:
        """Give every member the weights that others have changed."""
        if self.sharded:
            for bucket in self.buckets:
                self.gather(bucket)

    def whole(self, parts: Sequence[torch.Tensor]) -> np.ndarray:
        if not self.sharded:
            return super().whole(parts)
        shares = self.comm.bcast(self.comm.gather([part.cpu().numpy() for part in parts]))
        found: dict[int, torch.Tensor] = {}
        for bucket, flats in zip(self.buckets, zip(*shares, strict=True), strict=True):
            flat = torch.from_numpy(np.concatenate(flats))
            found |= zip(map(id, bucket.weights), bucket.parts(flat), strict=True)
        return torch.cat([found[id(weight)].reshape(-1) for weight in self.weights]).numpy()

    def split(self, vector: np.ndarray) -> list[torch.Tensor]:
        if not self.sharded:
            return super().split(vector)
        parts = dict(zip(map(id, self.weights), super().split(vector), strict=True))
        found = []
        for bucket in self.buckets:
            flat = torch.zeros_like(bucket.values)
            for weight, part in zip(bucket.weights, bucket.parts(flat), strict=True):
                part.copy_(parts[id(weight)])
            found.append(flat[bucket.own])
        return found

    def completed(self, gradient: np.ndarray) -> np.ndarray:
        if not self.sharded:
            return gradient
        lengths = [len(bucket.shard) for bucket in self.buckets]
        return self.whole(torch.from_numpy(gradient).split(lengths))

    def parted(self, gradient: np.ndarray) -> np.ndarray:
        return torch.cat(self.split(gradient)).cpu().numpy() if self.sharded else gradient

    def signs(self, sign: audit.Signs) -> tuple[float, float]:
        # Of shards each member has its own.
        return (0.0, sign(self.flat())) if self.sharded else super().signs(sign)

    def messages(self) -> list[tuple[str, int]]:
        if not self.sharded:
            return [("allreduce", bucket.wire.nbytes) for bucket in self.buckets]
        scattered = [("reduce_scatter", bucket.wire.nbytes) for bucket in self.buckets]
        return scattered + [("allgather", bucket.values.nbytes) for bucket in self.buckets]

    def close(self) -> None:
        # A hook holds this kernel, and its weight holds the hook where the garbage collector cannot look.
        for hook in self.hooks:
            hook.remove()
