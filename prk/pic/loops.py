"""The compute core of PIC: push particles, find who has left a tile, and sort those by where they go."""

import numpy as np
from numba import njit

from prk.pic.placement import ROWS, VX, VY, Q, X, Y

# Particles that are pushed together: what is in between stays in the first cache.
BLOCK = 256
# Sums may be taken in any order, as the suite's C programs are compiled; what is no number stays none.
FAST = {"reassoc", "contract", "arcp", "nsz"}


@njit(cache=True, nogil=True)
def gather(x, y, charges, x0, y0, near):
    """Take down the charges at the four corners of each particle's cell.

    charges: of a tile's points from x0, y0 on, a column after the other, with those behind its end. Nobody
    reads beyond them, wherever a particle is.
    """
    wide, high = charges.shape[0] - 2, charges.shape[1] - 2
    for i in range(x.size):
        column = min(max(np.int64(x[i]) - x0, 0), wide)
        row = min(max(np.int64(y[i]) - y0, 0), high)
        near[0, i] = charges[column, row]
        near[1, i] = charges[column + 1, row]
        near[2, i] = charges[column, row + 1]
        near[3, i] = charges[column + 1, row + 1]


@njit(inline="always", error_model="numpy")
def pull(charge, dx, dy):
    """Return what is to be multiplied with dx and dy for the force of a charge from there."""
    square = dx * dx + dy * dy
    return charge / (square * np.sqrt(square))


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def move(x, y, vx, vy, q, near, length):
    """Move particles by a step of time 1 through the force of four charges each; the grid is periodic.

    Returns by how much they go along x and along y, all together.
    """
    a, b, c, d = near[0], near[1], near[2], near[3]
    far_x = far_y = 0.0
    for i in range(x.size):
        dx, dy = x[i] - np.floor(x[i]), y[i] - np.floor(y[i])
        ex, ey = dx - 1.0, dy - 1.0
        fa, fb, fc, fd = pull(a[i], dx, dy), pull(b[i], ex, dy), pull(c[i], dx, ey), pull(d[i], ex, ey)
        fx = q[i] * ((fa + fc) * dx + (fb + fd) * ex)
        fy = q[i] * ((fa + fb) * dy + (fc + fd) * ey)
        by_x, by_y = vx[i] + 0.5 * fx, vy[i] + 0.5 * fy
        far_x += by_x
        far_y += by_y
        nx, ny = x[i] + by_x, y[i] + by_y
        nx -= length if nx >= length else (-length if nx < 0.0 else 0.0)
        ny -= length if ny >= length else (-length if ny < 0.0 else 0.0)
        x[i], y[i] = nx, ny
        vx[i] += fx
        vy[i] += fy
    return far_x, far_y


@njit(cache=True, nogil=True)
def outside(particles, first, last, x0, x1, y0, y1, found, count):
    """Append those of the particles [first, last) that are in no cell of [x0, x1) x [y0, y1) to `found`;
    return how many it then holds."""
    x, y = particles[X], particles[Y]
    for i in range(first, last):
        if not (x0 <= x[i] < x1 and y0 <= y[i] < y1):
            found[count] = i
            count += 1
    return count


@njit(cache=True, nogil=True)
def push(particles, first, last, charges, x0, x1, y0, y1, length, found, far):
    """Move the particles [first, last) of a tile; write those that have left it, return how many.

    far: by how much all together go along x and along y.
    """
    near = np.empty((4, BLOCK))
    count = 0
    far[:] = 0.0
    for i in range(first, last, BLOCK):
        j = min(i + BLOCK, last)
        x, y = particles[X, i:j], particles[Y, i:j]
        gather(x, y, charges, x0, y0, near)
        by = move(x, y, particles[VX, i:j], particles[VY, i:j], particles[Q, i:j], near, length)
        far[0] += by[0]
        far[1] += by[1]
        count = outside(particles, i, j, x0, x1, y0, y1, found, count)
    return count


@njit(cache=True, nogil=True)
def inside(particles, held, x0, x1, y0, y1, found):
    """Write which of `held` particles are in the cells [x0, x1) x [y0, y1); return how many."""
    x, y = particles[X], particles[Y]
    count = 0
    for i in range(held):
        if x0 <= x[i] < x1 and y0 <= y[i] < y1:
            found[count] = i
            count += 1
    return count


@njit(cache=True, nogil=True)
def sort(particles, found, columns, rows, slots, to, counts):
    """Write the slots of the new owners of the particles `found`, and count them; return how many have one.

    columns, rows: the numbers of the tiles' columns and rows that the grid's belong to, together the owner.
    """
    counts[:] = 0
    last = columns.size - 1
    known = 0
    for j in range(found.size):
        x = min(max(np.int64(particles[X, found[j]]), 0), last)
        y = min(max(np.int64(particles[Y, found[j]]), 0), last)
        to[j] = slots[columns[x] + rows[y]]
        if to[j] >= 0:
            counts[to[j]] += 1
            known += 1
    return known


@njit(cache=True, nogil=True)
def take(particles, held, found, to, places, out):
    """Take the ascending `found` of `held` particles out as rows (count, 6), and let the last ones take their
    places; return how many stay.

    to: each one's slot. places: where in `out` the rows of each slot end, and afterwards where they begin.
    """
    for j in range(found.size - 1, -1, -1):
        held -= 1
        places[to[j]] -= 1
        row = out[places[to[j]]]
        for what in range(ROWS):
            row[what] = particles[what, found[j]]
            particles[what, found[j]] = particles[what, held]
    return held


@njit(cache=True, nogil=True)
def append(particles, held, rows):
    """Write rows (count, 6) behind `held` particles; return how many there are then."""
    for j in range(rows.shape[0]):
        for what in range(ROWS):
            particles[what, held] = rows[j, what]
        held += 1
    return held


@njit(cache=True, nogil=True)
def histogram(at, counts):
    """Add to the count of each column, or row, how many particles are in it."""
    last = counts.size - 1
    for i in range(at.size):
        counts[min(max(np.int64(at[i]), 0), last)] += 1
