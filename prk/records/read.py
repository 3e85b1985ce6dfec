"""Read records, of today's schema and of older ones."""

import json
from pathlib import Path
from typing import Any

from prk.problem import Refusal
from prk.records import migrate


def read(path: Path) -> dict[str, Any]:
    """Return a record in today's schema. Raises ValueError saying what is wrong with the file."""
    try:
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from None
    except ValueError:
        raise ValueError("is truncated, or no JSON") from None
    return migrate.current(found)


def parsed(path: str, works: str) -> Any:
    """Return what a JSON file holds. Raises Refusal naming the file, with what would work."""
    try:
        return json.loads(Path(path).read_bytes())
    except OSError as error:
        raise Refusal(path, f"cannot be read ({error.strerror})", works) from None
    except (ValueError, RecursionError):
        raise Refusal(path, "is no JSON", works) from None
