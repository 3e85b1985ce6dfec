"""Tests that run inside the ranks: `mpirun -n 3 python -m pytest --with-mpi tests/ranks`."""

import sys

import pytest
from mpi4py import MPI

from prk.run import compile_cache
from prk.runtimes.coarray import compiler

# OpenCoarrays is built for Open MPI. Its cells are not in the matrix either where it cannot run.
collect_ignore = ["test_coarray.py"] if compiler.missing() else []

# As every run does before it imports a kernel: the ranks compile at the same time.
compile_cache.install()


@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    # All ranks run the same tests; one of them tells.
    if MPI.COMM_WORLD.rank > 0:
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        reporter._tw._file = open("/dev/null", "w")  # noqa: SIM115


@pytest.fixture
def comm():
    """Return a communicator of the test's own, so that a stray message cannot reach another test."""
    own = MPI.COMM_WORLD.Dup()
    yield own
    own.Free()


@pytest.fixture
def agree(comm):
    """Return a function that fails on every rank alike when it fails on one; else the others would wait."""

    def check(wrong):
        found = [w for rank in comm.allgather(wrong) for w in rank]
        assert not found, "\n".join(found)

    return check


def pytest_sessionfinish(session, exitstatus):
    sys.stdout.flush()
