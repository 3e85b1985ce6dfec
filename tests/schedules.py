"""Random schedules of failures: `python -m tests.schedules --number 200 --seed 1`.

Each run has a limit, and ends with the right answer or with a line that says what was lost; its record says
the same, and no process of it is left.
"""

import argparse
import json
import random
import sys
import tempfile
import uuid
from functools import partial
from pathlib import Path

from prk.job import OUTLIVED
from prk.run import launcher
from prk.run.processes import Mark, end, marked, wait_until
from tests.launch import ENVIRONMENT, run

LIMIT = 120
SIZES = {
    "stencil": ["--n", 120],
    "synch_p2p": ["--m", 120, "--n", 60],
    "transpose": ["--order", 120],
    # A refinement's updates go on from one repetition to the next.
    "amr": ["--n", 60, "--refinement", 20, "--level", 1, "--radius", 2, "--period", 3, "--duration", 2],
}
PHASES = ("", "", "", ":waiting", ":checkpoint", ":recovery")
# What a run may end with that has lost too much.
LOST = ("--spares: more ranks died than", "--state: ")


def drawn(numbers):
    """Return kernel, ranks and arguments of one run."""
    kernel = numbers.choice(list(SIZES))
    ranks, iterations = numbers.choice((3, 4, 6)), 12
    words = [*SIZES[kernel], "--iterations", iterations]
    state = numbers.choice(("analytic", "buddy", "disk", "shared"))
    words += ["--state", state]
    if state != "analytic":
        words += ["--checkpoint", numbers.randint(1, 5)]
    if numbers.random() < 0.5:
        words += ["--recovery", "spares", "--spares", numbers.randint(1, ranks - 2)]
    if numbers.random() < 0.15:
        return kernel, ranks, [*words, "--mtbf", 0.3]
    several = numbers.sample(range(ranks), numbers.randint(1, ranks - 1))
    kills = [f"{rank}@{numbers.randint(1, iterations)}{numbers.choice(PHASES)}" for rank in several]
    return kernel, ranks, [*words, "--kill", ",".join(kills)]


def faulty(kernel, ranks, *words, limit=LIMIT):
    """Run a kernel with faults; return how it ended, and its record if it wrote one."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "record.json")
        before = launcher.words({"ranks": ranks})
        before[1:1] = ["--with-ft", "ulfm"]
        own = ["--faults", "--quiet", "--timeout", limit - 20, "--json", path]
        command = [*before, sys.executable, "-m", f"prk.{kernel}", *words, *own]
        done = run(*command, seconds=limit)
        return done, json.loads(path.read_text()) if path.exists() else None


def verdict(done, record):
    """Return what is wrong with how a run ended, or nothing."""
    if record is None:
        return "it wrote no record"
    account = record["faults"]
    if f"Ranks that died = {account['died']} of" not in done.stdout:
        return "the screen does not say how many ranks died"
    if done.returncode == (OUTLIVED if account["died"] else 0):
        right = "Solution validates" in done.stdout and record["status"] == "ok"
        return "" if right else f"it ended with {done.returncode} and no right answer"
    said = record["reason"] or ""
    if (
        done.returncode == 1
        and record["status"] == "failed"
        and said.startswith(LOST)
        and said in done.stderr
    ):
        return ""
    return f"it ended with {done.returncode} and {said!r}"


def gone(mark):
    """Tell whether no process of a run is left."""
    return not marked(mark)


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(argv)
    wrong = lost = died = 0
    for number in range(asked.number):
        # A run of its own numbers, so that one alone can be repeated.
        kernel, ranks, words = drawn(random.Random(f"{asked.seed} {number}"))
        mark = Mark("PRK_TEST_MARK", uuid.uuid4().hex)
        ENVIRONMENT[mark.variable] = mark.value
        try:
            done, record = faulty(kernel, ranks, *words)
            why = verdict(done, record)
        except AssertionError as error:
            done, record, why = None, None, f"hangs: {error}"
        if not wait_until(partial(gone, mark), 10):
            why = why or f"it left {marked(mark)}"
            end(mark)
        if record:
            died += record["faults"]["died"]
            lost += record["status"] == "failed"
        said = " ".join(map(str, words))
        if why:
            wrong += 1
            print(f"{number}: {kernel} on {ranks} {said}: {why}")
            if done:
                print(done.stdout[-1500:], done.stderr[-3000:])
        else:
            print(
                f"{number}: {record['status']}, {record['faults']['died']} died: {kernel} on {ranks} {said}",
                flush=True,
            )
    print(f"{asked.number} schedules, {died} ranks died, {lost} runs lost too much, {wrong} went wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
