"""The site file: what a cluster wants to be told. Read strictly, every mistake answered by one line."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from prk.harness.plan.sweep import known, typed
from prk.problem import Refusal

CHOICES = {"launcher": ("mpirun", "srun"), "bind": ("core", "none")}
# What sbatch has options for, by the same names; several values by commas.
NAMED = ("partition", "account", "qos", "reservation", "gres", "licenses")
NAME = re.compile(r"[\w.,+@:/=-]*")
TIME = re.compile(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?")
# What one job may be told otherwise than the others.
JOB = (*NAMED, "constraint", "mail", "time", "sbatch_flags")
LISTS = ("setup", "wrapper", "sbatch_flags", "launcher_flags")


@dataclass(frozen=True)
class Site:
    """One cluster; jobs/slurm/site.toml explains the keys."""

    partition: str = ""
    account: str = ""
    qos: str = ""
    reservation: str = ""
    gres: str = ""
    licenses: str = ""
    constraint: str = ""
    mail: str = ""
    time: str = ""
    setup: tuple[str, ...] = ()
    python: str = ""
    launcher: str = "mpirun"
    mpi: str = "pmix"
    bind: str = "core"
    wrapper: tuple[str, ...] = ()
    cache: str | None = None
    stage: bool = False
    failures: int = 5
    sbatch_flags: tuple[str, ...] = ()
    launcher_flags: tuple[str, ...] = ()
    # What holds from a number of nodes on, and for the job that collects (None: there is none).
    nodes: tuple[Mapping[str, Any], ...] = ()
    collect: Mapping[str, Any] | None = field(default_factory=dict)

    @property
    def longest(self) -> int:
        """Return the longest time of a job in seconds; 0 if the file leaves that to the cluster."""
        return seconds(self.time, "time") if self.time else 0

    @property
    def flags(self) -> list[str]:
        """Return the options of sbatch for a job of this site."""
        named = [f"--{key}={getattr(self, key)}" for key in NAMED if getattr(self, key)]
        quoted = [f'--constraint="{self.constraint}"'] if self.constraint else []
        mail = [f"--mail-user={self.mail}", "--mail-type=END,FAIL"] if self.mail else []
        return [*named, *quoted, *mail, *self.sbatch_flags]

    def on(self, nodes: int) -> "Site":
        """Return what the site is for a job of so many nodes: the tables it reaches, one over another."""
        reached = [t for t in self.nodes if t["at_least"] <= nodes]
        own = {k: v for t in sorted(reached, key=lambda t: t["at_least"]) for k, v in t.items()}
        return replace(self, **{k: v for k, v in own.items() if k != "at_least"})

    @property
    def collecting(self) -> "Site | None":
        """Return what the site is for the job that collects: what only measuring needs is left out."""
        if self.collect is None:
            return None
        kept = {key: getattr(self, key) for key in ("partition", "account", "qos", "setup", "python")}
        return Site(**{**kept, **self.collect})

    def table(self) -> dict[str, Any]:
        """Return the site as JSON holds it."""
        return asdict(self)

    @staticmethod
    def of(table: Mapping[str, Any]) -> "Site":
        """Return the site that `table` was made from, by this prk or an older one."""
        return Site(**{k: _frozen(v) for k, v in table.items()})


def _frozen(value: Any) -> Any:
    """Return a value as a site holds it, from what JSON or TOML have."""
    if isinstance(value, dict):
        return {k: _frozen(v) for k, v in value.items()}
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value


def read(path: str | Path) -> Site:
    """Read a site file. Raises Refusal naming file and key."""
    name = Path(path).name
    try:
        table = tomllib.loads(Path(path).read_text())
    except tomllib.TOMLDecodeError as error:
        raise Refusal(name, f"is not TOML: {error}", "see jobs/slurm/site.toml for one that is") from None
    except (OSError, UnicodeDecodeError) as error:
        raise Refusal(str(path), f"cannot be read ({error})", "copy jobs/slurm/site.toml") from None
    return parse(table, name)


def parse(table: Mapping[str, Any], source: str) -> Site:
    """Return the site that a file's table states. Raises Refusal naming source and key."""
    given = dict(_values(table, [f.name for f in fields(Site)], source))
    tables = typed(table, "nodes", list, [], source)
    given["nodes"] = tuple(_from(t, f"{source}: nodes[{i}]") for i, t in enumerate(tables))
    collect = table.get("collect", {})
    if isinstance(collect, dict):
        given["collect"] = _values(collect, JOB, f"{source}: collect")
    elif collect is False:
        given["collect"] = None
    else:
        raise Refusal(f"{source}: collect", f"{collect!r} is no table", "write [collect], or collect = false")
    if given.get("failures", 0) < 0:
        raise Refusal(f"{source}: failures", f"{given['failures']} is negative", "use 0 for any number")
    return Site(**given)


def _from(table: Any, where: str) -> dict[str, Any]:
    """Return a table of what holds from a number of nodes on."""
    least = table.get("at_least") if isinstance(table, dict) else None
    if type(least) is not int or least < 1:
        raise Refusal(where, "it does not say from which number of nodes on", "write at_least = 64")
    return {"at_least": least, **_values(table, ("at_least", *JOB), where)}


def _values(table: Mapping[str, Any], keys: Sequence[str], where: str) -> dict[str, Any]:
    """Return what a table says of the keys that it may have, each as it must be. Raises Refusal."""
    known(table, keys, where)
    found: dict[str, Any] = {}
    for key in [k for k in table if k not in ("nodes", "collect", "at_least")]:
        kind = {"failures": int, "stage": bool}.get(key, list if key in LISTS else str)
        value = typed(table, key, kind, None, where)
        if kind in (list, str):
            for word in value if kind is list else [value]:
                _refuse_text(key, word, f"{where}: {key}")
        found[key] = _frozen(value)
    return found


def _refuse_text(key: str, word: Any, where: str) -> None:
    """Raise Refusal if a word cannot stand in a script."""
    if not isinstance(word, str) or "\n" in word:
        raise Refusal(where, f"{word!r} is not one line of text", "give strings")
    if key in CHOICES and word not in CHOICES[key]:
        raise Refusal(where, f"{word!r} is none of the choices", f"use {' or '.join(CHOICES[key])}")
    if (key in (*NAMED, "mpi", "mail") and not NAME.fullmatch(word)) or (key == "constraint" and '"' in word):
        raise Refusal(where, f"{word!r} is no name", "use letters and digits")
    if key == "time" and word:
        seconds(word, where)


def seconds(time: str, where: str) -> int:
    """Return what a time limit as Slurm writes it means: minutes, M:S, H:M:S, D-H, D-H:M, D-H:M:S."""
    found = TIME.fullmatch(time)
    if not found:
        raise Refusal(where, f"{time!r} is no time", 'use "4:00:00", or minutes, as "240"')
    days, *rest = (None if g is None else int(g) for g in found.groups())
    if days is not None or rest[2] is not None:
        hours, minutes, left = (n or 0 for n in rest)
    else:
        hours, minutes, left = 0, rest[0] or 0, rest[1] or 0
    return (((days or 0) * 24 + hours) * 60 + minutes) * 60 + left


def clock(duration: int) -> str:
    """Return seconds as Slurm reads them: 2:30:00, or 1-06:00:00."""
    days, rest = divmod(duration, 86400)
    text = f"{rest // 3600}:{rest // 60 % 60:02d}:{rest % 60:02d}"
    return f"{days}-{text.zfill(8)}" if days else text
