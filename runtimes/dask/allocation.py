"""Run a command with a Dask cluster on the nodes of a batch job: ... allocation SHARED STEP... -- COMMAND...

The scheduler runs beside the command, on the job's first node; STEP starts the workers, a process each.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

# Seconds for the scheduler to say where it is, and for a worker to find it.
COME_UP = 60
SCHEDULER = ["-m", "dask", "scheduler", "--port", "0", "--no-dashboard", "--scheduler-file"]
WORKER = [
    *("-m", "dask", "worker", "--nthreads", "1", "--nworkers", "1", "--no-nanny", "--no-dashboard"),
    *("--memory-limit", "0", "--death-timeout", str(COME_UP), "--scheduler-file"),
]


def main(shared: str, step: Sequence[str], command: Sequence[str]) -> int:
    """Return the command's exit code, or 1 if the workers ended before it did."""
    with tempfile.TemporaryDirectory(dir=shared) as folder:
        found = Path(folder, "scheduler.json")
        started: list[subprocess.Popen[bytes]] = []

        def start(words: Sequence[str], **more: str) -> subprocess.Popen[bytes]:
            # What Dask logs of its comings and goings would bury what the command says.
            quiet = {"DASK_LOGGING__DISTRIBUTED": "error"}
            started.append(subprocess.Popen(words, env={**os.environ, **quiet, **more}))
            return started[-1]

        try:
            scheduler = start([sys.executable, *SCHEDULER, str(found)])
            address = _address(found, scheduler)
            local = os.environ.get("TMPDIR", "/tmp")
            # In what the command runs in, as a container.
            python = command[: command.index(sys.executable) + 1]
            workers = start([*step, *python, *WORKER, str(found), "--local-directory", local])
            client = start(command, DASK_SCHEDULER_ADDRESS=address)
            while client.poll() is None and workers.poll() is None:
                time.sleep(0.05)
            return 1 if client.poll() is None else client.returncode
        finally:
            # Workers first: they end by themselves when the scheduler is gone, but with complaints.
            for process in reversed(started):
                _end(process)


def _address(path: Path, scheduler: subprocess.Popen[bytes]) -> str:
    """Return the address that the scheduler writes when it listens."""
    end = time.monotonic() + COME_UP
    while time.monotonic() < end and scheduler.poll() is None:
        # Not there yet, or half of it.
        with contextlib.suppress(FileNotFoundError, ValueError):
            return json.loads(path.read_text())["address"]
        time.sleep(0.05)
    raise SystemExit(f"prk: the Dask scheduler said no address within {COME_UP} s")


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


if __name__ == "__main__":
    middle = sys.argv.index("--")
    sys.exit(main(sys.argv[1], sys.argv[2:middle], sys.argv[middle + 1 :]))
