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
from tests.older import unpacked

PUBLISHED = ROOT / "results" / "two-cores"
# Every point's median, and its bound, as the prk that wrote the sweep computed them.
GOLDEN = json.loads(Path(__file__).with_name("golden-two-cores.json").read_text())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return unpacked(tmp_path_factory.mktemp("older"))


@pytest.fixture(scope="module")
def older(folder):
    return rows.opened(Store(folder))


def test_the_published_sweep_is_whole():
    published = rows.opened(Store(PUBLISHED))
    assert not published.loaded.problems
    assert published.loaded.counts() == {"ok": 480}
    assert len(published.loaded.origins) == 1
    assert len(published.rows) == 80
    assert all(r.bound for r in published.rows)


def test_an_older_sweep_says_what_it_said(older):
    assert not older.loaded.problems
    assert older.loaded.counts() == {"ok": 480}
    assert {r.point.id: [r.summary.median, r.bound.value] for r in older.rows} == {
        point: [pytest.approx(median), pytest.approx(bound)] for point, (median, bound) in GOLDEN.items()
    }
    assert {r.bound.limit for r in older.rows} == {"memory bandwidth"}


def test_its_page_and_its_comparisons_are_made(older, folder):
    page = report.render(older)
    assert "4 kernels on 9 runtimes, 80 points, 480 launches: all of them right." in page
    assert page.count("<svg ") == 12
    text = compare.text(f"{folder}:mpi1", f"{folder}:mpishm")
    assert text.count("mpi1 / mpishm") == 8
    assert "unknown" not in text


def test_a_launch_that_is_missing_is_run_and_its_new_record_belongs_to_the_old_plan(folder, tmp_path):
    copied = tmp_path / "s"
    shutil.copytree(folder, copied)
    kept = Store(copied)
    point = next(p for p in kept.plan().points if p.runtime == "serial" and p.kernel == "nstream")
    name = next(n for n, (_, p, _) in kept.plan().launches().items() if p.id == point.id)
    kept.path(name).unlink()
    shown = bench("continue", copied, "--dry-run").stdout.splitlines()
    assert len(shown) == 1
    assert f"{name}.json" in shown[0]
    done = bench("continue", copied)
    assert done.returncode == 0, done.stdout + done.stderr
    record = json.loads(kept.path(name).read_text())
    jsonschema.validate(record, SCHEMA)
    assert record["schema"] == 2
    found = rows.opened(kept)
    assert not found.loaded.problems
    assert found.loaded.counts() == {"ok": 480}
