"""Logs of trainings, looked at by mlperf-logging's compliance checker with a configuration of our own."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prk.problem import Refusal, absent

# The checker executes what stands there, and takes an absolute path as it is.
CONFIGURATION = Path(__file__).resolve().with_name("compliance.yaml")
RULESET = "6.1.0"
# Milliseconds by which the log's time may differ from the record's, as both ends are rounded.
ROUNDED = 1


def refuse_without() -> None:
    """Raise Refusal if there is no checker."""
    why = absent(("mlperf_logging",), "pip install 'prk[mlperf]'")
    if why:
        raise Refusal("score", "logs cannot be checked", why)


def wrong(path: Path, training: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what is wrong with the log of a record's training, a line each."""
    from mlperf_logging.compliance_checker import mlp_compliance, mlp_parser

    try:
        lines, spoilt = mlp_parser.parse_file(str(path), ruleset=RULESET)
    except FileNotFoundError:
        return ("it has no log",)
    except (OSError, KeyError, TypeError, RecursionError) as error:
        return (f"its log cannot be read ({type(error).__name__}: {error})",)
    if spoilt:
        return ("its log has lines that cannot be read",)
    # Warnings are of what is there too often.
    checker = mlp_compliance.make_checker("training", RULESET, False, True)
    checker.check_loglines(lines, str(CONFIGURATION))
    said = [*checker.overwritable.values(), *checker.not_overwritable]
    if said:
        return tuple(f"its log: {message.partition(chr(10))[0].rstrip(':')}" for message in said)
    return _contradictions(lines, training)


def _contradictions(lines: Sequence[Any], training: Mapping[str, Any]) -> tuple[str, ...]:
    """Return where a log differs from what the record says of the training."""
    values = {line.key: line.value["value"] for line in lines}
    times = {line.key: line.timestamp for line in lines}
    (stop,) = (line for line in lines if line.key == "run_stop")
    found = []
    for key, wanted in (
        ("submission_benchmark", training["workload"]),
        *((key, training[key]) for key in ("seed", "global_batch_size")),
    ):
        if values[key] != wanted:
            found.append(f"its log has {key} {json.dumps(values[key])}, the record {json.dumps(wanted)}")
    status = "success" if training["epochs"] else "aborted"
    if stop.value["metadata"]["status"] != status:
        found.append(f"its log ends with {stop.value['metadata']['status']}, the record says {status}")
    elif training["epochs"]:
        taken = times["run_stop"] - times["run_start"]
        if abs(taken - 1e3 * training["seconds"]) > ROUNDED:
            found.append(f"its log took {taken / 1e3:.3f} s, the record {training['seconds']:.3f} s")
    return tuple(found)
