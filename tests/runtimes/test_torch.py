"""PyTorch's own launcher, and how a run on its process group begins and ends."""

import subprocess

import pytest

from prk.run import environment
from prk.runtimes import _addresses
from prk.team import Solo
from tests.launch import BIN, run

NOWHERE = """
#include <string.h>
int gethostname(char *name, size_t size) { strncpy(name, "nowhere.invalid", size); return 0; }
"""


@pytest.mark.parametrize("collective", ["allreduce", "reduce_scatter"])
def test_torchrun_needs_no_runtime_and_ends_well(collective):
    words = ("-m", "prk.allreduce", "--max-bytes", 64, "--collective", collective)
    for _ in range(3):
        done = run(BIN / "torchrun", "--nproc-per-node", 2, *words)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("Solution validates") == 1
        assert "torch (PyTorch" in done.stdout
        assert "Number of ranks = 2" in done.stdout
        assert "Deprecat" not in done.stderr


def test_torchrun_refuses_another_runtime_by_name():
    done = run(BIN / "torchrun", "--nproc-per-node", 2, "-m", "prk.allreduce", "--runtime", "mpi1")
    assert done.returncode != 0
    assert "use --runtime torch" in done.stderr


def test_what_gloo_has_not_is_refused():
    done = run("mpirun", "-n", 2, BIN / "python", "-m", "prk.allreduce", "--runtime", "torch",
               "--collective", "alltoall", "--place", "in")  # fmt: skip
    assert done.returncode == 2
    assert "gloo has no alltoall in place" in done.stderr


def test_a_host_name_that_does_not_resolve_keeps_nobody_waiting(tmp_path):
    library = tmp_path / "nowhere.so"
    command = ["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", library]
    subprocess.run(command, input=NOWHERE, text=True, check=True)
    words = ["-m", "prk.allreduce", "--runtime", "torch", "--max-bytes", 64]
    done = run("mpirun", "-n", 2, "env", f"LD_PRELOAD={library}", BIN / "python", *words, seconds=100)
    assert done.returncode == 0, done.stderr
    assert "Solution validates" in done.stdout


@pytest.mark.parametrize(
    ("known", "line"),
    [
        ([("n1", ""), ("n1", "")], ""),
        ([("n1", "10.0.0.1"), ("n2", "10.0.0.2")], ""),
        ([("n1", "10.0.0.1"), ("n2", "")], "--runtime: the name of n2 does not resolve"),
    ],
)
def test_several_nodes_of_which_one_has_no_address_are_refused(known, line):
    class Team(Solo):
        def gather(self, sendobj):
            assert sendobj == (environment.node(), environment.address())
            return known

    found = _addresses.unreachable(Team())
    assert found.startswith(line)
    assert bool(found) == bool(line)
