"""Inference under load, threads: the first one takes queries, the others compute batches by PyTorch."""

import time
from queue import SimpleQueue
from typing import Any

import torch

from prk.inference import serial
from prk.inference.queue import Batch

from .._threads import team as threads


class Kernel(serial.Kernel):
    """The queue, and a model that all threads read; a thread that is alone does both."""

    def setup(self) -> None:
        self.team = threads.team(self.options)
        super().setup()

    def workers(self) -> list[int]:
        return list(range(1, self.team.size)) or [0]

    def depth(self) -> int:
        # Where nobody waits a thread finds its next batch there.
        return 2 if self.traffic.patient and self.team.size > 1 else 1

    def together(self, lead: Any) -> float:
        self.handed: list[SimpleQueue] = [SimpleQueue() for _ in range(self.team.size)]
        with self.team.beside(self.thread):
            try:
                return super().together(lead)
            finally:
                # Also of a run that has failed.
                self.release()

    def submit(self, worker: int, batch: Batch) -> None:
        if worker == 0:
            super().submit(worker, batch)
        else:
            self.handed[worker].put(batch.samples)

    def thread(self, worker: int) -> None:
        """Compute what the first thread asks for, until it asks for no more."""
        torch.set_num_threads(self.problem.torch_threads)
        try:
            while (samples := self.handed[worker].get()) is not None:
                begin = time.perf_counter()
                outputs = self.compute(samples)
                self.hear((worker, outputs, time.perf_counter() - begin))
        except BaseException as error:
            # The first thread raises it.
            self.hear(error)

    def release(self) -> None:
        for asked in self.handed[1:]:
            asked.put(None)

    def close(self) -> None:
        self.team.close()
