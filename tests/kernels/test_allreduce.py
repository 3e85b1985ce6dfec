"""Collectives: schedules of our own algorithms, bandwidths, the fit, and the command line."""

import json
import sys

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prk.allreduce import fit, model, schedules
from prk.allreduce.problem import Allreduce
from prk.check import Box
from prk.problem import Measured, Refusal
from prk.records import migrate, write
from prk.run import registry
from tests import cells
from tests.launch import ROOT, kernel, mpirun, own_lines, run

SCHEMA = json.loads((ROOT / "prk" / "records" / "schema-2.json").read_text())
SIZES = st.one_of(st.integers(1, 70), st.integers(71, 12288))


@given(SIZES, st.data())
def test_fold_pairs_the_ranks_beyond_a_power_of_two(size, data):
    rank = data.draw(st.integers(0, size - 1))
    fold = schedules.fold(rank, size)
    if fold.gives_to is not None:
        assert schedules.fold(fold.gives_to, size).takes_from == rank
    else:
        assert fold.index is not None
        assert fold.index < schedules.power(size)
        assert schedules.unfold(fold.index, size) == rank


@given(SIZES, st.integers(0, 10**6), st.data())
def test_halving_partners_agree_and_keep_everything(size, count, data):
    index = data.draw(st.integers(0, schedules.power(size) - 1))
    start, stop = 0, count
    for number, step in enumerate(schedules.halvings(index, size, count)):
        assert sorted([(step.keep.start, step.keep.stop), (step.give.start, step.give.stop)])[0][0] == start
        assert max(step.keep.stop, step.give.stop) == stop
        other = schedules.halvings(index ^ (1 << number), size, count)[number]
        assert (other.keep, other.give) == (step.give, step.keep)
        assert other.partner == schedules.unfold(index, size)
        start, stop = step.keep.start, step.keep.stop


@given(SIZES.filter(lambda s: s > 1), st.integers(0, 10**5), st.data())
def test_ring_neighbours_agree(size, count, data):
    rank = data.draw(st.integers(0, size - 1))
    own, left = schedules.ring(rank, size, count), schedules.ring((rank - 1) % size, size, count)
    assert [sent for sent, _ in left] == [received for _, received in own]
    assert [sent for sent, _ in own[1:]] == [received for _, received in own[:-1]]


@given(st.integers(0, 100), st.integers(0, 100), st.integers(1, 50))
def test_segments_cover_their_part_once(start, length, each):
    cut = schedules.segments(slice(start, start + length), each)
    assert [i for s in cut for i in range(s.start, s.stop)] == list(range(start, start + length))


def test_bandwidth_factors_are_those_of_nccl_tests():
    factors = {c: Allreduce(collective=c).busbw_factor(4) for c in ("allreduce", "allgather", "broadcast")}
    assert factors == {"allreduce": 1.5, "allgather": 0.75, "broadcast": 1.0}
    assert Allreduce(collective="reduce_scatter").busbw_factor(8) == 7 / 8
    assert Allreduce(collective="alltoall").busbw_factor(2) == 0.5


def test_sizes_are_whole_elements_and_whole_blocks():
    assert Allreduce(max_bytes=256).sizes == [4, 16, 64, 256]
    assert Allreduce(max_bytes=256, dtype="float64").sizes == [8, 16, 64, 256]
    cases = Allreduce(max_bytes=256, collective="allgather").cases(3, 0)
    assert [c.max_bytes for c in cases] == [12, 60, 252]
    assert [c.count(3) for c in cases] == [1, 5, 21]
    assert Allreduce(max_bytes=256).count(3) == 64


@pytest.mark.parametrize("problem", cells.problems("allreduce", 1))
@pytest.mark.parametrize("field", ["output", "trace"])
def test_one_wrong_element_counts_as_one(problem, field):
    whole = cells.expected("allreduce", problem, 1)
    for wrong in (1.0, np.nan):
        parts = {k: Box(tuple(slice(0, s) for s in v.shape), v.copy()) for k, v in whole.items()}
        assert problem.check(problem.partial(parts))[0].valid
        parts[field].values[0, 2] += wrong
        (check,) = problem.check(problem.partial(parts))
        assert check.error == 1
        assert not check.valid


def rows(latency, bandwidth, noise=1.0):
    sizes = [4**k for k in range(1, 14)]
    p50 = [(latency + s / bandwidth) * 1e6 for s in sizes]
    return [{"bytes": s, "p50": t, "p95": noise * t} for s, t in zip(sizes, p50, strict=True)]


@given(st.floats(1e-7, 1e-4), st.floats(1e8, 1e11))
def test_fit_finds_latency_and_bandwidth(latency, bandwidth):
    found = model.line(rows(latency, bandwidth))
    at_ends = [
        found.seconds(4) / (latency + 4 / bandwidth),
        found.seconds(4**13) / (latency + 4**13 / bandwidth),
    ]
    assert at_ends == pytest.approx([1, 1], rel=0.3)


def test_crossover_and_refusals():
    quick, wide = model.line(rows(1e-6, 1e9)), model.line(rows(10e-6, 10e9))
    assert model.crossover(quick, wide) == pytest.approx(10_000, rel=0.1)
    assert model.crossover(quick, quick) is None
    assert "noisy" in (model.refused(rows(1e-6, 1e9, noise=3.0)) or "")
    assert "too few" in (model.refused(rows(1e-6, 1e9)[:2]) or "")
    assert model.refused(rows(1e-6, 1e9)) is None


def a_record(variant, *given, status="ok"):
    parameters = {"collective": "allreduce", "dtype": "float32", "place": "out"}
    same = {"parameters": parameters, "runtime": "mpi1", "layout": {"ranks": 2}}
    return {**same, "variant": variant, "status": status, "table": rows(*given) if given else []}


def test_records_of_a_sweep_are_fitted_by_algorithm_and_their_crossover_told():
    quick, wide = a_record("", 1e-6, 1e9), a_record("algorithm=ring", 10e-6, 10e9)
    slow, noisy = a_record("", 1e-3, 1e6), a_record("algorithm=rabenseifner", 1e-6, 1e9, 3.0)
    lines = fit.report([slow, wide, quick, quick, noisy, a_record("algorithm=x", status="failed")])
    where = "allreduce float32 out, 2 ranks: "
    assert len(lines) == 5
    # The median of its three launches.
    assert lines[0] == where + f"mpi1: {model.line(quick['table'])}"
    assert "noisy" in lines[2]
    assert lines[3] == where + "mpi1 algorithm=x: refused, status failed"
    words = lines[4].removeprefix(where).split()
    assert words[:6] == ["mpi1", "is", "faster", "up", "to", words[5]]
    assert float(words[5]) == pytest.approx(10_000, rel=0.1)
    assert words[7:] == ["mpi1", "algorithm=ring", "beyond"]


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"min_bytes": 0}, "--min-bytes"),
        ({"factor": 1}, "--factor"),
        ({"max_bytes": 2}, "--max-bytes"),
        ({"iterations": 2**24}, "float64"),
    ],
)
def test_wrong_sizes_are_refused(given, named):
    with pytest.raises(Refusal, match=named):
        Allreduce(**given).refuse(2)


def test_sizes_beyond_the_memory_are_refused():
    done = kernel("allreduce", "--max-bytes", 1 << 42)
    assert done.returncode == 2
    assert "GiB" in own_lines(done)[0]
    assert "--max-bytes" in own_lines(done)[0]


def test_table_is_printed_recorded_and_fitted(tmp_path):
    path = tmp_path / "record.json"
    done = kernel("allreduce", "--algorithm", "ring", "--max-bytes", 65536, "--json", path, size=2)
    assert done.returncode == 0, done.stderr
    assert "busbw (GB/s)" in done.stdout
    made = json.loads(path.read_text())
    jsonschema.validate(made, SCHEMA)
    assert [row["bytes"] for row in made["table"]] == [4**k for k in range(1, 9)]
    for row in made["table"]:
        assert row["busbw"] == pytest.approx(row["algbw"])
        assert row["algbw"] == pytest.approx(row["bytes"] / row["time"] / 1e3)
        assert row["p50"] <= row["p95"] <= row["max"]
        assert row["wrong"] == 0
    # What is stated is of the largest message, whatever the sizes before it took.
    last, stated = made["table"][-1], {name: m["values"] for name, m in made["metrics"].items()}
    assert stated["rate"] == [pytest.approx(last["busbw"])]
    assert stated["algbw"] == [pytest.approx(last["algbw"])]
    assert stated["time"] == [pytest.approx(last["time"])]
    assert (made["work"], made["version"]) == (65536, 2)
    assert not made["metrics"]["time"]["larger_is_better"]
    assert f"Rate (GB/s): {last['busbw']:.6f}" in done.stdout
    done = run(sys.executable, "-m", "prk.allreduce.fit", path)
    assert done.returncode == 0
    assert "algorithm=ring" in done.stdout


def test_records_of_the_first_schema_are_fitted_too(tmp_path):
    old = a_record("", 1e-6, 1e9) | {"schema": 1, "kernel": "allreduce", "unit": "MB/s", "work": 1000}
    old |= {"placement": [{"rank": 0, "host": "a", "cpus": [0]}], "samples": [{"max": 1.0}], "rate": None}
    write.write(old, tmp_path / "old.json")
    write.write(a_record("algorithm=ring", 2e-6, 5e8) | {"schema": migrate.VERSION}, tmp_path / "new.json")
    done = run(sys.executable, "-m", "prk.allreduce.fit", tmp_path / "old.json", tmp_path / "new.json")
    assert done.returncode == 0, done.stderr
    assert "mpi1 is faster than mpi1 algorithm=ring at every size" in done.stdout


def test_bus_bandwidth_of_the_largest_message_is_stated():
    problem = Allreduce(max_bytes=4000, collective="allgather")
    (largest,) = problem.stated([Measured(p, 2e-6, (), (), ()) for p in problem.cases(4, 0)])
    assert largest.problem.work == 1024
    found = problem.values(largest, 4)
    assert found == pytest.approx({"rate": 0.75 * 0.512, "algbw": 0.512, "time": 2.0})
    # One member has no bus.
    assert problem.values(largest, 1)["rate"] == pytest.approx(0.512)


def test_fit_of_what_is_no_record_is_refused(tmp_path):
    (tmp_path / "x.json").write_text("{}")
    done = run(sys.executable, "-m", "prk.allreduce.fit", tmp_path / "x.json")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_own_algorithm_of_another_collective_is_refused():
    done = kernel("allreduce", "--algorithm", "ring", "--collective", "broadcast", size=2)
    assert done.returncode == 2
    assert "--algorithm" in own_lines(done)[0]


@pytest.mark.parametrize("name", ["mpishm", "charm4py", "dask"])
def test_runtimes_with_allreduce_only_refuse_the_others(name):
    how = registry.runtime(name)
    options = {o.name: o.default for o in how.cell("allreduce").options}
    how.refuse("allreduce", Allreduce(), options, 2)
    with pytest.raises(Refusal, match=f"--collective: {name} has allreduce, no alltoall"):
        how.refuse("allreduce", Allreduce(collective="alltoall"), options, 2)


def test_dask_is_labelled_as_no_collective_runtime():
    assert "no collectives" in registry.runtime("dask").cell("allreduce").warning


def test_allreduce_on_mpi_works_without_torch(tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError('no torch')\n")
    done = mpirun(2, "-m", "prk.allreduce", "--max-bytes", 64, PYTHONPATH=str(tmp_path))
    assert done.returncode == 0, done.stderr
