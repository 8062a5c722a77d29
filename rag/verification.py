"""Verification: whether the words a sentence cites hold what it says, and what becomes of it where they do not.

Rules, no model. Numbers and dates are compared by value, names and Latin words as they are written (by dictionary and
sound across languages), negation and direction with what stands beside them, and the rest by how much of it is taken
from the cited words in one piece. A sentence that says the same in other words than its source is not understood:
where too little of it stands there, it fails. Verbatim words pass without a look at them.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from rag.alignment import (
    MAX_LENGTH,
    MAX_PLACES,
    RULES,
    Problem,
    Text,
    blocks_of,
    inside_quantities,
    is_frame,
    is_known,
    names_something,
    shown,
    text_of,
)
from rag.answers import Check
from rag.citations import FRAMES, Quote
from rag.crosslingual import foreign_names, foreign_support, foreign_turns, share_translated
from rag.enumeration import enumerations
from rag.folding import is_han
from rag.lexicon import NAME_TAGS, Word
from rag.passages import sentence_spans
from rag.polarity import CUE_END, flipped, lost_cues, turned
from rag.quantities import Quantity, missing_from
from rag.question import STOPWORDS
from rag.support import changed, counted_otherwise, invented_items, miscounted, share_of, stitched, uncarried

UNRELATED = 0.25  # carried less, a sentence has nothing to do with what it cites
MAX_QUANTITIES = 400  # different ones of a text
MAX_DETAIL = 200  # characters of what a check says
LONG_QUOTE = 120  # characters; of a longer one only the clauses nearest to the sentence replace it


@dataclass(frozen=True)
class Verified:
    """Sentences that hold, each with its quotes; what was checked; and how many were mended or left out."""

    sentences: list[tuple[str, tuple[Quote, ...]]]
    checks: tuple[Check, ...]
    replaced: int
    dropped: int


def verify(sentence: str, quotes: Sequence[str]) -> tuple[Problem, ...]:
    """Return what is wrong with a sentence, given the words it cites; () where it holds.

    Args:
        sentence: In Chinese or English, about a source in either.
        quotes: The cited words; all together hold what the sentence says.
    """
    said, given = text_of(sentence), text_of("\n".join(quote[:MAX_LENGTH] for quote in quotes))
    if not said.tokens:
        return ()
    if _is_verbatim(said, given):
        return _cut_off(said, given)
    problems = [*_quotations(said, given), *_quantities(said, given)]
    if said.chinese == given.chinese or not given.tokens:
        blocks = blocks_of(said, given)
        problems += [*_words(said, given), *_names(said, given), *flipped(said, given), *turned(said, given)]
        problems += [
            *miscounted(said, given),
            *invented_items(said, given),
            *uncarried(said, given, blocks),
            *stitched(said, given, blocks),
            *lost_cues(said, given, blocks),
            *changed(said, given, blocks),
            *counted_otherwise(said, given),
        ]
    else:
        problems += [*foreign_names(said, given), *foreign_turns(said, given), *foreign_support(said, given)]
    return tuple(dict.fromkeys(problems))


def _is_verbatim(said: Text, given: Text) -> bool:
    """Say whether the sentence stands in one cited text as it is, but for spaces and signs."""
    return said.bare in given.bare


def _cut_off(said: Text, given: Text) -> tuple[Problem, ...]:
    """Return what verbatim words lose at their beginning: 万 of 3000万, 不 of 不会."""
    at = given.bare.find(said.bare)
    places = [at]
    while (at := given.bare.find(said.bare, at + 1)) >= 0 and len(places) < MAX_PLACES:
        places.append(at)
    problems: tuple[Problem, ...] = ()
    for place in places:
        before, after = given.bare[max(0, place - 3) : place], given.bare[place + len(said.bare) :][:2]
        first, last = said.bare[0], said.bare[-1]
        problems = ()
        if first in _NUMERALS and before[-1:] and before[-1] in _NUMERALS and _in_one(said, given, first, before[-1]):
            problems = (Problem("number", before[-1] + first),)
        elif last in _SCALES and after[:1] and after[0] in _SCALES and last.isdigit() != after[0].isdigit():
            problems = (Problem("number", last + after[0]),)
        elif found := CUE_END.search(before):
            problems = (Problem("negation", said.original[:12], found.group()),)
        if not problems:
            return ()
    return problems


_NUMERALS = frozenset("0123456789零一二三四五六七八九十百千万亿")
_SCALES = frozenset("0123456789百千万亿")


def _in_one(said: Text, given: Text, first: str, before: str) -> bool:
    """Say whether two numeral characters stand beside each other in the source, not only without its signs."""
    return before + first in given.folded


def _quotations(said: Text, given: Text) -> Iterator[Problem]:
    """Yield quotations that are not verbatim; titles and single words of a list included."""
    for found in _QUOTATION.finditer(said.folded):
        inner = text_of(found.group(1) or found.group(2) or found.group(3) or found.group(4))
        if inner.tokens and inner.chinese != given.chinese:
            continue  # a translation, which cannot be verbatim
        if inner.tokens and inner.bare.strip() not in given.bare:
            yield Problem("quote", shown(said, found.start(), found.end()))


_QUOTATION = re.compile(r'[“「『]([^“”「」『』]+)[”」』]|《([^《》]+)》|"([^"\n]+)"|(?<!\w)‘([^‘’]+)’')


def _quantities(said: Text, given: Text) -> Iterator[Problem]:
    """Yield numbers, dates and units that no cited quantity holds."""
    unlike = {(one.kind, one.value, one.unit): one for one in given.quantities}
    held = tuple(unlike.values())[:MAX_QUANTITIES]
    numbered = {found.start("number") for found in _NUMBERING.finditer(said.original)}
    mine = {(one.kind, one.value, one.unit): one for one in reversed(said.quantities)}
    for one in sorted(mine.values(), key=lambda one: one.start)[:MAX_QUANTITIES]:
        if one.start in numbered:
            continue
        if (wrong := missing_from(one, held)) and not _counts_items(one, said, given):
            yield Problem(wrong, said.original[one.start : one.end])


# What only numbers the points of an answer.
_NUMBERING = re.compile(
    r"(?:^|(?<=[。；;：:\n，,（(]))\s*(?P<number>第[一二三四五六七八九十](?=[，,、：:是])|\d{1,2}(?=[.)）、．](?!\d))|[一二三四五六七八九十](?=、))"
)


def _counts_items(one: Quantity, said: Text, given: Text) -> bool:
    """Say whether a number is that of the items the sentence itself gives, or of those of a list in the source."""
    number = int(one.value) if one.value.isdecimal() and len(one.value) < 3 else 0
    if number < 2 or one.kind != "number":
        return False
    if any(
        len(listed.items) == number == listed.promised and listed.start <= one.start <= listed.end
        for listed in enumerations(said.original)
    ):
        return True
    counts = one.unit == "个" or (one.unit == "" and not said.chinese)
    lists = [listed for listed in enumerations(given.original) if not listed.promised and not listed.open]
    return counts and any(len(listed.items) == number for listed in lists)


def _words(said: Text, given: Text) -> Iterator[Problem]:
    """Yield Latin words that the source does not have, and English words that no dictionary knows."""
    taken = inside_quantities(said)
    for token in said.tokens:
        word = said.folded[token.start : token.end]
        if token.han or taken(token.start) or not re.search("[a-z]", word) or is_frame(word):
            continue
        if token.text in given.stems:
            continue
        if not re.search("[^a-z'’]", word) and not said.chinese and is_known(word):
            continue  # an English word: other rules tell how much is carried, and which are names
        if len(word) > 1:
            yield Problem("word", shown(said, token.start, token.end))


def _names(said: Text, given: Text) -> Iterator[Problem]:
    """Yield names of the sentence that the source does not have."""
    yield from _chinese_names(said, given)
    yield from _titles(said, given)
    if not given.chinese:
        yield from _capitalised(said, given)


_NOT_NAMES = frozenset(
    "的了在是和与及对为将会于从到向把被给以之其所而且或但并也还又再就都则才只更最很太已曾正不没未无非着过地得吗呢吧啊等"
)


def _chinese_names(said: Text, given: Text) -> Iterator[Problem]:
    """Yield runs of names and single characters (how the lexicon cuts names it does not know) that are not there."""
    taken = inside_quantities(said)
    run: list[Word] = []
    for word in [*said.words, None]:
        usable = (
            word is not None
            and is_han(word.text[0])
            and not taken(word.start)
            and word.text not in FRAMES
            and (word.tag.startswith(NAME_TAGS) or (len(word.text) == 1 and word.text not in _NOT_NAMES))
        )
        if usable and word is not None and (not run or run[-1].end == word.start):
            run.append(word)
            continue
        yield from _wrong_names(said, given, run)
        run = [word] if usable and word is not None else []


def _titles(said: Text, given: Text) -> Iterator[Problem]:
    """Yield nouns right before a person's name where the source has others there: 省长 for 书记."""
    for title, name in pairwise(said.words):
        if not (title.tag == "n" and len(title.text) > 1 and name.tag == "nr" and len(name.text) > 1):
            continue
        if title.text in given.bare or title.text in FRAMES or title.end != name.start:
            continue
        theirs = [one.text for one, other in pairwise(given.words) if other.text == name.text and one.tag == "n"]
        if theirs:
            yield Problem("name", shown(said, title.start, name.end), theirs[0] + name.text)


def _wrong_names(said: Text, given: Text, run: Sequence[Word]) -> Iterator[Problem]:
    """Yield the part of a run that the source does not have."""
    if not run or not any(word.tag.startswith(NAME_TAGS) for word in run):
        return
    long = [word for word in run if len(word.text) > 1 and word.text not in given.bare]
    joined = "".join(word.text for word in run)
    if long:
        yield Problem("name", shown(said, long[0].start, long[0].end))
        return
    if joined in given.bare:
        return
    for before, after in pairwise(run):
        pair = before.text + after.text
        if (len(before.text) == 1 or len(after.text) == 1) and pair not in given.bare:
            single = [word for word in (before, after) if word.text not in given.bare]
            named = before.tag.startswith(NAME_TAGS) or after.tag.startswith(NAME_TAGS)
            if named and (single or pair not in given.bare):
                yield Problem("name", shown(said, run[0].start, run[-1].end))
                return


def _capitalised(said: Text, given: Text) -> Iterator[Problem]:
    """Yield words with a capital letter, in English, that the source does not have."""
    for token in said.tokens:
        first = said.original[said.places[token.start]]
        lead = said.folded[max(0, token.start - 3) : token.start].rstrip()
        begins = token.start == 0 or lead[-1:] in '.!?:"“‘”'
        word = said.folded[token.start : token.end]
        if (
            token.han
            or not first.isupper()
            or token.text in given.stems
            or (is_frame(word) and (begins or word in STOPWORDS))
        ):
            continue
        if begins and not names_something(word):
            continue
        yield Problem("name", shown(said, token.start, token.end))


def share_carried(sentence: str, quotes: Sequence[str]) -> float:
    """Return how much of what a sentence says stands in runs of the cited words: 0 to 1; 1 where it says nothing."""
    said, given = text_of(sentence), text_of("\n".join(quotes))
    if said.tokens and said.chinese != given.chinese:
        return share_translated(said, given)
    return share_of(said, given, blocks_of(said, given))


# -- Mending ---------------------------------------------------------------------------------------


def mend(sentence: str, quotes: Sequence[str], problems: Sequence[Problem]) -> str | None:
    """Return what a sentence that does not hold becomes: its list completed, the cited words, or None to drop it.

    Args:
        sentence: As given to `verify`.
        quotes: As given to `verify`.
        problems: What `verify` found.
    """
    if not problems:
        return sentence
    if all(problem.rule == "count" for problem in problems) and (whole := completed(sentence, quotes)):
        return whole
    if not quotes or not "".join(quotes).strip() or share_carried(sentence, quotes) < UNRELATED:
        return None
    return "\n".join(quotes)


def completed(sentence: str, quotes: Sequence[str]) -> str:
    """Return the sentence with the whole list of its source in place of its own; "" where that does not hold."""
    source = "\n".join(quotes)
    for theirs in enumerations(source):
        items = [source[start:end] for start, end in theirs.items]
        held = sorted((at, at + len(item)) for item in items if (at := sentence.find(item)) >= 0)
        if not held:
            continue
        listed = source[theirs.items[0][0] : theirs.items[-1][1]]
        whole = sentence[: held[0][0]] + listed + sentence[held[-1][1] :]
        if not verify(whole, quotes):
            return whole
    return ""


def check_drafts(drafts: Sequence[tuple[str, tuple[Quote, ...]]]) -> Verified:
    """Check the sentences of an answer against their quotes, mend what can be mended and drop the rest.

    Args:
        drafts: Sentences in order, each with the quotes it cites.

    Returns:
        Sentences that hold. A replaced one is the words of its quotes, cut to the clauses nearest to it.
    """
    kept: list[tuple[str, tuple[Quote, ...]]] = []
    failed: dict[str, list[str]] = {}
    replaced = dropped = 0
    for sentence, quotes in drafts:
        texts = [_words_of_quote(quote) for quote in quotes]
        problems = verify(sentence, texts) if quotes else (Problem("support", sentence),)
        for problem in problems:
            failed.setdefault(problem.rule, []).append(_brief(problem))
        if not problems:
            kept.append((sentence, quotes))
            continue
        mended = mend(sentence, texts, problems)
        if mended is None:
            dropped += 1
        elif mended != "\n".join(texts):
            replaced += 1
            kept.append((mended, quotes))
        else:
            narrow = [(_words_of_quote(near), (near,)) for quote in quotes if (near := nearest(sentence, quote))]
            new = [one for one in narrow if all(one[0] != text for text, _ in kept)]
            kept += new
            replaced, dropped = replaced + bool(new), dropped + (not new)
    checks = tuple(Check(rule, rule not in failed, "; ".join(failed.get(rule, ())[:3])) for rule in RULES)
    return Verified(kept, checks, replaced, dropped)


def merged(checks: Sequence[Check]) -> tuple[Check, ...]:
    """Return one check for each name, in the order of their first: passed where all of that name did."""
    found: dict[str, list[Check]] = {}
    for check in checks:
        found.setdefault(check.name, []).append(check)
    return tuple(
        Check(name, all(one.passed for one in same), "; ".join(one.detail for one in same if one.detail)[:MAX_DETAIL])
        for name, same in found.items()
    )


def _brief(problem: Problem) -> str:
    said = " ".join(problem.said.split())
    return said if len(said) <= 40 else f"{said[:39]}…"


def _words_of_quote(quote: Quote) -> str:
    passage = quote.passage
    return passage.text[quote.start - passage.start : quote.end - passage.start]


def nearest(sentence: str, quote: Quote) -> Quote | None:
    """Return a quote cut to the sentences of it that the given one takes words from; None where it takes none."""
    words = _words_of_quote(quote)
    if len(words) <= LONG_QUOTE:
        return quote
    spans = sentence_spans(words)
    said = text_of(sentence)
    shared = [
        sum(block.size for block in blocks_of(said, text_of(words[start:end])) if block.size > 1)
        for start, end in spans
    ]
    best = max(range(len(spans)), key=lambda at: shared[at], default=None)
    if best is None or not shared[best]:
        return None
    start, end = spans[best]
    return replace(quote, start=quote.start + start, end=quote.start + end)


def notice(replaced: int, dropped: int, language: Literal["zh", "en"]) -> str:
    """Return one line that says what was mended or left out; "" where nothing was."""
    if not replaced and not dropped:
        return ""
    if language == "zh":
        parts = [
            f"{replaced}句与原文不符，已换成原文" * bool(replaced),
            f"{dropped}句原文没有依据，已略去" * bool(dropped),
        ]
        return "核对：" + "；".join(part for part in parts if part) + "。"
    parts = [
        f"{replaced} sentence{'s' * (replaced > 1)} replaced by the words of the source" * bool(replaced),
        f"{dropped} left out, which the source does not carry" * bool(dropped),
    ]
    return "Checked: " + "; ".join(part for part in parts if part) + "."
