"""The compute core of Sparse: the matrix's rows, the update of the vector, and the product."""

from numba import njit


@njit(cache=True, nogil=True)
def fill(starts, columns, values, first, top, bottom, bits, radius, order, scramble, line_bits, padding):
    """Set up rows `top` to `bottom` - 1, of which row 0 is row `first` of the whole matrix.

    A row r has the non-zeros starts[r] to starts[r + 1] - 1, columns ascending, and 1 / (c + 1) in column c,
    which is stored as the place of its element: after each 2^line_bits of them there is padding.
    order (2^bits) has the numbers whose bits are reversed.
    """
    side, length = 1 << bits, 4 * radius + 1
    for row in range(top, bottom):
        start, stop = row * length, (row + 1) * length
        starts[row], starts[row + 1] = start, stop
        i, j = (first + row) & (side - 1), (first + row) >> bits
        into = columns[start:stop]
        into[0] = _column(i, j, bits, order, scramble)
        for k in range(1, length):
            step, way = (k + 3) // 4, k % 4
            reach = step if way < 2 else side - step
            if way % 2:
                column = _column((i + reach) & (side - 1), j, bits, order, scramble)
            else:
                column = _column(i, (j + reach) & (side - 1), bits, order, scramble)
            place = k
            while place > 0 and into[place - 1] > column:
                into[place] = into[place - 1]
                place -= 1
            into[place] = column
        for k in range(length):
            values[start + k] = 1.0 / (into[k] + 1.0)
            into[k] += (into[k] >> line_bits) * padding


@njit(nogil=True)
def _column(i, j, bits, order, scramble):
    """Return the column of the point (i, j); reversed as a whole, its halves change places."""
    return (order[i] << bits) + order[j] if scramble else i + (j << bits)


@njit(cache=True, nogil=True)
def update(own, first, length):
    """Add c + 1 to each element c of the vector's lines `own`, `length` a line, from c = `first` on."""
    for line in range(len(own)):
        elements, start = own[line, :length], first + line * length
        for c in range(length):
            elements[c] += start + c + 1.0


@njit(cache=True, nogil=True)
def multiply(starts, columns, values, vector, result):
    """Add the product of rows of the matrix with the vector to the result; starts has one row more.

    All integers are unsigned, so that no index can be negative.
    """
    for row in range(result.size):
        total = 0.0
        for k in range(starts[row], starts[row + 1]):
            total += values[k] * vector[columns[k]]
        result[row] += total


@njit(cache=True, nogil=True)
def pack(vector, places, message):
    """Store some of the vector's elements in a message."""
    for k in range(places.size):
        message[k] = vector[places[k]]


@njit(cache=True, nogil=True)
def unpack(message, places, vector):
    """Store a message in the vector's places."""
    for k in range(places.size):
        vector[places[k]] = message[k]
