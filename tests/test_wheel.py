"""The installed wheel works without a checkout: runtimes, schema and job files travel in it."""

import sys
import zipfile

import pytest

from prk import runtime
from tests.launch import ROOT, run


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Return a folder that holds the wheel's contents and nothing of the checkout."""
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
    done = run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, source, seconds=300)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(folder / "site")
    return folder / "site"


def test_matrix_and_kernels_work_outside_the_checkout(installed, tmp_path):
    ours = run(sys.executable, "-m", "prk").stdout
    theirs = run(sys.executable, "-m", "prk", cwd=tmp_path, PYTHONPATH=str(installed)).stdout
    assert theirs == ours
    ask = "import prk; print(prk.__file__)"
    found = run(sys.executable, "-c", ask, cwd=tmp_path, PYTHONPATH=str(installed))
    assert found.stdout.startswith(str(installed))
    done = run(
        "mpirun", "-n", 2, sys.executable, "-m", "prk.stencil", cwd=tmp_path, PYTHONPATH=str(installed)
    )
    assert done.returncode == 0, done.stderr
    assert "Number of ranks = 2" in done.stdout


def test_everything_that_is_read_at_run_time_travels(installed):
    assert (installed / "prk/record.schema.json").exists()
    for name in runtime.runtimes():
        assert name == "serial" or (installed / "prk/runtimes" / name / "__init__.py").exists()
    for path in (ROOT / "jobs").rglob("*"):
        if path.is_file():
            assert (installed / "prk" / path.relative_to(ROOT)).exists(), f"{path} is not in the wheel"


def test_jobs_of_a_cluster_can_be_written(installed, tmp_path):
    words = ["slurm", "submit", "first-nodes", "--dry-run", "--out", "s"]
    done = run(sys.executable, "-m", "prk.harness.cli", *words, cwd=tmp_path, PYTHONPATH=str(installed))
    assert done.returncode == 0, done.stderr
    script = (tmp_path / "s" / "slurm" / "nodes-2.sbatch").read_text()
    assert f"-m prk.harness.cli slurm run {tmp_path}/s nodes-2" in script
    assert "PYTHONPATH" not in script
