"""One look for each runtime in every figure: colour, marker and dash, told apart in print in grey too.

The colours are Okabe and Ito's, which the colour-blind can tell apart, with three dark ones more.
"""

import zlib
from dataclasses import dataclass
from functools import cache
from typing import Any

from prk.problem import Refusal
from prk.run import registry

FORMATS = ("png", "svg", "pdf")


@dataclass(frozen=True)
class Style:
    """How a runtime is drawn; the dash is in units of the line's width, () is a solid line."""

    colour: str
    marker: str
    dash: tuple[float, ...]


# For programs of others, and runtimes that state no look of their own.
OTHERS = (
    Style("#000000", "h", (9, 2)),
    Style("#aa4499", "<", (3, 1, 3, 2.4)),
    Style("#44617b", ">", (6, 1, 1, 1, 1, 2)),
)


@cache
def of(runtime: str) -> Style:
    """Return the look of a runtime; the same for a name in all figures, whatever else is in them."""
    return _own(runtime) or OTHERS[zlib.crc32(runtime.encode()) % len(OTHERS)]


def _own(runtime: str) -> Style | None:
    """Return the look that a runtime states, if it is one that can be imported and states any."""
    try:
        look = registry.runtime(runtime).look if runtime in registry.runtimes() else None
    except Refusal:
        return None
    return Style(*look) if look else None


RC: Any = {
    "font.size": 10.5,
    "font.family": "DejaVu Sans",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#444444",
    "axes.linewidth": 0.8,
    "axes.labelcolor": "#222222",
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.handlelength": 3.4,
    "legend.fontsize": 9.5,
    "lines.linewidth": 1.6,
    "lines.markersize": 6,
    "figure.dpi": 100,
    "savefig.dpi": 200,
    "svg.fonttype": "path",
    # TrueType: a publisher's checks refuse the other kind.
    "pdf.fonttype": 42,
}
