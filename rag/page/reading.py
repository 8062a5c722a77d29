"""The reading view: a document with the words of an answer marked, as it was mended or as its file has it.

It only lays out: which citations there are, and where they stand, comes from the answer and the document.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from pathlib import Path
from typing import Literal

from markupsafe import Markup

from rag.answers import Answer
from rag.citations import Citation
from rag.conversation import State
from rag.documents import Document
from rag.errors import Language, NotFoundError
from rag.folding import is_han
from rag.page.marking import Mark, paint
from rag.passages import Passage
from rag.pipeline import Pipeline
from rag.store import Listed

View = Literal["mended", "file"]
CONTEXT = 20_000  # characters of a long document shown on each side of what is read
LOOKED_AT = 2_000  # characters of a document that tell its language
HAN_LETTERS = 5  # Latin letters to a word, for which one Chinese character stands
MOST = 2_000_000  # characters shown at once, where all of it is asked for


@dataclass(frozen=True)
class Block:
    """A paragraph of the mended text, or a line of the file."""

    number: int
    kind: str
    html: Markup  # its text, with marks
    gap: str = ""  # the characters of the document between this paragraph and the next


@dataclass(frozen=True)
class Reading:
    """What the reading view shows."""

    document: Document
    view: View
    blocks: tuple[Block, ...]
    before: bool  # something is left out before
    after: bool
    whole: bool  # all was asked for: what is left out even so cannot be shown with it
    has_file: bool  # whether it can be shown as in the file
    article: str  # headline of the article read, where the document has several
    paragraph: int | None = None  # of what was opened
    passage: int | None = None
    passages: int = 0
    page: int | None = None
    line: int | None = None
    citation: Citation | None = None
    state: State = "alive"
    rank: int | None = None  # of the hit that was opened
    previous: int | None = None  # markers of the citations beside it
    following: int | None = None
    count: int = 0  # citations of the answer

    @property
    def language(self) -> Language:
        """The language of the text, as far as its typography goes."""
        seen = self.document.text[:LOOKED_AT]
        return "zh" if sum(map(is_han, seen)) * HAN_LETTERS > len(seen) else "en"


def read_citation(
    chat: Pipeline, answer: Answer, states: dict[int, State], marker: int, view: View, whole: bool = False
) -> Reading:
    """Lay out the document of a citation, with all citations of the answer in it marked.

    Raises:
        NotFoundError: The answer has no such citation.
    """
    markers = [citation.marker for citation in answer.citations]
    if marker not in markers:
        raise NotFoundError(f"The answer has no citation [{marker}].", f"这个回答没有出处 [{marker}]。")
    place = markers.index(marker)
    cited = answer.citations[place]
    marks = [
        Mark(one.start, one.end, one.marker, one.marker == marker)
        for one in answer.citations
        if one.document.id == cited.document.id and _is_of(one, cited)
    ]
    reading = _read(chat, cited.document, marks, cited.start, cited.end, view, whole)
    state = states.get(marker, "alive")
    if state in ("changed", "removed"):  # its document holds the quote alone
        reading = replace(reading, paragraph=cited.place.paragraph, page=cited.place.page, line=None)
    return replace(
        reading,
        citation=cited,
        state=state,
        previous=markers[place - 1] if place else None,
        following=markers[place + 1] if place + 1 < len(markers) else None,
        count=len(markers),
    )


def _is_of(one: Citation, other: Citation) -> bool:
    """Say whether two citations have the same text: one whose document is gone holds its quote alone."""
    return one.document.text == other.document.text


def read_hit(chat: Pipeline, answer: Answer, rank: int, view: View, whole: bool = False) -> Reading:
    """Lay out the document of a hit, with its passage marked.

    Raises:
        NotFoundError: The answer has no such hit, or its document was removed since.
    """
    hit = next((hit for hit in answer.hits if hit.rank == rank), None)
    if hit is None:
        raise NotFoundError(f"The answer has no passage of rank {rank}.", f"这个回答没有第 {rank} 名的段落。")
    document = chat.store.document(hit.passage.document_id)
    if document.text[hit.passage.start : hit.passage.end] != hit.passage.text:
        raise NotFoundError(
            f"The passage of rank {rank} stands in its document no more.", f"第 {rank} 名的段落已不在原文中。"
        )
    marks = [Mark(hit.passage.start, hit.passage.end, 0, is_current=True)]
    return replace(_read(chat, document, marks, hit.passage.start, hit.passage.end, view, whole), rank=rank)


def read_document(chat: Pipeline, document: Document, view: View, whole: bool = False) -> Reading:
    """Lay out a document from its beginning, with the numbers of its passages."""
    return _read(chat, document, [], 0, 0, view, whole, shows_passages=True)


def _read(
    chat: Pipeline,
    document: Document,
    marks: Sequence[Mark],
    start: int,
    end: int,
    view: View,
    whole: bool,
    shows_passages: bool = False,
) -> Reading:
    passages = _passages_of(chat, document)
    file_text = _file_text(chat, document)
    as_file = view == "file" and file_text is not None
    if as_file and file_text is not None:
        blocks, before, after = _lines(document, file_text, marks, start, end, whole)
    else:
        cuts = [(passage.start, number) for number, passage in enumerate(passages, 1)] if shows_passages else []
        blocks, before, after = _paragraphs(document, marks, cuts, start, end, whole)
    article = document.article_at(start).title
    line, _ = document.place_in_file(start)
    opened = bool(marks)
    return Reading(
        document=document,
        view="file" if as_file else "mended",
        blocks=tuple(blocks),
        before=before,
        after=after,
        whole=whole,
        has_file=file_text is not None,
        article=article if article != document.title else "",
        paragraph=document.paragraph_at(start).number if opened else None,
        passage=_passage_number(passages, start) if opened else None,
        passages=len(passages),
        page=document.page_at(start) if opened else None,
        line=line if opened and document.has_lines else None,
    )


def _passages_of(chat: Pipeline, document: Document) -> list[Passage]:
    """Return the passages of a document, where the store still holds this very text."""
    try:
        return chat.store.passages_of(document.id) if _is_held(chat, document) else []
    except NotFoundError:  # removed between the two
        return []


def _passage_number(passages: Sequence[Passage], position: int) -> int | None:
    place = bisect_right(passages, position, key=lambda passage: passage.start)
    return place if place and position < passages[place - 1].end else None


def _file_text(chat: Pipeline, document: Document) -> str | None:
    """Return the file as it was read, where it is kept and this document was made from it."""
    return chat.store.file_text(document.id) if _is_held(chat, document) else None


def _is_held(chat: Pipeline, document: Document) -> bool:
    """Say whether the store holds this very text: the same file may be read in another way by a later version."""
    try:
        held = chat.store.document(document.id)
    except NotFoundError:
        return False
    return held.digest == document.digest and held.text == document.text


def _window(length: int, start: int, end: int, whole: bool) -> tuple[int, int]:
    """Return the part of a text that is shown around [start, end)."""
    if not whole:
        return max(0, start - CONTEXT), min(length, end + CONTEXT)
    first = max(0, min((start + end - MOST) // 2, length - MOST))
    return first, min(length, first + MOST)


def _paragraphs(
    document: Document, marks: Sequence[Mark], cuts: Sequence[tuple[int, int]], start: int, end: int, whole: bool
) -> tuple[list[Block], bool, bool]:
    text = document.text
    first, last = _window(len(text), start, end, whole)
    shown = [one for one in document.paragraphs if one.start < last and one.end > first]
    spans = [(max(first, one.start), min(last, one.end)) for one in shown]
    blocks = []
    for place, (paragraph, html) in enumerate(zip(shown, _painted(text, spans, marks, cuts), strict=True)):
        follows = shown[place + 1].start if place + 1 < len(shown) else paragraph.end
        blocks.append(Block(paragraph.number, paragraph.kind, html, text[paragraph.end : follows]))
    return blocks, first > 0, last < len(text)


def _lines(
    document: Document, file_text: str, marks: Sequence[Mark], start: int, end: int, whole: bool
) -> tuple[list[Block], bool, bool]:
    """Return the lines of the file; of a mark exactly the characters that its words were made of."""
    placed = [piece for mark in marks for piece in _pieces(document, mark)]
    source_start, source_end = document.origin.source_span(start, end) if document.text else (0, 0)
    first, last = _window(len(file_text), source_start, source_end, whole)
    begins = bisect_right(document.lines, first) - 1
    spans = []
    for number in range(begins, len(document.lines)):
        line_start = document.lines[number]
        if line_start >= last:
            break
        line_end = document.lines[number + 1] if number + 1 < len(document.lines) else len(file_text)
        bare_end = line_start + len(file_text[line_start:line_end].rstrip("\r\n\f\v\x1c\x1d\x1e\x85\u2028\u2029"))
        spans.append((max(first, line_start), max(first, min(last, bare_end))))
    painted = _painted(file_text, spans, placed)
    blocks = [Block(number, "line", html, "\n") for number, html in enumerate(painted, begins + 1)]
    return blocks, first > 0, last < len(file_text)


def _painted(
    text: str, spans: Sequence[tuple[int, int]], marks: Sequence[Mark], cuts: Sequence[tuple[int, int]] = ()
) -> Iterator[Markup]:
    """Yield each span of a text painted with what touches it, so that long documents take no longer than they must.

    Args:
        text: Of the document, or of its file.
        spans: In order, and apart.
        marks: In any order, see `paint`.
        cuts: In order.
    """
    touching: dict[int, list[Mark]] = {}
    for mark in marks:
        first = bisect_right(spans, mark.start, key=itemgetter(1))
        for place in range(first, bisect_left(spans, mark.end, key=itemgetter(0))):
            touching.setdefault(place, []).append(mark)
    for place, (start, end) in enumerate(spans):
        first, last = (bisect_left(cuts, position, key=itemgetter(0)) for position in (start, end))
        yield paint(text, start, end, touching.get(place, ()), cuts[first:last])


def _pieces(document: Document, mark: Mark) -> list[Mark]:
    """Return the spans of the source that a span of the text was made of."""
    pieces = []
    place = max(0, bisect_right(document.origin.runs, mark.start, key=lambda run: run[0]) - 1)
    for text_start, source_start, length in document.origin.runs[place:]:
        if text_start >= mark.end:
            break
        first, last = max(mark.start, text_start), min(mark.end, text_start + length)
        if first < last:
            offset = source_start - text_start
            pieces.append(replace(mark, start=first + offset, end=last + offset))
    return pieces


def file_name(document: Document | Listed) -> str:
    """Return the last part of a document's source, as people call it."""
    if re.match(r"https?://", document.source):
        return document.source
    return Path(document.source).name or document.source
