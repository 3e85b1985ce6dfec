"""What is submitted, without a cluster: scripts and steps as they should be, and bad input."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prk.harness import store
from prk.harness.analyse import results
from prk.harness.execute import campaign, verdict
from prk.harness.execute.launch import Ended
from prk.harness.plan import expand, sweep
from prk.harness.slurm import inside, jobs, journal, queue, single, site, step, submission
from prk.harness.slurm.site import Site
from prk.problem import Refusal
from prk.records import identity
from prk.run import registry
from tests.harness.making import a_record, planned
from tests.launch import BIN, ROOT, run

GOLDEN = Path(__file__).with_name("golden")
BENCH = [sys.executable, str(ROOT / "bench.py")]
SHIPPED = ROOT / "jobs" / "slurm"

SITES = {
    "plain": Site(),
    "full": Site(
        partition="standard", account="abc-12", constraint="skylake&100gbe", time="2:00:00", python="python",
        setup=("module load openmpi", "source ~/prk/bin/activate"), launcher="srun", mpi="cray_shasta",
        cache="/scratch/$USER/prk-cache", sbatch_flags=("--qos=benchmark",), launcher_flags=("--network=x",),
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


def written(folder, made, chosen, together=False, longest=0):
    """Write the scripts of a sweep into the folder as submit does; return the store."""
    kept = submission.folder_of(made, folder)
    begun, wanted = submission.planned(kept, made, chosen, longest, together)
    submission.write(kept, made, begun, wanted, longest)
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
    longest = site.seconds(chosen.time, "time") if chosen.time else 0
    kept = written(tmp_path / "s", planned(*POINTS, **{**TOP, "repeat": 1}), chosen, together, longest)
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
        ["--nodes=512 --ntasks=12288 --ntasks-per-node=24 --cpus-per-task=1 --cpu-bind=cores",
         "--nodes=512 --ntasks=1024 --ntasks-per-node=2 --cpus-per-task=12",
         "--nodes=512 --ntasks=11776 --ntasks-per-node=23 --cpus-per-task=1"]
        if name == "full"
        else ["mpirun -n 12288 --map-by ppr:24:node:PE=1 --bind-to core --timeout 660",
              "mpirun -n 1024 --map-by ppr:2:node:PE=12", "+p11776"]
    ):  # fmt: skip
        assert own in largest


def test_every_launch_is_in_one_job_in_the_shuffled_order():
    made = planned(*POINTS, **TOP)
    order = list(made.launches())
    todo = campaign.pending(made, set())
    for together in (False, True):
        found = jobs.jobs(made, todo, 0, together)
        assert sorted(n for j in found for n in j.launches) == sorted(order)
        for one in found:
            assert list(one.launches) == [n for n in order if n in one.launches]
    assert [(j.name, j.nodes, j.cores) for j in jobs.jobs(made, todo, 0, False)] == [
        ("nodes-1", 1, 24),
        ("nodes-4", 4, 24),
    ]
    assert jobs.jobs(made, todo, 0, False, ["nodes-4"])[1].name == "nodes-4.2"
    assert jobs.jobs(made, todo, 0, False, ["nodes-4", "nodes-4.2"])[1].name == "nodes-4.3"
    assert jobs.jobs(made, todo, 90, True)[0].seconds == 120
    assert jobs.collector("collect", 600).seconds == 600


def assert_can_run(point):
    problem = registry.problem_class(point.kernel)(**point.parameters)
    how = registry.runtime(point.runtime)
    size = point.layout["ranks"] * how.members_a_rank(point.options)
    problem.refuse(size)
    how.refuse(point.kernel, problem, point.options, size)
    assert problem.memory(size) < 1e8


@pytest.mark.parametrize("kernel", ["stencil", "synch-p2p", "transpose"])
def test_everything_in_the_study_is_prepared(kernel):
    made = expand.make(sweep.read(sweep.find(f"study-{kernel}")))
    ready = campaign.launches(made, store.Store("s"), campaign.pending(made, set()))
    small = jobs.preparations(ready)
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
    small = jobs.preparations(ready)
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
    ],
)
def test_bad_sites_are_refused_in_one_line(table, said):
    with pytest.raises(Refusal) as refusal:
        site.parse(table, "site.toml")
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_the_shipped_site_file_states_the_defaults():
    assert site.read(SHIPPED / "site.toml") == Site()


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
            echo "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy" >&2
            exit 1
        fi
        n=$(($(cat "$here/number" 2>/dev/null || echo 40) + 1))
        echo "$n" | tee "$here/number"
        echo "JobState=PENDING Reason=Priority ExitCode=0:0 DerivedExitCode=0:0" >"$here/job-$n"
        ;;
    scontrol)
        cat "$here/job-${!#}" 2>/dev/null && exit
        echo "slurm_load_jobs error: Invalid job id specified" >&2
        exit 1
        ;;
    sinfo) printf 'debug* 3 24 1:00:00\\ndebug* 1 16 1:00:00\\nsmall 1 24 10:00\\n' ;;
    scancel) ;;
    squeue) printf '41.batch\\n41.extern\\n41.0\\n41.12\\n' ;;
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
    assert (folder / "said").read_text().splitlines()[-1] == "scancel --quiet 41.0 41.12"


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
    for _ in range(2):
        journal.settle(kept, made, found)
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


def test_steps_of_a_point_state_all_that_slurm_is_to_know():
    (point,) = planned(
        {"kernel": "stencil", "runtime": "mpi1", "nodes": 2, "ranks_per_node": 3, "n": 960}
    ).points
    words = step.starter(Site(launcher="srun", mpi="pmi2", bind="none"), point, 90)
    assert words == [
        "srun", "--nodes=2", "--ntasks=6", "--ntasks-per-node=3", "--cpus-per-task=1", "--cpu-bind=none",
        "--distribution=block:block", "--mpi=pmi2", "--time=3", "--kill-on-bad-exit=1",
    ]  # fmt: skip


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
