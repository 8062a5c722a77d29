"""Closeness: how well each of a few passages says what a query says, and how much of it within a short stretch.

BM25 does not see where in a passage the words of a query stand. A passage that answers says many of them within a
sentence or two. Only the first passages of a search are looked at, so the cost does not grow with the store.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from rag.folding import fold
from rag.lexical import RARITY, Concept, concepts, stem, ways_of

Scores = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]

SHORT, LONG = 15, 50  # characters of a block; a stretch is two blocks long
LATIN_STRETCH = 5  # times as many characters say as much in Latin letters
KEPT = 1024  # folded passages in memory
MAX_PLACES = 20  # of one way to say a concept in one passage

_LATIN = re.compile(r"[^\W\u3400-\u9fff]+(?:['’.][^\W\u3400-\u9fff]+)*")


@dataclass(frozen=True)
class Closeness:
    """What is seen of each passage; all are shares of what the query says, 0 to 1, shape (passages,)."""

    coverage: Scores  # said anywhere
    near: Scores  # said within one stretch of about 30 characters
    nearby: Scores  # of about 100
    stretches: tuple[str, ...]  # the stretch, of about 30, that says most; folded


@dataclass(frozen=True)
class _Text:
    """A passage, folded, with the places of its words in Latin letters."""

    folded: str
    words: dict[str, tuple[int, ...]]  # stem to places
    is_latin: bool  # more than half of it

    @property
    def step(self) -> int:
        """How many characters say as much as one of Chinese."""
        return LATIN_STRETCH if self.is_latin else 1


@dataclass(frozen=True)
class _Found:
    """Where the concepts stand: parallel arrays, one item for each place."""

    concepts: Places
    texts: Places
    places: Places
    factors: Scores


def closeness(query: str, passages: Sequence[str]) -> Closeness:
    """Look at each passage.

    A concept weighs by its rarity among these passages: what all of them say tells none of them apart.

    Source: Tao and Zhai, "An exploration of proximity measures in information retrieval", SIGIR 2007, which also
        adds nearness to BM25.
    """
    texts = [_text(passage) for passage in passages]
    chinese, english = not all(text.is_latin for text in texts), any(text.is_latin for text in texts)
    # Of English texts alone, the Chinese of a question says nothing beside its translations.
    asked = [concept for concept in concepts(query, chinese, english) if chinese or concept.literal.isascii()]
    found = _find(asked, texts)
    none = np.zeros(len(texts))
    if not len(found.places):
        return Closeness(none, none, none, tuple(text.folded[: 2 * SHORT * text.step] for text in texts))
    held = np.zeros((len(asked), len(texts)))
    np.maximum.at(held, (found.concepts, found.texts), found.factors)
    weights = np.array([concept.weight for concept in asked]) * _rarity(held) ** (1 + RARITY)
    weights /= weights.sum()
    steps = np.array([text.step for text in texts])
    near, at = _best_stretches(found, weights, SHORT * steps)
    nearby, _ = _best_stretches(found, weights, LONG * steps)
    starts = at * SHORT * steps
    stretches = (
        text.folded[start : start + 2 * SHORT * text.step] for text, start in zip(texts, starts.tolist(), strict=True)
    )
    return Closeness(weights @ held, near, nearby, tuple(stretches))


def _find(asked: Sequence[Concept], texts: Sequence[_Text]) -> _Found:
    found: list[tuple[int, int, int, float]] = []
    for row, concept in enumerate(asked):
        for way, factor in ways_of(concept):
            latin = way.isascii()
            for at, text in enumerate(texts):
                # A Chinese question does not mean the English words that stand in a Chinese text.
                if way == concept.literal or text.is_latin == latin:
                    places = _phrase_places(way, text) if latin else _places(way, text.folded)
                    found += [(row, at, place, factor) for place in places]
    numbers = np.array([item[:3] for item in found], np.int64).reshape(-1, 3)
    return _Found(numbers[:, 0], numbers[:, 1], numbers[:, 2], np.array([item[3] for item in found]))


def _best_stretches(found: _Found, weights: Scores, blocks: Places) -> tuple[Scores, Places]:
    """Return for each text the weight of what its best two neighbouring blocks hold, and the number of the first.

    Args:
        found: Where the concepts stand.
        weights: Of the concepts.
        blocks: How many characters a block of each text is long.
    """
    numbers = found.places // blocks[found.texts]
    width = int(numbers.max()) + 2  # one empty block after each text
    grid = np.zeros((len(weights), len(blocks) * width + 1))
    np.maximum.at(grid, (found.concepts, found.texts * width + numbers), found.factors)
    scores = (weights @ np.maximum(grid[:, :-1], grid[:, 1:])).reshape(len(blocks), width)
    scores = scores[:, :-1]  # what begins in the empty block reaches into the next text
    return scores.max(axis=1), scores.argmax(axis=1)


def _places(way: str, folded: str) -> Sequence[int]:
    place = folded.find(way)
    if place < 0:  # the usual case
        return ()
    found: list[int] = []
    while place >= 0 and len(found) < MAX_PLACES:
        found.append(place)
        place = folded.find(way, place + 1)
    return found


def _phrase_places(phrase: str, text: _Text) -> Sequence[int]:
    """Return the places of the first word of a phrase in a text that holds all of its words."""
    words = phrase.split(" ")
    return text.words.get(words[0], ()) if all(word in text.words for word in words) else ()


@lru_cache(maxsize=KEPT)
def _text(passage: str) -> _Text:
    folded = fold(passage)
    words: dict[str, list[int]] = {}
    latin = 0
    for match in _LATIN.finditer(folded):
        words.setdefault(stem(match.group()), []).append(match.start())
        latin += match.end() - match.start() + 1
    return _Text(folded, {word: tuple(places) for word, places in words.items()}, 2 * latin > len(folded))


def _rarity(held: Scores) -> Scores:
    """Return the inverse document frequency of each concept among the texts, as BM25 has it."""
    texts, holding = held.shape[1], held.sum(axis=1)
    rarity: Scores = np.log(1 + (texts - holding + 0.5) / (holding + 0.5))
    return rarity
