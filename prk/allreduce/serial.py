"""Collectives, serial: a team of one. Every other runtime changes only how the data travels."""

import time
from collections.abc import Mapping

import numpy as np

from prk import kernel
from prk.allreduce.problem import Allreduce, positions
from prk.check import Box, Fields, rows_at_a_time


class Kernel(kernel.Kernel[Allreduce]):
    """This member's input and output, as blocks x elements, for one size."""

    def setup(self) -> None:
        p, rank, size = self.problem, self.comm.rank, self.comm.size
        given, made = p.shape(size)
        self.input = self.allocate(given)
        flat = self.input.reshape(-1)
        for chunk in rows_at_a_time(flat):
            flat[chunk] = p.input(rank, size, chunk.start, chunk.stop)
        # A collective in place finds its input, and leaves its output, in one array.
        self.in_place = p.place == "in" or p.collective == "broadcast"
        self.buffer = self.allocate((max(given[0], made[0]), made[1]) if self.in_place else made)
        self.buffer[:] = -1
        self.output = self.buffer[: made[0]]
        # Where in the buffer the input lies.
        first = rank if p.collective == "allgather" else 0
        self.own = self.buffer[first : first + given[0]]
        self.laps: list[float] = []
        self.trace = np.empty(p.repetitions, p.dtype)
        self.positions = positions(p.repetitions, made[1])

    def allocate(self, shape: tuple[int, int]) -> np.ndarray:
        """Return a buffer for the input or the output, its pages not yet touched."""
        # As any program's arrays lie: a library's own temporary ones begin at the same place in a page, and
        # a result that begins elsewhere costs 4 % at 64 MB, its loads held up by stores to like addresses.
        return np.empty(shape, self.problem.dtype)

    @property
    def source(self) -> np.ndarray:
        """Return the input as the collective finds it."""
        return self.own if self.in_place else self.input

    def collective(self) -> None:
        """Run the collective once."""
        if not self.in_place:
            self.output[:] = self.input

    def repeat(self, count: int) -> None:
        """Run the collective `count` times, each on another input; only the collective is timed."""
        collective, clock = self.collective, time.perf_counter
        done = len(self.laps)
        # The untimed repetition sends once: a result that comes one message late cannot hide in a burst.
        burst = range(self.problem.burst if done else 1)
        for number in range(done, done + count):
            place, block = self.positions[number], number % len(self.output)
            self.input[:, place] += 1
            if self.in_place:
                self.own[:] = self.input
            if self.problem.audit:
                self.trace[number] = self.audited(place, block, self.problem.burst if number else 1)
                continue
            begin = clock()
            for _ in burst:
                collective()
            self.laps.append((clock() - begin) / len(burst))
            self.trace[number] = self.output[block, place]

    def audited(self, place: int, block: int, burst: int) -> float:
        """Send the messages of a repetition, each of another input; return the mean of what comes out.

        So a message that is not sent, because it would be the one before again, shows.
        """
        begin, seen = time.perf_counter(), 0.0
        for number in range(burst):
            if number:
                self.input[:, place] += 1
                if self.in_place:
                    self.own[:] = self.input
            self.collective()
            seen += float(self.output[block, place])
        self.laps.append((time.perf_counter() - begin) / burst)
        return seen / burst

    def fields(self) -> Fields:
        rank = slice(self.comm.rank, self.comm.rank + 1)
        output = self.output.reshape(1, -1)
        return {
            "members": Box((rank,), np.array([self.comm.size])),
            "trace": Box((rank, slice(0, self.trace.size)), self.trace[None]),
            "output": Box((rank, slice(0, output.size)), output),
        }

    def save(self) -> dict[str, np.ndarray]:
        """Return the fields, the input that the repetitions changed, and the laps, which count them."""
        return {**super().save(), "input": self.input.copy(), "laps": np.array(self.laps)}

    def restore(self, state: Mapping[str, np.ndarray], repetition: int) -> None:
        super().restore(state, repetition)
        self.input[...] = state["input"]
        self.laps[:] = state["laps"].tolist()
