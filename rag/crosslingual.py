"""Crosslingual: whether a source in the other language may hold what a sentence says, by dictionary and sound.

Names are found by their translation or by how they sound, content words by a dictionary that knows but some, and
negation only where one side has none at all. Who does what to whom is not seen.
"""

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from functools import lru_cache

from rag.alignment import Problem, Text, inside_quantities, is_frame, is_known, names_something, shown
from rag.citations import FRAMES
from rag.folding import is_han
from rag.lexical import stem
from rag.lexicon import translations
from rag.polarity import CUE, OPPOSITES, SIDE_OF, direction_words
from rag.translation import chinese_of, english_of

LEAST_TRANSLATED = 0.34  # of the content words, across languages: the dictionary knows but some
ALIKE = 0.68  # of two spellings of one name in Latin letters
MAX_NUMBERS = 400  # of a sentence that count


@lru_cache(maxsize=256)
def _spoken(text: str) -> tuple[str, ...]:
    """Return the pinyin of the Chinese characters of a text; "" between runs of them."""
    from pypinyin import lazy_pinyin  # its dictionaries take a moment

    spoken: list[str] = []
    for run in re.findall("[\u3400-\u9fff]+", text):
        spoken += ["", *lazy_pinyin(run)]
    return tuple(spoken)


def _skeleton(word: str) -> str:
    """Return what is heard of a name in any spelling: without vowels and doubled letters, r as l."""
    word = re.sub(
        r"ph",
        "f",
        re.sub(r"ck|q|c(?![eiyh])|x", "k", word.lower().replace("zh", "j").replace("ch", "j").replace("sh", "s")),
    )
    word = re.sub(r"[^a-z]", "", word).translate(str.maketrans("rvzgbdy", "lwskpti"))
    return re.sub(r"(.)\1+", r"\1", word[:1] + re.sub("[aeiouh]", "", word[1:]))


def _sounds_like(name: str, spoken: Sequence[str]) -> bool:
    """Say whether some syllables in a row sound like a name in Latin letters."""
    wanted = _skeleton(name)
    if len(wanted) < 2:
        return "".join(spoken).find(name.lower()) >= 0
    for start in range(len(spoken)):
        heard = ""
        for syllable in spoken[start : start + 8]:
            if not syllable:
                break
            heard += syllable
            if heard == name.lower():
                return True
            if len(heard) > len(name) + 6:
                break
            if _alike(name.lower(), heard):
                return True
    return False


def _alike(name: str, heard: str) -> bool:
    """Say whether two spellings in Latin letters may be of one name."""
    one, other = _skeleton(name), _skeleton(heard)
    if abs(len(one) - len(other)) > 1:
        return False
    least = 0.8 if _PINYIN.fullmatch(name) else 0.5  # Chinese names are spelt one way
    return SequenceMatcher(None, one, other).ratio() >= ALIKE and SequenceMatcher(None, name, heard).ratio() >= least


_PINYIN = re.compile(
    "(?:(?:[zcs]h|[bpmfdtnlgkhjqxrzcsyw])?"
    "(?:i?ang|i?ong|uang|eng|ing|i?ao|i?an|uai|uan|ai|ei|ou|en|in|un|ia|ie|iu|ua|uo|ui|ue|[aoeiu])){2,4}"
)


_GENERIC = frozenset(
    "city province county region autonomous district state party committee government president minister secretary "
    "general chinese china university meeting conference monday tuesday wednesday thursday friday saturday sunday "
    "january february march april may june july august september october november december mr mrs ms dr".split()
)


def foreign_names(said: Text, given: Text) -> Iterator[Problem]:
    """Yield names without a counterpart in a source of the other language."""
    if given.chinese:
        yield from _english_names_of_chinese(said, given)
        return
    seen: set[str] = set()
    for word in said.words:
        if (
            not is_han(word.text[0])
            or not word.is_name
            or len(word.text) < 2
            or word.text in FRAMES
            or word.text in seen
        ):
            continue
        seen.add(word.text)
        ways = {stem(part) for way in english_of(word.text) for part in way.text.split()}
        if ways & given.stems:
            continue
        spoken = _spoken(word.text)
        capital = [t for t in given.tokens if not t.han and given.original[given.places[t.start]].isupper()]
        heard = "".join(spoken)
        if any(t.text == heard or _alike(t.text, heard) for t in capital[:200]):
            continue
        yield Problem("name", shown(said, word.start, word.end))


def _english_names_of_chinese(said: Text, given: Text) -> Iterator[Problem]:
    spoken = _spoken(given.folded[:2000])
    for token in said.tokens:
        if token.han or not said.original[said.places[token.start]].isupper():
            continue
        word = said.folded[token.start : token.end]
        first = not said.folded[: token.start].strip() or said.folded[: token.start].rstrip()[-1:] in '.!?"“'
        if token.text in given.stems or is_frame(word) or word in _GENERIC or _in_chinese(token.text, word, given):
            continue
        if (first and not names_something(word)) or inside_quantities(said)(token.start):
            continue
        if not _sounds_like(word, spoken):
            yield Problem("name", shown(said, token.start, token.end))


def _in_chinese(stemmed: str, word: str, given: Text) -> bool:
    ways = [*(way.text for way in chinese_of(stemmed)), *translations(stemmed), *translations(word)]
    return any(way in given.bare for way in ways)


def share_translated(said: Text, given: Text) -> float:
    """Return the share of the content words with a counterpart in the source, by dictionary; numbers count as held."""
    taken = inside_quantities(said)
    if given.chinese:
        content = [t for t in said.tokens if not t.han and not is_frame(t.text) and not taken(t.start)]
        known = [t for t in content if re.search("[a-z]", t.text) and is_known(t.text)]
        held = sum(t.text in given.stems or _in_chinese(t.text, t.text, given) for t in known)
        total = len(known)
    else:
        words = [w for w in said.words if is_han(w.text[0]) and len(w.text) > 1 and w.text not in FRAMES]
        ways = [{part for way in english_of(w.text) for part in way.text.split()} for w in words if not taken(w.start)]
        held = sum(bool(way & given.stems) for way in ways if way)
        total = sum(bool(way) for way in ways)
    numbers = len(said.quantities[:MAX_NUMBERS])
    return (held + numbers) / (total + numbers) if total + numbers else 1.0


def foreign_turns(said: Text, given: Text) -> Iterator[Problem]:
    """Yield negations where the source has none at all, and rises where it only has falls, and the other way round."""
    if (cue := CUE.search(said.folded)) and not CUE.search(given.folded):
        yield Problem("negation", shown(said, *cue.span()))
    theirs = {SIDE_OF[word] for word, _, _ in direction_words(given) if word in SIDE_OF}
    for word, start, end in direction_words(said):
        number, side = SIDE_OF.get(word, (-1, 0))
        other = {_RISES: _RISES_IN_ENGLISH, _RISES_IN_ENGLISH: _RISES}.get(number)
        if other is not None and (other, 1 - side) in theirs and (other, side) not in theirs:
            yield Problem("direction", shown(said, start, end))


_RISES = next(at for at, row in enumerate(OPPOSITES) if "上升" in row[0])
_RISES_IN_ENGLISH = next(at for at, row in enumerate(OPPOSITES) if "rise" in row[0])


def foreign_support(said: Text, given: Text) -> Iterator[Problem]:
    """Yield the sentence where too few of its words have a counterpart in the source."""
    if share_translated(said, given) < LEAST_TRANSLATED:
        yield Problem("support", said.original)
