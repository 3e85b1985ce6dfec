"""README's commands: whatever starts a kernel or a sweep is understood as written."""

import re
import shlex

import pytest

from prk import cli
from prk.harness.plan import expand, sweep
from prk.run import registry
from tests.launch import ROOT

TEXT = (ROOT / "README.md").read_text()
COMMANDS = [shlex.split(line, comments=True) for line in re.findall(r"^    (\S.*)$", TEXT, re.MULTILINE)]
PROGRAMS = {f"prk.{name}" for name in registry.kernels()}
KERNELS = [words for words in COMMANDS if PROGRAMS & set(words) and "--list" not in words]
SWEEPS = [
    words for words in COMMANDS if words[:3] == ["python", "bench.py", "run"] and "--kernel" not in words
]


@pytest.mark.parametrize("words", KERNELS, ids=" ".join)
def test_kernels_are_asked_what_they_understand(words):
    at = next(i for i, word in enumerate(words) if word in PROGRAMS)
    under_mpi = ["--runtime", "mpi1"] if words[0] == "mpirun" and "--runtime" not in words else []
    job, _ = cli.parse(words[at].removeprefix("prk."), [*words[at + 1 :], *under_mpi])
    ranks = int(words[2]) if words[0] in ("mpirun", "torchrun") else 1
    # Data may have to be fetched first.
    workload = job.problem.parameters().get("workload", "digits")
    if workload in ("digits", "synthetic"):
        job.problem.refuse(ranks)


@pytest.mark.parametrize("words", SWEEPS, ids=" ".join)
def test_sweeps_can_be_planned(words):
    preset = words[words.index("--preset") + 1] if "--preset" in words else ""
    assert expand.make(sweep.read(sweep.find(words[3]), preset)).points


def test_there_are_commands_to_look_at():
    assert len(KERNELS) >= 12
    assert len(SWEEPS) >= 4
