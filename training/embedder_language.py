"""Says which tokens translate a token, and which are typed by mistake for it: the embedder's word-for-word variants.

Knows the tokenizer, the dictionary and the package's table of translations; knows nothing of vectors.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from pypinyin import lazy_pinyin
from tokenizers import Tokenizer

from rag.lexical import stem
from rag.translation import english_of
from training.embedder_training import Exchanges, Language, TokenLists
from training.embedder_vocabulary import UNKNOWN, WORD_START, is_han

SURFACES = 3  # forms of a stem that are used: chair, chairs, chaired
ENTRY = 0.25  # chance of a dictionary's entry beside the likeliest word of the table
MAX_MISTAKES = 6  # mistyped forms of one token
LIKE_SOUNDS = 5  # characters of one sound that are taken for another
HIGHEST = 300  # a text holds no English word more often than this for the choice among forms

Entry = tuple[str, list[tuple[str, float]]]


def language_of_tokens(
    tokenizer: Tokenizer, english_texts: Iterable[str], dictionary: Iterable[tuple[str, str]], characters: Counter[str]
) -> Language:
    """Collect translations and mistakes for the tokens.

    Args:
        tokenizer: Of the simplified tokens.
        english_texts: Tell which forms of a word are common.
        dictionary: Chinese and English.
        characters: How often each Chinese character is used; the common ones are typed by mistake.
    """
    ids = tokenizer.get_vocab()
    han = sorted(token for token in ids if is_han(token))
    entries: dict[str, list[str]] = defaultdict(list)
    for chinese, english in dictionary:
        if chinese in ids:
            entries[chinese].append(english)
    forms = _forms(english_texts)
    to_english: dict[str, dict[str, float]] = {}
    to_chinese: dict[str, dict[str, float]] = defaultdict(dict)
    for token in han:
        options = dict.fromkeys(entries[token], ENTRY / max(1, len(entries[token])))
        for option in english_of(token):
            for words, share in _surfaces(option.text, forms):
                # The factor is the root of a chance; see rag.translation.
                options[words] = options.get(words, 0.0) + option.factor**2 * share
        to_english[token] = options
        for words, chance in options.items():
            if " " not in words and (word := WORD_START + words) in ids:
                to_chinese[word][token] = chance
    is_word = np.array([False] * len(ids))
    for token, number in ids.items():
        is_word[number] = token != UNKNOWN and not token.isdigit()
    return Language(
        _exchanges(tokenizer, ((token, list(options.items())) for token, options in to_english.items())),
        _exchanges(tokenizer, ((token, list(options.items())) for token, options in sorted(to_chinese.items()))),
        _exchanges(tokenizer, _mistakes(han, characters)),
        is_word,
    )


def _forms(texts: Iterable[str]) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for word, count in Counter(word for text in texts for word in text.lower().split() if word.isalpha()).items():
        found[stem(word)][word] = min(count, HIGHEST)
    return found


def _surfaces(stems: str, forms: dict[str, Counter[str]]) -> Iterator[tuple[str, float]]:
    """Yield a stem's common forms with their shares; the words of a phrase each in its commonest form."""
    words = stems.split(" ")
    if len(words) > 1:
        yield " ".join(forms[word].most_common(1)[0][0] if word in forms else word for word in words), 1.0
        return
    common = forms[stems].most_common(SURFACES) if stems in forms else [(stems, 1)]
    total = sum(count for _, count in common)
    yield from ((word, count / total) for word, count in common)


def _mistakes(tokens: Sequence[str], characters: Counter[str]) -> Iterator[Entry]:
    """Yield tokens of several characters with what is typed for them: another character of the same sound."""
    sounds = like_sounding(characters)
    for token in tokens:
        if len(token) < 2:
            continue
        options = [
            (token[:at] + other + token[at + 1 :], 1.0)
            for at, character in enumerate(token)
            for other in sounds.get(character, ())
        ]
        if options:
            yield token, options[:: -(-len(options) // MAX_MISTAKES)]


def like_sounding(characters: Counter[str]) -> dict[str, list[str]]:
    """Return for each Chinese character the commonest others of the same sound, tones aside."""
    of_sound: dict[str, list[str]] = defaultdict(list)
    sounds = {character: lazy_pinyin(character)[0] for character in characters if is_han(character)}
    for character in sorted(sounds, key=lambda character: (-characters[character], character)):
        of_sound[sounds[character]].append(character)
    return {
        character: [other for other in of_sound[sound][: LIKE_SOUNDS + 1] if other != character][:LIKE_SOUNDS]
        for character, sound in sounds.items()
    }


def _exchanges(tokenizer: Tokenizer, entries: Iterable[Entry]) -> Exchanges:
    ids = tokenizer.get_vocab()
    tokens, texts, chances = [], [], []
    for token, options in entries:
        for text, chance in options:
            tokens.append(ids[token])
            texts.append(text)
            chances.append(chance)
    lists = [
        [number for number in encoding.ids if number]
        for encoding in tokenizer.encode_batch_fast(texts, add_special_tokens=False)
    ]
    known = [at for at, numbers in enumerate(lists) if numbers]
    return Exchanges(
        tokenizer.get_vocab_size(),
        np.array([tokens[at] for at in known], np.int64),
        TokenLists.of([lists[at] for at in known]),
        np.array([chances[at] for at in known]),
    )
