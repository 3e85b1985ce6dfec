"""Draw panels by matplotlib, and write them as PNG, SVG and PDF."""

import contextlib
import io
import os
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from prk.harness import store
from prk.harness.analyse import curves
from prk.harness.analyse.curves import Panel
from prk.harness.analyse.rows import Row
from prk.harness.show import style
from prk.harness.store import Store
from prk.problem import Refusal
from prk.records import write

# A notebook leaves the name of its backend behind, which this Python need not have.
os.environ.pop("MPLBACKEND", None)
try:
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from prk.harness.show import dots, lines, maps
except ImportError:
    raise Refusal("plot", "matplotlib is not installed", "pip install 'prk[plot]'") from None
except ValueError as error:
    raise Refusal(
        "matplotlibrc", f"matplotlib cannot read it ({error})", "mend it, or move it away"
    ) from None

# Inches.
WIDTH, MARGIN = 5.0, 0.1
# Points; what stands above and below the axes is a little smaller.
TITLE, TEXT = 12.5, 9.0
LINE = 1.35 * TEXT / 72
BELOW_AXES = 0.52
MOST_NOTES = 8
# Letters after which a legend's label goes on in another line; with its marker it fits the figure then.
LABEL = 46


def write_all(kept: Store, rows: Sequence[Row], formats: Sequence[str]) -> list[Path]:
    """Draw every figure of these rows; return the paths. Raises Refusal if they cannot be written."""
    return write_panels(kept, curves.panels(rows), formats)


def write_panels(kept: Store, panels: Sequence[Panel], formats: Sequence[str]) -> list[Path]:
    """Draw panels into a sweep's folder; return the paths. Raises Refusal if they cannot be written."""
    paths = []
    for panel in panels:
        figure = draw(panel)
        for ending in formats:
            paths.append(kept.figures / f"{panel.name}.{ending}")
            with store.refuse_unwritable(paths[-1]):
                write.replace(paths[-1], rendered(figure, ending, panel.name))
    return paths


@contextlib.contextmanager
def settings(**more: Any) -> Iterator[None]:
    """Draw with the package's own settings, whatever the user's are."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        own: Any = {**style.RC, **more}
        matplotlib.rcParams.update(own)
        yield


def rendered(figure: Figure, ending: str, name: str) -> bytes:
    """Return the figure as bytes of one format, without a date: equal data gives equal files."""
    out = io.BytesIO()
    undated = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}[ending]
    with settings(**{"svg.hashsalt": name}):
        figure.savefig(out, format=ending, metadata=undated)
    return out.getvalue()


def draw(panel: Panel, notes: bool = True) -> Figure:
    """Return the figure of a panel, with the notes under it if wanted; one that cannot be drawn says why."""
    with settings():
        figure = Figure(figsize=(WIDTH, WIDTH))
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0, 0, 1, 1))
        left, right, height = MARGIN, MARGIN, _say_why(axes, panel)
        if panel.drawable:
            form = maps if panel.cells else dots if few(panel) else lines
            left, right, height = form.room(panel, lambda text, size: _width(figure, text, size))
            # What is drawn depends on how wide the axes are.
            axes.set_position((0, 0, (WIDTH - left - right) / WIDTH, height / WIDTH))
            form.draw(axes, panel)
        below = _notes(figure, panel) if notes else MARGIN
        below += _legend(figure, axes, below) + (BELOW_AXES if panel.drawable else 0)
        above = [*_wrapped(figure, panel.about, TEXT, WIDTH - 2 * MARGIN)]
        whole = below + height + 0.12 + LINE * len(above) + 0.34
        figure.set_size_inches(WIDTH, whole)
        axes.set_position((left / WIDTH, below / whole, (WIDTH - left - right) / WIDTH, height / whole))
        _write(figure, MARGIN, whole - 0.28, panel.title, TITLE, weight="bold")
        for number, line in enumerate(above, 1):
            _write(figure, MARGIN, whole - 0.28 - LINE * number, line, TEXT, color="#444444")
    return figure


def few(panel: Panel) -> bool:
    """Tell whether there is too little along x for a curve to show anything."""
    return (
        len({d.x for s in panel.series for d in s.dots} | {x for s in panel.series for x, _ in s.gaps}) <= 2
    )


def _say_why(axes: Any, panel: Panel) -> float:
    """Put the reason where the curves would be; return the height that it takes."""
    if panel.drawable:
        return 0.0
    axes.set_axis_off()
    why = "\n".join(textwrap.wrap(f"Not drawn: {panel.reason}.", 68))
    axes.text(0, 0.5, why, va="center", transform=axes.transAxes, fontsize=TEXT)
    return LINE * (why.count("\n") + 2)


def _legend(figure: Any, axes: Any, below: float) -> float:
    """Put one legend under the axes, in as many columns as it fits in; return its height."""
    handles, labels = axes.get_legend_handles_labels()
    pairs = sorted(zip(handles, labels, strict=True), key=lambda p: p[1].startswith(("ideal", "bound")))
    if not pairs:
        return 0.0
    for columns in (3, 2, 1):
        legend = figure.legend(
            [handle for handle, _ in pairs],
            ["\n".join(textwrap.wrap(label, LABEL)) for _, label in pairs],
            loc="lower left",
            bbox_to_anchor=(MARGIN, below + 0.04),
            bbox_transform=figure.dpi_scale_trans,
            ncols=columns,
            columnspacing=1.2,
            borderpad=0,
            borderaxespad=0,
            labelspacing=0.35,
        )
        box = legend.get_window_extent(figure.canvas.get_renderer())
        if box.width / figure.dpi <= WIDTH - 2 * MARGIN or columns == 1:
            break
        legend.remove()
    return float(box.height / figure.dpi) + 0.08


def _notes(figure: Any, panel: Panel) -> float:
    """Write what must be known to read the figure at its foot; return the height that it takes."""
    said = [panel.legend, *panel.notes] if panel.drawable else panel.notes
    found = [line for note in said for line in _wrapped(figure, note, TEXT, WIDTH - 2 * MARGIN, "   ")]
    if len(found) > MOST_NOTES:
        found = [
            *found[: MOST_NOTES - 1],
            f"and {len(found) - MOST_NOTES + 1} lines more: see prk-bench results",
        ]
    for number, line in enumerate(reversed(found)):
        _write(figure, MARGIN, MARGIN + LINE * number, line, TEXT, color="#444444")
    return MARGIN + LINE * len(found) + (0.06 if found else 0)


def _write(figure: Any, x: float, y: float, text: str, size: float, **more: Any) -> None:
    """Write a line at a place in inches."""
    figure.text(x, y, text, fontsize=size, va="bottom", transform=figure.dpi_scale_trans, **more)


def _wrapped(figure: Any, text: str, size: float, width: float, indent: str = "") -> list[str]:
    """Return a text as lines of at most so many inches."""
    for letters in range(int(width * 72 / size / 0.45), 10, -3):
        found = textwrap.wrap(text, letters, subsequent_indent=indent)
        if all(_width(figure, line, size) <= width for line in found):
            break
    return found


def _width(figure: Any, text: str, size: float) -> float:
    """Return the inches that a text takes."""
    font = matplotlib.font_manager.FontProperties(size=size)
    width, _, _ = figure.canvas.get_renderer().get_text_width_height_descent(text, font, False)
    return float(width) / figure.dpi
