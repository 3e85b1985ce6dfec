"""The compute core of Random: advance the streams, sort their values by owner, and update the table."""

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from prk.memory import prefetch

# Updates between the one that is made and the one whose word is fetched: the misses under way.
AHEAD = 32
ONE, TOP, POLYNOMIAL = np.uint64(1), np.uint64(63), np.uint64(7)


@intrinsic
def atomic_xor(typingctx, address, value):
    """XOR the word at `address` with a value, which no other thread or process can come between."""

    def codegen(context, builder, signature, values):
        pointer = builder.inttoptr(values[0], ir.IntType(64).as_pointer())
        builder.atomic_rmw("xor", pointer, values[1], "monotonic")
        return context.get_dummy_value()

    return types.void(types.int64, types.uint64), codegen


@njit(cache=True, nogil=True)
def advance(streams):
    """Let each stream go on to its next value."""
    for j in range(streams.size):
        v = streams[j]
        streams[j] = (v << ONE) ^ ((v >> TOP) * POLYNOMIAL)


@njit(cache=True, nogil=True)
def owner(value, owner_bits, word_bits):
    """Return whose word a value updates: the bits above those that say which word."""
    last = (ONE << np.uint64(owner_bits)) - ONE
    return np.int64((value >> np.uint64(word_bits)) & last)


@njit(cache=True, nogil=True)
def count(values, owner_bits, word_bits, counts):
    """Count the values of each owner."""
    counts[:] = 0
    for j in range(values.size):
        counts[owner(values[j], owner_bits, word_bits)] += 1


@njit(cache=True, nogil=True)
def sort(values, owner_bits, word_bits, starts, out):
    """Copy the values in order of their owners, each owner's from its start on, which ends up behind them."""
    for j in range(values.size):
        whose = owner(values[j], owner_bits, word_bits)
        out[starts[whose]] = values[j]
        starts[whose] += 1


@njit(cache=True, nogil=True)
def begin(counts, starts):
    """Let each owner's values begin where those of the owners before it end; return how many there are."""
    found = 0
    for whose in range(counts.size):
        starts[whose] = found
        found += counts[whose]
    return found


@njit(cache=True, nogil=True)
def pack(values, owner_bits, word_bits, counts, starts, out):
    """Copy the values in order of their owners, each of whom has so many from its start on."""
    count(values, owner_bits, word_bits, counts)
    begin(counts, starts)
    sort(values, owner_bits, word_bits, starts, out)
    for whose in range(counts.size):
        starts[whose] -= counts[whose]


@njit(cache=True, nogil=True)
def update(table, values):
    """XOR a table, whose size is a power of two, with values, each at the word that its lowest bits say."""
    last = np.uint64(table.size - 1)
    fetched = max(values.size - AHEAD, 0)
    for j in range(fetched):
        prefetch(table, np.int64(values[j + AHEAD] & last))
        table[values[j] & last] ^= values[j]
    for j in range(fetched, values.size):
        table[values[j] & last] ^= values[j]


@njit(cache=True, nogil=True)
def place(bases, owner_bits, word_bits, value):
    """Return the address of the word that a value updates, an owner's table beginning at bases[owner]."""
    word = value & ((ONE << np.uint64(word_bits)) - ONE)
    return bases[owner(value, owner_bits, word_bits)] + np.int64(word << np.uint64(3))


@njit(cache=True, nogil=True)
def update_shared(bases, owner_bits, word_bits, values):
    """XOR tables that others update as well: 2^owner_bits, at addresses `bases`, of 2^word_bits words each.

    A locked instruction waits for its word: without the fetches there would be one miss at a time.
    """
    here = bases.ctypes.data
    fetched = max(values.size - AHEAD, 0)
    for j in range(fetched):
        soon = place(bases, owner_bits, word_bits, values[j + AHEAD])
        prefetch(bases, (soon - here) >> 3)
        atomic_xor(place(bases, owner_bits, word_bits, values[j]), values[j])
    for j in range(fetched, values.size):
        atomic_xor(place(bases, owner_bits, word_bits, values[j]), values[j])


@njit(cache=True, nogil=True)
def total(words):
    """Return the XOR of all words."""
    found = np.uint64(0)
    for i in range(words.size):
        found ^= words[i]
    return found


@njit(cache=True, nogil=True)
def total_of_streams(streams, batches):
    """Return the XOR of the next values of all streams, which go on by them."""
    found = np.uint64(0)
    for _ in range(batches):
        advance(streams)
        found ^= total(streams)
    return found


@njit(cache=True, nogil=True)
def round_alone(table, streams, batches):
    """Run a round of one member, which owns the whole table."""
    for _ in range(batches):
        advance(streams)
        update(table, streams)
