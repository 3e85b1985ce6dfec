"""A runtime's own files are broken, one small mistake at a time, within a small budget."""

import json
import sys

from prk.conformance import mutation, processes
from prk.conformance.mutants import Mutant
from tests.launch import run

MODULE = "prk.runtimes.mpi1.synch_p2p"


def test_every_process_imports_the_broken_module(tmp_path):
    with mutation.broken(MODULE, "broken = True\n") as variables:
        code = f"import {MODULE} as m, subprocess, sys; print(m.broken)"
        ended = processes.run([sys.executable, "-c", code], 60, variables)
    assert ended.out.strip() == "True", ended.err
    ended = processes.run([sys.executable, "-c", code], 60)
    assert "no attribute 'broken'" in ended.err


def test_a_mistake_is_noticed_and_one_that_is_none_survives():
    trial = mutation.Trial("serial", 7, 1)
    loop = Mutant("prk.kernel", "Kernel.repeat", "for _ in range(count):", "for _ in range(count - 1):")
    one = trial.attempt(loop, ["nstream"])
    assert one.killed
    assert one.how.startswith("nstream on 1: ")
    same = Mutant("prk.kernel", "Kernel.repeat", loop.before, "for _ in range(0, count):")
    survivor = trial.attempt(same, ["nstream"])
    assert (survivor.killed, survivor.how) == (False, mutation.NOTHING)
    never = trial.attempt(Mutant("prk.kernel", "Kernel.recover", "raise error", ""), ["nstream"])
    assert (never.killed, never.how) == (False, mutation.UNREACHED)


def test_a_budget_is_kept_and_what_was_tried_is_not_tried_again(tmp_path):
    out = tmp_path / "mutants.jsonl"
    words = ["-m", "prk.conformance", "serial", "--kernel", "transpose", "--only-mutate", "--out", out]
    done = run(sys.executable, *words, "--mutate", 12, seconds=180)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert rows
    assert any(row["killed"] for row in rows)
    again = run(sys.executable, *words, "--mutate", 1e-9, seconds=60)
    assert len(out.read_text().splitlines()) == len(rows)
    assert next(line for line in again.stdout.splitlines() if line.startswith("serial")).split()[1] == str(
        len(rows)
    )
