"""The program that each member of a team runs: many command lines in one launch.

`python -m prk.conformance.team FIRST LAST SEED STRENGTH KERNEL --runtime NAME [its team's options]`
runs the cases from number FIRST to number LAST, to the end, or to the first that is wrong.
"""

import contextlib
import importlib.util
import io
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from prk import cli
from prk.conformance import matrix
from prk.job import Job, Outcome
from prk.problem import Refusal
from prk.records import build, migrate, read
from prk.run import environment, member, registry
from prk.team import Team

# What a line begins with that tells of a case.
SAID = "conformance:"
# What stands for the number of the last case.
END, WRONG = "end", "wrong"
# Seconds that a team may take, and a case.
LIMIT, CASE = 600, 120


def main(argv: Sequence[str]) -> int:
    """Run as one process of a team; return the exit code."""
    first, last, seed, strength, kernel, *words = argv
    speaks = environment.speaks()
    try:
        job, _ = cli.parse(kernel, words)
        cli.end_after(LIMIT, kernel, speaks)
        job = replace(job, program="prk.conformance.team:run", argv=(first, last, seed, strength))
        return cli.report(kernel, registry.runtime(job.runtime).launch(job), speaks)
    except Refusal as refusal:
        return cli.report(kernel, Outcome(2, str(refusal)), speaks)


def run(job: Job, comm: Team) -> Outcome:
    """Run the cases from the first to the last as one member."""
    how = registry.runtime(job.runtime)
    if why := how.probe(job, comm):
        return Outcome(2, why if comm.rank == 0 else "")
    last = job.argv[1]
    first, seed, strength = map(int, job.argv[:1] + job.argv[2:])
    wrong = ran = 0
    for number, one in enumerate(matrix.cases(job, how, comm.size, seed, strength)):
        if number < first:
            continue
        tell(comm, case=matrix.label(one), number=number)
        begin = time.perf_counter()
        hanging = cli.end_after(CASE, job.kernel, comm.rank == 0)
        why, left = attempt(one, comm)
        hanging.cancel()
        tell(comm, case=matrix.label(one), why=why, left=left, seconds=time.perf_counter() - begin)
        ran += 1
        wrong += bool(why)
        if last == str(number) or (wrong and last == WRONG):
            break
    return Outcome(1 if wrong else 0 if ran or first > 0 else 2, "" if ran else "every case is refused")


def tell(comm: Team, **what: object) -> None:
    """Print on the first member what the program that started the team reads."""
    if comm.rank == 0:
        print(SAID, json.dumps(what), flush=True)


def attempt(one: Job, comm: Team) -> tuple[str, str]:
    """Run one command line as one member; return what is wrong with its end, and why it is not audited.

    Both are equal on all members.
    """
    code, why = ended(one, comm)
    if code != 2 or not one.problem.audit:
        return why, ""
    return ended(replace(one, problem=replace(one.problem, audit=0)), comm)[1], why


def ended(one: Job, comm: Team) -> tuple[int, str]:
    """Run one command line as one member; return its exit code and what is wrong, equal on all."""
    job, _ = cli.parse(one.kernel, matrix.words(one))
    said = io.StringIO()
    if comm.rank:
        code, why = member.run(job, comm).code, ""
    else:
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(said):
            path = Path(folder, "record.json")
            outcome = member.run(replace(job, json=str(path)), comm)
            code, why = outcome.code, judged(outcome.code, outcome.message or said.getvalue(), path)
    told: tuple[int, str] = comm.bcast((code, why))
    return told


def judged(code: int | None, said: str, path: Path) -> str:
    """Say what is wrong with a run's end: its exit code, what it printed, its record; or return nothing."""
    lines = said.splitlines()
    if code != 0:
        errors = [line for line in lines if line.startswith("ERROR")]
        return ": ".join([f"exit code {code}", *(errors or lines[-1:])])
    if "Solution validates" not in lines:
        return "it does not say that the solution validates"
    return unreadable(path)


def unreadable(path: Path) -> str:
    """Say what is wrong with a right run's record, or return nothing."""
    try:
        found = read.read(path)
    except ValueError as error:
        return f"the record {error}"
    if importlib.util.find_spec("jsonschema"):
        import jsonschema

        schema = Path(build.__file__).with_name(f"schema-{migrate.VERSION}.json")
        validator = jsonschema.Draft202012Validator(json.loads(schema.read_text()))
        for wrong in validator.iter_errors(found):
            return f"the record is invalid: {wrong.json_path}: {wrong.message}"
    return "" if found["status"] in build.RIGHT else f"the record says {found['status']}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
