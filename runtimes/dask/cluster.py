"""The client's side: find or start workers, run a member on each, notice when one dies."""

import contextlib
import json
import logging
import os
import traceback
import uuid
from collections.abc import Iterator
from typing import Any

import dask
from distributed import Client, Future, LocalCluster, wait

import prk
from prk.job import Job, Outcome
from prk.problem import Refusal
from prk.records import write

from . import team

# Seconds: for a scheduler to answer, for workers to come up, between two looks at whether they all live.
ANSWER, COME_UP, LOOK = 5, 30, 1


def launch(job: Job) -> Outcome:
    """Run the job on a cluster; print and record what its first member says."""
    if job.json:
        write.refuse("--json", job.json)
    # What Dask logs of a lost worker is said in one line instead.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    quiet = {"logging.distributed": "critical", "distributed.scheduler.allowed-failures": 0}
    address = scheduler(job)
    with dask.config.set(quiet), _joined(address) if address else _own(job) as client:
        return _run(job, client)


def scheduler(job: Job) -> str:
    """Return the address of the scheduler to join, by option or as Dask itself is told; empty for none."""
    return job.options["scheduler"] or dask.config.get("scheduler-address", None) or ""


@contextlib.contextmanager
def _own(job: Job) -> Iterator[Client]:
    """Start a cluster on this node, which ends with this process, however that ends."""
    with (
        LocalCluster(
            n_workers=job.options["workers"] or len(os.sched_getaffinity(0)),
            threads_per_worker=1,
            processes=True,
            # Any free port: the default one may be taken, which Dask would warn of.
            dashboard_address="127.0.0.1:0",
            memory_limit=0,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


@contextlib.contextmanager
def _joined(address: str) -> Iterator[Client]:
    """Connect to the cluster of the given scheduler."""
    try:
        client = Client(address, timeout=ANSWER)
    except (OSError, ValueError) as error:
        reason = f"{address!r} does not answer within {ANSWER} s"
        if isinstance(error, ValueError):
            reason = f"{address!r} is no address"
        raise Refusal(
            "--scheduler", reason, "start one with: dask scheduler; and give its tcp://host:port"
        ) from None
    with client:
        yield client


def _run(job: Job, client: Client) -> Outcome:
    workers = _workers(job, client)
    own = not scheduler(job)
    about = {
        "working_processes": len(workers),
        # The client, in whose process the scheduler of an own cluster runs.
        "scheduling_processes": 1 if own else 2,
        "cluster": "own" if own else "joined",
    }
    if job.options.get("faults") == "on":
        lost, futures = _outlive(job, client, workers, about)
    else:
        futures = _start(job, client, workers, about, uuid.uuid4().hex)
        lost = _wait(client, futures, workers)
    if lost:
        return Outcome(1, lost)
    outcome, printed, recorded = futures[0].result()
    lost = write.save(json.loads(recorded), job.json or "") if recorded else ""
    print(printed, end="", flush=True)
    return Outcome(1, lost) if lost else outcome


def _start(
    job: Job,
    client: Client,
    workers: list[str],
    about: dict[str, Any],
    key: str,
    before: team.Before | None = None,
) -> list[Future]:
    """Start a member on each worker."""
    doors = client.run(team.open_door, key, workers=workers)
    addresses = [doors[w] for w in workers]
    return [
        client.submit(
            team.member, key, rank, addresses, job, about, before,
            workers=[worker], allow_other_workers=False, pure=False, retries=0,
        )
        for rank, worker in enumerate(workers)
    ]  # fmt: skip


def _outlive(job: Job, client: Client, workers: list[str], about: dict[str, Any]) -> tuple[str, list[Future]]:
    """Run the job until a team comes to its end, with new workers in the place of those that died."""
    before = team.Before(uuid.uuid4().hex, tuple(range(len(workers))), ())
    while True:
        key = uuid.uuid4().hex
        futures = _start(job, client, workers, about, key, before)
        lost = _wait(client, futures, workers)
        gone = _gone(client, workers)
        if not lost or not gone:
            client.run(team.forget, before.run)
            return lost, futures
        # Those who wait for the dead, or for one who does.
        client.run(team.dismiss, key)
        wait(futures, timeout=COME_UP)
        dead = [m for m, w in zip(before.started, workers, strict=True) if w in gone]
        workers = _replaced(client, workers, gone)
        if not workers:
            return f"{lost}, and no worker came in its place", futures
        new = iter(range(max(before.started) + 1, max(before.started) + 1 + len(dead)))
        started = tuple(next(new) if m in dead else m for m in before.started)
        before = team.Before(before.run, started, (*before.gone, dead))


def _gone(client: Client, workers: list[str]) -> list[str]:
    alive = client.nthreads()
    return [w for w in workers if w not in alive]


def _replaced(client: Client, workers: list[str], gone: list[str]) -> list[str]:
    """Return the workers with new ones in the place of those that are gone; none if too few come."""
    with contextlib.suppress(TimeoutError):
        client.wait_for_workers(len(workers), timeout=COME_UP)
    new = sorted(w for w in client.nthreads() if w not in workers)
    if len(new) < len(gone):
        return []
    return [new.pop(0) if w in gone else w for w in workers]


def _workers(job: Job, client: Client) -> list[str]:
    """Return the workers to use, all of this package's version; raise Refusal if there are too few."""
    wanted = job.options["workers"]
    try:
        client.wait_for_workers(
            max(wanted, 1), timeout=COME_UP if not job.options["scheduler"] else 2 * ANSWER
        )
    except TimeoutError:
        there = len(client.nthreads())
        raise Refusal(
            "--workers", f"{max(wanted, 1)} were asked for and {there} came up", "start more"
        ) from None
    workers = sorted(client.nthreads())
    workers = workers[: wanted or len(workers)]

    # A function inside a function travels as code: the worker need not have this package to say so.
    def installed() -> str:
        try:
            import prk

            return prk.__version__
        except ImportError:
            return "none"

    for worker, found in client.run(installed, workers=workers).items():
        if found != prk.__version__:
            raise Refusal(
                "--scheduler",
                f"worker {worker} has prk {found}, and not {prk.__version__}",
                "install the same one there",
            )
    return workers


def _wait(client: Client, futures: list[Future], workers: list[str]) -> str:
    """Wait for all members to end; return why not all of them ended well, or nothing."""
    pending = set(futures)
    while pending:
        with contextlib.suppress(TimeoutError):
            pending = wait(pending, timeout=LOOK, return_when="FIRST_COMPLETED").not_done
        gone = _gone(client, workers)
        if gone:
            return f"--runtime: dask lost worker {', '.join(gone)}: its process ended during the run"
        errors = [f.exception() for f in futures if f.status == "error"]
        causes = [e for e in errors if not isinstance(e, team.Lost)]
        if causes:
            traceback.print_exception(causes[0])
            return f"a worker failed: {causes[0]!r}"
    if errors:
        return f"--runtime: dask lost the connection between workers ({errors[0]})"
    return ""
