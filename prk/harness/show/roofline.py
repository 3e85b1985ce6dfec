"""The roofline as a figure and as a page: roofs, points, and the tables that say what each of them is."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prk.harness import store
from prk.harness.analyse import roofline
from prk.harness.analyse.roofline import Dot
from prk.harness.analyse.rows import Opened, number
from prk.harness.show import figures, style
from prk.harness.show.figures import Figure, FigureCanvasAgg
from prk.harness.store import Store
from prk.machine import roofs
from prk.machine.roofs import Machine
from prk.problem import Refusal
from prk.records import write
from prk.run import registry

try:
    import jinja2
    from markupsafe import Markup
except ImportError:
    raise Refusal("roofline", "jinja2 is not installed", "pip install 'prk[plot]'") from None

NAME = "roofline"
TEMPLATE = Path(__file__).with_name("roofline.html.j2")
# Inches.
SIZE = (9.5, 6.0)
# A kernel with more points than that has a colour of its own; all are told apart by their names.
FAMILY = 3
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
SUITE = "#333333"
FLAT = {"single": "-", "double": "--", "half": ":"}


def write_all(sweeps: Sequence[Opened], machine: Machine) -> list[Path]:
    """Draw the roofline of some sweeps into the first one's folder, and write its page. Raises Refusal."""
    kept = sweeps[0].kept
    rows = [row for sweep in sweeps for row in sweep.rows]
    dots, lost = roofline.dots(rows)
    if not dots:
        raise Refusal(
            str(kept.folder), "no launch gave a place in a roofline", "run kernels that compute, or name more"
        )
    figure = drawn(dots, machine)
    paths = [kept.figures / f"{NAME}.{ending}" for ending in style.FORMATS]
    images = {path.suffix[1:]: figures.rendered(figure, path.suffix[1:], NAME) for path in paths}
    page = rendered(sweeps, machine, dots, lost, images["svg"].decode(), roofline.tables(rows))
    for path, image in (*((p, images[p.suffix[1:]]) for p in paths), (pages(kept), page.encode())):
        with store.refuse_unwritable(path):
            write.replace(path, image)
    return [*paths, pages(kept)]


def pages(kept: Store) -> Path:
    """Return where the page stands."""
    return kept.folder / f"{NAME}.html"


def families(dots: Sequence[Dot]) -> dict[str, str]:
    """Return the colours of the kernels that have many points; the others share one."""
    names = {dot.kernel: {d.name for d in dots if d.kernel == dot.kernel} for dot in dots}
    many = sorted(kernel for kernel, own in names.items() if len(own) > FAMILY)
    return {kernel: COLOURS[n % len(COLOURS)] for n, kernel in enumerate(many)}


def drawn(dots: Sequence[Dot], machine: Machine) -> Figure:
    """Return the figure: what computes on the right, over flop a byte; what only moves data on the left."""
    colours = families(dots)
    with figures.settings():
        figure = Figure(figsize=SIZE)
        FigureCanvasAgg(figure)
        moving, computing = figure.subplots(1, 2, width_ratios=(1, 6))
        _moving(moving, [d for d in dots if not d.flops], machine, colours)
        _roofs(computing, [d for d in dots if d.flops], machine)
        _dots(computing, [d for d in dots if d.flops], colours, machine)
        cores = f"{machine.cores} cores" if machine.cores > 1 else "1 core"
        figure.suptitle(f"Roofline of {cores}: filled is all of them, hollow fewer", weight="bold")
        handles, labels = computing.get_legend_handles_labels()
        figure.legend(handles, labels, loc="lower center", ncols=5)
        figure.subplots_adjust(left=0.08, right=0.98, top=0.92, bottom=0.22, wspace=0.22)
    return figure


def _moving(axes: Any, dots: Sequence[Dot], machine: Machine, colours: Mapping[str, str]) -> None:
    """Draw what has no flop: bytes a second, and the memory's."""
    axes.set_yscale("log")
    axes.set_ylabel("GB/s")
    axes.set_xlabel("no flop")
    axes.set_xticks([])
    axes.set_xlim(0, 1)
    axes.axhline(machine.all.bandwidth / 1e9, color="#444444")
    for place, dot in enumerate(sorted(dots, key=lambda d: d.bandwidth)):
        x = (place + 1) / (len(dots) + 1)
        axes.plot(x, dot.bandwidth / 1e9, "o", **_look(dot, colours, machine))
    for dot in _best(dots):
        axes.annotate(dot.name.split()[0], (0.05, dot.bandwidth / 1e9), fontsize=6)


def _roofs(axes: Any, dots: Sequence[Dot], machine: Machine) -> None:
    """Draw what all cores together allow, over the range of the points."""
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("intensity (flop / byte)")
    axes.set_ylabel("GFlop/s")
    found, tops = [d.intensity for d in dots] or [1.0], machine.all
    left, right = min(found) / 2, max(*found, 2 * tops.single / tops.bandwidth) * 2
    highest = max(tops.single, tops.double, tops.half or 0)
    steep = {"memory": (tops.bandwidth, "-"), "L3": (tops.l3, "--"), "L2": (tops.l2, ":")}
    for name, (slope, line) in steep.items():
        if slope:
            ends = left, min(right, highest / slope)
            label = f"{name} {slope / 1e9:.0f} GB/s"
            axes.plot(ends, [x * slope / 1e9 for x in ends], line, color="#444444", lw=1.2, label=label)
    for name, line in FLAT.items():
        if top := getattr(tops, name):
            label = f"{roofs.PEAKS[name]} {top / 1e9:.0f} GFlop/s"
            axes.plot((top / (tops.l2 or tops.bandwidth), right), [top / 1e9] * 2, line, color="#888888",
                      lw=1.2, label=label)  # fmt: skip


def _dots(axes: Any, dots: Sequence[Dot], colours: Mapping[str, str], machine: Machine) -> None:
    for dot in dots:
        axes.plot(dot.intensity, dot.flops / 1e9, "o", **_look(dot, colours, machine))
    own = {dot.kernel if dot.kernel in colours else "kernels" for dot in dots}
    for family in sorted(own):
        axes.plot([], [], "o", color=colours.get(family, SUITE), label=family)
    for dot in _best(dots):
        colour, place = colours.get(dot.kernel, SUITE), (dot.intensity, dot.flops / 1e9)
        offset = {"xytext": (2, 2), "textcoords": "offset points"}
        axes.annotate(dot.name.split()[0], place, fontsize=6, color=colour, **offset)


def _look(dot: Dot, colours: Mapping[str, str], machine: Machine) -> dict[str, Any]:
    colour = colours.get(dot.kernel, SUITE)
    whole = dot.cores >= machine.cores
    return {"color": colour, "markerfacecolor": colour if whole else "none", "markersize": 4.5}


def _best(dots: Sequence[Dot]) -> list[Dot]:
    """Return the best point of each kernel, layer or model: one name a place is enough."""
    found: dict[tuple[str, str], Dot] = {}
    for dot in dots:
        key = (dot.kernel, dot.name.split()[0])
        if key not in found or (dot.flops, dot.bandwidth) > (found[key].flops, found[key].bandwidth):
            found[key] = dot
    return list(found.values())


def rendered(
    sweeps: Sequence[Opened],
    machine: Machine,
    dots: Sequence[Dot],
    lost: Sequence[str],
    svg: str,
    tables: Mapping[str, Sequence[Mapping[str, Any]]],
) -> str:
    """Return the page as HTML that asks for nothing else."""
    # It asks for jinja2 and draws all that a sweep's page has.
    from prk.harness.show import report

    jinja = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    ordered = sorted(dots, key=lambda d: (d.kernel, d.name, d.runtime, d.cores))
    return jinja.from_string(TEMPLATE.read_text()).render(
        sweeps=[sweep.plan.title for sweep in sweeps],
        made=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        svg=Markup(report.inline(svg, NAME, "Roofline")),
        cores=machine.cores,
        roofs=roofs.named(machine),
        dots=[_line(dot, machine) for dot in ordered],
        lost=lost,
        tables={kernel: _table(kernel, lines) for kernel, lines in tables.items()},
    )


def _line(dot: Dot, machine: Machine) -> list[str]:
    flops = number(dot.flops / 1e9) if dot.flops else "-"
    intensity = number(dot.intensity) if dot.flops else "-"
    where, moved = f"{dot.runtime} on {dot.cores}", number(dot.bandwidth / 1e9)
    return [dot.kernel, dot.name, where, intensity, flops, moved, f"{dot.share(machine):.0%}"]


def _table(kernel: str, lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a kernel's own table with all that its records hold: the columns that it prints come first."""
    headings = registry.problem_class(kernel).headings
    names = dict.fromkeys([*headings, *(name for line in lines for name in line)])
    shown = [[_cell(line.get(name)) for name in names] for line in lines]
    return {"header": [headings[n][0] if n in headings else n for n in names], "lines": shown}


def _cell(value: Any) -> str:
    return number(value) if isinstance(value, float) else "" if value is None else str(value)
