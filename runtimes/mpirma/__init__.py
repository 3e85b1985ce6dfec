"""MPI one-sided: a rank puts into, or gets from, the window that another one exposes."""

from typing import Any

from prk.job import Job
from prk.problem import Refusal
from prk.runtime import Cell, Option, Options

from .. import _sent
from .._mpi import MPIRuntime

SYNC = "when a window may be accessed"
FLAVOURS = ("allocate", "create")


def refuse_bundle(problem: Any, options: Options, size: int) -> None:
    """Raise Refusal if no blocks at all are moved at a time."""
    if options["bundle"] < 1:
        raise Refusal("--bundle", f"{options['bundle']} is too few", "use at least 1")


def transpose_memory(problem: Any, options: Options, size: int) -> int:
    """Return the problem's bytes with those of the bundle's other blocks, which leave and which arrive."""
    block = 8 * (problem.order // size) ** 2
    return problem.memory(size) + 2 * block * max(0, min(options["bundle"], size - 1) - 1)


class Runtime(MPIRuntime):
    name = "mpirma"
    title = "MPI one-sided: put and get"
    look = ("#d55e00", "s", (5, 1.6))
    cells = {
        "*": Cell(options=(Option("window", "allocate", "whose memory it is: MPI's, or NumPy's", FLAVOURS),)),
        "nstream": Cell(messages=_sent.nothing),
        "stencil": Cell(
            options=(Option("sync", "fence", SYNC, ("fence", "pscw", "passive")),), messages=_sent.boxes
        ),
        "synch_p2p": Cell(
            options=(Option("sync", "pscw", SYNC, ("pscw", "passive")),), messages=_sent.pipeline
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
        ),
        "allreduce": Cell(absent="one-sided MPI has no collectives"),
        "ddp": Cell(absent="one-sided MPI has no collectives, by which gradients are averaged"),
    }

    def probe(self, job: Job, comm: Any) -> str:
        from .._mpi import onesided

        return onesided.wrong(comm, job.options["window"])
