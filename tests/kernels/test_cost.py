"""What a repetition takes at least, against counting it member by member and point by point."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prk.allreduce.problem import COLLECTIVES, Allreduce
from prk.ddp.problem import Ddp
from prk.nstream.problem import Nstream
from prk.problem import Refusal
from prk.random.problem import Random
from prk.reduce.problem import Reduce
from prk.stencil.problem import Stencil
from prk.synch_global.problem import SynchGlobal
from prk.synch_p2p.problem import SynchP2P
from prk.transpose.problem import Transpose

SIZES = st.integers(1, 36)


def accepted(problem, size):
    try:
        problem.refuse(size)
    except Refusal:
        return False
    return True


def halos(problem, size):
    """Return (messages, points) that each tile sends, by looking at who needs which points of whom.

    Points first travel north and south, then west and east with what came in by the first way.
    """
    tiles = [problem.tile(rank, size) for rank in range(size)]
    held = [set(itertools.product(range(*t.rows), range(*t.cols))) for t in tiles]
    r, sent = problem.radius, [[0, 0] for _ in tiles]
    for axis, ways in ((0, ("north", "south")), (1, ("west", "east"))):
        received: list[set[tuple[int, int]]] = [set() for _ in tiles]
        for rank, tile in enumerate(tiles):
            for to in (getattr(tile, way) for way in ways):
                if to is None:
                    continue
                theirs = tiles[to]
                near = (theirs.rows, theirs.cols)[axis]
                points = {p for p in held[rank] if near[0] - r <= p[axis] < near[1] + r}
                if axis == 1 and problem.pattern == "star":
                    points = {p for p in points if theirs.rows[0] <= p[0] < theirs.rows[1]}
                sent[rank][0] += 1
                sent[rank][1] += len(points)
                received[to] |= points
        held = [own | new for own, new in zip(held, received, strict=True)]
    return sent


@settings(deadline=None, max_examples=60)
@given(SIZES, st.integers(3, 40), st.integers(1, 3), st.sampled_from(["star", "compact"]))
def test_stencil(size, n, radius, pattern):
    problem = Stencil(n=n, radius=radius, pattern=pattern, dtype="float32")
    if not accepted(problem, size):
        return
    cost, counted = problem.cost(size), halos(problem, size)
    assert cost.messages == max(m for m, _ in counted)
    assert cost.message_bytes == 4 * max(points for _, points in counted)
    assert cost.flop == problem.work
    assert cost.bytes == 4 * 4 * n * n
    assert cost.chain == (size > 1)


@given(SIZES, st.integers(2, 60), st.integers(2, 40), st.integers(1, 9))
def test_synch_p2p(size, m, n, group):
    problem = SynchP2P(m=m, n=n, group=group)
    if not accepted(problem, size):
        return
    cost = problem.cost(size)
    lines = list(range(1, n)) if size > 1 else []
    assert cost.messages == len(range(0, len(lines), group))
    assert cost.message_bytes == 8 * len(lines)
    assert cost.flop == sum(2 for _ in itertools.product(range(1, m), range(1, n)))
    assert cost.bytes == 16 * m * n
    # From the first member to the last, and back to the first.
    assert cost.chain == len([*range(size - 1), "corner"]) * (size > 1)


@given(SIZES, st.integers(1, 9))
def test_transpose(size, each):
    problem = Transpose(order=size * each)
    cost, first = problem.cost(size), range(*problem.columns(0, size))
    moved = [(i, j) for j in first for i in range(problem.order) if i not in first]
    assert cost.message_bytes == 8 * len(moved)
    assert cost.messages == len({i // each for i, _ in moved})
    assert cost.bytes == 32 * problem.order**2
    assert cost.chain == (size > 1)


def test_nstream():
    cost = Nstream(n=100).cost(4)
    assert (cost.bytes, cost.messages, cost.chain) == (3200, 0, 0)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 3), st.integers(0, 3), st.integers(0, 4))
def test_random(log2_ranks, log2_ratio, log2_lookahead):
    size, lookahead = 2**log2_ranks, 2**log2_lookahead
    problem = Random(log2_size=9, ratio=2**log2_ratio, lookahead=lookahead)
    if not accepted(problem, size):
        return
    cost, batches = problem.cost(size), 2 * problem.batches(size)
    assert cost.updates == problem.work == batches * size * lookahead
    assert cost.messages == batches * (size - 1)
    assert cost.chain == batches * (size > 1)
    # With few members the values of a round spread evenly over them.
    sent = [problem.leaving(rank, size)[1] for rank in range(size)]
    assert sum(sent) * 16 == pytest.approx(size * cost.message_bytes, rel=0.3)


@given(st.integers(2, 12288), st.sampled_from(COLLECTIVES))
def test_allreduce(size, collective):
    problem = Allreduce(max_bytes=1 << 20, collective=collective)
    cost = problem.cost(size)
    assert 2**cost.chain >= size > 2 ** (cost.chain - 1)
    assert cost.messages == cost.chain
    largest = problem.cases(size, 0)[-1].max_bytes
    block = largest / size
    # Bytes that every element, or every member's block, crosses at least: once to be summed, once to be told.
    ways = {"allreduce": 2 * (size - 1), "broadcast": size}.get(collective, size - 1)
    assert cost.message_bytes == pytest.approx(ways * block)


@given(SIZES, st.integers(1, 60))
def test_reduce(size, n):
    cost = Reduce(n=n).cost(size)
    # An addition for each element of each member, and one for each that the root has not itself.
    assert cost.flop == Reduce(n=n).work_of(size) == size * n + (size - 1) * n
    assert cost.bytes == 3 * 8 * n * size
    assert (cost.messages, cost.message_bytes) == ((1, 8 * n) if size > 1 else (0, 0))
    assert 2**cost.chain >= size > 2**cost.chain // 2


@given(SIZES, st.integers(1, 9))
def test_synch_global(size, each):
    cost = SynchGlobal(n=size * each).cost(size)
    assert cost.message_bytes == size * each - each
    assert 2**cost.chain >= size > 2**cost.chain // 2
    assert cost.messages == cost.chain


def test_one_member_sends_nothing():
    for problem in (Stencil(), SynchP2P(), Transpose(), Nstream(), Random(), Allreduce(), Ddp()):
        cost = problem.cost(1)
        assert (cost.messages, cost.message_bytes, cost.chain) == (0, 0, 0)


def test_training_of_linear_layers():
    """Two layers, 4 to 3 to 2: forwards 18 products, 18 for the weights, 6 for the inputs; 2 flop each."""
    problem = Ddp(workload="synthetic", widths="4,3,2", batch=10)
    assert problem.cost(1).flop == 10 * 2 * (18 + 18 + 6)
    assert problem.cost(2).message_bytes == 4 * 18
    # 64 x 128 + 128 x 10, and 138 biases.
    assert Ddp().cost(2).message_bytes == 4 * 9610
    assert Ddp(workload="fashion-mnist").cost(2).flop == 0
