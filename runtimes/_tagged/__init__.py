"""What the runtimes share whose members exchange tagged messages, being neither MPI ranks nor threads.

Their kernels are written once, a file each, for any team with the names of prk.team.Messages.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from prk.runtime import Runtime
from prk.team import Messages


class Tagged(Runtime):
    """A runtime whose messages pingpong.py measures."""

    # The teams of two that are measured, by the options that make them.
    pairs: ClassVar[Sequence[Mapping[str, Any]]] = ()


def counted(comm: Messages, messages: int) -> dict[str, Any]:
    """Return what a member finds out of messages: how many it takes in a repetition, and in which process."""
    return {"process": min(comm.here), "messages": messages if comm.size > 1 else 0}
