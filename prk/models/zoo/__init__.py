"""The models, found by looking: every module of this folder has a MODEL, and its name is the model's.

Written from the papers named; no weights, no data. What begins with _ is shared code, and the models that
ddp's workloads train.
"""

import importlib
import pkgutil
from functools import cache

from prk.models.model import Model
from prk.models.zoo import _workloads


@cache
def names() -> tuple[str, ...]:
    """Return the models' names; imports none of them."""
    own = (m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))
    return tuple(sorted([*own, *_workloads.INPUTS]))


@cache
def model(name: str) -> Model:
    """Return a model; imports PyTorch."""
    if name in _workloads.INPUTS:
        return _workloads.model(name)
    found: Model = importlib.import_module(f"{__name__}.{name}").MODEL
    return found
