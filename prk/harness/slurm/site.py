"""The site file: what a cluster wants to be told. Read strictly, every mistake answered by one line."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from prk.harness.plan.sweep import known, typed
from prk.problem import Refusal

LAUNCHERS = ("mpirun", "srun")
BINDINGS = ("core", "none")
# A partition, an account: Slurm's names, several by commas.
NAME = re.compile(r"[\w.,+-]*")
TIME = re.compile(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?")


@dataclass(frozen=True)
class Site:
    """One cluster; jobs/slurm/site.toml explains the keys."""

    partition: str = ""
    account: str = ""
    constraint: str = ""
    time: str = ""
    setup: tuple[str, ...] = ()
    python: str = ""
    launcher: str = "mpirun"
    mpi: str = "pmix"
    bind: str = "core"
    cache: str | None = None
    sbatch_flags: tuple[str, ...] = ()
    launcher_flags: tuple[str, ...] = ()

    @property
    def longest(self) -> int:
        """Return the longest time of a job in seconds; 0 if the file leaves that to the cluster."""
        return seconds(self.time, "time") if self.time else 0

    def table(self) -> dict[str, Any]:
        """Return the site as JSON holds it."""
        return asdict(self)

    @staticmethod
    def of(table: Mapping[str, Any]) -> "Site":
        """Return the site that `table` was made from."""
        given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in table.items()}
        return Site(**given)


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
    known(table, [f.name for f in fields(Site)], source)
    given: dict[str, Any] = {}
    for key in table:
        several = key in ("setup", "sbatch_flags", "launcher_flags")
        value = typed(table, key, list if several else str, None, source)
        for word in value if several else [value]:
            if not isinstance(word, str) or "\n" in word:
                raise Refusal(f"{source}: {key}", f"{word!r} is not one line of text", "give strings")
        given[key] = tuple(value) if several else value
    site = Site(**given)
    for key, choices in (("launcher", LAUNCHERS), ("bind", BINDINGS)):
        if getattr(site, key) not in choices:
            raise Refusal(
                f"{source}: {key}",
                f"{getattr(site, key)!r} is none of the choices",
                f"use {' or '.join(choices)}",
            )
    for key in ("partition", "account", "mpi"):
        if not NAME.fullmatch(getattr(site, key)):
            raise Refusal(f"{source}: {key}", f"{getattr(site, key)!r} is no name", "use letters and digits")
    if site.time:
        seconds(site.time, f"{source}: time")
    return site


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
