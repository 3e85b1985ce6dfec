"""What the commands of the harness, and those of its batch jobs, have in common."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from prk.harness.analyse import rows
from prk.harness.analyse.narrow import FEWEST
from prk.harness.execute import progress
from prk.harness.plan import adhoc, expand, sweep
from prk.harness.plan.points import Plan
from prk.harness.store import Store
from prk.problem import Refusal

RUNS = Path("runs")


# Options of plan and run that are the harness's own; all others state points and take a value.
OWN = (
    "--preset",
    "--seed",
    "--repeat",
    "--timeout",
    "--out",
    "--machine",
    "--report",
    "--dry-run",
    "--launcher",
    "--site",
    "--one-allocation",
    "--failed",
    "--chain",
    "--stage-environment",
    "--until-ci",
    "--most",
    "--what-if",
    "--limits",
    "--isoefficiency",
)


def joined(words: Sequence[str]) -> list[str]:
    """Return the words with `--name value` as `--name=value` where the name is not the harness's own.

    Otherwise argparse, which does not know the name, would take the value for the sweep file.
    """
    points = "".join(words[:1]) in ("plan", "run", "slurm", "predict")
    found: list[str] = []
    for word in words:
        last = found[-1] if found else ""
        of_point = points and last.startswith("--") and "=" not in last and last not in (*OWN, "--help")
        # What --sort takes may begin with a minus.
        if (of_point or last == "--sort") and not word.startswith("--"):
            found[-1] = f"{last}={word}"
        else:
            found.append(word)
    return found


Do = Callable[[argparse.Namespace], int]


def add_sweep(commands: Any, name: str, text: str, do: Do, runs: bool = False) -> argparse.ArgumentParser:
    """Add a command that takes a sweep, from a file or from the command line."""
    one: argparse.ArgumentParser = commands.add_parser(
        name,
        help=text,
        allow_abbrev=False,
        epilog=adhoc.HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    one.add_argument("sweep", nargs="?", metavar="SWEEP", help="a TOML file, or the name of a shipped sweep")
    one.add_argument("--preset", default="", metavar="NAME", help="lay one of the file's presets over it")
    one.add_argument("--seed", type=int, help="of the random order (default: the file's, or a new one)")
    one.add_argument("--repeat", type=int, metavar="N", help="launches a point (default: the file's, or 1)")
    one.add_argument("--timeout", type=float, metavar="SECONDS", help="limit of a launch")
    one.set_defaults(do=do, takes_points=True)
    if runs:
        one.add_argument("--out", metavar="FOLDER", help="default: runs/NAME-DATE-TIME")
        one.add_argument("--machine", action="store_true", help="measure the machine's bounds first")
        one.add_argument("--report", action="store_true", help="end with the figures and the page")
        add_running(one)
    return one


def add_running(one: argparse.ArgumentParser) -> None:
    """Add the options of a command that starts launches."""
    one.add_argument("--dry-run", action="store_true", help="show every command; start nothing")
    add_launcher(one)


def add_launcher(one: argparse.ArgumentParser) -> None:
    """Add the option that names another launcher than mpirun."""
    one.add_argument("--launcher", default="", metavar="TEMPLATE", help='as "srun -n {ranks}"')


def add_until(one: argparse.ArgumentParser) -> None:
    """Add the options that go on launching until the results are as sharp as asked for."""
    one.add_argument(
        "--until-ci",
        metavar="PERCENT",
        help="go on until no 95 %% interval reaches further from its median than this",
    )
    one.add_argument("--most", type=int, metavar="N", help="launches a point for --until-ci (default: 50)")


def part(option: str, given: str) -> float:
    """Return a percentage as part of one. Raises Refusal unless it is more than nothing and less than all."""
    try:
        percent = float(given.removesuffix("%"))
    except ValueError:
        percent = 0.0
    if not 0 < percent < 100:
        raise Refusal(option, f"{given!r} is no part of a median", "use a percentage, as 5%")
    return percent / 100


def until(arguments: argparse.Namespace) -> tuple[float, int]:
    """Return how far an interval may reach from its median, as part of it (0: any), and the most launches."""
    given = getattr(arguments, "until_ci", None)
    if given is None:
        if getattr(arguments, "most", None) is not None:
            raise Refusal("--most", "it is of --until-ci", "name both, or --repeat")
        return 0.0, 0
    reach = part("--until-ci", given)
    most = 50 if arguments.most is None else arguments.most
    if most < FEWEST:
        raise Refusal("--most", f"{most} launches give no 95 % interval", f"use at least {FEWEST}")
    return reach, most


def add_folder(commands: Any, name: str, text: str, do: Do) -> argparse.ArgumentParser:
    """Add a command that takes the folder of a sweep."""
    one: argparse.ArgumentParser = commands.add_parser(name, help=text, allow_abbrev=False)
    one.add_argument("folder", nargs="?", metavar="FOLDER")
    one.set_defaults(do=do, takes_points=False)
    return one


def planned(arguments: argparse.Namespace) -> Plan:
    """Return the plan that the arguments ask for, from a file or from the command line alone."""
    until(arguments)
    launcher = getattr(arguments, "launcher", "")
    if arguments.sweep:
        if arguments.rest:
            raise Refusal(
                arguments.rest[0], "a sweep file states its points itself", "leave out the one or the other"
            )
        path = sweep.find(arguments.sweep)
        found = sweep.read(path, arguments.preset)
    elif arguments.preset:
        raise Refusal("--preset", "there is no sweep file that has presets", "name one, or leave it out")
    else:
        found = adhoc.sweep_of(arguments.rest)
    return expand.make(adhoc.changed(found, arguments.repeat, arguments.timeout, arguments.seed, launcher))


def chosen_folder(name: str | None) -> Store:
    """Return the store that a command means: the one named, or the newest under runs/."""
    if name:
        return Store(name)
    found = sorted(RUNS.glob("*/plan.json"), key=lambda p: p.stat().st_mtime)
    if not found:
        raise Refusal("FOLDER", f"there is no sweep under {RUNS}/", "name one, or make one by prk-bench run")
    return Store(found[-1].parent)


def report_of(kept: Store) -> None:
    """Draw the figures and write the page; print where they are."""
    # What they need may be missing, and is slow to import.
    from prk.harness.show import report

    for path in report.write_all(rows.opened(kept)):
        progress.say(path)
