"""In CI every component is installed, so a skipped test there is a failure."""

import os
import shutil
import signal
import sys
import uuid

import pytest

from tests import wheel
from tests.launch import ENVIRONMENT, processes, wait_until

# A shell's background job ignores the interrupt, and so would the programs that the tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


# Their tests share nothing; those of each other file run one after the other, which keeps their fixtures one.
APART = ("test_cells.py", "test_cli.py", "test_docs.py", "test_mutants.py")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Say which tests `make test` may run side by side: xdist's groups have no effect with pytest 9."""
    from xdist.scheduler import LoadScopeScheduling

    # In the order of `pytest_collection_modifyitems`.
    config.option.loadscopereorder = False

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            path = nodeid.partition("::")[0]
            return nodeid if path.rpartition("/")[2] in APART else path

    return ByFile(config, log)


# What takes longest is begun first, so that no core is left with nothing to do at the end: on one core the
# in-rank tests, first those of a single rank, which compile most of what all others then load.
LONGEST = ("test_ranks.py", "test_cluster.py")


def pytest_collection_modifyitems(items):
    """Put the longest tests first; every worker does it alike."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


def pytest_ignore_collect(collection_path, config):
    """Leave the in-rank tests to the launches of test_ranks.py."""
    return True if collection_path.name == "ranks" and not config.getoption("--with-mpi") else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {report.longrepr}"
    return report


@pytest.fixture(autouse=True)
def _denormal_numbers():
    """Let no training that ran in this process take the smallest numbers from the tests after it."""
    yield
    if torch := sys.modules.get("torch"):
        torch.set_flush_denormal(False)


@pytest.fixture(scope="module")
def browser():
    """A real browser that asks for nothing on its own account."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if not path:
        pytest.skip("there is no Chromium: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        options = ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
        # Root has no sandbox to use.
        options += ["--no-sandbox"] if os.geteuid() == 0 else []
        with playwright.chromium.launch(executable_path=path, args=options) as started:
            yield started


@pytest.fixture
def mark(monkeypatch):
    """Mark all processes that a test starts, and show that none is left after it."""
    name = uuid.uuid4().hex
    monkeypatch.setitem(ENVIRONMENT, "PRK_TEST_MARK", name)
    yield name
    wait_until(lambda: not processes(name), 10)
    left = processes(name)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left


@pytest.fixture(scope="session")
def environment(tmp_path_factory):
    """Return the Python of another environment, with the wheels of prk and of a plug-in."""
    folder = tmp_path_factory.mktemp("wheel")
    yield wheel.environment(folder)
    shutil.rmtree(folder)
