"""Start the in-rank tests under mpirun, each launch under a time limit."""

import pytest

from tests.launch import mpirun


@pytest.mark.parametrize("size", [1, 2, 3, 4, 6])
def test_in_rank_tests_pass(size):
    done = mpirun(
        size, "-m", "pytest", "--with-mpi", "-q", "-p", "no:cacheprovider", "tests/ranks", seconds=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout
