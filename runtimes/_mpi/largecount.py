"""Messages of more elements than an MPI count holds: not every library has the large counts of MPI-4."""

import functools

import numpy as np
from mpi4py import MPI

LARGEST = 2**31 - 1


def message(array: np.ndarray) -> list:
    """Return a C-contiguous array as [buffer, count, datatype], by rows if it has too many elements."""
    if array.size <= LARGEST:
        return [array, array.size, MPI.Datatype.fromcode(array.dtype.char)]
    length = array.shape[-1]
    return [array, array.size // length, _row(array.dtype.char, length)]


@functools.cache
def _row(code: str, length: int) -> MPI.Datatype:
    return MPI.Datatype.fromcode(code).Create_contiguous(length).Commit()
