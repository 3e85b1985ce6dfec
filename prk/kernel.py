"""The shape of every kernel on every runtime: one member's share of the data, and how it repeats."""

from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

from prk.problem import Field, Problem

P = TypeVar("P", bound=Problem)


class Solo:
    """The team of one, with the names of an mpi4py communicator."""

    rank, size = 0, 1

    def barrier(self) -> None:
        """Return at once: nobody else is awaited."""

    def gather(self, value: Any) -> list[Any]:
        return [value]

    def bcast(self, value: Any) -> Any:
        return value


class Kernel(Generic[P]):
    """One member's share of a kernel. A runtime's subclass adds only communication.

    `comm` has rank, size, barrier(), gather(object) and bcast(object), as an mpi4py communicator has.
    """

    def __init__(self, problem: P, comm: Any, options: Mapping[str, Any]):
        self.problem, self.comm, self.options = problem, comm, options
        self.setup()

    def setup(self) -> None:
        """Allocate the data, give it its first values, prepare communication."""
        raise NotImplementedError

    def step(self) -> None:
        """Run one repetition."""
        raise NotImplementedError

    def repeat(self, count: int) -> None:
        """Run `count` repetitions with no synchronisation that the programming model does not need."""
        for _ in range(count):
            self.step()

    # Seconds of each repetition, where a kernel does something between them that is no part of them.
    laps: Sequence[float] = ()

    def findings(self) -> dict[str, Any]:
        """Return what this member found out besides the fields, as plain values for the problem's table."""
        return {}

    def fields(self) -> dict[str, Field]:
        """Return this member's fields by name, each with its global position."""
        raise NotImplementedError

    def close(self) -> None:
        """Release what the garbage collector cannot, such as windows and requests."""
