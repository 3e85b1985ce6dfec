"""Teams of threads: waiting with more threads than cores, errors, bad input, and what the record says."""

import json
import os
import sys
import threading
import time

import jsonschema
import pytest
from numba import njit, types

from prk.runtimes._threads import team as threads
from tests.launch import ROOT, kernel, own_lines, run

CPUS = sorted(os.sched_getaffinity(0))
MANY = 2 * len(CPUS) + 1


def team(size, cpus=(), yields=None, **more):
    made = threads.Team(size, list(cpus), **more)
    if yields:
        made.shared = made.shared._replace(yields=yields)
    return made


def mpithreads(name, ranks, *arguments, **more):
    """Run a kernel on MPI ranks with threads."""
    words = ["mpirun", "-n", ranks, "--bind-to", "none", sys.executable, "-m", f"prk.{name}"]
    return run(*words, "--runtime", "mpithreads", *arguments, **more)


@pytest.mark.parametrize(
    "arguments",
    [
        ("synch_p2p", "--m", 40, "--n", 30),
        ("synch_p2p", "--m", 40, "--n", 30, "--group", 7),
        ("synch_p2p", "--m", 20, "--n", 15, "--schedule", "wavefront"),
        ("stencil", "--n", 60, "--radius", 2),
        ("transpose", "--order", 60),
    ],
    ids=lambda words: " ".join(map(str, words)),
)
def test_500_repetitions_with_more_threads_than_cores(arguments):
    name, *rest = arguments
    words = ["--iterations", 500, "--threads", MANY]
    done = kernel(name, *rest, *words, on="numba", seconds=120)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("synch_p2p", "--m", 40, "--n", 30),
        ("stencil", "--n", 60, "--radius", 2),
        ("transpose", "--order", 60),
    ],
    ids=lambda words: words[0],
)
def test_500_repetitions_with_more_threads_than_cores_on_two_ranks(arguments):
    name, *rest = arguments
    done = mpithreads(name, 2, *rest, "--iterations", 500, "--threads", len(CPUS) + 1, seconds=120)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("stencil", ("--threads", 0), "0 is too few"),
        ("nstream", ("--threads", -2), "-2 is too few"),
        ("nstream", ("--threads", "two"), "invalid int"),
        ("stencil", ("--n", 20, "--radius", 4, "--threads", 6), "use at most 5"),
        ("synch_p2p", ("--m", 6, "--n", 30, "--threads", 7), "use at most 6"),
        ("transpose", ("--order", 3, "--threads", 4), "use at most 3"),
        ("nstream", ("--n", 2, "--threads", 3), "use at most 2"),
    ],
)
def test_bad_numbers_of_threads_are_refused_in_one_line(name, arguments, says):
    done = kernel(name, *arguments, on="numba")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "--threads" in done.stderr
    assert says in done.stderr


def test_bad_number_of_threads_is_refused_once_on_all_ranks():
    done = mpithreads("stencil", 2, "--n", 20, "--radius", 4, "--threads", 3)
    assert done.returncode == 2
    assert len(own_lines(done)) == 1
    assert "use at most 2" in done.stderr


def test_mpi_without_threads_is_refused_for_synch_p2p():
    # Whoever starts MPI first settles the level.
    program = (
        "import sys, mpi4py; mpi4py.rc.thread_level = 'funneled'; from mpi4py import MPI; "
        "from prk.cli import main; "
        "sys.exit(main('{}', ['--runtime', 'mpithreads', '--threads', '1', '--quiet']))"
    )
    refused = run(sys.executable, "-c", program.format("synch_p2p"))
    assert refused.returncode == 2
    assert "thread level funneled" in refused.stderr
    assert len(own_lines(refused)) == 1
    assert run(sys.executable, "-c", program.format("stencil")).returncode == 0


@pytest.mark.parametrize("more", [0, 1])
def test_record_warns_of_more_threads_than_cpus(tmp_path, more):
    path = tmp_path / "record.json"
    count = len(CPUS) + more
    done = kernel("nstream", "--n", 1000, "--threads", count, "--json", path, on="numba")
    assert done.returncode == 0, done.stderr
    made = json.loads(path.read_text())
    jsonschema.validate(made, json.loads((ROOT / "prk/records/schema-2.json").read_text()))
    assert made["layout"]["threads"] == count
    assert made["variant"] == ""
    assert len(made["warnings"]) == more
    if more:
        assert f"{count} on {len(CPUS)} cores" in made["warnings"][0]


def test_wavefront_is_labelled(tmp_path):
    path = tmp_path / "record.json"
    words = ("--m", 40, "--n", 30, "--threads", 2, "--schedule", "wavefront", "--json", path)
    done = kernel("synch_p2p", *words, on="numba")
    assert done.returncode == 0, done.stderr
    assert "Option schedule = wavefront" in done.stdout
    assert json.loads(path.read_text())["variant"] == "schedule=wavefront"


@pytest.mark.parametrize("ranks", [1, 2])
def test_ranks_of_a_node_divide_its_cpus(tmp_path, ranks):
    path = tmp_path / "record.json"
    done = mpithreads("nstream", ranks, "--n", 1000, "--json", path)
    assert done.returncode == 0, done.stderr
    assert json.loads(path.read_text())["layout"]["threads"] == max(1, len(CPUS) // ranks)


def test_threads_have_a_cpu_each_and_end():
    before = threading.active_count()
    found = {}

    def look(thread):
        found[thread] = os.sched_getaffinity(0)

    made = team(len(CPUS), CPUS)
    made.run(look)
    made.close()
    assert found == {thread: {cpu} for thread, cpu in enumerate(CPUS)}
    assert sorted(os.sched_getaffinity(0)) == CPUS
    assert threading.active_count() == before


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_caller_of_two_teams_gets_its_cpus_back(order):
    made = [team(1, CPUS) for _ in order]
    made[order[0]].close()
    assert os.sched_getaffinity(0) == {CPUS[0]}
    made[order[1]].close()
    assert sorted(os.sched_getaffinity(0)) == CPUS


def test_more_threads_than_cpus_run_where_the_system_puts_them():
    found = []
    made = team(MANY, CPUS)
    made.run(lambda thread: found.append(sorted(os.sched_getaffinity(0))))
    made.close()
    assert found == [CPUS] * MANY


@pytest.mark.parametrize("who", [0, 1])
def test_error_of_one_thread_ends_the_wait_of_the_others(who):
    failed: list[BaseException] = []
    made = team(3, failed=failed.append)

    def work(thread):
        if thread == who:
            raise ValueError(f"thread {who} is broken")
        return threads.wait(made.shared, threads.DONE + who, 1)

    start = time.monotonic()
    with pytest.raises(ValueError, match="is broken"):
        made.run(work)
    made.close()
    assert time.monotonic() - start < 20
    # Whoever comes first to say it, and all three do, says what it was.
    assert [type(error) for error in failed] == [ValueError] * 3


def test_wait_ends_at_its_limit():
    made = team(2, yields=100)
    with pytest.raises(RuntimeError, match="in vain"):
        made.run(lambda thread: threads.wait(made.shared, threads.DONE + 1, 1))
    # The team is of use afterwards.
    made.run(lambda thread: threads.publish(made.shared, threads.DONE + thread, 1))
    assert threads.wait_for_all(made.shared, 1) == 0
    made.close()


BROKEN = """
import sys
from prk.cli import main
from prk.runtimes.numba import synch_p2p
def touch(self, thread):
    if thread == 1:
        raise ValueError("the second thread raises")
synch_p2p.Kernel.touch = touch
sys.exit(main("synch_p2p", sys.argv[1:]))
"""


def test_error_in_a_thread_ends_the_run():
    done = run(sys.executable, "-c", BROKEN, "--runtime", "numba", "--threads", 3, seconds=60)
    assert done.returncode == 1
    assert "the second thread raises" in done.stderr
    assert "Rate" not in done.stdout


def test_error_in_a_thread_ends_all_ranks():
    done = run(
        "mpirun", "-n", 2, "--bind-to", "none", sys.executable, "-c", BROKEN,
        "--runtime", "mpithreads", "--threads", 2, seconds=60,
    )  # fmt: skip
    assert done.returncode != 0
    assert "the second thread raises" in done.stderr
    assert "Rate" not in done.stdout


def test_code_for_a_team_without_clocks_reads_none():
    """The same source is compiled for two types; for the usual one no clock is in the code."""
    from prk.runtimes import _clocks
    from prk.runtimes._clocks.recorder import Recorder, running

    plain = team(1)
    recorder = Recorder({}, 4)
    with running(recorder):
        clocked = threads.team({"threads": 1})
    assert _clocks.noting is None
    # Code from the cache cannot be looked at.
    wait = njit(nogil=True)(threads.wait.py_func)
    # The flag is up already, so nobody waits.
    for one in (plain, clocked):
        assert wait(one.shared, threads.OPENED, 0) == 0
    assert isinstance(plain.shared.sched_yield, int)
    both = {isinstance(s[0].types[2], types.Integer): s for s in wait.signatures}
    clocks = {usual: wait.inspect_llvm(s).count("call i64 %") for usual, s in both.items()}
    assert clocks[True] == 0 < clocks[False]
    assert 0 < recorder.spent().waiting < 1
    for one in (plain, clocked):
        one.close()


def test_waits_of_threads_are_noted_with_their_thread_and_for_whom():
    from prk.runtimes._clocks import recorder

    with recorder.clocking(None, 100) as (_, clocks):
        made = threads.team({"threads": 2})

        def work(thread, value, seconds):
            if thread == 1:
                time.sleep(seconds)
                threads.publish(made.shared, threads.DONE + 1, value)
                return 0
            return threads.wait(made.shared, threads.DONE + 1, value)

        # Compiles what waits, which can take longer than what is waited for.
        made.run(lambda thread: work(thread, 4, 0.0))
        begun = time.perf_counter()
        made.run(lambda thread: work(thread, 5, 0.3))
        spent, lane = clocks.spent(), clocks.lane(begun)
        made.close()
    names = [(call.name, call.thread, call.waiting) for call in lane.calls]
    assert ("wait for flag 1", 0, True) in names
    assert spent.waiting > 0.03
    assert spent.busy > 0.05
    assert spent.communicating == 0
