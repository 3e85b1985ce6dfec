"""Whole fields of every MPI cell against plain NumPy; the matrix comes from the registry."""

import pytest

from prk.run import registry
from tests import cells

MATRIX = [
    (name, kernel)
    for name in registry.runtimes()
    if registry.runtime(name).launched
    for kernel in registry.kernels()
    if registry.has(name, kernel) and not registry.missing(name, kernel)
]


@pytest.mark.mpi
@pytest.mark.parametrize(("name", "kernel"), MATRIX)
def test_whole_fields_equal_the_reference(comm, agree, name, kernel):
    cases = list(cells.jobs(name, kernel, comm.size))
    # Some kernels run on a power of two ranks only.
    assert cases or comm.size & (comm.size - 1)
    agree([line for case in cases for line in cells.compare(case, comm)])
