"""Debian's package descriptions, English and German, from a folder of apt's lists."""

import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from heapq import heapify, heappop, heappush
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from prk.problem import Refusal

FOLDER = "/var/lib/apt/lists"
GET = (
    "mkdir -p LISTS/partial; apt-get update -o Dir::State::lists=$PWD/LISTS -o Acquire::Languages=en,de "
    "-o Acquire::GzipIndexes=false; and name LISTS by --data"
)
# Of a sentence's tokens: nothing, its beginning and end, what is not known; then letters, then longer pieces.
NOTHING, BEGIN, END, UNKNOWN = range(4)
LETTERS = 120
# A word's first letter has this before it, so that words can be put together again.
SPACE = "\u2581"
# Words that occur less often teach no pieces.
OFTEN = 3
# One part in so many is the test's, by source package: packages of one source are described alike.
TESTED = 20
# Letters by which texts are told apart of which only the beginnings are read.
BEGINNING = 40
WORDS = re.compile(r"\w+|[^\w\s]")


def files(folder: str, kind: str) -> list[Path]:
    """Return the lists of a kind, as `i18n_Translation-de` or `Packages`. Raises Refusal."""
    where = Path(folder or FOLDER)
    found = sorted(where.glob(f"*_main_*{kind}"))
    if not found:
        raise Refusal("--data", f"{where} has no lists ...{kind}", GET)
    return found


def refuse(problem: Any, languages: Sequence[str]) -> None:
    """Raise Refusal if lists are missing."""
    for language in languages:
        files(problem.data, f"i18n_Translation-{language}")
    files(problem.data, "Packages")


def read(paths: Iterable[Path]) -> str:
    """Return what is in all files. Raises Refusal."""
    try:
        return "\n\n".join(path.read_text("utf-8") for path in paths)
    except (OSError, UnicodeDecodeError) as error:
        raise Refusal("--data", f"apt's lists cannot be read ({error})", GET) from None


def descriptions(folder: str, language: str) -> dict[tuple[str, str], list[str]]:
    """Return by package and description's sum the paragraphs, the synopsis first. Raises Refusal."""
    text = read(files(folder, f"i18n_Translation-{language}"))
    pattern = rf"^Package: (\S+)\nDescription-md5: (\S+)\nDescription-{language}: (.*(?:\n .*)*)"
    found = {}
    for package, key, body in re.findall(pattern, text, re.M):
        synopsis, _, long = body.partition("\n")
        parts = [" ".join(part.split()) for part in re.split(r"^ \.$", long, flags=re.M)]
        found[package, key] = [" ".join(synopsis.split()), *filter(None, parts)]
    return found


def sources(folder: str) -> dict[str, str]:
    """Return the source of each package that is not called as it. Raises Refusal."""
    text = read(files(folder, "Packages"))
    return dict(re.findall(r"^Package: (\S+)\nSource: (\S+)", text, re.M))


def split(
    pairs: Sequence[tuple[str, str, str]], trained: int, tested: int, letters: int | None = BEGINNING
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return so many pairs of texts to train with and to test with, from (source package, text, text).

    No source is in both, no pair comes twice, and no text is tested of which so many letters, or all, are as
    those of one that is trained on: packages of several sources share whole descriptions. Raises Refusal if
    there are too few.
    """
    parts: tuple[dict[tuple[str, str], None], ...] = ({}, {})
    for source, one, other in sorted(pairs):
        parts[zlib.crc32(source.encode()) % TESTED == 0].setdefault((one, other))
    train, test = ([*part] for part in parts)
    known = {one[:letters] for one, _ in train}
    test = [pair for pair in test if pair[0][:letters] not in known]
    if len(train) < trained or len(test) < tested:
        have = f"{len(train)} texts to train with and {len(test)} to test with"
        raise Refusal("--data", f"the lists have {have}, needed are {trained} and {tested}", GET)
    return spread(train, trained), spread(test, tested)


def spread(pairs: Sequence[tuple[str, str]], count: int) -> list[tuple[str, str]]:
    """Return so many of the pairs, evenly over all sources, which are in alphabetical order."""
    return [pairs[i * len(pairs) // count] for i in range(count)]


class Tokens:
    """Pieces of words, of which frequent ones are long: byte-pair encoding (Sennrich et al., 2016)."""

    def __init__(self, texts: Iterable[str], size: int):
        counts = Counter(word for text in texts for word in words(text))
        letters = Counter[str]()
        for word, count in counts.items():
            for letter in word:
                letters[letter] += count
        chosen = sorted(letters, key=lambda x: (-letters[x], x))[:LETTERS]
        self.merges = merges({w: c for w, c in counts.items() if c >= OFTEN}, size - LETTERS - UNKNOWN - 1)
        self.ranks = {pair: rank for rank, pair in enumerate(self.merges)}
        pieces = dict.fromkeys([*chosen, *("".join(pair) for pair in self.merges)])
        self.pieces = ["", "", "", "?", *pieces]
        self.numbers = {piece: number for number, piece in enumerate(self.pieces)}
        self.known: dict[str, list[int]] = {}

    def encode(self, text: str) -> list[int]:
        """Return the numbers of a text's pieces."""
        found = []
        for word in words(text):
            if word not in self.known:
                self.known[word] = [self.numbers.get(piece, UNKNOWN) for piece in self.cut(word)]
            found += self.known[word]
        return found

    def decode(self, numbers: Iterable[int]) -> str:
        """Return the words that pieces make up to the end, a space between them."""
        found = []
        for number in numbers:
            if number == END:
                break
            found.append(self.pieces[number] if number < len(self.pieces) else self.pieces[UNKNOWN])
        return "".join(found).replace(SPACE, " ").strip()

    def cut(self, word: str) -> list[str]:
        """Return a word's pieces."""
        parts = [*word]
        while len(parts) > 1:
            ranks = [self.ranks.get(pair, len(self.ranks)) for pair in pairwise(parts)]
            rank = min(ranks)
            place = ranks.index(rank)
            if rank == len(self.ranks):
                break
            parts[place : place + 2] = ["".join(parts[place : place + 2])]
        return parts


def words(text: str) -> list[str]:
    """Return words and signs, each with what marks its beginning."""
    return [SPACE + word for word in WORDS.findall(text)]


def merges(counts: dict[str, int], number: int) -> list[tuple[str, str]]:
    """Return the most frequent pairs of neighbouring pieces, each joined before the next is looked for."""
    parts = {word: [*word] for word in counts}
    frequency: Counter[tuple[str, str]] = Counter()
    where: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for word, pieces in parts.items():
        for pair in pairwise(pieces):
            frequency[pair] += counts[word]
            where[pair].add(word)
    # The most frequent one first; some stand there with a frequency that they had before.
    queue = [(-count, pair) for pair, count in frequency.items()]
    heapify(queue)
    found: list[tuple[str, str]] = []
    while queue and len(found) < number:
        count, best = heappop(queue)
        if frequency[best] != -count:
            continue
        found.append(best)
        changed = {best}
        for word in where.pop(best):
            for pair in pairwise(parts[word]):
                frequency[pair] -= counts[word]
                changed.add(pair)
            parts[word] = joined(parts[word], best)
            for pair in pairwise(parts[word]):
                frequency[pair] += counts[word]
                where[pair].add(word)
                changed.add(pair)
        for pair in changed:
            if frequency[pair] > 0:
                heappush(queue, (-frequency[pair], pair))
    return found


def joined(pieces: Sequence[str], pair: tuple[str, str]) -> list[str]:
    """Return the pieces, each occurrence of a pair made one."""
    found: list[str] = []
    for piece in pieces:
        if found and (found[-1], piece) == pair:
            found[-1] += piece
        else:
            found.append(piece)
    return found


def padded(rows: Sequence[Sequence[int]], length: int) -> np.ndarray:
    """Return rows of numbers as one array, with nothing behind those that are shorter."""
    found = np.full((len(rows), length), NOTHING, np.int64)
    for row, numbers in zip(found, rows, strict=True):
        row[: len(numbers)] = numbers
    return found
