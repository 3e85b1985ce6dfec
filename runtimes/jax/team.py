"""The processes of JAX: from a team that already talks, or from JAX's own variables."""

import ctypes
import os
import pickle
import socket
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn

import jax
import numpy as np
from jax.experimental import multihost_utils

from prk.job import Job, Outcome
from prk.problem import Refusal
from prk.run import environment

from .. import _addresses
from . import COORDINATOR, NUMBER, PROCESSES

# Seconds after which a process is given up that the others wait for at the start, and one silent later.
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


def run(job: Job) -> Outcome:
    """Run the job as one of the processes that JAX's own variables describe."""
    place, size, rank = described(os.environ)
    try:
        initialize(place, size, rank)
    except RuntimeError as error:
        why = first_line(error)
        raise Refusal(
            PROCESSES, f"{size} processes do not meet at {place} in {PATIENCE} s ({why})", "start them all"
        ) from None
    try:
        outcome = job.run(Processes())
        leave()
        return outcome
    except jax.errors.JaxRuntimeError as error:
        end(f"prk.{job.kernel}: JAX: {first_line(error)}; most likely another process is gone\n")
    except BaseException:
        end(traceback.format_exc())


def end(why: str) -> NoReturn:
    """End this process at once, and say why: its end would wait for the others, whose calls fail now."""
    sys.stdout.flush()
    sys.stderr.write(why)
    sys.stderr.flush()
    os._exit(1)


def described(variables: Mapping[str, str]) -> tuple[str, int, int]:
    """Return the coordinator's place, the number of processes, and this one's, from JAX's variables.

    Raises Refusal if they do not fit each other, or if somebody else has the coordinator's port.
    """
    place = variables[COORDINATOR]
    host, _, port = place.rpartition(":")
    if not host or not port.isdigit():
        raise Refusal(COORDINATOR, f"{place!r} is no HOST:PORT", "use the first process's, as 10.0.0.1:1234")
    numbers = []
    for name in (PROCESSES, NUMBER):
        text = variables.get(name, "")
        if not text.isdigit():
            raise Refusal(name, f"{text!r} is no number", f"set it beside {COORDINATOR}")
        numbers.append(int(text))
    size, rank = numbers
    if rank >= size:
        raise Refusal(NUMBER, f"there is no process {rank} of {size}", f"use 0 to {size - 1}")
    if rank == 0:
        refuse_port(host, int(port))
    return place, size, rank


def refuse_port(host: str, port: int) -> None:
    """Raise Refusal if this process cannot listen there: JAX would share the port with whoever has it."""
    try:
        with socket.socket() as one:
            # What an earlier run has left there is in nobody's way.
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind((host, port))
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise Refusal(COORDINATOR, f"{host}:{port} cannot be used ({why})", "use another port") from None


def first_line(error: BaseException) -> str:
    """Return what an error says first."""
    return next(iter(str(error).splitlines()), type(error).__name__)


class Processes:
    """The team of JAX's processes, with the names of an mpi4py communicator."""

    def __init__(self) -> None:
        self.rank, self.size = jax.process_index(), jax.process_count()

    def barrier(self) -> None:
        multihost_utils.sync_global_devices("barrier")

    def gather(self, sendobj: Any) -> list[Any] | None:
        found = self._all(pickle.dumps(sendobj))
        return [pickle.loads(each) for each in found] if self.rank == 0 else None

    def bcast(self, obj: Any) -> Any:
        return pickle.loads(self._all(pickle.dumps(obj) if self.rank == 0 else b"")[0])

    def _all(self, data: bytes) -> list[bytes]:
        """Return everybody's bytes."""
        lengths = self._rows(np.array([len(data)]))[:, 0]
        # As few lengths as possible: each is a program of its own.
        padded = np.zeros(1 << int(lengths.max()).bit_length(), np.uint8)
        padded[: len(data)] = np.frombuffer(data, np.uint8)
        return [row[:length].tobytes() for row, length in zip(self._rows(padded), lengths, strict=True)]

    def _rows(self, row: np.ndarray) -> np.ndarray:
        return np.asarray(multihost_utils.process_allgather(row)).reshape(self.size, row.size)
