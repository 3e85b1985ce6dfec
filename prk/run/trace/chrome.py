"""A timeline as Chrome's trace event format, which chrome://tracing and ui.perfetto.dev open. Pure."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from prk.run.trace import lanes
from prk.run.trace.lanes import Member


def document(members: Sequence[Member], about: Mapping[str, Any]) -> bytes:
    """Return the trace: a lane a rank, and one for each further thread of it; times in microseconds."""
    start = min(member.spans[0][0] for member in members)
    threads = [1 + max((c.thread for c in m.lane.calls), default=0) for m in members]
    most = max(threads)
    found: list[dict[str, Any]] = [
        {"ph": "M", "pid": 0, "name": "process_name", "args": {"name": about["title"]}}
    ]
    waits = lanes.waits(members)
    for rank, member in enumerate(members):
        for thread in range(threads[rank]):
            lane = most * rank + thread
            label = f"rank {rank} ({member.host})" if not thread else f"rank {rank}, thread {thread}"
            common = {"ph": "M", "pid": 0, "tid": lane}
            told: dict[str, Any] = {"name": label, "rank": rank, "thread": thread, "host": member.host}
            found.append({**common, "name": "thread_name", "args": told})
            found.append({**common, "name": "thread_sort_index", "args": {"sort_index": lane}})
        for number, (begin, end) in enumerate(member.spans, 1):
            found.append(_slice(most * rank, begin - start, end - begin, f"repetition {number}", "computing"))
        for number, call in enumerate(member.lane.calls):
            wait = waits.get((rank, number))
            kind = "waiting" if call.waiting else "communicating"
            lane = most * rank + call.thread
            made = _slice(lane, call.begin - start, call.end - call.begin, lanes.name(call, wait), kind)
            told = {} if call.peer is None else {"peer": call.peer}
            if call.bytes:
                told["bytes"] = call.bytes
            if wait:
                told |= {"wait_us": _us(wait.seconds), "for": wait.whom}
            found.append({**made, "args": told} if told else made)
    for number, message in enumerate(lanes.messages(members)):
        out = members[message.sender].lane.calls[message.begun]
        into = members[message.receiver].lane.calls[message.complete]
        common = {"pid": 0, "name": "message", "cat": "message", "id": number}
        found.append(
            {"ph": "s", **common, "tid": most * message.sender + out.thread, "ts": _us(out.begin - start)}
        )
        # It ends in the slice that is open there, not in the next one.
        at, end = most * message.receiver + into.thread, max(into.begin, into.end - 1e-9) - start
        found.append({"ph": "f", "bp": "e", **common, "tid": at, "ts": _us(end)})
    told = {**about, "waits": [vars(one) for one in lanes.summed(waits)[:100]]}
    whole = {"displayTimeUnit": "ns", "otherData": told, "traceEvents": found}
    return (json.dumps(whole, separators=(",", ":"), allow_nan=False) + "\n").encode()


def _slice(lane: int, begin: float, seconds: float, name: str, kind: str) -> dict[str, Any]:
    common = {"ph": "X", "pid": 0, "tid": lane, "ts": _us(begin), "dur": _us(seconds)}
    return {**common, "name": name, "cat": kind}


def _us(seconds: float) -> float:
    return round(1e6 * seconds, 3)
