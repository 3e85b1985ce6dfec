"""What a rank sends in a repetition, where that is mpi1's own. Pure, without MPI."""

from typing import Any

from prk.allreduce import schedules
from prk.ddp.schedule import REPLICATED, buckets
from prk.reduce import schedules as reductions
from prk.runtime import Options, Sent

from .. import _sent as common

# Bytes of a segment of a large message of ours: small enough that several are under way, large enough that
# a message costs little.
SEGMENT = 1 << 21


def transpose(problem: Any, options: Options, size: int, rank: int) -> Sent:
    """A block goes to every other rank; a collective also carries the diagonal's, unused."""
    if options["exchange"] == "alltoall":
        return Sent(1, 8 * size * (problem.order // size) ** 2)
    return common.blocks(problem, options, size, rank)


def sparse(problem: Any, options: Options, size: int, rank: int) -> Sent:
    """A rank gives its slice to an allgather, or sends what is needed of it."""
    if options["gather"] == "needed":
        return common.slices(problem, options, size, rank)
    return Sent(1, problem.slice_bytes(size)) if size > 1 else Sent()


def adaptive(problem: Any, options: Options, size: int, rank: int) -> Sent | None:
    """Besides the tiles, a broadcast of the vector and a reduction of the result."""
    tiles, n = common.parcels(problem, size, rank), problem.matrix.order
    return Sent(tiles.messages + 2, tiles.bytes + 16 * n) if tiles and size > 1 else tiles


def dgemm(problem: Any, options: Options, size: int, rank: int) -> Sent:
    """Panels go round rings, or all ranks of a line take part in the broadcast of each."""
    if options["broadcast"] == "ring":
        return common.panels(problem, options, size, rank)
    lines = zip(problem.lines(rank, size), problem.shape(rank, size), strict=True)
    told = [8 * p.width * length for line, length in lines if len(line.ranks) > 1 for p in line.panels]
    return Sent(len(told), sum(told))


def allreduce(problem: Any, options: Options, size: int, rank: int) -> Sent:
    """What a rank gives a collective, or what it sends by one of our algorithms."""
    algorithm, count = options["algorithm"], problem.work // problem.itemsize
    if algorithm == "library":
        return common.collective(problem, options, size, rank)
    segment = SEGMENT // problem.itemsize
    if algorithm == "ring":
        return common.parts(problem, [sent for sent, _ in schedules.ring(rank, size, count)], segment)
    if algorithm == "rabenseifner":
        return common.parts(problem, common.halving(problem, size, rank), segment)
    return _doubling(problem, size, rank, segment)


def _doubling(problem: Any, size: int, rank: int, segment: int) -> Sent:
    """All elements go to each partner in one message, and to and from a folded rank in segments."""
    whole, fold = slice(0, problem.work // problem.itemsize), schedules.fold(rank, size)
    partners = 0 if fold.index is None else len(schedules.halvings(fold.index, size, whole.stop))
    folded = fold.gives_to is not None or fold.takes_from is not None
    exchanged = common.parts(problem, partners * [whole])
    given = common.parts(problem, [whole] if folded else [], segment)
    return Sent(exchanged.messages + given.messages, exchanged.bytes + given.bytes)


def random(problem: Any, options: Options, size: int, rank: int) -> Sent:
    """In each batch, a count for every rank, and the values of all streams."""
    batches = 2 * problem.batches(size)
    return Sent(2 * batches, batches * (4 * size + 8 * problem.lookahead))


def reduce(problem: Any, options: Options, size: int, rank: int) -> Sent:
    """What a rank gives the library, to its parent in a tree, or to all others and then the root."""
    algorithm, n = options["algorithm"], problem.n
    if algorithm == "library":
        return common.reduction(problem, options, size, rank)
    if algorithm in reductions.TREES:
        return common.up_a_tree(problem, options, size, rank)
    given = [p for to in range(size) if to != rank for p in reductions.pieces(n, size, to)]
    given += reductions.pieces(n, size, rank) if rank else []
    lengths = [p.stop - p.start for p in given if p.stop > p.start]
    return Sent(len(lengths), 8 * sum(lengths))


def ddp(problem: Any, options: Options, size: int, rank: int) -> Sent:
    """The gradients, a bucket at a time from the last layer to the first; in shards, the own weights back."""
    numbers = problem.trains.weights(problem)
    found = buckets([4 * number for number in numbers], options["bucket-mb"] * 1e6)
    if options["optimizer"] == REPLICATED:
        return Sent(len(found), problem.format.bytes * sum(numbers))
    shards = [-(-sum(numbers[place] for place in bucket) // size) for bucket in found]
    return Sent(2 * len(found), (problem.format.bytes * size + 4) * sum(shards))
