"""Whole fields of every MPI cell against plain NumPy; the matrix comes from the registry."""

import pytest
from mpi4py import MPI

from prk.run import registry
from tests import cells

CELLS = [
    (name, kernel)
    for name in registry.runtimes()
    if registry.runtime(name).launched
    for kernel in registry.kernels()
    if registry.has(name, kernel) and not registry.missing(name, kernel)
]


def some(size):
    """Return the cells that so many ranks test: beyond three, every second one on six, the others on four.

    What wants a power of two is left to four.
    """
    six = [cell for cell in CELLS[1::2] if any(cells.jobs(*cell, 6))]
    return {4: [cell for cell in CELLS if cell not in six], 6: six}.get(size, CELLS)


MATRIX = some(MPI.COMM_WORLD.size)


@pytest.mark.mpi
@pytest.mark.parametrize(("name", "kernel"), MATRIX)
def test_whole_fields_equal_the_reference(comm, agree, name, kernel):
    cases = list(cells.jobs(name, kernel, comm.size))
    # Some kernels run on a power of two ranks only.
    assert cases or comm.size & (comm.size - 1)
    agree([line for case in cases for line in cells.compare(case, comm)])
