"""Collectives by JAX over gloo: by a member's code, or what the compiler makes of whole arrays."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import NamedSharding

from prk import memory
from prk.allreduce import serial

from . import shares


class Kernel(serial.Kernel):
    """This member's buffers; the input is an array of JAX as well, in the same memory."""

    def setup(self) -> None:
        super().setup()
        # What comes out has a place of its own, also where the problem gives it none.
        self.in_place = False
        self.sharding = NamedSharding(*shares.line(self.comm))
        blocks, length = self.input.shape
        share = jax.dlpack.from_dlpack(self.input, copy=False)
        whole = (blocks * self.comm.size, length)
        self.given = jax.make_array_from_single_device_arrays(whole, self.sharding, [share])
        by_hand = self.options["variant"] == "explicit"
        kind = jax.ShapeDtypeStruct(whole, self.input.dtype, sharding=self.sharding)
        self.program = compiled(self.problem.collective, by_hand, kind, self.sharding)

    def allocate(self, shape: tuple[int, int]) -> np.ndarray:
        # XLA takes no memory that begins elsewhere than on a cache line.
        return memory.empty(shape, self.problem.dtype)

    def collective(self) -> None:
        self.output = shares.own(self.program(self.given).block_until_ready())

    def restore(self, state: Mapping[str, np.ndarray], repetition: int) -> None:
        self.output = self.output.copy()
        super().restore(state, repetition)


@cache
def compiled(collective: str, by_hand: bool, kind: Any, sharding: NamedSharding) -> Any:
    """Return a collective as XLA has compiled it."""
    call = (shared if by_hand else whole(sharding.mesh.size))[collective]
    if by_hand:
        call = jax.shard_map(
            call, mesh=sharding.mesh, in_specs=sharding.spec, out_specs=sharding.spec, check_vma=False
        )
    return shares.Program(jax.jit(call, out_shardings=sharding), kind)


def broadcast(x: Any) -> Any:
    """Return the first member's share, as a sum to which the others add nothing: JAX has no broadcast."""
    return lax.psum(jnp.where(lax.axis_index("ranks") == 0, x, 0), "ranks")


# Of a member's share: blocks x elements.
shared: Mapping[str, Callable[[Any], Any]] = {
    "allreduce": lambda x: lax.psum(x, "ranks"),
    "reduce_scatter": lambda x: lax.psum_scatter(x, "ranks", tiled=True),
    "allgather": lambda x: lax.all_gather(x, "ranks", tiled=True),
    "broadcast": broadcast,
    "alltoall": lambda x: lax.all_to_all(x, "ranks", 0, 0, tiled=True),
}


def whole(size: int) -> Mapping[str, Callable[[Any], Any]]:
    """Return the collectives of the whole array, in which the members' blocks follow each other."""

    def blocks(x: Any) -> Any:
        return x.reshape(size, size, -1)

    return {
        "allreduce": lambda x: jnp.broadcast_to(x.sum(0, keepdims=True), x.shape),
        "reduce_scatter": lambda x: blocks(x).sum(0),
        "allgather": lambda x: jnp.tile(x, (size, 1)),
        "broadcast": lambda x: jnp.broadcast_to(x[:1], x.shape),
        "alltoall": lambda x: blocks(x).swapaxes(0, 1).reshape(x.shape),
    }
