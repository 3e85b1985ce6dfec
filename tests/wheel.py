"""An environment of its own, away from the checkout, with the wheels of prk and of the worked examples."""

import re
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


def wheel(source, folder):
    """Build a wheel of a source tree; return its path."""
    done = run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, source, seconds=300)
    assert done.returncode == 0, done.stderr
    return next(folder.glob("*.whl"))


def environment(folder):
    """Make another environment in a folder, with the wheels of prk and of a plug-in; return its Python."""
    # From a copy: building leaves folders behind.
    done = run("git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    source = folder / "source"
    for name in filter(None, done.stdout.split("\0")):
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_symlink():
            target.symlink_to((ROOT / name).readlink())
        elif (ROOT / name).exists():
            target.write_bytes((ROOT / name).read_bytes())
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
    built = [wheel(source, folder / "own"), wheel(plugin, folder / "other")]
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
