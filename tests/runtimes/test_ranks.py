"""Start the in-rank tests under mpirun, each launch under a time limit."""

import pytest

from tests.launch import mpirun


@pytest.mark.parametrize("size", [1, 2, 3, 4, 6])
def test_in_rank_tests_pass(size):
    words = ["-m", "pytest", "--with-mpi", "-q", "-p", "no:cacheprovider", "tests/ranks"]
    # What is sent is counted on up to 4: with 6, three times the cores' number wait for one another, so that
    # only what is predicted of the study's kernels is counted, on one runtime.
    few = "what_the_schedule_says and mpi1 and (stencil or synch_p2p or transpose)"
    words += ["-k", f"not test_counts or {few}"] if size > 4 else []
    # A kernel is released on many ranks as on a few.
    words += ["--ignore=tests/ranks/test_release.py"] if size > 2 else []
    # What clocks see of a member with a neighbour on either side, others' show as well.
    words += ["--ignore=tests/ranks/test_clocks.py"] if size > 3 else []
    done = mpirun(size, *words, seconds=1200)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout
