"""What training has besides: gradients that add up, fewer bits, shards, check-points, devices."""

import json
import sys
from typing import Any

import numpy as np
import pytest
import torch

from prk.ddp import models, serial
from prk.ddp.compression import FORMATS
from prk.ddp.problem import Ddp, step_times
from prk.problem import Refusal
from prk.runtimes.torch import device, refuse_backend, team
from prk.team import Solo
from tests.kernels.test_ddp import Threads, checked
from tests.launch import BIN, kernel, own_lines, run


def trained(steps=6, **given):
    """Return a kernel of one process that has trained so many steps."""
    one = serial.Kernel(Ddp(iterations=steps - 1, **given), Solo(), {})
    one.repeat(steps)
    return one


def checks(one):
    """Return a single process's checks by name."""
    return {c.name: c for c in one.problem.check(one.problem.partial(one.fields()))}


@pytest.mark.parametrize("name", ["digits", "recommendation"])
def test_gradients_that_add_up_are_those_of_the_whole_batch(name):
    given = {"workload": name, "batch": 60, "learning_rate": 0.01}
    whole, added = trained(**given), trained(accumulate=5, **given)
    assert all(c.valid for c in checks(added).values())
    assert added.losses == pytest.approx(whole.losses, rel=1e-5)
    assert np.abs(added.flat() - whole.flat()).max() < 1e-4 * np.abs(whole.flat()).max()


def test_a_micro_batch_that_counts_twice_is_noticed(monkeypatch):
    batches = serial.Kernel.batches
    monkeypatch.setattr(serial.Kernel, "batches", lambda self, step: [batches(self, step)[0]] * 3)
    assert not all(c.valid for c in checks(trained(batch=60, accumulate=3)).values())


def test_a_batch_that_has_no_such_micro_batches_is_refused():
    with pytest.raises(Refusal, match="2 ranks with 5 micro-batches each; use 60 or 70"):
        Ddp(accumulate=5).refuse(2)


class Gossip(Threads):
    """A team whose members add what they have, rounded as the format says after every addition."""

    def sum(self, tensor):
        found = None
        for one in self.all(tensor.clone()):
            found = one if found is None else found + one
        return found


def averaged(size, gradients, wrong=lambda mean: mean, steps=6):
    """Return the checks of a training whose gradients travel in a format, each mean made `wrong`."""

    class Kernel(serial.Kernel):
        def backward(self, loss):
            (loss / size).backward()
            for weight in self.weights:
                weight.grad.copy_(wrong(self.comm.sum(weight.grad.to(self.kind)).float()))

    problem = Ddp(batch=48, iterations=steps - 1, gradients=gradients)
    return checked(size, problem, Kernel, Gossip)


@pytest.mark.parametrize("size", [2, 4])
@pytest.mark.parametrize("gradients", ["bfloat16", "float16"])
def test_what_rounding_explains_is_right_and_nothing_else(size, gradients):
    assert all(c.valid for c in averaged(size, gradients).values())
    exact = averaged(size, "float32")
    assert all(c.valid for c in exact.values())
    # Twice what rounding explains is not right.
    off = 4 * FORMATS[gradients].roundoff * (1 + np.sqrt(size))
    wrong = averaged(size, gradients, lambda mean: mean * (1 + off))
    assert not next(c for name, c in wrong.items() if "first step's" in name).valid


def test_rounding_is_bounded_by_more_than_it_ever_is_and_not_by_much_more():
    draw = np.random.default_rng(3)
    for gradients in ("bfloat16", "float16"):
        kind, about = getattr(torch, gradients), FORMATS[gradients]
        for members, size in ((2, 1.0), (8, 1.0), (64, 1e-3), (8, 1e-8)):
            own = torch.from_numpy(draw.standard_normal((members, 4000)) * size + size).float() / members
            summed = own[0].to(kind)
            for one in own[1:]:
                summed = summed + one.to(kind)
            right = own.double().sum(0)
            spread = float((own * members).norm(dim=1).pow(2).mean().sqrt())
            scale = about.scale(members, float(right.norm()), spread, 4000)
            error = float((summed.double() - right).norm()) / scale
            assert error < 0.7 * about.roundoff, (gradients, members, size)
            assert error > 0.02 * about.roundoff, (gradients, members, size)


@pytest.fixture(scope="module")
def launched(tmp_path_factory):
    """Return records of the digits with other gradients and shards, on mpi1 and torch."""
    folder, found = tmp_path_factory.mktemp("training"), {}
    for name in ("mpi1", "torch"):
        for number, words in enumerate(MECHANISMS):
            path = folder / f"{name}{number}.json"
            given = ["--iterations", 43, "--bucket-mb", 0.02, *words, "--json", path]
            done = kernel("ddp", *given, on=name, size=2)
            assert done.returncode == 0, (name, words, done.stdout + done.stderr)
            found[name, number] = json.loads(path.read_text())
    return found


MECHANISMS: tuple[list[Any], ...] = (
    ["--optimizer", "sharded", "--accumulate", 2],
    ["--optimizer", "sharded", "--gradients", "float16"],
    ["--gradients", "bfloat16"],
)


def test_shards_and_fewer_bits_train_as_one_process_does(launched):
    alone = np.array(trained(44).losses)
    for (_, number), made in launched.items():
        apart = np.abs(np.array(made["summary"]["loss curve"]) / alone - 1).max()
        assert apart < (0.1 if number else 1e-3)
        assert made["table"][0]["reduced"] == 9610 * (8, 6, 2)[number]


def test_products_inside_of_recurrent_layers_and_attention_are_counted(monkeypatch):
    n, t, inside, width = 3, 7, 16, 32

    class Trains:
        def loss(self, forward, batch):
            found, _ = forward(batch[0])
            return torch.nn.functional.scaled_dot_product_attention(found, found, found).sum()

    monkeypatch.setattr(Ddp, "trains", Trains())
    monkeypatch.setattr(models, "model", lambda p: torch.nn.LSTM(inside, width, batch_first=True))
    one = serial.Kernel.__new__(serial.Kernel)
    one.problem = Ddp()
    # Forwards, for weights, and for the state; of the attention two products forwards, and four backwards.
    recurrent = 2 * n * t * 4 * width * (2 * inside + 3 * width)
    assert one.flop([(torch.ones(n, t, inside),)]) == pytest.approx(
        recurrent + 6 * 2 * n * t * t * width, rel=0.1
    )


def test_what_has_no_fewer_bits_and_no_shards_says_so():
    done = kernel("ddp", "--gradients", "bfloat16")
    assert done.returncode == 2
    assert own_lines(done)[0].startswith("prk.ddp: --gradients: serial has float32, no bfloat16")
    done = kernel("ddp", "--optimizer", "sharded")
    assert done.returncode == 2
    assert own_lines(done) == [
        "prk.ddp: --optimizer: runtime serial has no such option; --runtime mpi1 or torch has it"
    ]


RESUMED = ["--batch", 48, "--optimizer", "sharded", "--iterations", 39]


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """Return the check-point of a training of two ranks of which one was killed in its fifth step."""
    path = tmp_path_factory.mktemp("killed") / "model.npz"
    program = [sys.executable, "-m", "tests.kernels.test_ddp", "-m", "prk.ddp"]
    done = run(BIN / "mpirun", "-n", 2, *program, *RESUMED, "--save", path, "--save-every", 2)
    assert done.returncode != 0
    assert not list(path.parent.glob("*.part"))
    return path


def test_a_killed_training_goes_on_with_the_same_losses(killed, tmp_path):
    curves = []
    for words in ([], ["--resume", killed, "--save", tmp_path / "whole.npz"]):
        path = tmp_path / f"{len(words)}.json"
        done = kernel("ddp", *RESUMED, *words, "--json", path, size=2)
        assert done.returncode == 0, done.stdout + done.stderr
        curves.append(json.loads(path.read_text())["summary"])
    whole, resumed = curves
    assert resumed["steps of earlier runs"] in (2, 4)
    # To the last bit.
    assert resumed["loss curve"] == whole["loss curve"]
    assert resumed["quality by epoch"] == whole["quality by epoch"]
    assert len(whole["loss curve"]) == 40


def test_what_cannot_go_on_says_why(killed):
    given: dict[str, Any] = {"batch": 48, "iterations": 39, "resume": str(killed)}
    Ddp(**given).refuse(1)
    for wrong, said in (
        ({"seed": 2}, "was begun with --seed 1; use the same"),
        ({"iterations": 40}, "was begun with --iterations 39"),
        ({"rules": "mlperf", "epochs": 3, "iterations": 219}, "a part of a training"),
        ({"save_every": 2}, "--save-every: there is no file to write"),
        ({"workload": "synthetic"}, "expected a check-point of synthetic"),
    ):
        with pytest.raises(Refusal, match=said):
            Ddp(**{**given, **wrong}).refuse(1)


@pytest.mark.parametrize("name", ["digits", "recommendation"])
def test_flop_are_counted_as_the_workload_says(name):
    problem = Ddp(workload=name, batch=16, iterations=1)
    one = serial.Kernel(problem, Solo(), {})
    counted = one.flop(one.batches(0))
    # What is no product, such as that of factors, is not counted.
    assert counted == pytest.approx(problem.trains.flop(problem), rel=0.1)
    assert one.peak() > 1e8


def test_slow_steps_are_in_the_last_bin():
    found = step_times([0.001] * 50 + [0.002] * 48 + [0.003, 9.0])
    rows = found["step times"]
    # Its end is that of the 99th of a hundred, between 3 ms and 9 s.
    assert (rows[0]["steps"], rows[-1]["steps"]) == (99, 1)
    assert sum(row["steps"] for row in rows) == 100
    assert found["step p50 (ms)"] == pytest.approx(1.5)


def test_ranks_of_a_node_take_its_devices_in_turn():
    nodes, counts = ["a", "a", "b", "a", "b"], [2, 2, 1, 2, 1]
    assert [device.own(rank, nodes, counts) for rank in range(5)] == [0, 1, 0, 0, 0]
    assert team.backends("gloo") == "gloo"
    assert team.backends("nccl") == "cpu:gloo,cuda:nccl"


def test_a_device_or_a_backend_that_is_not_there_is_refused():
    assert device.lacking("cuda", "nccl", [1, 1], [True, True]) == ""
    assert device.lacking("cuda", "gloo", [1, 1], [False, False]) == ""
    said = device.lacking("cuda", "nccl", [1, 0], [True, True])
    assert said == "--device: rank 1 sees no CUDA device; use --device cpu"
    assert device.lacking("cuda", "nccl", [1, 1], [True, False]).startswith("--backend: this PyTorch")
    if not torch.cuda.is_available():
        done = kernel("ddp", "--device", "cuda", "--backend", "nccl", on="torch", size=2)
        assert done.returncode == 2
        assert own_lines(done) == ["prk.ddp: --device: rank 0 sees no CUDA device; use --device cpu"]
    with pytest.raises(Refusal, match="NCCL sends from a GPU's memory only; use --device cuda, or gloo"):
        refuse_backend(Ddp(), {"device": "cpu", "backend": "nccl"}, 2)
