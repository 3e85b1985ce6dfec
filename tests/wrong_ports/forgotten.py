"""An error in any repetition but the last, which the last one erases, or which fits into the tolerance."""

from prk.runtimes._tagged import stencil, synch_p2p


class Late(synch_p2p.Kernel):
    """Take the left neighbour's values a line late in a third of the repetitions."""

    of, caught = "synch_p2p", "audit"

    def line_by_line(self):
        comm, A, n = self.comm, self.A, self.problem.n
        late, before = comm.repetitions % 3 == 2, 0.0
        for j in range(1, n):
            tag = comm.repetitions, j
            value = A[j, 0] if comm.rank == 0 else comm.receive(tag)[0]
            # The last line is right: what is passed on is its end.
            value, before = (before if late and comm.rank and 1 < j < n - 1 else value), value
            value = synch_p2p.line(A, j, value)
            if comm.rank < comm.size - 1:
                comm.send(comm.rank + 1, tag, value)


class Overwritten(synch_p2p.Kernel):
    """Overwrite what is inside after a third of the repetitions."""

    of, caught = "synch_p2p", "audit"

    def step(self):
        super().step()
        if self.comm.repetitions % 3 == 2:
            self.A[1:-1, 1:-1] = 0.0


class CornerOnly(synch_p2p.Kernel):
    """Compute the corner alone in all repetitions of a call but the last: right, and no work."""

    of, caught = "synch_p2p", "audit"

    def repeat(self, count):
        p, comm = self.problem, self.comm
        if comm.rank == comm.size - 1:
            comm.send(0, (comm.repetitions, "end"), float(self.A[0, -1]))
        if comm.rank == 0:
            taken = self.A[p.n - 1, 0] + comm.receive((comm.repetitions, "end"))[0]
            self.A[0, 0] -= (count - 1) * taken
        super().repeat(1)


class Lost(stencil.Kernel):
    """Lose one exchange of a run in single precision."""

    of, caught = "stencil", "run"
    given = {"dtype": "float32", "iterations": 40}
    exchanges = 0

    def exchange(self):
        self.exchanges += 1
        if self.exchanges != 7:
            super().exchange()
