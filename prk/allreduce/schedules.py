"""Who sends which part to whom in an allreduce written by hand. Pure, without communication.

Thakur, Rabenseifner and Gropp, Optimization of Collective Communication Operations in MPICH, 2005.
"""

from dataclasses import dataclass

from prk import decomposition


def power(size: int) -> int:
    """Return the largest power of two that is not larger than `size`."""
    return 1 << (size.bit_length() - 1)


@dataclass(frozen=True)
class Fold:
    """A rank's part in making the number of ranks a power of two.

    Of the first 2 (size - power) ranks, each even one gives its input to the next one before, and takes the
    result from it after. `index` numbers those that remain; it is None on a rank that gives.
    """

    index: int | None
    gives_to: int | None = None
    takes_from: int | None = None


def fold(rank: int, size: int) -> Fold:
    """Return the rank's part in the fold."""
    extra = size - power(size)
    if rank >= 2 * extra:
        return Fold(rank - extra)
    if rank % 2 == 0:
        return Fold(None, gives_to=rank + 1)
    return Fold(rank // 2, takes_from=rank - 1)


def unfold(index: int, size: int) -> int:
    """Return the rank that has `index` among those that remain."""
    extra = size - power(size)
    return 2 * index + 1 if index < extra else index + extra


@dataclass(frozen=True)
class Halving:
    """One step of a recursive halving: the partner's rank, the part that is kept and the part given away."""

    partner: int
    keep: slice
    give: slice


def halvings(index: int, size: int, count: int) -> list[Halving]:
    """Return the steps in which `index` comes to own its part of `count` elements, nearest partner first.

    The same steps backwards, with keep and give exchanged, gather the parts again.
    """
    steps, start, stop, distance = [], 0, count, 1
    while distance < power(size):
        middle = start + (stop - start) // 2
        low, high = slice(start, middle), slice(middle, stop)
        keep, give = (high, low) if index & distance else (low, high)
        steps.append(Halving(unfold(index ^ distance, size), keep, give))
        start, stop, distance = keep.start, keep.stop, 2 * distance
    return steps


def ring(rank: int, size: int, count: int) -> list[tuple[slice, slice]]:
    """Return the (sent, received) parts of the 2 (size - 1) steps round the ring: reduce, then gather.

    In each step a rank sends to the next one what it received in the step before.
    """
    parts = [slice(*decomposition.block(count, size, i)) for i in range(size)]
    return [(parts[(rank - step) % size], parts[(rank - step - 1) % size]) for step in range(2 * (size - 1))]


def segments(part: slice, length: int) -> list[slice]:
    """Return the part cut into segments of at most `length` elements; none of an empty part."""
    return [slice(i, min(i + length, part.stop)) for i in range(part.start, part.stop, length)]
