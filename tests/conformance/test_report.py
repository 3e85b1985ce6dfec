"""Results as a continuous integration reads them, and as people do."""

from dataclasses import replace
from xml.etree import ElementTree

from prk.conformance import report
from prk.conformance.mutants import Mutant
from prk.conformance.mutation import UNREACHED, Equivalent, Tried, scores, survivors, unnoticed
from prk.conformance.report import Result

RESULTS = [
    Result("own", "stencil", 2, "--n 17", seconds=0.5),
    Result("own", "stencil", 2, "a member <hangs>", "the job does not end in 30 s"),
    Result("own", "stencil", 1, "--other", "there is no oshrun", left_out=True),
]


def test_a_line_says_what_was_checked_and_why_it_failed():
    assert RESULTS[0].line == "ok       stencil on 2 of own: --n 17"
    assert RESULTS[1].line.startswith("FAILED   stencil on 2 of own: a member <hangs>: the job does not end")
    assert report.counted(RESULTS) == "1 ok, 1 FAILED, 1 left out"


def test_junit_counts_failures():
    suite = ElementTree.fromstring(report.junit(RESULTS, {"date": "today"})).find("testsuite")
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("3", "1", "1")
    assert suite.find("testcase/failure").get("message") == "the job does not end in 30 s"


def test_the_page_needs_nothing_else_and_escapes():
    text = report.page(
        ["own"], RESULTS, report.facts({"data": 7}), [[("runtime", "score"), ("own", "97.5 %")], []]
    )
    assert "Conformance of own" in text
    assert "a member &lt;hangs&gt;" in text
    assert "97.5 %" in text
    assert "src=" not in text
    assert "href=" not in text


def test_the_score_leaves_equivalent_mutants_out(tmp_path):
    where = Mutant("prk.runtimes.mpi1.stencil", "Kernel.step", "a = 1", "a = 2", line=3, kind="constant + 1")
    other = Mutant("prk.runtimes.mpi1.stencil", "Kernel.step", "b = 1", "b = 2")
    found = [
        Tried("own", ("stencil",), where, False, "nothing notices", 1.0),
        Tried("own", ("stencil",), other, True, "exit code 1", 1.0),
    ]
    assert scores(found, Equivalent(None))[1] == ("own", "2", "1", "0", "0", "1", "50.0 %")
    path = tmp_path / "equivalent.toml"
    path.write_text(
        '[[equivalent]]\nmodule = "prk.runtimes.mpi1.stencil"\nfunction = "Kernel.step"\n'
        'before = "a = 1"\nafter = "a = 2"\nreason = "only the speed"\n'
    )
    known = Equivalent(path)
    assert scores(found, known)[1] == ("own", "2", "1", "1", "0", "0", "100.0 %")
    (line,) = survivors(found, known)
    assert "stencil.py:3 Kernel.step: constant + 1: only the speed" in line
    assert "- a = 1\n    + a = 2" in line
    _, row = unnoticed(found, known)
    assert row == (
        "equivalent", "own", f"{where.module}:3 Kernel.step", "a = 1", "a = 2", "only the speed"
    )  # fmt: skip
    # What others share, and no run of this runtime comes to, does not count; of its own files it does.
    for module, row in (("prk.runtimes._mpi.calls", ("1", "0")), ("prk.runtimes.mpi1.stencil", ("0", "1"))):
        left = Tried("own", ("stencil",), replace(where, module=module), False, UNREACHED, 1.0)
        assert scores([left], Equivalent(None))[1][4:6] == row
