"""Data-parallel training: data, refusals, equal loss curves, failures in mid-training."""

import gzip
import json
import math
import os
import signal
import struct
import sys
import threading
from dataclasses import replace
from typing import Any

import jsonschema
import numpy as np
import pytest
import torch

from prk import cli
from prk.check import Partial, Target, combined
from prk.ddp import models, replay, serial, workload
from prk.ddp.problem import LEAKED, Ddp
from prk.ddp.workloads import fashion_mnist, recommendation
from prk.problem import Measured, Refusal
from prk.run import member, registry
from prk.team import Solo
from tests.launch import BIN, ROOT, kernel, own_lines, run

# Relative, between any two runtimes and numbers of ranks, in single precision.
LOSS = 1e-3
SCHEMA = json.loads((ROOT / "prk" / "records" / "schema-2.json").read_text())


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Return a record of the digits on each runtime and number of ranks."""
    folder = tmp_path_factory.mktemp("ddp")
    found = {}
    for name, size in (("serial", 1), ("mpi1", 2), ("mpi1", 4), ("torch", 2), ("jax", 2)):
        path = folder / f"{name}{size}.json"
        done = kernel("ddp", "--json", path, on=name, size=size)
        assert done.returncode == 0, done.stdout + done.stderr
        found[name, size] = json.loads(path.read_text())
    return found


def test_loss_curves_of_all_runtimes_and_ranks_agree(records):
    curves = np.array([r["summary"]["loss curve"] for r in records.values()])
    assert curves.shape == (5, 220)
    assert np.abs(curves / curves[0] - 1).max() < LOSS


def test_all_reach_the_target_in_the_same_epoch(records):
    rows = [r["table"][0] for r in records.values()]
    assert len({row["epochs"] for row in rows}) == 1
    assert all(row["quality"] >= 0.95 for row in rows)
    assert all(row["seconds"] > 0 for row in rows)


def test_record_holds_what_a_point_must_state(records):
    for made in records.values():
        jsonschema.validate(made, SCHEMA)
        (row,) = made["table"]
        assert row["seed"] == made["parameters"]["seed"]
        assert row["throughput"] == pytest.approx(made["metrics"]["rate"]["values"][0])
        assert made["metrics"]["top-1"]["values"] == [row["quality"]]
        assert made["metrics"]["time to target"]["values"] == [row["seconds"]]
        epochs = [e for e in made["events"] if e["name"] == "epoch"]
        assert [e["value"]["number"] for e in epochs] == list(range(1, 11))
        assert row["exposed"] >= 0
        assert row["hidden"] >= 0
        assert (row["predicted"] > 0) == (made["layout"]["ranks"] > 1)
        assert row["reduced"] == (4 * 9610 if made["layout"]["ranks"] > 1 else 0)


def test_step_is_split_by_the_slowest_rank():
    fast = {"compute": 0.08, "step": 0.15, "alone": 0.08, "table": 0.06}
    same: dict[str, Any] = {"data": 0.05, "flop": 15, "peak": 100.0}
    same |= {"reduced": 40, "judged": [[9, 100], [96, 100]], "ended": [1.0, 2.0], "losses": [], "last": 0.5}
    problem = Ddp(batch=60)
    slow = {**fast, "compute": 0.1}
    case = Measured(problem, 0.15, (), (), ({**fast, **same}, {**slow, **same, "judged": [[0, 0], [0, 0]]}))
    row = problem._row(case, 2)
    assert row["throughput"] == pytest.approx(400)
    split = [row[k] for k in ("compute", "exposed", "hidden", "efficiency", "predicted")]
    assert split == pytest.approx([100, 50, 30, 2 / 3, 0.4])
    # Two ranks of 15 flop in 0.15 s, each of which could do 100 a second.
    assert [row[k] for k in ("share", "data", "flop", "mfu")] == pytest.approx([1 / 3, 0.25, 30, 1.0])
    assert (row["epochs"], row["seconds"], row["quality"]) == (2, 2.0, 0.96)


def test_spread_over_seeds_leaves_out_the_fastest_and_the_slowest():
    found = {"compute": 0.1, "step": 0.1, "alone": 0.0, "table": 0.0, "reduced": 0}
    found |= {"data": 0.0, "flop": 0, "peak": 1.0}
    problem = Ddp()

    def run(epochs, seconds):
        judged = [[0, 100]] * (epochs - 1) + [[99, 100]]
        ended = [0.0] * (epochs - 1) + [seconds]
        own = {**found, "judged": judged, "ended": ended, "losses": [], "last": 0.5}
        return [Measured(problem, 0.1, (), (), (own,))]

    summary = problem.summary([run(2, 9.0), run(4, 1.0), run(2, 2.0), run(4, 4.0)], 1)
    assert summary["time to target without fastest and slowest (s)"] == 3.0
    assert summary["variation of epochs to target"] == pytest.approx(1 / 3)
    assert summary["runs that reached it"] == 4
    assert "variation of epochs to target" not in problem.summary([run(2, 9.0), run(4, 1.0)], 1)


def test_trainings_have_seeds_of_their_own(tmp_path):
    path = tmp_path / "record.json"
    assert [case.seed for case in Ddp(seeds=2, seed=5).cases(1, 3)] == [11, 12]
    done = kernel("ddp", "--seeds", 3, "--json", path)
    assert done.returncode == 0, done.stderr
    made = json.loads(path.read_text())
    assert [row["seed"] for row in made["table"]] == [1, 2, 3]
    stated = {name: metric["values"] for name, metric in made["metrics"].items()}
    assert stated["rate"] == pytest.approx([row["throughput"] for row in made["table"]])
    assert stated["top-1"] == [row["quality"] for row in made["table"]]
    assert stated["time to target"] == [row["seconds"] for row in made["table"]]
    assert len(made["samples"]) == 3
    assert "variation of epochs to target" in made["summary"]
    middle = sorted(row["seconds"] for row in made["table"])[1]
    assert made["summary"]["time to target without fastest and slowest (s)"] == middle


def test_diverging_run_is_invalid_and_names_the_step(tmp_path):
    path = tmp_path / "record.json"
    done = kernel("ddp", "--learning-rate", 1e30, "--iterations", 20, "--json", path, size=2)
    assert done.returncode == 1, done.stderr
    made = json.loads(path.read_text())
    jsonschema.validate(made, SCHEMA)
    assert made["status"] == "invalid"
    assert made["reason"].startswith("loss at step ")
    assert "Rate" not in done.stdout


# What gloo runs behind a rank, by the names of its threads.
THREADS_OF_GLOO = """
import torch
from pathlib import Path
from prk.runtimes.torch import team
from prk.team import Solo

def threads():
    return [n for p in Path("/proc/self/task").iterdir() if (n := (p / "comm").read_text())[:3] == "pt_"]

team.join(Solo())
wrapped = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(3, 3))
wrapped(torch.ones(2, 3)).sum().backward()
del wrapped
during = threads()
team.leave()
print(len(during), threads())
"""


def test_no_thread_of_gloo_outlives_the_training():
    # One that frees its last message while the interpreter ends aborts the process.
    done = run(sys.executable, "-c", THREADS_OF_GLOO)
    assert done.returncode == 0, done.stderr
    during, after = done.stdout.split(maxsplit=1)
    assert int(during)
    assert after.strip() == "[]"


def test_torchrun_starts_it_too():
    done = run(
        BIN / "torchrun", "--nproc-per-node", 2, "--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0",
        "-m", "prk.ddp", "--runtime", "torch", "--iterations", 21,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Number of ranks = 2" in done.stdout
    assert done.stdout.count("Solution validates") == 1


def test_rank_that_dies_in_mid_training_ends_the_job_and_is_recorded_as_failed(tmp_path):
    sweep, folder = tmp_path / "dying.toml", tmp_path / "out"
    sweep.write_text(
        f'launcher = "mpirun -n {{ranks}} {sys.executable} -m tests.kernels.test_ddp"\ntimeout = 60\n'
        '[[points]]\nkernel = "ddp"\nruntime = "mpi1"\nranks = 2\niterations = 50\n'
    )
    done = run(sys.executable, ROOT / "bench.py", "run", sweep, "--out", folder)
    assert done.returncode == 1, done.stdout + done.stderr
    (made,) = (json.loads(path.read_text()) for path in folder.glob("records/*.json"))
    jsonschema.validate(made, SCHEMA)
    assert made["status"] == "failed", made["reason"]
    assert made["launch"]["seconds"] < 40
    assert made["metrics"]["rate"]["values"] == []


def dies(job, comm):
    """Run the job, the last rank's process lost in its fifth step."""
    train = serial.Kernel.train

    def train_or_die(self, *arguments):
        if comm.rank == comm.size - 1 and len(self.laps) == 4:
            os.kill(os.getpid(), signal.SIGSEGV)
        return train(self, *arguments)

    serial.Kernel.train = train_or_die  # type: ignore[method-assign]
    return member.run(job, comm)


def trained(best, problem):
    """Return a training whose quality after its epochs was best in the second."""
    found = {"judged": [[50, 100], [best, 100]], "ended": [1.0, 2.0]}
    return Measured(problem.cases(1, 0)[0], 0.1, (), (), (found,))


def test_target_is_that_of_a_run_that_was_to_reach_it():
    usual, whole = Ddp(), Ddp(epochs=2)
    for problem in (usual, whole):
        assert problem.target([trained(96, problem)]) == Target("top-1", 0.95, 0.96)
        # The worst of several trainings counts.
        missed = problem.target([trained(96, problem), trained(94, problem)])
        assert missed == Target("top-1", 0.95, 0.94)
        assert not missed.met
    # A run of so many steps is for their rate, less than an epoch has no quality, synthetic data neither.
    assert Ddp(iterations=60).target([trained(94, usual)]) is None
    none = Measured(usual, 0.1, (), (), ({"judged": [], "ended": []},))
    assert usual.target([none]) is None
    assert Ddp(workload="synthetic").target([none]) is None
    assert set(usual.values(none, 1)) == {"rate"}
    assert usual.values(trained(94, usual), 1) == {"rate": 640.0, "top-1": 0.94}
    assert usual.values(trained(96, usual), 1) == {"rate": 640.0, "top-1": 0.96, "time to target": 2.0}


def test_missed_target_is_right_and_said(tmp_path):
    path = tmp_path / "record.json"
    done = kernel("ddp", "--epochs", 1, "--learning-rate", 0.001, "--json", path)
    assert done.returncode == 0, done.stderr
    assert "Solution validates\nTarget missed: top-1 reached" in done.stdout
    made = json.loads(path.read_text())
    jsonschema.validate(made, SCHEMA)
    assert made["status"] == "missed"
    assert made["metrics"]["rate"]["values"]
    assert made["metrics"]["time to target"]["values"] == []


class Threads:
    """A member of a team of threads; `average` is its allreduce, right or wrong as the test wants it."""

    def __init__(self, rank, size, meeting, shelf):
        self.rank, self.size, self.meeting, self.shelf = rank, size, meeting, shelf

    def barrier(self):
        self.meeting.wait()

    def all(self, mine):
        self.meeting.wait()
        self.shelf[self.rank] = mine
        self.meeting.wait()
        found = list(self.shelf)
        self.meeting.wait()
        return found

    def gather(self, sendobj):
        found = self.all(sendobj)
        return found if self.rank == 0 else None

    def bcast(self, obj):
        return self.all(obj)[0]


def train(size, average, steps=6):
    """Return the checks of a training by `size` threads whose gradients are averaged by `average`."""

    class Kernel(serial.Kernel):
        def backward(self, loss):
            loss.backward()
            own = self.gradient()
            everyone = self.comm.all(own) if size > 1 else [own]
            replay.put(self.weights, average(everyone, self.comm.rank, len(self.laps)).astype(np.float32))

    return checked(size, Ddp(batch=48, iterations=steps - 1), Kernel)


def checked(size, problem, kind, team=Threads):
    """Return the checks of a problem that `size` threads run, by name."""
    shelf, meeting = [None] * size, threading.Barrier(size)
    partials: list[Partial] = [{}] * size

    def run(rank):
        try:
            made = kind(problem, team(rank, size, meeting, shelf), {})
            made.repeat(problem.repetitions)
            partials[rank] = problem.partial(made.fields())
        except BaseException:
            meeting.abort()
            raise

    members = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
    for member_of_team in members:
        member_of_team.start()
    for member_of_team in members:
        member_of_team.join()
    return {c.name: c for c in problem.check(combined(partials))}


def right(everyone, rank, step):
    return np.mean(everyone, axis=0)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_right_average_is_right_however_many_judge_it(size):
    checks = train(size, right)
    assert len(checks) == 5
    assert all(c.valid for c in checks.values()), checks


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        # Forgotten: everybody's own gradient.
        (lambda all_, rank, step: all_[rank], "first step's gradient"),
        (lambda all_, rank, step: np.sum(all_, axis=0), "first step's gradient"),
        # One member's share is left out, or taken twice.
        (lambda all_, rank, step: np.mean(all_[:-1], axis=0), "first step's gradient"),
        (lambda all_, rank, step: np.mean([*all_, all_[0]], axis=0), "first step's gradient"),
        # On one member only, and in one step only.
        (lambda all_, rank, step: right(all_, rank, step) * (1 + 0.01 * (rank == 1)), "ranks' weights"),
        (lambda all_, rank, step: right(all_, rank, step) * (1 + (step == 1)), "loss in the first"),
        (lambda all_, rank, step: right(all_, rank, step) * (1 + 0.01 * (step == 5)), "last step's"),
    ],
)
def test_wrong_average_is_noticed(size, wrong, named):
    checks = train(size, wrong)
    assert not next(c for name, c in checks.items() if named in name).valid, checks


def test_means_are_formed_in_pieces(monkeypatch):
    monkeypatch.setattr(replay, "PIECE", 64)
    vector = np.arange(100, dtype=np.float32)
    assert [s.stop - s.start for s in replay.pieces(vector, 3)] == [5] * 20
    assert np.array_equal(replay.mean(Solo(), vector), vector)
    assert np.array_equal(replay.shared(Solo(), vector), vector)


def test_a_test_by_what_was_trained_on_is_noticed(monkeypatch):
    def checks():
        one = serial.Kernel(Ddp(iterations=21), Solo(), {})
        one.repeat(22)
        return {c.name: c for c in one.problem.check(one.problem.partial(one.fields()))}

    assert checks()[LEAKED].error == 0
    tensors = models.tensors

    def mixed(problem):
        # One sample of about fifty is trained on.
        trained, tested = tensors(problem)
        return trained, tuple(torch.cat([b, a[:8]]) for a, b in zip(trained, tested, strict=True))

    monkeypatch.setattr(models, "tensors", mixed)
    found = checks()
    assert found.pop(LEAKED).error == pytest.approx(8 / 368)
    assert all(c.valid for c in found.values())


def test_findings_do_no_work(monkeypatch):
    one = serial.Kernel(Ddp(iterations=2), Solo(), {})
    one.repeat(3)
    one.probe()
    for name in ("train", "batch", "table", "test"):
        monkeypatch.setattr(one, name, None)
    assert set(one.findings()) >= {"compute", "step", "alone", "table", "judged", "losses"}


def test_synthetic_has_the_parameters_asked_for():
    from prk.ddp import models

    problem = Ddp(workload="synthetic", weights=10_000, layers=4)
    assert sum(w.numel() for w in models.model(problem).parameters()) == 10_000
    problem = Ddp(workload="synthetic", widths="30,200,10")
    assert [w.shape for w in models.model(problem).parameters()] == [(200, 30), (10, 200)]
    done = kernel("ddp", "--workload", "synthetic", "--widths", "30,200,10", "--iterations", 5, size=2)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("given", "size", "named"),
    [
        ({"batch": 64}, 3, "63 or 66"),
        ({"batch": 0}, 1, "--batch"),
        ({"batch": 2000}, 1, "at most 1437"),
        ({"epochs": 2, "workload": "synthetic"}, 1, "--epochs"),
        ({"workload": "synthetic", "weights": 1, "layers": 2}, 1, "--weights"),
        ({"seeds": 0}, 1, "--seeds"),
        ({"workload": "synthetic", "widths": "100,ten"}, 1, "--widths"),
        ({"learning_rate": 0.0}, 1, "--learning-rate"),
        ({"workload": "fashion-mnist", "data": "/nowhere"}, 1, "/nowhere has no train-images-idx3-ubyte"),
    ],
)
def test_wrong_input_is_refused(given, size, named):
    with pytest.raises(Refusal, match=named):
        Ddp(**given).refuse(size)


def test_folder_of_fashion_mnist_is_trained_on_or_what_is_wrong_with_it_named(tmp_path):
    for name, shape in fashion_mnist.FILES.items():
        header = struct.pack(f">I{len(shape)}I", 0x800 + len(shape), *shape)
        body = (np.arange(math.prod(shape)) * 7919 % 10007 % (256 if len(shape) > 1 else 10)).astype(np.uint8)
        (tmp_path / name).write_bytes(header + body.tobytes())
    done = kernel(
        "ddp", "--workload", "fashion-mnist", "--data", tmp_path, "--batch", 8, "--iterations", 2, size=2
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "quality target = 0.92" in done.stdout
    path = tmp_path / "t10k-labels-idx1-ubyte"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(Refusal, match="t10k-labels-idx1-ubyte has 10007 bytes, expected 10008"):
        Ddp(workload="fashion-mnist", data=str(tmp_path)).refuse(1)
    path.unlink()
    (tmp_path / f"{path.name}.gz").write_bytes(gzip.compress(whole)[:-9])
    with pytest.raises(Refusal, match="cannot be read"):
        Ddp(workload="fashion-mnist", data=str(tmp_path)).refuse(1)
    done = kernel("ddp", "--workload", "fashion-mnist", "--data", tmp_path)
    assert done.returncode == 2
    assert len(own_lines(done)) == 1


def test_without_torch_the_cells_say_what_installs_it(monkeypatch, capsys):
    from prk import __main__

    monkeypatch.setattr(Ddp, "requires", ("a_package_that_is_absent",))
    assert cli.main("ddp", []) == 2
    assert "pip install" in capsys.readouterr().err
    assert "ddp: a_package_that_is_absent is not installed" in __main__.matrix()
    assert registry.missing("mpi1", "allreduce") is None


if __name__ == "__main__":
    # The launcher of a sweep: what it starts follows.
    job, _ = cli.parse("ddp", sys.argv[sys.argv.index("prk.ddp") + 1 :])
    sys.exit(registry.runtime("mpi1").launch(replace(job, program="tests.kernels.test_ddp:dies")).code)


@pytest.mark.parametrize("name", workload.names())
def test_how_many_numbers_are_trained_is_known_without_the_model(name):
    problem = Ddp(workload=name)
    assert problem.trains.weights(problem) == [w.numel() for w in models.model(problem).parameters()]


def test_planning_imports_no_torch():
    code = (
        "import sys; from prk.ddp.problem import Ddp; from prk.ddp import workload\n"
        "for name in workload.names(): Ddp(workload=name).cost(2), Ddp(workload=name).memory(2)\n"
        "assert 'torch' not in sys.modules"
    )
    done = run(sys.executable, "-c", code)
    assert done.returncode == 0, done.stderr


def test_list_says_what_is_here_and_how_to_get_the_rest(tmp_path):
    done = run(sys.executable, "-m", "prk.ddp", "--list", "--data", tmp_path)
    assert done.returncode == 0, done.stderr
    rows, missing = done.stdout.split("\n\n")
    assert [row.split()[0] for row in rows.splitlines()[1:]] == list(workload.names())
    assert "fashion-mnist: " in missing
    assert "recommendation: " in missing
    assert "digits: " not in missing
    for name in workload.names():
        assert workload.find(name).source in (workload.REAL, workload.GENERATED, workload.PROXY)


PLUGIN = """
from prk.ddp.workloads import digits


class Workload(digits.Workload):
    title = "digits once more"
    target = 0.5
"""


def test_another_package_s_workload_is_trained_and_a_broken_one_is_named(tmp_path):
    (tmp_path / "more_digits.py").write_text(PLUGIN)
    (tmp_path / "no_digits.py").write_text("1 / 0")
    about = tmp_path / "more-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: more\nVersion: 1\n")
    points = "more = more_digits\nbroken = no_digits\ndigits = no_digits\n"
    (about / "entry_points.txt").write_text(f"[prk.workloads]\n{points}")
    given = {"PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    done = kernel("ddp", "--workload", "more", "--epochs", 1, size=2, **given)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "quality target = 0.5" in done.stdout
    done = kernel("ddp", "--workload", "broken", **given)
    assert done.returncode == 2
    assert "no_digits" not in done.stdout
    assert own_lines(done) == [
        "prk.ddp: --workload: broken cannot be used (ZeroDivisionError: division by zero); "
        "mend its package, or use another"
    ]


def test_films_are_drawn_alike_on_any_number_of_ranks_and_never_one_that_was_seen():
    draw = np.random.default_rng(5)
    seen = draw.random((recommendation.USERS, recommendation.ITEMS)) < 0.3
    users, samples = draw.integers(0, recommendation.USERS, 4000), draw.permutation(4000)
    places = np.arange(4000) % 4
    found = recommendation.unseen(seen, users, 7, samples, places)
    parts = [recommendation.unseen(seen, users[i::3], 7, samples[i::3], places[i::3]) for i in range(3)]
    assert all(np.array_equal(part, found[i::3]) for i, part in enumerate(parts))
    # Of eight draws all may be films that were seen: at 0.3 once in 15,000.
    assert seen[users, found].sum() <= 3
    assert len(np.unique(found)) > 1400
    assert not np.array_equal(recommendation.unseen(seen, users, 8, samples, places), found)


def test_recommendation_is_trained_to_its_target_on_any_runtime(tmp_path):
    path = tmp_path / "record.json"
    given = recommendation.Workload.usual.split()
    done = kernel("ddp", "--workload", "recommendation", *given, "--json", path, size=2, seconds=300)
    assert done.returncode == 0, done.stdout + done.stderr
    made = json.loads(path.read_text())
    assert made["status"] == "ok", made["reason"]
    assert made["metrics"]["HR@10"]["values"][0] > 0.5
    assert made["table"][0]["epochs"]


@pytest.mark.parametrize(("text", "named"), [("1\tone\n", "cannot be read"), ("1\t1\t3\t9\n" * 9, "is not")])
def test_a_file_that_is_not_movielens_is_named(tmp_path, text, named):
    (tmp_path / "u.data").write_text(text)
    with pytest.raises(Refusal, match=f"u.data {named}"):
        Ddp(workload="recommendation", data=str(tmp_path)).refuse(1)


@pytest.mark.parametrize("words", [["--batch", 4, "--iterations", 1, "--weights", 9], ["--batch", 16]])
def test_a_batch_that_is_known_by_heart_is_trained_rightly(words):
    """Its loss is 0, of which no error is a part."""
    given = ["--iterations", 20, "--weights", 40_000, "--quiet", *words]
    done = kernel("ddp", "--workload", "synthetic", *given)
    assert done.returncode == 0, done.stdout
