"""Inference under load: statistics, scenarios, what is refused, and how those who cheat are caught."""

import json
import math
import os
import re
import struct
import sys
import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import jsonschema
import numpy as np
import pytest
import torch
from scipy.special import betainc

from prk import cli
from prk.ddp import checkpoint, models
from prk.ddp.problem import Ddp
from prk.ddp.workloads import fashion_mnist
from prk.inference import audit, quantise, serial, statistics
from prk.inference.problem import LOST, Inference
from prk.inference.queue import Queue
from prk.inference.traffic import Intervals, LoadGen, Plan
from prk.problem import Refusal
from prk.run.timing import measure
from prk.team import Solo
from tests.endurance import SPARE, grown
from tests.launch import ROOT, kernel, own_lines, run

SCHEMA = json.loads((ROOT / "prk" / "records" / "schema-2.json").read_text())


@pytest.mark.parametrize(
    ("percentile", "exact", "rounded"),
    [(0.9, 23_886, 24_576), (0.95, 50_425, 57_344), (0.97, 85_811, 90_112), (0.99, 262_742, 270_336)],
)
def test_queries_are_as_many_as_the_study_s_table_has(percentile, exact, rounded):
    assert statistics.exact(percentile) == exact
    assert statistics.queries(percentile) == rounded


@pytest.mark.parametrize(
    ("percentile", "counts"),
    [(0.9, {0: 44, 1: 64, 2: 81, 5: 127, 10: 197}), (0.99, {0: 459, 1: 662, 2: 838, 5: 1307, 10: 2010})],
)
def test_early_stopping_needs_the_queries_that_are_published(percentile, counts):
    assert {late: statistics.needed(late, percentile) for late in counts} == counts
    for late, count in counts.items():
        assert statistics.allowed(count, percentile) == late
        assert statistics.allowed(count - 1, percentile) == late - 1 or late > 1


def test_of_a_server_s_translations_more_may_be_late():
    served = {w: Inference(workload=w, scenario="server") for w in ("digits", "translation", "summarisation")}
    assert [(p.percentile, p.count) for p in served.values()] == [
        (0.99, 270_336),
        (0.97, 90_112),
        (0.99, 270_336),
    ]
    assert replace(served["translation"], scenario="single-stream").percentile == 0.9


def test_odds_are_the_incomplete_beta_function_also_of_large_counts():
    for inside, late, p in ((40, 0, 0.9), (600, 7, 0.99), (267_632, 2704, 0.99), (24_000, 2400, 0.9)):
        assert statistics.odds(inside, late, p) == pytest.approx(betainc(inside, late + 1, p), rel=1e-6)


def test_an_estimate_leaves_out_what_may_be_late():
    times = np.random.default_rng(1).permutation(1000).astype(float).tolist()
    late = statistics.allowed(1000, 0.9)
    assert statistics.needed(late, 0.9) <= 1000 < statistics.needed(late + 1, 0.9)
    assert statistics.estimate(times, 0.9) == 1000 - late
    assert statistics.estimate(times[:63], 0.9) is None


def answered(traffic, seconds=()):
    """Answer all queries by nothing, each as many seconds late as said; return what the run showed."""
    late = iter(seconds)

    def serve():
        while traffic.pending:
            if traffic.queue.due() > 0:
                traffic.queue.wait(0.1)
            else:
                batch = traffic.queue.take()
                time.sleep(next(late, 0))
                traffic.complete(batch.ids, np.zeros((len(batch.ids), 4), np.float32))

    return traffic.play(serve)


def said(plan):
    """Return what LoadGen says of early stopping after a run in which nothing is computed."""
    traffic = LoadGen(Queue(8, 0.0), 50, plan)
    answered(traffic)
    return traffic.log["early_stopping_result"]


def test_early_stopping_is_what_loadgen_says():
    alone = Plan("single-stream", 20, 0.0, 1, expected=1.0)
    assert f"at least {statistics.needed(1, 0.9)} queries" in said(alone)
    late = statistics.allowed(300, 0.9)
    assert f"Would discard {late - 1} highest latency queries" in said(replace(alone, queries=300))
    served = Plan("server", 300, 0.0, 1, 0.99, rate=5000.0, bound=10.0)
    assert f"at least {statistics.needed(0, 0.99) - 300} more queries" in said(served)


def inferred(kind=serial.Kernel, **given):
    """Run a kernel alone as a launch does; return it with the checks of its answer."""
    problem = Inference(quick="on", **given)
    made, _ = measure(lambda: kind(problem, Solo(), {}), Solo(), problem)
    return made, {c.name: c for c in problem.check(problem.partial(made.fields()))}


def invalid(checks):
    return [name for name, check in checks.items() if not check.valid]


# Milliseconds of a server and between queries, where messages take long beside other work.
BOUNDS = {"dask": 150}


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Return a record of the four scenarios and the study's fifth, on one runtime or another."""
    folder = tmp_path_factory.mktemp("inference")
    # Settings that LoadGen would take from the current folder.
    for name in ("audit.config", "user.conf", "mlperf.conf"):
        (folder / name).write_text("*.*.max_query_count = 3\n*.*.min_query_count = 3\n")
    found = {}
    for scenario, name, size in (
        ("single-stream", "serial", 1),
        ("multi-stream", "mpi1", 3),
        ("multi-stream-interval", "mpi1", 2),
        ("server", "mpi1", 2),
        ("single-stream", "charm4py", 2),
        ("server", "numba", 3),
        ("server", "dask", 2),
        ("offline", "dask", 2),
        ("multi-stream", "dask", 2),
        ("multi-stream-interval", "dask", 2),
    ):
        path = folder / f"{scenario}-{name}.json"
        bound = BOUNDS.get(name, 15)
        words = [
            "--scenario",
            scenario,
            "--quick",
            "--interval",
            max(bound, 50),
            "--bound",
            bound,
            "--json",
            path,
        ]
        done = kernel("inference", *words, on=name, size=size, cwd=folder)
        assert done.returncode == 0, done.stdout + done.stderr
        found[scenario, name] = json.loads(path.read_text())
    # Nor are logs left there.
    assert {p.name for p in folder.iterdir() if p.suffix != ".json"} == {
        "audit.config",
        "user.conf",
        "mlperf.conf",
    }
    return found


def test_records_state_their_scenario_s_metric_and_that_quick_runs_are_not_valid(records):
    own = {
        "single-stream": "tail latency",
        "multi-stream": "tail latency",
        "multi-stream-interval": "largest N",
        "server": "within the bound",
    }
    for (scenario, _), made in records.items():
        jsonschema.validate(made, SCHEMA)
        stated = {name for name, metric in made["metrics"].items() if metric["values"]}
        assert stated == {"rate", "top-1", *([own[scenario]] if scenario in own else [])}
        assert made["summary"]["valid by the study's rules"] == "no: it wants --quick off"
        (row,) = made["table"]
        # Nothing in the current folder has made them three.
        assert row["queries"] > 3 or scenario == "offline"
        assert row["samples"] >= 20


def test_quality_is_the_same_everywhere(records):
    assert len({made["summary"]["quality"] for made in records.values()}) == 1


def test_a_server_s_rate_keeps_the_bound(records):
    for (scenario, name), made in records.items():
        (row,) = made["table"]
        if scenario == "server":
            assert row["p99"] <= row["bound"] == BOUNDS.get(name, 15)
            assert row["level"] == made["metrics"]["within the bound"]["values"][0]
            assert row["offline"] > 0
        else:
            assert row["bound"] is row["offline"] is None


def test_of_several_runs_the_least_counts_and_the_largest_latency():
    run = {"samples": 100, "seconds": 2.0, "held": True, "level": 90.0, "tail": 0.004}
    runs = [run, {**run, "seconds": 4.0, "level": 80.0, "tail": 0.007}, {**run, "level": 85.0}]

    def stated(scenario, runs):
        case: Any = SimpleNamespace(findings=[{"runs": runs, "quality": 0.9}])
        return Inference(scenario=scenario).values(case, 1)

    assert stated("server", runs) == {"rate": 25.0, "within the bound": 80.0, "top-1": 0.9}
    assert stated("multi-stream-interval", runs)["largest N"] == 80
    assert stated("single-stream", runs)["tail latency"] == pytest.approx(7)
    assert "within the bound" not in stated("server", [*runs, {**run, "held": False}])


def test_batches_of_a_server_take_a_part_of_its_bound():
    made = Steady(Inference(scenario="server", bound=30.0, qps=10.0, quick="on"), Solo(), {})
    made.repeat(1)
    # A sample takes a millisecond.
    assert 6 <= made.queue.most <= 10
    assert made.offline == pytest.approx(1000, rel=0.3)


def test_the_light_model_is_served_from_its_check_point_and_keeps_less(tmp_path, monkeypatch):
    few = {name: (60 if "train" in name else 40, *shape[1:]) for name, shape in fashion_mnist.FILES.items()}
    monkeypatch.setattr(fashion_mnist, "FILES", few)
    for name, shape in few.items():
        header = struct.pack(f">I{len(shape)}I", 0x800 + len(shape), *shape)
        body = (np.arange(math.prod(shape)) * 7919 % 10007 % (256 if len(shape) > 1 else 10)).astype(np.uint8)
        (tmp_path / name).write_bytes(header + body.tobytes())
    light = Ddp(workload="fashion-mnist-light", data=str(tmp_path), seed=3)
    weights = [weight.detach().numpy() for weight in models.model(light).parameters()]
    assert [weight.size for weight in weights] == light.trains.weights(light)
    checkpoint.save(str(tmp_path / "light"), "fashion-mnist-light", weights, {})
    given = {"data": str(tmp_path), "checkpoint": str(tmp_path / "light"), "scenario": "offline"}
    made, checks = inferred(workload="fashion-mnist-light", **given)
    assert not invalid(checks)
    assert checks[LOST].tolerance == pytest.approx(0.02)
    # In other batches, one by one.
    alone = np.concatenate([made.compute(np.array([sample])) for sample in range(40)])
    assert np.abs(made.answered - alone).max() <= 1e-4 * np.abs(alone).max()
    line = refused("--workload", "fashion-mnist", "--data", tmp_path, "--checkpoint", tmp_path / "light")
    assert "holds fashion-mnist-light (23 weights, 9034 numbers), expected a check-point of" in line


def test_int8_keeps_the_quality_and_fewer_steps_do_not(monkeypatch):
    made, checks = inferred(precision="int8")
    assert not invalid(checks)
    assert made.findings()["quality"] >= 0.99 * made.float32
    layers = [m for m in made.model.modules() if isinstance(m, quantise.Quantised)]
    assert len(layers) == 2
    assert all(torch.equal(one.steps, one.steps.round()) and one.steps.abs().max() == 127 for one in layers)
    monkeypatch.setattr(quantise, "STEPS", 1)
    _, checks = inferred(precision="int8")
    assert invalid(checks) == ["lost share of the quality in single precision"]


class Steady(serial.Kernel):
    """Takes a millisecond a sample."""

    def compute(self, samples):
        time.sleep(1e-3 * len(samples))
        return super().compute(samples)


class Slow(serial.Kernel):
    """What is right, and takes so long that nothing else counts."""

    def compute(self, samples):
        time.sleep(1e-3)
        return super().compute(samples)


class Remembers(Slow):
    """Answers what it has answered before at once, by what it was given."""

    def compute(self, samples):
        kept = vars(self).setdefault("memory", {})
        key = tuple(self.tests[0][s].numpy().tobytes() for s in samples)
        if key not in kept:
            kept[key] = super().compute(samples)
        return kept[key]


class Prepared(Slow):
    """Has all answers ready, by the samples' numbers."""

    def compute(self, samples):
        if "ready" not in vars(self):
            self.ready = self.answers()
        return self.ready[samples]


class Small(Slow):
    """Computes with half of its hidden units once accuracy has been looked at."""

    def timed(self):
        with torch.no_grad():
            next(self.model.parameters())[64:] = 0
        return super().timed()


class Drops(Slow):
    """Answers anything where samples have waited."""

    def submit(self, worker, batch):
        if self.number and len(batch.ids) > 1:
            self.complete(worker, np.zeros((len(batch.ids), 10), np.float32), 0.0)
        else:
            super().submit(worker, batch)


class Knows(Slow):
    """Knows which samples LoadGen asks for with the usual seed, and what their answers are."""

    def play(self, traffic):
        plan = getattr(traffic, "plan", None)
        self.known = plan is not None and plan.seed == self.problem.seed
        return super().play(traffic)

    def compute(self, samples):
        return serial.Kernel.compute(self, samples) if self.known else super().compute(samples)


@pytest.mark.parametrize("kind", ["float32", "int64"])
def test_of_an_audit_s_samples_none_was_seen_before(kind):
    known = np.random.default_rng(4).integers(0, 50, (40, 16)).astype(kind)
    (asked,) = audit.unseen([known], 7)
    assert (asked.dtype, asked.shape) == (known.dtype, known.shape)
    assert not {row.tobytes() for row in known} & {row.tobytes() for row in asked}
    if kind == "int64":
        # Whoever looks something up by a number finds it.
        assert all(set(asked[:, place]) <= set(known[:, place]) for place in range(16))
    (other,) = audit.unseen([known], 8)
    assert not np.array_equal(asked, other)


@pytest.mark.parametrize(
    ("cheat", "caught", "given"),
    [
        (Slow, [], {"audit": 7}),
        (Remembers, ["speed of the same samples over that of others"], {"audit": 7}),
        (Prepared, ["wrong answers on data that nobody has seen"], {"audit": 7}),
        (Knows, ["speed of the usual seed over that of others"], {"audit": 7}),
        (Small, ["answers that are not those of the serial model"], {}),
        (Drops, ["answers that are not those of the serial model"], {"scenario": "multi-stream"}),
    ],
)
def test_who_cheats_is_caught(cheat, caught, given):
    _, checks = inferred(cheat, **given)
    assert set(caught) <= set(invalid(checks))
    assert bool(caught) == bool(invalid(checks))


def test_batches_are_full_or_late():
    queue = Queue(3, 0.02)
    assert queue.due() == np.inf
    queue.put([(1, 10), (2, 20)])
    assert 0 < queue.due() <= 0.02
    queue.put([(3, 30), (4, 40)])
    assert queue.due() == 0
    assert (queue.take().ids, queue.take().samples.tolist()) == ((1, 2, 3), [40])


@pytest.mark.parametrize("scenario", ["multi-stream", "multi-stream-interval", "server", "offline"])
def test_one_member_that_does_all_gives_right_answers(scenario):
    made, checks = inferred(scenario=scenario, interval=20.0)
    assert not invalid(checks)
    (run,) = made.findings()["runs"]
    assert run["held"]
    assert run["samples"] >= 20


def test_intervals_that_a_query_lasts_into_are_skipped():
    plan = Plan("multi-stream-interval", queries=5, seconds=0.0, seed=1, streams=2, interval=0.05)
    traffic = Intervals(Queue(100, 0.0), 10, plan)
    assert answered(traffic, [0, 0, 0.07]).late == pytest.approx(1 / 5)
    # The last one begins with the sixth interval.
    assert traffic.seconds > 4.5 * 0.05


def refused(*words):
    with pytest.raises(Refusal) as refusal:
        cli.parse("inference", [str(word) for word in words])[0].problem.refuse(1)
    return str(refusal.value)


def test_check_points_are_refused_with_what_was_expected(tmp_path):
    whole = tmp_path / "digits.npz"
    done = kernel("ddp", "--iterations", 3, "--save", whole)
    assert done.returncode == 0, done.stderr
    expected = "expected a check-point of digits (4 weights, 9610 numbers)"
    assert f"there is no file {tmp_path}/none, {expected}" in refused("--checkpoint", tmp_path / "none")
    (tmp_path / "short").write_bytes(whole.read_bytes()[:20_000])
    (tmp_path / "text").write_text("digits")
    for name in ("short", "text"):
        line = refused("--checkpoint", tmp_path / name)
        assert "cannot be read (" in line
        assert expected in line
    checkpoint.save(str(tmp_path / "other"), "digits", [np.zeros(3)], {})
    line = refused("--checkpoint", tmp_path / "other")
    assert f"holds digits (1 weights, 3 numbers), {expected}" in line
    assert "is there already" in own_lines(kernel("ddp", "--iterations", 3, "--save", whole))[0]
    # Barely trained, it is served all the same.
    made, checks = inferred(checkpoint=str(whole), scenario="offline")
    assert not invalid(checks)
    assert made.float32 < 0.9


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--scenario", "server", "--delay", 15], "--delay: a sample that waits 15 ms for others is late"),
        (["--bound", 0], "--bound: 0 is too short"),
        (["--max-batch", 0], "--max-batch: 0 is too few"),
        (["--workload", "synthetic"], "--workload: synthetic says nothing of answers"),
        (["--workload", "nothing"], "--workload: there is no 'nothing'"),
    ],
)
def test_wrong_input_is_refused_in_one_line(words, said):
    assert refused(*words).startswith(said)


def test_a_bound_that_no_batch_can_meet_is_refused():
    done = kernel("inference", "--scenario", "server", "--bound", 0.001, "--quick")
    assert done.returncode == 2
    (line,) = own_lines(done)
    assert "--bound: 0.001 ms, and a sample alone takes" in line


def test_elements_that_share_a_core_are_told_so_instead_of_searching():
    core = min(os.sched_getaffinity(0))
    words = ["--runtime", "charm4py", "--pe", 2, "--scenario", "server", "--quick"]
    done = run("taskset", "-c", core, sys.executable, "-m", "prk.inference", *words)
    assert done.returncode == 2
    (line,) = own_lines(done)
    assert "--pe: 2 elements that never rest share 1 cores" in line
    assert "use at most 1" in line


DYING = """
import os, signal, sys, time
from prk import cli
from prk.inference import serial
from prk.runtimes.mpi1 import inference

compute, calls = serial.Kernel.compute, []


def compute_or_die(self, samples):
    calls.append(len(samples))
    if self.comm.rank == 2 and len(calls) == 30:
        print(f"died at {time.time()}", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    return compute(self, samples)


serial.Kernel.compute = compute_or_die
sys.exit(cli.main("inference", ["--runtime", "mpi1", "--max-batch", "1", "--duration", "30"]))
"""


def test_a_worker_that_dies_under_load_ends_the_run_with_the_reason():
    done = run("mpirun", "-n", 3, sys.executable, "-c", DYING)
    ended = time.time()
    assert done.returncode != 0
    (died,) = re.findall(r"died at (\S+)", done.stdout)
    assert ended - float(died) < 15
    assert "Rate" not in done.stdout
    assert "killed" in (done.stdout + done.stderr).lower()


def test_a_member_that_says_nothing_ends_the_run(monkeypatch):
    monkeypatch.setattr(serial, "PATIENCE", 0.3)
    monkeypatch.setattr(serial.Kernel, "submit", lambda *_: None)
    with pytest.raises(RuntimeError, match="member 0 has not answered"):
        inferred()


def test_a_member_that_leaves_samples_out_ends_the_run(monkeypatch):
    compute = serial.Kernel.compute
    monkeypatch.setattr(serial.Kernel, "compute", lambda self, samples: compute(self, samples)[:-1])
    with pytest.raises(RuntimeError, match="member 0 has answered 0 of 1 samples"):
        inferred()


FAILING = """
import sys
from prk import cli
from prk.inference import serial

compute = serial.Kernel.compute


def compute_or_fail(self, samples):
    if self.number:
        raise RuntimeError("no more")
    return compute(self, samples)


serial.Kernel.compute = compute_or_fail
sys.exit(cli.main("inference", sys.argv[1:]))
"""


@pytest.mark.parametrize(
    "words",
    [
        ["--scenario", "single-stream"],
        ["--scenario", "server", "--qps", 100],
        ["--runtime", "numba", "--threads", 2, "--scenario", "offline"],
    ],
)
def test_a_model_that_fails_inside_loadgen_ends_the_run_with_the_reason(words, tmp_path):
    begin = time.time()
    done = run(sys.executable, "-c", FAILING, *words, "--duration", 30, TMPDIR=str(tmp_path))
    assert done.returncode == 1
    # Nor does it leave LoadGen's logs.
    assert not list(tmp_path.glob("prk-loadgen-*"))
    assert "no more" in done.stdout + done.stderr
    assert time.time() - begin < 25


def test_without_loadgen_the_line_says_what_installs_it(monkeypatch, capsys):
    monkeypatch.setattr(Inference, "requires", ("a_package_that_is_absent",))
    assert cli.main("inference", []) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "a_package_that_is_absent is not installed; pip install 'prk[ml,inference]'" in line


def test_a_member_that_grows_is_noticed():
    sizes = [100 << 20] * 40
    assert not grown([0, *sizes])
    assert not grown([size + SPARE // 80 * place for place, size in enumerate(sizes)])
    assert grown([size + (place << 20) for place, size in enumerate(sizes)]) > 10 << 20
