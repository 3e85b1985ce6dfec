"""References written from a sweep, and the gate that a later sweep has to pass."""

import json
from dataclasses import replace

import pytest

from prk.harness import cli
from tests.harness.making import planned, renamed, stored
from tests.harness.test_bounds import LATENCY
from tests.harness.test_origin import two_machines

POINT = {"kernel": "nstream", "runtime": "mpi1", "ranks": [1, 2], "n": 4096}


def steady(point, repeat):
    return 1 + 0.001 * repeat


def sweep(folder, seconds=steady, change=lambda p: p, **top):
    """Return the folder of a sweep of two points with six launches each, or as its table says."""
    made = planned(POINT, **{"repeat": 6, **top})
    return str(stored(folder, replace(made, points=tuple(map(change, made.points))), seconds).folder)


@pytest.fixture
def reference(tmp_path):
    """Return the path of a steady sweep's reference, of which each point may lose 5 %."""
    path = tmp_path / "reference.json"
    assert cli.main(["reference", sweep(tmp_path / "old"), "--out", str(path)]) == 0
    return path


def gate(path, folder, capsys):
    """Return the exit code of the comparison, and what it says of each point."""
    capsys.readouterr()
    code = cli.main(["compare", "--reference", str(path), folder])
    lines = capsys.readouterr().out.splitlines()
    return code, [line for line in lines if line.startswith("nstream")], "\n".join(lines)


def test_the_file_states_units_and_every_value(reference):
    found = json.loads(reference.read_text())
    assert [p["unit"] for p in found["points"]] == ["MB/s"] * 2
    assert [len(p["values"]) for p in found["points"]] == [6, 6]
    assert {p["tolerance"] for p in found["points"]} == {0.05}


@pytest.mark.parametrize(
    ("seconds", "said", "code"),
    [
        (steady, "as expected", 0),
        (lambda p, r: 1.03 + 0.001 * r, "as expected", 0),
        (lambda p, r: 1.25 + 0.001 * r, "worse", 1),
        (lambda p, r: 0.8 + 0.001 * r, "better", 0),
        # As slow in the middle, and as often as fast as before.
        (lambda p, r: 1.5 if r % 2 else 1.0, "as expected", 0),
        (lambda p, r: ("timeout", "no end") if r == 3 else 1.0, "not right: 5 ok, 1 timeout", 1),
        (lambda p, r: ("failed", "exit code 3"), "not right: 6 failed", 1),
        (lambda p, r: None, "not right: 6 missing", 1),
    ],
)
def test_what_is_worse_beyond_tolerance_and_interval_fails(tmp_path, reference, capsys, seconds, said, code):
    found, lines, _ = gate(reference, sweep(tmp_path / "new", seconds), capsys)
    assert found == code
    assert all(line.endswith(said) for line in lines)
    assert len(lines) == 2


def test_one_bad_point_is_enough_and_its_own_tolerance_counts(tmp_path, reference, capsys):
    folder = sweep(tmp_path / "new", lambda p, r: steady(p, r) * (1.25 if p.cores == 2 else 1.0))
    code, lines, _ = gate(reference, folder, capsys)
    assert (code, [line.rpartition("%  ")[2] for line in lines]) == (1, ["as expected", "worse"])
    found = json.loads(reference.read_text())
    found["points"][1]["tolerance"] = 0.3
    reference.write_text(json.dumps(found))
    assert gate(reference, folder, capsys)[0] == 0


def test_new_and_missing_points_are_named_and_do_not_fail(tmp_path, reference, capsys):
    other = {**POINT, "ranks": [2, 4]}
    folder = str(stored(tmp_path / "new", planned(other, repeat=6), steady).folder)
    code, lines, text = gate(reference, folder, capsys)
    assert (code, len(lines), lines[0].split()[2]) == (0, 1, "2")
    assert "Only in B:\n  nstream mpi1 ranks=4 nodes=1 threads=1" in text
    assert "Only in A:\n  nstream mpi1 ranks=1 nodes=1 threads=1" in text


def test_smaller_is_better_where_the_metric_says_so(tmp_path, capsys):
    def latency(point):
        return replace(point, metrics=(LATENCY,), work=1.0)

    path = tmp_path / "reference.json"
    old = sweep(tmp_path / "old", lambda p, r: 1e-6 * steady(p, r), latency)
    assert cli.main(["reference", old, "--out", str(path), "--tolerance", "10%"]) == 0
    for times, said in ((1.25, "worse"), (0.8, "better"), (1.05, "as expected")):
        folder = sweep(tmp_path / said[:5], lambda p, r, t=times: 1e-6 * t * steady(p, r), latency)
        code, lines, _ = gate(path, folder, capsys)
        assert code == (said == "worse")
        assert all(line.endswith(said) for line in lines)
    # Of another metric nothing can be said.
    assert cli.main(["compare", "--reference", str(path), sweep(tmp_path / "rate")]) == 2
    assert "it counts latency in us" in capsys.readouterr().err


def test_one_runtime_of_several(tmp_path, capsys):
    made = planned(POINT, repeat=6)
    points = (*made.points, *(renamed(p, "other") for p in made.points))
    order = tuple((p, r) for p in range(4) for r in range(6))
    whole = replace(made, points=points, order=order)
    stored(tmp_path / "old", whole, steady)
    stored(tmp_path / "new", whole, lambda p, r: steady(p, r) * (2 if p.runtime == "other" else 1))
    path = tmp_path / "reference.json"
    assert cli.main(["reference", str(tmp_path / "old"), "--out", str(path)]) == 0
    assert gate(path, f"{tmp_path}/new", capsys)[0] == 1
    code, lines, text = gate(path, f"{tmp_path}/new:mpi1", capsys)
    assert (code, len(lines)) == (0, 2)
    assert "Only in" not in text
    assert cli.main(["reference", f"{tmp_path}/old:mpi1", "--out", str(tmp_path / "own.json")]) == 0
    assert {p["runtime"] for p in json.loads((tmp_path / "own.json").read_text())["points"]} == {"mpi1"}


def test_launches_of_another_machine_are_left_out_and_said(tmp_path, capsys):
    kept = two_machines(tmp_path / "s")
    path = tmp_path / "reference.json"
    assert cli.main(["reference", str(kept.folder), "--out", str(path)]) == 0
    out = capsys.readouterr().out
    assert "2 points" in out
    assert out.count("left out: nstream mpi1 [2]") == 2
    found = json.loads(path.read_text())
    assert found["machine"]["processor"] == ["One"]
    # Twice as fast there, and each place is judged by itself.
    code, lines, _ = gate(path, str(kept.folder), capsys)
    assert (code, [line.endswith("better") for line in lines]) == (0, [False, True] * 2)


def test_a_reference_is_never_overwritten_nor_made_of_nothing(tmp_path, reference, capsys):
    before = reference.read_bytes()
    assert cli.main(["reference", str(tmp_path / "old"), "--out", str(reference)]) == 2
    assert "exists and is never overwritten" in capsys.readouterr().err
    assert reference.read_bytes() == before
    failed = sweep(tmp_path / "failed", lambda p, r: ("failed", "exit code 3"))
    assert cli.main(["reference", failed, "--out", str(tmp_path / "none.json")]) == 2
    assert not (tmp_path / "none.json").exists()


def changed(found, how):
    """Return the text of a file that is not right in one way."""
    point = found["points"][0]
    match how:
        case "no JSON":
            return "{"
        case "another schema":
            return json.dumps({**found, "schema": 9})
        case "no points":
            return json.dumps({"schema": 1})
        case "twice":
            return json.dumps({**found, "points": [point, point]})
        case "no value":
            return json.dumps({**found, "points": [{**point, "values": []}]})
        case "negative":
            return json.dumps({**found, "points": [{**point, "values": [-1.0]}]})
        case "percent":
            return json.dumps({**found, "points": [{**point, "tolerance": 5}]})
        case "list":
            return json.dumps([found])
    return json.dumps({**found, "points": [{**point, "point": "0123456789abcdef"}]})


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("no JSON", "is no JSON"),
        ("another schema", "it has schema 9, this prk reads 1"),
        ("no points", "it lacks 'points'"),
        ("twice", "twice"),
        ("no value", "are not positive numbers"),
        ("negative", "are not positive numbers"),
        ("percent", "is 5, not a part from 0 to 1"),
        ("list", "is no reference"),
        ("another point", "they have no point in common"),
    ],
)
def test_files_that_are_no_reference_are_refused(tmp_path, reference, capsys, how, said):
    reference.write_text(changed(json.loads(reference.read_text()), how))
    assert cli.main(["compare", "--reference", str(reference), str(tmp_path / "old")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["compare", "a"], "one sweep is too few"),
        (["compare", "--reference", "r.json", "a", "b"], "the reference stands in its place"),
        (["compare", "--reference", "r.json", "a"], "r.json: cannot be read"),
        (["reference", "a", "--out", "r.json", "--tolerance", "all"], "'all' is no part of a median"),
    ],
)
def test_wrong_words_are_refused(tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.chdir(tmp_path)
    assert cli.main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
