"""From a point to the command that starts it on the nodes of an allocation. Pure."""

import math
from collections.abc import Mapping, Sequence

from prk.harness.execute import command
from prk.harness.plan.points import Point
from prk.harness.slurm.site import Site
from prk.run import registry


def command_of(site: Site, point: Point, record: str, limit: float, shared: str) -> list[str]:
    """Return the words of the command; `shared` is a folder that all nodes see and the job may fill."""
    if point.foreign:
        return command.command_of(point, record, limit)
    words = command.words_of(point, record, limit)
    how = registry.runtime(point.runtime)
    return how.in_allocation(starter(site, point, limit), words, point.options, shared)


def starter(site: Site, point: Point, limit: float) -> list[str]:
    """Return what starts the point's processes where they belong.

    A runtime that starts its own processes, and one that has only one, is no MPI program: srun starts it.
    """
    if registry.runtime(point.runtime).launched:
        return by_mpi(site, point.layout, limit)
    return srun(site, point.layout, limit)


def by_mpi(site: Site, layout: Mapping[str, int], limit: float | None = None) -> list[str]:
    """Return what starts the ranks of an MPI program, by the launcher that the site has for them.

    `limit` is that of the program in seconds, which its step exceeds; None leaves it to the job.
    """
    if site.launcher == "mpirun":
        return mpirun(site, layout, limit)
    return srun(site, layout, limit, site.mpi)


def srun(site: Site, layout: Mapping[str, int], limit: float | None = None, mpi: str = "none") -> list[str]:
    """Return a step of the layout: nodes filled one after the other, ended with its first failed task."""
    return [
        "srun",
        f"--nodes={layout['nodes']}",
        f"--ntasks={layout['ranks']}",
        f"--ntasks-per-node={layout['ranks_per_node']}",
        f"--cpus-per-task={layout['threads']}",
        f"--cpu-bind={'cores' if site.bind == 'core' else 'none'}",
        "--distribution=block:block",
        f"--mpi={mpi}",
        # In whole minutes, as Slurm counts: behind the limits of harness and program, should both be gone.
        *([] if limit is None else [f"--time={math.ceil((limit + 2 * command.GRACE) / 60)}"]),
        # A rank that ends alone would leave the others waiting until the limit.
        "--kill-on-bad-exit=1",
        *(site.launcher_flags if site.launcher == "srun" else ()),
    ]


def mpirun(site: Site, layout: Mapping[str, int], limit: float | None = None) -> list[str]:
    """Return the same for Open MPI's mpirun, which learns the nodes from the job."""
    bound = f":PE={layout['threads']}" if site.bind == "core" else ""
    return [
        "mpirun",
        "-n",
        str(layout["ranks"]),
        "--map-by",
        f"ppr:{layout['ranks_per_node']}:node{bound}",
        "--bind-to",
        site.bind,
        *([] if limit is None else ["--timeout", str(math.ceil(limit + 2 * command.GRACE))]),
        *site.launcher_flags,
    ]


def on_every_node(nodes: int, words: Sequence[str]) -> list[str]:
    """Return the command that runs `words` once on every node of the job."""
    return ["srun", f"--nodes={nodes}", f"--ntasks={nodes}", "--ntasks-per-node=1", "--mpi=none", *words]
