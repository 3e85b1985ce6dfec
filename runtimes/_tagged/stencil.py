"""Stencil on tagged messages: halos first from north and south, then from west and east, or all at once."""

from prk.stencil import serial
from prk.team import Messages


class Kernel(serial.Kernel):
    """This member's tile, its ghost frame filled by a message an edge."""

    comm: Messages

    def setup(self) -> None:
        super().setup()
        self.axes = [
            [(s.neighbour, self.inp[s.edge], self.inp[s.ghost]) for s in axis if s.neighbour is not None]
            for axis in self.sides()
        ]
        if self.problem.pattern == "star":
            # It reads no corners, so nothing has to arrive before anything else.
            self.axes = [self.axes[0] + self.axes[1]]

    def exchange(self) -> None:
        self.comm.repetitions += 1
        for axis in self.axes:
            for neighbour, edge, _ in axis:
                # A copy: the message may be under way, or lie in this process, when the edge changes.
                self.comm.send(neighbour, (self.comm.repetitions, self.comm.rank), edge.copy())
            for neighbour, _, ghost in axis:
                (ghost[:],) = self.comm.receive((self.comm.repetitions, neighbour))
