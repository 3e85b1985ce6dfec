"""Rows of results chosen by conditions and put in order."""

import csv
import io
import json

import pytest

from prk.harness import cli
from prk.harness.analyse import rows
from prk.harness.show import choose
from prk.problem import Refusal
from tests.harness.making import planned, stored

POINTS = [
    {"kernel": "stencil", "runtime": ["mpi1", "mpishm"], "ranks": [1, 2, 4], "n": [64, 128]},
    {"kernel": "transpose", "runtime": "mpi1", "ranks": 2, "order": 64},
]


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Return a sweep in which 4 ranks of mpishm failed and Transpose has not run; more ranks are faster."""

    def times(point, repeat):
        if point.kernel == "transpose":
            return None
        return ("failed", "exit code 3") if point.label == "mpishm" and point.cores == 4 else 1 / point.cores

    return stored(tmp_path_factory.mktemp("chosen") / "s", planned(*POINTS, repeat=2), times)


@pytest.fixture(scope="module")
def found(kept):
    return rows.opened(kept).rows


def brief(found):
    """Return what tells rows apart: runtime, ranks and n."""
    return [(r.point.runtime, r.point.layout["ranks"], r.point.parameters.get("n")) for r in found]


@pytest.mark.parametrize(
    ("conditions", "count"),
    [
        ("kernel=stencil", 12),
        ("kernel=stencil,ranks>=2", 8),
        ("ranks>=2, ranks<4", 5),
        ("runtime=mpishm|serial", 6),
        ("kernel!=stencil", 1),
        ("n=64", 6),
        ("n!=64", 7),
        ("order>10", 1),
        ("state=ok", 10),
        ("state==2 FAILED", 2),
        ("cores<=1", 4),
        ("conforming=true", 13),
        ("confidence>=40%", 10),
        ("median>0,n=128", 5),
    ],
)
def test_rows_that_meet_all_conditions(found, conditions, count):
    assert len(choose.where(found, conditions)) == count


def test_rows_in_the_order_of_columns(found):
    some = choose.where(found, "kernel=stencil,ranks>1")
    assert brief(choose.ordered(some, "ranks,-n")) == [
        ("mpi1", 2, 128), ("mpishm", 2, 128), ("mpi1", 2, 64), ("mpishm", 2, 64),
        ("mpi1", 4, 128), ("mpishm", 4, 128), ("mpi1", 4, 64), ("mpishm", 4, 64),
    ]  # fmt: skip
    # What has no median stands last, whichever way.
    for order in ("median", "-median"):
        medians = [r.summary.median if r.summary else None for r in choose.ordered(found, order)]
        have = [m for m in medians if m is not None]
        assert medians == [*sorted(have, reverse=order[0] == "-"), None, None, None]


@pytest.mark.parametrize(
    ("call", "text", "said"),
    [
        (choose.where, "rank=2", "--where: there is no column 'rank'; did you mean ranks?"),
        (choose.where, "flavour=2", "use one of"),
        (choose.where, "ranks", "--where: 'ranks' is no condition; write COLUMN=VALUE"),
        (choose.where, "", "'' is no condition"),
        (choose.where, "ranks>=two", "--where: ranks is a number, and 'two' is none; write ranks>=1"),
        (choose.where, "ranks>1|2", "tells no order; use ranks= or ranks!="),
        (choose.where, "runtime>mpi1", "runtime>mpi1 tells no order; use runtime= or runtime!="),
        (choose.where, "ranks>8", "--where: no point has ranks>8; its ranks is one of: 1, 2, 4"),
        (choose.where, "kernel=transpose,n=64", "--where: no point has a value of n; use another column"),
        (choose.where, "bound>1", "--where: no point has a value of bound"),
        (choose.ordered, "kernel,rnks", "--sort: there is no column 'rnks'; did you mean ranks?"),
        (choose.ordered, "kernel,", "--sort: there is no column ''"),
    ],
)
def test_what_cannot_be_chosen_is_refused(found, call, text, said):
    with pytest.raises(Refusal) as refused:
        call(found, text)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_results_are_chosen_and_ordered_in_every_form(kept, capsys):
    words = ["results", str(kept.folder), "--where", "kernel=stencil,ranks>=2,state=ok", "--sort", "-median"]
    assert cli.main([*words, "--csv"]) == 0
    table = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    medians = [float(row["median"]) for row in table]
    assert len(table) == 6
    assert medians == sorted(medians, reverse=True)
    assert cli.main([*words, "--json"]) == 0
    assert [row["median"] for row in json.loads(capsys.readouterr().out)] == medians
    assert cli.main(words) == 0
    text = capsys.readouterr().out
    assert "transpose" not in text
    assert len([line for line in text.splitlines() if line.endswith(" ok")]) == 6


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--sort", "speed"], "--sort: there is no column 'speed'"),
        (["--format", "long", "--where", "ranks=1"], "--where: long is every sample of the sweep; use --csv"),
        (["--csv", "--json"], "--json: not allowed with argument --csv"),
    ],
)
def test_wrong_words_are_one_line_and_exit_code_2(kept, capsys, words, said):
    assert cli.main(["results", str(kept.folder), *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
