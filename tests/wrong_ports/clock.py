"""Work where the clock does not see it, or less work than was asked for."""

import threading

import numpy as np

from prk.runtimes._tagged import stencil
from prk.transpose import serial


class Transpose(serial.Kernel):
    """What the wrong ones have in common: one member that takes long enough to be told from nothing."""

    of, members = "transpose", 1
    given = {"order": 480, "iterations": 1000}


class Started(Transpose):
    """Start the repetitions in a thread and return; wait for it where nobody counts."""

    caught = "audit"
    thread = None

    def wait(self):
        if self.thread:
            self.thread.join()

    def repeat(self, count):
        self.wait()
        self.thread = threading.Thread(target=super().repeat, args=(count,))
        self.thread.start()

    def fields(self):
        self.wait()
        return super().fields()


class InSetup(Transpose):
    """Run all repetitions before anybody asks for one."""

    caught = "audit"

    def setup(self):
        super().setup()
        super().repeat(self.problem.repetitions)

    def repeat(self, count):
        pass


class InWarmup(Transpose):
    """Run all repetitions in the first call."""

    caught = "audit"
    done = False

    def repeat(self, count):
        if not self.done:
            super().repeat(self.problem.repetitions)
            self.done = True


class InFields(Transpose):
    """Run the repetitions when somebody wants to see the fields."""

    caught = "audit"
    owed = 0

    def repeat(self, count):
        self.owed += count

    def fields(self):
        owed, self.owed = self.owed, 0
        super().repeat(owed)
        return super().fields()


class FalseLaps(Transpose):
    """State a hundredth of the time."""

    caught = "audit"

    def setup(self):
        super().setup()
        self.laps = []

    def repeat(self, count):
        super().repeat(count)
        self.laps += [1e-6] * count


class Extrapolated(stencil.Kernel):
    """Run one repetition, and multiply what it changed."""

    of, caught = "stencil", "audit"

    def repeat(self, count):
        out = self.out.copy()
        super().repeat(1)
        self.out += (count - 1) * (self.out - out)
        self.inp += count - 1


class Known(Transpose):
    """Write down the known answer, as long as nobody has changed the data."""

    caught = "audit"
    done, told = 0, False

    def repeat(self, count):
        if self.told:
            super().repeat(count)
            return
        self.done += count
        self.start()
        rows, columns = self.problem.order * np.arange(self.B.shape[1]), np.arange(*self.columns)
        self.B[:] = (rows + columns[:, None] + (self.done - 1) / 2) * self.done
        self.A += self.done

    def restore(self, state, repetition):
        self.told = True
        super().restore(state, repetition)
