"""Lexicon: Chinese words with their frequency and part of speech, and how a text is cut into words.

Search needs no words (lexical.py); understanding a question does: which of its words carry meaning,
which of them name somebody or some place.
"""

import gzip
import math
import re
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from rag.folding import is_han

FILE = Path(__file__).parent / "data" / "lexicon.tsv.gz"
DICTIONARY = Path(__file__).parent / "data" / "dictionary.tsv.gz"
UNKNOWN = "x"  # part of speech of what the lexicon does not know
NAME_TAGS = ("nr", "ns", "nt", "nz")  # persons, places, organisations, other names

_TOKEN = re.compile(r"[^\W_]+(?:[.,'’-][^\W_]+)*|[^\w\s]")


@dataclass(frozen=True)
class Word:
    """A word of a text with its place `[start, end)`, part of speech and inverse frequency (nats)."""

    text: str
    start: int
    end: int
    tag: str
    weight: float

    @property
    def is_name(self) -> bool:
        """Whether the lexicon calls it a name."""
        return self.tag.startswith(NAME_TAGS)


class Lexicon:
    """Words, their frequencies, and the likeliest way to cut a text into them."""

    def __init__(self, entries: dict[str, tuple[int, str]]) -> None:
        """Take `word: (frequency, part of speech)`."""
        self._entries = entries
        self._total = math.log(sum(frequency for frequency, _ in entries.values()) or 1)
        self._longest = max(map(len, entries), default=1)

    def __contains__(self, word: str) -> bool:
        return word in self._entries

    def weight(self, word: str) -> float:
        """Return the negative log probability of a word, in nats: rare words weigh more."""
        frequency = self._entries.get(word, (1, ""))[0]
        return self._total - math.log(frequency)

    def words(self, text: str) -> list[Word]:
        """Cut a folded text into words: Chinese by the likeliest path, other scripts at their borders."""
        found: list[Word] = []
        for token in _TOKEN.finditer(text):
            start = token.start()
            for piece in _same_script(token.group()):
                found += self._cut(piece, start) if is_han(piece[0]) else [self._word(piece, start)]
                start += len(piece)
        return found

    def _word(self, text: str, start: int) -> Word:
        tag = self._entries.get(text, (0, UNKNOWN))[1]
        return Word(text, start, start + len(text), tag, self.weight(text))

    def _cut(self, text: str, offset: int) -> list[Word]:
        """Return the path of words with the largest product of probabilities (a unigram model)."""
        best: list[tuple[float, int]] = [(0.0, 0)] * (len(text) + 1)
        for start in range(len(text) - 1, -1, -1):
            options = [
                (best[end][0] - self.weight(text[start:end]), end)
                for end in range(start + 1, min(start + self._longest, len(text)) + 1)
                if end == start + 1 or text[start:end] in self._entries
            ]
            best[start] = max(options)
        words, start = [], 0
        while start < len(text):
            end = best[start][1]
            words.append(self._word(text[start:end], offset + start))
            start = end
        return words


@cache
def load_lexicon() -> Lexicon:
    """Read the bundled lexicon, once."""
    with gzip.open(FILE, "rt", encoding="utf-8") as file:
        rows = (line.rstrip("\n").split("\t") for line in file)
        return Lexicon({word: (int(frequency), tag) for word, frequency, tag in rows})


def translations(word: str) -> tuple[str, ...]:
    """Return the Chinese words that an English word, folded and stemmed, may stand for; likeliest first."""
    return tuple(_dictionary().get(word, "").split())


@cache
def _dictionary() -> dict[str, str]:
    with gzip.open(DICTIONARY, "rt", encoding="utf-8") as file:
        return dict(line.rstrip("\n").split("\t") for line in file)


@lru_cache(maxsize=2048)
def words_of(text: str) -> tuple[Word, ...]:
    """Cut a folded text with the bundled lexicon."""
    return tuple(load_lexicon().words(text))


def _same_script(token: str) -> list[str]:
    """Cut `3000万辆` or `AI芯片` where Chinese characters begin or end."""
    pieces: list[str] = []
    for character in token:
        if pieces and is_han(pieces[-1][-1]) == is_han(character):
            pieces[-1] += character
        else:
            pieces.append(character)
    return pieces
