"""prk-bench slurm plan, submit, status, collect, cancel; and run, which the jobs themselves call."""

import argparse
import importlib.util
from pathlib import Path
from typing import Any

from prk.harness import arguments as common
from prk.harness.analyse import results
from prk.harness.execute import campaign
from prk.harness.plan.points import Plan
from prk.harness.show import table
from prk.harness.slurm import inside, jobs, journal, queue, site, submission
from prk.harness.slurm.site import Site
from prk.harness.store import Store
from prk.problem import Refusal


def do_plan(arguments: argparse.Namespace) -> int:
    plan = common.planned(arguments)
    chosen = _site(arguments)
    most = submission.longest(chosen, plan) if queue.answers() else chosen.longest
    print(jobs.of_plan(plan, jobs.jobs(plan, campaign.pending(plan, set()), most, arguments.one_allocation)))
    return 0


def do_submit(arguments: argparse.Namespace) -> int:
    if not arguments.dry_run:
        queue.refuse_without("sbatch")
    plan, folder = _sweep(arguments)
    chosen = _site(arguments, folder)
    most = chosen.longest if arguments.dry_run and not queue.answers() else submission.longest(chosen, plan)
    kept = submission.folder_of(plan, folder)
    with kept.locked(), journal.locked(kept):
        # The folder's own, whose order has another seed.
        plan = kept.plan()
        before = journal.read(kept)
        if before and not arguments.dry_run:
            journal.read_back(kept, plan, before)
        if arguments.failed and not arguments.dry_run:
            submission.set_failed_aside(kept, plan)
        begun, wanted = submission.planned(kept, plan, chosen, most, arguments.one_allocation)
        if not wanted:
            waiting = ", ".join(f"{j.name} ({j.id})" for j in begun.jobs if j.live and not j.collects)
            print(f"submitted before: {waiting}" if waiting else "nothing is missing")
            return 0
        made = submission.write(kept, plan, begun, wanted, most)
        print(jobs.of_plan(plan, wanted))
        if arguments.dry_run:
            for job in made.jobs:
                if not job.id:
                    print(submission.script(kept, job.name))
            return 0
        return _submit(kept, made)


def _submit(kept: Store, made: journal.Journal) -> int:
    try:
        now = submission.submit(kept, made)
    except submission.HalfWay as stopped:
        if not stopped.taken:
            raise Refusal(
                stopped.refused, f"Slurm refuses it: {stopped.line}", "mend the site file"
            ) from None
        print(f"Slurm refused {stopped.refused}: {stopped.line}")
        print(f"submitted before: {', '.join(f'{j.name} ({j.id})' for j in stopped.taken)}")
        print(f"to cancel them: prk-bench slurm cancel {kept.folder}")
        print(f"to submit the rest, once that is mended: prk-bench slurm submit {kept.folder}")
        return 1
    for before, job in zip(made.jobs, now.jobs, strict=True):
        if not before.id:
            print(f"submitted {job.name}: job {job.id}")
    print(f"next: prk-bench slurm status {kept.folder}")
    return 0


def do_status(arguments: argparse.Namespace) -> int:
    kept, plan, found = _jobs(arguments)
    print(table.of_status(kept.folder, plan, results.load(kept, plan)))
    print(journal.of_status(found, kept.names()))
    return 0


def do_collect(arguments: argparse.Namespace) -> int:
    kept, plan, found = _jobs(arguments)
    waiting = [j for j in journal.live(found) if not j.collects]
    if waiting:
        print(f"these jobs have not ended: {', '.join(f'{j.name} ({j.id}, {j.state})' for j in waiting)}")
    print(table.of_status(kept.folder, plan, results.load(kept, plan)))
    if any(importlib.util.find_spec(name) is None for name in ("matplotlib", "jinja2")):
        print("no figures: matplotlib or jinja2 is not installed; pip install 'prk[plot]'")
        return 0
    common.report_of(kept)
    return 0


def do_cancel(arguments: argparse.Namespace) -> int:
    waiting = journal.live(_jobs(arguments)[2])
    if not waiting:
        print("no job of this sweep waits or runs")
        return 0
    queue.cancel([j.id for j in waiting])
    print(f"cancelled {', '.join(f'{j.name} ({j.id})' for j in waiting)}")
    return 0


def do_run(arguments: argparse.Namespace) -> int:
    return inside.run(Store(arguments.folder), arguments.job)


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
        return Store(given).plan(), given
    plan = common.planned(arguments)
    name = f"{plan.name}-{arguments.preset}" if arguments.preset else plan.name
    return plan, Path(arguments.out or common.RUNS / name)


def _site(arguments: argparse.Namespace, folder: Path | None = None) -> Site:
    """Return the site that is named, else that of the folder's jobs before, else the plain one."""
    if arguments.site:
        return site.read(arguments.site)
    before = journal.read(Store(folder)) if folder else None
    return before.site if before else Site()


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
        made.add_argument(
            "--site", metavar="FILE", help="what the cluster wants to be told: jobs/slurm/site.toml"
        )
        made.add_argument("--one-allocation", action="store_true", help="one largest job for all node counts")
        if name == "submit":
            made.add_argument("--out", metavar="FOLDER", help="default: runs/NAME")
            made.add_argument("--failed", action="store_true", help="also what failed in any way before")
            made.add_argument("--dry-run", action="store_true", help="write the scripts; submit nothing")
    for name, text, do in (
        ("status", "ask Slurm for the jobs, and count what the sweep has and lacks", do_status),
        ("collect", "record what the ended jobs left, draw the figures and the page", do_collect),
        ("cancel", "cancel the jobs that wait or run", do_cancel),
    ):
        common.add_folder(under, name, text, do)
    within = common.add_folder(under, "run", "run a job's launches; the jobs themselves call it", do_run)
    within.add_argument("job", metavar="JOB")
