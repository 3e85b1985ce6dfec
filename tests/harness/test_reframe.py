"""The tests for ReFrame, run by ReFrame: what is right passes, what is wrong fails with its reason."""

import json
import sys
from pathlib import Path

import pytest

from prk.harness import cli
from tests.harness.making import planned, stored
from tests.launch import BIN, ROOT, run
from tests.slurm import test_cluster

CHECKS = ROOT / "prk" / "reframe" / "checks.py"
SITE = """
site_configuration = {
    "systems": [{
        "name": "here",
        "hostnames": [".*"],
        "partitions": [{
            "name": "node", "scheduler": "SCHEDULER", "launcher": "mpirun", "environs": ["any"], "max_jobs": 1
        }],
    }],
    "environments": [{"name": "any"}],
}
"""


# Each starts and ends the cluster for the tests of its own file.
slurm = test_cluster.slurm


def reframe(folder, chosen, *words, scheduler="local", **environment):
    """Run the chosen tests; return how ReFrame ended, and what it reports of each case."""
    (folder / "site.py").write_text(SITE.replace("SCHEDULER", scheduler))
    report = folder / "report.json"
    done = run(
        *(BIN / "reframe", "-C", "site.py", "--prefix", folder, "--report-file", report, "-c", CHECKS),
        *("-r", "--exec-policy=serial", "-n", chosen, *words),
        cwd=folder,
        seconds=300,
        # Where it leaves logs.
        TMPDIR=str(folder),
        **environment,
    )
    cases = json.loads(report.read_text())["runs"][0]["testcases"] if report.exists() else []
    return done, cases


def test_right_runs_pass_with_their_rates_beside_a_reference(tmp_path, capsys):
    own = {"kernel": "nstream", "n": 4096}
    points = [{**own, "runtime": "serial"}, {**own, "runtime": ["numba", "mpi1"], "ranks": 2}]
    slow = stored(tmp_path / "slow", planned(*points), lambda p, r: 100.0)
    references = tmp_path / "reference.json"
    assert cli.main(["reference", str(slow.folder), "--out", str(references)]) == 0
    done, cases = reframe(
        tmp_path, "%kernel=nstream%runtime=(serial%|(numba|mpi1)%ranks=2)",
        "-S", "arguments=--n,4096", "-S", f"references={references}",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    by_result = {result: [c for c in cases if c["result"] == result] for result in ("pass", "skip", "fail")}
    assert {k: len(v) for k, v in by_result.items()} == {"pass": 3, "skip": 1, "fail": 0}
    assert by_result["skip"][0]["runtime"] == "serial"
    for case in by_result["pass"]:
        ((value, reference, low, _, unit, *_),) = case["perfvalues"].values()
        assert value > reference > 0
        assert (low, unit) == (-0.05, "MB/s")
        record = json.loads((Path(case["outputdir"]) / "record.json").read_text())
        assert record["layout"]["ranks"] * record["layout"]["threads"] == case["ranks"]
        assert record["runtime"] == case["runtime"]


def test_jobs_on_two_nodes_pass_and_fail(slurm, tmp_path):
    done, cases = reframe(
        tmp_path, "%kernel=(nstream|dgemm)%runtime=mpi1%ranks=2",
        "-S", "arguments=--n,4096", "-S", "num_tasks_per_node=1",
        scheduler="squeue", SLURM_CONF=slurm.environment["SLURM_CONF"],
        PRTE_MCA_rmaps_default_mapping_policy="node:oversubscribe",
    )  # fmt: skip
    assert done.returncode == 1, done.stdout
    found = {case["kernel"]: case for case in cases}
    assert found["nstream"]["result"] == "pass", done.stdout
    record = json.loads((Path(found["nstream"]["outputdir"]) / "record.json").read_text())
    assert record["layout"]["ranks"] == 2
    assert record["layout"]["nodes"] == (2 if slurm.apart else 1)
    # It has no such option, and the queue tells no exit code.
    assert found["dgemm"]["result"] == "fail"
    assert "no record, exit code None: prk.dgemm: --n: there is no" in found["dgemm"]["fail_reason"]


# In prk's place: a record and an exit code for each kernel, and a reference of its point where it has one.
RECORD = {"status": "ok", "reason": None, "metrics": {"rate": {"unit": "MB/s", "values": [1.0, 2.0, 3.0]}}}
LATE = {**RECORD, "metrics": {"latency": {"unit": "us", "values": [1.0, 2.0, 3.0]}}}
RATE = {"metric": "rate", "unit": "MB/s", "larger_is_better": True}
EXPECTED = {**RATE, "tolerance": 0.05, "values": [2.05, 2.0]}
SLOWER = {**EXPECTED, "metric": "latency", "unit": "us", "larger_is_better": False}
RUNS = {
    "nstream": (RECORD, 0, EXPECTED, ""),
    "transpose": (LATE, 0, SLOWER, ""),
    "stencil": ({**RECORD, "status": "invalid", "reason": "norm is 1"}, 1, EXPECTED, "invalid: norm is 1"),
    "synch_p2p": (RECORD, 3, EXPECTED, "its record is ok, but the exit code 3: prk.synch_p2p: said"),
    "reduce": (None, 2, None, "no record, exit code 2: prk.reduce: said"),
    "sparse": (None, 0, None, "no record, exit code 0"),
    "dgemm": (RECORD, 0, {**EXPECTED, "values": [2.2]}, "rate=2.0 MB/s, expected 2.2 (l=2.09"),
    "random": (LATE, 0, {**SLOWER, "values": [1.8]}, "latency=2.0 us, expected 1.8 (l=-inf, u=1.89"),
    "branch": (RECORD, 0, {**EXPECTED, "unit": "GB/s"}, "rate is in GB/s, the record's in MB/s"),
    "refcount": (RECORD, 0, None, "has no point like this one, prk.refcount"),
}
STAND_IN = """#!{python}
import json, os, sys
module = sys.argv[2]
runs = json.load(open("{runs}"))
if module not in runs:
    os.execv("{python}", ["{python}", *sys.argv[1:]])
record, code = runs[module]
print(module + ": said", file=sys.stderr)
if record:
    json.dump({{**record, "point": module}}, open("record.json", "w"))
sys.exit(code)
"""

# A site's own test, which states its own parameters and reference.
OWN = """
import reframe as rfm
from reframe.core.builtins import parameter
from prk.reframe.checks import KernelRun

@rfm.simple_test
class Own(KernelRun):
    kernel = parameter(["nstream"])
    runtime = parameter(["serial", "mpi1"])
    ranks = parameter([1])
    arguments = ["--n", "100"]
    reference = {"here": {"rate": (3.0, -0.1, None, "MB/s")}}
"""


@pytest.fixture(scope="module")
def wrong(tmp_path_factory):
    """Run every test once with a stand-in for prk's Python; return the cases by test and kernel."""
    folder = tmp_path_factory.mktemp("wrong")
    runs, python = folder / "runs.json", folder / "python"
    runs.write_text(json.dumps({f"prk.{k}": found[:2] for k, found in RUNS.items()}))
    python.write_text(STAND_IN.format(python=sys.executable, runs=runs))
    python.chmod(0o755)
    references = folder / "reference.json"
    points = [{**expected, "point": f"prk.{k}"} for k, (_, _, expected, _) in RUNS.items() if expected]
    references.write_text(json.dumps({"points": points}))
    (folder / "own.py").write_text(OWN)
    chosen = f"%kernel=({'|'.join(RUNS)})%runtime=serial%ranks=1"
    more = ["-S", f"Prk.references={references}", "-c", "own.py"]
    done, cases = reframe(folder, chosen, *more, PRK_PYTHON=str(python))
    assert done.returncode == 1, done.stdout + done.stderr
    return {(case["name"].split()[0], case["kernel"]): case for case in cases}


@pytest.mark.parametrize("kernel", RUNS)
def test_runs_fail_where_record_exit_code_or_reference_says_so(wrong, kernel):
    case, said = wrong["Prk", kernel], RUNS[kernel][-1]
    assert case["result"] == ("fail" if said else "pass")
    assert said in (case["fail_reason"] or "")


def test_a_derived_test_has_parameters_arguments_and_reference_of_its_own(wrong):
    assert set(wrong) == {("Own", "nstream"), *(("Prk", kernel) for kernel in RUNS)}
    case = wrong["Own", "nstream"]
    assert case["result"] == "fail"
    assert "rate=2.0 MB/s, expected 3.0 (l=2.7" in case["fail_reason"]
    assert case["executable_opts"][-2:] == ["--n", "100"]


def test_a_python_without_prk_is_named(tmp_path):
    done, cases = reframe(tmp_path, "^Prk", PRK_PYTHON="/bin/false")
    assert "PRK_PYTHON: /bin/false does not run prk" in done.stdout + done.stderr
    assert not cases


def test_the_command_says_where_the_tests_are(capsys):
    assert cli.main(["reframe"]) == 0
    assert Path(capsys.readouterr().out.strip()).samefile(CHECKS)
