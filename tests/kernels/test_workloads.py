"""Workloads of training: each trains alike on any number of ranks, and is judged as its field judges."""

import gzip
import importlib
import struct
import threading
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from prk.check import Partial, combined
from prk.ddp import (
    checkpoint,
    descriptions,
    go,
    leakage,
    replay,
    scenes,
    scores,
    sequences,
    serial,
    similarity,
    workload,
)
from prk.ddp.problem import Ddp
from prk.ddp.workloads import detection, fashion_mnist, image_compression, self_play, speech
from prk.inference import quantise
from prk.inference import serial as inference
from prk.inference.problem import Inference
from prk.problem import Refusal
from prk.team import Solo
from tests.kernels.test_ddp import Threads, right

TRAINED, TESTED, BATCH, STEPS = 64, 16, 8, 3
# Those that need a folder, and what is in it.
TEXTS = ("architecture-search", "summarisation", "translation", "translation-recurrent")
NAMES = [name for name in workload.names() if name not in ("digits", "synthetic")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with files that stand in for those of all packages: made up, and much smaller."""
    found, draw = tmp_path_factory.mktemp("data"), np.random.default_rng(3)
    words = ["".join(draw.choice([*"abdeiklnorst"], draw.integers(2, 8))) for _ in range(300)]

    def text(low, high):
        return " ".join(draw.choice(words, draw.integers(low, high)))

    english, german, packages = [], [], []
    for number in range(1200):
        head = f"Package: p{number}\nDescription-md5: {number:032x}\nDescription-"
        synopsis, long = text(3, 9), text(24, 40)
        english.append(f"{head}en: {synopsis}\n {long[:70]}\n {long[70:]}\n .\n {text(3, 9)}\n")
        german.append(f"{head}de: {synopsis[::-1]}\n {long[::-1]}\n .\n {text(3, 9)}\n")
        packages.append(f"Package: p{number}\nSource: s{number // 2}\nVersion: 1\n")
    for kind, parts in (("en", english), ("de", german)):
        (found / f"x_main_i18n_Translation-{kind}").write_text("\n".join(parts))
    (found / "x_main_binary-amd64_Packages").write_text("\n".join(packages))
    digits = draw.integers(0, 256, (TRAINED + TESTED, 785)) % np.array([256] * 784 + [10])
    with gzip.open(found / "mnist_5k.csv.gz", "wt") as file:
        np.savetxt(file, digits, "%d", ",")
    for name, shape in fashion_mnist.FILES.items():
        shape = (TRAINED if "train" in name else TESTED, *shape[1:])
        header = struct.pack(f">I{len(shape)}I", 0x800 + len(shape), *shape)
        values = draw.integers(0, 256 if len(shape) > 1 else 10, shape, np.uint8)
        (found / name).write_bytes(header + values.tobytes())
    for name in (*image_compression.PHOTOGRAPHS, *image_compression.HELD):
        # Smooth, as photographs are.
        points = np.add.outer(np.sin(np.arange(120) / 9), np.cos(np.arange(130) / draw.integers(5, 9)))
        Image.fromarray(((points + 2) * 60).astype(np.uint8)).save(found / name)
    return found


@pytest.fixture
def small(monkeypatch, folder):
    """Return a function that makes a workload's problem with few samples, which are read once."""

    def made(name):
        trains = workload.find(name)
        for kind in type(trains).__mro__[:-2]:
            module = importlib.import_module(kind.__module__)
            for constant, value in (("TRAINED", TRAINED), ("TESTED", TESTED), ("SAMPLES", TRAINED + TESTED)):
                monkeypatch.setattr(module, constant, value, raising=False)
        monkeypatch.setattr(trains, "segments", TRAINED, raising=False)
        shapes = {
            name: (TRAINED if "train" in name else TESTED, *shape[1:])
            for name, shape in fashion_mnist.FILES.items()
        }
        monkeypatch.setattr(fashion_mnist, "FILES", shapes)
        # MovieLens is installed for the tests.
        data = "" if name in ("recommendation", "ranking") else str(folder)
        rate = float(trains.usual.partition("--learning-rate ")[2])
        problem = Ddp(workload=name, batch=BATCH, iterations=STEPS - 1, data=data, learning_rate=rate)
        problem.refuse(2)
        known = trains.data(problem)
        monkeypatch.setattr(trains, "data", lambda problem: known, raising=False)
        return problem

    return made


def trained(problem, size):
    """Return kernels and checks of a training by a team of threads."""
    shelf, meeting = [None] * size, threading.Barrier(size)
    kernels: list[Any] = [None] * size
    partials: list[Partial] = [{}] * size

    class Kernel(serial.Kernel):
        def backward(self, loss):
            loss.backward()
            everyone = self.comm.all(self.gradient())
            replay.put(self.weights, right(everyone, self.comm.rank, 0).astype(np.float32))

    def run(rank):
        try:
            made = kernels[rank] = Kernel(problem, Threads(rank, size, meeting, shelf), {})
            made.repeat(STEPS)
            partials[rank] = problem.partial(made.fields())
        except BaseException:
            meeting.abort()
            raise

    members = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
    for one in members:
        one.start()
    for one in members:
        one.join()
    return kernels, problem.check(combined(partials))


@pytest.mark.parametrize("name", NAMES)
def test_a_workload_trains_alike_on_one_rank_and_on_two_and_its_parts_are_judged_as_the_whole(name, small):
    problem = small(name)
    (alone,), checks = trained(problem, 1)
    assert all(c.valid for c in checks), checks
    pair, checks = trained(problem, 2)
    assert all(c.valid for c in checks), checks
    begun = serial.Kernel(problem, Threads(0, 1, threading.Barrier(1), [None]), {}).flat()
    moved = replay.relative(begun, alone.flat())
    assert moved > 1e-6
    # As far as Adam's first steps tell apart what rounding leaves of no gradient.
    assert replay.relative(pair[0].flat(), alone.flat()) < 0.2 * moved
    # Adversaries' loss is a difference, and near nothing.
    near = 2e-3 if name == "image-generation" else 0.0
    assert np.mean([k.losses for k in pair], axis=0) == pytest.approx(alone.losses, rel=1e-3, abs=near)
    trains, tests = problem.trains, tuple(known[:6] for known in alone.tests)
    rows = [trains.identity(known) for known in (alone.data, alone.tests)]
    assert rows[0].shape[1:] == rows[1].shape[1:]
    assert leakage.leaked(rows[0], [rows[1]]) == 0
    assert leakage.leaked(torch.cat([*rows]), [rows[1][:5], rows[1][5:]]) == (name != "self-play")
    if name == "self-play":
        # What a game comes to is no answer.
        with pytest.raises(Refusal, match="nothing of answers"):
            trains.answers(problem)
        return
    count, numbers = trains.answers(problem)
    assert count == len(alone.tests[0])
    with torch.no_grad():
        answers = trains.answer(alone.model, tests)
        assert answers.shape == (6, numbers)
        whole = trains.judge(alone.model, tests)
        parts = [trains.judge(alone.model, tuple(x[i] for x in tests)) for i in (slice(0, 4), slice(4, 6))]
        # What is left of an answer in a message says all.
        again = trains.judge(lambda *_: answers.float(), tests)
    assert np.sum(parts, axis=0) == pytest.approx(whole, rel=1e-4, abs=1e-4)
    assert again == pytest.approx(whole, rel=1e-4, abs=1e-4)
    assert np.isfinite(trains.judged(whole))
    has_layers = any(isinstance(layer, torch.nn.Linear | torch.nn.Conv2d) for layer in alone.model.modules())
    steps = quantise.quantised(alone.model, trains, problem, alone.data)
    assert any(isinstance(layer, quantise.Quantised) for layer in steps.modules()) == has_layers
    with torch.no_grad():
        quantised = trains.answer(steps, tests)
    assert quantised.shape == answers.shape
    assert torch.isfinite(quantised).all()


def test_a_batch_depends_on_samples_and_step_alone(small):
    for name in ("spatial-transformer", "image-generation", "image-compression"):
        problem = small(name)
        made = serial.Kernel(problem, Threads(0, 1, threading.Barrier(1), [None]), {})
        chosen = np.arange(5, 13)
        whole = problem.trains.batch(problem, made.data, chosen, 3)
        part = problem.trains.batch(problem, made.data, chosen[2:5], 3)
        other = problem.trains.batch(problem, made.data, chosen, 4)
        assert all(torch.equal(a[2:5], b) for a, b in zip(whole, part, strict=True))
        assert any(not torch.equal(a, b) for a, b in zip(whole, other, strict=True))


def sentences(count):
    draw = np.random.default_rng(count)
    return [" ".join(draw.choice([*"abcde"], draw.integers(1, 12))) for _ in range(count)]


def test_bleu_is_sacrebleu_s():
    sacrebleu = importlib.import_module("sacrebleu")
    references = sentences(40)
    answers = [r if i % 3 else r[: 2 * (i % 5) + 3] for i, r in enumerate(references)]
    answers[4] = "e e e e"
    pairs = zip(answers, references, strict=True)
    sums = np.sum([scores.bleu_counts(one.split(), other.split()) for one, other in pairs], axis=0)
    known = sacrebleu.corpus_bleu(answers, [references], tokenize="none", smooth_method="none")
    assert 20 < known.score < 95
    assert scores.bleu(sums) == pytest.approx(known.score, abs=1e-9)
    assert scores.bleu(scores.bleu_counts(["a"], ["b"])) == 0


def test_rouge_l_is_rouge_score_s():
    scorer = importlib.import_module("rouge_score.rouge_scorer").RougeScorer(["rougeL"])
    some, others = sentences(30), sentences(31)[1:]
    # Its own tokens are words of letters and digits.
    for one, other in zip(some, others, strict=True):
        known = scorer.score(other, one)["rougeL"].fmeasure
        assert scores.rouge_l(one.split(), other.split()) == pytest.approx(known, abs=1e-12)


def test_word_error_rate_is_jiwer_s():
    jiwer = importlib.import_module("jiwer")
    some, others = sentences(30), sentences(31)[1:]
    wrong = [scores.distance(a.split(), b.split()) for a, b in zip(some, others, strict=True)]
    assert sum(wrong) / sum(len(b.split()) for b in others) == pytest.approx(jiwer.wer(others, some))
    labels = [0, 5, 5, 0, 5, 1, 1, 7, 0, 0, 7, 1, 0]
    assert speech.words(speech.heard(labels)) == [(5, 5), (7, 7)]


def test_similarity_is_pytorch_msssim_s():
    known = importlib.import_module("pytorch_msssim")
    draw = torch.Generator().manual_seed(1)
    # As large as five scales need, which it asks for however many are taken.
    some = torch.nn.functional.avg_pool2d(torch.rand(4, 1, 176, 176, generator=draw), 5, 1, 2)
    others = some + 0.05 * torch.randn(some.shape, generator=draw) * torch.arange(4)[:, None, None, None]
    right_ones = known.ms_ssim(some, others, 1.0, size_average=False, weights=similarity.SCALES.tolist())
    found = similarity.ms_ssim(some, others)
    assert found[0] == pytest.approx(1, abs=1e-5)
    assert found[3] < 0.9
    assert found.numpy() == pytest.approx(right_ones.numpy(), abs=1e-5)


def test_mean_average_precision_is_that_of_pycocotools(capsys):
    coco = importlib.import_module("pycocotools.coco")
    judge = importlib.import_module("pycocotools.cocoeval")
    draw, classes = np.random.default_rng(5), 3
    truth: list[Any] = []
    found, sums = [], np.zeros(classes * 2 * (scores.STEPS + 1))
    # No two detections of a class score alike: of those, who comes first is anybody's choice.
    free = [list(draw.permutation(scores.STEPS)) for _ in range(classes)]
    for image in range(1, 25):
        count = draw.integers(1, 4)
        start = draw.integers(0, 30, (count, 2))
        boxes = np.concatenate([start, start + draw.integers(8, 20, (count, 2))], axis=1).astype(float)
        named = draw.integers(0, classes, count)
        moved = np.repeat(boxes, 2, axis=0) + draw.normal(0, 2, (2 * count, 4))
        labels = np.where(
            draw.random(2 * count) < 0.8, np.repeat(named, 2), draw.integers(0, classes, 2 * count)
        )
        score = np.array([(free[label].pop() + 0.5) / scores.STEPS for label in labels])
        sums += scores.detection_counts(moved, score, labels, (boxes, named), classes)

        def shape(box):
            return [*box[:2], *(box[2:] - box[:2])]

        for box, label in zip(boxes, named, strict=True):
            own = {"bbox": shape(box), "area": float(np.prod(box[2:] - box[:2])), "iscrowd": 0}
            truth.append({"id": len(truth) + 1, "image_id": image, "category_id": int(label), **own})
        for box, label, value in zip(moved, labels, score, strict=True):
            own = {"bbox": shape(box), "score": float(value)}
            found.append({"image_id": image, "category_id": int(label), **own})
    known = coco.COCO()
    known.dataset = {
        "images": [{"id": i} for i in range(1, 25)],
        "categories": [{"id": i} for i in range(classes)],
        "annotations": truth,
        "info": {},
    }
    known.createIndex()
    judged = judge.COCOeval(known, known.loadRes(found), "bbox")
    judged.evaluate()
    judged.accumulate()
    judged.summarize()
    assert 0.2 < judged.stats[1] < 0.9
    assert scores.average_precision(sums, classes) == pytest.approx(judged.stats[1], abs=1e-9)


def test_frechet_distance_is_the_formula_s():
    linalg = importlib.import_module("scipy.linalg")
    draw = np.random.default_rng(2)
    some, others = draw.normal(0, 1, (200, 3)) @ draw.normal(0, 1, (3, 3)), draw.normal(1, 2, (300, 3))
    parts = [np.cov(x.T, bias=True) for x in (some, others)]
    known = ((some.mean(0) - others.mean(0)) ** 2).sum() + np.trace(sum(parts))
    known -= 2 * np.trace(linalg.sqrtm(parts[0] @ parts[1])).real
    halves = scores.moments(some[:90]) + scores.moments(some[90:])
    assert scores.frechet(halves, scores.moments(others)) == pytest.approx(known)
    assert scores.frechet(halves, halves) == pytest.approx(0, abs=1e-9)


def test_texts_are_split_by_source_and_pieces_make_up_their_words(folder):
    known = descriptions.descriptions(str(folder), "en")
    sources = descriptions.sources(str(folder))
    pairs = [(sources[package], parts[0], parts[1]) for (package, _), parts in known.items()]
    whose = {pair[1:]: pair[0] for pair in pairs}
    train, test = descriptions.split(pairs, 500, 20)
    assert not {whose[pair] for pair in train} & {whose[pair] for pair in test}
    texts = [text for pair in train for text in pair]
    tokens = descriptions.Tokens(texts, 300)
    assert len(tokens.pieces) <= 300
    for text in texts[:50]:
        numbers = tokens.encode(text)
        assert len(numbers) < len(text)
        assert tokens.decode([*numbers, descriptions.END, 7]) == text
    # The most frequent neighbours first, and again among what came of them.
    assert descriptions.merges({"xab": 5, "yab": 4, "xa": 3}, 2) == [("a", "b"), ("x", "ab")]
    with pytest.raises(Refusal, match="needed are 50000 and 20"):
        descriptions.split(pairs, 50_000, 20)


@pytest.mark.parametrize("name", [*TEXTS, "spatial-transformer", "image-compression"])
def test_data_that_are_not_here_are_named_with_what_brings_them(name, tmp_path):
    with pytest.raises(Refusal, match=r"has no .*(apt-get update|pip install)"):
        Ddp(workload=name, data=str(tmp_path)).refuse(1)


def test_boxes_are_found_where_their_digits_are():
    """What a detector would say that knew all comes back as the scene's own boxes."""
    _, boxes, labels = scenes.composed(8, detection.SIDE, detection.SIZES, detection.MOST, False)
    sums = np.zeros(scenes.CLASSES * 2 * (scores.STEPS + 1))
    for own, named in zip(boxes, labels, strict=True):
        apart, right_ones = detection.matched(own, named)
        answers = np.zeros((len(apart), scenes.CLASSES + 5), np.float32)
        answers[:, :4] = apart
        answers[np.arange(len(apart)), 4 + np.maximum(right_ones, 0)] = 12
        there = named >= 0
        found = detection.detected(answers)
        assert sorted(found[2]) == sorted(named[there])
        assert np.abs(np.sort(found[0], 0) - np.sort(own[there], 0)).max() < 1e-3
        sums += scores.detection_counts(*found, (own[there], named[there]), scenes.CLASSES)
    assert scores.average_precision(sums, scenes.CLASSES) == 1


def test_loss_of_sequences_is_the_mean_over_shares_whose_tokens_are_not_as_many():
    draw = torch.Generator().manual_seed(2)
    target = torch.randint(1, 9, (4, 6), generator=draw)
    target[0, 3:] = target[2, 2:] = 0
    found = torch.randn(4, 5, 9, generator=draw)

    def loss(first, last):
        return float(
            sequences.token_loss(lambda *given: found[first:last][given[2]], None, target[first:last])
        )

    assert (loss(0, 2) + loss(2, 4)) / 2 == pytest.approx(loss(0, 4))
    after, scores_of = target[:, 1:].numpy(), found.double().numpy()
    lost = np.log(np.exp(scores_of).sum(2)) - np.take_along_axis(scores_of, after[..., None], 2)[..., 0]
    assert loss(0, 4) == pytest.approx((lost * (after > 0)).sum() / after.size)


@pytest.mark.parametrize("name", ["digits", "spatial-transformer", "fashion-mnist"])
def test_a_part_of_each_label_is_spread_over_all_classes(name):
    draw = torch.Generator().manual_seed(3)
    found, labels = torch.randn(6, 10, generator=draw), torch.randint(10, (6,), generator=draw)
    one = workload.find(name)
    known = found.double().numpy()
    lost = np.log(np.exp(known).sum(1, keepdims=True)) - known
    right = lost[np.arange(6), labels.numpy()]
    expected = (1 - one.smoothed) * right.mean() + one.smoothed * lost.mean()
    assert float(one.loss(lambda _: found, (labels, labels))) == pytest.approx(expected)


def neighbours(row, column):
    """Return the points beside a point."""
    beside = [(row, column + 1), (row + 1, column), (row, column - 1), (row - 1, column)]
    return [place for place in beside if min(place) >= 0 and max(place) < go.SIDE]


def liberties(board, row, column):
    """Return the stones of a group and its liberties, by walking from stone to stone."""
    group, free, todo = set(), set(), [(row, column)]
    while todo:
        place = todo.pop()
        group.add(place)
        for beside in neighbours(*place):
            if board[beside] == 0:
                free.add(beside)
            elif board[beside] == board[row, column] and beside not in group:
                todo.append(beside)
    return group, free


def after(board, row, column):
    """Return the board after a move, one group after the other; None if it is suicide."""
    found = board.copy()
    found[row, column] = 1
    for place in zip(*np.nonzero(found == -1), strict=True):
        group, free = liberties(found, *place)
        if not free:
            for one in group:
                found[one] = 0
    return found if liberties(found, row, column)[1] else None


def test_go_is_played_by_its_rules():
    draw = np.random.default_rng(6)
    boards = draw.choice([-1, 0, 0, 1], (60, go.SIDE, go.SIDE)).astype(np.int8)
    # Positions as they come: no stone without a liberty.
    for who in (1, -1):
        boards[go.captured(boards == who, boards)] = 0
    before = np.full_like(boards, 9)
    allowed = go.legal(boards, before)
    assert allowed[:, go.PASS].all()
    for board, own in zip(boards, allowed, strict=True):
        for point, (row, column) in enumerate(np.ndindex(board.shape)):
            known = after(board, row, column) if board[row, column] == 0 else None
            eye = all(board[place] == 1 for place in neighbours(row, column))
            assert own[point] == (known is not None and not eye)
            if known is not None:
                assert np.array_equal(go.played(board[None], np.array([point]))[0], known)
    # What would bring the last position but one back is not allowed.
    point = int(np.flatnonzero(allowed[0, :-1])[0])
    before[0] = go.played(boards[:1], np.array([point]))[0]
    assert not go.legal(boards, before)[0, point]
    # A wall in the middle: two rows each, and the row of stones.
    wall = np.zeros((1, 5, 5), np.int8)
    wall[0, 1], wall[0, 3] = 1, -1
    assert go.area(wall) == 0
    wall[0, 3, 4] = 0
    assert go.area(wall) == 10 - 4


def test_a_player_who_always_passes_is_beaten_and_results_belong_to_their_players():
    def passes(boards, games, number):
        return np.eye(go.PASS + 1)[np.full(len(boards), go.PASS)]

    def fills(boards, games, number):
        return np.arange(go.PASS + 1)[::-1] + np.zeros((len(boards), 1))

    assert (self_play.played(3, [fills, passes], final=True) == 1).all()
    assert (self_play.played(3, [passes, fills], final=True) == -1).all()
    games, _, allowed, moves, results, left = self_play.played(2, [fills, passes])
    assert (results[moves == go.PASS].min(), results[moves == 0].max()) == (-1, 1)
    assert (np.sort(left[games == 0])[::-1] == left[games == 0]).all()
    assert left.min() == 0
    assert allowed[np.arange(len(moves)), moves].all()


@pytest.mark.parametrize("name", ["translation", "translation-recurrent"])
def test_tokens_that_are_decoded_one_by_one_are_those_of_the_whole(name):
    torch.manual_seed(5)
    one: Any = workload.find(name)
    model: Any = one.model(None).eval().requires_grad_(False)
    source = torch.randint(4, one.vocabulary, (6, one.length))
    source[:3, 9:] = 0
    # One ends there at the latest.
    model.end = int(model(source)[0, 5])
    found = model(source)
    begun = torch.cat([torch.full((6, 1), descriptions.BEGIN), found[:, :-1]], dim=1)
    known, _ = model.decode(model.encode(source), begun)
    at_once = model.score(known)
    end = found == model.end
    ended = end.cumsum(1) > end
    assert ended[0, 6:].all()
    assert not ended.all(1).any()
    assert torch.equal(found, at_once.argmax(2).masked_fill(ended, 0))
    if name == "translation":
        memory = model.encoder(model.embedded(source), src_key_padding_mask=source == 0)
        later = torch.ones(one.length, one.length, dtype=torch.bool).triu(1)
        own = model.decoder(
            model.embedded(begun), memory, tgt_mask=later, memory_key_padding_mask=source == 0
        )
        assert (known - own).abs().max() < 1e-5 * own.abs().max()


@pytest.mark.parametrize("name", ["detection", "recommendation", "translation", "translation-recurrent"])
@pytest.mark.parametrize("scenario", ["offline", "server"])
def test_a_workload_is_served_to_the_end(name, scenario, small, tmp_path):
    trains = small(name).trains
    torch.manual_seed(6)
    made = trains.model(None)
    path = str(tmp_path / "model.npz")
    checkpoint.save(path, name, [weight.detach().numpy() for weight in made.parameters()])
    given = {"quick": "on", "queries": 40, "bound": 100.0, "qps": 200.0, "scenario": scenario}
    problem = Inference(workload=name, checkpoint=path, data=small(name).data, **given)
    served = inference.Kernel(problem, Solo(), {})
    served.repeat(2)
    checks = problem.check(problem.partial(served.fields()))
    assert all(check.valid for check in checks), checks
    # One by one as all together.
    count, _ = trains.answers(problem)
    alone = np.concatenate([served.compute(np.array([sample])) for sample in range(min(count, 20))])
    assert trains.agree(alone, served.answered[:20]).all()
