# PYTHON_ARGCOMPLETE_OK
"""The command line of the harness: `prk-bench`, or bench.py from a checkout."""

import argparse
import json
import os
import shlex
import sys
from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import prk
from prk.cli import Parser
from prk.harness import cells, completion, merge, store
from prk.harness.analyse import (
    compare,
    convergence,
    launches,
    narrow,
    origin,
    predicted,
    rcp,
    reference,
    results,
    rows,
    score,
    trainings,
)
from prk.harness.arguments import (
    RUNS,
    add_folder,
    add_launcher,
    add_running,
    add_sweep,
    add_until,
    chosen_folder,
    joined,
    part,
    planned,
    report_of,
    until,
)
from prk.harness.execute import campaign, progress
from prk.harness.execute.command import Launch
from prk.harness.plan import sweep
from prk.harness.plan.points import Plan
from prk.harness.show import choose, colour, foretelling, junit, scores, style, table
from prk.harness.slurm import cli as slurm
from prk.harness.slurm import journal, step
from prk.harness.store import Store
from prk.machine import bounds, measure, model
from prk.problem import Refusal
from prk.records import build, identity
from prk.run import launcher, processes
from prk.run.trace import archive

# How rows are printed, and the format with all that was measured, for whoever has statistics of their own.
FORMATS = {**table.FORMATS, "junit": junit.text}
LONG = "long"
# Tests for a site's ReFrame; no module of the package, since it imports ReFrame.
REFRAME = Path(prk.__file__).with_name("reframe") / "checks.py"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code: 0 well, 1 failed or worse, 2 refused, 130 interrupted."""
    try:
        with processes.interrupted_once():
            parser = _parser()
            completion.offer(parser)
            given, rest = parser.parse_known_args(joined(sys.argv[1:] if argv is None else argv))
            if rest and not given.takes_points:
                raise Refusal(
                    rest[0], "there is no such option", f"prk-bench {given.command} --help lists them all"
                )
            given.rest = rest
            code: int = given.do(given)
            # Here, because later nobody could say that it failed.
            print(end="", flush=True)
            return code
    except Refusal as refusal:
        return _end(2, str(refusal))
    except KeyboardInterrupt:
        return _end(130, "interrupted; prk-bench continue runs what is missing")
    except BrokenPipeError:
        # As with `| head`: whoever reads has enough.
        return _end(0)
    except OSError as error:
        return _end(1, f"{error.filename or 'standard output'}: {error.strerror}; see that it can be used")


def _end(code: int, why: str = "") -> int:
    """Say why the command ends, where somebody listens; return the exit code."""
    for stream, text in ((sys.stderr, f"prk-bench: {why}\n" if why else ""), (sys.stdout, "")):
        try:
            if stream:
                stream.write(text)
                stream.flush()
        except OSError:
            # What it still holds must not be tried again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return code


def _parser() -> Parser:
    parser = Parser(
        prog="prk-bench",
        description="Plan, run and show sweeps over kernels, runtimes and node counts.",
        epilog="A FOLDER may be left out: the newest under runs/ is meant.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"prk {prk.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    add_sweep(commands, "plan", "show the points of a sweep, or of a FOLDER; start nothing", do_plan)
    add_until(add_sweep(commands, "run", "run a sweep into a new folder", do_run, runs=True))
    add_folder(commands, "status", "count what a sweep has and lacks", do_status)
    again = add_folder(commands, "continue", "run the launches that have no record", do_continue)
    add_until(again)
    add_running(again)
    extended = add_folder(commands, "extend", "plan more launches of every point; start nothing", do_extend)
    extended.add_argument("--repeat", type=int, metavar="N", required=True, help="launches a point in all")
    retry = add_folder(commands, "retry", "run launches again; their older records are kept aside", do_retry)
    retry.add_argument("--failed", action="store_true", help="those that failed in any way")
    retry.add_argument("--status", metavar="NAME,...", help="those with one of these statuses, as: skipped")
    add_running(retry)
    shown = add_folder(commands, "results", "print the table of results", do_results)
    form = shown.add_mutually_exclusive_group()
    form.add_argument(
        "--format",
        choices=(*FORMATS, LONG),
        default="text",
        help=f"default: text; junit: a test case a point; {LONG}: CSV with a line a sample of every launch",
    )
    for name in ("csv", "json"):
        form.add_argument(
            f"--{name}", action="store_const", const=name, dest="format", help=f"as --format {name}"
        )
    shown.add_argument(
        "--where",
        metavar="CONDITION,...",
        help="only points that meet all of them, as 'kernel=stencil|dgemm,ranks>=2,state!=ok'; "
        "columns are those of --csv, cores, and the kernels' and runtimes' options",
    )
    shown.add_argument("--sort", metavar="COLUMN,...", help="by columns; -COLUMN: the largest first")
    drawn = add_folder(commands, "plot", "draw the figures", do_plot)
    drawn.add_argument("--format", action="append", choices=style.FORMATS, help="default: all of them")
    add_folder(commands, "report", "write the figures and one self-contained page", do_report)
    roofed = commands.add_parser(
        "roofline",
        help="draw what sweeps reach of the machine's roofs, and write the page",
        allow_abbrev=False,
    )
    roofed.add_argument("folders", nargs="*", metavar="FOLDER")
    roofed.add_argument(
        "--roofs", metavar="FILE", help="measured roofs (default: measured into the first FOLDER)"
    )
    roofed.set_defaults(do=do_roofline, takes_points=False)
    compared = commands.add_parser("compare", help="tell whether B is better than A", allow_abbrev=False)
    compared.add_argument("a", nargs="?", metavar="A", help="FOLDER, or FOLDER:RUNTIME for one runtime of it")
    compared.add_argument("b", nargs="?", metavar="B")
    compared.add_argument(
        "--reference", metavar="FILE", help="compare one sweep with FILE; exit code 1 where it is worse"
    )
    compared.set_defaults(do=do_compare, takes_points=False)
    stated = add_folder(
        commands, "reference", "write what a sweep measured as a file for compare --reference", do_reference
    )
    stated.add_argument("--out", required=True, metavar="FILE")
    stated.add_argument(
        "--tolerance", default="5%", metavar="PERCENT", help="by which a point may get worse (default: 5%%)"
    )
    told = add_folder(
        commands, "score", "score trainings under MLPerf-style rules, their logs checked", do_score
    )
    told.add_argument(
        "--weak", action="store_true", help="say what instances at once reached together instead"
    )
    told.add_argument("--json", action="store_true", help="as JSON, with every run")
    _add_rcp(commands)
    foretold = add_sweep(commands, "predict", "say what a sweep's points take on a machine", do_predict)
    foretold.add_argument(
        "--machine", required=True, metavar="FILE", help="as prk-bench machine writes it, TOML, or: edison"
    )
    foretold.add_argument(
        "--out", metavar="FOLDER", help="default: SWEEP if it is one, else runs/NAME-DATE-TIME"
    )
    foretold.add_argument(
        "--what-if", default="", metavar="NAME=FACTOR,...", help="change figures, as latency=0.5,injection=2"
    )
    foretold.add_argument("--limits", action="store_true", help="say too what takes which share of the time")
    foretold.add_argument(
        "--isoefficiency",
        type=float,
        metavar="PART",
        help="say too which size has such an efficiency, as 0.8",
    )
    foretold.add_argument("--report", action="store_true", help="end with the figures and the page")
    tests = commands.add_parser("reframe", help="print where the tests for ReFrame are", allow_abbrev=False)
    tests.add_argument("--cells", action="store_true", help="print what they run instead, as JSON")
    tests.set_defaults(do=do_reframe, takes_points=False)
    archived = commands.add_parser(
        "otf2", help="write a timeline of --trace as an OTF2 archive", allow_abbrev=False
    )
    archived.add_argument("timeline", metavar="FILE")
    archived.add_argument("--out", required=True, metavar="FOLDER")
    archived.set_defaults(do=do_otf2, takes_points=False)
    merged = commands.add_parser("merge", help="put sweeps together in a new folder", allow_abbrev=False)
    merged.add_argument("folders", nargs="+", metavar="FOLDER")
    merged.add_argument("--out", required=True, metavar="FOLDER")
    merged.set_defaults(do=do_merge, takes_points=False)
    measured = add_folder(
        commands, "machine", "measure this machine's bounds into FOLDER/machine.json", do_machine
    )
    measured.add_argument("--out", metavar="FILE", help="write the record to FILE instead")
    measured.add_argument(
        "--nodes",
        type=int,
        choices=(1, 2),
        default=1,
        help="2: measure the network for prk-bench predict too",
    )
    add_launcher(measured)
    slurm.add(commands)
    return parser


def _add_rcp(commands: Any) -> None:
    """Add the command of reference convergence points with its own commands."""
    text = "make reference convergence points, or check trainings by them"
    group = commands.add_parser("rcp", help=text, allow_abbrev=False)
    own = group.add_subparsers(dest="command_of_rcp", required=True, metavar="COMMAND")
    readings = (rcp.TRIMMED, rcp.FULL)
    std = "standard deviation without the fastest and the slowest run, or of all of them"
    made = add_folder(own, "make", "write the points that a folder's trainings make", do_rcp_make)
    made.add_argument("--out", required=True, metavar="FILE")
    made.add_argument("--std", choices=readings, default=rcp.TRIMMED, help=f"{std} (default: trimmed)")
    checked = add_folder(own, "check", "tell whether trainings needed too few epochs", do_rcp_check)
    checked.add_argument("--rcp", required=True, metavar="FILE")
    checked.add_argument("--std", choices=readings, default="", help=f"{std} (default: FILE's)")
    checked.add_argument("--json", action="store_true", help="as JSON")


def do_plan(arguments: argparse.Namespace) -> int:
    made = Store(arguments.sweep or "")
    found = made.plan() if arguments.sweep and made.folder.is_dir() else planned(arguments)
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
    code = _launch(kept, found, set(), arguments)
    if arguments.report and not arguments.dry_run:
        report_of(kept)
    return code


def do_continue(arguments: argparse.Namespace) -> int:
    kept = chosen_folder(arguments.folder)
    found = kept.plan()
    there, spoilt = results.there(kept, found)
    if not arguments.dry_run:
        campaign.refuse_nodes(found)
        with kept.locked(), store.refuse_unwritable(kept.folder):
            for name in spoilt:
                progress.say(f"set aside, no record of its launch: {name}.json")
                kept.set_aside(name)
    return _launch(kept, found, there, arguments)


def do_extend(arguments: argparse.Namespace) -> int:
    kept = chosen_folder(arguments.folder)
    with kept.locked():
        found = kept.plan()
        if arguments.repeat <= found.repeat:
            raise Refusal("--repeat", f"the sweep has {found.repeat} launches a point", "name more")
        kept.change(found.extended({p.id: arguments.repeat for p in found.points}))
    print(f"{kept.folder}: {arguments.repeat} launches a point; prk-bench continue runs what is missing")
    return 0


def do_merge(arguments: argparse.Namespace) -> int:
    print(merge.write([Store(f) for f in arguments.folders], Store(arguments.out)).text())
    return 0


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
    if not arguments.dry_run:
        campaign.refuse_nodes(found)
        with kept.locked(), store.refuse_unwritable(kept.folder):
            for name in sorted(again):
                kept.set_aside(name)
    return _launch(kept, found, found.launches().keys() - again, arguments)


def _launch(kept: Store, found: Plan, there: Set[str], arguments: argparse.Namespace) -> int:
    """Run the launches that are not there, or show them; return 0 if all that has run went well."""
    target, most = until(arguments)
    made = journal.read(kept)
    held = {name for job in journal.live(made) for name in job.launches} - there
    if held:
        progress.say(
            f"left to jobs that wait or run: {len(held)} launches; prk-bench slurm status asks for them"
        )
    ready = campaign.launches(found, kept, campaign.pending(found, {*there, *held}), arguments.launcher)
    if arguments.dry_run:
        for one in ready:
            print(shlex.join(one.command))
        return 0
    counts = _run(kept, ready)
    while target and (wanted := narrow.wanted(rows.opened(kept), target, most)):
        with kept.locked():
            more = kept.change(kept.plan().extended(wanted))
        todo = campaign.pending(more, found.launches().keys())
        found = more
        counts += _run(kept, campaign.launches(found, kept, todo, arguments.launcher))
    if not counts:
        progress.say("nothing is missing")
        return 0
    # What was skipped is no success, unless something else is right.
    right = counts if any(counts[s] for s in build.RIGHT) else results.load(kept, found).counts()
    return int(any(counts[s] for s in store.FAILED) or not any(right[s] for s in build.RIGHT))


def _run(kept: Store, ready: Sequence[Launch]) -> Counter[str]:
    """Run launches; return how many came to which status."""
    if not ready:
        return Counter()
    with progress.shown(ready, progress.taken(kept, ready)) as watcher:
        campaign.run(kept, ready, watcher)
    progress.say(f"{kept.folder}: {watcher.summary()}")
    return watcher.counts


def do_status(arguments: argparse.Namespace) -> int:
    found = rows.opened(chosen_folder(arguments.folder))
    print(table.of_status(found.kept.folder, found.plan, found.loaded, colour.painter(sys.stdout)))
    for line in origin.told(found.loaded.origins):
        print(f"  measured elsewhere, or by another version {line}")
    return 0


def do_results(arguments: argparse.Namespace) -> int:
    kept = chosen_folder(arguments.folder)
    if arguments.format == LONG:
        for name in ("where", "sort"):
            if getattr(arguments, name):
                raise Refusal(f"--{name}", f"{LONG} is every sample of the sweep", "use --csv or --json")
        launches.write(kept, sys.stdout)
        return 0
    sweep = predicted.shown(rows.opened(kept))
    found = choose.where(sweep.rows, arguments.where) if arguments.where else sweep.rows
    found = choose.ordered(found, arguments.sort) if arguments.sort else found
    if arguments.format != "text":
        print(FORMATS[arguments.format](found))
        return 0
    print(table.text(found, colour.painter(sys.stdout)))
    for line in origin.told(sweep.loaded.origins):
        print(f"\nMeasured elsewhere, or by another version: {line}")
    return 0


def do_plot(arguments: argparse.Namespace) -> int:
    # Matplotlib may be missing, and is slow to import.
    from prk.harness.show import figures

    sweep = predicted.shown(rows.opened(chosen_folder(arguments.folder)))
    for path in figures.write_all(sweep.kept, sweep.rows, arguments.format or style.FORMATS):
        print(path)
    return 0


def do_report(arguments: argparse.Namespace) -> int:
    report_of(chosen_folder(arguments.folder))
    return 0


def do_roofline(arguments: argparse.Namespace) -> int:
    # What it needs may be missing, and is slow to import.
    from prk.harness.show import roofline
    from prk.machine import roofs

    sweeps = [rows.opened(chosen_folder(name)) for name in arguments.folders or [None]]
    path = Path(arguments.roofs) if arguments.roofs else sweeps[0].kept.roofs
    for written in roofline.write_all(sweeps, roofs.read(path) or roofs.measure(path)):
        progress.say(written)
    return 0


def do_compare(arguments: argparse.Namespace) -> int:
    if arguments.reference:
        if arguments.b:
            raise Refusal("B", "the reference stands in its place", "leave out the one or the other")
        said, fails = reference.compared(str(chosen_folder(arguments.a).folder), arguments.reference)
        print(said)
        return int(fails)
    if not arguments.b:
        raise Refusal("compare", "one sweep is too few", "name A and B, or a --reference FILE")
    print(compare.text(arguments.a, arguments.b))
    return 0


def do_reference(arguments: argparse.Namespace) -> int:
    folder = str(chosen_folder(arguments.folder).folder)
    print(reference.save(folder, arguments.out, part("--tolerance", arguments.tolerance)))
    return 0


def do_score(arguments: argparse.Namespace) -> int:
    found = trainings.read(chosen_folder(arguments.folder).folder)
    flat, text = (scores.weak_flat, scores.weak_text) if arguments.weak else (scores.flat, scores.text)
    rows = [flat(group) for group in found.groups]
    print(json.dumps(rows, indent=1) if arguments.json else text(found))
    return int(not all(row["valid"] for row in rows))


def do_rcp_make(arguments: argparse.Namespace) -> int:
    print(convergence.save(chosen_folder(arguments.folder).folder, arguments.out, arguments.std))
    return 0


def do_rcp_check(arguments: argparse.Namespace) -> int:
    known = convergence.read(arguments.rcp)
    found = trainings.read(chosen_folder(arguments.folder).folder)
    rows = [scores.checked_flat(group, _judged(group, known, arguments.std)) for group in found.groups]
    print(json.dumps(rows, indent=1) if arguments.json else scores.checked_text(found, rows))
    return int(not all(row["passes"] for row in rows))


def _judged(group: trainings.Group, known: convergence.Reference, std: str) -> rcp.Judged | None:
    """Return how the runs that count are beside the reference, if there are enough of both."""
    window = score.score(group.trainings, group.runs).window
    points = known.points(group.workload, std)
    if not points or len(window) < max(group.runs, 3):
        return None
    return rcp.judge(points, group.batch, [t.epochs for t in window], group.runs)


def do_predict(arguments: argparse.Namespace) -> int:
    factors = model.factors(arguments.what_if)
    machine = model.read(arguments.machine).what_if(factors)
    wanted = arguments.isoefficiency
    if wanted is not None and not 0 < wanted < 1:
        raise Refusal("--isoefficiency", f"{wanted:g} is no part of the time", "use 0.8")
    there = Store(arguments.sweep or "")
    if arguments.sweep and there.folder.is_dir():
        if arguments.out:
            raise Refusal(
                "--out", f"{there.folder} is a sweep's folder itself", "leave out the one or the other"
            )
        kept, plan = there, there.plan()
    else:
        # Nothing of it is to be run.
        plan = replace(planned(arguments), order=())
        folder = arguments.out or RUNS / f"{plan.name}-predicted-{datetime.now():%Y%m%d-%H%M%S}"
        kept = Store.make(folder, plan)
    found, why = predicted.of_plan(plan, machine, arguments.limits)
    if not found:
        raise Refusal("predict", next(iter(why.values())), "name a sweep of MPI's runtimes")
    predicted.save(kept, machine, found, why, factors)
    sized = {
        p.id: predicted.isoefficient(p, machine, wanted) for p in plan.points if wanted and p.id in found
    }
    print(foretelling.text(plan, found, why, sized))
    progress.say(kept.folder / predicted.FILE)
    if arguments.report:
        report_of(kept)
    return 0


def do_reframe(arguments: argparse.Namespace) -> int:
    print(json.dumps(cells.cells(), indent=1) if arguments.cells else REFRAME)
    return 0


def do_otf2(arguments: argparse.Namespace) -> int:
    print(archive.convert(arguments.timeline, arguments.out))
    return 0


def do_machine(arguments: argparse.Namespace) -> int:
    start: measure.Start = partial(launcher.words, template=arguments.launcher)
    if arguments.out:
        _measure(Path(arguments.out), start, arguments.nodes)
        return 0
    kept = chosen_folder(arguments.folder)
    if "SLURM_JOB_ID" in os.environ and not arguments.launcher and (made := journal.read(kept)):
        # A job of the sweep, whose site says how.
        start = partial(step.by_mpi, made.site, limit=measure.LIMIT)
    _measure(kept.machine, start, arguments.nodes)
    return 0


def _measure(path: Path, start: measure.Start, nodes: int = 1) -> None:
    progress.say(bounds.text(measure.measure(path, start, nodes)))
    progress.say(path)


if __name__ == "__main__":
    sys.exit(main())
