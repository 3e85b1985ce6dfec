"""What was checked and how it ended: a line each, as JUnit's XML, and as one page that opens from disk."""

import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from importlib import metadata
from xml.etree import ElementTree

from prk.records import build

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; color: #222 }
table { border-collapse: collapse; width: 100% } td, th { text-align: left; padding: .15rem .8rem .15rem 0;
border-bottom: 1px solid #ddd; vertical-align: top } code { font-size: 13px } .failed { color: #b00020 }
.ok { color: #1a7f37 } .left { color: #777 }
"""


Table = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Result:
    """One check: `why` says what is wrong, or why it was left out."""

    runtime: str
    kernel: str
    members: int
    name: str
    why: str = ""
    left_out: bool = False
    seconds: float = 0.0

    @property
    def state(self) -> str:
        return "left out" if self.left_out else "FAILED" if self.why else "ok"

    @property
    def line(self) -> str:
        said = f"{self.state:<9}{self.kernel} on {self.members} of {self.runtime}: {self.name}"
        return f"{said}: {self.why}" if self.why else said


def counted(results: Sequence[Result]) -> str:
    """Return how many checks ended how."""
    found = Counter(r.state for r in results)
    return ", ".join(f"{found[state]} {state}" for state in ("ok", "FAILED", "left out") if found[state])


def facts(seeds: Mapping[str, int]) -> dict[str, str]:
    """Return what a reader has to know: date, versions, seeds."""
    versions = {name: metadata.version(name) for name in ("numpy", "numba", "mpi4py")}
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "prk": build.prk_version(),
        "Python": platform.python_version(),
        **versions,
        "system": f"{platform.system()} {platform.machine()}",
        **{f"seed of the {name}": str(seed) for name, seed in seeds.items()},
    }


def junit(results: Sequence[Result], about: Mapping[str, str]) -> bytes:
    """Return the results as JUnit's XML, a suite a runtime and kernel."""
    root = ElementTree.Element("testsuites")
    for runtime, kernel in dict.fromkeys((r.runtime, r.kernel) for r in results):
        own = [r for r in results if (r.runtime, r.kernel) == (runtime, kernel)]
        found = Counter(r.state for r in own)
        suite = ElementTree.SubElement(
            root, "testsuite", name=f"{runtime}.{kernel}", tests=str(len(own)),
            failures=str(found["FAILED"]), skipped=str(found["left out"]), errors="0",
            time=f"{sum(r.seconds for r in own):.3f}",
        )  # fmt: skip
        named = ElementTree.SubElement(suite, "properties")
        for name, value in about.items():
            ElementTree.SubElement(named, "property", name=name, value=value)
        for r in own:
            one = ElementTree.SubElement(
                suite, "testcase", classname=f"{runtime}.{kernel}", name=f"{r.members}: {r.name}",
                time=f"{r.seconds:.3f}",
            )  # fmt: skip
            if r.why:
                ElementTree.SubElement(one, "skipped" if r.left_out else "failure", message=r.why)
    ElementTree.indent(root)
    made: bytes = ElementTree.tostring(root, "utf-8", xml_declaration=True)
    return made


def page(
    names: Sequence[str], results: Sequence[Result], about: Mapping[str, str], mutation: Sequence[Table]
) -> str:
    """Return one page of HTML that needs nothing else; `mutation` are tables, their headings first."""
    title = f"Conformance of {escape(', '.join(names))}"
    parts = [f"<h1>{title}</h1>", table([("", ""), *about.items()])]
    if results:
        failed = [r for r in results if r.state == "FAILED"]
        parts += ["<h2>Checks</h2>", f'<p class="{"failed" if failed else "ok"}">{counted(results)}</p>']
        heads = ("", "kernel", "runtime", "members", "check", "why")
        ordered = sorted(results, key=lambda r: r.state != "FAILED")
        parts.append(
            table([heads, *((r.state, r.kernel, r.runtime, str(r.members), r.name, r.why) for r in ordered)])
        )
    if mutation:
        parts += ["<h2>Mutants of the runtimes' own files</h2>", *map(table, filter(None, mutation))]
    body = "\n".join(parts)
    head = f'<meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}\n</body></html>\n'


def table(rows: Table) -> str:
    """Return rows as a table of HTML, the first one its head if it says anything."""
    head, *rest = rows
    lines = ["<tr>" + "".join(f"<th>{escape(c)}</th>" for c in head) + "</tr>"] if any(head) else []
    for row in rest:
        kind = {"FAILED": "failed", "ok": "ok", "left out": "left"}.get(row[0], "")
        cells = [f"<td>{escape(cell)}</td>" for cell in row[1:]]
        lines.append("".join([f'<tr><td class="{kind}">{escape(row[0])}</td>', *cells, "</tr>"]))
    return "<table>\n" + "\n".join(lines) + "\n</table>"
