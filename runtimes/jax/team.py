"""JAX's processes, made of a team that already talks."""

import ctypes
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax
from jax.experimental import multihost_utils

from prk.run import environment

from .. import _addresses

# Seconds after which JAX gives up a process that does not come, and one that is silent later.
PATIENCE, SILENCE = 60, 10


def join(comm: Any) -> None:
    """Make JAX's processes those of the team `comm`, once a process; the first one coordinates."""
    if jax.distributed.is_initialized():
        return
    nodes, place = comm.gather(environment.node()), ""
    if comm.rank == 0:
        host = _addresses.host(nodes)
        place = f"{host}:{free_port(host)}"
    initialize(comm.bcast(place), comm.size, comm.rank)


def initialize(place: str, size: int, rank: int) -> None:
    """Become process `rank` of `size`, which find each other at `place`."""
    # One thread computes in a member, as on every other runtime that has no option for more.
    os.environ["NPROC"] = "1"
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.config.update("jax_enable_x64", True)
    # It would take the signal by which launchers end processes.
    jax.config.update("jax_enable_preemption_service", False)
    jax.distributed.initialize(
        place,
        size,
        rank,
        # Else it listens to the whole network.
        coordinator_bind_address=place,
        initialization_timeout=PATIENCE,
        heartbeat_timeout_seconds=SILENCE,
    )
    with silent():
        multihost_utils.sync_global_devices("together")


@contextmanager
def silent() -> Iterator[None]:
    """Keep what a library prints off the screen: gloo says there how many processes it has connected."""
    sys.stdout.flush()
    kept = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        ctypes.CDLL(None).fflush(None)
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


def leave() -> None:
    """Leave the processes, all together."""
    if jax.distributed.is_initialized():
        multihost_utils.sync_global_devices("leave")
        jax.distributed.shutdown()


def free_port(host: str) -> int:
    """Return a port at which nobody listens."""
    with socket.socket() as one:
        one.bind((host, 0))
        return int(one.getsockname()[1])
