"""Write files whole or not at all."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prk.problem import Refusal


def refuse(path: str) -> None:
    """Raise Refusal if a record cannot be written to `path`; asked before the run, not after it."""
    target = Path(path)
    if target.is_dir():
        raise Refusal("--json", f"{path} is a folder", "name a file in it")
    if target.exists():
        raise Refusal("--json", f"{path} exists and is never overwritten", "name a new file")
    if not target.parent.is_dir():
        raise Refusal("--json", f"the folder {target.parent} does not exist", "make it first")
    from tempfile import TemporaryFile

    try:
        # Asked by doing: root passes every permission check and still cannot write a read-only file system.
        with TemporaryFile(dir=target.parent):
            pass
    except OSError as error:
        raise Refusal(
            "--json", f"cannot write to {target.parent} ({error.strerror})", "use a folder that you can write"
        ) from None


def write(record: Mapping[str, Any], path: str | Path) -> None:
    """Write the record under a name that must be free, atomically.

    Raises FileExistsError if the name was taken meanwhile, OSError if the disk is full; nothing is left then.
    """
    temporary = _written(Path(path), (json.dumps(record, indent=1, allow_nan=False) + "\n").encode())
    try:
        # A link fails where a rename would replace.
        os.link(temporary, path)
    finally:
        temporary.unlink()


def replace(path: Path, content: bytes) -> None:
    """Write a file that may replace an older one, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _written(path, content)
    try:
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _written(target: Path, content: bytes) -> Path:
    """Return a temporary file beside the target with the content, which is on the disk."""
    from tempfile import mkstemp

    descriptor, name = mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
    except BaseException:
        os.unlink(name)
        raise
    return Path(name)
