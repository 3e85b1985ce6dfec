"""Every broken runtime must be reported invalid, with a non-zero exit code and without a rate."""

import sys

import pytest

from prk.run import registry
from tests.launch import run, team
from tests.mutants import ROWS, broken

pytestmark = pytest.mark.usefixtures("mark")


def name_of(row):
    return f"{row['runtime']}-{row['kernel']}-{row.get('what', row['replace'])}"


SMALL = {
    "stencil": ["--n", 60, "--radius", 2],
    "synch_p2p": ["--m", 60, "--n", 50],
    "transpose": ["--order", 60],
    "nstream": ["--n", 1000],
    "allreduce": ["--max-bytes", 4096],
}


@pytest.mark.parametrize("number", range(len(ROWS)), ids=[name_of(row) for row in ROWS])
def test_mutant_is_caught(number, tmp_path):
    row = ROWS[number]
    before, after = team(row["runtime"], row.get("ranks", 2))
    # What has the unbroken file inside may be cached; a runtime's own kernel file is inside of nothing.
    shared = "/" in row["file"] and "njit" in broken(row)
    cache = {"NUMBA_CACHE_DIR": str(tmp_path)} if shared else {}
    done = run(
        *before, sys.executable, "-m", "tests.mutants", row["kernel"], "--runtime", row["runtime"],
        "--iterations", row.get("iterations", 5), *SMALL.get(row["kernel"], []),
        *after, *row.get("options", []),
        PRK_MUTANT=f"{number}:{tmp_path}", **cache,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Solution is invalid" in done.stdout, done.stdout + done.stderr
    assert "Rate" not in done.stdout


def test_every_cell_that_communicates_has_mutants():
    listed = {(row["runtime"], row["kernel"]) for row in ROWS}
    cells = {
        (name, kernel)
        for name in registry.runtimes()
        for kernel in registry.kernels()
        if kernel != "nstream" and registry.has(name, kernel)
    }
    assert not cells - listed
