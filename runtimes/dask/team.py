"""The team on Dask workers: each member is a task pinned to a worker, with connections to the other workers.

A message goes through Dask's own serialisation and communication layer (distributed.comm), over a connection
that stays open. An actor's method would be called over one as well, but waits for an answer: 1 ms a call.
"""

import asyncio
import contextlib
import io
import tempfile
import threading
from collections import deque
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from distributed import get_worker, secede
from distributed.comm import CommClosedError, connect, listen
from distributed.protocol import to_serialize

from prk.job import Job, Outcome

# How the team is made, for the record that the first member writes.
description: dict[str, Any] = {}
# The members whose worker waits for the others to connect, by the run's key.
doors: dict[str, "Comm"] = {}
# Those that run, by the same keys, and what a run's members keep from one team to the next, by its first key.
running: dict[str, "Comm"] = {}
kept: dict[str, dict[str, Any]] = {}


class Lost(Exception):
    """Another worker of the team is gone."""


class Before(NamedTuple):
    """What a team follows: the run's first key, the members' numbers, and who died, failure by failure."""

    run: str
    started: tuple[int, ...]
    gone: tuple[list[int], ...]


class Comm:
    """A member's view of the team; connections live in the worker's event loop, the member in its thread."""

    def __init__(self, worker: Any):
        self.worker = worker
        self.loop = asyncio.get_running_loop()
        self.inbox: dict[Any, deque[tuple[Any, ...]]] = {}
        self.news = threading.Condition()
        self.lost = ""
        self.repetitions = self.collectives = 0
        self.incoming: list[Any] = []
        # Of a run that outlives workers: the members' numbers, those that died, and what is kept here.
        self.started: tuple[int, ...] = ()
        self.gone: tuple[list[int], ...] = ()
        self.kept: dict[str, Any] = {}

    async def open(self) -> str:
        """Listen to the other members; return the address to reach this one."""
        security = self.worker.security.get_listen_args("worker")
        scheme, _, rest = self.worker.address.partition("://")
        host = rest.rpartition(":")[0]
        self.listener = await listen(f"{scheme}://{host}:0", self.read, **security)
        return self.listener.contact_address

    async def read(self, comm: Any) -> None:
        """Take messages in from one other member until it closes the connection."""
        self.incoming.append(comm)
        with contextlib.suppress(CommClosedError):
            while message := await comm.read():
                tag, data = message
                with self.news:
                    self.inbox.setdefault(tag, deque()).append(data)
                    self.news.notify()
            return
        with self.news:
            self.lost = comm.peer_address
            self.news.notify()

    def join(self, rank: int, addresses: list[str]) -> None:
        """Become member `rank` of those at `addresses`."""
        self.rank, self.size, self.addresses = rank, len(addresses), addresses
        self.here = [rank]
        self.outgoing: dict[int, Any] = {}
        self.outbox: list[deque] = [deque() for _ in addresses]
        self.drains: dict[int, asyncio.Task] = {}

    def send(self, to: int, tag: Any, *data: Any) -> None:
        """Send arrays and scalars, which must not change afterwards: the event loop takes them from here."""
        if to == self.rank:
            with self.news:
                self.inbox.setdefault(tag, deque()).append(data)
            return
        packed = [to_serialize(d) if isinstance(d, np.ndarray) else d for d in data]
        self.loop.call_soon_threadsafe(self.post, to, (tag, packed))

    def post(self, to: int, message: Any) -> None:
        """Put a message in line, in the event loop's thread."""
        self.outbox[to].append(message)
        if to not in self.drains:
            self.drains[to] = self.loop.create_task(self.drain(to))

    async def drain(self, to: int) -> None:
        """Write what waits for member `to`, each message by itself: those sent together synchronise once."""
        try:
            if to not in self.outgoing:
                security = self.worker.security.get_connection_args("worker")
                self.outgoing[to] = await connect(self.addresses[to], **security)
            while self.outbox[to]:
                await self.outgoing[to].write(self.outbox[to].popleft())
        except OSError:
            with self.news:
                self.lost = self.addresses[to]
                self.news.notify()
        finally:
            del self.drains[to]

    def receive(self, tag: Any) -> tuple[Any, ...]:
        """Wait for the next message with this tag."""
        with self.news:
            while tag not in self.inbox:
                if self.lost:
                    raise Lost(self.lost)
                self.news.wait()
            data = self.inbox[tag].popleft()
            if not self.inbox[tag]:
                del self.inbox[tag]
        return data

    def give_way(self) -> None:
        """Return at once: no other member shares this process."""

    def gather(self, sendobj: Any) -> list[Any] | None:
        self.collectives += 1
        if self.rank > 0:
            self.send(0, ("gather", self.collectives, self.rank), to_serialize(sendobj))
            return None
        return [sendobj, *(self.receive(("gather", self.collectives, r))[0] for r in range(1, self.size))]

    def bcast(self, obj: Any) -> Any:
        self.collectives += 1
        tag = "bcast", self.collectives
        if self.rank > 0:
            return self.receive(tag)[0]
        for to in range(1, self.size):
            self.send(to, tag, to_serialize(obj))
        return obj

    def allgather(self, sendobj: Any) -> list[Any]:
        found: list[Any] = self.bcast(self.gather(sendobj))
        return found

    def barrier(self) -> None:
        self.bcast(self.gather(None))

    async def close(self) -> None:
        """Say good-bye to the others and stop listening."""
        for comm in self.outgoing.values():
            with contextlib.suppress(OSError):
                await comm.write([])
                await comm.close()
        self.listener.stop()
        for comm in self.incoming:
            comm.abort()


async def open_door(key: str, dask_worker: Any) -> str:
    """Prepare this worker for the run called `key`; return the address for the other members."""
    doors[key] = Comm(dask_worker)
    return await doors[key].open()


def dismiss(key: str) -> None:
    """Let a member wait no longer for others that may be gone."""
    if key in running:
        with running[key].news:
            running[key].lost = running[key].lost or "another worker"
            running[key].news.notify()


def forget(run: str) -> None:
    """Keep nothing more of a run."""
    kept.pop(run, None)


def member(
    key: str, rank: int, addresses: list[str], job: Job, about: dict[str, Any], before: Before | None = None
) -> tuple[Outcome, str, str]:
    """Run the job as one member; return the outcome, and from the first one what it printed and recorded.

    before: what was before this team, in a run that outlives workers.
    """
    # A member runs for long, and leaves its place in the worker's pool to tasks that it may ask for.
    secede()
    comm = doors.pop(key)
    comm.join(rank, addresses)
    if before:
        comm.started, comm.gone = before.started, before.gone
        comm.kept = kept.setdefault(before.run, {})
        running[key] = comm
    description.update(
        about, dask=version("dask"), distributed=version("distributed"), address=get_worker().address
    )
    printed, recorded = io.StringIO(), ""
    try:
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(printed):
            record = Path(folder, "record.json")
            # The client writes the record: a worker may be on a node with other folders.
            outcome = replace(job, json=str(record) if job.json else None).run(comm)
            comm.barrier()
            recorded = record.read_text() if record.exists() else ""
    finally:
        running.pop(key, None)
        asyncio.run_coroutine_threadsafe(comm.close(), comm.loop).result(10)
    return outcome, printed.getvalue(), recorded
