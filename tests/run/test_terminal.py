"""What a person starts at a terminal answers, whatever variables are there."""

import os
import subprocess
import sys

import pytest

from tests.launch import ENVIRONMENT, run

# What a launcher sets: rank, number of ranks, and how to find it.
VARIABLES = ["PMI_RANK PMI_SIZE PMI_FD", "OMPI_COMM_WORLD_RANK OMPI_COMM_WORLD_SIZE PMIX_NAMESPACE"]
COMMAND = [sys.executable, "-m", "prk.nstream", "--n", "100", "--runtime", "serial"]


@pytest.mark.parametrize("names", VARIABLES)
def test_rank_that_a_launcher_left_is_refused_with_a_word(names):
    rank, size, beside = names.split()
    controller, terminal = os.openpty()
    done = subprocess.run(
        COMMAND,
        stdin=terminal,
        capture_output=True,
        text=True,
        env={**ENVIRONMENT, rank: "1", size: "2", beside: "9"},
        check=False,
    )
    os.close(controller)
    os.close(terminal)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("prk.nstream: the launcher: it started 2 processes, but serial sees 1 of them;")


@pytest.mark.parametrize("names", VARIABLES)
def test_rank_without_a_way_to_its_launcher_is_none(names):
    rank, size, _ = names.split()
    done = run(*COMMAND, **{rank: "1", size: "2"})
    assert done.returncode == 0, done.stderr
    assert "Solution validates" in done.stdout
