"""Training under MLPerf-style rules: where the clock runs, what is recorded, the two forms of momentum."""

import json
import runpy
import time

import jsonschema
import numpy as np
import pytest
import torch

from prk import cli as run
from prk.ddp import models, serial
from prk.ddp.momentum import Inside
from prk.ddp.problem import REMARK, Ddp
from prk.ddp.workload import MOMENTUM
from prk.harness import cli
from prk.problem import Measured, Refusal
from prk.records import mllog
from prk.team import Solo
from tests.kernels.test_ddp import SCHEMA
from tests.launch import ROOT, kernel

SEEDS = 5


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return the folder and the output of five short trainings of two ranks."""
    path = tmp_path_factory.mktemp("rules") / "record.json"
    given = ["--rules", "mlperf", "--seeds", SEEDS, "--epochs", 5, "--json", path]
    done = kernel("ddp", *given, size=2)
    assert done.returncode == 0, done.stdout + done.stderr
    return path, done.stdout


def test_record_has_all_trainings_with_their_seeds(trained):
    path, said = trained
    made = json.loads(path.read_text())
    jsonschema.validate(made, SCHEMA)
    rows, table = made["summary"]["trainings"], made["table"]
    assert [row["seed"] for row in rows] == [1, 2, 3, 4, 5]
    assert [row["seconds"] for row in rows] == [line["seconds"] for line in table]
    assert [row["epochs"] for row in rows] == [line["epochs"] for line in table]
    assert all(0 < row["initialisation"] < 60 for row in rows)
    assert made["warnings"][0] == REMARK
    assert REMARK in said
    assert "MLLOG" not in said
    curves = made["summary"]["quality curves"]
    assert [(c["seed"], c["epoch"]) for c in curves] == [(s, n) for s in range(1, 6) for n in range(1, 6)]
    for number, row in enumerate(rows):
        own = curves[5 * number : 5 * number + 5]
        assert own[row["epochs"] - 1]["tested"] == row["seconds"]
        times = [c[when] for c in own for when in ("stepped", "tested")]
        assert times == sorted(times)
        # All that the steps took, on any rank, is inside: 5 epochs of 22, the first step besides.
        assert times[-1] > made["samples"][number]["max"] * 109


def test_trainings_are_scored_with_their_logs(trained, capsys):
    path, _ = trained
    assert len(mllog.beside(path)) == SEEDS
    assert cli.main(["score", str(path.parent), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["runs"], found["missed"], found["valid"]) == (SEEDS, 0, True)
    assert found["score"] == pytest.approx(np.mean(sorted(found["seconds"])[1:-1]))


def test_a_record_s_logs_are_never_overwritten(tmp_path, capsys):
    path = tmp_path / "record.json"
    mllog.path(path, 2).write_text("another one")
    words = ["--rules", "mlperf", "--epochs", "1", "--seeds", "2", "--json", str(path)]
    assert run.main("ddp", ["--runtime", "serial", *words]) == 2
    assert "record.2.mllog exists and is never overwritten" in capsys.readouterr().err
    assert not path.exists()


def test_clock_starts_before_data_are_touched_and_holds_every_test(monkeypatch):
    whole, test = models.tensors, serial.Kernel.test

    def slowly(call, seconds):
        def slow(*given):
            time.sleep(seconds)
            return call(*given)

        return slow

    monkeypatch.setattr(models, "tensors", slowly(whole, 0.05))
    monkeypatch.setattr(models, "optimizer", slowly(models.optimizer, 0.03))
    monkeypatch.setattr(serial.Kernel, "test", slowly(test, 0.04))
    problem = Ddp(rules="mlperf", epochs=2)
    one = serial.Kernel(problem.cases(1, 0)[0], Solo(), {})
    assert not hasattr(one, "data")
    one.repeat(1)
    one.repeat(one.problem.iterations)
    found = {**one.findings(), "compute": 1.0, "step": 1.0, "alone": 0.0, "table": 0.0}
    # The model is made before: untimed, and stated.
    assert found["start"] >= 0.03
    first, second = found["ended"]
    assert found["stepped"][0] >= 0.05 + sum(one.laps[:22])
    assert first >= found["stepped"][0] + 0.04
    assert second >= first + sum(one.laps[22:]) + 0.04
    # What the slowest member says is no part of it: all waited for the first.
    other = {**found, "ended": [9.0, 9.0]}
    case = Measured(one.problem, 0.1, (), (), (found, other))
    qualities = [0.0, 1.0]
    monkeypatch.setattr(type(problem.trains), "judged", lambda self, sums: qualities.pop(0))
    assert problem.values(case, 2)["time to target"] == second


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"workload": "synthetic"}, "--rules: synthetic has no target"),
        ({"iterations": 50}, "--rules: they time trainings to a target; say by --epochs"),
    ],
)
def test_what_the_rules_cannot_time_is_refused(given, said):
    with pytest.raises(Refusal, match=said):
        Ddp(rules="mlperf", **given).refuse(1)
    Ddp(**given).refuse(1)


def test_an_audit_is_no_result():
    assert Ddp(rules="mlperf", seeds=3).logs == 3
    assert Ddp(rules="mlperf", seeds=3, audit=7).logs == 0
    assert (Ddp(seeds=3).logs, Ddp().remark) == (0, "")


def descended(kind, rates):
    """Return a weight after steps of gradient 1 at these learning rates."""
    weight = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer = kind([weight], rates[0], MOMENTUM)
    for rate in rates:
        optimizer.param_groups[0]["lr"] = rate
        weight.grad = torch.ones_like(weight)
        optimizer.step()
    return weight.item()


def test_forms_of_momentum_differ_by_what_the_learning_rate_changed():
    outside, inside = torch.optim.SGD, Inside
    assert descended(inside, [0.5] * 6) == pytest.approx(descended(outside, [0.5] * 6), rel=1e-12)
    # What the first step left is taken at the new rate, or at the old: m (1 - 0.1).
    assert descended(outside, [1.0, 0.1]) == pytest.approx(-1 - 0.1 * (MOMENTUM + 1))
    assert descended(inside, [1.0, 0.1]) == pytest.approx(-1 - (MOMENTUM + 0.1))
    apart = descended(outside, [1.0, 0.1]) - descended(inside, [1.0, 0.1])
    assert apart == pytest.approx(MOMENTUM * (1.0 - 0.1))


def test_forms_of_momentum_train_apart_under_a_schedule_and_alike_without(monkeypatch):
    def trained(form):
        problem = Ddp(iterations=9, momentum_form=form)
        one = serial.Kernel(problem, Solo(), {})
        first = one.flat()
        one.repeat(10)
        checks = problem.check(problem.partial(one.fields()))
        assert all(c.valid for c in checks), checks
        return one.flat() - first

    def apart():
        outside, inside = map(trained, ("outside", "inside"))
        return float(np.linalg.norm(outside - inside) / np.linalg.norm(outside))

    # Of the way that the weights went: their rate rises once and falls eight times.
    assert 0.5 < apart() < 0.8
    monkeypatch.setattr(type(Ddp().trains), "learning_rate", lambda self, problem, step: 0.05)
    assert apart() < 1e-5


def test_a_workload_with_an_optimizer_of_its_own_has_no_form_of_momentum(monkeypatch):
    trains = Ddp(workload="recommendation").trains
    monkeypatch.setattr(trains, "refuse", lambda problem: None)
    with pytest.raises(Refusal, match="--momentum-form: recommendation has an optimizer of its own"):
        Ddp(workload="recommendation", momentum_form="inside").refuse(1)


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        (["ok", "missed", "ok"], "ok"),
        (["missed", "missed", "ok"], "missed"),
        (["missed"], "missed"),
        (["ok", "missed"], "missed"),
        (["ok", "failed", "missed"], "failed"),
    ],
)
def test_of_three_trainings_or_more_the_slowest_may_miss_its_target(statuses, expected):
    quality = runpy.run_path(str(ROOT / "benchmarks/quality.py"))
    assert quality["together"](statuses) == expected
