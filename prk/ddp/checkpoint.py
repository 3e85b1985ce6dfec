"""A trained model in a file, and what a training needs to go on: NumPy's .npz, written whole or not at all.

It holds the workload's name, each weight in the model's order, and the training's state under other names.
"""

import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from prk.ddp.workload import Workload
from prk.problem import Refusal

NAME, WEIGHT = "workload", "weight "
# Of a training that can go on: the steps done, and the parameters that make it the same one, as JSON.
STEPS, SAME = "steps", "training"


def refuse(option: str, path: str) -> None:
    """Raise Refusal if no new file can be written there."""
    where = Path(path)
    if where.exists():
        raise Refusal(option, f"{path} is there already", "use a new name, remove it, or --resume it")
    writable(option, path)


def writable(option: str, path: str) -> None:
    """Raise Refusal if no file can be written there."""
    folder = Path(path).parent
    if not os.access(folder, os.W_OK):
        raise Refusal(option, f"{folder} is no folder that can be written to", "use another one")


def save(
    path: str, workload: str, weights: Sequence[np.ndarray], state: Mapping[str, Any] | None = None
) -> None:
    """Write a model's weights and its training's state, all of them or nothing."""
    named = {f"{WEIGHT}{number}": weight for number, weight in enumerate(weights)}
    part = Path(f"{path}.part")
    try:
        with part.open("wb") as file:
            np.savez(file, **{NAME: np.array(workload)}, **named, **(state or {}))  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def load(option: str, path: str, trains: Workload, problem: Any) -> list[np.ndarray]:
    """Return the weights of a workload's model. Raises Refusal, which says what was expected."""
    counts = trains.weights(problem)
    expected = f"expected a check-point of {trains.name} ({len(counts)} weights, {sum(counts)} numbers)"
    make = f"make one by: python -m prk.ddp --workload {trains.name} {trains.usual} --save FILE"
    if not Path(path).is_file():
        raise Refusal(option, f"there is no file {path}, {expected}", make)
    try:
        found = read(path)
        name, weights = str(found[NAME]), weights_of(found)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        why = (str(error) or type(error).__name__).splitlines()[0]
        raise Refusal(option, f"{path} cannot be read ({why}), {expected}", make) from None
    if name != trains.name or [weight.size for weight in weights] != counts:
        held = f"{name} ({len(weights)} weights, {sum(weight.size for weight in weights)} numbers)"
        raise Refusal(option, f"{path} holds {held}, {expected}", make)
    return weights


def read(path: str) -> dict[str, np.ndarray]:
    """Return all that a file holds, so that one that ends too early shows."""
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def weights_of(found: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Return the weights in what a file holds."""
    return [found[f"{WEIGHT}{n}"] for n in range(sum(name.startswith(WEIGHT) for name in found))]


@cache
def steps(path: str) -> int:
    """Return the steps that the training in a file has done, when this process first looked at it."""
    with np.load(path, allow_pickle=False) as file:
        return int(file[STEPS])


def refuse_resume(path: str, trains: Workload, problem: Any, same: Mapping[str, Any], total: int) -> None:
    """Raise Refusal if a training of `total` steps and these parameters cannot go on from a file."""
    load("--resume", path, trains, problem)
    found = read(path)
    if STEPS not in found:
        raise Refusal("--resume", f"{path} holds a model only", "use one that was written by --save-every")
    for name, value in json.loads(str(found[SAME])).items():
        if same[name] != value:
            option = name.replace("_", "-")
            raise Refusal("--resume", f"{path} was begun with --{option} {value}", "use the same")
    done = int(found[STEPS])
    if done + 2 > total:
        raise Refusal("--resume", f"{path} has done {done} of {total} steps", "nothing is left to be timed")
