"""The kernels once more, in plain NumPy on whole grids, sharing nothing with the package but the formulas."""

import zlib

import numpy as np

from tests import naive


def stencil(n, radius, pattern, dtype, repetitions):
    """Return (in, out) after `repetitions`, summed in double precision."""
    r = radius
    w = {}
    if pattern == "star":
        for k in range(1, r + 1):
            w[k, 0] = w[0, k] = 1.0 / (2 * k * r)
            w[-k, 0] = w[0, -k] = -1.0 / (2 * k * r)
    else:
        for j in range(1, r + 1):
            for i in range(1 - j, j):
                w[i, j] = w[j, i] = 1.0 / (4 * j * (2 * j - 1) * r)
                w[i, -j] = w[-j, i] = -1.0 / (4 * j * (2 * j - 1) * r)
            w[j, j], w[-j, -j] = 1.0 / (4 * j * r), -1.0 / (4 * j * r)
    a = np.add.outer(np.arange(float(n)), np.arange(float(n)))
    b = np.zeros((n, n))
    for _ in range(repetitions):
        for (di, dj), weight in w.items():
            b[r : n - r, r : n - r] += weight * a[r + di : n - r + di, r + dj : n - r + dj]
        a += 1
    return {"in": a, "out": b}


def synch_p2p(m, n, repetitions, group=1):
    """Return A as [line j, point i] after `repetitions`."""
    a = np.zeros((n, m))
    a[0], a[:, 0] = np.arange(m), np.arange(n)
    for _ in range(repetitions):
        for j in range(1, n):
            for i in range(1, m):
                a[j, i] = a[j, i - 1] + a[j - 1, i] - a[j - 1, i - 1]
        a[0, 0] = -a[n - 1, m - 1]
    return {"A": a}


def transpose(order, repetitions, tile=0):
    """Return (A, B) as [column, row] after `repetitions`."""
    a = np.arange(float(order * order)).reshape(order, order)
    b = np.zeros((order, order))
    for _ in range(repetitions):
        b += a.T
        a += 1
    return {"A": a, "B": b}


def branch(n, repetitions, members, **_):
    """Return every member's vector, whose elements change their signs in each repetition, a row each."""
    v = np.tile([3, 2, 1, 0, -1, -2, -3, -4], n // 8 + 1)[:n]
    return {"v": np.tile((-1) ** repetitions * v, (members, 1)).astype(np.int32)}


def reduce(n, repetitions, members):
    """Return every member's vectors after `repetitions`, a row each."""
    v, ones = np.ones((members, n)), np.ones((members, n))
    for _ in range(repetitions):
        v += ones
        v[0] = v.sum(axis=0)
    return {"v": v, "ones": ones}


def synch_global(n, repetitions, members):
    """Return how many members there are, and all their digits after `repetitions`, gathered one by one."""
    digits = b"27638472638746283742712311207892"
    each = n // members
    own = [[digits[i % 32] for i in range(each)] for _ in range(members)]
    for _ in range(repetitions):
        string = [digit for member in own for digit in member]
        own = [string[me::members] for me in range(members)]
    return {"members": np.full(members, members), "digits": np.concatenate(own).astype(np.uint8)}


def dgemm(order, block, local, repetitions):
    """Return the three matrices after `repetitions`."""
    a = np.tile(np.arange(float(order)), (order, 1))
    return {"A": a, "B": a, "C": repetitions * np.einsum("ik,kj->ij", a, a)}


def sparse(lsize, radius, scramble, repetitions):
    """Return the vector as the grid's lines, the result, and the matrix's non-zeros by ascending columns."""
    side, order = 2**lsize, 4**lsize

    def column(i, j):
        number = i % side + j % side * side
        return int(f"{number:0{2 * lsize}b}"[::-1], 2) if scramble == "yes" else number

    away = [k for k in range(-radius, radius + 1) if k]
    stars = [
        sorted(column(i + a, j + b) for a, b in [(0, 0), *((k, 0) for k in away), *((0, k) for k in away)])
        for j in range(side)
        for i in range(side)
    ]
    columns, vector, result = np.array(stars), np.zeros(order), np.zeros(order)
    matrix = 1 / (columns + 1)
    for _ in range(repetitions):
        vector += np.arange(order) + 1
        result += (matrix * vector[columns]).sum(axis=1)
    return {"vector": vector.reshape(side, side), "result": result, "matrix": matrix}


def nstream(n, repetitions):
    """Return the three vectors after `repetitions`."""
    a, b, c = np.zeros(n), np.full(n, 2.0), np.full(n, 2.0)
    for _ in range(repetitions):
        a += b + 3 * c
    return {"a": a, "b": b, "c": c}


def allreduce(min_bytes, max_bytes, factor, dtype, place, collective, repetitions, members):
    """Return what every member has after `repetitions` of one size, and what it saw after each of them."""
    count = max_bytes // np.dtype(dtype).itemsize
    cut = 1 if collective in ("allreduce", "broadcast") else members
    length = count // cut
    many_in = cut if collective in ("reduce_scatter", "alltoall") else 1
    i, r = np.arange(many_in * length), np.arange(members)[:, None]
    given = (i % 509 + i // 509 % 127 + (i + r) % 13).reshape(members, many_in, length).astype(float)
    trace = []
    for k in range(repetitions):
        at = k * 7919 % length
        given[:, :, at] += 1
        made = {
            "allreduce": lambda: np.broadcast_to(given.sum(0), given.shape),
            "reduce_scatter": lambda: given.sum(0)[:, None],
            "allgather": lambda: np.broadcast_to(given[:, 0], (members, members, length)),
            "broadcast": lambda: np.broadcast_to(given[0], given.shape),
            "alltoall": lambda: given.transpose(1, 0, 2),
        }[collective]()
        trace.append(made[:, k % made.shape[1], at])
    return {
        "members": np.full(members, members),
        "trace": np.array(trace).T,
        "output": made.reshape(members, -1),
    }


def ddp(batch, seed, learning_rate, repetitions, members, **others):
    """Return weights and losses of the digits' two layers, differentiated by hand in double precision."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))[:1437]
    images, labels = images[order] / 16, labels[order]
    draw = np.random.default_rng(seed)
    a, b = (draw.standard_normal(s) * np.sqrt(2 / s[1]) for s in ((128, 64), (10, 128)))
    w = [a, np.zeros(128), b, np.zeros(10)]
    speed = [np.zeros_like(v) for v in w]
    losses = np.zeros((members, repetitions))
    order = np.random.default_rng((seed, 0)).permutation(1437)
    for step in range(repetitions):
        chosen = order[step * batch : (step + 1) * batch]
        x, y = images[chosen], np.eye(10)[labels[chosen]]
        hidden = np.maximum(x @ w[0].T + w[1], 0)
        z = hidden @ w[2].T + w[3]
        p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
        losses[:, step] = -np.log((p * y).sum(1)).reshape(members, -1).mean(1)
        dz = (p - y) / batch
        dh = dz @ w[2] * (hidden > 0)
        part = (step + 1) / repetitions
        rate = learning_rate * min(10 * part, (1 - part) / 0.9 + 1e-3)
        for v, s, g in zip(w, speed, (dh.T @ x, dh.sum(0), dz.T @ hidden, dz.sum(0)), strict=True):
            s *= 0.9
            s += g
            v -= rate * s
    return {
        "weights": np.concatenate([v.ravel() for v in w]),
        "loss": losses,
        "error": np.zeros((members, 4)),
    }


def bfloat16(values):
    """Return the nearest numbers of 8 bits."""
    mantissa, exponent = np.frexp(values.astype(float))
    return np.ldexp(np.round(mantissa * 256) / 256, exponent)


def layers(shape, direction, dtype, seed, repetitions, members, **_):
    """Return what every member is given, drawn as documented, and what it makes of that, a row each."""
    name, *words = shape.split()
    s = {k: int(v) for k, v in (word.split("=") for word in words)}
    stride, gates = s.get("stride", 1), 4 * s.get("h", 1)
    shapes: dict[str, tuple[int, ...]]
    out: tuple[int, ...]
    if name == "convolution":
        high, wide = ((s[a] + 2 * s["pad"] - s[b]) // stride + 1 for a, b in ("hr", "ws"))
        shapes = {"x": (s["n"], s["c"], s["h"], s["w"]), "w": (s["k"], s["c"], s["r"], s["s"])}
        out = (s["n"], s["k"], high, wide)
    elif name == "lstm":
        shapes = {"x": (s["t"], s["n"], s["i"]), "w": (gates, s["i"]), "u": (gates, s["h"])}
        shapes |= {"bi": (gates,), "bh": (gates,)}
        out = (s["t"], s["n"], s["h"])
    else:
        shapes, out = {"x": (s["n"], s["c"])}, (s["n"], s["c"])
    names = list(shapes)
    found: dict[str, list[np.ndarray]] = {}
    if direction == "backward":
        shapes = {**shapes, "dy": out}
    for rank in range(members):
        given = {}
        for key, own in shapes.items():
            draw = np.random.default_rng((seed, zlib.crc32(key.encode()), rank))
            values = draw.standard_normal(own, np.float32)
            if key in ("w", "u"):
                values /= np.float32(np.sqrt(np.prod(own[1:])))
            given[key] = (bfloat16(values) if dtype == "bfloat16" else values).astype(float)
        inputs = [given[key] for key in names]
        if direction == "backward":
            made = naive.backward(name, s, inputs, given["dy"])
            given |= {f"d{key}": values for key, values in zip(names, made, strict=True)}
        else:
            given["y"] = naive.forward(name, s, inputs)
        for key, values in given.items():
            found.setdefault(key, []).append(values.ravel())
    return {key: np.array(rows) for key, rows in found.items()}


def models(model, batch, direction, seed, repetitions, members):
    """Return what the digits' two layers say of every member's own batch, a row each."""
    assert (model, direction) == ("digits", "forward")
    draw = np.random.default_rng((seed, 0))
    a, b = (draw.standard_normal(s, np.float32) * np.sqrt(2 / s[1]) for s in ((128, 64), (10, 128)))
    rows = []
    for rank in range(members):
        x = np.random.default_rng((seed, 1 + rank)).standard_normal((batch, 64), np.float32)
        rows.append((np.maximum(x @ a.T, 0) @ b.T).ravel())
    return {"outputs": np.array(rows), "error": np.zeros((members, 1))}


def random(ratio, log2_size, lookahead, repetitions, members):
    """Return the table, what each member's first rounds come to, and its updates, in Python's integers."""

    def double(v):
        return v << 1 ^ (2**64 + 7 if v >> 63 else 0)

    def product(a, b):
        found = 0
        for bit in format(b, "b"):
            found = double(found) ^ (a if bit == "1" else 0)
        return found

    def power(n):
        if n == 0:
            return 1
        root = power(n // 2)
        return double(product(root, root)) if n % 2 else product(root, root)

    words, each = 2**log2_size, ratio * 2**log2_size // members
    table, values = list(range(words)), [0] * members
    for me in range(members):
        first = 834568137686317453 + words // members * me
        for j in range(lookahead):
            v = power((first + each // lookahead * j) % 1317624576693539401)
            for _ in range(each // (2 * lookahead)):
                v = double(v)
                table[v % words] ^= v
                values[me] ^= v
    for i, v in enumerate(table):
        values[i * members // words] ^= v
    found = [0] * members
    for _ in range(repetitions):
        found = [double(f) ^ v for f, v in zip(found, values, strict=True)]
    return {
        "table": np.arange(words, dtype=np.uint64),
        "first rounds": np.array(found, np.uint64),
        "updates": np.full(members, repetitions * each),
    }


def refcount(counters, update, lock, stream, repetitions, members):
    """Return the counters after everybody's updates, one by one, and the vectors of all members."""
    rows, pair = (1 if counters == "shared" else members), [1.0, 0.0]
    for _ in range(repetitions * (members // rows)):
        if update == "independent":
            pair = [pair[0] + 1, pair[1] + 1]
        else:
            turned = complex(*pair) * complex(np.cos(1), np.sin(1))
            pair = [turned.real, turned.imag]
    vectors = nstream(stream, repetitions)
    rest = {name: np.tile(vector, (members, 1)) for name, vector in vectors.items()}
    return {"counters": np.tile(pair, (rows, 1)), **rest}
