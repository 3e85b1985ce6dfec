"""The installed wheel works without a checkout, and with kernels and runtimes of other packages."""

import json
import sys
import tarfile

import pytest

import prk
from prk.run import registry
from tests.launch import ROOT, run
from tests.wheel import EXAMPLES, installed, tree


def test_matrix_and_kernels_work_outside_the_checkout(environment, tmp_path):
    found = run(environment, "-c", "import prk; print(prk.__file__)", cwd=tmp_path, PYTHONPATH="")
    assert str(environment.parents[1]) in found.stdout
    ours = run(sys.executable, "-m", "prk").stdout.splitlines()
    theirs = installed(environment, "prk", cwd=tmp_path).stdout.splitlines()
    assert "axpy" in theirs[0].split()
    assert any(line.startswith("sendrecv") for line in theirs)
    assert {line.split()[0] for line in ours[1 : len(registry.runtimes()) + 1]} <= {
        line.split()[0] for line in theirs if line
    }
    done = installed(environment, "prk.stencil", before=["mpirun", "-n", 2], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Number of ranks = 2" in done.stdout


def test_a_kernel_of_another_package_runs_and_is_swept(environment, tmp_path):
    done = installed(environment, "somebody.axpy", "--json", "axpy.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Solution validates" in done.stdout
    record = json.loads((tmp_path / "axpy.json").read_text())
    assert record["plugins"] == {"axpy": "somebody-s-kernels 1.0"}
    words = ["run", "--kernel", "axpy", "--runtime", "serial", "--out", "swept"]
    done = installed(environment, "prk.harness.cli", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 ok" in done.stdout
    done = installed(environment, "prk", "compile", "axpy", cwd=tmp_path)
    assert done.returncode == 0, done.stdout


def test_a_runtime_of_another_package_runs_and_is_swept(environment, tmp_path):
    kernels = [
        p.rpartition("/")[2].removesuffix(".py") for p in EXAMPLES if p.startswith("runtimes/sendrecv/")
    ]
    name = next(k for k in kernels if k in registry.kernels())
    done = installed(
        environment, f"prk.{name}", "--runtime", "sendrecv", before=["mpirun", "-n", 2], cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "Solution validates" in done.stdout
    words = ["run", "--kernel", name, "--runtime", "sendrecv", "--ranks", "2", "--out", "swept"]
    done = installed(environment, "prk.harness.cli", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 ok" in done.stdout


def test_everything_that_is_read_at_run_time_travels(environment):
    site = next((environment.parents[1] / "lib").glob("python*")) / "site-packages"
    needed = ["prk/records/schema-1.json", "prk/records/schema-2.json", "prk/py.typed"]
    needed += [f"prk/harness/show/{p.name}" for p in (ROOT / "prk/harness/show").glob("*.j2")]
    needed += [f"prk/{p.relative_to(ROOT)}" for p in (ROOT / "jobs").rglob("*") if p.is_file()]
    needed += [f"prk/{p.relative_to(ROOT)}" for p in (ROOT / "runtimes").glob("*/started_by")]
    needed += [f"prk/{p.relative_to(ROOT)}" for p in (ROOT / "runtimes").rglob("*.py")]
    for name in needed:
        assert (site / name).exists(), f"{name} is not in the wheel"


def test_jobs_of_a_cluster_can_be_written(environment, tmp_path):
    words = ["slurm", "submit", "first-nodes", "--dry-run", "--out", "s"]
    done = installed(environment, "prk.harness.cli", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    script = (tmp_path / "s" / "slurm" / "nodes-2.sbatch").read_text()
    assert f"-m prk.harness.cli slurm run {tmp_path}/s nodes-2" in script
    assert "PYTHONPATH" not in script


def test_an_editable_installation_is_not_hidden_by_a_folder(environment, tmp_path):
    """Results in a folder called prk, or the parent of a checkout, must not be taken for the package."""
    source = environment.parents[2] / "source"
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    words = ["install", "-q", "--no-deps", "-e", source]
    done = run(sys.executable, "-m", "pip", "--python", python, *words, seconds=300, PYTHONPATH="")
    assert done.returncode == 0, done.stderr
    (tmp_path / "prk" / "stencil").mkdir(parents=True)
    code = "import importlib.util as u; print(u.find_spec('prk').origin)"
    found = run(python, "-c", code, cwd=tmp_path, PYTHONPATH="")
    assert found.stdout.strip() == str(source / "prk" / "__init__.py"), found.stderr


@pytest.fixture
def archive(environment):
    """Return the source distribution that the wheel was built from."""
    (found,) = (environment.parents[2] / "own").glob("*.tar.gz")
    return found


def test_the_source_distribution_is_the_whole_checkout(environment, archive):
    assert archive.name == f"prk-{prk.__version__}.tar.gz"
    with tarfile.open(archive) as opened:
        members = {m.name.partition("/")[2]: m for m in opened if not m.isdir()}
    made = {name for name in members if name in ("PKG-INFO", "setup.cfg") or name.startswith("prk.egg-info/")}
    assert members.keys() - made == {*tree(environment.parents[2] / "source")} - made
    # Else its tests would change one copy and run the other.
    assert {name for name, m in members.items() if m.issym()} == {"prk/runtimes", "prk/jobs"}


def test_the_source_distribution_can_be_tested(archive, tmp_path):
    with tarfile.open(archive) as opened:
        opened.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    words = ["pytest", "-q", "-p", "no:cacheprovider", "tests/test_layout.py", "tests/test_version.py"]
    done = run(sys.executable, "-m", *words, cwd=source, seconds=300, PYTHONPATH=str(source))
    assert done.returncode == 0, done.stdout


def test_programs_of_the_wheel_tell_its_version(environment, tmp_path):
    done = run(environment.with_name("prk-bench"), "--version", cwd=tmp_path, PYTHONPATH="")
    assert done.stdout == f"prk {prk.__version__}\n", done.stderr
