"""The real thing: sweeps on a Slurm of four nodes, and what goes wrong with them."""

import json
import os
import re
import shutil
import signal
import site
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

import jsonschema
import pytest

from prk.harness.analyse import curves, results, rows
from prk.harness.slurm import journal
from prk.harness.store import Store
from prk.records import placement
from prk.run import registry
from tests.harness.making import STAND_IN
from tests.harness.test_campaign import SCHEMA
from tests.launch import BIN, ENVIRONMENT, ROOT, run

CLUSTER = Path(__file__).with_name("cluster")
MPICH = ROOT / ".venv-mpich" / "bin" / "python"

# The sweeps besides README's. Programs of others stand for what goes wrong, without spending anybody's time.
HANGING = '[runtimes.hanging]\ncommand = "srun --nodes={nodes} --ntasks={ranks} sleep 500"\n'
HANGS = '[[points]]\nkernel = "stencil"\nruntime = "hanging"\n'
# Any of what a container, or a disk, does on one node only.
PICKY = """#!/bin/sh
echo "$1 $NUMBA_CACHE_DIR" >>"$(dirname "$0")/started"
[ "$SLURMD_NODENAME" != "$(cat "$(dirname "$0")/broken")" ] || { echo 'OSError: no disk' >&2; exit 1; }
exec "$@"
"""
SWEEPS = {
    "lost": (HANGING + HANGS, 'cache = ""'),
    "cancelled": (HANGING + HANGS, 'cache = ""'),
    "long": ("repeat = 2\n" + HANGING + HANGS, 'cache = ""'),
    "special": (
        f"""timeout = 60
[runtimes.failing]
command = "srun --ntasks={{ranks}} --kill-on-bad-exit=1 {sys.executable} -c 'raise ValueError(42)'"
[runtimes.hungry]
command = "srun --ntasks=1 --mem=99 {sys.executable} -c 'import time; x = bytearray(3 << 27); time.sleep(40)'"
[[points]]
kernel = "stencil"
runtime = ["serial", "failing", "hungry"]
n = 200
[[points]]
kernel = "stencil"
runtime = "shmem"
nodes = NODES
ranks_per_node = 2
n = 200
options.shmem.shmem-backend = "shmem4py"
[[points]]
kernel = "stencil"
runtime = "mpithreads"
nodes = 2
threads = 2
n = 200
[[points]]
kernel = "allreduce"
runtime = "torch"
nodes = 2
max_bytes = 4096
""",
        # As some sites have it: jobs get nothing of their submitter's environment, nor do steps of the job's.
        'bind = "none"\ncache = ""\nsbatch_flags = ["--export=NONE"]',
    ),
    "unset": (HANGING + HANGS, 'setup = ["export A=1", "false", "export A=2"]'),
    "failing": (
        """repeat = 2
[runtimes.failing]
command = "mpirun -n {ranks} false"
[[points]]
kernel = "stencil"
runtime = "failing"
iterations = [1, 2]
""",
        'failures = 3\ncollect = false\nlicenses = "prk:1"\nmail = "nobody"',
    ),
    # Copies on the nodes, a wrapper around each process; more nodes than some want, and a cache of others.
    "staged": (
        """timeout = 60
[runtimes.foreign]
command = "mpirun -n {ranks} STAND_IN good {iterations} {n}"
[[points]]
kernel = "stencil"
runtime = ["foreign", "mpi1"]
nodes = [1, 2]
n = 200
""",
        """bind = "none"
python = "FOLDER/own/bin/python"
wrapper = ["FOLDER/picky"]
stage = true
setup = ["export PATH=BIN:$PATH NUMBA_CACHE_DIR=FOLDER/theirs"]
[[nodes]]
at_least = 2
partition = "debug"
[collect]
partition = "small"
time = "5"
""",
    ),
    # MPICH under srun, and all node counts in one job.
    "one": (
        "timeout = 20\n" + HANGING + HANGS + "nodes = 2\n"
        '[[points]]\nkernel = "nstream"\nruntime = "mpi1"\nnodes = [1, 2]\nranks_per_node = 2\nn = 4000\n'
        '[[points]]\nkernel = "nstream"\nruntime = "mpithreads"\nnodes = 2\nthreads = 2\nn = 4000\n',
        f'python = "{MPICH}"\nlauncher = "srun"\nmpi = "pmi2"\nbind = "none"\ncache = ""',
    ),
}
# One launch that ends well when it is told to, and one that needs all nodes.
DRAINED = f"""seed = 1
[runtimes.patient]
command = "sh -c 'until [ -e go ]; do sleep 0.1; done; exec {STAND_IN} good {{iterations}} {{n}}'"
[[points]]
kernel = "stencil"
runtime = "patient"
nodes = [1, 4]
"""


@pytest.fixture(scope="module")
def slurm():
    """Bring up the cluster; return a function that runs a command on it."""
    folder = tempfile.mkdtemp(prefix="prk-", dir="/tmp")
    # Other users' programs must reach the daemons' sockets.
    Path(folder).chmod(0o755)
    own = {"PRK_SLURM_DIR": folder}
    done = run(CLUSTER, "up", seconds=600, **own)
    try:
        if done.returncode:
            pytest.skip(f"no Slurm: {done.stderr.strip().splitlines()[-1]}")
        own["SLURM_CONF"] = done.stdout.strip().removeprefix("export SLURM_CONF=")
        # What the submitter's environment says must not change the jobs.
        own |= {"SBATCH_PARTITION": "nowhere", "SLURM_NTASKS": "7", "TMPDIR": folder}

        def on_it(*words, seconds=60, **more):
            return run(*words, seconds=seconds, **own, **more)

        # Nodes of one host name: OpenSHMEM's library then takes the ranks of all for ranks of one.
        setattr(on_it, "apart", "no namespaces" not in done.stderr)  # noqa: B010
        setattr(on_it, "place", Path(folder))  # noqa: B010
        setattr(on_it, "environment", {**ENVIRONMENT, **own})  # noqa: B010
        yield on_it
    finally:
        run(CLUSTER, "down", seconds=100, **own)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def submitted(slurm, tmp_path_factory):
    """Submit all sweeps; return the folder where they are, and a function that runs prk-bench slurm there."""
    folder = tmp_path_factory.mktemp("all sweeps")
    for name in ("bench.py", "jobs"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "picky").write_text(PICKY)
    (folder / "picky").chmod(0o755)
    (folder / "broken").write_text("none")
    (folder / "theirs").mkdir()
    (folder / "theirs" / "kept").touch()
    venv.create(folder / "own")
    (path,) = (folder / "own").glob("lib/python*/site-packages")
    (path / "more.pth").write_text("\n".join(site.getsitepackages()))

    def bench(*words):
        return slurm(sys.executable, "bench.py", *words, cwd=folder)

    said = {c.split()[3]: slurm("bash", "-c", c, cwd=folder) for c in readme_commands()[:3]}
    for name, (text, own) in SWEEPS.items():
        text = text.replace("NODES", "2" if slurm.apart else "1").replace("STAND_IN", STAND_IN)
        (folder / f"{name}.toml").write_text(f"seed = 1\n{text}")
        # A word of Slurm's file may hold a blank, one of a shell's line may not.
        own = own.replace("PATH=BIN", f"PATH='{BIN}'").replace("FOLDER/theirs", f"'{folder}/theirs'")
        (folder / f"{name}-site.toml").write_text(own.replace("FOLDER", str(folder)))
        more = ["--one-allocation"] if name in ("one", "staged") else []
        done = bench("slurm", "submit", f"{name}.toml", "--site", f"{name}-site.toml", "--out", name, *more)
        assert done.returncode == 0, done.stdout + done.stderr
    return folder, bench, said


def readme_commands():
    """Return the commands of README's section, in its order, without their comments."""
    section = (ROOT / "README.md").read_text().partition("\n## On a cluster\n")[2].partition("\n## ")[0]
    lines = [line.strip() for line in section.splitlines() if line.startswith("    ")]
    return [line.partition("  #")[0].rstrip() for line in lines]


def wait(what, seconds=150, pause=0.2):
    """Wait until `what()` is true, or fail saying what it last returned."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, f"still {found!r} after {seconds} s"
        time.sleep(pause)
    return found


def job(folder, name):
    return journal.read(Store(folder)).job(name).id


def ended(slurm, *numbers, seconds=200):
    """Wait until the jobs have ended."""

    def all_have():
        left = set(slurm("squeue", "-h", "-o", "%i").stdout.split()) & set(numbers)
        return not left

    wait(all_have, seconds, pause=1)


def launch_runs(folder):
    """Tell whether a launch of the sweep is running: it has a log and no record."""
    return [
        p for p in (folder / "logs").glob("*.err") if not (folder / "records" / f"{p.stem}.json").exists()
    ]


def node_of(slurm, number):
    return slurm("squeue", "-h", "-j", number, "-o", "%N").stdout.strip()


def records(folder):
    """Return the records of a sweep by runtime and nodes; all are as the schema says."""
    found = {}
    for path in sorted((folder / "records").glob("*.json")):
        one = json.loads(path.read_text())
        jsonschema.validate(one, SCHEMA)
        found[one["runtime"], one["layout"]["nodes"]] = one
    kept = Store(folder)
    assert not results.load(kept, kept.plan()).problems
    return found


def scaling(folder):
    """Return what the sweep's first figure shows; it has been drawn."""
    assert (folder / "figures" / "stencil-0-scaling.png").stat().st_size > 1000
    kept = Store(folder)
    plan = kept.plan()
    return curves.panels(rows.rows(plan, results.load(kept, plan), None))[0]


def test_lost_node_is_read_back(slurm, submitted):
    folder, bench, _ = submitted
    number = job(folder / "lost", "nodes-1")
    wait(lambda: launch_runs(folder / "lost"))
    node = node_of(slurm, number)
    slurm("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
    ended(slurm, number)
    done = bench("slurm", "status", "lost")
    assert "failed: stencil hanging ranks=1 nodes=1 threads=1 iterations=10" in done.stdout
    assert f"job {number} (nodes-1) lost a node" in done.stdout
    assert "NODE_FAIL" in done.stdout
    found = records(folder / "lost")["hanging", 1]
    assert found["launch"]["allocation"] == {"job": number, "nodes": [node]}


def test_cancelled_job_is_read_back(slurm, submitted):
    folder, bench, _ = submitted
    number = job(folder / "cancelled", "nodes-1")
    wait(lambda: launch_runs(folder / "cancelled"))
    assert list(slurm.place.glob(f"prk-{number}-*"))
    assert bench("slurm", "cancel", "cancelled").stdout.startswith(f"cancelled nodes-1 ({number}), collect (")
    ended(slurm, number)
    bench("slurm", "collect", "cancelled")
    found = records(folder / "cancelled")["hanging", 1]
    assert (found["status"], found["reason"]) == ("cancelled", f"job {number} (nodes-1) was cancelled")
    wait(lambda: not list(slurm.place.glob(f"prk-{number}-*")), 10)
    assert "1 cancelled" in bench("results", "cancelled").stdout


def test_time_limit_of_a_job(slurm, submitted):
    folder, bench, _ = submitted
    number = job(folder / "long", "nodes-1")
    wait(lambda: launch_runs(folder / "long"))
    # The warning comes at Slurm's next look at the limits, which is every 30 s.
    slurm("scontrol", "update", f"jobid={number}", "EndTime=now+80")
    ended(slurm, number)
    found = records(folder / "long")["hanging", 1]
    assert (found["status"], found["reason"]) == ("timeout", f"job {number} ran into its time limit")
    assert found["launch"]["allocation"]["job"] == number
    assert len(found["launch"]["allocation"]["nodes"]) == 1
    done = bench("slurm", "status", "long")
    assert "1 timeout" in done.stdout
    assert f"never started: job {number} (nodes-1) ran into its time limit" in done.stdout
    assert bench("slurm", "collect", "long").returncode == 0
    assert "1 timeout, 1 never started" in bench("results", "long").stdout
    assert "never started" in (folder / "long" / "report.html").read_text()
    assert "missing (x): hanging on 1 core: 1 timeout, 1 never started" in scaling(folder / "long").notes


def test_readme_runs_every_runtime_as_written(slurm, submitted):
    folder, _, said = submitted
    assert len(readme_commands()) == 5
    here = {n for n in registry.offering("stencil") if not registry.missing(n, "stencil")}
    several = here - {"serial", "numba"}
    count = len(here - {"serial"}) + len(several)
    assert f"2 jobs, {count} launches" in said["plan"].stdout, said["plan"].stderr
    assert "submitted collect: job" in said["submit"].stdout
    assert "RUNNING" in said["status"].stdout or "PENDING" in said["status"].stdout
    sweep = folder / "runs" / "first-nodes"
    numbers = {name: job(sweep, name) for name in ("nodes-1", "nodes-2", "collect")}
    ended(slurm, *numbers.values(), seconds=300)
    assert "report.html" in (sweep / "slurm" / f"collect.{numbers['collect']}.out").read_text()
    collect, cancel = (slurm("bash", "-c", c, cwd=folder) for c in readme_commands()[3:])
    assert f"{count} launches: {count} ok" in collect.stdout, collect.stdout
    assert cancel.stdout == "no job of this sweep waits or runs\n"

    found = records(sweep)
    assert set(found) == {(n, 1) for n in here - {"serial"}} | {(n, 2) for n in several}
    for (name, nodes), one in found.items():
        ranks = placement.members(one["placement"])
        allocation = one["launch"]["allocation"]
        hosts = [r["host"] for r in ranks]
        assert allocation["job"] == numbers[f"nodes-{nodes}"]
        assert set(hosts) == set(allocation["nodes"])
        assert set(hosts) <= {"n1", "n2", "n3", "n4"}
        assert len(set(hosts)) == nodes
        assert all(r["cpus"] for r in ranks)
        if name != "dask":
            # Nodes are filled one after the other.
            assert hosts == sorted(hosts)
    drawn = {s.label: [d.x for d in s.dots] for s in scaling(sweep).series}
    assert drawn == {n: [1, 2] if n in several else [1] for n in here - {"serial"}}
    cache = found["mpi1", 2]["environment"]["variables"]["NUMBA_CACHE_DIR"]
    assert Path(cache).parent.name.startswith(f"prk-{numbers['nodes-2']}-")
    assert not Path(cache).parent.exists(), "it goes with the job"
    # Compiled before anything was timed.
    assert found["mpi1", 2]["compile_seconds"] < 0.5
    assert (
        "not compiled beforehand" not in (sweep / "slurm" / f"nodes-2.{numbers['nodes-2']}.out").read_text()
    )
    assert not list((sweep / "slurm").glob("*.tmp"))


def test_other_runtimes_and_what_fails(slurm, submitted):
    folder, bench, _ = submitted
    ended(slurm, *(job(folder / "special", f"nodes-{n}") for n in (1, 2)))
    bench("slurm", "collect", "special")
    found = records(folder / "special")
    assert ("shmem", 2 if slurm.apart else 1) in found
    status = {name: one["status"] for (name, _), one in found.items()}
    assert status == {
        **dict.fromkeys(("serial", "shmem", "torch", "mpithreads"), "ok"),
        "failing": "failed",
        "hungry": "oom",
    }
    assert found["mpithreads", 2]["layout"]["threads"] == 2
    assert "ValueError: 42" in found["failing", 1]["reason"]
    assert len(placement.hosts(found["torch", 2]["placement"])) == 2


def test_one_allocation_under_srun_with_a_launch_over_its_limit(slurm, submitted):
    folder, bench, _ = submitted
    if not MPICH.exists():
        pytest.skip("no MPICH: make .venv-mpich/smoke")
    number = job(folder / "one", "all")
    ended(slurm, number, seconds=300)
    assert bench("slurm", "status", "one").returncode == 0
    found = records(folder / "one")
    assert {k: v["status"] for k, v in found.items()} == {
        ("mpi1", 1): "ok",
        ("mpi1", 2): "ok",
        ("mpithreads", 2): "ok",
        ("hanging", 2): "timeout",
    }
    assert found["hanging", 2]["reason"] == "no end after 20 s"
    assert "MPICH" in found["mpi1", 2]["communication"]["mpi"]
    for nodes in (1, 2):
        one = found["mpi1", nodes]
        assert len(placement.hosts(one["placement"])) == nodes
        command = one["launch"]["command"]
        assert command.startswith(f"srun --nodes={nodes} ")
        assert f" --ntasks={2 * nodes} " in command
        assert len(one["launch"]["allocation"]["nodes"]) == 2
    assert " --cpus-per-task=2 " in found["mpithreads", 2]["launch"]["command"]


def test_setup_that_fails_ends_the_job(slurm, submitted):
    folder, bench, _ = submitted
    number = job(folder / "unset", "nodes-1")
    ended(slurm, number)
    done = bench("slurm", "status", "unset")
    assert f"1 never started: job {number} (nodes-1) failed with exit code 1" in done.stdout


def test_job_gives_up_after_so_many_failures(slurm, submitted):
    folder, bench, _ = submitted
    number = job(folder / "failing", "nodes-1")
    ended(slurm, number)
    done = bench("slurm", "status", "failing")
    why = f"job {number} (nodes-1) gave up: 3 launches failed one after the other"
    assert "3 failed, 1 never started" in done.stdout
    assert f"1 never started: {why}" in done.stdout
    # What it left is submitted again.
    assert "submitted nodes-1.2: job" in bench("slurm", "submit", "failing").stdout
    bench("slurm", "cancel", "failing")


def test_environment_on_the_nodes_and_what_a_job_may_not_remove(slurm, submitted):
    folder, _, _ = submitted
    number = job(folder / "staged", "all")
    ended(slurm, number, job(folder / "staged", "collect"))
    log = (folder / "staged" / "slurm" / f"all.{number}.out").read_text()
    found = records(folder / "staged")
    assert {k: v["status"] for k, v in found.items()} == dict.fromkeys(
        [("foreign", 1), ("foreign", 2), ("mpi1", 1), ("mpi1", 2)], "ok"
    ), log
    # The first node has what wants one only.
    (hosts,) = {tuple(r["launch"]["allocation"]["nodes"]) for r in found.values()}
    assert placement.hosts(found["mpi1", 1]["placement"]) == [hosts[0]]
    for name in ("mpi1", "foreign"):
        assert f" --host {hosts[0]}:1 " in found[name, 1]["launch"]["command"]
    # But for the one whose files are counted where the environment is, whose path has a blank.
    started = {tuple(line.split(" ")) for line in (folder / "started").read_text().splitlines()}
    own = [words for words in started if words[0].endswith("/environment/bin/python")]
    assert own, started
    for what, cache in own:
        assert Path(cache).parent == Path(what).parents[2]
        assert not Path(cache).exists()
    assert (folder / "theirs" / "kept").exists()
    assert found["mpi1", 2]["launch"]["startup_seconds"] > 0
    # Hundreds of files, of which copies leave none but the program itself and what it is linked with.
    said = re.search(
        r"opens (\d+) of (\d+) files where the environment is, and from copies (\d+) of (\d+)", log
    )
    assert said, log
    before, every, after, all_ = map(int, said.groups())
    assert before > 300
    assert after < 5
    assert abs(every - all_) < 0.1 * every
    assert "not broadcast" not in log
    # The archives are gone with the folders.
    (folder_of_copies,) = {Path(what).parents[2] for what, _ in own}
    assert not list(folder_of_copies.parent.glob(f"{folder_of_copies.name}*"))


def test_node_that_cannot_start_python_ends_the_job_before_it_runs(slurm, submitted):
    folder, bench, _ = submitted
    (folder / "broken").write_text("n2")
    (folder / "sick.toml").write_text(
        '[[points]]\nkernel = "stencil"\nruntime = "mpi1"\nnodes = 4\nn = 200\n'
    )
    (folder / "sick-site.toml").write_text(f'bind = "none"\ncollect = false\nwrapper = ["{folder}/picky"]\n')
    bench("slurm", "submit", "sick.toml", "--site", "sick-site.toml", "--out", "sick")
    number = job(folder / "sick", "nodes-4")
    ended(slurm, number)
    why = f"job {number} (nodes-4) gave up: n2 cannot start prk: OSError: no disk"
    assert f"1 never started: {why}" in bench("slurm", "status", "sick").stdout
    assert not list((folder / "sick" / "logs").iterdir())


def test_node_that_breaks_ends_the_job(slurm, submitted):
    """After the first failure, and not when as many have failed as may."""
    folder, bench, _ = submitted
    (folder / "broken").write_text("none")
    (folder / "worse.toml").write_text(
        f"""repeat = 3
[runtimes.breaking]
command = "sh -c 'echo $SLURMD_NODENAME >\\"{folder}/broken\\"; exit 1'"
"""
        + HANGS.replace("hanging", "breaking")
    )
    bench("slurm", "submit", "worse.toml", "--site", "sick-site.toml", "--out", "worse")
    number = job(folder / "worse", "nodes-1")
    ended(slurm, number)
    node = (folder / "broken").read_text().strip()
    done = bench("slurm", "status", "worse")
    assert "1 failed, 2 never started" in done.stdout or "2 never started, 1 failed" in done.stdout
    why = f"job {number} (nodes-1) gave up: {node} cannot start prk: OSError: no disk"
    assert f"2 never started: {why}" in done.stdout


def test_launch_that_cannot_end_in_time_is_left_to_another_job(slurm, submitted):
    folder, bench, _ = submitted
    (folder / "late.toml").write_text("timeout = 300\nrepeat = 2\n" + DRAINED.replace("[1, 4]", "1"))
    (folder / "go").unlink(missing_ok=True)
    bench("slurm", "submit", "late.toml", "--site", "long-site.toml", "--out", "late", "--estimate", "280")
    number = job(folder / "late", "nodes-1")
    wait(lambda: launch_runs(folder / "late"))
    # Enough for the warning to stay away, and not for the next one.
    slurm("scontrol", "update", f"jobid={number}", "EndTime=now+200")
    (folder / "go").touch()
    ended(slurm, number)
    done = bench("slurm", "status", "late")
    assert f"1 never started: job {number} (nodes-1) had no time left for it" in done.stdout
    assert "1 ok" in done.stdout
    bench("slurm", "cancel", "late")


def test_submission_that_was_cut_off_is_gone_on_with(slurm, submitted):
    folder, _, _ = submitted
    commands = folder / "commands"
    commands.mkdir()
    (commands / "sbatch").write_text(
        f'#!/bin/sh\n{shutil.which("sbatch")} "$@" && touch "{commands}/done"; sleep 60\n'
    )
    (commands / "sbatch").chmod(0o755)
    (folder / "cut.toml").write_text(HANGING + HANGS)
    words = [sys.executable, "bench.py", "slurm", "submit", "cut.toml", "--out", "cut"]
    environment = {**slurm.environment, "PATH": f"{commands}:{BIN}:{os.environ['PATH']}"}
    cut = subprocess.Popen(words, cwd=folder, env=environment, start_new_session=True)
    wait(lambda: (commands / "done").exists())
    os.killpg(cut.pid, signal.SIGKILL)
    cut.wait()
    slurm(*words, cwd=folder)
    number = job(folder / "cut", "nodes-1")
    rows = slurm("squeue", "-h", "-t", "all", "-o", "%i %o").stdout.splitlines()
    assert [row.split()[0] for row in rows if row.endswith("cut/slurm/nodes-1.sbatch")] == [number]
    slurm(sys.executable, "bench.py", "slurm", "cancel", "cut", cwd=folder)


def test_node_that_is_drained_meanwhile(slurm, submitted):
    folder, bench, _ = submitted
    (folder / "drained.toml").write_text(DRAINED)
    (folder / "go").unlink(missing_ok=True)
    submit = "slurm", "submit", "drained.toml", "--site", "long-site.toml", "--out", "drained"
    assert bench(*submit).returncode == 0
    running, waiting = (job(folder / "drained", f"nodes-{n}") for n in (1, 4))
    node = wait(lambda: launch_runs(folder / "drained") and node_of(slurm, running))
    slurm("scontrol", "update", f"nodename={node}", "state=drain", "reason=test")
    # What runs there is not disturbed; what wants the node waits, and is not submitted again.
    (folder / "go").touch()
    ended(slurm, running)
    assert bench(*submit).stdout == f"submitted before: nodes-4 ({waiting})\n"
    done = bench("slurm", "status", "drained")
    assert "1 ok, 1 missing" in done.stdout
    assert re.search(rf"nodes-4 +{waiting} +PENDING", done.stdout)
    assert re.search(rf"nodes-1 +{running} +COMPLETED", done.stdout)
    bench("slurm", "cancel", "drained")
    ended(slurm, waiting)
    assert (
        f"never started: job {waiting} (nodes-4) was cancelled" in bench("slurm", "status", "drained").stdout
    )
    assert "1 never started" in bench("results", "drained").stdout
    assert records(folder / "drained")["patient", 1]["status"] == "ok"


def test_plain_script(slurm, tmp_path):
    script = ROOT / "jobs" / "slurm" / "prk.sbatch"
    before = ["sbatch", "--parsable", "--partition=debug", "-N", 2, "--ntasks-per-node", 2]
    numbers = []
    folder = tmp_path / "of mine"
    folder.mkdir()
    loaded = folder / "prk.sbatch"
    own = f"export PATH='{BIN}':$PATH PYTHONPATH='{ROOT}'\nexec "
    loaded.write_text(script.read_text().replace("exec ", own))
    # In a folder with a blank; and without a number of tasks, of which there then is one, or an environment.
    alone = ["sbatch", "--parsable", "--partition=debug", "-N", 1, "--export=NONE"]
    for name, asked in (("mpi1", before), ("dask", before), ("charm4py", before), ("mpirma", alone)):
        words = ["stencil", "--runtime", name, "--n", 200, "--json", f"{name}.json"]
        out = ["-o", folder / name, loaded if asked is alone else script]
        done = slurm(*asked, *out, *words, cwd=folder, PRK_BIND="none")
        assert done.returncode == 0, done.stderr
        numbers.append(done.stdout.strip())
    ended(slurm, *numbers)
    for name in ("mpi1", "dask", "charm4py", "mpirma"):
        assert "Solution validates" in (folder / name).read_text()
        each = 1 if name == "mpirma" else 2
        found = json.loads((folder / f"{name}.json").read_text())
        assert found["layout"] == {"ranks": each**2, "nodes": each, "ranks_per_node": each, "threads": 1}


def test_shell_of_a_job_is_no_rank(slurm):
    """What somebody starts there is one process; a step that it starts is not."""
    own = f"{sys.executable} -m prk.nstream --n 4000 --runtime numba --threads 2"
    typed = f"{own} && srun --overlap -n 2 {sys.executable} -m prk.nstream --n 4000"
    at_a_terminal = [sys.executable, "-c", "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)"]
    done = slurm(*at_a_terminal, "srun", "-N1", "-n4", "--pty", "bash", "-c", typed)
    assert done.stdout.count("Solution validates") == 1, done.stdout
    assert "it started 2 processes, but mpi1 sees 1 of them" in done.stdout
    assert done.returncode == 2


def test_doctor_finds_what_keeps_jobs_from_running(slurm, tmp_path):
    (tmp_path / "site.toml").write_text('launcher = "srun"\nmpi = "none"\nsbatch_flags = ["--export=NONE"]\n')
    done = slurm(
        sys.executable, ROOT / "bench.py", "slurm", "doctor", "--site", "site.toml", cwd=tmp_path, seconds=200
    )
    assert done.returncode == 1
    for said in (
        r"export +--export=NONE here: prk passes all on",
        r"records +all nodes: .* has hard links, and locks",
        r"host name +n\d: n\d",
        r"/dev/shm +all nodes: .* GiB free",
        r"launcher +srun is another MPI's: it starts copies of one rank; set launcher and mpi in",
    ):
        assert re.search(said, done.stdout), done.stdout + done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["site.toml"]


def test_bad_input_on_a_real_cluster(slurm, tmp_path):
    def bench(*words):
        return slurm(sys.executable, ROOT / "bench.py", "slurm", "submit", *words, cwd=tmp_path)

    (tmp_path / "site.toml").write_text('partition = "nowhere"')
    for words, said in (
        (["first-nodes", "--site", "site.toml"], "there is no such partition; use one of debug, small"),
        (["first-nodes", "--preset", "eight"], "partition debug: it has 4 nodes and the sweep goes up to 8"),
    ):
        done = bench(*words)
        assert done.returncode == 2, done.stdout + done.stderr
        (line,) = done.stderr.splitlines()
        assert said in line
    assert not (tmp_path / "runs").exists()


def test_job_with_faults_outlives_a_node(slurm, tmp_path):
    """Its launch does not: Open MPI's mpirun gives up with its daemon there. The harness says so and ends."""

    def bench(*words):
        return slurm(sys.executable, ROOT / "bench.py", "slurm", *words, cwd=tmp_path)

    (tmp_path / "faulty.toml").write_text(
        'repeat = 2\n[[points]]\nkernel = "stencil"\nruntime = "mpi1"\nnodes = 2\nn = 200\n'
        'iterations = 1000000\noptions.mpi1.faults = "on"\n'
    )
    (tmp_path / "site.toml").write_text('bind = "none"\ncache = ""\ncollect = false\n')
    done = bench("submit", "faulty.toml", "--site", "site.toml", "--out", "faulty")
    assert done.returncode == 0, done.stdout + done.stderr
    number = job(tmp_path / "faulty", "nodes-2")
    out = tmp_path / "faulty" / "logs"
    wait(lambda: any("Number of ranks = 2" in p.read_text() for p in out.glob("*.out")))
    node = slurm("scontrol", "show", "hostnames", node_of(slurm, number)).stdout.split()[-1]
    slurm("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
    ended(slurm, number)
    assert records(tmp_path / "faulty")["mpi1", 2]["status"] == "failed"
    said = bench("status", "faulty").stdout
    assert f"1 never started: job {number} (nodes-2) gave up: {node} is lost to the job" in said
    assert "NODE_FAIL" not in said
