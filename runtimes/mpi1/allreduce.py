"""Collectives, MPI two-sided: the library's own, or an allreduce of point-to-point messages."""

from collections.abc import Callable
from typing import Any

from mpi4py import MPI

from prk.allreduce import serial

from .algorithms import BY_NAME


class Kernel(serial.Kernel):
    """This rank's buffers, and the call that fills the output."""

    def setup(self) -> None:
        super().setup()
        algorithm = self.options["algorithm"]
        if algorithm == "library":
            self.collective = self.library()  # type: ignore[method-assign]
        else:
            flat = self.source.reshape(-1), self.output.reshape(-1)
            self.collective = BY_NAME[algorithm](self.comm, *flat)  # type: ignore[method-assign]

    def library(self) -> Callable[[], None]:
        """Return the library's collective, its arguments made once."""
        kind = MPI.FLOAT if self.problem.dtype == "float32" else MPI.DOUBLE
        given: Any = MPI.IN_PLACE if self.in_place else [self.input, kind]
        made, comm = [self.buffer, kind], self.comm
        return {
            "allreduce": lambda: comm.Allreduce(given, made),
            "reduce_scatter": lambda: comm.Reduce_scatter_block(given, made),
            "allgather": lambda: comm.Allgather(given, made),
            "broadcast": lambda: comm.Bcast(made),
            "alltoall": lambda: comm.Alltoall(given, made),
        }[self.problem.collective]
