"""The page in a real browser: complete, alone, without complaint, on a desk and on a phone."""

import json
import os
import shutil
from dataclasses import asdict

import pytest

from prk.harness import store
from prk.harness.analyse import rows
from prk.harness.show import report
from tests.harness.making import planned, renamed, stored
from tests.harness.test_figures import MACHINE, losing, scaling
from tests.launch import run

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    """A page with a gap, a bad file, a foreign-looking name and a machine."""
    from dataclasses import replace
    from itertools import product

    points = [*scaling(), *scaling("transpose")]
    points = [renamed(p, "c-<b>mpi</b>") if p.runtime == "shmem" else p for p in points]
    made = replace(planned({"kernel": "nstream", "runtime": "mpi1"}, repeat=6), points=tuple(points))
    made = replace(made, order=tuple(product(range(len(points)), range(6))), title="A <b>sweep</b>")

    def times(point, repeat):
        if point.runtime != "mpi1" and point.layout["nodes"] == 4:
            return ("timeout", "no end after <i>5</i> s")
        return losing(point, repeat)

    kept = stored(tmp_path_factory.mktemp("page") / "s", made, times)
    kept.machine.write_text(json.dumps({"schema": 1, "bounds": asdict(MACHINE)}))
    (kept.records / "notes.json").write_text("{")
    return report.write_all(rows.opened(kept))[-1]


@pytest.fixture(scope="module")
def browser():
    if not CHROMIUM:
        pytest.skip("there is no Chromium: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        options = ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
        # Root has no sandbox to use.
        options += ["--no-sandbox"] if os.geteuid() == 0 else []
        with playwright.chromium.launch(executable_path=CHROMIUM, args=options) as started:
            yield started


@pytest.mark.parametrize("width", [1280, 390])
def test_page_is_whole_and_asks_for_nothing(browser, page_file, width):
    page = browser.new_page(viewport={"width": width, "height": 900})
    requests, complaints = [], []
    page.on("request", lambda r: requests.append(r.url))
    page.on("console", lambda m: complaints.append(m.text))
    page.on("pageerror", lambda e: complaints.append(str(e)))
    page.goto(page_file.as_uri())
    page.wait_for_load_state("networkidle")
    assert [r for r in requests if not r.startswith("data:")] == [page_file.as_uri()]
    assert not complaints
    assert page.title() == "A <b>sweep</b>"
    assert "2 kernels on 2 runtimes" in page.inner_text(".lead")
    # Nothing but the tables, which scroll in their frames, is wider than the screen.
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("svg").count() == 6
    assert all(box["width"] > 300 for box in [s.bounding_box() for s in page.locator("svg").all()])
    assert "no end after <i>5</i> s" in page.inner_text("main")
    assert "notes.json" in page.inner_text("main")
    page.close()


def test_columns_sort_by_a_click(browser, page_file):
    page = browser.new_page()
    page.goto(page_file.as_uri())
    results = page.locator("table[data-sortable]").last
    head = results.locator("th button", has_text="median")

    def medians():
        cells = results.locator("tbody tr td:nth-child(6)").all_inner_texts()
        return [float(c) for c in cells if c]

    head.click()
    assert medians() == sorted(medians())
    head.click()
    assert medians() == sorted(medians(), reverse=True)
    assert len(results.locator("tbody tr").all()) == 16, "points without a result stay"
    page.close()


def test_identifiers_are_unique(browser, page_file):
    page = browser.new_page()
    page.goto(page_file.as_uri())
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))
    page.close()


def test_a_page_of_a_sweep_that_has_not_run(tmp_path):
    made = planned({"kernel": "stencil", "runtime": "mpi1", "ranks": [1, 2]})
    text = report.render(rows.opened(store.Store.make(tmp_path / "s", made)))
    assert "2 missing" in text
    assert "no valid run of mpi1 to relate the others to" in text


@pytest.mark.parametrize(
    ("value", "said"), [(0.01234, "0.0123"), (1.5, "1.50"), (13.72, "13.7"), (13104, "13,100")]
)
def test_rates_have_three_digits_and_no_exponent(value, said):
    assert report.shown(value) == said


def test_plot_without_matplotlib_says_what_installs_it(tmp_path):
    (tmp_path / "matplotlib.py").write_text("raise ImportError")
    made = planned({"kernel": "stencil", "runtime": "mpi1"})
    store.Store.make(tmp_path / "s", made)
    from tests.harness.test_campaign import BENCH
    from tests.launch import ROOT

    done = run(*BENCH, "plot", tmp_path / "s", PYTHONPATH=f"{tmp_path}:{ROOT}")
    assert done.returncode == 2
    assert done.stderr == "prk-bench: plot: matplotlib is not installed; pip install 'prk[plot]'\n"
