"""Data-parallel training on JAX: XLA computes gradients, and averages them by sums that it is told or finds.

PyTorch's optimizer changes the weights, in the memory where XLA reads them.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import torch
from jax import lax
from jax.sharding import NamedSharding, PartitionSpec

from prk.allreduce.problem import Allreduce
from prk.ddp import serial
from prk.ddp.workload import Tensors

from . import allreduce, shares
from .network import Traced

# Of weights and gradients: each member has all of them.
WHOLE = PartitionSpec()


class Kernel(serial.Kernel):
    """This member's replica, whose weights XLA reads where PyTorch's optimizer changes them."""

    def connect(self) -> None:
        self.network = Traced(self.model, self.problem.trains)
        self.mesh, self.divided = shares.line(self.comm)
        explicit = self.options["variant"] == "explicit"
        self.averaged = self.by_members(mean) if explicit else self.of_all
        self.own = self.by_members(lambda gradients: gradients)
        self.sums = self.mapped(lambda gradients: (mean(gradients),), WHOLE, (WHOLE,))
        self.programs: dict[Any, shares.Program] = {}

    def run(self, function: Any, result: Sequence[PartitionSpec], *arguments: Any) -> Any:
        """Return what a function returns when XLA has compiled it; `result`: how each part is divided."""
        if function not in self.programs:
            divided = tuple(NamedSharding(self.mesh, spec) for spec in result)
            self.programs[function] = shares.Program(jax.jit(function, out_shardings=divided), *arguments)
        return jax.block_until_ready(self.programs[function](*arguments))

    def mapped(self, function: Callable[..., Any], given: Any, result: Any) -> Any:
        """Return a function of each member's shares."""
        return jax.shard_map(function, mesh=self.mesh, in_specs=given, out_specs=result, check_vma=False)

    def by_members(self, average: Callable[[Any], Any]) -> Any:
        """Return a function of weights and batch: each member's loss, and the average of their gradients."""

        def step(weights: Any, batch: Any) -> Any:
            loss, gradients = jax.value_and_grad(self.network.loss)(weights, batch)
            return loss[None], average(gradients)

        return self.mapped(step, (WHOLE, self.divided), (self.divided, WHOLE))

    def of_all(self, weights: list[Any], batch: list[Any]) -> Any:
        """Return the losses of the members' shares, and the gradient of their mean: the compiler sums it."""
        parts = [array.reshape(self.comm.size, -1, *array.shape[1:]) for array in batch]

        def loss(weights: list[Any]) -> Any:
            losses = jax.vmap(lambda share: self.network.loss(weights, share))(parts)
            return losses.mean(), losses

        (_, losses), gradients = jax.value_and_grad(loss, has_aux=True)(weights)
        return losses, gradients

    def placed(self, tensors: Any, spec: PartitionSpec) -> list[jax.Array]:
        """Return arrays of which these are the member's shares, in the same memory where that can be."""
        sharding = NamedSharding(self.mesh, spec)
        arrays: list[jax.Array] = []
        for one in tensors:
            share = jax.dlpack.from_dlpack(one.detach())
            length = len(share) * (self.comm.size if spec == self.divided else 1)
            shape = length, *share.shape[1:]
            arrays.append(jax.make_array_from_single_device_arrays(shape, sharding, [share]))
        return arrays

    def train(self, batches: Sequence[Tensors], backward: Any) -> float:
        (batch,) = batches
        function = self.own if backward == self.backward_alone else self.averaged
        weights, given = self.placed(self.weights, WHOLE), self.placed(batch, self.divided)
        loss, self.gradients = self.run(function, (self.divided, WHOLE), weights, given)
        for weight, gradient in zip(self.weights, self.gradients, strict=True):
            weight.grad = torch.from_dlpack(gradient.addressable_data(0))
        self.optimizer.step()
        return float(shares.own(loss)[0])

    def average_only(self) -> None:
        self.run(self.sums, (WHOLE,), self.gradients)

    def messages(self) -> list[tuple[str, int]]:
        # XLA makes one sum of all.
        return [("allreduce", sum(weight.nbytes for weight in self.weights))]

    def allreduce(self, problem: Allreduce) -> Any:
        return allreduce.Kernel(problem, self.comm, {"variant": "explicit"})


def mean(gradients: Any) -> Any:
    """Return the mean of all members' gradients."""
    return lax.pmean(gradients, "ranks")
