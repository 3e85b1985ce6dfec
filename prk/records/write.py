"""Write files whole or not at all."""

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prk.problem import Refusal


def refuse(option: str, path: str | Path, new: bool = True) -> bool:
    """Raise Refusal if no file, which is to be new or not, can be written to `path`: asked before the run.

    Return whether hard links make it atomic.
    """
    target = Path(path)
    try:
        if target.is_dir():
            raise Refusal(option, f"{path} is a folder", "name a file in it")
        # A link that leads nowhere holds the name, too.
        if new and os.path.lexists(target):
            raise Refusal(option, f"{path} exists and is never overwritten", "name a new file")
        if not new:
            target.parent.mkdir(parents=True, exist_ok=True)
        if not target.parent.is_dir():
            raise Refusal(option, f"the folder {target.parent} does not exist", "make it first")
        # Asked by doing: root passes every permission check and still cannot write a read-only file system.
        probe = _written(target, b"\n")
        other = probe.with_name(f"{probe.name}.")
        linked = _name(probe, other)
        other.unlink()
        return linked
    except OSError as error:
        raise Refusal(
            option, f"cannot write to {target.parent} ({error.strerror})", "use a folder that you can write"
        ) from None


def write(record: Mapping[str, Any], path: str | Path) -> None:
    """Write the record under a name that must be free, atomically.

    Raises FileExistsError if the name was taken meanwhile, OSError if the disk is full; nothing is left then.
    """
    content(_bytes(record), path)


def content(given: bytes, path: str | Path) -> None:
    """Write a file under a name that must be free, as `write` does a record."""
    _name(_written(Path(path), given), Path(path))


def save(record: Mapping[str, Any], path: str) -> str:
    """Write the record, to a temporary folder if `path` fails after all; return the line that says so."""
    return kept("--json", "record", _bytes(record), path)


def kept(option: str, what: str, given: bytes, path: str) -> str:
    """Write what an option asked for, to a temporary folder if `path` fails; return the line that says so."""
    try:
        content(given, path)
        return ""
    except OSError as error:
        lost = f"{option}: {path} cannot be written any more ({error.strerror})"
    from tempfile import mkdtemp

    try:
        other = Path(mkdtemp(prefix="prk-"), Path(path).name)
        content(given, other)
    except OSError:
        return f"{lost}, and the {what} is lost; use a folder with room"
    return f"{lost}; the {what} is {other}"


def _bytes(record: Mapping[str, Any]) -> bytes:
    return (json.dumps(record, indent=1, allow_nan=False) + "\n").encode()


def _name(temporary: Path, path: Path) -> bool:
    """Give the file a name that must be free, if possible by a hard link, and tell whether that was.

    Raises FileExistsError if it is not free; nothing is left then.
    """
    try:
        # A link fails where a rename would replace.
        os.link(temporary, path)
        return True
    except FileExistsError:
        # Over NFS an answer may be lost, and the question asked again.
        if path.samefile(temporary):
            return True
        raise
    except OSError:
        # Not every file system has links. The name is taken first, and for a moment by an empty file.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
        try:
            temporary.replace(path)
            return False
        except BaseException:
            path.unlink()
            raise
    finally:
        temporary.unlink(missing_ok=True)


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
    temporary = target.with_name(f".{target.name}.{os.urandom(4).hex()}")
    try:
        with open(temporary, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    return temporary
