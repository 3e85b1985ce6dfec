"""Pieces that models of several workloads are made of."""

from collections.abc import Sequence
from itertools import pairwise
from types import EllipsisType
from typing import Any

import torch
from torch import nn

# Keys and values of tokens that attention looks at, by sequences and heads.
Seen = tuple[torch.Tensor, torch.Tensor]
# Which places of sequences are meant, or all.
Places = torch.Tensor | EllipsisType


class ChannelsLast(nn.Module):
    """The same numbers, those of a point side by side, as convolutions of many channels are fastest."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.contiguous(memory_format=torch.channels_last)


class Residual(nn.Module):
    """Two convolutions and a way past them; group norm, whose result does not depend on the ranks."""

    def __init__(self, inside: int, outside: int, stride: int):
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(inside, outside, 3, stride, 1, bias=False),
            nn.GroupNorm(8, outside),
            nn.ReLU(),
            nn.Conv2d(outside, outside, 3, 1, 1, bias=False),
            nn.GroupNorm(8, outside),
        )
        past = nn.Conv2d(inside, outside, 1, stride, bias=False)
        self.past = past if inside != outside else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.main(x) + self.past(x))


class Separable(nn.Sequential):
    """A convolution of each channel by itself, then one that mixes the channels of a point; group norm."""

    def __init__(self, inside: int, outside: int, stride: int):
        super().__init__(
            nn.Conv2d(inside, inside, 3, stride, 1, groups=inside, bias=False),
            nn.GroupNorm(8, inside),
            nn.ReLU(),
            nn.Conv2d(inside, outside, 1, bias=False),
            nn.GroupNorm(8, outside),
            nn.ReLU(),
        )


class Collaborative(nn.Module):
    """Scores of users and items: factors multiplied, beside layers over other factors, and both weighed."""

    def __init__(self, users: int, items: int, factors: int, widths: Sequence[int]):
        super().__init__()
        self.user_factors, self.item_factors = nn.Embedding(users, factors), nn.Embedding(items, factors)
        self.user_inputs = nn.Embedding(users, widths[0] // 2)
        self.item_inputs = nn.Embedding(items, widths[0] // 2)
        layers = [layer for a, b in pairwise(widths) for layer in (nn.Linear(a, b), nn.ReLU())]
        self.layers = nn.Sequential(*layers)
        self.score = nn.Linear(factors + widths[-1], 1)

    def forward(self, users: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        product = self.user_factors(users) * self.item_factors(items)
        inputs = torch.cat([self.user_inputs(users), self.item_inputs(items)], dim=1)
        return self.score(torch.cat([product, self.layers(inputs)], dim=1)).squeeze(1)


class Sequences(nn.Module):
    """What makes one sequence of tokens of another: with a target its scores, else a greedy answer.

    scored: which of the target's places are. In an answer nothing (0) is behind the end.
    """

    score: nn.Linear

    def __init__(self, length: int, begin: int, end: int):
        super().__init__()
        self.length, self.begin, self.end = length, begin, end

    def encode(self, source: torch.Tensor) -> Any:
        """Return what the decoder needs of the source."""
        raise NotImplementedError

    def decode(self, encoded: Any, target: torch.Tensor, past: Any = None) -> tuple[torch.Tensor, Any]:
        """Return what is known of the token after each of the target's: sequences x tokens x width.

        With it comes the past of the tokens that follow, which is given with them; None: nothing is before.
        """
        raise NotImplementedError

    def forward(
        self,
        source: torch.Tensor,
        target: torch.Tensor | None = None,
        scored: Places = ...,
    ) -> torch.Tensor:
        encoded = self.encode(source)
        if target is not None:
            return self.score(self.decode(encoded, target)[0][scored])
        found = source.new_zeros(len(source), self.length + 1)
        found[:, 0] = self.begin
        ended = torch.zeros(len(source), dtype=torch.bool)
        past = None
        for place in range(1, self.length + 1):
            known, past = self.decode(encoded, found[:, place - 1 : place], past)
            scores = self.score(known[:, 0])
            found[:, place] = scores.argmax(1).masked_fill(ended, 0)
            ended = ended | (found[:, place] == self.end)
            if ended.all():
                break
        return found[:, 1:]


class Transformer(Sequences):
    """Encoder and decoder of attention alone (Vaswani et al., 2017), places learned, no dropout.

    A token is scored by the numbers that it is read by, so that a name can be handed through. It calls the
    parts of PyTorch's layers, which know no past and go around layers that are quantised.
    """

    def __init__(
        self, vocabulary: int, width: int, heads: int, layers: int, length: int, ends: tuple[int, int]
    ):
        super().__init__(length, *ends)
        self.tokens, self.places = nn.Embedding(vocabulary, width), nn.Embedding(length, width)
        shape: dict[str, Any] = {"dropout": 0.0, "batch_first": True, "norm_first": True}
        encoder = nn.TransformerEncoderLayer(width, heads, 2 * width, **shape)
        decoder = nn.TransformerDecoderLayer(width, heads, 2 * width, **shape)
        norm = nn.LayerNorm(width)
        # Any: of what a layer's parts are, PyTorch's annotations say nothing.
        self.encoder: Any = nn.TransformerEncoder(encoder, layers, norm, enable_nested_tensor=False)
        self.decoder: Any = nn.TransformerDecoder(decoder, layers, nn.LayerNorm(width))
        self.score = nn.Linear(width, vocabulary)
        self.score.weight = self.tokens.weight

    def embedded(self, tokens: torch.Tensor, before: int = 0) -> torch.Tensor:
        return self.tokens(tokens) + self.places.weight[before : before + tokens.shape[1]]

    def encode(self, source: torch.Tensor) -> tuple[list[Seen], torch.Tensor]:
        found, there = self.embedded(source), (source != 0)[:, None, None]
        for layer in self.encoder.layers:
            asking = layer.norm1(found)
            found = found + attended(layer.self_attn, asking, seen(layer.self_attn, asking), there)
            found = found + forward(layer, layer.norm2(found))
        memory = self.encoder.norm(found)
        return [seen(layer.multihead_attn, memory) for layer in self.decoder.layers], there

    def decode(
        self, encoded: tuple[list[Seen], torch.Tensor], target: torch.Tensor, past: list[Seen] | None = None
    ) -> tuple[torch.Tensor, list[Seen]]:
        memories, there = encoded
        before = past[0][0].shape[2] if past else 0
        found, count = self.embedded(target, before), before + target.shape[1]
        earlier = torch.ones(count, count, dtype=torch.bool).tril()[before:]
        following = []
        for number, (layer, memory) in enumerate(zip(self.decoder.layers, memories, strict=True)):
            asking = layer.norm1(found)
            own = seen(layer.self_attn, asking)
            if past:
                keys, values = past[number]
                own = torch.cat([keys, own[0]], dim=2), torch.cat([values, own[1]], dim=2)
            following.append(own)
            found = found + attended(layer.self_attn, asking, own, earlier)
            found = found + attended(layer.multihead_attn, layer.norm2(found), memory, there)
            found = found + forward(layer, layer.norm3(found))
        return self.decoder.norm(found), following


def forward(layer: Any, x: torch.Tensor) -> torch.Tensor:
    """Return what a layer's part without attention makes of x."""
    made: torch.Tensor = layer.linear2(torch.relu(layer.linear1(x)))
    return made


def heads(attention: nn.MultiheadAttention, x: torch.Tensor) -> torch.Tensor:
    """Return x by heads: sequences x heads x tokens x their width."""
    return x.unflatten(2, (attention.num_heads, -1)).transpose(1, 2)


def seen(attention: nn.MultiheadAttention, x: torch.Tensor) -> Seen:
    """Return the keys and values of what an attention looks at."""
    width = attention.embed_dim
    both = nn.functional.linear(x, attention.in_proj_weight[width:], attention.in_proj_bias[width:])
    keys, values = both.split(width, dim=2)
    return heads(attention, keys), heads(attention, values)


def attended(
    attention: nn.MultiheadAttention, asking: torch.Tensor, known: Seen, there: torch.Tensor
) -> torch.Tensor:
    """Return what an attention finds. there: which of the known each of the asking ones may look at."""
    width = attention.embed_dim
    asked = nn.functional.linear(asking, attention.in_proj_weight[:width], attention.in_proj_bias[:width])
    found = nn.functional.scaled_dot_product_attention(heads(attention, asked), *known, attn_mask=there)
    return attention.out_proj(found.transpose(1, 2).flatten(2))


class Recurrent(Sequences):
    """LSTMs or GRUs, the encoder's first both ways, and attention from the decoder's first one (after GNMT).

    The context that it finds goes into the layers above (Wu et al., 2016; there into the next token's, too).
    """

    def __init__(
        self, cell: Any, vocabulary: int, width: int, layers: int, length: int, ends: tuple[int, int]
    ):
        super().__init__(length, *ends)
        self.tokens = nn.Embedding(vocabulary, width)
        self.both = cell(width, width // 2, batch_first=True, bidirectional=True)
        self.encoder = nn.ModuleList(cell(width, width, batch_first=True) for _ in range(layers - 1))
        self.first = cell(width, width, batch_first=True)
        self.query = nn.Linear(width, width)
        self.decoder = nn.ModuleList(cell(2 * width, width, batch_first=True) for _ in range(layers - 1))
        self.score = nn.Linear(2 * width, vocabulary)

    def encode(self, source: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        found, _ = self.both(self.tokens(source))
        for layer in self.encoder:
            found = found + layer(found)[0]
        return found, source == 0

    def decode(
        self, encoded: tuple[torch.Tensor, torch.Tensor], target: torch.Tensor, past: list[Any] | None = None
    ) -> tuple[torch.Tensor, list[Any]]:
        memory, missing = encoded
        before = past or [None] * (1 + len(self.decoder))
        found, state = self.first(self.tokens(target), before[0])
        weight = self.query(found) @ memory.transpose(1, 2)
        weight = weight.masked_fill(missing[:, None], -torch.inf).softmax(2)
        context = weight @ memory
        states = [state]
        for layer, own in zip(self.decoder, before[1:], strict=True):
            more, state = layer(torch.cat([found, context], dim=2), own)
            found = found + more
            states.append(state)
        return torch.cat([found, context], dim=2), states


class SpatialTransformer(nn.Module):
    """A part that finds an affine map, and a part that recognises the image seen through it."""

    def __init__(self, look: Sequence[int], place: int, channels: Sequence[int], classes: int):
        super().__init__()
        self.look = nn.Sequential(
            nn.Conv2d(1, look[0], 5, 2, 2), nn.ReLU(), nn.Conv2d(look[0], look[1], 5, 2, 2), nn.ReLU()
        )
        self.place = nn.Sequential(nn.Linear(look[1] * 16, place), nn.ReLU(), nn.Linear(place, 6))
        one, other = channels
        self.recognise = nn.Sequential(
            *convolved(1, one),
            *convolved(one, one),
            nn.MaxPool2d(2),
            *convolved(one, other),
            *convolved(other, other),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(other * 49, classes),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        seen = nn.functional.adaptive_avg_pool2d(self.look(images), 4).flatten(1)
        way = self.place(seen).view(-1, 2, 3) + torch.eye(2, 3)
        grid = nn.functional.affine_grid(way, list(images.shape), align_corners=False)
        return self.recognise(nn.functional.grid_sample(images, grid, align_corners=False))


class Distilled(nn.Module):
    """Scores of all items for some users, of a large model and of a small one."""

    def __init__(self, users: int, items: int, teacher: int, student: int):
        super().__init__()
        self.teacher_users, self.teacher_items = nn.Embedding(users, teacher), nn.Embedding(items, teacher)
        self.student_users, self.student_items = nn.Embedding(users, student), nn.Embedding(items, student)
        self.teacher_liked, self.student_liked = (nn.Parameter(torch.zeros(items)) for _ in range(2))

    def forward(self, users: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        teacher = self.teacher_users(users) @ self.teacher_items.weight.T + self.teacher_liked
        student = self.student_users(users) @ self.student_items.weight.T + self.student_liked
        return teacher, student


def convolved(inside: int, outside: int, stride: int = 1) -> list[nn.Module]:
    """Return a convolution whose norm does not depend on the ranks."""
    return [nn.Conv2d(inside, outside, 3, stride, 1, bias=False), nn.GroupNorm(8, outside), nn.ReLU()]


class SingleShot(nn.Module):
    """Numbers for each box looked for, from one look at the image, a quarter of its sides as places."""

    def __init__(self, channels: Sequence[int], boxes: int, numbers: int):
        super().__init__()
        layers, inside = [], 1
        for place, outside in enumerate(channels):
            layers += convolved(inside, outside, 1 if place else 2)
            inside = outside
        self.look = nn.Sequential(*layers[:6], nn.MaxPool2d(2), *layers[6:], *convolved(inside, inside))
        self.say = nn.Conv2d(inside, boxes * numbers, 1)
        self.numbers = numbers

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        said = self.say(self.look(images)).permute(0, 2, 3, 1)
        return said.reshape(len(images), -1, self.numbers)


class Listener(nn.Module):
    """Spectra to scores of labels, a frame for two: convolutions in time, then a GRU both ways."""

    def __init__(self, bands: int, channels: int, width: int, labels: int):
        super().__init__()
        self.hear = nn.Sequential(
            nn.Conv1d(bands, channels, 5, 2, 2), nn.ReLU(), nn.Conv1d(channels, channels, 5, 1, 2), nn.ReLU()
        )
        self.follow = nn.GRU(channels, width, batch_first=True, bidirectional=True)
        self.say = nn.Linear(2 * width, labels)

    def forward(self, spectra: torch.Tensor) -> torch.Tensor:
        heard = self.hear(spectra.transpose(1, 2)).transpose(1, 2)
        return self.say(self.follow(heard)[0])


class Foreteller(nn.Module):
    """Frames, in pieces, through a convolutional LSTM, which then goes on from what it says itself."""

    def __init__(self, piece: int, channels: int, predicted: int):
        super().__init__()
        self.gates = nn.Conv2d(piece * piece + channels, 4 * channels, 3, 1, 1)
        self.say = nn.Conv2d(channels, piece * piece, 1)
        self.piece, self.channels, self.predicted = piece, channels, predicted

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        cut = nn.functional.pixel_unshuffle(frames, self.piece).unflatten(1, (frames.shape[1], -1))
        state = kept = cut.new_zeros(len(cut), self.channels, *cut.shape[3:])
        said: list[torch.Tensor] = []
        for number in range(frames.shape[1] + self.predicted - 1):
            seen = cut[:, number] if number < frames.shape[1] else said[-1].sigmoid()
            enter, keep, leave, new = self.gates(torch.cat([seen, state], dim=1)).chunk(4, dim=1)
            kept = torch.sigmoid(keep) * kept + torch.sigmoid(enter) * torch.tanh(new)
            state = torch.sigmoid(leave) * torch.tanh(kept)
            if number >= frames.shape[1] - 1:
                said.append(self.say(state))
        return nn.functional.pixel_shuffle(torch.cat(said, dim=1), self.piece)


class Captioner(nn.Module):
    """Scores of a caption's words: the LSTM reads with each of them what a CNN saw.

    Of each sixteenth of the image it keeps what is seen most clearly there, wherever that is.
    """

    def __init__(self, channels: Sequence[int], width: int, vocabulary: int):
        super().__init__()
        one, other = channels
        self.look = nn.Sequential(
            *convolved(1, one),
            nn.MaxPool2d(2),
            *convolved(one, other),
            nn.MaxPool2d(2),
            *convolved(other, other),
            nn.AdaptiveMaxPool2d(4),
        )
        self.seen = nn.Linear(other * 16, width)
        self.words = nn.Embedding(vocabulary, width)
        self.read = nn.LSTM(width, width, batch_first=True)
        self.score = nn.Linear(width, vocabulary)

    def forward(self, images: torch.Tensor, captions: torch.Tensor, scored: Places = ...) -> torch.Tensor:
        seen = self.seen(self.look(images).flatten(1))
        read, _ = self.read(self.words(captions) + seen[:, None])
        return self.score(read[scored])


def layered(widths: Sequence[int]) -> nn.Sequential:
    """Return linear layers, with ReLU between them."""
    layers = [layer for a, b in pairwise(widths) for layer in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*layers[:-1])


class Adversaries(nn.Module):
    """A generator of images and a critic: with real images the critic's scores of both, else drawn images.

    To the generator the critic's gradient comes turned round, so that one loss teaches both at once.
    """

    def __init__(self, generator: Sequence[int], critic: Sequence[int]):
        super().__init__()
        self.generator, self.critic = layered(generator), layered(critic)

    def forward(self, noise: torch.Tensor, real: torch.Tensor | None = None) -> Any:
        drawn = self.generator(noise).sigmoid()
        if real is None:
            return drawn
        turned = 2 * drawn.detach() - drawn
        scores = self.critic(torch.cat([turned, real])).squeeze(1)
        return scores[: len(noise)], scores[len(noise) :]


class Compressor(nn.Module):
    """Rounds of bits, each of what is missing after the last one; both ends remember, as a GRU does.

    With `blur` the bits are numbers with that added, and the answer is the image after each round.
    """

    def __init__(self, stride: int, channels: int, bits: int, rounds: int):
        super().__init__()
        points = stride * stride
        self.encode = nn.Conv2d(points + channels, 3 * channels, 3, 1, 1)
        self.bits = nn.Conv2d(channels, bits, 1)
        self.decode = nn.Conv2d(bits + channels, 3 * channels, 3, 1, 1)
        self.points = nn.Conv2d(channels, points, 1)
        self.stride, self.channels, self.rounds = stride, channels, rounds

    def remember(self, gates: nn.Module, seen: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
        enter, leave, new = gates(torch.cat([seen, state], dim=1)).chunk(3, dim=1)
        keep = torch.sigmoid(enter)
        return keep * state + (1 - keep) * torch.tanh(new) * torch.sigmoid(leave)

    def forward(self, images: torch.Tensor, blur: torch.Tensor | None = None) -> torch.Tensor:
        whole = nn.functional.pixel_unshuffle(images, self.stride)
        known = torch.zeros_like(whole)
        inside = outside = whole.new_zeros(len(whole), self.channels, *whole.shape[2:])
        found = []
        for number in range(self.rounds):
            inside = self.remember(self.encode, whole - known, inside)
            value = torch.tanh(self.bits(inside))
            code = torch.where(value < 0, -1.0, 1.0) if blur is None else value + blur[:, number]
            outside = self.remember(self.decode, code, outside)
            known = known + self.points(outside)
            found.append(nn.functional.pixel_shuffle(known, self.stride))
        return found[-1] if blur is None else torch.cat(found, dim=1)


class Searched(nn.Module):
    """A recurrent network whose cell a controller chooses: what each node reads, and makes of it.

    With noise, scores by each architecture that it leads to and their log-likelihoods; without, the scores by
    the likeliest one. All architectures share the weights, which no choice leaves without a gradient.
    """

    MAKES = (torch.tanh, torch.relu, torch.sigmoid, nn.Identity())

    def __init__(self, vocabulary: int, width: int, nodes: int, controller: int):
        super().__init__()
        self.made, self.kept = (nn.Parameter(torch.empty(nodes, nodes, width, width)) for _ in range(2))
        self.tokens = nn.Embedding(vocabulary, width)
        self.first = nn.Linear(2 * width, 2 * width)
        self.score = nn.Linear(width, vocabulary)
        self.choices = nn.Embedding(nodes + len(self.MAKES) + 1, controller)
        self.control = nn.LSTMCell(controller, controller)
        self.choose = nn.Linear(controller, nodes + len(self.MAKES))
        self.nodes = nodes

    def chosen(self, noise: torch.Tensor | None) -> tuple[list[tuple[int, int]], torch.Tensor]:
        """Return for each node but the first what it reads and what it makes, and how likely all that is."""
        cell, state, last = [], None, torch.tensor([self.choices.num_embeddings - 1])
        likely = torch.zeros(())
        for node in range(1, self.nodes):
            both = []
            for part, (start, stop) in enumerate(((0, node), (self.nodes, self.nodes + len(self.MAKES)))):
                state = self.control(self.choices(last), state)
                scores = self.choose(state[0])[0, start:stop].log_softmax(0)
                drawn = scores if noise is None else scores + noise[2 * node + part, start:stop]
                both.append(int(drawn.argmax()))
                likely = likely + scores[both[-1]]
                last = torch.tensor([start + both[-1]])
            cell.append((both[0], both[1]))
        return cell, likely

    def run(self, tokens: torch.Tensor, cell: Sequence[tuple[int, int]]) -> torch.Tensor:
        """Return an architecture's scores."""
        ends = [n for n in range(self.nodes) if n not in {read for read, _ in cell}]
        given = self.tokens(tokens)
        state, found = torch.zeros_like(given[:, 0]), []
        for place in range(tokens.shape[1]):
            keep, new = self.first(torch.cat([given[:, place], state], dim=1)).chunk(2, dim=1)
            keep = keep.sigmoid()
            made = [keep * new.tanh() + (1 - keep) * state]
            for node, (read, how) in enumerate(cell, 1):
                seen = made[read]
                keep = (seen @ self.kept[read, node]).sigmoid()
                made.append(keep * self.MAKES[how](seen @ self.made[read, node]) + (1 - keep) * seen)
            state = torch.stack([made[end] for end in ends]).mean(0)
            found.append(state)
        return self.score(torch.stack(found, dim=1))

    def forward(self, tokens: torch.Tensor, noise: torch.Tensor | None = None) -> Any:
        if noise is None:
            return self.run(tokens, self.chosen(None)[0])
        tried = [self.chosen(one) for one in noise]
        return [self.run(tokens, cell) for cell, _ in tried], torch.stack([likely for _, likely in tried])


class Sculptor(nn.Module):
    """Three silhouettes to scores of a cube's points, each side a quarter of theirs in between."""

    def __init__(self, channels: Sequence[int], code: int):
        super().__init__()
        one, other = channels
        self.look = nn.Sequential(*convolved(3, one, 2), *convolved(one, other, 2))
        self.code = nn.Sequential(nn.Linear(other * 16, code), nn.ReLU(), nn.Linear(code, other * 64))
        self.fill = nn.Sequential(
            nn.ReLU(), nn.ConvTranspose3d(other, one, 4, 2, 1), nn.ReLU(), nn.ConvTranspose3d(one, 1, 4, 2, 1)
        )
        self.channels = other

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        cube = self.code(self.look(seen).flatten(1)).view(-1, self.channels, 4, 4, 4)
        return self.fill(cube).squeeze(1)


class Painter(nn.Module):
    """An image of an image: down to half its sides and up again, with what was seen on the way (a U-Net)."""

    def __init__(self, channels: Sequence[int]):
        super().__init__()
        one, other = channels
        self.fine = nn.Sequential(*convolved(1, one))
        self.coarse = nn.Sequential(*convolved(one, other, 2), *convolved(other, other))
        self.up = nn.ConvTranspose2d(other, one, 2, 2)
        self.both = nn.Sequential(*convolved(2 * one, one))
        self.say = nn.Conv2d(one, 1, 3, 1, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        fine = self.fine(images)
        up = self.up(self.coarse(fine))
        return self.say(self.both(torch.cat([fine, up], dim=1))).sigmoid()


class Player(nn.Module):
    """Scores of the moves on a board, the last one to pass, and how the game will end, from -1 to 1."""

    def __init__(self, channels: int, side: int):
        super().__init__()
        self.look = nn.Sequential(
            *convolved(2, channels), *convolved(channels, channels), *convolved(channels, channels)
        )
        self.moves = nn.Linear(channels * side * side, side * side + 1)
        self.value = nn.Linear(channels * side * side, 1)

    def forward(self, boards: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        looked = self.look(boards).flatten(1)
        return self.moves(looked), self.value(looked).squeeze(1).tanh()
