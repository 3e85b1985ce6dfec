"""Check that a runtime keeps the contract: `python -m prk.conformance NAME ...`."""

import argparse
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import prk
from prk.conformance import conform, mutation, report
from prk.conformance.report import Result
from prk.problem import Refusal
from prk.records import write
from prk.run import output, registry

EVERY = "all"
EQUIVALENT = Path("results/conformance/equivalent.toml")


def main(argv: Sequence[str]) -> int:
    """Return 0 if all checks end well, 1 if any fails, 2 if nothing can be checked."""
    given = parser().parse_args(argv)
    try:
        work = wanted(given.runtime, given.kernel)
        ranks = counts(given.ranks)
        for option in ("junit", "html", "out"):
            if path := getattr(given, option):
                write.refuse(f"--{option}", path, new=False)
    except Refusal as refusal:
        print(f"prk.conformance: {refusal}", file=sys.stderr)
        return 2
    drawn = random.SystemRandom().randrange(1, 2**31)
    seeds = {"data": given.audit_seed or drawn, "combinations": given.seed}
    results = [] if given.only_mutate else checks(work, ranks, seeds)
    tables = mutate(work, seeds, given) if given.mutate else []
    about = report.facts(seeds)
    if given.junit:
        write.replace(given.junit, report.junit(results, about))
    if given.html:
        write.replace(given.html, report.page([name for name, _ in work], results, about, tables).encode())
    said = [report.counted(results), *(f"seed of the {k}: {v}" for k, v in seeds.items())]
    print("; ".join(filter(None, said)))
    if not given.only_mutate and not any(r.state == "ok" for r in results):
        return 2
    return int(any(r.state == "FAILED" for r in results))


def parser() -> argparse.ArgumentParser:
    """Return what the command line understands."""
    found = argparse.ArgumentParser(prog="python -m prk.conformance", description=__doc__, allow_abbrev=False)
    found.add_argument("--version", action="version", version=f"prk {prk.__version__}")
    found.add_argument("runtime", nargs="+", metavar="NAME", help=f"runtimes, or {EVERY}")
    found.add_argument("--kernel", action="append", metavar="NAME", help="only this kernel; may be repeated")
    found.add_argument(
        "--ranks", default="1,2,3,4,6", metavar="N,...", help="numbers of members (default: %(default)s)"
    )
    found.add_argument("--junit", type=Path, metavar="FILE", help="write the checks as JUnit's XML")
    found.add_argument("--html", type=Path, metavar="FILE", help="write everything as one page")
    found.add_argument(
        "--mutate", type=float, default=0, metavar="SECONDS", help="break the runtime's own files for so long"
    )
    found.add_argument("--only-mutate", action="store_true", help="leave out the other checks")
    found.add_argument(
        "--shared", action="store_true", help="break also what it shares with others (_ folders)"
    )
    found.add_argument(
        "--out", type=Path, metavar="FILE", help="a line of JSON a mutant; what is there is not tried again"
    )
    found.add_argument(
        "--equivalent", type=Path, default=EQUIVALENT, metavar="FILE",
        help="TOML: mutants that are no mistakes, with the reason (default: %(default)s)",
    )  # fmt: skip
    found.add_argument(
        "--seed", type=int, default=1, help="of combinations and mutants (default: %(default)s)"
    )
    found.add_argument("--audit-seed", type=int, metavar="N", help="of the data (default: drawn)")
    return found


def wanted(names: Sequence[str], only: Sequence[str] | None) -> list[tuple[str, list[str]]]:
    """Return runtimes with their kernels. Raises Refusal for what there is not, or cannot run here."""
    unknown = set(only or ()) - set(registry.kernels())
    if unknown:
        raise Refusal("--kernel", f"there is no {unknown.pop()!r}", f"use {', '.join(registry.kernels())}")
    found = []
    for name in registry.runtimes() if EVERY in names else names:
        own = [k for k in registry.kernels() if (not only or k in only) and registry.has(name, k)]
        missing = [why for k in own if (why := registry.missing(name, k))]
        if missing and EVERY not in names:
            raise Refusal("NAME", f"{name} cannot run here: {missing[0]}", "python -m prk lists what can")
        for why in missing:
            print(f"{'left out':<9}{name}: {why}")
        usable = [k for k in own if not registry.missing(name, k)]
        if usable:
            found.append((name, usable))
    if not found:
        raise Refusal("--kernel", f"{', '.join(names)} has none of these", "python -m prk shows the matrix")
    return found


def counts(words: str) -> list[int]:
    """Return the numbers of members. Raises Refusal if they are none."""
    parts = words.split(",")
    if not all(p.isdigit() and int(p) > 0 for p in parts):
        raise Refusal("--ranks", f"{words!r} are no numbers of members", "use, for example, 1,2,3")
    return [int(p) for p in parts]


def checks(
    work: Sequence[tuple[str, list[str]]], ranks: Sequence[int], seeds: dict[str, int]
) -> list[Result]:
    """Run all checks, print a line each, and return them."""
    results = []
    for runtime, kernels in work:
        for kernel in kernels:
            begin = time.monotonic()
            for result in conform.conform(runtime, kernel, ranks, seeds["data"], seeds["combinations"]):
                results.append(result)
                print(result.line, flush=True)
            print(f"{'':<9}{kernel} of {runtime} took {time.monotonic() - begin:.0f} s", flush=True)
    return results


def mutate(
    work: Sequence[tuple[str, list[str]]], seeds: dict[str, int], given: argparse.Namespace
) -> list[report.Table]:
    """Try mutants while the budget lasts, print what survives and the score; return both as tables."""
    equivalent = mutation.Equivalent(given.equivalent)
    found = []
    trials = mutation.mutate(
        work, given.mutate, seeds["data"], seeds["combinations"], given.shared, given.out, equivalent
    )
    for one in trials:
        found.append(one)
        for line in mutation.survivors([one], equivalent):
            print(line, flush=True)
    rows = mutation.scores(found, equivalent)
    for row in rows:
        print("".join(f"{cell:<12}" for cell in row).rstrip())
    return [rows, mutation.unnoticed(found, equivalent)]


if __name__ == "__main__":
    with output.lasting():
        code = main(sys.argv[1:])
    sys.exit(code)
