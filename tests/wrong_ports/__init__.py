"""Ports that are wrong, each in one way, and a team of threads to run them on.

A port is a kernel's class with `of`, the kernel, and `caught`, what notices it: any run, or only an audit;
`members` and `given` are its team's size and parameters, where these matter. They are found by looking.
"""

import importlib
import inspect
import pkgutil
import queue
import threading
from typing import Any

from prk.kernel import Kernel

# Seconds that a member waits for another one at most.
PATIENCE = 20


def ports() -> dict[str, Any]:
    """Return the wrong ports by module and class."""
    modules = [importlib.import_module(f"{__name__}.{m.name}") for m in pkgutil.iter_modules(__path__)]
    return {
        f"{module.__name__.rpartition('.')[2]}.{name}": one
        for module in modules
        for name, one in vars(module).items()
        if inspect.isclass(one) and issubclass(one, Kernel) and hasattr(one, "caught")
    }


class Place:
    """What the members of one team share."""

    def __init__(self, size: int):
        self.size = size
        self.door = threading.Barrier(size)
        self.slots: list[Any] = [None] * size
        self.mail: dict[Any, queue.Queue[Any]] = {}

    def box(self, to: int, tag: Any) -> "queue.Queue[Any]":
        """Return where messages with this tag wait for a member; both sides may be the first to ask."""
        return self.mail.setdefault((to, tag), queue.Queue())

    def run(self, work: Any) -> list[Any]:
        """Return what work(member) returns on every member; raise what the first one that failed raised."""
        found: list[Any] = [None] * self.size
        failed: list[BaseException] = []

        def one(rank: int) -> None:
            try:
                found[rank] = work(Member(self, rank))
            except BaseException as error:
                failed.append(error)
                self.door.abort()

        threads = [threading.Thread(target=one, args=(rank,), daemon=True) for rank in range(self.size)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(5 * PATIENCE)
        if failed:
            raise failed[0]
        return found


class Member:
    """One member: a team that also sends tagged messages."""

    def __init__(self, place: Place, rank: int):
        self.place, self.rank, self.size, self.here = place, rank, place.size, [rank]
        self.repetitions = 0

    def barrier(self) -> None:
        self.place.door.wait(PATIENCE)

    def gather(self, sendobj: Any) -> list[Any] | None:
        self.place.slots[self.rank] = sendobj
        self.barrier()
        found = list(self.place.slots) if self.rank == 0 else None
        self.barrier()
        return found

    def bcast(self, obj: Any) -> Any:
        found = self.gather(obj)
        if self.rank == 0:
            self.place.slots = [found[0]] * self.size  # type: ignore[index]
        self.barrier()
        result = self.place.slots[self.rank]
        self.barrier()
        return result

    def send(self, to: int, tag: Any, *data: Any) -> None:
        self.place.box(to, tag).put(data)

    def receive(self, tag: Any) -> tuple[Any, ...]:
        return self.place.box(self.rank, tag).get(timeout=PATIENCE)

    def give_way(self) -> None:
        pass
