"""A sweep as JUnit's XML, a test case a point, for whatever collects a site's tests. Pure."""

from collections.abc import Sequence
from xml.etree import ElementTree

from prk.harness import store
from prk.harness.analyse.rows import Row, brief, number


def text(found: Sequence[Row]) -> str:
    """Return the rows as JUnit's XML, a suite a kernel; the values are what a case printed."""
    root = ElementTree.Element("testsuites")
    for kernel in dict.fromkeys(r.point.kernel for r in found):
        own = [r for r in found if r.point.kernel == kernel]
        kinds = [kind(r) for r in own]
        suite = ElementTree.SubElement(
            root, "testsuite", name=f"prk.{kernel}", tests=str(len(own)), errors="0",
            failures=str(kinds.count("failure")), skipped=str(kinds.count("skipped")),
        )  # fmt: skip
        for row, how in zip(own, kinds, strict=True):
            one = ElementTree.SubElement(
                suite, "testcase", classname=f"prk.{kernel}.{row.point.runtime}", name=name(row)
            )
            if how:
                ElementTree.SubElement(one, how, message=row.state).text = "\n".join(row.reasons)
            ElementTree.SubElement(one, "system-out").text = measured(row)
    ElementTree.indent(root)
    return ElementTree.tostring(root, "unicode", xml_declaration=True)


def kind(row: Row) -> str:
    """Return the element that a case is given: failure, skipped where nothing was measured, or none."""
    if row.never_started or any(row.counts[s] for s in store.FAILED):
        return "failure"
    return "" if row.values else "skipped"


def name(row: Row) -> str:
    """Return a case's name, which is the same in every sweep of the point."""
    p = row.point
    where = " ".join(f"{k}={p.layout[k]}" for k in ("nodes", "ranks", "threads"))
    return " ".join(filter(None, [p.label, where, brief(p)]))


def measured(row: Row) -> str:
    """Return what a point's launches measured, and what became of them."""
    if row.summary is None:
        return row.state
    metric, s = row.point.metric, row.summary
    return f"{metric.name} {number(s.median)} {metric.unit}, median of {s.samples}; {row.state}"
