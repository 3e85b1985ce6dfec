"""Small mistakes are made where they are said to be, and nowhere else; nothing is run here."""

import ast
import tomllib

import pytest

from prk.conformance import mutants, rows
from prk.conformance.mutants import Mutant
from prk.run import registry
from tests.launch import ROOT

SOURCE = '''
"""A module."""

LIMIT = 3


class Kernel:
    def step(self, values):
        """Do it."""
        for i in range(1, len(values)):
            if values[i - 1] < LIMIT and i:
                self.send(i, values)
                self.barrier()
        self.barrier()
        return values[1:self.n]
'''


def made(before, after, which=0, function="Kernel.step"):
    return mutants.mutated(Mutant("m", function, before, after, which), SOURCE)


def test_a_statement_is_named_by_its_function_and_text():
    assert made("LIMIT = 3", "LIMIT = 4", function="").count("LIMIT = 4") == 1
    first, second = made("self.barrier()", ""), made("self.barrier()", "", 1)
    assert first != second
    assert first.count("self.barrier()") == second.count("self.barrier()") == 1
    with pytest.raises(LookupError, match=r"Kernel\.step has no 'self\.barrier\(\)'"):
        made("self.barrier()", "", 2)
    with pytest.raises(LookupError):
        made("LIMIT = 3", "LIMIT = 4")


def test_a_compound_statement_keeps_what_is_inside():
    changed = made("for i in range(1, len(values)):", "for i in []:")
    assert "for i in []:" in changed
    assert "self.send(i, values)" in changed
    # Others take the place of all of it.
    assert "send" not in made("for i in range(1, len(values)):", "pass")


def test_several_statements_stand_one_after_the_other():
    swapped = made("self.send(i, values)\nself.barrier()", "self.barrier()\nself.send(i, values)")
    assert swapped.index("barrier") < swapped.index("send")


def test_every_kind_of_mistake_is_made():
    found = mutants.mutants("m", SOURCE)
    said = {(m.kind, m.before, m.after) for m in found}
    loop, condition = "for i in range(1, len(values)):", "if values[i - 1] < LIMIT and i:"
    assert {
        ("call removed", "self.barrier()", ""),
        ("statement removed", condition, ""),
        ("constant + 1", "LIMIT = 3", "LIMIT = 4"),
        ("constant - 1", loop, "for i in range(0, len(values)):"),
        ("loop shortened", loop, "for i in range(1, len(values) - 1):"),
        ("arguments swapped", loop, "for i in range(len(values), 1):"),
        ("arguments swapped", "self.send(i, values)", "self.send(values, i)"),
        ("comparison negated", condition, "if values[i - 1] >= LIMIT and i:"),
        ("and, or swapped", condition, "if values[i - 1] < LIMIT or i:"),
        ("condition negated", condition, "if not (values[i - 1] < LIMIT and i):"),
        ("operator swapped", condition, "if values[i + 1] < LIMIT and i:"),
        ("subscript off by one", condition, "if values[i - 1 + 1] < LIMIT and i:"),
        ("slice off by one", "return values[1:self.n]", "return values[1:self.n - 1]"),
    } <= said
    assert len({m.key for m in found}) == len(found)
    # A docstring is no statement.
    assert not any("Do it" in m.before for m in found)


@pytest.mark.parametrize("module", ["prk.runtimes.numba.stencil", "prk.runtimes.mpi1.algorithms"])
def test_every_mutant_of_a_module_is_another_program(module):
    source = mutants.source_of(module).read_text()
    plain = ast.unparse(ast.parse(source))
    for mutant in mutants.mutants(module, source):
        changed = mutants.mutated(mutant, source)
        assert changed.strip() != plain.strip(), mutant
        compile(changed, module, "exec")


def test_what_a_kernel_imports_of_its_runtime_is_found_without_importing_it():
    def own(module):
        return module.startswith("prk.runtimes.mpi1.")

    found = mutants.modules("prk.runtimes.mpi1.allreduce", own)
    assert {"prk.runtimes.mpi1.allreduce", "prk.runtimes.mpi1.algorithms"} <= set(found)
    assert all(own(m) for m in found)


def test_rows_are_in_place_and_of_runtimes_that_there_are():
    for row in rows.rows(ROOT / "tests/conformance/mutants.toml"):
        assert registry.has(row.cell.runtime, row.cell.kernel)
        compile(row.source(), row.mutant.module, "exec")


def test_each_mutant_that_is_said_to_be_no_mistake_can_be_made():
    stated = tomllib.loads((ROOT / "results/conformance/equivalent.toml").read_text())["equivalent"]
    lost = []
    for row in stated:
        made = mutants.mutants(row["module"], mutants.source_of(row["module"]).read_text())
        if not any(
            (m.function, m.before, row.get("after", m.after)) == (row["function"], row["before"], m.after)
            for m in made
        ):
            lost.append((row["module"], row["function"], row["before"]))
    assert not lost
