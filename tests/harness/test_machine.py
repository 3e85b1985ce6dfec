"""The machine measured for real, and comparisons of sweeps."""

import json
import sys

import pytest

from prk.harness import cli
from prk.harness.analyse import compare
from prk.harness.execute import campaign
from prk.harness.slurm import journal
from prk.harness.slurm.site import Site
from prk.machine import bounds, measure
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


def test_compare_two_runtimes_of_a_sweep(tmp_path):
    from dataclasses import replace
    from itertools import product

    made = planned(POINT, repeat=6)
    points = [*made.points, *(renamed(p, "shmem") for p in made.points)]
    made = replace(made, points=tuple(points), order=tuple(product(range(4), range(6))))
    stored(tmp_path / "s", made, lambda p, r: (1 if p.runtime == "mpi1" else 2) + 0.01 * r)
    text = compare.text(f"{tmp_path}/s:mpi1", f"{tmp_path}/s:shmem")
    assert text.count("mpi1 / shmem") == 2
    assert text.count("  slower") == 2
    with pytest.raises(Refusal, match="the sweep has no dask; use one of mpi1, shmem"):
        compare.text(f"{tmp_path}/s:mpi1", f"{tmp_path}/s:dask")


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
        return '{"latency": 1e-6, "bandwidth": 1e9, "stream": 1e-7}' if "flops" not in words[-2] else "1e9"

    monkeypatch.setattr(measure, "_output", output)
    monkeypatch.setattr(campaign, "run", lambda *_: None)
    out = tmp_path / ("s" if command[0] == "run" else "machine.json")
    more = ["--machine"] if command[0] == "run" else []
    assert cli.main([*command, *more, "--out", str(out), "--launcher", "srun -n {ranks} -N {nodes}"]) == 0
    assert said[0][:5] == ["srun", "-n", "2", "-N", "1"]
    assert said[0][-1] == "prk.runtimes._mpi.pingpong"
    found = bounds.read(out / "machine.json" if command[0] == "run" else out)
    assert (found.latency, found.message_stream) == (1e-6, 1e-7)


def test_within_a_job_the_bounds_are_measured_as_its_site_wants(tmp_path, monkeypatch):
    kept = stored(tmp_path / "s", planned(POINT))
    journal.path(kept).parent.mkdir()
    journal.Journal(Site(launcher="srun", mpi="pmi2")).write(kept)
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    used = []

    def measured(path, start):
        used.append(start)
        return MACHINE

    monkeypatch.setattr(measure, "measure", measured)
    assert cli.main(["machine", str(kept.folder)]) == 0
    words = used[0]({"ranks": 2, "nodes": 1, "ranks_per_node": 2, "threads": 1})
    assert words[:3] == ["srun", "--nodes=1", "--ntasks=2"]
    assert "--mpi=pmi2" in words
