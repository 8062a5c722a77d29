"""Headlines, bylines and notes among paragraphs, and the articles they part a file into.

Pure functions of paragraph texts and kinds; knows neither files nor positions.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rag.lines import NO_START, SENTENCE_INSIDE, Kind, is_chapter, is_enclosed, is_sentence_end, text_width

_HEADLINE_WIDTH = 130  # columns
_NOTE = re.compile(
    r"[（(【\[]?\s*(?P<where>紧?(?:下转|转)\s*第?\s*[\dA-Za-z一二三四五六七八九十]+\s*[版页]"
    r"|[Cc]ontinued on (?:page )?\w+)"
    r"|[（(【\[]?\s*(?:紧?上接|[Cc]ontinued from)"
)
_CREDIT = re.compile(
    r"记者|通讯员|报道|责任编辑|责编|编辑[:：]|来源[:：]|作者[:：]|供图|摄影|(?:By|Source:|Photo:) [A-Z]|电$"
)
_CREDIT_START = re.compile(
    r"[^，。]{0,12}?(?:记者|通讯员)|责任编辑|责编|编辑[:：]|来源[:：]|作者[:：]|By [A-Z]|Source:|Photo:"
)
_MONTH = (
    r"(?:January|February|March|April|May|June|July|August|September|October|November|December"
    r"|(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\.)"
)
_NUMBER = r"(?:\d{1,2}|[一二三四五六七八九十]{1,3})"
_DATE = re.compile(
    rf"(?:(?:\d{{4}}|[一二三四五六七八九〇零]{{4}})\s*年\s*)?{_NUMBER}\s*月\s*{_NUMBER}\s*[日号]"
    rf"(?:\s*[至到—–~～-]+\s*(?:{_NUMBER}\s*月\s*)?{_NUMBER}\s*[日号])?"
    r"|\d{4}-\d{1,2}-\d{1,2}|\d{4}/\d{1,2}/\d{1,2}"
    rf"|{_MONTH} \d{{1,2}}(?:[-–]\d{{1,2}})?(?:, \d{{4}})?\b|\b\d{{1,2}} {_MONTH}(?: \d{{4}})?"
)
_EARLY = 60  # characters: a report names its day at once
_DATELINE = re.compile(r"^.{0,20}(?:讯|电)[\s　（(]|^(?:本报|新华社|中新社|[A-Z][A-Z .,]+ \(\w+\))")


@dataclass(frozen=True)
class Group:
    """An article as positions of its first and last paragraph."""

    title: str
    first: int
    last: int
    date: str | None
    continued: str | None


def headline_kinds(paragraphs: Sequence[tuple[str, Kind]], *, is_marked: bool) -> list[Kind]:
    """Tell headlines, bylines and notes from bodies. Other kinds stay.

    Where the headlines are marked (`is_marked`), no others are looked for.
    """
    kinds: list[Kind] = [_by_itself(text, kind) for text, kind in paragraphs]
    follows = False  # a body, stanza, table or list comes later
    for place in range(len(kinds) - 1, -1, -1):
        text, kind = paragraphs[place][0], kinds[place]
        if kind == "body" and follows and not is_marked and _is_headline(text, place == 0):
            kinds[place] = "headline"
        follows = follows or (kinds[place] in ("body", "verse", "table", "list", "code"))
    return kinds


def _by_itself(text: str, kind: Kind) -> Kind:
    if kind != "body" or text_width(text) > _HEADLINE_WIDTH:
        return kind
    if _NOTE.match(text):
        return "note"
    if is_enclosed(text):
        return "byline" if _CREDIT.search(text) else "note"
    if _CREDIT.search(text) and not is_sentence_end(text) and _is_credit_line(text):
        return "byline"
    return kind


def _is_credit_line(text: str) -> bool:
    return text_width(text) <= 60 and bool(_CREDIT_START.match(text))


def _is_headline(text: str, is_first: bool) -> bool:
    if text_width(text) > _HEADLINE_WIDTH or "\n" in text or SENTENCE_INSIDE.search(text):
        return False
    if text[-1] in "？！?!":
        # A headline may ask; a line of talk in the middle of a story is none.
        return is_first and text_width(text) <= 60 and not text.startswith(("问", "Q"))
    return text[-1] not in NO_START - set("”’）》】)") and not text.startswith(("“", '"', "「"))


def find_articles(paragraphs: Sequence[tuple[str, Kind, int]]) -> list[Group]:
    """Part a file into articles.

    Args:
        paragraphs: Text, kind and headline level (0 unknown) of each, in order.

    Returns:
        At least one group; together they hold every paragraph.
    """
    starts = [0, *(start for start in _group_starts(paragraphs) if start > 0)]
    ends = [*(start - 1 for start in starts[1:]), len(paragraphs) - 1]
    return [_describe(paragraphs, first, last) for first, last in zip(starts, ends, strict=True)]


def _group_starts(paragraphs: Sequence[tuple[str, Kind, int]]) -> list[int]:
    """Return where groups of headlines begin that open an article rather than a section."""
    starts: list[int] = []
    has_body = False
    place = 0
    while place < len(paragraphs):
        kind = paragraphs[place][1]
        if kind != "headline":
            has_body = has_body or kind in ("body", "verse", "list", "table")
            place += 1
            continue
        end = place
        while end < len(paragraphs) and paragraphs[end][1] in ("headline", "byline"):
            end += 1
        if has_body and end < len(paragraphs) and _opens_article(paragraphs, place, end):
            starts.append(place)
            has_body = False
        place = end
    return starts


def _opens_article(paragraphs: Sequence[tuple[str, Kind, int]], start: int, end: int) -> bool:
    text, _, level = paragraphs[start]
    if level:
        tops = [p for p in paragraphs if p[1] == "headline" and p[2] == 1]
        return level == 1 and len(tops) > 1
    if is_chapter(text):
        return False
    body = paragraphs[end][0][:_EARLY]
    has_date = bool(_DATE.search(body) or _DATELINE.search(body))
    closed = paragraphs[start - 1][1] in ("byline", "note")
    many = sum(kind == "headline" for _, kind, _ in paragraphs[start:end]) > 1
    return has_date + closed + many >= 2


def _describe(paragraphs: Sequence[tuple[str, Kind, int]], first: int, last: int) -> Group:
    part = paragraphs[first : last + 1]
    headline = next((text for text, kind, _ in part if kind == "headline"), "")
    body = next((text for text, kind, _ in part if kind == "body"), "")
    date = _DATE.search(body)
    notes = [match["where"] for text, kind, _ in part if kind == "note" and (match := _NOTE.match(text))]
    where = next((note for note in reversed(notes) if note), None)
    return Group(headline, first, last, date[0] if date else None, where)
