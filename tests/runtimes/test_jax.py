"""JAX's processes without MPI: how they find each other, and how they end."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from prk.runtimes._addresses import LOOPBACK
from tests.launch import ENVIRONMENT, ROOT, own_lines, run

WORDS = (sys.executable, "-m", "prk.stencil", "--n", "60")


def free():
    with socket.socket() as one:
        one.bind((LOOPBACK, 0))
        return one.getsockname()[1]


def variables(port, number, processes=2):
    return {
        "JAX_COORDINATOR_ADDRESS": f"{LOOPBACK}:{port}",
        "JAX_NUM_PROCESSES": str(processes),
        "JAX_PROCESS_ID": str(number),
    }


def together(*words):
    """Start two processes; return them."""
    port = free()
    return [
        subprocess.Popen(
            [*WORDS, *words],
            cwd=ROOT,
            env={**ENVIRONMENT, **variables(port, number)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]


@pytest.mark.usefixtures("mark")
def test_processes_that_nobody_launched_find_each_other():
    processes = together("--variant", "compiler")
    ended = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], ended
    (first, _), (other, _) = ended
    assert "Solution validates" in first
    assert "Number of ranks = 2" in first
    assert "XLA computes here" in first
    assert not other


@pytest.mark.usefixtures("mark")
def test_one_that_is_killed_ends_the_other_soon():
    processes = together("--iterations", "1000000")
    time.sleep(1)
    first = processes[0]
    for line in first.stdout:
        if line.startswith("Number of ranks"):
            break
    os.kill(processes[1].pid, signal.SIGKILL)
    begin = time.monotonic()
    _, said = first.communicate(timeout=60)
    processes[1].communicate()
    assert first.returncode == 1, said
    assert time.monotonic() - begin < 30
    assert "Rate" not in said


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"JAX_COORDINATOR_ADDRESS": "here"}, "JAX_COORDINATOR_ADDRESS: 'here' is no HOST:PORT"),
        ({"JAX_NUM_PROCESSES": ""}, "JAX_NUM_PROCESSES: '' is no number"),
        ({"JAX_PROCESS_ID": "2"}, "JAX_PROCESS_ID: there is no process 2 of 2"),
    ],
)
def test_variables_that_do_not_fit_each_other_are_refused(given, line):
    done = run(*WORDS, **{**variables(free(), 0), **given})
    assert done.returncode == 2
    assert own_lines(done)[0].startswith(f"prk.stencil: {line}")
    assert len(done.stderr.splitlines()) == 1


def test_a_port_that_somebody_has_is_refused():
    with socket.create_server((LOOPBACK, 0), reuse_port=True) as other:
        done = run(*WORDS, **variables(other.getsockname()[1], 0))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "cannot be used (Address already in use)" in done.stderr
