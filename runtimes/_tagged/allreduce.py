"""Allreduce made of tagged messages, for models that have no collectives."""

import numpy as np

from prk.allreduce import schedules, serial
from prk.team import Messages


class Kernel(serial.Kernel):
    """This member's buffers; sums by recursive halving, gathered by recursive doubling (Rabenseifner)."""

    comm: Messages

    def setup(self) -> None:
        super().setup()
        rank, size, count = self.comm.rank, self.comm.size, self.output.size
        self.fold = schedules.fold(rank, size)
        index = self.fold.index
        self.steps = [] if index is None else schedules.halvings(index, size, count)

    def collective(self) -> None:
        self.comm.repetitions += 1
        super().collective()
        result, fold = self.output[0], self.fold
        if fold.gives_to is not None:
            self.give("fold", fold.gives_to, result)
            (result[:],) = self.take("unfold", fold.gives_to)
            return
        if fold.takes_from is not None:
            result += self.take("fold", fold.takes_from)[0]
        for step in self.steps:
            self.give("reduce", step.partner, result[step.give])
            result[step.keep] += self.take("reduce", step.partner)[0]
        for step in reversed(self.steps):
            self.give("gather", step.partner, result[step.keep])
            (result[step.give],) = self.take("gather", step.partner)
        if fold.takes_from is not None:
            self.give("unfold", fold.takes_from, result)

    def give(self, stage: str, to: int, part: np.ndarray) -> None:
        """Send a copy: the message may be under way when the part changes."""
        self.comm.send(to, (self.comm.repetitions, stage, self.comm.rank), part.copy())

    def take(self, stage: str, source: int) -> tuple[np.ndarray]:
        return self.comm.receive((self.comm.repetitions, stage, source))
