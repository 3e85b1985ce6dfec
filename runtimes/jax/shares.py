"""Arrays that are divided over the members, and the program that XLA makes of a repetition."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, ClassVar, TypeVar

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from prk import kernel
from prk.check import Box, Fields
from prk.problem import Problem
from prk.runtime import Sent, together

from . import team

P = TypeVar("P", bound=Problem)
Arrays = Mapping[str, Any]
# A repetition: what it changes and what it only reads, by name, to the changed ones.
Step = Callable[[Arrays, Arrays], Arrays]

# Its result, with shapes, and what it is.
COLLECTIVE = re.compile(
    r" = (.*?) (all-(?:reduce|gather|to-all)|reduce-scatter|collective-(?:permute|broadcast))(?:-start)?\("
)
SHAPE = re.compile(r"\b([a-z]+)(\d*)\[([\d,]*)\]")
PAIRS = re.compile(r"source_target_pairs=\{(.*?)\}\}")
# The first group of members that take part together; or how many one has; or a mesh's axes, and a group's.
GROUP = re.compile(r"replica_groups=(?:\{\{([\d,]+)\}|\[\d+,(\d+)\]|mesh\[(.*?)\] \{(.*?)\})")
AXIS = re.compile(r"'(\w+)'=(\d+)")


class Program:
    """A program as XLA has compiled it, which knows what it has this member send; a call runs it."""

    # What all programs of this process have sent.
    so_far: ClassVar[Sent] = Sent()

    def __init__(self, function: Any, *arguments: Any):
        self.run = function.lower(*arguments).compile()
        self.sent = sent(self.run.as_text(), jax.process_index())

    def __call__(self, *arguments: Any) -> Any:
        Program.so_far = together((Program.so_far, self.sent))
        return self.run(*arguments)


def mesh(comm: Any, shape: Sequence[int], names: Sequence[str]) -> Mesh:
    """Return the members, in their order, as a mesh of this shape."""
    team.join(comm)
    devices = sorted(jax.devices(), key=lambda device: device.process_index)
    return Mesh(np.array(devices).reshape(shape), names)


def line(comm: Any) -> tuple[Mesh, PartitionSpec]:
    """Return all members in a line, and how arrays are divided over it by their first index."""
    return mesh(comm, (comm.size,), ("ranks",)), PartitionSpec("ranks")


def own(array: jax.Array) -> np.ndarray:
    """Return this member's share of an array, which it must not write to."""
    return np.asarray(array.addressable_data(0))


def one(result: Any) -> Any:
    """Return 1, which is known when an element of a result is.

    Added to an array out of which the result was read, it changes that in place: without an order between the
    two XLA copies the array first.
    """
    return 1 + 0 * result


def part(n: int, parts: int, index: int) -> slice:
    """Return what share `index` holds of n items: shares are equally large, but the last ones not full."""
    width = -(-n // parts)
    return slice(min(index * width, n), min((index + 1) * width, n))


class Kernel(kernel.Kernel[P]):
    """This member's shares; a repetition is one program, which gives the arrays that it changes away.

    A kernel's `setup` calls `divide`; `explicit` and `compiler` return a repetition, of shares and of whole
    arrays: functions, as programs outlive a kernel.
    """

    explicit: Callable[[Any, Mesh], Step]
    compiler: Callable[[Any, Mesh], Step]
    # How wide a frame of ghosts is that a share has round it, by the array's name.
    frames: Mapping[str, int] = {}

    def divide(
        self,
        where: tuple[slice, ...],
        changed: Mapping[str, np.ndarray],
        kept: Mapping[str, np.ndarray],
        divided: tuple[Mesh, PartitionSpec],
    ) -> None:
        """Take the shares of arrays that a repetition changes, and of those that it only reads."""
        self.where, (mesh, spec) = where, divided
        self.sharding = NamedSharding(mesh, spec)
        self.changed = {name: self.placed(share) for name, share in changed.items()}
        self.kept = {name: self.placed(share) for name, share in kept.items()}
        # Alike for all repetitions.
        problem = replace(self.problem, iterations=self.problem.multiple, audit=0)
        shapes = (shapes_of(self.changed), shapes_of(self.kept))
        whole = self.options.get("variant") != "explicit"
        make = type(self).compiler if whole else type(self).explicit
        self.program = compiled(make, problem, self.sharding, whole, *shapes)

    def placed(self, share: np.ndarray) -> jax.Array:
        """Return the array of which this is the member's share."""
        return jax.make_array_from_process_local_data(self.sharding, share)

    def inside(self, name: str) -> tuple[slice, ...]:
        """Return what of an array's share is in the whole, of which the last ones may stand out."""
        first = self.frames.get(name, 0)
        return tuple(slice(first, first + w.stop - w.start) for w in self.where)

    def repeat(self, count: int) -> None:
        for _ in range(count):
            self.changed = self.program(self.changed, self.kept)
        jax.block_until_ready(self.changed)

    def fields(self) -> Fields:
        arrays = {**self.changed, **self.kept}
        return {name: Box(self.where, own(a)[self.inside(name)]) for name, a in arrays.items()}

    def findings(self) -> dict[str, Any]:
        """Return how many messages a repetition takes of this member, as XLA's program has them."""
        return {"process": self.comm.rank, "messages": self.program.sent.messages}

    def restore(self, state: Mapping[str, np.ndarray], repetition: int) -> None:
        for arrays in (self.changed, self.kept):
            for name, array in arrays.items():
                share = own(array).copy()
                share[self.inside(name)] = state[name]
                arrays[name] = self.placed(share)


def shapes_of(arrays: Mapping[str, jax.Array]) -> tuple[tuple[str, tuple[int, ...], Any], ...]:
    """Return the arrays' names, shapes and types."""
    return tuple((name, array.shape, array.dtype) for name, array in arrays.items())


@cache
def compiled(
    make: Callable[[Any, Mesh], Step],
    problem: Problem,
    sharding: NamedSharding,
    whole: bool,
    changed: tuple[tuple[str, tuple[int, ...], Any], ...],
    kept: tuple[tuple[str, tuple[int, ...], Any], ...],
) -> Any:
    """Return a repetition as XLA has compiled it, of shares, or of whole arrays that the compiler divides."""
    mesh, spec = sharding.mesh, sharding.spec
    assert isinstance(mesh, Mesh)
    step = make(problem, mesh)
    if not whole:
        step = jax.shard_map(step, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False)
    given, read = (
        {name: jax.ShapeDtypeStruct(shape, kind, sharding=sharding) for name, shape, kind in arrays}
        for arrays in (changed, kept)
    )
    return Program(jax.jit(step, donate_argnums=0, out_shardings=sharding), given, read)


def sent(program: str, rank: int) -> Sent:
    """Return what a compiled program, by its text, has member `rank` give to others."""
    given = []
    for text in program.splitlines():
        if found := COLLECTIVE.search(text):
            result, kind = found.groups()
            pairs, members = PAIRS.search(text), _members(text)
            # A permutation says who sends to whom; of others, one that is alone gives nothing away.
            if f"{{{rank}," in pairs[0].partition("=")[2] if pairs else members > 1:
                received = sum(map(_bytes, SHAPE.findall(result)))
                times = {"all-gather": 1 / members, "reduce-scatter": members}.get(kind, 1)
                given.append(Sent(1, round(received * times)))
    return together(given)


def _members(text: str) -> int:
    """Return how many members take part together in a collective."""
    if not (found := GROUP.search(text)):
        return 1
    listed, number, axes, own = found.groups()
    if axes:
        return math.prod(int(size) for name, size in AXIS.findall(axes) if f"'{name}'" in own)
    return int(number or len(listed.split(",")))


def _bytes(shape: tuple[str, str, str]) -> int:
    """Return the bytes of an array of XLA's, by the letters and bits of its type and its lengths."""
    _, bits, lengths = shape
    return math.prod(int(n) for n in lengths.split(",") if n) * int(bits or 8) // 8
