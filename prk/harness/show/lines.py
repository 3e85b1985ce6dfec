"""A panel as curves: what is measured over cores, nodes or sizes."""

import textwrap
from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

from prk.harness.analyse.curves import Panel, Series
from prk.harness.show import style

# Which half of the marker has colour, from a runtime's third series on.
HALVES: tuple[Any, ...] = ("full", "full", "top", "left", "bottom", "right")
LEFT, RIGHT, HEIGHT = 0.82, 0.15, 3.1
# What stands left of the axes besides numbers.
LABEL = 0.36
# Samples from which on an SVG holds them as one picture.
MANY = 3000


def room(panel: Panel, width: Callable[[str, float], float]) -> tuple[float, float, float]:
    """Return the inches left and right of the axes, and their height."""
    widest = width(f"{int(1.08 * max(values(panel))):,}", style.RC["font.size"])
    return max(LEFT, widest + LABEL), RIGHT, HEIGHT


def draw(axes: Any, panel: Panel) -> None:
    """Draw the panel's curves into the axes."""
    _axes(axes, panel)
    compared(axes, panel)
    many = sum(len(d.samples) for s in panel.series for d in s.dots) > MANY
    for number, one in enumerate(panel.series):
        # On a linear axis a factor would move what is far to the right further than to the next place.
        dodge = 1.0 if panel.linear else _dodge(number, len(panel.series))
        _samples(axes, one, dodge, many)
        _series(axes, one, dodge, variant_of(panel, one))
        _marks(axes, one, dodge)
    _gaps(axes, panel)


def _axes(axes: Any, panel: Panel) -> None:
    """Scale the axes: logarithmic along x; y from zero, or logarithmic where it spans decades."""
    xs = counts(panel)
    last = max(xs[-1], *panel.limits.values()) if panel.limits else xs[-1]
    if panel.linear and not panel.first and any(x % 1 for x in xs):
        # It is measured, too.
        scale(axes.xaxis, axes.set_xscale, axes.set_xlim, [xs[0], last])
    else:
        if not panel.linear:
            axes.set_xscale("log", base=2)
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: whole(x, panel.x_label)))
        axes.set_xlim(*(_span(panel.first, last) if panel.linear else (xs[0] / 1.35, last * 1.35)))
        axes.xaxis.set_major_locator(FixedLocator(_apart(axes, xs, panel.x_label)))
    scale(axes.yaxis, axes.set_yscale, axes.set_ylim, values(panel))
    axes.set_xlabel(panel.x_label)
    axes.set_ylabel(textwrap.fill(panel.y_label, 42))


def _span(first: float, last: float) -> tuple[float, float]:
    """Return the ends of a linear axis, which begins at 0, or a little before where else values begin."""
    spare = 0.02 * (last - first)
    return first - spare if first else 0.0, last + spare


def counts(panel: Panel) -> list[float]:
    """Return every place along x where something was measured, or is missing."""
    return sorted({x for s in panel.series for x in (*(d.x for d in s.dots), *(at for at, _ in s.gaps))})


def values(panel: Panel) -> list[float]:
    """Return everything that is drawn along y: samples, ends of bars, and other lines."""
    found = [y for s in panel.series for d in s.dots for y in (d.y, *d.samples)]
    ends = [d.interval for s in panel.series for d in s.dots if d.interval]
    others = [y for line in panel.lines.values() for _, y in line]
    return [*found, *(i.low for i in ends), *(i.high for i in ends), *others]


def scale(axis: Any, set_scale: Any, set_limits: Any, ys: Sequence[float]) -> None:
    """Let an axis begin at zero, or be logarithmic where the values span decades; write plain numbers."""
    if max(ys) > 30 * min(ys) > 0:
        set_scale("log")
        set_limits(min(ys) / 1.3, max(ys) * 1.3)
        # Numbers beside each other take more room than those above each other.
        most, subs = (300, (1.0, 3.0)) if axis.axis_name == "x" else (3000, (1.0, 2.0, 5.0))
        axis.set_major_locator(LogLocator(subs=subs if max(ys) < most * min(ys) else (1.0,)))
        axis.set_minor_formatter(NullFormatter())
    else:
        set_limits(min(0.0, 1.08 * min(ys)), max(0.0, 1.08 * max(ys)) or 1.0)
    axis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:,.10g}"))


def whole(x: float, label: str) -> str:
    """Return a number of the x axis: bytes with the binary prefix that keeps them short, counts in full."""
    if label.endswith("(B)"):
        for prefix, step in (("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)):
            if x >= step and x % step == 0:
                return f"{x / step:,g} {prefix}"
    return f"{x:,.10g}" if x == int(x) else f"{x:,.4g}"


def _apart(axes: Any, xs: Sequence[float], label: str) -> list[float]:
    """Return the numbers that can be written below the x axis without touching: the ends first."""
    figure = axes.figure
    pixels = {x: axes.transData.transform((x, 1))[0] for x in xs}
    renderer = figure.canvas.get_renderer()
    texts = {x: axes.text(x, 1, whole(x, label)) for x in xs}
    wide = {x: t.get_window_extent(renderer).width / 2 + 4 for x, t in texts.items()}
    for text in texts.values():
        text.remove()
    kept = [xs[-1]]
    for x in xs:
        if all(abs(pixels[x] - pixels[k]) >= wide[x] + wide[k] for k in kept):
            kept.append(x)
    return sorted(kept)


def compared(axes: Any, panel: Panel) -> None:
    """Draw the ideal line thin and grey, the bound as a dark line."""
    for label, points in panel.lines.items():
        x0, x1 = axes.get_xlim()
        xs, ys = [x for x, _ in points], [y for _, y in points]
        if len(set(ys)) == 1:
            xs, ys = [x0, x1], [ys[0], ys[0]]
        axes.plot(xs, ys, label=label, zorder=1, **look(label))
    for label, x in panel.limits.items():
        axes.axvline(x, label=label, zorder=1, gid=f"limit {label}", **look(label))


def look(label: str) -> dict[str, Any]:
    """Return how a line to compare with is drawn."""
    if label.startswith("bound"):
        return {"color": "#222222", "linewidth": 1.1, "linestyle": (0, (2, 1))}
    return {"color": "#888888", "linewidth": 1.0, "linestyle": (0, (6, 3))}


def _dodge(number: int, of: int) -> float:
    """Return the factor that moves a series aside a little, so that equal values stay visible."""
    return 2 ** ((number - (of - 1) / 2) * min(0.03, 0.24 / max(of, 1)))


def variant_of(panel: Panel, one: Series) -> int:
    """Return 0 for the first series of one look in the panel, 1 for the second, and so on."""
    own = style.of(one.runtime)
    alike = [s for s in panel.series if style.of(s.runtime) == own and s.predicted == one.predicted]
    return [s.label for s in alike].index(one.label)


def marker(one: Series, variant: int) -> dict[str, Any]:
    """Return a series' marker; a runtime's variants differ by what of it is hollow."""
    colour = style.of(one.runtime).colour
    if one.predicted:
        # A star for all runtimes: it is to be seen at once that nothing was measured.
        filled = colour if variant else "white"
        return {"color": colour, "marker": "*", "markersize": 8 + 2 * variant, "markerfacecolor": filled}
    return {
        "color": colour,
        "marker": style.of(one.runtime).marker,
        "markerfacecolor": "white" if variant == 1 else colour,
        "markerfacecoloralt": "white",
        "fillstyle": HALVES[variant % len(HALVES)],
        "markersize": style.RC["lines.markersize"] + (variant > 1) * 2.5,
    }


def _samples(axes: Any, one: Series, dodge: float, many: bool) -> None:
    """Draw every sample."""
    xs = [d.x * dodge for d in one.dots for _ in d.samples]
    ys = [y for d in one.dots for y in d.samples]
    axes.plot(xs, ys, rasterized=many, gid=f"samples {one.label}", **small(one))


def small(one: Series) -> dict[str, Any]:
    """Return how a series' samples are drawn: small, and darker where several are equal."""
    look = {"linestyle": "none", "marker": "o", "markersize": 2.8, "markeredgewidth": 0}
    return {**look, "color": style.of(one.runtime).colour, "alpha": 0.45, "zorder": 2}


def _series(axes: Any, one: Series, dodge: float, variant: int) -> None:
    """Draw a runtime's curve, broken at its gaps, with its intervals."""
    places = {d.x: d for d in one.dots} | {x: None for x, _ in one.gaps}
    xs, nan = sorted(places), float("nan")
    found = [places[x] for x in xs]
    bars = [
        (max(d.y - d.interval.low, 0), max(d.interval.high - d.y, 0)) if d and d.interval else (nan, nan)
        for d in found
    ]
    if one.predicted:
        looks = {"linestyle": (0, (1, 1.6)), "label": one.label, "zorder": 3, **marker(one, variant)}
        axes.plot([x * dodge for x in xs], [d.y if d else nan for d in found], gid=one.label, **looks)
        return
    dash = style.of(one.runtime).dash
    axes.errorbar(
        [x * dodge for x in xs],
        [d.y if d else nan for d in found],
        yerr=list(zip(*bars, strict=True)) or None,
        label=one.label,
        linestyle=(0, dash) if dash else "-",
        elinewidth=1.0,
        capsize=2.5,
        zorder=3,
        **marker(one, variant),
    )


def _marks(axes: Any, one: Series, dodge: float) -> None:
    """Ring what is not to be believed without a word; say of how many launches a value is that lacks some."""
    flagged = [d for d in one.dots if d.flagged]
    if flagged:
        axes.plot([d.x * dodge for d in flagged], [d.y for d in flagged], gid=f"flagged {one.label}", **RING)
    for d in one.dots:
        if d.partly:
            axes.annotate(
                d.partly,
                (d.x * dodge, d.y),
                xytext=(7, 7),
                textcoords="offset points",
                fontsize=8.5,
                color="#222222",
                bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.6},
                zorder=6,
                gid=f"partly {one.label}",
            )


RING: dict[str, Any] = {
    "linestyle": "none",
    "marker": "o",
    "markersize": 12,
    "markerfacecolor": "none",
    "markeredgecolor": "#b00020",
    "zorder": 4,
}


def _gaps(axes: Any, panel: Panel) -> None:
    """Mark what is missing by a cross at the foot of the axes, in the runtime's colour."""
    stacked: dict[float, int] = {}
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
