"""Scores and reference convergence points as text, and as plain values. Pure."""

import math
from collections.abc import Sequence
from typing import Any

from prk.harness.analyse import score
from prk.harness.analyse.rcp import Judged
from prk.harness.analyse.score import Score
from prk.harness.analyse.trainings import Group, Read
from prk.records.text import aligned

HEADER = (
    "workload",
    "runtime",
    "ranks",
    "batch",
    "runs",
    "missed",
    "score (s)",
    "samples/s",
    "CV of epochs",
    "valid",
)
WEAK = ("workload", "runtime", "batch", "T", "S", "M'", "TTTa (s)", "models/min", "valid")
CHECKED = (
    "workload",
    "runtime",
    "ranks",
    "batch",
    "epochs",
    "reference",
    "from",
    "at least",
    "passes",
    "score (s)",
)


def scored(group: Group) -> Score:
    """Return a group's score."""
    return score.score(group.trainings, group.runs, group.troubles)


def flat(group: Group) -> dict[str, Any]:
    """Return a group and its score as names and plain values."""
    found = scored(group)
    reached = [t for t in group.trainings if not t.missed]
    return {
        **_where(group),
        "runs": len(group.trainings),
        "runs_of_a_result": group.runs,
        "missed": len(group.trainings) - len(reached),
        "score": found.seconds,
        "unit": "s",
        "valid": not found.why,
        "why": list(found.why),
        "samples_per_second": score.rate(group.trainings),
        "variation_of_epochs": score.variation(group.trainings),
        "seeds": [t.seed for t in group.trainings],
        "seconds": [None if t.missed else t.seconds for t in group.trainings],
        "epochs": [None if t.missed else t.epochs for t in group.trainings],
        "initialisation_seconds": [t.initialisation for t in group.trainings],
        "notes": list(group.notes),
    }


def text(found: Read) -> str:
    """Return the table of scores, what makes some of them invalid, and what a reader must know."""
    lines, why = [], []
    for group in found.groups:
        row = flat(group)
        runs = f"{row['runs']} of {group.runs}"
        numbers = (_number(row["score"], ".3f"), _number(row["samples_per_second"], ".1f"))
        spread = _number(row["variation_of_epochs"], ".1%")
        lines.append((*_cells(group), runs, str(row["missed"]), *numbers, spread, _yes(row["valid"])))
        why += [f"  {group}: {reason}" for reason in row["why"]]
    said = (
        "The score is the mean time to train without the fastest and the slowest run, from the first touch "
        "of training\ndata to the end of the test that reached the target; samples/s is of the steps alone."
    )
    return _page(found, [HEADER, *lines], said, why)


def weak_flat(group: Group) -> dict[str, Any]:
    """Return what a group's instances reached together, as names and plain values."""
    ranks = group.layout["ranks"]
    found = score.weak(group.trainings, ranks)
    why = [*group.troubles]
    why += [f"seed {t.seed}: {wrong}" for t in group.trainings for wrong in t.wrong]
    models = found.models if found else 0
    if models < group.runs or not models:
        why.append(f"{models} of {group.runs} runs reached the target")
    return {
        **_where(group),
        "T": found.total if found else None,
        "S": ranks,
        "M'": models,
        "TTTa": found.seconds if found else None,
        "models_per_minute": found.rate if found else None,
        "valid": not why,
        "why": why,
        "notes": list(group.notes),
    }


def weak_text(found: Read) -> str:
    """Return the throughput of instances at once as a table."""
    lines, why = [], []
    for group in found.groups:
        row = weak_flat(group)
        numbers = [_number(row[name], form) for name, form in (("T", "d"), ("S", "d"), ("M'", "d"))]
        times = [_number(row[name], ".3f") for name in ("TTTa", "models_per_minute")]
        workload, runtime, _, batch = _cells(group)
        lines.append((workload, runtime, batch, *numbers, *times, _yes(row["valid"])))
        why += [f"  {group}: {reason}" for reason in row["why"]]
    said = (
        "T: ranks at work at once; S: ranks of an instance; M': instances that reached the target; TTTa: "
        "from the first\nstart to the last end of theirs."
    )
    return _page(found, [WEAK, *lines], said, why)


def checked_flat(group: Group, judged: Judged | None) -> dict[str, Any]:
    """Return a group beside the reference as names and plain values; the score is normalised."""
    found = scored(group)
    reference = judged and {
        "how": judged.how,
        "mean": judged.point.mean,
        "deviation": judged.point.deviation,
        "least_mean": judged.least,
        "factor": judged.factor,
    }
    passes = bool(judged and judged.passes and not found.why)
    why = [*found.why]
    if not found.why:
        if judged is None:
            why.append(f"the reference has no point for batch {group.batch}; run it there")
        elif not judged.passes and judged.point.batch != group.batch:
            why.append(f"fewer epochs than at {judged.how}; run the reference at batch {group.batch}")
        elif not judged.passes:
            why.append("fewer epochs than the reference allows")
    return {
        **_where(group),
        "epochs": judged.mean if judged and math.isfinite(judged.mean) else None,
        "reference": reference,
        "passes": passes,
        "why": why,
        "score": found.seconds * judged.factor if passes and judged and found.seconds else None,
        "unit": "s",
        "notes": list(group.notes),
    }


def checked_text(found: Read, rows: Sequence[dict[str, Any]]) -> str:
    """Return groups beside the reference as a table."""
    lines, why = [], []
    for group, row in zip(found.groups, rows, strict=True):
        known = row["reference"] or {"mean": None, "how": "", "least_mean": None}
        numbers = (_number(row["epochs"], ".3f"), _number(known["mean"], ".3f"), known["how"])
        ends = (_number(known["least_mean"], ".3f"), _yes(row["passes"]), _number(row["score"], ".3f"))
        lines.append((*_cells(group), *numbers, *ends))
        why += [f"  {group}: {reason}" for reason in row["why"]]
    said = "The score is multiplied by reference / own epochs where the own are fewer."
    return _page(found, [CHECKED, *lines], said, why)


def _page(found: Read, lines: Sequence[Sequence[str]], said: str, why: Sequence[str]) -> str:
    notes = dict.fromkeys(note for group in found.groups for note in group.notes)
    parts = ["\n".join(aligned(lines)), "\n".join([said, *(f"Note: {note}." for note in notes)])]
    parts += ["\n".join(["Not valid:", *why])] if why else []
    parts += ["\n".join(f"not used: {line}" for line in found.unused)] if found.unused else []
    return "\n\n".join(parts)


def _where(group: Group) -> dict[str, Any]:
    return {
        "workload": group.workload,
        "runtime": group.runtime,
        **group.layout,
        "batch": group.batch,
        "parameters": dict(group.parameters),
    }


def _cells(group: Group) -> tuple[str, ...]:
    return group.workload, group.label, str(group.layout["ranks"]), str(group.batch)


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _yes(value: bool) -> str:
    return "yes" if value else "no"
