"""The installed wheel works without a checkout, and with kernels and runtimes of other packages."""

import re
import shutil
import sys
import sysconfig

import pytest

from prk.run import registry
from tests.launch import ROOT, run

EXAMPLES = dict(re.findall(r"```python (\S+)\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL))
PLUGIN = """
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"
[project]
name = "somebody-s-kernels"
version = "1.0"
[project.entry-points."prk.kernels"]
axpy = "somebody.axpy"
[project.entry-points."prk.runtimes"]
sendrecv = "somebody.sendrecv"
[tool.setuptools.packages.find]
include = ["somebody*"]
"""


def wheel(source, folder):
    """Build a wheel of a source tree; return its path."""
    done = run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, source, seconds=300)
    assert done.returncode == 0, done.stderr
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Return the Python of another environment, with the wheels of prk and of a plug-in."""
    folder = tmp_path_factory.mktemp("wheel")
    # From a copy: building leaves folders behind.
    done = run("git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    source = folder / "source"
    for name in filter(None, done.stdout.split("\0")):
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_symlink():
            target.symlink_to((ROOT / name).readlink())
        elif (ROOT / name).exists():
            target.write_bytes((ROOT / name).read_bytes())
    plugin = folder / "plugin"
    for name, text in EXAMPLES.items():
        # The worked examples, as a package of somebody else's.
        place, _, rest = name.partition("/")
        target = plugin / "somebody" / rest
        target.parent.mkdir(parents=True, exist_ok=True)
        for init in (target.parent / "__init__.py", plugin / "somebody" / "__init__.py"):
            init.touch()
        assert place in ("prk", "runtimes")
        target.write_text(
            text.replace("prk.axpy", "somebody.axpy")
            .replace("from .._mpi", "from prk.runtimes._mpi")
            .replace("from ..", "from prk.runtimes.")
        )
    (plugin / "pyproject.toml").write_text(PLUGIN)
    run(sys.executable, "-m", "venv", "--without-pip", folder / "venv")
    python = folder / "venv" / "bin" / "python"
    built = [wheel(source, folder / "own"), wheel(plugin, folder / "other")]
    done = run(
        sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", "--no-index", *built,
        # Else the checkout passes for an installation.
        seconds=120, PYTHONPATH="",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    # Dependencies only: the editable package of this environment is not seen through a path.
    site = next((folder / "venv" / "lib").glob("python*")) / "site-packages"
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    yield python
    shutil.rmtree(folder)


def installed(python, *words, before=(), **more):
    """Run a module in the other environment, away from the checkout."""
    return run(*before, python, "-m", *words, PYTHONPATH="", **more)


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
