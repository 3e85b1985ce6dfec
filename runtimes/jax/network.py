"""A model of PyTorch as a function that JAX can trace: each of its operators by JAX's own."""

import inspect
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import torch
from jax import lax
from torch import fx, nn

from prk.ddp.workload import Workload
from prk.problem import Unanimous

# A layer's weights by name.
Weights = Mapping[str, Any]


def linear(layer: nn.Linear, own: Weights, x: Any) -> Any:
    """Return rows times the weights."""
    return x @ own["weight"].T + own.get("bias", 0)


def convolution(layer: nn.Conv2d, own: Weights, x: Any) -> Any:
    """Return a convolution of images: sample, channel, row, column."""
    found = lax.conv_general_dilated(
        x,
        own["weight"],
        layer.stride,
        layer.padding.upper() if isinstance(layer.padding, str) else [(p, p) for p in layer.padding],
        rhs_dilation=layer.dilation,
        dimension_numbers=("NCHW", "OIHW", "NCHW"),
        feature_group_count=layer.groups,
    )
    return found + own["bias"][:, None, None] if "bias" in own else found


def group_norm(layer: nn.GroupNorm, own: Weights, x: Any) -> Any:
    """Return channels whose groups have mean 0 and variance 1, scaled."""
    groups = x.reshape(len(x), layer.num_groups, -1)
    mean, variance = (f(groups, axis=-1, keepdims=True) for f in (jnp.mean, jnp.var))
    scaled = ((groups - mean) / jnp.sqrt(variance + layer.eps)).reshape(x.shape)
    weight, bias = (own[name].reshape(-1, *(x.ndim - 2) * (1,)) for name in ("weight", "bias"))
    return scaled * weight + bias


def cross_entropy(scores: Any, labels: Any) -> Any:
    """Return the mean of what the right classes' scores lack."""
    chosen = jnp.take_along_axis(jax.nn.log_softmax(scores), labels[:, None], axis=1)
    return -chosen.mean()


def binary_cross_entropy(scores: Any, labels: Any) -> Any:
    """Return the mean loss of scores whose labels are 0 or 1."""
    return (jnp.maximum(scores, 0) - scores * labels + jnp.log1p(jnp.exp(-jnp.abs(scores)))).mean()


LAYERS: Mapping[type, Callable[..., Any]] = {
    nn.Linear: linear,
    nn.Conv2d: convolution,
    nn.GroupNorm: group_norm,
    nn.Embedding: lambda layer, own, x: own["weight"][x],
    nn.AdaptiveAvgPool2d: lambda layer, own, x: x.mean((2, 3), keepdims=True),
    nn.Flatten: lambda layer, own, x: x.reshape(len(x), -1),
    nn.ReLU: lambda layer, own, x: jax.nn.relu(x),
    nn.Identity: lambda layer, own, x: x,
}
FUNCTIONS: Mapping[Any, Callable[..., Any]] = {
    operator.getitem: operator.getitem,
    operator.add: operator.add,
    operator.mul: operator.mul,
    torch.relu: jax.nn.relu,
    torch.cat: lambda parts, dim=0: jnp.concatenate(parts, dim),
    nn.functional.cross_entropy: cross_entropy,
    nn.functional.binary_cross_entropy_with_logits: binary_cross_entropy,
}
METHODS: Mapping[Any, Callable[..., Any]] = {"squeeze": jnp.squeeze}


class Loss(nn.Module):
    """The loss of a workload's model, as a module."""

    def __init__(self, model: nn.Module, trains: Workload):
        super().__init__()
        self.model, self.trains = model, trains

    def forward(self, batch: Any) -> Any:
        return self.trains.loss(self.model, batch)


class Traced(fx.Interpreter):
    """The operators of a loss, carried out by JAX with the weights that it is given."""

    def __init__(self, model: nn.Module, trains: Workload):
        """Raise Unanimous if an operator is none of those that are known here."""
        named = Loss(model, trains)
        super().__init__(fx.symbolic_trace(named))
        self.names = [name for name, _ in named.named_parameters()]
        self.weights: dict[str, Any] = {}
        unknown = [node for node in self.graph.nodes if not self.known(node)]
        if unknown:
            told = getattr(unknown[0].target, "__name__", unknown[0].target)
            why = f"JAX is not told here what {told} of {trains.name} does"
            raise Unanimous("--workload", why, "use another one, or --runtime torch")

    def known(self, node: fx.Node) -> bool:
        """Tell whether an operator can be carried out."""
        if node.op == "call_module":
            return type(self.fetch_attr(str(node.target))) in LAYERS
        if node.op == "call_method":
            return node.target in METHODS
        if node.op != "call_function" or node.target not in FUNCTIONS:
            return node.op in ("placeholder", "output")
        try:
            told = asked(node.target, node.kwargs)
            inspect.signature(FUNCTIONS[node.target]).bind(*node.args, **told)
        except TypeError:
            return False
        return True

    def loss(self, weights: Sequence[Any], batch: Sequence[Any]) -> Any:
        """Return the loss over a batch, of weights in the model's order."""
        self.weights = dict(zip(self.names, weights, strict=True))
        return self.run(batch)

    def call_module(self, target: Any, args: Any, kwargs: Any) -> Any:
        layer, start = self.fetch_attr(target), f"{target}."
        own = {n.removeprefix(start): w for n, w in self.weights.items() if n.startswith(start)}
        return LAYERS[type(layer)](layer, own, *args, **kwargs)

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
        return FUNCTIONS[target](*args, **asked(target, kwargs))

    def call_method(self, target: Any, args: Any, kwargs: Any) -> Any:
        return METHODS[target](*args, **kwargs)


def asked(function: Any, words: Mapping[str, Any]) -> dict[str, Any]:
    """Return the words with which a function is called, but for those that are its defaults anyhow."""
    try:
        usual = inspect.signature(function).parameters
    except ValueError:
        return dict(words)
    return {word: value for word, value in words.items() if word not in usual or value != usual[word].default}
