"""Make the scripts of a sweep's jobs and submit them, none of them twice."""

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from prk.harness import store
from prk.harness.analyse import results
from prk.harness.execute import campaign
from prk.harness.plan.points import Plan, Point
from prk.harness.slurm import inside, jobs, journal, queue
from prk.harness.slurm.jobs import Job
from prk.harness.slurm.journal import Entry, Journal
from prk.harness.slurm.site import Site, clock
from prk.harness.store import Store
from prk.problem import Refusal
from prk.records import identity
from prk.records import write as files


class HalfWay(Exception):
    """Slurm took some of the jobs and refused one; what it took, and its line."""

    def __init__(self, taken: Sequence[Entry], refused: str, line: str):
        super().__init__(line)
        self.taken, self.refused, self.line = taken, refused, line


def folder_of(plan: Plan, folder: Path) -> Store:
    """Return the store in the folder, made if need be. Raises Refusal if it holds another sweep."""
    kept = Store(folder.resolve())
    if not (kept.folder / "plan.json").exists():
        return Store.make(folder.resolve(), plan)
    there = kept.plan()
    if _what(there) != _what(plan):
        raise Refusal(str(folder), "it holds another sweep", "name another --out")
    return kept


def _what(plan: Plan) -> tuple[object, ...]:
    """Return what makes two plans the same sweep; the seed is chosen anew each time."""
    return {p.id for p in plan.points}, plan.repeat, plan.timeout


def longest(site: Site, plan: Plan) -> int:
    """Return the longest time of a job in seconds, 0 for no limit. Raises Refusal if the cluster cannot."""
    there = queue.partition(site.partition)
    most = max(p.layout["nodes"] for p in plan.points)
    if most > there.nodes:
        raise Refusal(
            f"partition {there.name}",
            f"it has {there.nodes} nodes and the sweep goes up to {most}",
            "use another partition, or a preset with fewer",
        )
    cores = max(p.layout["ranks_per_node"] * p.layout["threads"] for p in plan.points)
    if cores > there.cores:
        raise Refusal(
            f"partition {there.name}",
            f"its nodes have {there.cores} cores and the sweep wants {cores}",
            "use another partition, or fewer ranks_per_node or threads",
        )
    if there.seconds and site.longest > there.seconds:
        raise Refusal(
            "time",
            f"partition {there.name} allows {clock(there.seconds)} and not {site.time}",
            "ask for less",
        )
    return site.longest or there.seconds


def planned(kept: Store, plan: Plan, site: Site, most: int, together: bool) -> tuple[Journal, list[Job]]:
    """Return the journal without what was never submitted, and the jobs for what no live job runs."""
    found = journal.read(kept)
    before = tuple(j for j in found.jobs if j.id) if found else ()
    covered = kept.names() | {name for j in before if j.live for name in j.launches}
    todo = campaign.pending(plan, covered)
    return Journal(site, before), jobs.jobs(plan, todo, most, together, [j.name for j in before])


def set_failed_aside(kept: Store, plan: Plan) -> None:
    """Set aside the records of launches that failed in any way, unless their job still runs others."""
    found = journal.read(kept)
    busy = {name for job in journal.live(found) for name in job.launches}
    for several in results.load(kept, plan).results.values():
        failed = [r for r in several if r.status in store.FAILED]
        for name in (identity.launch_name(r.point, r.repeat) for r in failed):
            if name not in busy:
                kept.set_aside(name)


def write(kept: Store, plan: Plan, begun: Journal, wanted: Sequence[Job], most: int) -> Journal:
    """Write the scripts, with the commands of their steps beside them; return the journal with all jobs."""
    number = 1 + sum(j.collects for j in begun.jobs)
    collector = jobs.collector("collect" if number == 1 else f"collect.{number}", most)
    todo = plan.launches()
    for job in [*wanted, collector]:
        kind = "job" if job.launches else "collect"
        text = jobs.script(job, plan, begun.site, kept.folder, kind)
        with store.refuse_unwritable(kept.folder):
            files.replace(script(kept, job.name), text.encode())
            if job.launches:
                steps = "\n".join(_steps(kept, plan, begun.site, job, [todo[n] for n in job.launches]))
                files.replace(script(kept, job.name).with_suffix(".steps"), f"{steps}\n".encode())
    entries = [Entry(j.name, j.nodes, j.seconds, j.launches) for j in [*wanted, collector]]
    made = replace(begun, jobs=(*begun.jobs, *entries))
    made.write(kept)
    return made


def _steps(
    kept: Store, plan: Plan, site: Site, job: Job, todo: Sequence[tuple[int, Point, int]]
) -> list[str]:
    ready = inside.launches(plan, kept, site, job.name, todo, {})
    return [shlex.join(one.command) for one in ready]


def script(kept: Store, name: str) -> Path:
    """Return where the script of a job stands."""
    return kept.folder / "slurm" / f"{name}.sbatch"


def submit(kept: Store, made: Journal) -> Journal:
    """Submit the jobs of the journal that have no number, the collecting one after all others.

    Every number is written down as soon as it is there. Raises HalfWay if Slurm refuses one.
    """
    taken: list[Entry] = []
    for one in made.jobs:
        if one.id:
            continue
        # An older log would be taken for that of a launch which this job had started.
        for name in one.launches:
            kept.forget_log(name)
        after = [j.id for j in made.jobs if j.live and not j.collects] if one.collects else []
        try:
            number = queue.submit(script(kept, one.name), after)
        except queue.SlurmError as error:
            raise HalfWay(taken, one.name, str(error)) from None
        taken.append(replace(one, id=number))
        made = replace(made, jobs=tuple(taken[-1] if j is one else j for j in made.jobs))
        made.write(kept)
    return made
