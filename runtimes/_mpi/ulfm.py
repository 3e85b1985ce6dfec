"""Ranks that outlive others by MPI's fault tolerance (ULFM): Open MPI 5 under mpirun --with-ft ulfm."""

import contextlib
import os
import pickle
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from mpi4py import MPI

from prk import pieces
from prk.pieces import Pieces, Place, Transfer

from .largecount import message

# What the launcher tells all ranks if failures are to be survived.
ENABLED = "OMPI_MCA_mpi_ft_enable"
# Tags of an order to a waiting rank and of data; seconds between two looks of one that waits.
ORDER, DATA, PAUSE = 1, 2, 2e-4


def enabled() -> bool:
    """Tell whether this launch survives the loss of a rank."""
    return os.environ.get(ENABLED) in ("1", "true")


class Survivors:
    """The ranks that are still there, those that only wait among them."""

    def __init__(self, comm: Any):
        self.comm = comm
        self.rank, self.size = comm.rank, comm.size
        self.started: tuple[int, ...] = tuple(
            MPI.Group.Translate_ranks(comm.group, None, MPI.COMM_WORLD.group)
        )
        self.ordered: list[MPI.Request] = []
        # Nobody makes teams of these from outside.
        self.kept: dict[str, Any] = {}
        self.lost: tuple[list[int], ...] = ()

    def failure(self, error: Exception) -> bool:
        """Tell whether an error may come from the loss of a rank; the ranks that are left will show it."""
        # A collective in which a rank is lost may say that it went well, and bring nothing.
        return isinstance(error, MPI.Exception | pickle.UnpicklingError | EOFError)

    def agree(self, ok: bool, comm: Any = None) -> bool:
        """Return whether all ranks say that all is well, and none of them died. Equal on all that live."""
        try:
            return bool((comm or self.comm).Agree(int(ok)))
        except MPI.Exception:
            return False

    def wait(self, obey: Callable[[], None]) -> bool:
        """Agree that all is well, as a rank that waits for the others and leaves its core to them."""
        said = np.ones(1, np.int32)
        try:
            request = self.comm.Iagree(said)
            while not request.Test():
                if self._is_ordered():
                    obey()
                time.sleep(PAUSE)
        except MPI.Exception:
            return False
        return bool(said[0])

    def order(self, rank: int) -> None:
        """Tell a waiting rank to do what it was told to obey."""
        self.ordered.append(self.comm.isend(None, rank, ORDER))

    def _is_ordered(self) -> bool:
        with contextlib.suppress(MPI.Exception):
            return bool(self.comm.Iprobe(tag=ORDER))
        return False

    def revoke(self, team: Any) -> None:
        """Wake all ranks that wait for others, whatever they wait for."""
        for comm in filter(None, (team, self.comm)):
            comm.Revoke()

    def shrunk(self) -> "Survivors":
        """Return those that are left. Collective."""
        return Survivors(self.comm.Shrink())

    def team(self, slot: int | None) -> Any:
        """Return the communicator of those with a slot, in the slots' order; None without one. Collective."""
        comm = self.comm.Split(MPI.UNDEFINED if slot is None else 0, slot or 0)
        return None if comm == MPI.COMM_NULL else comm

    def release(self, *comms: Any) -> None:
        """Give up communicators that are not used any more."""
        for comm in filter(None, comms):
            with contextlib.suppress(MPI.Exception):
                comm.Free()

    def swap(self, team: Any, own: Pieces, to: int, source: int) -> dict[Place, np.ndarray]:
        """Give pieces to one member of the team; return those that another one gives. Collective."""
        about = [(place, values.shape, values.dtype.str) for place, values in own.items()]
        coming = team.sendrecv(about, to, source=source)
        found = {place: np.empty(shape, dtype) for place, shape, dtype in coming}
        receives = [team.Irecv(message(values), source, DATA) for values in found.values()]
        sends = [team.Isend(message(values), to, DATA) for values in own.values()]
        MPI.Request.Waitall([*receives, *sends])
        return found

    def exchange(
        self, own: Pieces, moves: Sequence[Transfer], into: Mapping[str, tuple[pieces.Bounds, np.ndarray]]
    ) -> None:
        """Carry out this rank's part of the transfers: from its pieces, into its fields by name."""
        sends, receives = [], []
        for move in moves:
            if self.rank not in (move.source, move.to):
                continue
            name, bounds = move.place
            if move.source == self.rank:
                held = own[move.place][pieces.within(move.bounds, bounds)]
            if move.to == self.rank:
                outer, values = into[name]
                target = values[pieces.within(move.bounds, outer)]
            if move.source == move.to:
                target[...] = held
            elif move.source == self.rank:
                held = np.ascontiguousarray(held)
                sends.append((self.comm.Isend(message(held), move.to, DATA), held))
            else:
                landing = np.empty(target.shape, target.dtype)
                receives.append((self.comm.Irecv(message(landing), move.source, DATA), landing, target))
        for request, landing, target in receives:
            request.Wait()
            target[...] = landing
        MPI.Request.Waitall([request for request, _ in sends])
