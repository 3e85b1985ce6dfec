"""A sweep's points and the order of their launches, as its folder keeps them in plan.json. Pure."""

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

from prk.cost import Cost
from prk.metric import MBYTES, MFLOPS, Metric
from prk.records import identity, migrate

VERSION = 2


@dataclass(frozen=True, slots=True)
class Point:
    """One thing to measure: what runs, on which layout. Its launches are the repeats."""

    id: str
    kernel: str
    version: int
    runtime: str
    parameters: Mapping[str, Any]
    options: Mapping[str, Any]
    layout: Mapping[str, int]
    variant: str
    figure: str
    conforming: bool
    # What a launch states; the first one is compared, drawn and bounded.
    metrics: tuple[Metric, ...]
    # What that one counts of a repetition, and the least that a repetition takes.
    work: float
    cost: Cost
    # Whether members exchange through memory that they share, so that messages bound nothing.
    shared: bool = False
    # The command template of a foreign program; empty for the package's own runtimes.
    foreign: str = ""

    @property
    def metric(self) -> Metric:
        return self.metrics[0]

    @property
    def cores(self) -> int:
        return self.layout["ranks"] * self.layout["threads"]

    @property
    def label(self) -> str:
        """Return the runtime with what sets it apart from its standard run."""
        return f"{self.runtime} {self.variant}".strip()

    def value(self, seconds: float) -> float:
        """Return the first metric of a repetition that takes so long."""
        return self.metric.of(self.work, seconds)

    def __str__(self) -> str:
        size = " ".join(f"{k}={v}" for k, v in self.parameters.items())
        where = " ".join(f"{k}={v}" for k, v in self.layout.items() if k != "ranks_per_node")
        return f"{self.kernel} {self.label} {where} {size}"


@dataclass(frozen=True)
class Plan:
    """The points of a sweep, those left out with the reason, and the shuffled order of the launches."""

    name: str
    title: str
    repeat: int
    timeout: float
    seed: int
    points: tuple[Point, ...]
    # (index of the point, number of the repeat), in the order in which they run.
    order: tuple[tuple[int, int], ...]
    excluded: tuple[Mapping[str, str], ...] = ()
    launcher: str = ""
    machine: bool = False
    # Whether each point is audited before its first launch.
    audit: bool = False
    # Whether the first launch of each point also says where the time goes, where it can.
    split: bool = False
    schema: int = field(default=VERSION)

    def table(self) -> dict[str, Any]:
        """Return the plan as JSON holds it."""
        return asdict(self)

    @staticmethod
    def of(table: Mapping[str, Any]) -> "Plan":
        """Return the plan that `table` was made from, by this prk or an older one. Raises ValueError."""
        if table.get("schema") not in (1, VERSION):
            raise ValueError(f"it has schema {table.get('schema')}, this prk reads 1 to {VERSION}")
        try:
            rows = [_from_1(p) for p in table["points"]] if table["schema"] == 1 else table["points"]
            found = {
                **table,
                "timeout": float(table["timeout"]),
                "points": tuple(map(_point, rows)),
                "order": tuple((p, r) for p, r in table["order"]),
                "excluded": tuple(table["excluded"]),
            }
            made = Plan(**{**found, "schema": VERSION})
            own = {p.id for p in made.points}
            whole = len(own) == len(made.points) and len({*made.order}) == len(made.order)
            if not own or not whole or not all(0 <= p < len(own) and r >= 0 for p, r in made.order):
                raise ValueError("its order is not one of its points")
            return made
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"it is not a plan ({error})") from None

    @cached_property
    def planned(self) -> Counter[str]:
        """Return how many launches each point has, by its name."""
        return Counter(self.points[p].id for p, _ in self.order)

    def extended(self, wanted: Mapping[str, int]) -> "Plan":
        """Return the plan with so many launches of these points in all; what it has stays as it is."""
        order = list(self.order)
        random_order = random.Random(f"{self.seed} and {len(order)}")
        repeat = max(self.repeat, *wanted.values())
        for number in range(repeat):
            added = [
                i for i, p in enumerate(self.points) if self.planned[p.id] <= number < wanted.get(p.id, 0)
            ]
            order += _round(_groups(self.points, added), number, random_order)
        return replace(self, repeat=repeat, order=tuple(order))

    def launches(self) -> dict[str, tuple[int, Point, int]]:
        """Return every launch's number in the order, point and repeat, by its name, in the order."""
        every = ((i, self.points[p], r) for i, (p, r) in enumerate(self.order))
        return {identity.launch_name(p.id, r): (i, p, r) for i, p, r in every}


def _point(row: Mapping[str, Any]) -> Point:
    metrics = tuple(Metric(**m) for m in row["metrics"])
    return Point(**{**row, "metrics": metrics, "cost": Cost(**row["cost"])})


def _from_1(old: Mapping[str, Any]) -> dict[str, Any]:
    """Make a metric of the only rate there was, and a cost of its flop and of the traffic to memory."""
    unit = old["unit"]
    known = {m.unit: m for m in (MFLOPS, MBYTES)}
    metric = known.get(unit) or Metric("rate", unit, migrate.scale_of_1(unit))
    flop = old["work"] if unit == MFLOPS.unit else 0
    return {
        **{k: v for k, v in old.items() if k not in ("unit", "traffic")},
        "version": 1,
        "metrics": [asdict(metric)],
        # A kernel without traffic to memory had no bound.
        "cost": asdict(Cost(flop=flop, bytes=old["traffic"]) if old["traffic"] else Cost()),
    }


def shuffled(points: Sequence[Point], repeat: int, seed: int) -> tuple[tuple[int, int], ...]:
    """Return every (point, repeat) once: each repeat a round of its own, in random order.

    Points that differ only by runtime and options follow one another, in random order too, so that
    whatever drifts on the machine meets all of them: a paired comparison.
    """
    random_order = random.Random(seed)
    groups = _groups(points, range(len(points)))
    return tuple(one for number in range(repeat) for one in _round(groups, number, random_order))


def _groups(points: Sequence[Point], chosen: Iterable[int]) -> list[list[int]]:
    """Return the chosen points' indices, those together that differ only by runtime and options."""
    groups: dict[Any, list[int]] = {}
    for index in chosen:
        p = points[index]
        same = (p.kernel, *p.parameters.values(), p.cores, p.layout["nodes"])
        groups.setdefault(same, []).append(index)
    return list(groups.values())


def _round(
    groups: Sequence[Sequence[int]], number: int, random_order: random.Random
) -> Iterator[tuple[int, int]]:
    """Yield each point once, with the number of the repeat."""
    rounds = list(groups)
    random_order.shuffle(rounds)
    for group in rounds:
        yield from ((index, number) for index in random_order.sample(group, len(group)))
