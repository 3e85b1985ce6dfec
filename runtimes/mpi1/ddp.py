"""Data-parallel training, MPI two-sided: gradients in buckets, each reduced while the backward pass goes on.

By a nonblocking collective a bucket, or by a thread that calls the blocking one: a library that moves its
messages only inside its own calls gets nothing done in between, and its nonblocking algorithms are plainer.
"""

import queue
import threading
from typing import Any

import numpy as np
import torch
from mpi4py import MPI

from prk.allreduce.problem import Allreduce
from prk.ddp import serial

from . import allreduce


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
        self.groups = self.group(self.options["bucket-mb"] * 1e6)
        self.buckets = [Bucket(group) for group in self.groups]
        self.requests: list[MPI.Request] = []
        self.waiting: queue.SimpleQueue[Bucket | None] = queue.SimpleQueue()
        self.reduced = threading.Semaphore(0)
        self.server: threading.Thread | None = None
        if self.options["overlap"] == "thread":
            self.server = threading.Thread(target=self.serve, daemon=True)
            self.server.start()
        self.reducing = False
        self.hooks = [
            weight.register_post_accumulate_grad_hook(lambda _, bucket=bucket: self.ready(bucket))
            for bucket in self.buckets
            for weight in bucket.weights
        ]

    def allreduce(self, problem: Allreduce) -> Any:
        return allreduce.Kernel(problem, self.comm, {"algorithm": "library"})

    def serve(self) -> None:
        """Reduce buckets in the order in which they come; only this thread calls MPI meanwhile."""
        while (bucket := self.waiting.get()) is not None:
            self.comm.Allreduce(MPI.IN_PLACE, bucket.array)
            self.reduced.release()

    def ready(self, bucket: Bucket) -> None:
        """Note that one more gradient of the bucket is there; reduce the bucket if it was the last."""
        if not self.reducing:
            return
        bucket.missing -= 1
        if not bucket.missing:
            bucket.missing = len(bucket.weights)
            if self.options["overlap"] == "thread":
                self.waiting.put(bucket)
            elif self.options["overlap"] == "nonblocking":
                self.requests.append(self.comm.Iallreduce(MPI.IN_PLACE, bucket.array))
        if self.requests:
            MPI.Request.Testall(self.requests)

    def backward(self, loss: torch.Tensor) -> None:
        self.reducing = True
        (loss / self.comm.size).backward()
        self.reducing = False
        if self.options["overlap"] == "no":
            self.average_only()
        elif self.options["overlap"] == "thread":
            for _ in self.buckets:
                self.reduced.acquire()
        else:
            MPI.Request.Waitall(self.requests)
            self.requests.clear()

    def average_only(self) -> None:
        for bucket in self.buckets:
            self.comm.Allreduce(MPI.IN_PLACE, bucket.array)

    def backward_alone(self, loss: torch.Tensor) -> Any:
        (loss / self.comm.size).backward()

    def close(self) -> None:
        # A hook holds this kernel, and its weight holds the hook where the garbage collector cannot look.
        for hook in self.hooks:
            hook.remove()
        if self.server:
            self.waiting.put(None)
            self.server.join()
