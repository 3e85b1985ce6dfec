"""How a campaign goes, as it is shown on terminals and in logs."""

import contextlib
import io
import os
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest

from prk.harness.analyse import rows
from prk.harness.execute import campaign, progress
from prk.harness.show import colour, table
from prk.harness.store import FAILED
from tests.harness.making import planned, stored
from tests.launch import ENVIRONMENT, ROOT, run

POINTS = {"kernel": "stencil", "runtime": "mpi1", "ranks": [1, 2], "n": 64}
CODES = re.compile(r"\x1b\[\d*m")


@pytest.fixture
def kept(tmp_path):
    """A sweep of two points, of which the second failed both times."""
    made = planned(POINTS, repeat=2, timeout=900)
    return stored(tmp_path / "s", made, lambda p, r: 0.01 if p.cores == 1 else ("failed", "exit code 3"))


@pytest.fixture
def ready(kept):
    """The launches of both points, two each."""
    plan = kept.plan()
    return campaign.launches(plan, kept, campaign.pending(plan, set()))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "1 min"), (61, "2 min"), (3600, "1 h"), (3601, "1 h 10 min"), (4800, "1 h 20 min"),
        (7190, "2 h"), (36000, "10 h"), (36001, "11 h"), (200000, "56 h"),
    ],
)  # fmt: skip
def test_times_are_told_as_exactly_as_they_are_known(seconds, words):
    assert progress.duration(seconds) == words


def test_time_left_is_of_the_same_points_and_else_of_their_limits(ready):
    one, other = (next(r for r in ready if r.point.cores == n) for n in (1, 2))
    left = progress.Left(ready, {})
    assert str(left) == "at most 1 h left"
    left.end(one, 600)
    # One of ten minutes, and two that may take fifteen.
    assert str(left) == "at most 40 min left"
    left.end(other, 1)
    assert str(left) == "about 11 min left"
    left.end(one, 1)
    left.end(other, 1)
    assert str(left) == ""
    # Of three that took longer or less, the one in the middle.
    left = progress.Left(ready, {one.point.id: [60, 3000, 1], other.point.id: [120]})
    assert str(left) == "about 6 min left"


def test_earlier_records_say_how_long_launches_take(kept, ready):
    found = progress.taken(kept, ready[:1])
    assert found == {ready[0].point.id: [0.5, 0.5]}
    next(kept.records.glob(f"{ready[0].point.id}*")).write_text("{")
    assert progress.taken(kept, ready[:1]) == {ready[0].point.id: [0.5]}


def test_a_log_has_a_line_a_launch_and_now_and_then_the_time_left(ready, capsys, monkeypatch):
    now = iter(range(0, 10**6, 250))
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: float(next(now))))
    with progress.shown(ready) as watcher:
        for one in ready:
            watcher.begin(one)
            watcher.end(one, "ok", None)
    lines = capsys.readouterr().out.splitlines()
    assert [line[:10] for line in lines if line.startswith("[")] == [f"[{n}/4] ok  " for n in (1, 2, 3, 4)]
    # Each launch takes twelve and a half minutes here; nothing is left after the last.
    told = [line for line in lines if not line.startswith("[")]
    assert len(told) == 3
    assert all(re.fullmatch(r"(about|at most) .* left", line) for line in told)
    assert watcher.summary() == "4 ok"


def test_a_short_sweep_s_log_has_launches_only(ready, capsys):
    with progress.shown(ready) as watcher:
        watcher.begin(ready[0])
        watcher.end(ready[0], "failed", "exit code 3")
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("[1/4] failed   stencil mpi1")
    assert line.endswith("repeat 1: exit code 3")


def read_all(controller):
    """Return what was written to a terminal that is closed by now."""
    found = b""
    # So Linux tells the end.
    with contextlib.suppress(OSError):
        while chunk := os.read(controller, 4096):
            found += chunk
    os.close(controller)
    return found.decode().replace("\r\n", "\n")


def test_a_terminal_shows_the_time_left_and_statuses_in_colour(ready, monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    controller, terminal = os.openpty()
    with open(terminal, "w") as stream, monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", stream)
        with progress.shown(ready, {r.point.id: [4800.0] for r in ready}) as watcher:
            watcher.begin(ready[0])
            watcher.end(ready[0], "failed", "exit code 3")
    text = read_all(controller)
    assert "about 5 h 20 min" in text
    assert "\x1b[31mfailed" in text


class Stream(io.StringIO):
    def __init__(self, terminal):
        super().__init__()
        self.terminal = terminal

    def isatty(self):
        return self.terminal


@pytest.mark.parametrize(
    ("terminal", "variables", "coloured"),
    [
        (True, {}, True),
        (False, {}, False),
        (True, {"TERM": "dumb"}, False),
        (True, {"NO_COLOR": "1"}, False),
        (True, {"NO_COLOR": ""}, True),
        (False, {"FORCE_COLOR": "1"}, True),
        (True, {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        (True, {"TERM": "dumb", "FORCE_COLOR": "1"}, True),
    ],
)
def test_colours_are_for_terminals_unless_somebody_says_so(terminal, variables, coloured):
    assert colour.wanted(Stream(terminal), variables) is coloured
    assert colour.wanted(None, variables) is bool(coloured and variables.get("FORCE_COLOR"))


def test_only_statuses_are_coloured(kept):
    found = rows.opened(kept)
    for plain, painted in (
        (table.text(found.rows), table.text(found.rows, colour.painted)),
        (
            table.of_status(kept.folder, found.plan, found.loaded),
            table.of_status(kept.folder, found.plan, found.loaded, colour.painted),
        ),
    ):
        assert CODES.sub("", painted) == plain
        assert re.findall(r"\x1b\[31m(.*?)\x1b\[0m", painted) == ["failed"] * plain.count("failed")
        assert "\x1b[32mok\x1b[0m" in painted
    assert {*FAILED} <= {*colour.COLOURS}


def test_results_are_coloured_on_a_terminal_and_plain_in_a_pipe(kept):
    words = [sys.executable, str(ROOT / "bench.py"), "results", str(kept.folder)]
    plain = run(*words, NO_COLOR="", FORCE_COLOR="").stdout
    assert "failed" in plain
    assert "\x1b" not in plain
    controller, terminal = os.openpty()
    variables = {**ENVIRONMENT, "TERM": "xterm", "NO_COLOR": "", "FORCE_COLOR": ""}
    subprocess.run(words, stdout=terminal, env=variables, check=True, timeout=60)
    os.close(terminal)
    text = read_all(controller)
    assert "\x1b[31mfailed\x1b[0m" in text
    assert CODES.sub("", text) == plain
