"""Whole fields of every cell that no mpirun starts, on teams of 1, 2 and 3 (the others: test_ranks.py)."""

import sys

import numpy as np
import pytest

from prk.check import Box, Keyed
from prk.run import registry
from tests import cells
from tests.launch import run

pytestmark = pytest.mark.usefixtures("mark")

TEAMS = [
    (name, size)
    for name in registry.runtimes()
    if not registry.runtime(name).launched
    for size in ((1, 2, 3) if registry.runtime(name).count_option else (1,))
]


@pytest.mark.parametrize(("name", "size"), TEAMS)
def test_whole_fields_equal_the_reference(name, size):
    option = registry.runtime(name).count_option
    done = run(
        sys.executable, "-m", "tests.cells", name, *([f"{option}={size}"] if option else []), seconds=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f" members of {name}" in done.stdout


def test_every_runtime_is_in_the_matrix_and_can_run_here():
    for name in registry.runtimes():
        assert registry.runtime(name).missing() is None
        assert any(registry.has(name, kernel) for kernel in registry.kernels())


def test_a_wrong_field_is_told():
    whole = np.arange(12.0).reshape(3, 4)
    part = (slice(1, 3), slice(0, 2))
    assert not cells.differs(Box(part, whole[part].copy()), whole, 1e-8)
    assert "differs by 1.0" in cells.differs(Box(part, whole[part] + 1), whole, 1e-8)
    assert "has shape" in cells.differs(Box(part, whole), whole, 1e-8)
    keyed = Keyed(np.array([7, 3, 5]), np.array([0.7, 0.3, 0.5]))
    assert not cells.differs(Keyed(np.array([3, 7]), np.array([0.3, 0.7])), keyed, 1e-8)
    assert "differs" in cells.differs(Keyed(np.array([3, 7]), np.array([0.7, 0.3])), keyed, 1e-8)
    assert "strange keys [4]" in cells.differs(Keyed(np.array([3, 4]), np.array([0.3, 0.4])), keyed, 1e-8)


def test_every_element_has_one_owner():
    whole = np.zeros((2, 4))
    left, right = (slice(0, 2), slice(0, 2)), (slice(0, 2), slice(2, 4))
    assert not cells.uncovered([left, right], whole)
    assert "0 or 1 owners" in cells.uncovered([left], whole)
    assert "1 or 2 owners" in cells.uncovered([left, right, right], whole)
    keyed = Keyed(np.array([1, 2, 3]), np.zeros(3))
    assert not cells.uncovered([np.array([3]), np.array([1, 2])], keyed)
    assert "nobody has the keys [2]" in cells.uncovered([np.array([3, 1])], keyed)
    assert "1 or 2 owners" in cells.uncovered([np.array([3, 1]), np.array([2, 3])], keyed)
