"""What a run lost with its members, and what that took. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import mean, median
from typing import Any, NamedTuple

from prk.problem import Problem
from prk.run.faults.options import Faults
from prk.run.faults.victims import Process


class Lap(NamedTuple):
    """A repetition: how many failures were before it, its number, its seconds."""

    failures: int
    repetition: int
    seconds: float


@dataclass
class Failure:
    """Members that died together, as one of those knows it who are left; times by the node's clock.

    reached: the repetition that it was in. An attempt to go on that fails itself has no `restored`.
    """

    dead: list[int]
    caught: float | None
    # None where a member came only afterwards.
    agreed: float | None
    reached: int | None
    members: int
    repaired: float | None = None
    restored: float | None = None
    resumed: int | None = None


@dataclass
class Times:
    """What one process knows of the run."""

    started: float | None = None
    ended: float | None = None
    checked: float | None = None
    caught: float | None = None
    compile: float = 0.0
    setup: float = 0.0
    warmup: float = 0.0
    laps: list[Lap] = field(default_factory=list)
    checkpoints: list[float] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


@dataclass(frozen=True)
class Account:
    """The whole run's account, equal on all who are left."""

    plan: Faults
    # Members that computed when it started, and that compute now; all that there were.
    members: int
    left: int
    launched: int
    failures: tuple[Mapping[str, Any], ...]
    # Checkpoints and the seconds of each; seconds of a repetition by itself, and of all with all else.
    checkpoints: int
    checkpoint: float
    repetition: float
    seconds: float
    useful: float

    @staticmethod
    def of(
        plan: Faults,
        problem: Problem,
        processes: Sequence[Process],
        deaths: Mapping[int, float | None],
        gathered: Sequence[Times],
        left: int,
    ) -> "Account":
        """Return the account of what all processes that are left know."""
        failures = [
            _failure(number, [t.failures[number] for t in gathered], gathered, processes, deaths)
            for number in range(len(gathered[0].failures))
        ]
        repetition = _repetition(gathered, problem.period)
        ends = [t.ended for t in gathered if t.ended is not None]
        starts = [t.started for t in gathered if t.started is not None]
        seconds = max(ends) - min(starts) if ends and starts else 0.0
        saved = max((t.checkpoints for t in gathered), key=len)
        return Account(
            plan=plan,
            members=len(processes) - plan.spares,
            left=left,
            launched=len(processes),
            failures=tuple(failures),
            checkpoints=len(saved),
            checkpoint=sum(saved) / len(saved) if saved else 0.0,
            repetition=repetition,
            seconds=seconds,
            useful=problem.iterations * repetition / seconds if seconds else 0.0,
        )

    @property
    def dead(self) -> list[int]:
        """Return who died, in that order."""
        return [rank for f in self.failures for rank in f["ranks"]]

    def table(self) -> dict[str, Any]:
        """Return the account as a record holds it."""
        return {
            "members": self.members,
            "left": self.left,
            "died": len(self.dead),
            "failures": list(self.failures),
            "checkpoints": self.checkpoints,
            "checkpoint_seconds": self.checkpoint,
            "repetition_seconds": self.repetition,
            "seconds": self.seconds,
            "useful": self.useful,
            "mtbf": self.mtbf,
        }

    @property
    def mtbf(self) -> float | None:
        """Return the mean seconds between failures of those who compute, as drawn ones were asked for."""
        # What befalls from outside befalls who waits as well.
        return self.plan.mtbf * self.launched / self.members or self.plan.period * self.repetition or None

    def headline(self) -> str:
        """Return who died, which is part of the verdict."""
        who = f" ({', '.join(map(str, self.dead))})" if self.dead else ""
        return f"Ranks that died = {len(self.dead)} of {self.launched}{who}"

    def lines(self) -> list[str]:
        """Return what the screen says of it besides."""
        found = []
        for number, one in enumerate(self.failures, 1):
            shown = ", ".join(
                f"{name} {1e3 * one[name]:.3f}"
                for name in ("detection", "agreement", "repair", "restore", "repeated")
                if one[name] is not None
            )
            ranks = ", ".join(map(str, one["ranks"]))
            found.append(f"Failure {number} (ms): {shown or 'nothing was lost'}; died {ranks}")
        if self.checkpoints:
            found.append(f"Checkpoints = {self.checkpoints}, {1e3 * self.checkpoint:.3f} ms each")
        if self.seconds:
            found.append(f"Useful part of the time = {100 * self.useful:.1f} %")
        return found


def _failure(
    number: int,
    known: Sequence[Failure],
    gathered: Sequence[Times],
    processes: Sequence[Process],
    deaths: Mapping[int, float | None],
) -> dict[str, Any]:
    """Return one failure as a record holds it: seconds from the death on, None where nobody knows."""
    dead = known[0].dead
    died = min((d for d in (deaths.get(rank) for rank in dead) if d is not None), default=None)
    caught = min((f.caught for f in known if f.caught is not None), default=None)
    # Who came later knows nothing of it.
    known = [f for f in known if f.agreed is not None] or known
    agreed = max((f.agreed for f in known if f.agreed is not None), default=None)
    repaired = _last([f.repaired for f in known])
    restored = _last([f.restored for f in known])
    reached = max((f.reached for f in known if f.reached is not None), default=None)
    again = [
        sum(lap.seconds for lap in t.laps if lap.failures == number + 1 and lap.repetition < (reached or 0))
        for t in gathered
    ]
    # The clocks of two nodes have nothing to do with each other.
    alone = len({p.node for p in processes}) == 1
    return {
        "ranks": dead,
        "repetition": reached,
        "resumed": known[0].resumed if restored is not None else None,
        "members": known[0].members,
        "detection": _span(died, caught) if alone else None,
        "agreement": _span(caught, agreed),
        "repair": _span(agreed, repaired),
        "restore": _span(repaired, restored),
        "repeated": max(again) if restored is not None else None,
    }


def _repetition(gathered: Sequence[Times], period: int) -> float:
    """Return the seconds of a repetition by itself, the slowest process's; the mean of those of a period."""
    slowest: dict[int, float] = {}
    for times in gathered:
        kinds: dict[int, list[float]] = {}
        for lap in times.laps:
            kinds.setdefault(lap.repetition % period, []).append(lap.seconds)
        for kind, seconds in kinds.items():
            slowest[kind] = max(slowest.get(kind, 0.0), median(seconds))
    return mean(slowest.values()) if slowest else 0.0


def _last(times: Sequence[float | None]) -> float | None:
    """Return the latest time, if everybody has one."""
    return max(t for t in times if t is not None) if all(t is not None for t in times) else None


def _span(first: float | None, last: float | None) -> float | None:
    return None if first is None or last is None else max(last - first, 0.0)
