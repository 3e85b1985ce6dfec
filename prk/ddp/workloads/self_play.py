"""Reinforcement learning by self-play: Go on 5 x 5, and how often a fixed player is beaten."""

from typing import ClassVar

import numpy as np

from prk.ddp import draws, go, workload
from prk.ddp.go import KOMI, LONGEST, PASS
from prk.metric import Metric

# Games of an epoch, and of a test, in every second of which the model begins.
TRAINED, TESTED = 2048, 200
CHANNELS = 32
# How much less a move counts for each that follows; how much the value's error and the policy's spread count.
FADE, VALUE, SPREAD = 0.97, 0.5, 0.02


class Workload(workload.Workload):
    """Games that the model plays with itself in each step; the fixed player draws among its moves."""

    title: ClassVar[str] = "self-play, Go on 5 x 5"
    source: ClassVar[str] = workload.GENERATED
    mlperf: ClassVar[str] = "minigo"
    quality: ClassVar[Metric | None] = Metric("games won", "share", kind="quality")
    target: ClassVar[float | None] = 0.9
    usual: ClassVar[str] = "--epochs 8 --batch 32 --learning-rate 0.004"

    def samples(self, problem):
        return TRAINED

    def weights(self, problem):
        c = CHANNELS
        look = [9 * 2 * c, c, c, 9 * c * c, c, c, 9 * c * c, c, c]
        return [*look, c * PASS * (PASS + 1), PASS + 1, c * PASS, 1]

    def memory(self, problem):
        return 1 << 20

    def data(self, problem):
        # What a game needs is who begins; all else is drawn by its number.
        return (np.arange(TRAINED),), (np.arange(TESTED),)

    def identity(self, samples):
        # Neither games against oneself nor those against the fixed player are data.
        return samples[0][:0]

    def model(self, problem):
        from prk.ddp.blocks import Player

        return Player(CHANNELS, go.SIDE)

    def spread(self, name, shape):
        # At first all moves are about as good.
        return super().spread(name, shape) * (0.1 if name.startswith(("moves", "value")) else 1)

    def optimizer(self, problem, weights):
        import torch

        return torch.optim.Adam(weights, problem.learning_rate)

    def batch(self, problem, data, chosen, step):
        import torch

        drawn = draws.uniform(problem.seed, step, chosen, LONGEST * (PASS + 1))
        return (torch.from_numpy(gumbel(drawn).reshape(len(chosen), LONGEST, PASS + 1)),)

    def loss(self, forward, batch):
        import torch

        noise = batch[0].numpy()

        def moves(boards, games, number):
            with torch.no_grad():
                return forward(seen(boards))[0].numpy() + noise[games, number]

        _, boards, allowed, made, results, left = played(len(noise), [moves, moves])
        scores, values = forward(seen(boards))
        likely = scores.masked_fill(~torch.from_numpy(allowed), -torch.inf).log_softmax(1)
        result = torch.from_numpy(results * FADE**left).float()
        better = result - values.detach()
        spread = -(likely.exp() * likely.masked_fill(likely.isinf(), 0)).sum(1)
        own = likely.gather(1, torch.from_numpy(made)[:, None]).squeeze(1)
        lost = -own * better + VALUE * (values - result) ** 2 - SPREAD * spread
        # A mean over moves would not be the mean over equal shares, whose games are not as long.
        return lost.sum() / (len(noise) * LONGEST)

    def judge(self, forward, tested):
        numbers, won = tested[0].numpy(), 0

        def best(boards, games, number):
            return forward(seen(boards))[0].numpy()

        for first in (0, 1):
            own = numbers[numbers % 2 == first]
            # The fixed player draws by a game's number, and passes where he has no other move.
            noise = draws.uniform(0, 0, own, LONGEST * (PASS + 1)).reshape(len(own), LONGEST, PASS + 1)
            noise[..., PASS] = -1

            def drawn(boards, games, number, noise=noise):
                return noise[games, number]

            results = played(len(own), [drawn, best] if first else [best, drawn], final=True)
            won += int(((-results if first else results) > 0).sum())
        return np.array([won, len(numbers)], float)


def seen(boards: np.ndarray):
    """Return what the model sees: a plane of the player's stones and one of the other's."""
    import torch

    return torch.from_numpy(np.stack([boards == 1, boards == -1], axis=1).astype(np.float32))


def gumbel(drawn: np.ndarray) -> np.ndarray:
    """Return numbers that, added to logarithms, make the largest one a draw by them."""
    return (-np.log(-np.log(np.clip(drawn, 1e-6, 1 - 1e-6)))).astype(np.float32)


def played(count: int, players, final: bool = False):
    """Play games between Black and White, who score the moves: players[who](boards, games, number).

    Return for each position that came its game, board, allowed moves, the move made, the result as its player
    has it (1 or -1), and how many of the game's moves followed; with `final`, only Black's results by game.
    """
    boards, before = (np.zeros((count, go.SIDE, go.SIDE), np.int8) for _ in range(2))
    passed, games = np.zeros(count, bool), np.arange(count)
    results, lengths = np.zeros(count), np.zeros(count, int)
    seen_by: list[tuple[np.ndarray, ...]] = []
    for number in range(LONGEST):
        who = number % 2
        allowed = go.legal(boards, before)
        scores = np.where(allowed, players[who](boards, games, number), -np.inf)
        moves = scores.argmax(1)
        seen_by.append((games, boards, allowed, moves, np.full(len(games), number)))
        after = go.played(boards, moves)
        over = (passed & (moves == PASS)) | (number == LONGEST - 1)
        ahead = (1 - 2 * who) * go.area(after[over]) - KOMI
        results[games[over]], lengths[games[over]] = np.sign(ahead), number
        # The other one sees the board with his stones as 1.
        boards, before, passed, games = -after[~over], -boards[~over], (moves == PASS)[~over], games[~over]
        if not len(games):
            break
    if final:
        return results
    found = [np.concatenate(parts) for parts in zip(*seen_by, strict=True)]
    which, place = found[0], found[4]
    return *found[:4], results[which] * np.where(place % 2, -1, 1), lengths[which] - place
