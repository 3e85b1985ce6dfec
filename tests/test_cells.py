"""Whole fields of every cell that no mpirun starts, on teams of 1, 2 and 3 (the others: test_ranks.py)."""

import sys

import pytest

from prk import runtime
from tests.launch import run

pytestmark = pytest.mark.usefixtures("mark")

TEAMS = [
    (name, size)
    for name in runtime.runtimes()
    if not runtime.runtime(name).launcher
    for size in ((1, 2, 3) if runtime.runtime(name).count_option else (1,))
]


@pytest.mark.parametrize(("name", "size"), TEAMS)
def test_whole_fields_equal_the_reference(name, size):
    option = runtime.runtime(name).count_option
    done = run(
        sys.executable, "-m", "tests.cells", name, *([f"{option}={size}"] if option else []), seconds=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f" members of {name}" in done.stdout


def test_every_runtime_is_in_the_matrix_and_can_run_here():
    for name in runtime.runtimes():
        assert runtime.runtime(name).missing() is None
        assert any(runtime.has(name, kernel) for kernel in runtime.kernels())
