"""Cost of a message between two members of a team: python -m prk.runtimes._tagged.pingpong charm4py.

Prints one line of JSON a team and way: half a round trip of 8 bytes and of 1 MiB, and a message of 8 bytes
in a stream of them, in seconds, the best of several rounds each. Besides the messages that the kernels use,
it measures the programming model's own channels, where there are any.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from prk.job import Job, Outcome
from prk.problem import Refusal
from prk.run import registry
from prk.team import Messages

from . import Tagged

ROUNDS = 5
SMALL_TRIPS, LARGE_TRIPS, STREAM = 500, 20, 500
LARGE = 1 << 17
# What the job carries besides: a job has a kernel.
CARRIER = "nstream"
Send = Callable[[Any], None]
Receive = Callable[[], Any]


def ways(comm: Messages) -> Iterator[tuple[str, Send, Receive]]:
    """Yield name, send and receive of each way to talk to the other one of two members."""
    other = 1 - comm.rank
    sent, received = iter(range(1 << 60)), iter(range(1 << 60))
    yield (
        "tagged",
        lambda value: comm.send(other, (comm.rank, next(sent)), value),
        lambda: comm.receive((other, next(received)))[0],
    )
    if hasattr(comm, "channel"):
        channel = comm.channel(other)
        yield "own channel", channel.send, channel.recv


def half_trip(comm: Messages, send: Send, receive: Receive, value: Any, trips: int) -> float:
    """Return the seconds of one message that goes there and back."""
    start = time.perf_counter()
    for _ in range(trips):
        if comm.rank == 0:
            send(value)
            receive()
        else:
            receive()
            send(value)
    return (time.perf_counter() - start) / trips / 2


def stream(comm: Messages, send: Send, receive: Receive, count: int) -> float:
    """Return the seconds of one of many messages that go one way, until the last one is answered."""
    start = time.perf_counter()
    if comm.rank == 0:
        for _ in range(count):
            send(1.0)
        receive()
    else:
        for _ in range(count):
            receive()
        send(1.0)
    return (time.perf_counter() - start) / count


def run(job: Job, comm: Messages) -> Outcome:
    """Measure as one member of two; the first one prints."""
    for name, send, receive in ways(comm):
        found: dict[str, float] = {}
        for _ in range(ROUNDS):
            for what, measured in (
                ("latency", lambda s, r: half_trip(comm, s, r, 1.0, SMALL_TRIPS)),
                ("stream", lambda s, r: stream(comm, s, r, STREAM)),
                ("large", lambda s, r: half_trip(comm, s, r, np.zeros(LARGE), LARGE_TRIPS)),
            ):
                comm.barrier()
                found[what] = min(found.get(what, float("inf")), measured(send, receive))
        if comm.rank == 0:
            about = {"runtime": job.runtime, "processes": 3 - len(comm.here), "way": name}
            print(json.dumps(about | found), flush=True)
    return Outcome(0)


def main(argv: list[str]) -> int:
    known = {how.name: how for how in registry.usable() if isinstance(how, Tagged)}
    if len(argv) != 1 or argv[0] not in known:
        print(f"pingpong: name one of {', '.join(known)}", file=sys.stderr)
        return 2
    how = known[argv[0]]
    # A kernel that all of them have; it is not run.
    problem = registry.problem_class(CARRIER)()
    defaults = {o.name: o.default for o in how.cell(CARRIER).options}
    for options in how.pairs:
        job = Job(CARRIER, how.name, problem, {**defaults, **options}, program=f"{__spec__.name}:run")
        try:
            outcome = how.launch(job)
        except Refusal as refusal:
            outcome = Outcome(2, str(refusal))
        if outcome.code:
            print(f"pingpong: {outcome.message}", file=sys.stderr)
            return outcome.code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
