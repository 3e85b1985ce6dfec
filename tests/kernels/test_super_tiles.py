"""Properties of the two-level decomposition: every ghost point is filled once, as both sides expect."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from prk import decomposition
from prk.decomposition import SuperTiles, overlap


@st.composite
def layouts(draw, most=24, largest=40):
    """Draw small layouts, with tiles narrower than the ghost frame among them."""
    group = draw(st.integers(1, 8))
    ranks = group * draw(st.integers(1, max(1, most // group)))
    rows, cols = SuperTiles(1, 1, ranks, group, 1, False).cuts
    n, m = (draw(st.integers(least, max(least, largest))) for least in (rows, cols))
    return SuperTiles(n, m, ranks, group, draw(st.integers(1, 5)), draw(st.booleans()))


def cells(box, layout):
    """Return the points of a box that lie inside the grid."""
    inside = overlap(box, ((0, layout.n), (0, layout.m)))
    return set(itertools.product(range(*inside[0]), range(*inside[1]))) if inside else set()


def paint(layout, boxes):
    count = np.zeros((layout.n, layout.m), int)
    for (top, bottom), (left, right) in boxes:
        count[top:bottom, left:right] += 1
    return count


@given(layouts())
def test_tiles_own_every_point_once_and_stay_in_their_super_tile(layout):
    assert (paint(layout, layout.tiles) == 1).all()
    for rank, tile in enumerate(layout.tiles):
        outer = layout.super_tiles[rank // layout.group]
        assert cells(tile, layout) <= cells(outer, layout)


@given(st.integers(1, 12288), st.integers(1, 50000), st.data())
def test_groups_of_one_have_the_plain_tiles(ranks, n, data):
    rank = data.draw(st.integers(0, ranks - 1))
    plain = decomposition.tile(n, n + 5, ranks, rank)
    assert decomposition.part(((0, n), (0, n + 5)), ranks, rank) == (plain.rows, plain.cols)
    assert SuperTiles(n, n, ranks, 1, 4, False).cuts == decomposition.grid(ranks)[::-1]


@given(layouts())
def test_both_sides_of_a_perimeter_expect_the_same_pieces_in_the_same_order(layout):
    pairs = list(itertools.product(range(layout.ranks), repeat=2))
    sent: dict[tuple[int, ...], list[decomposition.Box]] = {pair: [] for pair in pairs}
    received: dict[tuple[int, ...], list[decomposition.Box]] = {pair: [] for pair in pairs}
    for rank in range(layout.ranks):
        for reader, piece in layout.outgoing(rank):
            assert cells(piece, layout) <= cells(layout.tiles[rank], layout)
            sent[rank, reader].append(piece)
        for owner, piece in layout.incoming(rank):
            received[owner, rank].append(piece)
    assert sent == received
    assert not any(pieces for (a, b), pieces in sent.items() if a // layout.group == b // layout.group)


@settings(deadline=None)
@given(layouts(most=12, largest=24))
def test_what_a_rank_reads_is_in_its_group_and_held_by_a_partner(layout):
    for rank, tile in enumerate(layout.tiles):
        first = rank // layout.group * layout.group
        filled = {
            r: [cells(p, layout) for _, p in layout.incoming(r)] for r in range(first, first + layout.group)
        }
        held = {r: cells(layout.tiles[r], layout).union(*filled[r]) for r in filled}
        around = decomposition.sides(tile, layout.depth, layout.corners).values()
        read = set().union(*(cells(box, layout) for box in around))
        reachable = held[rank].union(*(held[p] for p in layout.partners(rank)))
        assert read <= reachable
        assert all(rank in layout.partners(p) for p in layout.partners(rank))


@given(layouts())
def test_no_ghost_point_is_filled_twice(layout):
    for first in range(0, layout.ranks, layout.group):
        pieces = [p for r in range(first, first + layout.group) for _, p in layout.incoming(r)]
        assert paint(layout, pieces).max(initial=0) <= 1


@given(layouts(most=12))
def test_what_the_sweep_increments_on_its_way_is_read_by_nobody_else(layout):
    for rank in range(layout.ranks):
        kept = cells(layout.unread(rank), layout)
        assert kept <= cells(layout.tiles[rank], layout)
        for other in layout.partners(rank):
            for box in decomposition.sides(layout.tiles[other], layout.depth, layout.corners).values():
                assert not kept & cells(box, layout)


def test_a_group_never_spans_two_hosts():
    assert decomposition.common_group("a" * 24) == 24
    assert decomposition.common_group("a" * 24 + "b" * 24 + "c" * 12) == 12
    assert decomposition.common_group("abab") == 1


def test_the_largest_layout_takes_a_moment():
    layout = SuperTiles(49152, 49152, 12288, 24, 4, True)
    inner = 24 * 260 + 13
    assert layout.cuts == (192, 64)
    assert {r // 24 for r, _ in layout.incoming(24 * 260)} != {260}
    assert len(layout.outgoing(24 * 260)) == len(layout.incoming(24 * 260))
    assert all(p // 24 == 260 for p in layout.partners(inner))
