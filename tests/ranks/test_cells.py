"""Whole fields of every MPI cell against plain NumPy; the matrix comes from the registry."""

import pytest

from prk import runtime
from tests import cells

MATRIX = [
    (name, kernel)
    for name in runtime.runtimes()
    if "mpirun" in runtime.runtime(name).launcher
    for kernel in runtime.kernels()
    if runtime.has(name, kernel) and not runtime.missing(name, kernel)
]


@pytest.mark.mpi
@pytest.mark.parametrize(("name", "kernel"), MATRIX)
def test_whole_fields_equal_the_reference(comm, agree, name, kernel):
    cases = list(cells.jobs(name, kernel, comm.size))
    assert cases
    agree([line for case in cases for line in cells.compare(case, comm)])
