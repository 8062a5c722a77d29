"""Alignment: which runs of a sentence's words stand in a source, and what both are made of, each found once.

For rules that compare a sentence with the words it cites. Texts are folded; a Chinese character is a token, and so is a
word of another script, stemmed. Everything here is linear in the length of the texts. Knows no rule.
"""

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal

from rag.citations import FRAMES
from rag.folding import is_han
from rag.lexical import stem
from rag.lexicon import Word, translations, words_of
from rag.quantities import Quantity, fold_with_places, quantities
from rag.translation import chinese_of

Rule = Literal["quote", "number", "date", "unit", "word", "name", "negation", "direction", "count", "support"]
RULES: tuple[Rule, ...] = (
    "quote",
    "number",
    "date",
    "unit",
    "word",
    "name",
    "negation",
    "direction",
    "count",
    "support",
)

MAX_PLACES = 12  # of one pair of tokens in the source that are tried; keeps hostile texts linear
MAX_LENGTH = 20_000  # characters of a sentence, and of each quote, that are looked at


@dataclass(frozen=True)
class Problem:
    """What is wrong with a sentence: `said` are its words, `detail` what the source has instead, where it is known."""

    rule: Rule
    said: str
    detail: str = ""


@dataclass(frozen=True)
class Token:
    """A Chinese character, or a word of another script, stemmed; `[start, end)` in the folded text."""

    text: str
    start: int
    end: int
    han: bool


_TOKEN = re.compile(
    r"[\u3400-\u9fff\uf900-\ufaff〇\U00020000-\U0003ffff]|[^\W_\u3400-\u9fff\uf900-\ufaff〇\U00020000-\U0003ffff]+(?:['’][a-z]+)?"
)
ENDS = "。！？!?；;\n"


class Text:
    """A text with what the rules look at, each found once."""

    def __init__(self, text: str) -> None:
        """Fold the text; of a very long one the first `MAX_LENGTH` characters."""
        self.original = text[:MAX_LENGTH]
        self.folded, self.places = fold_with_places(self.original)

    @cached_property
    def tokens(self) -> list[Token]:
        """All tokens, in order."""
        return [
            Token(
                found.group() if is_han(found.group()[0]) else stem(found.group().replace("’", "'")),
                found.start(),
                found.end(),
                is_han(found.group()[0]),
            )
            for found in _TOKEN.finditer(self.folded)
        ]

    @cached_property
    def token_places(self) -> list[int]:
        """Where the tokens begin in the original text."""
        return [self.places[token.start] for token in self.tokens]

    @cached_property
    def token_starts(self) -> list[int]:
        """Where they begin in the folded text."""
        return [token.start for token in self.tokens]

    @cached_property
    def bare(self) -> str:
        """The characters of the tokens without spaces and signs; Latin words are kept apart."""
        return "".join(token.text if token.han else f" {token.text} " for token in self.tokens)

    @cached_property
    def stems(self) -> frozenset[str]:
        """The words of other scripts than the Chinese."""
        return frozenset(token.text for token in self.tokens if not token.han)

    @cached_property
    def words(self) -> tuple[Word, ...]:
        """The words as the lexicon cuts them."""
        return words_of(self.folded)

    @cached_property
    def quantities(self) -> tuple[Quantity, ...]:
        """The quantities; their spans are in the original text."""
        return quantities(self.original)

    @cached_property
    def word_ends(self) -> list[int]:
        """Where the words end in the folded text."""
        return [word.end for word in self.words]

    @cached_property
    def quantity_ends(self) -> list[int]:
        """Where the quantities end in the original text."""
        return [one.end for one in self.quantities]

    @cached_property
    def pairs(self) -> dict[tuple[str, str], list[int]]:
        """Where each pair of neighbouring tokens begins: numbers of tokens, no more than `MAX_PLACES`."""
        found: dict[tuple[str, str], list[int]] = {}
        for at in range(len(self.tokens) - 1):
            places = found.setdefault((self.tokens[at].text, self.tokens[at + 1].text), [])
            if len(places) < MAX_PLACES:
                places.append(at)
        return found

    @cached_property
    def sentence_of(self) -> list[int]:
        """For each token, the number of its sentence."""
        numbers, number, at = [], 0, 0
        for token in self.tokens:
            if any(sign in ENDS for sign in self.folded[at : token.start]):
                number += 1
            numbers.append(number)
            at = token.end
        return numbers

    @cached_property
    def chinese(self) -> bool:
        """Whether it is more Chinese than anything else."""
        han = sum(token.han for token in self.tokens)
        return han * 2 > len(self.tokens) - han

    @cached_property
    def is_traditional(self) -> bool:
        """Whether folding changed a Chinese character."""
        return any(is_han(one) and one not in self.folded for one in set(self.original))

    def has(self, word: str) -> bool:
        """Say whether a folded word stands in the text."""
        return stem(word) in self.stems if word.isascii() else word in self.bare


@lru_cache(maxsize=512)
def text_of(text: str) -> Text:
    """Return a text with what was found in it so far."""
    return Text(text)


@dataclass(frozen=True)
class Block:
    """`size` tokens in a row that a sentence has from its source: where they begin in both."""

    here: int
    there: int
    size: int


def blocks_of(said: Text, given: Text) -> list[Block]:
    """Return the runs of two and more tokens that stand in both, the longest at each place; linear in the sentence."""
    found: list[Block] = []
    at = 0
    mine, theirs = said.tokens, given.tokens
    while at < len(mine) - 1:
        best = Block(at, 0, 0)
        expected = found[-1].there + found[-1].size if found else 0
        for place in given.pairs.get((mine[at].text, mine[at + 1].text), ()):
            size = 2
            while (
                at + size < len(mine)
                and place + size < len(theirs)
                and mine[at + size].text == theirs[place + size].text
            ):
                size += 1
            nearer = abs(place - expected) < abs(best.there - expected)
            if size > best.size or (size == best.size and nearer):
                best = Block(at, place, size)
        if best.size:
            found.append(best)
        at += max(1, best.size)
    return found


def shown(text: Text, start: int, end: int) -> str:
    """Return the original words of a span of the folded text."""
    return text.original[text.places[start] : text.places[end]]


def is_frame(word: str) -> bool:
    """Say whether a word only puts what is said."""
    return word in FRAMES or stem(word) in FRAMES


def is_known(word: str) -> bool:
    """Say whether the dictionary knows an English word, folded."""
    return bool(translations(stem(word)) or chinese_of(stem(word)) or translations(word) or chinese_of(word))


def inside_quantities(text: Text) -> "Inside":
    """Return what says whether a place of the folded text lies in a quantity."""
    return Inside([(one.start, one.end) for one in text.quantities], text.places)


class Inside:
    """Says whether a place of the folded text lies in a quantity, whose spans are of the original."""

    def __init__(self, spans: Sequence[tuple[int, int]], places: Sequence[int]) -> None:
        """Keep spans, in order, of the text whose places are given for each character of the folded one."""
        self._starts, self._ends = [start for start, _ in spans], [end for _, end in spans]
        self._places = places

    def __call__(self, at: int) -> bool:
        """Say whether a place of the folded text lies in one of the spans."""
        place = self._places[at]
        found = bisect_left(self._starts, place + 1) - 1
        return found >= 0 and place < self._ends[found]


def names_something(word: str) -> bool:
    """Say whether an English word is a name: the likeliest Chinese word for it is one, or there is none."""
    found = [way.text for way in chinese_of(stem(word))] or list(translations(stem(word)))
    return not found or any(part.is_name for part in words_of(found[0]))


def weights_of(said: Text) -> list[float]:
    """Return for each token how much it says: nothing for numbers, which have a rule, frames and small words."""
    taken = inside_quantities(said)
    weights = []
    starts = [word.start for word in said.words]
    for token in said.tokens:
        at = bisect_left(starts, token.start + 1) - 1
        word = said.words[at].text if at >= 0 else token.text
        if taken(token.start) or word in FRAMES or (not token.han and is_frame(token.text)):
            weights.append(0.0)
        else:
            weights.append(1.0 if token.han else 2.0)
    return weights


def is_parted(text: Text, first: int, last: int) -> bool:
    """Say whether a sign that ends a clause, or an item, stands between two tokens."""
    between = text.folded[text.tokens[first].end : text.tokens[last].start]
    return any(sign in ENDS or sign in '，,：:、“”"（）()' for sign in between)


def joined(tokens: Sequence[Token]) -> str:
    """Return tokens as they stand in `Text.bare`, but for spaces at the ends."""
    return ("" if tokens and tokens[0].han else " ").join(token.text for token in tokens)
