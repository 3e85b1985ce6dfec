"""Messages and their bytes, counted between MPI and those who call it: mpi4py, and compiled code.

Only an audit imports this.
"""

import ctypes
import sys
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple

from mpi4py import MPI

from prk.runtime import Sent

from .._compiled import address
from . import calls
from .interpose import interposed

# Any MPI function as the machine calls it: arguments of 8 bytes, as many as the longest takes. In C some too
# many are left alone, and of one that is shorter only its lower bytes count.
Function = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_int64] * 13)


class Place(NamedTuple):
    """Where a function's arguments say what is sent."""

    elements: int = 1
    type: int = 2
    # The receiver, who may be nobody; a collective has none.
    to: int | None = 3
    # The communicator of a collective whose count is that of each rank's block.
    team: int | None = None
    # Whether integers, an int or of 64 bits, are flags, which are no data.
    flags: bool = False
    # Whether a count stands for each rank, in an array.
    several: bool = False
    # The persistent request: nothing is sent before that is started.
    request: int | None = None


POINT_TO_POINT = """
    Send Ssend Bsend Rsend Isend Issend Ibsend Irsend Sendrecv Isendrecv Sendrecv_replace Isendrecv_replace
    Put Rput Get Rget
"""
COLLECTIVES = {
    "bcast": (Place(to=None), 5),
    "reduce": (Place(2, 3, None), 7),
    "allreduce": (Place(2, 3, None), 6),
    "scan": (Place(2, 3, None), 6),
    "exscan": (Place(2, 3, None), 6),
    "reduce_scatter_block": (Place(2, 3, None, team=5), 6),
    # What is received counts: in place, what is sent is not looked at.
    "allgather": (Place(4, 5, None), 7),
    "alltoall": (Place(4, 5, None, team=6), 7),
    "alltoallv": (Place(1, 3, None, team=8, several=True), 9),
}
PLACES: dict[str, Place] = {
    **dict.fromkeys(POINT_TO_POINT.split(), Place()),
    **dict.fromkeys(("Accumulate", "Raccumulate"), Place(flags=True)),
    **{f"{mode}send_init".capitalize(): Place(request=6) for mode in ("", "s", "b", "r")},
    **{name.capitalize(): place for name, (place, _) in COLLECTIVES.items()},
    **{f"I{name}": place for name, (place, _) in COLLECTIVES.items()},
    # An info comes before the request.
    **{f"{n.capitalize()}_init": p._replace(request=length + 1) for n, (p, length) in COLLECTIVES.items()},
}


class Tally:
    """What this process has sent so far, and what its persistent requests send whenever they are started."""

    def __init__(self) -> None:
        self.sent = Sent()
        self.held: dict[int, int] = {}
        # Threads of a rank send at the same time.
        self.lock = threading.Lock()

    def add(self, size: int) -> None:
        """Count a message of so many bytes, if there are any."""
        if size:
            with self.lock:
                self.sent = Sent(self.sent.messages + 1, self.sent.bytes + size)


tally = Tally()


@contextmanager
def counting(
    comm: Any, library: ctypes.CDLL = calls.library, names: Collection[str] = ()
) -> Iterator[tuple[Any, Callable[[], Sent] | None]]:
    """Count while the context lasts; yield the team and what tells, or None where this cannot be done.

    library, names: who calls MPI, by default mpi4py, and which functions count, by default all.
    """
    with interposed(names or functions().keys(), addresses, library) as there:
        yield comm, (lambda: tally.sent) if there else None


@cache
def addresses() -> dict[str, int]:
    """Return by name the addresses of the functions that count."""
    return {name: ctypes.cast(f, ctypes.c_void_p).value or 0 for name, f in functions().items()}


@cache
def functions() -> dict[str, Any]:
    """Return by name the functions that count, made once and kept: compiled code holds their addresses."""
    made: dict[str, tuple[Any, ...]] = {
        f"MPI_{name}{end}": (_counts, place, bool(end))
        for name, place in PLACES.items()
        for end in ("", "_c")
    }
    made |= {"MPI_Start": (_starts,), "MPI_Startall": (_starts_all,), "MPI_Request_free": (_frees,)}
    return {
        name: Function(make(Function(address(calls.library, name)), *more))
        for name, (make, *more) in made.items()
        if hasattr(calls.library, name)
    }


def _counts(function: Any, place: Place, long: bool) -> Callable[..., int]:
    """Return the function that counts what the arguments say and calls the real one."""

    def call(*arguments: int) -> int:
        sent = size(place, long, arguments)
        if place.request is None:
            tally.add(sent)
            return function(*arguments)
        code = function(*arguments)
        tally.held[_handle(arguments[place.request])] = sent
        return code

    return call


def _starts(function: Any) -> Callable[..., int]:
    def start(*arguments: int) -> int:
        tally.add(tally.held.get(_handle(arguments[0]), 0))
        return function(*arguments)

    return start


def _starts_all(function: Any) -> Callable[..., int]:
    def start(*arguments: int) -> int:
        for number in range(as_int(arguments[0])):
            request = arguments[1] + number * MPI._sizeof(MPI.Request)
            tally.add(tally.held.get(_handle(request), 0))
        return function(*arguments)

    return start


def _frees(function: Any) -> Callable[..., int]:
    def free(*arguments: int) -> int:
        tally.held.pop(_handle(arguments[0]), None)
        return function(*arguments)

    return free


def size(place: Place, long: bool, arguments: tuple[int, ...]) -> int:
    """Return the bytes that a call with these arguments sends; its count is 8 bytes if it is `long`."""
    if place.to is not None and as_int(arguments[place.to]) == MPI.PROC_NULL:
        return 0
    flags = [as_int(int(calls.handle(kind))) for kind in (MPI.INT64_T, MPI.INT)]
    if place.flags and as_int(arguments[place.type]) in flags:
        return 0
    each, ranks = ctypes.c_int64(), ctypes.c_int(1)
    calls.library.MPI_Type_size_x(ctypes.c_int64(arguments[place.type]), ctypes.byref(each))
    if place.team is not None:
        calls.library.MPI_Comm_size(ctypes.c_int64(arguments[place.team]), ctypes.byref(ranks))
    if place.several:
        counts = (ctypes.c_int64 if long else ctypes.c_int) * ranks.value
        return sum(counts.from_address(arguments[place.elements])) * each.value
    count = arguments[place.elements] if long else as_int(arguments[place.elements])
    return count * each.value * ranks.value


def as_int(argument: int) -> int:
    """Return an argument that C passes as an int."""
    return ctypes.c_int32(argument).value


def _handle(where: int) -> int:
    """Return the handle at an address."""
    return int.from_bytes(ctypes.string_at(where, MPI._sizeof(MPI.Request)), sys.byteorder)
