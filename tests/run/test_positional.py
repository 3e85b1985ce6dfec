"""Bare words before the options, as the suite's C programs take them."""

from dataclasses import fields

import pytest

from prk import cli
from prk.problem import Refusal
from prk.run import registry

SUITE = [(k, registry.problem_class(k)) for k in registry.kernels() if registry.problem_class(k).positional]


def problem(kernel, *words):
    return cli.parse(kernel, [*words, "--runtime", "serial"])[0].problem


@pytest.mark.parametrize(("kernel", "made"), SUITE, ids=[kernel for kernel, _ in SUITE])
def test_words_are_parameters_in_their_order(kernel, made):
    names = [name for name in made.positional if isinstance(name, str)]
    known = {f.name: f.metadata["choices"] for f in fields(made)}
    # Each another value, so that none is taken for another.
    values = [str(known[name][-1] if known[name] else 11 + i) for i, name in enumerate(names)]
    options = [f"--{n.replace('_', '-')}={v}" for n, v in zip(names, values, strict=True)]
    assert problem(kernel, *values) == problem(kernel, *options) != problem(kernel)
    assert problem(kernel, values[0]) == problem(kernel, options[0])


def test_words_of_the_c_programs_without_a_parameter_here():
    assert problem("nstream", "10", "1000", "0") == problem("nstream", "--iterations", "10", "--n", "1000")
    with pytest.raises(Refusal, match=r"'1': .* use 0, or leave it out"):
        problem("nstream", "10", "1000", "1")


@pytest.mark.parametrize(("words", "named"), [(("10", "100", "7"), "'7'"), (("10", "many"), "--n")])
def test_words_that_are_none(words, named):
    with pytest.raises(Refusal, match=named):
        problem("stencil", *words)


def test_kernels_that_take_no_words_say_so():
    with pytest.raises(Refusal, match=r"'5': it belongs to no option; use \[options\]"):
        problem("allreduce", "5")
