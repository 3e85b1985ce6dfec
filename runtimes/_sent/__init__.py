"""What members send in a repetition, for the runtimes that send the same. Pure, built on the schedules.

Functions of (problem, options, size, rank), as cells name them.
"""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from itertools import count
from typing import Any

import numpy as np

from prk import decomposition
from prk.allreduce import schedules
from prk.ddp.schedule import REPLICATED, SHARDED
from prk.decomposition import Box, SuperTiles
from prk.reduce import schedules as reductions
from prk.runtime import Option, Options, Sent, together
from prk.stencil import schedule as stencil

# Of Sparse, for the cells where the vector travels.
GATHER = Option(
    "gather", "all", "what of the vector travels: all, or the columns that rows need", ("all", "needed")
)

# Of training.
BUCKET = Option("bucket-mb", 25.0, "megabytes of gradients reduced at once", examples=(0.02,))
OPTIMIZER = Option(
    "optimizer",
    REPLICATED,
    "who holds its state: all members all of it, or each a shard, by reduce-scatter and all-gather (ZeRO-1)",
    (REPLICATED, SHARDED),
)

# The elements that one call of MPI can count.
COUNT = 2**31 - 1


# Why there are no counters that all members update.
NOTHING_SHARED = "nothing is shared: only a counter's owner could update it, when asked by a message"
# Why a runtime has no kernels whose members only compute beside each other.
ALONE = "nothing is communicated: its members would do what mpi1's do"

# Why queries and their answers want two-sided messages.
POLLED = "a worker would look for its next batch again and again: mpi1's messages wake it"
# Whose threads compute where the model is PyTorch's.
OWN_THREADS = "PyTorch computes with threads of its own, see --torch-threads"

# Why a tile's owner and its worker need two-sided messages, or memory that both see.
NOT_READY = "a put does not tell the owner when a worker has room for the next tile: mpi1's messages do"


def nothing(problem: Any, options: Options, size: int, rank: int) -> Sent:
    """Every member works on what it has."""
    return Sent()


def halos(problem: Any, options: Options, size: int, rank: int) -> Sent:
    """An edge goes to each neighbour of a tile; to the west and east it is as long as the framed tile."""
    sides = [side for axis in stencil.sides(problem.tile(rank, size), problem.radius) for side in axis]
    edges = [decomposition.area(side.edge) for side in sides if side.neighbour is not None]
    return Sent(len(edges), sum(edges) * np.dtype(problem.dtype).itemsize)


def boxes(problem: Any, options: Options, size: int, rank: int, group: int = 1) -> Sent:
    """Each rank of another group that needs points of this rank's tile is sent just them, box by box."""
    n, compact = problem.n, problem.pattern == "compact"
    sent = [box for _, box in SuperTiles(n, n, size, group, problem.radius, compact).outgoing(rank)]
    points = sum(map(decomposition.area, sent))
    return Sent(len(sent), points * np.dtype(problem.dtype).itemsize)


def grids(problem: Any, options: Options, size: int, rank: int) -> Iterator[Sent]:
    """Halos of the background and of the refinement that is alive, as `halos`; what is interpolated from."""
    return _grids(problem, size, rank, lambda grid: halos(grid, options, size, rank))


def grids_in_boxes(
    problem: Any, options: Options, size: int, rank: int, mates: Container[int] = ()
) -> Iterator[Sent]:
    """As `grids`, but neighbours are sent just the points of halos; `mates` read these where they are."""
    return _grids(problem, size, rank, lambda grid: _boxes(grid.mesh.outgoing(rank), mates), mates)


def grids_pulled(problem: Any, options: Options, size: int, rank: int) -> Iterator[Sent]:
    """As `grids_in_boxes`, by the member that needs the points."""
    return _grids(problem, size, rank, lambda grid: _boxes(grid.mesh.incoming(rank), ()), pulled=True)


def _grids(
    problem: Any,
    size: int,
    rank: int,
    halo: Callable[[Any], Sent],
    mates: Container[int] = (),
    pulled: bool = False,
) -> Iterator[Sent]:
    background, *refinements = map(halo, problem.grids(size))
    feeds = [
        _boxes((feed.incoming if pulled else feed.outgoing)(rank), mates)
        for feed in problem.layout(size).feeds
    ]
    for repetition in count(1):
        fed = feeds[problem.living(repetition)] if problem.begins(repetition) else Sent()
        alive = problem.alive(repetition)
        fine = [] if alive is None else problem.sub * [refinements[alive]]
        yield together([background, fed, *fine])


def _boxes(outgoing: Iterable[tuple[int, Box]], mates: Container[int]) -> Sent:
    areas = [decomposition.area(box) for to, box in outgoing if to not in mates]
    return Sent(len(areas), 8 * sum(areas))


def pipeline(problem: Any, options: Options, size: int, rank: int) -> Sent:
    """A value a line goes to the right, `group` of them in a message, and the corner back to the start."""
    if rank == size - 1:
        return Sent(1, 8) if size > 1 else Sent()
    return Sent(-(-(problem.n - 1) // problem.group), 8 * (problem.n - 1))


def pipeline_of_any(problem: Any, options: Options, size: int, rank: int) -> Sent:
    """As `pipeline`, but a member that is alone sends the corner to itself."""
    return Sent(1, 8) if size == 1 else pipeline(problem, options, size, rank)


def blocks(problem: Any, options: Options, size: int, rank: int) -> Sent:
    """A block goes to every other member."""
    return Sent(size - 1, 8 * (size - 1) * (problem.order // size) ** 2)


def sparse_memory(problem: Any, options: Options, size: int) -> int:
    """Return the problem's bytes, with those of what is packed where only what is needed travels."""
    packed = problem.memory_of_needed(size) if options["gather"] == "needed" else 0
    return problem.memory(size) + packed


def slices(problem: Any, options: Options, size: int, rank: int) -> Sent:
    """A slice of the vector goes to every other member, or what that needs of it."""
    if options["gather"] == "all":
        return Sent(size - 1, (size - 1) * problem.slice_bytes(size))
    return needed(problem.pattern.given(rank, size))


def slices_of_others(problem: Any, options: Options, size: int, rank: int) -> Sent:
    """A member gets the slices of all others, or what it needs of them."""
    if options["gather"] == "all":
        return slices(problem, options, size, rank)
    return needed(problem.pattern.taken(rank, size))


def needed(columns: Mapping[int, np.ndarray]) -> Sent:
    """Return what the elements in columns are that travel to or from other members, a message each."""
    return Sent(len(columns), 8 * sum(part.size for part in columns.values()))


def panels(problem: Any, options: Options, size: int, rank: int, group: int = 1) -> Sent:
    """Panels of A and of B go round rings of members, or of groups that share them."""
    lines = zip(problem.lines(rank, size, group), problem.shape(rank, size), strict=True)
    sent = [8 * p.width * length for line, length in lines for p in line.passed_on()]
    return Sent(len(sent), sum(sent))


def panels_of_others(problem: Any, options: Options, size: int, rank: int) -> Sent:
    """A member gets the panels of A and of B that are not its own."""
    lines = zip(problem.lines(rank, size), problem.shape(rank, size), strict=True)
    got = [8 * p.width * length for line, length in lines for p in line.of_others()]
    return Sent(len(got), sum(got))


def exclusive_updates(problem: Any, options: Options, size: int, rank: int) -> Sent:
    """Under a lock each counter is got and put; an atomic update of a word is no message."""
    return Sent(4, 32) if problem.lock == "lock" else Sent()


def values_of_others(problem: Any, options: Options, size: int, rank: int) -> Sent:
    """In each batch, the values that update other members' words go to these, in a message each."""
    messages, values = problem.leaving(rank, size)
    return Sent(2 * messages, 2 * 8 * values)


def parcels(problem: Any, size: int, rank: int) -> Sent | None:
    """The owner sends a tile to the worker whose turn it is, made smaller or not, if that is sure before.

    A worker sends what the tile before took it.
    """
    if problem.mode not in ("dense", "sparse"):
        return None
    sent = problem.sent(problem.mode == "sparse")
    if size == 1:
        return Sent()
    if rank:
        tiles = len(range(rank - 1, sent.size, size - 1))
        return Sent(tiles, 8 * tiles)
    return Sent(int(np.count_nonzero(sent)), int(sent.sum()))


def parcels_and_vectors(problem: Any, options: Options, size: int, rank: int) -> Sent | None:
    """Besides the tiles, the vector goes to each worker, and each one's part of the result comes back."""
    tiles, n = parcels(problem, size, rank), problem.matrix.order
    vectors = 1 if rank else size - 1
    return tiles and Sent(tiles.messages + vectors, tiles.bytes + 8 * vectors * n)


def reduction(problem: Any, options: Options, size: int, rank: int) -> Sent:
    """A member gives its vector to the library's collective, in as few calls as its counts allow."""
    return Sent(-(-problem.n // COUNT), 8 * problem.n)


def up_a_tree(problem: Any, options: Options, size: int, rank: int) -> Sent:
    """Each member but the root sends its sums once, a segment in a message."""
    return Sent(len(reductions.segments(problem.n)), 8 * problem.n) if rank else Sent()


def from_children(problem: Any, options: Options, size: int, rank: int) -> Sent:
    """Each member gets the sums of its children in the tree, segment by segment."""
    children = len(reductions.node(options["algorithm"], rank, size).children)
    return Sent(children * len(reductions.segments(problem.n)), 8 * children * problem.n)


def digits(problem: Any, options: Options, size: int, rank: int) -> Sent:
    """A member gives its digits to the collective."""
    return Sent(1, problem.n // size)


def digits_to_all(problem: Any, options: Options, size: int, rank: int) -> Sent:
    """A member's digits go to every other one."""
    return Sent(size - 1, (size - 1) * (problem.n // size))


def collective(problem: Any, options: Options, size: int, rank: int) -> Sent:
    """A member gives the library's collective the larger buffer, or its block where all are gathered."""
    given = problem.work // (size if problem.collective == "allgather" else 1)
    return Sent(problem.burst, problem.burst * given)


def parts(problem: Any, sent: Iterable[slice], segment: int | None = None) -> Sent:
    """Return what parts of the elements are that travel in segments, in each allreduce of a burst."""
    lengths = [part.stop - part.start for part in sent]
    messages = sum(-(-length // (segment or length)) for length in lengths if length)
    return Sent(problem.burst * messages, problem.burst * sum(lengths) * problem.itemsize)


def halving(problem: Any, size: int, rank: int) -> list[slice]:
    """Return the parts that a member sends in an allreduce by recursive halving and doubling."""
    count = problem.work // problem.itemsize
    fold = schedules.fold(rank, size)
    if fold.index is None:
        return [slice(0, count)]
    steps = schedules.halvings(fold.index, size, count)
    back = [slice(0, count)] if fold.takes_from is not None else []
    return [*(step.give for step in steps), *(step.keep for step in steps), *back]
