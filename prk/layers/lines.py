"""Lines that state an operator's shape, as `convolution n=8 c=64 h=56 w=56 k=64 r=3 s=3 pad=1`."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from prk.layers.operators import Operator, Sizes, operators
from prk.problem import Refusal

SHIPPED = Path(__file__).with_name("shapes")


@dataclass(frozen=True)
class Line:
    """An operator with its sizes, as the line states them."""

    name: str
    values: tuple[tuple[str, int], ...]

    @property
    def operator(self) -> Operator:
        return operators()[self.name]

    @property
    def sizes(self) -> Sizes:
        return Sizes(**dict(self.values))

    def scaled(self, scale: int) -> "Line":
        """Return the line with `scale` times as large an n."""
        return Line(self.name, tuple((k, v * scale if k == "n" else v) for k, v in self.values))

    def __str__(self) -> str:
        usual = self.operator.sizes
        return " ".join([self.name, *(f"{k}={v}" for k, v in self.values if v != usual[k])])


def line(text: str, where: str, option: str) -> Line:
    """Return what a line states. Raises Refusal naming the place."""

    def refuse(problem: str, remedy: str) -> Refusal:
        return Refusal(option, f"{where}{problem}", remedy)

    name, *words = text.split()
    if name not in operators():
        close = get_close_matches(name, operators(), 1)
        raise refuse(f"there is no operator {name!r}", f"use {close[0] if close else ', '.join(operators())}")
    known = operators()[name].sizes
    example = " ".join(f"{k}={8 if v is None else v}" for k, v in known.items())
    found = {k: v for k, v in known.items() if v is not None}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or key not in known:
            raise refuse(f"{word!r} is no size of {name}", f"as {name} {example}")
        # Only a frame may be of no width.
        if not (value.isascii() and value.isdigit() and (key == "pad" or int(value))):
            raise refuse(f"{word!r} is no positive number", f"as {name} {example}")
        found[key] = int(value)
    if missing := [k for k in known if k not in found]:
        raise refuse(f"{name} lacks {' and '.join(missing)}", f"as {name} {example}")
    made = Line(name, tuple((k, found[k]) for k in known))
    if why := made.operator.wrong(made.sizes):
        raise refuse(why, "use a larger h and w, or a smaller r")
    return made


@cache
def read(name: str) -> Sequence[Line]:
    """Return the lines of a file, or of a shipped one by its name. Raises Refusal naming file and line."""
    path = SHIPPED / f"{name}.txt"
    if not path.is_file():
        path = Path(name)
    shipped = ", ".join(sorted(p.stem for p in SHIPPED.glob("*.txt")))
    try:
        text = path.read_text()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise Refusal("--shapes", f"{path} cannot be read ({why})", f"name a file, or {shipped}") from None
    found = []
    for number, given in enumerate(text.splitlines(), 1):
        if stated := given.partition("#")[0].strip():
            found.append(line(stated, f"{path}:{number}: ", "--shapes"))
    if not found:
        raise Refusal("--shapes", f"{path} states no shape", "write one a line, as relu n=65536")
    return tuple(found)
