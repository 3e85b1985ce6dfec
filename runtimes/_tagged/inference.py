"""Inference under load on tagged messages: the first member takes queries, the others compute batches."""

import queue
import threading
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
        # Offline nobody waits, and a worker finds its next batch there.
        return 2 if self.problem.scenario == "offline" and self.comm.size > 1 else 1

    def connect(self) -> None:
        self.arrived: queue.SimpleQueue = queue.SimpleQueue()
        self.listener = threading.Thread()

    def together(self, lead: Any) -> float:
        self.comm.repetitions += 1
        if self.comm.rank == 0:
            number = self.comm.repetitions
            self.listener = threading.Thread(target=self.listen, args=(number,), daemon=True)
            self.listener.start()
        return super().together(lead)

    def listen(self, number: int) -> None:
        """Take answers in until the last worker has ended its work; in a thread, as receiving waits."""
        working = self.comm.size - 1
        try:
            while working:
                answer = self.comm.receive(("answers", number))
                if len(answer) > 1:
                    self.hear(answer)
                else:
                    working -= 1
        except BaseException as error:
            # The first member raises it.
            self.hear(error)

    def hear(self, answer: Any) -> None:
        self.arrived.put(answer)
        with self.queue.news:
            self.queue.tell()

    def submit(self, worker: int, batch: Batch) -> None:
        if worker == 0:
            super().submit(worker, batch)
        else:
            self.comm.send(worker, ("asked", self.comm.repetitions), batch.samples)

    def collect(self, seconds: float) -> None:
        if self.arrived.empty():
            super().collect(seconds)
        while not self.arrived.empty():
            answer = self.arrived.get()
            if isinstance(answer, BaseException):
                raise answer
            self.complete(*answer)

    def work(self) -> None:
        number = self.comm.repetitions
        while True:
            (samples,) = self.comm.receive(("asked", number))
            if not samples.size:
                self.comm.send(0, ("answers", number), self.comm.rank)
                return
            begin = time.perf_counter()
            outputs = self.compute(np.array(samples))
            self.comm.send(0, ("answers", number), self.comm.rank, outputs, time.perf_counter() - begin)

    def release(self) -> None:
        for worker in range(1, self.comm.size):
            self.comm.send(worker, ("asked", self.comm.repetitions), np.empty(0, np.int64))
        # Only one thread at a time receives.
        self.listener.join()
