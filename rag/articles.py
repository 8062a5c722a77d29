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
    r"|(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\b\.?)"
)
_NUMBER = r"(?:\d{1,2}|[一二三四五六七八九十]{1,3})"
_DAY = r"\d{1,2}(?:st|nd|rd|th)?(?![\d:])"
_DATE = re.compile(
    rf"(?P<chinese>(?P<year>(?:\d{{4}}|[一二三四五六七八九〇零]{{4}})\s*年\s*)?{_NUMBER}\s*月\s*{_NUMBER}\s*[日号]"
    rf"(?:\s*[至到—–~～-]+\s*(?:{_NUMBER}\s*月\s*)?{_NUMBER}\s*[日号])?)"
    r"|(?<![\d.])(?P<digits>(?:1\d|20)\d\d(?P<mark>[-/.])\d{1,2}(?P=mark)\d{1,2})(?!\.?\d)"
    rf"|(?P<american>\b{_MONTH} {_DAY}(?:[-–]\d{{1,2}})?(?P<of>,? \d{{4}}\b)?)"
    rf"|(?P<british>\b{_DAY} (?:of )?{_MONTH}(?P<in>,? \d{{4}}\b)?)"
)
EARLY = 60  # characters: a report names its day at once
_DATELINE = re.compile(r"^.{0,20}(?:讯|电)[\s　（(]|^(?:本报|新华社|中新社|[A-Z][A-Z .,]+ \(\w+\))")
_REAL = 70  # columns, from which a line of the head would be a paragraph
# What may stand before the day of a dateline, remarks in brackets aside.
_PLACE = re.compile(r"[^a-z，。；：！？;!?]{0,20}")
_REMARK = re.compile(r"[（(][^()（）]{0,40}[)）]?")
_AFTER = re.compile(r"\s*(?:讯|电|消息|上午|下午|晚|凌晨|早|中午|星期|周|[，,（(【】\])|—–-]|$)|\s")
# A bound or the day of something else: 截至6月25日, 9月1日起, by September 1.
_BOUND = re.compile(
    r"(?:截至|截止|自|从|至|到|[将定拟][于在]|\b(?:by|until|till?|before|after|from|since|through|starting|the))\s*$",
    re.IGNORECASE,
)
_BOUNDED = re.compile(r"\s*(?:[之以]?[前后]|起|止|的)")
# What stands beside the day on a line that tells who wrote something, or who printed it.
_LABEL = re.compile(
    r"(?:[发發][布佈表]|更新|出版|印[发發])(?:[时時][间間]|日期|于|\s*[:：]|$)"
    r"|(?:[时時][间間]|日期|[来來]源|作者|[编編][辑輯]|[记記]者|撰文)\s*[:：]|\s[|｜·•]\s"
    r"|(?:^|[,，;；—–-]\s*)(?:published|posted|updated|by)\b|\b(?:source|date)\s*:",
    re.IGNORECASE,
)
_HOUR = re.compile(
    r"星期[一二三四五六日天]|周[一二三四五六日]|[上下]午|\d\s*[时点分秒]"
    r"|\b(?:[ap]m|T\d\d|Z|(?:mon|tues|wednes|thurs|fri|satur|sun)day)",
    re.IGNORECASE,
)
_YEAR = re.compile(
    r"(?<![A-Za-z\d_至到~～–—-])((?:1\d|20)\d\d)"
    r"(?:\s*年(?=\W|$|\d{1,2}月|第\s*\d+\s*期)|(?![\w-]))(?:第\s*\d+\s*期)?"
)
_SIGNED = 3  # paragraphs at the end, among which a letter or an order has its day
_CHRONICLE = 3  # days that paragraphs begin with, from which they are records


@dataclass(frozen=True)
class Group:
    """An article as positions of its first and last paragraph."""

    title: str
    first: int
    last: int
    date: str | None  # as written; with the year of the byline
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
    has_titles = sum(kind == "headline" and level == 1 for _, kind, level in paragraphs) > 1
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
        if has_body and end < len(paragraphs) and _opens_article(paragraphs, place, end, has_titles):
            starts.append(place)
            has_body = False
        place = end
    return starts


def _opens_article(paragraphs: Sequence[tuple[str, Kind, int]], start: int, end: int, has_titles: bool) -> bool:
    text, _, level = paragraphs[start]
    if level:
        return level == 1 and has_titles
    if is_chapter(text):
        return False
    body = paragraphs[end][0][:EARLY]
    has_date = bool(_DATE.search(body) or _DATELINE.search(body))
    closed = paragraphs[start - 1][1] in ("byline", "note")
    many = sum(kind == "headline" for _, kind, _ in paragraphs[start:end]) > 1
    return has_date + closed + many >= 2


def _describe(paragraphs: Sequence[tuple[str, Kind, int]], first: int, last: int) -> Group:
    part = [(text, kind) for text, kind, _ in paragraphs[first : last + 1]]
    headline = next((text for text, kind in part if kind == "headline"), "")
    notes = [match["where"] for text, kind in part if kind == "note" and (match := _NOTE.match(text))]
    where = next((note for note in reversed(notes) if note), None)
    return Group(headline, first, last, _date(part), where)


def find_date(text: str) -> str | None:
    """Return the first date in a text, as written."""
    found = _DATE.search(text)
    return found[0] if found else None


def _date(part: Sequence[tuple[str, Kind]]) -> str | None:
    """Return the day of an article, as written: of what it tells about itself before what its sentences tell.

    Looked at are, in this order, the lines around the headline that tell no more than who wrote it and when; the
    dateline; the headlines, where they give a year; the day under a letter or an order; and the first sentence.
    """
    body = next((place for place, (text, kind) in enumerate(part) if _is_text(text, kind)), len(part))
    head = [(text, kind) for text, kind in part[:body] if text_width(text) <= _HEADLINE_WIDTH]
    lines = [text for text, kind in head if kind in ("byline", "note") or _tells_day(text)]
    told = [match for text in lines if (match := _DATE.search(text))]
    if told:
        return _with_year(next((match for match in told if _has_year(match)), told[0]), lines)
    text = next((text for text, kind in part[body:] if kind == "body"), "")
    is_chronicle = _is_chronicle(part[body:])
    line = None if is_chronicle else _dateline(text)
    headlines = [match for text, _ in head if (match := _DATE.search(text)) and _has_year(match)]
    signed = [
        m for text, _ in part[max(body + 1, len(part) - _SIGNED) :] if (m := _DATE.fullmatch(text)) and _has_year(m)
    ]
    said = None if is_chronicle else _said(text)
    found = next((match for match in (line, *headlines, *signed, said) if match), None)
    return _with_year(found, lines) if found else None


def _is_text(text: str, kind: Kind) -> bool:
    if kind == "body":
        return not _tells_day(text) and (text_width(text) > _REAL or is_sentence_end(text) or bool(_dateline(text)))
    return kind in ("list", "table", "verse", "code")


def _tells_day(text: str) -> bool:
    """True for a line with a date, or a year, and no words beside it but those that belong to one."""
    found = (_DATE.search(text) or _YEAR.search(text)) if text_width(text) <= _REAL else None
    if not found or is_sentence_end(text):
        return False
    rest = text[: found.start()] + text[found.end() :]
    return bool(_LABEL.search(rest)) or not any(char.isalpha() for char in _HOUR.sub("", rest))


def _dateline(text: str) -> re.Match[str] | None:
    """Find the day that a paragraph begins with, behind no more than a place and an agency."""
    found = _DATE.search(text[: 2 * EARLY])
    if not found or _is_bound(found):
        return None
    before = _REMARK.sub("", text[: found.start()])
    return found if _PLACE.fullmatch(before) and _AFTER.match(text, found.end()) else None


def _said(text: str) -> re.Match[str] | None:
    """Find the day in the first sentence of a text, where it comes early and is no bound."""
    sentence = SENTENCE_INSIDE.split(text[: 3 * EARLY], maxsplit=1)[0]
    found = _DATE.search(sentence)
    return found if found and found.start() < EARLY and not _is_bound(found) else None


def _is_bound(found: re.Match[str]) -> bool:
    text = found.string
    return bool(_BOUND.search(text[max(0, found.start() - 12) : found.start()]) or _BOUNDED.match(text, found.end()))


def _is_chronicle(part: Sequence[tuple[str, Kind]]) -> bool:
    """True where most paragraphs say a day of their own, and no agency says that of the first."""
    texts = [text for text, kind in part if kind in ("body", "list")]
    days = [found[0] for text in texts if (found := _said(text))]
    return len(set(days)) >= _CHRONICLE and 2 * len(days) >= len(texts) and not _DATELINE.search(texts[0])


def _has_year(found: re.Match[str]) -> bool:
    return bool(found["year"] or found["digits"] or found["of"] or found["in"])


def _with_year(found: re.Match[str], lines: Sequence[str]) -> str:
    """Return a date with the year that the lines around the headline give, where there is just one."""
    years = {match[1] for text in lines for match in _YEAR.finditer(text)}
    if _has_year(found) or len(years) != 1:
        return found[0]
    (year,) = years
    if found["chinese"]:
        return f"{year}年{found[0]}"
    return f"{found[0]}, {year}" if found["american"] else f"{found[0]} {year}"
