"""How a sweep was measured, as names and texts: whoever reads a figure can judge and repeat it. Pure."""

from collections.abc import Sequence, Set
from typing import Any

from prk.harness.analyse.origin import OF, Origin
from prk.harness.analyse.rows import Row
from prk.harness.plan.points import Plan

MOST_NAMES = 8


def of(plan: Plan, rows: Sequence[Row], places: Sequence[Origin]) -> dict[str, list[tuple[str, str]]]:
    """Return the box's groups: how, where, and with what settings."""
    first = places[0] if places else Origin()
    return {
        "Method": _how(plan, rows, first),
        "Machine and software": _where(first),
        "Binding and variables": _settings(first),
    }


def _how(plan: Plan, rows: Sequence[Row], place: Origin) -> list[tuple[str, str]]:
    launches = sorted(set(plan.planned.values()))
    each = f"{launches[0]}" if len(launches) == 1 else f"{launches[0]} to {launches[-1]}" if launches else "0"
    iterations = dict[str, dict[str, None]]()
    for p in plan.points:
        iterations.setdefault(p.kernel, {})[str(p.parameters.get("iterations", "its own"))] = None
    samples = sorted({r.summary.samples for r in rows if r.summary})
    reached = sorted({r.summary.interval.confidence for r in rows if r.summary and r.summary.interval})
    return [
        (
            "launches",
            f"{each} a point, each a start of its own of at most {plan.timeout:g} s; in random order "
            f"(seed {plan.seed}), with the runtimes of one point next to each other",
        ),
        ("warm-up", f"one repetition before the clock, untimed ({_span(place, 'warm-up', 's')})"),
        ("repetitions", "; ".join(f"{k}: {', '.join(v)}" for k, v in iterations.items())),
        (
            "time",
            "of the slowest rank, from a barrier to its last repetition's end, without garbage collection; "
            "it counts only if the answer is right at every point",
        ),
        (
            "shown",
            f"medians of {_ends(samples, 'd')} values, with the interval from exact binomial ranks: "
            f"it holds the median in {_ends(reached, '.1%')} of such sweeps"
            if reached
            else "single values, without an interval",
        ),
        ("launched", _span(place, "finished", "").replace("T", " ")),
    ]


def _where(place: Origin) -> list[tuple[str, str]]:
    """Return machine and versions, those of a runtime's library with its name."""
    found: dict[tuple[str, str], list[str]] = {}
    for name, value in place.facts.items():
        plain, _, runtime = name.partition(OF)
        found.setdefault((plain, value), []).extend([runtime] if runtime else [])
    facts = [(name, f"{value} ({', '.join(who)})" if who else value) for (name, value), who in found.items()]
    hosts = sorted(place.seen.get("hosts", {}))
    named = ", ".join(hosts) if len(hosts) <= MOST_NAMES else f"{len(hosts)}: {hosts[0]} to {hosts[-1]}"
    low, high = place.spans.get("free memory", (0, 0))
    memory = f"{low / 2**30:.1f} to {high / 2**30:.1f} GiB" if high else ""
    return [*facts, *(fact for fact in (("hosts", named), ("memory free at the start", memory)) if fact[1])]


def _settings(place: Origin) -> list[tuple[str, str]]:
    """Return on what ranks were bound, and the variables that were set, each with its runtimes."""
    everybody = set(place.commands)
    return [
        (name, "; ".join(f"{value} ({_who(runtimes, everybody)})" for value, runtimes in values.items()))
        for name, values in sorted(place.seen.items(), key=lambda one: one[0] != "binding")
        if name != "hosts"
    ]


def _who(runtimes: Set[str], everybody: Set[str]) -> str:
    return "all" if runtimes == everybody else ", ".join(sorted(runtimes))


def _span(place: Origin, name: str, unit: str) -> str:
    """Return the least and the largest value of a name."""
    if name not in place.spans:
        return "not stated"
    ends = dict.fromkeys(f"{v:.2g} {unit}" if isinstance(v, float) else str(v) for v in place.spans[name])
    return " to ".join(ends)


def _ends(values: Sequence[Any], form: str) -> str:
    return " to ".join(dict.fromkeys(format(v, form) for v in (values[0], values[-1]))) if values else "no"
