"""The machine measured for real, and comparisons of sweeps."""

import json
import sys
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from prk.harness import cli
from prk.harness.analyse import compare
from prk.harness.execute import campaign
from prk.harness.slurm import journal
from prk.harness.slurm.site import Site
from prk.machine import access, bounds, measure, memory, model
from prk.problem import Refusal
from tests.harness.making import planned, renamed, stored
from tests.harness.test_bounds import MACHINE
from tests.harness.test_campaign import bench
from tests.launch import mpirun, run

POINT = {"kernel": "stencil", "runtime": "mpi1", "ranks": [1, 2], "n": 400}


def test_this_machine(tmp_path):
    path = tmp_path / "machine.json"
    done = bench("machine", "--out", path)
    assert done.returncode == 0, done.stdout + done.stderr
    found = bounds.read(path)
    # No computer that runs this is outside of these.
    assert 5e8 < found.core_bandwidth < 1e12
    assert 5e8 < found.core_flops < 1e12
    assert 2e-8 < found.latency < 1e-2
    assert 1e7 < found.message_bandwidth < 1e12
    assert 1e-9 < found.message_stream < 1e-2
    assert "GFlop/s" in done.stdout
    # And what predictions want, of what there is on one node.
    foretelling = model.read(path)
    assert foretelling.figures["distance.core.overhead"].origin == "measured"
    assert foretelling.figures["distance.group.latency"].origin == "assumed"
    assert 1e-8 < foretelling["distance.core.overhead"] < 1e-2
    assert 1e-9 < foretelling["distance.core.flag"] < 1e-2
    assert {"stencil", "synch_p2p", "transpose"} <= foretelling.kernels.keys()
    assert json.loads(path.read_text())["environment"]["cpu"]
    again = bench("machine", "--out", path)
    assert again.returncode == 2
    assert "the machine is measured already" in again.stderr


def test_ping_pong_wants_two_ranks():
    done = mpirun(1, "-m", "prk.runtimes._mpi.pingpong")
    assert done.returncode == 2
    assert "start it as mpirun -n 2" in done.stderr


def test_bad_machine_records_are_refused(tmp_path):
    path = tmp_path / "machine.json"
    assert bounds.read(path) is None
    for text, said in (
        ("{", "cannot be read"),
        ('{"schema": 9, "bounds": {}}', "schema 9"),
        ("{}", "no machine record"),
    ):
        path.write_text(text)
        with pytest.raises(Refusal, match=said):
            bounds.read(path)


def test_flop_peak_prints_one_number():
    done = run(sys.executable, "-m", "prk.machine.flops", 1)
    assert float(done.stdout) > 1e8


def test_bandwidth_prints_one_number_for_each_count():
    done = run(sys.executable, "-m", "prk.machine.memory", 1 << 22, 1, 2)
    assert all(1e8 < one < 1e12 for one in json.loads(done.stdout))
    assert memory.bandwidth(1, 0) > 0


def test_access_to_words_is_measured(monkeypatch):
    monkeypatch.setattr(access, "WORDS", 1 << 12)
    monkeypatch.setattr(access, "LOADS", 1 << 12)
    monkeypatch.setattr(access, "UPDATES", 1 << 12)
    found = access.measure(2)
    assert set(found) == {"chase", "atomic", "updates"}
    assert 1e-11 < found["chase"] < 1e-3
    assert 1e-11 < found["atomic"] < 1e-3
    assert 1e3 < found["updates"] < 1e12


def test_a_cycle_goes_through_the_whole_table():
    table = np.empty(1 << 10, np.int64)
    access.link(table)
    seen = [at := 0]
    seen += [at := int(access.follow(table, at, 1)) for _ in range(table.size - 1)]
    assert sorted(seen) == list(range(table.size))
    assert access.follow(table, 0, table.size) == 0
    # As many updates as words, in the same order: each once.
    values = np.zeros(table.size, np.int64)
    access.update(values, 0, table.size)
    assert np.array_equal(values, np.arange(table.size))


def sweeps(tmp_path, factor, repeat=6):
    made = planned(POINT, repeat=repeat)
    for name, scale in (("a", 1.0), ("b", 1 / factor)):
        stored(tmp_path / name, made, lambda p, r, scale=scale: scale * (1 + 0.001 * r) / p.cores)
    return str(tmp_path / "a"), str(tmp_path / "b")


@pytest.mark.parametrize(("factor", "said"), [(1.2, "faster"), (0.8, "slower"), (1.0, "not distinguishable")])
def test_compare_two_sweeps(tmp_path, factor, said):
    lines = compare.text(*sweeps(tmp_path, factor)).splitlines()
    rows = [line for line in lines if line.startswith("stencil")]
    assert len(rows) == 2
    assert all(row.endswith(f"  {said}") for row in rows)
    assert all(f"{factor:.3f}" in row for row in rows)


def test_too_few_launches_are_told(tmp_path):
    assert "too few launches" in compare.text(*sweeps(tmp_path, 2.0, repeat=3))
    assert compare.smallest_p(4, 4) < 0.05 < compare.smallest_p(3, 3)


def of_two_runtimes(folder, factor=1.0, more=()):
    """Store a sweep of mpi1 and shmem, which takes twice as long, and of `more` points."""
    made = planned(POINT, repeat=6)
    points = [*made.points, *(renamed(p, "shmem") for p in made.points), *more]
    made = replace(made, points=tuple(points), order=tuple(product(range(len(points)), range(6))))
    stored(folder, made, lambda p, r: factor * (1 if p.runtime == "mpi1" else 2) + 0.01 * r)
    return folder


def table_of(text):
    """Return the lines of a comparison's table by what they compare."""
    return [line.split() for line in text.splitlines() if line.startswith("stencil")]


def test_compare_two_runtimes_of_a_sweep(tmp_path):
    of_two_runtimes(tmp_path / "s")
    text = compare.text(f"{tmp_path}/s:mpi1", f"{tmp_path}/s:shmem")
    assert text.count("mpi1 / shmem") == 2
    assert text.count("  slower") == 2
    with pytest.raises(Refusal, match="the sweep has no dask; use one of mpi1, shmem"):
        compare.text(f"{tmp_path}/s:mpi1", f"{tmp_path}/s:dask")


def test_a_runtime_that_is_named_once_is_meant_of_both(tmp_path):
    of_two_runtimes(tmp_path / "a")
    of_two_runtimes(tmp_path / "b", factor=2.0)
    for pair in ((":mpi1", ""), ("", ":mpi1"), (":mpi1", ":mpi1")):
        text = compare.text(
            *(f"{tmp_path}/{name}{runtime}" for name, runtime in zip("ab", pair, strict=True))
        )
        assert [line[1] for line in table_of(text)] == ["mpi1", "mpi1"]
        assert text.startswith(f"A: {tmp_path}/a: mpi1\nB: {tmp_path}/b: mpi1\n")
        assert "Only in one" not in text
    # Of two sweeps, runtimes are not mixed, and none counts as left over.
    assert [line[1] for line in table_of(compare.text(f"{tmp_path}/a", f"{tmp_path}/b"))] == [
        "mpi1",
        "mpi1",
        "shmem",
        "shmem",
    ]
    stored(tmp_path / "c", planned(POINT, repeat=6))
    with pytest.raises(Refusal, match="c:shmem: the sweep has no shmem; use one of mpi1"):
        compare.text(f"{tmp_path}/a:shmem", f"{tmp_path}/c")


def test_each_way_to_fill_the_cores_is_compared_and_none_counts_below_zero(tmp_path):
    (one,) = (p for p in planned(POINT).points if p.cores == 2)
    ways = [{**one.layout, "ranks": r, "threads": 4 // r} for r in (1, 2, 4)]
    more = [renamed(one, "both", layout=layout) for layout in ways]
    single = renamed(one, "mine", layout={**one.layout, "ranks": 4})
    folder = of_two_runtimes(tmp_path / "s", more=[*more, single])
    text = compare.text(f"{folder}:mine", f"{folder}:both")
    # ... cores 4 / 1x4 size: ranks x threads, where there are threads.
    cores = [" ".join(line[4 : line.index("n=400")]) for line in table_of(text)]
    assert cores == ["4 / 1x4", "4 / 2x2", "4"]
    assert "Only in one" not in text
    one_way = compare.text(f"{folder}:both", f"{folder}:mine")
    assert len(table_of(one_way)) == 3
    assert "Only in one" not in one_way
    # Those on one core and on two have nothing beside them.
    whole = compare.text(str(folder), str(of_two_runtimes(tmp_path / "t")))
    assert "Only in one of them: 4 points of A, 0 of B." in whole


def test_a_folder_may_have_a_colon_in_its_name(tmp_path):
    of_two_runtimes(tmp_path / "12:30:00")
    assert compare.split(f"{tmp_path}/12:30:00") == (f"{tmp_path}/12:30:00", "")
    text = compare.text(f"{tmp_path}/12:30:00:mpi1", f"{tmp_path}/12:30:00:shmem")
    assert text.count("mpi1 / shmem") == 2


def test_many_tests_are_corrected_and_the_confidence_is_the_one_reached(tmp_path):
    a, b = sweeps(tmp_path, 1.2)
    text = compare.text(a, b)
    assert "p of 2  B is" in text
    # Six and six: at least 2 of 924 orders, twice as likely for two tests; the interval's exact confidence.
    assert [line[-5:] for line in table_of(text)] == [["1.204", "95.9%", "0.00216", "0.00433", "faster"]] * 2
    made = planned({**POINT, "n": [400 + n for n in range(13)]}, repeat=6)
    for name, scale in (("c", 1.0), ("d", 0.5)):
        stored(tmp_path / name, made, lambda p, r, scale=scale: scale + 0.001 * r)
    text = compare.text(f"{tmp_path}/c", f"{tmp_path}/d")
    assert "faster" not in text
    assert (
        text.count("not distinguishable (too few launches for 26 tests: 7 on each side are the least)") == 26
    )


def test_a_point_that_failed_is_unknown_not_absent(tmp_path):
    made = planned(POINT, repeat=6)
    stored(tmp_path / "a", made)
    stored(tmp_path / "b", made, lambda p, r: ("failed", "no") if p.cores == 2 else 0.01)
    text = compare.text(f"{tmp_path}/a", f"{tmp_path}/b")
    assert "unknown: A ok, B 6 failed" in text


@pytest.mark.parametrize("command", [["machine"], ["run", "--kernel=nstream", "--runtime=mpi1", "--n=999"]])
def test_bounds_are_measured_by_the_launcher_that_is_named(tmp_path, monkeypatch, command):
    monkeypatch.setattr(measure, "_bandwidth", lambda *_: 1e9)
    said = []

    def output(words, folder, oversubscribed=False):
        said.append(list(words))
        if words[-4] == "prk.machine.memory":
            return "[2e9, 3e9]"
        if words[-2] == "prk.machine.access":
            return json.dumps({"chase": 1e-7, "updates": 1e7 * int(words[-1]), "atomic": 5e-9})
        if words[-1] == "prk.runtimes._mpi.loggp":
            near = dict.fromkeys([*model.OF_DISTANCE, "flag"], 1e-6)
            noise = dict.fromkeys(("rate", "duration"), 1e-6)
            return json.dumps({"sockets": 1, "distance": {"core": near}, "noise": noise})
        if words[-2] == "prk.runtimes._mpi.alone":
            return '{"stencil": [[1e6, 1e-3]]}'
        return '{"latency": 1e-6, "bandwidth": 1e9, "stream": 1e-7}' if "flops" not in words[-2] else "1e9"

    monkeypatch.setattr(measure, "_output", output)
    monkeypatch.setattr(campaign, "run", lambda *_: None)
    out = tmp_path / ("s" if command[0] == "run" else "machine.json")
    more = ["--machine"] if command[0] == "run" else []
    assert cli.main([*command, *more, "--out", str(out), "--launcher", "srun -n {ranks} -N {nodes}"]) == 0
    assert said[0][:5] == ["srun", "-n", "2", "-N", "1"]
    assert said[0][-1] == "prk.runtimes._mpi.pingpong"
    found = bounds.read(out / "machine.json" if command[0] == "run" else out)
    # The best of the yardstick and of what only reads or updates.
    assert (found.core_bandwidth, found.bandwidth) == (2e9, 3e9)
    assert (found.latency, found.message_stream, found.chase, found.atomic) == (1e-6, 1e-7, 1e-7, 5e-9)
    assert (found.core_updates, found.updates) == (1e7, 1e7 * found.cores)
    assert [words[-1] for words in said if words[0] == "srun"][1] == "prk.runtimes._mpi.loggp"


def test_within_a_job_the_bounds_are_measured_as_its_site_wants(tmp_path, monkeypatch):
    kept = stored(tmp_path / "s", planned(POINT))
    journal.path(kept).parent.mkdir()
    journal.Journal(Site(launcher="srun", mpi="pmi2")).write(kept)
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    used = []

    def measured(path, start, nodes):
        assert nodes == 1
        used.append(start)
        return MACHINE

    monkeypatch.setattr(measure, "measure", measured)
    assert cli.main(["machine", str(kept.folder)]) == 0
    words = used[0]({"ranks": 2, "nodes": 1, "ranks_per_node": 2, "threads": 1})
    assert words[:3] == ["srun", "--nodes=1", "--ntasks=2"]
    assert "--mpi=pmi2" in words
