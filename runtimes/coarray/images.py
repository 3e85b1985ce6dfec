"""What images share, for Python and for compiled code. A member is an image."""

import ctypes
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from mpi4py import MPI
from numba import njit

from .. import _clocks
from .._clocks import begun, plain, waited
from .._compiled import invoke
from .._mpi import calls
from .._mpi.room import INSTEAD, Room
from . import library
from .sizes import rounded

# How often an image that waits looks before it gives up, drives MPI, and gives its core away.
LOOKS, DRIVES, YIELDS = 1 << 33, 16, 1000
FUNCTIONS = ("put", "get", "post", "posted", "take", "sync_images")
# What MPI_Iprobe fills and nobody reads: a flag, then a status.
_scratch = np.zeros(64 + max(64, MPI._sizeof(MPI.Status)), np.uint8)


class Calls(NamedTuple):
    """Addresses of functions, and what waiting needs of MPI; passes into compiled code as it is."""

    put: int
    get: int
    post: int
    posted: int
    take: int
    sync_images: int
    iprobe: int
    # An address, or a Clocked.
    sched_yield: Any
    comm: Any
    anything: tuple[int, int]
    scratch: int
    # Where the coarray begins on this image.
    base: int


class Coarray:
    """A coarray of `size` bytes on each image, with events. Making and closing it is collective.

    Arrays lie in it one after the other. An array of this image stands for those at its place on the others.
    Raises Refusal, on all images, if there is no room.
    """

    def __init__(self, comm: MPI.Intracomm, size: int, events: int = 0):
        fortran = library.load(comm)
        self.functions = fortran.images
        room = Room(comm, MPI.Win.Allocate(8, 8, comm=comm), "--runtime", INSTEAD)
        room.take(size)
        room.close()
        address = ctypes.c_void_p()
        lengths = [ctypes.c_int64(max(1, n)) for n in (size, events)]
        done(self.functions.caf_reserve(*lengths, ctypes.byref(address)))
        held: Any = (ctypes.c_uint8 * max(1, size)).from_address(address.value or 0)
        self.memory = np.frombuffer(held, np.uint8)
        # What is only promised would seem to be free when the next one is made.
        self.memory[:] = 0
        self.taken, self.numbered, self.open = 0, 0, True
        functions = [fortran.address(name) for name in FUNCTIONS]
        probing = calls.handle(comm), (MPI.ANY_SOURCE, MPI.ANY_TAG), _scratch.ctypes.data
        self.calls = Calls._make(
            [*functions, calls.address("MPI_Iprobe"), _clocks.yielding(), *probing, self.memory.ctypes.data]
        )
        self.sync_all()

    def array(self, shape: Any, dtype: Any = np.float64) -> np.ndarray:
        """Return the next array of the coarray, of zeros; equal on all images."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        part = self.memory[self.taken : self.taken + size]
        assert part.size == size, "the coarray is too small for its arrays"
        self.taken += rounded(size)
        return part.view(dtype).reshape(shape)

    def events(self, number: int) -> range:
        """Return the next so many of the coarray's events; equal on all images."""
        self.numbered += number
        return range(self.numbered - number, self.numbered)

    def put(self, there: np.ndarray, source: np.ndarray, member: int) -> None:
        """Copy contiguous `source` to where `there` is on another image, and return when it has arrived."""
        assert source.flags.c_contiguous
        assert there.nbytes >= source.nbytes
        done(put(self.calls, there.ctypes.data, source.ctypes.data, source.nbytes, member))

    def get(self, into: np.ndarray, there: np.ndarray, member: int) -> None:
        """Copy what is where `there` is on another image to the contiguous `into`."""
        assert into.flags.c_contiguous
        assert there.nbytes >= into.nbytes
        done(get(self.calls, into.ctypes.data, there.ctypes.data, into.nbytes, member))

    def post(self, event: int, member: int) -> None:
        """Post an event of another image (event post)."""
        done(post(self.calls, event, member))

    def wait(self, event: int, times: int = 1) -> None:
        """Wait until an event of this image has been posted so often, and take that off (event wait)."""
        # Fortran takes 0 for 1.
        if times:
            done(wait(self.calls, event, times))

    def sync_images(self, members: Sequence[int]) -> None:
        """Wait until each of these images waits for this one as well."""
        listed = np.array(members, np.int32)
        done(sync_images(self.calls, listed))

    def sync_all(self) -> None:
        """Wait until all images are here."""
        done(self.functions.caf_sync_all())

    def close(self) -> None:
        """Free it, unless another one of those that have a part of it did."""
        if self.open:
            self.open = False
            done(self.functions.caf_release())


def reserve(comm: Any, size: int, events: int) -> Coarray:
    """Return a coarray of so many bytes and events, or the team's own, where there is room for them."""
    return comm.images if hasattr(comm, "images") else Coarray(comm, size, events)


def done(code: int) -> None:
    """Raise what a function's code says, if it says anything."""
    if code < 0:
        raise TimeoutError("an event was never posted")
    if code:
        raise RuntimeError(f"OpenCoarrays returned {code}")


@njit(nogil=True, cache=True)
def put(images, there, source, size, member):
    """Copy `size` bytes at address `source` to where address `there` is on another image."""
    return invoke(images.put, (there - images.base, size, source, np.int32(member)))


@njit(nogil=True, cache=True)
def get(images, into, there, size, member):
    """Copy `size` bytes from where address `there` is on another image to address `into`."""
    return invoke(images.get, (there - images.base, size, into, np.int32(member)))


@njit(nogil=True, cache=True)
def post(images, event, member):
    """Post an event of another image."""
    return invoke(images.post, (event, np.int32(member)))


@njit(nogil=True, cache=True)
def wait(images, event, times):
    """Wait until an event has been posted so often, and take that off; return -1 if it never was."""
    begin = begun(images.sched_yield)
    source, tag = images.anything
    flag, status = images.scratch, images.scratch + 64
    for look in range(LOOKS):
        if invoke(images.posted, (event,)) >= times:
            waited(images.sched_yield, begin, -1)
            return invoke(images.take, (event, np.int32(times)))
        if look % DRIVES == DRIVES - 1:
            # A library may need this image's help to carry out what others do to its memory.
            invoke(images.iprobe, (np.int32(source), np.int32(tag), images.comm, flag, status))
        if look > YIELDS:
            invoke(plain(images.sched_yield), ())
    return np.int32(-1)


@njit(nogil=True, cache=True)
def sync_images(images, members):
    """Wait until each of these images (int32) waits for this one as well."""
    return invoke(images.sync_images, (members.ctypes.data, members.size))
