"""Absence: which of the words that the text does not have are worth telling a person.

What is looked for are all pieces of a question, so that nothing is missed: single characters, halves of unknown words,
the names of tags. People are told whole words, and few. Rules and the lexicon decide, no model.
"""

import re
from collections.abc import Sequence

from rag.folding import fold, is_han
from rag.lexical import stem
from rag.lexicon import NAME_TAGS, Word, load_lexicon, translations, words_of

MOST = 3  # words that are told
_MARKUP = re.compile(r"<[a-z/!]|[a-z]\(|\{\{|\$\{")  # then words in Latin letters may be code
_NOMINAL = ("n", "j", "s", "vn", "an")  # beginnings of the parts of speech that noun phrases are made of
_HEADS = ("n", "q", "zg", "k")  # of a character that ends a word: 充电桩, 三江县
_DEPUTY = "b"  # of one that begins it: 副市长, 总投资


def worth_telling(question: str, missing: Sequence[str]) -> tuple[str, ...]:
    """Return the words that a person is told, in their order and as the question writes them.

    Whole words of the lexicon, names and noun phrases; no single characters, no piece of another, at most `MOST`, and
    things before what is done with them.

    Args:
        question: What was searched for.
        missing: Words of it, folded, that the text does not have.
    """
    folded = fold(question)
    asked = "".join(filter(str.isalnum, folded))
    if any(word == asked and not word.isascii() and not _is_thing(word) for word in missing):
        return ()  # nothing but a run of unknown characters was asked
    is_code = _MARKUP.search(folded) is not None
    shown = question if len(folded) == len(question) else folded
    told: dict[str, bool] = {}  # whether each is a thing
    for word in missing:
        start = folded.find(word)
        written = shown[start : start + len(word)] if start >= 0 else word
        if word.isascii():
            if not is_code and _is_word(word, written, folded):
                told[written] = True
        elif (is_thing := _is_thing(word)) or (len(word) > 1 and word in load_lexicon()):
            told[written] = is_thing
    whole = [word for word in told if not any(word != other and word in other for other in told)]
    first = sorted(whole, key=lambda word: not told[word])[:MOST]
    return tuple(word for word in whole if word in first)


def _is_word(word: str, written: str, question: str) -> bool:
    """Say whether letters or digits are a word, a number or, by their capital letters, a name."""
    if len(word) < 2 or not (word[0].isalnum() and word[-1].isalnum()):
        return False
    looks_like_name = written != word or any(character.isdigit() for character in word)
    in_chinese = any(map(is_han, question)) and len(word) > 2
    return looks_like_name or in_chinese or bool(translations(stem(word)))


def _is_thing(text: str) -> bool:
    """Say whether a folded Chinese text is a noun, a name or a noun phrase, as far as the lexicon knows."""
    words = words_of(text)
    if len(text) < 2 or not words:
        return False
    first, last = words[0], words[-1]
    if len(words) == 1:
        return text in load_lexicon() and first.tag.startswith(_NOMINAL)
    if _is_single(first) and first.tag.startswith("nr"):  # a surname: 魏建军
        return len(text) <= 3
    if first.text.isascii() or len(first.text) > 1:
        if _is_single(last) and last.tag.startswith(_HEADS):
            return len(words) == 2 or all(map(_is_nominal, words[:-1]))
    elif first.tag == _DEPUTY:
        return all(_is_nominal(word) and len(word.text) > 1 for word in words[1:])
    return all(map(_is_nominal, words)) and (
        any(len(word.text) > 1 for word in words) or all(word.is_name for word in words)
    )


def _is_single(word: Word) -> bool:
    return len(word.text) == 1 and not word.text.isascii()


def _is_nominal(word: Word) -> bool:
    known = word.text.isascii() or word.text in load_lexicon()
    return known and (word.tag.startswith((*_NOMINAL, *NAME_TAGS)) or (word.text.isascii() and len(word.text) > 1))
