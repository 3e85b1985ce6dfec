"""The operators number by number, and their gradients by differences; nothing is shared with the package."""

import math

import numpy as np


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def convolution(s, x, w):
    stride, pad = s.get("stride", 1), s.get("pad", 0)
    high, wide = ((a + 2 * pad - b) // stride + 1 for a, b in ((s["h"], s["r"]), (s["w"], s["s"])))
    y = np.zeros((s["n"], s["k"], high, wide))
    for n, k, p, q in np.ndindex(*y.shape):
        for c, r, t in np.ndindex(s["c"], s["r"], s["s"]):
            i, j = p * stride + r - pad, q * stride + t - pad
            if 0 <= i < s["h"] and 0 <= j < s["w"]:
                y[n, k, p, q] += x[n, c, i, j] * w[k, c, r, t]
    return y


def gemm(s, a, b):
    return np.einsum("mk,kn->mn", a, b)


def fully_connected(s, x, w, b):
    return np.einsum("ni,oi->no", x, w) + b


def cosine_norm(s, x, w):
    return np.array([[a @ b / math.sqrt(a @ a) / math.sqrt(b @ b) for b in w] for a in x])


def relu(s, x):
    return np.array([max(v, 0.0) for v in x])


def tanh(s, x):
    return np.array([math.tanh(v) for v in x])


def each_sigmoid(s, x):
    return np.array([sigmoid(v) for v in x])


def multiply(s, x, z):
    return np.array([a * b for a, b in zip(x, z, strict=True)])


def memcpy(s, x):
    return np.array(list(x))


def arrangement(s, x):
    y = np.zeros((s["n"], s["h"], s["w"], s["c"]))
    for n, c, i, j in np.ndindex(*x.shape):
        y[n, i, j, c] = x[n, c, i, j]
    return y


def pooled(s, x, reduce):
    stride = s.get("stride", 2)
    high, wide = ((a - s["r"]) // stride + 1 for a in (s["h"], s["w"]))
    y = np.zeros((s["n"], s["c"], high, wide))
    for n, c, p, q in np.ndindex(*y.shape):
        i, j = p * stride, q * stride
        y[n, c, p, q] = reduce(x[n, c, i : i + s["r"], j : j + s["r"]].ravel())
    return y


def max_pooling(s, x):
    return pooled(s, x, max)


def average_pooling(s, x):
    return pooled(s, x, lambda v: sum(v) / len(v))


def batch_norm(s, x, g, b):
    y = np.zeros_like(x)
    for c in range(s["c"]):
        own = x[:, c]
        mean = own.sum() / own.size
        variance = ((own - mean) ** 2).sum() / own.size
        y[:, c] = g[c] * (own - mean) / math.sqrt(variance + 1e-5) + b[c]
    return y


def softmax(s, x):
    return np.array([[math.exp(v) / sum(map(math.exp, row)) for v in row] for row in x])


def recurrent(s, given, gates, step):
    x, w, u, bi, bh = given
    y = np.zeros((s["t"], s["n"], s["h"]))
    for n in range(s["n"]):
        h, c = np.zeros(s["h"]), np.zeros(s["h"])
        for t in range(s["t"]):
            given, held = w @ x[t, n] + bi, u @ h + bh
            h, c = step(given.reshape(gates, -1), held.reshape(gates, -1), h, c)
            y[t, n] = h
    return y


def rnn(s, *given):
    return recurrent(s, given, 1, lambda a, b, h, c: (np.tanh(a[0] + b[0]), c))


def lstm(s, *given):
    squash = np.vectorize(sigmoid)

    def step(a, b, h, c):
        i, f, g, o = a + b
        c = squash(f) * c + squash(i) * np.tanh(g)
        return squash(o) * np.tanh(c), c

    return recurrent(s, given, 4, step)


def gru(s, *given):
    squash = np.vectorize(sigmoid)

    def step(a, b, h, c):
        r, z = squash(a[0] + b[0]), squash(a[1] + b[1])
        return (1 - z) * np.tanh(a[2] + r * b[2]) + z * h, c

    return recurrent(s, given, 3, step)


def forward(name, s, given):
    """Return what an operator makes of its inputs, in their order."""
    return globals()["each_sigmoid" if name == "sigmoid" else name](s, *given)


def backward(name, s, given, dy, step=1e-6):
    """Return the inputs' gradients by differences to either side of each number."""
    found = []
    for values in given:
        gradient = np.zeros_like(values)
        for place in np.ndindex(*values.shape):
            kept = values[place]
            ends = []
            for way in (step, -step):
                values[place] = kept + way
                ends.append((dy * forward(name, s, given)).sum())
            values[place] = kept
            gradient[place] = (ends[0] - ends[1]) / (2 * step)
        found.append(gradient)
    return found
