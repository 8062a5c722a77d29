"""Likelihood of a line break inside or between paragraphs of Chinese, from counts of characters.

The table (data/boundaries.bin.gz, made by training/boundaries.py) holds how often one character follows
another, begins a text or sentence, and ends a headline. It knows nothing of words, lines or files.
Characters are folded first: traditional to simplified, digits to "0", Latin letters to "a".
"""

import gzip
import json
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import accumulate, pairwise

STEP = 0.25  # nats per unit of the stored logarithms, which are negative and rounded
_FLOOR = 63.0 * STEP


@dataclass(frozen=True)
class BoundaryTable:
    """Character statistics. All logarithms are natural, in units of -STEP, 0 to 255."""

    chars: Sequence[int]  # code points, ascending
    unigram: Sequence[int]  # log p(character)
    start: Sequence[int]  # log p(character | begins a text or sentence)
    end: Sequence[int]  # log p(a headline ends | character)
    pairs: Sequence[int]  # ascending: position of the first character in `chars` * 65536 + the second's
    follow: Sequence[int]  # log p(second | first)
    variants: dict[str, str]  # traditional character to simplified

    def fold(self, char: str) -> str:
        """Map a character to the one that the table counts."""
        if char.isascii():
            return "0" if char.isdigit() else "a" if char.isalpha() else char
        return self.variants.get(char, char)

    def log_follow(self, first: str, second: str) -> float:
        """Return log p(second | first) in nats; unseen pairs back off to the second character alone."""
        a, b = self._position(first), self._position(second)
        if a is None or b is None:
            return -_FLOOR / 1.4
        key = a * 65536 + b
        place = bisect_left(self.pairs, key)
        if place < len(self.pairs) and self.pairs[place] == key:
            return -STEP * self.follow[place]
        # A pair this rare was cut from the table: it is less likely than chance, not impossible.
        return -STEP * self.unigram[b] - 1.5

    def log_start(self, char: str) -> float:
        """Return log p(char | it begins a text or a sentence) in nats."""
        place = self._position(char)
        return -_FLOOR / 1.4 if place is None else -STEP * self.start[place]

    def log_end(self, char: str) -> float:
        """Return log p(a headline ends here | its last character) in nats."""
        place = self._position(char)
        return -3.0 if place is None else -STEP * self.end[place]

    def log_text(self, text: str) -> float:
        """Mean log p(character | the one before) in nats, over the pairs that are not both ASCII.

        For choosing an encoding: Chinese text has about -4, wrongly decoded text less than -9.
        """
        folded = [self.fold(char) for char in text if not char.isspace()]
        logs = [self._log_strict(a, b) for a, b in pairwise(folded) if not (a.isascii() and b.isascii())]
        return sum(logs) / len(logs) if logs else -_FLOOR

    def _log_strict(self, first: str, second: str) -> float:
        # Wrongly decoded text is full of characters that no newspaper prints.
        if self._position(first) is None or self._position(second) is None:
            return -_FLOOR
        return self.log_follow(first, second)

    def _position(self, char: str) -> int | None:
        code = ord(self.fold(char))
        place = bisect_left(self.chars, code)
        return place if place < len(self.chars) and self.chars[place] == code else None


@cache
def boundary_table() -> BoundaryTable:
    """Load the bundled table once, in about ten milliseconds."""
    data = gzip.decompress(files("rag").joinpath("data/boundaries.bin.gz").read_bytes())
    head, _, body = data.partition(b"\n")
    sizes = json.loads(head)
    parts: dict[str, array[int]] = {}
    for name, code in PARTS:
        values = array(code)
        length = sizes[name] * values.itemsize
        values.frombytes(body[:length])
        body = body[length:]
        parts[name] = values
    variants = body.decode("utf-8")
    return BoundaryTable(
        chars=parts["chars"],
        unigram=parts["unigram"],
        start=parts["start"],
        end=parts["end"],
        pairs=_running_sum(parts["gaps"]),
        follow=parts["follow"],
        variants=dict(zip(variants[::2], variants[1::2], strict=True)),
    )


# Stored order and array type of each part; pairs are stored as gaps, which compress well.
PARTS = (
    ("chars", "I"),
    ("unigram", "B"),
    ("start", "B"),
    ("end", "B"),
    ("gaps", "I"),
    ("follow", "B"),
)


def _running_sum(gaps: Sequence[int]) -> "array[int]":
    return array("I", accumulate(gaps))
