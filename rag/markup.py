"""Markdown and HTML as lines of text with known kinds and exact source positions.

Knows the markup, not what a paragraph is: plain paragraphs are handed on for mending. Broken markup
never raises; what cannot be understood stays as it was written.
"""

import html
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from typing import TYPE_CHECKING

from rag.lines import Kind, Line, clean_pieces, is_unspaced, line_starts
from rag.spans import Piece, strip_pieces

if TYPE_CHECKING:
    from markdown_it.token import Token

_CHARSET = re.compile(rb"<meta[^>]+charset\s*=\s*[\"']?\s*([\w-]+)", re.IGNORECASE)


def declared_charset(data: bytes) -> str | None:
    """Return the encoding that an HTML file names in a <meta> of its first 4,096 bytes."""
    match = _CHARSET.search(data[:4096])
    return match[1].decode("ascii") if match else None


class _LineMaker:
    """Collects pieces and closes them into lines."""

    def __init__(self, source: str) -> None:
        self._source = source
        self.lines: list[Line] = []
        self._pieces: list[Piece] = []
        self._last = 0  # source position one past the last character

    def add(self, text: str, source: int) -> None:
        self._pieces.extend(clean_pieces(text, source))

    def close(self, kind: Kind | None, *, blanks: int = 1, level: int = 0) -> None:
        """End the line. Nothing happens when it has no text."""
        pieces, lead = strip_pieces(self._pieces)
        self._pieces = []
        if not pieces:
            return
        if not _is_contiguous(lead, pieces[0][1]):
            lead = ""
        text = "".join(text for text, _ in pieces)
        breaks = self._breaks_before(pieces[0][1])
        self.lines.append(Line(text, pieces, lead, blanks if self.lines else 0, False, breaks, kind=kind, level=level))
        self._last = pieces[-1][1] + len(pieces[-1][0])

    def _breaks_before(self, start: int) -> tuple[int, ...]:
        """Return the line breaks of the source since the last line, or where its tag ends it."""
        first = self._source.find("\n", self._last, start)
        if first < 0:
            return (min(self._last, max(0, start - 1)),) * 2
        return first, self._source.rfind("\n", self._last, start)

    @property
    def is_empty(self) -> bool:
        return not any(text.strip() for text, _ in self._pieces)

    @property
    def ends_in_space(self) -> bool:
        return not self._pieces or self._pieces[-1][0][-1].isspace()


def _is_contiguous(lead: str, source: int) -> bool:
    return len(lead) <= source and "\n" not in lead


# Markdown, by markdown-it-py: blocks with the source lines they span.


def scan_markdown(source: str) -> tuple[list[Line], str]:
    """Return the lines of a Markdown text, without its marks, and the first heading (or "")."""
    from markdown_it import MarkdownIt

    normal = re.sub("\r\n?", "\n", source)
    tokens = MarkdownIt("commonmark").enable("table").parse(normal)
    scanner = _MarkdownScanner(source)
    scanner.scan(tokens)
    title = next((line.text for line in scanner.maker.lines if line.kind == "headline"), "")
    return scanner.maker.lines, title


class _MarkdownScanner:
    def __init__(self, source: str) -> None:
        self._source = source
        self._starts = (*line_starts(source), len(source) + 1)
        self.maker = _LineMaker(source)
        self._kind: Kind | None = None
        self._level = 0
        self._lists = 0
        self._row_end = 0

    def scan(self, tokens: "Sequence[Token]") -> None:
        first_in_list = False
        for token in tokens:
            if token.type == "heading_open":
                self._kind, self._level = "headline", int(token.tag[1])
            elif token.type == "heading_close":
                self._kind, self._level = None, 0
            elif token.type in ("bullet_list_open", "ordered_list_open"):
                self._lists += 1
                first_in_list = self._lists == 1
            elif token.type in ("bullet_list_close", "ordered_list_close"):
                self._lists -= 1
            elif token.type in ("fence", "code_block") and token.map:
                self._raw(token.map, "code", inner=token.type == "fence")
            elif token.type == "table_open" and token.map:
                self._raw(token.map, "table", inner=False)
                self._row_end = token.map[1]
            elif token.type == "inline" and token.map and token.map[1] > self._row_end:
                self._inline(token, first_in_list)
                first_in_list = False

    def _span(self, rows: Sequence[int]) -> tuple[int, int]:
        last = min(rows[1], len(self._starts) - 1)
        return self._starts[min(rows[0], last)], min(self._starts[last], len(self._source))

    def _raw(self, rows: Sequence[int], kind: Kind, *, inner: bool) -> None:
        """Take whole source lines as they are; of a fence only what is inside."""
        first, last = rows
        if inner:
            first += 1
            start, end = self._span((last - 1, last))
            last -= bool(re.match(r"\s*(```|~~~)", self._source[start:end]))
        blanks = 1
        for row in range(first, last):
            start, end = self._span((row, row + 1))
            raw = self._source[start:end].rstrip()
            self.maker.add(raw, start)
            if self.maker.is_empty:
                blanks += row > first
            self.maker.close(kind, blanks=blanks)
            if raw:
                blanks = 0

    def _inline(self, token: "Token", first_in_list: bool) -> None:
        assert token.map is not None  # the caller looked
        start, end = self._span(token.map)
        kind: Kind | None = "list" if self._lists and not self._level else self._kind
        blanks = self._blanks_before(start) if self._lists and not first_in_list else 1
        if self._lists and not self._level:
            # The mark and its indentation belong to a list item.
            mark = re.compile(r"[ \t>]*(?:[-*+]|\d+[.)])[ \t]+").match(self._source, start)
            if mark and mark.end() <= end:
                self.maker.add(mark[0], start)
                start = mark.end()
        children = token.children or []
        places = _locate(children, self._source, start, end)
        if places is None:
            self._keep_raw(start, end, kind, blanks)
            return
        for child, place in zip(children, places, strict=True):
            if child.type == "hardbreak":
                self.maker.close(kind, blanks=blanks, level=self._level)
                blanks = 0
            elif child.type == "softbreak":
                self._soft_break(place)
            elif child.type in ("text", "code_inline", "image"):
                self.maker.add(child.content, place)
        self.maker.close(kind, blanks=blanks, level=self._level)

    def _soft_break(self, place: int) -> None:
        """Markdown joins its lines: with a space, except between Chinese characters."""
        after = re.compile(r"\s*(\S)").match(self._source, place)
        before = self._source[:place].rstrip()[-1:] or " "
        if not (after and is_unspaced(after[1]) and is_unspaced(before)):
            self.maker.add(" ", place)

    def _blanks_before(self, start: int) -> int:
        return int(
            not self._source[:start].rstrip(" \t").endswith(("\n", "\r"))
            or bool(re.search(r"(?:\n|\r\n?)[ \t]*(?:\n|\r\n?)[ \t]*$", self._source[max(0, start - 200) : start]))
        )

    def _keep_raw(self, start: int, end: int, kind: Kind | None, blanks: int) -> None:
        for offset, row in enumerate(self._source[start:end].splitlines(keepends=True)):
            self.maker.add(row, start)
            start += len(row)
            self.maker.close(kind, blanks=0 if offset else blanks, level=self._level)


_LINK_END = re.compile(r"\](?:\((?:<[^>\n]*>|[^()\s]|\([^()]*\)|\s+(?=[\"'(])|\"[^\"]*\"|'[^']*')*\)|\[[^\]]*\])?")


def _locate(children: "Sequence[Token]", source: str, start: int, end: int) -> list[int] | None:
    """Find the source position of each inline token's text, in order; None when one cannot be found."""
    places: list[int] = []
    cursor = start
    for child in children:
        place = cursor
        if child.type in ("text", "code_inline", "image", "html_inline"):
            content = child.content.strip() if child.type == "code_inline" else child.content
            place = source.find(child.content, cursor, end)
            if place < 0 or "\n" in content or (place > cursor + 12 and child.type == "text"):
                return None
            cursor = place + len(child.content)
            if child.type == "image":
                cursor = _after_link(source, cursor, end)
        elif child.type == "softbreak" or child.type == "hardbreak":
            place = source.find("\n", cursor, end)
            place = source.find("\r", cursor, end) if place < 0 else place
            if place < 0:
                return None
            cursor = place + 1
            indent = re.compile(r"[ \t>]*").match(source, cursor)
            cursor = indent.end() if indent else cursor
        elif child.type == "link_close" and child.markup != "autolink":
            cursor = _after_link(source, cursor, end)
        places.append(place)
    return places


def _after_link(source: str, cursor: int, end: int) -> int:
    match = _LINK_END.search(source, cursor, end)
    return match.end() if match else cursor


# HTML, by the standard library's parser, which forgives everything.

_SKIPPED = frozenset(("script", "style", "noscript", "template", "head", "nav", "svg", "iframe", "select", "button"))
_BLOCKS = frozenset(
    (
        *("address", "article", "aside", "blockquote", "body", "center", "dd", "div", "dl", "dt", "fieldset"),
        *("figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "html"),
        *("li", "main", "nav", "ol", "p", "pre", "section", "table", "tbody", "tfoot", "thead", "title", "tr", "ul"),
    )
)


def scan_html(source: str) -> tuple[list[Line], str]:
    """Return the lines of an HTML text and its <title> (or its first heading, or "")."""
    scanner = _HtmlScanner(source)
    scanner.feed(source)
    scanner.close()
    scanner.finish()
    lines = scanner.maker.lines
    heading = next((line.text for line in lines if line.kind == "headline"), "")
    return lines, " ".join(scanner.title.split()) or heading


class _HtmlScanner(HTMLParser):
    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=False)
        self._source = source
        # The parser counts lines by "\n" alone.
        self._starts = [0, *(match.end() for match in re.finditer("\n", source))]
        self.maker = _LineMaker(source)
        self.title = ""
        self._in_title = False
        self._skipped: list[str] = []
        self._open: list[str] = []  # headings, lists, list items, tables and pre that are open
        self._blanks = 1
        self._cells = 0

    def parse_marked_section(self, i: int, report: bool = True) -> int:
        # As browsers do. Python's own parser raises AssertionError at <![1 and the like.
        return self.parse_bogus_comment(i)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "title":
            self._in_title = True
        elif tag == "body":
            self._skipped.clear()
        if tag in _SKIPPED:
            self._skipped.append(tag)
        if tag in _BLOCKS:
            self._end_line()
            self._blanks = max(self._blanks, 0 if tag in ("tr", "li") else 1)
        if tag == "br":
            self._end_line(next_blanks=0)
        elif tag in ("td", "th"):
            self._add_cell()
        elif tag == "tr":
            self._cells = 0
        # A list is kept open too: its end closes items whose own end tags were left out.
        if tag in ("h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "table", "pre"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag == "title":
            self._in_title = False
        if tag in self._skipped:
            del self._skipped[self._skipped.index(tag) :]
        if tag in _BLOCKS:
            self._end_line(next_blanks=0 if tag in ("tr", "li") else 1)
        if tag in self._open:
            del self._open[len(self._open) - 1 - self._open[::-1].index(tag) :]

    def handle_data(self, data: str) -> None:
        self._add(data, data, self._place())

    def handle_entityref(self, name: str) -> None:
        self._add_reference(f"&{name}")

    def handle_charref(self, name: str) -> None:
        self._add_reference(f"&#{name}")

    def finish(self) -> None:
        """Close what was left open."""
        self._end_line()

    def _place(self) -> int:
        row, column = self.getpos()
        return self._starts[min(row, len(self._starts)) - 1] + column

    def _add_reference(self, name: str) -> None:
        place = self._place()
        written = name + ";" if self._source.startswith(";", place + len(name)) else name
        char = html.unescape(written)
        if len(char) == 1:
            self._add(" " if char in "\u00a0\n\r\t" else char, written, place)
        else:
            self._add(written, written, place)

    def _add(self, text: str, written: str, place: int) -> None:
        if self._in_title:
            self.title += text
        if self._skipped or self._in_title:
            return
        if "pre" in self._open:
            self._add_preformatted(text, place)
            return
        # White space shows as one space; between Chinese characters a line break shows as nothing here.
        for match in re.finditer(r"[ \t\n\r\f]+|[^ \t\n\r\f]+", text):
            part = match[0]
            if not part.isspace():
                self.maker.add(part, place + match.start())
            elif not self.maker.ends_in_space and not self._is_chinese_break(place + match.start(), part):
                self.maker.add(" ", place + match.start())

    def _is_chinese_break(self, place: int, space: str) -> bool:
        if "\n" not in space and "\r" not in space:
            return False
        after = self._source[place + len(space) : place + len(space) + 1]
        return bool(after) and is_unspaced(after) and is_unspaced(self._source[place - 1])

    def _add_preformatted(self, text: str, place: int) -> None:
        start = 0
        for match in re.finditer("\r\n|\n|\r", text):
            self.maker.add(text[start : match.start()], place + start)
            if self.maker.is_empty:
                self._blanks += 1
            self._end_line(next_blanks=0)
            start = match.end()
        self.maker.add(text[start:], place + start)

    def _add_cell(self) -> None:
        # The tab between two cells stands for the tag of the second.
        if self._cells and not self._skipped:
            self.maker.add("\t", self._place())
        self._cells += 1

    def _kind(self) -> tuple[Kind | None, int]:
        for tag in reversed(self._open):
            if tag[0] == "h":
                return "headline", int(tag[1])
            if tag == "pre":
                return "code", 0
            if tag == "li":
                return "list", 0
            if tag == "table" and self._cells:
                return "table", 0
        return None, 0

    def _end_line(self, next_blanks: int | None = None) -> None:
        if not self.maker.is_empty:
            kind, level = self._kind()
            self.maker.close(kind, blanks=self._blanks, level=level)
            self._blanks = 0
        if next_blanks is not None:
            self._blanks = max(self._blanks, next_blanks)
