"""Models: which one, how large a batch, forwards or in training; every member has a batch of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, ClassVar

import numpy as np

from prk.check import Check, Fields, Largest, Partial
from prk.coverage import Whole
from prk.metric import Metric
from prk.models import zoo
from prk.problem import Measured, Problem, Refusal, parameter

RATE = Metric("rate", "samples/s")
ARITHMETIC = Metric("arithmetic", "MFlops/s", 1e6, figure_unit="GFlop/s", figure_scale=1e3)
# By what a right run is recognised, and how far it may be from double precision: what single precision makes
# of hundreds of layers, and on the way back of batch norms and of ReLUs near 0 (ResNet-152 has 0.14).
CRITERIA = {"error of the outputs": 1e-3, "error of the gradients": 0.3}
# What PyTorch itself takes.
LIBRARY = 256 << 20


@dataclass(frozen=True, kw_only=True)
class Models(Problem):
    """Model, batch and direction of a run."""

    title: ClassVar[str] = "Models: networks with random weights"
    metrics: ClassVar[tuple[Metric, ...]] = (RATE, ARITHMETIC)
    requires: ClassVar[tuple[str, ...]] = ("torch", "sklearn")
    install: ClassVar[str] = (
        "pip install 'prk[ml]' --extra-index-url https://download.pytorch.org/whl/cpu (its CPU build)"
    )
    headings: ClassVar[Mapping[str, tuple[str, str]]] = {
        "model": ("model", ""),
        "batch": ("batch", "d"),
        "parameters": ("parameters", "d"),
        "flop": ("flop a batch", ".3g"),
        "read": ("bytes read", ".3g"),
        "written": ("written", ".3g"),
        "intensity": ("flop/byte", ".2f"),
        "time": ("time (ms)", ".3f"),
        "arithmetic": ("GFlop/s", ".2f"),
        "bandwidth": ("GB/s", ".2f"),
    }

    iterations: int = parameter(3, "timed batches; one more runs first, untimed", label="Number of batches")
    model: str = parameter("digits", f"what is run: {', '.join(zoo.names())}", label="Model")
    batch: int = parameter(1, "samples in a batch of each member", label="Batch", size=True)
    direction: str = parameter(
        "forward", "forwards only, or with the gradients of all weights", ("forward", "training"),
        label="Direction",
    )  # fmt: skip
    seed: int = parameter(1, "of weights and inputs", label="Seed")

    @property
    def training(self) -> bool:
        return self.direction == "training"

    @property
    def criteria(self) -> tuple[str, ...]:
        """Return by what this run is recognised as right."""
        return tuple(CRITERIA)[: 1 + self.training]

    @property
    def counts(self) -> Any:
        """Return what a batch takes. Imports PyTorch."""
        from prk.models import count

        return count.counts(self.model, self.batch, self.training)

    @property
    def _kept(self) -> int:
        """Return the bytes that all operators make on the way forwards, which the way back needs."""
        from prk.models import count

        made: int = count.counts(self.model, self.batch, False).written
        return made

    @property
    def work(self) -> int:
        return self.batch

    def work_of(self, size: int) -> int:
        return size * self.batch

    def memory(self, size: int) -> int:
        counts = self.counts
        # Weights in single precision beside double precision; in training, gradients and all that the way
        # back needs besides.
        weights = (12 + 20 * self.training) * counts.parameters
        passing = 3 * (self._kept if self.training else counts.largest)
        return weights + passing + 3 * counts.outside + LIBRARY

    def refuse(self, size: int) -> None:
        super().refuse(size)
        if self.model not in zoo.names():
            raise Refusal("--model", f"there is no {self.model!r}", f"use one of {', '.join(zoo.names())}")
        for option, value, least in (("--batch", self.batch, 1), ("--seed", self.seed, 0)):
            if value < least:
                raise Refusal(option, f"{value} is too small", f"use at least {least}")

    def draw(self, rank: int) -> list[np.ndarray]:
        """Return member `rank`'s inputs."""
        draw = np.random.default_rng((self.audit or self.seed, 1 + rank))
        return [
            draw.integers(0, i.below, i.shape) if i.below else draw.standard_normal(i.shape, np.float32)
            for i in zoo.model(self.model).inputs(self.batch)
        ]

    def tolerance(self, name: str) -> float:
        return CRITERIA.get(name, 1e-3)

    def whole(self, size: int) -> Mapping[str, Whole]:
        return {
            "outputs": Whole((size, self.counts.output), "float32"),
            "error": Whole((size, len(self.criteria)), "float32"),
        }

    def partial(self, parts: Fields) -> Partial:
        errors = parts["error"].values.max(axis=0, initial=0)
        # What is no number anywhere makes the first error none.
        lost = 0.0 if np.isfinite(parts["outputs"].values).all() else np.nan
        return {n: Largest(float(e) + lost) for n, e in zip(self.criteria, errors, strict=True)}

    def check(self, found: Partial) -> list[Check]:
        return [Check(name, found[name].value, self.tolerance(name)) for name in self.criteria]

    def values(self, case: Measured, size: int) -> dict[str, float]:
        found = {RATE.name: RATE.of(self.work_of(size), case.seconds)}
        if flop := self.counts.flop:
            found[ARITHMETIC.name] = ARITHMETIC.of(size * flop, case.seconds)
        return found

    def table(self, repeats: Sequence[Sequence[Measured]], size: int) -> list[dict[str, Any]]:
        """Return one row: what a batch takes, what all members together do, and what others published."""
        counts, own = self.counts, zoo.model(self.model)
        cases = [case for cases in repeats for case in cases]
        seconds, moved = median(case.seconds for case in cases), counts.read + counts.written
        valid = all(case.valid for case in cases)
        row = {
            "model": f"{self.model} {self.direction}",
            "dtype": "float32",
            "batch": self.batch,
            "parameters": counts.parameters,
            "flop": counts.flop,
            "read": counts.read,
            "written": counts.written,
            "intensity": counts.flop / moved,
            "flop/byte read": counts.flop / counts.read,
            "time": 1e3 * seconds,
            "arithmetic": size * counts.flop / seconds / 1e9 if valid else None,
            "bandwidth": size * moved / seconds / 1e9 if valid else None,
            **{f"{name} (%)": round(100 * share, 2) for name, share in self._shares(cases).items()},
            "published parameters": own.parameters or None,
        }
        if own.published:
            row |= {f"published {k}": v for k, v in own.published._asdict().items()}
            # Theirs as a part of what ours would be for their batch.
            row["published flop, of ours"] = (
                own.published.flop / own.published.batch / (counts.flop / self.batch)
            )
        return [row | ({"note": own.note} if own.note else {})]

    def _shares(self, cases: Sequence[Measured]) -> dict[str, float]:
        """Return each class's part of the time: the mean of all members and repeats."""
        found = [finding["shares"] for case in cases for finding in case.findings]
        return {name: float(np.mean([one[name] for one in found])) for name in found[0]}

    def summary(self, repeats: Sequence[Sequence[Measured]], size: int) -> dict[str, Any]:
        """Return where the time goes, and what others published, as lines."""
        cases, own, counts = [c for cases in repeats for c in cases], zoo.model(self.model), self.counts
        ordered = sorted(self._shares(cases).items(), key=lambda item: -item[1])
        found: dict[str, Any] = {
            "what it is": own.title,
            "share of the time": ", ".join(
                f"{name} {share:.1%}" for name, share in ordered if share > 0.0005
            ),
        }
        if own.parameters:
            found["parameters, published"] = own.parameters
        if published := own.published:
            theirs, ours = published.flop / published.batch, counts.flop / self.batch
            found["AI Matrix's flop a sample, of ours"] = f"{theirs / ours:.2f} ({theirs:.3g} of {ours:.3g})"
            read, reads = published.bytes / published.batch, counts.read / self.batch
            found["AI Matrix's bytes read a sample, of ours"] = (
                f"{read / reads:.2f} ({read:.3g} of {reads:.3g})"
            )
        return found
