"""Break a source file on purpose and run the kernel from it: `python -m tests.mutants ROW argument ...`.

A row of mutants.toml names a file, a text that stands in it once, and what to put there instead.
The members of the team import the broken copy in place of the file.
"""

import importlib.util
import os
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

# Not from another module: nothing of the package may be imported before it can be broken.
ROOT = Path(__file__).resolve().parents[1]
ROWS = tomllib.loads((ROOT / "tests/mutants.toml").read_text())["mutant"]


def source(row):
    """Return the path of the file that a row breaks."""
    return ROOT / (row["file"] if "/" in row["file"] else f"runtimes/{row['runtime']}/{row['file']}")


def broken(row):
    """Return the broken source text."""
    text = source(row).read_text()
    assert text.count(row["find"]) == 1, (
        f"{row['find']!r} stands {text.count(row['find'])} times in {row['file']}"
    )
    return text.replace(row["find"], row["replace"])


class Breaker:
    """Import one module from its broken copy."""

    def __init__(self, row, folder):
        parts = source(row).relative_to(ROOT).with_suffix("").parts
        self.module = ".".join(parts if parts[0] == "prk" else ("prk", *parts))
        assert self.module not in sys.modules, f"{self.module} was imported before it could be broken"
        # Each process its own copy: the ranks start together.
        self.copy = Path(folder, f"{os.getpid()}_{parts[-1]}.py")
        self.copy.write_text(broken(row))

    def find_spec(self, name, path=None, target=None):
        return importlib.util.spec_from_file_location(name, self.copy) if name == self.module else None


if "PRK_MUTANT" in os.environ and not any(isinstance(f, Breaker) for f in sys.meta_path):
    number, folder = os.environ["PRK_MUTANT"].split(":", 1)
    sys.meta_path.insert(0, Breaker(ROWS[int(number)], folder))


def run(job, comm):
    """Run the job as one member; importing this module has installed the broken copy."""
    from prk.run import member

    return member.run(job, comm)


def main(kernel, argv):
    from prk import cli
    from prk.run import registry

    job, timeout = cli.parse(kernel, argv)
    cli.end_after(timeout, kernel, True)
    outcome = registry.runtime(job.runtime).launch(replace(job, program="tests.mutants:run"))
    if outcome.message:
        print(outcome.message, file=sys.stderr)
    return outcome.code


if __name__ == "__main__":
    from tests import mutants

    sys.exit(mutants.main(sys.argv[1], sys.argv[2:]))
