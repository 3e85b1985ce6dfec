"""An audit passes what is right and notices every wrong port, also those that a normal run believes."""

import json
import math
from dataclasses import replace
from typing import Any

import jsonschema
import numpy as np
import pytest

from prk import problem as contract
from prk.check import Box
from prk.job import Job
from prk.nstream import serial as nstream
from prk.run import audit, member, registry
from tests import cells
from tests.launch import ROOT, kernel
from tests.wrong_ports import Place, ports, training

SIZES = {
    "stencil": {"n": 40, "radius": 2},
    "amr": {"n": 40, "refinement": 15, "level": 1, "radius": 2},
    "synch_p2p": {"m": 40, "n": 30},
    "transpose": {"order": 48},
    "nstream": {"n": 1000},
    "allreduce": {"min_bytes": 4000, "max_bytes": 4000},
    "ddp": {"batch": 48},
}
SEED = 20261126
TORCH = registry.problem_class("ddp").missing() is None
PORTS = {name: port for name, port in ports().items() if TORCH or port.of != "ddp"}
SCHEMA = json.loads((ROOT / "prk/records/schema-2.json").read_text())


def made(name, **given) -> Any:
    return registry.problem_class(name)(**given)


def attempt(port, size, tmp_path, monkeypatch, seed=0, **more):
    """Run a port on a team of threads; return the exit code and the record."""
    given = {"iterations": 11 if port.of == "ddp" else 5, **SIZES[port.of], **more}
    problem = made(port.of, **given, audit=seed)
    path = tmp_path / f"{size}-{seed}.json"
    job = Job(port.of, "serial", problem, {}, json=str(path), quiet=True)
    monkeypatch.setattr(registry, "kernel_class", lambda *_: port)
    outcomes = Place(size).run(lambda comm: member.run(job, comm))
    return outcomes[0].code, json.loads(path.read_text())


@pytest.mark.parametrize("name", [n for n, port in PORTS.items() if port.caught == "run"])
def test_every_run_notices(name, tmp_path, monkeypatch):
    port = PORTS[name]
    code, record = attempt(port, 2, tmp_path, monkeypatch, **getattr(port, "given", {}))
    assert code == 1, port.__doc__
    assert record["status"] == "invalid"
    assert not any(m["values"] for m in record["metrics"].values())


@pytest.mark.parametrize("name", [n for n, port in PORTS.items() if port.caught == "audit"])
def test_only_an_audit_notices(name, tmp_path, monkeypatch):
    port = PORTS[name]
    size, more = getattr(port, "members", 2), getattr(port, "given", {})
    code, record = attempt(port, size, tmp_path, monkeypatch, **more)
    assert code == 0, record["reason"]
    # Of a busy machine's clock little can be said: what only that shows must be seen by one audit of three.
    for number in range(3):
        code, record = attempt(port, size, tmp_path, monkeypatch, SEED + number, **more)
        if code == 1:
            break
    assert code == 1, port.__doc__
    assert record["status"] == "invalid"
    assert record["audit"]["seed"] == SEED + number


RIGHT = {
    "stencil": [{"pattern": p, "dtype": d} for p in ("star", "compact") for d in ("float64", "float32")],
    "allreduce": [{"dtype": d, "place": p} for d in ("float32", "float64") for p in ("in", "out")],
}


@pytest.mark.parametrize("size", [1, 2, 3, 4])
@pytest.mark.parametrize("name", ["stencil", "amr", "synch_p2p", "transpose", "nstream", "allreduce"])
def test_right_ports_pass(name, size, tmp_path, monkeypatch):
    from importlib import import_module

    port = import_module(f"prk.runtimes._tagged.{name}").Kernel
    monkeypatch.setattr(port, "of", name, raising=False)
    for number, more in enumerate(RIGHT.get(name, [{}])):
        code, record = attempt(port, size, tmp_path, monkeypatch, SEED + number, **more)
        assert code == 0, record["reason"]
        jsonschema.validate(record, SCHEMA)
        assert record["audit"]["rounds"] == len(record["audit"]["repetitions"]) == 7
        assert record["audit"]["repetitions"].count(1) >= 5


@pytest.mark.skipif(not TORCH, reason="PyTorch is not installed")
@pytest.mark.parametrize("size", [1, 2])
def test_right_training_passes(size, tmp_path, monkeypatch):
    code, record = attempt(training.Averaged, size, tmp_path, monkeypatch, SEED)
    assert code == 0, record["reason"]


COLLECTIVES = ("allreduce", "reduce_scatter", "allgather", "broadcast", "alltoall")


@pytest.mark.parametrize("collective", COLLECTIVES)
def test_what_a_collective_must_give_is_what_moving_the_data_gives(collective):
    """The closed form for each collective against NumPy on all members' inputs at once."""
    size, dtype = 3, "float64"
    problem = made(
        "allreduce", min_bytes=240, max_bytes=240, collective=collective, place="in", audit=SEED, dtype=dtype
    )
    reference = audit._reference(Job("allreduce", "serial", problem, {}))
    fresh = audit.Data(SEED, 0)
    given = np.array([reference.besides(problem, size, r, fresh)["input"] for r in range(size)])
    _, (blocks, length) = problem.shape(size)
    for number, place in enumerate(contract_positions(3, length)):
        given[:, :, place] += 1
        moved = {
            "allreduce": lambda: np.broadcast_to(given.sum(0), given.shape),
            "reduce_scatter": lambda: given.sum(0)[:, None],
            "allgather": lambda: np.broadcast_to(given[:, 0], (size, size, length)),
            "broadcast": lambda: np.broadcast_to(given[0], given.shape),
            "alltoall": lambda: given.transpose(1, 0, 2),
        }[collective]().reshape(size, -1)
        whole = slice(0, size), slice(0, blocks * length)
        found = reference.expected(problem, size, fresh, "output", whole, number + 1)
        assert np.allclose(found, moved, rtol=1e-14)
        trace = reference.expected(problem, size, fresh, "trace", (whole[0], slice(0, 5)), number + 1)
        block = number % blocks
        assert np.allclose(trace[:, number], moved[:, block * length + place], rtol=1e-14)


def contract_positions(repetitions, length):
    return (np.arange(repetitions) * 7919 % length).tolist()


@pytest.mark.parametrize("name", ["stencil", "amr", "synch_p2p", "transpose", "nstream"])
def test_a_part_is_what_the_whole_has_there(name):
    """Any box of the expected fields is that part of the whole, however members and blocks are cut."""
    problem = made(name, **SIZES[name], audit=SEED)
    reference = audit._reference(Job(name, "serial", problem, {}))
    fresh = audit.Data(SEED, 3)
    draw = np.random.default_rng(1)
    for field, whole in problem.whole(1).items():
        every = reference.expected(problem, 1, fresh, field, tuple(slice(0, n) for n in whole.shape), 3)
        for _ in range(20):
            where = tuple(slice(*sorted(draw.choice(n + 1, 2, replace=False).tolist())) for n in whole.shape)
            part = reference.expected(problem, 1, fresh, field, where, 3)
            assert np.allclose(part, every[where], rtol=1e-14, atol=1e-14)


def test_data_have_whole_mantissas_and_depend_on_everything():
    where = slice(5, 105), slice(1000, 1100)
    data = audit.Data(1, 0)("a", where)
    assert data.min() >= 0.5
    assert data.max() < 1.5
    assert abs(data.mean() - 1) < 0.01
    assert np.unique(data).size == data.size
    assert (data != data.astype(np.float32)).mean() > 0.99
    assert np.array_equal(audit.Data(1, 0)("a", (slice(7, 9), slice(1003, 1004))), data[2:4, 3:4])
    for other in (audit.Data(2, 0)("a", where), audit.Data(1, 1)("a", where), audit.Data(1, 0)("b", where)):
        assert not (other == data).any()


@pytest.mark.parametrize(
    "shape", [(3,), (200_000,), (300, 1000), (2, 200_000), (3, 5, 70_000), (0, 4), (4, 0)]
)
def test_blocks_make_up_the_array(shape):
    count = np.zeros(shape, np.int8)
    for part in audit.blocks(shape):
        count[part] += 1
        assert count[part].size <= audit.BLOCK
    assert (count == 1).all()


def times(returned, total=None, laps=0.0):
    return audit.Times(returned, total or returned, laps)


def judged(once, many, count, seconds, iterations=10):
    return [c.name for c in audit.verdict(once, many, count, seconds, iterations) if not c.valid]


def test_the_clock_believes_what_grows():
    assert not judged(times(0.02), times(0.08), 4, 0.02)
    # A start of its own, as of threads or messages, is no repetition's.
    assert not judged(times(0.005), times(0.026), 1024, 2e-5)
    # Too short to tell.
    assert not judged(times(1e-6), times(1e-3), 1024, 1e-9)


def test_the_clock_notices_what_does_not():
    assert judged(times(0.02), times(0.02), audit.MOST, 0.002) == [
        f"audit: time of one repetition over that of {audit.MOST}"
    ]
    assert judged(times(1e-4, 0.02), times(1e-4, 0.08), 4, 1e-5) == [
        "audit: work over what repeat() does of it"
    ]
    assert judged(times(0.02), times(0.08), 4, 1e-3) == ["audit: time of a repetition over what was stated"]
    assert judged(times(0.02), times(0.08, laps=1e-3), 4, 0.02) == ["audit: time over the sum of its laps"]


def test_counts_are_those_of_the_seed_and_what_a_kernel_has_room_for():
    problem = made("nstream", audit=SEED)
    assert audit.rounds(problem) == audit.rounds(problem)
    assert len({audit.rounds(replace(problem, audit=s)) for s in range(1, 20)}) > 5
    assert max(audit.rounds(replace(problem, iterations=1))) <= 2


def test_the_seed_is_no_part_of_a_point_unless_there_is_one():
    problem = made("nstream")
    assert "audit" not in problem.parameters()
    assert replace(problem, audit=3).parameters()["audit"] == 3
    assert contract.Problem.__dataclass_fields__["audit"].metadata["introduced"] == 0


def test_the_command_line_draws_a_seed_prints_and_records_it(tmp_path):
    path = tmp_path / "record.json"
    done = kernel("stencil", "--n", 60, "--audit", "--json", path, size=2)
    assert done.returncode == 0, done.stdout + done.stderr
    record = json.loads(path.read_text())
    seed = record["audit"]["seed"]
    assert seed > 0
    assert f"Audited, seed = {seed}\n" in done.stdout
    jsonschema.validate(record, SCHEMA)
    again = kernel("stencil", "--n", 60, "--audit-seed", seed)
    assert again.returncode == 0
    assert f"Audited, seed = {seed}\n" in again.stdout
    assert "Audited" not in kernel("stencil", "--n", 60).stdout


def test_a_seed_that_is_none_is_refused():
    done = kernel("stencil", "--audit-seed", 0)
    assert done.returncode == 2
    assert "--audit-seed" in done.stderr


def test_a_kernel_without_audit_refuses_in_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr(audit, "_module", lambda kernel: "prk.stencil.no_such_file")
    port = registry.kernel_class("serial", "stencil")
    job = Job("stencil", "serial", made("stencil", n=40, audit=1), {}, quiet=True)
    (outcome,) = Place(1).run(lambda comm: member.run(job, comm))
    assert port
    assert outcome.code == 2
    assert outcome.message.startswith("--audit: stencil has no audit.py")


def test_a_kernel_that_takes_up_no_data_refuses(monkeypatch, tmp_path):
    class Closed(nstream.Kernel):
        def restore(self, state, repetition):
            raise NotImplementedError("it is elsewhere")

    monkeypatch.setattr(registry, "kernel_class", lambda *_: Closed)
    job = Job("nstream", "serial", made("nstream", n=40, audit=1), {}, quiet=True)
    outcomes = Place(2).run(lambda comm: member.run(job, comm))
    assert [o.code for o in outcomes] == [2, 2]
    assert "it is elsewhere" in outcomes[0].message


def test_nan_is_never_right():
    problem = made("nstream", n=10, audit=1)
    reference = audit._reference(Job("nstream", "serial", problem, {}))
    field = {"a": Box((slice(0, 10),), np.full(10, math.nan))}
    assert math.isnan(audit.errors(problem, 1, field, audit.Data(1, 0), reference, 1)["a"].value)


def test_every_shipped_kernel_has_an_audit():
    for name in registry.kernels():
        job = Job(name, "serial", cells.problems(name, 1)[0], {})
        audit.refuse(replace(job, problem=replace(job.problem, audit=1)))


@pytest.mark.parametrize("collective", ["broadcast", "alltoall", "allgather", "reduce_scatter"])
def test_every_collective_passes_in_and_out_of_place(collective):
    for place in ("in", "out"):
        words = ["--collective", collective, "--place", place, "--max-bytes", 4096, "--quiet"]
        done = kernel("allreduce", *words, "--audit-seed", SEED, size=2)
        assert done.returncode == 0, done.stdout + done.stderr
