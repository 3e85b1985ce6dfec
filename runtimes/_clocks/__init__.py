"""Clocks around the waits of compiled code, once the timed repetitions are over.

A team of threads, a window and a symmetric heap hold what a waiting thread calls to give its core away.
That is an address, and the code that Numba compiles for it reads no clock. While clocks run it is a Clocked,
a type of its own, for which Numba compiles the same source once more.
"""

import ctypes
from typing import Any, NamedTuple, Protocol

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .._compiled import address

I64 = ir.IntType(64)


class Clocked(NamedTuple):
    """The address of sched_yield, with those of the clock and of what notes a wait."""

    sched_yield: int
    now: int
    waited: int


class Noting(Protocol):
    """What notes waits: its addresses for compiled code, and the same for Python."""

    now: int
    waited: int

    def wait(self, begin: int, whom: int) -> None:
        """Note a wait that began at `begin` (nanoseconds) and is over now."""

    def work(self, since: int) -> None:
        """Count a thread besides the first as busy from `since` (nanoseconds) until now."""


# What notes the waits of the teams, windows and heaps that are made now.
noting: Noting | None = None


def yielding() -> Any:
    """Return what a waiting thread calls to give its core away; with clocks while they run."""
    plain = address(ctypes.CDLL(None), "sched_yield")
    return Clocked(plain, noting.now, noting.waited) if noting else plain


@intrinsic
def plain(typingctx, way):
    """Return the address of sched_yield."""

    def codegen(context, builder, signature, values):
        return values[0] if isinstance(way, types.Integer) else builder.extract_value(values[0], 0)

    return types.int64(way), codegen


@intrinsic
def begun(typingctx, way):
    """Return when a wait begins, in nanoseconds; 0, at no cost, where no clocks run."""

    def codegen(context, builder, signature, values):
        if isinstance(way, types.Integer):
            return ir.Constant(I64, 0)
        function = ir.FunctionType(I64, []).as_pointer()
        return builder.call(builder.inttoptr(builder.extract_value(values[0], 1), function), [])

    return types.int64(way), codegen


@intrinsic
def waited(typingctx, way, begin, whom):
    """Note a wait since `begin` for thread `whom` (-1: unknown), which is over; nothing without clocks."""

    def codegen(context, builder, signature, values):
        if not isinstance(way, types.Integer):
            function = ir.FunctionType(ir.VoidType(), [I64, I64]).as_pointer()
            builder.call(builder.inttoptr(builder.extract_value(values[0], 2), function), values[1:])
        return context.get_dummy_value()

    return types.void(way, types.int64, types.int64), codegen
