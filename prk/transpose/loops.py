"""The compute core of Transpose: blocks of A, transposed into B or into a message, in tiles."""

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from prk.memory import prefetch

SIDE = 8  # of a square that is transposed in registers: one cache line of float64
AHEAD = 16  # columns of A between the square worked on and the one prefetched
# Rows and columns of a square group of tiles, done before the next group: 0.40 of Nstream's rate, but 0.28
# with rows of tiles across the whole matrix (n = 8000, tile 32); 512 does as well.
GROUP = 256


@intrinsic(prefer_literal=True)
def _square(typingctx, A, i, j, B, p, q, accumulate):
    """Transpose A[i:i+8, j:j+8] into B[p:p+8, q:q+8] (or add it there), then add 1 to it; all in registers.

    Written as vector IR because LLVM does not vectorise a transposition.
    """

    def codegen(context, builder, signature, args):
        vector = ir.VectorType(ir.DoubleType(), SIDE)

        def rows(array, value, row, column):
            struct = context.make_array(array)(context, builder, value)
            pitch = cgutils.unpack_tuple(builder, struct.shape, 2)[1]
            start = builder.add(builder.mul(row, pitch), column)
            for step in range(SIDE):
                at = builder.add(start, builder.mul(pitch, pitch.type(step)))
                yield builder.bitcast(builder.gep(struct.data, [at]), vector.as_pointer())

        source = list(rows(A, args[0], args[1], args[2]))
        target = list(rows(B, args[3], args[4], args[5]))
        values = [builder.load(place, align=8) for place in source]
        one = vector([1.0] * SIDE)
        for place, value in zip(source, values, strict=True):
            builder.store(builder.fadd(value, one), place, align=8)
        # Swap the off-diagonal quarters of all 2x2, then 4x4, then 8x8 squares.
        mask = ir.VectorType(ir.IntType(32), SIDE)
        for half in (1, 2, 4):
            upper = mask([SIDE + n - half if n & half else n for n in range(SIDE)])
            lower = mask([SIDE + n if n & half else n + half for n in range(SIDE)])
            for n in range(SIDE):
                if not n & half:
                    a, b = values[n], values[n + half]
                    values[n] = builder.shuffle_vector(a, b, upper)
                    values[n + half] = builder.shuffle_vector(a, b, lower)
        for place, value in zip(target, values, strict=True):
            if accumulate.literal_value:
                value = builder.fadd(builder.load(place, align=8), value)
            builder.store(value, place, align=8)
        return context.get_dummy_value()

    return types.void(A, types.intp, types.intp, B, types.intp, types.intp, accumulate), codegen


@njit(cache=True, nogil=True)
def _strip(A, ai, aj, B, bi, bj, rows, cols, accumulate):
    """Transpose the tiles of one strip: by squares, down a tile, then along the strip; the edges by elements.

    One loop nest visits the squares in the order of the tiles without a break after each (0.40, not 0.33).
    """
    pitch = A.shape[1]
    rows8, cols8 = rows - rows % SIDE, cols - cols % SIDE
    for c in range(0, cols8, SIDE):
        for r in range(0, rows8, SIDE):
            for k in range(SIDE):
                prefetch(A, (ai + r + k) * pitch + aj + c + AHEAD)
            if accumulate:
                _square(A, ai + r, aj + c, B, bi + c, bj + r, True)
            else:
                _square(A, ai + r, aj + c, B, bi + c, bj + r, False)
    if rows8 == rows and cols8 == cols:
        return
    for r in range(rows):
        for c in range(cols8 if r < rows8 else 0, cols):
            value = A[ai + r, aj + c]
            if accumulate:
                B[bi + c, bj + r] += value
            else:
                B[bi + c, bj + r] = value
            A[ai + r, aj + c] = value + 1.0


@njit(cache=True, nogil=True)
def _tiles(A, ai, aj, B, bi, bj, rows, cols, tile, accumulate):
    """Transpose a block tile by tile, in square groups of tiles."""
    side = tile if tile > 0 else max(rows, cols, 1)
    group = max(side, GROUP - GROUP % side)
    for r0 in range(0, rows, group):
        r1 = min(r0 + group, rows)
        for c0 in range(0, cols, group):
            c1 = min(c0 + group, cols)
            for r in range(r0, r1, side):
                _strip(A, ai + r, aj + c0, B, bi + c0, bj + r, min(side, r1 - r), c1 - c0, accumulate)


@njit(cache=True, nogil=True)
def transpose(A, ai, aj, B, bi, bj, rows, cols, tile):
    """Add A[ai:ai+rows, aj:aj+cols] transposed to B from (bi, bj), and 1 to A there; tile 0 is untiled."""
    _tiles(A, ai, aj, B, bi, bj, rows, cols, tile, True)


@njit(cache=True, nogil=True)
def pack(A, ai, aj, buf, bi, bj, rows, cols, tile):
    """Store A[ai:ai+rows, aj:aj+cols] transposed in buf from (bi, bj), and add 1 to A there."""
    _tiles(A, ai, aj, buf, bi, bj, rows, cols, tile, False)


@njit(cache=True, nogil=True)
def unpack(buf, si, sj, B, bi, bj, rows, cols):
    """Add buf[si:si+rows, sj:sj+cols] to B from (bi, bj)."""
    for r in range(rows):
        source, target = buf[si + r, sj : sj + cols], B[bi + r, bj : bj + cols]
        for c in range(target.size):
            target[c] += source[c]
