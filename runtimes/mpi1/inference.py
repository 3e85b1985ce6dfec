"""Inference under load, MPI two-sided: the first rank takes queries, the others compute batches."""

import itertools
import os
import time
from collections import deque

import numpy as np
from mpi4py import MPI

from prk.inference import serial
from prk.inference.queue import Batch

# Tags: a batch's samples, of which there are none at the end, and its answers with the seconds they took.
ASKED, ANSWERED = 1, 2
# Seconds; a shorter rest takes longer than it says.
REST = 2e-4


class Kernel(serial.Kernel):
    """The first rank's queue, or another rank's model; a rank that is alone does both."""

    def workers(self) -> list[int]:
        return list(range(1, self.comm.size)) or [0]

    def depth(self) -> int:
        # Where nobody waits a worker finds its next batch there, though the first member rests.
        return 3 if self.traffic.patient and self.comm.size > 1 else 1

    def connect(self) -> None:
        _, self.numbers = self.problem.trains.answers(self.problem.trained)
        most = self.problem.max_batch
        self.batch = np.empty(most, np.int64)
        size = most * self.numbers + 1
        self.message = np.empty(size, np.float32)
        # A worker's answers, which are sent while it computes the next ones.
        self.messages = np.empty((2, size), np.float32)
        self.status = MPI.Status()
        self.sending: dict[int, deque[tuple[MPI.Request, Batch]]] = {w: deque() for w in self.workers()}

    def submit(self, worker: int, batch: Batch) -> None:
        if worker == 0:
            super().submit(worker, batch)
        else:
            # A worker may be sending, and receive nothing until it is done.
            self.sending[worker].append((self.comm.Isend(batch.samples, worker, ASKED), batch))

    def collect(self, seconds: float) -> None:
        if not any(self.asked.values()):
            super().collect(seconds)
        elif self.comm.Iprobe(MPI.ANY_SOURCE, ANSWERED, self.status):
            worker = self.status.source
            self.comm.Recv(self.message, worker, ANSWERED, self.status)
            self.sending[worker].popleft()[0].Wait()
            count = self.status.Get_count(MPI.FLOAT) - 1
            outputs = self.message[:count].reshape(-1, self.numbers)
            self.complete(worker, outputs, float(self.message[count]))
        elif self.traffic.patient and self.rest > REST:
            # Workers have their next batches, but at the end.
            time.sleep(self.rest if self.queue.waiting else REST)
        elif self.traffic.closed:
            # To a rank that shares the core.
            os.sched_yield()
        else:
            # Or to the thread that asks.
            time.sleep(0)

    def work(self) -> None:
        # A send ends when the first member has looked, which may rest.
        sent = [MPI.REQUEST_NULL] * 2
        for turn in itertools.cycle(range(2)):
            self.comm.Recv(self.batch, 0, ASKED, self.status)
            count = self.status.Get_count(MPI.INT64_T)
            if not count:
                MPI.Request.Waitall(sent)
                return
            begin = time.perf_counter()
            outputs = self.compute(self.batch[:count]).ravel()
            seconds = time.perf_counter() - begin
            sent[turn].Wait()
            message = self.messages[turn, : outputs.size + 1]
            message[:-1], message[-1] = outputs, seconds
            sent[turn] = self.comm.Isend(message, 0, ANSWERED)

    def release(self) -> None:
        for worker in range(1, self.comm.size):
            self.comm.Send(self.batch[:0], worker, ASKED)
