"""A panel as a map: a value in colour and in figures at each pair of two parameters' values."""

import textwrap
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from prk.harness.analyse.curves import Panel
from prk.harness.show import table

# Inches.
LEFT, RIGHT, ROW, LEAST = 0.95, 0.2, 0.42, 1.4
SIZE = 8.5


def room(panel: Panel, width: Callable[[str, float], float]) -> tuple[float, float, float]:
    """Return the inches left and right of the axes, and their height."""
    return LEFT, RIGHT, max(LEAST, ROW * len(places(panel, 1)))


def places(panel: Panel, axis: int) -> list[Any]:
    """Return what there is along an axis: numbers in their order, words as they come."""
    found = list(dict.fromkeys(cell[axis] for cell in panel.cells))
    if any(isinstance(one, str) for one in found):
        return found
    return sorted(found, key=lambda one: (axis == 0 and one == panel.last, one))


def draw(axes: Any, panel: Panel) -> None:
    """Draw the cells, blue where it is better than zero, and lines where values reach what is published."""
    xs, ys = places(panel, 0), places(panel, 1)
    values = np.array([[panel.cells.get((x, y), np.nan) for x in xs] for y in ys])
    # Pale enough for the figures to be read.
    most = 1.5 * float(np.nanmax(np.abs(values))) or 1.0
    how = {"vmin": -most, "vmax": most, "origin": "lower", "aspect": "auto"}
    axes.imshow(panel.better * values, cmap="RdBu", **how)
    for (x, y), value in panel.cells.items():
        said = table.shown(value) if abs(value) >= 0.05 else "0"
        axes.text(
            xs.index(x), ys.index(y), said, ha="center", va="center", fontsize=SIZE, gid=f"cell {x} {y}"
        )
    if panel.marked and min(values.shape) > 1:
        published(axes, values, sorted({*panel.marked}))
    for name, ticks, label in (("x", xs, panel.x_label), ("y", ys, panel.y_label)):
        getattr(axes, f"set_{name}ticks")(range(len(ticks)), [_text(one) for one in ticks])
        getattr(axes, f"set_{name}label")(textwrap.fill(label, 42))
    axes.grid(visible=False)


def published(axes: Any, values: np.ndarray, levels: Sequence[float]) -> None:
    """Draw lines between the cells' middles where a value would be one of the levels."""
    within = [level for level in levels if np.nanmin(values) <= level <= np.nanmax(values)]
    if within:
        lines = axes.contour(values, levels=within, colors="#222222", linewidths=1.2, linestyles="dashed")
        axes.clabel(lines, fmt="%g", fontsize=SIZE)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:g}"
