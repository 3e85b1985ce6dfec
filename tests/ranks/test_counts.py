"""Messages and bytes of every MPI cell against what the cell says; and ports that send something else."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from mpi4py import MPI

from prk.job import Job
from prk.problem import Refusal
from prk.run import registry
from prk.runtimes._mpi import calls, count
from prk.runtimes.mpi1 import algorithms, sent, stencil, synch_p2p, transpose
from prk.schedule import Layout, total
from tests import cells, counts
from tests.ranks.test_cells import CELLS, MATRIX

COUNTED = [(name, kernel) for name, kernel in MATRIX if registry.runtime(name).cell(kernel).messages]


def groups(job, size):
    """Return the job with each size of a group, where it has groups and does not say of how many ranks."""
    if job.options.get("group-size", 0) is not None:
        return [job]
    sizes = [group for group in range(1, size + 1) if size % group == 0]
    most = [group for group in sizes if group >= job.options.get("communicators", 1)]
    jobs = [replace(job, options={**job.options, "group-size": group}) for group in most]
    return [job for job in jobs if not refused(job, size)]


def refused(job, size):
    try:
        registry.runtime(job.runtime).refuse(job.kernel, job.problem, job.options, size)
    except Refusal:
        return True
    return False


def open_ended(job):
    """Tell whether what is sent depends on how load is balanced, on particles that come and go, or on XLA."""
    balanced = job.options.get("balance", "none") != "none" or job.options.get("variant") == "compiler"
    return balanced or bool(getattr(job.problem, "events", ""))


@pytest.mark.mpi
@pytest.mark.parametrize(("name", "kernel"), COUNTED)
def test_what_is_sent_is_what_the_cell_says(comm, agree, name, kernel):
    jobs = [job for one in cells.jobs(name, kernel, comm.size) for job in groups(one, comm.size)]
    # Beyond four ranks a few of them are enough, and where XLA compiles each one.
    jobs = jobs[:: 5 if comm.size > 4 or name == "jax" else 1]
    known = [job for job in jobs if not open_ended(job)]
    agree([f"nothing is said of {job}" for job in known if counts.said(job, comm.size, comm.rank) is None])
    agree([line for job in jobs for line in counts.compare(job, comm)])


@pytest.mark.mpi
@pytest.mark.parametrize(
    ("name", "kernel"), [(n, k) for n, k in CELLS if registry.runtime(n).cell(k).schedule]
)
def test_what_is_sent_is_what_the_schedule_says(comm, agree, name, kernel):
    """Directly, and not by the cell's formula: one job of each cell, whose parts are all equally large."""
    schedule: Any = registry.runtime(name).cell(kernel).schedule
    sizes = {"min_bytes": 4800, "max_bytes": 4800} if kernel == "allreduce" else {}
    every = (j for one in cells.jobs(name, kernel, comm.size) for j in groups(one, comm.size))
    jobs = (replace(job, problem=replace(job.problem, **sizes)) for job in every)
    layouts = ((job, Layout(comm.size, 1, job.options.get("threads") or 1)) for job in jobs)
    told = ((job, schedule(job.problem, job.options, layout)) for job, layout in layouts)
    job, steps = next((job, steps) for job, steps in told if steps is not None)
    problem = job.problem
    sent, times = total(steps, comm.size), problem.iterations * getattr(problem, "burst", 1)
    wanted = tuple(times * int(each[comm.rank]) for each in sent)
    found = counts.sent(job, comm)
    agree([] if found == wanted else [f"{job}, rank {comm.rank}: {found}, not {wanted}"])


@pytest.mark.mpi
def test_large_messages_in_segments(comm, agree, monkeypatch):
    for module in (algorithms, sent):
        monkeypatch.setattr(module, "SEGMENT", 1 << 10)
    jobs = list(cells.jobs("mpi1", "allreduce", comm.size))
    agree([line for job in jobs for line in counts.compare(job, comm)])


class OneMessage(synch_p2p.Kernel):
    """All lines in one message, where the problem wants one each."""

    def setup(self):
        super().setup()
        self.buffer = np.empty(self.problem.n - 1)


class Halved(stencil.Kernel):
    """Halos in single precision."""

    def setup(self):
        super().setup()
        sides = [side for axis in self.sides() for side in axis]
        for side, halo in zip(sides, (h for halos in self.axes for h in halos), strict=True):
            to = MPI.PROC_NULL if side.neighbour is None else side.neighbour
            halo.outgoing, halo.incoming = (b.astype(np.float32) for b in (halo.outgoing, halo.incoming))
            halo.send = self.comm.Send_init(halo.outgoing, to)
            halo.receive = self.comm.Recv_init(halo.incoming, to)


class Once(stencil.Kernel):
    """One exchange for all repetitions of a call."""

    def repeat(self, count):
        self.exchange()
        for _ in range(count):
            self.sweep(self.inp, self.out, *self.inner, *self.own)


class Skipped(transpose.Kernel):
    """The last block is never sent."""

    def setup(self):
        super().setup()
        self.phases = self.phases[:-1]


WRONG = [
    (OneMessage, "synch_p2p", {"m": 40, "n": 50}),
    (Halved, "stencil", {"n": 26, "radius": 2}),
    (Once, "stencil", {"n": 26, "radius": 2}),
    (Skipped, "transpose", {"order": 24}),
]


@pytest.mark.mpi
@pytest.mark.parametrize(("made", "kernel", "parameters"), WRONG)
def test_a_port_that_sends_something_else_is_found_by_the_counts_alone(comm, made, kernel, parameters):
    if comm.size == 1:
        return
    options = {o.name: o.default for o in registry.runtime("mpi1").cell(kernel).options}
    job = Job(kernel, "mpi1", registry.problem_class(kernel)(iterations=3, **parameters), options)
    found, wanted = counts.sent(job, comm, made), counts.said(job, comm.size, comm.rank)
    wrong = comm.allgather(found != wanted)
    # The last rank of a pipeline sends its corner in one message anyhow.
    assert any(wrong[:-1] if kernel == "synch_p2p" else wrong)
    if made is OneMessage and comm.rank < comm.size - 1:
        assert (found.messages, wanted.messages) == (3, 3 * 49)
        assert found.bytes == wanted.bytes
    if made is Halved:
        assert (found.messages, 2 * found.bytes) == wanted


@pytest.mark.mpi
def test_ways_to_send(comm, agree):
    """Each call counts once with its bytes: blocking or not, persistent, collective, to nobody, or empty."""
    size, data, into = comm.size, np.zeros(10), np.zeros(10)
    right, left = (comm.rank + 1) % size, (comm.rank - 1) % size
    blocks, nothing = np.zeros((size, 3), np.float32), np.empty(0)
    with count.counting(comm) as (_, so_far):
        assert so_far
        kept = [comm.Send_init(data[:4], right), comm.Recv_init(into[:4], left)]

        def start_twice():
            for _ in range(2):
                MPI.Prequest.Startall(kept)
                MPI.Request.Waitall(kept)

        ways = [
            (lambda: comm.Sendrecv(data, right, recvbuf=into, source=left), 1, 80),
            (lambda: comm.Sendrecv_replace(data, right, source=left), 1, 80),
            (lambda: MPI.Request.Waitall([comm.Irecv(into, left), comm.Isend(data, right)]), 1, 80),
            (start_twice, 2, 64),
            (lambda: comm.Send(data, MPI.PROC_NULL), 0, 0),
            (lambda: comm.Sendrecv(nothing, right, recvbuf=nothing, source=left), 0, 0),
            (lambda: comm.Allreduce(MPI.IN_PLACE, data), 1, 80),
            (lambda: comm.Iallreduce(data, into).Wait(), 1, 80),
            (lambda: comm.Bcast(data), 1, 80),
            (lambda: comm.Allgather(blocks[0].copy(), blocks), 1, 12),
            (lambda: comm.Alltoall(blocks, blocks.copy()), 1, 12 * size),
            (lambda: comm.Alltoallv([blocks, [3] * size], [blocks.copy(), [3] * size]), 1, 12 * size),
            (lambda: comm.Reduce_scatter_block(blocks, np.zeros(3, np.float32)), 1, 12 * size),
            (comm.Barrier, 0, 0),
        ]
        wrong = []
        for number, (way, messages, size_of) in enumerate(ways):
            before = so_far()
            way()
            found = so_far().messages - before.messages, so_far().bytes - before.bytes
            wrong += [] if found == (messages, size_of) else [f"way {number}: {found}"]
        for request in kept:
            request.Free()
    agree(wrong)


@pytest.mark.mpi
def test_nothing_is_counted_before_and_after(comm):
    own = calls.address("MPI_Send")
    with count.counting(comm) as (_, so_far):
        assert so_far
        assert calls.address("MPI_Send") != own
        comm.Bcast(np.zeros(1))
        before = so_far()
    comm.Bcast(np.zeros(1))
    assert so_far() == before
    assert before.messages
    assert calls.address("MPI_Send") == own
