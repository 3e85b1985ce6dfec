"""Data-parallel training on JAX: XLA computes gradients, and averages them by sums that it is told or finds.

PyTorch's optimizer changes the weights, in the memory where XLA reads them.
"""

from collections.abc import Callable
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
        # XLA makes one sum of all.
        self.groups = [self.weights]
        self.network = Traced(self.model, self.problem.trains)
        self.mesh, self.divided = shares.line(self.comm)
        explicit = self.options["variant"] == "explicit"
        # A member's own mean, or that of the whole batch, of which the compiler makes sums of members.
        self.averaged = self.by_members(mean) if explicit else self.gradient_of
        self.own, self.sums = self.by_members(lambda gradients: gradients), self.mapped(mean, WHOLE)
        self.programs: dict[Any, shares.Program] = {}

    def run(self, function: Any, *arguments: Any) -> Any:
        """Return what a function returns when XLA has compiled it."""
        if function not in self.programs:
            program = jax.jit(function, out_shardings=NamedSharding(self.mesh, WHOLE))
            self.programs[function] = shares.Program(program, *arguments)
        return jax.block_until_ready(self.programs[function](*arguments))

    def mapped(self, function: Callable[..., Any], given: Any) -> Any:
        """Return a function of each member's shares, whose result is taken to be equal on all of them."""
        return jax.shard_map(function, mesh=self.mesh, in_specs=given, out_specs=WHOLE, check_vma=False)

    def by_members(self, average: Callable[[Any], Any]) -> Any:
        """Return a function of weights and batch: each member's loss, and the average of their gradients."""

        def step(weights: Any, batch: Any) -> Any:
            loss, gradients = self.gradient_of(weights, batch)
            return loss, average(gradients)

        return self.mapped(step, (WHOLE, self.divided))

    def gradient_of(self, weights: list[Any], batch: list[Any]) -> Any:
        """Return the mean loss over a batch, and its gradient."""
        return jax.value_and_grad(self.network.loss)(weights, batch)

    def placed(self, tensors: Any, spec: PartitionSpec) -> list[jax.Array]:
        """Return arrays of which these are the member's shares, in the same memory where that can be."""
        sharding, arrays = NamedSharding(self.mesh, spec), []
        for one in tensors:
            share = jax.dlpack.from_dlpack(one.detach())
            length = len(share) * (self.comm.size if spec == self.divided else 1)
            shape = length, *share.shape[1:]
            arrays.append(jax.make_array_from_single_device_arrays(shape, sharding, [share]))
        return arrays

    def train(self, batch: Tensors, backward: Any) -> float:
        function = self.own if backward == self.backward_alone else self.averaged
        weights, given = self.placed(self.weights, WHOLE), self.placed(batch, self.divided)
        loss, self.gradients = self.run(function, weights, given)
        for weight, gradient in zip(self.weights, self.gradients, strict=True):
            weight.grad = torch.from_dlpack(gradient.addressable_data(0))
        self.optimizer.step()
        return float(shares.own(loss))

    def average_only(self) -> None:
        self.run(self.sums, self.gradients)

    def allreduce(self, problem: Allreduce) -> Any:
        return allreduce.Kernel(problem, self.comm, {"variant": "explicit"})


def mean(gradients: Any) -> Any:
    """Return the mean of all members' gradients."""
    return lax.pmean(gradients, "ranks")
