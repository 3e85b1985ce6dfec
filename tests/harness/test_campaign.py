"""The whole cycle on real launches: run, interrupt, continue, retry; nothing finished is ever lost."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import pytest

import prk
from prk.harness.analyse import results
from prk.harness.plan import expand
from prk.harness.plan.sweep import read
from prk.harness.store import Store
from tests.harness.making import STAND_IN, a_record
from tests.launch import ENVIRONMENT, ROOT, run

BENCH = [sys.executable, str(ROOT / "bench.py")]
SCHEMA = json.loads(Path(prk.__file__).with_name("records").joinpath("schema-2.json").read_text())

CYCLE = f"""
title = "One that fails, one that hangs, two that are well"
seed = 3
timeout = 12
[runtimes.failing]
command = "mpirun -n {{ranks}} {STAND_IN} failing {{iterations}} {{n}}"
[runtimes.hanging]
command = "mpirun -n {{ranks}} {STAND_IN} hanging {{iterations}} {{n}}"
[[points]]
kernel = "stencil"
runtime = "mpi1"
ranks = [1, 2]
n = 100
[[points]]
kernel = "stencil"
runtime = ["failing", "hanging"]
ranks = 2
n = 100
"""

KINDS = ("good", "wrong", "silent", "hanging", "garbage", "failing", "nonumber", "otherunit", "rounded")
FOREIGN = "\n".join(
    [
        "seed = 1\ntimeout = 3",
        *(f'[runtimes.{k}]\ncommand = "{STAND_IN} {k} {{iterations}} {{n}}"' for k in KINDS),
        '[runtimes.absent]\ncommand = "./there-is-no-such-program"',
        f'[[points]]\nkernel = "stencil"\nruntime = {json.dumps([*KINDS, "absent"])}\nn = 100',
    ]
)


@pytest.fixture(scope="module", autouse=True)
def compiled():
    """Fill the compile cache, so that short time limits end only what hangs."""
    done = run(sys.executable, "-m", "prk", "compile", "stencil", "--runtime", "mpi1", seconds=300)
    assert done.returncode == 0, done.stdout


def bench(*words, seconds=120, **more):
    return run(*BENCH, *words, seconds=seconds, **more)


def loaded(folder):
    kept = Store(folder)
    found = results.load(kept, kept.plan())
    assert not found.problems
    for name in kept.names():
        jsonschema.validate(json.loads(kept.path(name).read_text()), SCHEMA)
    return found


def statuses(folder):
    """Return (runtime, cores) to statuses."""
    found, points = loaded(folder), Store(folder).plan().points
    return {(p.runtime, p.cores): [r.status for r in found.results[p.id]] for p in points}


def launch_is_running(folder, runtime):
    return any(folder.glob("logs/*.out")) and runtime in "".join(
        subprocess.run(["ps", "-ww", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    )


def test_the_whole_cycle(tmp_path):
    sweep, folder = tmp_path / "cycle.toml", tmp_path / "out"
    sweep.write_text(CYCLE)
    harness = subprocess.Popen(
        [*BENCH, "run", str(sweep), "--out", str(folder)],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    end = time.monotonic() + 90
    while not launch_is_running(folder, f"{STAND_IN} hanging") and time.monotonic() < end:
        time.sleep(0.05)
    before = Store(folder).names()
    harness.send_signal(signal.SIGINT)
    out, err = harness.communicate(timeout=30)
    assert harness.returncode == 130, out + err
    assert "interrupted" in err
    assert not launch_is_running(folder, f"{STAND_IN} hanging")
    assert Store(folder).names() == before, "the interrupted launch has no record"
    assert statuses(folder)["hanging", 2] == []

    text = bench("status", folder).stdout
    assert f"{4 - len(before)} missing" in text
    assert "missing" in bench("results", folder).stdout

    done = bench("continue", folder)
    assert done.returncode == 1, done.stdout + done.stderr
    assert statuses(folder) == {
        ("mpi1", 1): ["ok"],
        ("mpi1", 2): ["ok"],
        ("failing", 2): ["failed"],
        ("hanging", 2): ["timeout"],
    }
    assert "failed: stencil failing" in bench("status", folder).stdout
    assert bench("continue", folder).stdout == "nothing is missing\n"

    again = bench("retry", folder, "--status", "failed")
    assert again.returncode == 1
    assert len(list((folder / "superseded").iterdir())) == 1
    assert statuses(folder)["failing", 2] == ["failed"]
    # The first records are still those of the first run.
    assert before <= Store(folder).names()


def test_own_records_say_how_they_were_launched(tmp_path):
    done = bench("run", "--kernel", "stencil", "--runtime", "mpi1", "--ranks", 2, "--n", 100, "--seed", 5,
                 "--out", tmp_path / "s")  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = (tmp_path / "s" / "records").glob("*.json")
    found = json.loads(path.read_text())
    about = found["launch"]
    assert (about["sweep"], about["seed"], about["order"], about["repeat"]) == ("stencil", 5, 0, 0)
    assert about["command"].startswith("mpirun -n 2 ")
    assert 0 < about["seconds"] < 120
    assert "PRK_LAUNCH" not in found["environment"]["variables"]
    assert not list((tmp_path / "s" / "logs").iterdir())


def test_more_workers_than_cores_is_a_warning_in_the_record(tmp_path):
    done = bench(
        "run", "--kernel", "nstream", "--runtime", "mpi1", "--ranks", 3, "--n", 3000, "--out", tmp_path / "s"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (result,) = next(iter(loaded(tmp_path / "s").results.values()))
    crowded = any(w.startswith("oversubscribed, timings mean nothing") for w in result.warnings)
    assert crowded == (len(os.sched_getaffinity(0)) < 3)


def test_programs_of_others(tmp_path):
    sweep, folder = tmp_path / "foreign.toml", tmp_path / "out"
    sweep.write_text(FOREIGN)
    done = bench("run", sweep, "--out", folder)
    assert done.returncode == 1, done.stdout + done.stderr
    found = {name: status for (name, _), (status,) in statuses(folder).items()}
    assert found == {
        "good": "ok",
        "rounded": "ok",
        "wrong": "invalid",
        "hanging": "timeout",
        **dict.fromkeys(("silent", "garbage", "failing", "nonumber", "otherunit", "absent"), "failed"),
    }
    rows = json.loads(bench("results", folder, "--format", "json").stdout)
    good = next(r for r in rows if r["runtime"] == "good")
    assert good["median"] == pytest.approx(35 * 92**2 / 1e-3 / 1e6)
    assert "cannot start ./there-is-no-such-program" in next(
        r["reasons"] for r in rows if r["runtime"] == "absent"
    )
    assert next(r["reasons"] for r in rows if r["runtime"] == "failing").endswith("Cannot allocate the grid")


def test_a_killed_harness_loses_no_finished_record(tmp_path):
    sweep, folder = tmp_path / "many.toml", tmp_path / "out"
    sweep.write_text(
        f'repeat = 25\n[runtimes.good]\ncommand = "{STAND_IN} good {{iterations}} {{n}}"\n'
        '[[points]]\nkernel = "stencil"\nruntime = "good"\nn = [100, 101]\n'
    )
    chance = random.Random(11)
    words = ["run", str(sweep), "--out", str(folder)]
    seen: set[str] = set()
    for _ in range(5):
        harness = subprocess.Popen(
            [*BENCH, *words], env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        # A line is printed after its record is written.
        said = [harness.stdout.readline() for _ in range(chance.randrange(1, 6))]
        time.sleep(chance.random() * 0.1)
        harness.kill()
        rest, err = harness.communicate()
        assert not err
        finished = sum(" ok " in line for line in [*said, *rest.splitlines()])
        names = Store(folder).names()
        assert len(names) >= len(seen) + finished
        assert seen <= names
        loaded(folder)
        seen, words = names, ["continue", str(folder)]
    done = bench(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert loaded(folder).counts() == {"ok": 50}


def test_dry_run_shows_every_command_and_starts_nothing(tmp_path):
    words = [
        "--kernel",
        "stencil,transpose",
        "--runtime",
        "mpi1",
        "--ranks",
        "1,2",
        "--repeat",
        2,
        "--dry-run",
    ]
    done = bench("run", *words, "--out", tmp_path / "s")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert len(lines) == 8
    assert all(" -m prk." in line for line in lines)
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "nothing.toml"], "nothing.toml: there is no such sweep file"),
        (["run"], "--kernel: neither a sweep file nor a kernel is named"),
        (["run", "laptop", "--n", "3"], "--n=3: a sweep file states its points itself"),
        (["run", "laptop", "--preset", "slow"], "presets: there is no 'slow'; use one of steady"),
        (["run", "--kernel", "stencil", "--ranks", "x"], "--ranks: 'x' is of the wrong type"),
        (["run", "--kernel", "stencil", "--repeat", "0"], "--repeat: 0 is too small"),
        (["run", "--kernel", "stencil", "--runtime", "mpi1", "--nodes", "4", "--n", "999"], "up to 4 nodes"),
        (["plan", "laptop", "--report"], "--report: a sweep file states"),
        (["status", "elsewhere"], "elsewhere: it holds no sweep"),
        (["retry", "elsewhere"], "retry: it is not said which launches"),
        (["retry", "elsewhere", "--status", "fine"], "--status: fine: there is no such"),
        (["results", "--format", "xml"], "--format: invalid choice"),
        (["plot", "elsewhere"], "elsewhere: it holds no sweep"),
        (["fly"], "COMMAND: invalid choice"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(tmp_path, words, said):
    done = bench(*words, cwd=tmp_path)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("prk-bench: ")
    assert said in line
    assert not list(tmp_path.iterdir())


def test_everything_but_running_works_without_mpi(tmp_path):
    (tmp_path / "mpi4py.py").write_text("raise ImportError('no MPI here')")
    environment = {"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    for words in (["--help"], ["plan", "laptop"], ["run", "laptop", "--dry-run"]):
        done = bench(*words, cwd=tmp_path, **environment)
        assert done.returncode == 0, done.stderr


AUDITED = """
seed = 3
audit = true
split = true
repeat = 2
[[points]]
kernel = "stencil"
runtime = ["mpi1", "serial"]
n = 100
"""


def test_each_point_is_audited_before_its_first_launch(tmp_path):
    sweep, folder = tmp_path / "audited.toml", tmp_path / "out"
    sweep.write_text(AUDITED)
    done = bench("run", sweep, "--out", folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert statuses(folder) == {("mpi1", 1): ["ok", "ok"], ("serial", 1): ["ok", "ok"]}
    for point in Store(folder).plan().points:
        record = json.loads(Store(folder).audit(point).read_text())
        jsonschema.validate(record, SCHEMA)
        assert record["status"] == "ok"
        assert record["audit"]["seed"] == record["parameters"]["audit"] > 0
        assert "split" not in record
    records = {p.stem: json.loads(p.read_text()) for p in folder.glob("records/*.json")}
    assert not any("audit" in record for record in records.values())
    # Where the time goes, the first launch says.
    assert {name[-3:] for name, record in records.items() if "split" in record} == {"000"}


def test_what_its_audit_does_not_prove_is_not_timed(tmp_path):
    sweep, folder = tmp_path / "audited.toml", tmp_path / "out"
    sweep.write_text(AUDITED)
    point = next(p for p in expand.make(read(sweep)).points if p.runtime == "serial")
    folder.joinpath("audits").mkdir(parents=True)
    wrong = a_record(point, status="invalid", reason="the largest error is 1")
    folder.joinpath("audits", f"{point.id}.json").write_text(json.dumps(wrong))
    assert bench("run", sweep, "--out", folder).returncode == 0
    assert statuses(folder) == {("mpi1", 1): ["ok", "ok"], ("serial", 1): ["skipped", "skipped"]}
    (reason,) = {r.reason for r in loaded(folder).results[point.id]}
    assert reason == "its audit was invalid: the largest error is 1"
    # Whoever repeats what was skipped for it is asked for the proof once more.
    assert bench("retry", folder, "--status", "skipped").returncode == 0
    assert statuses(folder)["serial", 1] == ["ok", "ok"]
    assert json.loads(Store(folder).audit(point).read_text())["status"] == "ok"
