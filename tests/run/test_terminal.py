"""What a person starts at a terminal answers, whatever variables are there."""

import os
import subprocess
import sys

import pytest

from tests.launch import ENVIRONMENT


@pytest.mark.parametrize("names", ["PMI_RANK PMI_SIZE", "OMPI_COMM_WORLD_RANK OMPI_COMM_WORLD_SIZE"])
def test_rank_that_a_launcher_left_is_refused_with_a_word(names):
    rank, size = names.split()
    controller, terminal = os.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "prk.nstream", "--n", "100", "--runtime", "serial"],
        stdin=terminal,
        capture_output=True,
        text=True,
        env={**ENVIRONMENT, rank: "1", size: "2"},
        check=False,
    )
    os.close(controller)
    os.close(terminal)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("prk.nstream: the launcher: it started 2 processes, but serial sees 1 of them;")
