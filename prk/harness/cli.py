"""The command line of the harness: `prk-bench`, or bench.py from a checkout."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import NoReturn

from prk.harness import adhoc, campaign, plan, progress, store, sweep, table
from prk.harness.plan import Plan, Point
from prk.harness.store import Store
from prk.problem import Refusal

RUNS = Path("runs")
FORMATS = ("png", "svg", "pdf")


class _Parser(argparse.ArgumentParser):
    """Say what is wrong in one line, by a Refusal."""

    def error(self, message: str) -> NoReturn:
        option, _, problem = message.removeprefix("argument ").partition(": ")
        raise Refusal(option, problem or "wrong usage", f"{self.prog} --help lists what works")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code: 0 well, 1 some launch failed, 2 refused, 130 interrupted."""
    try:
        arguments, rest = _parser().parse_known_args(joined(sys.argv[1:] if argv is None else argv))
        if rest and not arguments.takes_points:
            raise Refusal(
                rest[0], "there is no such option", f"prk-bench {arguments.command} --help lists them all"
            )
        arguments.rest = rest
        return arguments.do(arguments)
    except Refusal as refusal:
        print(f"prk-bench: {refusal}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("prk-bench: interrupted; prk-bench continue runs what is missing", file=sys.stderr)
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 0


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
)


def joined(words: Sequence[str]) -> list[str]:
    """Return the words with `--name value` as `--name=value` where the name is not the harness's own.

    Otherwise argparse, which does not know the name, would take the value for the sweep file.
    """
    found: list[str] = []
    for word in words:
        last = found[-1] if found else ""
        of_point = last.startswith("--") and "=" not in last and last not in (*OWN, "--help")
        if of_point and "".join(words[:1]) in ("plan", "run", "slurm") and not word.startswith("--"):
            found[-1] = f"{last}={word}"
        else:
            found.append(word)
    return found


def _parser() -> _Parser:
    parser = _Parser(
        prog="prk-bench",
        description="Plan, run and show sweeps over kernels, runtimes and node counts.",
        epilog="A FOLDER may be left out: the newest under runs/ is meant.",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    add_sweep(commands, "plan", "show the points of a sweep; start nothing", do_plan)
    add_sweep(commands, "run", "run a sweep into a new folder", do_run, runs=True)
    add_folder(commands, "status", "count what a sweep has and lacks", do_status)
    again = add_folder(commands, "continue", "run the launches that have no record", do_continue)
    _add_running(again)
    retry = add_folder(commands, "retry", "run launches again; their older records are kept aside", do_retry)
    retry.add_argument("--failed", action="store_true", help="those that failed in any way")
    retry.add_argument("--status", metavar="NAME,...", help="those with one of these statuses, as: skipped")
    _add_running(retry)
    results = add_folder(commands, "results", "print the table of results", do_results)
    results.add_argument("--format", choices=("text", "csv", "json"), default="text", help="default: text")
    drawn = add_folder(commands, "plot", "draw the figures", do_plot)
    drawn.add_argument("--format", action="append", choices=FORMATS, help="default: all of them")
    add_folder(commands, "report", "write the figures and one self-contained page", do_report)
    compared = commands.add_parser("compare", help="tell whether B is faster than A", allow_abbrev=False)
    compared.add_argument("a", metavar="A", help="FOLDER, or FOLDER:RUNTIME for one runtime of it")
    compared.add_argument("b", metavar="B")
    compared.set_defaults(do=do_compare, takes_points=False)
    measured = add_folder(
        commands, "machine", "measure this machine's bounds into FOLDER/machine.json", do_machine
    )
    measured.add_argument("--out", metavar="FILE", help="write the record to FILE instead")
    from prk.harness.slurm import cli as slurm

    slurm.add(commands)
    return parser


def add_sweep(commands, name: str, text: str, do, runs: bool = False) -> argparse.ArgumentParser:
    """Add a command that takes a sweep, from a file or from the command line."""
    one = commands.add_parser(
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
        _add_running(one)
    return one


def _add_running(one: argparse.ArgumentParser) -> None:
    one.add_argument("--dry-run", action="store_true", help="show every command; start nothing")
    one.add_argument("--launcher", default="", metavar="TEMPLATE", help='as "srun -n {ranks}"')


def add_folder(commands, name: str, text: str, do) -> argparse.ArgumentParser:
    """Add a command that takes the folder of a sweep."""
    one = commands.add_parser(name, help=text, allow_abbrev=False)
    one.add_argument("folder", nargs="?", metavar="FOLDER")
    one.set_defaults(do=do, takes_points=False)
    return one


def planned(arguments: argparse.Namespace) -> Plan:
    """Return the plan that the arguments ask for, from a file or from the command line alone."""
    if arguments.sweep:
        if arguments.rest:
            raise Refusal(
                arguments.rest[0], "a sweep file states its points itself", "leave out the one or the other"
            )
        path = sweep.find(arguments.sweep)
        found = sweep.read(path, arguments.preset)
    else:
        found = adhoc.sweep_of(arguments.rest)
    return plan.make(adhoc.changed(found, arguments.repeat, arguments.timeout, arguments.seed))


def chosen_folder(name: str | None) -> Store:
    """Return the store that a command means: the one named, or the newest under runs/."""
    if name:
        return Store(name)
    found = sorted(RUNS.glob("*/plan.json"), key=lambda p: p.stat().st_mtime)
    if not found:
        raise Refusal("FOLDER", f"there is no sweep under {RUNS}/", "name one, or make one by prk-bench run")
    return Store(found[-1].parent)


def do_plan(arguments: argparse.Namespace) -> int:
    found = planned(arguments)
    print(table.of_plan(found))
    return 0


def do_run(arguments: argparse.Namespace) -> int:
    found = planned(arguments)
    if not arguments.dry_run:
        campaign.refuse_nodes(found)
    folder = arguments.out or RUNS / f"{found.name}-{datetime.now():%Y%m%d-%H%M%S}"
    kept = Store(folder) if arguments.dry_run else Store.make(folder, found)
    if (arguments.machine or found.machine) and not arguments.dry_run:
        _measure(kept.machine)
    code = _launch(kept, found, campaign.pending(found, set()), arguments)
    if arguments.report and not arguments.dry_run:
        report_of(kept)
    return code


def do_continue(arguments: argparse.Namespace) -> int:
    kept = chosen_folder(arguments.folder)
    found = kept.plan()
    if not arguments.dry_run:
        campaign.refuse_nodes(found)
    return _launch(kept, found, campaign.pending(found, kept.names()), arguments)


def do_retry(arguments: argparse.Namespace) -> int:
    statuses = set(store.FAILED if arguments.failed else ())
    statuses |= set((arguments.status or "").split(",")) - {""}
    sweep.known(sorted(statuses), ("skipped", "ok", *store.FAILED), "--status")
    if not statuses:
        raise Refusal("retry", "it is not said which launches", "use --failed, or --status skipped")
    kept = chosen_folder(arguments.folder)
    found = kept.plan()
    loaded = store.load(kept, found)
    again = {
        f"{r.point}-{r.repeat:03d}" for rs in loaded.results.values() for r in rs if r.status in statuses
    }
    there = {f"{p.id}-{r:03d}" for p in found.points for r in range(found.repeat)} - again
    if not arguments.dry_run:
        campaign.refuse_nodes(found)
        with kept.locked():
            for name in sorted(again):
                kept.set_aside(name)
    return _launch(kept, found, campaign.pending(found, there), arguments)


def _launch(
    kept: Store, found: Plan, todo: list[tuple[int, Point, int]], arguments: argparse.Namespace
) -> int:
    """Run what is to do, or show it; return 0 if all that has run went well."""
    ready = campaign.launches(found, kept, todo, arguments.launcher)
    if arguments.dry_run:
        for one in ready:
            print(shlex.join(one.command))
        return 0
    if not ready:
        print("nothing is missing")
        return 0
    with progress.shown(ready) as watcher:
        campaign.run(kept, ready, watcher)
    print(f"{kept.folder}: {watcher.summary()}")
    return 1 if any(watcher.counts[s] for s in store.FAILED) else 0


def do_status(arguments: argparse.Namespace) -> int:
    kept = chosen_folder(arguments.folder)
    found = kept.plan()
    print(table.of_status(kept.folder, found, store.load(kept, found)))
    return 0


def do_results(arguments: argparse.Namespace) -> int:
    kept = chosen_folder(arguments.folder)
    found = kept.plan()
    from prk.harness import bounds

    rows = table.rows(found, store.load(kept, found), bounds.read(kept.machine))
    print(table.FORMATS[arguments.format](rows))
    return 0


def do_plot(arguments: argparse.Namespace) -> int:
    from prk.harness import figures

    for path in figures.write_all(chosen_folder(arguments.folder), arguments.format or FORMATS):
        print(path)
    return 0


def do_report(arguments: argparse.Namespace) -> int:
    report_of(chosen_folder(arguments.folder))
    return 0


def report_of(kept: Store) -> None:
    """Draw the figures and write the page; print where they are."""
    from prk.harness import figures, report

    for path in [*figures.write_all(kept, FORMATS), report.write(kept)]:
        print(path)


def do_compare(arguments: argparse.Namespace) -> int:
    from prk.harness import compare

    print(compare.text(arguments.a, arguments.b))
    return 0


def do_machine(arguments: argparse.Namespace) -> int:
    _measure(Path(arguments.out) if arguments.out else chosen_folder(arguments.folder).machine)
    return 0


def _measure(path: Path) -> None:
    from prk.harness import machine

    print(machine.text(machine.measure(path)))
    print(path)


if __name__ == "__main__":
    sys.exit(main())
