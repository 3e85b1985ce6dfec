"""`python -m prk`: the matrix of kernels and runtimes; `doctor` and `compile` prepare a machine."""

import sys

from prk import doctor, runtime

HELP = """usage: python -m prk [doctor | compile [KERNEL [its options]]]

  (nothing)  print the matrix of kernels and runtimes, and what would install the missing ones
  doctor     say which MPI, launcher, cores and runtimes this machine has and what is missing
  compile    fill the compile cache, once before many ranks start; a kernel's options
             (such as: stencil --radius 6 --runtime mpi1) narrow it down

A kernel's own help: python -m prk.<kernel> --help"""


def matrix() -> str:
    """Return the table of kernels and runtimes, with a line for each runtime that cannot run here."""
    kernels = runtime.kernels()
    lines = ["".join([f"{'':<14}", *(f"{k:>12}" for k in kernels)])]
    absent = [f"  {k}: {why}" for k in kernels if (why := runtime.problem_class(k).missing())]
    for name in runtime.runtimes():
        why = runtime.runtime(name).missing()
        cells = (
            ("-" if runtime.missing(name, k) else "yes") if runtime.has(name, k) else "" for k in kernels
        )
        lines.append("".join([f"{name:<14}", *(f"{c:>12}" for c in cells)]))
        if why:
            absent.append(f"  {name}: {why}")
    return "\n".join(lines + (["", "- cannot run here:", *absent] if absent else []))


def main(argv: list[str]) -> int:
    """Run one of the commands; return the exit code."""
    match argv:
        case []:
            print(matrix())
            return 0
        case ["-h" | "--help"]:
            print(HELP)
            return 0
        case ["doctor"]:
            return doctor.main()
        case ["compile", *narrowed]:
            return doctor.fill_cache(narrowed)
    print(f"prk: {argv[0]}: there is no such command; use doctor or compile, or --help", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
