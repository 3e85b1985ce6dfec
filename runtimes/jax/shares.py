"""Arrays that are divided over the members, and the program that XLA makes of a repetition."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, TypeVar

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from prk import kernel
from prk.check import Box, Fields
from prk.problem import Problem

from . import team

P = TypeVar("P", bound=Problem)
Arrays = Mapping[str, Any]
# A repetition: what it changes and what it only reads, by name, to the changed ones.
Step = Callable[[Arrays, Arrays], Arrays]

COLLECTIVE = re.compile(
    r" (?:all-reduce|all-gather|all-to-all|reduce-scatter|collective-(?:permute|broadcast))(?:-start)?\("
)
PAIRS = re.compile(r"source_target_pairs=\{(.*?)\}\}")


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

    @property
    def inside(self) -> tuple[slice, ...]:
        """Return what of a share is in the whole, of which the last ones may stand out."""
        return tuple(slice(0, w.stop - w.start) for w in self.where)

    def repeat(self, count: int) -> None:
        for _ in range(count):
            self.changed = self.program(self.changed, self.kept)
        jax.block_until_ready(self.changed)

    def fields(self) -> Fields:
        arrays = {**self.changed, **self.kept}
        return {name: Box(self.where, own(a)[self.inside]) for name, a in arrays.items()}

    def findings(self) -> dict[str, Any]:
        """Return how many messages a repetition takes of this member, as XLA's program has them."""
        return {"process": self.comm.rank, "messages": messages(self.program.as_text(), self.comm.rank)}

    def restore(self, state: Mapping[str, np.ndarray], repetition: int) -> None:
        for arrays in (self.changed, self.kept):
            for name, array in arrays.items():
                share = own(array).copy()
                share[self.inside] = state[name]
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
    return jax.jit(step, donate_argnums=0, out_shardings=sharding).lower(given, read).compile()


def messages(program: str, rank: int) -> int:
    """Return how many messages of its own a compiled program has member `rank` send, by its text."""
    count = 0
    for text in program.splitlines():
        if COLLECTIVE.search(text):
            pairs = PAIRS.search(text)
            # A permutation says who sends to whom.
            count += not pairs or f"{{{rank}," in pairs[0].partition("=")[2]
    return count
