"""prk-bench slurm doctor, plan, submit, status, collect, cancel; and run, which the jobs themselves call."""

import argparse
import importlib.util
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from prk.harness import arguments as common
from prk.harness import store
from prk.harness.analyse import results
from prk.harness.execute import campaign
from prk.harness.execute.progress import say
from prk.harness.plan import sweep
from prk.harness.plan.points import Plan
from prk.harness.show import table
from prk.harness.slurm import doctor, estimate, inside, jobs, journal, queue, site, submission
from prk.harness.slurm.site import Site
from prk.harness.store import Store
from prk.problem import Refusal
from prk.records import build

# Seconds until Slurm is asked again to take more jobs.
PAUSE = 60.0


def do_plan(arguments: argparse.Namespace) -> int:
    plan, folder = _sweep(arguments)
    chosen, kept = _site(arguments, folder), Store(folder)
    todo = campaign.pending(plan, kept.names())
    most = _longest(chosen, plan, queue.answers())
    found = jobs.jobs(plan, todo, most, _expected(arguments, plan, kept), arguments.one_allocation)
    say(jobs.of_plan(plan, found, chosen.collect is not None))
    return 0


def do_submit(arguments: argparse.Namespace) -> int:
    end = time.monotonic() + 60 * arguments.patience
    while True:
        try:
            return _submission(arguments)
        except submission.HalfWay as stopped:
            if not stopped.full or time.monotonic() > end:
                return _half_way(stopped, arguments)
            for job in stopped.taken:
                say(f"submitted {job.name}: job {job.id}")
            say(f"Slurm takes no more jobs now: {stopped.line}")
        # What was to be run again is set aside by now.
        arguments.failed, arguments.status = False, None
        time.sleep(PAUSE)


def _submission(arguments: argparse.Namespace) -> int:
    """Submit what is missing, once. Raises HalfWay if Slurm does not take all of it."""
    if not arguments.dry_run:
        queue.refuse_without("sbatch")
    plan, folder = _sweep(arguments)
    chosen = _site(arguments, folder)
    most = _longest(chosen, plan, not arguments.dry_run or queue.answers())
    statuses = _statuses(arguments)
    # Asked before anything is made.
    expected = _expected(arguments, plan, Store(folder))
    jobs.jobs(plan, campaign.pending(plan, set()), most, expected, arguments.one_allocation)
    kept = submission.folder_of(plan, folder)
    with kept.locked(), journal.locked(kept):
        # The folder's own, whose order has another seed.
        plan = kept.plan()
        if not arguments.dry_run:
            if before := journal.read(kept):
                journal.read_back(kept, plan, before)
            submission.set_aside(kept, plan, statuses)
        begun, wanted = submission.planned(kept, plan, chosen, most, expected, arguments.one_allocation)
        if not wanted:
            return _nothing(begun)
        made = submission.write(kept, plan, begun, wanted)
        say(jobs.of_plan(plan, wanted, chosen.collect is not None))
        if arguments.dry_run:
            say("\n".join(str(submission.script(kept, j.name)) for j in made.jobs if not j.id))
            return 0
        now = submission.submit(kept, made, arguments.chain)
    for one, job in zip(made.jobs, now.jobs, strict=True):
        if not one.id:
            say(f"submitted {job.name}: job {job.id}")
    say(f"next: prk-bench slurm status {kept.folder}")
    return 0


def _nothing(begun: journal.Journal) -> int:
    waiting = ", ".join(f"{j.name} ({j.id})" for j in begun.jobs if j.live and not j.collects)
    say(f"submitted before: {waiting}" if waiting else "nothing is missing")
    return 0


def _statuses(arguments: argparse.Namespace) -> set[str]:
    """Return the statuses of what is to be run again. Raises Refusal for one that there is not."""
    found = {*(arguments.status or "").split(",")} - {""} | {*(store.FAILED if arguments.failed else ())}
    sweep.known(sorted(found), ("skipped", *build.RIGHT, *store.FAILED), "--status")
    return found


def _half_way(stopped: submission.HalfWay, arguments: argparse.Namespace) -> int:
    """Say what Slurm took and what it did not take; return the exit code."""
    if not stopped.taken:
        works = "wait for jobs to end: --patience MINUTES" if stopped.full else "mend the site file"
        raise Refusal(stopped.refused, f"Slurm refuses it: {stopped.line}", works) from None
    folder = _sweep(arguments)[1].resolve()
    say(f"Slurm refused {stopped.refused}: {stopped.line}")
    say(f"submitted before: {', '.join(f'{j.name} ({j.id})' for j in stopped.taken)}")
    say(f"to cancel them: prk-bench slurm cancel {folder}")
    say(f"to submit the rest, once that is mended: prk-bench slurm submit {folder}")
    return 1


def do_status(arguments: argparse.Namespace) -> int:
    kept, plan, found = _jobs(arguments)
    say(table.of_status(kept.folder, plan, results.load(kept, plan)))
    say(journal.of_status(found, kept.names()))
    return 0


def do_collect(arguments: argparse.Namespace) -> int:
    kept, plan, found = _jobs(arguments)
    waiting = [j for j in journal.live(found) if not j.collects]
    if waiting:
        say(f"these jobs have not ended: {', '.join(f'{j.name} ({j.id}, {j.state})' for j in waiting)}")
    say(table.of_status(kept.folder, plan, results.load(kept, plan)))
    if any(importlib.util.find_spec(name) is None for name in ("matplotlib", "jinja2")):
        say("no figures: matplotlib or jinja2 is not installed; pip install 'prk[plot]'")
        return 0
    common.report_of(kept)
    return 0


def do_cancel(arguments: argparse.Namespace) -> int:
    waiting = journal.live(_jobs(arguments)[2])
    if not waiting:
        say("no job of this sweep waits or runs")
        return 0
    queue.cancel([j.id for j in waiting])
    say(f"cancelled {', '.join(f'{j.name} ({j.id})' for j in waiting)}")
    return 0


def do_run(arguments: argparse.Namespace) -> int:
    return inside.run(Store(arguments.folder), arguments.job)


def do_doctor(arguments: argparse.Namespace) -> int:
    if arguments.inside:
        return doctor.inside(Store(arguments.inside))
    return doctor.ask(site.read(arguments.site) if arguments.site else Site(), arguments.nodes)


def _jobs(arguments: argparse.Namespace) -> tuple[Store, Plan, journal.Journal]:
    """Return a sweep with its jobs as Slurm knows them now. Raises Refusal if it has none."""
    kept = common.chosen_folder(arguments.folder)
    kept = Store(kept.folder.resolve())
    plan, found = kept.plan(), journal.read(kept)
    if found is None:
        raise Refusal(str(kept.folder), "it has no jobs", "submit it: prk-bench slurm submit")
    with journal.locked(kept):
        return kept, plan, journal.read_back(kept, plan, journal.read(kept) or found)


def _sweep(arguments: argparse.Namespace) -> tuple[Plan, Path]:
    """Return the plan and its folder: of a sweep, whose folder has no date, or of a folder made before."""
    given = Path(arguments.sweep or "")
    if arguments.sweep and (given / "plan.json").exists():
        values = {name: getattr(arguments, name) for name in ("preset", "seed", "repeat", "timeout")}
        stated = [
            *arguments.rest,
            *(f"--{name}" for name, value in values.items() if value not in (None, "")),
        ]
        if stated:
            raise Refusal(stated[0], f"{given} has its plan already", "leave it out, or name another --out")
        return Store(given).plan(), given
    plan = common.planned(arguments)
    name = f"{plan.name}-{arguments.preset}" if arguments.preset else plan.name
    return plan, Path(arguments.out or common.RUNS / name)


def _site(arguments: argparse.Namespace, folder: Path) -> Site:
    """Return the site that is named, else that of the folder's jobs before, else the plain one."""
    before = None if arguments.site else journal.read(Store(folder))
    found = site.read(arguments.site) if arguments.site else before.site if before else Site()
    return replace(found, stage=found.stage or arguments.stage_environment)


def _longest(chosen: Site, plan: Plan, ask: bool) -> jobs.Longest:
    """Return the longest time of a job by its nodes: what the cluster says, or the site alone."""
    return submission.longest(chosen, plan) if ask else lambda nodes: chosen.on(nodes).longest


def _expected(arguments: argparse.Namespace, plan: Plan, kept: Store) -> jobs.Expected:
    like = [common.chosen_folder(arguments.like)] if arguments.like else []
    return estimate.expected(plan, [kept, *like], arguments.estimate)


def _add_jobs(one: argparse.ArgumentParser) -> None:
    """Add the options of a command that makes jobs of a sweep."""
    one.add_argument("--site", metavar="FILE", help="what the cluster wants to be told: jobs/slurm/site.toml")
    one.add_argument("--one-allocation", action="store_true", help="one largest job for all node counts")
    one.add_argument(
        "--estimate",
        default="",
        metavar="SECONDS",
        help="what a launch takes, or by node count: 30,64:90 (default: as records say, else its limit)",
    )
    one.add_argument("--like", metavar="FOLDER", help="an earlier sweep, whose records say it too")
    one.add_argument("--out", metavar="FOLDER", help="default: runs/NAME")
    one.add_argument("--stage-environment", action="store_true", help="run from copies on the nodes")


def _add_submission(one: argparse.ArgumentParser) -> None:
    one.add_argument("--failed", action="store_true", help="also what failed in any way before")
    one.add_argument("--status", metavar="NAME,...", help="also what has one of these statuses")
    one.add_argument("--chain", action="store_true", help="one job after the other")
    one.add_argument(
        "--patience", type=float, default=0, metavar="MINUTES", help="wait while Slurm takes no more"
    )
    one.add_argument("--dry-run", action="store_true", help="write the scripts; submit nothing")


def add(commands: Any) -> None:
    """Add the command `slurm` and those under it."""
    one = commands.add_parser("slurm", help="run a sweep as jobs of a cluster", allow_abbrev=False)
    under = one.add_subparsers(dest="under", required=True, metavar="COMMAND")
    for name, text, do in (
        ("plan", "show the jobs of a sweep; write nothing", do_plan),
        (
            "submit",
            "submit what a sweep lacks and no job runs yet; a folder of an earlier sweep does too",
            do_submit,
        ),
    ):
        made = common.add_sweep(under, name, text, do)
        _add_jobs(made)
        if name == "submit":
            _add_submission(made)
    looked = under.add_parser("doctor", help="look at the cluster's nodes by a small job", allow_abbrev=False)
    looked.add_argument("--site", metavar="FILE", help="what the cluster wants to be told")
    looked.add_argument("--nodes", type=int, default=2, metavar="N", help="how many to look at (default: 2)")
    looked.add_argument("--inside", metavar="FOLDER", help=argparse.SUPPRESS)
    looked.set_defaults(do=do_doctor, takes_points=False)
    for name, text, do in (
        ("status", "ask Slurm for the jobs, and count what the sweep has and lacks", do_status),
        ("collect", "record what the ended jobs left, draw the figures and the page", do_collect),
        ("cancel", "cancel the jobs that wait or run", do_cancel),
    ):
        common.add_folder(under, name, text, do)
    within = common.add_folder(under, "run", "run a job's launches; the jobs themselves call it", do_run)
    within.add_argument("job", metavar="JOB")
