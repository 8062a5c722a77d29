"""Matching: how far each word of a question is said in each piece of a text.

Exactly, in part, by sound (typed homophones such as 柳洲, and Liuzhou for 柳州), by the dictionary
(English words for Chinese ones), or by meaning. Everything works on folded text.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from rag.embedder import Embedder
from rag.folding import fold, is_han
from rag.lexical import stem
from rag.lexicon import translations, words_of
from rag.question import STOPWORDS, Term

Strengths = npt.NDArray[np.float64]

PART = 0.8  # of a longer word of which only some pairs of characters stand in the text
SOUND = 0.9
TRANSLATED = 0.9
MEANING = 0.9  # times the cosine
MIN_COSINE = 0.5
MAX_WORDS = 400  # of the text, compared by meaning

_HAN_RUN = re.compile("[\u3400-\u9fff]+")


def match(terms: Sequence[Term], pieces: Sequence[str], embedder: Embedder) -> Strengths:
    """Return how far each term is said in each piece.

    A term that some piece holds as it is written counts only there; the weaker ways are tried for
    the others alone, so that a typing error is forgiven and a right word is not diluted.

    Returns:
        Shape (len(terms), len(pieces)), from 0 (not at all) to 1 (as written).
    """
    folded = [fold(piece) for piece in pieces]
    strengths = np.zeros((len(terms), len(pieces)))
    for row, term in zip(strengths, terms, strict=True):
        row[:] = [_exact(term.text, piece) for piece in folded]
    unsaid = [at for at, row in enumerate(strengths) if not row.any()]
    for at in unsaid:
        ways = (_part, _sound, _translated)
        strengths[at] = [max(way(terms[at].text, piece) for way in ways) for piece in folded]
    still = [at for at in unsaid if strengths[at].max(initial=0.0) < SOUND]
    if still:
        meant = _meaning([terms[at].text for at in still], folded, embedder)
        strengths[still] = np.maximum(strengths[still], meant)
    return strengths


def _exact(term: str, piece: str) -> float:
    if not term.isascii():
        return float(term in piece)
    return float(bool(re.search(rf"(?<![a-z0-9]){re.escape(stem(term))}", piece)))


def _part(term: str, piece: str) -> float:
    if len(term) < 3 or term.isascii():
        return 0.0
    pairs = {term[at : at + 2] for at in range(len(term) - 1)}
    share = sum(pair in piece for pair in pairs) / len(pairs)
    return PART * share if share >= 0.5 else 0.0


def is_spelt(word: str, text: str) -> bool:
    """Say whether Chinese characters of a folded text spell a folded Latin word in pinyin: 五菱 spells wuling."""
    return _sound(word, text) > 0


def _sound(term: str, piece: str) -> float:
    syllables = _syllables(piece)
    if term.isascii():
        return SOUND if len(term) >= 4 and term.isalpha() and _spells(term, syllables) else 0.0
    if len(term) < 2 or not all(map(is_han, term)):
        return 0.0
    wanted = _syllables(term)[1:]
    width = len(wanted)
    return SOUND * any(syllables[at : at + width] == wanted for at in range(len(syllables) - width + 1))


def _translated(term: str, piece: str) -> float:
    return TRANSLATED * any(word in piece for word in translations(stem(term))) if term.isascii() else 0.0


def _spells(word: str, syllables: Sequence[str]) -> bool:
    """Say whether some whole syllables in a row spell a word of Latin letters."""
    if word not in "".join(syllables):
        return False
    for start in range(len(syllables)):
        spelt = ""
        for syllable in syllables[start:]:
            spelt += syllable
            if spelt == word:
                return True
            if not word.startswith(spelt):
                break
    return False


@lru_cache(maxsize=2048)
def _syllables(text: str) -> tuple[str, ...]:
    """Return the pinyin of the Chinese characters of a text, without tones; "" between runs of them."""
    from pypinyin import lazy_pinyin  # its dictionaries take a moment, and few questions need them

    spoken: list[str] = []
    for run in _HAN_RUN.findall(text):
        spoken += ["", *lazy_pinyin(run)]
    return tuple(spoken)


def _meaning(terms: Sequence[str], pieces: Sequence[str], embedder: Embedder) -> Strengths:
    columns: dict[str, list[int]] = {}
    for column, piece in enumerate(pieces):
        for word in words_of(piece):
            if len(word.text) > 1 and word.text not in STOPWORDS and word.text[0].isalnum():
                columns.setdefault(word.text, []).append(column)
    vocabulary = tuple(columns)[:MAX_WORDS]
    if not vocabulary:
        return np.zeros((len(terms), len(pieces)))
    # Both sides as queries: words are compared with words here, not questions with passages.
    cosines = embedder.embed_queries(list(terms)) @ embedder.embed_queries(vocabulary).T
    held = np.zeros((len(vocabulary), len(pieces)), bool)
    for row, text in zip(held, vocabulary, strict=True):
        row[columns[text]] = True
    best = np.where(held[None, :, :], cosines[:, :, None], 0.0).max(axis=1)
    return np.where(best >= MIN_COSINE, MEANING * best, 0.0)
