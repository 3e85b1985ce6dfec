"""What a kernel leaves behind when it is closed: nothing, or every case of a run would add to its memory."""

import gc
import weakref

import pytest

from prk.run import registry
from tests import cells
from tests.ranks.test_cells import MATRIX


@pytest.mark.mpi
@pytest.mark.parametrize(("name", "kernel"), MATRIX)
def test_a_closed_kernel_is_released(comm, agree, name, kernel):
    wrong = []
    # All that there is by now need not be looked through for each kernel.
    gc.freeze()
    for options in cells.variants(name, kernel, {}):
        job = next((j for j in cells.jobs(name, kernel, comm.size) if j.options == options), None)
        if job is None:
            continue
        made = registry.kernel_class(name, kernel)(job.problem, comm, options)
        made.repeat(2)
        made.close()
        left = weakref.ref(made)
        del made
        gc.collect()
        wrong += [f"{name} {kernel} {options}"] if left() is not None else []
    gc.unfreeze()
    agree(wrong)
