"""How the load lay on the workers, period by period, and what balancing it took."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from prk.kernel import Period


@dataclass(frozen=True)
class Balance:
    """The periods of all members: of each sample, each member's; and how long the samples took together."""

    samples: Sequence[Sequence[Sequence[Period]]]
    seconds: float

    def table(self) -> list[dict[str, Any]]:
        """Return it as a record holds it."""
        return [rows(members) for members in self.samples]

    def lines(self) -> list[str]:
        """Return what is printed: the busiest worker's load over the mean one, and the time balancing."""
        periods = [period for sample in self.table() for period in sample["periods"]]
        said = []
        for name, what in (("work", "work"), ("seconds", "time")):
            most, mean = (sum(period[name][value] for period in periods) for value in ("max", "mean"))
            if mean:
                said.append(f"Imbalance of {what} (maximum over mean) = {most / mean:.3f}")
        # Where it takes longest, most of it is waiting for those who still compute.
        lost = sum(period["balancing"]["min"] for period in periods)
        if lost and self.seconds:
            said.append(f"Time spent on balancing = {lost / self.seconds:.2%}")
        return said


def rows(members: Sequence[Sequence[Period]]) -> dict[str, Any]:
    """Return the periods of one sample over its workers, which members name where they move."""
    by_end: dict[int, dict[int, list[Period]]] = defaultdict(lambda: defaultdict(list))
    for rank, periods in enumerate(members):
        for period in periods:
            by_end[period.repetition][rank if period.worker is None else period.worker].append(period)
    workers = {worker for found in by_end.values() for worker in found}
    ends = sorted(by_end)
    table = [{"repetition": end, **_row(by_end[end], len(workers))} for end in ends]
    return {"workers": len(workers), "periods": table}


def _row(found: dict[int, list[Period]], workers: int) -> dict[str, Any]:
    """Return one period; a worker that had nothing to do in it counts as well."""
    work, seconds, balancing = (
        [sum(getattr(one, name) for one in several) for several in found.values()]
        for name in ("work", "seconds", "balancing")
    )
    everything = [one for several in found.values() for one in several]
    return {
        "work": {"max": max(work), "mean": sum(work) / workers},
        "seconds": {"max": max(seconds), "mean": sum(seconds) / workers},
        "balancing": {
            "max": max(balancing),
            "mean": sum(balancing) / len(balancing),
            "min": min(balancing),
        },
        "moved": sum(one.moved for one in everything),
        "held": max(one.held for one in everything),
    }
