"""A timeline as one page that opens from disk and asks the network for nothing. Pure."""

import html
import json
from collections.abc import Mapping, Sequence
from typing import Any

from prk.run.trace import lanes
from prk.run.trace.lanes import Member

# What a call's row holds besides begin and end (in nanoseconds): kind, number of its name, other end, bytes,
# seconds of its wait and for whom.
COMMUNICATING, WAITING = 1, 2
WORST = 12


def document(members: Sequence[Member], about: Mapping[str, Any]) -> bytes:
    """Return the page: a lane a rank and thread, arrows for messages, and the longest waits in words."""
    start = min(member.spans[0][0] for member in members)
    waits, names = lanes.waits(members), dict[str, int]()

    def ns(seconds: float) -> int:
        return round(1e9 * (seconds - start))

    drawn: list[dict[str, Any]] = []
    place: dict[tuple[int, int], int] = {}
    for rank, member in enumerate(members):
        for thread in range(1 + max((c.thread for c in member.lane.calls), default=0)):
            place[rank, thread] = len(drawn)
            label = f"rank {rank}" if not thread else f"thread {thread}"
            spans = [] if thread else [[ns(begin), ns(end)] for begin, end in member.spans]
            drawn.append({"label": label, "host": member.host, "spans": spans, "calls": []})
        for number, call in enumerate(member.lane.calls):
            wait = waits.get((rank, number))
            name = names.setdefault(lanes.name(call, wait), len(names))
            row = [ns(call.begin), ns(call.end), WAITING if call.waiting else COMMUNICATING, name]
            row += [-1 if call.peer is None else call.peer, call.bytes]
            row += [round(1e9 * wait.seconds), wait.whom] if wait else []
            drawn[place[rank, call.thread]]["calls"].append(row)
    arrows = []
    for message in lanes.messages(members):
        out = members[message.sender].lane.calls[message.begun]
        into = members[message.receiver].lane.calls[message.complete]
        ends = place[message.sender, out.thread], place[message.receiver, into.thread]
        arrows.append([ends[0], ns(out.begin), ends[1], ns(into.end)])
    data = {"lanes": drawn, "names": list(names), "arrows": arrows}
    rows = "".join(
        f"<tr><td>{one.rank}<td>{one.name}<td>{one.whom}<td>{one.calls}<td>{one.seconds:.6f}"
        for one in lanes.summed(waits)[:WORST]
    )
    text = PAGE.replace("@TITLE@", html.escape(about["title"])).replace("@NOTE@", html.escape(about["note"]))
    # What would end the script is no part of any name, but nothing may be.
    packed = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return text.replace("@ROWS@", rows or "<tr><td colspan=5>none").replace("@DATA@", packed).encode()


PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>@TITLE@</title>
<style>
 body { font: 15px/1.45 system-ui, sans-serif; margin: 1rem; color: #222; background: #fff }
 h1 { font-size: 1.15rem; margin: 0 0 .3rem } p { margin: .3rem 0; max-width: 60rem }
 canvas { width: 100%; display: block; border: 1px solid #ccc; cursor: grab; touch-action: none }
 button { font: inherit; padding: .15rem .7rem; margin-right: .3rem }
 i { display: inline-block; width: .8em; height: .8em; margin: 0 .3em 0 .9em }
 table { border-collapse: collapse; margin-top: .4rem }
 td, th { padding: .1rem .7rem .1rem 0; text-align: right }
 td:nth-child(2), th:nth-child(2) { text-align: left } #about { min-height: 3em; white-space: pre-line }
 #scroll { max-height: 70vh; overflow-y: auto }
</style>
<h1>@TITLE@</h1>
<p>@NOTE@</p>
<p><button id="in">zoom in</button><button id="out">zoom out</button><button id="all">all</button>
<i style="background:#c9d7e8"></i>computing<i style="background:#2f7ab8"></i>communicating
<i style="background:#e08214"></i>waiting
<label><input type="checkbox" id="arrows" checked> messages</label></p>
<div id="scroll"><canvas id="view" role="img" aria-label="timeline, a lane a rank"></canvas></div>
<p id="about">Turn the wheel or use the buttons to zoom, drag to move, point at a call to see what it was.</p>
<h1>Longest waits</h1>
<table><thead><tr><th>rank<th>what<th>for rank<th>calls<th>seconds</thead><tbody>@ROWS@</tbody></table>
<script type="application/json" id="data">@DATA@</script>
<script>
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const view = document.getElementById("view"), about = document.getElementById("about");
const arrows = document.getElementById("arrows"), draw = view.getContext("2d");
const colours = ["#c9d7e8", "#2f7ab8", "#e08214"], left = 74, foot = 22;
const high = data.lanes.length > 32 ? 14 : 24;
let last = 1;
for (const lane of data.lanes)
  for (const one of [...lane.spans, ...lane.calls]) last = Math.max(last, one[1]);
let from = 0, to = last, pending = false;
const wide = () => view.clientWidth - left;
const x = t => left + (t - from) / (to - from) * wide();
const time = place => from + (place - left) / wide() * (to - from);
function shown(ns) {
  const [scale, unit] =
    ns >= 1e9 ? [1e9, "s"] : ns >= 1e6 ? [1e6, "ms"] : ns >= 1e3 ? [1e3, "\\u00b5s"] : [1, "ns"];
  return +(ns / scale).toPrecision(5) + " " + unit;
}
function bar(one, y, height, colour) {
  const begin = Math.max(x(one[0]), left), end = Math.min(x(one[1]), view.clientWidth);
  if (end < left || begin > view.clientWidth) return;
  draw.fillStyle = colour;
  draw.fillRect(begin, y, Math.max(end - begin, .3), height);
}
function paint() {
  pending = false;
  const height = data.lanes.length * high + foot, dots = window.devicePixelRatio || 1;
  view.style.height = height + "px";
  view.width = view.clientWidth * dots;
  view.height = height * dots;
  draw.setTransform(dots, 0, 0, dots, 0, 0);
  draw.font = "12px system-ui, sans-serif";
  draw.textBaseline = "middle";
  data.lanes.forEach((lane, number) => {
    const y = number * high + 2;
    for (const span of lane.spans) bar(span, y, high - 4, colours[0]);
    for (const call of lane.calls) bar(call, y, high - 4, colours[call[2]]);
    draw.fillStyle = "#fff";
    draw.fillRect(0, y - 2, left, high);
    draw.fillStyle = "#222";
    if (high > 14 || number % 2 === 0) draw.fillText(lane.label, 4, y + high / 2 - 2);
  });
  const seen = arrows.checked ? data.arrows.filter(a => a[3] >= from && a[1] <= to) : [];
  // More than the eye can tell apart would only hide the lanes.
  if (seen.length < 3000) {
    draw.save();
    draw.beginPath();
    draw.rect(left, 0, wide(), height - foot);
    draw.clip();
    draw.strokeStyle = draw.fillStyle = "#222";
    draw.lineWidth = .7;
    for (const [a, begin, b, end] of seen) {
      const x1 = x(begin), y1 = (a + .5) * high, x2 = x(end), y2 = (b + .5) * high;
      const turn = Math.atan2(y2 - y1, x2 - x1);
      draw.beginPath();
      draw.moveTo(x1, y1);
      draw.lineTo(x2, y2);
      draw.stroke();
      draw.beginPath();
      draw.moveTo(x2, y2);
      draw.lineTo(x2 - 6 * Math.cos(turn - .4), y2 - 6 * Math.sin(turn - .4));
      draw.lineTo(x2 - 6 * Math.cos(turn + .4), y2 - 6 * Math.sin(turn + .4));
      draw.fill();
    }
    draw.restore();
  }
  draw.fillStyle = "#222";
  draw.textAlign = "left";
  draw.fillText(shown(from), left, height - foot / 2);
  draw.textAlign = "right";
  draw.fillText(shown(to), view.clientWidth - 4, height - foot / 2);
  draw.textAlign = "left";
}
function later() { if (!pending) { pending = true; requestAnimationFrame(paint); } }
function zoom(factor, place) {
  const fixed = time(place ?? left + wide() / 2), span = Math.min(last, Math.max(50, (to - from) * factor));
  from = Math.max(0, Math.min(last - span, fixed - (fixed - from) * span / (to - from)));
  to = from + span;
  later();
}
view.addEventListener("wheel", event => {
  event.preventDefault();
  zoom(event.deltaY > 0 ? 1.25 : .8, event.offsetX);
}, { passive: false });
let held = null;
view.addEventListener("pointerdown", event => {
  held = event.offsetX;
  view.setPointerCapture(event.pointerId);
});
view.addEventListener("pointerup", () => { held = null; });
view.addEventListener("pointermove", event => {
  if (held !== null) {
    const span = to - from, by = (held - event.offsetX) / wide() * span;
    from = Math.max(0, Math.min(last - span, from + by));
    to = from + span;
    held = event.offsetX;
    later();
    return;
  }
  const lane = data.lanes[Math.floor(event.offsetY / high)], at = time(event.offsetX);
  if (!lane) return;
  const slack = (to - from) / wide();
  const call = lane.calls.find(one => one[0] <= at + slack && one[1] >= at - slack);
  const span = lane.spans.findIndex(one => one[0] <= at && one[1] >= at);
  if (call) {
    const [begin, end, , name, peer, bytes, wait, whom] = call;
    about.textContent = `${lane.label} (${lane.host}): ${data.names[name]}, ${shown(end - begin)}, from `
      + `${shown(begin)} on${peer < 0 ? "" : `, with rank ${peer}`}${bytes ? `, ${bytes} bytes` : ""}`
      + (wait === undefined ? "" : `\\nwaited ${shown(wait)} for rank ${whom}`);
  } else if (span >= 0) about.textContent = `${lane.label} (${lane.host}): computing, repetition ${span + 1}`;
});
document.getElementById("in").onclick = () => zoom(.5);
document.getElementById("out").onclick = () => zoom(2);
document.getElementById("all").onclick = () => { from = 0; to = last; later(); };
arrows.onchange = later;
window.addEventListener("resize", later);
paint();
</script>
</html>
"""
