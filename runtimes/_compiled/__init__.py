"""What compiled code needs besides arithmetic: calls of C functions, their errors, flags that threads share.

Addresses are handed over at run time, so nothing of a library or a process is in the cached code.
"""

import ctypes

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic


@intrinsic
def invoke(typingctx, address, arguments):
    """Call the C function at `address`, which returns an int, with a tuple of integers."""

    def codegen(context, builder, signature, values):
        function, packed = values
        passed = cgutils.unpack_tuple(builder, packed)
        kind = ir.FunctionType(ir.IntType(32), [value.type for value in passed])
        return builder.call(builder.inttoptr(function, kind.as_pointer()), passed)

    return types.int32(address, arguments), codegen


@intrinsic
def load_acquire(typingctx, address):
    """Return the int64 at `address`; what its writer wrote before it is visible afterwards."""

    def codegen(context, builder, signature, values):
        word = ir.IntType(64)
        return builder.load_atomic(builder.inttoptr(values[0], word.as_pointer()), "acquire", 8, typ=word)

    return types.int64(types.int64), codegen


@intrinsic
def store_release(typingctx, address, value):
    """Store the int64 `value` at `address`, after everything that this thread stored before."""

    def codegen(context, builder, signature, values):
        builder.store_atomic(
            values[1], builder.inttoptr(values[0], ir.IntType(64).as_pointer()), "release", 8
        )
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


@intrinsic
def exchange(typingctx, address, value):
    """Store the int64 `value` at `address`; return what was there, which no other one gets besides."""

    def codegen(context, builder, signature, values):
        pointer = builder.inttoptr(values[0], ir.IntType(64).as_pointer())
        return builder.atomic_rmw("xchg", pointer, values[1], "acq_rel")

    return types.int64(types.int64, types.int64), codegen


@intrinsic
def pointer(typingctx, address):
    """Return an address as the pointer of which `numba.carray` makes an array."""

    def codegen(context, builder, signature, values):
        return builder.inttoptr(values[0], cgutils.voidptr_t)

    return types.voidptr(address), codegen


@njit(nogil=True, cache=True)
def first_error(code, later):
    """Return the first of two error codes that is one: what comes after an error only follows from it."""
    return code if code else later


def address(library: ctypes.CDLL, name: str) -> int:
    """Return the address of a C function by its name."""
    return ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0
