"""The compute core of Transpose: blocks of A, transposed into B or into a message, in tiles."""

from numba import njit


@njit(cache=True, nogil=True)
def transpose(A, ai, aj, B, bi, bj, rows, cols, tile):
    """Add A[ai:ai+rows, aj:aj+cols] transposed to B from (bi, bj), and 1 to A there; tile 0 is untiled."""
    step = tile if tile > 0 else max(rows, cols, 1)
    for r0 in range(0, rows, step):
        for c0 in range(0, cols, step):
            src = A[ai + r0 : ai + min(r0 + step, rows), aj + c0 : aj + min(c0 + step, cols)]
            dst = B[bi + c0 : bi + c0 + src.shape[1], bj + r0 : bj + r0 + src.shape[0]]
            for r in range(src.shape[0]):
                for c in range(src.shape[1]):
                    dst[c, r] += src[r, c]
                    src[r, c] += 1.0


@njit(cache=True, nogil=True)
def pack(A, ai, aj, buf, bi, bj, rows, cols, tile):
    """Store A[ai:ai+rows, aj:aj+cols] transposed in buf from (bi, bj), and add 1 to A there."""
    step = tile if tile > 0 else max(rows, cols, 1)
    for r0 in range(0, rows, step):
        for c0 in range(0, cols, step):
            src = A[ai + r0 : ai + min(r0 + step, rows), aj + c0 : aj + min(c0 + step, cols)]
            dst = buf[bi + c0 : bi + c0 + src.shape[1], bj + r0 : bj + r0 + src.shape[0]]
            for r in range(src.shape[0]):
                for c in range(src.shape[1]):
                    dst[c, r] = src[r, c]
                    src[r, c] += 1.0


@njit(cache=True, nogil=True)
def unpack(buf, si, sj, B, bi, bj, rows, cols):
    """Add buf[si:si+rows, sj:sj+cols] to B from (bi, bj)."""
    for r in range(rows):
        src = buf[si + r, sj : sj + cols]
        dst = B[bi + r, bj : bj + cols]
        for c in range(src.size):
            dst[c] += src[c]
