"""JAX's processes without MPI: how they find each other, and how they end."""

import signal
import socket
import subprocess
import sys

import pytest

from prk.problem import Refusal
from prk.runtimes._addresses import LOOPBACK
from prk.runtimes.jax import processes
from tests.launch import ENVIRONMENT, ROOT, own_lines, run

STENCIL = "prk.stencil", "--n", "60"


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


def started(given, module, *words):
    """Start a process; return it."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *words],
        cwd=ROOT,
        env={**ENVIRONMENT, **given},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def together(module, *words):
    """Start two processes; return them as they ended, with what each printed and complained."""
    port = free()
    both = [started(variables(port, number), module, *words) for number in range(2)]
    said = [process.communicate(timeout=60) for process in both]
    return [process.returncode for process in both], said


@pytest.mark.usefixtures("mark")
def test_processes_that_nobody_launched_find_each_other():
    codes, said = together(*STENCIL, "--variant", "compiler")
    assert codes == [0, 0], said
    (first, _), (other, _) = said
    assert "Solution validates" in first
    assert "Number of ranks = 2" in first
    assert "XLA computes here" in first
    assert not other


@pytest.mark.usefixtures("mark")
def test_one_that_is_killed_ends_the_other_with_a_line():
    codes, said = together("prk.conformance.misbehave", "killed", "stencil", "--n", "60")
    assert codes == [1, -signal.SIGKILL], said
    out, complaint = said[0]
    assert complaint.startswith("prk.stencil: another process is gone")
    assert len(complaint.splitlines()) == 1
    assert "Rate" not in out


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"JAX_COORDINATOR_ADDRESS": "here"}, "JAX_COORDINATOR_ADDRESS: 'here' is no HOST:PORT"),
        ({"JAX_NUM_PROCESSES": ""}, "JAX_NUM_PROCESSES: '' is no number"),
        ({"JAX_PROCESS_ID": "2"}, "JAX_PROCESS_ID: there is no process 2 of 2"),
    ],
)
def test_variables_that_do_not_fit_each_other_are_refused(given, line):
    done = run(sys.executable, "-m", *STENCIL, **{**variables(free(), 0), **given})
    assert done.returncode == 2
    assert own_lines(done)[0].startswith(f"prk.stencil: {line}")
    assert len(done.stderr.splitlines()) == 1


def test_a_port_that_somebody_has_is_refused():
    with socket.create_server((LOOPBACK, 0), reuse_port=True) as other:
        done = run(sys.executable, "-m", *STENCIL, **variables(other.getsockname()[1], 0))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "cannot be used (Address already in use)" in done.stderr


def test_numbers_that_do_not_match_end_all():
    port = free()
    other = started(variables(port, 1, processes=3), *STENCIL)
    first = run(sys.executable, "-m", *STENCIL, **variables(port, 0))
    _, said = other.communicate(timeout=60)
    assert (first.returncode, other.returncode) == (2, 2)
    assert own_lines(first) == ["prk.stencil: JAX_NUM_PROCESSES: it is 2 here and 3 on 1; set it alike"]
    assert "did not begin; its own message says why" in said


@pytest.mark.parametrize(("number", "line"), [(0, "1 of 2 did not come"), (1, "nobody answers at")])
def test_one_that_is_alone_does_not_wait_for_ever(number, line, monkeypatch):
    monkeypatch.setattr(processes, "PATIENCE", 0.2)
    with pytest.raises(Refusal, match=line):
        processes.Team((LOOPBACK, free()), 2, number)


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("collective-permute(%a), channel_id=1, source_target_pairs={{0,1},{1,2}}, metadata={}", (1, 192)),
        ("collective-permute(%a), channel_id=1, source_target_pairs={{1,0},{2,1}}, metadata={}", (0, 0)),
        ("all-reduce(%a), replica_groups={{0,1}}, to_apply=%sum", (1, 192)),
        ("reduce-scatter(%a), replica_groups={{0,1,2}}, dimensions={0}", (1, 3 * 192)),
        ("all-gather(%a), replica_groups={{0,1},{2,3}}, dimensions={0}", (1, 96)),
        ("all-gather-start(%a), replica_groups=[2,4]<=[8], dimensions={0}", (1, 48)),
        ("all-gather(%a), replica_groups=mesh['axis_0'=3,'axis_1'=2] {'axis_1'}", (1, 96)),
        ("all-gather(%a), replica_groups={{0},{1}}, dimensions={0}", (0, 0)),
        ("add(%a, %b)", (0, 0)),
    ],
)
def test_what_a_program_sends_is_read_in_its_text(text, given):
    from prk.runtimes.jax import shares

    assert shares.sent(f"ENTRY %main\n  %x = (f64[2,8]{{1,0}}, f32[16]{{0}}) {text}\n", 0) == given


def test_a_workload_whose_operators_jax_is_not_told_is_refused(monkeypatch):
    from torch import nn

    from prk.ddp import workload
    from prk.ddp.problem import Ddp
    from prk.runtimes.jax.network import Traced

    trains = workload.find("digits")
    Traced(trains.model(Ddp()), trains)
    with pytest.raises(Refusal, match=r"JAX is not told here what model\.1 of digits does; use"):
        Traced(nn.Sequential(nn.Linear(2, 2), nn.GELU()), trains)
    monkeypatch.setattr(
        trains,
        "loss",
        lambda forward, batch: nn.functional.cross_entropy(forward(batch[0]), batch[1], label_smoothing=0.1),
    )
    with pytest.raises(Refusal, match="what cross_entropy of digits does"):
        Traced(trains.model(Ddp()), trains)
