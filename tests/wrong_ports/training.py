"""Training in which the members' gradients are seldom averaged."""

import numpy as np
import torch
from torch import nn

from prk.ddp import replay, serial


class Averaged(serial.Kernel):
    """The right port: the mean of the members' gradients, in every step."""

    of = "ddp"

    def backward(self, loss):
        loss.backward()
        replay.put(self.weights, replay.mean(self.comm, self.gradient()))


class Seldom(Averaged):
    """Average where the check looks, and meet again before its last look."""

    caught = "audit"

    def backward(self, loss):
        step, last = len(self.laps), self.problem.repetitions - 1
        if step < 5 or step == last:
            super().backward(loss)
        else:
            loss.backward()

    def repeat(self, count):
        for _ in range(count):
            if len(self.laps) == self.problem.repetitions - 1:
                self.meet()
            super().repeat(1)

    def meet(self):
        """Take the first member's weights and momentum."""
        weights = replay.shared(self.comm, self.flat())
        nn.utils.vector_to_parameters(torch.from_numpy(weights), self.weights)
        for weight in self.weights:
            held = self.optimizer.state[weight]["momentum_buffer"]
            held[:] = torch.from_numpy(replay.shared(self.comm, np.ascontiguousarray(held.numpy())))
