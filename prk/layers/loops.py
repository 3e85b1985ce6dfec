"""The compiled cores of Layers, where NumPy would need several passes. Single precision, contiguous."""

import math

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def relu_gradient(x, dy, dx):
    """Keep the gradient where x was positive."""
    for i in range(x.size):
        dx[i] = dy[i] if x[i] > 0 else np.float32(0)


@njit(cache=True, nogil=True)
def sigmoid(x, y):
    """Put 1 / (1 + exp(-x)) into y."""
    for i in range(x.size):
        y[i] = np.float32(1) / (np.float32(1) + math.exp(-x[i]))


@njit(cache=True, nogil=True)
def sigmoid_gradient(x, dy, dx):
    """Put dy times the derivative of sigmoid into dx."""
    for i in range(x.size):
        y = np.float32(1) / (np.float32(1) + math.exp(-x[i]))
        dx[i] = dy[i] * y * (np.float32(1) - y)


@njit(cache=True, nogil=True)
def dropout(x, dropped, y):
    """Keep a number with probability 1 - dropped, scaled by its inverse; else put 0."""
    factor = np.float32(1 / (1 - dropped))
    for i in range(x.size):
        # Compiled code has this generator, one a thread.
        y[i] = x[i] * factor if np.random.random() >= dropped else np.float32(0)  # noqa: NPY002


@njit(cache=True, nogil=True)
def softmax(x, y):
    """Put the softmax of each row into y."""
    rows, columns = x.shape
    for i in range(rows):
        largest, total = x[i].max(), np.float32(0)
        for j in range(columns):
            y[i, j] = math.exp(x[i, j] - largest)
            total += y[i, j]
        for j in range(columns):
            y[i, j] /= total


@njit(cache=True, nogil=True)
def softmax_gradient(x, dy, dx):
    """Put the gradient of each row's softmax into dx."""
    softmax(x, dx)
    rows, columns = x.shape
    for i in range(rows):
        along = np.float32(0)
        for j in range(columns):
            along += dx[i, j] * dy[i, j]
        for j in range(columns):
            dx[i, j] *= dy[i, j] - along


@njit(cache=True, nogil=True)
def largest(plane, top, left, r):
    """Return the row and column of the first largest number of a window."""
    row, column = top, left
    for i in range(top, top + r):
        for j in range(left, left + r):
            if plane[i, j] > plane[row, column]:
                row, column = i, j
    return row, column


@njit(cache=True, nogil=True)
def max_pooling(x, r, stride, y):
    """Put the largest number of each window into y."""
    images, channels, high, wide = y.shape
    for n in range(images):
        for c in range(channels):
            for p in range(high):
                for q in range(wide):
                    y[n, c, p, q] = x[n, c][largest(x[n, c], p * stride, q * stride, r)]


@njit(cache=True, nogil=True)
def max_pooling_gradient(x, dy, r, stride, dx):
    """Add each window's gradient where its largest number was."""
    dx[:] = 0
    images, channels, high, wide = dy.shape
    for n in range(images):
        for c in range(channels):
            for p in range(high):
                for q in range(wide):
                    row, column = largest(x[n, c], p * stride, q * stride, r)
                    dx[n, c, row, column] += dy[n, c, p, q]


@njit(cache=True, nogil=True)
def average_pooling(x, r, stride, y):
    """Put the mean of each window into y."""
    images, channels, high, wide = y.shape
    share = np.float32(1 / (r * r))
    for n in range(images):
        for c in range(channels):
            for p in range(high):
                for q in range(wide):
                    total = np.float32(0)
                    for i in range(p * stride, p * stride + r):
                        for j in range(q * stride, q * stride + r):
                            total += x[n, c, i, j]
                    y[n, c, p, q] = total * share


@njit(cache=True, nogil=True)
def average_pooling_gradient(dy, r, stride, dx):
    """Spread each window's gradient evenly over it."""
    dx[:] = 0
    images, channels, high, wide = dy.shape
    share = np.float32(1 / (r * r))
    for n in range(images):
        for c in range(channels):
            for p in range(high):
                for q in range(wide):
                    for i in range(p * stride, p * stride + r):
                        for j in range(q * stride, q * stride + r):
                            dx[n, c, i, j] += dy[n, c, p, q] * share
