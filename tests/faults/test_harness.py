"""Sweeps of runs with faults: how they are planned and started, and what their page shows."""

import json
from pathlib import Path
from typing import Any

import pytest

from prk.harness.analyse import daly
from prk.harness.analyse.rows import opened
from prk.harness.execute import command
from prk.harness.plan import expand, sweep
from prk.harness.show import faults, report
from prk.harness.slurm import jobs, step
from prk.harness.slurm.site import Site
from prk.problem import Refusal
from prk.records import identity
from tests.harness.making import a_record, planned, stored

BLOCK = {"kernel": "stencil", "runtime": "mpi1", "ranks": 4, "n": 200, "iterations": 100}
GIVEN = {"faults": "on", "state": "buddy", "recovery": "spares", "spares": 1, "kill-period": 60}


def plan(**options):
    return planned({**BLOCK, "options": {"mpi1": GIVEN | options}})


def test_point_states_what_befalls_it():
    (point,) = plan(checkpoint=5).points
    assert point.layout["ranks"] == 4
    assert point.options["checkpoint"] == 5
    assert point.options["mtbf"] == 0.0
    assert "faults=on" in point.variant
    # What three ranks send, the fourth one waits.
    usual = planned({**BLOCK, "ranks": 3}).points[0]
    assert point.cost == usual.cost
    assert usual.options == {}


def test_mistakes_are_found_before_anything_is_made():
    with pytest.raises(Refusal, match="checkpoint: buddy needs copies"):
        plan()
    with pytest.raises(Refusal, match="kill: '2' names no failure"):
        plan(checkpoint=5, kill="2")
    with pytest.raises(Refusal, match="kill: it is of a run with faults"):
        planned({**BLOCK, "options": {"mpi1": {"kill": "1@2"}}})


def test_launch_survives_and_is_neither_audited_nor_split():
    made = planned({**BLOCK, "options": {"mpi1": GIVEN | {"checkpoint": 5}}}, audit=True, split=True)
    one = command.launch(made, 0, made.points[0], 0, "record.json")
    assert one.command[:5] == ("mpirun", "--with-ft", "ulfm", "-n", "4")
    assert not one.audit
    assert "--split" not in one.command
    usual = planned(BLOCK, audit=True, split=True)
    one = command.launch(usual, 0, usual.points[0], 0, "record.json")
    assert one.command[:3] == ("mpirun", "-n", "4")
    assert one.audit
    assert "--split" in one.command


def test_slurm_keeps_the_job_and_starts_by_mpirun():
    made = plan(checkpoint=5)
    todo = [(0, made.points[0], 0)]
    (job,) = jobs.jobs(made, todo, lambda nodes: 0, lambda point: 10.0, together=False)
    script = jobs.script(job, "t", Site(), Path("/x"), ["word"])
    assert "#SBATCH --no-kill\n" in script
    words = step.command_of(Site(launcher="srun", mpi="pmix"), made.points[0], "r.json", 10, "/tmp")
    assert words[:3] == ["mpirun", "--with-ft", "ulfm"]
    # What fills the compile cache before needs no faults.
    assert all("faults" not in p.options for p in jobs.preparations(made.points))
    usual = planned(BLOCK)
    (job,) = jobs.jobs(usual, [(0, usual.points[0], 0)], lambda nodes: 0, lambda point: 10.0, together=False)
    assert "--no-kill" not in jobs.script(job, "t", Site(), Path("/x"), ["word"])


def befallen(useful, every):
    """Return what a record says of 100 repetitions of 1 ms, with three failures."""
    failure = {
        "ranks": [1], "repetition": 7, "resumed": 5, "members": 3, "detection": 0.001, "agreement": 0.002,
        "repair": 0.003, "restore": 0.004, "repeated": 0.005,
    }  # fmt: skip
    # Of one who waited, which keeps nobody from going on.
    spare = dict.fromkeys(failure) | {"ranks": [3], "members": 3}
    return {
        "members": 3, "left": 3, "died": 3, "failures": [failure, failure, spare],
        "checkpoints": 100 // every, "checkpoint_seconds": 0.002, "repetition_seconds": 0.001,
        "seconds": 0.1 / useful, "useful": useful, "mtbf": 0.06,
    }  # fmt: skip


def test_page_shows_overhead_beside_the_model(tmp_path):
    made = planned({**BLOCK, "options": {"mpi1": GIVEN | {"checkpoint": [1, 4, 16, 64]}}}, repeat=2)
    kept = stored(tmp_path / "sweep", made)
    for point in made.points:
        for repeat in range(2):
            every = point.options["checkpoint"]
            record = a_record(point, repeat=repeat) | {"faults": befallen(0.5 - 0.01 * repeat, every)}
            kept.path(identity.launch_name(point.id, repeat)).write_text(json.dumps(record))
    found = opened(kept)
    (panel,) = daly.panels(found.rows)
    assert [d.x for d in panel.series[0].dots] == [1, 4, 16, 64]
    assert panel.series[0].dots[0].samples == pytest.approx((1.0, 1 / 0.49 - 1))
    curve = dict(panel.lines["model: Young"])
    # A checkpoint of 2 ms each 4 ms, and each 60 ms of work 10 ms of recovery and half an interval.
    assert curve[4] == pytest.approx(2 / 4 + (10 + 2) / 60)
    assert "best interval: Young 15.5, Daly 14.2 repetitions" in panel.notes[0]
    line = dict(zip(faults.HEADER, faults.lines(found.rows)[0], strict=True))
    assert line["died"] == "3, 3"
    assert (line["detection (ms)"], line["repeated (ms)"], line["checkpoint (ms)"]) == ("1", "5", "2")
    page = report.render(found)
    assert "What failures cost" in page
    assert "What failures cost" not in report.render(opened(stored(tmp_path / "usual", planned(BLOCK))))


def test_shipped_sweep_can_be_planned():
    made = expand.make(sweep.read(sweep.find("faults")))
    assert {p.options["state"] for p in made.points} == {"analytic", "buddy", "disk", "shared"}
    assert {p.kernel for p in made.points} == {"stencil", "synch_p2p", "transpose", "amr"}
    assert {p.options["recovery"] for p in made.points} == {"shrink", "spares", "replace"}
    # Ten minutes on two cores.
    assert len(made.order) <= 150
    intervals: dict[Any, set[int]] = {}
    for p in made.points:
        befalls = p.options["kill-period"], p.options["mtbf"], p.options["kill"]
        intervals.setdefault((p.runtime, befalls), set()).add(p.options["checkpoint"])
    for befalls in ((0, 0.0, ""), (60, 0.0, ""), (0, 2.0, "")):
        assert len(intervals["mpi1", befalls]) == 4
