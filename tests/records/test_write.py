"""Records are whole or not at all, on any file system, and a right run does not lose its own."""

import errno
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from prk.problem import Refusal
from prk.records import build, write
from tests.launch import kernel, own_lines, run

NO_LINKS = """
#include <errno.h>
int link(const char *from, const char *to) { errno = EPERM; return -1; }
int linkat(int a, const char *from, int b, const char *to, int flags) { errno = EPERM; return -1; }
"""


@pytest.fixture(scope="module")
def without_links(tmp_path_factory):
    """The variable that takes hard links away from a program."""
    source = tmp_path_factory.mktemp("links") / "links.c"
    source.write_text(NO_LINKS)
    library = source.with_suffix(".so")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
    return {"LD_PRELOAD": str(library)}


def refusing(code):
    def link(*_):
        raise OSError(code, os.strerror(code))

    return link


@pytest.mark.parametrize("size", [1, 2])
def test_a_file_system_without_hard_links_keeps_records_too(tmp_path, without_links, size):
    path = tmp_path / "record.json"
    done = kernel("nstream", "--n", 100, "--json", path, size=size, **without_links)
    assert done.returncode == 0, done.stderr
    assert json.loads(path.read_text())["status"] == "ok"
    assert [p.name for p in tmp_path.iterdir()] == ["record.json"]
    again = kernel("nstream", "--n", 100, "--json", path, **without_links)
    assert "never overwritten" in own_lines(again)[0]


@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK])
def test_without_links_a_name_is_taken_once(tmp_path, monkeypatch, code):
    monkeypatch.setattr(os, "link", refusing(code))
    path = tmp_path / "record.json"
    assert not write.refuse("--json", path)
    write.write({"a": 1}, path)
    with pytest.raises(FileExistsError):
        write.write({"a": 2}, path)
    assert json.loads(path.read_text()) == {"a": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_without_links_nothing_is_left_of_what_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", refusing(errno.EPERM))
    monkeypatch.setattr("pathlib.Path.replace", refusing(errno.EIO))
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        write.write({}, tmp_path / "record.json")
    assert not list(tmp_path.iterdir())


def test_a_link_whose_answer_was_lost_is_there(tmp_path, monkeypatch):
    link = os.link

    def twice(*names):
        link(*names)
        link(*names)

    monkeypatch.setattr(os, "link", twice)
    write.write({"a": 1}, tmp_path / "record.json")
    assert [p.name for p in tmp_path.iterdir()] == ["record.json"]


def test_any_path_that_cannot_be_written_is_refused_by_name(tmp_path):
    loop, dangling, closed = tmp_path / "loop", tmp_path / "dangling", tmp_path / "closed"
    loop.symlink_to(loop)
    dangling.symlink_to(tmp_path / "nowhere")
    closed.mkdir(0o600)
    (tmp_path / "file").touch()
    paths = [loop / "a", dangling, tmp_path / ("n" * 300), tmp_path / ("n" * 250), tmp_path / "file" / "a"]
    # Root may search every folder.
    refuse = as_nobody(write.refuse) if os.geteuid() == 0 else write.refuse
    for path in [*paths, closed / "a", closed / "a" / "b"]:
        with pytest.raises(Refusal, match=r"^--json: "):
            refuse("--json", path)


@pytest.mark.parametrize("option", ["--junit", "--html", "--out"])
def test_every_option_that_names_a_file_is_refused_before_the_run(tmp_path, option):
    done = run(sys.executable, "-m", "prk.conformance", "serial", option, "/proc/nowhere/file")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"prk.conformance: {option}: cannot write to /proc/nowhere")


def as_nobody(function):
    def refuse(*given):
        os.seteuid(65534)
        try:
            return function(*given)
        finally:
            os.seteuid(0)

    return refuse


def test_a_record_that_cannot_be_written_any_more_is_kept_elsewhere(tmp_path, monkeypatch):
    path = tmp_path / "record.json"
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    assert write.save({"a": 1}, str(path)) == ""
    line = write.save({"a": 2}, str(path))
    assert line.startswith(f"--json: {path} cannot be written any more (File exists)")
    with open(line.rpartition(" is ")[2]) as kept:
        assert json.load(kept) == {"a": 2}
    assert json.loads(path.read_text()) == {"a": 1}


TAKEN = """
import sys
from prk import cli
from prk.records import build
done = build.build
def slow(report):
    open(sys.argv[1], "w").close()
    return done(report)
build.build = slow
sys.exit(cli.main("nstream", ["--n", "100", "--json", sys.argv[1]]))
"""


def test_a_run_whose_record_went_elsewhere_says_its_answer_and_fails(tmp_path):
    done = run(sys.executable, "-c", TAKEN, tmp_path / "record.json", TMPDIR=str(tmp_path))
    assert done.returncode == 1
    assert "Solution validates" in done.stdout
    (line,) = own_lines(done)
    assert (tmp_path / line.rpartition(" is ")[2]).exists()


def test_what_json_cannot_hold_loses_no_record(tmp_path):
    odd = {"table": [{"a": np.float64("nan"), "b": np.int32(3), "c": (float("inf"), None)}]}
    found = build.closed(odd, ["prk"], {"governor": np.array([1.5])})
    write.write(found, tmp_path / "record.json")
    made = json.loads((tmp_path / "record.json").read_text())
    assert made["table"] == [{"a": "nan", "b": 3, "c": ["inf", None]}]
    assert made["environment"] == {"governor": [1.5]}
