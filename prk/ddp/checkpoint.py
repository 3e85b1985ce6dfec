"""A trained model in a file: NumPy's .npz with the workload's name and each weight in the model's order."""

import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from prk.ddp.workload import Workload
from prk.problem import Refusal

NAME, WEIGHT = "workload", "weight {}"


def refuse(option: str, path: str) -> None:
    """Raise Refusal if no new file can be written there."""
    where = Path(path)
    if where.exists():
        raise Refusal(option, f"{path} is there already", "use a new name, or remove it")
    if not os.access(where.parent, os.W_OK):
        raise Refusal(option, f"{where.parent} is no folder that can be written to", "use another one")


def save(path: str, workload: str, weights: Sequence[np.ndarray]) -> None:
    """Write a model's weights, all of them or nothing."""
    named = {WEIGHT.format(number): weight for number, weight in enumerate(weights)}
    part = Path(f"{path}.part")
    try:
        with part.open("wb") as file:
            np.savez(file, **{NAME: np.array(workload)}, **named)  # type: ignore[arg-type]
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
        with np.load(path, allow_pickle=False) as file:
            name = str(file[NAME])
            # All of them, so that a file that ends too early shows.
            weights = [file[WEIGHT.format(number)] for number in range(len(file.files) - 1)]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        why = (str(error) or type(error).__name__).splitlines()[0]
        raise Refusal(option, f"{path} cannot be read ({why}), {expected}", make) from None
    if name != trains.name or [weight.size for weight in weights] != counts:
        found = f"{name} ({len(weights)} weights, {sum(weight.size for weight in weights)} numbers)"
        raise Refusal(option, f"{path} holds {found}, {expected}", make)
    return weights
