"""One command, its limit, and what must not outlive it."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from prk.harness.execute import command, launch
from prk.harness.execute.command import MARK
from prk.run import processes
from prk.run.processes import Mark, marked
from tests.harness.making import planned
from tests.launch import ENVIRONMENT

SLEEP = [sys.executable, "-c", "import time; time.sleep(300)"]
# A grandchild that left the process group, as launchers' daemons do.
DETACHED = [
    sys.executable,
    "-c",
    f"import subprocess, time; subprocess.Popen({SLEEP}, start_new_session=True)",
]


def mark():
    return json.dumps({"test": os.getpid(), "now": time.time_ns()})


def started(words, tmp_path, limit=30.0, mark=""):
    return launch.run(words, {**ENVIRONMENT, MARK: mark}, limit, tmp_path / "log")


def gone(mark, seconds=5):
    end = time.monotonic() + seconds
    while marked(Mark(MARK, mark)) and time.monotonic() < end:
        time.sleep(0.05)
    return not marked(Mark(MARK, mark))


def test_streams_and_code_are_kept(tmp_path):
    code = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(7)"
    ended = started([sys.executable, "-c", code], tmp_path)
    assert (ended.code, ended.out, ended.err) == (7, "out\n", "err\n")
    assert not ended.timed_out
    assert (tmp_path / "log.out").read_text() == "out\n"


@pytest.mark.parametrize("words", [SLEEP, ["mpirun", "-n", "2", *SLEEP]], ids=["alone", "mpirun"])
def test_limit_ends_all_of_it(tmp_path, words):
    own = mark()
    ended = started(words, tmp_path, limit=3.0, mark=own)
    assert ended.timed_out
    assert ended.seconds < 5
    assert gone(own)


def test_what_left_the_process_group_is_ended_too(tmp_path):
    own = mark()
    ended = started(DETACHED, tmp_path, mark=own)
    assert (ended.code, ended.leftovers) == (0, 1)
    assert gone(own)


def test_an_exception_in_the_harness_ends_the_launch(tmp_path):
    own = mark()

    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.alarm(1)
    try:
        with pytest.raises(KeyboardInterrupt):
            started(SLEEP, tmp_path, mark=own)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert gone(own)


def slowly(what):
    what()
    time.sleep(1)


@pytest.mark.parametrize("when", ["it starts", "it is ended"])
def test_asked_to_end_while_a_launch_starts_or_ends_leaves_nothing(tmp_path, monkeypatch, when):
    own, ending, before = mark(), processes._end_with_parent, signal.getsignal(signal.SIGINT)
    if when == "it starts":
        monkeypatch.setattr(processes, "_end_with_parent", lambda: slowly(ending))
    stubborn = ["sh", "-c", "trap : TERM; while :; do sleep 1; done"]
    # No thread of this process may get it.
    delay = 0.3 if when == "it starts" else 1.5
    sender = subprocess.Popen(["sh", "-c", f"sleep {delay}; kill -INT {os.getpid()}"])
    with pytest.raises(KeyboardInterrupt), processes.interrupted_once():
        started(stubborn, tmp_path, limit=30.0 if when == "it starts" else 0.5, mark=own)
    sender.wait()
    assert not marked(Mark(MARK, own))
    assert signal.getsignal(signal.SIGINT) is before


def test_a_killed_harness_takes_its_launch_along(tmp_path):
    own = mark()
    code = (
        "import os, sys; from pathlib import Path; from prk.harness.execute import launch\n"
        f"launch.run(['mpirun', '-n', '2', *{SLEEP!r}], os.environ, 300, Path({str(tmp_path / 'log')!r}))"
    )
    harness = subprocess.Popen([sys.executable, "-c", code], env={**ENVIRONMENT, MARK: own})
    end = time.monotonic() + 30
    while len(marked(Mark(MARK, own))) < 4 and time.monotonic() < end:
        time.sleep(0.1)
    assert len(marked(Mark(MARK, own))) >= 4, "harness, mpirun and two ranks"
    harness.kill()
    harness.wait()
    assert gone(own, seconds=20)


def test_harness_adds_little_to_a_launch(tmp_path):
    def seconds(do):
        start = time.perf_counter()
        for _ in range(5):
            do()
        return (time.perf_counter() - start) / 5

    words = [sys.executable, "-c", "import time; time.sleep(0.2)"]
    plain = seconds(lambda: subprocess.run(words, env=ENVIRONMENT, check=True))
    ours = seconds(lambda: started(words, tmp_path, mark=mark()))
    assert ours - plain < 0.2


def test_commands_follow_the_layout():
    made = planned(
        {"kernel": "stencil", "runtime": ["mpi1", "numba"], "ranks": 2, "n": 64},
        {"kernel": "stencil", "runtime": "c", "ranks": 2, "nodes": 2, "n": 64},
        runtimes={"c": {"command": "mpirun -n {ranks} -N {ranks_per_node} './a b' {iterations} {n}"}},
    )
    mpi1, numba, c = (command.command_of(p, "r.json", 60) for p in made.points)
    assert mpi1[:3] == ["mpirun", "-n", "2"]
    assert mpi1[4:6] == ["-m", "prk.stencil"]
    assert mpi1[-6:] == ["--expect-ranks", "2", "--timeout", "90", "--json", "r.json"]
    assert numba[0] == sys.executable
    assert numba[numba.index("--threads") + 1] == "2"
    assert c == ["mpirun", "-n", "2", "-N", "1", "./a b", "10", "64"]
    by_srun = command.command_of(made.points[0], "r.json", 60, "srun -N {nodes} -n {ranks}")
    assert by_srun[:5] == ["srun", "-N", "1", "-n", "2"]
    assert command.command_of(made.points[1], "r.json", 60, "srun -n {ranks}")[0] == sys.executable


def test_oversubscribed_launches_are_told_to_yield():
    cores = len(os.sched_getaffinity(0))
    made = planned({"kernel": "stencil", "runtime": "mpi1", "ranks": [1, cores + 1], "n": 1000})
    fits, more = (command.environment(one(made, p), {}) for p in made.points)
    assert "OMPI_MCA_mpi_yield_when_idle" not in fits
    assert more["PRTE_MCA_rmaps_default_mapping_policy"] == ":oversubscribe"
    about = json.loads(more[MARK])
    assert (about["sweep"], about["seed"], about["repeat"]) == ("test", 7, 0)


def one(made, point):
    return command.launch(made, 0, point, 0, "r.json")
