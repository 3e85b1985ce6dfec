"""One look for each runtime in every figure: colour, marker and dash, told apart in print in grey too.

The colours are Okabe and Ito's, which the colour-blind can tell apart, with three dark ones more.
"""

import zlib
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Style:
    """How a runtime is drawn; the dash is in units of the line's width, () is a solid line."""

    colour: str
    marker: str
    dash: tuple[float, ...]


KNOWN = {
    "serial": Style("#6b6b6b", "*", (1, 1.2)),
    "mpi1": Style("#0072b2", "o", ()),
    "mpirma": Style("#d55e00", "s", (5, 1.6)),
    "mpishm": Style("#009e73", "^", (4, 1.2, 1, 1.2)),
    "shmem": Style("#cc79a7", "D", (2.5, 1.2)),
    "mpithreads": Style("#b27d00", "v", (7, 1.6)),
    "numba": Style("#3aa0d8", "P", (7, 1.4, 2, 1.4)),
    "charm4py": Style("#332288", "X", (5, 1.2, 1, 1.2, 1, 1.2)),
    "dask": Style("#117733", "p", (1.2, 2.2)),
}
# For programs of others, and runtimes of other packages.
OTHERS = (
    Style("#000000", "h", (9, 2)),
    Style("#aa4499", "<", (3, 1, 3, 2.4)),
    Style("#44617b", ">", (6, 1, 1, 1, 1, 2)),
    Style("#7a5230", "d", (2, 2.4, 5, 1.6)),
    Style("#5b3f8c", "8", (8, 1.2, 1, 1.2)),
)


def of(runtime: str) -> Style:
    """Return the look of a runtime; the same for a name in all figures, whatever else is in them."""
    return KNOWN.get(runtime) or OTHERS[zlib.crc32(runtime.encode()) % len(OTHERS)]


RC: Any = {
    "font.size": 9,
    "font.family": "DejaVu Sans",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#444444",
    "axes.linewidth": 0.8,
    "axes.labelcolor": "#222222",
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.handlelength": 3.4,
    "lines.linewidth": 1.6,
    "lines.markersize": 5.5,
    "figure.dpi": 100,
    "savefig.dpi": 200,
    "svg.fonttype": "path",
    # TrueType: a publisher's checks refuse the other kind.
    "pdf.fonttype": 42,
}
