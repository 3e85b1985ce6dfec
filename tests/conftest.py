"""In CI every component is installed, so a skipped test there is a failure."""

import os

import pytest


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
