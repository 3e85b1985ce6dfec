"""Grappa's model over MPI: words at home cores, delegates that run there, messages aggregated by destination.

No Grappa takes part. A rank stands for a core, its tasks are state machines of compiled code.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from prk.decomposition import SuperTiles, pairwise
from prk.problem import Refusal
from prk.random import sequence
from prk.runtime import Cell, Option, Options, Sent

from .. import _sent
from .._mpi import MPIRuntime

# Delegates that the buffer for a destination holds.
BUFFER = 16384
WARNING = "this is Grappa's model over MPI: Grappa itself takes no part"
NO_COLLECTIVES = "a collective of Grappa's would be MPI's own here, which mpi1 has"
NO_LOCKS = (
    "delegates at a home core are exclusive by themselves: there is neither an atomic update nor a lock"
)
COARSE = "what travels are whole vectors, of which delegates would move one word each: see mpi1 and upc"


def refuse(problem: Any, options: Options, size: int) -> None:
    """Raise Refusal if messages would be empty, or longer than their buffers."""
    aggregate, deadline = options["aggregate"], options["deadline"]
    if not 1 <= aggregate <= BUFFER:
        raise Refusal(
            "--aggregate",
            f"{aggregate} delegates are no message: a buffer holds {BUFFER}",
            f"use 1 to {BUFFER}",
        )
    if deadline < 0:
        raise Refusal("--deadline", f"{deadline} microseconds are over before they begin", "use 0 for none")


def memory(problem: Any, options: Options, size: int) -> int:
    """Return the problem's bytes, with those of two messages to each core and of one that arrives."""
    return problem.memory(size) + 8 * (2 * size + 1) * (1 + 2 * options["aggregate"])


def messages(options: Options, delegates: Sequence[int], last: int = 0) -> Sent | None:
    """Return what so many delegates to each of some cores are; `last`: phases that end with a message.

    With a deadline it depends on the time.
    """
    if options["deadline"]:
        return None
    each = options["aggregate"]
    sent = sum(n // each + 1 if last else -(-n // each) for n in delegates)
    return Sent(sent, 8 * sent + 16 * sum(delegates))


def halos(problem: Any, options: Options, size: int, rank: int) -> Sent | None:
    """Each element of an edge, and for each piece of a ghost frame its word."""
    n, compact = problem.n, problem.pattern == "compact"
    to: dict[int, int] = {}
    for reader, ((r0, r1), (c0, c1)) in SuperTiles(n, n, size, 1, problem.radius, compact).outgoing(rank):
        to[reader] = to.get(reader, 0) + (r1 - r0) * (c1 - c0) + 1
    return messages(options, list(to.values()))


def lines(problem: Any, options: Options, size: int, rank: int) -> Sent | None:
    """A word a line for the right neighbour's, and the corner for the first core."""
    if rank == size - 1:
        return messages(options, [1] if size > 1 else [])
    return messages(options, [problem.n - 1])


def elements(problem: Any, options: Options, size: int, rank: int) -> Sent | None:
    """Each element of a block for another core, in a phase."""
    return messages(options, (size - 1) * [(problem.order // size) ** 2], last=1)


def updates(problem: Any, options: Options, size: int, rank: int) -> Sent | None:
    """Each update of another core's word, in two equal rounds."""
    counts = np.zeros(size, np.int64)
    for batch in sequence.batches(problem.seeds(rank, size), problem.batches(size)):
        owners = batch % np.uint64(problem.words) // np.uint64(problem.words // size)
        counts += np.bincount(owners.astype(np.int64), minlength=size)
    of_others = [int(counts[to]) for _, to in pairwise(rank, size)]
    return messages(options, 2 * of_others, last=1)


class Runtime(MPIRuntime):
    name = "grappa"
    title = "Grappa's model over MPI"
    look = ("#5b3f8c", "8", (8, 1.2, 1, 1.2))
    cells = {
        "*": Cell(
            options=(
                Option("aggregate", 64, "delegates that travel together to their core", examples=(1,)),
                Option("deadline", 0, "microseconds after which fewer do; 0: when a phase ends"),
            ),
            memory=memory,
            refuse=refuse,
            warning=WARNING,
        ),
        "nstream": Cell(messages=_sent.nothing),
        "stencil": Cell(messages=halos),
        "synch_p2p": Cell(messages=lines),
        "transpose": Cell(messages=elements),
        "random": Cell(messages=updates),
        "branch": Cell(absent="nothing is communicated: it would be mpi1's"),
        "reduce": Cell(absent=COARSE),
        "sparse": Cell(absent=COARSE),
        "dgemm": Cell(absent=COARSE),
        "synch_global": Cell(absent=COARSE),
        "refcount": Cell(absent=NO_LOCKS),
        "allreduce": Cell(absent=NO_COLLECTIVES),
        "ddp": Cell(absent=NO_COLLECTIVES),
        "amr": Cell(absent=COARSE),
        "pic": Cell(absent=COARSE),
        "adaptive": Cell(absent=_sent.NOT_READY),
        "layers": Cell(absent=_sent.ALONE),
        "inference": Cell(absent=_sent.POLLED),
        "models": Cell(absent=_sent.ALONE),
    }
