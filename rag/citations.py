"""Citations: the exact words an answer stands on, and where they are."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rag.documents import Document
from rag.passages import Passage


@dataclass(frozen=True)
class Place:
    """Where a quote stands, for people: in the mended text and in the file they own."""

    paragraph: int  # from 1
    article: str  # headline of the article within the document, or ""
    line: int  # in the source file, from 1
    column: int  # in that line, from 1
    source_start: int  # span in characters of the decoded source file
    source_end: int

    def __str__(self) -> str:
        return f"第{self.paragraph}段"


@dataclass(frozen=True)
class Quote:
    """Words chosen from a passage: `[start, end)` in the document."""

    passage: Passage
    start: int
    end: int


@dataclass(frozen=True)
class Citation:
    """Marker `[n]` of an answer. Invariant: `document.text[start:end] == quote`."""

    marker: int  # from 1
    document: Document
    passage_id: str
    start: int
    end: int
    quote: str
    place: Place


def cite(marker: int, document: Document, passage: Passage, start: int, end: int) -> Citation:
    """Make the citation of `document.text[start:end]`."""
    source_start, source_end = document.origin.source_span(start, end)
    line, column = document.place_in_file(start)
    place = Place(
        document.paragraph_at(start).number,
        document.article_at(start).title,
        line,
        column,
        source_start,
        source_end,
    )
    return Citation(marker, document, passage.id, start, end, document.text[start:end], place)


def citation_to_dict(citation: Citation) -> dict[str, Any]:
    """Return plain values; the document is named, not held."""
    values = {name: getattr(citation, name) for name in ("marker", "passage_id", "start", "end", "quote")}
    document = citation.document
    return values | {
        "document_id": document.id,
        "title": document.title,
        "source": document.source,
        "place": asdict(citation.place),
    }


def citation_from_dict(row: Mapping[str, Any], documents: Mapping[str, Document]) -> Citation:
    """Return the citation that `citation_to_dict` was called on, given its document."""
    values = {name: row[name] for name in ("marker", "passage_id", "start", "end", "quote")}
    return Citation(document=documents[row["document_id"]], place=Place(**row["place"]), **values)
