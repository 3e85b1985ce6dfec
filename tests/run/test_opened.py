"""The files that a rank's start opens."""

import json
import os
import sys

import numpy as np

from tests.launch import ROOT, run


def test_files_are_counted_where_they_are(tmp_path):
    done = run(sys.executable, "-m", "prk.run.opened", "serial", "stencil", ROOT, np.__path__[0], tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    own = found["below"]
    # Modules, and the libraries that NumPy is linked with.
    assert found["files"] > own[str(ROOT)] > 10
    assert own[np.__path__[0]] > 20
    assert own[str(tmp_path)] == 0


def test_a_file_counts_once_whatever_it_is_called(tmp_path):
    (tmp_path / "there").symlink_to(os.path.dirname(np.__path__[0]))
    there = str(tmp_path / "there" / "numpy")
    done = run(sys.executable, "-m", "prk.run.opened", "serial", "stencil", there, np.__path__[0])
    found = json.loads(done.stdout)["below"]
    assert found[there] == found[np.__path__[0]] > 20
