"""Layers, threads as workers: each has data of its own, and nobody waits for anybody."""

from prk.layers import serial

from .._threads import team as threads


class Kernel(serial.Kernel):
    """What all threads are given and make, a row each."""

    def setup(self) -> None:
        self.team = threads.team(self.options)
        self.workers = self.team.size
        super().setup()

    def repeat(self, count: int) -> None:
        self.team.run(self.work, count)

    def close(self) -> None:
        self.team.close()
