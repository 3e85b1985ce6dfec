"""The runtime coarray: its compiled library, what it refuses, and how a job ends; cells: tests/ranks."""

import os

import pytest

from prk.runtimes.coarray import compiler
from tests.launch import BIN, kernel, mpirun, own_lines

WHY = compiler.missing()
pytestmark = pytest.mark.skipif(bool(WHY), reason=str(WHY))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return a compile cache of the test's own."""
    from prk.run import compile_cache

    monkeypatch.setattr(compile_cache, "place", lambda: str(tmp_path))
    return tmp_path


def test_the_library_is_compiled_once_for_each_mpi(folder):
    first = compiler.compiled("Open MPI v5")
    made = os.stat(first).st_mtime_ns
    assert compiler.compiled("Open MPI v5") == first
    assert os.stat(first).st_mtime_ns == made
    assert compiler.compiled("Open MPI v4") != first
    assert len(list(folder.iterdir())) == 2


def test_what_the_compiler_does_not_take_is_one_line(folder, monkeypatch, tmp_path_factory):
    source = tmp_path_factory.mktemp("wrong") / "images.f90"
    source.write_text("module images\n  integer :: piece = 'x'\nend module\n")
    monkeypatch.setattr(compiler, "SOURCE", source)
    with pytest.raises(RuntimeError) as wrong:
        compiler.compiled("Open MPI v5")
    assert len(str(wrong.value).splitlines()) == 1
    assert not list(folder.iterdir())


def test_without_a_compiler_one_line_says_what_installs_it():
    done = kernel("stencil", on="coarray", PATH=str(BIN))
    assert done.returncode == 2, done.stderr
    (line,) = own_lines(done)
    assert compiler.INSTALL in line


@pytest.mark.parametrize("how", ["raises", "leaves", "killed"])
def test_image_that_goes_wrong_ends_the_job(how):
    words = "synch_p2p", "--runtime", "coarray", "--n", 100, "--m", 100
    done = mpirun(3, "-m", "prk.conformance.misbehave", how, *words, seconds=60)
    assert done.returncode != 0
    assert "Rate" not in done.stdout


def test_a_run_states_what_it_was_compiled_by(tmp_path):
    path = tmp_path / "record.json"
    done = mpirun(2, "-m", "prk.stencil", "--runtime", "coarray", "--n", 100, "--audit", "--json", path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "GNU Fortran" in path.read_text()
    assert not done.stderr
