"""The compute core of Branch: its four types of loop, with branches and without."""

import functools

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

THREE, SEVEN, TWO = np.int32(3), np.int64(7), np.int32(2)


@njit(cache=True, nogil=True, inline="always")
def _term(i, sign):
    """Return what the element of a right run is before this pass, from its place and the pass's sign."""
    return np.int32(sign * np.int32(THREE - np.int32(i & SEVEN)))


@njit(cache=True, nogil=True)
def vector_go(v, index, sign):
    """Branch on what the loop itself computes, which a compiler may turn into a choice of values."""
    for i in range(v.size):
        aux = _term(i, sign)
        # One store: with one in each branch no vectors are formed.
        half = v[i] if aux > 0 else aux
        v[i] = np.int32(v[i] - TWO * half)


@njit(cache=True, nogil=True)
def vector_stop(v, index, sign):
    """Branch on an element that is found by an index, so that no vectors are formed."""
    for i in range(v.size):
        aux = _term(i, sign)
        if v[index[i]] > 0:
            v[i] = np.int32(v[i] - TWO * v[i])
        else:
            v[i] = np.int32(v[i] - TWO * aux)


@njit(cache=True, nogil=True)
def no_vector(v, index, sign):
    """Branch on, and compute with, an element that is found by an index."""
    for i in range(v.size):
        aux = _term(i, sign)
        if v[index[i]] > 0:
            v[i] = np.int32(v[i] - TWO * v[index[i]])
        else:
            v[i] = np.int32(v[i] - TWO * aux)


@njit(cache=True, nogil=True)
def straight(v, index, sign):
    """Compute the same without a branch."""
    for i in range(v.size):
        v[i] = np.int32(v[i] - (v[i] + _term(i, sign)))


@njit(cache=True, nogil=True)
def straight_indirect(v, index, sign):
    """Compute the same without a branch, with an element that is found by an index."""
    for i in range(v.size):
        v[i] = np.int32(v[i] - (v[index[i]] + _term(i, sign)))


@intrinsic(prefer_literal=True)
def generated(typingctx, which, index, functions, matrix):
    """Return `index` if the matrix that the generated function `which` fills is the identity, else 0.

    It is compared with its transpose added. Each element has an expression of (i, j, index, f) of its own,
    f being the function: (index + c) div (index + c + (i - j)^2), 1 on the diagonal and 0 elsewhere.
    `functions` and `matrix`, its order, are compile-time constants; index >= 0.
    """
    count, order = functions.literal_value, matrix.literal_value

    def codegen(context, builder, signature, args):
        word = ir.IntType(64)
        done = builder.append_basic_block("done")
        first = builder.append_basic_block("function")
        chosen = builder.switch(args[0], first)
        blocks = [first, *(builder.append_basic_block("function") for _ in range(count - 1))]
        results = []
        for f, block in enumerate(blocks):
            if f:
                chosen.add_case(word(f), block)
            builder.position_at_end(block)
            results.append((_filled(builder, args[1], f, order), block))
            builder.branch(done)
        builder.position_at_end(done)
        phi = builder.phi(word)
        for value, block in results:
            phi.add_incoming(value, block)
        return phi

    return types.int64(types.int64, types.int64, functions, matrix), codegen


def _filled(builder, index, f, order):
    """Emit one function: fill its matrix, and compare it; return the LLVM value."""
    word = index.type
    elements = {}
    for i in range(order):
        for j in range(order):
            above = builder.add(index, word(1 + f * order * order + i * order + j))
            elements[i, j] = builder.sdiv(above, builder.add(above, word((i - j) ** 2)))
    right = ir.IntType(1)(1)
    for i in range(order):
        for j in range(i + 1):
            twice = builder.add(elements[i, j], elements[j, i])
            right = builder.and_(right, builder.icmp_signed("==", twice, word(2 * (i == j))))
    return builder.select(right, index, word(0))


@functools.cache
def ins_heavy(functions, matrix, branches):
    """Return the loop that calls a generated function an element: one of several, or always the first."""

    @njit(cache=True, nogil=True)
    def loop(v, index, sign):
        for i in range(v.size):
            found = generated(np.int64(i % functions if branches else 0), np.int64(i), functions, matrix)
            v[i] = np.int32(v[i] - (v[i] + _term(found, sign)))

    return loop


@functools.cache
def repeated(loop):
    """Return what runs a loop again and again, the sign changing; its result is the next one's."""

    @njit(cache=True, nogil=True)
    def passes(v, index, sign, count):
        for _ in range(count):
            loop(v, index, sign)
            sign = np.int32(-sign)
        return sign

    return passes


def chosen(problem):
    """Return the loop of a case: a function of (v, index, sign), v and index 1-D, int32, contiguous."""
    branches = problem.branches == "yes"
    if problem.type == "ins_heavy":
        return ins_heavy(problem.functions, problem.matrix, branches)
    if branches:
        return {"vector_go": vector_go, "vector_stop": vector_stop, "no_vector": no_vector}[problem.type]
    return straight_indirect if problem.type == "no_vector" else straight
