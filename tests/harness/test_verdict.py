"""What the end of a launch means."""

import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prk.harness.execute import verdict
from prk.harness.execute.launch import Ended
from prk.run import reason
from tests.harness.making import planned

OWN = planned({"kernel": "stencil", "runtime": "mpi1", "n": 64}).points[0]
OTHER = planned(
    {"kernel": "stencil", "runtime": "c", "n": 64}, runtimes={"c": {"command": "./stencil {n}"}}
).points[0]
LINES = "Solution validates\nRate (MFlops/s): {rate}  Avg time (s): {time}\n"


@pytest.mark.parametrize(
    ("ended", "status", "said"),
    [
        (Ended(-15, 9.0, timed_out=True), "timeout", "no end after 5 s"),
        (Ended(-9, 1.0), "oom", "signal 9"),
        (Ended(137, 1.0), "oom", "signal 9"),
        (Ended(1, 1.0, oom=True), "oom", "memory"),
        (Ended(1, 1.0, err="numpy.exceptions.MemoryError: Unable to allocate"), "oom", "Unable to allocate"),
        (Ended(-11, 1.0), "failed", "SIGSEGV"),
        (Ended(1, 1.0, err="Traceback\nValueError: no\n-----\n"), "failed", "exit code 1: ValueError: no"),
        (
            Ended(2, 1.0, err="noise\nprk.stencil: --n: 3 is small; use 9\nnoise"),
            "skipped",
            "--n: 3 is small; use 9",
        ),
        (
            Ended(2, 1.0, err="prk.stencil: --json: the folder /x does not exist; make it"),
            "failed",
            "--json: the",
        ),
        (
            Ended(2, 1.0, err="prk.stencil: --expect-ranks: 2 were expected"),
            "failed",
            "--expect-ranks: 2 were",
        ),
        (
            Ended(2, 1.0, err="prk.stencil: /dev/shm: it is small; use mpi1"),
            "failed",
            "/dev/shm: it is small",
        ),
        (Ended(2, 1.0, err="python: can't open file\n"), "failed", "exit code 2: python: can't open file"),
        (Ended(0, 1.0), "failed", "wrote no record"),
    ],
)
def test_own_runtimes(ended, status, said):
    found = verdict.judge(OWN, ended, 5)
    assert found.status == status
    assert said in found.reason


@pytest.mark.parametrize(
    ("out", "status", "said"),
    [
        (LINES.format(rate=109.76, time=1e-3), "ok", None),
        ("Solution validates\n", "failed", "no 'Rate"),
        ("Rate (MFlops/s): 9.0  Avg time (s): 1.0\n", "invalid", "without 'Solution validates'"),
        ("Rate (MFlops/s): 9.0  Avg time (s):\n1.0\n", "failed", "printed neither a rate nor"),
        ("", "failed", "neither a rate nor"),
        (LINES.format(rate="nan", time=1.0), "failed", "no positive numbers"),
        (LINES.format(rate=-1, time=1.0), "failed", "no positive numbers"),
        (LINES.format(rate=1, time="inf"), "failed", "no positive numbers"),
        (
            LINES.replace("MFlops", "MB").format(rate=1, time=1),
            "failed",
            "counts MB/s, where stencil counts MFlops/s",
        ),
    ],
)
def test_foreign_programs(out, status, said):
    found = verdict.judge(OTHER, Ended(0, 1.0, out=out), 5)
    assert found.status == status
    assert said is None or said in found.reason
    assert (found.seconds is not None) == (status == "ok")


def test_a_rate_that_its_time_does_not_give_is_told():
    found = verdict.judge(OTHER, Ended(0, 1.0, out=LINES.format(rate=200, time=1e-3)), 5)
    assert found.status == "ok"
    assert "by the specification its time gives 109.76" in found.warnings[0]


@given(st.text(), st.text(), st.integers(-signal.SIGRTMAX, 255), st.sampled_from([OWN, OTHER]))
def test_garbage_is_never_valid_and_always_has_a_reason(out, err, code, point):
    found = verdict.judge(point, Ended(code, 1.0, out, err), 5)
    assert found.status in ("failed", "oom", "invalid", "skipped")
    assert found.reason
    assert found.reason.isprintable()


RULE = "-" * 74


@pytest.mark.parametrize(
    ("err", "out", "said"),
    [
        ("loading modules\nerror: no licence\nbye", "", "error: no licence"),
        ("first\nsecond", "", "second"),
        ("", "Cannot open input\ngoodbye", "Cannot open input"),
        ("[n1] a note", "ERROR: no input", "ERROR: no input"),
        ("Warning: errors are ignored\nsegmentation fault", "", "segmentation fault"),
        (f"noise\n{RULE}\nThere are few slots\nin the system\n{RULE}\nbye", "", "There are few slots"),
        ("Traceback\nOSError: one\nDuring handling of it\nKeyError: two\nmpirun: error", "", "OSError: one"),
        ("prk.stencil: the check failed\nRuntimeError: later", "", "prk.stencil: the check failed"),
        ("\x1b[31merror:\x1b[0m \x00\x07bad\x9b title\u202e", "", "error: bad title"),
        ("\n \n", "", ""),
    ],
)  # fmt: skip
def test_the_first_error_is_the_reason_and_steers_no_terminal(err, out, said):
    assert reason.said(err, out) == said


@given(st.text())
def test_a_reason_is_one_printable_line(text):
    assert reason.plain(text).isprintable()
    assert reason.said(text).isprintable()
