"""Tables as aligned text. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any


def table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, tuple[str, str]]) -> list[str]:
    """Return heading and rows in columns; a value that there is not is a dash.

    `columns` maps names to (heading, format).
    """
    if not rows:
        return []
    cells = [
        ["-" if row[name] is None else format(row[name], how) for name, (_, how) in columns.items()]
        for row in rows
    ]
    return aligned([[shown for shown, _ in columns.values()], *cells])


def aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    """Return heading and lines in columns, those of numbers to the right."""
    columns = list(zip(*lines, strict=True))
    widths = [max(map(len, column)) for column in columns]
    right = [all(map(_number, column[1:])) and any(map(_number, column[1:])) for column in columns]
    return [
        "  ".join(
            c.rjust(w) if r else c.ljust(w) for c, w, r in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    ]


def _number(cell: str) -> bool:
    """Tell whether a cell may stand in a column of numbers."""
    if cell in ("", "-"):
        return True
    try:
        float(cell.rstrip("%"))
    except ValueError:
        return False
    return True
