"""A rank that goes wrong ends the whole job by itself, soon and with a non-zero exit code."""

import sys

import pytest

from tests.launch import mpirun, run


@pytest.mark.parametrize("how", ["raises", "leaves", "vanishes", "killed"])
def test_job_ends_by_itself(how):
    done = mpirun(3, "-m", "tests.failures", how, "stencil", "--n", 100, seconds=60)
    assert done.returncode != 0
    assert "Rate" not in done.stdout
    if how == "raises":
        assert "the last rank raises" in done.stderr


def test_hang_ends_at_the_time_limit():
    done = mpirun(2, "-m", "tests.failures", "hangs", "stencil", "--timeout", 6, seconds=60)
    assert done.returncode != 0
    assert done.stderr.count("--timeout") == 1


def test_serial_failure_is_one():
    done = run(sys.executable, "-m", "tests.failures", "raises", "stencil")
    assert done.returncode == 1
    assert "the last rank raises" in done.stderr
