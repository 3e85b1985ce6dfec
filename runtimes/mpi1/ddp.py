"""Data-parallel training, MPI two-sided: gradients in buckets, each reduced while the backward pass goes on.

By a nonblocking collective a bucket, or by a thread that calls the blocking one: a library that moves its
messages only inside its own calls gets nothing done in between, and its nonblocking algorithms are plainer.
"""

import queue
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from mpi4py import MPI

from prk.allreduce.problem import Allreduce
from prk.ddp import buckets
from prk.ddp.buckets import Bucket

from . import allreduce


def array(tensor: torch.Tensor) -> np.ndarray:
    """Return a tensor's memory as MPI may send it; numbers of 16 bits as integers, which MPI knows."""
    return (tensor.view(torch.int16) if tensor.itemsize == 2 else tensor).numpy()


def adding(kind: torch.dtype) -> Callable[[Any, Any, Any], None]:
    """Return what adds the numbers of two buffers, as MPI calls it."""

    def add(given: Any, kept: Any, _: Any) -> None:
        # Of a short message, some ranks have no part.
        if len(kept):
            torch.frombuffer(kept, dtype=kind).add_(torch.frombuffer(given, dtype=kind))

    return add


class Kernel(buckets.Kernel):
    """This rank's replica, its buckets reduced one by one."""

    def connect(self) -> None:
        super().connect()
        self.sum = MPI.SUM if self.kind == torch.float32 else MPI.Op.Create(adding(self.kind), commute=True)
        self.requests: list[MPI.Request] = []
        self.waiting: queue.SimpleQueue[Bucket | None] = queue.SimpleQueue()
        self.reduced = threading.Semaphore(0)
        self.server: threading.Thread | None = None
        if self.options["overlap"] == "thread":
            self.server = threading.Thread(target=self.serve, daemon=True)
            self.server.start()

    def allreduce(self, problem: Allreduce) -> Any:
        return allreduce.Kernel(problem, self.comm, {"algorithm": "library"})

    def serve(self) -> None:
        """Reduce buckets in the order in which they come; only this thread calls MPI meanwhile."""
        while (bucket := self.waiting.get()) is not None:
            self.reduce(bucket)
            self.reduced.release()

    def reduce(self, bucket: Bucket) -> None:
        """Sum what travels of a bucket over the ranks."""
        if self.sharded:
            self.comm.Reduce_scatter_block(array(bucket.wire), array(bucket.landed), self.sum)
        else:
            self.comm.Allreduce(MPI.IN_PLACE, array(bucket.wire), self.sum)

    def ready(self, bucket: Bucket) -> None:
        super().ready(bucket)
        if self.requests:
            MPI.Request.Testall(self.requests)

    def begin(self, bucket: Bucket) -> None:
        if self.options["overlap"] == "thread":
            self.waiting.put(bucket)
        elif self.options["overlap"] == "nonblocking":
            wire = array(bucket.wire)
            if self.sharded:
                begun = self.comm.Ireduce_scatter_block(wire, array(bucket.landed), self.sum)
            else:
                begun = self.comm.Iallreduce(MPI.IN_PLACE, wire, self.sum)
            self.requests.append(begun)

    def finish(self) -> None:
        for bucket in self.buckets:
            if self.options["overlap"] == "thread":
                self.reduced.acquire()
            elif self.options["overlap"] == "no":
                self.reduce(bucket)
        MPI.Request.Waitall(self.requests)
        self.requests.clear()

    def gather(self, bucket: Bucket) -> None:
        self.comm.Allgather(MPI.IN_PLACE, bucket.values.numpy())

    def close(self) -> None:
        super().close()
        if self.server:
            self.waiting.put(None)
            self.server.join()
        if self.kind != torch.float32:
            self.sum.Free()
