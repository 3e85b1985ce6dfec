"""Collectives whose input changes by one element a repetition, and not within a burst."""

from prk.allreduce.problem import positions
from prk.runtimes._tagged import allreduce


class Changed(allreduce.Kernel):
    """Reduce everything once, and then only the element that was changed."""

    of, caught = "allreduce", "audit"
    reduced = False

    def collective(self):
        before, place = self.output.copy(), self.positions[len(self.laps)]
        super().collective()
        if self.reduced:
            before[:, place] = self.output[:, place]
            self.output[:] = before
        self.reduced = True


class LastOnly(allreduce.Kernel):
    """Reduce in the last repetition only; before, write what the one element must be."""

    of, caught = "allreduce", "audit"

    def collective(self):
        p, number = self.problem, len(self.laps)
        super().collective()
        if number < p.repetitions - 1:
            at = positions(p.repetitions, self.output.shape[1])
            grown = (at[: number + 1] == at[number]).sum() * p.change(self.comm.size)
            known = p.output(self.comm.rank, self.comm.size, 0, at[number : number + 1])
            self.output[:] = -1
            self.output[:, at[number]] = known + grown


class FirstOfBurst(allreduce.Kernel):
    """Send the first message of a burst, and none of the others, which are the same."""

    of, caught = "allreduce", "audit"
    sent = -1

    def collective(self):
        if self.sent != len(self.laps) or not self.laps:
            super().collective()
            self.sent = len(self.laps)
