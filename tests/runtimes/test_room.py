"""Windows that do not fit into a small /dev/shm are refused before they are used, naming what would work."""

import sys

import pytest

from tests.launch import own_lines, run

# As in a container: MPI itself would fail on some ranks only, or die of SIGBUS while the kernel runs.
SMALL = """
import shutil, sys
from types import SimpleNamespace
from prk import cli
shutil.disk_usage = lambda folder: SimpleNamespace(free=int(sys.argv[1]))
sys.exit(cli.main(sys.argv[2], sys.argv[3:]))
"""
# Bytes of what one rank has of a vector, or of a column.
VECTOR = 8 * 100_000


def small(free, kernel, *words):
    return run("mpirun", "-n", 2, sys.executable, "-c", SMALL, free, kernel, *words)


@pytest.mark.parametrize(
    ("vectors", "words", "remedy"),
    [
        (1, ["nstream", "--n", 200_000, "--runtime", "mpirma"], "use create"),
        # There are three: only their sum does not fit.
        (5, ["nstream", "--n", 200_000, "--runtime", "mpishm"], "mpirma with --window create"),
        (3, ["synch_p2p", "--m", 4, "--n", 100_000, "--runtime", "shmem"], "use mpi1"),
    ],
)
def test_what_does_not_fit_is_refused_by_one_rank(vectors, words, remedy):
    done = small(vectors * VECTOR, *words)
    assert done.returncode == 2, done.stderr
    (line,) = own_lines(done)
    assert "/dev/shm has" in line
    assert remedy in line
    assert "Traceback" not in done.stderr
    assert "Solution" not in done.stdout


def test_what_is_recommended_works():
    done = small(VECTOR, "nstream", "--n", 200_000, "--runtime", "mpirma", "--window", "create")
    assert done.returncode == 0, done.stderr
