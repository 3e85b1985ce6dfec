"""Launches of several machines and versions in one sweep: told, and never pooled."""

import json

import pytest

from prk.harness import cli
from prk.harness.analyse import apart, compare, curves, origin, rows
from prk.harness.show import report
from prk.harness.store import Store
from prk.records import identity
from tests.harness.making import planned, stored

POINT = {"kernel": "nstream", "runtime": "mpi1", "ranks": [1, 2], "n": 4096}


def changed(kept, choose, **environment):
    """Change what the chosen launches' records say of where they ran; choose(point, repeat)."""
    plan = kept.plan()
    for point in plan.points:
        for repeat in range(plan.repeat):
            path = kept.path(identity.launch_name(point.id, repeat))
            if choose(point, repeat) and path.exists():
                found = json.loads(path.read_text())
                found["environment"] |= environment
                path.write_text(json.dumps(found))


def one_machine(folder, seconds=lambda point, repeat: 1 + 0.001 * repeat):
    """Return a sweep whose records all say the same of where they are from."""
    kept = stored(folder, planned(POINT, repeat=6), seconds)
    changed(kept, lambda p, r: True, cpu="One", python="3.11")
    return kept


def two_machines(folder, seconds=lambda point, repeat: (1.0 if repeat < 4 else 0.5) + repeat / 1e3):
    """Return a sweep of which a third of the launches are from another processor, twice as fast."""
    kept = one_machine(folder, seconds)
    changed(kept, lambda p, r: r >= 4, cpu="Another")
    return kept


def placed(kept):
    sweep = apart.placed(rows.opened(kept))
    return sweep, sweep.loaded.origins


def test_points_measured_in_two_places_have_a_row_for_each(tmp_path):
    sweep, places = placed(two_machines(tmp_path / "s"))
    found = [(r.point.label, r.point.cores, r.summary.samples, r.state) for r in sweep.rows]
    assert found == [(f"mpi1{p}", n, k, "ok") for n in (1, 2) for p, k in (("", 4), (" [2]", 2))]
    assert [len(p.launches) for p in places] == [8, 4]
    (line,) = origin.told(places)
    assert line.startswith("[2] 4 launches: processor Another, not One")
    first = curves.panels(sweep.rows)[0]
    assert [s.label for s in first.series] == ["mpi1", "mpi1 [2]"]
    page = report.render(rows.opened(sweep.kept))
    assert "Not all launches are from one machine and one version" in page
    assert "4 launches: processor Another" in page


def test_results_and_status_tell_the_places(tmp_path, capsys):
    kept = two_machines(tmp_path / "s")
    for command in ("results", "status"):
        assert cli.main([command, str(kept.folder)]) == 0
        assert "[2] 4 launches: processor Another, not One" in capsys.readouterr().out
    assert cli.main(["results", "--format", "csv", str(kept.folder)]) == 0
    assert [line.split(",")[3] for line in capsys.readouterr().out.splitlines()[1:]] == ["", "[2]"] * 2


def test_what_failed_or_is_missing_stays_with_the_first_place(tmp_path):
    def seconds(point, repeat):
        return {0: ("timeout", "no end"), 1: None}.get(repeat, 1.0) if point.cores == 1 else 1.0

    sweep, _ = placed(two_machines(tmp_path / "s", seconds))
    assert [r.state for r in sweep.rows] == ["2 ok, 1 timeout, 1 missing", "ok", "ok", "ok"]


def test_other_versions_commits_and_libraries_are_other_places(tmp_path):
    kept = one_machine(tmp_path / "s")
    changed(kept, lambda p, r: r == 0, git={"commit": "a" * 40, "dirty": True})
    changed(kept, lambda p, r: r == 1, git={"commit": "b" * 40, "dirty": False})
    changed(kept, lambda p, r: r == 2, python="2.7")
    _, places = placed(kept)
    # What says nothing of its commit may be of any.
    assert sorted(len(p.launches) for p in places) == [2, 2, 8]
    said = "\n".join(origin.told(places))
    assert "python 2.7, not 3.11" in said
    assert "commit bbbbbbbbbbbb, not aaaaaaaaaaaa, with changes" in said


def test_compare_says_what_else_differs(tmp_path):
    for name in "ab":
        one_machine(tmp_path / name)
    same = compare.text(f"{tmp_path}/a", f"{tmp_path}/b")
    assert "Machine and versions are the same." in same
    changed(Store(tmp_path / "b"), lambda p, r: True, cpu="Another", python="2.7")
    text = compare.text(f"{tmp_path}/a", f"{tmp_path}/b")
    assert (
        "Not only what is compared differs:\n  processor: A One; B Another\n  python: A 3.11; B 2.7\n" in text
    )


def test_compare_keeps_places_apart(tmp_path):
    one_machine(tmp_path / "a")
    two_machines(tmp_path / "b")
    lines = [x for x in compare.text(f"{tmp_path}/a", f"{tmp_path}/b").splitlines() if "nstream" in x]
    assert [line.split()[1:4] for line in lines[:1]] == [["mpi1", "1", "n=4096"]]
    assert [" / mpi1 [2]" in line for line in lines] == [False, True] * 2


@pytest.mark.parametrize(
    ("places", "said"),
    [
        ([], "not stated"),
        ([{"hosts": {"a": 0}, "cpus": {"0": "0", "1": "1"}}], "1 cpu a member"),
        ([{"hosts": {"a": 0, "b": 2}, "cpus": {"0-3": "0-1"}}], "4 cpus shared by 2 members"),
        ([{"hosts": {"a": 0}, "cpus": {"0-3": "0", "4": "1"}}], "1 to 4 cpus a member"),
    ],
)  # fmt: skip
def test_binding_is_told_in_words(places, said):
    assert origin.binding(places) == said
