"""Documents: articles as read, with mended paragraphs and the place of every character in the file.

A file becomes lines (rag.lines, rag.markup), the lines are mended (rag.mending), and what remains is
put together here, so that `document.text[i]` always maps to `document.origin.to_source(i)`.
"""

import hashlib
import os
import re
import stat
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from rag.articles import find_articles, headline_kinds
from rag.decoding import decode
from rag.errors import DocumentError
from rag.lines import Kind, Line, line_starts, scan_text
from rag.mending import Mended, mend
from rag.spans import OriginMap, TextBuilder

SUFFIXES = (".txt", ".text", ".md", ".markdown", ".html", ".htm")
MAX_BYTES = 50 * 1024 * 1024
_TITLE_LENGTH = 40  # characters, of a title taken from the first sentence

__all__ = [
    "MAX_BYTES",
    "SUFFIXES",
    "Article",
    "Document",
    "Kind",
    "OriginMap",
    "Paragraph",
    "document_from_text",
    "read_document",
]


@dataclass(frozen=True)
class Paragraph:
    """A paragraph, headline, list item, table, stanza or program: the span [start, end) of the text."""

    number: int  # from 1
    start: int
    end: int
    kind: Kind


@dataclass(frozen=True)
class Article:
    """One of the articles in a file: the span [start, end) from its headline to its last paragraph."""

    title: str
    start: int
    end: int
    date: str | None = None  # the first in its first body paragraph, as written: 6月25日
    continued: str | None = None  # where it goes on: 下转03版


@dataclass(frozen=True)
class Document:
    """A file as read.

    Invariants: `origin` maps each character of `text` to the decoded source; paragraphs are in order
    and hold every character of the text but the line breaks between them.
    """

    id: str
    title: str
    source: str  # path, or the name it was given
    text: str
    origin: OriginMap
    digest: str  # SHA-256 of the source's bytes, hexadecimal
    encoding: str
    paragraphs: tuple[Paragraph, ...]
    articles: tuple[Article, ...]
    lines: tuple[int, ...]  # source positions where the source's lines begin

    def paragraph_at(self, position: int) -> Paragraph:
        """Return the paragraph that holds a text position; of a break, the one before it.

        Raises:
            IndexError: The position lies outside the text.
        """
        self._check(position)
        place = bisect_right(self.paragraphs, position, key=lambda paragraph: paragraph.start)
        return self.paragraphs[max(0, place - 1)]

    def article_at(self, position: int) -> Article:
        """Return the article that holds a text position; of a break, the one before it.

        Raises:
            IndexError: The position lies outside the text.
        """
        self._check(position)
        place = bisect_right(self.articles, position, key=lambda article: article.start)
        return self.articles[max(0, place - 1)]

    def place_in_file(self, start: int) -> tuple[int, int]:
        """Return line and column of a text position in the source, both from 1, columns in characters."""
        position = self.origin.to_source(start)
        line = bisect_right(self.lines, position)
        return line, position - self.lines[line - 1] + 1

    def to_record(self) -> dict[str, Any]:
        """Return a dictionary of plain values, which JSON keeps unchanged."""
        return {
            "id": self.id,
            "title": self.title,
            "source": self.source,
            "text": self.text,
            "origin": self.origin.to_list(),
            "digest": self.digest,
            "encoding": self.encoding,
            "paragraphs": [[p.start, p.end, p.kind] for p in self.paragraphs],
            "articles": [asdict(article) for article in self.articles],
            "lines": [b - a for a, b in zip((0, *self.lines), self.lines, strict=False)],
        }

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> "Document":
        """Rebuild a document from `to_record`."""
        return cls(
            id=record["id"],
            title=record["title"],
            source=record["source"],
            text=record["text"],
            origin=OriginMap.from_list(record["origin"]),
            digest=record["digest"],
            encoding=record["encoding"],
            paragraphs=tuple(
                Paragraph(number, start, end, kind) for number, (start, end, kind) in enumerate(record["paragraphs"], 1)
            ),
            articles=tuple(Article(**article) for article in record["articles"]),
            lines=tuple(accumulate(record["lines"])),
        )

    def _check(self, position: int) -> None:
        if not 0 <= position <= len(self.text):
            raise IndexError(f"No position {position}: the text of {self.title!r} has {len(self.text)}.")


def read_document(path: str | Path) -> Document:
    """Read a file: plain text, Markdown or HTML by its suffix; any other suffix is read as plain text.

    Raises:
        DocumentError: The file is missing, a folder, unreadable, too large, empty or no text.
    """
    path = Path(path)
    data = _read_bytes(path)
    suffix = path.suffix.lower()
    # A name that is not UTF-8 is kept in a form that is, so that it can be stored and shown.
    source = os.fsencode(path.resolve()).decode("utf-8", "backslashreplace")
    declared = None
    if suffix in (".html", ".htm"):
        from rag.markup import declared_charset

        declared = declared_charset(data)
    text, encoding = decode(data, str(path), declared)
    lines, title = _scan(text, suffix)
    if not lines:
        raise DocumentError(f"{path} holds no text, only white space or markup. Give a file with an article.")
    digest = hashlib.sha256(data).hexdigest()
    return _make_document(lines, title, path.stem, source, digest, encoding, text)


def document_from_text(text: str, title: str | None = None, source: str = "text") -> Document:
    """Make a document of a plain text that is at hand. `source` names it, and its id follows from that.

    Raises:
        DocumentError: The text is empty or only white space.
    """
    lines = scan_text(text)
    if not lines:
        raise DocumentError(f"The text of {source!r} is empty or only white space. Give an article.")
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return _make_document(lines, title or "", "", source, digest, "utf-8", text)


def _read_bytes(path: Path) -> bytes:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise DocumentError(f"{path} is a folder, not a file. Give the files in it one by one.")
        if not stat.S_ISREG(status.st_mode):
            raise DocumentError(f"{path} is a device or a pipe, not a file. Save what it gives as a file.")
        size = status.st_size
        if size > MAX_BYTES:
            raise DocumentError(f"{path} has {size} bytes; the most that is read is {MAX_BYTES}. Split it into parts.")
        data = path.read_bytes()
    except FileNotFoundError:
        raise DocumentError(f"{path} does not exist. Check the path.") from None
    except PermissionError:
        raise DocumentError(f"{path} may not be read: permission denied. Change its permissions.") from None
    except OSError as error:
        reason = error.strerror or error
        raise DocumentError(f"{path} cannot be read: {reason}. Check the path and the disk.") from error
    if not data.strip():
        raise DocumentError(f"{path} is empty ({len(data)} bytes). Give a file with an article.")
    return data


def _scan(text: str, suffix: str) -> tuple[list[Line], str]:
    """Return the lines of a source and the title its markup gives, if any."""
    if suffix in (".md", ".markdown"):
        from rag.markup import scan_markdown

        return scan_markdown(text)
    if suffix in (".html", ".htm"):
        from rag.markup import scan_html

        return scan_html(text)
    return scan_text(text), ""


def _make_document(
    lines: Sequence[Line], title: str, name: str, source: str, digest: str, encoding: str, decoded: str
) -> Document:
    mended = mend(lines)
    text, origin, spans = _put_together(mended)
    kinds = headline_kinds(
        [(text[start:end], kind) for start, end, kind in spans],
        is_marked=any(line.level for line in lines),
    )
    paragraphs = tuple(
        Paragraph(number, start, end, kind)
        for number, ((start, end, _), kind) in enumerate(zip(spans, kinds, strict=True), 1)
    )
    levels = [part.line.level for part in mended if part.is_start]
    found = find_articles([(text[p.start : p.end], p.kind, level) for p, level in zip(paragraphs, levels, strict=True)])
    first = next((text[p.start : p.end] for p in paragraphs if p.kind == "headline"), "")
    title = title or first or name or _first_sentence(text)
    title = " ".join(title.split())
    articles = tuple(
        Article(
            " ".join(group.title.split()) or title,
            paragraphs[group.first].start,
            paragraphs[group.last].end,
            group.date,
            group.continued,
        )
        for group in found
    )
    return Document(
        id=hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()[:12],
        title=title,
        source=source,
        text=text,
        origin=origin,
        digest=digest,
        encoding=encoding,
        paragraphs=paragraphs,
        articles=articles,
        lines=line_starts(decoded),
    )


def _put_together(mended: Sequence[Mended]) -> tuple[str, OriginMap, list[tuple[int, int, Kind]]]:
    """Join mended lines into a text, its map, and the span and kind of each paragraph."""
    builder = TextBuilder()
    spans: list[tuple[int, int, Kind]] = []
    for part in mended:
        breaks = part.line.breaks
        for offset, char in enumerate(part.glue):
            # A page end may be the only break there is; then both characters stand for it.
            builder.add(char, breaks[min(offset, len(breaks) - 1)])
        if part.is_start:
            spans.append((builder.length, builder.length, part.kind))
        _add_line(builder, part, keeps_lead=part.kind in _INDENTED and "\n" in (part.glue or "\n"))
        start, _, kind = spans[-1]
        spans[-1] = (start, builder.length, kind)
    text, origin = builder.build()
    return text, origin, spans


# Kinds whose indentation means something.
_INDENTED = ("code", "table", "verse", "list")


def _add_line(builder: TextBuilder, part: Mended, keeps_lead: bool) -> None:
    pieces = part.line.pieces
    lead, first = part.line.lead, pieces[0][1]
    if keeps_lead and lead and not part.line.level:
        builder.add(lead, first - len(lead))
    left = len(part.line.text) - part.cut
    for text, source in pieces:
        builder.add(text[:left], source)
        left -= len(text[:left])


def _first_sentence(text: str) -> str:
    sentence = re.split(r"(?<=[。！？])|(?<=[.!?])\s|\n", text, maxsplit=1)[0].strip()
    return sentence if len(sentence) <= _TITLE_LENGTH else sentence[: _TITLE_LENGTH - 1] + "…"
