"""`python -m prk compile` for every kernel, runtime and option: what follows compiles nothing."""

import json
import subprocess
import sys

import pytest

from prk import cli
from prk.problem import Refusal
from prk.run import compile, doctor, registry
from prk.runtime import Cell
from tests.launch import kernel, run

CELLS = [
    (how.name, name)
    for how in registry.usable()
    for name in registry.kernels()
    if registry.has(how.name, name)
]


@pytest.mark.parametrize(
    "how", [how for how in registry.usable() if not how.missing()], ids=lambda how: how.name
)
def test_every_cell_and_option_compiles(how):
    """Into the cache of all tests, which has much of it: what is asked is whether anything is left out."""
    done = run(sys.executable, "-m", "prk", "compile", "--runtime", how.name, seconds=900)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines
    assert all(line.endswith(": compiled") for line in lines), done.stdout
    for runtime, name in CELLS:
        if runtime == how.name and not registry.missing(runtime, name):
            own = [line for line in lines if line.startswith(f"{name} ")]
            assert own, f"{name} was not compiled"
            for option in how.cells.get(name, Cell()).options:
                for choice in option.choices:
                    there = any(f"--{option.name} {choice}" in line for line in own)
                    assert there or alone_refused(how, name, {option.name: choice}), f"{option.name} {choice}"


def alone_refused(how, name, chosen):
    """Tell whether an option means nothing beside the defaults of the others, so that it is refused."""
    options = {o.name: o.default for o in how.cell(name).options} | chosen
    try:
        how.refuse(name, registry.problem_class(name)().smallest(2), options, 2)
    except Refusal as refusal:
        return str(refusal).startswith(f"--{next(iter(chosen))}:")
    return False


def test_after_it_nothing_is_compiled_any_more(tmp_path):
    cache = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    words = ["stencil", "--radius", 3, "--runtime"]
    for name, size in (("serial", 1), ("mpi1", 2)):
        done = run(sys.executable, "-m", "prk", "compile", *words, name, **cache)
        assert done.returncode == 0, done.stdout
        path = tmp_path / f"{name}.json"
        options = ["--radius", 3, "--pattern", "compact", "--dtype", "float32", "--json", path]
        assert kernel("stencil", *options, size=size, **cache).returncode == 0
        assert json.loads(path.read_text())["compile_seconds"] == 0


def jobs(kernel, *words, size=2):
    """Return what a team of two would compile."""
    job, _ = cli.parse(kernel, words)
    return list(compile.variants(job, registry.runtime(job.runtime), size))


def test_options_narrow_it_down():
    found = jobs("stencil", "--pattern", "compact", "--runtime=mpi1")
    assert {(j.problem.parameters()["pattern"], j.problem.parameters()["dtype"]) for j in found} == {
        ("compact", "float64"), ("compact", "float32"),
    }  # fmt: skip
    assert {j.options["exchange"] for j in jobs("transpose", "--runtime", "mpi1")} == {"pairwise", "alltoall"}
    assert {
        j.options["exchange"] for j in jobs("transpose", "--runtime", "mpi1", "--exchange", "alltoall")
    } == {"alltoall"}


def test_an_option_of_some_runtimes_chooses_them():
    assert compile.runtimes("stencil", ["--runtime=mpi1"]) == ["mpi1"]
    assert set(compile.runtimes("transpose", ["--exchange", "alltoall"])) == {
        name for name in registry.offering("transpose")
        if any(o.name == "exchange" for o in registry.runtime(name).cell("transpose").options)
    }  # fmt: skip


def test_a_wrong_option_is_refused():
    with pytest.raises(Refusal, match="--radius"):
        compile.runtimes("stencil", ["--radius", "x"])
    with pytest.raises(Refusal, match="--pe"):
        compile.runtimes("stencil", ["--runtime", "mpi1", "--pe", "2"])


def test_a_kernel_that_no_runtime_can_run_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(registry, "missing", lambda *_: "nothing is installed")
    assert compile.main(["nstream"]) == 2
    assert "no runtime can run nstream here" in capsys.readouterr().err


def test_a_kernel_that_does_not_compile_takes_no_other_with_it(monkeypatch, capsys):
    started = []

    def run(command, *_):
        started.append(command[command.index("prk.run.compile") + 1])
        code = int("stencil" in started[-1])
        return subprocess.CompletedProcess(
            command, code, f"{started[-1]}: compiled\n" * (1 - code), "too hard"
        )

    monkeypatch.setattr(doctor, "run", run)
    assert compile.main(["--runtime", "serial"]) == 1
    together, *alone = started
    assert together.split(",") == alone == [name for runtime, name in CELLS if runtime == "serial"]
    said = capsys.readouterr().out.splitlines()
    assert "stencil on serial: not compiled: too hard" in said
    assert len(said) == len(alone)


@pytest.mark.parametrize(("runtime", "name"), CELLS)
@pytest.mark.parametrize("members", [1, 2, 3, 4, 6, 24])
def test_the_smallest_problem_suits_any_number_of_members(runtime, name, members):
    how = registry.runtime(runtime)
    options = {o.name: o.default for o in how.cell(name).options}
    if how.count_option in options and how.count_option != "threads":
        options[how.count_option] = members
    problem = registry.problem_class(name)()
    try:
        problem.refuse(members)
    except Refusal:
        # It divides over a power of two members only.
        assert members & (members - 1)
        return
    small = problem.smallest(members, lambda p: how.refuse(name, p, options, members))
    small.refuse(members)
    how.refuse(name, small, options, members)
    assert small.iterations == problem.multiple
    assert small.memory(members) <= problem.memory(members) or members > 4
