"""The structure of the package: groups that one sees at a glance, no circle of imports, no list of names."""

import ast
from pathlib import Path

import pytest

from prk.run import registry
from tests.launch import ROOT

CONTRACT = {
    *("check", "cost", "coverage", "decomposition", "job", "kernel"),
    *("memory", "metric", "pieces", "problem", "runtime", "schedule", "team"),
}
MACHINERY = ("run", "records", "machine", "harness", "conformance")


def modules():
    """Return every module of prk and its runtimes: its name, and its file."""
    found = {}
    for folder, package in ((ROOT / "prk", "prk"), (ROOT / "runtimes", "prk.runtimes")):
        for path in folder.rglob("*.py"):
            parts = path.relative_to(folder).with_suffix("").parts
            if parts[0] in ("runtimes", "jobs") and package == "prk":
                continue
            name = ".".join((package, *parts)).removesuffix(".__init__")
            found[name] = path
    return found


MODULES = modules()


def imported(name: str, path: Path) -> set[str]:
    """Return the modules of the package that one imports, anywhere in its text."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                up = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*up, *([base] if base else [])])
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                found.add(whole if whole in MODULES else base)
    return {m for m in found if m in MODULES and m != name}


GRAPH = {name: imported(name, path) for name, path in MODULES.items()}


def test_no_circle_of_imports():
    done: set[str] = set()
    path: list[str] = []

    def visit(name):
        if name in path:
            pytest.fail(" -> ".join([*path[path.index(name) :], name]))
        if name in done:
            return
        path.append(name)
        for other in sorted(GRAPH[name]):
            visit(other)
        path.pop()
        done.add(name)

    for name in sorted(GRAPH):
        visit(name)


def test_the_package_s_top_is_the_contract_and_two_programs():
    top = {p.stem for p in (ROOT / "prk").glob("*.py")}
    assert top == CONTRACT | {"__init__", "__main__", "cli"}
    folders = {p.name for p in (ROOT / "prk").iterdir() if p.is_dir() and (p / "__init__.py").exists()}
    assert folders - {"runtimes", *MACHINERY} == set(registry.kernels())


def test_contract_and_kernels_know_nothing_of_the_machinery():
    """A kernel's own program (its __main__, or a tool beside it) may."""
    for name, others in GRAPH.items():
        parts = name.split(".")
        kernel = (
            len(parts) == 3 and parts[1] in registry.kernels() and parts[2] in ("problem", "loops", "serial")
        )
        if kernel or (len(parts) == 2 and parts[1] in CONTRACT):
            used = {o for o in others if o.split(".")[1] in (*MACHINERY, "cli")}
            assert not used, f"{name} imports {used}"


def test_the_core_names_no_runtime_and_no_kernel():
    """But for the runtimes that run by default, the yardstick of memory, and a library's version."""
    names = {*registry.runtimes(), *registry.kernels()}
    allowed = {("registry", "serial"), ("registry", "mpi1"), ("measure", "nstream")}
    allowed |= {("report", "numba"), ("origin", "numba"), ("environment", "numba")}
    for name, path in MODULES.items():
        parts = name.split(".")
        if parts[1:2] and (parts[1] in MACHINERY or (len(parts) == 2 and parts[1] != "runtimes")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Constant) and node.value in names:
                    assert (parts[-1], node.value) in allowed, f"{name}:{node.lineno} names {node.value!r}"
