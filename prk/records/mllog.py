"""Logs of trainings under MLPerf-style rules: made of a record, a file a training beside it, by mllog."""

import io
import logging
import os
import re
from collections.abc import Mapping
from itertools import count, takewhile
from pathlib import Path
from typing import Any

import prk
from prk.problem import Refusal
from prk.records import write

ENDING = ".mllog"
# What a log states of a training before its clock starts, by mllog's names.
HYPERPARAMETERS = (
    "global_batch_size",
    "gradient_accumulation_steps",
    "opt_base_learning_rate",
    "train_samples",
    "eval_samples",
)


def path(record: str | Path, number: int) -> Path:
    """Return where the log of a record's training stands; they are counted from 1."""
    return Path(record).with_suffix(f".{number}{ENDING}")


def beside(record: Path) -> list[Path]:
    """Return the logs that stand beside a record."""
    return list(takewhile(os.path.lexists, (path(record, number) for number in count(1))))


def refuse(record: str, trainings: int) -> None:
    """Raise Refusal if the names of a record's logs are not free."""
    taken = [one for one in (path(record, n) for n in range(1, trainings + 1)) if os.path.lexists(one)]
    if taken:
        raise Refusal("--json", f"its log {taken[0]} exists and is never overwritten", "name a new file")


def save(found: Mapping[str, Any], record: str) -> str:
    """Write a record's logs, each whole or not at all; return a line that says where they could not be."""
    lost = (
        write.kept("--json", "log", text(found, training).encode(), str(path(record, number)))
        for number, training in enumerate(found["summary"]["trainings"], 1)
    )
    return "; ".join(filter(None, lost))


def text(found: Mapping[str, Any], training: Mapping[str, Any]) -> str:
    """Return the log of one training of a record: the rules' events in their order, when they happened.

    Of a training that reached its target nothing after that; one that did not is `aborted` at its end.
    """
    from mlperf_logging.mllog.mllog import MLLogger

    lines = io.StringIO()
    # Its own logger would print.
    logger = logging.Logger(ENDING)
    logger.addHandler(logging.StreamHandler(lines))
    log = MLLogger(logger, root_dir=re.escape(str(Path(prk.__file__).parents[1])))
    begun, start = training["begun"], training["begun"] + training["initialisation"]

    def at(seconds: float) -> int:
        return round(1e3 * seconds)

    layout, cpu = found["layout"], found["environment"]["cpu"]
    stated = {
        "submission_benchmark": training["workload"],
        "submission_org": "none, this is no submission",
        "submission_division": "open",
        "submission_status": "research",
        "submission_platform": f"{found['runtime']}, {layout['ranks']} ranks on {layout['nodes']} of {cpu}",
        # The system's own caches stay as they are: emptying them is not for a user.
        "cache_clear": False,
        "seed": training["seed"],
    }
    for key, value in stated.items():
        log.event(key, value, time_ms=at(begun))
    log.start("init_start", time_ms=at(begun))
    for key in HYPERPARAMETERS:
        log.event(key, training[key], time_ms=at(start))
    log.end("init_stop", time_ms=at(start))
    log.start("run_start", time_ms=at(start))
    ended, batch = start, training["global_batch_size"]
    # What is left over of an epoch is not trained on.
    each = training["train_samples"] // batch * batch
    for epoch in (c for c in found["summary"]["quality curves"] if c["seed"] == training["seed"]):
        about = {"epoch_num": epoch["epoch"], "samples_count": epoch["epoch"] * each}
        stepped, tested = start + epoch["stepped"], start + epoch["tested"]
        log.start("epoch_start", metadata=about, time_ms=at(ended))
        log.end("epoch_stop", metadata=about, time_ms=at(stepped))
        log.start("eval_start", metadata=about, time_ms=at(stepped))
        log.event("eval_accuracy", epoch["quality"], metadata=about, time_ms=at(tested))
        log.end("eval_stop", metadata=about, time_ms=at(tested))
        ended = tested
        if epoch["epoch"] == training["epochs"]:
            break
    status = "success" if training["epochs"] else "aborted"
    log.end("run_stop", metadata={"status": status}, time_ms=at(ended))
    return lines.getvalue()
