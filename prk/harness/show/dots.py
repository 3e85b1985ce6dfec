"""A panel as rows of dots, a row a series: for one count or two, where a curve would show nothing."""

import textwrap
from collections.abc import Callable
from typing import Any

from prk.harness.analyse.curves import Dot, Panel, Series
from prk.harness.show import lines, table

# Inches of a row, for each line of its label, and of the head of a block; from a row's middle to its samples.
ROW, HEAD, UNDER = 0.25, 0.27, 0.075
SIZE, MOST_LETTERS = 9.5, 32


def room(panel: Panel, width: Callable[[str, float], float]) -> tuple[float, float, float]:
    """Return the inches left and right of the axes, for labels and values, and their height."""
    left = max(width(line, SIZE) for s in panel.series for line in _label(s).split("\n"))
    right = max(width(_stated(d), SIZE - 1) for s in panel.series for d in s.dots)
    return left + 0.22, right + 0.2, sum(_height(one) for _, one, _ in _rows(panel)) + 0.08


def draw(axes: Any, panel: Panel) -> None:
    """Draw a block of rows for each count into the axes, from the top."""
    rows = _rows(panel)
    axes.set_ylim(sum(_height(one) for _, one, _ in rows) + 0.08, 0)
    _scale(axes, panel)
    y, ticks = 0.0, {}
    blocks: dict[float, tuple[float, float]] = {}
    for x, one, dot in rows:
        middle, top = y + _height(one) / 2, y
        y += _height(one)
        blocks[x] = blocks.get(x, (y, y))[0], y
        if one is None:
            side = axes.get_yaxis_transform()
            axes.text(
                0.01, middle, _counted(x, panel), transform=side, va="center", weight="bold", fontsize=SIZE
            )
            axes.axhline(top, color="#dddddd", linewidth=0.6)
        else:
            ticks[middle] = _label(one)
            _row(axes, panel, one, dot, middle)
    _compared(axes, panel, blocks)
    axes.set_yticks(list(ticks), list(ticks.values()), fontsize=SIZE)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")


def _rows(panel: Panel) -> list[tuple[float, Series | None, Dot | None]]:
    """Return every row: a count's head, then each series with its dot, or with none where it is missing."""
    found: list[tuple[float, Series | None, Dot | None]] = []
    for x in lines.counts(panel):
        if _given(panel, x):
            continue
        found.append((x, None, None))
        for one in panel.series:
            found += [(x, one, dot) for dot in one.dots if dot.x == x]
            found += [(x, one, None) for at, _ in one.gaps if at == x]
    return found


def _given(panel: Panel, x: float) -> bool:
    """Tell whether all at a count is 1 by definition, being the base of the others."""
    own = [d for s in panel.series for d in s.dots if d.x == x]
    gaps = any(at == x for s in panel.series for at, _ in s.gaps)
    return bool(own) and not gaps and all(d.y == 1.0 and not d.interval for d in own)


def _height(one: Series | None) -> float:
    return ROW * (_label(one).count("\n") + 1) if one else HEAD


def _label(one: Series) -> str:
    return "\n".join(textwrap.wrap(one.label, MOST_LETTERS))


def _counted(x: float, panel: Panel) -> str:
    """Return the head of a block, as: 2 cores."""
    said = lines.whole(x, panel.x_label)
    if panel.x_label in ("cores", "nodes"):
        return f"{said} {panel.x_label.removesuffix('s') if x == 1 else panel.x_label}"
    return f"{panel.x_label}: {said}"


def _scale(axes: Any, panel: Panel) -> None:
    """Scale the values as curves are, but let them fill the width where they are close together."""
    found = lines.values(panel)
    lines.scale(axes.xaxis, axes.set_xscale, axes.set_xlim, found)
    said = panel.y_label
    if min(found) > 0.6 * max(found):
        spare = 0.12 * (max(found) - min(found)) or 0.1 * max(found)
        axes.set_xlim(min(found) - spare, max(found) + spare)
        said += "; axis not from 0"
    if axes.get_xscale() == "linear":
        # Of rates the numbers are long.
        axes.locator_params(axis="x", nbins=5)
    # It may be longer than the axes, and there is room at the left.
    axes.set_xlabel(textwrap.fill(said, 56), loc="right")


def _row(axes: Any, panel: Panel, one: Series, dot: Dot | None, y: float) -> None:
    """Draw a row: samples, interval, marker and value; or what became of the launches."""
    look = lines.marker(one, lines.variant_of(panel, one))
    beside = {"transform": axes.get_yaxis_transform(), "va": "center", "fontsize": SIZE - 1}
    if dot is None:
        why = next(why for _, why in one.gaps)
        axes.text(0.02, y, why, color="#b00020", gid=f"gap {one.label}", **beside)
        return
    under = [y + UNDER] * len(dot.samples)
    axes.plot(dot.samples, under, gid=f"samples {one.label}", **lines.small(one))
    if dot.interval:
        ends = [dot.interval.low, dot.interval.high]
        axes.plot(ends, [y, y], gid=f"interval {one.label}", color=look["color"], **BAR)
    axes.plot([dot.y], [y], linestyle="none", gid=one.label, zorder=3, **look)
    if dot.flagged:
        axes.plot([dot.y], [y], gid=f"flagged {one.label}", **lines.RING)
    axes.text(1.02, y, _stated(dot), color="#222222", gid=f"value {one.label}", **beside)


BAR: dict[str, Any] = {"linewidth": 1.4, "marker": "|", "markersize": 7, "zorder": 2.5}


def _stated(dot: Dot) -> str:
    """Return the value, and of how many launches it is where some are missing."""
    return f"{table.shown(dot.y)}{f' ({dot.partly})' if dot.partly else ''}"


def _compared(axes: Any, panel: Panel, blocks: dict[float, tuple[float, float]]) -> None:
    """Draw what to compare with as a piece of a vertical line in each block."""
    for label, points in panel.lines.items():
        said = label
        for x, value in points:
            if x in blocks:
                axes.plot([value, value], blocks[x], label=said, zorder=1, **lines.look(label))
                # One entry in the legend.
                said = "_"
