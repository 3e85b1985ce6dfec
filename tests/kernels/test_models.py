"""Models: parameters as they are published, flop by hand, where the time goes, what is refused."""

import json
import math

import jsonschema
import numpy as np
import pytest
import torch

from prk.ddp import workload
from prk.models import count, hotspots, serial, zoo
from prk.models.problem import Models
from prk.models.zoo import _workloads
from prk.problem import Refusal
from prk.run import registry
from prk.team import Solo
from tests.launch import ROOT, kernel, own_lines

SCHEMA = json.loads((ROOT / "prk" / "records" / "schema-2.json").read_text())
# Widths of layers with biases, and tables, where nobody published a sum.
BY_HAND = {
    "wide_deep": 4049 + 8 * 1000 + 51 * 100 + 100 + 7500 + 75 + 3750 + 50 + 1250 + 25 + 25 + 1,
    "din": 63_001 * 65 + 801 * 64 + (512 * 80 + 80 + 3240 + 41) + (384 * 80 + 80 + 3240 + 41),
    "dien": (543_060 + 367_983 + 1_601) * 18
    # The GRU's three gates with two biases each, the other one's with three and two and one.
    + 3 * 36 * 72 + 6 * 36 + (36 * 108 + 108) + (36 * 72 + 72) + (36 * 36 + 36)
    + (144 * 80 + 80 + 3240 + 41) + (162 * 200 + 200 + 16_080 + 162),
}  # fmt: skip


def built(name):
    with torch.device("meta"):
        return zoo.model(name).build()


@pytest.mark.parametrize("name", zoo.names())
def test_parameters_are_as_many_as_published(name):
    found = sum(weight.numel() for weight in built(name).parameters())
    published = zoo.model(name).parameters
    if published.endswith("M"):
        # Its digits, whatever follows them.
        assert f"{found / 1e6:.6f}".startswith(published[:-1])
    else:
        assert found == (int(published) if published else BY_HAND[name])


def test_all_models_asked_for_are_there():
    wanted = """googlenet resnet50 resnet152 densenet121 mobilenet_v1 ssd crnn ncf wide_deep din dien gcn gnmt
    bert_base vit_b16 dlrm"""
    trained = {name.replace("-", "_") for name, module in workload.names().items() if "prk.ddp" in module}
    # What they run is chosen by numbers; and which has no model of its own.
    left_out = {"architecture_search", "translation", "synthetic"}
    assert set(zoo.names()) == {*wanted.split(), *trained} - left_out


@pytest.mark.parametrize("name", _workloads.INPUTS)
def test_models_of_workloads_take_what_goes_in(name):
    """Of all rows of all tables, forwards and back."""
    forward, training = (count.counts(name, 2, way) for way in (False, True))
    assert 2 * forward.flop < training.flop <= 3 * forward.flop
    tables = [m.num_embeddings for m in built(name).modules() if isinstance(m, torch.nn.Embedding)]
    assert {i.below for i in zoo.model(name).inputs(2) if i.below} <= set(tables)


@pytest.mark.parametrize(
    ("name", "flop"),
    [
        # Two layers, 64 to 128 to 10.
        ("digits", 2 * (64 * 128 + 128 * 10)),
        # Multiply-adds of He et al., Howard et al. and Dosovitskiy et al. in millions, with what v1.5 adds.
        ("resnet50", 2 * 4_089e6),
        ("mobilenet_v1", 2 * 569e6),
        ("vit_b16", 2 * 17_563e6),
        # Four layers of reading, one of them both ways, four of writing, the words: of 25 words each.
        ("gnmt", 2 * 25 * 1024 * (4 * (2 * 2048 + 3072 + 2 * 2048 + 2048 + 3 * 3072) + 32320 + 2048)),
    ],
)
def test_flop_are_twice_the_multiply_adds(name, flop):
    # Attention is besides.
    assert count.counts(name, 1, False).flop == pytest.approx(flop, rel=0.002)


def test_training_takes_three_times_the_flop_but_for_the_first_layer():
    forward, training = (count.counts("mobilenet_v1", 2, way) for way in (False, True))
    stem = 2 * 2 * 32 * 112**2 * 27
    assert training.flop == 3 * forward.flop - stem


def test_bytes_are_those_of_inputs_and_outputs_and_views_move_none():
    x = torch.empty(10, 20, device="meta")
    with count.Bytes() as moved:
        (x + 1).T.unsqueeze(0)
    assert (moved.read, moved.written) == (800, 800)
    table, rows = torch.empty(1000, 4, device="meta"), torch.empty(3, dtype=torch.int64, device="meta")
    with count.Bytes() as moved:
        torch.nn.functional.embedding(rows, table)
    assert (moved.read, moved.written) == (48 + 24, 48)


def test_resnet50_reads_what_was_counted_elsewhere():
    """ML_SPEC: 5.65 GB of inputs for 32 images."""
    assert count.counts("resnet50", 32, False).read == pytest.approx(5.65e9, rel=0.001)


@pytest.mark.parametrize(
    ("operator", "name"),
    [
        ("aten::convolution_backward", "convolution"), ("aten::native_batch_norm", "batch norm"),
        ("aten::threshold_backward", "ReLU"), ("aten::max_pool2d_with_indices", "pooling"),
        ("aten::addmm", "GEMM"), ("aten::mkldnn_rnn_layer", "GEMM"), ("aten::copy_", "memory copy"),
        ("aten::t", "data arrangement"), ("aten::cat", "data arrangement"), ("aten::add", "element-wise"),
        ("aten::_softmax", "element-wise"),
    ],
)  # fmt: skip
def test_operators_are_of_eight_classes(operator, name):
    assert len(hotspots.CLASSES) == 8
    assert hotspots.classified(operator) == name


def test_shares_are_all_of_the_time():
    found = hotspots.shares(lambda: torch.ones(300, 300) @ torch.ones(300, 300), lambda: None)
    assert sum(found.values()) == pytest.approx(1)
    assert found["GEMM"] > 0
    assert found["convolution"] == 0


@pytest.mark.parametrize("direction", ["forward", "training"])
@pytest.mark.parametrize("name", ["digits", "gcn", "fashion_mnist", "image_compression"])
def test_outputs_and_gradients_are_judged(name, direction):
    problem = Models(model=name, batch=2, direction=direction, iterations=1)
    one = serial.Kernel(problem, Solo(), {})
    one.repeat(2)
    before = [weight.detach().clone() for weight in one.model.parameters()]
    assert all(c.valid for c in problem.check(problem.partial(one.fields())))
    # Judging leaves the weights as they were.
    after = one.model.parameters()
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    one.outputs[0].flatten()[0] += 0.1 * float(one.outputs[0].norm())
    assert not all(c.valid for c in problem.check(problem.partial(one.fields())))
    if problem.training:
        one.repeat(1)
        serial.gradients(one.model)[0].mul_(1.5)
        wrong = [c.name for c in problem.check(problem.partial(one.fields())) if not c.valid]
        assert wrong == ["error of the gradients"]


def test_what_is_no_number_is_never_right():
    problem = Models(model="digits", iterations=1)
    one = serial.Kernel(problem, Solo(), {})
    one.repeat(2)
    fields = one.fields()
    fields["outputs"].values[0, 3] = math.nan
    assert not problem.check(problem.partial(fields))[0].valid


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"model": "resnet51"}, "--model: there is no 'resnet51'; use one of bert_base"),
        ({"batch": 0}, "--batch: 0 is too small"),
        ({"seed": -1}, "--seed"),
    ],
)
def test_refusals(given, says):
    with pytest.raises(Refusal) as refused:
        Models(**given).refuse(1)
    assert says in str(refused.value)


def test_a_model_that_does_not_fit_is_refused_before():
    done = kernel("models", "--model", "dlrm", "--batch", 100_000_000)
    assert done.returncode == 2
    assert "smaller --batch" in own_lines(done)[0]


def test_record_says_what_a_batch_takes_and_what_others_published(tmp_path):
    path = tmp_path / "record.json"
    done = kernel("models", "--model", "ncf", "--batch", 256, "--json", path, on="torch", size=2)
    assert done.returncode == 0, done.stderr
    record = json.loads(path.read_text())
    jsonschema.validate(record, SCHEMA)
    (row,) = record["table"]
    assert (row["parameters"], row["published parameters"]) == (31832577, "31832577")
    assert row["flop"] == 256 * 2 * (256 * 256 + 256 * 128 + 128 * 64 + 64 + 64)
    # Forwards and backwards there.
    assert row["published flop, of ours"] == pytest.approx(3.04, abs=0.01)
    seconds = row["time"] / 1e3
    assert row["arithmetic"] == pytest.approx(2 * row["flop"] / seconds / 1e9)
    assert record["metrics"]["rate"]["values"][0] == pytest.approx(512 / seconds)
    assert sum(v for k, v in row.items() if k.endswith("(%)")) == pytest.approx(100, abs=0.1)
    assert "share of the time = " in done.stdout


def test_published_figures_are_consistent():
    """Of Table I, flop over bytes is the stated intensity, to its digits."""
    for name in zoo.names():
        if own := zoo.model(name).published:
            assert own.flop / own.bytes == pytest.approx(own.intensity, abs=1.01), name


def test_every_member_has_a_batch_of_its_own():
    problem = Models(model="digits", batch=3)
    assert not np.array_equal(problem.draw(0)[0], problem.draw(1)[0])
    assert problem.work_of(4) == 12
    assert registry.problem_class("models") is Models
