"""Runs that lose ranks: right answers from what is left, or a clean end, and records that say which."""

import json
import random
import sys
from pathlib import Path

import jsonschema
import pytest

import prk
from prk.job import OUTLIVED
from tests import schedules
from tests.launch import kernel, run
from tests.schedules import faulty

SCHEMA = json.loads(Path(prk.__file__).with_name("records").joinpath("schema-2.json").read_text())
S = ("stencil", "--n", 120, "--iterations", 12)
P = ("synch_p2p", "--m", 120, "--n", 60, "--iterations", 12)
T = ("transpose", "--order", 120, "--iterations", 12)
A = ("amr", *schedules.SIZES["amr"], "--iterations", 12)
SPARES = ("--recovery", "spares", "--spares")

# Kernels, ranks, ways to go on, states and phases, pairwise; and how many die, who computes in the end.
CASES = [
    (3, S, "1@5:waiting", ["--state", "analytic"], 1, 2),
    (4, P, "1@5:checkpoint", ["--state", "buddy", "--checkpoint", 5], 1, 3),
    (6, T, "1@5,3@5:recovery", ["--state", "disk", "--checkpoint", 2], 2, 4),
    # In the middle of its second copy, which must leave the first one whole.
    (4, T, "0@5:checkpoint", ["--state", "shared", "--checkpoint", 3, *SPARES, 1], 1, 3),
    # Two at once, the first one among them.
    (6, S, "0@6,2@6", ["--state", "disk", "--checkpoint", 4, *SPARES, 2], 2, 4),
    (6, S, "1@5,2@5", ["--state", "shared", "--checkpoint", 2], 2, 4),
    # A spare dies while it waits, another one takes the place of one that computed.
    (4, P, "2@2,0@5", ["--state", "analytic", *SPARES, 2], 2, 2),
    # Partners, one after the other before another copy is due.
    (6, P, "0@7,2@10", ["--state", "buddy", "--checkpoint", 5, *SPARES, 2], 2, 4),
    # All but one.
    (3, T, "2@3:waiting,1@9", ["--state", "buddy", "--checkpoint", 1], 2, 1),
    # In the life of a refinement; and some have nothing of the background, others nothing of the refinements.
    (3, A, "1@7", ["--state", "analytic"], 1, 2),
    (4, (*A, "--balance", "high-water"), "2@6", ["--state", "buddy", "--checkpoint", 3, *SPARES, 1], 1, 3),
]


@pytest.mark.parametrize(("ranks", "what", "kill", "how", "died", "left"), CASES)
def test_right_answer_from_what_is_left(mark, ranks, what, kill, how, died, left):
    done, record = faulty(what[0], ranks, *what[1:], "--kill", kill, *how)
    assert done.returncode == OUTLIVED, done.stderr
    assert record["status"] == "ok"
    assert f"Ranks that died = {died} of {ranks}" in done.stdout
    found = record["faults"]
    assert (found["died"], found["left"]) == (died, left)
    assert record["layout"]["ranks"] == ranks
    whole = [f for f in found["failures"] if f["restore"] is not None and f["detection"] is not None]
    assert whole
    assert all(f["detection"] > 0 and f["repair"] > 0 for f in whole)
    jsonschema.validate(record, SCHEMA)


def test_no_failure(mark):
    done, record = faulty("stencil", 2, "--n", 100, "--state", "buddy", "--checkpoint", 3)
    assert done.returncode == 0
    found = record["faults"]
    assert (found["died"], found["failures"], found["checkpoints"]) == (0, [], 3)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--kill", "0@5,1@8", *SPARES, 1], "--spares: more ranks died than the 1 that were spare"),
        (["--kill", "0@5,2@5", "--state", "buddy", "--checkpoint", 1], "--state: buddy has lost"),
    ],
)
def test_what_cannot_go_on_ends_cleanly(mark, words, why):
    done, record = faulty(S[0], 4, *S[1:], *words)
    assert done.returncode == 1
    assert record["status"] == "failed"
    assert record["reason"].startswith(why)
    assert record["faults"]["died"] == 2
    assert done.stderr.count(why) == 1
    assert "Traceback" not in done.stderr
    jsonschema.validate(record, SCHEMA)


def test_stopped_rank_is_noticed_and_ended(mark):
    done, record = faulty(P[0], 3, *P[1:], "--kill", "1@5", "--signal", "stop")
    assert done.returncode == OUTLIVED, done.stderr
    assert record["faults"]["died"] == 1
    assert record["faults"]["failures"][0]["detection"] > 0.5


@pytest.mark.parametrize(
    ("what", "workers", "words", "died"),
    [
        (S, 3, ["--kill", "0@5", "--state", "buddy", "--checkpoint", 2], 1),
        (T, 2, ["--kill", "1@4,0@8:checkpoint", "--state", "disk", "--checkpoint", 3], 2),
    ],
)
def test_dask_replaces_workers(mark, tmp_path, what, workers, words, died):
    path = tmp_path / "record.json"
    done = kernel(*what, "--faults", *words, "--json", path, size=workers, on="dask")
    assert done.returncode == OUTLIVED, done.stderr
    found = json.loads(path.read_text())
    jsonschema.validate(found, SCHEMA)
    assert (found["faults"]["died"], found["faults"]["left"]) == (died, workers)
    assert f"Ranks that died = {died} of {workers}" in done.stdout
    assert all((f["restore"] or 1) > 0 for f in found["faults"]["failures"])


def test_random_schedules(mark):
    for number in range(4):
        what, ranks, words = schedules.drawn(random.Random(f"test {number}"))
        done, record = faulty(what, ranks, *words)
        assert not schedules.verdict(done, record), (what, ranks, words, done.stderr)


def test_refused_without_a_launcher_that_survives():
    done = kernel("stencil", "--faults", "--n", 100, size=2)
    assert done.returncode == 2
    assert "--faults: this launch ends with the first rank that dies; use Open MPI 5" in done.stderr


def test_others_say_why_they_cannot():
    done = kernel("stencil", "--faults", on="numba")
    assert done.returncode == 2
    assert done.stderr == (
        "prk.stencil: --faults: runs of numba end with a member that dies: its members are threads of one "
        "process; use --runtime dask or mpi1\n"
    )
    done = kernel("stencil", "--checkpoint-folder", "/tmp")
    assert done.returncode == 2
    assert "--checkpoint-folder: nothing is kept in it; use it with --faults" in done.stderr
    done = run("mpirun", "-n", 1, sys.executable, "-m", "prk.nstream", "--kill", "0@1")
    assert done.returncode == 2
    assert "nstream has no faults.py" in done.stderr
