"""What a member sends in a repetition, for the runtimes with tagged messages. Pure, without any of them."""

from typing import Any

from prk.runtime import Options, Sent

from .. import _sent as common

# A block travels in squares of this side, 0.4 MiB: packed and unpacked in cache, and in long parts of
# columns (strips of 32 whole columns took twice as long to pack), an odd number of cache lines each.
SIDE = 232


def transpose(problem: Any, size: int, side: int, together: int) -> Sent:
    """Pieces of blocks, squares of at most `side`; to the others of the `together` in this process, A."""
    width, side = problem.order // size, max(problem.tile or problem.order, side)
    pieces, near, far = (-(-width // side)) ** 2, together - 1, size - together
    return Sent(far * pieces + near, 8 * width * (far * width + near * problem.pitch))


def sparse_memory(problem: Any, options: Options, size: int) -> int:
    """Return a member's bytes, with those of slices that have come and are not yet used, if all travel."""
    messages = problem.vector_bytes(size) if options["gather"] == "all" and size > 1 else 0
    return common.sparse_memory(problem, options, size) + messages


def allreduce(problem: Any, options: Options, size: int, rank: int) -> Sent:
    """By recursive halving and doubling, each part in one message."""
    return common.parts(problem, common.halving(problem, size, rank))
