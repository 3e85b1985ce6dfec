"""Sweeps of older schemas: what was published opens, says the same, and can be gone on with."""

import json
import shutil
from pathlib import Path

import jsonschema
import pytest

from prk.harness.analyse import compare, rows
from prk.harness.show import report
from prk.harness.store import Store
from tests.harness.test_campaign import SCHEMA, bench
from tests.launch import ROOT

PUBLISHED = ROOT / "results" / "two-cores"
# Every point's median, and its bound, as the prk that wrote the sweep computed them.
GOLDEN = json.loads(Path(__file__).with_name("golden-two-cores.json").read_text())


@pytest.fixture(scope="module")
def published():
    return rows.opened(Store(PUBLISHED))


def test_the_published_sweep_says_what_it_said(published):
    assert not published.loaded.problems
    assert published.loaded.counts() == {"ok": 480}
    assert {r.point.id: [r.summary.median, r.bound.value] for r in published.rows} == {
        point: [pytest.approx(median), pytest.approx(bound)] for point, (median, bound) in GOLDEN.items()
    }
    assert {r.bound.limit for r in published.rows} == {"memory bandwidth"}


def test_its_page_and_its_comparisons_are_made(published):
    page = report.render(published)
    assert "4 kernels on 9 runtimes, 80 points, 480 launches: all of them right." in page
    assert page.count("<svg ") == 12
    text = compare.text(f"{PUBLISHED}:mpi1", f"{PUBLISHED}:mpishm")
    assert text.count("mpi1 / mpishm") == 8
    assert "unknown" not in text


def test_a_launch_that_is_missing_is_run_and_its_new_record_belongs_to_the_old_plan(tmp_path):
    folder = tmp_path / "s"
    shutil.copytree(PUBLISHED, folder)
    kept = Store(folder)
    point = next(p for p in kept.plan().points if p.runtime == "serial" and p.kernel == "nstream")
    name = next(n for n, (_, p, _) in kept.plan().launches().items() if p.id == point.id)
    kept.path(name).unlink()
    shown = bench("continue", folder, "--dry-run").stdout.splitlines()
    assert len(shown) == 1
    assert f"{name}.json" in shown[0]
    done = bench("continue", folder)
    assert done.returncode == 0, done.stdout + done.stderr
    record = json.loads(kept.path(name).read_text())
    jsonschema.validate(record, SCHEMA)
    assert record["schema"] == 2
    found = rows.opened(kept)
    assert not found.loaded.problems
    assert found.loaded.counts() == {"ok": 480}
