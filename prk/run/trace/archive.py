"""A timeline as an OTF2 archive, which Vampir, Scalasca and their like open."""

import contextlib
import json
import os
import shutil
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from prk.problem import Refusal

# Ticks of the archive's clock in a microsecond, which Chrome's trace counts in.
TICKS = 1000


class Slice(NamedTuple):
    """Something that a lane did from begin to end, in ticks."""

    begin: int
    end: int
    name: str
    kind: str
    bytes: int


class Step(NamedTuple):
    """One event of a lane: `enter` and `leave` of what is named, `send` to and `receive` from a rank."""

    time: int
    what: str
    name: str = ""
    peer: int = 0
    bytes: int = 0


class Timeline(NamedTuple):
    """The lanes in their order, each with rank, thread and host, and the steps of each."""

    lanes: Sequence[Mapping[str, Any]]
    steps: Sequence[Sequence[Step]]


def convert(path: str, out: str) -> str:
    """Write the timeline in a file of --trace as an archive into the new folder `out`; say what it holds.

    Raises Refusal if the file is none, the folder is there, or the package otf2 is missing.
    """
    try:
        import otf2
    except ImportError:
        raise Refusal("otf2", "the package otf2 is not installed", "pip install 'prk[otf2]'") from None
    timeline = read(path)
    if os.path.lexists(out):
        raise Refusal("--out", f"{out} exists and is never overwritten", "name a new folder")
    target = Path(out)
    half = target.with_name(f".{target.name}.{os.urandom(4).hex()}")
    try:
        half.mkdir()
        with contextlib.closing(otf2.writer.Writer(str(half), timer_resolution=TICKS * 1_000_000)) as trace:
            _write(trace, timeline, otf2)
        half.rename(target)
    except OSError as error:
        shutil.rmtree(half, ignore_errors=True)
        raise Refusal("--out", f"{out} cannot be written ({error.strerror})", "name another folder") from None
    except BaseException:
        shutil.rmtree(half, ignore_errors=True)
        raise
    sent = sum(step.what == "send" for lane in timeline.steps for step in lane)
    return f"{target / 'traces.otf2'}: {len(timeline.lanes)} lanes, {sent} messages"


def read(path: str) -> Timeline:
    """Return the timeline in a file that --trace wrote as JSON. Raises Refusal naming the file."""
    works = "--trace PATH writes one where PATH does not end in .html"
    try:
        events = json.loads(Path(path).read_bytes())["traceEvents"]
        return _timeline(events)
    except OSError as error:
        raise Refusal(path, f"cannot be read ({error.strerror})", works) from None
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        raise Refusal(path, "is no timeline of --trace", works) from None


def _timeline(events: Sequence[Mapping[str, Any]]) -> Timeline:
    lanes = {e["tid"]: e["args"] for e in events if e["name"] == "thread_name"}
    slices: dict[int, list[Slice]] = defaultdict(list)
    for e in (e for e in events if e["ph"] == "X"):
        begin, end = _ticks(e["ts"]), _ticks(e["ts"] + e["dur"])
        slices[e["tid"]].append(Slice(begin, end, e["name"], e["cat"], e.get("args", {}).get("bytes", 0)))
    ends: dict[int, dict[str, Mapping[str, Any]]] = defaultdict(dict)
    for e in (e for e in events if e["ph"] in "sf"):
        ends[e["id"]][e["ph"]] = e
    calls = {lane: sorted(s for s in found if s.kind != "computing") for lane, found in slices.items()}
    beside: dict[tuple[int, Slice], list[Step]] = defaultdict(list)
    for pair in ends.values():
        out, into = ((e["tid"], _around(calls[e["tid"]], _ticks(e["ts"]))) for e in (pair["s"], pair["f"]))
        told = out[1].bytes
        beside[out].append(Step(out[1].begin, "send", peer=lanes[into[0]]["rank"], bytes=told))
        beside[into].append(Step(into[1].end, "receive", peer=lanes[out[0]]["rank"], bytes=told))
    order = sorted(lanes)
    steps = [list(_steps(sorted(slices[lane], key=_outer), lane, beside)) for lane in order]
    if not order or not any(steps):
        raise ValueError("nothing in it")
    return Timeline([lanes[lane] for lane in order], steps)


def _ticks(microseconds: float) -> int:
    return round(microseconds * TICKS)


def _outer(one: Slice) -> tuple[int, int]:
    return one.begin, -one.end


def _around(calls: Sequence[Slice], time: int) -> Slice:
    """Return the call that an end of a message lies in, or at whose edge rounding has put it."""
    return calls[max(0, bisect_right(calls, time, key=lambda one: one.begin) - 1)]


def _steps(
    slices: Sequence[Slice], lane: int, beside: Mapping[tuple[int, Slice], Sequence[Step]]
) -> Iterator[Step]:
    """Yield the steps of one lane in the order of their time, each slice inside those that are open."""
    # A slice, and when it ends: not later than the one around it.
    opened: list[tuple[Slice, int]] = []

    def closed(until: float) -> Iterator[Step]:
        while opened and opened[-1][1] <= until:
            one, end = opened.pop()
            yield from (s._replace(time=end) for s in beside.get((lane, one), ()) if s.what == "receive")
            yield Step(end, "leave", one.name)

    for one in slices:
        yield from closed(one.begin)
        opened.append((one, min(one.end, opened[-1][1]) if opened else one.end))
        yield Step(one.begin, "enter", one.name)
        yield from (s for s in beside.get((lane, one), ()) if s.what == "send")
    yield from closed(float("inf"))


def _write(trace: Any, timeline: Timeline, otf2: Any) -> None:
    made, mpi = trace.definitions, otf2.Paradigm.MPI
    root = made.system_tree_node("machine")
    hosts = {host: made.system_tree_node(host, parent=root) for host in _each(timeline.lanes, "host")}
    ranks = {
        lane["rank"]: made.location_group(f"rank {lane['rank']}", system_tree_parent=hosts[lane["host"]])
        for lane in timeline.lanes
        if lane["thread"] == 0
    }
    places = [
        made.location(f"rank {lane['rank']}, thread {lane['thread']}", group=ranks[lane["rank"]])
        for lane in timeline.lanes
    ]
    firsts = [place for place, lane in zip(places, timeline.lanes, strict=True) if lane["thread"] == 0]
    made.group("ranks", group_type=otf2.GroupType.COMM_LOCATIONS, paradigm=mpi, members=firsts)
    world = made.group(
        "world", group_type=otf2.GroupType.COMM_GROUP, paradigm=mpi, members=[*range(len(firsts))]
    )
    comm = made.comm("world", group=world)
    regions: dict[str, Any] = {}
    for place, steps in zip(places, timeline.steps, strict=True):
        writer = trace.event_writer_from_location(place)
        for step in steps:
            if step.what in ("enter", "leave"):
                if step.name not in regions:
                    regions[step.name] = made.region(step.name)
                getattr(writer, step.what)(step.time, regions[step.name])
            elif step.what == "send":
                writer.mpi_send(step.time, step.peer, comm, 0, step.bytes)
            else:
                writer.mpi_recv(step.time, step.peer, comm, 0, step.bytes)


def _each(lanes: Sequence[Mapping[str, Any]], name: str) -> list[Any]:
    return list(dict.fromkeys(lane[name] for lane in lanes))
