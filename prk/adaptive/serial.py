"""Adaptive, serial: a model, in which the owner copies each tile, and then multiplies it itself.

Every other runtime changes only how tiles, the vector and the result travel.
"""

import time
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np

from prk import kernel, memory
from prk.adaptive import loops, matrix
from prk.adaptive.optimisations import BY_NAME
from prk.adaptive.problem import ROWS, Adaptive
from prk.adaptive.scheduler import (
    COMMUNICATION,
    COMPUTATION,
    Chosen,
    Fixed,
    Scheduler,
    removed,
    time_in_modes,
    work,
)
from prk.check import Box, Fields

clock = time.perf_counter
# Products by which the oracle compares what it could do, each way.
TRIALS = 3
# Seconds below which a wait only gives the core away: a sleep takes longer than it should.
SHORT = 2e-4


class Kernel(kernel.Kernel[Adaptive]):
    """The owner's tiles and the scheduler, on the first member; a tile at a time on each of the others."""

    def setup(self) -> None:
        p = self.problem
        self.workers, n = self.comm.size - 1, p.matrix.order
        self.owner = self.comm.rank == 0
        self.vector, self.result = memory.empty(n), memory.empty(n)
        self.order = p.matrix.order_of_tasks(p.phases).tolist()
        # Of the multiplication before, on a worker.
        self.seconds = 0.0
        self.landing = memory.empty(p.tile**2)
        self.landing[:] = 0.0
        self.tiles = memory.empty((p.matrix.tiles if self.owner else 0, p.tile**2))
        if self.owner:
            self.own()
        self.connect()
        self.start()
        if p.mode == "oracle":
            self.look_ahead()

    def own(self) -> None:
        """Draw the tiles, and prepare to decide what is done to them."""
        p, side = self.problem, self.problem.matrix.side
        for row in range(side):
            self.tiles[row * side : (row + 1) * side] = p.matrix.row_of_tiles(row).reshape(side, -1)
        self.optimisations: Chosen = tuple(BY_NAME[name](p) for name in p.names)
        tried = self.optimisations if p.mode == "sparse" else ()
        self.scheduler: Fixed | Scheduler = Fixed([tried] * len(self.tiles))
        if p.mode in ("adaptive", "all"):
            self.scheduler = Scheduler(self.optimisations, p.probe, p.window, self.workers)
        # Of each worker: the type of the task that it has, and when it had its data.
        self.pending: dict[int, tuple[dict[str, float], Chosen, float]] = {}
        # Bytes and tasks so far, and how many of the tasks were the warm-up's.
        self.sent = self.tasks = self.warm = self.repetitions = 0
        # When, and after which task, which were on from then on.
        self.switches: list[tuple[float, int, tuple[str, ...]]] = []
        self.begun = self.ended = 0.0

    def start(self) -> None:
        """Give the owner's vector its first values, and the result none."""
        if self.owner:
            self.vector[:] = matrix.start(self.vector.size)
        self.result[:] = 0.0

    def look_ahead(self) -> None:
        """Find the fastest of the plans that apply what they do only where it makes a tile smaller."""
        plans, taken = self.perfect() if self.owner else [], []
        for number in range(2 ** len(self.problem.names)):
            if self.owner:
                self.scheduler = Fixed(plans[number])
            seconds = []
            for _ in range(TRIALS):
                begin = clock()
                self.step()
                seconds.append(clock() - begin)
            taken.append(min(seconds))
        if self.owner:
            self.scheduler = Fixed(plans[taken.index(min(taken))])
            self.sent = self.tasks = self.repetitions = 0
        self.start()

    def perfect(self) -> list[list[Chosen]]:
        """Return a plan for each choice of optimisations."""
        smaller = {o: [o.apply(tile).nbytes < tile.nbytes for tile in self.tiles] for o in self.optimisations}
        found = []
        for chosen in product((False, True), repeat=len(smaller)):
            used = [o for o, yes in zip(smaller, chosen, strict=True) if yes]
            found.append([tuple(o for o in used if smaller[o][t]) for t in range(len(self.tiles))])
        return found

    def connect(self) -> None:
        """Prepare communication."""

    def step(self) -> None:
        if self.owner:
            # The one before is the warm-up.
            if self.repetitions <= 1:
                self.begun, self.warm = clock(), self.tasks
            self.repetitions += 1
            self.vector += 1.0
        self.spread()
        if self.owner:
            for turn, number in enumerate(self.order):
                self.task(number, 1 + turn % self.workers if self.workers else 0)
        else:
            for number in self.order[self.comm.rank - 1 :: self.workers]:
                parcel = self.take()
                begin = clock()
                self.multiply(number, parcel)
                self.seconds = clock() - begin
        self.combine()
        self.ended = clock()

    def task(self, number: int, to: int) -> None:
        """Make a tile smaller, as far as the scheduler wants, transfer it, and have it multiplied."""
        chosen = self.scheduler.chosen(number)
        parcel, found = self.prepare(self.tiles[number], chosen)
        begin = clock()
        before = self.give(to, parcel)
        arrived = clock()
        waited = self.over(to, before, begin, arrived)
        passed = self.pace(parcel.nbytes, begin + waited) if self.problem.link else arrived
        found[COMMUNICATION] = passed - begin - waited
        self.sent, self.tasks = self.sent + parcel.nbytes, self.tasks + 1
        if to:
            self.pending[to] = found, chosen, arrived
        else:
            begin = clock()
            self.multiply(number, self.landed(parcel.size, parcel.dtype))
            self.note_done(found, chosen, clock() - begin)

    def prepare(self, parcel: np.ndarray, chosen: Chosen) -> tuple[np.ndarray, dict[str, float]]:
        """Apply optimisations; return what is left, and what each of them took and removed."""
        whole, found = parcel.nbytes, {}
        for optimisation in chosen:
            begin, before = clock(), parcel.nbytes
            parcel = optimisation.apply(parcel)
            found[work(optimisation.name)] = clock() - begin
            found[removed(optimisation.name)] = (before - parcel.nbytes) / whole
        return parcel, found

    def over(self, to: int, seconds: float, begin: float, arrived: float) -> float:
        """Note what a worker's task before has taken; return how long it kept the next transfer waiting."""
        if to not in self.pending:
            return 0.0
        found, chosen, since = self.pending.pop(to)
        self.note_done(found, chosen, seconds / self.workers)
        return min(max(since + seconds - begin, 0.0), arrived - begin)

    def note_done(self, found: dict[str, float], chosen: Chosen, seconds: float) -> None:
        """Tell the scheduler what a task has taken, and note what it decides."""
        found[COMPUTATION] = seconds
        switch = self.scheduler.done(found, chosen)
        if switch:
            self.switches.append((clock(), self.tasks, switch.on))
            self.note(switch.name, "on" if switch.name in switch.on else "off")

    def pace(self, size: int, begin: float) -> float:
        """Wait until a message that began then has passed the emulated link; return the time."""
        until = begin + size / self.problem.link / 1e9
        while (left := until - clock()) > 0:
            # Other threads of the process, which carry messages, may run meanwhile.
            time.sleep(left - SHORT if left > SHORT else 0)
        return clock()

    def spread(self) -> None:
        """Get the owner's vector to all members."""

    def give(self, to: int, parcel: np.ndarray) -> float:
        """Return when a worker has the parcel, with the seconds of its multiplication before."""
        np.copyto(self.landed(parcel.size, parcel.dtype), parcel)
        return 0.0

    def landed(self, size: int, dtype: Any) -> np.ndarray:
        """Return the place where a parcel of so many numbers lands."""
        return self.landing.view(dtype)[:size]

    def take(self) -> np.ndarray:
        """Return the next parcel, and let the owner know the seconds of the multiplication before."""
        raise NotImplementedError

    def combine(self) -> None:
        """Add what the workers have of the result to the owner's."""

    def multiply(self, number: int, parcel: np.ndarray) -> None:
        """Add a tile's product to the result."""
        side, width = self.problem.matrix.side, self.problem.tile
        row, column = divmod(number, side)
        into = self.result[row * width : (row + 1) * width]
        of = self.vector[column * width : (column + 1) * width]
        whole = parcel.size == width * width
        (loops.multiply if whole else loops.multiply_compressed)(parcel, of, into)

    def fields(self) -> Fields:
        if not self.owner:
            return {name: whole.nothing() for name, whole in self.problem.whole(self.comm.size).items()}
        m = self.problem.matrix
        every = slice(0, m.side), slice(0, m.side), slice(0, m.tile), slice(0, m.tile)
        return {
            "matrix": Box(every, self.tiles.reshape(m.side, m.side, m.tile, m.tile)),
            "vector": Box((slice(0, m.order),), self.vector),
            "result": Box((slice(0, m.order),), self.result),
        }

    def restore(self, state: Mapping[str, np.ndarray], repetition: int) -> None:
        """Take up a state; of a matrix only what single precision holds, and only where it has non-zeros."""
        if self.owner:
            there = self.fields()["matrix"].values != 0
            super().restore(state, repetition)
            values = self.fields()["matrix"].values
            values[...] = np.where(there, values.astype(np.float32), 0.0)
        else:
            self.result[:] = 0.0
        self.seconds = 0.0

    def findings(self) -> dict[str, Any]:
        """Return what the owner found out: bytes of a repetition, switches, the time in each mode."""
        if not self.owner:
            return {}
        times = [(at, on) for at, _, on in self.switches]
        tasks = [(task - self.warm, len(on) / len(self.problem.names)) for _, task, on in self.switches]
        decides = isinstance(self.scheduler, Scheduler)
        spent = time_in_modes(times, self.begun, self.ended) if decides else {}
        total = sum(spent.values())
        return {
            "bytes": self.sent / max(self.repetitions, 1),
            "switches": sum(at >= self.begun for at, _ in times),
            "on": sum(s for names, s in spent.items() if names) / total if total else 0.0,
            "modes": {" and ".join(names) or "nothing": seconds for names, seconds in spent.items()},
            "timeline": timeline(tasks, self.tasks - self.warm) if decides else [],
        }


def timeline(switches: Sequence[tuple[int, float]], tasks: int) -> list[dict[str, float]]:
    """Return which part of the optimisations was on, as rows at equal distances over so many tasks.

    switches: after which task which part was on, in their order; at first nothing was. A row is the mean over
    its tasks.
    """
    found = []
    for row in range(ROWS):
        first, last = (tasks * end // ROWS for end in (row, row + 1))
        spent = time_in_modes([(float(task), (part,)) for task, part in switches], first, last)
        summed = sum(seconds * sum(part) for part, seconds in spent.items())
        found.append({"task": last, "part on": summed / max(last - first, 1)})
    return found
