"""A sweep as its file states it: read strictly, every mistake answered by one line."""

import difflib
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import prk
from prk.problem import Refusal
from prk.run import registry

SHIPPED = Path(prk.__file__).with_name("jobs") / "sweeps"

TOP = (
    "name", "title", "repeat", "timeout", "seed", "launcher", "machine", "audit",
    "split", "points", "runtimes", "presets",
)  # fmt: skip
LAYOUT = ("ranks", "nodes", "ranks_per_node", "threads")
# Keys of a block of points that are not parameters of its kernels.
BLOCK = ("kernel", "runtime", *LAYOUT, "options", "zip", "exclude", "figure")
FOREIGN = ("command", "kernels")
# Of launches in a sweep, and of the seconds that one may take.
LARGEST = 10_000_000


@dataclass(frozen=True)
class Foreign:
    """A program of others that prints PRK's lines: its command template and the kernels it runs."""

    command: str
    kernels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Block:
    """One cross product: axes by name, those that run in step, runtimes' options, what is left out."""

    where: str
    axes: Mapping[str, tuple[Any, ...]]
    options: Mapping[str, Mapping[str, tuple[Any, ...]]] = field(default_factory=dict)
    zips: tuple[tuple[str, ...], ...] = ()
    exclude: tuple[Mapping[str, Any], ...] = ()
    figure: str = ""


@dataclass(frozen=True)
class Sweep:
    """What is to be measured, how often, and under which limit in seconds a launch."""

    source: str
    name: str
    title: str
    blocks: tuple[Block, ...]
    repeat: int = 1
    timeout: float = 600.0
    seed: int | None = None
    launcher: str = ""
    machine: bool = False
    # Whether each point is audited before its first launch.
    audit: bool = False
    # Whether the first launch of each point also says where the time goes, where it can.
    split: bool = False
    foreign: Mapping[str, Foreign] = field(default_factory=dict)


def find(name: str) -> Path:
    """Return the path of a sweep file: a path, or the name of a shipped one. Raises Refusal."""
    given = Path(name)
    shipped = SHIPPED / f"{name}.toml"
    if given.is_file():
        return given
    if shipped.is_file() and given.name == name:
        return shipped
    known = ", ".join(sorted(p.stem for p in SHIPPED.glob("*.toml")))
    raise Refusal(name, "there is no such sweep file", f"name a TOML file, or a shipped sweep: {known}")


def read(path: Path, preset: str = "") -> Sweep:
    """Read a sweep file, with one of its presets laid over it. Raises Refusal naming file and key."""
    try:
        table = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise Refusal(
            path.name, f"is not TOML: {error}", "see jobs/sweeps/laptop.toml for one that is"
        ) from None
    except (OSError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal(str(path), f"cannot be read ({error})", "name a TOML file") from None
    return parse(table, path.name, path.stem, preset)


def parse(table: Mapping[str, Any], source: str, name: str, preset: str = "") -> Sweep:
    """Return the sweep that a file's table states. Raises Refusal naming source and key."""
    known(table, TOP, source)
    points = typed(table, "points", list, [], source)
    if not points or not all(isinstance(p, dict) for p in points):
        raise Refusal(f"{source}: points", "the sweep has none", 'write [[points]] with kernel = "stencil"')
    blocks = tuple(block(p, f"{source}: points[{i}]") for i, p in enumerate(points))
    sweep = Sweep(
        source=source,
        name=typed(table, "name", str, name, source),
        title=typed(table, "title", str, name, source),
        blocks=blocks,
        foreign=foreign(typed(table, "runtimes", dict, {}, source), source),
        seed=typed(table, "seed", int, None, source),
        launcher=typed(table, "launcher", str, "", source),
        machine=typed(table, "machine", bool, False, source),
        audit=typed(table, "audit", bool, False, source),
        split=typed(table, "split", bool, False, source),
        **measure(table, source, {"repeat": 1, "timeout": 600.0}),
    )
    if "/" in sweep.name or sweep.name[:1] in ("", "."):
        raise Refusal(f"{source}: name", f"{sweep.name!r} names no folder", "use a plain name")
    # All of them, so that a mistake is found before it is wanted.
    presets = {
        name: overlay(sweep, one, f"{source}: presets.{name}")
        for name, one in typed(table, "presets", dict, {}, source).items()
    }
    if preset and preset not in presets:
        works = f"use one of {', '.join(presets)}" if presets else "the file has no presets"
        raise Refusal(f"{source}: presets", f"there is no {preset!r}", works)
    return presets[preset] if preset else sweep


def overlay(sweep: Sweep, table: Any, where: str) -> Sweep:
    """Return the sweep with a preset's axes put in the place of those its blocks have."""
    table = typed({"preset": table}, "preset", dict, {}, where)
    own = {k: v for k, v in table.items() if k not in ("repeat", "timeout")}
    axes = {k: values(v, f"{where}.{k}") for k, v in own.items()}
    for key in axes:
        if not any(key in b.axes for b in sweep.blocks):
            raise Refusal(
                f"{where}.{key}", "no points have this key", "a preset overrides keys of the points"
            )
    blocks = tuple(replace(b, axes={k: axes.get(k, v) for k, v in b.axes.items()}) for b in sweep.blocks)
    for b in blocks:
        _refuse_uneven(b.axes, b.zips, where)
    numbers = measure(table, where, {"repeat": sweep.repeat, "timeout": sweep.timeout})
    return replace(sweep, blocks=blocks, **numbers)


def measure(table: Mapping[str, Any], where: str, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return repeat and timeout, both positive."""
    repeat = typed(table, "repeat", int, defaults["repeat"], where)
    timeout = typed(table, "timeout", (int, float), defaults["timeout"], where)
    for key, value in (("repeat", repeat), ("timeout", timeout)):
        refuse_amount(f"{where}: {key}", value)
    return {"repeat": repeat, "timeout": float(timeout)}


def refuse_amount(where: str, value: float) -> None:
    """Raise Refusal unless a number of launches, or of seconds, is one that can be."""
    if value <= 0:
        raise Refusal(where, f"{value:g} is too small", "use 1 or more")
    if not value <= LARGEST:
        raise Refusal(where, f"{value:g} is too large", f"use at most {LARGEST:,}")


def block(table: Mapping[str, Any], where: str) -> Block:
    """Return one [[points]] table as a block; whether its parameters exist is the plan's question."""
    for key in ("kernel", "runtime"):
        if key not in table:
            raise Refusal(f"{where}.{key}", "is missing", f'write {key} = "..." or a list of names')
    axes = {
        k: values(v, f"{where}.{k}")
        for k, v in table.items()
        if k not in ("options", "zip", "exclude", "figure")
    }
    options = {
        runtime: {
            name: values(v, f"{where}.options.{runtime}.{name}")
            for name, v in typed(table["options"], runtime, dict, {}, f"{where}.options").items()
        }
        for runtime in typed(table, "options", dict, {}, where)
    }
    zips = tuple(values(z, f"{where}.zip", least=2) for z in typed(table, "zip", list, [], where))
    for names in zips:
        known(names, axes, f"{where}.zip")
    together = [name for names in zips for name in names]
    if len({*together}) < len(together):
        raise Refusal(f"{where}.zip", "a name is there twice", "name each axis once")
    _refuse_uneven(axes, zips, where)
    exclude = tuple(typed(table, "exclude", list, [], where))
    for row in exclude:
        if not isinstance(row, dict) or not typed(row, "reason", str, "", f"{where}.exclude"):
            raise Refusal(f"{where}.exclude", f"{row} has no reason", 'add reason = "..."')
        known(row, (*axes, *LAYOUT, "reason"), f"{where}.exclude")
    return Block(where, axes, options, zips, exclude, typed(table, "figure", str, "", where))


def _refuse_uneven(axes: Mapping[str, Sequence[Any]], zips: Iterable[Sequence[str]], where: str) -> None:
    """Raise Refusal if lists that are to run in step differ in length."""
    for names in zips:
        if len({len(axes[n]) for n in names}) > 1:
            lengths = ", ".join(f"{n} has {len(axes[n])}" for n in names)
            raise Refusal(f"{where}.zip", f"the lists differ in length: {lengths}", "make them equally long")


def foreign(table: Mapping[str, Any], source: str) -> dict[str, Foreign]:
    """Return the foreign programs by name."""
    found = {}
    for name, row in table.items():
        where = f"{source}: runtimes.{name}"
        if not isinstance(row, dict) or "command" not in row:
            raise Refusal(
                f"{where}.command", "is missing", 'write command = "mpirun -n {ranks} ./program ..."'
            )
        known(row, FOREIGN, where)
        kernels = tuple(values(row.get("kernels", []), f"{where}.kernels", least=0))
        found[name] = Foreign(typed(row, "command", str, "", where), kernels)
    return found


def values(given: Any, where: str, least: int = 1) -> tuple[Any, ...]:
    """Return one value or a list of them as a tuple; raise Refusal if there are none or they are nested."""
    several = tuple(given) if isinstance(given, list) else (given,)
    if len(several) < least:
        few = f"{given!r} is too few" if several else "the list is empty, so there is no point"
        raise Refusal(where, few, f"give a list of at least {least}")
    for value in several:
        if not isinstance(value, str | int | float):
            raise Refusal(where, f"{value!r} is neither a number nor a string", "give one, or a list of them")
        refuse_odd(value, where)
    return several


def refuse_odd(value: Any, where: str) -> None:
    """Raise Refusal for a value that no record can hold, or no terminal show."""
    if isinstance(value, str) and not value.isprintable():
        raise Refusal(where, f"{value!r} has characters that cannot be shown", "leave them out")
    if isinstance(value, int | float) and not abs(value) < 2**63:
        raise Refusal(where, f"{value} is out of range", "give a number below 2^63")


def parameters(kernel: str) -> dict[str, Field[Any]]:
    """Return a kernel's parameters that a sweep may state, by name; an audit draws its seed itself."""
    return {f.name: f for f in fields(registry.problem_class(kernel)) if f.name != "audit"}


def typed(table: Mapping[str, Any], key: str, kind: Any, default: Any, where: str) -> Any:
    """Return table[key], which must be of the kind, or the default."""
    if key not in table:
        return default
    value = table[key]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        names = " or ".join(k.__name__ for k in (kind if isinstance(kind, tuple) else (kind,)))
        raise Refusal(f"{where}: {key}", f"{value!r} is of the wrong type", f"give a value of type {names}")
    refuse_odd(value, f"{where}: {key}")
    return value


def known(given: Iterable[str], names: Iterable[str], where: str) -> None:
    """Raise Refusal if something given is not among the names, with the nearest that is."""
    names = list(names)
    for key in given:
        if key not in names:
            close = difflib.get_close_matches(str(key), names, 1)
            works = f"did you mean {close[0]}?" if close else f"use one of {', '.join(map(str, names))}"
            raise Refusal(f"{where}: {key}", "there is no such key", works)
