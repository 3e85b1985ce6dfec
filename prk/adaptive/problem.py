"""Adaptive: a matrix whose tiles one member owns times a vector, the tiles made smaller while that pays.

The adaptive scheduler of the study's fifth chapter (ASAFESSS), on its example.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any, ClassVar

import numpy as np

from prk.adaptive import matrix
from prk.adaptive.matrix import Matrix
from prk.adaptive.optimisations import BY_NAME
from prk.check import Check, Fields, Partial
from prk.cost import Cost
from prk.coverage import Whole
from prk.metric import Metric
from prk.problem import Curve, Map, Measured, Problem, Refusal, parameter

RATE = Metric("rate", "tiles/s", figure_unit="ktiles/s", figure_scale=1e3)
# In the order in which a run measures them; what it states is of the last one.
MODES = ("dense", "sparse", "oracle", "adaptive")
PROBES = ("never", "every", "backoff", "sampled")
# Doubles hold all integers up to this one, and so does single precision up to the other.
EXACT, EXACT_32 = 2**53, 2**24
# Of a tile, which travels in one message: its words of 32 bits are counted by an int.
LONGEST_SIDE = 1 << 14
# Tasks whose types are kept.
LONGEST_WINDOW = 1 << 20
# What the maps lie over, and percent that adapting may cost.
LINKS, GOAL = ("link", "dense_share"), 5.0
# Rows of a recorded timeline.
ROWS = 64


@dataclass(frozen=True, kw_only=True)
class Adaptive(Problem):
    """The matrix, the link that its tiles pass, and how the scheduler decides; a case has one mode."""

    title: ClassVar[str] = "adaptive compression: tiles of one owner times a vector"
    metrics: ClassVar[tuple[Metric, ...]] = (RATE,)
    headings: ClassVar[Mapping[str, tuple[str, str]]] = {
        "mode": ("mode", ""),
        "time": ("time (ms)", ".3f"),
        "bytes": ("sent (B)", "d"),
        "dense": ("over dense (%)", ".1f"),
        "sparse": ("over sparse (%)", ".1f"),
        "loss": ("loss to the better (%)", ".1f"),
        "regret": ("regret (%)", ".1f"),
        "switches": ("switches", "d"),
        "on": ("time on (%)", ".1f"),
    }
    maps: ClassVar[tuple[Map, ...]] = (
        Map("gain over dense (%)", "dense", *LINKS, (57.0, 68.0), last=0.0),
        Map("gain over all-sparse (%)", "sparse", *LINKS, (15.0, 15.0), last=0.0),
        Map("loss to the better of both (%)", "loss", *LINKS, larger_is_better=False, last=0.0, goal=GOAL),
        Map("regret to the oracle (%)", "regret", *LINKS, larger_is_better=False, last=0.0, goal=GOAL),
        Map("regret to the oracle (%)", "regret", "alpha", "beta", larger_is_better=False),
        Map("regret to the oracle (%)", "regret", "probe", "phases", larger_is_better=False),
    )
    curves: ClassVar[tuple[Curve, ...]] = (Curve("mode timeline", "part on", "task", "timeline"),)

    scale: int = parameter(11, "the matrix has order 2^scale", label="Scale", size=True, exponent=True)
    edge_factor: int = parameter(16, "edges of a vertex of the graph", label="Edge factor")
    tile: int = parameter(128, "side of a tile", label="Tile")
    dense_share: float = parameter(0.2, "part of the tiles that are dense", label="Dense share")
    phases: int = parameter(
        0, "stretches of sparse and then of dense tiles in a repetition; 0: as they lie", label="Phases"
    )
    mode: str = parameter(
        "all", "dense or sparse always, as an oracle does, adaptive, or all", ("all", *MODES), label="Mode"
    )
    optimisations: str = parameter(
        "compression", "what may be done to a tile, by name, commas between", label="Optimisations"
    )
    threshold: int = parameter(128, "compress tiles with fewer non-zeros", label="Non-zeros of a dense tile")
    scan: str = parameter(
        "early", "whether the search for non-zeros ends at the threshold", ("early", "whole"), label="Scan"
    )
    alpha: float = parameter(1.0, "turn on below this r", label="Alpha")
    beta: float = parameter(1.05, "turn off above this r", label="Beta")
    window: int = parameter(16, "tasks in the scheduler's window", label="Window")
    probe: str = parameter("sampled", "when to try again what did not pay", PROBES, label="Probe")
    link: float = parameter(
        0.0, "GB/s of a slower link, emulated by pacing at the sender; 0: the real one", label="Link (GB/s)"
    )
    seed: int = parameter(1, "of the matrix", label="Seed")

    @property
    def matrix(self) -> Matrix:
        return matrix.made(self.scale, self.edge_factor, self.tile, self.dense_share, self.seed)

    @property
    def names(self) -> tuple[str, ...]:
        """Return the optimisations asked for, in the order in which they are applied."""
        asked, known = (name.strip() for name in self.optimisations.split(",")), [*BY_NAME]
        return tuple(sorted(filter(None, asked), key=lambda name: name in known and known.index(name)))

    @property
    def tile_bytes(self) -> int:
        return 8 * self.tile**2

    @property
    def work(self) -> int:
        return self.matrix.tiles

    def cases(self, size: int, number: int) -> "Sequence[Adaptive]":
        """Return the modes that are asked for, what is stated last."""
        return [replace(self, mode=mode) for mode in (MODES if self.mode == "all" else (self.mode,))]

    def sent(self, optimised: bool) -> np.ndarray:
        """Return the bytes of each tile's message where all optimisations are tried on it, or none."""
        nonzeros = self.matrix.nonzeros()
        found = np.full(nonzeros.size, self.tile_bytes)
        for name in self.names if optimised else ():
            found = BY_NAME[name].left(self, found, nonzeros)
        return found

    def cost(self, size: int, repetition: int = 1) -> Cost:
        if size == 1:
            # As one process models it: each tile is read where it lies.
            return Cost(flop=2 * int(self.matrix.nonzeros().sum()), bytes=8 * self.matrix.order**2)
        least = np.minimum(self.sent(False), self.sent(True))
        return Cost(
            flop=2 * int(self.matrix.nonzeros().sum()),
            messages=int(np.count_nonzero(least)),
            message_bytes=int(least.sum()),
            chain=2,
        )

    def memory(self, size: int) -> int:
        n = self.matrix.order
        # The owner's tiles; while they are drawn, the edges; one tile's messages; the window's tasks.
        edges = 8 * 5 * self.edge_factor * n
        window = 8 * self.window * (3 + 2 * len(self.names))
        return 8 * n * n + max(edges, 4 * self.tile_bytes) + 32 * n + window

    def refuse(self, size: int) -> None:
        super().refuse(size)
        self.refuse_matrix()
        self.refuse_rules()
        reached = matrix.LARGEST * (61 + self.repetitions) * self.repetitions << self.scale
        if reached > EXACT:
            raise Refusal("--iterations", f"sums reach {reached}, which no double holds exactly", "use fewer")

    def refuse_matrix(self) -> None:
        """Raise Refusal if there is no such matrix."""
        if not 0 <= self.scale <= 20:
            raise Refusal("--scale", f"{self.scale} is no scale of a dense matrix", "use 0 to 20")
        if self.tile < 1 or (1 << self.scale) % self.tile:
            works = f"use a power of two up to {1 << self.scale}"
            raise Refusal("--tile", f"{self.tile} does not divide {1 << self.scale} rows", works)
        if self.tile > LONGEST_SIDE:
            raise Refusal("--tile", f"no message holds {self.tile}^2 numbers", f"use at most {LONGEST_SIDE}")
        if self.edge_factor < 1:
            raise Refusal("--edge-factor", f"{self.edge_factor} is too small", "use at least 1")
        if not 0 <= self.dense_share <= 1:
            raise Refusal("--dense-share", f"{self.dense_share:g} is no part of the tiles", "use 0 to 1")
        if not 0 <= self.phases <= self.matrix.tiles:
            raise Refusal("--phases", f"{self.phases} of {self.matrix.tiles} tiles", "use 0 to as many")
        if self.seed < 0:
            raise Refusal("--seed", f"{self.seed} is negative", "use at least 0")

    def refuse_rules(self) -> None:
        """Raise Refusal if the scheduler could not decide by these."""
        for name in self.names:
            if name not in BY_NAME:
                works = f"use some of {', '.join(BY_NAME)}"
                raise Refusal("--optimisations", f"there is no {name!r}", works)
        if not self.names or len(set(self.names)) < len(self.names):
            raise Refusal("--optimisations", f"{self.optimisations!r} is none, or one twice", "name some")
        most = self.tile**2 // 2
        if not 0 <= self.threshold <= most:
            works = f"use 0 to {most}"
            raise Refusal("--threshold", f"a tile with {self.threshold} pairs would not be smaller", works)
        if "float32" in self.names and self.tile**2 > EXACT_32:
            raise Refusal(
                "--tile", f"single precision does not number {self.tile}^2 places", "use at most 4096"
            )
        if self.window < 1:
            raise Refusal("--window", f"{self.window} tasks are none", "use at least 1")
        if self.window > LONGEST_WINDOW:
            raise Refusal("--window", f"{self.window} tasks are too many", f"use at most {LONGEST_WINDOW}")
        if not 0 < self.alpha <= self.beta:
            raise Refusal(
                "--alpha",
                f"{self.alpha:g} (on below) and --beta {self.beta:g} (off above) are in the wrong order",
                "use 0 < alpha <= beta",
            )
        if self.link < 0:
            raise Refusal("--link", f"{self.link:g} GB/s is negative", "use 0 for the real link")

    def tolerance(self, name: str) -> float:
        return 0.0

    def whole(self, size: int) -> Mapping[str, Whole]:
        m = self.matrix
        return {
            "matrix": Whole((m.side, m.side, m.tile, m.tile)),
            "vector": Whole((m.order,)),
            "result": Whole((m.order,)),
        }

    def partial(self, parts: Fields) -> Partial:
        return {name: self._wrong(name, parts[name].values) for name in ("matrix", "vector", "result")}

    def _wrong(self, name: str, values: np.ndarray) -> int:
        """Count the wrong elements of a field, which the owner has whole and the others nothing of."""
        if not values.size:
            return 0
        m, count = self.matrix, self.repetitions
        if name == "matrix":
            return sum(int((row != m.row_of_tiles(i)).sum()) for i, row in enumerate(values))
        if name == "vector":
            return int((values != matrix.start(m.order) + count).sum())
        # The sum of the vectors of all repetitions.
        summed = count * matrix.start(m.order) + count * (count + 1) // 2
        return int((values != m.product(summed)).sum())

    def check(self, found: Partial) -> list[Check]:
        return [Check(f"wrong elements of the {name}", float(n), 0.0) for name, n in found.items()]

    def table(self, repeats: Sequence[Sequence[Measured]], size: int) -> list[dict[str, Any]]:
        modes = [case.mode for case in self.cases(size, 0)]
        right = all(case.valid for repeat in repeats for case in repeat)
        # Of each repeat the seconds by mode: what one gains over another is by the times of one launch.
        seconds = [dict(zip(modes, (case.seconds for case in repeat), strict=True)) for repeat in repeats]
        rows = []
        for mode, cases in zip(modes, zip(*repeats, strict=True), strict=True):
            own = [case.findings[0] for case in cases]
            gains = {other: gain(seconds, mode, other) if right else None for other in MODES[:-1]}
            rows.append(
                {
                    "mode": mode,
                    "time": 1e3 * median(case.seconds for case in cases),
                    "bytes": round(median(one["bytes"] for one in own)),
                    "dense": gains["dense"],
                    "sparse": gains["sparse"],
                    "loss": loss(seconds, mode) if right else None,
                    "regret": gain(seconds, "oracle", mode) if gains["oracle"] is not None else None,
                    "switches": round(median(one["switches"] for one in own)),
                    "on": 100 * median(one["on"] for one in own),
                }
            )
        return rows

    def summary(self, repeats: Sequence[Sequence[Measured]], size: int) -> dict[str, Any]:
        owner = self.stated([*repeats[0]])[-1].findings[0]
        link = f"{self.link:g} GB/s, emulated by pacing at the sender" if self.link else "the real one"
        spent = {f"time with {names} (s)": round(seconds, 6) for names, seconds in owner["modes"].items()}
        return {"link": link, **spent, "timeline": owner["timeline"]}


def gain(seconds: Sequence[Mapping[str, float]], mode: str, other: str) -> float | None:
    """Return by how many percent more time another mode takes; None but for the adaptive one, beside it."""
    if "adaptive" not in (mode, other) or not all({mode, other} <= each.keys() for each in seconds):
        return None
    return 100 * (median(each[other] / each[mode] for each in seconds) - 1)


def loss(seconds: Sequence[Mapping[str, float]], mode: str) -> float | None:
    """Return by how many percent more time the adaptive mode takes than the better of dense and sparse."""
    if mode != "adaptive" or not all({"dense", "sparse"} <= each.keys() for each in seconds):
        return None
    return 100 * (median(each[mode] / min(each["dense"], each["sparse"]) for each in seconds) - 1)
