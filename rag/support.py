"""Support: whether what a sentence says is taken from its source, in runs, whole lists, and without changed words.

Rules for one language; what stands in other words is not understood. Lists are complete where a number is promised,
words of two distant places are not one clause, and a sentence that copies its source does so to the word.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Literal

from rag.alignment import (
    MAX_LENGTH,
    MAX_PLACES,
    Block,
    Problem,
    Text,
    Token,
    blocks_of,
    is_frame,
    is_parted,
    joined,
    shown,
    text_of,
    weights_of,
)
from rag.citations import FRAMES
from rag.enumeration import Enumeration, enumerations
from rag.folding import is_han
from rag.passages import clause_spans
from rag.quantities import HAN_DIGITS, HAN_UNITS, Quantity, agree

LEAST_CARRIED = 0.5  # of what a sentence says, in runs of its source
LEAST_OF_ITEM = 0.6  # of an item of a list
NUMBER_WEIGHT = 2  # tokens that a number counts as
LITTLE = 3  # tokens with a meaning; of less nothing can be said
AROUND = 3  # tokens that are the same on both sides of a changed word
MAX_CHANGE = 10  # tokens of it
SEAM = 4  # tokens on both sides of a place where two distant texts are joined
MAX_NUMBERS = 400  # of a sentence that count

_SOME = re.compile(
    r"等(?!于|待|级|候)|包括|其中|例如|比如|之一|部分|\b(?:including|includes?|such as|among|some|one of|e\.g)\b"
)


def miscounted(said: Text, given: Text) -> Iterator[Problem]:
    """Yield promised numbers that are not the number of the items the sentence gives."""
    lists = enumerations(said.original)
    for one in lists:
        if one.promised and len(one.items) != one.promised and not one.open and not _is_taken(said, one, given):
            yield Problem("count", said.original[one.start : one.end], str(one.promised))
            return
    promised = [one for one in enumerations(given.original) if one.promised == len(one.items)]
    for one in promised:
        items = [text_of(given.original[start:end]).bare for start, end in one.items]
        held = [item for item in items if item in said.bare]
        names_them = one.noun and one.noun in said.folded
        if names_them and 1 < len(held) < len(items) and not _SOME.search(said.folded):
            missing = next(item for item in items if item not in held)
            yield Problem("count", one.noun, missing)


def _is_taken(said: Text, one: Enumeration, given: Text) -> bool:
    """Say whether a list stands in the source as it is, whole, with the number it is said to have."""
    if text_of(said.original[one.start : one.end]).bare in given.bare:
        return True
    words = text_of(said.original[one.items[0][0] : one.items[-1][1]]).folded
    at = given.folded.find(words)
    if at < 0 or given.folded[max(0, at - 1) : at] == "、":
        return False
    goes_on = given.folded[at + len(words) :][:2]
    counted = any(other.value == str(one.promised) for other in given.quantities)
    return counted and not re.match("[、和与及暨或]|以及", goes_on)


def invented_items(said: Text, given: Text) -> Iterator[Problem]:
    """Yield items of a list in the sentence that the source does not have, or has elsewhere than in the list."""
    theirs = [(one, _bares(given, one)) for one in enumerations(given.original)[:MAX_PLACES]]
    for one in enumerations(said.original):
        mine = _bares(said, one)
        for (start, end), bare in zip(one.items, mine, strict=True):
            item = text_of(said.original[start:end])
            if item.tokens and (not _holds_item(item, given) or _replaces(bare, mine, given, theirs)):
                yield Problem("support", said.original[start:end])


def _bares(text: Text, one: Enumeration) -> list[str]:
    return [text_of(text.original[start:end]).bare.strip() for start, end in one.items]


def _replaces(item: str, mine: Sequence[str], given: Text, theirs: Sequence[tuple[Enumeration, Sequence[str]]]) -> bool:
    """Say whether an item stands in the place of another one of a list that is the same but for it."""
    for one, items in theirs:
        common = sum(any(other in bare or bare in other for bare in items) for other in mine if other and other != item)
        if common >= 2 and common == len(mine) - 1 == len(items) - 1:
            first = bisect_left(given.token_places, one.items[0][0])
            number = given.sentence_of[min(first, len(given.sentence_of) - 1)]
            start, end = bisect_left(given.sentence_of, number), bisect_left(given.sentence_of, number + 1)
            words = given.tokens[start:end]
            bare = "".join(token.text if token.han else f" {token.text} " for token in words)
            return item not in bare
    return False


def _holds_item(item: Text, given: Text) -> bool:
    if item.bare.strip() in given.bare:
        return True
    weights = weights_of(item)
    total = sum(weights)
    if total < 2:
        return True
    return (
        sum(
            weight
            for weight, carried in zip(weights, _carried_tokens(item, given, blocks_of(item, given)), strict=True)
            if carried
        )
        >= LEAST_OF_ITEM * total
    )


def _carried_tokens(said: Text, given: Text, blocks: Sequence[Block]) -> list[bool]:
    carried = [not token.han and token.text in given.stems for token in said.tokens]
    for block in blocks:
        carried[block.here : block.here + block.size] = [True] * block.size
    return carried


def share_of(said: Text, given: Text, blocks: Sequence[Block]) -> float:
    """Return how much of what a sentence says is in the blocks: 0 to 1; 1 where it says nothing."""
    weights = weights_of(said)
    carried = _carried_tokens(said, given, blocks)
    # Numbers, which other rules look at, tell that a fact is the same.
    numbers = NUMBER_WEIGHT * len(said.quantities[:MAX_NUMBERS])
    total = sum(weights) + numbers
    held = sum(weight for weight, is_carried in zip(weights, carried, strict=True) if is_carried)
    return (held + numbers) / total if total else 1.0


def uncarried(said: Text, given: Text, blocks: Sequence[Block]) -> Iterator[Problem]:
    """Yield the sentence, or a clause of it, where too little of it stands in the source."""
    weights = weights_of(said)
    if sum(weights) >= LITTLE and share_of(said, given, blocks) < LEAST_CARRIED:
        yield Problem("support", said.original)
        return
    carried = _carried_tokens(said, given, blocks)
    starts = said.token_places
    for start, end in clause_spans(said.original):
        first, last = bisect_left(starts, start), bisect_left(starts, end)
        total = sum(weights[first:last])
        held = sum(
            weight for weight, is_carried in zip(weights[first:last], carried[first:last], strict=True) if is_carried
        )
        if total >= 2 * LITTLE and held < LEAST_CARRIED * total:
            yield Problem("support", said.original[start:end])


def stitched(said: Text, given: Text, blocks: Sequence[Block]) -> Iterator[Problem]:
    """Yield places where the words of two sentences of the source are joined into one clause."""
    numbers = given.sentence_of
    for before, after in pairwise(blocks):
        least = SEAM if said.chinese else SEAM - 1
        if min(before.size, after.size) < least or after.here > before.here + before.size + 1:
            continue
        left, right = said.tokens[before.here + before.size - 1], said.tokens[after.here]
        gap = said.folded[left.end : right.start]
        if re.search(r"[，,。！？!?；;：:、\n]", gap):
            continue
        if numbers[before.there + before.size - 1] == numbers[after.there]:
            continue
        if left.han == right.han and _takes_a_place(said, given, before, after):
            continue
        yield Problem(
            "support", shown(said, said.tokens[before.here].start, said.tokens[after.here + after.size - 1].end)
        )


def _takes_a_place(said: Text, given: Text, before: Block, after: Block) -> bool:
    """Say whether a phrase stands where the source has a pronoun, or nothing: at the beginning or end of a clause."""
    leads = given.tokens[max(0, after.there - 3) : after.there]
    begins = not leads or is_parted(given, after.there - 1, after.there)
    begins = begins or any(joined(leads[at:]) in _PRONOUNS for at in range(len(leads)))
    stop = before.there + before.size
    ends = stop == len(given.tokens) or is_parted(given, stop - 1, stop)
    return (begins and _is_phrase(said, before)) or (ends and _is_phrase(said, after))


def _is_phrase(said: Text, block: Block) -> bool:
    """Say whether a block only names something: a pronoun's place may be taken by what it stands for."""
    tokens = said.tokens[block.here : block.here + block.size]
    if not said.chinese:
        return block.size <= 4 and all(
            said.original[said.places[token.start]].isupper() or is_frame(token.text) for token in tokens
        )
    start, end = tokens[0].start, tokens[-1].end
    inside = [word for word in said.words if start <= word.start and word.end <= end]
    return block.size <= 12 and all(word.tag[:1] not in "vdpc" or word.tag == "vn" for word in inside)


_PRONOUNS = frozenset(
    "他 她 它 其 该 此 这 那 他们 她们 它们 我 我们 我国 我区 我市 本 这里 那里 双方 两国 "
    "they he she it we i his her their our its this that these those".split()
)


def changed(said: Text, given: Text, blocks: Sequence[Block]) -> Iterator[Problem]:
    """Yield words that stand where the source has others, between words that are the same in both.

    A sentence that copies its source but for a word is no rewording of it, wherever that word may stand besides.
    """
    weights = weights_of(said)
    for before, after in _around(blocks):
        mine = range(before.here + before.size, after.here)
        theirs = given.tokens[before.there + before.size : after.there]
        if (
            not _is_around(said, before, after)
            or joined(theirs) in _PRONOUNS
            or is_parted(said, mine[0] - 1, after.here)
            or is_parted(given, before.there + before.size - 1, after.there)
        ):
            continue
        start, end = said.tokens[mine[0]].start, said.tokens[mine[-1]].end
        words = shown(said, start, end), shown(given, theirs[0].start, theirs[-1].end)
        if wrong := _other_quantity(said, (start, end), given, (theirs[0].start, theirs[-1].end)):
            yield Problem(wrong, *words)
        if sum(weights[at] for at in mine) < 1 or not _is_new(said, mine, given, given.sentence_of[after.there]):
            continue
        if _is_numeral([said.tokens[at] for at in mine]) and _is_numeral(theirs):
            continue  # numbers have a rule of their own
        if len(mine) == 1 and said.is_traditional and said.tokens[mine[0]].han:
            continue  # one character may be a variant that folding does not know: 瞭 of 瞭解
        yield Problem("support", *words)
    yield from _changed_ends(said, given, blocks)


def _around(blocks: Sequence[Block]) -> Iterator[tuple[Block, Block]]:
    """Yield pairs of blocks with a few tokens between them, in the sentence and in the source."""
    for number, before in enumerate(blocks):
        for after in blocks[number + 1 : number + 4]:
            here, there = after.here - before.here - before.size, after.there - before.there - before.size
            if 0 < here <= MAX_CHANGE and 0 < there <= MAX_CHANGE:
                yield before, after
                break


def _other_quantity(
    said: Text, mine: tuple[int, int], given: Text, theirs: tuple[int, int]
) -> Literal["", "number", "date"]:
    """Return what is wrong where a number or date stands between the same words as another one of its kind."""
    said_there = _quantities_in(said, mine)
    given_there = _quantities_in(given, theirs)
    for one in said_there:
        same = [other for other in given_there if other.kind == one.kind]
        if same and len(said_there) == len(given_there) == 1 and not any(agree(one, other) for other in same):
            return "date" if one.kind in ("date", "weekday", "time") else "number"
    return ""


def _quantities_in(text: Text, span: tuple[int, int]) -> list[Quantity]:
    first, last = text.places[span[0]], text.places[span[1]]
    at = bisect_left(text.quantity_ends, first + 1)
    return [one for one in text.quantities[at : at + MAX_CHANGE] if one.start < last]


def _is_new(said: Text, tokens: Sequence[int], given: Text, sentence: int) -> bool:
    """Say whether some of the tokens, or Chinese ones together, do not stand in a sentence of the source."""
    first, last = bisect_left(given.sentence_of, sentence), bisect_left(given.sentence_of, sentence + 1)
    words = given.tokens[first:last][: MAX_LENGTH // 20]
    bare = "".join(token.text if token.han else " " for token in words)
    start, end = said.tokens[tokens[0]].start, said.tokens[tokens[-1]].end
    cut = bisect_left(said.word_ends, start + 1)
    overlapping = [word for word in said.words[cut : cut + MAX_CHANGE] if word.start < end]
    pieces = [word.text for word in overlapping if is_han(word.text[0]) and word.text not in FRAMES]
    latin = {said.tokens[at].text for at in tokens if not said.tokens[at].han}
    latin -= {token.text for token in words}
    return any(piece not in bare for piece in pieces) or any(not is_frame(word) for word in latin)


def _is_numeral(tokens: Sequence[Token]) -> bool:
    return all(token.text.isdecimal() or token.text in HAN_DIGITS or token.text in HAN_UNITS for token in tokens)


def _changed_ends(said: Text, given: Text, blocks: Sequence[Block]) -> Iterator[Problem]:
    """Yield what a clause begins or ends with instead of its source's words, where it is no word but perhaps a name."""
    names = _name_starts(said)
    for block in blocks:
        if block.size <= AROUND:
            continue
        for mine, theirs in (
            (_before(said, block.here), _before(given, block.there)),
            (_behind(said, block.here + block.size), _behind(given, block.there + block.size)),
        ):
            if (
                len(mine) in (2, 3)
                and theirs
                and mine[0].start in names
                and all(token.start in names for token in mine)
            ):
                yield Problem(
                    "name", shown(said, mine[0].start, mine[-1].end), shown(given, theirs[0].start, theirs[-1].end)
                )


def _name_starts(text: Text) -> set[int]:
    """Return where the tokens begin that may be of a name the lexicon does not know: lone ones, or behind a surname."""
    found: set[int] = set()
    for before, word in zip([None, *text.words], text.words, strict=False):
        surname = before is not None and before.tag == "nr" and len(before.text) == 1 and before.end == word.start
        if word.text not in FRAMES and (len(word.text) == 1 or (surname and len(word.text) == 2)):
            found |= set(range(word.start, word.end))
    return found


def _before(text: Text, at: int) -> list[Token]:
    """Return the tokens of the clause before a token, up to `MAX_CHANGE`."""
    first = at
    while first and at - first < MAX_CHANGE and not is_parted(text, first - 1, first):
        first -= 1
    return text.tokens[first:at]


def _behind(text: Text, at: int) -> list[Token]:
    """Return the tokens of the clause from a token on, up to `MAX_CHANGE`."""
    last = at
    while last < len(text.tokens) and last - at < MAX_CHANGE and last and not is_parted(text, last - 1, last):
        last += 1
    return text.tokens[at:last]


def _is_around(said: Text, before: Block, after: Block) -> bool:
    """Say whether two blocks are long enough to hold a changed word; at the ends of a clause two tokens are."""
    stop = after.here + after.size
    begins = not before.here or is_parted(said, before.here - 1, before.here)
    ends = stop == len(said.tokens) or is_parted(said, stop - 1, stop)
    return before.size >= AROUND - begins and after.size >= AROUND - ends


def counted_otherwise(said: Text, given: Text) -> Iterator[Problem]:
    """Yield units of a number that counts the same thing in the source with another: 一年企业 for 一家企业."""
    theirs: dict[str, list[Quantity]] = {}
    for one in given.quantities:
        if after := _after(given, one):
            theirs.setdefault(after, []).append(one)
    for one in said.quantities:
        same = theirs.get(_after(said, one), ())
        if one.unit and same and not any(_counts_alike(one, other) for other in same):
            yield Problem("unit", said.original[one.start : one.end], given.original[same[0].start : same[0].end])


def _after(text: Text, one: Quantity) -> str:
    """Return the two tokens behind a quantity, where nothing stands between; else ""."""
    at = bisect_left(text.token_places, one.end)
    following = text.tokens[at : at + 2]
    if (
        len(following) < 2
        or text.original[one.end : text.token_places[at]].strip()
        or following[1].start > following[0].end + 1
    ):
        return ""
    return joined(following)


def _counts_alike(one: Quantity, other: Quantity) -> bool:
    if one.kind == other.kind == "ordinal":
        return one.value == other.value and one.unit == other.unit
    return agree(one, other) and {one.unit, other.unit} != {"家", "人"}
