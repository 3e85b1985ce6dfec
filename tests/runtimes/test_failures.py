"""A rank that goes wrong ends the whole job by itself, soon and with a non-zero exit code."""

import sys

import pytest

from tests.launch import mpirun, run

MISBEHAVE = "-m", "prk.conformance.misbehave"


@pytest.mark.parametrize("how", ["raises", "leaves", "vanishes", "killed"])
def test_job_ends_by_itself(how):
    done = mpirun(3, *MISBEHAVE, how, "stencil", "--n", 100, seconds=60)
    assert done.returncode != 0
    assert "Rate" not in done.stdout
    if how == "raises":
        assert "the last member raises" in done.stderr


@pytest.mark.parametrize("name", ["upc", "grappa"])
def test_others_that_wait_for_a_word_of_a_killed_one_end_as_well(name):
    words = "synch_p2p", "--runtime", name, "--n", 100, "--m", 100
    done = mpirun(3, *MISBEHAVE, "killed", *words, seconds=60)
    assert done.returncode != 0
    assert "Rate" not in done.stdout


def test_hang_ends_at_the_time_limit():
    done = mpirun(2, *MISBEHAVE, "hangs", "stencil", "--timeout", 6, seconds=60)
    assert done.returncode != 0
    assert done.stderr.count("--timeout") == 1


def test_serial_failure_is_one():
    done = run(sys.executable, *MISBEHAVE, "raises", "stencil")
    assert done.returncode == 1
    assert "the last member raises" in done.stderr
