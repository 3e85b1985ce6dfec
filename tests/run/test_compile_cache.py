"""Processes that compile at the same time must never load one another's functions."""

import json
import subprocess
import sys
from hashlib import sha256

from tests.launch import ENVIRONMENT, ROOT, kernel, run

PROGRAM = """
import sys, time
from numba.core import caching
from prk.run import compile_cache

compile_cache.install()
quick = caching.IndexDataCacheFile.load

def slow(self, key):
    # As on a shared file system: between looking and writing, others write theirs.
    found = quick(self, key)
    time.sleep(0.05)
    return found

caching.IndexDataCacheFile.load = slow
sys.path.insert(0, sys.argv[1])
import many
for number in map(int, sys.argv[2:]):
    assert many.make(number)() == number, number
"""

MANY = """
from numba import njit

def make(number):
    @njit(cache=True)
    def answer():
        return number
    return answer
"""


def test_functions_of_one_file_are_told_apart(tmp_path):
    (tmp_path / "many.py").write_text(MANY)
    for _ in range(2):
        started = [
            subprocess.Popen(
                [sys.executable, "-c", PROGRAM, str(tmp_path), *map(str, range(first, 24, 4))],
                cwd=ROOT,
                env=ENVIRONMENT,
            )
            for first in (0, 1, 2, 3)
        ]
        assert [process.wait(120) for process in started] == [0, 0, 0, 0]
    # Every function found a file of its own, so that nothing is compiled again.
    assert len(list(tmp_path.glob("__pycache__/*.nbc"))) == 24


STENCILS = """
import sys
from prk.job import Job
from prk.team import Solo
from prk.stencil.problem import Stencil
from tests import cells

wrong = []
for runtime, options in (("serial", {}), ("numba", {"threads": 1})):
    for word in sys.argv[1:]:
        pattern, radius = word.split(",")
        problem = Stencil(n=41, iterations=3, pattern=pattern, radius=int(radius))
        wrong += cells.compare(Job("stencil", runtime, problem, options), Solo())
sys.exit("\\n".join(wrong) or None)
"""


def test_stencils_cached_by_several_processes_stay_apart_in_one(tmp_path):
    """Compiled code is linked by name, so each stencil needs a name of its own and not only a cache entry."""
    kinds = [f"{pattern},{radius}" for pattern in ("star", "compact") for radius in (1, 2, 4)]
    for chosen in (*([kind] for kind in kinds), kinds):
        done = run(sys.executable, "-c", STENCILS, *chosen, NUMBA_CACHE_DIR=tmp_path)
        assert done.returncode == 0, done.stderr


# Empty, truncated, partly never written, of another version.
DAMAGE = (
    lambda content: b"",
    lambda content: content[: len(content) // 2],
    lambda content: content[:-100] + bytes(100),
    lambda content: sha256(b"\x80garbage").digest() + b"\x80garbage",
)


def test_a_damaged_file_is_compiled_again(tmp_path):
    (tmp_path / "many.py").write_text(MANY)
    words = (sys.executable, "-c", PROGRAM, tmp_path, *range(len(DAMAGE)))
    assert run(*words).returncode == 0
    paths = sorted(tmp_path.glob("__pycache__/*.nbc"))
    damaged = [damage(path.read_bytes()) for path, damage in zip(paths, DAMAGE, strict=True)]
    for path, content in zip(paths, damaged, strict=True):
        path.write_bytes(content)
    done = run(*words)
    assert done.returncode == 0, done.stderr
    assert sorted(tmp_path.glob("__pycache__/*.nbc")) == paths
    assert all(path.read_bytes() != content for path, content in zip(paths, damaged, strict=True))


NOWHERE = {"NUMBA_CACHE_LOCATOR_CLASSES": "UserProvidedCacheLocator", "NUMBA_CACHE_DIR": "/proc/nowhere"}


def test_without_a_place_for_compiled_code_a_run_is_right_and_says_so(tmp_path):
    path = tmp_path / "record.json"
    done = kernel("nstream", "--n", 100, "--json", path, **NOWHERE)
    assert done.returncode == 0, done.stderr
    assert "Solution validates" in done.stdout
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("Warning: ")]
    assert "NUMBA_CACHE_DIR" in line
    assert json.loads(path.read_text())["warnings"] == [line.removeprefix("Warning: ")]
    # Nothing was prepared.
    done = run(sys.executable, "-m", "prk", "compile", "nstream", "--runtime", "serial", **NOWHERE)
    assert done.returncode == 1
    assert "NUMBA_CACHE_DIR" in done.stdout.splitlines()[-1]


FULL = """
import errno, sys
from numba.core import caching
from prk import cli

def full(self, path):
    raise OSError(errno.ENOSPC, "No space left on device")

caching.IndexDataCacheFile._open_for_write = full
sys.exit(cli.main("nstream", ["--n", "100"]))
"""


def test_a_full_folder_for_compiled_code_ends_no_run(tmp_path):
    done = run(sys.executable, "-c", FULL, NUMBA_CACHE_DIR=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "No space left on device" in done.stdout
    assert "NUMBA_CACHE_DIR" in done.stdout


def test_interpreted_kernels_are_refused_in_one_line():
    done = kernel("nstream", "--n", 100, NUMBA_DISABLE_JIT="1")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "NUMBA_DISABLE_JIT" in done.stderr
