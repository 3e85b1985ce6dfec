# PYTHON_ARGCOMPLETE_OK
"""`python -m prk`: the matrix of kernels and runtimes; `doctor` and `compile` prepare a machine."""

import argparse
import sys

import prk
from prk.run import compile, completion, doctor, output, registry

HELP = """usage: python -m prk [doctor | compile [KERNEL] [options] | --version]

  (nothing)  print the matrix of kernels and runtimes, and what would install the missing ones
  doctor     say which MPI, launcher and runtimes this machine has, what would go wrong and what helps
  compile    fill the compile cache, once before many ranks start; a runtime (--runtime mpi1), or a
             kernel and its options (stencil --radius 6 --runtime mpi1), narrow it down

A kernel's own help: python -m prk.<kernel> --help"""


def matrix() -> str:
    """Return the table of kernels and runtimes, with a line for each cell or runtime that there is not."""
    kernels = list(registry.kernels())
    width = max(map(len, kernels)) + 2
    lines = ["".join([f"{'':<14}", *(f"{k:>{width}}" for k in kernels)])]
    absent = [f"  {k}: {why}" for k in kernels if (why := registry.problem_class(k).missing())]
    reasons: dict[str, list[str]] = {}
    for how in registry.usable():
        cells = []
        for kernel in kernels:
            if registry.has(how.name, kernel):
                cells.append("-" if registry.missing(how.name, kernel) else "yes")
                continue
            cells.append("")
            if why := how.cell(kernel).absent:
                reasons.setdefault(f"{how.name}: {why}", []).append(kernel)
        lines.append("".join([f"{how.name:<14}", *(f"{c:>{width}}" for c in cells)]))
        if missing := how.missing():
            absent.append(f"  {how.name}: {missing}")
    blocks = ["\n".join(lines)]
    if absent:
        blocks.append("\n".join(["- cannot run here:", *absent]))
    if reasons:
        blocks.append("\n".join(["not there:", *(f"  {', '.join(ks)} on {w}" for w, ks in reasons.items())]))
    if broken := registry.broken():
        blocks.append("\n".join(["cannot be used:", *(f"  {why}" for why in broken.values())]))
    return "\n\n".join(blocks)


def main(argv: list[str]) -> int:
    """Run one of the commands; return the exit code."""
    match argv:
        case []:
            print(matrix())
            return 0
        case ["-h" | "--help"]:
            print(HELP)
            return 0
        case ["--version"]:
            print(f"prk {prk.__version__}")
            return 0
        case ["doctor"]:
            return doctor.main()
        case ["compile", *narrowed]:
            return compile.main(narrowed)
    print(f"prk: {argv[0]}: there is no such command; use doctor or compile, or --help", file=sys.stderr)
    return 2


def _completed() -> argparse.ArgumentParser:
    """Return what a shell completes: the commands, and the kernels that they take."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--version", action="store_true")
    commands = parser.add_subparsers()
    commands.add_parser("doctor")
    commands.add_parser("compile").add_argument("kernel", choices=registry.kernels())
    return parser


if __name__ == "__main__":
    if completion.asked():
        completion.answer(_completed())
    with output.lasting():
        code = main(sys.argv[1:])
    sys.exit(code)
