"""Rows chosen by conditions, and put in order by columns: what results --where and --sort ask for. Pure."""

import difflib
import operator
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from prk.harness.analyse.rows import Row
from prk.harness.show import table
from prk.problem import Refusal

CONDITION = re.compile(r"\s*([\w -]+?)\s*(<=|>=|!=|==?|<|>)\s*(.*?)\s*")
ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
# Of the values that a column has, so many are told.
TOLD = 8

# A row, and its values by column.
Line = tuple[Row, dict[str, Any]]


def lines(rows: Iterable[Row]) -> list[Line]:
    """Return rows with their values: the columns of CSV, cores, and what kernel and runtime are told."""
    found = []
    for row in rows:
        p = row.point
        every = {**p.options, **p.parameters, **table.flat(row), "cores": p.cores}
        found.append((row, {_plain(name): value for name, value in every.items()}))
    return found


def where(rows: Sequence[Row], text: str) -> list[Row]:
    """Return the rows that meet all conditions, as: kernel=stencil|dgemm,ranks>=2. Raises Refusal."""
    every = found = lines(rows)
    for condition in text.split(","):
        match = CONDITION.fullmatch(condition)
        if not match:
            raise Refusal(
                "--where",
                f"{condition.strip()!r} is no condition",
                "write COLUMN=VALUE, or with != < <= > >=, several by commas",
            )
        column = _column(match[1], every, "--where")
        there = _there(column, found)
        fits = _test(column, match[2], match[3], there)
        found = [(row, values) for row, values in found if fits(values.get(column))]
        if not found:
            told = list(dict.fromkeys(map(str, there)))
            more = ", ..." if len(told) > TOLD else ""
            raise Refusal(
                "--where",
                f"no point has {condition.strip()}",
                f"its {column} is one of: {', '.join(told[:TOLD])}{more}",
            )
    return [row for row, _ in found]


def ordered(rows: Sequence[Row], text: str) -> list[Row]:
    """Return the rows in the order of columns, as: kernel,-median. Raises Refusal.

    Minus puts the largest first; rows without such a value come last.
    """
    found = lines(rows)
    for name in reversed(text.split(",")):
        column = _column(name.strip().removeprefix("-"), found, "--sort")
        have = [one for one in found if one[1].get(column) is not None]
        lack = [one for one in found if one[1].get(column) is None]
        have.sort(key=lambda one: _key(one[1][column]), reverse=name.strip().startswith("-"))
        found = have + lack
    return [row for row, _ in found]


def _plain(name: str) -> str:
    return name.strip().replace("-", "_")


def _column(name: str, every: Sequence[Line], option: str) -> str:
    """Return a column's own name. Raises Refusal if there is no such column."""
    column, names = _plain(name), list(dict.fromkeys(name for _, values in every for name in values))
    if column not in names:
        close = difflib.get_close_matches(column, names, 1)
        works = f"did you mean {close[0]}?" if close else f"use one of {', '.join(names)}"
        raise Refusal(option, f"there is no column {name.strip()!r}", works)
    return column


def _there(column: str, found: Sequence[Line]) -> list[Any]:
    """Return the values that there are in a column. Raises Refusal if there are none."""
    there = [v for _, values in found if (v := values.get(column)) is not None]
    if not there:
        raise Refusal("--where", f"no point has a value of {column}", "use another column")
    return there


def _key(value: Any) -> tuple[bool, Any]:
    """Return what values of a column are ordered by: numbers before words."""
    return isinstance(value, str), value


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _test(column: str, sign: str, text: str, there: Sequence[Any]) -> Callable[[Any], bool]:
    """Return what tells whether a value meets the condition. Raises Refusal if none could."""
    read = _read_number if all(map(_number, there)) else _read_word
    try:
        stated = [read(word) for word in text.split("|")]
    except ValueError:
        raise Refusal(
            "--where", f"{column} is a number, and {text!r} is none", f"write {column}{sign}{there[0]}"
        ) from None
    if sign in ("=", "=="):
        return lambda value: value is not None and read(str(value)) in stated
    if sign == "!=":
        return lambda value: value is None or read(str(value)) not in stated
    if read is _read_word or len(stated) > 1:
        raise Refusal("--where", f"{column}{sign}{text} tells no order", f"use {column}= or {column}!=")
    return lambda value: value is not None and ORDER[sign](value, stated[0])


def _read_number(text: str) -> float:
    """Return the number, or the part that a percentage is. Raises ValueError."""
    return float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)


def _read_word(text: str) -> str:
    return text.strip().casefold()
