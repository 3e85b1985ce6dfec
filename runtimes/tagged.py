"""The kernels on tagged messages, for teams whose members are neither MPI ranks nor threads.

A `comm` here has besides rank, size, barrier, gather and bcast:
send(to, tag, *data) which never waits and gives `data` away; receive(tag) which waits for a message with that
tag, the first to arrive;
give_way() which lets other members of the same process run; `here`, the members of this process; and
`repetitions`, a count that tags use, so that no two messages of a run carry the same tag.
"""

from typing import Any

import numpy as np
from numba import njit

from prk import decomposition
from prk.allreduce import schedules
from prk.allreduce import serial as allreduce_serial
from prk.nstream import serial as nstream_serial
from prk.stencil import serial as stencil_serial
from prk.synch_p2p import loops as synch_p2p_loops
from prk.synch_p2p import serial as synch_p2p_serial
from prk.transpose import loops as transpose_loops
from prk.transpose import serial as transpose_serial

# Lines of Synch_p2p that the first member computes before others of its process take their turn.
TURN = 16
# Messages that a process sends ahead of the one awaited: enough to keep the way busy, few enough for cache.
AHEAD = 4

Cut = tuple[int, int]


class Nstream(nstream_serial.Kernel):
    """This member's part of the vectors; nothing is communicated."""

    def step(self) -> None:
        super().step()
        # Else a small part would stay in cache for all its repetitions, and bandwidth is what is measured.
        self.comm.give_way()


class Stencil(stencil_serial.Kernel):
    """This member's tile, its ghost frame filled by a message an edge."""

    def setup(self) -> None:
        super().setup()
        self.axes = [
            [(s.neighbour, self.inp[s.edge], self.inp[s.ghost]) for s in axis if s.neighbour is not None]
            for axis in self.sides()
        ]
        if self.problem.pattern == "star":
            # It reads no corners, so nothing has to arrive before anything else.
            self.axes = [self.axes[0] + self.axes[1]]

    def exchange(self) -> None:
        self.comm.repetitions += 1
        for axis in self.axes:
            for neighbour, edge, _ in axis:
                # A copy: the message may be under way, or lie in this process, when the edge changes.
                self.comm.send(neighbour, (self.comm.repetitions, self.comm.rank), edge.copy())
            for neighbour, _, ghost in axis:
                (ghost[:],) = self.comm.receive((self.comm.repetitions, neighbour))


@njit(nogil=True, cache=True)
def line(A, j, ghost):
    """Compute line j from the value before it; return its last value."""
    A[j, 0] = ghost
    synch_p2p_loops.line(A, j, 1)
    return A[j, A.shape[1] - 1]


class SynchP2P(synch_p2p_serial.Kernel):
    """This member's strip, the left neighbour's last column arriving in its ghost column, a value a line."""

    def step(self) -> None:
        self.comm.repetitions += 1
        if self.problem.group == 1:
            self.line_by_line()
        else:
            for first in range(1, self.problem.n, self.problem.group):
                self.lines(first, min(first + self.problem.group, self.problem.n))
        self.corner()

    def line_by_line(self) -> None:
        """Compute all lines, with a message of one number before and after each."""
        comm, A, repetition = self.comm, self.A, self.comm.repetitions
        first, last = comm.rank == 0, comm.rank == comm.size - 1
        for j in range(1, self.problem.n):
            tag = repetition, j
            if first:
                value = line(A, j, A[j, 0])
                if j % TURN == 0:
                    comm.give_way()
            else:
                value = line(A, j, comm.receive(tag)[0])
            if not last:
                comm.send(comm.rank + 1, tag, value)

    def lines(self, first: int, stop: int) -> None:
        """Compute the lines of one message."""
        tag = self.comm.repetitions, first
        if self.comm.rank > 0:
            (self.A[first:stop, 0],) = self.comm.receive(tag)
        else:
            self.comm.give_way()
        synch_p2p_loops.block(self.A, first, stop)
        if self.comm.rank < self.comm.size - 1:
            self.comm.send(self.comm.rank + 1, tag, self.A[first:stop, -1].copy())

    def corner(self) -> None:
        """Carry -A(m-1, n-1) from the last member to A(0, 0) on the first."""
        tag = self.comm.repetitions, 0
        if self.comm.rank == self.comm.size - 1:
            self.comm.send(0, tag, float(self.A[-1, -1]))
        if self.comm.rank == 0:
            (corner,) = self.comm.receive(tag)
            self.A[0, 0] = -corner

    def findings(self) -> dict[str, Any]:
        lines = -(-(self.problem.n - 1) // self.problem.group)
        return counted(self.comm, 1 if self.comm.rank == 0 else lines)


class Transpose(transpose_serial.Kernel):
    """This member's column blocks; those of the others travel in pieces, which are added as they come.

    A member of the same process is sent the matrix itself. The block that it reads there, and increments, is
    touched by nobody else, so that the owner need not know when.
    """

    # A block travels in squares of this side, 0.4 MiB: packed and unpacked in cache, and in long parts of
    # columns (strips of 32 whole columns took twice as long to pack), an odd number of cache lines each.
    side = 232

    def setup(self) -> None:
        super().setup()
        side = max(self.tile, self.side)
        cuts = [(first, min(first + side, self.width)) for first in range(0, self.width, side)]
        others = [to for _, to in decomposition.pairwise(self.comm.rank, self.comm.size)]
        self.near = [to for to in others if to in self.comm.here]
        far = [to for to in others if to not in self.comm.here]
        self.ahead = max(2, AHEAD // len(self.comm.here))
        self.pieces = [(to, rows, columns) for to in far for rows in cuts for columns in cuts]

    def step(self) -> None:
        self.comm.repetitions += 1
        for to in self.near:
            self.comm.send(to, (self.comm.repetitions, "matrix"), self.comm.rank, self.A)
        for number in range(len(self.pieces) + self.ahead):
            if number < len(self.pieces):
                self.pack(*self.pieces[number])
            if number >= self.ahead:
                self.unpack()
        self.transpose_diagonal()
        for _ in self.near:
            self.transpose_near()

    def pack(self, to: int, rows: Cut, columns: Cut) -> None:
        """Transpose and send a piece: what goes from this member's columns `rows` to `columns` of `to`."""
        (row, bottom), (column, right) = rows, columns
        piece = np.empty((right - column, bottom - row))
        transpose_loops.pack(
            self.A, row, to * self.width + column, piece, 0, 0, *piece.shape[::-1], self.tile
        )
        place = self.comm.rank * self.width + row, column
        self.comm.send(to, (self.comm.repetitions, "piece"), place, piece)

    def unpack(self) -> None:
        """Wait for a piece and add it to B."""
        (row, column), piece = self.comm.receive((self.comm.repetitions, "piece"))
        transpose_loops.unpack(piece, 0, 0, self.B, column, row, *piece.shape)

    def transpose_near(self) -> None:
        """Wait for the matrix of a member of this process, and transpose this member's block of it."""
        source, A = self.comm.receive((self.comm.repetitions, "matrix"))
        here, width = self.columns[0], self.width
        transpose_loops.transpose(A, 0, here, self.B, 0, source * width, width, width, self.tile)

    def findings(self) -> dict[str, Any]:
        return counted(self.comm, len(self.pieces) + len(self.near))


def counted(comm: Any, messages: int) -> dict[str, Any]:
    """Return what a member finds out of messages: how many it takes in a repetition, and in which process."""
    return {"process": min(comm.here), "messages": messages if comm.size > 1 else 0}


class Allreduce(allreduce_serial.Kernel):
    """This member's buffers; sums by recursive halving, gathered by recursive doubling (Rabenseifner)."""

    def setup(self) -> None:
        super().setup()
        rank, size, count = self.comm.rank, self.comm.size, self.output.size
        self.fold = schedules.fold(rank, size)
        index = self.fold.index
        self.steps = [] if index is None else schedules.halvings(index, size, count)

    def collective(self) -> None:
        self.comm.repetitions += 1
        super().collective()
        result, fold = self.output[0], self.fold
        if fold.gives_to is not None:
            self.give("fold", fold.gives_to, result)
            (result[:],) = self.take("unfold", fold.gives_to)
            return
        if fold.takes_from is not None:
            result += self.take("fold", fold.takes_from)[0]
        for step in self.steps:
            self.give("reduce", step.partner, result[step.give])
            result[step.keep] += self.take("reduce", step.partner)[0]
        for step in reversed(self.steps):
            self.give("gather", step.partner, result[step.keep])
            (result[step.give],) = self.take("gather", step.partner)
        if fold.takes_from is not None:
            self.give("unfold", fold.takes_from, result)

    def give(self, stage: str, to: int, part: np.ndarray) -> None:
        """Send a copy: the message may be under way when the part changes."""
        self.comm.send(to, (self.comm.repetitions, stage, self.comm.rank), part.copy())

    def take(self, stage: str, source: int) -> tuple[np.ndarray]:
        return self.comm.receive((self.comm.repetitions, stage, source))
