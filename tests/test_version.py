"""One version, which every program tells and every file repeats."""

import re
import sys

import pytest

import prk
from prk import cli
from prk.run import registry
from tests.launch import ROOT, run

SAYS = f"prk {prk.__version__}\n"


@pytest.mark.parametrize("program", [["-m", "prk"], ["-m", "prk.stencil"], ["bench.py"]], ids=" ".join)
def test_programs_tell_the_version(program):
    done = run(sys.executable, *program, "--version")
    assert (done.returncode, done.stdout) == (0, SAYS), done.stderr


@pytest.mark.parametrize("name", registry.kernels())
def test_kernels_tell_the_version_and_run_nothing(name, capsys):
    assert cli.main(name, ["--version"]) == 0
    assert capsys.readouterr().out == SAYS


def test_files_that_repeat_the_version_agree():
    headings = [line for line in (ROOT / "CHANGELOG.md").open() if line.startswith("## ")]
    heading = next(line for line in headings if not line.endswith("(unreleased)\n"))
    version, released = re.fullmatch(r"## (\S+) \((.*)\)\n", heading).groups()
    assert version == prk.__version__
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {version}\ndate-released: {released}\n" in citation
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    shown = {v for page in pages for v in re.findall(r"Kernels in Python version (\d\S+)", page.read_text())}
    assert shown == {version}
