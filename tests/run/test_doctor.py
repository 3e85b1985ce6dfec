"""What `python -m prk doctor` finds, each as a run would."""

import os
import sys
from pathlib import Path

import pytest

from prk.run import doctor, environment
from tests.launch import BIN, run

# Starts copies of the program that know nothing of each other, as the launcher of another MPI does.
COPIES = """#!/bin/sh
case "$1" in --mpi=list) echo "MPI plugin types are... pmix none" >&2; exit 0;; esac
shift 2
[ "$1" = --overlap ] && shift
"$@"
exec "$@"
"""


@pytest.fixture
def path(tmp_path):
    """A search path with nothing on it, and a function that puts programs there."""

    def program(name, script):
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o755)

    for needed in ("python3", "env", "sh", "sleep"):
        found = next(p for p in os.environ["PATH"].split(":") if Path(p, needed).exists())
        (tmp_path / needed).symlink_to(Path(found, needed))
    return tmp_path, program


def test_a_launcher_of_another_mpi_is_told_apart(path):
    folder, program = path
    program("mpirun", COPIES)
    done = run(sys.executable, "-m", "prk", "doctor", PATH=str(folder))
    assert done.returncode == 1
    assert "mpirun is another MPI's: it starts copies of one rank" in done.stdout


def test_srun_is_tried_in_an_allocation_and_its_kinds_are_named(path):
    folder, program = path
    program("mpirun", f'#!/bin/sh\nexec {BIN}/mpirun "$@"\n')
    program("srun", COPIES)
    done = run(sys.executable, "-m", "prk", "doctor", PATH=f"{folder}:{os.environ['PATH']}", SLURM_JOB_ID="1")
    assert done.returncode == 1
    assert "mpirun starts 2 ranks of it" in done.stdout
    (line,) = [line for line in done.stdout.splitlines() if "/srun " in line]
    assert (
        "copies of one rank; use another --mpi than the default (MPI plugin types are... pmix none)" in line
    )


def test_a_launcher_that_hangs_is_ended_with_all_it_started(path, mark):
    folder, program = path
    program("mpirun", "#!/bin/sh\nsleep 60 &\nsleep 60\n")
    done = doctor.run([str(folder / "mpirun")], 0.5, os.environ | {"PRK_TEST_MARK": mark})
    assert done.returncode
    assert done.stderr == "no answer in 0.5 s"


def test_the_place_of_compiled_code_is_named_or_what_is_wrong_with_it(monkeypatch):
    from numba.core import caching

    from prk.run import compile_cache

    assert Path(doctor.cache()).is_dir()
    monkeypatch.setattr(caching.CompileResultCacheImpl, "_locator_classes", [])
    assert "NUMBA_CACHE_DIR" in doctor.cache()
    monkeypatch.setattr(compile_cache, "place", lambda: "/proc/nowhere")
    assert "(/proc/nowhere: No such file or directory)" in doctor.cache()


def failing(error):
    def fail(*given, **named):
        raise error

    return fail


def test_links_and_locks_are_tried(tmp_path, monkeypatch):
    assert doctor.files(tmp_path) == f"{tmp_path} has hard links, and locks"
    monkeypatch.setattr("os.link", failing(OSError(1, "Operation not permitted")))
    monkeypatch.setattr("fcntl.flock", failing(OSError(38, "Function not implemented")))
    found = doctor.files(tmp_path)
    assert "no hard links" in found
    assert "no locks (Function not implemented)" in found
    assert not list(tmp_path.iterdir())
    assert doctor.files(tmp_path / "nowhere").startswith("--json: the folder")


def test_a_name_that_leads_nowhere_and_limits_are_named(monkeypatch):
    monkeypatch.setattr(environment, "address", lambda: "")
    assert "does not resolve" in doctor.host()
    monkeypatch.setattr(environment, "own_memory", lambda: 3 << 30)
    assert "3.0 GiB a process (ulimit -v or -d)" in doctor.memory()


def test_stale_variables_are_named(monkeypatch):
    for rank, _, _ in environment.LAUNCHERS:
        monkeypatch.delenv(rank, raising=False)
    assert doctor.variables() == ""
    # Names that anybody may use say nothing by themselves.
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert doctor.variables() == ""
    monkeypatch.setenv("PMI_RANK", "1")
    monkeypatch.setenv("PMI_SIZE", "2")
    assert doctor.variables() == ""
    monkeypatch.setenv("PMI_FD", "9")
    assert doctor.variables().startswith("PMI_RANK and PMI_SIZE say that this is rank 1 of 2: ")
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    assert doctor.variables().startswith("NUMBA_DISABLE_JIT is set")
