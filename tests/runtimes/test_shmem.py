"""The runtime shmem on a real OpenSHMEM, and what it refuses; over MPI it is tested inside the ranks."""

import shutil
import sys

import pytest

from tests.launch import kernel, mpirun, own_lines, run

REAL = ["--runtime", "shmem", "--shmem-backend", "shmem4py"]


def oshrun(size, *command, **more):
    """Start a command on PEs of the real OpenSHMEM, which brings its own launcher."""
    if not shutil.which("oshrun"):
        pytest.skip(
            "no OpenSHMEM: apt-get install openmpi-bin libopenmpi-dev; OSHCC=oshcc pip install shmem4py"
        )
    return run("oshrun", "--oversubscribe", "-n", size, sys.executable, *command, **more)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 6])
def test_whole_fields_equal_the_reference(size):
    done = oshrun(size, "-m", "tests.cells", "shmem", "shmem-backend=shmem4py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"cases on {size} members of shmem" in done.stdout


@pytest.mark.parametrize("name", ["stencil", "synch_p2p", "transpose", "nstream"])
def test_command_line_on_two_pes(name, tmp_path):
    path = tmp_path / "record.json"
    done = oshrun(2, "-m", f"prk.{name}", *REAL, "--repeat", 2, "--json", path)
    assert done.returncode == 0, done.stderr
    assert "Number of ranks = 2" in done.stdout
    assert path.exists()


def test_refusal_is_one_line_and_ends_all_pes():
    done = oshrun(2, "-m", "prk.stencil", *REAL, "--radius", 0)
    assert done.returncode == 2
    assert len(own_lines(done)) == 1


@pytest.mark.parametrize("how", ["raises", "leaves", "killed"])
def test_pe_that_goes_wrong_ends_the_job(how):
    done = oshrun(2, "-m", "prk.conformance.misbehave", how, "stencil", *REAL, seconds=60)
    assert done.returncode != 0
    assert "Rate" not in done.stdout


def test_real_backend_needs_its_launcher():
    done = kernel("stencil", "--shmem-backend", "shmem4py", on=None, size=1)
    assert done.returncode == 2
    done = run(sys.executable, "-m", "prk.stencil", *REAL)
    assert done.returncode == 2
    assert "oshrun -n 2" in own_lines(done)[0]


def test_heap_that_is_too_small_says_how_much_is_needed_and_what_sets_it():
    for launch, more in ((mpirun, ["--runtime", "shmem"]), (oshrun, REAL)):
        done = launch(2, "-m", "prk.transpose", *more, "--order", 1000, SHMEM_SYMMETRIC_SIZE="1M", seconds=60)
        assert done.returncode == 2, done.stderr
        assert "SHMEM_SYMMETRIC_SIZE" in own_lines(done)[0]
        assert "2000128 bytes" in own_lines(done)[0]
    done = oshrun(2, "-m", "prk.stencil", *REAL, SHMEM_SYMMETRIC_SIZE="1000G", seconds=60)
    assert done.returncode == 2
    assert "use more nodes" in own_lines(done)[0]
    done = mpirun(2, "-m", "prk.transpose", "--runtime", "shmem", SHMEM_SYMMETRIC_SIZE="plenty")
    assert done.returncode == 2
    assert "SHMEM_SYMMETRIC_SIZE" in own_lines(done)[0]


def test_flags_hold_over_many_repetitions():
    done = mpirun(3, "-m", "prk.synch_p2p", "--runtime", "shmem", "--m", 40, "--n", 30, "--iterations", 300)
    assert done.returncode == 0, done.stderr
