"""Draw panels by matplotlib, and write them as PNG, SVG and PDF."""

import io
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prk.harness import store
from prk.harness.analyse import curves
from prk.harness.analyse.curves import Panel, Series
from prk.harness.analyse.rows import Opened
from prk.harness.show import style
from prk.problem import Refusal
from prk.records import write

try:
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
except ImportError:
    raise Refusal("plot", "matplotlib is not installed", "pip install 'prk[plot]'") from None

WIDTH, HEIGHT = 5.6, 3.5
# Inches that a line of the legend, and of the notes, adds below the axes.
LEGEND_LINE, NOTE_LINE = 0.17, 0.155
NOTE_WIDTH, MOST_NOTES = 96, 6
# Letters that fit beside the lines and markers of a legend, by its columns.
LEGEND_LETTERS = {3: 60, 2: 70}


def write_all(sweep: Opened, formats: Sequence[str]) -> list[Path]:
    """Draw every figure of a sweep; return the paths. Raises Refusal if they cannot be written."""
    paths = []
    for panel in curves.panels(sweep.rows):
        figure = draw(panel)
        for ending in formats:
            paths.append(sweep.kept.figures / f"{panel.name}.{ending}")
            with store.refuse_unwritable(paths[-1]):
                write.replace(paths[-1], rendered(figure, ending, panel.name))
    return paths


def rendered(figure: Figure, ending: str, name: str) -> bytes:
    """Return the figure as bytes of one format, without a date: equal data gives equal files."""
    out = io.BytesIO()
    undated = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}[ending]
    with matplotlib.rc_context({**style.RC, "svg.hashsalt": name}):
        figure.savefig(out, format=ending, metadata=undated)
    return out.getvalue()


def draw(panel: Panel) -> Figure:
    """Return the figure of a panel; one that cannot be drawn says why."""
    with matplotlib.rc_context(style.RC):
        notes = _wrapped(panel.notes)
        labels = [*(s.label for s in panel.series), *panel.lines]
        columns = _columns(labels)
        rows = -(-len(labels) // columns)
        below = 0.5 + LEGEND_LINE * rows + NOTE_LINE * len(notes) + 0.08
        height = HEIGHT + LEGEND_LINE * rows + NOTE_LINE * len(notes)
        figure = Figure(figsize=(WIDTH, height))
        axes = figure.add_axes((0.115, below / height, 0.865, (height - below - 0.36) / height))
        axes.set_title(panel.title)
        if panel.why or not any(s.dots for s in panel.series):
            _say_why(axes, panel)
        else:
            _axes(axes, panel)
            _lines(axes, panel)
            for number, one in enumerate(panel.series):
                _series(axes, one, _dodge(number, len(panel.series)), _variant_of(panel, one))
            _gaps(axes, panel)
            figure.legend(
                *_entries(axes),
                loc="lower left",
                bbox_to_anchor=(0.02, (NOTE_LINE * len(notes) + 0.06) / height),
                ncols=columns,
                fontsize=7.5,
                columnspacing=1.2,
                borderpad=0,
                labelspacing=0.35,
            )
        for number, note in enumerate(reversed(notes)):
            y = (0.07 + NOTE_LINE * number) / height
            figure.text(0.02, y, note, fontsize=6.8, color="#555555", va="bottom")
    return figure


def _columns(labels: Sequence[str]) -> int:
    """Return the most columns in which a legend with these labels fits the figure."""
    for columns, letters in LEGEND_LETTERS.items():
        rows = -(-len(labels) // columns)
        widths = (max(map(len, labels[i : i + rows])) for i in range(0, len(labels), rows or 1))
        if sum(widths) <= letters:
            return columns
    return 1


def _say_why(axes: Any, panel: Panel) -> None:
    """Put the reason where the curves would be."""
    why = panel.why or "no launch of these points gave a valid result"
    axes.set_axis_off()
    axes.text(0.5, 0.5, f"Not drawn: {why}.", ha="center", va="center", transform=axes.transAxes, wrap=True)


def _axes(axes: Any, panel: Panel) -> None:
    """Scale the axes: powers of two along x; y from zero, or logarithmic where it spans decades."""
    xs = sorted({d.x for s in panel.series for d in s.dots} | {x for s in panel.series for x, _ in s.gaps})
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(FixedLocator(xs))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: _binary(x)))
    axes.set_xlim(xs[0] / 1.35, xs[-1] * 1.35)
    ys = [d.y for s in panel.series for d in s.dots]
    if max(ys) > 30 * min(ys) > 0:
        axes.set_yscale("log")
    else:
        highest = max([*ys, *(y for line in panel.lines.values() for _, y in line)])
        axes.set_ylim(0, 1.1 * max(highest, *(d.high for s in panel.series for d in s.dots)))
    axes.set_xlabel(panel.x_label)
    axes.set_ylabel(panel.y_label)


def _binary(x: float) -> str:
    """Return a number with the binary prefix that keeps it short."""
    for prefix, step in (("Mi", 1 << 20), ("Ki", 1 << 10)):
        if x >= step and x % step == 0:
            return f"{x / step:g}{prefix}"
    return f"{x:g}"


def _lines(axes: Any, panel: Panel) -> None:
    """Draw the ideal line thin and grey, the bound as a dark line."""
    for label, points in panel.lines.items():
        bound = label.startswith("bound")
        x0, x1 = axes.get_xlim()
        xs, ys = [x for x, _ in points], [y for _, y in points]
        if len(set(ys)) == 1:
            xs, ys = [x0, x1], [ys[0], ys[0]]
        look = {"color": "#222222", "linewidth": 1.1} if bound else {"color": "#999999", "linewidth": 0.9}
        dash = (0, (2, 1)) if bound else (0, (6, 3))
        axes.plot(xs, ys, label=label, linestyle=dash, zorder=1, **look)


# Which half of the marker has colour, from a runtime's third series on.
HALVES: tuple[Any, ...] = ("full", "full", "top", "left", "bottom", "right")


def _dodge(number: int, of: int) -> float:
    """Return the factor that moves a series aside a little, so that equal values stay visible."""
    return 2 ** ((number - (of - 1) / 2) * min(0.03, 0.24 / max(of, 1)))


def _variant_of(panel: Panel, one: Series) -> int:
    """Return 0 for a runtime's first series in the panel, 1 for its second, and so on."""
    return [s.label for s in panel.series if s.runtime == one.runtime].index(one.label)


def _series(axes: Any, one: Series, dodge: float, variant: int) -> None:
    """Draw a runtime's curve, broken at its gaps, with its intervals; variants differ by hollow markers."""
    look = style.of(one.runtime)
    places = {d.x: d for d in one.dots} | {x: None for x, _ in one.gaps}
    xs = sorted(places)
    dots = [places[x] for x in xs]
    nan = float("nan")
    ys = [d.y if d else nan for d in dots]
    bars = [[d.y - d.low if d else nan for d in dots], [d.high - d.y if d else nan for d in dots]]
    bars = [[max(b, 0.0) if b == b else b for b in side] for side in bars]
    axes.errorbar(
        [x * dodge for x in xs],
        ys,
        yerr=bars,
        label=one.label,
        color=look.colour,
        marker=look.marker,
        linestyle=(0, look.dash) if look.dash else "-",
        markerfacecolor="white" if variant == 1 else look.colour,
        markerfacecoloralt="white",
        fillstyle=HALVES[variant % len(HALVES)],
        markersize=style.RC["lines.markersize"] + (variant > 1) * 2.5,
        elinewidth=0.9,
        capsize=2,
        zorder=3,
    )
    flagged = [d for d in one.dots if d.flagged]
    if flagged:
        axes.plot(
            [d.x * dodge for d in flagged],
            [d.y for d in flagged],
            linestyle="none",
            marker="o",
            markersize=12,
            markerfacecolor="none",
            markeredgecolor="#b00020",
            gid=f"flagged {one.label}",
            zorder=4,
        )


def _gaps(axes: Any, panel: Panel) -> None:
    """Mark what is missing by a cross at the foot of the axes, in the runtime's colour."""
    stacked: dict[int, int] = {}
    for one in panel.series:
        for x, _ in one.gaps:
            level = stacked[x] = stacked.get(x, 0) + 1
            axes.plot(
                [x],
                [0.045 * level - 0.015],
                transform=axes.get_xaxis_transform(),
                marker="x",
                markersize=6,
                markeredgewidth=1.8,
                color=style.of(one.runtime).colour,
                linestyle="none",
                gid=f"gap {one.label}",
                zorder=5,
            )


def _entries(axes: Any) -> tuple[list[Any], list[str]]:
    """Return the legend's handles and labels: runtimes first, then the lines to compare with."""
    handles, labels = axes.get_legend_handles_labels()
    pairs = sorted(zip(handles, labels, strict=True), key=lambda p: p[1].startswith(("ideal", "bound")))
    return [h for h, _ in pairs], [label for _, label in pairs]


def _wrapped(notes: Sequence[str]) -> list[str]:
    """Return the notes as lines that fit the figure; what does not is counted."""
    lines = [line for note in notes for line in textwrap.wrap(note, NOTE_WIDTH, subsequent_indent="   ")]
    if len(lines) <= MOST_NOTES:
        return lines
    return [*lines[: MOST_NOTES - 1], f"and {len(lines) - MOST_NOTES + 1} lines more: see prk-bench results"]
