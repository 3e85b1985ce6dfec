"""Workers that outlive others: the client makes a new team of those left and of new ones in their places.

What a member keeps from one team to the next lies in its worker's process, where no task has it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from prk import pieces
from prk.pieces import Pieces, Place, Transfer
from prk.run.faults.drive import Again

from .team import Comm, Lost


class Workers:
    """The members of one team; a new one's number is one that nobody had."""

    def __init__(self, comm: Comm):
        self.comm = comm
        self.rank, self.size = comm.rank, comm.size
        self.started, self.lost, self.kept = comm.started, comm.gone, comm.kept

    def failure(self, error: Exception) -> bool:
        """Tell whether an error comes from the loss of a worker."""
        return isinstance(error, Lost)

    def agree(self, ok: bool, comm: Any = None) -> bool:
        """Return whether all members say that all is well, as far as this one hears of it."""
        try:
            return all(self.comm.allgather(ok))
        except Lost:
            return False

    def wait(self, obey: Callable[[], None]) -> bool:
        """Agree that all is well; nobody waits here while others compute."""
        return self.agree(True)

    def revoke(self, team: Any) -> None:
        """Leave it to the client to wake the others."""

    def shrunk(self) -> "Workers":
        """Leave this team: the client makes another one."""
        raise Again

    def release(self, *comms: Any) -> None:
        """Leave connections to the member's end."""

    def team(self, slot: int | None) -> Comm:
        return self.comm

    def swap(self, team: Comm, own: Pieces, to: int, source: int) -> dict[Place, np.ndarray]:
        """Give pieces to one member; return those that another one gives. Collective."""
        self.comm.collectives += 1
        tag = "swap", self.comm.collectives
        self.comm.send(to, tag, list(own), *own.values())
        places, *values = self.comm.receive(tag)
        return {_place(place): np.asarray(one) for place, one in zip(places, values, strict=True)}

    def exchange(
        self, own: Pieces, moves: Sequence[Transfer], into: Mapping[str, tuple[pieces.Bounds, np.ndarray]]
    ) -> None:
        """Carry out this member's part of the transfers: from its pieces, into its fields by name."""
        self.comm.collectives += 1
        for number, move in enumerate(moves):
            if move.source == self.rank:
                held = own[move.place][pieces.within(move.bounds, move.place[1])]
                self.comm.send(move.to, ("piece", self.comm.collectives, number), held.copy())
        for number, move in enumerate(moves):
            if move.to == self.rank:
                outer, values = into[move.place[0]]
                (found,) = self.comm.receive(("piece", self.comm.collectives, number))
                values[pieces.within(move.bounds, outer)] = found


def _place(sent: Any) -> Place:
    """Return a place as it was before it travelled, which makes lists of tuples."""
    name, bounds = sent
    return name, tuple((a, b) for a, b in bounds)
