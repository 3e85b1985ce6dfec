"""Where processes meet that talk by TCP: shared by the runtimes whose library is told an address."""

from collections.abc import Sequence
from typing import Any

from prk.run import environment

LOOPBACK = "127.0.0.1"


def host(nodes: Sequence[str]) -> str:
    """Return the address at which processes on these nodes reach this one."""
    # A name need not resolve, and on one node nobody needs it.
    return LOOPBACK if len(set(nodes)) == 1 else environment.address()


def unreachable(comm: Any) -> str:
    """Return the line that refuses several nodes of which one has no address by its name. Collective."""
    known = comm.gather((environment.node(), environment.address()))
    line = ""
    if comm.rank == 0 and len({node for node, _ in known}) > 1:
        lost = next((node for node, found in known if not found), "")
        line = lost and f"--runtime: the name of {lost} does not resolve there; mend that, or use mpi1"
    return str(comm.bcast(line))
