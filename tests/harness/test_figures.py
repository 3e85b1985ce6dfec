"""Figures by the numbers that are drawn, and what they say when there is nothing to draw."""

import io
import itertools
from collections import Counter
from dataclasses import replace

import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from prk.harness.analyse import curves, results, rows
from prk.harness.show import figures, style, table
from prk.machine.bounds import Machine
from prk.run import registry
from tests.harness.making import planned, renamed, stored

MACHINE = Machine(2, 10e9, 16e9, 20e9, 40e9, 1e-6, 1e10)
NODES = [1, 2, 4, 8]


def rows_of(tmp_path, points, seconds, repeat=6, machine=MACHINE):
    """Return the rows of a stored sweep over `points`; seconds(point, repeat) as in making.stored."""
    made = replace(planned({"kernel": "nstream", "runtime": "mpi1"}, repeat=repeat), points=tuple(points))
    made = replace(made, order=tuple(itertools.product(range(len(made.points)), range(repeat))))
    kept = stored(tmp_path / "s", made, seconds)
    return rows.rows(made, results.load(kept, made), machine)


def scaling(kernel="stencil", runtimes=("mpi1", "shmem"), **more):
    size = {"stencil": "n", "transpose": "order", "synch_p2p": "m"}[kernel]
    made = planned(
        {"kernel": kernel, "runtime": "mpi1", "nodes": NODES, "ranks_per_node": 2, size: 4096, **more}
    )
    return [p if r == "mpi1" else renamed(p, r) for p in made.points for r in runtimes]


def losing(point, repeat):
    """Return seconds that lose a tenth with each doubling, on shmem two tenths, and scatter by 1 %."""
    loss = 0.9 if point.runtime == "mpi1" else 0.8
    doublings = point.layout["nodes"].bit_length() - 1
    return 1.0 / point.layout["nodes"] / loss**doublings * (1 + 0.002 * repeat)


def by_name(panels, ending):
    return next(p for p in panels if p.name.endswith(ending))


def drawn(figure, label):
    """Return the x and y of the line drawn with this label."""
    (line,) = [x for x in figure.axes[0].get_lines() if x.get_gid() == label or x.get_label() == label]
    return list(line.get_xdata()), list(line.get_ydata())


def curve(figure, label):
    (container,) = [c for c in figure.axes[0].containers if c.get_label() == label]
    line, _, bars = container
    return list(line.get_xdata()), list(line.get_ydata()), bars[0].get_segments()


def texts(figure):
    return "\n".join(t.get_text() for t in [*figure.texts, *figure.axes[0].texts])


def test_normalised_performance_is_relative_to_mpi1_on_one_node(tmp_path):
    panel = by_name(curves.panels(rows_of(tmp_path, scaling(), losing)), "scaling")
    figure = figures.draw(panel)
    x, y, bars = curve(figure, "mpi1")
    assert x == pytest.approx(NODES, rel=0.05)
    assert y == pytest.approx([1, 0.9, 0.81, 0.729])
    assert curve(figure, "shmem")[1] == pytest.approx([1, 0.8, 0.64, 0.512])
    # Six samples: the interval is their range, 1 % wide.
    (_, low), (_, high) = bars[0]
    assert high / low == pytest.approx(1.01, rel=1e-3)
    assert drawn(figure, "ideal")[1] == [1, 1]
    assert "base: mpi1 on 1 node" in texts(figure)
    assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == ["1", "2", "4", "8"]


def test_transpose_shows_absolute_rates_over_cores_with_ideal_and_bound(tmp_path):
    rows = rows_of(tmp_path, scaling("transpose"), losing)
    figure = figures.draw(by_name(curves.panels(rows), "scaling"))
    work = rows[0].point.work
    x, y, _ = curve(figure, "mpi1")
    assert x == pytest.approx([2, 4, 8, 16], rel=0.05)
    assert y[0] == pytest.approx(work / 1.005 / 1e9, rel=1e-3)
    ideal = drawn(figure, "ideal, from mpi1 on 2 cores")
    assert ideal[1] == pytest.approx([y[0] * k for k in NODES])
    # Half of 16 GB/s a node.
    assert drawn(figure, "bound: memory bandwidth")[1] == pytest.approx([8 * k for k in NODES])


def test_efficiency_over_105_percent_is_ringed_and_named(tmp_path):
    def odd(point, repeat):
        return losing(point, repeat) / (1.5 if point.layout["nodes"] == 4 else 1)

    panel = by_name(curves.panels(rows_of(tmp_path, scaling(runtimes=("mpi1",)), odd)), "efficiency")
    figure = figures.draw(panel)
    assert drawn(figure, "flagged mpi1")[1] == pytest.approx([0.81 * 1.5])
    assert "ringed, over 105%: mpi1 on 4 nodes" in texts(figure)


def test_gaps_break_the_curve_and_are_listed(tmp_path):
    def holed(point, repeat):
        if point.runtime == "shmem" and point.layout["nodes"] == 4:
            return ("timeout", "no end") if repeat < 4 else None
        return losing(point, repeat)

    panel = by_name(curves.panels(rows_of(tmp_path, scaling(), holed)), "scaling")
    figure = figures.draw(panel)
    _, y, _ = curve(figure, "shmem")
    assert [v == v for v in y] == [True, True, False, True]
    assert drawn(figure, "gap shmem")[0] == [4]
    assert "missing (x): shmem on 4 nodes: 4 timeout, 2 missing" in texts(figure)


def test_non_conforming_runs_are_named_and_not_drawn(tmp_path):
    points = scaling("synch_p2p", runtimes=("mpi1",), n=4096, group=[1, 8], figure="both")
    panel = by_name(curves.panels(rows_of(tmp_path, points, losing)), "scaling")
    assert [s.label for s in panel.series] == ["mpi1"]
    assert len(panel.series[0].dots) == len(NODES)
    assert "not drawn, non-conforming: mpi1" in texts(figures.draw(panel))


def test_a_figure_without_data_says_why(tmp_path):
    rows = rows_of(tmp_path, scaling(), lambda p, r: ("failed", "no"), machine=None)
    for panel in curves.panels(rows):
        figure = figures.draw(panel)
        assert not figure.axes[0].get_lines()
        assert "Not drawn: " in texts(figure)
    why = {p.name.rpartition("-")[2]: p.why for p in curves.panels(rows)}
    assert "no valid run of mpi1" in why["scaling"]
    assert "the machine is not measured" in why["bound"]


def test_fraction_of_the_bound(tmp_path):
    rows = rows_of(tmp_path, scaling(runtimes=("mpi1",)), losing)
    panel = by_name(curves.panels(rows), "bound")
    row = rows[0]
    assert panel.series[0].dots[0].y == pytest.approx(row.summary.median / row.bound.value)
    # Less than half a core's share of Stencil's 35 flop to 32 bytes.
    assert row.bound.value == pytest.approx(16e9 * 35 / 32 / 1e6, rel=0.01)
    assert row.bound.limit == "memory bandwidth"


def test_styles_differ_without_colour():
    looks = [style.of(how.name) for how in registry.usable() if how.look]
    assert len(looks) >= 9
    assert len({s.marker for s in looks}) == len({s.dash for s in looks}) == len(looks)
    for look in (*looks, *style.OTHERS):
        red, green, blue = to_rgb(look.colour)
        grey = 0.299 * red + 0.587 * green + 0.114 * blue
        assert grey < 0.68, "visible on white paper"
    assert style.of("c-mpi1") == style.of("c-mpi1")
    assert style.of("mpi1").colour == "#0072b2"


def test_variants_share_their_runtimes_colour(tmp_path):
    points = scaling(runtimes=("mpi1",))
    points += [
        renamed(p, "charm4py", options={"o": k}, variant=f"o={k}") for p in points for k in (1, 4, 16, 64)
    ]
    figure = figures.draw(by_name(curves.panels(rows_of(tmp_path, points, losing)), "scaling"))
    colours = {c.get_label(): c[0].get_color() for c in figure.axes[0].containers}
    assert colours["charm4py o=1"] == colours["charm4py o=4"] != colours["mpi1"]
    lines = [c[0] for c in figure.axes[0].containers if c.get_label().startswith("charm4py")]
    assert len({(x.get_fillstyle(), x.get_markerfacecolor(), x.get_markersize()) for x in lines}) == 4


def test_a_core_left_to_communication_counts(tmp_path):
    points = scaling("transpose", runtimes=("mpi1",))
    points += [
        renamed(p, "charm4py")
        for p in planned(
            {"kernel": "transpose", "runtime": "mpi1", "nodes": NODES, "ranks_per_node": 1, "order": 4096}
        ).points
    ]
    points = [replace(p, figure="both") for p in points]
    panel = by_name(curves.panels(rows_of(tmp_path, points, losing)), "scaling")
    assert [d.x for s in panel.series if s.runtime == "charm4py" for d in s.dots] == [2, 4, 8, 16]


def test_every_format_is_what_its_name_says(tmp_path):
    figure = figures.draw(by_name(curves.panels(rows_of(tmp_path, scaling(), losing)), "scaling"))
    png = Image.open(io.BytesIO(figures.rendered(figure, "png", "x")))
    assert png.width > 1000
    svg = figures.rendered(figure, "svg", "x")
    assert svg == figures.rendered(figure, "svg", "x")
    assert b"<svg" in svg
    assert figures.rendered(figure, "pdf", "x").startswith(b"%PDF")


def test_no_point_vanishes_from_the_table(tmp_path):
    def some(point, repeat):
        return None if point.runtime == "shmem" else losing(point, repeat)

    rows = rows_of(tmp_path, scaling(), some)
    states = Counter(r.state for r in rows)
    assert states == {"ok": 4, "6 missing": 4}
    text = table.text(rows)
    assert text.count("shmem") == 4
    assert "6 missing" in text
    assert len(table.as_csv(rows).splitlines()) == 9


def with_tables(folder, points, lines):
    """Return rows of launches whose records have these lines in their tables."""
    return [replace(row, own=tuple(lines(row.point))) for row in rows_of(folder, points, losing)]


def test_bandwidth_is_drawn_over_size_by_algorithm_and_ranks(tmp_path):
    options = {"mpi1": {"algorithm": ["library", "ring"]}}
    points = planned({"kernel": "allreduce", "runtime": "mpi1", "ranks": [2, 4], "options": options}).points

    def lines(point):
        # Two launches.
        return [{"bytes": b, "busbw": k * b * point.cores} for k in (1.0, 3.0) for b in (4, 16)]

    panel = by_name(curves.panels(with_tables(tmp_path, points, lines)), "table-0")
    assert (panel.x_label, panel.y_label) == ("size (B)", "busbw (GB/s)")
    drawn = {s.label: [(d.x, d.y) for d in s.dots] for s in panel.series}
    assert drawn == {
        f"mpi1{v}, {n} cores": [(4, 8.0 * n), (16, 32.0 * n)] for v in ("", " algorithm=ring") for n in (2, 4)
    }


def test_training_is_drawn_over_cores_and_nothing_of_what_it_does_not_state(tmp_path):
    points = planned({"kernel": "ddp", "runtime": "mpi1", "ranks": [1, 2]}).points

    def lines(point):
        return [{"exposed": 5.0 * point.cores, "seconds": s, "epochs": None} for s in (1.0, 2.0, None)]

    panels = {p.title: p for p in curves.panels(with_tables(tmp_path, points, lines))}
    exposed = panels["Ddp: exposed communication"].series[0]
    assert [(d.x, d.y) for d in exposed.dots] == [(1, 5.0), (2, 10.0)]
    assert [d.y for d in panels["Ddp: time to quality"].series[0].dots] == [1.5, 1.5]
    assert "Ddp: epochs to quality" not in panels
