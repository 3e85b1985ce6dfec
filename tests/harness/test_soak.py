"""A short soak: a few kills of those that `make soak` makes hundreds of."""

from tests import soak


def test_nothing_is_lost_counted_twice_or_left_behind(tmp_path, mark):
    done = soak.local(tmp_path, kills=3, seed=5, limit=60)
    found = soak.summary(done, 5, 0)
    assert not found["wrong"]
    assert sum(found["kills"].values()) >= 3
