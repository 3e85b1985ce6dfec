"""Scores of trainings under MLPerf-style rules: olympic mean, windows, misses; logs and their compliance."""

import json
import math

import pytest

from prk.ddp.problem import REMARK
from prk.harness import cli, merge
from prk.harness.analyse import compliance, score
from prk.harness.analyse.score import Training
from prk.harness.store import Store
from prk.records import mllog
from tests.harness.making import planned, stored


def training(seed, seconds=10.0, epochs=3, **more):
    if math.isinf(seconds):
        epochs = math.inf
    about = {"rate": 100.0, "initialisation": 1.0, "started": 100.0 * seed, **more}
    return Training(seed, seconds, epochs, **about)


def of(*seconds):
    return [training(seed, s) for seed, s in enumerate(seconds)]


MISSED = math.inf


@pytest.mark.parametrize(
    ("seconds", "result"),
    [
        ((5, 1, 2, 3, 9), 10 / 3),
        # One that missed is the slowest, two are one too many.
        ((5, 1, 2, MISSED, 9), 16 / 3),
        ((5, 1, MISSED, MISSED, 9), None),
        ((5, 1, 2, 3), None),
        # Windows of 2, 3 and 5: the median one; of two the slower; a window with two misses is the slowest.
        ((1, 1, 1, 4, 4, 7, 7), 3),
        ((1, 1, 1, 4, 4, 7), 3),
        ((1, 1, 1, 4, 4, MISSED, MISSED), 3),
        ((1, 1, 1, 4, MISSED, MISSED), None),
    ],
)
def test_fastest_and_slowest_are_dropped_and_of_windows_the_median_counts(seconds, result):
    found = score.score(of(*seconds), 5)
    assert found.seconds == (result and pytest.approx(result))
    assert bool(found.why) == (result is None)


def test_windows_are_of_runs_in_the_order_in_which_they_ran():
    runs = [training(seed, seconds, started=-seed) for seed, seconds in enumerate((1, 2, 3, 4))]
    assert [[t.seconds for t in w] for w in score.windows(runs, 3)] == [[4, 3, 2], [3, 2, 1]]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seed": 1}, "seeds that several runs have: 1"),
        ({"initialisation": 1201.0}, "seed 0: 1201 s of initialisation, 1200 s are allowed"),
        ({"wrong": ("it has no log",)}, "seed 0: it has no log"),
    ],
)
def test_what_breaks_the_rules_makes_the_result_invalid(change, said):
    first = training(**{"seed": 0, **change})
    found = score.score([first, *of(1, 2, 3, 4, 5)[1:]], 5)
    assert (found.seconds, found.why) == (None, (said,))
    assert score.score(of(1, 2, 3), 3, ["x.json is failed"]).why == ("x.json is failed",)


def test_variation_is_of_epochs_and_instances_at_once_are_from_the_first_start_to_the_last_end():
    runs = [training(1, 5, 2), training(2, 5, 4), training(3, MISSED)]
    assert score.variation(runs) == pytest.approx(1 / 3)
    assert score.variation(runs[:1]) is None
    # Three at once, then one in the place of the first.
    starts = [(0.0, 10.0), (1.0, 12.0), (2.0, 20.0), (10.0, 30.0), (3.0, MISSED)]
    runs = [training(seed, seconds, started=start) for seed, (start, seconds) in enumerate(starts)]
    found = score.weak(runs, 2)
    assert (found.total, found.instance, found.models, found.seconds) == (6, 2, 4, 40.0)
    assert found.rate == 6.0
    assert score.weak(runs[-1:], 2) is None


def row(seed, seconds=2.0, epochs=2):
    return {
        "workload": "digits", "runs": 5, "seed": seed, "begun": 1e9 + 100 * seed, "initialisation": 0.25,
        "seconds": seconds, "epochs": epochs, "samples/s": 1000.0, "global_batch_size": 64,
        "gradient_accumulation_steps": 1, "opt_base_learning_rate": 0.05, "train_samples": 1437,
        "eval_samples": 360,
    }  # fmt: skip


def made(rows, **more):
    """Return a record with trainings, whose epochs take a second each."""
    curves = [
        {"seed": r["seed"], "epoch": n, "quality": 0.9 + n / 100, "stepped": n - 0.25, "tested": float(n)}
        for r in rows
        for n in (1, 2, 3)
    ]
    return {
        "schema": 2, "kernel": "ddp", "version": 1, "runtime": "mpi1", "variant": "", "options": {},
        "layout": {"ranks": 2, "nodes": 1, "ranks_per_node": 2, "threads": 1}, "status": "ok", "reason": None,
        "parameters": {"workload": "digits", "batch": 64, "seed": 1, "seeds": len(rows), "rules": "mlperf"},
        "warnings": [REMARK], "environment": {"cpu": "a cpu"},
        "summary": {"trainings": rows, "quality curves": curves},
        **more,
    }  # fmt: skip


def write(folder, name, record, logs=True):
    path = folder / name
    path.write_text(json.dumps(record))
    assert not logs or mllog.save(record, str(path)) == ""
    return path


def told(capsys, *words):
    """Return the exit code of a command and the rows that it prints as JSON."""
    capsys.readouterr()
    code = cli.main([*map(str, words), "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_log_has_the_events_in_their_order_and_complies(tmp_path, capfd):
    record = made([row(7), row(8, None, None)])
    path = write(tmp_path, "one.json", record)
    assert mllog.beside(path) == [tmp_path / "one.1.mllog", tmp_path / "one.2.mllog"]
    for log, own in zip(mllog.beside(path), record["summary"]["trainings"], strict=True):
        assert compliance.wrong(log, own) == ()
    lines = [
        json.loads(line.partition("MLLOG ")[2]) for line in mllog.beside(path)[0].read_text().splitlines()
    ]
    times = {line["key"]: line["time_ms"] for line in lines}
    assert times["init_start"] == 1e3 * (1e9 + 700)
    assert times["run_start"] - times["init_start"] == 250
    assert times["run_stop"] - times["run_start"] == 2000
    assert [line["key"] for line in lines[:7]] == [
        *(f"submission_{name}" for name in ("benchmark", "org", "division", "status", "platform")),
        "cache_clear",
        "seed",
    ]
    assert [line["value"] for line in lines if line["key"] == "eval_accuracy"] == [0.91, 0.92]
    assert lines[-1]["metadata"]["status"] == "success"
    assert lines[-1]["metadata"]["file"] == "prk/records/mllog.py"
    missed = mllog.beside(path)[1].read_text().splitlines()
    assert '"status": "aborted"' in missed[-1]
    assert sum("eval_stop" in line for line in missed) == 3
    assert capfd.readouterr() == ("", "")


def test_log_with_any_event_taken_out_repeated_or_out_of_order_is_refused(tmp_path, capfd):
    record = made([row(7)])
    whole = mllog.text(record, row(7)).splitlines(keepends=True)
    log = tmp_path / "one.mllog"
    # 23 kinds of events, of which those of an epoch are there twice.
    assert len(whole) == 5 + 2 + 1 + 5 + 1 + 1 + 2 * 5 + 1
    for place, line in enumerate(whole):
        for wrong in ([], [line, line]):
            log.write_text("".join([*whole[:place], *wrong, *whole[place + 1 :]]))
            assert compliance.wrong(log, row(7)), (len(wrong), line)
    for place in range(5, len(whole) - 1):
        swapped = [*whole[:place], whole[place + 1], whole[place], *whole[place + 2 :]]
        keys = [json.loads(one.partition("MLLOG ")[2])["key"] for one in whole[place : place + 2]]
        # The clearing of caches and the seed, and hyperparameters, have no order of their own.
        if not set(keys) <= {"cache_clear", "seed"} and not set(keys) <= {*mllog.HYPERPARAMETERS}:
            log.write_text("".join(swapped))
            assert compliance.wrong(log, row(7)), keys
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace('"seed", "value": 7', '"seed", "value": 8'), "has seed 8, the record 7"),
        (lambda text: text.replace('"success"', '"aborted"'), "ends with aborted, the record says success"),
        (lambda text: text.replace('"open"', '"closed"'), "CHECK for 'submission_division' failed"),
        (lambda text: text.replace("1000000702250", "1000000702350"), "took 2.100 s, the record 2.000 s"),
        (lambda text: text.replace("}}", "}", 1), "has lines that cannot be read"),
        (lambda text: "", "occurrence of 'seed' but found 0"),
    ],
)
def test_log_that_contradicts_its_record_is_named(tmp_path, change, said):
    log, text = tmp_path / "one.mllog", mllog.text(made([row(7)]), row(7))
    assert change(text) != text
    log.write_text(change(text))
    assert any(said in wrong for wrong in compliance.wrong(log, row(7)))


def test_initialisation_of_more_than_twenty_minutes_does_not_comply(tmp_path):
    log, slow = tmp_path / "one.mllog", {**row(7), "initialisation": 1200.5}
    log.write_text(mllog.text(made([slow]), slow))
    assert any("init_stop" in wrong for wrong in compliance.wrong(log, slow))


def test_single_runs_are_scored_together_where_only_their_seeds_differ(tmp_path, capsys):
    for seed in (1, 2):
        write(tmp_path, f"{seed}.json", made([row(seed)]))
    write(tmp_path, "more.json", made([row(seed) for seed in (3, 4, 5)]))
    other = made([row(1)])
    other["parameters"]["learning_rate"] = 0.1
    write(tmp_path, "other.json", other)
    (tmp_path / "broken.json").write_text("{")
    code, rows = told(capsys, "score", tmp_path)
    assert code == 1
    assert [(r["runs"], r["score"], r["valid"]) for r in rows] == [(5, 2.0, True), (1, None, False)]
    assert rows[0]["notes"] == [REMARK]
    assert (rows[0]["samples_per_second"], rows[0]["variation_of_epochs"]) == (1000.0, 0.0)
    assert cli.main(["score", str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert f"Note: {REMARK}." in out
    assert "digits, batch 64, mpi1 learning_rate=0.1 on 2 ranks: 1 of 5 runs" in out
    assert "not used: broken.json: is truncated, or no JSON" in out
    assert cli.main(["score", str(tmp_path), "--weak"]) == 1
    out = capsys.readouterr().out
    assert REMARK in out
    # One after another, 100 s apart: four from the first one's start, and two of the last one.
    assert out.splitlines()[1].split()[4:] == ["2", "2", "5", "402.000", "0.746", "yes"]


def test_a_failed_launch_or_a_lost_log_makes_the_result_invalid(tmp_path, capsys):
    path = write(tmp_path, "one.json", made([row(seed) for seed in range(1, 6)]))
    assert told(capsys, "score", tmp_path)[0] == 0
    failed = made([], status="failed", reason="exit code 3")
    write(tmp_path, "two.json", failed, logs=False)
    code, (found,) = told(capsys, "score", tmp_path)
    assert (code, found["score"], found["why"]) == (1, None, ["two.json is failed: exit code 3"])
    (tmp_path / "two.json").unlink()
    mllog.path(path, 2).unlink()
    assert told(capsys, "score", tmp_path)[1][0]["why"] == ["seed 2: it has no log"]


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (made([], parameters={"rules": "none"}), "has no training under rules"),
        (made([row(1)], audit={"seed": 3}), "is of an audit"),
        (made([{**row(1), "seconds": -1.0}]), "has a strange training 1"),
        (made([{**row(1), "runs": 2}]), "has a strange training 1"),
        (made([{"seed": 1}]), "lacks what a record has (KeyError: 'seconds')"),
    ],
)
def test_what_is_no_training_is_not_used(tmp_path, capsys, record, said):
    write(tmp_path, "odd.json", record, logs=False)
    assert cli.main(["score", str(tmp_path)]) == 2
    assert "no training under rules" in capsys.readouterr().err
    write(tmp_path, "one.json", made([row(seed) for seed in range(1, 6)]))
    assert cli.main(["score", str(tmp_path)]) == 0
    assert f"not used: odd.json: {said}" in capsys.readouterr().out


def test_without_the_checker_it_is_said_what_installs_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        compliance, "absent", lambda names, install: f"{names[0]} is not installed; {install}"
    )
    assert cli.main(["score", str(tmp_path)]) == 2
    assert "mlperf_logging is not installed; pip install 'prk[mlperf]'" in capsys.readouterr().err


def reference(folder, epochs=(4, 5, 5, 5, 5, 5, 5, 5, 5, 6), batches=(64, 256)):
    folder.mkdir()
    for batch in batches:
        rows = [{**row(s, 3.0, n * batch // 64), "global_batch_size": batch} for s, n in enumerate(epochs)]
        record = made(rows)
        record["parameters"]["batch"] = batch
        # Logs end with the epoch that reached the target.
        record["summary"]["quality curves"] = [
            {"seed": r["seed"], "epoch": n, "quality": 0.9, "stepped": at, "tested": at}
            for r in rows
            for n in range(1, r["epochs"] + 1)
            for at in [3.0 * n / r["epochs"]]
        ]
        write(folder, f"{batch}.json", record)
    return folder


def test_convergence_points_are_made_of_records_and_runs_are_checked_by_them(tmp_path, capsys):
    path = tmp_path / "points.json"
    folder = reference(tmp_path / "reference")
    assert cli.main(["rcp", "make", str(folder), "--out", str(path)]) == 0
    assert REMARK in capsys.readouterr().out
    found = json.loads(path.read_text())
    assert [(p["batch"], p["mean"], p["deviation"], p["pruned"]) for p in found["points"]] == [
        (64, 5.0, 0.0, False),
        (256, 20.0, 0.0, False),
    ]
    assert cli.main(["rcp", "make", str(folder), "--out", str(path)]) == 2
    own = tmp_path / "own"
    own.mkdir()
    write(own, "one.json", made([row(seed) for seed in range(1, 6)]))
    code, (checked,) = told(capsys, "rcp", "check", own, "--rcp", path)
    assert (code, checked["passes"], checked["score"]) == (1, False, None)
    assert checked["why"] == ["fewer epochs than the reference allows"]
    code, (checked, _) = told(capsys, "rcp", "check", folder, "--rcp", path)
    assert (code, checked["passes"], checked["reference"]["factor"]) == (0, True, 1.0)
    assert checked["score"] == pytest.approx(3.0)


def test_a_faster_mean_inside_the_bound_makes_the_time_longer(tmp_path, capsys):
    path, folder = (
        tmp_path / "points.json",
        reference(tmp_path / "reference", (2, 3, 3, 3, 3, 4, 2, 3, 2, 4), (64,)),
    )
    assert cli.main(["rcp", "make", str(folder), "--out", str(path), "--std", "full"]) == 0
    mean = json.loads(path.read_text())["points"][0]["mean"]
    own = tmp_path / "own"
    own.mkdir()
    fast = [row(1), row(2), row(3), *({**row(seed, 3.0, 3)} for seed in (4, 5))]
    write(own, "one.json", made(fast))
    code, (checked,) = told(capsys, "rcp", "check", own, "--rcp", path)
    assert (code, checked["epochs"]) == (0, pytest.approx(7 / 3))
    assert checked["reference"]["factor"] == pytest.approx(mean / (7 / 3))
    assert checked["score"] == pytest.approx(7 / 3 * mean / (7 / 3))
    assert cli.main(["rcp", "check", str(own), "--rcp", str(path), "--std", "trimmed"]) == 0
    assert REMARK in capsys.readouterr().out


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda f: reference(f, range(2, 11)), "9 seeds are too few; a point takes 10: --seeds"),
        (lambda f: (reference(f), (f / "64.2.mllog").unlink()), "seed 1: it has no log"),
        (lambda f: write(reference(f), "x.json", made([row(99, None, None)])), "1 runs missed the target"),
        (lambda f: write(reference(f), "x.json", made([row(3)], variant="a=b")), "is there too"),
        (lambda f: write(reference(f), "x.json", made([row(3)])), "some seeds are there twice"),
    ],
)
def test_what_makes_no_reference_is_refused(tmp_path, capsys, spoil, said):
    spoil(tmp_path / "made")
    assert cli.main(["rcp", "make", str(tmp_path / "made"), "--out", str(tmp_path / "points.json")]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is no JSON"),
        ("{}", "it lacks 'schema'"),
        ('{"schema": 9}', "it has schema 9"),
        ('{"schema": 1, "std": "x", "points": []}', "its std is 'x'"),
        ('{"schema": 1, "std": "full", "points": [{"workload": "a", "batch": 1, "epochs": [1]}]}', "strange"),
    ],
)
def test_a_file_of_no_points_is_named(tmp_path, capsys, content, said):
    path = tmp_path / "points.json"
    path.write_text(content)
    assert cli.main(["rcp", "check", str(tmp_path), "--rcp", str(path)]) == 2
    assert said in capsys.readouterr().err


POINT = {"kernel": "nstream", "runtime": "mpi1", "ranks": 1, "n": 4096}


def test_logs_go_with_their_record(tmp_path):
    kept = stored(tmp_path / "one", planned(POINT))
    (name,) = kept.names()
    for number in (1, 2):
        mllog.path(kept.path(name), number).write_text(f"log {number}")
    other = stored(tmp_path / "two", planned(POINT), lambda point, repeat: 0.02)
    both = Store(tmp_path / "both")
    merge.write([other, kept], both)
    again = name.replace("-000", "-001")
    assert [p.name for p in mllog.beside(both.path(again))] == [f"{again}.1.mllog", f"{again}.2.mllog"]
    assert mllog.beside(both.path(name)) == []
    kept.set_aside(name)
    assert mllog.beside(kept.path(name)) == []
    assert sorted(p.name for p in (kept.folder / "superseded").glob("*.mllog")) == [
        f"{name}.1.1.mllog",
        f"{name}.2.1.mllog",
    ]
