"""Make the scripts of a sweep's jobs and submit them, none of them twice."""

import re
import shlex
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from prk.harness import store
from prk.harness.analyse import results
from prk.harness.execute import campaign
from prk.harness.plan.points import Plan
from prk.harness.slurm import inside, jobs, journal, queue
from prk.harness.slurm.jobs import Expected, Job, Longest
from prk.harness.slurm.journal import Entry, Journal
from prk.harness.slurm.site import Site, clock
from prk.harness.store import Store
from prk.problem import Refusal
from prk.records import identity
from prk.records import write as files

# Seconds of the job that collects and draws.
COLLECTION = 1800
# What Slurm says of a limit of jobs that a user, an account or the cluster may have at a time.
FULL = re.compile(r"submit.*limit|limit.*submit|temporarily un", re.IGNORECASE)


class HalfWay(Exception):
    """Slurm took some of the jobs and refused one; what it took, and its line."""

    def __init__(self, taken: Sequence[Entry], refused: str, line: str):
        super().__init__(line)
        self.taken, self.refused, self.line = taken, refused, line

    @property
    def full(self) -> bool:
        """Tell whether Slurm may take it when other jobs have ended."""
        return bool(FULL.search(self.line))


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


def longest(site: Site, plan: Plan) -> Longest:
    """Return the longest time of a job on so many nodes. Raises Refusal if the cluster cannot have it."""
    wanted: dict[int, int] = {}
    for point in plan.points:
        nodes, cores = point.layout["nodes"], point.layout["ranks_per_node"] * point.layout["threads"]
        wanted[nodes] = max(cores, wanted.get(nodes, 0))
    there = {nodes: queue.partition(site.on(nodes).partition) for nodes in wanted}
    for nodes, cores in sorted(wanted.items(), reverse=True):
        _refuse_partition(there[nodes], nodes, cores)
        _refuse_time(there[nodes], site.on(nodes))
    return lambda nodes: site.on(nodes).longest or there[nodes].seconds


def _refuse_partition(there: queue.Partition, nodes: int, cores: int) -> None:
    if nodes > there.nodes:
        raise Refusal(
            f"partition {there.name}",
            f"it has {there.nodes} nodes and the sweep goes up to {nodes}",
            "use another partition, or a preset with fewer",
        )
    if cores > there.cores:
        raise Refusal(
            f"partition {there.name}",
            f"its nodes have {there.cores} cores and the sweep wants {cores}",
            "use another partition, or fewer ranks_per_node or threads",
        )


def _refuse_time(there: queue.Partition, site: Site) -> None:
    if there.seconds and site.longest > there.seconds:
        raise Refusal(
            "time",
            f"partition {there.name} allows {clock(there.seconds)} and not {site.time}",
            "ask for less",
        )


def planned(
    kept: Store, plan: Plan, site: Site, most: Longest, expected: Expected, together: bool
) -> tuple[Journal, list[Job]]:
    """Return the journal without what was never submitted, and the jobs for what no live job runs."""
    found = journal.read(kept)
    before = tuple(j for j in found.jobs if j.id) if found else ()
    covered = kept.names() | {name for j in before if j.live for name in j.launches}
    todo = campaign.pending(plan, covered)
    return Journal(site, before), jobs.jobs(plan, todo, most, expected, together, [j.name for j in before])


def set_aside(kept: Store, plan: Plan, statuses: Collection[str]) -> None:
    """Set aside what is no record, or one of these statuses, unless their job still runs others."""
    busy = {name for job in journal.live(journal.read(kept)) for name in job.launches}
    own = [r for several in results.load(kept, plan).results.values() for r in several]
    again = [identity.launch_name(r.point, r.repeat) for r in own if r.status in statuses]
    for name in (*results.there(kept, plan)[1], *again):
        if name not in busy:
            kept.set_aside(name)


def write(kept: Store, plan: Plan, begun: Journal, wanted: Sequence[Job]) -> Journal:
    """Write the scripts, with the commands of their steps beside them; return the journal with all jobs."""
    todo = plan.launches()
    entries = list(begun.jobs)
    for job in wanted:
        site = begun.site.on(job.nodes)
        steps = inside.launches(plan, kept, site, job.name, [todo[n] for n in job.launches], {})
        text = "\n".join(shlex.join(one.command) for one in steps)
        with store.refuse_unwritable(kept.folder):
            words = ["run", str(kept.folder), job.name]
            own = jobs.script(job, plan.name, site, kept.folder, words)
            files.replace(script(kept, job.name), own.encode())
            files.replace(script(kept, job.name).with_suffix(".steps"), f"{text}\n".encode())
        entries.append(Entry(job.name, job.nodes, job.seconds, job.launches, expected=job.expected))
    entries += _collector(kept, plan, begun)
    made = replace(begun, jobs=tuple(entries))
    made.write(kept)
    return made


def _collector(kept: Store, plan: Plan, begun: Journal) -> list[Entry]:
    """Write the script of the job that collects when the others have ended; return it, if one is wanted."""
    site = begun.site.collecting
    if site is None:
        return []
    number = 1 + sum(j.collects for j in begun.jobs)
    limit = site.longest or COLLECTION
    job = Job("collect" if number == 1 else f"collect.{number}", 1, 0, limit, ())
    text = jobs.script(job, plan.name, site, kept.folder, ["collect", str(kept.folder)])
    with store.refuse_unwritable(kept.folder):
        files.replace(script(kept, job.name), text.encode())
    return [Entry(job.name, 1, limit, ())]


def script(kept: Store, name: str) -> Path:
    """Return where the script of a job stands."""
    return kept.folder / "slurm" / f"{name}.sbatch"


def submit(kept: Store, made: Journal, chained: bool = False) -> Journal:
    """Submit the jobs of the journal that have no number, the collecting one after all others.

    If they are `chained`, each starts when the one before has ended. Every number is written down as soon as
    it is there. Raises HalfWay if Slurm refuses one.
    """
    taken: list[Entry] = []
    for one in made.jobs:
        if one.id:
            continue
        # An older log would be taken for that of a launch which this job had started.
        for name in one.launches:
            kept.forget_log(name)
        live = [j.id for j in made.jobs if j.live and not j.collects]
        after = live if one.collects else live[-1:] if chained else []
        try:
            # A submission that was cut off may have left it in the queue.
            number = queue.waiting(script(kept, one.name)) or queue.submit(script(kept, one.name), after)
        except queue.SlurmError as error:
            raise HalfWay(taken, one.name, str(error)) from None
        taken.append(replace(one, id=number))
        made = replace(made, jobs=tuple(taken[-1] if j is one else j for j in made.jobs))
        made.write(kept)
    return made
