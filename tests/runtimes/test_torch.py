"""PyTorch's own launcher, and how a run on its process group ends."""

import pytest

from tests.launch import BIN, run


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
