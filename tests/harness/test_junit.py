"""A sweep as JUnit's XML: a test case a point, failed or skipped as its launches were."""

from xml.etree import ElementTree

from prk.harness import cli
from tests.harness.making import planned, stored

KINDS = ("failure", "skipped", "skipped", "failure")
STATES = {1: 1.0, 2: ("failed", "exit code 3: \x1b[31m<out> & over"), 3: None, 4: ("skipped", "no MPI")}


def test_points_are_cases_with_their_state(tmp_path, capsys):
    made = planned(
        {"kernel": "nstream", "runtime": "mpi1", "ranks": [1, 2, 3, 4, 5], "n": 4096},
        {"kernel": "stencil", "runtime": "mpi1", "n": 100},
        repeat=2,
    )

    def seconds(point, repeat):
        # The last one is right once and hangs once.
        return STATES.get(point.cores, ("timeout", "no end") if repeat else 1.0)

    kept = stored(tmp_path / "s", made, seconds)
    assert cli.main(["results", "--format", "junit", str(kept.folder)]) == 0
    root = ElementTree.fromstring(capsys.readouterr().out)
    counts = ("tests", "failures", "skipped", "errors")
    suites = {suite.get("name"): [suite.get(name) for name in counts] for suite in root}
    assert suites == {"prk.nstream": [*"5220"], "prk.stencil": [*"1000"]}
    cases = root[0].findall("testcase")
    assert len({c.get("name") for c in cases}) == 5
    assert {c.get("classname") for c in cases} == {"prk.nstream.mpi1"}
    assert [[e.tag for e in case][:-1] for case in cases] == [[], *[[k] for k in KINDS]]
    assert cases[0].find("system-out").text.startswith("rate ")
    assert "MB/s, median of 2; ok" in cases[0].find("system-out").text
    assert cases[1].find("failure").get("message") == "2 failed"
    assert cases[1].find("failure").text == "exit code 3: <out> & over"
    assert cases[2].find("skipped").get("message") == "2 missing"
