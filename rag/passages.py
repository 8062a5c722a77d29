"""Passages: the parts of documents that are embedded, retrieved and cited.

A paragraph is a passage; a longer one is cut at sentence ends, then at clause ends, and only where
neither helps between words or characters. Spans of sentences and clauses are found here too, for
whoever needs a smaller unit. Knows nothing of models: what fits is told by a function.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from rag.documents import Document, Paragraph

Span = tuple[int, int]
Fits = Callable[[str], bool]

OPENERS = "“‘「『（(《〈【[〔{"
CLOSERS = "”’」』）)》〉】]〕}"
_PAIRS = dict(zip(CLOSERS, OPENERS, strict=True))
# A quotation longer than this is cut inside: otherwise one forgotten quotation mark joins a page.
MAX_ENCLOSED = 120

_TAIL = re.escape(CLOSERS + "\"'")
# Latin full stops end a sentence only before white space and a new beginning ("e.g. 3.5 %" does not).
_SENTENCE_END = re.compile(
    rf"[。！？!?…]+[{_TAIL}]*|；|;(?=\s|$)|\.[{_TAIL}]*(?=\s+[\"“‘(]?[A-Z0-9\u3400-\u9fff]|\s*$)|\n+"
)
_CLAUSE_END = re.compile(rf"[，：][{_TAIL}]*|[,:](?=\s)|——|—(?=\s)")
_ABBREVIATION = re.compile(r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|St|vs|No|Jr|Sr|Co|Inc|Ltd|e\.g|i\.e|[A-Z])|\b[A-Z]\.[A-Z])\.$")
_GAP = re.compile(r"\s+")

_GROUPED = ("list", "verse", "table", "code")


@dataclass(frozen=True)
class Passage:
    """A contiguous part of one document. Invariant: `document.text[start:end] == text`."""

    id: str
    document_id: str
    start: int  # first character in the document
    end: int  # one past the last character
    text: str


def split_document(document: Document, fits: Fits) -> list[Passage]:
    """Cut a document into passages, in order, which together hold all of its text but white space.

    Args:
        document: What to cut.
        fits: Says whether a text is short enough, in characters and in the embedder's own tokens.
    """
    text = document.text
    spans = [span for start, end in _blocks(document) for span in _pack(text, *_trim(text, start, end), fits, level=0)]
    return [Passage(f"{document.id}:{start}-{end}", document.id, start, end, text[start:end]) for start, end in spans]


@lru_cache(maxsize=4096)
def sentence_spans(text: str) -> tuple[Span, ...]:
    """Return the spans of the sentences of `text`; ends inside a quotation or bracket do not count."""
    return tuple(_trimmed(text, 0, len(text), _cuts(text, 0, len(text), level=0)))


@lru_cache(maxsize=4096)
def clause_spans(text: str) -> tuple[Span, ...]:
    """Return the spans of the clauses of `text`: sentences cut at commas and colons, not at 、."""
    cuts = sorted({*_cuts(text, 0, len(text), level=0), *_cuts(text, 0, len(text), level=2)})
    return tuple(_trimmed(text, 0, len(text), cuts))


def _blocks(document: Document) -> Iterator[Span]:
    """Yield the span of each paragraph; the lines of one list, poem or table stay together."""
    previous: Paragraph | None = None
    start = end = 0
    for paragraph in document.paragraphs:
        same = previous and paragraph.kind == previous.kind and paragraph.kind in _GROUPED
        if same and document.text[end : paragraph.start].count("\n") < 2:
            end, previous = paragraph.end, paragraph
            continue
        if previous:
            yield start, end
        start, end, previous = paragraph.start, paragraph.end, paragraph
    if previous:
        yield start, end


def _pack(text: str, start: int, end: int, fits: Fits, level: int) -> list[Span]:
    """Cut `[start, end)` at the first level whose pieces fit, and join neighbours while they fit."""
    if start >= end:
        return []
    if fits(text[start:end]):
        return [(start, end)]
    if level > LAST_LEVEL:
        return _cut_anywhere(text, start, end, fits)
    spans: list[Span] = []
    for piece in _trimmed(text, start, end, _cuts(text, start, end, level)):
        if spans and fits(text[spans[-1][0] : piece[1]]):
            spans[-1] = (spans[-1][0], piece[1])
        elif fits(text[piece[0] : piece[1]]):
            spans.append(piece)
        else:
            spans += _pack(text, *piece, fits, level + 1)
    return spans


LAST_LEVEL = 4  # 0 sentences, 1 also inside quotations, 2 clauses, 3 also inside quotations, 4 words


def _cuts(text: str, start: int, end: int, level: int) -> list[int]:
    """Return the positions after which `text[start:end]` may be cut at this level, ascending."""
    if level == LAST_LEVEL:
        return [match.end() for match in _GAP.finditer(text, start, end)]
    pattern = _SENTENCE_END if level < 2 else _CLAUSE_END
    inside = _enclosed(text, start, end) if level in (0, 2) else []
    cuts = []
    for match in pattern.finditer(text, start, end):
        if any(first < match.start() and match.end() < last for first, last in inside):
            continue
        if text[match.start()] == "." and _ABBREVIATION.search(text, max(start, match.start() - 8), match.start() + 1):
            continue
        cuts.append(match.end())
    return cuts


def _enclosed(text: str, start: int, end: int) -> list[Span]:
    """Return the spans between matching quotation marks or brackets that are not too long."""
    open_at: list[int] = []
    pairs: list[Span] = []
    for position in range(start, end):
        character = text[position]
        if character in OPENERS:
            open_at.append(position)
        elif character in _PAIRS:
            for depth in range(len(open_at) - 1, -1, -1):
                if text[open_at[depth]] == _PAIRS[character]:
                    pairs.append((open_at[depth], position + 1))
                    del open_at[depth:]
                    break
    return [(first, last) for first, last in pairs if last - first <= MAX_ENCLOSED]


def _trimmed(text: str, start: int, end: int, cuts: list[int]) -> list[Span]:
    pieces = zip([start, *cuts], [*cuts, end], strict=True)
    spans = (_trim(text, first, last) for first, last in pieces)
    return [span for span in spans if span[0] < span[1]]


def _trim(text: str, start: int, end: int) -> Span:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def _cut_anywhere(text: str, start: int, end: int, fits: Fits) -> list[Span]:
    """Cut a run without any break into the longest pieces that fit, each at least one character."""
    spans = []
    while start < end:
        low, high = 1, end - start
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if fits(text[start : start + middle]) else (low, middle - 1)
        spans.append((start, start + low))
        start += low
    return spans
