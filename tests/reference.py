"""The kernels once more, in plain NumPy on whole grids, sharing nothing with the package but the formulas."""

import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from prk.check import Keyed
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


def adaptive(scale, edge_factor, tile, dense_share, seed, repetitions, **how):
    """Return the matrix as tiles, the vector and the result, from edges and elements one by one."""
    n = 2**scale
    draw, places = np.random.default_rng(seed), [[0, 0] for _ in range(edge_factor * n)]
    for _ in range(scale):
        for place, u in zip(places, draw.random(len(places)), strict=True):
            place[0] = 2 * place[0] + (u >= 0.57 + 0.19)
            place[1] = 2 * place[1] + (0.57 <= u < 0.57 + 0.19 or u >= 0.57 + 0.19 + 0.19)
    name, side = draw.permutation(n), n // tile
    there = {(int(name[i]), int(name[j])) for i, j in places}
    chosen = np.random.default_rng((seed, 1)).permutation(side**2)[: round(dense_share * side**2)]
    for t in chosen:
        there |= {(t // side * tile + i, t % side * tile + j) for i in range(tile) for j in range(tile)}
    matrix = np.zeros((n, n))
    for i, j in there:
        matrix[i, j] = 1 + (7 * i + 13 * j) % 127
    vector, result = 1.0 + np.arange(n) % 61, np.zeros(n)
    for _ in range(repetitions):
        vector += 1
        result += matrix @ vector
    tiles = matrix.reshape(side, tile, side, tile).transpose(0, 2, 1, 3)
    return {"matrix": tiles, "vector": vector, "result": result}


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
    for step in range(repetitions):
        epoch, place = divmod(step, 1437 // batch)
        order = np.random.default_rng((seed, epoch)).permutation(1437)
        chosen = order[place * batch : (place + 1) * batch]
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
        "error": np.zeros((members, 5)),
    }


def inference(repetitions, members, **_):
    """Return what the digits' two layers answer after their usual training."""
    from sklearn.datasets import load_digits

    w = ddp(batch=64, seed=1, learning_rate=0.05, repetitions=220, members=1)["weights"]
    a, b, c, d = np.split(w, np.cumsum([128 * 64, 128, 10 * 128]))
    images = load_digits().data
    x = images[np.random.default_rng(0).permutation(len(images))[1437:]] / 16
    answers = np.maximum(x @ a.reshape(128, 64).T + b, 0) @ c.reshape(10, 128).T + d
    return {"answers": answers, "error": np.zeros((members, 3))}


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


def pic(n, particles, k, m, mode, repetitions, events="", **more):
    """Return x, y, vx, vy of all particles with the repetition that ended their lives, and the charges.

    One number of the sequence and one particle after the other.
    """
    state = 27182818285

    def draw(mean):
        nonlocal state
        numbers = []
        for _ in range(2):
            state = (6364136223846793005 * state + 1442695040888963407) % 2**64
            numbers.append(state)
        if mean < 1:
            return int(numbers[1] % (2**32 - 1) <= int(mean * (2**32 - 1)))
        u, v = (number % (2**64 - 1) / (2**64 - 1) for number in numbers)
        z = math.sqrt(-2 * math.log(u)) * math.cos(2 * math.pi * v)
        return int(z * 0.15 * mean + mean + 0.5)

    def mean(x, y):
        if mode == "PATCH":
            wide, high = more["right"] - more["left"] + 1, more["top"] - more["bottom"] + 1
            inside = more["left"] <= x <= more["right"] and more["bottom"] <= y <= more["top"]
            return particles / (wide * high) if inside else None
        if mode == "SINUSOIDAL":
            return 2 * math.cos(math.pi * x / n) ** 2 * particles / n**2
        if mode == "LINEAR":
            a, b = more["alpha"], more["beta"]
            return (b - a * x / (n - 1)) / (b * n - a * n / 2) * particles / n
        rho = more["rho"]
        return particles / n**2 if rho == 1 else particles * (1 - rho) / (1 - rho**n) / n * rho**x

    found: list[dict[str, Any]] = []

    def start(mean, step):
        for x in range(n):
            for y in range(n):
                count = draw(mean(x, y) or 0)
                if mean(x, y) is None:
                    continue
                charge = (2 * k + 1) / math.sqrt(8) * (-1) ** x
                found.extend({"at": [x + 0.5, y + 0.5, 0.0, float(m)], "q": charge} for _ in range(count))

    start(mean, 0)
    text = Path(events).read_text() if events else ""
    rows = [line.split() for line in text.splitlines() if line and line[0] != "#"]
    for step in range(repetitions):
        for row in (row for row in rows if int(row[0]) == step):
            x0, x1, y0, y1 = map(int, row[1:5])

            def within(x, y, x0=x0, x1=x1, y0=y0, y1=y1):
                return x0 <= x <= x1 and y0 <= y <= y1

            if row[5] == "add":
                share = int(row[6]) / ((x1 - x0 + 1) * (y1 - y0 + 1))
                start(lambda x, y, within=within, share=share: share if within(x, y) else None, step)
            else:
                for one in found:
                    if "end" not in one and within(int(one["at"][0]), int(one["at"][1])):
                        one["end"] = step
        for one in found:
            if "end" in one:
                continue
            x, y, vx, vy = one["at"]
            fx = fy = 0.0
            for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
                dx, dy = x - (int(x) + i), y - (int(y) + j)
                force = one["q"] * (1 if (int(x) + i) % n % 2 == 0 else -1) / (dx * dx + dy * dy)
                fx += force * dx / math.hypot(dx, dy)
                fy += force * dy / math.hypot(dx, dy)
            one["at"] = [(x + vx + fx / 2) % n, (y + vy + fy / 2) % n, vx + fx, vy + fy]
    values = np.array([[*one["at"], float(one.get("end", repetitions))] for one in found]).reshape(-1, 5)
    mesh = np.repeat((-1.0) ** np.arange(n)[:, None], n, axis=1)
    particles_and_ends = Keyed(np.arange(len(found)), values)
    return {"particles": particles_and_ends, "mesh": Keyed(np.arange(n * n), mesh.ravel())}


def amr(n, refinement, level, period, duration, sub, radius, repetitions, **others):
    """Return the background's and the refinements' fields, updated one after the other."""
    e = 2**level
    fine = (refinement - 1) * e + 1
    x = np.arange(fine) / e

    def update(a, b, scale):
        m, r = len(a), radius
        for k in range(1, r + 1):
            across, along = slice(r, m - r), (slice(r + k, m - r + k), slice(r - k, m - r - k))
            b[across, across] += scale / (2 * k * r) * (a[along[0], across] - a[along[1], across])
            b[across, across] += scale / (2 * k * r) * (a[across, along[0]] - a[across, along[1]])
        a += 1

    a, b = np.add.outer(np.arange(float(n)), np.arange(float(n))), np.zeros((n, n))
    fields, far = {"in": a, "out": b}, n - refinement
    for g in range(4):
        fields |= {f"in {g}": np.zeros((fine, fine)), f"out {g}": np.zeros((fine, fine))}
    for k in range(repetitions):
        g = k // period % 4
        if k % period == 0:
            row, column = ((0, 0), (far, far), (far, 0), (0, far))[g]
            part, points = a[row : row + refinement, column : column + refinement], np.arange(refinement)
            lines = np.array([np.interp(x, points, line) for line in part])
            fields[f"in {g}"] = np.array([np.interp(x, points, line) for line in lines.T]).T
        if k % period < duration:
            for _ in range(sub):
                update(fields[f"in {g}"], fields[f"out {g}"], e)
        update(a, b, 1)
    return fields
