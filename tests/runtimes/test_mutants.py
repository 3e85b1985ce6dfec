"""Every broken runtime must be reported invalid, with a non-zero exit code and without a rate."""

import os

import pytest

from prk.conformance import rows
from prk.run import registry
from tests.launch import ROOT

ROWS = rows.rows(ROOT / "tests/conformance/mutants.toml")
FIRST = {(row.cell.runtime, row.cell.kernel): row for row in reversed(ROWS)}
KERNELS, RUNTIMES = list(registry.kernels()), list(registry.runtimes())
# One of every second cell, of all kernels and all runtimes; `make mutants` tries all of all.
SOME = [
    row
    for (runtime, kernel), row in reversed(FIRST.items())
    if (RUNTIMES.index(runtime) + KERNELS.index(kernel)) % 2
]
TRIED = ROWS if "PRK_EVERY_MUTANT" in os.environ else SOME


@pytest.mark.parametrize("row", TRIED, ids=[f"{r.cell.runtime}-{r.cell.kernel}-{r.what}" for r in TRIED])
def test_mutant_is_caught(row):
    ended = rows.attempt(row)
    assert ended.code == 1, ended.out + ended.err
    assert "Solution is invalid" in ended.out, ended.out + ended.err
    assert "Rate" not in ended.out
    assert not ended.left


def test_every_cell_that_communicates_has_mutants():
    listed = {(row.cell.runtime, row.cell.kernel) for row in ROWS}
    cells = {
        (name, kernel)
        for name in registry.runtimes()
        for kernel in registry.kernels()
        if kernel not in ("branch", "nstream") and registry.has(name, kernel)
    }
    assert not cells - listed
