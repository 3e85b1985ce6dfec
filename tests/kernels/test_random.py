"""Random: the sequence's golden values, what is refused, and mistakes that the second round takes back."""

import numpy as np
import pytest

from prk.check import combined
from prk.problem import Refusal
from prk.random import loops, sequence, serial
from prk.random.problem import Random
from prk.run import registry
from prk.team import Solo


def test_golden_values_of_the_sequence():
    assert sequence.starts([0, 63, 64, 65, 1000]).tolist() == [1, 2**63, 7, 14, 13165951353710706947]
    assert sequence.starts([sequence.PERIOD + 65, -sequence.PERIOD]).tolist() == [14, 1]


def test_streams_go_on_where_they_start():
    places = [5, 12345, 834568137686317453]
    streams = sequence.starts(places)
    later = list(sequence.batches(streams, 70))[-1]
    assert (later == sequence.starts([place + 70 for place in places])).all()
    for _ in range(70):
        loops.advance(streams)
    assert (streams == later).all()


def test_members_sort_what_they_generate():
    values = sequence.starts(range(200, 300))
    counts, starts, out = np.zeros(8, np.int64), np.zeros(8, np.int64), np.zeros_like(values)
    loops.pack(values, 3, 5, counts, starts, out)
    owners = values.astype(object) // 32 % 8
    assert counts.tolist() == [int((owners == owner).sum()) for owner in range(8)]
    for owner in range(8):
        assert out[starts[owner] : starts[owner] + counts[owner]].tolist() == values[owners == owner].tolist()


@pytest.mark.parametrize(
    ("given", "size", "said"),
    [
        ({"ratio": 3}, 1, "--ratio: 3 is no power of two; use 2 or 4"),
        ({"ratio": 0}, 1, "--ratio: 0 is no power of two; use 1 or 2"),
        ({"lookahead": 1000}, 1, "--lookahead: 1000 is no power of two; use 512 or 1024"),
        ({}, 6, "the number of ranks: 6 is no power of two; use 4 or 8"),
        # One update a stream in each round needs t + log2 ratio = log2 P + log2 L + 1.
        ({"log2_size": 10, "ratio": 4}, 4, "use at least 11"),
        ({"log2_size": 2, "ratio": 2**20}, 8, "--log2-size: 2 leaves some of 8 ranks .* use at least 3"),
        ({"log2_size": 60}, 1, "--log2-size: .* use at most 48"),
        ({"lookahead": 2**20, "log2_size": 40}, 4096, "--lookahead: .* use at most 262144"),
        ({"iterations": 0}, 1, "--iterations"),
    ],
)
def test_what_cannot_be_is_refused(given, size, said):
    with pytest.raises(Refusal, match=said):
        Random(**given).refuse(size)


def test_created_windows_are_refused_where_words_are_xored():
    how = registry.runtime("mpirma")
    how.refuse("random", Random(), {"access": "put", "window": "create"}, 2)
    with pytest.raises(Refusal, match=r"--access: accumulate .* use --window allocate"):
        how.refuse("random", Random(), {"access": "accumulate", "window": "create"}, 2)


def test_the_smallest_that_is_not_refused_updates_every_word():
    problem = Random(log2_size=11, ratio=4, lookahead=1024)
    problem.refuse(4)
    assert problem.batches(4) == 1


SMALL = Random(iterations=3, log2_size=8, ratio=4, lookahead=16)


def made(name="serial", problem=SMALL, **options):
    return registry.kernel_class(name, "random")(problem, Solo(), options)


def errors(kernel, problem=SMALL):
    return [c.error for c in problem.check(combined([problem.partial(kernel.fields())]))]


def test_the_first_round_leaves_what_the_values_say():
    kernel = made()
    kernel.round()
    left = np.arange(256, dtype=np.uint64)
    for batch in sequence.batches(SMALL.seeds(0, 1), SMALL.batches(1)):
        np.bitwise_xor.at(left, (batch % np.uint64(256)).astype(int), batch)
    assert (kernel.table == left).all()
    kernel.round()
    assert (kernel.table == np.arange(256)).all()


class Lost(serial.Kernel):
    """The second batch of both rounds is lost."""

    def update(self):
        for number in range(self.batches):
            loops.advance(self.streams)
            if number != 1:
                loops.update(self.table, self.streams)


class LostOnce(Lost):
    """They are lost in one repetition only."""

    def update(self):
        (Lost if self.updates[0] < 2 * self.batches * self.streams.size else serial.Kernel).update(self)


class Nothing(serial.Kernel):
    """Nothing is updated."""

    def update(self):
        pass


class OneRound(serial.Kernel):
    """The second round is left out."""

    def step(self):
        self.round()
        self.look()


@pytest.mark.parametrize(
    ("port", "seen"),
    [(Lost, [False, True, False]), (LostOnce, [False, True, False]), (Nothing, [False, True, False]),
     (OneRound, [False, True, True])],
)  # fmt: skip
def test_what_the_second_round_takes_back_is_seen_after_the_first(port, seen):
    kernel = port(SMALL, Solo(), {})
    kernel.repeat(4)
    assert [error > 0 for error in errors(kernel)] == seen


@pytest.mark.parametrize("log2_size", [0, 1, 2])
def test_tiny_tables(log2_size):
    problem = Random(iterations=2, log2_size=log2_size, ratio=16, lookahead=2)
    problem.refuse(1)
    kernel = made(problem=problem)
    kernel.repeat(3)
    assert not any(errors(kernel, problem))


def test_more_threads_than_cores_lose_no_update():
    """200 runs on a table whose words all threads want at once."""
    problem = Random(iterations=1, log2_size=3, ratio=256, lookahead=16)
    kernel = made("numba", problem, threads=5)
    for _ in range(200):
        kernel.first_rounds[:], kernel.updates[:] = 0, 0
        kernel.repeat(2)
        assert not any(errors(kernel, problem))
    kernel.close()
