"""Operators both ways against counting number by number; lines that state shapes; flop by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prk.check import Box
from prk.layers import audit, lines
from prk.layers.lines import SHIPPED
from prk.layers.operators import operators, relative
from prk.layers.problem import Layers, rounded
from prk.problem import Refusal
from prk.run import registry
from prk.team import Solo
from tests import naive
from tests.launch import kernel, own_lines

# A small, uneven shape of each.
SMALL = {
    "arrangement": "n=2 c=3 h=2 w=4",
    "average_pooling": "n=2 c=2 h=5 w=6 r=3 stride=2",
    "batch_norm": "n=2 c=3 h=2 w=3",
    "convolution": "n=2 c=2 h=5 w=4 k=3 r=3 s=2 stride=2 pad=1",
    "cosine_norm": "n=3 i=4 o=2",
    "dropout": "n=4001",
    "fully_connected": "n=3 i=4 o=2",
    "gemm": "m=3 n=4 k=2",
    "gru": "t=3 n=2 i=3 h=2",
    "lstm": "t=3 n=2 i=3 h=2",
    "max_pooling": "n=2 c=2 h=5 w=6 r=3 stride=2",
    "memcpy": "n=7",
    "multiply": "n=7",
    "relu": "n=7",
    "rnn": "t=3 n=2 i=3 h=2",
    "sigmoid": "n=7",
    "softmax": "n=3 c=5",
    "tanh": "n=7",
}
WAYS = ("forward", "backward")


def made(name, **more):
    return Layers(shape=f"{name} {SMALL[name]}", iterations=1, **more)


def ran(runtime, problem, **options):
    one = registry.kernel_class(runtime, "layers")(problem, Solo(), options)
    one.repeat(2)
    return one.fields()


def valid(problem, fields):
    return all(c.valid for c in problem.check(problem.partial(fields)))


def test_every_operator_is_tested_and_has_a_shipped_shape():
    assert set(SMALL) == set(operators())
    assert {line.name for line in lines.read("quick")} == set(operators())


@pytest.mark.parametrize("direction", WAYS)
@pytest.mark.parametrize("name", [n for n in SMALL if n != "dropout"])
def test_every_operator_is_what_its_definition_says(name, direction):
    """Numbers one by one, and gradients by differences, against plain NumPy, NumPy and Numba, and PyTorch."""
    problem = made(name, direction=direction)
    line, s = problem.line, dict(problem.line.values)
    given = {n: problem.draw(n, 0).astype(float) for n in problem.given(line)}
    own = [given.get(n, np.zeros(shape)) for n, shape in line.operator.inputs(line.sizes).items()]
    wanted = [naive.forward(name, s, own)]
    if problem.backward:
        wanted = naive.backward(name, s, own, given["dy"])
    right = line.operator.plain(line.sizes, problem.backward, given)
    runs = [ran("serial", problem), ran("torch", problem, threads=1)]
    for key, want in zip(problem.made(line), wanted, strict=True):
        # Differences of sums are right to about the root of what single numbers are.
        assert relative(right[key], want) < 1e-7
        for fields in runs:
            assert relative(fields[key].values[0], want.ravel()) < 1e-5
    assert all(valid(problem, fields) for fields in runs)


@pytest.mark.parametrize("direction", WAYS)
@pytest.mark.parametrize("name", SMALL)
def test_one_wrong_number_is_noticed(name, direction):
    problem = made(name, direction=direction)
    for key in problem.whole(1):
        fields = {k: Box(f.where, f.values.copy()) for k, f in ran("serial", problem).items()}
        assert valid(problem, fields)
        fields[key].values[0, -1] += 1.0
        assert not valid(problem, fields), key


@pytest.mark.parametrize("direction", WAYS)
def test_half_precision_is_right_too(direction):
    for name in SMALL:
        problem = made(name, direction=direction, dtype="bfloat16")
        assert valid(problem, ran("torch", problem, threads=1)), name


def test_dropout_keeps_half_and_another_half_each_time():
    problem = made("dropout")
    for runtime, options in (("serial", {}), ("torch", {"threads": 1})):
        y = [ran(runtime, problem, **options)["y"].values[0] for _ in range(2)]
        assert not np.array_equal(y[0] == 0, y[1] == 0)
        fields = ran(runtime, problem, **options)
        assert valid(problem, fields)
        # A quarter of all more than half is far off.
        fields["y"].values[0, :2000] = 2 * problem.draw("x", 0)[:2000]
        assert not valid(problem, fields)


def test_flop_and_bytes_by_hand():
    def counted(shape, direction="forward", dtype="float32"):
        problem = Layers(shape=shape, direction=direction, dtype=dtype)
        return problem.flop(problem.line), problem.bytes(problem.line)

    # ResNet-50's stem: 112 x 112 outputs of 64 channels, each of 7 x 7 x 3 products.
    stem = "convolution n=1 c=3 h=224 w=224 k=64 r=7 s=7 stride=2 pad=3"
    forward = 2 * 118_013_952
    assert counted(stem) == (forward, 4 * (3 * 224**2 + 64 * 147 + 64 * 112**2))
    assert counted(stem, "backward")[0] == 2 * forward
    assert counted("gemm m=2 n=3 k=5") == (60, 4 * (10 + 15 + 6))
    assert counted("gemm m=2 n=3 k=5", "backward", "bfloat16") == (120, 2 * (10 + 15 + 6 + 10 + 15))
    assert counted("memcpy n=10", "backward") == (0, 80)
    # Four gates, each of 3 + 2 products for 2 states and their 30 others, 5 steps of 7 sequences.
    assert counted("lstm t=5 n=7 i=3 h=2")[0] == 5 * 7 * 2 * (2 * 4 * 5 + 30)


def test_scale_is_of_n_and_members_add_up():
    problem = Layers(shape="softmax n=3 c=5", scale=4)
    assert str(problem.line) == "softmax n=12 c=5"
    assert problem.work_of(3) == 3 * 8 * 60
    assert problem.cost(2).flop == 2 * 5 * 60


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=50))
@settings(max_examples=50, deadline=None)
def test_rounding_to_bfloat16_is_pytorchs(values):
    import torch

    given = np.array(values, np.float32)
    want = torch.from_numpy(given).bfloat16().float().numpy()
    assert np.array_equal(rounded(given, "bfloat16"), want)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("convolutoin n=3", "there is no operator 'convolutoin'; use convolution"),
        ("relu", "relu lacks n; as relu n=8"),
        ("relu n=0", "'n=0' is no positive number"),
        ("relu n=³", "is no positive number"),
        ("relu n=5 k=5", "'k=5' is no size of relu"),
        ("tanh 5", "'5' is no size of tanh"),
        ("max_pooling n=1 c=1 h=2 w=3 r=3", "larger than the image"),
        ("convolution n=1 c=1 h=2 w=2 k=1 r=5 s=1 pad=1", "larger than the image with its frame"),
    ],
)
def test_a_wrong_line_is_refused_by_file_and_number(tmp_path, text, says):
    path = tmp_path / "shapes.txt"
    path.write_text(f"# The second is wrong.\n\nrelu n=5  # right\n{text}\n")
    with pytest.raises(Refusal) as refused:
        Layers(shapes=str(path)).refuse(1)
    assert str(refused.value).startswith(f"--shapes: {path}:4: ")
    assert says in str(refused.value)
    with pytest.raises(Refusal, match="--shape: "):
        Layers(shape=text).refuse(1)


def test_what_else_is_refused(tmp_path):
    (tmp_path / "empty.txt").write_text("# nothing\n")
    for problem, says in (
        (Layers(shapes=str(tmp_path / "none.txt")), "cannot be read"),
        (Layers(shapes=str(tmp_path / "empty.txt")), "states no shape"),
        (Layers(shape="relu n=3", operator="tanh"), "--operator: the shapes have no tanh; use relu"),
        (Layers(scale=0), "--scale"),
        (Layers(operator="dropout", audit=1), "--audit: dropout draws"),
    ):
        with pytest.raises(Refusal) as refused:
            problem.refuse(1)
        assert says in str(refused.value)


def test_shipped_shapes_are_right_and_an_audit_leaves_out_what_draws():
    for path in SHIPPED.glob("*.txt"):
        assert Layers(shapes=path.stem).cases(2, 0)
    kept = {case.line.name for case in Layers(audit=5).cases(1, 0)}
    assert kept == set(operators()) - {"dropout"}


def test_what_is_too_large_for_memory_is_refused_before():
    done = kernel("layers", "--operator", "memcpy", "--scale", 10_000_000)
    assert done.returncode == 2
    assert "GiB" in own_lines(done)[0]
    assert "--scale" in own_lines(done)[0]


@pytest.mark.parametrize(
    ("runtime", "dtype", "direction"), [("serial", "float32", "backward"), ("torch", "bfloat16", "forward")]
)
def test_an_audit_passes(runtime, dtype, direction):
    words = ["--runtime", runtime, "--dtype", dtype, "--direction", direction, "--audit-seed", 3, "--quiet"]
    for name in ("batch_norm", "lstm"):
        done = kernel("layers", "--operator", name, *words)
        assert done.returncode == 0, done.stdout + done.stderr


def test_an_audit_tells_from_data_that_nobody_knew():
    problem = replace(made("gemm"), audit=5)

    def fresh(name, where):
        shape = [w.stop - w.start for w in where]
        return 1 + np.arange(float(np.prod(shape))).reshape(shape)

    a, b = (1 + np.arange(float(n)).reshape(s) for n, s in ((6, (3, 2)), (8, (2, 4))))
    where = (slice(0, 1), slice(2, 7))
    assert np.array_equal(audit.expected(problem, 1, fresh, "y", where, 3)[0], (a @ b).ravel()[2:7])
