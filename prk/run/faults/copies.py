"""The state that a run goes on from after a failure: known, or copied every few repetitions.

A copy counts from the moment on when all members agreed that each of them has its part; until then the one
before counts.
"""

import importlib
import mmap
import os
from ast import literal_eval
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from prk import pieces
from prk.check import Box
from prk.job import Job
from prk.kernel import Kernel
from prk.pieces import Pieces, Place
from prk.problem import Unanimous
from prk.run import environment, registry

State = dict[str, np.ndarray]


class Copies:
    """Of one member: the copy that counts, and the one that is being made."""

    # Copies of the fields that a member holds at most, and whether there are any copies.
    held: ClassVar[int] = 0
    kept: ClassVar[bool] = True

    def __init__(self, job: Job, folder: Path):
        self.job, self.folder = job, folder
        # (how many failures before, repetitions done) of the copy that counts; later ones are greater.
        self.label: tuple[int, int] | None = None
        self.making = (0, 0)

    def prepare(self, team: Any, own: Pieces) -> None:
        """Make ready for copies of a new team's fields. Collective over the team."""

    def save(self, world: Any, team: Any, own: Pieces, label: tuple[int, int]) -> None:
        """Copy this member's fields. Collective over the team."""
        self.making = label

    def commit(self) -> None:
        """Let the last copy count: all members have made their part of it."""
        self.label = self.making

    def offer(self, label: tuple[int, int], world: Any) -> Pieces:
        """Return what this process can give of the copy that counts."""
        return {}

    def resumed(self, world: Any, done: int | None) -> tuple[int, tuple[int, int] | None]:
        """Return how many repetitions are done in the state to go on from, and its copy. Collective.

        done: by this process, if it computed.
        """
        label = max((one for one in world.comm.allgather(self.label) if one), default=None)
        return (label[1] if label else 0), label

    def restored(
        self, kernel: Kernel[Any] | None, world: Any, done: int, label: tuple[int, int] | None
    ) -> State | None:
        """Return the state of a new kernel of this process, if it has one. Collective; raises pieces.Gone."""
        assert label
        own = self.offer(label, world) if self.label in (None, label) else {}
        state = kernel.save() if kernel else {}
        wanted = pieces.of(kernel.fields()) if kernel else {}
        said = world.comm.allgather((list(own), list(wanted)))
        moves = pieces.transfers([offers for offers, _ in said], [wants for _, wants in said])
        world.exchange(own, moves, {name: (bounds, state[name]) for name, bounds in wanted})
        return state if kernel else None

    def close(self) -> None:
        """Give up what is kept."""


class Analytic(Copies):
    """Nothing is copied: the fields are known after any repetition, as in the suite's own faulty Stencil."""

    kept = False

    def resumed(self, world: Any, done: int | None) -> tuple[int, tuple[int, int] | None]:
        # Members may be some repetitions apart.
        return min((n for n in world.comm.allgather(done) if n is not None), default=0), None

    def restored(
        self, kernel: Kernel[Any] | None, world: Any, done: int, label: tuple[int, int] | None
    ) -> State | None:
        if kernel is None:
            return None
        known = importlib.import_module(f"{registry.package_of(self.job.kernel)}.faults").known
        state = kernel.save()
        for name, field in kernel.fields().items():
            assert isinstance(field, Box)
            state[name][...] = known(kernel.problem, name, field.where, done)
        return state


class Buddy(Copies):
    """Each member holds its own fields and those of a partner, half of the team away."""

    held = 4

    def __init__(self, job: Job, folder: Path):
        super().__init__(job, folder)
        self.pieces: Pieces = {}
        self.pending: Pieces = {}

    def save(self, world: Any, team: Any, own: Pieces, label: tuple[int, int]) -> None:
        super().save(world, team, own, label)
        copied = {place: values.copy() for place, values in own.items()}
        away = max(1, team.size // 2)
        to, source = (team.rank + away) % team.size, (team.rank - away) % team.size
        self.pending = {**copied, **world.swap(team, copied, to, source)}

    def commit(self) -> None:
        super().commit()
        self.pieces, self.pending = self.pending, {}

    def offer(self, label: tuple[int, int], world: Any) -> Pieces:
        return self.pieces


class Disk(Copies):
    """A file a member, whole or not at all, in a folder that all of them see."""

    held = 1

    def save(self, world: Any, team: Any, own: Pieces, label: tuple[int, int]) -> None:
        super().save(world, team, own, label)
        self.first = team.rank == 0
        path = self.folder / f"{_word(label)}.{team.rank}.npz"
        temporary = path.with_name(f".{path.name}")
        with open(temporary, "wb") as file:
            places = np.frombuffer(repr(list(own)).encode(), np.uint8)
            named: dict[str, Any] = {str(number): values for number, values in enumerate(own.values())}
            np.savez(file, places=places, **named)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)

    def commit(self) -> None:
        super().commit()
        # One removes also what members left that are gone.
        if self.first and self.label:
            for path in self.folder.glob("*.npz"):
                if path.name.partition(".")[0] < _word(self.label):
                    path.unlink(missing_ok=True)

    def offer(self, label: tuple[int, int], world: Any) -> Pieces:
        found: dict[Place, np.ndarray] = {}
        for path in sorted(self.folder.glob(f"{_word(label)}.*.npz"))[world.rank :: world.size]:
            with np.load(path) as file:
                places: list[Place] = literal_eval(bytes(file["places"]).decode())
                found |= {place: file[str(number)] for number, place in enumerate(places)}
        return found


def _word(label: tuple[int, int]) -> str:
    """Return a label as the beginning of a file's name; later ones sort behind."""
    return f"{label[0]:06d}-{label[1]:012d}"


class Shared(Copies):
    """Copies lie in memory that the processes of a node share; who is left there has also those of the dead.

    It has no name: nothing is left of it when the last process is gone.
    """

    held = 2

    def __init__(self, job: Job, folder: Path):
        super().__init__(job, folder)
        self.pieces: Pieces = {}
        # Two halves: all members of this node by rank, their pieces in that half.
        self.halves: list[dict[int, Pieces]] = []
        self.half = 0

    def prepare(self, team: Any, own: Pieces) -> None:
        about = [(place, values.shape, values.dtype.str, values.nbytes) for place, values in own.items()]
        number, why = _reserved(2 * total(own))
        said = team.bcast(team.gather((environment.node(), f"/proc/{os.getpid()}/fd/{number}", about, why)))
        mapped: dict[int, mmap.mmap] = {}
        try:
            if not any(why for *_, why in said):
                here = [r for r, (node, *_) in enumerate(said) if node == environment.node()]
                mapped = {rank: _mapped(said[rank][1]) for rank in here}
        except OSError as error:
            why = error.strerror or "unknown"
        # Also the moment from which on the others have it, too.
        lacking = next(filter(None, team.bcast(team.gather(why))), "")
        os.close(number)
        if lacking:
            raise Unanimous("--state", f"no memory can be shared ({lacking})", "use buddy or disk")
        self.rank, self.half = team.rank, 0
        self.halves = [
            {rank: _views(memory, said[rank][2], half) for rank, memory in mapped.items()} for half in (0, 1)
        ]

    def save(self, world: Any, team: Any, own: Pieces, label: tuple[int, int]) -> None:
        super().save(world, team, own, label)
        for place, values in own.items():
            self.halves[self.half][self.rank][place][...] = values

    def commit(self) -> None:
        super().commit()
        self.pieces = {p: v for views in self.halves[self.half].values() for p, v in views.items()}
        self.half = 1 - self.half

    def offer(self, label: tuple[int, int], world: Any) -> Pieces:
        return self.pieces


def _reserved(size: int) -> tuple[int, str]:
    """Return a file of memory that has no name, and why it has no room, if that is so."""
    number = os.memfd_create("prk")
    try:
        os.posix_fallocate(number, 0, max(size, 1))
        return number, ""
    except OSError as error:
        return number, error.strerror or "unknown"


def _mapped(path: str) -> mmap.mmap:
    with open(path, "r+b") as file:
        return mmap.mmap(file.fileno(), 0)


def _views(memory: mmap.mmap, about: Sequence[Any], half: int) -> dict[Place, np.ndarray]:
    """Return a member's pieces as one half of its memory holds them."""
    start = half * sum(nbytes for *_, nbytes in about)
    found = {}
    for place, shape, dtype, nbytes in about:
        found[place] = np.ndarray(shape, dtype, memory, start)
        start += nbytes
    return found


KINDS: Mapping[str, type[Copies]] = {
    "analytic": Analytic, "buddy": Buddy, "disk": Disk, "shared": Shared,
}  # fmt: skip


def memory(options: Mapping[str, Any]) -> int:
    """Return how many times its fields a member holds besides: copies, and the state that is restored."""
    return 1 + KINDS[options["state"]].held


def total(own: Pieces) -> int:
    """Return the bytes of pieces."""
    return sum(values.nbytes for values in own.values())
