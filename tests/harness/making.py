"""Sweeps, stores and records made in memory for the tests of the harness."""

import json
import sys
from dataclasses import replace
from pathlib import Path

from prk.harness.execute import verdict
from prk.harness.plan import expand, sweep
from prk.harness.store import Store
from prk.records import identity
from prk.run import registry

STAND_IN = f"{sys.executable} -S {Path(__file__).with_name('stand_in.py')}"


def planned(*points, **top):
    """Return the plan of a sweep given as its file's table."""
    table = {"name": "test", "title": "A test", "seed": 7, "points": list(points), **top}
    return expand.make(sweep.parse(table, "test.toml", "test"))


def renamed(point, runtime, **changes):
    """Return the point as one of another runtime."""
    changed = replace(point, runtime=runtime, **changes)
    problem = registry.problem_class(point.kernel)(**changed.parameters)
    made = identity.point_id(point.kernel, problem, runtime, None, changed.options, changed.layout)
    return replace(changed, id=made)


def about(repeat=0):
    return {"sweep": "test", "seed": 7, "order": 0, "repeat": repeat, "command": "x", "seconds": 0.5}


def a_record(point, seconds=0.01, repeat=0, status="ok", reason=None):
    """Return a record of the point, as the harness writes them."""
    phase = "done" if status == "ok" else "run"
    found = verdict.Verdict(status, phase, reason, seconds if status == "ok" else None)
    return verdict.record_of(replace(point, foreign="x"), found, about(repeat), ("x",), {})


def stored(folder, made, times=None):
    """Return a store of the plan; `times` gives a point's seconds a repeat, or (status, reason)."""
    kept = Store.make(folder, made)
    for point in made.points:
        for repeat in range(made.repeat):
            given = times(point, repeat) if times else 0.01
            if given is None:
                continue
            found = (
                a_record(point, repeat=repeat, status=given[0], reason=given[1])
                if isinstance(given, tuple)
                else a_record(point, given, repeat)
            )
            kept.path(identity.launch_name(point.id, repeat)).write_text(json.dumps(found))
    return kept
