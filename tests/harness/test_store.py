"""Records that are damaged, foreign or misplaced; disks that are full or closed."""

import errno
import fcntl
import json
import os
import platform
import shutil
import subprocess
from pathlib import Path

import jsonschema
import pytest

from prk.harness import store
from prk.harness.analyse import results, rows
from prk.harness.execute import campaign, command
from prk.harness.store import Store
from prk.problem import Refusal
from prk.records import identity, migrate, write
from tests.harness.making import STAND_IN, a_record, planned, stored
from tests.harness.test_campaign import SCHEMA

POINTS = {"kernel": "stencil", "runtime": "mpi1", "ranks": [1, 2], "n": 64}


def test_harness_records_follow_the_schema():
    point = planned(POINTS).points[0]
    for status, reason in (("ok", None), ("failed", "exit code 3"), ("timeout", "no end"), ("skipped", "no")):
        jsonschema.validate(a_record(point, status=status, reason=reason), SCHEMA)
    native = {k: v for k, v in a_record(point).items() if k != "foreign"}
    with pytest.raises(jsonschema.ValidationError, match="'mean' is a required property"):
        jsonschema.validate(native, SCHEMA)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**a_record(point), "launch": {"sweep": "x"}}, SCHEMA)


def test_load_gives_back_what_was_stored(tmp_path):
    made = planned(POINTS, repeat=3)
    kept = stored(
        tmp_path / "s", made, lambda p, r: ("timeout", "slow") if (p.cores, r) == (2, 1) else 0.1 + r
    )
    loaded = results.load(kept, made)
    assert not loaded.problems
    assert loaded.counts() == {"ok": 5, "timeout": 1}
    first, second = (loaded.results[p.id] for p in made.points)
    rates = [made.points[0].value(seconds) for seconds in (0.1, 1.1, 2.1)]
    assert [r.values["rate"] for r in first] == [(rate,) for rate in rates]
    assert [r.reason for r in second] == [None, "slow", None]
    assert kept.plan() == made


def damage(text, how):
    found = json.loads(text)
    match how:
        case "truncated":
            return text[: len(text) // 2]
        case "empty":
            return ""
        case "newer":
            return json.dumps({**found, "schema": migrate.VERSION + 1})
        case "other point":
            return json.dumps({**found, "parameters": {**found["parameters"], "n": 65}})
        case "other repeat":
            return json.dumps({**found, "launch": {**found["launch"], "repeat": 5}})
        case "no record":
            return "[1, 2]"
        case "no samples":
            return json.dumps({**found, "samples": []})
        case "no value":
            return json.dumps({**found, "metrics": {"rate": {**found["metrics"]["rate"], "values": []}}})
        case "other version":
            return json.dumps({**found, "version": 9})
        case "no status":
            return json.dumps({k: v for k, v in found.items() if k != "status"})
        case "odd status":
            return json.dumps({**found, "status": "fine"})
        case "odd samples":
            return json.dumps({**found, "samples": [{"max": "fast"}]})
        case "deep":
            return "[" * 100_000
        case "large":
            return json.dumps({**found, "samples": [{"max": 10**400}]})
        case "odd reason":
            return json.dumps({**found, "reason": {"a": 1}})
        case "odd warnings":
            return json.dumps({**found, "warnings": [{"a": 1}]})
        case "odd place":
            return json.dumps({**found, "placement": [{"hosts": 1}]})
        case "odd memory":
            return json.dumps({**found, "environment": {"memory": "much"}})
        case "infinite":
            return text.replace('"values": [', '"values": [Infinity, ')
    raise AssertionError(how)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("truncated", "is truncated"),
        ("empty", "is truncated"),
        ("newer", "has schema"),
        ("other point", "contradicts its name"),
        ("other repeat", "contradicts its name"),
        ("no record", "is no record"),
        ("no samples", "no samples"),
        ("no value", "is ok but states no rate"),
        ("other version", "contradicts its name: its version is 9"),
        ("no status", "lacks what a record has"),
        ("odd status", "unknown status"),
        ("odd samples", "fast"),
        ("deep", "nested too deeply"),
        ("large", "lacks what a record has (OverflowError"),
        ("odd reason", "lacks what a record has"),
        ("odd warnings", "lacks what a record has"),
        ("odd place", "lacks what a record has"),
        ("odd memory", "has a strange memory"),
        ("infinite", "states no rate"),
    ],
)
def test_a_bad_record_is_named_and_the_others_are_kept(tmp_path, how, said):
    made = planned(POINTS, repeat=2)
    kept = stored(tmp_path / "s", made)
    victim = kept.path(identity.launch_name(made.points[0].id, 1))
    victim.write_text(damage(victim.read_text(), how))
    (kept.records / "notes.json").write_text("{}")
    loaded = results.load(kept, made)
    problems = dict(loaded.problems)
    assert problems.keys() == {victim.name, "notes.json"}
    assert said in problems[victim.name]
    assert loaded.counts() == {"ok": 3}


def test_what_is_no_file_keeps_nobody_waiting(tmp_path):
    made = planned(POINTS, repeat=3)
    kept = stored(tmp_path / "s", made, lambda point, repeat: None)
    one, two, three, four, *_ = (kept.path(name) for name in made.launches())
    os.mkfifo(one)
    two.mkdir()
    three.symlink_to("/dev/zero")
    four.symlink_to(four)
    assert {why for _, why in results.load(kept, made).problems} == {"is no file"}
    os.mkfifo(tmp_path / "plan.json")
    with pytest.raises(Refusal, match="it holds no sweep"):
        Store(tmp_path).plan()


def test_a_record_counts_once(tmp_path):
    made = planned(POINTS, repeat=2)
    kept = stored(tmp_path / "s", made, lambda point, repeat: 0.01 if repeat == 0 else None)
    name = identity.launch_name(made.points[0].id, 0)
    # Other spellings of the same launch, one that the plan does not have, and a copy under another's name.
    for other in ("0", "0000", "00²", "007", "001"):
        shutil.copy(kept.path(name), kept.path(name[:-3] + other))
    loaded = results.load(kept, made)
    assert loaded.counts() == {"ok": 2}
    assert len(loaded.problems) == 5
    there, spoilt = results.there(kept, made)
    assert there == {identity.launch_name(p.id, 0) for p in made.points}
    assert spoilt == [identity.launch_name(made.points[0].id, 1)]


def test_what_a_record_quotes_steers_no_terminal(tmp_path):
    made = planned(POINTS)
    kept = stored(tmp_path / "s", made, lambda point, repeat: ("failed", "\x1b[31mred\x00\nline\ud800"))
    assert {r.reason for r in results.load(kept, made).results[made.points[0].id]} == {"red line"}


def test_a_folder_without_a_plan_is_refused(tmp_path):
    with pytest.raises(Refusal, match="it holds no sweep"):
        Store(tmp_path).plan()
    (tmp_path / "plan.json").write_text('{"schema": 99}')
    with pytest.raises(Refusal, match="it has schema 99"):
        Store(tmp_path).plan()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"order": [[9, 0]]}, "its order is not one of its points"),
        ({"order": [[0, 0], [0, 0]]}, "its order is not one of its points"),
        ({"order": [["a", 0]]}, "it is not a plan"),
        ({"points": [{}]}, "it is not a plan"),
        ({"points": 3}, "it is not a plan"),
        ({"timeout": None}, "it is not a plan"),
    ],
)
def test_a_spoilt_plan_is_refused(tmp_path, change, said):
    (tmp_path / "plan.json").write_text(json.dumps({**planned(POINTS).table(), **change}))
    with pytest.raises(Refusal, match=said):
        Store(tmp_path).plan()


def test_a_sweep_is_never_laid_over_another(tmp_path):
    made = planned(POINTS)
    Store.make(tmp_path / "s", made)
    with pytest.raises(Refusal, match="it holds a sweep already"):
        Store.make(tmp_path / "s", made)


def test_superseded_records_are_kept(tmp_path):
    made = planned(POINTS)
    kept = stored(tmp_path / "s", made)
    name = identity.launch_name(made.points[0].id, 0)
    kept.set_aside(name)
    kept.path(name).write_text("{}")
    kept.set_aside(name)
    assert len(list((kept.folder / "superseded").iterdir())) == 2
    assert name not in kept.names()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 KiB, or None where it cannot be mounted."""
    target = tmp_path / "disk"
    target.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k,nr_inodes=64", "tmpfs", str(target)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        yield None
        return
    yield target
    subprocess.run(["umount", "-l", str(target)], check=True)


def foreign_plan(repeat=1):
    return planned(
        {"kernel": "stencil", "runtime": "good", "n": 64},
        runtimes={"good": {"command": f"{STAND_IN} good {{iterations}} {{n}}"}},
        repeat=repeat,
    )


class Quiet:
    def begin(self, launch):
        pass

    def end(self, launch, status, reason):
        pass


def full_writes(monkeypatch):
    def fail(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)


def test_a_full_disk_leaves_nothing_half_written(tmp_path, small_disk, monkeypatch):
    made = foreign_plan(repeat=40)
    kept = Store.make((small_disk or tmp_path) / "s", made)
    if not small_disk:
        full_writes(monkeypatch)
    todo = campaign.launches(made, kept, campaign.pending(made, set()))
    with pytest.raises(Refusal, match="No space left on device"):
        campaign.run(kept, todo, Quiet())
    loaded = results.load(kept, made)
    assert not loaded.problems
    assert loaded.counts().total() < 40
    assert not [p for p in kept.records.iterdir() if p.name.startswith(".")]


def test_a_folder_that_cannot_be_written_is_refused():
    # Root passes every permission check, but not this one.
    with pytest.raises(Refusal, match="cannot be written"):
        Store.make("/proc/s", foreign_plan())
    with pytest.raises(Refusal, match="cannot be written"), store.refuse_unwritable(Path("/proc/x")):
        write.replace(Path("/proc/x/page.html"), b"")


def test_replacing_a_file_fails_whole(tmp_path, monkeypatch):
    target = tmp_path / "page.html"
    write.replace(target, b"old")
    full_writes(monkeypatch)
    with pytest.raises(OSError, match="No space"):
        write.replace(target, b"new")
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_only_one_harness_launches(tmp_path):
    kept = Store.make(tmp_path / "s", foreign_plan())
    with (
        kept.locked(),
        pytest.raises(Refusal, match="another prk-bench runs this sweep"),
        Store(kept.folder).locked(),
    ):
        pass


@pytest.fixture
def no_locks(monkeypatch):
    """A file system as Lustre is without its option flock."""

    def fail(file, how):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", fail)


def test_without_locks_a_living_harness_is_known_by_its_number(tmp_path, no_locks, capsys):
    kept = Store.make(tmp_path / "s", foreign_plan())
    with kept.locked():
        assert (
            "no locks here (Function not implemented); see that no other machine" in capsys.readouterr().err
        )
        with pytest.raises(Refusal, match="another prk-bench runs this sweep"), Store(kept.folder).locked():
            pass
    for gone in (f"{platform.node()} 1 12", "elsewhere 1 12", "", "odd", "a b c"):
        (kept.folder / ".lock").write_text(gone)
        with kept.locked():
            assert "no locks here" in capsys.readouterr().err


def test_an_error_of_the_body_is_not_the_folder_s(tmp_path):
    kept = Store.make(tmp_path / "s", foreign_plan())
    with pytest.raises(BrokenPipeError), kept.locked():
        raise BrokenPipeError


def test_a_record_that_contradicts_its_launch_is_moved_aside(tmp_path):
    made = foreign_plan()
    kept = Store.make(tmp_path / "s", made)
    (one,) = campaign.launches(made, kept, campaign.pending(made, set()))
    kept.path(one.name).write_text("{")
    # What a program killed while writing leaves.
    half = kept.records / f".{one.name}.json.12ab"
    half.touch()
    status, reason = campaign.run_one(kept, one)
    assert not half.exists()
    assert (status, reason) == ("failed", "its record is truncated, or no JSON")
    assert results.load(kept, made).counts() == {"failed": 1}
    assert command.MARK in command.environment(one)


@pytest.mark.parametrize(
    ("row", "line", "said"),
    [
        ({"dense": 1.0, "sparse": None, "regret": 2}, {"task": 40, "part on": 0.5}, None),
        ({"dense": "much", "sparse": None, "regret": 2}, {"task": 40, "part on": 0.5}, "has a strange dense"),
        ({"dense": 1.0, "sparse": None, "regret": 2}, {"task": 40, "part on": []}, "has a strange part on"),
        ({"dense": 1.0, "sparse": None, "regret": 2}, 7, "lacks what a record has"),
    ],
)
def test_what_maps_and_timelines_are_drawn_from_is_numbers(tmp_path, row, line, said):
    made = planned({"kernel": "adaptive", "runtime": "mpi1", "ranks": 2})
    kept = stored(tmp_path / "s", made)
    (path,) = (kept.path(name) for name in made.launches())
    found = json.loads(path.read_text()) | {"table": [row], "summary": {"timeline": [line, line]}}
    path.write_text(json.dumps(found))
    loaded = results.load(kept, made)
    if said:
        assert said in dict(loaded.problems)[path.name]
        return
    (result,) = loaded.results[made.points[0].id]
    assert result.lists == {"timeline": (line, line)}
    assert rows.rows(made, loaded, None)[0].lists == {"timeline": (line, line)}
