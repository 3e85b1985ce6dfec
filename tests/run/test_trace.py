"""Timelines: who waited for whom, where a timeline ends that would be too large, and what is written."""

import json
import math

import pytest

from prk.run.trace import chrome, lanes, page
from prk.run.trace.lanes import Member, Wait
from prk.runtime import Call, Half, Lane, Met

ABOUT = {
    "title": "Pipeline <1> on mpi1",
    "note": "3 of 3 repetitions",
    "command": "prk.synch_p2p",
    "prk": "1",
}


def member(*calls, end=10.0, **more):
    return Member("node", [(0.0, end)], Lane(calls, **more))


def send(begin, end, peer, **more):
    return Call(begin, end, "MPI_Send", peer=peer, bytes=8, **more)


def recv(begin, end, peer):
    return Call(begin, end, "MPI_Recv", True, peer=peer)


def test_a_receiver_waits_for_a_late_sender():
    sender = member(send(3.0, 3.1, 1), sent=[Half(0, 0, 1, 7)])
    receiver = member(recv(1.0, 3.5, 0), received=[Half(0, 0, 0, 7)])
    assert lanes.waits([sender, receiver]) == {(1, 0): Wait("late sender", 2.0, 0)}
    assert lanes.messages([sender, receiver]) == [lanes.Message(0, 0, 1, 0)]


def test_a_sender_waits_for_a_late_receiver_unless_its_message_was_copied():
    receiver = member(recv(4.0, 5.0, 0), received=[Half(0, 0, 0, 7)])
    waiting = member(send(1.0, 5.0, 1), sent=[Half(0, 0, 1, 7)])
    assert lanes.waits([waiting, receiver]) == {(0, 0): Wait("late receiver", 3.0, 1)}
    copied = member(send(1.0, 1.1, 1), sent=[Half(0, 0, 1, 7)])
    assert not lanes.waits([copied, receiver])


def test_a_message_of_two_calls_is_late_where_it_is_waited_for():
    """Begun by MPI_Isend and MPI_Irecv: what takes long are the calls that complete them."""
    sender = member(Call(2.0, 2.1, "MPI_Isend"), Call(2.2, 2.3, "MPI_Wait", True), sent=[Half(0, 1, 1, 7)])
    receiver = member(
        Call(0.1, 0.2, "MPI_Irecv"), Call(1.0, 2.5, "MPI_Wait", True), received=[Half(0, 1, 0, 7)]
    )
    assert lanes.waits([sender, receiver]) == {(1, 1): Wait("late sender", 1.0, 0)}
    assert lanes.messages([sender, receiver]) == [lanes.Message(0, 0, 1, 1)]


def test_messages_of_one_tag_arrive_in_order_and_any_tag_takes_the_first():
    sender = member(
        *(send(t, t + 0.1, 1) for t in (1, 2, 3, 3.5)), sent=[Half(n, n, 1, 7, n % 2) for n in range(4)]
    )
    receiver = member(
        *(recv(t, t + 0.1, 0) for t in (4, 5, 6)),
        received=[Half(n, n, 0, 7, tag) for n, tag in enumerate((1, None, 0))],
    )
    assert [(m.begun, m.complete) for m in lanes.messages([sender, receiver])] == [(1, 0), (0, 1), (2, 2)]
    # Of another communicator none is.
    other = member(recv(4.0, 5.0, 0), received=[Half(0, 0, 0, 8)])
    assert not lanes.messages([sender, other])


def test_all_wait_at_a_barrier_for_the_last_one():
    def one(*begins):
        calls = [Call(begin, 5.0 + n, "MPI_Barrier", True) for n, begin in enumerate(begins)]
        return member(*calls, met=[Met(n, 3, 3) for n in range(len(begins))])

    found = lanes.waits([one(1.0, 5.5), one(4.0, 5.2), one(2.0)])
    assert found == {(0, 0): Wait("wait at barrier", 3.0, 1), (2, 0): Wait("wait at barrier", 2.0, 1)}
    (first, second) = lanes.summed(found)
    assert (first.rank, first.whom, first.seconds, first.calls) == (0, 1, 3.0, 1)
    assert second.rank == 2


def test_clocks_of_two_nodes_are_aligned_before_anything_is_compared():
    sender = lanes.shifted(member(send(103.0, 103.1, 1), end=110.0, sent=[Half(0, 0, 1, 7)]), -100.0)
    receiver = member(recv(1.0, 3.5, 0), received=[Half(0, 0, 0, 7)])
    assert lanes.waits([sender, receiver])[1, 0].seconds == pytest.approx(2.0)
    assert sender.spans == [(-100.0, 10.0)]


def test_a_timeline_that_would_be_too_large_ends_for_all_at_one_time():
    calls = [send(float(t), t + 0.5, 1) for t in range(10)]
    sent = [Half(t, min(t + 1, 9), 1, 7) for t in range(10)]
    whole = member(*calls, sent=sent, met=[Met(0, 3, 1), Met(9, 3, 1)])
    assert lanes.end_of_share(whole, 2, 40) == math.inf
    assert lanes.until(whole, math.inf) is whole
    end = lanes.end_of_share(whole, 2, 8)
    assert end == 3.5
    cut = lanes.until(whole, end)
    assert [c.begin for c in cut.lane.calls] == [0, 1, 2, 3]
    # The message that only the next call would complete is not.
    assert [h.complete for h in cut.lane.sent] == [1, 2, 3, None]
    assert cut.lane.met == [Met(0, 3, 1)]
    assert cut.lane.full
    assert cut.spans == [(0.0, 3.5)]
    # Where a member had no room, the others end there too.
    assert lanes.end_of_share(member(*calls, full=True), 2, 40) == 9.5


def ring(ranks, repetitions, messages):
    """Return members that each send right and receive from the left, late by a little."""
    members = []
    for rank in range(ranks):
        calls: list[Call] = []
        sent: list[Half] = []
        received: list[Half] = []
        for number in range(repetitions * messages):
            begin = 1.0 + number * 1e-4 + rank * 1.234e-5
            sent.append(Half(len(calls), len(calls), (rank + 1) % ranks, 123456789))
            calls.append(send(begin + 1e-5, begin + 1.2e-5, (rank + 1) % ranks))
            received.append(Half(len(calls), len(calls), (rank - 1) % ranks, 123456789))
            calls.append(recv(begin + 1.3e-5, begin + 9.9e-5, (rank - 1) % ranks))
        each = messages * 1e-4
        spans = [(1.0 + number * each, 1.0 + (number + 1) * each) for number in range(repetitions)]
        members.append(Member("node-0001", spans, Lane(calls, sent, received)))
    return members


def test_64_ranks_and_20_repetitions_are_less_than_20_mb():
    members = ring(64, 20, 40)
    assert sum(len(m.lane.calls) for m in members) > lanes.MOST
    end = min(lanes.end_of_share(m, 64) for m in members)
    cut = [lanes.until(m, end) for m in members]
    assert 0.9 * lanes.MOST < sum(len(m.lane.calls) for m in cut) <= lanes.MOST
    assert 5e6 < len(chrome.document(cut, ABOUT)) < 20e6
    assert len(page.document(cut, ABOUT)) < 20e6


def test_chrome_s_trace_has_a_lane_a_rank_and_arrows_from_call_to_call():
    members = ring(3, 2, 1)
    found = json.loads(chrome.document(members, ABOUT))
    events = found["traceEvents"]
    assert {e["tid"] for e in events if e["ph"] == "X"} == {0, 1, 2}
    slices = {(e["tid"], e["ts"]): e for e in events if e["ph"] == "X"}
    assert all(e["dur"] > 0 and e["ts"] >= 0 for e in slices.values())
    begins = {e["id"]: e for e in events if e["ph"] == "s"}
    ends = {e["id"]: e for e in events if e["ph"] == "f"}
    assert len(begins) == 6
    assert begins.keys() == ends.keys()
    for number, begin in begins.items():
        # An arrow begins with a call, and ends in one that began before and is not over.
        call = slices[begin["tid"], begin["ts"]]
        assert call["name"].startswith("MPI_Send")
        end = ends[number]
        assert end["tid"] == call["args"]["peer"]
        assert any(
            s["tid"] == end["tid"]
            and s["name"].startswith("MPI_Recv")
            and s["ts"] <= end["ts"] < s["ts"] + s["dur"]
            for s in slices.values()
        )
    assert found["otherData"]["title"] == ABOUT["title"]


def test_threads_of_a_rank_have_lanes_of_their_own():
    one = member(Call(1.0, 2.0, "wait for flag 1", True), Call(1.0, 2.0, "wait for flag 0", True, thread=1))
    events = json.loads(chrome.document([one, one], ABOUT))["traceEvents"]
    names = [e["args"]["name"] for e in events if e["name"] == "thread_name"]
    assert names == ["rank 0 (node)", "rank 0, thread 1", "rank 1 (node)", "rank 1, thread 1"]
    assert sorted({e["tid"] for e in events if e["ph"] == "X"}) == [0, 1, 2, 3]


def test_the_page_opens_from_disk_and_says_who_waited(browser, tmp_path):
    path = tmp_path / "timeline.html"
    path.write_bytes(page.document(ring(4, 3, 5), ABOUT))
    shown = browser.new_page(viewport={"width": 900, "height": 600})
    requests: list[str] = []
    complaints: list[str] = []
    shown.on("request", lambda request: requests.append(request.url))
    shown.on("console", lambda message: complaints.append(message.text))
    shown.on("pageerror", lambda error: complaints.append(str(error)))
    shown.goto(path.as_uri())
    assert shown.title() == ABOUT["title"]
    assert shown.locator("tbody tr").first.inner_text().split("\t")[1] == "late sender"
    seen, box = set(), shown.locator("canvas").bounding_box()
    assert box
    for place in range(100, 880, 6):
        shown.mouse.move(place, box["y"] + 12)
        seen.add(shown.inner_text("#about").partition(",")[0])
    assert {"rank 0 (node-0001): MPI_Send", "rank 0 (node-0001): computing"} <= seen
    assert any("MPI_Recv: late sender" in one for one in seen)
    before = shown.locator("canvas").screenshot()
    shown.click("#in")
    shown.wait_for_timeout(100)
    assert shown.locator("canvas").screenshot() != before
    assert requests == [path.as_uri()]
    assert not complaints
