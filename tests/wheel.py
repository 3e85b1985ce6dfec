"""An environment of its own, away from the checkout, with the wheels of prk and of the worked examples.

The one of prk is built from its source distribution.
"""

import os
import re
import shutil
import sys
import sysconfig

from tests.launch import ROOT, run

EXAMPLES = dict(re.findall(r"```python (\S+)\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL))
PLUGIN = """
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"
[project]
name = "somebody-s-kernels"
version = "1.0"
[project.entry-points."prk.kernels"]
axpy = "somebody.axpy"
[project.entry-points."prk.runtimes"]
sendrecv = "somebody.sendrecv"
[tool.setuptools.packages.find]
include = ["somebody*"]
"""


# What building, testing and editing leave in a tree.
MADE = re.compile(r"^(build|\.(?!ci/)[^/]*|[^/]*\.egg-info)/|__pycache__/")


def tree(folder):
    """Return the names of a tree's own files and links."""
    found = (p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_symlink() or p.is_file())
    return [name for name in found if not MADE.search(name)]


def sources():
    """Return the names of the files that this checkout, or unpacked source distribution, consists of."""
    done = run("git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    if done.returncode:
        return tree(ROOT)
    return [name for name in done.stdout.split("\0") if name and os.path.lexists(ROOT / name)]


def wheel(source, folder):
    """Build a wheel of a source tree; return its path."""
    done = run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, source, seconds=300)
    assert done.returncode == 0, done.stderr
    return next(folder.glob("*.whl"))


def environment(folder):
    """Make another environment in a folder, with the wheels of prk and of a plug-in; return its Python."""
    # From a copy: building leaves folders behind.
    source = folder / "source"
    for name in sources():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name, follow_symlinks=False)
    plugin = folder / "plugin"
    for name, text in EXAMPLES.items():
        # The worked examples, as a package of somebody else's.
        place, _, rest = name.partition("/")
        target = plugin / "somebody" / rest
        target.parent.mkdir(parents=True, exist_ok=True)
        for init in (target.parent / "__init__.py", plugin / "somebody" / "__init__.py"):
            init.touch()
        assert place in ("prk", "runtimes")
        target.write_text(
            text.replace("prk.axpy", "somebody.axpy")
            .replace("from .._mpi", "from prk.runtimes._mpi")
            .replace("from ..", "from prk.runtimes.")
        )
    (plugin / "pyproject.toml").write_text(PLUGIN)
    run(sys.executable, "-m", "venv", "--without-pip", folder / "venv")
    python = folder / "venv" / "bin" / "python"
    own, other = folder / "own", folder / "other"
    # The wheel from the source distribution; with the tools that are here, so that none are fetched.
    words = ["build", "-n", "--outdir", own, source]
    done = run(sys.executable, "-m", *words, cwd=folder, seconds=300)
    assert done.returncode == 0, done.stdout + done.stderr
    built = [next(own.glob("*.whl")), wheel(plugin, other)]
    done = run(
        sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", "--no-index", *built,
        # Else the checkout passes for an installation.
        seconds=120, PYTHONPATH="",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    # Dependencies only: the editable package of this environment is not seen through a path.
    site = next((folder / "venv" / "lib").glob("python*")) / "site-packages"
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def installed(python, *words, before=(), **more):
    """Run a module in the other environment, away from the checkout."""
    return run(*before, python, "-m", *words, PYTHONPATH="", **more)
