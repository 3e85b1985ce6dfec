"""UPC's model over MPI windows: shared arrays with a block a thread, of which threads pull what they need.

No UPC compiler takes part. A rank stands for a thread, what has affinity to it lies in its window, and is
accessed there as private memory.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from prk.job import Job
from prk.problem import Refusal
from prk.reduce import schedules
from prk.runtime import Cell, Option, Options, Sent

from .. import _pic, _sent
from .._mpi import MPIRuntime
from . import steps

ACCESS = Option(
    "access",
    "memget",
    "how a thread gets at another one's block: get and flush, or loads in a shared window",
    ("memget", "loads"),
)
SYNC = "a thread pulls each line when its strict counter says so, or is given it with a post of its semaphore"
WARNING = "this is UPC's model over MPI windows: no compiler or run-time system of UPC takes part"
NO_COLLECTIVES = "UPC's collectives would be MPI's own here, which mpi1 has"


def pulled(formula: Callable[..., Any]) -> Callable[..., Any]:
    """Return a formula that holds where windows are accessed by calls; loads and stores send nothing."""

    def sent(problem: Any, options: Options, size: int, rank: int) -> Any:
        return formula(problem, options, size, rank) if options["access"] == "memget" else Sent()

    return sent


def lines(problem: Any, options: Options, size: int, rank: int) -> Sent:
    """A value a line, given to the right or pulled from the left, `group` of them at once; and the corner."""
    # What one pulls, the other one would have pushed.
    giver = rank if options["sync"] == "semaphore" else (rank - 1) % size
    return _sent.pipeline(problem, options, size, giver)


def updates(problem: Any, options: Options, size: int, rank: int) -> Sent:
    """Each update is an atomic access, also of a thread's own words."""
    own = problem.work // size
    return Sent(own, 8 * own)


def reduce_memory(problem: Any, options: Options, size: int) -> int:
    """Return the problem's bytes, with those of the copy of a segment."""
    return problem.memory(size) + 8 * min(problem.n, schedules.SEGMENT)


def sparse_memory(problem: Any, options: Options, size: int) -> int:
    """Return the problem's bytes, with those of the block that others copy."""
    return problem.memory(size) + problem.slice_bytes(size)


def slices(problem: Any, options: Options, size: int, rank: int) -> Sent:
    """A thread copies the slices of all others."""
    return _sent.slices(problem, {"gather": "all"}, size, rank)


def pieces_of_others(problem: Any, options: Options, size: int, rank: int) -> Sent:
    """The first thread pulls all other vectors, segment by segment."""
    return Sent() if rank else _sent.from_children(problem, {"algorithm": "linear"}, size, rank)


class Runtime(MPIRuntime):
    name = "upc"
    title = "UPC's model over MPI windows"
    look = ("#7a5230", "d", (2, 2.4, 5, 1.6))
    cells = {
        "*": Cell(options=(ACCESS,), shared=True, warning=WARNING),
        "nstream": Cell(messages=_sent.nothing),
        "branch": Cell(messages=_sent.nothing),
        "stencil": Cell(messages=pulled(_sent.boxes), schedule=steps.stencil),
        "synch_p2p": Cell(
            options=(Option("sync", "strict", SYNC, ("strict", "semaphore")),),
            messages=pulled(lines),
            schedule=steps.synch_p2p,
        ),
        "transpose": Cell(messages=pulled(_sent.blocks), schedule=steps.transpose),
        "random": Cell(messages=pulled(updates)),
        "refcount": Cell(messages=pulled(_sent.exclusive_updates)),
        "reduce": Cell(memory=reduce_memory, messages=pulled(pieces_of_others)),
        "sparse": Cell(memory=sparse_memory, messages=pulled(slices)),
        "dgemm": Cell(messages=pulled(_sent.panels_of_others)),
        "synch_global": Cell(messages=pulled(_sent.digits_to_all)),
        "allreduce": Cell(absent=NO_COLLECTIVES),
        "ddp": Cell(absent=NO_COLLECTIVES),
        "amr": Cell(messages=pulled(_sent.grids_pulled)),
        "pic": replace(_pic.OUTBOX, messages=pulled(_pic.in_memory)),
        "adaptive": Cell(absent=_sent.NOT_READY),
        "layers": Cell(absent=_sent.ALONE),
        "inference": Cell(absent=_sent.POLLED),
        "models": Cell(absent=_sent.ALONE),
    }

    def probe(self, job: Job, comm: Any) -> str:
        from .._mpi import group, onesided

        if job.options["access"] == "memget":
            return onesided.wrong_xor(comm, "allocate") if job.kernel == "random" else ""
        try:
            if group.largest(comm) < comm.size:
                raise Refusal("--access", "loads reach the blocks of one node only", "use --access memget")
            group.try_share(comm)
        except Refusal as refusal:
            return str(refusal)
        return ""
