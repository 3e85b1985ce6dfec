import os

from charm4py import charm

from prk.inference.traffic import LoadGen, Result, Traffic
from prk.problem import Refusal

from .._tagged import inference
from .team import Timed


class Kernel(Timed, inference.Kernel):
    """The chare that takes queries, or one that computes.

    Answers are messages, and come while the first chare waits for one to itself, again and again.
    """

    def play(self, traffic: Traffic) -> Result:
        if isinstance(traffic, LoadGen):
            # Its threads look at its stack, which is put aside while another chare runs.
            traffic.closed = False
        return super().play(traffic)

    def collect(self, seconds: float) -> None:
        if not any(self.asked.values()):
            super().collect(seconds)
            return
        if self.answers_tag not in self.comm.inbox:
            self.comm.send(0, "looked")
            self.comm.receive("looked")
        while self.answers_tag in self.comm.inbox:
            self.complete(*self.comm.receive(self.answers_tag))

    def first(self) -> float:
        elements, cores = charm.numPes() // charm.numHosts(), len(os.sched_getaffinity(0))
        if self.problem.scenario == "server" and not self.given_level and elements > cores:
            # A search would take minutes, and find none.
            why = f"{elements} elements that never rest share {cores} cores, and keep no bound"
            raise Refusal("--pe", why, f"use at most {cores}, or name a rate by --qps")
        return super().first()
