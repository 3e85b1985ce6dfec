"""The records of a sweep, read once."""

from collections import Counter
from dataclasses import dataclass, field

from prk.harness import store
from prk.harness.analyse import origin
from prk.harness.analyse.origin import Origin
from prk.harness.plan.points import Plan
from prk.harness.slurm import journal
from prk.harness.store import Result, Store
from prk.records import identity
from prk.records.build import RIGHT
from prk.run import reason


@dataclass(frozen=True)
class Loaded:
    """The results of a sweep, and the files that are no records of it, each with the reason."""

    results: dict[str, list[Result]]
    problems: list[tuple[str, str]]
    # The reasons of launches that a batch job should have started and ended without, by point.
    never_started: dict[str, list[str]] = field(default_factory=dict)
    # Where the right launches come from, the place with most of them first.
    origins: list[Origin] = field(default_factory=list)

    def counts(self) -> Counter[str]:
        """Return how many launches have each status."""
        return Counter(r.status for several in self.results.values() for r in several)


def load(kept: Store, plan: Plan) -> Loaded:
    """Read every record of the store; none is lost silently and none stops the others."""
    launches = plan.launches()
    results: dict[str, list[Result]] = {p.id: [] for p in plan.points}
    problems = []
    origins: list[Origin] = []
    names = kept.names()
    for name in sorted(names):
        try:
            if name not in launches:
                raise ValueError("is of no launch that the plan has")
            _, point, repeat = launches[name]
            result, record = store.read_whole(kept.path(name), point, repeat)
            results[point.id].append(result)
            if result.status in RIGHT:
                origin.place(origins, (point.id, repeat), point.runtime, record)
        except ValueError as error:
            problems.append((f"{name}.json", reason.plain(str(error))))
    never: dict[str, list[str]] = {}
    for name, why in journal.never_started(kept, names).items():
        never.setdefault(identity.launch_of(name)[0], []).append(why)
    return Loaded(results, problems, never, sorted(origins, key=lambda o: -len(o.launches)))


def there(kept: Store, plan: Plan) -> tuple[set[str], list[str]]:
    """Return the launches that have a record, and those under whose name something else stands."""
    found = load(kept, plan)
    own = {identity.launch_name(r.point, r.repeat) for several in found.results.values() for r in several}
    return own, sorted(kept.names() & plan.launches().keys() - own)
