"""What each point's own tables come to: medians over all their rows, as a table of the page. Pure."""

from collections.abc import Sequence
from statistics import fmean, median, pstdev

from prk.harness.analyse.rows import Row, brief, number
from prk.problem import Problem
from prk.run import registry

FIRST = ("runtime", "cores", "size", "rows")


def tables(rows: Sequence[Row]) -> list[tuple[str, list[str], list[list[str]]]]:
    """Return a table for each kernel that wants one: its name, its head and a line a point."""
    found = []
    for kernel in dict.fromkeys(row.point.kernel for row in rows):
        problem = registry.problem_class(kernel)
        own = [row for row in rows if row.point.kernel == kernel and row.own]
        if problem.portrait and own:
            head = [*FIRST, *(title for name in problem.portrait for title in _titles(problem, name))]
            found.append((kernel, head, [_line(problem, row) for row in own]))
    return found


def _titles(problem: type[Problem], name: str) -> list[str]:
    """Return the heads of a column: its median, and of some the variation."""
    title = problem.headings[name][0]
    return [title, f"CV of {title}"] if name in problem.varying else [title]


def _line(problem: type[Problem], row: Row) -> list[str]:
    p, cells = row.point, []
    for name in problem.portrait:
        values = [line[name] for line in row.own if line.get(name) is not None]
        cells.append(number(median(values)) if values else "")
        if name in problem.varying:
            cells.append(f"{pstdev(values) / fmean(values):.1%}" if len(values) > 2 and any(values) else "")
    return [p.label, str(p.cores), brief(p), str(len(row.own)), *cells]
