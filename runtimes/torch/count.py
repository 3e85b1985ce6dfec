"""Collectives and their bytes, counted where PyTorch hands them to a process group. Only for an audit."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from prk.runtime import Sent

# By the operator's name: which of its arguments this member gives, tensors or lists of them.
GIVEN = {
    "allreduce_": 0,
    "broadcast_": 0,
    "allgather_": 1,
    "_allgather_base_": 1,
    "reduce_scatter_": 1,
    "_reduce_scatter_base_": 1,
    "alltoall_": 1,
    "alltoall_base_": 1,
    "send": 0,
}


class Counting(TorchDispatchMode):
    """What this process has given away so far, by operators of the namespace c10d."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = Sent()

    def __torch_dispatch__(
        self, operator: Any, types: Any, args: tuple = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        name = operator.name().removeprefix("c10d::")
        if operator.namespace == "c10d" and name in GIVEN:
            self.sent = Sent(self.sent.messages + 1, self.sent.bytes + size(args[GIVEN[name]]))
        return operator(*args, **(kwargs or {}))


def size(given: Any) -> int:
    """Return the bytes of a tensor, or of all in a list."""
    return given.nbytes if isinstance(given, Tensor) else sum(map(size, given))


@contextmanager
def counting(comm: Any) -> Iterator[tuple[Any, Callable[[], Sent] | None]]:
    """Count while the context lasts; yield the team and the function that tells."""
    with Counting() as mode:
        yield comm, lambda: mode.sent
