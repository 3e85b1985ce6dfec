"""Kernels and runtimes are found by looking; a launch imports no more of them than it runs."""

import json
import subprocess
import sys

import jsonschema
import pytest

from prk.problem import Refusal
from prk.run import registry
from prk.runtime import Cell, Option, Runtime
from tests.launch import ROOT, kernel, own_lines, run

SCHEMA = json.loads((ROOT / "prk/records/schema-2.json").read_text())
BROKEN = {
    "raises": "raise ValueError('no licence found')",
    "lacks": "class Engine: pass",
    "mpi1": "raise SystemError('a shipped name is not to be had')",
}


@pytest.fixture
def plugins(tmp_path):
    """Return the environment of a process that finds broken runtimes among what is installed."""
    info = tmp_path / "broken_runtimes-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-runtimes\nVersion: 1.0\n")
    lines = [f"{name} = broken_{name}" for name in BROKEN]
    (info / "entry_points.txt").write_text("\n".join(["[prk.runtimes]", *lines, ""]))
    for name, text in BROKEN.items():
        (tmp_path / f"broken_{name}.py").write_text(f"{text}\n")
    return {"PYTHONPATH": f"{tmp_path}:{ROOT}"}


def test_a_broken_plug_in_is_named_in_one_line_and_hurts_nobody_else(plugins):
    out = run(sys.executable, "-m", "prk", **plugins)
    assert out.returncode == 0, out.stderr
    lacks, raises = sorted(out.stdout.partition("cannot be used:\n")[2].splitlines())
    assert "raises, which the package broken_raises offers" in raises
    assert "no licence found" in raises
    assert "broken_lacks" in lacks
    assert kernel("nstream", "--n", 100, **plugins).returncode == 0
    assert kernel("nstream", "--n", 100, size=2, **plugins).returncode == 0


@pytest.mark.parametrize("name", ["raises", "lacks"])
def test_a_broken_plug_in_that_is_asked_for_is_refused(plugins, name):
    done = kernel("nstream", "--runtime", name, **plugins)
    assert done.returncode == 2
    assert len(own_lines(done)) == 1
    assert f"broken_{name}" in own_lines(done)[0]


def test_a_name_that_is_ours_stays_ours(plugins):
    done = run(sys.executable, "-m", "prk.nstream", "--runtime", "mpi1", "--n", 100, **plugins)
    assert done.returncode == 0, done.stderr
    assert "shipped name" not in done.stdout + done.stderr


def test_a_plug_in_is_recorded_with_its_distribution_and_version(tmp_path):
    """What is ours is not mentioned."""
    info = tmp_path / "somebody_s-2.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: somebody-s\nVersion: 2.5\n")
    (info / "entry_points.txt").write_text("[prk.runtimes]\nalone = somebody_alone\n")
    package = tmp_path / "somebody_alone"
    package.mkdir()
    text = "from prk.runtimes import serial\n\nclass Runtime(serial.Runtime):\n    name = 'alone'\n"
    (package / "__init__.py").write_text(text)
    (package / "nstream.py").write_text("from prk.nstream.serial import Kernel\n")
    for name, plugins in (("alone", {"alone": "somebody-s 2.5"}), ("serial", None)):
        path = tmp_path / f"{name}.json"
        words = ["--runtime", name, "--n", 100, "--json", path]
        done = kernel("nstream", *words, PYTHONPATH=f"{tmp_path}:{ROOT}")
        assert done.returncode == 0, done.stdout + done.stderr
        record = json.loads(path.read_text())
        assert record.get("plugins") == plugins
        jsonschema.validate(record, SCHEMA)


STARTED = """
import sys
from prk import cli
code = cli.main("nstream", ["--n", "1000", "--quiet", *sys.argv[1:]])
ours = [m.split(".")[2] for m in sys.modules if m.startswith("prk.runtimes.")]
print(*sorted({m for m in ours if not m.startswith("_")}))
print("importlib.metadata" in sys.modules and "entry_points read" or "nothing else read")
sys.exit(code)
"""


@pytest.mark.parametrize("name", ["serial", "mpi1", "mpirma"])
def test_a_launch_imports_its_own_runtime_and_no_other(name):
    words = [] if name == "serial" else ["mpirun", "-n", 1]
    done = run(*words, sys.executable, "-c", STARTED, "--runtime", name)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2].split() == [name]


def test_shared_code_is_no_runtime():
    found = {path.name for path in (ROOT / "runtimes").iterdir() if path.name.startswith("_")}
    assert {"_mpi", "_threads", "_tagged"} <= found
    assert not {name for name in registry.runtimes() if name.startswith("_")}
    with pytest.raises(Refusal, match="there is no '_mpi'"):
        registry.runtime("_mpi")


def test_every_cell_is_there_or_says_why_not():
    for how in registry.usable():
        for name in registry.kernels():
            assert registry.has(how.name, name) or how.cell(name).absent, f"{name} on {how.name}"


def test_a_cell_that_does_not_exist_says_why_when_asked_for():
    how, name = next(
        (h, k) for h in registry.usable() for k in registry.kernels() if not registry.has(h.name, k)
    )
    done = run(sys.executable, "-m", f"prk.{name}", "--runtime", how.name)
    assert done.returncode == 2
    assert how.cell(name).absent in own_lines(done)[0]
    assert how.cell(name).absent in run(sys.executable, "-m", "prk").stdout


def test_what_is_said_of_all_kernels_stands_before_what_is_said_of_one():
    class How(Runtime):
        name = "how"
        cells = {
            "*": Cell(options=(Option("a", 1, "first"),), only={"dtype": ("float64",)}, shared=True),
            "k": Cell(options=(Option("b", 2, "second"),), only={"n": (1, 2)}, grid=True),
        }

    cell = How().cell("k")
    assert [o.name for o in cell.options] == ["a", "b"]
    assert cell.only == {"dtype": ("float64",), "n": (1, 2)}
    assert cell.shared
    assert cell.grid
    assert [o.name for o in How().cell("other").options] == ["a"]


def test_the_launcher_of_one_runtime_is_known_without_importing_the_others():
    program = (
        "import sys; from prk.run import registry; how = registry.starter(); print(how and how.name);"
        "print(*(m for m in sys.modules if m.startswith('prk.runtimes.')))"
    )
    for variables, name in (
        ({}, None),
        ({"NETSTART": "1"}, "charm4py"),
        ({"TORCHELASTIC_RUN_ID": "1"}, "torch"),
        ({"JAX_COORDINATOR_ADDRESS": "127.0.0.1:1"}, "jax"),
    ):
        done = run(sys.executable, "-c", program, **variables)
        assert done.returncode == 0, done.stderr
        said, modules = done.stdout.splitlines()
        assert said == str(name)
        runtimes = {m.split(".")[2] for m in modules.split()}
        assert {r for r in runtimes if not r.startswith("_")} == ({name} if name else set())


def test_a_variable_with_a_general_name_starts_no_rank():
    """RANK and WORLD_SIZE are torchrun's, but anybody's too."""
    done = kernel("nstream", "--n", 100, RANK="1", WORLD_SIZE="2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "serial" in done.stdout


def test_the_planner_s_refusals_import_no_communication_library():
    program = """
import sys
from prk.harness.plan import adhoc, expand
plan = expand.make(adhoc.sweep_of(["--kernel", "stencil,synch_p2p,transpose,nstream", "--ranks", "1,2"]))
assert len({p.runtime for p in plan.points}) > 5
communicate = ("mpi4py.MPI", "shmem4py", "charm4py", "distributed", "torch", "jax", "numba")
print(*(m for m in communicate if m in sys.modules))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""
