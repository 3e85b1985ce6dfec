"""What a shell is offered at its prompt, asked as argcomplete's shells ask; no terminal is needed."""

import subprocess
import sys

import pytest

from prk.harness.plan import sweep
from prk.run import registry
from tests.launch import ENVIRONMENT, ROOT, run

PROGRAMS = {
    "python -m prk": (3, ["-m", "prk"]),
    "python -m prk.nstream": (3, ["-m", "prk.nstream"]),
    "python -m prk.stencil": (3, ["-m", "prk.stencil"]),
    "python -m prk.transpose": (3, ["-m", "prk.transpose"]),
    "prk-bench": (1, [str(ROOT / "bench.py")]),
}


def asked(line, answer, **more):
    """Start the program of a line as a shell does that completes the line's end."""
    program = max((p for p in PROGRAMS if f"{line} ".startswith(f"{p} ")), key=len)
    number, words = PROGRAMS[program]
    protocol = {
        "_ARGCOMPLETE": str(number),
        "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_COMP_WORDBREAKS": " \t\n\"'><=;|&(:",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(answer),
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
        **more,
    }
    return run(sys.executable, *words, **protocol)


def offered(line, folder):
    done = asked(line, folder / "answer")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    return {word.strip() for word in (folder / "answer").read_text().splitlines()}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("python -m prk co", {"compile"}),
        ("python -m prk compile tr", {"transpose"}),
        ("python -m prk.stencil --runt", {"--runtime"}),
        ("python -m prk.stencil --runtime ", {*registry.offering("stencil")}),
        ("python -m prk.stencil --pattern ", {"star", "compact"}),
        ("python -m prk.transpose --runtime mpi1 --exchange p", {"pairwise"}),
        ("prk-bench res", {"results"}),
        ("prk-bench results --so", {"--sort"}),
        ("prk-bench run ddp-s", {p.stem for p in sweep.SHIPPED.glob("ddp-s*.toml")}),
        ("prk-bench run --kernel stencil,tra", {"stencil,transpose"}),
        ("prk-bench run --runtime=mpi1,mpis", {"mpi1,mpishm"}),
        ("prk-bench slurm plan --kernel transpose --runtime mpi1 --exch", {"--exchange"}),
    ],
)
def test_names_are_completed(line, words, tmp_path):
    assert offered(line, tmp_path) == words


def test_options_are_those_of_the_runtime_that_is_named(tmp_path):
    every = offered("python -m prk.transpose --", tmp_path)
    own = offered("python -m prk.transpose --runtime mpirma --", tmp_path)
    assert {"--order", "--json", "--version", "--exchange", "--bundle"} <= every
    assert {"--order", "--json", "--version", "--bundle"} <= own
    assert "--exchange" not in own


def test_a_key_starts_no_run_where_argcomplete_is_absent(tmp_path):
    (tmp_path / "argcomplete.py").write_text("raise ImportError('not here')")
    path = {"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    for line in ("python -m prk.nstream --n", "python -m prk ", "prk-bench ru"):
        done = asked(line, tmp_path / "answer", **path)
        assert (done.returncode, done.stdout, done.stderr) == (1, "", "")


@pytest.mark.parametrize("kernel", registry.kernels())
def test_shells_know_every_kernel_s_program(kernel):
    """What they look for stands within the first 1024 bytes."""
    file = ROOT / registry.package_of(kernel).replace(".", "/") / "__main__.py"
    assert "PYTHON_ARGCOMPLETE_OK" in file.read_text()[:1024]


BASH = """
eval "$(activate-global-python-argcomplete --dest=-)"
COMP_LINE="python -m prk.stencil --pattern c" COMP_POINT=33 COMP_TYPE=9 COMP_CWORD=4
COMP_WORDS=(python -m prk.stencil --pattern c)
_python_argcomplete_global python c --pattern
printf '%s\\n' "${COMPREPLY[@]}"
"""


def test_a_real_shell_completes_a_module():
    done = subprocess.run(
        ["bash", "--norc", "-c", BASH], capture_output=True, text=True, env=ENVIRONMENT, cwd=ROOT, timeout=60
    )
    assert done.stdout.split() == ["compact"], done.stderr
