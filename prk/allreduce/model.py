"""Latency and bandwidth from a table of sizes and times, and where two of them cross. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# A size is noisy if a repetition in twenty took so many times as long as the median one.
SPREAD = 2.0
# A run is noisy if more than this part of its sizes is.
NOISY = 0.25
FEWEST = 3
# Sizes up to so many times the smallest give the latency, down to such a part of the largest the bandwidth.
WIDTH = 64


@dataclass(frozen=True)
class Fit:
    """time = latency + bytes / bandwidth, in seconds and bytes a second; its largest relative deviation."""

    latency: float
    bandwidth: float
    deviation: float

    def seconds(self, size: float) -> float:
        return self.latency + size / self.bandwidth

    def __str__(self) -> str:
        return (
            f"latency {self.latency * 1e6:.2f} us, bandwidth {self.bandwidth / 1e9:.3f} GB/s, "
            f"half of it at {self.latency * self.bandwidth:.0f} B, within {self.deviation:.0%}"
        )


def refused(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """Say why a table must not be fitted, or return None."""
    if len(rows) < FEWEST:
        return f"{len(rows)} sizes are too few, use at least {FEWEST}"
    noisy = [row["bytes"] for row in rows if row["p95"] > SPREAD * row["p50"]]
    if len(noisy) > NOISY * len(rows):
        return f"noisy: p95 is more than {SPREAD:g} x p50 at {len(noisy)} of {len(rows)} sizes"
    return None


def line(rows: Sequence[Mapping[str, Any]]) -> Fit:
    """Return the line through both ends of the table: latency of small messages, bandwidth of large ones.

    One fit over all sizes would follow neither: between the ends the protocols and the caches change.
    """
    ordered = sorted(rows, key=lambda row: row["bytes"])
    sizes = np.array([row["bytes"] for row in ordered], float)
    seconds = np.array([row["p50"] for row in ordered]) / 1e6
    small, large = sizes <= sizes[0] * WIDTH, sizes >= sizes[-1] / WIDTH
    # Where even the smallest message takes as long as the largest, half of the time is counted as transfer.
    waiting = np.minimum(seconds[small].min(), seconds[large] / 2)
    bandwidth = float(np.median(sizes[large] / (seconds[large] - waiting)))
    latency = max(0.0, float(np.median(seconds[small] - sizes[small] / bandwidth)))
    return Fit(latency, bandwidth, float(np.abs((latency + sizes / bandwidth) / seconds - 1).max()))


def crossover(a: Fit, b: Fit) -> float | None:
    """Return the size in bytes at which both take equally long, or None if one is faster at every size."""
    slope = 1 / a.bandwidth - 1 / b.bandwidth
    size = (b.latency - a.latency) / slope if slope else -1.0
    return size if size > 0 else None


def described(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the fit of one table for print and record, or why there is none."""
    why = refused(rows)
    if why:
        return {"fit": f"refused, {why}"}
    found = line(rows)
    return {
        "fit": str(found),
        "latency (us)": found.latency * 1e6,
        "bandwidth (GB/s)": found.bandwidth / 1e9,
        "deviation": found.deviation,
    }
