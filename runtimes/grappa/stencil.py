"""Stencil, Grappa's model: edges are written element by element into the neighbours' halo buffers.

A full/empty word a buffer says that it is whole. There are two buffers for each piece of the ghost frame, in
turn: a neighbour that is one repetition ahead writes into the other one; two ahead it cannot be.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from mpi4py import MPI
from numba import njit

from prk.decomposition import SuperTiles, area, displacement
from prk.stencil import serial

from .._clocks import begun, waited
from .._compiled import first_error
from .core import FILL, WRITE, Home, check, delegate, is_full, numbers, read_fe, read_ff, rest, send_all

# Pieces of a ghost frame: four sides and four corners.
PIECES = 8
# Where the row of a task that waits has its state.
STATE = 6
WAITING, DONE = 0, 1


class Kernel(serial.Kernel):
    """This core's tile, and the halo buffers and their words, which have their home here."""

    def setup(self) -> None:
        super().setup()
        problem, rank = self.problem, self.comm.rank
        compact = problem.pattern == "compact"
        layout = SuperTiles(problem.n, problem.n, self.comm.size, 1, problem.radius, compact)
        arriving = layout.incoming(rank)
        # A task each: a box of the array, where its buffer begins, its word, and its state or whose that is.
        self.fills = tasks(
            (*self.indices(box), displacement(layout, rank, source, box), number, DONE)
            for number, (source, box) in enumerate(arriving)
        )
        self.writes = tasks(
            (
                *self.indices(box),
                displacement(layout, to, rank, box),
                layout.incoming(to).index((rank, box)),
                to,
            )
            for to, box in layout.outgoing(rank)
        )
        self.length = self.comm.allreduce(sum(area(box) for _, box in arriving), MPI.MAX)
        self.home = Home(self.comm, self.options, np.zeros(2 * self.length), 2 * PIECES)
        self.turn = 0

    def exchange(self) -> None:
        self.turn += 1
        half = self.turn % 2
        check(exchange(self.home.core, self.inp, self.writes, self.fills, half * self.length, half * PIECES))

    def close(self) -> None:
        self.home.drain()


def tasks(rows: Iterable[Sequence[int]]) -> np.ndarray:
    """Return tasks as an array with a row each."""
    return np.array(list(rows), np.int64).reshape(-1, 7)


@njit(nogil=True, cache=True)
def exchange(core, inp, writes, fills, start, word):
    """Run a repetition's tasks, in buffers from `start` on whose words begin at `word`; return an error."""
    code = 0
    for task in writes:
        code = first_error(code, write(core, inp, task, start, word))
    code = first_error(code, send_all(core, 0))
    fills[:, STATE] = WAITING
    left, look, begin = len(fills), 0, begun(core.sched_yield)
    while left and code == 0:
        look += 1
        code = rest(core, look)
        for task in fills:
            if task[STATE] == WAITING and is_full(core, word + task[5]):
                fill_ghosts(core, inp, task, start, word)
                task[STATE] = DONE
                left -= 1
    waited(core.sched_yield, begin, -1)
    return code


@njit(nogil=True, cache=True)
def write(core, inp, task, start, word):
    """Write an edge's elements into their buffer, and fill its word with their number; return an error."""
    r0, r1, c0, c1, first, number, to = task
    code, place = 0, start + first
    for i in range(r0, r1):
        for j in range(c0, c1):
            code = first_error(code, delegate(core, to, WRITE, place, inp[i, j]))
            place += 1
    return first_error(code, delegate(core, to, FILL, word + number, place - start - first))


@njit(nogil=True, cache=True)
def fill_ghosts(core, inp, task, start, word):
    """Copy a whole buffer into its ghosts, and give it back."""
    r0, _, c0, c1, first, number, _ = task
    home = numbers(core)
    for n in range(np.int64(read_ff(core, word + number))):
        inp[r0 + n // (c1 - c0), c0 + n % (c1 - c0)] = home[start + first + n]
    read_fe(core, word + number)
