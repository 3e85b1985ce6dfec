"""What is submitted, without a cluster: scripts and steps as they should be, and bad input."""

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prk.harness import store
from prk.harness.analyse import results
from prk.harness.cli import main as bench_main
from prk.harness.execute import campaign, verdict
from prk.harness.execute.launch import Ended
from prk.harness.plan import expand, sweep
from prk.harness.slurm import cli as slurm_cli
from prk.harness.slurm import (
    doctor,
    estimate,
    inside,
    jobs,
    journal,
    nodes,
    queue,
    single,
    site,
    step,
    submission,
)
from prk.harness.slurm.site import Site
from prk.problem import Refusal
from prk.records import identity
from prk.run import launcher, registry
from tests.harness.making import a_record, planned, stored
from tests.launch import BIN, ROOT, run, wait_until

GOLDEN = Path(__file__).with_name("golden")
BENCH = [sys.executable, str(ROOT / "bench.py")]
SHIPPED = ROOT / "jobs" / "slurm"

SITES = {
    "plain": Site(),
    "full": Site(
        partition="standard", account="abc-12", constraint="skylake&100gbe", time="2:00:00", python="python",
        setup=("module load openmpi", "source ~/prk/bin/activate"), launcher="srun", mpi="cray_shasta",
        cache="/scratch/$USER/prk-cache", sbatch_flags=("--switches=1",), launcher_flags=("--network=x",),
        qos="benchmark", reservation="mine", gres="gpu:0", licenses="a:2,b", mail="me@home.org",
        wrapper=("apptainer", "exec", "prk.sif"),
        nodes=({"at_least": 4, "partition": "large", "sbatch_flags": ("--switches=2",)},),
        collect={"partition": "serial", "time": "0:10:00"},
    ),
}  # fmt: skip
POINTS = [
    {"kernel": "stencil", "runtime": ["mpi1", "charm4py", "dask"], "nodes": [1, 4],
     "ranks_per_node": 2, "n": 960},
    {"kernel": "stencil", "runtime": "mpithreads", "nodes": 4, "ranks_per_node": 2, "threads": 12, "n": 960},
    {"kernel": "stencil", "runtime": "numba", "threads": 24, "n": 960},
    {"kernel": "stencil", "runtime": "shmem", "nodes": 4, "n": 960,
     "options": {"shmem": {"shmem-backend": "shmem4py"}}},
    {"kernel": "stencil", "runtime": "c-mpi1", "nodes": 4, "n": 960},
]  # fmt: skip
TOP = {"repeat": 2, "timeout": 60, "runtimes": {"c-mpi1": {"command": "srun -N {nodes} ./stencil {n}"}}}


def its_limit(_):
    """Expect a launch to take what it may."""
    return math.inf


def any_time(_):
    return 0


def written(folder, made, chosen, together=False):
    """Write the scripts of a sweep into the folder as submit does; return the store."""
    kept = submission.folder_of(made, folder)

    def longest(nodes):
        return chosen.on(nodes).longest

    begun, wanted = submission.planned(kept, made, chosen, longest, its_limit, together)
    submission.write(kept, made, begun, wanted)
    return kept


def plain(path, folder):
    """Return a file's text with what differs between machines taken out."""
    from prk.runtimes.charm4py import charmrun

    text = path.read_text()
    for there, shown in ((charmrun(), "CHARMRUN"), (folder, "FOLDER"), (sys.executable, "PYTHON"),
                         (BIN, "BIN"), (ROOT, "ROOT")):  # fmt: skip
        text = text.replace(str(there), shown)
    return text


@pytest.mark.parametrize("together", [False, True], ids=["jobs", "one"])
@pytest.mark.parametrize("name", SITES)
def test_golden_scripts_and_steps(tmp_path, name, together):
    chosen = SITES[name]
    kept = written(tmp_path / "s", planned(*POINTS, **{**TOP, "repeat": 1}), chosen, together)
    golden = GOLDEN / f"{name}-{'one' if together else 'jobs'}"
    found = {
        p.name: plain(p, kept.folder)
        for p in sorted((kept.folder / "slurm").iterdir())
        if p.suffix != ".json"
    }
    if os.environ.get("PRK_WRITE_GOLDEN"):
        golden.mkdir(parents=True, exist_ok=True)
        for file, text in found.items():
            (golden / file).write_text(text)
    assert found == {p.name: p.read_text() for p in golden.iterdir()}


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*/*.sbatch")), ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_scripts_are_good_shell(path):
    assert run("bash", "-n", path).returncode == 0
    # A home folder and a virtual environment are the site's own business.
    done = run("shellcheck", "--exclude=SC1090,SC1091", path)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("kernel", ["stencil", "synch-p2p", "transpose"])
@pytest.mark.parametrize("name", SITES)
def test_study_of_512_nodes_is_written_without_a_cluster(tmp_path, kernel, name):
    made = expand.make(sweep.read(sweep.find(f"study-{kernel}")))
    kept = written(tmp_path / "s", made, SITES[name])
    scripts = sorted((kept.folder / "slurm").glob("*.sbatch"))
    assert {p.stem for p in scripts} == {"collect", *(f"nodes-{2**k}" for k in range(10))}
    assert run("bash", "-n", "-O", "extglob", *scripts).returncode == 0
    steps = [p.read_text().splitlines() for p in (kept.folder / "slurm").glob("*.steps")]
    assert sum(map(len, steps)) == len(made.order)
    assert "#SBATCH --nodes=512\n" in (kept.folder / "slurm" / "nodes-512.sbatch").read_text()
    largest = (kept.folder / "slurm" / "nodes-512.steps").read_text()
    for own in (
        ["--nodes=512 --ntasks=12288 --ntasks-per-node=24 --cpus-per-task=1 --threads-per-core=1",
         "--nodes=512 --ntasks=1024 --ntasks-per-node=2 --cpus-per-task=12",
         "--nodes=512 --ntasks=11776 --ntasks-per-node=23 --cpus-per-task=1"]
        if name == "full"
        else ["mpirun -n 12288 --map-by ppr:24:node:PE=1 --bind-to core --timeout 660",
              "mpirun -n 1024 --map-by ppr:2:node:PE=12", "+p11776 ++timeout 1237 "]
    ):  # fmt: skip
        assert own in largest


def test_every_launch_is_in_one_job_in_the_shuffled_order():
    made = planned(*POINTS, **TOP)
    order = list(made.launches())
    todo = campaign.pending(made, set())
    for together in (False, True):
        found = jobs.jobs(made, todo, any_time, its_limit, together)
        assert sorted(n for j in found for n in j.launches) == sorted(order)
        for one in found:
            assert list(one.launches) == [n for n in order if n in one.launches]
    assert [(j.name, j.nodes, j.cores) for j in jobs.jobs(made, todo, any_time, its_limit, False)] == [
        ("nodes-1", 1, 24),
        ("nodes-4", 4, 24),
    ]
    for taken, name in ((["nodes-4"], "nodes-4.2"), (["nodes-4", "nodes-4.2"], "nodes-4.3")):
        assert jobs.jobs(made, todo, any_time, its_limit, False, taken)[1].name == name


def test_a_job_has_the_time_for_what_it_runs():
    """Its launches as long as they are expected to be, one that hangs, and what is around them."""
    made = planned(
        {"kernel": "stencil", "runtime": "mpi1", "nodes": 2, "n": [960, 964]}, repeat=10, timeout=600
    )
    todo = campaign.pending(made, set())
    (one,) = jobs.jobs(made, todo, any_time, lambda _: 30.0, False)
    around = 2 * jobs.PREPARATION + 2 * jobs.WARNING
    assert one.seconds >= 20 * (30 + jobs.OVERHEAD) + 570 + around > one.seconds - 60
    assert one.expected == 30
    (worst,) = jobs.jobs(made, todo, any_time, its_limit, False)
    assert worst.seconds >= 20 * (600 + jobs.OVERHEAD) + around
    # No job lasts less than one launch, what is before it and the warning.
    (least,) = jobs.jobs(made, todo, lambda _: 420, lambda _: 30.0, False)
    assert least.seconds == 420
    with pytest.raises(Refusal) as refusal:
        jobs.jobs(made, todo, lambda _: 60, lambda _: 30.0, False)
    assert str(refusal.value).startswith(
        "time: 0:01:00 has no room for a launch of 30 s and 375 s around it;"
    )
    assert "allow 0:07:00" in str(refusal.value)
    with pytest.raises(Refusal):
        jobs.jobs(made, todo, lambda _: 600, its_limit, False)


def assert_can_run(point):
    problem = registry.problem_class(point.kernel)(**point.parameters)
    how = registry.runtime(point.runtime)
    size = point.layout["ranks"] * how.members_a_rank(point.kernel, point.options)
    problem.refuse(size)
    how.refuse(point.kernel, problem, point.options, size)
    assert problem.memory(size) < 1e8


@pytest.mark.parametrize("kernel", ["stencil", "synch-p2p", "transpose"])
def test_everything_in_the_study_is_prepared(kernel):
    made = expand.make(sweep.read(sweep.find(f"study-{kernel}")))
    ready = campaign.launches(made, store.Store("s"), campaign.pending(made, set()))
    small = jobs.preparations(one.point for one in ready)
    for point in small:
        assert_can_run(point)
    assert {(p.runtime, p.layout["nodes"]) for p in small} == {
        (p.runtime, p.layout["nodes"]) for p in made.points
    }


def test_preparations_are_small_and_can_run():
    made = planned(
        {"kernel": "transpose", "runtime": ["mpi1", "mpishm", "charm4py"], "nodes": 3, "ranks_per_node": 24,
         "order": 7200, "tile": 64},
        {"kernel": "stencil", "runtime": "mpi1", "ranks": 24, "n": [9000, 8000], "radius": 6},
    )  # fmt: skip
    ready = campaign.launches(made, store.Store("s"), campaign.pending(made, set()))
    small = jobs.preparations(one.point for one in ready)
    assert len(small) == 4
    for point in small:
        assert_can_run(point)
    shapes = {(p.kernel, p.runtime): (p.layout["ranks"], p.layout["ranks_per_node"]) for p in small}
    assert shapes["transpose", "mpi1"] == (3, 1)
    assert shapes["stencil", "mpi1"] == (2, 2)
    assert {p.parameters["radius"] for p in small if p.kernel == "stencil"} == {6}
    assert next(p.options["pe"] for p in small if p.runtime == "charm4py") == 3


@given(st.integers(0, 10**7))
def test_times_are_read_as_they_are_written(duration):
    assert site.seconds(site.clock(duration), "time") == duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30", 1800), ("1:30", 90), ("2:00:00", 7200), ("1-0", 86400), ("1-02:03", 93780), ("1-0:0:5", 86405)],
)
def test_slurms_times(text, seconds):
    assert site.seconds(text, "time") == seconds


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"partitions": "x"}, "site.toml: partitions: there is no such key; did you mean partition?"),
        ({"launcher": "aprun"}, "site.toml: launcher: 'aprun' is none of the choices; use mpirun or srun"),
        ({"bind": "socket"}, "site.toml: bind: 'socket' is none of the choices"),
        ({"time": "soon"}, "site.toml: time: 'soon' is no time"),
        ({"setup": "module load x"}, "site.toml: setup: 'module load x' is of the wrong type"),
        ({"setup": ["a\nb"]}, "site.toml: setup: 'a\\nb' is not one line"),
        ({"partition": "a b"}, "site.toml: partition: 'a b' is no name"),
        ({"account": 7}, "site.toml: account: 7 is of the wrong type"),
        ({"failures": -1}, "site.toml: failures: -1 is negative"),
        ({"stage": "yes"}, "site.toml: stage: 'yes' is of the wrong type"),
        ({"qos": "a b"}, "site.toml: qos: 'a b' is no name"),
        ({"constraint": 'a"b'}, "site.toml: constraint: 'a\"b' is no name"),
        ({"collect": True}, "site.toml: collect: True is no table"),
        ({"collect": {"launcher": "srun"}}, "site.toml: collect: launcher: there is no such key"),
        ({"nodes": {"at_least": 4}}, "site.toml: nodes: {'at_least': 4} is of the wrong type"),
        (
            {"nodes": [{"partition": "x"}]},
            "site.toml: nodes[0]: it does not say from which number",
        ),
        ({"nodes": [{"at_least": 4, "time": "soon"}]}, "site.toml: nodes[0]: time: 'soon' is no time"),
        ({"nodes": [4]}, "site.toml: nodes[0]: it does not say"),
    ],
)
def test_bad_sites_are_refused_in_one_line(table, said):
    with pytest.raises(Refusal) as refusal:
        site.parse(table, "site.toml")
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_the_shipped_site_file_states_the_defaults():
    assert site.read(SHIPPED / "site.toml") == Site()


def test_a_site_is_another_one_for_many_nodes_and_for_the_job_that_collects():
    table = {
        "partition": "p", "qos": "q", "time": "60", "gres": "gpu:1", "sbatch_flags": ["--a"], "setup": ["x"],
        "nodes": [{"at_least": 64, "partition": "large"}, {"at_least": 8, "partition": "mid", "time": "30"}],
        "collect": {"partition": "serial"},
    }  # fmt: skip
    found = site.parse(table, "site.toml")
    assert found.on(7) == found
    assert [(found.on(n).partition, found.on(n).time) for n in (8, 63, 64)] == [
        ("mid", "30"),
        ("mid", "30"),
        ("large", "30"),
    ]
    assert found.collecting == Site(partition="serial", qos="q", setup=("x",))
    assert site.parse({"collect": False}, "site.toml").collecting is None
    for one in (found, site.parse({"collect": False}, "site.toml")):
        assert Site.of(json.loads(json.dumps(one.table()))) == one
    # As an older prk has written it.
    assert Site.of({"partition": "p", "setup": ["x"], "cache": None}) == Site(partition="p", setup=("x",))


JOB = (
    "JobId=7 JobName=x JobState={} Reason={} Requeue=0 ExitCode={} DerivedExitCode={} Command=/a/ExitCode=9:0"
)


@pytest.mark.parametrize(
    ("text", "live", "status", "said"),
    [
        (JOB.format("PENDING", "Resources", "0:0", "0:0"), True, None, "Resources"),
        (JOB.format("RUNNING", "None", "0:0", "0:0"), True, None, ""),
        (JOB.format("TIMEOUT", "TimeLimit", "0:15", "0:0"), False, "timeout", "time limit"),
        (JOB.format("FAILED", "NonZeroExitCode", "124:0", "0:0"), False, "timeout", "time limit"),
        (JOB.format("FAILED", "NonZero", "127:0", "0:0"), False, "failed", "code 127, see slurm/j.7.out"),
        (JOB.format("FAILED", "JobLaunchFailure", "0:9", "0:0"), False, "failed", "with signal 9, see"),
        (JOB.format("COMPLETED", "None", "0:0", "0:125"), False, "oom", "ran out of memory"),
        (JOB.format("OUT_OF_MEMORY", "OutOfMemory", "0:125", "0:0"), False, "oom", "ran out of memory"),
        (JOB.format("NODE_FAIL", "NodeDown", "0:15", "0:0"), False, "failed", "lost a node"),
        (JOB.format("CANCELLED", "None", "0:15", "0:0"), False, "cancelled", "was cancelled"),
        (JOB.format("PREEMPTED", "None", "0:15", "0:0"), False, "cancelled", "was preempted"),
    ],
)  # fmt: skip
def test_states_are_read_back(text, live, status, said):
    found = queue.described(text)
    assert found.live == live
    entry = journal.Entry("j", 1, 60, ("a",), "7", found.state, found.reason, found.code)
    assert entry.live == live
    if live:
        assert found.reason == said
    else:
        assert entry.ending[0] == status
        assert said in entry.ending[1]


def test_nodes_of_a_job_are_read():
    text = "JobState=RUNNING Reason=None ReqNodeList=(null) NodeList=n[1-2,4] BatchHost=n1 Nodes=n[1-2]"
    assert queue.described(text) == queue.State("RUNNING", "", "", "n[1-2,4]")
    assert queue.described("JobState=PENDING NodeList=(null)").nodes == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("n1 ready\nn2 ready\nsrun: warning: x\n", None),
        ("n2 ready\nn1 cannot unpack x\nsrun: error: n1: task 0: Exited\n", "n1 cannot unpack x"),
        (
            "srun: unrecognized option '--overlap'\n",
            "n1 does not answer (srun: unrecognized option '--overlap')",
        ),
        ("n1 ready\n", "n2 does not answer"),
        ("n1 ready\nn2 rea", "n2 does not answer"),
    ],
)
def test_what_nodes_say_of_themselves(text, said):
    held = nodes.Nodes(Site(), "7", ["n1", "n2"], Path("shared"))
    if said is None:
        held._refuse(text)
        return
    with pytest.raises(nodes.Broken) as broken:
        held._refuse(text)
    assert str(broken.value).removesuffix(", and 1 more") == said


def test_broken_nodes_are_read(monkeypatch):
    said = "n1 allocated\nn2 idle*\nn3 drained\nn4 draining\nn5 down\nn6 failing\nn1 allocated\n"
    monkeypatch.setattr(queue, "ask", lambda _: said)
    assert queue.broken(["n1"]) == ["n2 does not answer", "n5 is down", "n6 is failing"]


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("2:28\n", 148),
        ("1-00:00:01\n", 86401),
        ("UNLIMITED\n", math.inf),
        ("INVALID", math.inf),
        ("", math.inf),
    ],
)
def test_time_left_is_read(monkeypatch, said, seconds):
    monkeypatch.setattr(queue, "ask", lambda _: said)
    assert queue.time_left("7") == seconds


def test_accounting_is_read():
    assert queue.accounted("CANCELLED by 1000|0:15|0:0\n").state == "CANCELLED"
    assert queue.accounted("COMPLETED|0:0|0:125\n").state == "OUT_OF_MEMORY"
    assert queue.accounted("\n").state == queue.FORGOTTEN


@pytest.mark.parametrize(
    ("code", "err", "status"),
    [
        (1, "slurmstepd: error: Detected 1 oom-kill event(s) in StepId=7.0", "oom"),
        (1, "slurmstepd: error: Detected 1 oom_kill event in StepId=7.0", "oom"),
        (137, "slurmstepd-n1: error: Step 7.0 exceeded memory limit (9 > 8), being killed", "oom"),
        (137, "srun: error: n1: tasks 1-3: Killed", "failed"),
        (137, "", "oom"),
        (0, "oom-kill event", "failed"),
    ],
)
def test_memory_that_ran_out_in_a_step(code, err, status):
    (point,) = planned({"kernel": "stencil", "runtime": "mpi1"}).points
    assert verdict.judge(point, Ended(code, 1.0, "", err), 9).status == status


def test_jobs_get_no_variables_that_change_what_a_script_asks_for():
    given = {
        "SBATCH_PARTITION": "x",
        "SLURM_NTASKS": "4",
        "SLURM_CONF": "/c",
        "PATH": "/bin",
        "SRUN_CPUS": "1",
    }
    assert queue.environment(given) == {"SLURM_CONF": "/c", "PATH": "/bin"}


# A Slurm that remembers in files what it was told; sbatch refuses the job that the file `refuse` names.
FAKE = """#!/bin/bash
here=$(dirname "$0")
echo "$(basename "$0") $*" >>"$here/said"
case $(basename "$0") in
    sbatch)
        script=${!#}
        if [[ -e $here/refuse && $(cat "$here/refuse") == "$(basename "$script" .sbatch)" ]]; then
            why=$(cat "$here/why" 2>/dev/null)
            echo "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy$why" >&2
            exit 1
        fi
        n=$(($(cat "$here/number" 2>/dev/null || echo 40) + 1))
        echo "$n $script" >>"$here/queue"
        echo "$n" >"$here/number"
        if [[ -e $here/slow ]]; then
            sleep 60
        fi
        echo "$n"
        echo "JobState=PENDING Reason=Priority ExitCode=0:0 DerivedExitCode=0:0" >"$here/job-$n"
        ;;
    scontrol)
        cat "$here/job-${!#}" 2>/dev/null && exit
        echo "slurm_load_jobs error: Invalid job id specified" >&2
        exit 1
        ;;
    sinfo) printf 'debug* 3 2:12+:2 1:00:00\\ndebug* 1 1:16:4 1:00:00\\nsmall 1 2:12:1 10:00\\n' ;;
    scancel) ;;
    squeue)
        case "$*" in
            *--steps*) printf '41.%s\\n' 'batch batch' 'extern extern' '0 prk-nodes' '3 prted' '12 python' ;;
            *) cat "$here/queue" 2>/dev/null || true ;;
        esac
        ;;
esac
"""


@pytest.fixture
def fake(tmp_path):
    """Return a folder with Slurm's commands as stand-ins, and a function that runs bench.py with them."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sbatch", "scontrol", "sinfo", "scancel", "squeue"):
        (folder / name).write_text(FAKE)
        (folder / name).chmod(0o755)
    path = f"{folder}:{BIN}:{os.environ['PATH']}"

    def bench(*words):
        return run(*BENCH, "slurm", *words, cwd=tmp_path, PATH=path)

    return folder, bench


SWEEP = ["--kernel=stencil", "--runtime=mpi1", "--nodes=1,2", "--ranks-per-node=1", "--n=64", "--out=s"]


def test_submit_twice_does_not_submit_twice(fake, tmp_path):
    folder, bench = fake
    done = bench("submit", *SWEEP)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "submitted nodes-1: job 41\nsubmitted nodes-2: job 42\nsubmitted collect: job 43" in done.stdout
    assert "sbatch --parsable --dependency=afterany:41:42 " in (folder / "said").read_text()
    for again in (SWEEP, ["s"]):
        done = bench("submit", *again)
        assert done.returncode == 0, done.stderr
        assert done.stdout == "submitted before: nodes-1 (41), nodes-2 (42)\n"
    assert (folder / "number").read_text() == "43\n"
    assert "PENDING" in bench("status", "s").stdout
    other = {"SLURM_JOB_ID": "99", "SLURM_JOB_NODELIST": "n1"}
    done = run(*BENCH, "slurm", "run", "s", "nodes-1", cwd=tmp_path, **other)
    assert (done.returncode, done.stdout) == (2, "")
    assert "nodes-1: it is job 41, and this is 99" in done.stderr
    done = bench("submit", *[w.replace("64", "65") for w in SWEEP])
    assert done.returncode == 2
    assert "s: it holds another sweep; name another --out" in done.stderr

    # What ended jobs left is submitted again, under another name; what never started says why meanwhile.
    (folder / "job-41").write_text("JobState=CANCELLED Reason=None ExitCode=0:0 DerivedExitCode=0:0")
    status = bench("status", "s").stdout
    assert "1 missing, 1 never started" in status or "1 never started, 1 missing" in status
    assert "never started: job 41 (nodes-1) was cancelled" in status
    done = bench("submit", "s")
    assert "submitted nodes-1.2: job 44\nsubmitted collect.2: job 45" in done.stdout, (
        done.stdout + done.stderr
    )
    assert "afterany:42:44" in (folder / "said").read_text()
    # Slurm has forgotten a job, and there is no accounting.
    (folder / "job-42").unlink()
    assert "ended early (forgotten)" in bench("status", "s").stdout
    done = bench("cancel", "s")
    assert done.stdout == "cancelled collect (43), nodes-1.2 (44), collect.2 (45)\n"
    assert "scancel --quiet 43 44 45" in (folder / "said").read_text()


def test_submission_that_was_cut_off_is_gone_on_with(fake, tmp_path):
    """It was killed before it could note a job's number: the queue knows the script."""
    folder, _ = fake
    (folder / "slow").touch()
    path = f"{folder}:{BIN}:{os.environ['PATH']}"
    words = [*BENCH, "slurm", "submit", *SWEEP]
    cut = subprocess.Popen(words, cwd=tmp_path, env={**os.environ, "PATH": path}, start_new_session=True)
    assert wait_until((folder / "number").exists)
    os.killpg(cut.pid, signal.SIGKILL)
    cut.wait()
    (folder / "slow").unlink()
    (folder / "job-41").write_text("JobState=PENDING Reason=None ExitCode=0:0 DerivedExitCode=0:0")
    done = fake[1]("submit", *SWEEP)
    assert "submitted nodes-1: job 41\nsubmitted nodes-2: job 42\nsubmitted collect: job 43" in done.stdout


def test_a_job_whose_submission_was_cut_off_claims_its_launches(tmp_path):
    made = planned({"kernel": "stencil", "runtime": "mpi1", "nodes": [1, 2], "n": 64})
    kept = written(tmp_path / "s", made, Site())
    assert journal.claim(kept, "nodes-1", "41").job("nodes-1").id == "41"
    assert journal.claim(kept, "nodes-1", "41").job("nodes-1").id == "41"
    with pytest.raises(Refusal, match="nodes-1: it is job 41, and this is 42"):
        journal.claim(kept, "nodes-1", "42")
    journal.end(kept, "nodes-1", "gave up: n2 is down")
    found = journal.read(kept)
    assert found.job("nodes-1").live
    ended = journal.Entry("nodes-1", 1, 60, ("a",), "41", "FAILED", "", "1:0", why="gave up: n2 is down")
    assert ended.ending == ("failed", "job 41 (nodes-1) gave up: n2 is down")
    assert found.job("nodes-2").id == ""


def test_jobs_one_after_the_other(fake, tmp_path):
    folder, bench = fake
    (tmp_path / "s.toml").write_text("collect = false")
    done = bench("submit", *SWEEP, "--chain", "--site=s.toml")
    assert "submitted nodes-1: job 41\nsubmitted nodes-2: job 42\nnext:" in done.stdout, done.stderr
    assert "one more job" not in done.stdout
    said = [line for line in (folder / "said").read_text().splitlines() if line.startswith("sbatch")]
    assert ["--dependency=afterany:41" in line for line in said] == [False, True]


def test_submit_waits_until_slurm_takes_more_jobs(fake, tmp_path, monkeypatch, capsys):
    folder, bench = fake
    (folder / "refuse").write_text("nodes-2")
    (folder / "why").write_text(" (job submit limit, user's size and/or time limits)")
    done = bench("submit", *SWEEP)
    assert done.returncode == 1
    assert "Slurm refused nodes-2" in done.stdout
    monkeypatch.setenv("PATH", f"{folder}:{BIN}", prepend=":")
    monkeypatch.chdir(tmp_path)
    clock = SimpleNamespace(monotonic=time.monotonic, sleep=lambda _: (folder / "refuse").unlink())
    monkeypatch.setattr(slurm_cli, "time", clock)
    assert bench_main(["slurm", "submit", "s", "--patience", "5"]) == 0
    out = capsys.readouterr().out
    assert "Slurm takes no more jobs now: Batch job submission failed: Job violates" in out
    assert "submitted nodes-2: job 42\nsubmitted collect: job 43" in out


def test_what_a_folder_has_already_is_not_asked_for_again(fake, tmp_path):
    folder, bench = fake
    bench("submit", *SWEEP)
    for words, said in (
        (["s", "--faild"], "--faild: s has its plan already"),
        (["s", "--repeat", "3"], "--repeat: s has its plan already"),
        (["s", "--seed", "0"], "--seed: s has its plan already"),
        (["s", "--n", "3"], "--n=3: s has its plan already"),
        (["s", "--status", "lost"], "--status: lost: there is no such key"),
        (["s", "--estimate", "soon"], "--estimate: 'soon' are no seconds"),
    ):
        done = bench("submit", *words)
        assert done.returncode == 2, done.stdout
        (line,) = done.stderr.splitlines()
        assert said in line
    assert (folder / "number").read_text() == "43\n"


def test_launches_of_a_status_are_submitted_again_on_request(fake, tmp_path):
    folder, bench = fake
    bench("submit", *SWEEP)
    kept = store.Store(tmp_path / "s")
    one, two = kept.plan().points
    for point, status in ((one, "skipped"), (two, "timeout")):
        kept.path(f"{point.id}-000").write_text(json.dumps(a_record(point, status=status, reason="why")))
    for number in (41, 42):
        (folder / f"job-{number}").write_text("JobState=COMPLETED ExitCode=0:0 DerivedExitCode=0:0")
    assert "2 jobs" not in bench("plan", "s").stdout
    # Half a file is no record.
    kept.path(f"{two.id}-000").write_text("{")
    assert "submitted nodes-2.2: job 44" in bench("submit", "s").stdout
    assert kept.names() == {f"{one.id}-000"}
    done = bench("submit", "s", "--status", "skipped")
    assert "submitted nodes-1.2: job 46" in done.stdout, done.stdout + done.stderr
    assert "nodes-2" not in done.stdout
    assert not kept.names()


def test_what_a_launch_takes_is_known_from_records_or_by_word(tmp_path):
    made = planned({"kernel": "stencil", "runtime": "mpi1", "nodes": [1, 2, 64], "n": 640}, repeat=2)

    def times(point, repeat):
        if point.layout["nodes"] == 1:
            return 0.01
        return ("failed", "lost") if point.layout["nodes"] == 2 else None

    kept = stored(tmp_path / "s", made, times)
    (kept.records / "what.json").write_text("{}")
    found = estimate.expected(made, [kept], "30,64:90")
    # Its records say half a second.
    assert [found(p) for p in made.points] == [1.0, 30.0, 90.0]
    assert estimate.expected(made, [kept], "")(made.points[1]) == math.inf


def test_submit_that_fails_half_way_lists_what_was_submitted(fake, tmp_path):
    folder, bench = fake
    (folder / "refuse").write_text("nodes-2")
    done = bench("submit", *SWEEP)
    assert done.returncode == 1
    assert "Slurm refused nodes-2: Batch job submission failed: Job violates" in done.stdout
    assert "submitted before: nodes-1 (41)" in done.stdout
    assert f"to cancel them: prk-bench slurm cancel {tmp_path}/s" in done.stdout
    (folder / "refuse").unlink()
    done = bench("submit", "s")
    assert done.returncode == 0
    assert "submitted nodes-2: job 42\nsubmitted collect: job 43" in done.stdout
    assert "nodes-1" not in done.stdout
    assert "afterany:41:42" in (folder / "said").read_text()


def test_steps_that_a_launcher_left_are_ended(fake, monkeypatch):
    folder, _ = fake
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    inside.end_steps("41")
    assert (folder / "said").read_text().splitlines()[-1] == "scancel --quiet 41.3 41.12"


def test_what_failed_is_submitted_again_on_request(fake, tmp_path):
    folder, bench = fake
    bench("submit", *SWEEP)
    kept = store.Store(tmp_path / "s")
    one, two = kept.plan().points
    for point in (one, two):
        found = a_record(point, status="failed", reason="lost")
        kept.path(f"{point.id}-000").write_text(json.dumps(found))
    (folder / "job-41").write_text("JobState=COMPLETED Reason=None ExitCode=0:0 DerivedExitCode=0:0")
    assert bench("submit", "s").stdout.startswith("submitted before: nodes-2 (42)")
    # The other job still runs, and may have more to do.
    done = bench("submit", "--failed", "s")
    assert "submitted nodes-1.2: job 44\nsubmitted collect.2" in done.stdout, done.stdout + done.stderr
    assert kept.names() == {f"{two.id}-000"}
    assert len(list((tmp_path / "s" / "superseded").iterdir())) == 1


def test_first_job_that_slurm_refuses_is_one_line(fake):
    folder, bench = fake
    (folder / "refuse").write_text("nodes-1")
    done = bench("submit", *SWEEP)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("prk-bench: nodes-1: Slurm refuses it: Batch job submission failed: Job violates")
    assert not (folder / "number").exists()


def test_what_ran_when_its_job_ended_is_recorded_once(tmp_path):
    made = planned({"kernel": "stencil", "runtime": "mpi1", "ranks": [1, 2], "n": 64}, repeat=2)
    kept = written(tmp_path / "s", made, Site())
    names = [identity.launch_name(p.id, r) for p in made.points for r in range(2)]
    found = journal.read(kept)
    ended = journal.Entry("nodes-1", 1, 60, tuple(names), "7", "NODE_FAIL", "NodeDown", "0:15")
    found = journal.Journal(found.site, (ended,))
    found.write(kept)
    kept.path(names[0]).write_text(json.dumps(a_record(made.points[0])))
    kept.log(names[1]).with_suffix(".err").touch()
    half = kept.records / f".{names[1]}.json.12ab"
    half.touch()
    for _ in range(2):
        journal.settle(kept, made, found)
        assert not half.exists()
        loaded = results.load(kept, made)
        assert not loaded.problems
        assert loaded.counts() == {"ok": 1, "failed": 1}
        assert loaded.results[made.points[0].id][1].reason == "job 7 (nodes-1) lost a node"
        assert loaded.never_started == {made.points[1].id: ["never started: job 7 (nodes-1) lost a node"] * 2}


@pytest.mark.parametrize(
    ("words", "site_file", "said"),
    [
        ([], 'partition = "standard"', "there is no such partition; use one of debug, small"),
        ([], 'partition = "small"', "partition small: it has 1 nodes and the sweep goes up to 2"),
        ([], 'queue = "debug"', "s.toml: queue: there is no such key"),
        ([], 'time = "2:00:00"', "time: partition debug allows 1:00:00 and not 2:00:00"),
        (["--ranks-per-node=25"], "", "partition debug: its nodes have 24 cores and the sweep wants 25"),
        (["--ranks=3"], "", "command line.ranks: 3 ranks do not fill 1 nodes evenly"),
        (["--site=elsewhere.toml"], "", "elsewhere.toml: cannot be read"),
        (["--wait"], "", "--wait"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_nothing_is_submitted(fake, tmp_path, words, site_file, said):
    folder, bench = fake
    (tmp_path / "s.toml").write_text(site_file)
    done = bench("submit", *SWEEP, "--site=s.toml", *words)
    assert done.returncode == 2, done.stdout + done.stderr
    (line,) = done.stderr.splitlines()
    assert said in line
    assert not (folder / "number").exists()
    assert not (tmp_path / "s").exists()


def test_bad_commands_are_refused_in_one_line(fake):
    _, bench = fake
    for words, said in (
        (["submit", "nothing.toml"], "nothing.toml: there is no such sweep file"),
        (["status", "elsewhere"], "elsewhere: it holds no sweep"),
        (["run", "elsewhere", "nodes-1"], "slurm run: this is no job of the sweep"),
        (["fly"], "COMMAND: invalid choice"),
    ):
        done = bench(*words)
        assert done.returncode == 2, done.stdout + done.stderr
        (line,) = done.stderr.splitlines()
        assert said in line


def test_without_slurm_scripts_can_still_be_written(tmp_path):
    def bench(*words):
        return run(*BENCH, "slurm", *words, cwd=tmp_path, PATH=str(tmp_path))

    done = bench("submit", *SWEEP)
    assert done.returncode == 2
    assert (
        done.stderr
        == "prk-bench: sbatch: it is not on the path; run this where Slurm is, as on a login node\n"
    )
    assert not (tmp_path / "s").exists()
    assert "2 jobs, 2 launches" in bench("plan", *SWEEP[:-1]).stdout
    done = bench("submit", *SWEEP, "--dry-run")
    assert done.returncode == 0, done.stderr
    names = sorted(p.name for p in (tmp_path / "s" / "slurm").iterdir() if p.name != ".lock")
    assert names == [
        "collect.sbatch",
        "jobs.json",
        "nodes-1.sbatch",
        "nodes-1.steps",
        "nodes-2.sbatch",
        "nodes-2.steps",
    ]
    # And again, as often as one likes.
    assert bench("submit", *SWEEP, "--dry-run").stdout.count("nodes-1.sbatch") == 1
    jobs = tmp_path / "s" / "slurm" / "jobs.json"
    jobs.write_text(jobs.read_text().replace('"schema": 1', '"schema": 9'))
    done = bench("status", tmp_path / "s")
    assert (done.returncode, "it has schema 9, this prk reads 1" in done.stderr) == (2, True), done.stderr


def test_steps_of_a_point_state_all_that_slurm_is_to_know():
    (point,) = planned(
        {"kernel": "stencil", "runtime": "mpi1", "nodes": 2, "ranks_per_node": 3, "n": 960}
    ).points
    chosen = Site(launcher="srun", mpi="pmi2", bind="none", wrapper=("in", "it"))
    words = step.command_of(chosen, point, "r.json", 90, "/shared", ["a", "b", "c"])
    assert words[: words.index(sys.executable)] == [
        "srun", "--nodes=2", "--nodelist=a,b", "--ntasks=6", "--ntasks-per-node=3", "--cpus-per-task=1",
        "--cpu-bind=none", "--distribution=block:block", "--mpi=pmi2", "--time=3", "--kill-on-bad-exit=1",
        "in", "it",
    ]  # fmt: skip
    words = step.command_of(Site(wrapper=("in", "it")), point, "r.json", 90, "/shared", ["a", "b", "c"])
    assert words[: words.index(sys.executable)] == [
        "mpirun", "-n", "6", "--host", "a:3,b:3", "--map-by", "ppr:3:node:PE=1", "--bind-to", "core",
        "--timeout", "150", "in", "it",
    ]  # fmt: skip
    # Two hardware threads of a core are no two cores for two ranks.
    assert "--threads-per-core=1" in step.command_of(Site(launcher="srun"), point, "r.json", 90, "/shared")


@pytest.mark.parametrize(
    ("program", "own"), [("mpirun -n {ranks} ./it {n}", True), ("mpirun ./it {n}", False)]
)
def test_a_foreign_program_of_the_usual_launcher_is_started_by_the_site_s(program, own):
    (point,) = planned(
        {"kernel": "stencil", "runtime": "c", "nodes": 2, "ranks_per_node": 3, "n": 960},
        runtimes={"c": {"command": program}},
    ).points
    words = step.command_of(Site(launcher="srun", mpi="pmi2"), point, "", 90, "/shared", ["a", "b", "c"])
    assert words[-2:] == ["./it", "960"]
    assert (words[0] == "srun" and "--nodelist=a,b" in words) == own


def test_words_with_blanks_reach_every_runtime_s_program():
    """Charm4py's launcher writes them into a script of a shell."""
    made = planned({"kernel": "stencil", "runtime": ["mpi1", "dask", "charm4py"], "ranks": 2, "n": 960})
    for point in made.points:
        words = step.command_of(Site(), point, "of mine/r.json", 90, "/shared folder")
        own = words[words.index("--json") + 1]
        assert own == ("'of mine/r.json'" if point.runtime == "charm4py" else "of mine/r.json")


def test_steps_get_the_environment_of_their_job(monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert "SLURM_EXPORT_ENV" not in launcher.environment(False)
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    assert launcher.environment(False)["SLURM_EXPORT_ENV"] == "ALL"


def test_a_person_at_a_terminal_is_no_rank():
    controller, terminal = os.openpty()
    for stdin, said in ((terminal, True), (subprocess.DEVNULL, False)):
        shell = subprocess.Popen(["sleep", "60"], stdin=stdin)
        assert launcher.at_a_terminal({"SLURM_TASK_PID": str(shell.pid)}) == said
        shell.kill()
        shell.wait()
    assert not launcher.at_a_terminal({"SLURM_TASK_PID": str(shell.pid)})
    assert not launcher.at_a_terminal({})
    os.close(controller)
    os.close(terminal)


def test_what_nodes_are_like_is_said_once():
    text = "n1\tcores\t2\nn2\tcores\t2\nn1\tmemory\t1 GiB\nsrun: error: x\nn2\tmemory\t2 GiB\nn2\thost\ty\n"
    assert doctor.folded(text, ["n1", "n2"]).splitlines() == [
        "cores       all nodes: 2",
        "memory      n1: 1 GiB",
        "memory      n2: 2 GiB",
        "host        n2: y",
    ]
    assert "SLURM_EXPORT_ENV=ALL" in doctor.exported("NONE")
    assert doctor.exported("") == doctor.exported("ALL") == "steps get the environment of their job"


def test_plain_script_refuses_to_run_nothing(tmp_path):
    assert shutil.which("shellcheck")
    done = subprocess.run(["bash", SHIPPED / "prk.sbatch"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("prk.sbatch: KERNEL: none is named")


ALLOCATION = {"SLURM_JOB_NUM_NODES": "2", "SLURM_NTASKS": "6", "SLURM_CPUS_PER_TASK": "1"}


@pytest.mark.parametrize("how", list(registry.usable()), ids=lambda how: how.name)
def test_plain_script_starts_every_runtime_as_it_wants_to_be_started(how):
    kernel = next(k for k in registry.kernels() if registry.has(how.name, k))
    words = single.command_of([kernel, "--runtime", how.name], ALLOCATION, "/shared")
    program = words[words.index("-m", words.index(sys.executable)) :] if how.launched else words
    assert f"prk.{kernel}" in program
    if how.launched:
        assert words[:3] == ["mpirun", "-n", "6"]
        assert words[words.index("--map-by") + 1].startswith("ppr:3:node")
    elif how.count_option not in ("", "threads"):
        assert program[-2:] == [f"--{how.count_option}", "6"]
    else:
        assert {"--nodes=1", "--ntasks=1"} <= set(words)
    by_srun = single.command_of(
        [kernel, "--runtime", how.name], {**ALLOCATION, "PRK_SRUN": "pmi2"}, "/shared"
    )
    assert any(f"--mpi={'pmi2' if how.launched else 'none'}" in word for word in by_srun)


@pytest.mark.parametrize(
    ("words", "variables", "said"),
    [
        ([], ALLOCATION, "KERNEL: none is named"),
        (["flambe"], ALLOCATION, "use one of"),
        (["stencil"], {}, "submit it"),
        (["stencil"], {**ALLOCATION, "SLURM_NTASKS": "5"}, "use 6"),
        (["stencil", "--radios", "4"], ALLOCATION, "use --radius"),
    ],
)
def test_plain_script_refuses_in_one_line(words, variables, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert single.main(words, variables) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("prk.sbatch: ")
    assert said in line
    assert not list(tmp_path.iterdir())


def test_plain_script_counts_tasks_a_node_where_no_number_of_tasks_is_given():
    found = single.layout_of({"SLURM_JOB_NUM_NODES": "2", "SLURM_NTASKS_PER_NODE": "3"})
    assert found == {"ranks": 6, "nodes": 2, "ranks_per_node": 3, "threads": 1}
    assert single.layout_of({"SLURM_JOB_NUM_NODES": "1"})["ranks"] == 1
    # Left by the job in which this one was submitted.
    stale = {"SLURM_JOB_NUM_NODES": "2", "SLURM_NTASKS": "7"}
    assert single.layout_of({**stale, "SLURM_TASKS_PER_NODE": "4(x2)"})["ranks"] == 2
    assert single.layout_of({**stale, "SLURM_NTASKS": "8", "SLURM_TASKS_PER_NODE": "4(x2)"})["ranks"] == 8
    with pytest.raises(Refusal, match="7 tasks do not fill 2 nodes evenly"):
        single.layout_of({**stale, "SLURM_TASKS_PER_NODE": "4,3"})
