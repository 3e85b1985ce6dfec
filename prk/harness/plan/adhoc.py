"""A sweep from the command line alone: --kernel stencil --runtime mpi1,mpishm --ranks 1,2 --n 4000."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from prk.harness.plan.sweep import LAYOUT, Block, Sweep, known, parameters, refuse_amount, values
from prk.problem import Refusal
from prk.run import registry
from prk.run.faults import options as faults
from prk.runtime import Option

HELP = """instead of a file, the points themselves; each takes one value or several, by commas:
  --kernel NAME,...  --runtime NAME,... (default: all that can run here)
  --ranks N,...  --nodes N,...  --ranks-per-node N,...  --threads N,...
  and the kernel's own parameters and the runtimes' own options, as python -m prk.KERNEL --help lists them"""


def sweep_of(words: Sequence[str]) -> Sweep:
    """Return the sweep that options of the form --name value[,value...] state. Raises Refusal."""
    given = pairs(words)
    if "kernel" not in given:
        raise Refusal(
            "--kernel", "neither a sweep file nor a kernel is named", "use --kernel stencil, or a file"
        )
    axes: dict[str, tuple[Any, ...]] = {
        "kernel": tuple(given.pop("kernel").split(",")),
        "runtime": tuple(given.pop("runtime", "*").split(",")),
    }
    known(axes["kernel"], registry.kernels(), "--kernel")
    known(axes["runtime"], (*registry.runtimes(), "*"), "--runtime")
    options: dict[str, dict[str, tuple[Any, ...]]] = {}
    for name, text in given.items():
        _place(name, text, axes, options)
    block = Block("command line", axes, options)
    return Sweep("command line", "-".join(axes["kernel"]), " ".join(words), (block,))


def changed(
    sweep: Sweep, repeat: int | None, timeout: float | None, seed: int | None, launcher: str = ""
) -> Sweep:
    """Return the sweep with what the command line states besides. Raises Refusal."""
    for name, value in (("--repeat", repeat), ("--timeout", timeout)):
        if value is not None:
            refuse_amount(name, value)
    return replace(
        sweep,
        repeat=sweep.repeat if repeat is None else repeat,
        timeout=sweep.timeout if timeout is None else timeout,
        seed=sweep.seed if seed is None else seed,
        launcher=launcher or sweep.launcher,
    )


def pairs(words: Sequence[str]) -> dict[str, str]:
    """Return --name value and --name=value by name, with _ for - in it."""
    found: dict[str, str] = {}
    rest = iter(words)
    for word in rest:
        name, equals, value = word.partition("=")
        if not name.startswith("--"):
            raise Refusal(word, "is not understood", "write --name value")
        value = value if equals else next(rest, "")
        if not value or value.startswith("--"):
            raise Refusal(name, "has no value", f"write {name} VALUE")
        found[name[2:].replace("-", "_")] = value
    return found


def _place(name: str, text: str, axes: dict[str, tuple[Any, ...]], options: dict[str, Any]) -> None:
    """Put one option where it belongs: the layout, the kernels' parameters, or the runtimes' options."""
    if name in LAYOUT:
        axes[name] = _read(text, 0, name)
        return
    owners = _owners(name, axes["kernel"], axes["runtime"])
    fields = [own[name] for own in map(parameters, axes["kernel"]) if name in own]
    if fields:
        axes[name] = _read(text, fields[0].default, name)
    elif owners:
        for owner, option in owners.items():
            options.setdefault(owner, {})[option.name] = _read(text, option.default, name)
    else:
        every = {*LAYOUT, *(p for k in axes["kernel"] for p in parameters(k))}
        known([name], sorted(every), "command line")


def _owners(name: str, kernels: Sequence[str], runtimes: Sequence[str]) -> dict[str, Option]:
    """Return the chosen runtimes that have the option for the first kernel."""
    chosen = registry.usable() if "*" in runtimes else map(registry.runtime, runtimes)
    return {
        one.name: option
        for one in chosen
        for option in faults.of(one, kernels[0])
        if option.name.replace("-", "_") == name
    }


def _read(text: str, default: Any, name: str) -> tuple[Any, ...]:
    """Return the comma-separated values, of the default's type."""
    kind = int if default is None else type(default)
    try:
        found = [kind(word) for word in text.split(",")]
    except ValueError:
        raise Refusal(f"--{name}", f"{text!r} is of the wrong type", f"give {kind.__name__} values") from None
    return values(found, f"--{name}")
