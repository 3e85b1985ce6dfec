"""From a point to the command that starts it on the nodes of an allocation. Pure."""

import math
from collections.abc import Mapping, Sequence

from prk.harness.execute import command
from prk.harness.plan.points import Point
from prk.harness.slurm.site import Site
from prk.run import launcher, registry


def command_of(
    site: Site, point: Point, record: str, limit: float, shared: str, hosts: Sequence[str] = ()
) -> list[str]:
    """Return the words of the command; `shared` is a folder that all nodes see and the job may fill.

    `hosts` are the job's nodes, of which a point that wants fewer gets the first ones: always the same.
    """
    own = hosts[: point.layout["nodes"]] if len(hosts) > point.layout["nodes"] else ()
    if point.foreign:
        words = command.command_of(point, record, limit)
        usual = launcher.words(point.layout)
        if words[: len(usual)] == usual:
            return [*by_mpi(site, point.layout, limit, own), *site.wrapper, *words[len(usual) :]]
        return words
    words = [*site.wrapper, *command.words_of(point, record, limit)]
    how = registry.runtime(point.runtime)
    start = by_mpi if how.launched else srun
    if besides := how.launcher_words(point.options):
        # What only mpirun can do, the site's own launcher cannot.
        own_words = mpirun(site, point.layout, limit, own)
        return [*own_words[:1], *besides, *own_words[1:], *words]
    # A runtime that starts its own processes, and one that has only one, is no MPI program.
    return how.in_allocation(start(site, point.layout, limit, own), words, point.options, shared)


def by_mpi(
    site: Site, layout: Mapping[str, int], limit: float | None = None, hosts: Sequence[str] = ()
) -> list[str]:
    """Return what starts the ranks of an MPI program, by the launcher that the site has for them.

    `limit` is that of the program in seconds, which its step exceeds; None leaves it to the job.
    """
    if site.launcher == "mpirun":
        return mpirun(site, layout, limit, hosts)
    return srun(site, layout, limit, hosts, site.mpi)


def srun(
    site: Site,
    layout: Mapping[str, int],
    limit: float | None = None,
    hosts: Sequence[str] = (),
    mpi: str = "none",
) -> list[str]:
    """Return a step of the layout: nodes filled one after the other, ended with its first failed task."""
    return [
        "srun",
        f"--nodes={layout['nodes']}",
        *([f"--nodelist={','.join(hosts)}"] if hosts else []),
        f"--ntasks={layout['ranks']}",
        f"--ntasks-per-node={layout['ranks_per_node']}",
        f"--cpus-per-task={layout['threads']}",
        # Two hardware threads of one core are no two cores.
        *(["--threads-per-core=1", "--cpu-bind=cores"] if site.bind == "core" else ["--cpu-bind=none"]),
        "--distribution=block:block",
        f"--mpi={mpi}",
        # In whole minutes, as Slurm counts: behind the limits of harness and program, should both be gone.
        *([] if limit is None else [f"--time={math.ceil((limit + 2 * command.GRACE) / 60)}"]),
        # A rank that ends alone would leave the others waiting until the limit.
        "--kill-on-bad-exit=1",
        *(site.launcher_flags if site.launcher == "srun" else ()),
    ]


def mpirun(
    site: Site, layout: Mapping[str, int], limit: float | None = None, hosts: Sequence[str] = ()
) -> list[str]:
    """Return the same for Open MPI's mpirun, which learns the nodes from the job."""
    bound = f":PE={layout['threads']}" if site.bind == "core" else ""
    slots = layout["ranks_per_node"] * layout["threads"]
    return [
        "mpirun",
        "-n",
        str(layout["ranks"]),
        *(["--host", ",".join(f"{host}:{slots}" for host in hosts)] if hosts else []),
        "--map-by",
        f"ppr:{layout['ranks_per_node']}:node{bound}",
        "--bind-to",
        site.bind,
        *([] if limit is None else ["--timeout", str(math.ceil(limit + 2 * command.GRACE))]),
        *site.launcher_flags,
    ]


def on_every_node(nodes: int, words: Sequence[str], name: str) -> list[str]:
    """Return the command that runs `words` once on every node of the job, whatever else runs there."""
    return [
        "srun",
        f"--job-name={name}",
        "--overlap",
        f"--nodes={nodes}",
        f"--ntasks={nodes}",
        "--ntasks-per-node=1",
        "--mpi=none",
        "--kill-on-bad-exit=0",
        *words,
    ]
