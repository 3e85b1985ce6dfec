"""PIC, threads: the grid is cut into more blocks than threads, which push and fill them by turns.

Who pushes a block: the thread in whose tile it lies, whoever is free, or that thread unless another one has
nothing left to do and takes it away.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from time import perf_counter

import numpy as np

from prk import kernel
from prk.check import Fields
from prk.kernel import Period
from prk.pic import schedule
from prk.pic.problem import Pic
from prk.pic.tile import Tile, fields

from .._threads import team as threads


class Queues:
    """The blocks that are still to do: those of each thread, or all of them in one queue."""

    def __init__(self, owners: list[int], threads: int, balance: str):
        self.owners, self.balance = owners, balance
        self.queues: list[deque[int]] = [deque() for _ in range(1 if balance == "sharing" else threads)]

    def fill(self) -> None:
        """Have all blocks to do."""
        for block, owner in enumerate(self.owners):
            self.queues[owner % len(self.queues)].append(block)

    def blocks(self, thread: int) -> Iterator[int]:
        """Yield what a thread does, until there is nothing left for it; deques are taken from atomically."""
        own = self.queues[thread % len(self.queues)]
        while own or self.balance == "stealing":
            try:
                yield own.popleft() if own else max(self.queues, key=len).pop()
            except IndexError:
                # Others took the last ones in between.
                if not any(self.queues):
                    return


class Kernel(kernel.Kernel[Pic]):
    """All blocks, each of them a tile."""

    def setup(self) -> None:
        self.team = threads.team(self.options)
        self.done = 0
        self.periods: list[Period] = []
        self.cuts, owners = schedule.blocks(self.problem.n, self.team.size, self.options["blocks"])
        self.owners = owners
        self.neighbours = [self.cuts.neighbours(block) for block in range(len(owners))]
        self.slots = [self.cuts.slots(near) for near in self.neighbours]
        self.queues = Queues(owners, self.team.size, self.options["balance"])
        self.population = self.problem.population
        # Of each block, by the block that it goes to: what has left it.
        self.out: list[dict[int, np.ndarray]] = [{} for _ in owners]
        self.tiles: list[Tile] = [None] * len(owners)  # type: ignore[list-item]
        self.team.run(self.make)
        self.begin()

    def make(self, thread: int) -> None:
        """Set up a thread's blocks, which also places their pages near it."""
        for block, owner in enumerate(self.owners):
            if owner == thread:
                self.tiles[block] = Tile(self.problem, self.cuts.box(block))

    def begin(self) -> None:
        """Begin a period: what each thread moves, how much of that is other threads', and in how long."""
        self.work, self.stolen, self.seconds = np.zeros((3, self.team.size))

    def step(self) -> None:
        for phase in (self.push, self.fill):
            self.queues.fill()
            self.team.run(phase)
        self.done += 1
        if self.done == 1:
            self.begin()
        elif self.done % self.options["period"] == 0 or self.done == self.problem.repetitions:
            shares = zip(self.work, self.seconds, self.stolen, strict=True)
            self.periods += [
                Period(self.done, work, seconds, moved=stolen, worker=thread)
                for thread, (work, seconds, stolen) in enumerate(shares)
            ]
            self.begin()

    def push(self, thread: int) -> None:
        """Push blocks, and sort those who have left them."""
        for block in self.queues.blocks(thread):
            tile, start = self.tiles[block], perf_counter()
            tile.happen(self.done)
            leaving, held = tile.push(), tile.particles.held
            near = self.neighbours[block]
            out = tile.particles.sorted(leaving, *self.cuts.owners, self.slots[block], len(near))
            self.out[block] = dict(zip(near, out, strict=True))
            self.seconds[thread] += perf_counter() - start
            self.work[thread] += held
            self.stolen[thread] += held * (self.owners[block] != thread)

    def fill(self, thread: int) -> None:
        """Take those into blocks who have left others for them."""
        for block in self.queues.blocks(thread):
            for near in self.neighbours[block]:
                self.tiles[block].particles.append(self.out[near][block])

    def fields(self) -> Fields:
        return fields(self.tiles, self.done)

    def save(self) -> dict[str, np.ndarray]:
        return {
            f"{block} {name}": values
            for block, tile in enumerate(self.tiles)
            for name, values in tile.save().items()
        }

    def restore(self, state: Mapping[str, np.ndarray], repetition: int) -> None:
        self.done = repetition
        for block, tile in enumerate(self.tiles):
            tile.restore({name: state[f"{block} {name}"] for name in tile.save()})

    def close(self) -> None:
        self.team.close()
