"""Figures by the numbers that are drawn, and what they say when there is nothing to draw."""

import io
import itertools
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from prk.ddp.problem import REMARK
from prk.harness.analyse import curves, results, rows, swept
from prk.harness.analyse.curves import Dot, Panel, Series
from prk.harness.show import figures, lines, portrait, style, table
from prk.machine.bounds import Machine
from prk.run import registry
from tests.harness.making import planned, renamed, stored
from tests.harness.test_campaign import BENCH
from tests.launch import run

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
    # Six values of each side: the base's spread of 1 % is in the ratio's interval as the other's is.
    (_, low), (_, high) = bars[1]
    assert high / low == pytest.approx(1.0121, rel=1e-3)
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


def samples_of(figure, label):
    """Return how many samples each row of a series has."""
    own = [x for x in figure.axes[0].get_lines() if x.get_gid() == f"samples {label}"]
    return [len(x.get_xdata()) for x in own]


def renderer_of(figure):
    return figure.canvas.get_renderer()


def test_every_value_is_a_dot_and_the_figure_says_what_its_bars_are(tmp_path):
    panels = curves.panels(rows_of(tmp_path, scaling("transpose"), losing))
    panel = by_name(panels, "scaling")
    figure = figures.draw(panel)
    x, y = drawn(figure, "samples mpi1")
    assert len(x) == 6 * len(NODES)
    assert sorted(y)[:6] == pytest.approx(sorted(panel.series[0].dots[0].samples), rel=1e-9)
    assert "small dots: every value; marker: median, n = 6; bar: its 96.9% interval" in texts(figure)
    # The bar of a ratio is that of Mann and Whitney's test, for six values and six of the base.
    assert "n = 6; bar: its 95.9% interval" in texts(figures.draw(by_name(panels, "efficiency"))).replace(
        "\n   ", " "
    )
    assert panel.about == "iterations = 10, order = 4,096, tile = 32; 6 launches a point"
    assert panel.about in texts(figure).replace("\n", " ")


def test_one_value_has_no_bar(tmp_path):
    panel = by_name(curves.panels(rows_of(tmp_path, scaling(), losing, repeat=1)), "scaling")
    assert "n = 1" in panel.legend
    assert "interval" not in panel.legend
    figure = figures.draw(panel)
    assert all(segment != segment for bars in curve(figure, "shmem")[2] for _, segment in bars)


def test_points_of_which_some_launches_failed_are_marked(tmp_path):
    def some(point, repeat):
        failed = point.runtime == "shmem" and point.layout["nodes"] == 4 and repeat < 2
        return ("timeout", "no end") if failed else losing(point, repeat)

    panel = by_name(curves.panels(rows_of(tmp_path, scaling(), some)), "scaling")
    figure = figures.draw(panel)
    (mark,) = [t for t in figure.axes[0].texts if t.get_gid() == "partly shmem"]
    assert mark.get_text() == "4 of 6"
    assert "partly failed: shmem on 4 nodes: 4 ok, 2 timeout" in texts(figure)
    assert "n = 4 to 6" in panel.legend


def test_efficiency_has_one_base_for_all_or_no_curve(tmp_path):
    def small_ones_fail(point, repeat):
        failed = point.runtime == "shmem" and point.layout["nodes"] < 4
        return ("failed", "no memory") if failed else losing(point, repeat)

    panel = by_name(curves.panels(rows_of(tmp_path, scaling(), small_ones_fail)), "efficiency")
    assert [s.label for s in panel.series] == ["mpi1"]
    said = texts(figures.draw(panel))
    assert "no curve, as there is no valid run on 1 node: shmem" in said
    assert "base: the same runtime on 1 node: mpi1 " in said

    # And none at all is said to be none.
    def first_fails(point, repeat):
        return ("failed", "no") if point.layout["nodes"] == 1 else losing(point, repeat)

    panel = by_name(curves.panels(rows_of(tmp_path / "none", scaling(), first_fails)), "efficiency")
    assert panel.reason == "no runtime has a valid run on 1 node"


def test_a_bound_that_is_exceeded_is_not_drawn(tmp_path):
    # Nine times what its four nodes can do, on one runtime.
    def odd(point, repeat):
        there = point.layout["nodes"] == 4 and point.runtime == "shmem"
        return losing(point, repeat) / (9 if there else 1)

    points = [replace(p, cost=replace(p.cost, bytes=8e9)) for p in scaling("transpose")]
    rows = rows_of(tmp_path, points, odd)
    panels = curves.panels(rows)
    panel = by_name(panels, "bound")
    assert {d.x for s in panel.series for d in s.dots} == {1, 2, 8}
    assert any("exceeded, and so is none: shmem on 8 cores is at" in note for note in panel.notes)
    (line,) = [y for name, y in by_name(panels, "scaling").lines.items() if name.startswith("bound")]
    assert [x for x, _ in line] == [2, 4, 16]
    lines = [line for line in table.text(rows).splitlines() if line.startswith(("mpi1", "shmem"))]
    assert ["%  ok" in line.replace("96.9%", "") for line in lines] == [True] * 4 + [False] * 2 + [True] * 2
    everywhere = [replace(r, bound=replace(r.bound, value=1.0)) for r in rows]
    assert "is at" in by_name(curves.panels(everywhere), "bound").reason
    assert not by_name(curves.panels(everywhere), "bound").drawable


@pytest.mark.parametrize(
    ("x", "label", "said"),
    [(3072, "cores", "3,072"), (1024, "nodes", "1,024"), (4096, "size (B)", "4 Ki"), (4, "size (B)", "4"),
     (256 << 20, "size (B)", "256 Mi"), (3000, "size (B)", "3,000"), (0.526711718, "step (ms)", "0.5267")],
)  # fmt: skip
def test_ticks_are_numbers_that_people_read(x, label, said):
    assert lines.whole(x, label) == said


def many(tmp_path, seconds=losing, nodes=None):
    """Return the rows of twelve runtimes with long names, on all node counts or some."""
    points = scaling(
        runtimes=("mpi1", *(f"the-program-number-{n}-of-somebody-who-likes-words" for n in range(11)))
    )
    return rows_of(tmp_path, [p for p in points if p.layout["nodes"] in (nodes or NODES)], seconds)


@pytest.mark.parametrize("nodes", [NODES, [1, 2]])
def test_nothing_is_cut_off(tmp_path, nodes):
    for panel in curves.panels(many(tmp_path, nodes=nodes)):
        figure = figures.draw(panel)
        assert figure.axes[0].get_legend_handles_labels()[1]
        assert len(figure.legends) == 1
        renderer = renderer_of(figure)
        figure.draw(renderer)
        box, (width, height) = figure.get_tightbbox(renderer), figure.get_size_inches()
        assert min(box.x0, box.y0, width - box.x1, height - box.y1) >= 0, panel.name


def test_ticks_do_not_touch(tmp_path):
    points = planned({"kernel": "allreduce", "runtime": "mpi1", "ranks": [2]}).points
    sizes = [4 << k for k in range(25)]
    rows = with_tables(tmp_path, points, lambda p: [{"bytes": b, "busbw": float(b)} for b in sizes])
    figure = figures.draw(by_name(curves.panels(rows), "table-0"))
    renderer = renderer_of(figure)
    figure.draw(renderer)
    shown = [t for t in figure.axes[0].get_xticklabels() if t.get_text()]
    boxes = [t.get_window_extent(renderer) for t in shown]
    assert len(boxes) > 3
    assert all(a.x1 < b.x0 for a, b in itertools.pairwise(boxes))
    assert shown[-1].get_text() == "64 Mi"


def test_what_was_measured_is_a_logarithmic_axis_where_it_spans_decades():
    panel = Panel("p", "Shares", "latency (ms)", "share", linear=True)
    dots = [Dot(x, y, None, (y,)) for x, y in ((0.05, 0.5), (0.2, 0.9), (0.7, 0.99), (7.5, 1.0))]
    panel.series = [Series("serial", "serial", dots=dots)]
    axes = figures.draw(panel).axes[0]
    assert axes.get_xscale() == "log"
    panel.series[0].dots = dots[:3]
    assert figures.draw(panel).axes[0].get_xscale() == "linear"


def test_what_stands_beside_long_numbers_is_not_cut_off():
    panel = Panel("p", "Rates", "cores", "rate (samples/s)")
    panel.series = [Series("serial", "serial", dots=[Dot(x, 5e5 * x, None, (5e5 * x,)) for x in (1, 2, 4)])]
    figure = figures.draw(panel)
    figure.canvas.draw()
    box = figure.axes[0].yaxis.label.get_window_extent()
    assert box.x0 >= 0


def test_one_or_two_counts_are_rows_of_dots_with_what_failed_in_its_place(tmp_path):
    def some(point, repeat):
        if point.runtime == "shmem" and point.layout["nodes"] == 2:
            return ("timeout", "no end")
        return ("failed", "no") if point.runtime == "mpi1" and repeat == 5 else losing(point, repeat)

    points = [p for p in scaling() if p.layout["nodes"] < 4]
    panel = by_name(curves.panels(rows_of(tmp_path, points, some)), "scaling")
    figure = figures.draw(panel)
    axes = figure.axes[0]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["mpi1", "shmem", "mpi1", "shmem"]
    said = {t.get_gid(): t.get_text() for t in axes.texts if t.get_gid()}
    assert said["gap shmem"] == "6 timeout"
    assert said["value mpi1"] == "0.900 (5 of 6)"
    assert [t.get_text() for t in axes.texts if not t.get_gid()] == ["1 node", "2 nodes"]
    assert samples_of(figure, "mpi1") == [5, 5]
    # From 0.8 to 1: close together, and so said not to start at 0.
    assert "not from 0" in axes.get_xlabel()
    # An efficiency of 1 in all rows says nothing.
    efficiency = figures.draw(by_name(curves.panels(rows_of(tmp_path / "e", points, losing)), "efficiency"))
    assert [t.get_text() for t in efficiency.axes[0].texts if not t.get_gid()] == ["2 nodes"]


def test_figures_are_drawn_with_the_packages_own_settings(tmp_path):
    rows = rows_of(tmp_path, scaling(), losing)
    panel = by_name(curves.panels(rows), "scaling")
    expected = figures.rendered(figures.draw(panel), "svg", panel.name)
    own = tmp_path / "matplotlibrc"
    own.write_text("text.usetex: True\nfont.family: serif\nbackend: no-such\nlines.linewidth: 9\n")
    settings = {"MPLBACKEND": "module://matplotlib_inline.backend_inline", "MATPLOTLIBRC": str(own)}
    done = run(*BENCH, "plot", tmp_path / "s", "--format", "svg", **settings)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "s" / "figures" / f"{panel.name}.svg").read_bytes() == expected


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


def test_the_rate_over_an_option_has_a_line_for_all_else_and_others_stay_level(tmp_path):
    options = {"grappa": {"aggregate": [64, 1, 256, 8], "deadline": [0, 5]}}
    block = {"kernel": "stencil", "runtime": ["mpi1", "grappa"], "ranks": 2, "n": 4096, "options": options}
    made = planned(block, repeat=2)

    def seconds(point, repeat):
        if point.options.get("aggregate") == 8 and not point.options["deadline"]:
            return ("timeout", "no end")
        return 1 / point.options.get("aggregate", 32)

    found = rows.opened(stored(tmp_path / "s", made, seconds))
    (panel,) = swept.panels(found.rows)
    assert panel.title == "Stencil on grappa: rate over aggregate"
    assert [s.label for s in panel.series] == ["grappa, 2 cores", "grappa deadline=5, 2 cores"]
    usual, late = panel.series
    assert [d.x for d in late.dots] == [1, 8, 64, 256]
    assert [d.x for d in usual.dots] == [1, 64, 256]
    assert [d.y / usual.dots[0].y for d in usual.dots] == pytest.approx([1, 64, 256])
    assert usual.gaps[0][0] == 8
    ((name, level),) = panel.lines.items()
    assert name == "mpi1, 2 cores"
    assert [(x, y / usual.dots[0].y) for x, y in level] == [(1, pytest.approx(32)), (256, pytest.approx(32))]
    # Of three values a table says as much.
    assert not swept.panels([row for row in found.rows if row.point.options.get("aggregate") != 64])


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
    assert png.width == 200 * figures.WIDTH
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


@pytest.mark.parametrize("ranks", [[1, 2], [1, 2, 4]])
def test_nothing_and_less_than_nothing_are_drawn_as_they_are(tmp_path, ranks):
    points = planned({"kernel": "ddp", "runtime": "mpi1", "ranks": ranks}).points
    for name, values in (("zero", (0.0, 0.0)), ("below", (-1.0, 3.0))):
        rows = with_tables(tmp_path / name, points, lambda p, v=values: [{"exposed": one} for one in v])
        panel = next(p for p in curves.panels(rows) if p.title == "Ddp: exposed communication")
        axes = figures.draw(panel).axes[0]
        low, high = axes.get_xlim() if figures.few(panel) else axes.get_ylim()
        assert low <= min(values) <= max(values) < high


def test_training_is_drawn_over_cores_and_nothing_of_what_it_does_not_state(tmp_path):
    points = planned({"kernel": "ddp", "runtime": "mpi1", "ranks": [1, 2]}).points

    def lines(point):
        return [{"exposed": 5.0 * point.cores, "seconds": s, "epochs": None} for s in (1.0, 2.0, None)]

    panels = {p.title: p for p in curves.panels(with_tables(tmp_path, points, lines))}
    exposed = panels["Ddp: exposed communication"].series[0]
    assert [(d.x, d.y) for d in exposed.dots] == [(1, 5.0), (2, 10.0)]
    assert [d.y for d in panels["Ddp: time to quality"].series[0].dots] == [1.5, 1.5]
    assert "Ddp: epochs to quality" not in panels


def test_epochs_are_drawn_over_the_batch_where_it_varies_and_the_quality_of_all_trainings(tmp_path):
    def panels(batches):
        one = {"kernel": "ddp", "runtime": "mpi1", "ranks": [1, 2], "batch": batches, "figure": "one"}
        one |= {"rules": "mlperf"}
        rows = with_tables(
            tmp_path / str(len(batches)),
            planned(one).points,
            lambda p: [{"epochs": p.parameters["batch"] + n, "batch": 0} for n in (0, 1, 5)],
        )
        curve = tuple({"seed": s, "epoch": n, "quality": s * n / 10} for s in (1, 2, 4) for n in (1, 2))
        rows = [replace(row, lists={"quality curves": curve}) for row in rows]
        return {p.title: p for p in curves.panels(rows)}

    found = panels([64, 16])
    over = found["Ddp: epochs to quality over the batch"]
    assert (over.x_label, over.y_label) == ("batch", "epochs to target")
    assert {s.label: [(d.x, d.y) for d in s.dots] for s in over.series} == {
        f"mpi1, {cores}": [(16, 17), (64, 65)] for cores in ("1 core", "2 cores")
    }
    dots = found["Ddp: quality of all trainings"].series[0].dots
    assert [(d.x, d.y, d.samples) for d in dots] == [(1, 0.2, (0.1, 0.2, 0.4)), (2, 0.4, (0.2, 0.4, 0.8))]
    # Wherever a figure of the rules appears it says what it is not.
    assert all(REMARK in panel.notes for panel in found.values())
    assert "Ddp: epochs to quality over the batch" not in panels([64])


def test_tables_are_shown_in_short_with_the_variation_of_epochs(tmp_path):
    points = planned({"kernel": "ddp", "runtime": "mpi1", "ranks": [1, 2]}).points
    rows = with_tables(tmp_path, points, lambda p: [{"epochs": e, "flop": 7, "mfu": None} for e in (2, 4, 6)])
    ((kernel, head, lines),) = portrait.tables(rows)
    assert kernel == "ddp"
    found = [dict(zip(head, line, strict=True)) for line in lines]
    assert [(f["cores"], f["rows"], f["flop/step"], f["MFU"]) for f in found] == [
        ("1", "3", "7", ""),
        ("2", "3", "7", ""),
    ]
    assert (found[0]["epochs to target"], found[0]["CV of epochs to target"]) == ("4", "40.8%")


def mapped(folder, lines, **axes):
    points = planned({"kernel": "adaptive", "runtime": "mpi1", "ranks": 2, "figure": "one", **axes}).points
    return [p for p in curves.panels(with_tables(folder, points, lines)) if "-map-" in p.name]


def test_a_map_shows_the_median_at_each_pair_of_values(tmp_path):
    def lines(point):
        link, share = point.parameters["link"], point.parameters["dense_share"]
        own = {"sparse": -1.0, "loss": 10 * link, "regret": 5.0 + share}
        return [{**own, "dense": 100 * link + 10 * share + k} for k in (0, 1, 5)] + [{**own, "dense": None}]

    over_dense, over_sparse, loss, regret = mapped(
        tmp_path, lines, link=[0.0, 1.0, 0.5], dense_share=[0.5, 0.1]
    )
    assert over_dense.cells[0.5, 0.1] == pytest.approx(52.0)
    assert len(over_dense.cells) == 6
    assert (over_dense.title, over_sparse.title) == (
        "Adaptive: gain over dense (%)",
        "Adaptive: gain over all-sparse (%)",
    )
    figure = figures.draw(over_dense)
    axes = figure.axes[0]
    # The real link has no limit, and so stands beyond the others.
    assert [t.get_text() for t in axes.get_xticklabels()] == ["0.5", "1", "0"]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["0.1", "0.5"]
    cells = {t.get_gid(): (t.get_position(), t.get_text()) for t in axes.texts if t.get_gid()}
    assert cells["cell 0.5 0.1"] == ((0, 0), "52.0")
    assert cells["cell 0.0 0.5"] == ((2, 1), "6.00")
    (picture,) = axes.get_images()
    assert np.asarray(picture.get_array())[0].tolist() == pytest.approx([52.0, 102.0, 2.0])
    assert "line: 57 to 68, as published" in texts(figure)
    assert [c.levels.tolist() for c in axes.collections if hasattr(c, "levels")] == [[57.0, 68.0]]
    assert "published: 15, which is nowhere here" in texts(figures.draw(over_sparse))
    assert "goal: at most 5, reached in 4 of 6 cells" in texts(figures.draw(loss))
    assert "goal: at most 5, reached in 0 of 6 cells" in texts(figures.draw(regret))


def test_maps_are_drawn_of_what_varies_and_one_for_each_of_what_varies_besides(tmp_path):
    def lines(point):
        return [{"dense": 1.0, "sparse": 1.0, "regret": point.parameters["alpha"]}]

    axes = {"alpha": [0.1, 1.0], "beta": [1.0, 2.0]}
    panels = mapped(tmp_path / "a", lines, **axes, scan=["early", "whole"])
    name = "Adaptive: regret to the oracle (%), "
    assert [p.title for p in panels] == [f"{name}scan=early", f"{name}scan=whole"]
    assert set(panels[0].cells) == {(a, b) for a in axes["alpha"] for b in axes["beta"]}
    # Less is better, and blue.
    (picture,) = figures.draw(panels[0]).axes[0].get_images()
    assert np.asarray(picture.get_array()).max() == -0.1
    (words,) = mapped(tmp_path / "b", lines, probe=["never", "every"], phases=[1, 2])
    figure = figures.draw(words)
    assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == ["never", "every"]
    assert not mapped(tmp_path / "c", lines, alpha=[0.1, 1.0])


def test_a_list_of_the_summary_is_drawn_in_its_order(tmp_path):
    def timelines(probes):
        made = {"kernel": "adaptive", "runtime": "mpi1", "ranks": 2, "phases": [1, 2, 3], "figure": "one"}
        points = planned({**made, "probe": probes}).points
        own = {"dense": 1.0, "sparse": 1.0, "regret": 1.0}
        rows = with_tables(tmp_path / str(len(probes)), points, lambda p: [own])
        lists = {"timeline": ({"task": 0, "part on": 0.0}, {"task": 40, "part on": 1.0}) * 2}
        return curves.panels([replace(row, lists=lists) for row in rows])

    panel = by_name(timelines(["every"]), "table-0")
    dots = [[(d.x, d.y, len(d.samples)) for d in s.dots] for s in panel.series]
    assert dots == 3 * [[(0, 0, 2), (40, 1, 2)]]
    axes = figures.draw(replace(panel, series=panel.series[:1])).axes[0]
    assert panel.linear
    assert axes.get_xlim()[0] == 0
    # Nine points would hide one another.
    assert not [p for p in timelines(["every", "backoff", "never"]) if p.name.endswith("table-0")]


def test_a_limit_of_x_is_an_upright_line_and_of_many_points_those_on_most_cores_are_drawn(tmp_path):
    made = {"kernel": "inference", "scenario": "server", "quick": "off", "figure": "one"}
    points = planned(
        {**made, "runtime": "serial"}, {**made, "runtime": ["mpi1", "dask", "numba"], "ranks": [2, 3]}
    ).points
    own = {"throughput": 10.0, "bound": 15.0, "offline": 0.8}
    found = with_tables(tmp_path, points, lambda p: [own])
    share = tuple({"latency": float(ms), "share": ms / 20} for ms in (2, 8, 12))
    panels = {p.title: p for p in curves.panels([replace(r, lists={"latencies": share}) for r in found])}
    panel = next(p for title, p in panels.items() if "share of queries" in title)
    assert panel.limits == {"bound (ms): 15": 15.0}
    assert {s.label for s in panel.series} == {
        "serial, 1 core",
        "mpi1, 3 cores",
        "dask, 3 cores",
        "numba, 3 cores",
    }
    assert "each on the most cores only" in panel.notes
    axes = figures.draw(panel).axes[0]
    (line,) = (one for one in axes.lines if one.get_gid() == "limit bound (ms): 15")
    assert np.array_equal(line.get_xdata(), [15, 15])
    assert axes.get_xlim()[1] > 15
    against = next(p for title, p in panels.items() if "server against offline" in title)
    assert not against.limits
    assert {d.y for s in against.series for d in s.dots} == {0.8}
