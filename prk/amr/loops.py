"""The compute core of AMR besides Stencil's: a refinement's points from the background's around them."""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def interpolate(coarse, top, left, fine, box, first, expansion):
    """Interpolate a box of a refinement bi-linearly, first along x on the background's rows, then along y.

    coarse: the background's points; those of the refinement's line and column 0 would be at `top` and `left`.
    fine: the refinement's points; box: where in it the points are, first and last row, first and last column.
    first: row and column of the first of these points, as the refinement counts. Copies where expansion is 1.
    """
    r0, r1, c0, c1 = box
    row, column = first
    below, above = np.empty(c1 - c0), np.empty(c1 - c0)
    # The lines of the background that are in them.
    known = ahead = -1
    for i in range(r1 - r0):
        line, part = (row + i) // expansion, (row + i) % expansion
        if line != known:
            if line == ahead:
                below, above = above, below
            else:
                stretch(coarse[top + line], left, column, expansion, below)
            known, ahead = line, -1
        if part > 0 and ahead < 0:
            ahead = line + 1
            stretch(coarse[top + ahead], left, column, expansion, above)
        into = fine[r0 + i, c0:c1]
        share = part / expansion
        if part == 0:
            into[:] = below
        else:
            for j in range(into.size):
                into[j] = below[j] + (above[j] - below[j]) * share


@njit(cache=True, nogil=True)
def stretch(line, left, column, expansion, out):
    """Interpolate a line of the background at the refinement's columns from `column` on."""
    for j in range(out.size):
        point, part = (column + j) // expansion, (column + j) % expansion
        found = line[left + point]
        if part > 0:
            found += (line[left + point + 1] - found) * (part / expansion)
        out[j] = found
