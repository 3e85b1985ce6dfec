"""What is known of a model: what makes it, what goes in, what is published of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple


class Input(NamedTuple):
    """One input: its shape, and below which number its whole numbers are (0: it has normal ones)."""

    shape: tuple[int, ...]
    below: int = 0


class Published(NamedTuple):
    """A row of AI Matrix, Table I, on a V100: batch, flop and bytes read of a batch, flop a byte, seconds."""

    batch: int
    flop: float
    bytes: float
    intensity: float
    seconds: float | None


@dataclass(frozen=True)
class Model:
    """A network: what makes it, and what is known of it."""

    # What it is, with the paper.
    title: str
    # Makes the module, whose call takes the inputs and returns a tensor or several.
    build: Callable[[], Any]
    # The inputs of a batch.
    inputs: Callable[[int], Sequence[Input]]
    # The number of parameters as it is published: all digits, or as 8.3M; nothing where it is not.
    parameters: str = ""
    published: Published | None = None
    # Why our figures differ from the published ones.
    note: str = ""
