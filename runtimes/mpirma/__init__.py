"""MPI one-sided: a rank puts into, or gets from, the window that another one exposes."""

from dataclasses import replace
from typing import Any

from prk.job import Job
from prk.problem import Refusal
from prk.reduce import schedules
from prk.runtime import Cell, Option, Options, Sent

from .. import _pic, _sent
from .._mpi import MPIRuntime
from . import steps

SYNC = "when a window may be accessed"
FLAVOURS = ("allocate", "create")
ATOMIC = "by what a counter is updated without a lock"
UPDATES = "a batch's values are put to whom they concern, or each accumulated into the table"
REDUCTION = "all accumulate into the root's vector, or each gets and sums its part of all"


def refuse_bundle(problem: Any, options: Options, size: int) -> None:
    """Raise Refusal if no blocks at all are moved at a time."""
    if options["bundle"] < 1:
        raise Refusal("--bundle", f"{options['bundle']} is too few", "use at least 1")


def transpose_memory(problem: Any, options: Options, size: int) -> int:
    """Return the problem's bytes with those of the bundle's other blocks, which leave and which arrive."""
    block = 8 * (problem.order // size) ** 2
    return problem.memory(size) + 2 * block * max(0, min(options["bundle"], size - 1) - 1)


def refuse_created(problem: Any, options: Options, size: int) -> None:
    """Raise Refusal if words of created windows are to be XORed: Open MPI 5.0.11 stores something else."""
    if options["access"] == "accumulate" and options["window"] == "create":
        raise Refusal(
            "--access", "accumulate does not XOR rightly in windows that are created", "use --window allocate"
        )


def random_memory(problem: Any, options: Options, size: int) -> int:
    """Return the problem's bytes, with those of a second batch of all ranks and of their flags."""
    second = 8 * size * (problem.lookahead + 2 * 8) if options["access"] == "put" else 0
    return problem.memory(size) + second


def random_sent(problem: Any, options: Options, size: int, rank: int) -> Sent:
    """The values for other ranks, a put to each; or each update, also of its own words, an accumulate."""
    if options["access"] == "put":
        return _sent.values_of_others(problem, options, size, rank)
    updates = problem.work // size
    return Sent(updates, 8 * updates)


def reduce_memory(problem: Any, options: Options, size: int) -> int:
    """Return the problem's bytes, with those of the sums of others than the root and of what they get."""
    held = min(problem.n, schedules.SEGMENT) + -(-problem.n // size)
    return problem.memory(size) + 8 * (held if options["algorithm"] == "long-optimal" else 0)


def reduce_sent(problem: Any, options: Options, size: int, rank: int) -> Sent:
    """What a rank accumulates; or its pieces of the others' vectors, and, but from the root, their sums."""
    if options["algorithm"] == "linear":
        return _sent.up_a_tree(problem, options, size, rank)
    lengths = [p.stop - p.start for p in schedules.pieces(problem.n, size, rank) if p.stop > p.start]
    times = size - 1 + (rank > 0)
    return Sent(times * len(lengths), 8 * times * sum(lengths))


class Runtime(MPIRuntime):
    name = "mpirma"
    title = "MPI one-sided: put and get"
    look = ("#d55e00", "s", (5, 1.6))
    mortal = "a put into the window of a dead rank of the same node never fails, so nobody notices"
    cells = {
        "*": Cell(options=(Option("window", "allocate", "whose memory it is: MPI's, or NumPy's", FLAVOURS),)),
        "nstream": Cell(messages=_sent.nothing),
        "branch": Cell(messages=_sent.nothing),
        "stencil": Cell(
            options=(Option("sync", "fence", SYNC, ("fence", "pscw", "passive")),),
            messages=_sent.boxes,
            schedule=steps.stencil,
        ),
        # A fence would have all ranks wait for the few that have a refinement.
        "amr": Cell(
            options=(Option("sync", "pscw", SYNC, ("pscw", "passive")),), messages=_sent.grids_in_boxes
        ),
        "synch_p2p": Cell(
            options=(Option("sync", "pscw", SYNC, ("pscw", "passive")),),
            messages=_sent.pipeline,
            schedule=steps.synch_p2p,
        ),
        "transpose": Cell(
            options=(
                Option("sync", "fence", SYNC, ("fence", "passive")),
                Option("access", "put", "who moves a block: its sender, or its receiver", ("put", "get")),
                Option("bundle", 1, "blocks moved before a flush or fence", examples=(2, 5)),
            ),
            memory=transpose_memory,
            refuse=refuse_bundle,
            messages=_sent.blocks,
            schedule=steps.transpose,
        ),
        "refcount": Cell(
            options=(Option("atomic", "fetch-and-op", ATOMIC, ("fetch-and-op", "accumulate")),),
            messages=_sent.exclusive_updates,
        ),
        "random": Cell(
            options=(Option("access", "put", UPDATES, ("put", "accumulate")),),
            memory=random_memory,
            refuse=refuse_created,
            messages=random_sent,
        ),
        "synch_global": Cell(
            options=(Option("sync", "fence", SYNC, ("fence", "pscw", "passive")),),
            memory=lambda problem, options, size: problem.memory(size) + problem.n,
            messages=_sent.digits_to_all,
        ),
        "reduce": Cell(
            options=(Option("algorithm", "linear", REDUCTION, ("linear", "long-optimal")),),
            memory=reduce_memory,
            messages=reduce_sent,
        ),
        "sparse": Cell(options=(_sent.GATHER,), memory=_sent.sparse_memory, messages=_sent.slices_of_others),
        "dgemm": Cell(messages=_sent.panels_of_others),
        "pic": replace(_pic.OUTBOX, messages=_pic.in_memory),
        "adaptive": Cell(absent=_sent.NOT_READY),
        "allreduce": Cell(absent="one-sided MPI has no collectives"),
        "layers": Cell(absent=_sent.ALONE),
        "inference": Cell(absent=_sent.POLLED),
        "models": Cell(absent=_sent.ALONE),
        "ddp": Cell(absent="one-sided MPI has no collectives, by which gradients are averaged"),
    }

    def probe(self, job: Job, comm: Any) -> str:
        from .._mpi import onesided

        flavour = job.options["window"]
        wrong = onesided.wrong(comm, flavour)
        if not wrong and job.options.get("access") == "accumulate":
            wrong = onesided.wrong_xor(comm, flavour)
        return wrong
