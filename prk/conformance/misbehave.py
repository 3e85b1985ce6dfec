"""Members that misbehave: `python -m prk.conformance.misbehave HOW KERNEL argument ...` on any launcher.

The last member does, in the timed repetitions, when the others may be waiting for it.
"""

import importlib
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NoReturn

from prk import cli
from prk.job import Job, Outcome
from prk.run import member, registry
from prk.team import Crew, Team

MESSAGE = "the last member raises"


def raises() -> NoReturn:
    """Raise an error."""
    raise RuntimeError(MESSAGE)


def leaves() -> NoReturn:
    """Leave as if all was well."""
    sys.exit(0)


def vanishes() -> NoReturn:
    """Leave without anybody being asked."""
    os._exit(0)


def killed() -> None:
    """End as the system ends a process, when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)


def hangs() -> None:
    """Never come back."""
    time.sleep(3600)


HOW = {f.__name__: f for f in (raises, leaves, vanishes, killed, hangs)}


def run(job: Job, comm: Team) -> Outcome:
    """Run the job as one member; the last one misbehaves as the first of its words says."""
    if last(comm):
        found = registry.module_of(job.runtime, job.kernel)
        assert found
        registry.kernel_class(job.runtime, job.kernel)
        module: Any = importlib.import_module(found)
        module.Kernel = spoilt(module.Kernel, HOW[job.argv[0]])
    return member.run(job, comm)


def last(comm: Team) -> bool:
    """Tell whether this is the last member; of a crew the one that acts for all is."""
    return isinstance(comm, Crew) or comm.rank == comm.size - 1


def spoilt(make: Any, act: Any) -> Any:
    """Return what makes a kernel whose last member misbehaves in its second `repeat`, after the warm-up."""

    def made(problem: Any, comm: Any, options: Any) -> Any:
        kernel = make(problem, comm, options)
        # Members that share a process share the module.
        if last(kernel.comm):
            repeat = kernel.repeat

            def second(count: int) -> None:
                act()
                repeat(count)

            def first(count: int) -> None:
                repeat(count)
                kernel.repeat = second

            kernel.repeat = first
        return kernel

    return made


def main(how: str, kernel: str, argv: Sequence[str]) -> int:
    """Run the kernel as the command line does, with the misbehaving program on every member."""
    parse = cli.parse

    def parse_and_replace(kernel: str, argv: Sequence[str]) -> tuple[Job, float]:
        job, timeout = parse(kernel, argv)
        return replace(job, program="prk.conformance.misbehave:run", argv=(how,)), timeout

    cli.parse = parse_and_replace
    return cli.main(kernel, argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
