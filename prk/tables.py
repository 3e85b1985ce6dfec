"""A table of plain values as aligned text. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any


def text(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, tuple[str, str]]) -> list[str]:
    """Return heading and rows in right-aligned columns; a value that there is not is a dash.

    `columns` maps names to (heading, format).
    """
    if not rows:
        return []
    heading = [shown for shown, _ in columns.values()]
    cells = [
        ["-" if row[name] is None else format(row[name], how) for name, (_, how) in columns.items()]
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(heading, *cells, strict=True)]
    return [
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        for line in (heading, *cells)
    ]
