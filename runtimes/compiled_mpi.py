"""MPI called from inside compiled code, for messages too small to go through Python.

A call goes through the function's address, handed over at run time with the communicator's handle.
So nothing of the MPI library is in the compiled code: it is cached once for all libraries with
handles of one width, and works for any communicator.
"""

import ctypes
from typing import Any, NamedTuple

import numpy as np
from mpi4py import MPI
from numba import njit

from . import compiled
from .compiled import invoke


class Calls(NamedTuple):
    """Addresses of MPI functions and the handles they need; passes into compiled code as it is."""

    send: int
    recv: int
    comm: Any
    double: Any
    status: int


class Window(NamedTuple):
    """Addresses of the one-sided functions, and the handles they need; passes into compiled code as it is."""

    put: int
    flush: int
    sync: int
    post: int
    start: int
    complete: int
    wait: int
    handle: Any
    double: Any


_library = ctypes.CDLL(MPI.__file__)
_status = np.zeros(max(64, MPI._sizeof(MPI.Status)), np.uint8)


def address(name: str) -> int:
    """Return the address of an MPI function by its C name, from the library that mpi4py loaded."""
    return compiled.address(_library, name)


def handle(thing: Any) -> Any:
    """Return an MPI handle as C passes it: 4 bytes in MPICH's own ABI, else pointer-sized."""
    kind = np.int32 if MPI._sizeof(type(thing)) == 4 else np.int64
    return kind(np.uint64(MPI._handleof(thing)).astype(kind))


def calls(comm: MPI.Comm) -> Calls:
    """Return what compiled code needs for two-sided messages of doubles on `comm`."""
    return Calls(
        address("MPI_Send"), address("MPI_Recv"), handle(comm), handle(MPI.DOUBLE), _status.ctypes.data
    )


def window(win: MPI.Win) -> Window:
    """Return what compiled code needs for one-sided accesses of doubles to the memory of `win`."""
    names = ("Put", "Win_flush", "Win_sync", "Win_post", "Win_start", "Win_complete", "Win_wait")
    return Window(*(address(f"MPI_{name}") for name in names), handle(win), handle(MPI.DOUBLE))


def succeed(code: int) -> None:
    """Raise the MPI error that compiled code returned, if it is one."""
    if code:
        raise MPI.Exception(code)


@njit(nogil=True, cache=True)
def send(mpi, where, count, to):
    """Send `count` doubles at address `where` to rank `to`; return MPI's error code."""
    return invoke(mpi.send, (where, np.int32(count), mpi.double, np.int32(to), np.int32(0), mpi.comm))


@njit(nogil=True, cache=True)
def recv(mpi, where, count, source):
    """Receive `count` doubles to address `where` from rank `source`; return MPI's error code."""
    return invoke(
        mpi.recv, (where, np.int32(count), mpi.double, np.int32(source), np.int32(0), mpi.comm, mpi.status)
    )


@njit(nogil=True, cache=True)
def put(window, where, count, to, displacement):
    """Put `count` doubles from address `where` into the window of rank `to`; return MPI's error code."""
    number, target = np.int32(count), np.int64(displacement)
    return invoke(
        window.put,
        (where, number, window.double, np.int32(to), target, number, window.double, window.handle),
    )


@njit(nogil=True, cache=True)
def flush(window, to):
    """Complete this rank's accesses to the window of rank `to`, at both ends; return MPI's error code."""
    return invoke(window.flush, (np.int32(to), window.handle))


@njit(nogil=True, cache=True)
def sync(window):
    """Order this rank's loads and stores with those of others in the window; return MPI's error code."""
    return invoke(window.sync, (window.handle,))
