"""The other MPI, in its own environment: the same files, another ABI (4-byte handles)."""

import sys

import pytest

from tests.launch import ROOT, run

BIN = ROOT / ".venv-mpich/bin"


@pytest.fixture(autouse=True)
def mpich():
    if not (BIN / "mpirun").exists():
        pytest.skip("no MPICH environment: make test makes it")


# One compiles what differs, for all; three have a neighbour on either side.
@pytest.mark.parametrize("size", [1, 3])
def test_in_rank_tests_pass(size):
    # A kernel is released on many ranks as on one.
    more = ["--ignore=tests/ranks/test_release.py"] if size > 1 else []
    done = run(
        BIN / "mpirun", "-n", size, BIN / "python", "-m", "pytest", "--with-mpi", "-q",
        "-p", "no:cacheprovider", "tests/ranks", *more, seconds=900, PATH=f"{BIN}:/usr/bin:/bin",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


@pytest.mark.parametrize("kernel", ["stencil", "synch_p2p", "transpose", "nstream", "allreduce"])
def test_command_line(kernel):
    small = ["--max-bytes", 65536] if kernel == "allreduce" else []
    words = [BIN / "mpirun", "-n", 2, BIN / "python", "-m", f"prk.{kernel}", *small]
    done = run(*words, PATH=f"{BIN}:/usr/bin:/bin")
    assert done.returncode == 0, done.stderr
    assert "Number of ranks = 2" in done.stdout


def test_without_torch_training_is_listed_with_what_installs_it():
    """This environment has none; allreduce on MPI runs in it all the same (above)."""
    listed = run(BIN / "python", "-m", "prk").stdout
    heading, *lines = listed.partition("\n\n")[0].splitlines()
    # Where a word of the heading ends, a cell does.
    ends = {name: heading.index(f" {name} ") + 1 + len(name) for name in ("allreduce", "ddp")}
    rows = {line.split()[0]: {n: line[:end].split()[-1] for n, end in ends.items()} for line in lines}
    assert rows["mpi1"] == {"allreduce": "yes", "ddp": "-"}
    assert rows["torch"] == {"allreduce": "-", "ddp": "-"}
    # Of models, of training and of inference, and of the runtime.
    assert listed.count("torch is not installed; pip install") == 4
    for words in (["prk.ddp"], ["prk.allreduce", "--runtime", "torch"]):
        done = run(BIN / "python", "-m", *words)
        assert done.returncode == 2
        assert "torch is not installed; pip install" in done.stderr


def test_launcher_of_another_mpi_is_refused():
    """MPICH's mpirun starts copies of Open MPI's rank 0 of 1; none of them may report a rate."""
    done = run(BIN / "mpirun", "-n", 2, sys.executable, "-m", "prk.stencil", "--runtime", "mpi1")
    assert done.returncode == 2, done.stderr
    assert "Rate" not in done.stdout
    assert sum("the launcher" in line for line in done.stderr.splitlines()) == 1
