"""The compute core of Stencil: a weighted sum over a neighbourhood, fused with the increment of the input.

A sweep loads every cache line from memory once and runs at Nstream's bandwidth: see `sweep`.
"""

import functools

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic, overload

# Output rows computed together: one loaded vector serves up to eight of them, which divides the traffic
# between L2 and L1. 0.53 of Nstream's rate with 1 row, 0.95 with 4, 1.1 with 8 (star, radius 4).
ROWS = 8
# Bytes of a row in one column tile, so that 8 + 2r input rows and 8 output rows fit L2 however long the rows
# are; shorter tiles are slower (16 KiB lost 7 % on two cores, 2 KiB 45 % on one).
TILE_BYTES = 32768


def weights(pattern, radius):
    """Return the (2r+1, 2r+1) float64 weights, indexed [di + r, dj + r] (PRK_SPEC, Stencil)."""
    r = radius
    w = np.zeros((2 * r + 1, 2 * r + 1))
    if pattern == "star":
        for k in range(1, r + 1):
            w[r + k, r] = w[r, r + k] = 1 / (2 * k * r)
            w[r - k, r] = w[r, r - k] = -1 / (2 * k * r)
    elif pattern == "compact":
        for j in range(1, r + 1):
            edge = 1 / (4 * j * (2 * j - 1) * r)
            for i in range(1 - j, j):
                w[r + i, r + j] = w[r + j, r + i] = edge
                w[r + i, r - j] = w[r - j, r + i] = -edge
            w[r + j, r + j] = 1 / (4 * j * r)
            w[r - j, r - j] = -1 / (4 * j * r)
    else:
        raise ValueError(f"unknown pattern {pattern!r}: use 'star' or 'compact'")
    return w


@intrinsic(prefer_literal=True)
def _accumulate(typingctx, inp, out, i, j, pattern, radius, scale, rows, lanes):
    """Add the weighted sums to out[i:i+rows, j:j+lanes]; the last five arguments are compile-time constants.

    Written as vector IR because the same sums in plain Numba loops ran at 0.30 of Nstream's rate, not at 1.1.
    The order of the additions of one element does not depend on rows and lanes, nor does its value.
    """
    r, height, width = radius.literal_value, rows.literal_value, lanes.literal_value
    w = weights(pattern.literal_value, r) * scale.literal_value
    scalar = np.dtype(inp.dtype.name).type
    size = inp.dtype.bitwidth // 8

    def codegen(context, builder, signature, args):
        element = context.get_value_type(inp.dtype)
        vector = ir.VectorType(element, width)
        # fmuladd rather than fmul and fadd: vector and remainder loops are contracted to FMA alike.
        fmuladd = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fmuladd.v{width}f{8 * size}"
        )
        source = context.make_array(inp)(context, builder, args[0])
        target = context.make_array(out)(context, builder, args[1])
        pitch = cgutils.unpack_tuple(builder, source.shape, 2)[1]
        index = pitch.type

        def address(data, di, dj):
            row = builder.mul(builder.add(args[2], index(di)), pitch)
            column = builder.add(args[3], index(dj))
            return builder.bitcast(builder.gep(data, [builder.add(row, column)]), vector.as_pointer())

        sums = [builder.load(address(target.data, b, 0), align=size) for b in range(height)]
        for di in range(-r, r + height):
            for dj in range(-r, r + 1):
                users = [b for b in range(height) if abs(di - b) <= r and w[di - b + r, dj + r] != 0]
                if users:
                    loaded = builder.load(address(source.data, di, dj), align=size)
                for b in users:
                    weight = vector([float(scalar(w[di - b + r, dj + r]))] * width)
                    sums[b] = builder.call(fmuladd, [loaded, weight, sums[b]])
        for b in range(height):
            builder.store(sums[b], address(target.data, b, 0), align=size)
        return context.get_dummy_value()

    return types.void(inp, out, types.intp, types.intp, pattern, radius, scale, rows, lanes), codegen


@njit(cache=True, nogil=True)
def increment(inp, i0, i1, j0, j1):
    """Add 1 to inp[i0:i1, j0:j1]."""
    one = inp.dtype.type(1)
    for i in range(i0, i1):
        row = inp[i, j0:j1]
        for j in range(row.size):
            row[j] += one


def sweep(pattern, radius, inp, out, r0, r1, c0, c1, i0, i1, j0, j1, scale=1):
    """Add the weighted sums of inp to out[r0:r1, c0:c1] and then 1 to inp[i0:i1, j0:j1], in compiled code.

    Two C-contiguous arrays of the same shape and type, whose ghost points exist; either box may be empty.
    The increment is fused: an element is incremented when nothing that follows reads it any more.
    Pattern, radius and scale, an integer that multiplies the weights, are compile-time constants: literals,
    or variables of an enclosing function.
    """
    raise NotImplementedError("called from Python: use make_sweep")


@overload(sweep, prefer_literal=True, jit_options={"nogil": True})
def _compiled_sweep(pattern, radius, inp, out, r0, r1, c0, c1, i0, i1, j0, j1, scale=1):
    # Constants as arguments, not as variables of a factory: so they are part of the compiled function's name.
    # Code is linked by name, and two stencils that two processes cached were one to a third that linked both.
    kind, r = pattern.literal_value, radius.literal_value
    times = getattr(scale, "literal_value", 1)
    itemsize = inp.dtype.bitwidth // 8
    lanes = (64 if llvm.get_host_cpu_features().get("avx512f") else 32) // itemsize
    wide = TILE_BYTES // itemsize

    def run(pattern, radius, inp, out, r0, r1, c0, c1, i0, i1, j0, j1, scale=1):
        if r1 <= r0 or c1 <= c0:
            increment(inp, i0, i1, j0, j1)
            return
        left = j0
        for t0 in range(c0, c1, wide):
            t1 = min(t0 + wide, c1)
            vectors = t1 - (t1 - t0) % lanes
            # The next tile still reads the last r columns of this one.
            right = j1 if t1 == c1 else max(left, min(j1, t1 - r))
            done = i0
            blocks = r1 - (r1 - r0) % ROWS
            for i in range(r0, blocks, ROWS):
                for j in range(t0, vectors, lanes):
                    _accumulate(inp, out, i, j, kind, r, times, ROWS, lanes)
                for k in range(i, i + ROWS):
                    for j in range(vectors, t1):
                        _accumulate(inp, out, k, j, kind, r, times, 1, 1)
                unread = max(done, min(i1, i + ROWS - r))
                increment(inp, done, unread, left, right)
                done = unread
            for i in range(blocks, r1):
                for j in range(t0, vectors, lanes):
                    _accumulate(inp, out, i, j, kind, r, times, 1, lanes)
                for j in range(vectors, t1):
                    _accumulate(inp, out, i, j, kind, r, times, 1, 1)
            increment(inp, done, i1, left, right)
            left = right

    return run


@functools.cache
def make_sweep(pattern, radius, scale=1):
    """Return `sweep` compiled for one stencil, to be called from Python with the arrays and boxes only."""
    pattern, radius, scale = str(pattern), int(radius), int(scale)

    @njit(cache=True, nogil=True)
    def run(inp, out, r0, r1, c0, c1, i0, i1, j0, j1):
        sweep(pattern, radius, inp, out, r0, r1, c0, c1, i0, i1, j0, j1, scale)

    return run
