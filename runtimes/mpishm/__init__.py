"""MPI shared memory: the ranks of a node share windows, and only groups of ranks exchange messages."""

from typing import Any

from prk.allreduce.problem import refuse_others
from prk.decomposition import SuperTiles
from prk.job import Job
from prk.problem import Refusal
from prk.runtime import Option

from ..mpi import MPIRuntime

WAIT = "how ranks of a group wait for each other"


class Runtime(MPIRuntime):
    name = "mpishm"
    title = "MPI shared memory: loads and stores in a group of ranks, messages between groups"
    options = {
        "*": (
            Option(
                "group-size", None, "ranks a group (default: as many as every node has)", examples=(1, 2, 3)
            ),
        ),
        "stencil": (Option("local-sync", "messages", WAIT, ("messages", "flags", "barrier")),),
        "synch_p2p": (Option("local-sync", "messages", WAIT, ("messages", "flags")),),
        "transpose": (
            Option("local-sync", "messages", WAIT, ("messages", "flags", "barrier")),
            Option("communicators", 1, "ranks of a group that exchange messages", examples=(2,)),
        ),
    }

    def refuse(self, job: Job, size: int) -> None:
        refuse_others(job)
        group = job.options["group-size"]
        if group is not None:
            divisors = [d for d in range(1, size + 1) if size % d == 0]
            if group not in divisors:
                works = " or ".join(map(str, divisors))
                raise Refusal("--group-size", f"{group} does not divide {size} ranks", f"use {works}")
            refuse_group(job, size, group)

    def memory(self, job: Job, size: int) -> int:
        need, group = super().memory(job, size), job.options["group-size"]
        if job.kernel == "transpose" and group and size > group:
            # The group's two buffers hold a block of all its ranks.
            need += 8 * 2 * (group - 1) * (job.problem.order // size) ** 2
        return need

    def probe(self, job: Job, comm: Any) -> str:
        from .. import group

        try:
            largest, asked = group.largest(comm), job.options["group-size"]
            if asked and largest % asked:
                raise Refusal(
                    "--group-size",
                    f"some {asked} consecutive ranks are on more than one node",
                    f"use {largest} or a divisor of it, or fill the nodes one after the other",
                )
            refuse_group(job, comm.size, asked or largest)
            group.try_share(comm, shared_bytes(job, comm.size, asked or largest))
        except Refusal as refusal:
            return str(refusal)
        return ""


def refuse_group(job: Job, size: int, group: int) -> None:
    """Raise Refusal if groups of `group` ranks are wrong for the problem."""
    problem, communicators = job.problem, job.options.get("communicators", 1)
    if not 1 <= communicators <= group:
        raise Refusal("--communicators", f"{communicators} of {group} ranks a group", f"use 1 to {group}")
    if job.kernel == "stencil":
        for cut in SuperTiles(problem.n, problem.n, size, group, problem.radius, True).cuts:
            if cut > 1 and problem.n // cut < problem.radius:
                raise Refusal(
                    "--group-size",
                    f"{group} cuts {problem.n} points into {cut} tiles, narrower than the radius",
                    f"use --n {cut * problem.radius} or more, or another group size",
                )


def shared_bytes(job: Job, size: int, group: int) -> int:
    """Return the bytes of shared windows for each rank."""
    problem = job.problem
    if job.kernel == "synch_p2p":
        return 8 * problem.n
    if job.kernel == "transpose":
        width = problem.order // size
        return 8 * width * (problem.pitch + (2 * group * width if size > group else 0))
    return problem.memory(size)
