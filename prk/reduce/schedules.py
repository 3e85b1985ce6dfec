"""Who sends what to whom in a reduction written by hand. Pure, without communication.

The report's three algorithms: linear, binary tree, and long-optimal, which moves the fewest bytes.
"""

from typing import NamedTuple

from prk import decomposition

TREES = ("linear", "binary-tree")
# Elements that travel, and are summed, at a time, 512 KiB: a few such parts stay in cache, and members seldom
# wait for each other.
SEGMENT = 1 << 16


class Node(NamedTuple):
    """A member's place in a tree: from whom it takes sums, in this order, and to whom it gives its own."""

    children: list[int]
    parent: int | None


def node(shape: str, rank: int, size: int) -> Node:
    """Return the place of `rank` in a tree whose root is member 0.

    linear: all others are the root's children. binary-tree: members at distance 1, 2, 4 pair up, and the
    upper one of each pair, having given its sum, is done.
    """
    if shape == "linear":
        return Node([], 0) if rank else Node(list(range(1, size)), None)
    distance, children = 1, []
    while distance < size and rank % (2 * distance) == 0:
        if rank + distance < size:
            children.append(rank + distance)
        distance *= 2
    return Node(children, rank - distance if rank else None)


def segments(n: int) -> list[slice]:
    """Return n elements cut into segments, none of them empty."""
    return [slice(i, min(i + SEGMENT, n)) for i in range(0, n, SEGMENT)]


def shares(n: int, size: int, index: int) -> list[slice]:
    """Return the part of each segment that member `index` sums, where `size` members share the vectors."""
    cuts = ((s.start, decomposition.block(s.stop - s.start, size, index)) for s in segments(n))
    return [slice(first + a, first + b) for first, (a, b) in cuts]


def pieces(n: int, size: int, index: int) -> list[slice]:
    """Return the part of n elements that member `index` of `size` sums, cut into as many pieces as any part.

    None of them is longer than a segment; some are empty where there are few elements.
    """
    start, stop = decomposition.block(n, size, index)
    count = len(segments(-(-n // size)))
    cuts = (decomposition.block(stop - start, count, i) for i in range(count))
    return [slice(start + a, start + b) for a, b in cuts]
