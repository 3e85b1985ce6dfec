"""Go on a small board, many games at once: by area, no suicide, the last position but one never again.

Boards are n x side x side: 1 where the player to move has a stone, -1 where the other one has, 0 elsewhere.
"""

import numpy as np

SIDE = 5
PASS = SIDE * SIDE
# Added to White's area: on so small a board Black, who begins, would have nearly all.
KOMI = 2.5
# Moves after which a game is counted as it stands.
LONGEST = 50


def around(marked: np.ndarray) -> np.ndarray:
    """Return the points beside marked ones."""
    wide = np.pad(marked, ((0, 0), (1, 1), (1, 1)))
    return wide[:, :-2, 1:-1] | wide[:, 2:, 1:-1] | wide[:, 1:-1, :-2] | wide[:, 1:-1, 2:]


def reached(start: np.ndarray, through: np.ndarray) -> np.ndarray:
    """Return the points of `through` that are connected with one of `start` among them."""
    found = start & through
    while True:
        wider = found | (around(found) & through)
        if np.array_equal(wider, found):
            return found
        found = wider


def captured(stones: np.ndarray, board: np.ndarray) -> np.ndarray:
    """Return which of one player's stones have no liberty."""
    return stones & ~reached(around(board == 0), stones)


def played(boards: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """Return the boards after a move each, as the same player sees them. No move is looked at twice."""
    found = boards.copy()
    places = np.flatnonzero(moves < PASS)
    found.reshape(len(boards), PASS)[places, moves[places]] = 1
    found[captured(found == -1, found)] = 0
    # Who has taken nothing and has no liberty has killed himself: `legal` forbids it.
    found[captured(found == 1, found)] = 0
    return found


def legal(boards: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Return the moves allowed, n x (points and pass). before: the boards before the other one's move.

    Filling an own eye, a point whose neighbours are all the player's, is left out besides: nobody wants it,
    and games end.
    """
    count = len(boards)
    found = np.zeros((count, PASS + 1), bool)
    found[:, PASS] = True
    empty = boards == 0
    eye = empty & ~around(boards != 1)
    game, point = np.nonzero((empty & ~eye).reshape(count, PASS))
    after = played(boards[game], point)
    alive = after.reshape(len(game), PASS)[np.arange(len(game)), point] == 1
    again = (after == before[game]).all((1, 2))
    found[game, point] = alive & ~again
    return found


def area(boards: np.ndarray) -> np.ndarray:
    """Return by how much the player to move is ahead: stones, and empty parts that one alone touches."""
    empty = boards == 0
    mine, theirs = (reached(around(boards == who), empty) for who in (1, -1))
    own = (boards == 1) | (mine & ~theirs)
    other = (boards == -1) | (theirs & ~mine)
    return own.sum((1, 2)) - other.sum((1, 2))
