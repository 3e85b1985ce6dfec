"""Synch_p2p, Grappa's model: a full/empty word a line, filled by the left neighbour and emptied here."""

import numpy as np
from numba import njit

from prk.synch_p2p import loops, serial

from .._clocks import begun, waited
from .._compiled import first_error
from .core import FILL, Home, check, delegate, is_full, read_fe, rest, send_all


class Kernel(serial.Kernel):
    """This core's strip; a word a line, line 0, which is never sent, being the corner's."""

    def setup(self) -> None:
        super().setup()
        self.home = Home(self.comm, self.options, np.zeros(0), self.problem.n)

    def repeat(self, count: int) -> None:
        check(pipeline(self.home.core, self.A, self.problem.group, count))

    def close(self) -> None:
        self.home.drain()


@njit(nogil=True, cache=True)
def pipeline(core, A, group, count):
    """Run `count` repetitions; return an error."""
    code, last = 0, core.size - 1
    for _ in range(count):
        # The state of this core's only task is its next line.
        first, look, begin = 1, 0, begun(core.sched_yield)
        while first < len(A) and code == 0:
            stop = min(first + group, len(A))
            if core.rank == 0 or ready(core, first, stop):
                waited(core.sched_yield, begin, core.rank - 1)
                code = advance(core, A, first, stop)
                first, look, begin = stop, 0, begun(core.sched_yield)
            else:
                look += 1
                code = rest(core, look)
        if core.rank == last > 0:
            code = first_error(code, delegate(core, 0, FILL, 0, A[-1, -1]))
        code = first_error(code, send_all(core, 0))
        if core.rank == 0:
            code = first_error(code, corner(core, A, last))
    return code


@njit(nogil=True, cache=True)
def ready(core, first, stop):
    """Tell whether the words of lines `first` to `stop` - 1 are full."""
    full = 0
    for word in range(first, stop):
        full += is_full(core, word)
    return full == stop - first


@njit(nogil=True, cache=True)
def advance(core, A, first, stop):
    """Run lines `first` to `stop` - 1, whose words are full, and fill the next core's; return an error."""
    code, right = 0, core.rank + 1
    for j in range(first, stop):
        if core.rank > 0:
            A[j, 0] = read_fe(core, j)
        loops.line(A, j, 1)
        if right < core.size:
            code = first_error(code, delegate(core, right, FILL, j, A[j, -1]))
    return code


@njit(nogil=True, cache=True)
def corner(core, A, last):
    """Take -A(m-1, n-1) from the last core to A(0, 0); return an error."""
    code, look, begin, value = 0, 0, begun(core.sched_yield), A[-1, -1]
    if last > 0:
        while not is_full(core, 0) and code == 0:
            look += 1
            code = rest(core, look)
        value = read_fe(core, 0)
    waited(core.sched_yield, begin, last)
    A[0, 0] = -value
    return code
