"""Points of arrays that travel from rank to rank, a message each."""

from collections.abc import Callable, Iterable

import numpy as np
from mpi4py import MPI

Points = Iterable[tuple[int, np.ndarray]]


class Exchange:
    """What this rank gets and gives each time, by persistent requests.

    arrivals, departures: other ranks, each with the points that come from it, or go to it.
    """

    def __init__(self, comm: MPI.Comm, arrivals: Points, departures: Points):
        self.arrivals = [Message(comm.Recv_init, *each) for each in arrivals]
        self.departures = [Message(comm.Send_init, *each) for each in departures]

    def __call__(self) -> None:
        """Exchange the points as they are now."""
        for message in self.arrivals:
            message.request.Start()
        for message in self.departures:
            message.buffer[:] = message.points
            message.request.Start()
        for message in self.arrivals:
            message.request.Wait()
            message.points[:] = message.buffer
        for message in self.departures:
            message.request.Wait()

    def free(self) -> None:
        for message in self.arrivals + self.departures:
            message.request.Free()


class Message:
    """Some points of an array, and the buffer and the request by which they travel from or to a rank."""

    def __init__(self, request: Callable[..., MPI.Prequest], other: int, points: np.ndarray):
        self.points, self.buffer = points, points.copy()
        self.request = request(self.buffer, other)
