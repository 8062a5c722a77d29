"""Lines of a text as they stand in its source, and what can be seen on one of them.

Knows characters: columns, scripts, punctuation, the marks of lists and tables. It decides nothing
about neighbouring lines; that is mending's work.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Literal, get_args

from rag.spans import Piece, strip_pieces

Kind = Literal["headline", "body", "list", "table", "verse", "code", "byline", "note"]
KINDS: tuple[Kind, ...] = get_args(Kind)

LINE_BREAK = re.compile("\r\n|[\n\r\x0b\x0c\x85\u2028\u2029]")
# Joiners stay where they shape a letter or an emoji; elsewhere they are as invisible as the rest.
_REMOVED = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f\x80-\x84\x86-\x9f\xad\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\ufeff]"
    "|[\u200c\u200d](?![\u0600-\u08ff\u0900-\u0dff\u2600-\u27ff\U0001f000-\U0001ffff])"
)
_WIDE = re.compile("[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]")
SOFT_HYPHEN = "\xad"

OPENING = "“‘（《〈「『【〔［(["
CLOSING = "”’）》〉」』】〕］)]"
_PARTNER = dict(zip(CLOSING, OPENING, strict=True))
# Marks that no line begins with (kinsoku).
NO_START = frozenset(CLOSING + "，。、；：！？…,.;:!?%‰·—～")
_END = r"[\"'”’）》〉」』】〕］)\]]*"
SENTENCE_END = re.compile(rf"(?:[。！？…!?｡．]|(?<![A-Z])\.|[A-Z]{{2,}}\.){_END}$")
SENTENCE_INSIDE = re.compile(
    r"[。！？](?!$)"
    r"|(?<=[a-z0-9])"
    r"(?<!\bMr)(?<!\bMrs)(?<!\bMs)(?<!\bDr)(?<!\bSt)(?<!\bvs)(?<!\bNo)[.!?][\"'”’)]* +(?=[A-Z\"“‘(])"
)
_ABBREVIATION = re.compile(r"(?:^|[\s(])(?:Mr|Mrs|Ms|Dr|St|Prof|Gen|Sen|Gov|Rep|vs|No|Fig|Vol|pp?|e\.g|i\.e|cf)\.$")
_LIST_MARK = re.compile(
    r"(?P<bullet>[-*+•·●○▪■◦◆–—]\s+|[①-⑳㈠-㈩]\s*)(?=\S)"
    r"|(?P<number>\d{1,3}[.)](?:\s+)|\d{1,3}[、．）](?!\d)|[（(][一二三四五六七八九十百\d]{1,3}[)）]"
    r"|[一二三四五六七八九十百]{1,3}、|[a-zA-Z][.)]\s+)(?=\S)"
)
_CHAPTER = re.compile(
    r"第[一二三四五六七八九十百千零〇\d]{1,5}[章节回卷部篇编]|(?:chapter|part|book|section)\s+[\divxlc]+\b",
    re.IGNORECASE,
)
_RULE = re.compile(r"[-=*_~+|#—－·\s]{3,}$")
_PAGE_NUMBER = re.compile(
    r"(?P<plain>\d{1,4})|[-—–·]+\s*\d{1,4}\s*[-—–·]+|第\s*\d{1,4}\s*页(?:[\s/，,]*共\s*\d+\s*页)?|\d{1,4}\s*/\s*\d{1,4}"
    r"|[Pp]age\s+\d{1,4}(?:\s+of\s+\d+)?"
)
_CELL_GAP = re.compile(r"(?<![.!?:。！？：\s]) {2,}(?=\S)")
_CODE = re.compile(
    r"[;{}]\s*$|^(?:def|class|import|from|return|while|elif|else|try|#include|public|private|const|let|var)\b.*[:;({})]?$"
    r"|^[\w.\[\]]+ (?:=|\+=|-=|:=) \S|^[})\]]+[;,]?$|^[\w.]+\([^)]*\):?;?$|^(?:if|for)\b.*[:{]$|^(?:\$|>>>) "
)


def text_width(text: str) -> int:
    """Return the columns of a text: 0, 1 or 2 for each character (East Asian Width, UAX 11)."""
    if text.isascii():
        return len(text)
    # "Ambiguous" marks such as “ and … are wide in Chinese type and narrow in Latin type.
    wide = "WFA" if _WIDE.search(text) else "WF"
    return sum(_char_width(char, wide) for char in text)


def _char_width(char: str, wide: str) -> int:
    if char < "\u0080":
        return 1
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in wide else 1


def is_unspaced(char: str) -> bool:
    """True for scripts written without spaces between words: Chinese, kana, Thai, Lao, Khmer, Burmese."""
    code = ord(char)
    if code < 0x0E00:
        return False
    return (
        0x2E80 <= code <= 0x312F
        or 0x31A0 <= code <= 0x9FFF
        or 0xF900 <= code <= 0xFAFF
        or 0xFE30 <= code <= 0xFFEF
        or 0x20000 <= code <= 0x3FFFF
        or 0x0E00 <= code <= 0x0EFF
        or 0x1000 <= code <= 0x109F
        or 0x1780 <= code <= 0x17FF
        or char in "“”‘’…—·"
    )


@dataclass(frozen=True)
class Line:
    """One line with something on it. Invariant: the pieces' characters, joined, are `text`."""

    text: str  # without white space at the ends
    pieces: tuple[Piece, ...]
    lead: str = ""  # white space before it
    blanks: int = 0  # blank lines before it
    page: bool = False  # a page ends before it
    breaks: tuple[int, ...] = (0,)  # source positions of the line breaks before it
    kind: Kind | None = None  # when the markup tells
    level: int = 0  # of a headline, 1 the highest; 0 unknown
    is_soft: bool = False  # ends in a soft hyphen

    @cached_property
    def width(self) -> int:
        """Columns, without the leading white space."""
        return text_width(self.text)

    @cached_property
    def indent(self) -> int:
        """Columns of leading white space."""
        return sum(4 if char == "\t" else text_width(char) for char in self.lead)

    @cached_property
    def first_unit(self) -> int:
        """Columns of the first part that must stay on one line: a word, or a character and its marks."""
        return text_width(_first_unit(self.text))

    @cached_property
    def ends_sentence(self) -> bool:
        """The last character ends a sentence, or only closes it."""
        return is_sentence_end(self.text)

    @cached_property
    def is_list_item(self) -> bool:
        """Begins with a bullet or a number."""
        return bool(_LIST_MARK.match(self.text))

    @cached_property
    def mark(self) -> str:
        """The list mark with its space, or nothing."""
        match = _LIST_MARK.match(self.text)
        return match[0] if match else ""

    @cached_property
    def has_bullet(self) -> bool:
        """The list mark is no number, which running text would have too."""
        match = _LIST_MARK.match(self.text)
        return bool(match and match["bullet"])


def is_sentence_end(text: str) -> bool:
    """True when the text ends in a mark that ends a sentence, closing marks aside."""
    return bool(SENTENCE_END.search(text[-12:])) and not _ABBREVIATION.search(text[-8:])


def is_enclosed(text: str) -> bool:
    """True for a whole line in brackets, as editors put notes."""
    if not (len(text) > 2 and text[0] in "（(【[" and text[-1] in "）)】]"):
        return False
    depth = 0
    for place, char in enumerate(text):
        depth += (char in "（(【[") - (char in "）)】]")
        if depth == 0 and place < len(text) - 1:
            return False
    return True


def is_chapter(text: str) -> bool:
    """True for headings such as 第三章 or Chapter 3."""
    return bool(_CHAPTER.match(text)) and text_width(text) <= 60


def is_rule(text: str) -> bool:
    """True for a line of dashes, stars or the like."""
    return bool(_RULE.match(text))


def page_number(text: str) -> Literal["", "plain", "dressed"]:
    """Tell whether a line is nothing but a page number, bare (3) or dressed (— 3 —)."""
    match = _PAGE_NUMBER.fullmatch(text)
    if not match:
        return ""
    return "plain" if match["plain"] else "dressed"


def is_code(text: str) -> bool:
    """True when a line looks like a statement of a programming language."""
    return bool(_CODE.search(text))


def cell_starts(text: str) -> set[int]:
    """Return the columns where cells begin after a gap of two spaces or more."""
    return {text_width(text[: match.end()]) for match in _CELL_GAP.finditer(text)}


def is_row(text: str) -> bool:
    """True for a table row that shows by itself: tabs, or bars around cells."""
    return "\t" in text or text.count("|") + text.count("│") >= 2


def open_brackets(text: str) -> set[str]:
    """Return the opening marks that are still open at the end of a text."""
    stack: list[str] = []
    for char in text:
        if char in OPENING:
            stack.append(char)
        elif char in _PARTNER and _PARTNER[char] in stack:
            while stack.pop() != _PARTNER[char]:
                pass
    return set(stack)


def closes(text: str, opened: set[str]) -> bool:
    """True when a text closes one of the marks in `opened` before opening the same again."""
    for char in text:
        if char in opened:
            return False
        if _PARTNER.get(char) in opened:
            return True
    return False


def scan_text(source: str) -> list[Line]:
    """Split a plain text into its lines, leaving out blank ones and invisible characters."""
    lines: list[Line] = []
    start = blanks = 0
    page = False
    breaks: list[int] = []
    for end, after, mark in _line_ends(source):
        pieces, lead = strip_pieces(clean_pieces(source[start:end], start))
        if pieces:
            soft = source[start:end].rstrip().endswith(SOFT_HYPHEN)
            text = "".join(text for text, _ in pieces)
            lines.append(Line(text, pieces, lead, blanks, page, tuple(breaks) or (0,), is_soft=soft))
            blanks, page = 0, False
            breaks = []
        elif lines:
            blanks += 1
        page = page or (mark == "\f" and bool(lines))
        # Of CRLF the line feed stands for the break, so that text and source agree there.
        breaks.append(after - 1)
        start = after
    return lines


def _line_ends(source: str) -> Iterator[tuple[int, int, str]]:
    for match in LINE_BREAK.finditer(source):
        yield match.start(), match.end(), match[0]
    yield len(source), len(source), ""


def clean_pieces(text: str, source: int) -> list[Piece]:
    """Cut the invisible characters out of a stretch of source."""
    pieces: list[Piece] = []
    start = 0
    for match in _REMOVED.finditer(text):
        if match.start() > start:
            pieces.append((text[start : match.start()], source + start))
        start = match.end()
    if start < len(text):
        pieces.append((text[start:], source + start))
    return pieces


def line_starts(source: str) -> tuple[int, ...]:
    """Return where the lines of a source begin, as editors count them (LF, CRLF and CR)."""
    return (0, *(match.end() for match in re.finditer("\r\n|\n|\r", source)))


_SPACED = re.compile(r"[\u4e00-\u9fff] [A-Za-z0-9]|[A-Za-z0-9] [\u4e00-\u9fff]")
_TIGHT = re.compile(r"[\u4e00-\u9fff][A-Za-z0-9]|[A-Za-z0-9][\u4e00-\u9fff]")


def spacing_balance(*texts: str) -> int:
    """Return how many more borders of Chinese and Latin words have a space than have none.

    Some houses set that space and others do not; below 0 they do not.
    """
    return sum(len(_SPACED.findall(text)) - len(_TIGHT.findall(text)) for text in texts)


def _first_unit(text: str) -> str:
    end = 0
    while end < len(text) and text[end] in OPENING:
        end += 1
    if end < len(text) and is_unspaced(text[end]):
        end += 1
    else:
        while end < len(text) and not text[end].isspace() and not is_unspaced(text[end]):
            end += 1
    while end < len(text) and text[end] in NO_START:
        end += 1
    return text[:end] or text[:1]


def share_columns(first: Line, second: Line) -> bool:
    """True when a cell begins at the same column in both lines."""
    shift = first.indent - second.indent
    starts = {column + shift for column in cell_starts(first.text)}
    return bool(starts & cell_starts(second.text))


def neighbours(lines: list[Line]) -> Iterator[tuple[Line, Line]]:
    """Yield each line with the one that follows directly, with no blank line or page end between."""
    for first, second in pairwise(lines):
        if not second.blanks and not second.page:
            yield first, second
