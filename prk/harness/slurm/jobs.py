"""From a plan to the jobs of a cluster, and their scripts. Nothing is submitted here."""

import math
import shlex
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import prk
from prk.harness.plan.points import Plan, Point
from prk.harness.slurm.site import Site, clock
from prk.job import Job as Run
from prk.problem import Refusal
from prk.records import identity
from prk.records.text import aligned
from prk.run import compile, registry
from prk.run.faults import options as faults

TEMPLATES = Path(prk.__file__).with_name("jobs") / "slurm"
# Seconds before a job's limit at which it is told; Slurm may be up to a minute early.
WARNING = 60
# Seconds that a small run to fill the compile cache may take, and those that a launch's start and end take.
PREPARATION, OVERHEAD = 120, 15
# The seconds that a launch of a point is expected to take; those of the longest job on so many nodes, 0: any.
Expected = Callable[[Point], float]
Longest = Callable[[int], int]


@dataclass(frozen=True)
class Job:
    """A job as it is asked for: nodes, cores on each (0: a task), seconds at most; its launches."""

    name: str
    nodes: int
    cores: int
    seconds: int
    launches: tuple[str, ...]
    # What the longest of its launches is expected to take, without which none is started.
    expected: float = 0.0
    # Whether its launches go on when a node is lost, so that the job must not end with it.
    outlives: bool = False


def jobs(
    plan: Plan,
    todo: Sequence[tuple[int, Point, int]],
    longest: Longest,
    expected: Expected,
    together: bool,
    taken: Sequence[str] = (),
) -> list[Job]:
    """Return a job a node count, or one for all; none lasts longer than `longest` of its nodes.

    `todo` are launches as campaign.pending returns them; they keep their order. `taken` names are not used.
    Raises Refusal if a job's time has no room for one of its launches.
    """
    groups: dict[int, list[tuple[Point, int]]] = {}
    most = max((p.layout["nodes"] for _, p, _ in todo), default=0)
    for _, point, repeat in todo:
        groups.setdefault(most if together else point.layout["nodes"], []).append((point, repeat))
    found = []
    for nodes, own in sorted(groups.items()):
        points = list({p.id: p for p, _ in own}.values())
        each = {p.id: min(expected(p), plan.timeout) for p in points}
        name = "all" if together else f"nodes-{nodes}"
        number = 2
        while name in taken:
            name, number = f"{name.partition('.')[0]}.{number}", number + 1
        cores = max(p.layout["ranks_per_node"] * p.layout["threads"] for p in points)
        # The nodes have to come up before.
        before = 2 * WARNING + (1 + len(preparations(points))) * PREPARATION
        limit = _limit(plan, longest(nodes), before, [each[p.id] for p, _ in own], each.values())
        launches = tuple(identity.launch_name(p.id, r) for p, r in own)
        longest_one = max(each.values()) * (1 + plan.audit)
        outlives = any(faults.asked(p.options) for p in points)
        found.append(Job(name, nodes, cores, limit, launches, longest_one, outlives))
    return found


def _limit(
    plan: Plan, longest: int, around: float, launches: Sequence[float], points: Collection[float]
) -> int:
    """Return the seconds of a job whose launches, and points, take so long; `around` is what is not theirs.

    Raises Refusal if the longest that it may take has no room for the longest launch.
    """
    worst = max(points)
    # One launch may hang up to its limit, and the others still have their time.
    hung = plan.timeout - worst
    audits = sum(points) if plan.audit else 0.0
    wanted = math.ceil(around + sum(launches) + len(launches) * OVERHEAD + audits + hung)
    least = math.ceil(around + worst + OVERHEAD)
    if longest and longest < least:
        raise Refusal(
            "time",
            f"{clock(longest)} has no room for a launch of {worst:g} s and {around + OVERHEAD:g} s around it",
            f"allow {clock(_minutes(least))}, or shorten the launch by --timeout or --estimate",
        )
    return _minutes(min(wanted, longest or wanted))


def _minutes(duration: int) -> int:
    """Return seconds as whole minutes, which Slurm counts in."""
    return -(-duration // 60) * 60


def script(job: Job, title: str, site: Site, folder: Path, words: Sequence[str]) -> str:
    """Return the script of a job that runs `prk-bench slurm` with these words, in the sweep's folder.

    Raises Refusal if Jinja2 is not installed.
    """
    try:
        import jinja2
    except ImportError:
        raise Refusal("slurm", "jinja2 is not installed", "pip install 'prk[slurm]'") from None
    python = site.python or sys.executable
    jinja = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    jinja.filters["quote"] = shlex.quote
    root = Path(prk.__file__).resolve().parents[1]
    return jinja.get_template("job.sbatch.j2").render(
        job=job,
        site=site,
        title=f"prk-{title}-{job.name}",
        time=clock(job.seconds),
        warning=WARNING,
        # What Slurm would expand in a path is doubled.
        output=str(folder / "slurm" / job.name).replace("%", "%%") + ".%j.out",
        python=python,
        words=shlex.join(words),
        beside=str(Path(python).parent) if "/" in python else "",
        checkout=str(root) if (root / "bench.py").exists() else "",
    )


def of_plan(plan: Plan, found: Sequence[Job], collects: bool) -> str:
    """Return the jobs as text, and what they may take up at most."""
    header = ("job", "nodes", "cores a node", "launches", "time limit")
    lines = [(j.name, str(j.nodes), str(j.cores), str(len(j.launches)), clock(j.seconds)) for j in found]
    hours = sum(j.nodes * j.seconds for j in found) / 3600
    blocks = aligned([header, *lines])
    blocks += [f"left out: {e['kernel']} on {e['runtime']} {e['what']}: {e['reason']}" for e in plan.excluded]
    launches = sum(len(j.launches) for j in found)
    blocks.append(
        f"{len(found)} jobs, {launches} launches of {len(plan.points)} points, seed {plan.seed}, "
        f"at most {hours:.1f} node hours{'; one more job collects' if collects else ''}"
    )
    return "\n".join(blocks)


def preparations(points: Iterable[Point]) -> list[Point]:
    """Return small points that between them compile what the points run.

    One for each kernel, runtime, options and parameters that are no sizes, with a rank on each node; on one
    node two, so that there is somebody to communicate with.
    """
    found: dict[str, Point] = {}
    for point in (p for p in points if not p.foreign):
        small = _prepares(point)
        if small:
            what = (small.kernel, small.runtime, small.parameters, small.options, small.layout)
            found.setdefault(str(what), small)
    return list(found.values())


def _prepares(point: Point) -> Point | None:
    """Return the small point for one; options that so few ranks refuse are left at their defaults.

    None if that helps neither: its own launches will say why.
    """
    how, layout = registry.runtime(point.runtime), point.layout
    each = 1 if layout["nodes"] > 1 else min(2, layout["ranks"])
    ranks = layout["nodes"] * each
    workers = {} if how.count_option in ("", "threads") else {how.count_option: ranks}
    given = {**faults.without(point.options), **workers}
    usual = {o.name: o.default for o in how.cell(point.kernel).options if o.name in given}
    kept = {name: given[name] for name in ("threads", how.count_option) if name in given}
    problem = registry.problem_class(point.kernel)(**point.parameters)
    for options in (given, {**usual, **kept}):
        run = Run(point.kernel, point.runtime, problem, options)
        try:
            small = compile.small(run, how, ranks * how.members_a_rank(run.kernel, options)).problem
        except Refusal:
            continue
        placed = {**layout, "ranks": ranks, "ranks_per_node": each}
        return replace(point, parameters=small.parameters(), options=options, layout=placed)
    return None
