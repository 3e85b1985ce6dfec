"""The page in a real browser: complete, alone, without complaint, on a desk and on a phone."""

import json
from dataclasses import asdict, replace
from itertools import product

import pytest

from prk.harness import store
from prk.harness.analyse import rows
from prk.harness.show import overview, report, table
from tests.harness.making import planned, renamed, stored
from tests.harness.test_figures import MACHINE, losing, scaling
from tests.launch import run


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    """A page with a gap, a bad file, a foreign-looking name and a machine."""
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
    split_first(kept, points[0])
    return report.write_all(rows.opened(kept))[-1]


def split_first(kept, point):
    """Let the first record of a point say where the time went on two ranks."""
    path = kept.path(f"{point.id}-000")
    record = json.loads(path.read_text())
    ranks = [{"computing": c, "communicating": 0.01, "waiting": 0.05} for c in (0.04, 0.02)]
    spread = [{k: {"min": v, "mean": v, "max": v} for k, v in rank.items()} for rank in ranks]
    path.write_text(json.dumps({**record, "split": {"repetitions": 3, "ranks": spread}}))


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
    bars = page.locator(".stack")
    assert [bar.locator("i").count() for bar in bars.all()] == [3, 3]
    parts = [part.bounding_box()["width"] for part in bars.all()[1].locator("i").all()]
    assert parts == pytest.approx(
        [bars.first.bounding_box()["width"] * share for share in (0.2, 0.1, 0.5)], abs=1
    )
    assert "62 %" in bars.all()[1].locator("xpath=ancestor::tr").inner_text()
    # Every entry of the contents leads somewhere.
    targets = page.eval_on_selector_all("nav a", "all => all.map(a => a.getAttribute('href'))")
    assert targets[1:3] == ["#stencil", "#transpose"]
    assert all(page.locator(target).count() == 1 for target in targets)
    # Letters of figures are no smaller than those of a footnote, also on a phone.
    scale = page.evaluate(
        "(s => s.getBoundingClientRect().width / s.viewBox.baseVal.width)(document.querySelector('svg'))"
    )
    assert lettering(scale) >= 8.5
    page.close()


def lettering(scale):
    """Return the pixels of a figure's smallest text, in an SVG drawn at so many pixels a point."""
    from prk.harness.show import dots, figures

    return min(figures.TEXT, dots.SIZE - 0.5) * scale


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


def test_panels_that_are_not_drawn_are_one_line(tmp_path):
    kept = stored(tmp_path / "s", planned({"kernel": "stencil", "runtime": "mpi1", "n": 4096}, repeat=6))
    text = report.render(rows.opened(kept))
    assert text.count("<svg") == 1
    why = "Not drawn: parallel efficiency: all points have the same number of cores; fraction of the bound: "
    assert why in text


def over_cores(folder, seconds, runtimes=("serial", "mpi1", "shmem", "mpirma"), repeat=6):
    """Return the overview's cells, by runtime, of a sweep on one and two cores, serial on one only."""
    made = planned({"kernel": "transpose", "runtime": "mpi1", "ranks": [1, 2], "order": 4096}, repeat=repeat)
    points = [renamed(p, r) for p in made.points for r in runtimes if r != "serial" or p.cores == 1]
    order = tuple(product(range(len(points)), range(repeat)))
    stored(folder, replace(made, points=tuple(points), order=order), seconds)
    found = overview.of(rows.opened(store.Store(folder)).rows)
    return found["kernels"][0], {line["runtime"]: line["cells"][0] for line in found["lines"]}


def test_what_no_test_tells_from_the_best_is_bold_too(tmp_path):
    def seconds(point, repeat):
        slow = {"mpi1": 1.0, "shmem": 1.001, "mpirma": 1.2, "serial": 0.9}[point.runtime]
        return slow / point.cores * (1 + 0.01 * repeat)

    head, cells = over_cores(tmp_path / "s", seconds)
    assert {r: c["best"] for r, c in cells.items()} == {
        "serial": False,
        "mpi1": True,
        "shmem": True,
        "mpirma": False,
    }
    assert head["where"] == "2 cores"
    # One core has no bar on the scale of two.
    assert (cells["serial"]["share"], cells["serial"]["note"]) == (0, "on 1 core only")
    assert [cells[r]["share"] for r in ("mpi1", "mpirma")] == [100, 83]


def test_nothing_is_bold_where_no_test_could_tell(tmp_path):
    head, cells = over_cores(tmp_path / "s", lambda p, r: 1.0 + 0.1 * (p.runtime == "shmem"), repeat=3)
    assert not any(c["best"] for c in cells.values())
    assert head["where"] == "2 cores; too few launches to tell the best"


def test_the_page_says_what_each_runtime_is_an_implementation_of(tmp_path):
    made = planned({"kernel": "nstream", "runtime": ["mpi1", "upc", "grappa"], "n": 4096})
    made = replace(made, points=(*made.points[:2], renamed(made.points[2], "somebody-s")))
    found = overview.of(rows.opened(stored(tmp_path / "s", made)).rows)
    assert {line["runtime"]: line["title"] for line in found["lines"]} == {
        "mpi1": "MPI two-sided: send and receive",
        "upc": "UPC's model over MPI windows",
        "somebody-s": "",
    }
    assert "<small>UPC&#39;s model over MPI windows</small>" in report.render(
        rows.opened(store.Store(tmp_path / "s"))
    )


def test_the_box_says_how_it_was_measured(tmp_path):
    made = planned(
        {"kernel": "nstream", "runtime": "mpi1", "ranks": [1, 2], "n": 4096, "iterations": 30}, repeat=6
    )
    kept = stored(tmp_path / "s", made)
    for number, path in enumerate(sorted(kept.records.iterdir())):
        found = json.loads(path.read_text())
        cpus = {"0": "0", "1": "1"} if found["layout"]["ranks"] == 2 else {"0-1": "0"}
        found |= {"finished": f"2026-01-{number + 1:02}T10:00:00+00:00", "warmup_seconds": 0.5 + number / 10}
        found |= {
            "placement": [{"hosts": {"node7": 0}, "cpus": cpus}],
            "communication": {"mpi": "Some MPI 4.1, built"},
        }
        variables = {"OMP_NUM_THREADS": "1", "OMPI_COMM_WORLD_SIZE": "2"}
        found["environment"] |= {"cpu": "A processor", "memory": (number + 1) << 30, "variables": variables}
        found["launch"] |= {"command": "mpirun -n 2 python -m prk.nstream"}
        path.write_text(json.dumps(found))
    text = report.render(rows.opened(kept))
    box = text[text.index('id="method"') :]
    for said in (
        "6 a point, each a start of its own of at most",
        "seed 7",
        "one repetition before the clock, untimed (0.5 s to 1.6 s)",
        "nstream: 30",
        "of the slowest rank",
        "medians of 6 values",
        "96.9%",
        "2026-01-01 10:00:00+00:00 to 2026-01-12 10:00:00+00:00",
        "node7",
        "1.0 to 12.0 GiB",
        "1 cpu a member (all)",
        "2 cpus a member (all)",
        "OMP_NUM_THREADS",
        "A processor",
        "Some MPI 4.1 (mpi1)",
        "mpirun -n 2 python -m prk.nstream",
    ):
        assert said in box, said
    assert "OMPI_COMM_WORLD_SIZE" not in box


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.01234, "0.0123"), (1.5, "1.50"), (13.72, "13.7"), (13104, "13,100"), (0.0, "0"), (-0.512, "-0.512")],
)
def test_rates_have_three_digits_and_no_exponent(value, said):
    assert table.shown(value) == said


def test_plot_without_matplotlib_says_what_installs_it(tmp_path):
    (tmp_path / "matplotlib.py").write_text("raise ImportError")
    made = planned({"kernel": "stencil", "runtime": "mpi1"})
    store.Store.make(tmp_path / "s", made)
    from tests.harness.test_campaign import BENCH
    from tests.launch import ROOT

    done = run(*BENCH, "plot", tmp_path / "s", PYTHONPATH=f"{tmp_path}:{ROOT}")
    assert done.returncode == 2
    assert done.stderr == "prk-bench: plot: matplotlib is not installed; pip install 'prk[plot]'\n"
