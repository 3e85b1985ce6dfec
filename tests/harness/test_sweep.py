"""Sweeps of programs that cost nothing: ended in any way, spoilt, gone on with, made longer, put together."""

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from prk.harness import cli
from prk.harness.analyse import results, rows
from prk.harness.execute import campaign
from prk.harness.slurm.journal import Entry, Journal
from prk.harness.slurm.site import Site
from prk.harness.store import Store
from prk.run.processes import marked, wait_until
from tests.harness.making import STAND_IN, a_record, planned, stored
from tests.harness.test_campaign import BENCH
from tests.launch import ENVIRONMENT


def sweep_of(tmp_path, command, top="", points="n = [100, 101]"):
    path = tmp_path / "sweep.toml"
    path.write_text(
        f"seed = 1\n{top}\n[runtimes.other]\ncommand = {json.dumps(command)}\n"
        f'[[points]]\nkernel = "stencil"\nruntime = "other"\n{points}\n'
    )
    return str(path)


GOOD = f"{STAND_IN} good {{iterations}} {{n}}"


def bench(*words):
    return cli.main([str(word) for word in words])


def statuses(folder):
    kept = Store(folder)
    found = results.load(kept, kept.plan())
    assert not found.problems
    return found.counts()


def harness(*words, **more):
    return subprocess.Popen(
        [*BENCH, *map(str, words)],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **more,
    )


def running(folder):
    """Return the processes of a sweep by what marks them."""
    return marked(campaign.mark(Store(folder)))


def sleepers(folder):
    return {pid for pid, line in running(folder).items() if line.startswith("sleep")}


def awaited(folder, *words):
    """Return a harness when a launch of its sweep runs."""
    started = harness(*words)
    assert wait_until(lambda: sleepers(folder), 60), started.stderr
    return started


# The shell dies with its parent, and what it started does not.
LASTING = "sh -c 'sleep 300; true {n}'"


def test_what_outlives_a_killed_harness_is_ended_before_another_goes_on(tmp_path, mark):
    folder = tmp_path / "s"
    first = awaited(folder, "run", sweep_of(tmp_path, LASTING), "--out", folder)
    first.kill()
    first.communicate()
    left = sleepers(folder)
    assert left
    second = harness("continue", folder)
    assert wait_until(lambda: sleepers(folder) - left, 60)
    assert not sleepers(folder) & left
    second.send_signal(signal.SIGTERM)
    assert second.wait(20) == 130
    assert not running(folder)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_asked_twice_to_end_it_leaves_nothing(tmp_path, mark, number):
    folder = tmp_path / "s"
    # It does not end when it is asked to.
    stubborn = "sh -c 'trap : TERM INT; while :; do sleep 300; done; true {n}'"
    started = awaited(folder, "run", sweep_of(tmp_path, stubborn), "--out", folder)
    for _ in range(3):
        started.send_signal(number)
        time.sleep(0.2)
    _, err = started.communicate(timeout=30)
    assert started.returncode == 130, err
    assert err.splitlines() == ["prk-bench: interrupted; prk-bench continue runs what is missing"]
    assert not running(folder)
    assert not Store(folder).names()


@pytest.mark.parametrize("output", ["closed at once", "closed after a line", "full"])
def test_a_sweep_needs_no_output(tmp_path, output):
    folder = tmp_path / "s"
    words = [*BENCH, "run", sweep_of(tmp_path, GOOD, "repeat = 3"), "--out", str(folder)]
    ending = {"closed at once": " >&-", "closed after a line": " | head -1", "full": " >/dev/full"}[output]
    done = subprocess.run(
        ["bash", "-c", f'set -o pipefail; "$@"{ending}', "bash", *words],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    assert statuses(folder) == {"ok": 6}


def test_an_output_that_cannot_be_written_is_said_in_one_line(tmp_path):
    kept = stored(tmp_path / "s", planned({"kernel": "stencil", "runtime": "mpi1", "n": 64}))
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*BENCH, "results", str(kept.folder)],
            env=ENVIRONMENT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 1
    assert done.stderr == ("prk-bench: standard output: No space left on device; see that it can be used\n")


def test_spoilt_records_are_set_aside_and_run_again(tmp_path, capsys):
    folder = tmp_path / "s"
    assert bench("run", sweep_of(tmp_path, GOOD, "repeat = 2"), "--out", folder) == 0
    kept = Store(folder)
    one, two, three, _ = (kept.path(name) for name in sorted(kept.names()))
    one.write_text(one.read_text()[:100])
    two.write_text(json.dumps({**json.loads(two.read_text()), "schema": 99}))
    three.unlink()
    os.mkfifo(three)
    for command in ("status", "results"):
        assert bench(command, folder) == 0
    assert capsys.readouterr().out.count("  not used: ") == 3
    assert bench("continue", folder, "--dry-run") == 0
    assert len(capsys.readouterr().out.splitlines()) == 3
    assert bench("continue", folder) == 0
    assert capsys.readouterr().out.count("set aside, no record of its launch: ") == 3
    assert statuses(folder) == {"ok": 4}
    assert len(list((folder / "superseded").iterdir())) == 3
    assert bench("continue", folder) == 0
    assert "nothing is missing" in capsys.readouterr().out


def test_all_skipped_is_no_success(tmp_path, monkeypatch):
    folder = tmp_path / "s"
    sweep = tmp_path / "sweep.toml"
    sweep.write_text('[[points]]\nkernel = "stencil"\nruntime = "serial"\nn = 100\n')
    monkeypatch.setattr("prk.run.registry.missing", lambda name, kernel: "it is not installed; install it")
    assert bench("run", sweep, "--out", folder) == 1
    assert statuses(folder) == {"skipped": 1}


def test_too_many_processes_is_a_failed_launch(tmp_path, monkeypatch, capsys):
    def fail(*words, **more):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", fail)
    assert bench("run", sweep_of(tmp_path, GOOD), "--out", tmp_path / "s") == 1
    assert statuses(tmp_path / "s") == {"failed": 2}
    assert f"cannot start {sys.executable}: Resource temporarily unavailable" in capsys.readouterr().out


def test_more_launches_are_planned_and_run(tmp_path, capsys):
    folder = tmp_path / "s"
    assert bench("run", sweep_of(tmp_path, GOOD), "--out", folder, "--repeat", 2) == 0
    assert bench("extend", folder, "--repeat", 2) == 2
    assert "the sweep has 2 launches a point; name more" in capsys.readouterr().err
    assert bench("extend", folder, "--repeat", 3) == 0
    assert bench("status", folder) == 0
    assert "2 missing" in capsys.readouterr().out
    assert bench("continue", folder) == 0
    assert statuses(folder) == {"ok": 6}
    assert bench("plan", folder) == 0
    assert "= 6 launches" in capsys.readouterr().out


def test_launches_go_on_until_intervals_are_narrow(tmp_path, capsys):
    folder = tmp_path / "s"
    path = sweep_of(
        tmp_path, GOOD, f"[runtimes.noisy]\ncommand = {json.dumps(GOOD.replace('good', 'noisy'))}"
    )
    text = (
        (tmp_path / "sweep.toml")
        .read_text()
        .replace('"other"\nn = [100, 101]', '["other", "noisy"]\nn = 100')
    )
    (tmp_path / "sweep.toml").write_text(text)
    assert bench("run", path, "--out", folder, "--until-ci", "1%", "--most", 8) == 0
    found = rows.opened(Store(folder))
    assert {r.point.runtime: (r.planned, r.state) for r in found.rows} == {
        "other": (6, "ok"),
        "noisy": (8, "ok"),
    }
    assert bench("continue", folder) == 0
    assert bench("continue", folder, "--until-ci", "1%", "--most", 9) == 0
    assert statuses(folder) == {"ok": 15}
    capsys.readouterr()
    for wrong in (("--until-ci", "wide"), ("--until-ci", "0"), ("--most", 9), ("--until-ci", 5, "--most", 5)):
        assert bench("continue", folder, *wrong) == 2
    assert len(capsys.readouterr().err.splitlines()) == 4


def test_sweeps_are_merged_and_copies_count_once(tmp_path, capsys):
    one, two, three, out = (tmp_path / name for name in ("a", "b", "c", "out"))
    path = sweep_of(tmp_path, GOOD, "repeat = 2")
    assert bench("run", path, "--out", one) == 0
    shutil.copytree(one, two)
    # The one lacks a launch, the other a different one; a third has another point and other launches.
    first, *_, last = sorted(Store(one).names())
    Store(one).path(first).unlink()
    Store(two).path(last).write_text("{")
    assert bench("run", sweep_of(tmp_path, GOOD, "repeat = 3", "n = [101, 102]"), "--out", three) == 0
    assert bench("merge", one, two, three, "--out", out) == 0
    said = capsys.readouterr().out
    assert "3 points, 10 records, 2 copies left out" in said
    assert f"not used: {two}/records/{last}.json: is truncated" in said
    assert statuses(out) == {"ok": 10}
    plan = Store(out).plan()
    assert {p.parameters["n"]: plan.planned[p.id] for p in plan.points} == {100: 2, 101: 5, 102: 3}
    assert bench("continue", out) == 0
    assert "nothing is missing" in capsys.readouterr().out
    assert bench("merge", one, two, "--out", out) == 2
    assert bench("merge", one, "--out", tmp_path / "new") == 2
    other = sweep_of(tmp_path, GOOD + " --fast")
    assert bench("run", other, "--out", tmp_path / "d") == 0
    assert bench("merge", one, tmp_path / "d", "--out", tmp_path / "new") == 2
    assert "its other is another program" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_every_launch_is_a_line_of_the_long_table(tmp_path, capsys):
    made = planned({"kernel": ["stencil", "nstream"], "runtime": "mpi1", "n": 64}, repeat=2)
    kept = stored(
        tmp_path / "s",
        made,
        lambda p, r: {("stencil", 1): ("failed", "no"), ("nstream", 1): None}.get((p.kernel, r), 0.01),
    )
    assert bench("results", kept.folder, "--format", "long") == 0
    lines = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert {(x["kernel"], x["repeat"], x["status"], x["reason"]) for x in lines} == {
        ("stencil", "0", "ok", ""),
        ("stencil", "1", "failed", "no"),
        ("nstream", "0", "ok", ""),
        ("nstream", "1", "missing", ""),
    }
    good = next(x for x in lines if x["kernel"] == "stencil" and x["status"] == "ok")
    assert float(good["rate (MFlops/s)"]) == pytest.approx(made.points[0].value(0.01))
    assert (good["rate (MB/s)"], good["iterations"], good["sample"]) == ("", "10", "0")
    assert good["finished"]
    assert float(good["repetition_max"]) == 0.01


def test_what_a_job_holds_is_left_to_it(tmp_path, capsys):
    made = planned({"kernel": "stencil", "runtime": "serial", "n": [100, 101]})
    kept = Store.make(tmp_path / "s", made)
    held, free = made.launches()
    for state in ("", "RUNNING", "COMPLETED"):
        entry = Entry("nodes-1", 1, 60, (held,), id="7", state=state)
        Journal(Site(), (entry,)).write(kept)
        assert bench("continue", kept.folder, "--dry-run") == 0
        said = capsys.readouterr().out
        assert free in said
        assert (held in said) == (state == "COMPLETED")
        assert ("left to jobs that wait or run: 1 launches" in said) == (state != "COMPLETED")


@pytest.mark.parametrize(
    ("status", "comes_to"),
    [("invalid", "skipped"), ("skipped", "skipped"), ("timeout", "failed"), ("oom", "failed"), ("cut", None)],
)
def test_an_audit_that_may_pass_the_next_time_skips_nothing(tmp_path, status, comes_to):
    made = planned({"kernel": "stencil", "runtime": "other", "n": 64}, runtimes={"other": {"command": GOOD}})
    kept = Store.make(tmp_path / "s", made)
    (one,) = campaign.launches(made, kept, campaign.pending(made, set()))
    path = kept.audit(one.point)
    path.parent.mkdir()
    record = json.dumps(a_record(one.point, status=status, reason="why"))
    path.write_text(record if comes_to else record[:50])
    found = campaign.unproven(kept, replace(one, audit=True))
    assert (found and found.status) == comes_to
    assert (found is None) or found.reason == f"its audit was {status}: why"
    # One that is no record is set aside, and made again.
    assert json.loads(path.read_text())["status"] == (status if comes_to else "ok")


def test_what_was_measured_elsewhere_is_told(tmp_path, capsys):
    made = planned({"kernel": "stencil", "runtime": "mpi1", "n": 64}, repeat=3)
    kept = stored(tmp_path / "s", made)
    for number, name in enumerate(made.launches()):
        record = json.loads(kept.path(name).read_text())
        record["environment"] = {"cpu": "an old one" if number else "a new one", "cores": 2}
        kept.path(name).write_text(json.dumps(record))
    assert bench("status", kept.folder) == 0
    said = capsys.readouterr().out
    assert "measured elsewhere, or by another version [2]" in said
    assert "processor a new one" in said


def test_halves_of_records_go_before_a_sweep_goes_on(tmp_path):
    made = planned({"kernel": "stencil", "runtime": "mpi1", "n": [64, 65, 66]})
    there, todo, others = made.launches()
    kept = stored(tmp_path / "s", made, lambda p, r: 0.01 if p.id in there else None)
    for name in (there, todo, others):
        (kept.records / f".{name}.json.12ab").touch()
    kept.tidy({todo})
    assert [p.name for p in kept.records.iterdir() if p.name[0] == "."] == [f".{others}.json.12ab"]
    # Where there are no links, another harness's record is an empty file for a moment.
    kept.path(others).touch()
    kept.tidy({todo})
    assert (kept.records / f".{others}.json.12ab").exists()
