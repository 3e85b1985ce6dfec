"""The compute core of Synch_p2p: A[j, i] from its left, lower and lower-left neighbours, line by line."""

from numba import njit

from prk.memory import prefetch
from prk.synch_p2p import schedule

# Elements between the one computed and the one asked for: without it a line ran at 0.087 of Nstream's rate
# (MFlop/s per MB/s), with it at 0.14; 64 to 512 make little difference.
AHEAD = 256

# Who tells whom, for compiled code.
neighbours, corner = (njit(cache=True, nogil=True)(f) for f in (schedule.neighbours, schedule.corner))

# All sums are associated as left + (below - corner), the same two operations an element: the difference does
# not wait for the element before, so that one addition is on the critical path, not two (0.14, not 0.074).


@njit(cache=True, nogil=True)
def part(A, j, i0, i1):
    """Compute elements max(i0, 1) to i1 - 1 of line j of A (n, w)."""
    start = max(i0, 1)
    here, below = A[j, start:i1], A[j - 1, start:i1]
    left, corner = A[j, start - 1], A[j - 1, start - 1]
    # Near its end, the start of this part in the next line is fetched: what follows here may be another
    # thread's, which would lose the cache lines that it is about to write (0.096, not 0.088).
    skip = A.shape[1] - here.size
    whole = here.size - here.size % 8
    for i in range(0, whole, 8):
        ahead = i + AHEAD
        prefetch(here, ahead if ahead < here.size else ahead + skip)
        for k in range(i, i + 8):
            left += below[k] - corner
            corner = below[k]
            here[k] = left
    for k in range(whole, here.size):
        left += below[k] - corner
        corner = below[k]
        here[k] = left


@njit(cache=True, nogil=True)
def line(A, j, i0):
    """Compute line j of A (n, w) from element max(i0, 1) on."""
    part(A, j, i0, A.shape[1])


@njit(cache=True, nogil=True)
def _four_lines(A, j):
    """Compute lines j to j + 3 together: four chains of additions in flight, and one line read for four."""
    below, a, b, c, d = A[j - 1], A[j], A[j + 1], A[j + 2], A[j + 3]
    left0, left1, left2, left3, left4 = below[0], a[0], b[0], c[0], d[0]
    for i in range(1, below.size):
        if i % 8 == 0:
            prefetch(a, i + AHEAD)
            prefetch(b, i + AHEAD)
            prefetch(c, i + AHEAD)
            prefetch(d, i + AHEAD)
        new0 = below[i]
        new1 = left1 + (new0 - left0)
        new2 = left2 + (new1 - left1)
        new3 = left3 + (new2 - left2)
        left4 += new3 - left3
        left0, left1, left2, left3 = new0, new1, new2, new3
        a[i], b[i], c[i], d[i] = left1, left2, left3, left4


@njit(cache=True, nogil=True)
def block(A, j0, j1):
    """Compute lines j0 to j1 - 1 (j0 >= 1) without a message in between."""
    fours = j1 - (j1 - j0) % 4
    for j in range(j0, fours, 4):
        _four_lines(A, j)
    for j in range(fours, j1):
        line(A, j, 1)


@njit(cache=True, nogil=True)
def sweep(A):
    """Run one serial repetition: all lines, then the corner dependency."""
    n, w = A.shape
    block(A, 1, n)
    A[0, 0] = -A[n - 1, w - 1]
