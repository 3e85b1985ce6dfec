"""Processes that no launcher of MPI has started: they find each other by JAX's variables."""

import os
import socket
import struct
import sys
import time
import traceback
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import Any

from prk.job import Job, Outcome
from prk.problem import Refusal

COORDINATOR, PROCESSES, NUMBER = "JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID"
# Seconds in which all of them have to come.
PATIENCE = 60.0
# What a process says of itself, its number and how many there are, and what it hears when all are there.
HELLO, ALL_HERE = struct.Struct("!II"), b"+"


def run(job: Job) -> Outcome:
    """Run the job as one of the processes that the variables describe."""
    comm = Team(*described(os.environ))
    try:
        return job.run(comm)
    except BaseException as error:
        # Its end would wait for the others, whose calls fail when this process is gone.
        sys.stdout.flush()
        if lost(error):
            why = next(iter(str(error).splitlines()), type(error).__name__)
            print(f"prk.{job.kernel}: another process is gone ({why})", file=sys.stderr, flush=True)
        else:
            traceback.print_exc()
            sys.stderr.flush()
        os._exit(1)


def lost(error: BaseException) -> bool:
    """Tell whether an error is what a process sees when another one has gone."""
    jax = sys.modules.get("jax")
    return isinstance(error, (EOFError, ConnectionError, *((jax.errors.JaxRuntimeError,) if jax else ())))


def described(variables: Mapping[str, str]) -> tuple[tuple[str, int], int, int]:
    """Return where the first process is, how many there are, and this one's number.

    Raises Refusal if the variables do not fit each other.
    """
    place = variables[COORDINATOR]
    host, _, port = place.rpartition(":")
    if not host or not port.isdigit() or int(port) >= 1 << 16:
        raise Refusal(COORDINATOR, f"{place!r} is no HOST:PORT", "use the first process's, as 10.0.0.1:1234")
    numbers = []
    for name in (PROCESSES, NUMBER):
        text = variables.get(name, "")
        if not text.isdigit():
            raise Refusal(name, f"{text!r} is no number", f"set it beside {COORDINATOR}")
        numbers.append(int(text))
    size, rank = numbers
    if rank >= size:
        raise Refusal(NUMBER, f"there is no process {rank} of {size}", f"use less than {PROCESSES}")
    return (host, int(port)), size, rank


class Team:
    """The processes, with the names of an mpi4py communicator; the first one is connected with all others."""

    def __init__(self, place: tuple[str, int], size: int, rank: int):
        self.rank, self.size = rank, size
        found = [called(place, size, rank)] if rank else gathered(place, size)
        for one in found:
            one.settimeout(None)
        self.others = [Connection(one.detach()) for one in found]

    def barrier(self) -> None:
        self.bcast(self.gather(None))

    def gather(self, sendobj: Any) -> list[Any] | None:
        if self.rank:
            self.others[0].send(sendobj)
            return None
        return [sendobj, *(other.recv() for other in self.others)]

    def bcast(self, obj: Any) -> Any:
        if self.rank:
            return self.others[0].recv()
        for other in self.others:
            other.send(obj)
        return obj


def gathered(place: tuple[str, int], size: int) -> list[socket.socket]:
    """Return the connections of the first process with the others, by their numbers."""
    found: dict[int, socket.socket] = {}
    end = time.monotonic() + PATIENCE
    with listening(place) as door:
        while len(found) < size - 1:
            try:
                one = accepted(door, end)
                number, told = HELLO.unpack(one.recv(HELLO.size, socket.MSG_WAITALL))
            except TimeoutError:
                missing = ", ".join(str(n) for n in range(1, size) if n not in found)
                why = f"{missing} of {size} did not come in {PATIENCE:g} s"
                raise Refusal(PROCESSES, why, "start as many as it says") from None
            except (struct.error, ConnectionError):
                # Somebody who is none of us.
                continue
            if told != size:
                raise Refusal(PROCESSES, f"it is {size} here and {told} on {number}", "set it alike")
            if number in found or not number:
                raise Refusal(NUMBER, f"two processes have the number {number}", "give each its own")
            found[number] = one
    for one in found.values():
        one.sendall(ALL_HERE)
    return [found[number] for number in range(1, size)]


def listening(place: tuple[str, int]) -> socket.socket:
    """Return a socket on which this process alone listens."""
    door = socket.socket()
    try:
        # What an earlier run has left there is in nobody's way.
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind(place)
        door.listen(128)
    except OSError as error:
        door.close()
        why = f"{place[0]}:{place[1]} cannot be used ({error.strerror})"
        raise Refusal(
            COORDINATOR, why, "use an address of the first process's node and a free port"
        ) from None
    return door


def accepted(door: socket.socket, end: float) -> socket.socket:
    """Return the next connection that comes before the clock is at `end`."""
    door.settimeout(max(end - time.monotonic(), 0.001))
    one = door.accept()[0]
    one.settimeout(max(end - time.monotonic(), 0.001))
    return one


def called(place: tuple[str, int], size: int, rank: int) -> socket.socket:
    """Return the connection of another process with the first one, when all are there."""
    end, where = time.monotonic() + PATIENCE, f"{place[0]}:{place[1]}"
    while True:
        try:
            one = socket.create_connection(place, max(end - time.monotonic(), 0.001))
            break
        except OSError as error:
            if time.monotonic() >= end:
                why = f"nobody answers at {where} in {PATIENCE:g} s ({error})"
                raise Refusal(COORDINATOR, why, "start process 0 there") from None
            time.sleep(0.1)
    try:
        one.sendall(HELLO.pack(rank, size))
        # The first one gives up before.
        one.settimeout(PATIENCE + 5)
        if one.recv(1) == ALL_HERE:
            return one
    except OSError:
        pass
    raise Refusal(COORDINATOR, f"the first process, at {where}, did not begin", "its own message says why")
