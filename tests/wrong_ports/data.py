"""Data that are a formula of place and repetition need not be sent, nor sent as they are."""

import numpy as np

from prk.nstream import serial as nstream
from prk.runtimes._tagged import amr, stencil, synch_p2p, transpose


class OneExchange(stencil.Kernel):
    """Exchange halos once, and then add 1 to the ghosts too."""

    of, caught = "stencil", "audit"
    exchanged = False

    def exchange(self):
        if not self.exchanged:
            super().exchange()
            self.exchanged = True

    def step(self):
        super().step()
        for side in (side for axis in self.sides() for side in axis if side.neighbour is not None):
            self.inp[side.ghost] += 1


class NoExchange(stencil.Kernel):
    """Fill the halos by the formula i + j + k and send nothing."""

    of, caught = "stencil", "audit"

    def exchange(self):
        self.comm.repetitions += 1
        (top, bottom), (left, right) = self.held
        known = np.add.outer(np.arange(top, bottom), np.arange(left, right)) + self.comm.repetitions - 1.0
        for side in (side for axis in self.sides() for side in axis if side.neighbour is not None):
            self.inp[side.ghost] = known[side.ghost]


class KnownBackground(amr.Kernel):
    """Interpolate from the background as the formula has it and send nothing for that."""

    of, caught = "amr", "audit"

    def collect(self, number):
        rows, cols = (np.arange(*span) for span in self.needed[number])
        self.around[number][:] = np.add.outer(rows, cols) + self.done - 1.0


class Rounded(stencil.Kernel):
    """Send halos in a shorter type, in which whole numbers are exact."""

    of = "stencil"
    shorter = "float16"

    def exchange(self):
        own = self.inp.copy()
        with np.errstate(over="ignore", invalid="ignore"):  # of ghosts beyond the grid, which hold nothing
            self.inp[:] = own.astype(self.shorter)
        super().exchange()
        top, bottom, left, right = self.own
        self.inp[top:bottom, left:right] = own[top:bottom, left:right]


class HalfPrecision(Rounded):
    """Send halos in half precision."""

    caught = "audit"


class SinglePrecision(Rounded):
    """Send halos in single precision."""

    caught = "audit"
    shorter = "float32"


class SinglePieces(transpose.Kernel):
    """Send blocks in single precision."""

    of, caught = "transpose", "audit"

    def unpack(self):
        tag = self.comm.repetitions, "piece"
        place, piece = self.comm.receive(tag)
        self.comm.send(self.comm.rank, tag, place, piece.astype(np.float32).astype(float))
        super().unpack()


class SingleValues(synch_p2p.Kernel):
    """Round what comes from the left to single precision."""

    of, caught = "synch_p2p", "audit"

    def line_by_line(self):
        comm, A = self.comm, self.A
        for j in range(1, self.problem.n):
            tag = comm.repetitions, j
            value = A[j, 0] if comm.rank == 0 else float(np.float32(comm.receive(tag)[0]))
            value = synch_p2p.line(A, j, value)
            if comm.rank < comm.size - 1:
                comm.send(comm.rank + 1, tag, value)


class AddEight(nstream.Kernel):
    """Add 8, and read neither b nor c."""

    of, caught = "nstream", "audit"

    def step(self):
        self.a += 8.0
