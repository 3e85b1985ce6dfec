"""What a point is: results age well when kernels and runtimes grow, and never mix when a kernel changes."""

from dataclasses import dataclass
from typing import ClassVar

import pytest

from prk.problem import Problem, parameter
from prk.records import identity
from prk.runtime import Cell, Option, Runtime

LAYOUT = {"ranks": 2, "nodes": 1, "ranks_per_node": 2, "threads": 1}


@dataclass(frozen=True, kw_only=True)
class Old(Problem):
    title: ClassVar[str] = "as it was first"
    n: int = parameter(100, "size", size=True)


@dataclass(frozen=True, kw_only=True)
class Grown(Old):
    """A parameter more."""

    seed: int = parameter(0, "audit seed")


@dataclass(frozen=True, kw_only=True)
class Changed(Old):
    """Another default."""

    n: int = parameter(500, "size", size=True, introduced=100)


class Renewed(Old):
    version = 2


class How(Runtime):
    name = "how"
    cells = {"*": Cell(options=(Option("sync", "fence", "when"),))}


class MoreOptions(How):
    cells = {"*": Cell(options=(Option("sync", "fence", "when"), Option("window", "allocate", "whose")))}


class OtherDefault(How):
    cells = {"*": Cell(options=(Option("sync", "pscw", "when", introduced="fence"),))}


def point(problem, how=How, **options):
    made = how()
    usual = {o.name: o.default for o in made.cell("k").options}
    return identity.point_id("k", problem, "how", made, {**usual, **options}, LAYOUT)


def test_a_parameter_or_an_option_that_is_added_leaves_old_points_as_they_were():
    assert point(Grown(n=7)) == point(Old(n=7))
    assert point(Grown(n=7, seed=1)) != point(Old(n=7))
    assert point(Old(), MoreOptions) == point(Old())
    assert point(Old(), MoreOptions, window="create") != point(Old())


def test_a_default_that_changes_leaves_old_points_as_they_were():
    assert point(Changed(n=100)) == point(Old(n=100))
    assert point(Changed()) == point(Old(n=500)) != point(Old())
    assert point(Old(), OtherDefault, sync="fence") == point(Old())
    assert point(Old(), OtherDefault) == point(Old(), sync="pscw") != point(Old())


def test_a_changed_kernel_is_another_point():
    assert point(Renewed(n=7)) != point(Old(n=7))


@pytest.mark.parametrize("change", [{"ranks": 4}, {"threads": 2}])
def test_the_layout_is_part_of_a_point(change):
    other = identity.point_id("k", Old(), "how", How(), {"sync": "fence"}, {**LAYOUT, **change})
    assert other != point(Old())


def test_the_name_of_a_launch_is_read_back():
    name = identity.launch_name("0123456789abcdef", 12)
    assert name == "0123456789abcdef-012"
    assert identity.launch_of(name) == ("0123456789abcdef", 12)
    for wrong in ("0123456789abcdef", "0123456789abcdef-", "0123456789abcdef-x1"):
        with pytest.raises(ValueError, match="no name"):
            identity.launch_of(wrong)
