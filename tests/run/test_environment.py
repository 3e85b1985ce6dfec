"""What a run finds out about its machine: limits of memory, Git that refuses, names that lead nowhere."""

import os
import socket
import sys

import pytest

from prk.run import environment
from tests.launch import kernel, own_lines, run

GIB = 1 << 30
VERSIONS = {
    1: ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_"),
    2: ("", "memory.max", "memory.current", ""),
}


def machine(tmp_path, monkeypatch, version, path, groups):
    """Make a machine with 64 GiB and control groups: for each its limit, use and page cache."""
    controller, limit, used, prefix = VERSIONS[version]
    proc, root = tmp_path / "proc", tmp_path / "groups"
    (proc / "self").mkdir(parents=True)
    (proc / "meminfo").write_text(f"MemTotal: 1 kB\nMemAvailable: {64 * GIB // 1024} kB\n")
    (proc / "self/cgroup").write_text(f"7:cpu,cpuacct:/x\n3:{controller}:{path}\n1:name=systemd:/a:b::/c\n")
    for name, (most, use, cache) in groups.items():
        folder = root / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / limit).write_text(f"{most}\n")
        (folder / used).write_text(f"{use}\n")
        if cache is not None:
            (folder / "memory.stat").write_text(f"anon 5\n{prefix}inactive_file {cache}\n")
    monkeypatch.setattr(environment, "PROC", proc)
    monkeypatch.setattr(
        environment, "CONTROL_GROUPS", {k: (root, *v[1:]) for k, v in environment.CONTROL_GROUPS.items()}
    )


@pytest.mark.parametrize("version", [1, 2])
def test_the_tightest_control_group_counts_but_for_its_page_cache(tmp_path, monkeypatch, version):
    groups = {
        "": (40 * GIB, GIB, 0),
        "job_7": (8 * GIB, 3 * GIB, 2 * GIB),
        "job_7/step:0": (GIB << 33, GIB, 0),
    }
    machine(tmp_path, monkeypatch, version, "/job_7/step:0", groups)
    assert environment.available_memory() == 7 * GIB


@pytest.mark.parametrize("version", [1, 2])
def test_a_container_s_own_group_is_the_root(tmp_path, monkeypatch, version):
    machine(tmp_path, monkeypatch, version, "/docker/0af3", {"": (2 * GIB, GIB, None)})
    assert environment.available_memory() == GIB


def test_no_limit_leaves_the_machine_s_memory(tmp_path, monkeypatch):
    machine(tmp_path, monkeypatch, 2, "/job", {"job": ("max", GIB, 0)})
    assert environment.available_memory() == 64 * GIB


def test_a_limit_of_the_process_is_refused_before_it_is_hit():
    program = 'ulimit -v 4000000; exec "$0" -m prk.stencil --n 30000'
    done = run("sh", "-c", program, sys.executable)
    assert done.returncode == 2, done.stderr
    assert "ulimit -v" in own_lines(done)[0]
    assert "a rank needs 13.4 GiB" in own_lines(done)[0]


def test_memory_is_refused_by_ranks_not_members():
    done = kernel("stencil", "--n", 4_000_000, "--overdecomposition", 4, on="charm4py", size=2)
    assert done.returncode == 2
    assert ": --n: 2 ranks need " in own_lines(done)[0]


@pytest.fixture
def git(tmp_path, monkeypatch):
    """Return a function that says what Git does, in a checkout."""
    (tmp_path / ".git").mkdir()
    monkeypatch.setattr(environment, "CHECKOUT", tmp_path)
    monkeypatch.setattr(environment, "PATIENCE", 1)
    fake = tmp_path / "git"

    def does(script):
        fake.write_text(
            f'#!/bin/sh\ncase "$*" in *rev-parse*) asked=commit;; *) asked=status;; esac\n{script}'
        )
        fake.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        return environment.git_state()

    return does


def test_git_that_is_slow_or_refuses_leaves_the_commit_unknown(git):
    said = "echo fatal: dubious ownership >&2; exit 128"
    assert git("echo 0af3") == {"commit": "0af3", "dirty": True}
    assert git("[ $asked = commit ] && echo 0af3; exit 0") == {"commit": "0af3", "dirty": False}
    assert git(f"[ $asked = commit ] && echo 0af3 && exit 0; {said}") == {"commit": "0af3", "dirty": None}
    assert git("[ $asked = commit ] && echo 0af3 && exit 0; exec sleep 9") == {
        "commit": "0af3",
        "dirty": None,
    }
    assert git(said) is None
    assert git("exec sleep 9") is None


def test_git_is_asked_about_this_checkout_whatever_a_hook_says(git, monkeypatch):
    monkeypatch.setenv("GIT_DIR", "/elsewhere")
    assert git('echo "${GIT_DIR:-here}"') == {"commit": "here", "dirty": True}


def test_no_git_at_all_is_no_reason_to_fail(tmp_path, monkeypatch):
    (tmp_path / ".git").mkdir()
    monkeypatch.setattr(environment, "CHECKOUT", tmp_path)
    monkeypatch.setenv("PATH", "/nowhere")
    assert environment.git_state() is None


@pytest.mark.parametrize(
    ("found", "address"),
    [(["127.0.1.1"], "127.0.1.1"), (["::1", "127.0.0.1", "10.1.2.3"], "10.1.2.3"), (None, "")],
)
def test_a_host_s_address_is_no_loopback_if_it_has_another(monkeypatch, found, address):
    def getaddrinfo(host, port):
        if found is None:
            raise socket.gaierror(-2, "Name or service not known")
        return [(0, 0, 0, "", (a, 0)) for a in found]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert environment.address() == address
