"""Documents: articles as read, with mended paragraphs and the place of every character in the file.

A file becomes lines (rag.lines, rag.markup, and a module for each format that is no text), the lines are mended
(rag.mending), and what remains is put together here, so that `document.text[i]` always maps to
`document.origin.to_source(i)`: a position in the decoded file, or in the text that was made of it.
"""

import hashlib
import os
import re
import stat
import unicodedata
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any

from rag.articles import find_articles, headline_kinds
from rag.decoding import decode, refuse_binary
from rag.errors import DocumentError
from rag.extracts import Extract
from rag.lines import Kind, line_starts, scan_text
from rag.mending import Mended, mend
from rag.spans import OriginMap, TextBuilder

SUFFIXES = tuple(".txt .text .md .markdown .html .htm .xhtml .csv .tsv .docx .pdf .epub".split())
MAX_BYTES = 50 * 1024 * 1024
MAX_NAME = 120  # characters of an uploaded file's name
MAX_TITLE = 200  # characters
_NO_TEXTS = ("pdf", "docx", "epub")  # in place of an encoding
_TITLE_LENGTH = 40  # characters, of a title taken from the first sentence

__all__ = [
    "MAX_BYTES",
    "SUFFIXES",
    "Article",
    "Document",
    "Kind",
    "OriginMap",
    "Paragraph",
    "bare_name",
    "document_from_bytes",
    "document_from_data",
    "document_from_text",
    "files_in",
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
    date: str | None = None  # the day it tells of itself, as written: 6月25日
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
    encoding: str  # of the file; pdf, docx or epub where the file is no text
    paragraphs: tuple[Paragraph, ...]
    articles: tuple[Article, ...]
    lines: tuple[int, ...]  # source positions where the source's lines begin; a page of a PDF begins one
    pages: tuple[int, ...] = ()  # source positions where each page begins; of a PDF only
    file_text: str = field(default="", compare=False, repr=False)  # the source that positions count in; not recorded

    @property
    def has_lines(self) -> bool:
        """True where people can count the lines of the file: it is a text."""
        return self.encoding not in _NO_TEXTS

    def page_at(self, position: int) -> int | None:
        """Return the page, from 1, that a text position stands on; None where there are no pages.

        Raises:
            IndexError: The position lies outside the text.
        """
        self._check(position)
        if not self.pages:
            return None
        return max(1, bisect_right(self.pages, self.origin.to_source(min(position, len(self.text) - 1))))

    @property
    def silent_pages(self) -> tuple[int, ...]:
        """The pages, from 1, that no word of the text stands on: empty ones, and scans among pages with text."""
        silent = []
        for number, start in enumerate(self.pages, 1):
            end = self.pages[number] if number < len(self.pages) else None
            place = max(0, bisect_right(self.origin.runs, start, key=lambda run: run[1]) - 1)
            for text_start, source_start, length in self.origin.runs[place:]:
                if end is not None and source_start >= end:
                    silent.append(number)
                    break
                offset = text_start - source_start
                last = source_start + length if end is None else min(end, source_start + length)
                if self.text[max(start, source_start) + offset : max(0, last + offset)].strip():
                    break
            else:
                silent.append(number)
        return tuple(silent)

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
            "pages": [b - a for a, b in zip((0, *self.pages), self.pages, strict=False)],
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
            pages=tuple(accumulate(record.get("pages", ()))),
        )

    def _check(self, position: int) -> None:
        if not 0 <= position <= len(self.text):
            raise IndexError(f"No position {position}: the text of {self.title!r} has {len(self.text)}.")


def read_document(path: str | Path) -> Document:
    """Read a file by its suffix, see `SUFFIXES`; what has none is known by how it begins, any other is plain text.

    Raises:
        DocumentError: The file is missing, a folder, unreadable, too large, empty, damaged, locked or no text.
    """
    path = Path(path)
    data = _read_bytes(path)
    # A name that is not UTF-8 is kept in a form that is, so that it can be stored and shown.
    source = os.fsencode(path.resolve()).decode("utf-8", "backslashreplace")
    return document_from_data(data, path.suffix, source, label=str(path), name=path.stem)


def files_in(folder: Path) -> list[Path]:
    """Return the files of a folder and of those in it that can be read by their suffix, sorted; not hidden ones.

    Raises:
        DocumentError: There are none.
    """
    found: list[Path] = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        # "~$" begins what Word puts beside a document that is open.
        found += [
            Path(place, name)
            for name in sorted(names)
            if name.lower().endswith(SUFFIXES) and not name.startswith((".", "~$"))
        ]
    if not found:
        raise DocumentError(
            f"{folder} holds no file that can be read ({', '.join(SUFFIXES)}). Check the path.",
            f"{folder} 中没有可读取的文件（{'、'.join(SUFFIXES)}）。请检查路径。",
        )
    return found


def document_from_bytes(data: bytes, name: str) -> Document:
    """Read what was uploaded: as `read_document` does, by the suffix of its name.

    Args:
        data: The file's bytes.
        name: The file's name; folders, control characters and what is over `MAX_NAME` characters are left out.

    Raises:
        DocumentError: The file is too large, empty, damaged, locked or no text.
    """
    name = bare_name(name)
    _check_size(len(data), name)
    stem, dot, suffix = name.rpartition(".")
    return document_from_data(data, dot + suffix if stem else "", name, label=name, name=stem or name)


def document_from_data(
    data: bytes,
    suffix: str,
    source: str,
    *,
    label: str,
    name: str = "",
    charset: str | None = None,
    is_page: bool = False,
) -> Document:
    """Make a document of a file's bytes.

    Args:
        data: The bytes.
        suffix: Tells the format, see `read_document`.
        source: What the document keeps as its source; its id follows from that.
        label: What messages call the file.
        name: Its title, where the file itself has none.
        charset: An encoding it came with the name of, as on the web.
        is_page: It is a page of the web, of which the text is wanted and not what stands around it.

    Raises:
        DocumentError: The file is empty, damaged, locked, too long or no text.
    """
    if not data.strip():
        raise DocumentError(
            f"{label} is empty ({len(data)} bytes). Give a file with an article.",
            f"{label} 是空的（{len(data)} 字节）。请提供有内容的文件。",
        )
    extract = _extract(data, suffix.lower() or _sniffed(data), label, charset, is_page)
    if not extract.lines and is_page:
        raise DocumentError(
            f"{label} holds no text as it comes: it may be drawn by a program in the browser. Print it there as a PDF, "
            "then add that.",
            f"{label} 中没有文字：网页可能由脚本生成。请在浏览器中打印为 PDF 再添加。",
        )
    if not extract.lines:
        raise DocumentError(
            f"{label} holds no text, only white space or markup. Give a file with an article.",
            f"{label} 没有文字，只有空白或标记。请提供有内容的文件。",
        )
    return _make_document(extract, name, source, hashlib.sha256(data).hexdigest())


def document_from_text(text: str, title: str | None = None, source: str = "text") -> Document:
    """Make a document of a plain text that is at hand. `source` names it, and its id follows from that.

    Raises:
        DocumentError: The text is empty or only white space.
    """
    lines = scan_text(text)
    if not lines:
        raise DocumentError(
            f"The text of {source!r} is empty or only white space. Give an article.",
            f"“{source}”的文字是空的，或只有空白。请提供有内容的文章。",
        )
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return _make_document(Extract(text, lines, "utf-8", title or ""), "", source, digest)


def _read_bytes(path: Path) -> bytes:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise DocumentError(
                f"{path} is a folder, not a file. Give the files in it one by one.",
                f"{path} 是文件夹，不是文件。请逐个添加其中的文件。",
            )
        if not stat.S_ISREG(status.st_mode):
            raise DocumentError(
                f"{path} is a device or a pipe, not a file. Save what it gives as a file.",
                f"{path} 是设备或管道，不是文件。请先把内容存成文件。",
            )
        _check_size(status.st_size, str(path))
        return path.read_bytes()
    except FileNotFoundError:
        raise DocumentError(f"{path} does not exist. Check the path.", f"{path} 不存在。请检查路径。") from None
    except PermissionError:
        raise DocumentError(
            f"{path} may not be read: permission denied. Change its permissions.",
            f"没有读取 {path} 的权限。请修改它的权限。",
        ) from None
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        reason = getattr(error, "strerror", None) or error
        raise DocumentError(
            f"{path} cannot be read: {reason}. Check the path and the disk.",
            f"{path} 无法读取：{reason}。请检查路径和磁盘。",
        ) from error


def _check_size(size: int, label: str) -> None:
    if size > MAX_BYTES:
        # How large it is may not be known: no more is read than tells that it is too large.
        raise DocumentError(
            f"{label} is larger than {MAX_BYTES >> 20} MB, the most that is read. Split it into parts.",
            f"{label} 超过 {MAX_BYTES >> 20} MB，无法读取。请拆成几份再添加。",
        )


def bare_name(name: str) -> str:
    """Return a file's name without folders and without what is not seen, and not too long; the suffix stays.

    Three characters come from forms in another spelling. Source: the HTML standard, "Multipart form data".
    """
    for written, char in (("%22", '"'), ("%0D", "\r"), ("%0A", "\n")):
        name = name.replace(written, char)
    bare = re.split(r"[/\\]", name)[-1]
    bare = "".join(char for char in bare if unicodedata.category(char)[0] != "C")
    bare = " ".join(bare.split()).strip(". ")
    if len(bare) > MAX_NAME:
        stem, dot, suffix = bare.rpartition(".")
        kept = dot + suffix if stem and len(suffix) < 10 else ""
        bare = bare[: MAX_NAME - len(kept)] + kept
    return bare or "file"


def _sniffed(data: bytes) -> str:
    """Return the suffix that a file without one should have; "" for plain text."""
    begin = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if data[:1024].find(b"%PDF-") >= 0:
        return ".pdf"
    if data.startswith(b"PK\x03\x04"):
        head = data[:4096] + data[-65536:]
        return ".docx" if b"word/" in head else ".epub" if b"epub" in head or b"META-INF/container" in head else ""
    if begin.startswith((b"<!doctype html", b"<html")):
        return ".html"
    return ""


def _extract(data: bytes, suffix: str, label: str, charset: str | None, is_page: bool) -> Extract:
    if suffix == ".pdf":
        from rag.pdf import read_pdf

        return read_pdf(data, label)
    if suffix == ".docx":
        from rag.word import read_word

        return read_word(data, label)
    if suffix == ".epub":
        from rag.epub import read_epub

        return read_epub(data, label)
    if suffix in (".csv", ".tsv"):
        from rag.csv_text import read_csv

        return read_csv(data, label, charset)
    if suffix in (".html", ".htm", ".xhtml"):
        from rag.markup import declared_charset, scan_html, scan_page

        text, encoding = decode(data, label, charset or declared_charset(data))
        lines, title = scan_page(text) if is_page else scan_html(text)
        return Extract(text, lines, encoding, title)
    refuse_binary(data, label, suffix)
    text, encoding = decode(data, label, charset)
    if suffix in (".md", ".markdown"):
        from rag.front_matter import read_front_matter
        from rag.markup import scan_markdown

        matter = read_front_matter(text)
        lines, title = scan_markdown(text, matter.end)
        return Extract(text, lines, encoding, matter.title or title, date=matter.date)
    return Extract(text, scan_text(text), encoding)


def _make_document(extract: Extract, name: str, source: str, digest: str) -> Document:
    mended = mend(extract.lines)
    text, origin, spans = _put_together(mended)
    kinds = headline_kinds(
        [(text[start:end], kind) for start, end, kind in spans],
        is_marked=any(line.level for line in extract.lines),
    )
    paragraphs = tuple(
        Paragraph(number, start, end, kind)
        for number, ((start, end, _), kind) in enumerate(zip(spans, kinds, strict=True), 1)
    )
    levels = [part.line.level for part in mended if part.is_start]
    found = find_articles([(text[p.start : p.end], p.kind, level) for p, level in zip(paragraphs, levels, strict=True)])
    first = next((text[p.start : p.end] for p in paragraphs if p.kind == "headline"), "")
    title = _clean(extract.title) or _clean(first) or _clean(name) or _first_sentence(text)
    articles = tuple(
        Article(
            " ".join(group.title.split()) or title,
            paragraphs[group.first].start,
            paragraphs[group.last].end,
            extract.date or group.date if group is found[0] else group.date,
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
        encoding=extract.encoding,
        paragraphs=paragraphs,
        articles=articles,
        lines=tuple(sorted({*line_starts(extract.text), *extract.pages})),
        pages=extract.pages,
        file_text=extract.text,
    )


def _clean(title: str) -> str:
    """Return a title on one line, without what is not seen, and not too long."""
    bare = "".join(char for char in title if char.isspace() or unicodedata.category(char) not in ("Cc", "Cs"))
    bare = " ".join(bare.split())
    return bare if len(bare) <= MAX_TITLE else bare[: MAX_TITLE - 1] + "…"


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
