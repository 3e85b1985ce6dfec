"""A sweep with plan and records of schema 1, as an older prk published it."""

import tarfile
from pathlib import Path

PACKED = Path(__file__).parent / "harness" / "two-cores-1.tar.xz"


def unpacked(folder):
    """Unpack the sweep into `folder`; return where it is."""
    with tarfile.open(PACKED) as packed:
        packed.extractall(folder, filter="data")
    return folder / "two-cores"
