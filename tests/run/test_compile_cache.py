"""Processes that compile at the same time must never load one another's functions."""

import subprocess
import sys

from tests.launch import ENVIRONMENT, ROOT, run

PROGRAM = """
import sys, time
from numba.core import caching
from prk.run import compile_cache

quick = caching.IndexDataCacheFile._load_index

def slow(self):
    # As on a shared file system: between reading the index and writing it, others write theirs.
    found = quick(self)
    time.sleep(0.05)
    return found

caching.IndexDataCacheFile._load_index = slow
compile_cache.install()
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
