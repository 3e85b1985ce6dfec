"""Where the time goes: parts of repetitions that run after the timed ones, their record, their refusals."""

import json
from dataclasses import replace
from typing import Any

import jsonschema
import pytest

from prk import cli
from prk.job import Job
from prk.problem import Refusal
from prk.run import member, registry, split
from prk.run.split import Parts, Split
from prk.runtime import Lane, Runtime, Spent
from prk.stencil.serial import Kernel
from tests.launch import ROOT, kernel, mpirun, run
from tests.wrong_ports import Place

SCHEMA = json.loads((ROOT / "prk/records/schema-2.json").read_text())


def test_what_a_rank_does_not_spend_in_calls_it_computes():
    assert split.divided(Spent(1, 2), Spent(1.5, 4), 10.0, 1) == Parts(7.5, 0.5, 2.0)
    assert split.divided(Spent(), Spent(0.5, 2), 10.0, 1, 2) == Parts(3.75, 0.25, 1.0)


def test_threads_have_equal_shares_and_those_without_work_wait():
    """Two threads for ten seconds: the second has work for six of them, and waits for one meanwhile."""
    found = split.divided(Spent(), Spent(2.0, 1.0, 6.0), 10.0, 2)
    assert found == Parts((10 + 6 - 2 - 1) / 2, 2.0 / 2, (20 - 13 - 2) / 2)
    assert sum(found) == pytest.approx(10.0)


def test_clocks_that_disagree_by_their_rounding_give_nothing_negative():
    assert split.divided(Spent(), Spent(1.0, 9.0 + 1e-9), 10.0, 1) == Parts(0.0, 1.0, 9.0)


def test_what_is_printed_names_the_rank_that_waits_most():
    ranks = [[Parts(6.0, 1.0, 3.0)] * 2, [Parts(2.0, 1.0, 7.0)] * 2]
    assert Split(ranks).lines() == [
        "Split of a repetition = computing 40.0%, communicating 10.0%, waiting 50.0%",
        "Longest waiting = rank 1, 70.0% of its time",
    ]
    assert len(Split([[Parts(1.0, 0.0, 0.0)]]).lines()) == 1


class Slow:
    """Clocks that find a tenth of a millisecond of waiting in all that has run."""

    def __init__(self):
        self.asked = 0

    def spent(self):
        self.asked += 1
        return Spent(0.0, self.asked * 1e-4)

    def lane(self, since):
        return Lane(())

    def ahead(self):
        return 0.0


class Once(Kernel):
    """Right but in kernels that are made under clocks."""

    clocked = False

    def step(self):
        if not self.clocked:
            super().step()


def attempt(tmp_path, monkeypatch, made, clocks, **more):
    """Run a stencil of the kernel `made` on a team of one; return the outcome and the record."""
    problem: Any = registry.problem_class("stencil")
    path = tmp_path / "record.json"
    job = Job(
        "stencil", "serial", problem(n=30, iterations=4), {}, json=str(path), quiet=True, split=5, **more
    )
    how = registry.runtime("serial")

    def clocked(self, comm, calls):
        from contextlib import contextmanager

        @contextmanager
        def running():
            made.clocked = True
            yield comm, clocks
            made.clocked = False

        return running()

    monkeypatch.setattr(type(how), "clocked", clocked)
    monkeypatch.setattr(registry, "kernel_class", lambda *_: made)
    outcome = Place(1).run(lambda comm: member.run(job, comm))[0]
    return outcome, json.loads(path.read_text()) if path.exists() else {}


class Plain(Kernel):
    """The serial one, which knows whether it is made under clocks."""

    clocked = False
    ran: list[tuple[bool, int]] = []

    def repeat(self, count):
        self.ran.append((self.clocked, count))
        super().repeat(count)


def test_split_repetitions_are_others_than_the_timed_ones(tmp_path, monkeypatch):
    Plain.ran = []
    outcome, record = attempt(tmp_path, monkeypatch, Plain, Slow())
    assert outcome.code == 0, outcome.message
    jsonschema.validate(record, SCHEMA)
    # The timed kernel does what it always does; another one runs the others, one by one, after its warm-up.
    assert Plain.ran == [(False, 1), (False, 4)] + 6 * [(True, 1)]
    assert len(record["samples"]) == len(record["metrics"]["rate"]["values"]) == 1
    assert record["split"]["repetitions"] == 5
    (rank,) = record["split"]["ranks"]
    assert list(rank) == ["computing", "communicating", "waiting"]
    assert rank["waiting"]["min"] <= rank["waiting"]["mean"] <= rank["waiting"]["max"] <= 1.1e-4
    assert record["parameters"]["iterations"] == 4


def test_a_split_that_comes_to_another_answer_makes_the_run_invalid(tmp_path, monkeypatch):
    outcome, record = attempt(tmp_path, monkeypatch, Once, Slow())
    assert outcome.code == 1
    assert record["status"] == "invalid"
    assert record["reason"].startswith("split: ")


def test_where_no_clocks_can_be_had_the_run_is_refused_in_one_line(tmp_path, monkeypatch):
    outcome, record = attempt(tmp_path, monkeypatch, Plain, None)
    assert outcome.code == 2
    assert outcome.message.startswith("--split: no clock can be put")
    assert not record


def test_a_runtime_has_clocks_or_says_why_not():
    assert "no code" in Runtime.unclocked
    clocked = {how.name for how in map(registry.runtime, registry.runtimes()) if not how.unclocked}
    assert clocked >= {"serial", "mpi1", "mpirma", "mpishm", "shmem", "numba", "mpithreads"}
    for how in map(registry.runtime, registry.runtimes()):
        # Whoever leaves the reason out has clocks of its own.
        assert how.unclocked or type(how).clocked is not Runtime.clocked, how.name
    shmem = registry.runtime("shmem")
    assert "past every clock" in shmem.clockless({"shmem-backend": "shmem4py"})
    assert not shmem.clockless({"shmem-backend": "rma"})


@pytest.mark.parametrize(
    ("name", "runtime", "more", "said"),
    [
        ("stencil", "dask", {"split": 3}, "--split: dask has none, since Dask's workers"),
        ("stencil", "charm4py", {"split": 3, "trace": "x"}, "--trace: charm4py has none, since Charm4py's"),
        ("allreduce", "mpi1", {"split": 3}, "--split: allreduce times its repetitions itself"),
        ("stencil", "mpi1", {"split": 3, "trace": "/no/such/file"}, "--trace: the folder /no/such does"),
    ],
)
def test_what_cannot_be_split_says_so_before_it_runs(name, runtime, more, said):
    problem: Any = registry.problem_class(name)
    job = Job(name, runtime, problem(), {}, **more)
    with pytest.raises(Refusal) as refused:
        split.refuse(job, registry.runtime(runtime))
    assert str(refused.value).startswith(said)
    split.refuse(replace(job, split=0, trace=None), registry.runtime(runtime))


def test_the_command_line_takes_a_number_of_repetitions_or_none():
    words = ["--runtime", "serial", "--n", "50"]
    for more, number in ((["--split"], 3), (["--split", "20"], 20), (["--trace", "x.json"], 3), ([], 0)):
        assert cli.parse("stencil", [*words, *more])[0].split == number
    with pytest.raises(Refusal, match="--split: 0 is too small; use at least 1"):
        cli.parse("stencil", [*words, "--split", "0"])


def test_a_pipeline_of_ranks_says_who_waits_and_draws_it(tmp_path):
    """One launch: what is printed and recorded, and a trace with a lane a rank and an arrow a message."""
    record, trace = tmp_path / "record.json", tmp_path / "trace.json"
    words = ["-m", "prk.synch_p2p", "--m", 3000, "--n", 40, "--iterations", 2]
    done = mpirun(3, *words, "--split", 4, "--json", record, "--trace", trace)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\nSplit of a repetition = computing " in done.stdout
    assert "\nLongest waiting = rank " in done.stdout
    found = json.loads(record.read_text())
    jsonschema.validate(found, SCHEMA)
    assert [len(part) for part in found["split"]["ranks"]] == [3, 3, 3]
    assert all(part["waiting"]["max"] > 0 for part in found["split"]["ranks"])
    drawn = json.loads(trace.read_text())
    events = drawn["traceEvents"]
    lanes = {e["args"]["name"].partition(" (")[0] for e in events if e["name"] == "thread_name"}
    assert lanes == {"rank 0", "rank 1", "rank 2"}
    # 39 lines to each right neighbour and the corner back, in each of four repetitions.
    assert sum(e["ph"] == "s" for e in events) == sum(e["ph"] == "f" for e in events) == 4 * (39 * 2 + 1)
    sends = [e for e in events if e["ph"] == "X" and e["name"].startswith("MPI_Send")]
    assert {(e["tid"], e["args"]["peer"], e["args"]["bytes"]) for e in sends} == {
        (0, 1, 8),
        (1, 2, 8),
        (2, 0, 8),
    }
    assert any(one["name"] == "late sender" for one in drawn["otherData"]["waits"])
    assert "--trace" in drawn["otherData"]["command"]


def test_a_page_in_place_of_a_trace_and_threads_that_wait(tmp_path):
    page, record = tmp_path / "timeline.html", tmp_path / "record.json"
    # The first thread waits at the end of each repetition until the second has done its half of a line.
    words = ["--m", 40000, "--n", 30, "--threads", 2, "--json", record, "--trace", page]
    done = kernel("synch_p2p", *words, on="numba")
    assert done.returncode == 0, done.stdout + done.stderr
    (part,) = json.loads(record.read_text())["split"]["ranks"]
    assert part["waiting"]["min"] > 0
    assert part["communicating"]["max"] == 0
    assert page.read_text().startswith("<!doctype html>")
    assert "wait for flag 1" in page.read_text()


def test_serial_computes_all_the_time():
    done = run("python", "-m", "prk.nstream", "--n", 1000, "--split")
    assert done.returncode == 0, done.stderr
    assert "Split of a repetition = computing 100.0%, communicating 0.0%, waiting 0.0%" in done.stdout
