"""The documentation builds without a warning, asks no other site for anything, and does what it says."""

import re
import sys

import pytest

from tests.launch import ROOT, run

PAGES = sorted((ROOT / "docs").glob("*.md"))
# A block with a path after its kind is a file there.
BLOCK = re.compile(r"^```(console|python|toml)(?: (\S+))?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LOADS = re.compile(r'<(?:script|img|iframe|source|link)\b[^>]*(?:src|href)="(?:https?:)?//')
SHEET_LOADS = re.compile(r"""(@import|url\(['"]?)\s*(https?:)?//""")
# What a clone has that commands of a page need.
CLONE = ("prk", "runtimes", "jobs", "benchmarks", "tests", "results", "bench.py")


def blocks(page):
    return BLOCK.findall(page.read_text())


def test_pages_build_without_a_warning_and_open_from_disk_alone(tmp_path, browser):
    out = tmp_path / "html"
    words = ["-q", "-W", "--keep-going", "-b", "html", "-d", tmp_path / "trees", ROOT / "docs", out]
    done = run(sys.executable, "-m", "sphinx", *words, seconds=300)
    assert done.returncode == 0, done.stderr
    pages = sorted(out.glob("*.html"))
    assert len(pages) > len(PAGES)
    # What a browser may leave out, such as a font that no page uses yet.
    assert [page.name for page in pages if LOADS.search(page.read_text())] == []
    sheets = sorted((out / "_static").rglob("*.css"))
    assert sheets
    assert [sheet.name for sheet in sheets if SHEET_LOADS.search(sheet.read_text())] == []
    asked, complaints, wide = [], [], []
    shown = browser.new_page(viewport={"width": 390, "height": 844})
    shown.on("request", lambda request: asked.append(request.url))
    shown.on("console", lambda message: complaints.append(message.text))
    shown.on("pageerror", lambda error: complaints.append(str(error)))
    for page in pages:
        shown.goto(page.as_uri())
        # Sphinx's own list of all names has columns.
        if page.name != "genindex.html" and shown.evaluate("document.documentElement.scrollWidth") > 390:
            wide.append(page.name)
    assert len(asked) > len(pages)
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert complaints == []
    assert wide == []


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p)], ids=lambda p: p.stem)
def test_what_a_page_shows_runs_in_its_order(page, tmp_path):
    for name in CLONE:
        (tmp_path / name).symlink_to(ROOT / name)
    for kind, name, body in blocks(page):
        if name:
            target = tmp_path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(body)
        elif kind == "python":
            done = run(sys.executable, "-c", body, cwd=tmp_path)
            assert done.returncode == 0, body + done.stderr
        elif kind == "console":
            for line in body.splitlines():
                if line.startswith("$ "):
                    done = run("bash", "-c", line[2:], cwd=tmp_path, seconds=180)
                    assert done.returncode == 0, line + done.stdout + done.stderr
