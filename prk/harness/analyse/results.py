"""The records of a sweep, read once."""

from collections import Counter
from dataclasses import dataclass, field

from prk.harness import store
from prk.harness.plan.points import Plan
from prk.harness.slurm import journal
from prk.harness.store import Result, Store
from prk.records import identity


@dataclass(frozen=True)
class Loaded:
    """The results of a sweep, and the files that are no records of it, each with the reason."""

    results: dict[str, list[Result]]
    problems: list[tuple[str, str]]
    # The reasons of launches that a batch job should have started and ended without, by point.
    never_started: dict[str, list[str]] = field(default_factory=dict)

    def counts(self) -> Counter[str]:
        """Return how many launches have each status."""
        return Counter(r.status for several in self.results.values() for r in several)


def load(kept: Store, plan: Plan) -> Loaded:
    """Read every record of the store; none is lost silently and none stops the others."""
    points = {p.id: p for p in plan.points}
    results: dict[str, list[Result]] = {p: [] for p in points}
    problems = []
    names = kept.names()
    for name in sorted(names):
        try:
            point, repeat = identity.launch_of(name)
            if point not in points:
                raise ValueError("is of a point that the plan does not have")
            results[point].append(store.read(kept.path(name), points[point], repeat))
        except ValueError as error:
            problems.append((f"{name}.json", str(error)))
    never: dict[str, list[str]] = {}
    for name, reason in journal.never_started(kept, names).items():
        never.setdefault(identity.launch_of(name)[0], []).append(reason)
    return Loaded(results, problems, never)
