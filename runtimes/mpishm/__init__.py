"""MPI shared memory: the ranks of a node share windows, and only groups of ranks exchange messages."""

from dataclasses import replace
from typing import Any

from prk.decomposition import SuperTiles
from prk.job import Job
from prk.problem import Refusal
from prk.reduce import schedules
from prk.runtime import Cell, Option, Options, Said

from .. import _pic, _sent
from .._mpi import MPIRuntime
from . import sent, steps

WAIT = "how ranks of a group wait for each other"


def refuse(problem: Any, options: Options, size: int) -> None:
    """Raise Refusal if the ranks make no whole groups."""
    group = options["group-size"]
    if group is not None and (group < 1 or size % group):
        works = " or ".join(str(d) for d in range(1, size + 1) if size % d == 0)
        raise Refusal("--group-size", f"{group} does not divide {size} ranks", f"use {works}")


def refuse_several(problem: Any, options: Options, size: int) -> None:
    """Raise Refusal if several groups would share counters, which lie in the memory of one."""
    refuse(problem, options, size)
    if problem.counters == "shared" and options["group-size"] not in (None, size):
        raise Refusal(
            "--group-size",
            f"{options['group-size']} leaves some of {size} ranks without the memory of the counters",
            f"use {size} on one node, --counters private, or --runtime mpirma",
        )


def refuse_tiles(problem: Any, options: Options, size: int) -> None:
    """Raise Refusal if tiles are narrower than the radius, as the groups cut the grid."""
    refuse(problem, options, size)
    group = options["group-size"]
    if group is None:
        return
    for cut in SuperTiles(problem.n, problem.n, size, group, problem.radius, True).cuts:
        if cut > 1 and problem.n // cut < problem.radius:
            raise Refusal(
                "--group-size",
                f"{group} cuts {problem.n} points into {cut} tiles, narrower than the radius",
                f"use --n {cut * problem.radius} or more, or another group size",
            )


def refuse_communicators(problem: Any, options: Options, size: int) -> None:
    """Raise Refusal if more ranks of a group are to exchange messages than it has."""
    refuse(problem, options, size)
    group, communicators = options["group-size"], options["communicators"]
    if group is not None and not 1 <= communicators <= group:
        raise Refusal("--communicators", f"{communicators} of {group} ranks a group", f"use 1 to {group}")


def refuse_balance(problem: Any, options: Options, size: int) -> None:
    """Raise Refusal if the ranks make no whole groups, or borders never move as is asked for."""
    refuse(problem, options, size)
    _pic.refuse(problem, options, size)


def transpose_memory(problem: Any, options: Options, size: int) -> int:
    """Return the problem's bytes, with the group's two buffers, which hold a block of all its ranks."""
    need, group = problem.memory(size), options["group-size"]
    return need + 8 * 2 * (group - 1) * (problem.order // size) ** 2 if group and size > group else need


def reduce_memory(problem: Any, options: Options, size: int) -> int:
    """Return the problem's bytes, with those of the sums that a group other than the root's gives on."""
    return problem.memory(size) + 8 * min(problem.n, schedules.SEGMENT)


def refuse_apart(problem: Any, options: Options, size: int) -> None:
    """Raise Refusal if a worker does not share the owner's memory."""
    refuse(problem, options, size)
    if options["group-size"] not in (None, size):
        raise Refusal(
            "--group-size",
            f"{options['group-size']} leaves some of {size} ranks without the memory of the tiles' owner",
            f"use {size} on one node, or --runtime mpi1",
        )


def adaptive_memory(problem: Any, options: Options, size: int) -> int:
    """Return the problem's bytes, with those of a tile and of the vectors in windows."""
    return problem.memory(size) + problem.tile_bytes + 16 * problem.matrix.order


def sparse_memory(problem: Any, options: Options, size: int) -> int:
    """Return the problem's bytes; the ranks of a group share one vector."""
    mates = (options["group-size"] or 1) - 1
    return problem.memory(size) - problem.vector_bytes(size) * mates // (mates + 1)


class Runtime(MPIRuntime):
    name = "mpishm"
    title = "MPI shared memory: loads and stores in a group of ranks, messages between groups"
    # The ranks of a group, where that is not said, as `probe` found them.
    found: int | None = None
    look = ("#009e73", "^", (4, 1.2, 1, 1.2))
    mortal = "ranks wait for flags in memory that they share, which nobody sets any more"
    cells = {
        "*": Cell(
            options=(
                Option(
                    "group-size",
                    None,
                    "ranks a group (default: as many as every node has)",
                    examples=(1, 2, 3),
                ),
            ),
            refuse=refuse,
            shared=True,
        ),
        "nstream": Cell(messages=_sent.nothing),
        "branch": Cell(messages=_sent.nothing),
        "stencil": Cell(
            options=(Option("local-sync", "messages", WAIT, ("messages", "flags", "barrier")),),
            refuse=refuse_tiles,
            messages=sent.stencil,
            schedule=steps.stencil,
        ),
        # A barrier would have all ranks of a group wait for the few that have a refinement.
        "amr": Cell(
            options=(Option("local-sync", "messages", WAIT, ("messages", "flags")),),
            messages=sent.amr,
        ),
        "synch_p2p": Cell(
            options=(Option("local-sync", "messages", WAIT, ("messages", "flags")),),
            messages=sent.synch_p2p,
            schedule=steps.synch_p2p,
        ),
        "transpose": Cell(
            options=(
                Option("local-sync", "messages", WAIT, ("messages", "flags", "barrier")),
                Option("communicators", 1, "ranks of a group that exchange messages", examples=(2,)),
            ),
            memory=transpose_memory,
            refuse=refuse_communicators,
            messages=sent.transpose,
            schedule=steps.transpose,
        ),
        "refcount": Cell(refuse=refuse_several, messages=_sent.nothing),
        "random": Cell(
            options=(Option("local-sync", "messages", WAIT, ("messages", "flags", "barrier")),),
            messages=sent.random,
        ),
        "synch_global": Cell(memory=lambda problem, options, size: 2 * problem.n, messages=sent.synch_global),
        "reduce": Cell(memory=reduce_memory, messages=sent.reduce),
        "sparse": Cell(
            options=(Option("local-sync", "messages", WAIT, ("messages", "flags", "barrier")),),
            memory=sparse_memory,
            messages=sent.sparse,
        ),
        "adaptive": Cell(refuse=refuse_apart, memory=adaptive_memory, messages=_sent.nothing),
        "dgemm": Cell(
            options=(Option("local-sync", "messages", WAIT, ("messages", "flags", "barrier")),),
            messages=sent.dgemm,
        ),
        "pic": replace(_pic.OUTBOX, refuse=refuse_balance, messages=sent.pic),
        "allreduce": Cell(
            only={"collective": ("allreduce",)}, messages=sent.allreduce, schedule=steps.allreduce
        ),
        "layers": Cell(absent=_sent.ALONE),
        "inference": Cell(absent=_sent.POLLED),
        "models": Cell(absent=_sent.ALONE),
        "ddp": Cell(absent="its allreduce needs gradients in shared windows, and PyTorch has its own memory"),
    }

    def messages(self, kernel: str, problem: Any, options: Options, size: int, rank: int) -> Said | None:
        of_groups = {**options, "group-size": options["group-size"] or self.found}
        return super().messages(kernel, problem, of_groups, size, rank)

    def probe(self, job: Job, comm: Any) -> str:
        from .._mpi import group

        try:
            largest, asked = group.largest(comm), job.options["group-size"]
            if asked and largest % asked:
                raise Refusal(
                    "--group-size",
                    f"some {asked} consecutive ranks are on more than one node",
                    f"use {largest} or a divisor of it, or fill the nodes one after the other",
                )
            self.found = size = asked or largest
            self.refuse(job.kernel, job.problem, {**job.options, "group-size": size}, comm.size)
            group.try_share(comm)
        except Refusal as refusal:
            return str(refusal)
        return ""
