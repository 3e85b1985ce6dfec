"""Adaptive, serial: a model, in which the owner copies each tile, and then multiplies it itself.

Every other runtime changes only how tiles, the vector and the result travel.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numba import njit

from prk import kernel, memory
from prk.adaptive import matrix
from prk.adaptive.optimisations import BY_NAME
from prk.adaptive.owner import (
    AFTER,
    AT,
    SENT,
    SWITCHED,
    TASKS,
    THEN,
    WHICH,
    done,
    multiply,
    now,
    owner,
    prepare,
    sent,
)
from prk.adaptive.problem import ROWS, Adaptive
from prk.adaptive.scheduler import has, time_in_modes
from prk.check import Box, Fields
from prk.kernel import Event

clock = time.perf_counter
# Products by which the oracle compares what it could do, each way.
TRIALS = 3


class Kernel(kernel.Kernel[Adaptive]):
    """The owner's tiles and the scheduler, on the first member; a tile at a time on each of the others."""

    def setup(self) -> None:
        p = self.problem
        self.workers, n = self.comm.size - 1, p.matrix.order
        self.owner = self.comm.rank == 0
        self.vector, self.result = memory.empty(n), memory.empty(n)
        # Of the multiplication before, on a worker.
        self.seconds = 0.0
        self.landing = memory.empty(p.tile_bytes, np.uint8)
        self.landing[:] = 0
        self.tiles = memory.empty((p.matrix.tiles if self.owner else 0, p.tile**2))
        if self.owner:
            self.own()
        else:
            self.order = p.matrix.order_of_tasks(p.phases)[self.comm.rank - 1 :: self.workers].copy()
            self.clock = np.zeros(2, np.int64)
        self.connect()
        self.start()
        if p.mode == "oracle":
            self.look_ahead()

    def own(self) -> None:
        """Draw the tiles, and prepare to decide what is done to them."""
        p, side = self.problem, self.problem.matrix.side
        for row in range(side):
            self.tiles[row * side : (row + 1) * side] = p.matrix.row_of_tiles(row).reshape(side, -1)
        self.state = owner(p, self.tiles, self.workers)
        self.state.scheduler.decides[0] = p.mode in ("adaptive", "all")
        if p.mode == "sparse":
            self.state.scheduler.plan[:] = (1 << len(p.names)) - 1
        # How many of the tasks were the warm-up's.
        self.warm = self.repetitions = 0
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
        plans, taken = self.perfect(), []
        for plan in plans:
            if self.owner:
                self.state.scheduler.plan[:] = plan
            seconds = []
            for _ in range(TRIALS):
                begin = clock()
                self.step()
                seconds.append(clock() - begin)
            taken.append(min(seconds))
        if self.owner:
            self.state.scheduler.plan[:] = plans[taken.index(min(taken))]
            self.state.counts[:] = self.repetitions = 0
        self.start()

    def perfect(self) -> list[np.ndarray]:
        """Return a plan for each choice of optimisations."""
        p, nonzeros = self.problem, self.problem.matrix.nonzeros()
        whole = np.full(nonzeros.size, p.tile_bytes)
        bits = [(BY_NAME[name].left(p, whole, nonzeros) < whole).astype(int) for name in p.names]
        every = np.sum([bit << one for one, bit in enumerate(bits)], axis=0)
        return [every & chosen for chosen in range(1 << len(bits))]

    def connect(self) -> None:
        """Prepare communication."""

    def step(self) -> None:
        if self.owner:
            # The one before is the warm-up.
            if self.repetitions <= 1:
                self.begun, self.warm = clock(), int(self.state.counts[TASKS])
            self.repetitions += 1
            self.vector += 1.0
        self.spread()
        if self.owner:
            self.send_tiles()
            self.keep_switches()
        else:
            self.take_tiles()
        self.combine()
        self.ended = clock()

    def send_tiles(self) -> None:
        """Transfer each tile to the worker whose turn it is."""
        keep_tiles(self.state, self.landing, self.vector, self.result, self.problem.tile)

    def take_tiles(self) -> None:
        """Multiply each tile that arrives here."""
        raise NotImplementedError

    def keep_switches(self) -> None:
        """Record what the scheduler has switched in this repetition."""
        names, counts = self.problem.names, self.state.counts
        for row in self.state.switches[: counts[SWITCHED]]:
            on = tuple(name for one, name in enumerate(names) if has(int(row[THEN]), one))
            switched = names[int(row[WHICH])]
            self.switches.append((float(row[AT]), int(row[AFTER]), on))
            self.events.append(Event(float(row[AT]), switched, "on" if switched in on else "off"))
        counts[SWITCHED] = 0

    def spread(self) -> None:
        """Get the owner's vector to all members."""

    def combine(self) -> None:
        """Add what the workers have of the result to the owner's."""

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
        decides, counts = self.state.scheduler.decides[0], self.state.counts.tolist()
        spent = time_in_modes(times, self.begun, self.ended) if decides else {}
        total = sum(spent.values())
        return {
            "bytes": counts[SENT] / max(self.repetitions, 1),
            "switches": sum(at >= self.begun for at, _ in times),
            "on": sum(s for names, s in spent.items() if names) / total if total else 0.0,
            "modes": {" and ".join(names) or "nothing": seconds for names, seconds in spent.items()},
            "timeline": timeline(tasks, counts[TASKS] - self.warm) if decides else [],
        }


@njit(cache=True, nogil=True)
def keep_tiles(owner, landing, vector, result, tile):
    """Copy each tile to where it is multiplied, and do that."""
    for number in owner.order:
        parcel, width, chosen = prepare(owner, number)
        begin = now(owner.clock)
        landing[: parcel.size] = parcel
        sent(owner, parcel.size, chosen, 0, begin, 0.0)
        done(owner, 0, multiply(owner.clock, number, landing[: parcel.size], width, vector, result, tile))


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
