"""Translation of a query's words, by a bundled table: which words of the other language may stand for one.

`rag.lexicon.translations` has every Chinese word a dictionary knows for an English one; here each has a weight, learnt
from sentences that say the same in both languages, phrases are known, and Chinese words have English ones. The table is
read when a query first meets a store that holds text of the other language.
"""

import gzip
import math
from collections import defaultdict
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

FILE = Path(__file__).parent / "data" / "translations.tsv.gz"
STEPS = 10  # a chance is kept as one digit: how many factors of 1 / sqrt(2) it is below the likeliest
LONGEST_PHRASE = 3  # words
MAX_ENGLISH = 8  # English words of one Chinese word
SINGLE = 0.3  # factor of a single Chinese character, which is part of many words


@dataclass(frozen=True)
class Translation:
    """A word that may stand for another; `factor` is 1 for the likeliest, less for the others."""

    text: str
    factor: float


def step_of(share: float) -> int:
    """Return the digit of a chance, given as a share of the likeliest one's; `STEPS` or more is too small to keep."""
    return round(-2 * math.log2(share))


def factor_of(step: int) -> float:
    """Return the factor of a digit: the square root of the share, which found more than the share itself did."""
    return float(2 ** (-step / 4))


@lru_cache(maxsize=4096)
def chinese_of(english: str) -> tuple[Translation, ...]:
    """Return the Chinese words of an English word, folded and stemmed, or of such words joined by spaces."""
    row = _table().get(english)
    if row is None:
        return ()
    words, _, steps = row.partition("\t")
    return tuple(
        Translation(word, factor_of(int(step)) * (SINGLE if len(word) == 1 else 1.0))
        for word, step in zip(words.split(" "), steps, strict=True)
    )


@lru_cache(maxsize=4096)
def english_of(chinese: str) -> tuple[Translation, ...]:
    """Return the English words and phrases, stemmed, of a Chinese word, folded."""
    options = []
    for english in _reverse().get(chinese, ()):
        words, _, steps = _table()[english].partition("\t")
        options.append((int(steps[words.split(" ").index(chinese)]), english))
    return tuple(Translation(english, factor_of(step)) for step, english in sorted(options)[:MAX_ENGLISH])


@cache
def _table() -> dict[str, str]:
    with gzip.open(FILE, "rt", encoding="utf-8") as file:
        return dict(line.rstrip("\n").split("\t", 1) for line in file)


@cache
def _reverse() -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for english, row in _table().items():
        for word in row.partition("\t")[0].split(" "):
            found[word].append(english)
    return found
