"""The worked examples of CONTRIBUTING.md, put into a copy of the tree and run as written."""

import re
import shlex
import shutil
import sys

import pytest

from tests.launch import ROOT, run

TEXT = (ROOT / "CONTRIBUTING.md").read_text()
FILES = re.findall(r"```python (\S+)\n(.*?)```", TEXT, re.DOTALL)
COMMANDS = [
    line for block in re.findall(r"```console\n(.*?)```", TEXT, re.DOTALL) for line in block.splitlines()
]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Return a copy of the package and its tests with the examples' files in it."""
    root = tmp_path_factory.mktemp("tree")
    skip = shutil.ignore_patterns("__pycache__", "jobs")
    for folder in ("runtimes", "tests"):
        shutil.copytree(ROOT / folder, root / folder, ignore=skip)
    shutil.copytree(ROOT / "prk", root / "prk", symlinks=True, ignore=skip)
    for name, text in FILES:
        target = root / name
        assert not target.exists(), f"{name} is a file of the package: an example adds only new ones"
        target.parent.mkdir(exist_ok=True)
        target.write_text(text)
    return root


@pytest.mark.parametrize("command", COMMANDS)
def test_example_runs_as_written(tree, command):
    words = [sys.executable if word == "python" else word for word in shlex.split(command)]
    done = run(*words, cwd=tree, PYTHONPATH=str(tree))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Solution validates" in done.stdout or "cases on" in done.stdout


def test_examples_show_up_in_the_matrix(tree):
    lines = run(sys.executable, "-m", "prk", cwd=tree, PYTHONPATH=str(tree)).stdout.splitlines()
    assert "axpy" in lines[0]
    assert any(line.startswith("sendrecv") and "yes" in line for line in lines)
