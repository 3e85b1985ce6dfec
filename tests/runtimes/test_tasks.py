"""Charm4py and Dask: over-decomposition, bad input, dying processes, and nothing left behind."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from typing import cast

import pytest

from prk.job import Job
from prk.problem import Refusal
from prk.records import placement
from prk.run import registry
from tests.launch import BIN, ENVIRONMENT, ROOT, own_lines, processes, run, wait_until

CHARES = ("--runtime", "charm4py", "--pe", 2, "--overdecomposition", 2)
WORKERS = ("--runtime", "dask", "--workers", 2)
LONG = ("--n", 2000, "--iterations", 100_000, "--quiet")


def started(*words):
    """Start `python -m ...` and return the process while it runs."""
    return subprocess.Popen(
        [sys.executable, "-m", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=ENVIRONMENT,
    )


def module(*words, **more):
    return run(sys.executable, "-m", *words, **more)


@pytest.mark.parametrize(("pe", "factor"), [(pe, factor) for pe in (1, 2, 3) for factor in (2, 4)])
def test_whole_fields_equal_the_reference_on_more_chares(mark, pe, factor):
    done = module("tests.cells", "charm4py", f"pe={pe}", f"overdecomposition={factor}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"on {pe * factor} members" in done.stdout


def test_parts_that_charm_moves_all_the_time_are_right_and_go_on_from_what_was_saved(mark):
    """On three processes, which are more than a small machine has cores."""
    done = module("tests.moves")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 cases on 6 members" in done.stdout


def test_more_pieces_than_go_ahead_of_the_one_awaited(mark):
    words = ("--runtime", "charm4py", "--pe", 2, "--overdecomposition", 4, "--order", 2000)
    done = module("prk.transpose", *words, "--iterations", 1, seconds=60)
    assert done.returncode == 0, done.stderr


def test_chares_that_take_turns_are_timed_together(mark):
    done = module("tests.naps")
    assert done.returncode == 0, done.stderr
    assert 3 <= float(done.stdout.split()[-1]) < 4


def test_record_tells_elements_from_chares(mark, tmp_path):
    words = ("--runtime", "charm4py", "--pe", 2, "--overdecomposition", 4, "--json", tmp_path / "r.json")
    assert module("prk.stencil", *words, "--n", 100, "--expect-ranks", 2).returncode == 0
    record = json.loads((tmp_path / "r.json").read_text())
    assert record["layout"]["ranks"] == 2
    assert len(placement.members(record["placement"])) == 8
    assert record["communication"]["pes"] == 2


@pytest.mark.parametrize(
    ("words", "messages"),
    [
        # Three of four chares, or one of two workers, take in 19 lines; the first one takes in the corner.
        (("synch_p2p", "--m", 40, "--n", 20, *CHARES), 58),
        (("synch_p2p", "--m", 40, "--n", 20, "--group", 5, *WORKERS), 5),
        (("synch_p2p", "--m", 40, "--n", 20, "--runtime", "dask", "--workers", 1), 0),
        # Each of four chares has one of the same process, and 9 pieces from each of the other two.
        (("transpose", "--order", 2000, *CHARES), 76),
    ],
)
def test_cost_of_a_message_is_said(mark, tmp_path, words, messages):
    name, *rest = words
    done = module(f"prk.{name}", *rest, "--iterations", 2, "--json", tmp_path / "r.json")
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "r.json").read_text())
    assert record["conforming"] == ("--group" not in words)
    if "dask" in words:
        about = record["communication"]
        assert (about["working_processes"], about["scheduling_processes"]) == (words[-1], 1)
    if not messages:
        assert "summary" not in record
        return
    told = record["summary"]
    assert told["messages a repetition"] == messages
    assert f"messages a repetition = {messages}" in done.stdout
    microseconds = told["time a message with its work (us)"]
    assert f"time a message with its work (us) = {microseconds}" in done.stdout
    assert 0 < microseconds < 1e6 * record["samples"][0]["max"]


@pytest.mark.parametrize(
    ("name", "ways"),
    [
        ("charm4py", [(2, "tagged"), (2, "own channel"), (1, "tagged"), (1, "own channel")]),
        ("dask", [(2, "tagged")]),
    ],
)
def test_a_message_is_measured_by_itself(mark, name, ways):
    done = module("prk.runtimes._tagged.pingpong", name)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(f["processes"], f["way"]) for f in found] == ways
    assert all(f["runtime"] == name and min(f["stream"], f["latency"], f["large"]) > 0 for f in found)


def test_dask_writes_each_message_by_itself():
    from prk.runtimes.dask import team

    written = []

    class Wire:
        async def write(self, message):
            await asyncio.sleep(0)
            written.append(message)

    async def send():
        comm = team.Comm(None)
        comm.join(0, ["here", "there"])
        comm.outgoing[1] = Wire()
        for number in range(5):
            comm.post(1, (number, [1.0]))
        await comm.drains[1]

    asyncio.run(send())
    assert written == [(number, [1.0]) for number in range(5)]


def test_charmrun_starts_it_too(mark):
    kernel = ("-m", "prk.transpose", "--order", 64)
    for words in (kernel, (sys.executable, *kernel, "--runtime", "charm4py")):
        done = run(BIN / "charmrun", "+p2", *words)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("Solution validates") == 1
        assert "charm4py" in done.stdout
        assert "ranks = 2" in done.stdout
    for *wrong, said in (
        ("--pe", 3, "--pe"),
        ("--tule", 1, "--tule"),
        ("--runtime", "serial", "--runtime"),
        ("--runtime", "charm", "--runtime"),
    ):
        done = run(BIN / "charmrun", "+p2", *kernel, *wrong)
        assert done.returncode == 2
        assert [line.split(": ")[1] for line in own_lines(done)] == [said]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("charm4py", "--pe", 2, "--n", 12, "--overdecomposition", 16), "--overdecomposition: 16"),
        (("charm4py", "--pe", 2, "--overdecomposition", 0), "--overdecomposition: 0"),
        (("charm4py", "--pe", -1), "--pe: -1"),
        (("dask", "--workers", -1), "--workers: -1"),
        (("dask", "--scheduler", "tcp://127.0.0.1:9"), "--scheduler: 'tcp://127.0.0.1:9' does not answer"),
        (("dask", "--scheduler", "nowhere:port"), "--scheduler: 'nowhere:port'"),
        (("dask", "--workers", 2, "--n", 5), "--radius: 4"),
    ],
)
def test_bad_input_is_one_line(mark, words, said):
    done = module("prk.stencil", "--runtime", *words, seconds=30)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert f"prk.stencil: {said}" in done.stderr


def test_charmrun_missing(mark, tmp_path):
    (tmp_path / "charmrun").mkdir()
    (tmp_path / "charmrun/__init__.py").touch()
    path = f"{tmp_path}:{ROOT}"
    done = module("prk.stencil", "--runtime", "charm4py", "--pe", 2, PYTHONPATH=path)
    assert done.returncode == 2
    assert "charmrun is missing" in done.stderr
    assert module("prk.stencil", "--runtime", "charm4py", "--pe", 1, PYTHONPATH=path).returncode == 0


@pytest.mark.parametrize("words", [("charm4py", "--pe", 2), ("dask", "--workers", 2)])
def test_time_limit_ends_all_processes(mark, words):
    done = module("prk.stencil", "--runtime", *words, *LONG, "--timeout", 6, seconds=30)
    assert done.returncode == 1
    assert "--timeout" in done.stderr


@pytest.mark.parametrize("words", [("charm4py", "--pe", 2), ("dask", "--workers", 2)])
def test_killed_client_leaves_nothing_behind(mark, words):
    client = started("prk.stencil", "--runtime", *words, *LONG)
    assert wait_until(lambda: len(processes(mark)) > 3)
    time.sleep(2)
    client.kill()
    client.communicate()


@pytest.mark.parametrize(
    "words", [("charm4py", "--pe", 2), ("dask", "--workers", 1), ("dask", "--workers", 2)]
)
def test_killed_worker_ends_the_run(mark, words):
    client = started("prk.stencil", "--runtime", *words, *LONG)

    def workers():
        named = ("charm4py.element", "spawn_main")
        found = processes(mark).items()
        return [p for p, c in found if any(n in c for n in named) and "charmrun/charmrun" not in c]

    assert wait_until(lambda: len(workers()) >= words[-1])
    time.sleep(4)
    os.kill(max(workers()), signal.SIGKILL)
    _, errors = client.communicate(timeout=30)
    assert client.returncode == 1
    if words[0] == "dask":
        assert errors.startswith("prk.stencil: --runtime: dask lost worker")
        assert len(errors.splitlines()) == 1


@pytest.fixture
def cluster(mark, tmp_path):
    """Return a function that starts a scheduler with one worker, and gives the scheduler's address."""
    running = []

    def start(path):
        file = tmp_path / "scheduler.json"
        local = ("--scheduler-file", file, "--host", "127.0.0.1", "--no-dashboard")
        for words in (
            ("scheduler", *local, "--port", "0"),
            ("worker", *local, "--nthreads", "1", "--no-nanny"),
        ):
            process = subprocess.Popen(
                [sys.executable, "-m", "dask", *map(str, words)],
                cwd=tmp_path,
                env={**ENVIRONMENT, "PYTHONPATH": str(path)},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            running.append(process)
            assert wait_until(file.exists)
        return json.loads(file.read_text())["address"]

    yield start
    for process in running:
        process.kill()
        process.wait()


def test_joins_a_running_cluster(cluster, tmp_path):
    address = cluster(ROOT)
    words = ("--runtime", "dask", "--scheduler", address, "--n", 100, "--json", tmp_path / "r.json")
    done = module("prk.stencil", *words)
    assert done.returncode == 0, done.stderr
    assert "Solution validates" in done.stdout
    made = json.loads((tmp_path / "r.json").read_text())["communication"]
    assert (made["working_processes"], made["scheduling_processes"]) == (1, 2)


def test_too_few_workers_are_refused_after_a_while():
    from distributed import Client

    from prk.runtimes.dask import cluster

    waited = []

    class Few:
        def nthreads(self):
            return {"tcp://127.0.0.1:1": 1}

        def wait_for_workers(self, count, timeout):
            waited.append((count, timeout))
            raise TimeoutError

    problem = registry.problem_class("nstream")()
    for options in ({"scheduler": ""}, {"scheduler": "tcp://127.0.0.1:2"}):
        job = Job("nstream", "dask", problem, {"workers": 3, **options})
        with pytest.raises(Refusal, match="--workers: 3 were asked for and 1 came up"):
            cluster._workers(job, cast(Client, Few()))
    assert [count for count, _ in waited] == [3, 3]
    assert all(0 < timeout <= 60 for _, timeout in waited)


def test_refuses_workers_of_another_version(cluster, tmp_path):
    (tmp_path / "other/prk").mkdir(parents=True)
    (tmp_path / "other/prk/__init__.py").write_text('__version__ = "0.0.0"\n')
    done = module("prk.stencil", "--runtime", "dask", "--scheduler", cluster(tmp_path / "other"))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert "has prk 0.0.0" in done.stderr
