"""Makes the tokenizer of the embedder: Unigram over Chinese words, characters and English pieces.

Knows texts and tokens; knows nothing of vectors.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable
from itertools import product

import numpy as np
import opencc
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

UNKNOWN = "[UNK]"
WORD_START = "▁"  # stands before every word of Latin letters, so that "cat" in "education" is another token
MAX_WORD = 4  # characters of a Chinese token; longer compounds match better in parts
MAX_PIECE = 13  # characters of a token of Latin letters, the mark of the word's start included
MAX_FORMS = 4  # traditional forms kept for one token

_han = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff]+")
_latin = re.compile(f"{WORD_START}[a-z]+")
_digits = re.compile("[0-9]+")
_to_traditional = opencc.OpenCC("s2t")


def is_han(token: str) -> bool:
    """Return whether the token is written in Chinese characters only."""
    return _han.fullmatch(token) is not None


def train_tokenizer(texts: Iterable[str], words: set[str], size: int) -> Tokenizer:
    """Make a Unigram tokenizer whose Chinese tokens are single characters or known words.

    Candidates start with their frequency as strings; then the texts are cut by the best candidates
    and these counted anew, a few times. The trainer of `tokenizers` is not used: it also takes
    frequent strings that are no words (的合作), and its result changes from run to run.

    Args:
        texts: Simplified Chinese and English texts.
        words: Chinese words that may become tokens.
        size: Tokens wanted; the characters of `texts` and `words` are kept beyond it.

    Source: Kudo 2018, "Subword regularization", section 3.2, with the best cut instead of all cuts.
    """
    texts = list(texts)
    characters, counts = _count_candidates(texts, {word for word in words if 1 < len(word) <= MAX_WORD})
    singles = {c for c, count in characters.items() if count > 1 or is_han(c)}
    singles |= {c for word in words for c in word if is_han(c)}
    counts += Counter({c: characters[c] for c in singles})
    for keep in (8 * size, 3 * size, size, size):
        chosen = set(sorted(counts, key=lambda token: (-counts[token], token))[:keep]) | singles
        total = sum(counts[token] for token in chosen)
        scored = [(token, round(math.log(max(counts[token], 0.5) / total), 3)) for token in chosen]
        scored.sort(key=lambda item: (-item[1], item[0]))
        tokenizer = _bare_tokenizer([(UNKNOWN, 0.0), *scored])
        counts = _count_tokens(tokenizer, texts)
    return tokenizer


def _count_candidates(texts: list[str], words: set[str]) -> tuple[Counter[str], Counter[str]]:
    """Count characters, and the strings that may become tokens wherever they stand."""
    normalize = _bare_tokenizer([(UNKNOWN, 0.0)]).normalizer.normalize_str
    characters: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    latin: Counter[str] = Counter()
    for text in map(normalize, texts):
        characters.update(text)
        latin.update(_latin.findall(text))
        counts.update(number[:MAX_WORD] for number in _digits.findall(text))
        for run in _han.findall(text):
            for length in range(2, MAX_WORD + 1):
                counts.update(words.intersection(run[i : i + length] for i in range(len(run) - length + 1)))
    for word, count in latin.items():
        for start in range(len(word)):
            for end in range(start + 2, min(start + MAX_PIECE, len(word)) + 1):
                counts[word[start:end]] += count
    wanted = {c: n for c, n in characters.items() if c.isalnum() or c == WORD_START}
    return Counter(wanted), Counter({token: n for token, n in counts.items() if n > 2})


def _count_tokens(tokenizer: Tokenizer, texts: list[str]) -> Counter[str]:
    totals = np.zeros(tokenizer.get_vocab_size(), np.int64)
    for start in range(0, len(texts), 2000):
        encodings = tokenizer.encode_batch_fast(texts[start : start + 2000], add_special_tokens=False)
        ids = np.fromiter((number for encoding in encodings for number in encoding.ids), np.int64)
        totals += np.bincount(ids, minlength=len(totals))
    found = ((tokenizer.id_to_token(int(number)), int(totals[number])) for number in np.flatnonzero(totals))
    return Counter({token: count for token, count in found if token is not None and token != UNKNOWN})


def add_traditional_forms(tokenizer: Tokenizer, traditional: dict[str, list[str]]) -> tuple[Tokenizer, list[int]]:
    """Add the traditional forms of Chinese tokens; they share the rows of the simplified ones.

    Returns:
        The larger tokenizer and, for each of its token ids, the id in the given one.
    """
    scored: list[tuple[str, float]] = [tuple(item) for item in json.loads(tokenizer.to_str())["model"]["vocab"]]
    known = {token for token, _ in scored}
    rows = list(range(len(scored)))
    for row, (token, score) in enumerate(list(scored)):
        if not is_han(token):
            continue
        if len(token) == 1:
            forms = traditional.get(token, [])
        else:
            forms = [_to_traditional.convert(token)]
            options = [[c, *traditional.get(c, [])] for c in token]
            if len(forms) < MAX_FORMS and sum(len(o) > 1 for o in options) == 1:
                forms += ["".join(form) for form in product(*options)]
        for form in forms[:MAX_FORMS]:
            if form not in known:
                known.add(form)
                scored.append((form, score))
                rows.append(row)
    return _bare_tokenizer(scored), rows


def _bare_tokenizer(vocabulary: list[tuple[str, float]]) -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=0))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFKD(),
            normalizers.StripAccents(),
            normalizers.NFKC(),
            normalizers.Lowercase(),
            normalizers.Replace(Regex(r"(?<![a-z])(?=[a-z])"), WORD_START),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(rf"[^\p{{L}}\p{{N}}{WORD_START}]+"), "removed"),
            pre_tokenizers.Split(Regex(r"\p{Han}+|[0-9]+"), "isolated"),
        ]
    )
    return tokenizer
