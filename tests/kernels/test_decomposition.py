"""Properties of the decompositions, for teams of up to 12,288."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from prk import decomposition
from prk.problem import Refusal
from prk.stencil.problem import Stencil
from prk.synch_p2p.problem import SynchP2P

SIZES = st.integers(1, 12288)

# The grids that PRK_SPEC lists.
GRIDS = {
    1: (1, 1), 2: (1, 2), 3: (1, 3), 4: (2, 2), 6: (2, 3), 8: (2, 4),
    9: (3, 3), 12: (3, 4), 16: (4, 4), 512: (16, 32),
}  # fmt: skip


def test_grids_of_the_specification():
    assert {size: decomposition.grid(size) for size in GRIDS} == GRIDS


@given(st.integers(0, 10**6), SIZES)
def test_blocks_own_every_item_once_and_differ_by_at_most_one(n, parts):
    bounds = [decomposition.block(n, parts, i) for i in range(parts)]
    assert bounds[0][0] == 0
    assert bounds[-1][1] == n
    assert all(a[1] == b[0] for a, b in itertools.pairwise(bounds))
    widths = [stop - start for start, stop in bounds]
    assert widths == sorted(widths, reverse=True)
    assert max(widths) - min(widths) <= 1


@given(SIZES)
def test_grid_covers_all_ranks_and_is_as_square_as_the_divisors_allow(size):
    px, py = decomposition.grid(size)
    assert px * py == size
    assert px * px <= size + 1
    assert not [d for d in range(px + 1, size + 1) if d * d <= size + 1 and size % d == 0]


@given(SIZES, st.data())
def test_neighbours_are_symmetric_and_share_an_edge(size, data):
    n = data.draw(st.integers(1, 50000))
    rank = data.draw(st.integers(0, size - 1))
    tile = decomposition.tile(n, n + 3, size, rank)
    for side, other, axis in (
        ("north", "south", "rows"),
        ("south", "north", "rows"),
        ("west", "east", "cols"),
        ("east", "west", "cols"),
    ):
        neighbour = getattr(tile, side)
        if neighbour is None:
            continue
        theirs = decomposition.tile(n, n + 3, size, neighbour)
        assert getattr(theirs, other) == rank
        first, second = sorted((getattr(tile, axis), getattr(theirs, axis)))
        assert first[1] == second[0]
        across = "cols" if axis == "rows" else "rows"
        assert getattr(tile, across) == getattr(theirs, across)


@given(st.integers(1, 60), st.integers(1, 200))
def test_tiles_own_every_point_once(size, n):
    owners = np.zeros((n, n + 5), int)
    for rank in range(size):
        tile = decomposition.tile(n, n + 5, size, rank)
        owners[slice(*tile.rows), slice(*tile.cols)] += 1
    assert (owners == 1).all()


@given(SIZES)
def test_tiles_at_the_border_have_no_neighbour_outside(size):
    for rank in {0, size // 3, size // 2, size - 1}:
        tile = decomposition.tile(10**6, 10**6, size, rank)
        assert (tile.north is None) == (tile.rows[0] == 0)
        assert (tile.south is None) == (tile.rows[1] == 10**6)
        assert (tile.west is None) == (tile.cols[0] == 0)
        assert (tile.east is None) == (tile.cols[1] == 10**6)


@given(SIZES, st.data())
def test_pairwise_phases_are_complete_and_free_of_conflicts(size, data):
    rank = data.draw(st.integers(0, size - 1))
    mine = decomposition.pairwise(rank, size)
    assert {source for source, _ in mine} == set(range(size)) - {rank} == {to for _, to in mine}
    for phase, (source, to) in enumerate(mine):
        # Whoever I receive from sends to me in that phase, and the other way round.
        assert decomposition.pairwise(source, size)[phase][1] == rank if size < 500 else True
        assert (rank - to) % size == (source - rank) % size == phase + 1


@given(SIZES, st.integers(1, 60000), st.integers(1, 9))
def test_stencil_refuses_exactly_the_tiles_that_cannot_serve_their_neighbours(size, n, radius):
    problem = Stencil(n=n, radius=radius)
    try:
        problem.refuse(size)
    except Refusal:
        accepted = False
    else:
        accepted = True
    px, py = decomposition.grid(size)
    narrow = (px > 1 and n // px < radius) or (py > 1 and n // py < radius)
    assert accepted == (2 * radius + 1 <= n and n * n >= size and not narrow)


@given(SIZES, st.integers(2, 60000))
def test_every_accepted_strip_is_wide_enough(size, m):
    problem = SynchP2P(m=m, n=5)
    try:
        problem.refuse(size)
    except Refusal:
        assert m <= size
    else:
        # The first rank holds the corner and the column that its right neighbour does not see.
        assert problem.strip(0, size)[1] >= 2 or size == 1
