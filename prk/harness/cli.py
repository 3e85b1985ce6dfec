"""The command line of the harness: `prk-bench`, or bench.py from a checkout."""

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

from prk.cli import Parser
from prk.harness import store
from prk.harness.analyse import compare, results, rows
from prk.harness.arguments import (
    RUNS,
    add_folder,
    add_launcher,
    add_running,
    add_sweep,
    chosen_folder,
    joined,
    planned,
    report_of,
)
from prk.harness.execute import campaign, progress
from prk.harness.plan import sweep
from prk.harness.plan.points import Plan, Point
from prk.harness.show import style, table
from prk.harness.slurm import cli as slurm
from prk.harness.slurm import journal, step
from prk.harness.store import Store
from prk.machine import bounds, measure
from prk.problem import Refusal
from prk.records import build, identity
from prk.run import launcher


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code: 0 well, 1 some launch failed, 2 refused, 130 interrupted."""
    try:
        given, rest = _parser().parse_known_args(joined(sys.argv[1:] if argv is None else argv))
        if rest and not given.takes_points:
            raise Refusal(
                rest[0], "there is no such option", f"prk-bench {given.command} --help lists them all"
            )
        given.rest = rest
        code: int = given.do(given)
        return code
    except Refusal as refusal:
        print(f"prk-bench: {refusal}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("prk-bench: interrupted; prk-bench continue runs what is missing", file=sys.stderr)
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 0


def _parser() -> Parser:
    parser = Parser(
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
    add_running(again)
    retry = add_folder(commands, "retry", "run launches again; their older records are kept aside", do_retry)
    retry.add_argument("--failed", action="store_true", help="those that failed in any way")
    retry.add_argument("--status", metavar="NAME,...", help="those with one of these statuses, as: skipped")
    add_running(retry)
    shown = add_folder(commands, "results", "print the table of results", do_results)
    shown.add_argument("--format", choices=tuple(table.FORMATS), default="text", help="default: text")
    drawn = add_folder(commands, "plot", "draw the figures", do_plot)
    drawn.add_argument("--format", action="append", choices=style.FORMATS, help="default: all of them")
    add_folder(commands, "report", "write the figures and one self-contained page", do_report)
    compared = commands.add_parser("compare", help="tell whether B is better than A", allow_abbrev=False)
    compared.add_argument("a", metavar="A", help="FOLDER, or FOLDER:RUNTIME for one runtime of it")
    compared.add_argument("b", metavar="B")
    compared.set_defaults(do=do_compare, takes_points=False)
    measured = add_folder(
        commands, "machine", "measure this machine's bounds into FOLDER/machine.json", do_machine
    )
    measured.add_argument("--out", metavar="FILE", help="write the record to FILE instead")
    add_launcher(measured)
    slurm.add(commands)
    return parser


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
        _measure(kept.machine, partial(launcher.words, template=arguments.launcher or found.launcher))
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
    sweep.known(sorted(statuses), ("skipped", *build.RIGHT, *store.FAILED), "--status")
    if not statuses:
        raise Refusal("retry", "it is not said which launches", "use --failed, or --status skipped")
    kept = chosen_folder(arguments.folder)
    found = kept.plan()
    own = [r for several in results.load(kept, found).results.values() for r in several]
    again = {identity.launch_name(r.point, r.repeat) for r in own if r.status in statuses}
    there = found.launches().keys() - again
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
    print(table.of_status(kept.folder, found, results.load(kept, found)))
    return 0


def do_results(arguments: argparse.Namespace) -> int:
    print(table.FORMATS[arguments.format](rows.opened(chosen_folder(arguments.folder)).rows))
    return 0


def do_plot(arguments: argparse.Namespace) -> int:
    # Matplotlib may be missing, and is slow to import.
    from prk.harness.show import figures

    sweep = rows.opened(chosen_folder(arguments.folder))
    for path in figures.write_all(sweep, arguments.format or style.FORMATS):
        print(path)
    return 0


def do_report(arguments: argparse.Namespace) -> int:
    report_of(chosen_folder(arguments.folder))
    return 0


def do_compare(arguments: argparse.Namespace) -> int:
    print(compare.text(arguments.a, arguments.b))
    return 0


def do_machine(arguments: argparse.Namespace) -> int:
    start: measure.Start = partial(launcher.words, template=arguments.launcher)
    if arguments.out:
        _measure(Path(arguments.out), start)
        return 0
    kept = chosen_folder(arguments.folder)
    if "SLURM_JOB_ID" in os.environ and not arguments.launcher and (made := journal.read(kept)):
        # A job of the sweep, whose site says how.
        start = partial(step.by_mpi, made.site, limit=measure.LIMIT)
    _measure(kept.machine, start)
    return 0


def _measure(path: Path, start: measure.Start) -> None:
    print(bounds.text(measure.measure(path, start)))
    print(path)


if __name__ == "__main__":
    sys.exit(main())
