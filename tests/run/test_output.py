"""A right run keeps its record, and its exit code, when nobody can hear it."""

import json
import os
import subprocess
import sys

import pytest

from tests.launch import ENVIRONMENT, ROOT, team


def deaf(*command, both=False, seconds=60):
    """Run a command whose output, or both streams, is a pipe that was closed; return code and errors."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        stdout=writer,
        stderr=writer if both else subprocess.PIPE,
        timeout=seconds,
        cwd=ROOT,
        # What is buffered fails later than what is not.
        env={k: v for k, v in ENVIRONMENT.items() if k != "PYTHONUNBUFFERED"},
    )
    os.close(writer)
    return done.returncode, done.stderr or b""


@pytest.mark.parametrize("name", ["serial", "charm4py", "dask"])
def test_a_closed_pipe_costs_no_record(tmp_path, name):
    path = tmp_path / "record.json"
    words = ["-m", "prk.nstream", "--runtime", name, *team(name, 2)[1], "--n", 100, "--json", path]
    code, said = deaf(*words)
    assert (code, said) == (0, b"")
    assert json.loads(path.read_text())["status"] == "ok"


@pytest.mark.parametrize(
    ("words", "code"),
    [(["prk"], 0), (["prk", "flambe"], 2), (["prk.nstream", "--help"], 0), (["prk.nstream", "--n", "x"], 2)],
)
def test_a_closed_pipe_changes_no_exit_code(words, code):
    assert deaf("-m", *words, both=True)[0] == code


def test_a_run_that_cannot_say_so_ends_in_time_all_the_same():
    words = ["--n", 10**6, "--iterations", 10**8, "--timeout", 1]
    assert deaf("-m", "prk.nstream", *words, both=True)[0] == 1


@pytest.mark.parametrize(("to", "code"), [("> /dev/full", 1), (">&-", 0), (">&- 2>&-", 0)])
def test_a_full_or_closed_output_costs_no_record(tmp_path, to, code):
    path = tmp_path / "record.json"
    command = f'exec "$0" -m prk.nstream --n 100 --json {path} {to}'
    done = subprocess.run(
        ["sh", "-c", command, sys.executable], capture_output=True, cwd=ROOT, env=ENVIRONMENT, timeout=60
    )
    assert done.returncode == code, done.stderr
    assert json.loads(path.read_text())["status"] == "ok"
    lines = done.stderr.decode().splitlines()
    assert lines == [line for line in lines if code and "No space left" in line]
    assert len(lines) == code


def test_colorama_writes_nothing_to_the_output(tmp_path):
    """Numba hands it the output of whatever is compiled; it ends with a word for terminals."""
    (tmp_path / "colorama.py").write_text(
        "__version__ = '0.4.6'\n"
        "class Fore: GREEN = ''\n"
        "Style = Fore\n"
        "def init(): print('coloured')\n"
        "deinit = reinit = init\n"
    )
    code = "import prk\nfrom numba.core import errors\nerrors.termcolor()"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
