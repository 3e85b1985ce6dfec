"""Transpose, Grappa's model: every element is added where it belongs, by a delegate at its home core.

A phase has a completion event: it is over when all that another core delegates here in it has run.
"""

from numba import njit

from prk import decomposition
from prk.memory import prefetch
from prk.transpose import loops, serial

from .._compiled import first_error
from .core import ADD, LAST, Home, check, complete, delegate, flush


class Kernel(serial.Kernel):
    """This core's column blocks; B is home to what others add."""

    def setup(self) -> None:
        super().setup()
        self.home = Home(self.comm, self.options, self.B.reshape(-1))
        self.phases = decomposition.pairwise(self.comm.rank, self.comm.size)
        self.turn = 0

    def step(self) -> None:
        self.transpose_diagonal()
        self.turn += 1
        for source, to in self.phases:
            check(give(self.home.core, self.A, to, self.width, self.problem.pitch, self.tile))
            check(complete(self.home.core, source, self.turn))

    def close(self) -> None:
        self.home.drain()


@njit(nogil=True, cache=True)
def give(core, A, to, width, pitch, tile):
    """Add the elements of A's block for `to` to B there, tile by tile, and 1 to them; return an error."""
    code, rows, column = 0, A[:, to * width : (to + 1) * width], core.rank * width
    for r0 in range(0, width, tile):
        for c0 in range(0, width, tile):
            for r in range(r0, min(r0 + tile, width)):
                for c in range(c0, min(c0 + tile, width)):
                    if r % loops.SIDE == 0:
                        # What the next tile begins with.
                        prefetch(A, (c + tile) * pitch + to * width + r)
                    told = delegate(core, to, ADD, r * pitch + column + c, rows[c, r])
                    code = first_error(code, told)
                    rows[c, r] += 1.0
    return first_error(code, flush(core, to, LAST))
