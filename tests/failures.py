"""Members that misbehave: `python -m tests.failures HOW kernel argument ...` on any launcher."""

import os
import signal
import sys
import time
from dataclasses import replace

from prk import cli
from prk.run import member


def raises(job, comm):
    if comm.rank == comm.size - 1:
        raise RuntimeError("the last rank raises")
    return member.run(job, comm)


def leaves(job, comm):
    if comm.rank == comm.size - 1:
        sys.exit(0)
    return member.run(job, comm)


def vanishes(job, comm):
    if comm.rank == comm.size - 1:
        os._exit(0)
    return member.run(job, comm)


def killed(job, comm):
    if comm.rank == comm.size - 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return member.run(job, comm)


def hangs(job, comm):
    if comm.rank == comm.size - 1:
        time.sleep(600)
    return member.run(job, comm)


def main(how, kernel, argv):
    """Run the kernel as the command line does, with the misbehaving program on every member."""
    parse = cli.parse

    def parse_and_replace(kernel, argv):
        job, timeout = parse(kernel, argv)
        return replace(job, program=f"tests.failures:{how}"), timeout

    cli.parse = parse_and_replace
    return cli.main(kernel, argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
