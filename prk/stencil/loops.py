"""The compute core of Stencil: a weighted sum over a neighbourhood, fused with the increment of the input."""

import functools

import numpy as np
from numba import njit


def weights(pattern, radius):
    """Return the (2r+1, 2r+1) weights, indexed [di + r, dj + r] (PRK_SPEC, Stencil)."""
    r = radius
    w = np.zeros((2 * r + 1, 2 * r + 1))
    if pattern == "star":
        for k in range(1, r + 1):
            w[r + k, r] = w[r, r + k] = 1 / (2 * k * r)
            w[r - k, r] = w[r, r - k] = -1 / (2 * k * r)
    elif pattern == "compact":
        for j in range(1, r + 1):
            edge = 1 / (4 * j * (2 * j - 1) * r)
            for i in range(-j + 1, j):
                w[r + i, r + j] = w[r + j, r + i] = edge
                w[r + i, r - j] = w[r - j, r + i] = -edge
            w[r + j, r + j] = 1 / (4 * j * r)
            w[r - j, r - j] = -1 / (4 * j * r)
    else:
        raise ValueError(f"unknown pattern {pattern!r}: use 'star' or 'compact'")
    return w


@njit(cache=True, nogil=True)
def increment(inp, i0, i1, j0, j1):
    """Add 1 to inp[i0:i1, j0:j1]."""
    for i in range(i0, i1):
        row = inp[i, j0:j1]
        for j in range(row.size):
            row[j] += 1


@functools.lru_cache(maxsize=None)
def make_sweep(pattern, radius, dtype):
    """Return the compiled sweep of one stencil (see `sweep`), its weights constants of the given dtype."""
    taps = weights(pattern, radius).astype(dtype)
    r = int(radius)
    star = pattern == "star"

    @njit(cache=True, nogil=True)
    def sweep(inp, out, r0, r1, c0, c1, i0, i1, j0, j1):
        done = i0
        if c1 > c0:
            for i in range(r0, r1):
                rows = inp[i - r : i + r + 1, c0 - r : c1 + r]
                dst = out[i, c0:c1]
                for j in range(dst.size):
                    acc = dst[j]
                    if star:
                        for k in range(2 * r + 1):
                            acc += taps[k, r] * rows[k, j + r]
                        for k in range(2 * r + 1):
                            acc += taps[r, k] * rows[r, j + k]
                    else:
                        for k in range(2 * r + 1):
                            for m in range(2 * r + 1):
                                acc += taps[k, m] * rows[k, j + m]
                    dst[j] = acc
                upto = min(i1, i - r + 1)
                if upto > done:
                    for ii in range(done, upto):
                        row = inp[ii, j0:j1]
                        for j in range(row.size):
                            row[j] += 1
                    done = upto
        for ii in range(done, i1):
            row = inp[ii, j0:j1]
            for j in range(row.size):
                row[j] += 1

    return sweep
