"""The options of a run that is to outlive some of its members, and what of them cannot be. Pure."""

import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prk.problem import Problem, Refusal
from prk.run import registry
from prk.run.faults import draws
from prk.runtime import Option, Runtime

OPTIONS = (
    Option("faults", "off", "whether members may die while the others go on", ("off", "on")),
    Option("spares", 0, "ranks that wait to take the place of others"),
    Option(
        "state", "analytic", "what is gone on from: the known answer so far, or copies in a partner's memory,"
        " on disk, or in memory that a node's ranks share", ("analytic", "buddy", "disk", "shared"),
    ),
    Option("checkpoint", 0, "repetitions from one copy of the state to the next"),
    Option("kill", "", "who dies when, as 2@5,3@7:checkpoint (or :waiting, :recovery)"),
    Option("kill-period", 0, "mean repetitions between failures that are drawn"),
    Option("kill-set", 1, "ranks that die in each of those"),
    Option("kill-seed", 0, "which numbers the failures are drawn from"),
    Option("mtbf", 0.0, "mean seconds between kills from outside, at any moment"),
    Option("signal", "kill", "what befalls a rank: it is killed, or stopped for good", ("kill", "stop")),
)  # fmt: skip
RECOVERY = "recovery"
KILL = re.compile(r"(\d+)@(\d+)(?::(waiting|checkpoint|recovery))?")


@dataclass(frozen=True)
class Kill:
    """A member that dies: its number when the run started, the timed repetition, and what it does then."""

    rank: int
    repetition: int
    phase: str = "computing"

    def __str__(self) -> str:
        return f"{self.rank}@{self.repetition}{'' if self.phase == 'computing' else f':{self.phase}'}"


@dataclass(frozen=True)
class Faults:
    """What a run is to outlive, and how."""

    recovery: str
    spares: int
    state: str
    checkpoint: int
    kills: tuple[Kill, ...]
    period: int
    mtbf: float
    seed: int
    signal: str


def of(how: Runtime, kernel: str) -> tuple[Option, ...]:
    """Return the options of a kernel on a runtime: its own, and these where its runs can outlive a member."""
    own = how.cell(kernel).options
    if why_not(how, kernel):
        return own
    usual, *_ = how.recoveries
    return (*own, *OPTIONS, Option(RECOVERY, usual, "who goes on when some are gone", how.recoveries))


def why_not(how: Runtime, kernel: str) -> str:
    """Return why runs of the kernel on this runtime end with a member that dies, or nothing."""
    if not how.recoveries:
        return f"runs of {how.name} end with a member that dies: {how.mortal}"
    if importlib.util.find_spec(f"{registry.package_of(kernel)}.faults") is None:
        return f"{kernel} has no faults.py, which says what its state is"
    return ""


def asked(options: Mapping[str, Any]) -> bool:
    """Tell whether the options ask for a run that outlives members."""
    return options.get("faults") == "on"


def settled(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a job's options: without these where they are not asked for, so that a usual run has none.

    Raises Refusal if one is given that then means nothing.
    """
    if asked(options) or "faults" not in options:
        return dict(options)
    for o in OPTIONS:
        if options[o.name] != o.default:
            raise Refusal(f"--{o.name}", "it is of a run with faults", "use it with --faults")
    return without(options)


def without(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of the same job when nothing befalls it."""
    names = {RECOVERY, *(o.name for o in OPTIONS)}
    return {name: value for name, value in options.items() if name not in names}


def active(options: Mapping[str, Any], size: int) -> int:
    """Return how many of `size` members compute when the run starts. Raises Refusal if none would."""
    spares: int = options["spares"] if asked(options) else 0
    if not 0 <= spares < size:
        raise Refusal(
            "--spares", f"{spares} of {size} ranks cannot be spare", f"use at most {size - 1}, or more ranks"
        )
    return size - spares


def read(problem: Problem, options: Mapping[str, Any], size: int) -> Faults:
    """Return what the options ask for, `size` being all members with the spares. Raises Refusal."""
    spares, recovery = options["spares"], options["recovery"]
    active(options, size)
    if (recovery == "spares") != (spares > 0):
        said = "spares needs some" if recovery == "spares" else f"{recovery} takes no spares"
        raise Refusal("--recovery", said, "use --recovery spares with --spares 1 or more, or neither")
    _refuse_state(options)
    for name, least in (("kill-period", 0), ("kill-set", 1), ("kill-seed", 0), ("mtbf", 0)):
        if options[name] < least:
            raise Refusal(f"--{name}", f"{options[name]} is too small", f"use at least {least}")
    found = list(given(options["kill"]))
    if options["kill-period"]:
        period, together = options["kill-period"], options["kill-set"]
        found += [
            Kill(rank, repetition)
            for repetition, ranks in draws.failures(
                period, together, options["kill-seed"], problem.iterations, size, spares
            )
            for rank in ranks
        ]
    _refuse_kills(found, problem, size, replaced=recovery == "replace")
    if options["signal"] == "stop" and options["mtbf"]:
        raise Refusal("--signal", "from outside ranks are killed", "use --kill or --kill-period to stop some")
    return Faults(
        recovery, spares, options["state"], options["checkpoint"], tuple(found), options["kill-period"],
        options["mtbf"], options["kill-seed"], options["signal"],
    )  # fmt: skip


def given(text: str) -> list[Kill]:
    """Return the kills that are named. Raises Refusal."""
    found = []
    for word in filter(None, text.split(",")):
        match = KILL.fullmatch(word.strip())
        if not match:
            raise Refusal("--kill", f"{word!r} names no failure", "write RANK@REPETITION, as 2@5")
        found.append(Kill(int(match[1]), int(match[2]), match[3] or "computing"))
    return found


def _refuse_state(options: Mapping[str, Any]) -> None:
    """Raise Refusal if state and checkpoints do not go together."""
    state, checkpoint = options["state"], options["checkpoint"]
    if state == "analytic" and checkpoint:
        raise Refusal("--checkpoint", "the analytic state needs no copies", "use it with another --state")
    if state != "analytic" and checkpoint < 1:
        raise Refusal("--checkpoint", f"{state} needs copies", "say after how many repetitions, as 10")


def _refuse_kills(kills: list[Kill], problem: Problem, size: int, replaced: bool) -> None:
    """Raise Refusal for a failure that cannot happen."""
    for kill in kills:
        if kill.rank >= size:
            raise Refusal("--kill", f"{kill}: there are ranks 0 to {size - 1}", "name one of them")
        if not 1 <= kill.repetition <= problem.iterations:
            raise Refusal("--kill", f"{kill}: repetitions are 1 to {problem.iterations}", "name one of them")
    ranks = [kill.rank for kill in kills]
    if len({*ranks}) < len(ranks):
        raise Refusal("--kill", "a rank dies once", "name each rank once")
    if len(ranks) >= size and not replaced:
        raise Refusal("--kill", "nobody is left", f"let at most {size - 1} of {size} ranks die")
