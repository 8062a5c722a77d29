"""Encoding: a question and a passage as the arrays that the bundled reader takes.

Chinese characters are tokens of their own, so that an answer may begin and end anywhere; other
scripts are cut at words, numbers and signs. What a small model cannot learn from little data is
given to it: words, parts of speech, and above all which words of the passage the question holds.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from rag.folding import fold, is_han
from rag.lexical import stem
from rag.lexicon import Word, load_lexicon, translations
from rag.passages import clause_spans, sentence_spans
from rag.question import ASKING, STOPWORDS

Integers = npt.NDArray[np.int32]
Features = npt.NDArray[np.floating[Any]]

CONTEXT_FEATURES = (
    "token", "pair", "triple", "word", "word_weight", "translated", "clause_coverage", "sentence_coverage",
    "sentence_coverage_relative", "gram_coverage", "gram_coverage_relative", "before_coverage", "left_near",
    "right_near", "quoted", "length",
)  # fmt: skip
QUESTION_FEATURES = ("token", "weight", "asking", "translated")
TAGS = (
    "?", "a", "ad", "an", "b", "c", "d", "f", "g", "h", "i", "j", "k", "l", "m", "n", "nr", "ns", "nt", "nz", "o", "p",
    "q", "r", "s", "t", "u", "v", "vn", "w", "x", "y", "z", "latin", "digit",
)  # fmt: skip
PAD, UNKNOWN = 0, 1  # ids of both vocabularies
HASHED = 4096  # ids for words in other scripts, by a hash
NUMBERS = 16  # ids for numbers, by their form
NEAR = 8.0  # tokens, over which nearness to a matched word falls to 1/e

Key = TypeVar("Key", str, tuple[str, ...])

_PIECE = re.compile(r"[^\W\d_]+|\d+(?:[.,]\d+)*|.", re.DOTALL)
_OPENING, _CLOSING = "“「『《〈‘(（[【", "”」』》〉’)）]】"
_TAG_ID = {tag: number for number, tag in enumerate(TAGS)}


@dataclass(frozen=True)
class Vocabulary:
    """The ids of single characters and of words; see `token_id` for what is in neither."""

    characters: Mapping[str, int]
    words: Mapping[str, int]

    @property
    def tokens(self) -> int:
        """How many ids of tokens there are."""
        return len(self.characters) + 2 + NUMBERS + HASHED

    def token_id(self, token: str) -> int:
        """Return the id of a token: of a character, of a form of number, or of a hash of a word's stem."""
        known = self.characters.get(token)
        if known is not None:
            return known
        base = len(self.characters) + 2
        if token[0].isdigit():
            return base + _number_form(token)
        if len(token) == 1 and not token.isalpha():
            return UNKNOWN
        return base + NUMBERS + _hash(stem(token)) % HASHED


def make_vocabulary(characters: Sequence[str], words: Sequence[str]) -> Vocabulary:
    """Number characters and words in their order, after the ids of padding and of the unknown."""
    return Vocabulary(
        {character: number for number, character in enumerate(characters, start=2)},
        {word: number for number, word in enumerate(words, start=2)},
    )


@dataclass(frozen=True)
class Tokens:
    """A text cut into tokens. All sequences have one entry per token."""

    texts: tuple[str, ...]  # folded
    starts: Integers  # characters in the text
    ends: Integers
    words: tuple[Word, ...]  # the word each token belongs to
    places: Integers  # in its word: 0 whole, 1 first, 2 middle, 3 last
    tags: Integers  # of TAGS
    clauses: Integers  # numbers, rising
    sentences: Integers
    quoted: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True)
class Encoded:
    """A text as the model takes it: ids of shape (tokens,), features of shape (tokens, features)."""

    tokens: Integers
    words: Integers
    tags: Integers
    places: Integers
    features: Features


def fold_in_place(text: str) -> str:
    """Fold a text character by character without changing its length: what folds to several keeps its first."""
    return "".join(folded if len(folded) == 1 else folded[:1] or character for character, folded in _each(text))


def _each(text: str) -> list[tuple[str, str]]:
    return [(character, fold(character)) for character in text]


@lru_cache(maxsize=1024)
def tokenise(text: str) -> Tokens:
    """Cut a text into tokens."""
    folded = fold_in_place(text)
    texts: list[str] = []
    spans: list[tuple[int, int]] = []
    words: list[Word] = []
    places: list[int] = []
    tags: list[int] = []
    for word in load_lexicon().words(folded):
        if is_han(word.text[0]):
            pieces = [(at, at + 1) for at in range(word.start, word.end)]
        else:
            pieces = [(word.start + found.start(), word.start + found.end()) for found in _PIECE.finditer(word.text)]
        for number, (start, end) in enumerate(pieces):
            texts.append(folded[start:end])
            spans.append((start, end))
            words.append(word)
            whole = len(pieces) == 1
            places.append(0 if whole else 1 if number == 0 else 3 if number == len(pieces) - 1 else 2)
            tags.append(_tag(word, folded[start:end]))
    starts = np.array([start for start, _ in spans], np.int32)
    return Tokens(
        tuple(texts),
        starts,
        np.array([end for _, end in spans], np.int32),
        tuple(words),
        np.array(places, np.int32),
        np.array(tags, np.int32),
        _numbers(clause_spans(text), starts),
        _numbers(sentence_spans(text), starts),
        _quoted(texts),
    )


def _tag(word: Word, token: str) -> int:
    if token[0].isdigit():
        return _TAG_ID["digit"]
    if not is_han(token[0]):
        return _TAG_ID["latin" if token[0].isalpha() else "w"]
    return _TAG_ID.get(word.tag, _TAG_ID.get(word.tag[:1], 0))


def _numbers(spans: Sequence[tuple[int, int]], starts: Integers) -> Integers:
    edges = np.array([start for start, _ in spans] or [0], np.int32)
    return np.asarray(np.maximum(np.searchsorted(edges, starts, side="right") - 1, 0), np.int32)


def _quoted(texts: Sequence[str]) -> npt.NDArray[np.bool_]:
    inside = np.zeros(len(texts), bool)
    depth = 0
    for at, token in enumerate(texts):
        if token in _CLOSING:
            depth = max(depth - 1, 0)
        inside[at] = depth > 0
        if token in _OPENING:
            depth += 1
    return inside


def _number_form(token: str) -> int:
    digits = sum(character.isdigit() for character in token)
    if digits == len(token):
        if digits == 4 and token[:2] in ("15", "16", "17", "18", "19", "20"):
            return 0  # most likely a year
        return min(digits, 8)
    return 8 + min(digits, 7)


def _hash(word: str) -> int:
    value = 0
    for byte in word.encode():  # Python's own hash differs from process to process
        value = (value * 131 + byte) & 0xFFFFFFFF
    return value


def encode(question: str, passage: str, vocabulary: Vocabulary) -> tuple[Encoded, Encoded]:
    """Return a question and a passage as the model takes them, each with what it shares with the other."""
    asked, text = tokenise(question), tokenise(passage)
    question_features, context_features = match_features(asked, text)
    return _encoded(asked, vocabulary, question_features), _encoded(text, vocabulary, context_features)


def _encoded(tokens: Tokens, vocabulary: Vocabulary, features: Features) -> Encoded:
    return Encoded(
        np.array([vocabulary.token_id(token) for token in tokens.texts], np.int32),
        np.array([vocabulary.words.get(word.text, UNKNOWN) for word in tokens.words], np.int32),
        tokens.tags,
        tokens.places,
        features,
    )


def match_features(asked: Tokens, text: Tokens) -> tuple[Features, Features]:
    """Return QUESTION_FEATURES and CONTEXT_FEATURES, shapes (tokens, features)."""
    weights = _content_weights(asked)
    foreign = _foreign(weights)
    of_question = np.zeros((len(asked), len(QUESTION_FEATURES)), np.float32)
    features = np.zeros((len(text), len(CONTEXT_FEATURES)), np.float32)
    if not len(text) or not len(asked):
        return of_question, features
    column = {name: features[:, at] for at, name in enumerate(CONTEXT_FEATURES)}
    # Grams: what the two share whatever the words are.
    runs = {size: set(_runs(asked.texts, size)) for size in (1, 2, 3)}
    plain = [token.isalnum() and token not in STOPWORDS for token in text.texts]
    for size, name in ((1, "token"), (2, "pair"), (3, "triple")):
        for at, run in enumerate(_runs(text.texts, size)):
            if run in runs[size] and (size > 1 or plain[at]):
                column[name][at : at + size] = 1.0
    # Words, as they are or by the dictionary.
    matched: list[str] = [""] * len(text)
    for at, word in enumerate(text.words):
        if word.text in weights:
            matched[at] = word.text
            column["word"][at] = 1.0
        elif (other := foreign.get(word.text) or _translated(word, weights)) is not None:
            matched[at] = other
            column["translated"][at] = 1.0
        if matched[at]:
            column["word_weight"][at] = weights[matched[at]]
    total = sum(weights.values()) or 1.0
    clause = _coverage(matched, text.clauses, weights) / total
    sentence = _coverage(matched, text.sentences, weights) / total
    column["clause_coverage"][:] = clause[text.clauses]
    column["sentence_coverage"][:] = sentence[text.sentences]
    column["sentence_coverage_relative"][:] = (sentence / (sentence.max(initial=0.0) or 1.0))[text.sentences]
    column["before_coverage"][:] = np.concatenate([[0.0], sentence[:-1]])[text.sentences]
    asked_grams = [*dict.fromkeys(run for size in (1, 2) for run in _runs(asked.texts, size))]
    known = {gram: 1.0 for gram in asked_grams if not all(token in STOPWORDS or not token.isalnum() for token in gram)}
    grams = _coverage(list(_runs(text.texts, 1)), text.sentences, known)
    grams += _coverage([*_runs(text.texts, 2), ()], text.sentences, known)
    grams /= len(known) or 1
    column["gram_coverage"][:] = grams[text.sentences]
    column["gram_coverage_relative"][:] = (grams / (grams.max(initial=0.0) or 1.0))[text.sentences]
    near = np.array([bool(word) for word in matched])
    column["left_near"][:], column["right_near"][:] = _nearness(near), _nearness(near[::-1])[::-1]
    column["quoted"][:] = text.quoted
    column["length"][:] = [min(len(token), 12) / 12 for token in text.texts]
    held = set(text.texts)
    said = set(matched)
    folded = "".join(asked.texts)
    asking = _asking(asked, folded)
    for at, (token, word) in enumerate(zip(asked.texts, asked.words, strict=True)):
        weight = weights.get(word.text, 0.0)
        of_question[at] = (token in held, weight, asking[at], word.text in said)
    return of_question, features


def _content_weights(asked: Tokens) -> dict[str, float]:
    """Return the words of a question that carry meaning, with their weights from 0 to 1."""
    asking = _asking(asked, "".join(asked.texts))
    found: dict[str, float] = {}
    for word, token, asks in zip(asked.words, asked.texts, asking, strict=True):
        if asks or word.text in STOPWORDS or not token[0].isalnum() or word.tag[0] in "ucpyer":
            continue
        found[word.text] = 0.6 if word.text.isascii() else min(word.weight, 16.0) / 16
    return found


def _asking(asked: Tokens, folded: str) -> list[bool]:
    """Tell of each token whether it belongs to the words that only ask."""
    separated = any(token.isascii() and token.isalpha() for token in asked.texts)
    joined = " ".join(asked.texts) if separated else folded
    spans = [found.span() for found in ASKING.finditer(joined)]
    flags, at = [], 0
    for token in asked.texts:
        flags.append(any(start <= at and at + len(token) <= end for start, end in spans))
        at += len(token) + separated
    return flags


def _foreign(weights: Mapping[str, float]) -> dict[str, str]:
    """Return Chinese words that the English words of a question may stand for, with the word each stands for."""
    found: dict[str, str] = {}
    for word in weights:
        if word.isascii() and word.isalpha():
            for other in translations(stem(word)):
                found.setdefault(other, word)
    return found


def _translated(word: Word, weights: Mapping[str, float]) -> str | None:
    """Return the word of the question that an English word of the text, or a name it spells, stands for."""
    if word.text.isascii():
        if not word.text.isalpha():
            return None
        return next((other for other in translations(stem(word.text)) if other in weights), None)
    if len(word.text) < 2 or not word.tag.startswith("n"):
        return None
    if not any(known.isascii() and known.isalpha() for known in weights):
        return None
    spelt = _pinyin(word.text)
    return spelt if spelt in weights else None


@lru_cache(maxsize=65536)
def _pinyin(word: str) -> str:
    from pypinyin import lazy_pinyin  # its dictionaries take a moment, and few questions need them

    return "".join(lazy_pinyin(word))


def _runs(tokens: Sequence[str], size: int) -> list[tuple[str, ...]]:
    return list(zip(*(tokens[at:] for at in range(size)), strict=False))


def _coverage(keys: Sequence[Key], owners: Integers, weights: Mapping[Key, float]) -> npt.NDArray[np.float64]:
    """Return for each owner the sum of the weights of the different keys it holds."""
    found: set[tuple[int, Key]] = set()
    totals = np.zeros(int(owners[-1]) + 1)
    for key, owner in zip(keys, owners.tolist(), strict=True):
        if key in weights and (owner, key) not in found:
            found.add((owner, key))
            totals[owner] += weights[key]
    return totals


def _nearness(near: npt.NDArray[np.bool_]) -> Features:
    """Return exp(-tokens to the last marked token / NEAR), 0 before the first."""
    at = np.arange(len(near))
    last = np.maximum.accumulate(np.where(near, at, -(10**6)))
    return np.asarray(np.exp(np.maximum((last - at) / NEAR, -math.inf)), np.float32)
