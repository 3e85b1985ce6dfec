"""Mistakes that somebody wrote down, as rows of a TOML file: what a run of the command line must notice.

A row has `runtime`, `kernel`, `what` it does, the `options` of the run, its `ranks` if they are not 2, and a
mutant's `module`, `function`, `before`, `after` and `which`.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path

from prk.conformance import mutants, mutation, processes
from prk.conformance.conform import Cell
from prk.conformance.mutants import Mutant
from prk.run import registry

# Seconds that a broken run may take; one that compiles anew is slow.
LIMIT = 120


@dataclass(frozen=True)
class Row:
    """One mistake and the run that shows it."""

    what: str
    cell: Cell
    mutant: Mutant

    @property
    def words(self) -> list[str]:
        """Return the module that is run, and its options."""
        return [registry.package_of(self.cell.kernel), *self.cell.words]

    def source(self) -> str:
        """Return the broken module. Raises LookupError if its statement is not there."""
        return mutants.mutated(self.mutant, mutants.source_of(self.mutant.module).read_text())


def rows(path: Path) -> list[Row]:
    """Return the rows of a file."""
    return [
        Row(
            what=r["what"],
            cell=Cell(r["runtime"], r["kernel"], r.get("ranks", 2), tuple(r.get("options", ()))),
            mutant=Mutant(r["module"], r["function"], r["before"], r["after"], r.get("which", 0)),
        )
        for r in tomllib.loads(path.read_text())["mutant"]
    ]


def attempt(row: Row) -> processes.Ended:
    """Run the command line with the mistake in place."""
    with mutation.broken(row.mutant.module, row.source()) as variables:
        return row.cell.start(row.words, LIMIT, variables)
