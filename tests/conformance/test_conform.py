"""The kit, from an installed wheel, on the worked example of a runtime and on what is wrong with others."""

import sys
from xml.etree import ElementTree

import pytest

from prk.run import registry
from tests.launch import run
from tests.wheel import EXAMPLES, installed

OWN = "prk.conformance"
# The worked examples: a runtime, and a kernel that it has.
RUNTIME, KERNEL = next(
    p.removeprefix("runtimes/").removesuffix(".py").split("/")
    for p in EXAMPLES
    if p.startswith("runtimes/") and p.rpartition("/")[2].removesuffix(".py") in registry.kernels()
)
# Halos that travel once, and then grow as everybody knows that they will; and a rank that fails where nobody
# hears of it.
WRONG = {
    "__init__.py": """
from mpi4py import MPI
from prk.job import Outcome
from prk.runtimes._mpi import MPIRuntime


class Runtime(MPIRuntime):
    name = "wrong"
    title = "knows the answer, and is deaf"

    def launch(self, job):
        try:
            return job.run(MPI.COMM_WORLD)
        except Exception:
            return Outcome(0)
""",
    "stencil.py": """
from prk.runtimes.mpi1 import stencil


class Kernel(stencil.Kernel):
    seen = False

    def exchange(self):
        if not self.seen:
            self.seen = True
            super().exchange()
            return
        top, bottom, left, right = self.own
        inside = self.inp[top:bottom, left:right].copy()
        self.inp += 1
        self.inp[top:bottom, left:right] = inside
""",
}
ABOUT = {
    "METADATA": "Metadata-Version: 2.1\nName: wrong\nVersion: 1\n",
    "entry_points.txt": "[prk.runtimes]\nwrong = wrong_port\n",
}


@pytest.fixture
def wrong(tmp_path):
    """Return the folder of an installed package with a wrong runtime."""
    for folder, files in (("wrong_port", WRONG), ("wrong-1.dist-info", ABOUT)):
        (tmp_path / folder).mkdir()
        for name, text in files.items():
            (tmp_path / folder / name).write_text(text)
    return str(tmp_path)


def conform(*words, path="", seconds=240):
    return run(sys.executable, "-m", OWN, *words, seconds=seconds, **({"PYTHONPATH": path} if path else {}))


def test_the_worked_example_conforms_from_its_wheel(environment, tmp_path):
    xml, page = tmp_path / "junit.xml", tmp_path / "page.html"
    words = [OWN, RUNTIME, "--ranks", "2,3", "--junit", xml, "--html", page]
    done = installed(environment, *words, cwd=tmp_path, seconds=240)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAILED" not in done.stdout
    suite = ElementTree.fromstring(xml.read_bytes()).find("testsuite")
    assert suite.get("name") == f"{RUNTIME}.{KERNEL}"
    assert int(suite.get("tests") or 0) > 20
    assert f"Conformance of {RUNTIME}" in page.read_text()


def test_a_wrong_port_fails_by_what_nobody_could_know_and_by_its_silence(wrong):
    done = conform("wrong", "--ranks", "2", path=wrong)
    assert done.returncode == 1, done.stdout + done.stderr
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
    # The specification's own data would let it pass.
    assert all("audit" in line for line in failed if "--n" in line)
    assert any("--n" in line for line in failed), done.stdout
    assert any("a member raises" in line for line in failed), done.stdout
    assert any(line.startswith("ok") and "a refusal" in line for line in done.stdout.splitlines())


def test_what_cannot_be_checked_is_said_in_one_line():
    for words, said in (
        (["nobody"], "there is no 'nobody'"),
        (["serial", "--kernel", "nothing"], "there is no 'nothing'"),
        (["serial", "--ranks", "two"], "--ranks: 'two'"),
    ):
        done = conform(*words)
        assert done.returncode == 2
        assert said in done.stderr
        assert len(done.stderr.splitlines()) == 1
