"""A timeline as an OTF2 archive, read back by OTF2's own reader."""

from collections import Counter

import otf2
import pytest

from prk.problem import Refusal
from prk.run.trace import archive, chrome
from prk.run.trace.lanes import Member
from prk.runtime import Call, Half, Lane

ABOUT = {"title": "Pipeline on mpi1", "note": "", "command": "prk.synch_p2p", "prk": "1"}


@pytest.fixture
def timeline(tmp_path):
    """Return the file of two ranks on two hosts, of which one has two threads, and three messages."""
    sends = [Call(n + 0.25, n + 0.5, "MPI_Send", peer=1, bytes=8 * (n + 1)) for n in range(3)]
    recvs = [Call(n + 0.1, n + 0.6, "MPI_Recv", True, peer=0) for n in range(3)]
    # It ends when the repetition does.
    recvs += [Call(2.7, 3.0, "wait", True, thread=1)]
    halves = [[Half(n, n, peer, 7) for n in range(3)] for peer in (1, 0)]
    members = [
        Member("one", [(0.0, 2.0), (2.0, 3.0)], Lane(sends, sent=halves[0])),
        Member("two", [(0.0, 2.0), (2.0, 3.0)], Lane(recvs, received=halves[1])),
    ]
    path = tmp_path / "t.json"
    path.write_bytes(chrome.document(members, ABOUT))
    return path


def test_it_says_what_the_timeline_says(timeline, tmp_path):
    out = tmp_path / "archive"
    assert archive.convert(str(timeline), str(out)) == f"{out / 'traces.otf2'}: 3 lanes, 3 messages"
    seen: Counter[tuple[str, str]] = Counter()
    open_now: Counter[str] = Counter()
    sent, received = [], []
    times: dict[str, int] = {}
    with otf2.reader.open(str(out / "traces.otf2")) as trace:
        assert trace.timer_resolution == 10**9
        hosts = {g.system_tree_parent.name for g in trace.definitions.location_groups}
        for location, event in trace.events:
            assert event.time >= times.get(location.name, 0)
            times[location.name] = event.time
            kind = type(event).__name__
            if kind == "Enter":
                seen[location.name, event.region.name] += 1
                open_now[location.name] += 1
            elif kind == "Leave":
                open_now[location.name] -= 1
            elif kind == "MpiSend":
                sent.append((event.time, location.name, event.receiver, event.msg_length))
            elif kind == "MpiRecv":
                received.append((event.time, location.name, event.sender, event.msg_length))
    assert hosts == {"one", "two"}
    assert not +open_now
    assert seen == {
        ("rank 0, thread 0", "repetition 1"): 1,
        ("rank 0, thread 0", "repetition 2"): 1,
        ("rank 0, thread 0", "MPI_Send"): 3,
        ("rank 1, thread 0", "repetition 1"): 1,
        ("rank 1, thread 0", "repetition 2"): 1,
        ("rank 1, thread 0", "MPI_Recv: late sender"): 3,
        ("rank 1, thread 1", "wait"): 1,
    }
    second = 10**9
    assert sent == [(n * second + second // 4, "rank 0, thread 0", 1, 8 * (n + 1)) for n in range(3)]
    assert received == [(n * second + 6 * second // 10, "rank 1, thread 0", 0, 8 * (n + 1)) for n in range(3)]


def test_nothing_is_overwritten_and_nothing_is_left_of_what_is_refused(timeline, tmp_path):
    with pytest.raises(Refusal, match=r"--out: .* exists and is never overwritten"):
        archive.convert(str(timeline), str(tmp_path))
    with pytest.raises(Refusal, match=r"--out: .* cannot be written"):
        archive.convert(str(timeline), str(tmp_path / "nowhere" / "archive"))
    assert [p.name for p in tmp_path.iterdir()] == ["t.json"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"traceEvents": []}', '{"traceEvents": [{"name": 1}]}'])
def test_a_file_that_is_no_timeline_is_refused_in_one_line(text, tmp_path):
    path = tmp_path / "t.json"
    path.write_text(text)
    with pytest.raises(Refusal, match="is no timeline of --trace"):
        archive.convert(str(path), str(tmp_path / "archive"))
