"""Paragraph repair: which line breaks of a text are its own, and which came with its layout.

Pure functions from lines to mended lines. Three kinds of damage are undone: lines wrapped at a width,
paragraphs cut by pages or columns, and breaks at arbitrary places. For every break the evidence is
added up (`_evidence`): what stands before it, what after it, the layout, and for Chinese the
likelihood that the two characters belong together. Verse, lists, tables and code are left alone.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

from rag.layout import Layout, pair_odds, read_layout
from rag.lines import (
    CLOSING,
    NO_START,
    OPENING,
    SENTENCE_INSIDE,
    Kind,
    Line,
    closes,
    is_chapter,
    is_code,
    is_enclosed,
    is_row,
    is_rule,
    is_sentence_end,
    is_unspaced,
    open_brackets,
    page_number,
    share_columns,
    spacing_balance,
    text_width,
)

BODY_WIDTH = 70  # columns; a headline is seldom longer
_PROSE_WIDTH = 50  # columns; where neither side is as long, lines may be verse
_GREETING_WIDTH = 24  # columns; a shorter line with a comma may open or close a letter
_VERSE_WIDTH = 60  # columns; longer lines are no verse
_TAIL = 3000  # characters of a paragraph that are looked back at

# Words that no English headline or paragraph ends with.
_UNFINISHED = re.compile(
    r"(?:^|\s)(?:the|an?|of|to|in|on|at|by|for|from|with|and|or|but|that|which|who|as|is|are|was|were|be|been"
    r"|has|have|had|its?|his|her|their|our|your|my|this|these|than|into|will|would|can|could|not)$"
)
_GAP = re.compile(r"[\u4e00-\u9fff”』][ \u3000]+[\u4e00-\u9fff“『]")
_DIALOGUE = re.compile(r"[“\"「『—–-]")


@dataclass(frozen=True)
class Mended:
    """A line and what became of the break before it."""

    line: Line
    glue: str  # what stands before it in the mended text: "", " ", "\n" or "\n\n"
    kind: Kind
    is_start: bool  # begins a paragraph
    cut: int = 0  # characters dropped at its end: a hyphen that came with the layout


def mend(lines: Sequence[Line]) -> list[Mended]:
    """Decide every break of a text.

    Lines whose kind is known from markup keep it; only those without a kind, or of kind "body", are
    ever joined. Page numbers inside a joined sentence are left out of what is returned.
    """
    marked = _mark_kinds(lines)
    kept, furniture = _set_aside_page_numbers(marked)
    layout = read_layout([line for line in kept if line.kind is None])
    kept = _mark_verse(kept, layout)
    words = _Words(kept)
    mended: list[Mended] = []
    paragraph = ""
    for place, line in enumerate(kept):
        before = furniture.get(place, [])
        joined = bool(mended) and _is_joined(paragraph, mended[-1], line, layout)
        if joined:
            line = _over(before, line)
            _join(mended, paragraph, line, layout, words)
            paragraph = (paragraph + mended[-1].glue + line.text)[-_TAIL:]
        else:
            mended.extend(_separate(number, mended, "note") for number in before)
            mended.append(_separate(line, mended, line.kind or "body"))
            paragraph = line.text
    return mended


def _separate(line: Line, mended: Sequence[Mended], kind: Kind) -> Mended:
    """Keep the break before a line; lines of one stanza, table or program stay one paragraph."""
    if not mended:
        return Mended(line, "", kind, is_start=True)
    apart = line.blanks or line.page
    one = kind in ("verse", "table", "code") and mended[-1].kind == kind and not apart
    glue = "\n\n" if apart else "\n"
    if kind == "code" and mended[-1].kind == "code" and line.kind == "code":
        one, glue = True, "\n" * (line.blanks + 1)
    return Mended(line, glue, kind, is_start=not one)


def _over(numbers: Sequence[Line], line: Line) -> Line:
    """Let a line stand directly after the one before the page numbers."""
    if not numbers:
        return line
    return replace(line, breaks=numbers[0].breaks + line.breaks, page=True)


def _join(mended: list[Mended], paragraph: str, line: Line, layout: Layout, words: "_Words") -> None:
    """Append a line to the paragraph before it."""
    last = mended[-1]
    glue = _glue(paragraph, last.line, line, layout)
    if _is_layout_hyphen(last.line, line, words):
        mended[-1] = replace(last, cut=1)
    mended.append(Mended(line, glue, last.kind, is_start=False))


def _glue(paragraph: str, first: Line, second: Line, layout: Layout) -> str:
    """A space between words, nothing between characters of Chinese."""
    a, b = first.text[-1], second.text[0]
    if first.is_soft or (a == "-" and len(first.text) > 1 and first.text[-2].isalnum() and b.isalnum()):
        return ""
    if is_unspaced(a) and is_unspaced(b):
        return ""
    if is_unspaced(a) or is_unspaced(b):
        if not (a.isalnum() and b.isalnum()):
            return ""
        # The paragraph's own habit goes before the text's: a file may hold reports of several houses.
        balance = spacing_balance(paragraph, second.text)
        return " " if balance > 0 or (balance == 0 and layout.is_spaced) else ""
    return " "


def _is_layout_hyphen(first: Line, second: Line, words: "_Words") -> bool:
    """True when the hyphen at a line end came with the layout: the text has the word without it elsewhere."""
    head = re.search(r"([^\W\d_]+)-$", first.text)
    tail = re.match(r"[^\W\d_]+", second.text)
    if not head or not tail or not tail[0][0].islower():
        return False
    whole, hyphened = head[1] + tail[0], f"{head[1]}-{tail[0]}"
    return whole.lower() in words.all and hyphened.lower() not in words.all


class _Words:
    """The words of a text, with their hyphens, in lower case; collected when first asked for."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self._lines = lines

    @cached_property
    def all(self) -> frozenset[str]:
        return frozenset(
            word.lower() for line in self._lines for word in re.findall(r"[^\W\d_]+(?:-[^\W\d_]+)*", line.text)
        )


# What a line is by itself or with its neighbours.


def _mark_kinds(lines: Sequence[Line]) -> list[Line]:
    """Set the kind of lines that show it: table rows, code, list items, chapter headings."""
    marked = list(lines)
    for start, end in _blocks(lines):
        block = lines[start:end]
        if any(line.kind is not None for line in block):
            continue
        for offset, kind in enumerate(_block_kinds(block)):
            if kind:
                marked[start + offset] = replace(block[offset], kind=kind)
    return marked


def _blocks(lines: Sequence[Line]) -> Iterable[tuple[int, int]]:
    """Yield the spans of lines that stand together, with no blank line or page end between."""
    start = 0
    for place in range(1, len(lines) + 1):
        if place == len(lines) or lines[place].blanks or lines[place].page:
            yield start, place
            start = place


def _block_kinds(block: Sequence[Line]) -> list[Kind | None]:
    fenced = block[0].text.startswith(("```", "~~~"))
    if fenced or (len(block) > 1 and sum(is_code(line.text) for line in block) >= 0.6 * len(block)):
        return ["code"] * len(block)
    kinds: list[Kind | None] = []
    for place, line in enumerate(block):
        around = block[max(0, place - 1) : place + 2]
        in_columns = any(other is not line and share_columns(line, other) for other in around)
        if in_columns or (is_row(line.text) and (len(block) > 1 or line.text.count("\t") > 1)):
            kinds.append("table")
        elif is_rule(line.text):
            kinds.append("note")
        elif is_chapter(line.text) and not line.ends_sentence:
            kinds.append("headline")
        else:
            kinds.append(None)
    return kinds


def _set_aside_page_numbers(lines: Sequence[Line]) -> tuple[list[Line], dict[int, list[Line]]]:
    """Take out lines that may be page numbers.

    Returns:
        The other lines; and for the position among them where numbers stood, those numbers.
    """
    kept: list[Line] = []
    numbers: dict[int, list[Line]] = {}
    apart: list[Line] = []
    for place, line in enumerate(lines):
        after = lines[place + 1] if place + 1 < len(lines) else None
        alone = line.blanks or line.page or (after and (after.blanks or after.page))
        style = page_number(line.text) if line.kind is None and kept and after else ""
        if style == "dressed" or (style and alone):
            apart.append(line)
            continue
        if apart:
            numbers[len(kept)] = apart
            line = replace(line, page=True)
            apart = []
        kept.append(line)
    return kept, numbers


def _mark_verse(lines: Sequence[Line], layout: Layout) -> list[Line]:
    marked = list(lines)
    for start, end in _blocks(lines):
        if _is_verse(lines[start:end], layout):
            for place in range(start, end):
                marked[place] = replace(lines[place], kind="verse")
    # Single lists may be a block of their own; items are marked last, when verse is out of the way.
    return [replace(line, kind="list") if line.kind is None and line.is_list_item else line for line in marked]


def _is_verse(block: Sequence[Line], layout: Layout) -> bool:
    if len(block) < 2 or any(line.kind is not None or line.width > _VERSE_WIDTH for line in block):
        return False
    pairs = list(pairwise(block))
    if layout.width and sum(layout.is_full(a, b) for a, b in pairs) >= 0.5 * len(pairs):
        return False
    aside = sum(bool(_DIALOGUE.match(line.text)) or line.is_list_item for line in block)
    if aside >= 0.5 * len(block):
        return False
    marks = sum(line.text[-1] in NO_START for line in block)
    if len(block) < 4:
        runs_on = any(not line.ends_sentence for line in block[:-1])
        return marks == len(block) and runs_on and max(line.width for line in block) <= 40
    return not (layout.is_indented and any(line.indent for line in block) and not block[0].indent)


# The evidence at a break.


def _is_joined(paragraph: str, last: Mended, line: Line, layout: Layout) -> bool:
    if line.kind == "list" and line.has_bullet and not _is_dash(last, line, layout):
        return False
    if last.kind == "list" and line.kind is None and not line.blanks and not line.page:
        return _continues_item(last, line, layout)
    joinable = (None, "body") if last.kind in ("body",) else (None,)
    if line.kind == "list" and last.kind in ("body", "list"):
        # A number opens an item where a sentence is finished; in wrapped text it may just stand there.
        if line.blanks or line.page or not layout.is_full(last.line, line) or last.line.text[-1] in NO_START:
            return False
    elif line.kind not in joinable or last.kind not in ("body", "list"):
        return False
    return _evidence(paragraph, last.line, line, layout) > 0


def _is_dash(last: Mended, line: Line, layout: Layout) -> bool:
    """True for a dash of the sentence that came to stand at the beginning of a line."""
    goes_on = line.text[len(line.mark) :][:1].islower() and not last.line.ends_sentence
    return goes_on and last.kind == "body" and layout.is_full(last.line, line) and not line.blanks


def _continues_item(last: Mended, line: Line, layout: Layout) -> bool:
    """True for the wrapped rest of a list item: under its text, or at the margin of a full line."""
    if not last.is_start:
        return layout.is_full(last.line, line) and line.indent == last.line.indent
    hangs = line.indent == last.line.indent + text_width(last.line.mark) and not last.line.ends_sentence
    return hangs or layout.is_full(last.line, line)


def _evidence(paragraph: str, first: Line, second: Line, layout: Layout) -> float:
    """Log-odds, roughly in nats, that the break between two lines does not belong to the text."""
    if is_enclosed(second.text) or is_enclosed(paragraph):
        return -9.0
    apart = bool(second.blanks or second.page)
    full = layout.is_full(first, second)
    if full and not apart:
        return _wrap_evidence(first, second, layout)
    long = max(text_width(paragraph[-400:]), second.width) >= _PROSE_WIDTH
    if not long and not layout.is_prose and not (full and apart):
        return -9.0
    score = _sentence_evidence(paragraph, second, layout, full)
    if layout.is_indented and second.indent < 2 and apart and _is_body(second.text) and _is_body(paragraph):
        # Where paragraphs are indented, one that is not goes on from the page before.
        score = max(score, 3.0 if full or layout.width is None else -3.0)
    if layout.width and not full:
        score -= 4.0
    return score + _indent_evidence(first, second, layout)


def _wrap_evidence(first: Line, second: Line, layout: Layout) -> float:
    """A line that was filled to the width goes on, unless the next is set like a beginning."""
    score = 1.5 if first.ends_sentence else 4.0
    if first.ends_sentence and layout.is_indented and second.indent <= first.indent:
        score += 2.0
    return score + _indent_evidence(first, second, layout)


def _indent_evidence(first: Line, second: Line, layout: Layout) -> float:
    if second.indent <= first.indent:
        return -6.0 if layout.is_indented and second.indent >= 2 else 0.0
    return -8.0 if layout.is_indented or second.indent - first.indent <= 8 else -4.0


def _sentence_evidence(paragraph: str, second: Line, layout: Layout, full: bool) -> float:
    """What the words on both sides say, whatever the layout."""
    a, b = paragraph[-1], second.text[0]
    if is_sentence_end(paragraph):
        return 6.0 if b in CLOSING + "，、；。" else -6.0
    if a == "," and text_width(paragraph) <= _GREETING_WIDTH:
        return -3.0
    if a in "，、,-" or a in OPENING or _UNFINISHED.search(paragraph[-12:]):
        return 8.0
    if b in NO_START and b not in "…—·.":
        return 8.0
    if b.islower():
        return 6.0
    score = _unfinished_prior(paragraph, layout)
    if full:
        # A headline seldom fills the width to the last column.
        score = max(score, 5.0 if layout.is_indented and second.indent < 2 else 2.5)
    if second.width <= BODY_WIDTH and not second.ends_sentence and "，" not in second.text:
        score -= 1.5  # a headline after a headline, more likely than the end of one
    if a in "：；:;":
        score -= 5.0
    if closes(second.text, open_brackets(paragraph)):
        score += 4.0
    if is_unspaced(a) or is_unspaced(b):
        return score + max(-2.5 if full else -6.0, min(8.0, pair_odds(paragraph, second.text)))
    return score - (5.0 if a in CLOSING else 1.0)


def _unfinished_prior(paragraph: str, layout: Layout) -> float:
    """How much more likely text without a sentence end is a broken paragraph than a headline."""
    most = 4.0 if layout.is_broken or layout.width else 1.5
    if SENTENCE_INSIDE.search(paragraph):
        return most
    # At -1, 1 in 100 of the headlines that were counted joins its body, and 7 in 10 of cut first sentences mend.
    by_width = -1.25 + 5.25 * (text_width(paragraph[-400:]) - 60) / 100
    # A gap between two Chinese words is a headline's comma.
    by_gap = -2.0 if _GAP.search(paragraph) else 0.0
    by_commas = 1.5 if paragraph.count("，") > 1 else 0.0
    return max(-1.25, min(most, by_width)) + by_gap + by_commas


def _is_body(text: str) -> bool:
    """True for text too long for a headline, or with a sentence end inside."""
    return text_width(text) >= BODY_WIDTH or bool(SENTENCE_INSIDE.search(text)) or is_sentence_end(text)
