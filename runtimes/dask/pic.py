"""PIC on Dask: a tile a worker, whose borders follow the load; or blocks that move between workers."""

from collections.abc import Mapping
from time import perf_counter
from typing import Any

import numpy as np

from prk import kernel
from prk.check import Fields
from prk.kernel import Period
from prk.pic import schedule
from prk.pic.placement import ROWS
from prk.pic.problem import Pic
from prk.pic.tile import SAVED, Tile, fields
from prk.team import Messages

from .._tagged import pic


class Tiles(pic.Kernel):
    """One worker's share."""


class Blocks(kernel.Kernel[Pic]):
    """The blocks that this worker has at present, each of them a tile."""

    comm: Messages

    def setup(self) -> None:
        rank, size = self.comm.rank, self.comm.size
        self.cuts, self.owners = schedule.blocks(self.problem.n, size, self.options["blocks"])
        self.neighbours = [self.cuts.neighbours(block) for block in range(len(self.owners))]
        mine = [block for block, owner in enumerate(self.owners) if owner == rank]
        self.tiles = {block: Tile(self.problem, self.cuts.box(block)) for block in mine}
        self.done = 0
        self.periods: list[Period] = []
        self.begin()

    def begin(self) -> None:
        """Begin a period: what each block has to move, and the seconds for all of them."""
        self.work, self.seconds = dict.fromkeys(self.tiles, 0), 0.0

    def step(self) -> None:
        start = perf_counter()
        out = {block: self.push(block) for block in self.tiles}
        self.seconds += perf_counter() - start
        self.exchange(out)
        self.done += 1
        if self.done == 1:
            # The warm-up compiles, and is no part of a period.
            self.begin()
        elif self.done == self.problem.repetitions or self.done % self.options["period"] == 0:
            self.periods.append(self.balance(Period(self.done, sum(self.work.values()), self.seconds)))
            self.begin()

    def push(self, block: int) -> dict[int, np.ndarray]:
        """Push a block's particles; return those who have left it, by the block that they go to."""
        tile, near = self.tiles[block], self.neighbours[block]
        tile.happen(self.done)
        leaving = tile.push()
        self.work[block] += tile.particles.held
        out = tile.particles.sorted(leaving, *self.cuts.owners, self.cuts.slots(near), len(near))
        return dict(zip(near, out, strict=True))

    def exchange(self, out: Mapping[int, Mapping[int, np.ndarray]]) -> None:
        """Give particles to the blocks that they go to: one message to each worker that has some of these."""
        self.comm.repetitions += 1
        number, rank = self.comm.repetitions, self.comm.rank
        to: dict[int, list[tuple[int, np.ndarray]]] = {}
        for leaving in out.values():
            for block, rows in leaving.items():
                to.setdefault(self.owners[block], []).append((block, rows))
        here = to.pop(rank, [])
        for owner, several in to.items():
            counts = np.array([(block, len(rows)) for block, rows in several])
            self.comm.send(owner, (number, rank), counts, np.concatenate([rows for _, rows in several]))
        for block, rows in here:
            self.tiles[block].particles.append(rows)
        # Whoever has neighbours of these blocks has neighbours here.
        for owner in to:
            counts, everything = self.comm.receive((number, owner))
            parts = np.split(everything.reshape(-1, ROWS), np.cumsum(counts[:, 1]))
            for block, rows in zip(counts[:, 0].tolist(), parts, strict=False):
                self.tiles[block].particles.append(rows)

    def balance(self, found: Period) -> Period:
        """Let blocks move to other workers; return the period with what that took."""
        if self.done == self.problem.repetitions:
            return found
        start, rank, old = perf_counter(), self.comm.rank, self.owners
        loads = self.comm.gather(self.work)
        load = {block: work for part in loads or () for block, work in part.items()}
        wanted = [load[block] for block in range(len(old))] if rank == 0 else []
        self.owners = self.comm.bcast(schedule.refined(wanted, old, self.comm.size) if rank == 0 else None)
        changed = [block for block, owner in enumerate(old) if owner != self.owners[block]]
        given = [block for block in changed if old[block] == rank]
        for block in given:
            state = self.tiles.pop(block).save()
            self.comm.send(self.owners[block], (self.done, "block", block), *state.values())
        for block in changed:
            if self.owners[block] == rank:
                self.tiles[block] = Tile.packed(self.problem, self.comm.receive((self.done, "block", block)))
        moved = sum(self.work[block] for block in given)
        return found._replace(balancing=perf_counter() - start, moved=moved)

    def fields(self) -> Fields:
        return fields(list(self.tiles.values()), self.done)

    def save(self) -> dict[str, np.ndarray]:
        held = {f"{block} {name}": v for block, tile in self.tiles.items() for name, v in tile.save().items()}
        return {"owners": np.array(self.owners), **held}

    def restore(self, state: Mapping[str, np.ndarray], repetition: int) -> None:
        self.owners, self.done = state["owners"].tolist(), repetition
        mine = [block for block, owner in enumerate(self.owners) if owner == self.comm.rank]
        saved = {block: [state[f"{block} {name}"].copy() for name in SAVED] for block in mine}
        self.tiles = {block: Tile.packed(self.problem, values) for block, values in saved.items()}
        self.begin()


def Kernel(problem: Pic, comm: Any, options: Mapping[str, Any]) -> kernel.Kernel[Pic]:
    """Return this worker's share, as it is balanced."""
    return (Blocks if options["balance"] == "runtime" else Tiles)(problem, comm, options)
