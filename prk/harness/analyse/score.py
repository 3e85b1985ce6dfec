"""What trainings under MLPerf-style rules come to: the olympic mean, and whether it counts. Pure."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median, pstdev

# Seconds that a training may take before its clock starts.
INITIALISATION = 1200.0


@dataclass(frozen=True)
class Training:
    """One training; it took infinitely long if it missed its target."""

    seed: int
    seconds: float
    epochs: float
    # Samples a second in its steps.
    rate: float
    # Seconds before its clock, and when that started, in seconds since the epoch.
    initialisation: float
    started: float
    # What is wrong with its log.
    wrong: tuple[str, ...] = ()

    @property
    def missed(self) -> bool:
        return math.isinf(self.seconds)


@dataclass(frozen=True)
class Score:
    """The result of a set of trainings; none unless `why`, what makes it invalid, is empty."""

    # The window of trainings that it is of, in the order in which they ran.
    window: tuple[Training, ...]
    seconds: float | None
    why: tuple[str, ...]


def olympic(values: Sequence[float]) -> float:
    """Return the mean without the smallest and the largest value; three values at least."""
    return fmean(sorted(values)[1:-1])


def windows(trainings: Sequence[Training], runs: int) -> list[tuple[Training, ...]]:
    """Return every `runs` trainings that ran one after another."""
    ordered = sorted(trainings, key=lambda t: (t.started, t.seed))
    return [tuple(ordered[i : i + runs]) for i in range(len(ordered) - runs + 1)]


def score(trainings: Sequence[Training], runs: int, troubles: Sequence[str] = ()) -> Score:
    """Return the score of trainings of which a result takes `runs`.

    One of a window's runs that missed the target counts as its slowest; two make it infinite. Of several
    windows the median one counts, of an even number the slower in the middle. `troubles` are known before.
    """
    why = [*troubles]
    twice = sorted(seed for seed, n in Counter(t.seed for t in trainings).items() if n > 1)
    if twice:
        why.append(f"seeds that several runs have: {', '.join(map(str, twice))}")
    for one in trainings:
        if one.initialisation > INITIALISATION:
            why.append(
                f"seed {one.seed}: {one.initialisation:.0f} s of initialisation, "
                f"{INITIALISATION:.0f} s are allowed"
            )
        why += [f"seed {one.seed}: {wrong}" for wrong in one.wrong]
    found = sorted(windows(trainings, runs), key=lambda w: olympic([t.seconds for t in w]))
    if not found:
        why.append(f"{len(trainings)} of {runs} runs")
        return Score(tuple(trainings), None, tuple(why))
    window = found[len(found) // 2]
    seconds = olympic([t.seconds for t in window])
    if math.isinf(seconds):
        why.append(f"{sum(t.missed for t in window)} of {runs} runs missed the target, 1 may")
    return Score(window, None if why else seconds, tuple(why))


def rate(trainings: Sequence[Training]) -> float | None:
    """Return the median of the samples a second."""
    return median(t.rate for t in trainings) if trainings else None


def variation(trainings: Sequence[Training]) -> float | None:
    """Return standard deviation / mean of the epochs to the target, of those that reached it."""
    epochs = [t.epochs for t in trainings if not t.missed]
    return pstdev(epochs) / fmean(epochs) if len(epochs) > 1 else None


@dataclass(frozen=True)
class Weak:
    """The throughput of trainings at once, as MLPerf HPC states it: (T, S, M', TTTa)."""

    # Ranks of the instances that ran at the same time, and of one.
    total: int
    instance: int
    # How many reached their target, and the seconds from the first one's start to the last one's end.
    models: int
    seconds: float

    @property
    def rate(self) -> float:
        """Return models a minute."""
        return 60 * self.models / self.seconds


def weak(trainings: Sequence[Training], instance: int) -> Weak | None:
    """Return what instances of `instance` ranks reached together; None if no one reached its target."""
    reached = [t for t in trainings if not t.missed]
    if not reached:
        return None
    ends = {t: t.started + t.seconds for t in reached}
    # An instance that ends when another one starts makes room for it.
    most = max(sum(o.started <= t.started < ends[o] for o in reached) for t in reached)
    seconds = max(ends.values()) - min(t.started for t in reached)
    return Weak(most * instance, instance, len(reached), seconds)
