"""Transpose on tagged messages: pieces of blocks, or the matrix itself inside a process."""

from typing import Any

import numpy as np

from prk import decomposition
from prk.team import Messages
from prk.transpose import loops, serial

from . import counted
from .sent import SIDE

# Messages that a process sends ahead of the one awaited: enough to keep the way busy, few enough for cache.
AHEAD = 4

Cut = tuple[int, int]


class Kernel(serial.Kernel):
    """This member's column blocks; those of the others travel in pieces, which are added as they come.

    A member of the same process is sent the matrix itself. The block that it reads there, and increments, is
    touched by nobody else, so that the owner need not know when.
    """

    comm: Messages

    side = SIDE

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
        loops.pack(self.A, row, to * self.width + column, piece, 0, 0, *piece.shape[::-1], self.tile)
        place = self.comm.rank * self.width + row, column
        self.comm.send(to, (self.comm.repetitions, "piece"), place, piece)

    def unpack(self) -> None:
        """Wait for a piece and add it to B."""
        (row, column), piece = self.comm.receive((self.comm.repetitions, "piece"))
        loops.unpack(piece, 0, 0, self.B, column, row, *piece.shape)

    def transpose_near(self) -> None:
        """Wait for the matrix of a member of this process, and transpose this member's block of it."""
        source, A = self.comm.receive((self.comm.repetitions, "matrix"))
        here, width = self.columns[0], self.width
        loops.transpose(A, 0, here, self.B, 0, source * width, width, width, self.tile)

    def findings(self) -> dict[str, Any]:
        return counted(self.comm, len(self.pieces) + len(self.near))
