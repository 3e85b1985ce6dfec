"""From a plan to the jobs of a cluster, and their scripts. Nothing is submitted here."""

import math
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import prk
from prk.harness.execute.command import Launch
from prk.harness.plan.points import Plan, Point
from prk.harness.slurm.site import Site, clock
from prk.job import Job as Run
from prk.problem import Refusal
from prk.records import identity
from prk.records.text import aligned
from prk.run import compile, registry

TEMPLATES = Path(prk.__file__).with_name("jobs") / "slurm"
# Seconds before a job's limit at which it is told; Slurm may be up to a minute early.
WARNING = 60
# Seconds that filling the compile cache may take for a point, and that starting and ending a launch takes.
PREPARATION, OVERHEAD = 60, 15
# Of the job that collects and draws.
COLLECTION = 1800


@dataclass(frozen=True)
class Job:
    """A job as it is asked for: its nodes, the cores it uses on each, its limit in seconds; its launches."""

    name: str
    nodes: int
    cores: int
    seconds: int
    launches: tuple[str, ...]


def jobs(
    plan: Plan,
    todo: Sequence[tuple[int, Point, int]],
    longest: int,
    together: bool,
    taken: Sequence[str] = (),
) -> list[Job]:
    """Return a job a node count, or one for all; none lasts longer than `longest` seconds (0: no limit).

    `todo` are launches as campaign.pending returns them; they keep their order. `taken` names are not used.
    """
    groups: dict[int, list[tuple[Point, int]]] = {}
    most = max((p.layout["nodes"] for _, p, _ in todo), default=0)
    for _, point, repeat in todo:
        groups.setdefault(most if together else point.layout["nodes"], []).append((point, repeat))
    found = []
    for nodes, own in sorted(groups.items()):
        points = {p.id: p for p, _ in own}.values()
        worst = len(points) * PREPARATION + math.ceil(len(own) * (plan.timeout + OVERHEAD)) + 2 * WARNING
        # Slurm counts whole minutes.
        limit = -(-min(worst, longest or worst) // 60) * 60
        name = "all" if together else f"nodes-{nodes}"
        number = 2
        while name in taken:
            name, number = f"{name.partition('.')[0]}.{number}", number + 1
        cores = max(p.layout["ranks_per_node"] * p.layout["threads"] for p in points)
        found.append(Job(name, nodes, cores, limit, tuple(identity.launch_name(p.id, r) for p, r in own)))
    return found


def script(job: Job, plan: Plan, site: Site, folder: Path, template: str = "job") -> str:
    """Return the job's script. Raises Refusal if Jinja2 is not installed."""
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
    return jinja.get_template(f"{template}.sbatch.j2").render(
        job=job,
        site=site,
        title=f"prk-{plan.name}-{job.name}",
        time=clock(job.seconds),
        warning=WARNING,
        # What Slurm would expand in a path is doubled.
        output=str(folder / "slurm" / job.name).replace("%", "%%") + ".%j.out",
        python=python,
        folder=str(folder),
        beside=str(Path(python).parent) if "/" in python else "",
        checkout=str(root) if (root / "bench.py").exists() else "",
    )


def collector(name: str, longest: int) -> Job:
    """Return the job that collects when the others have ended."""
    return Job(name, 1, 1, min(COLLECTION, longest or COLLECTION), ())


def of_plan(plan: Plan, found: Sequence[Job]) -> str:
    """Return the jobs as text, and what they may take up at most."""
    header = ("job", "nodes", "cores a node", "launches", "time limit")
    lines = [(j.name, str(j.nodes), str(j.cores), str(len(j.launches)), clock(j.seconds)) for j in found]
    hours = sum(j.nodes * j.seconds for j in found) / 3600
    blocks = aligned([header, *lines])
    blocks += [f"left out: {e['kernel']} on {e['runtime']} {e['what']}: {e['reason']}" for e in plan.excluded]
    launches = sum(len(j.launches) for j in found)
    blocks.append(
        f"{len(found)} jobs, {launches} launches of {len(plan.points)} points, seed {plan.seed}, "
        f"at most {hours:.1f} node hours; one more job collects"
    )
    return "\n".join(blocks)


def preparations(launches: Sequence[Launch]) -> list[Point]:
    """Return small points that between them compile what the launches run.

    One for each kernel, runtime, options and parameters that are no sizes, with a rank on each node; on one
    node two, so that there is somebody to communicate with.
    """
    found: dict[str, Point] = {}
    for point in (one.point for one in launches if not one.point.foreign):
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
    given = {**point.options, **workers}
    usual = {o.name: o.default for o in how.cell(point.kernel).options if o.name in point.options}
    kept = {name: given[name] for name in ("threads", how.count_option) if name in given}
    problem = registry.problem_class(point.kernel)(**point.parameters)
    for options in (given, {**usual, **kept}):
        run = Run(point.kernel, point.runtime, problem, options)
        try:
            small = compile.small(run, how, ranks * how.members_a_rank(options)).problem
        except Refusal:
            continue
        placed = {**layout, "ranks": ranks, "ranks_per_node": each}
        return replace(point, parameters=small.parameters(), options=options, layout=placed)
    return None
