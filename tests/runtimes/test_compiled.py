"""What compiled code needs besides arithmetic."""

import pytest

from prk.run import registry
from prk.runtimes._compiled import first_error
from prk.transpose.problem import Transpose


@pytest.mark.parametrize(
    ("code", "later", "found"), [(0, 0, 0), (0, 5, 5), (3, 5, 3), (3, 0, 3), (-1, 2, -1), (6, -1, 6)]
)
def test_the_first_error_is_kept(code, later, found):
    assert first_error(code, later) == found


def test_what_a_cell_allocates_besides_is_counted():
    problem = Transpose(order=1200)
    block, plain = 8 * 300**2, problem.memory(4)

    def need(name, size=4, **options):
        how = registry.runtime(name)
        defaults = {o.name: o.default for o in how.cell("transpose").options}
        return how.memory("transpose", problem, defaults | options, size)

    assert need("mpi1") == need("mpirma") == need("mpishm") == plain
    for name in ("mpi1", "mpithreads"):
        assert need(name, exchange="alltoall") == plain + 2 * 3 * block
    assert need("mpirma", bundle=5) == plain + 2 * 2 * block
    assert need("mpirma", size=1, bundle=5) == problem.memory(1)
    assert need("mpishm", **{"group-size": 2}) == plain + 2 * block
    assert plain + 3 * block <= need("shmem") < plain + 3 * block + 1000
