"""Answer queries for ten minutes, and see that no member's memory grows.

`make endurance`, or `python -m tests.endurance --minutes 1`. Exit code 0 if the run is right and no member
has grown.
"""

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median

from prk.run.processes import Mark, marked
from tests.launch import run

MARK = "PRK_ENDURANCE"
# Queries a second, which two members answer easily, and runs of LoadGen, of which each begins anew.
RATE, RUNS = 300, 40
# A member may grow by so much of itself and so many bytes: what allocators leave.
SHARE, SPARE = 0.01, 4 << 20
# Seconds between two looks.
LOOK = 0.5


def grown(sizes):
    """Return by how many bytes too much a member grew from the second quarter of its sizes to the last."""
    quarter = len(sizes) // 4
    before, after = median(sizes[quarter : 2 * quarter]), median(sizes[3 * quarter :])
    return max(0, after - before - SHARE * before - SPARE)


def resident(pid):
    """Return a process's bytes in memory; none once it has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
    except (FileNotFoundError, ProcessLookupError):
        return 0


def watch(mark, sizes, over):
    """Note the sizes of all members until it is over."""
    while not over.wait(LOOK):
        for pid, line in marked(mark).items():
            if "prk.inference" in line and "mpirun" not in line:
                sizes.setdefault(pid, []).append(resident(pid))


def endured(minutes):
    """Run that long; return what was found of it."""
    sizes: dict[int, list[int]] = {}
    over = threading.Event()
    with tempfile.TemporaryDirectory(prefix="prk-endurance-") as folder:
        watcher = threading.Thread(target=watch, args=(Mark(MARK, folder), sizes, over))
        words = ["--scenario", "server", "--qps", RATE, "--queries", 1, "--bound", 1000]
        words += ["--iterations", RUNS, "--duration", minutes * 60 / RUNS]
        watcher.start()
        begin = time.monotonic()
        try:
            command = ["mpirun", "-n", 3, sys.executable, "-m", "prk.inference", *words]
            done = run(*command, seconds=minutes * 120 + 120, **{MARK: folder})
        finally:
            over.set()
            watcher.join()
    found = [[size for size in own if size] for own in sizes.values()]
    # What a member starts is called as it is, for a moment.
    members = [own for own in found if len(own) > 0.5 * max(map(len, found))]
    return {
        "seconds": round(time.monotonic() - begin),
        "exit code": done.returncode,
        "said": "" if done.returncode == 0 else (done.stdout + done.stderr)[-2000:],
        "largest (MB)": [max(own) // 10**6 for own in members],
        "grown too much (B)": [grown(own) for own in members],
    }


def main(words=None):
    parser = argparse.ArgumentParser(prog="python -m tests.endurance", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    found = endured(parser.parse_args(words).minutes)
    print(json.dumps(found, indent=1))
    wrong = found["exit code"] or len(found["grown too much (B)"]) != 3 or any(found["grown too much (B)"])
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
