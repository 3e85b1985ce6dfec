"""Inference under load on tagged messages: the first member takes queries, the others compute batches."""

import time
from typing import Any

import numpy as np

from prk.inference import serial
from prk.inference.queue import Batch
from prk.team import Messages


class Kernel(serial.Kernel):
    """The first member's queue, or another one's model; a member that is alone does both."""

    comm: Messages

    def workers(self) -> list[int]:
        return list(range(1, self.comm.size)) or [0]

    def depth(self) -> int:
        # Where nobody waits a worker finds its next batch there.
        return 2 if self.traffic.patient and self.comm.size > 1 else 1

    def together(self, lead: Any) -> float:
        self.comm.repetitions += 1
        return super().together(lead)

    @property
    def answers_tag(self) -> tuple[str, int]:
        return "answers", self.comm.repetitions

    def submit(self, worker: int, batch: Batch) -> None:
        if worker == 0:
            super().submit(worker, batch)
        else:
            self.comm.send(worker, ("asked", self.comm.repetitions), batch.samples)

    def work(self) -> None:
        while True:
            (samples,) = self.comm.receive(("asked", self.comm.repetitions))
            if not samples.size:
                return
            begin = time.perf_counter()
            outputs = self.compute(np.array(samples))
            seconds = time.perf_counter() - begin
            self.comm.send(0, self.answers_tag, self.comm.rank, outputs, seconds)

    def release(self) -> None:
        for worker in range(1, self.comm.size):
            self.comm.send(worker, ("asked", self.comm.repetitions), np.empty(0, np.int64))
