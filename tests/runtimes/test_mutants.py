"""Every broken runtime must be reported invalid, with a non-zero exit code and without a rate."""

import os
from collections import Counter

import pytest

from prk.conformance import rows
from prk.run import registry
from tests.launch import ROOT

ROWS = rows.rows(ROOT / "tests/conformance/mutants.toml")


def some():
    """Yield a row of two cells of each kernel, of the runtimes that have had the fewest."""
    first = {(row.cell.runtime, row.cell.kernel): row for row in reversed(ROWS)}
    had: Counter[str] = Counter()
    for kernel in registry.kernels():
        own = [row for row in first.values() if row.cell.kernel == kernel]
        for row in sorted(own, key=lambda row: had[row.cell.runtime])[:2]:
            had[row.cell.runtime] += 1
            yield row


TRIED = ROWS if "PRK_EVERY_MUTANT" in os.environ else list(some())


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
