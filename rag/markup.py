"""Markdown and HTML as lines of text with known kinds and exact source positions.

Knows the markup, not what a paragraph is: plain paragraphs are handed on for mending. Broken markup
never raises; what cannot be understood stays as it was written.
"""

import html
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from itertools import pairwise
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

    def clear(self) -> None:
        """Forget the white space of a line that has nothing else."""
        self._pieces = []

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


def scan_markdown(source: str, start: int = 0) -> tuple[list[Line], str]:
    """Return the lines of a Markdown text, without its marks, and the first heading (or "").

    Args:
        source: The text.
        start: Where a line of it begins, before which nothing is read.
    """
    from markdown_it import MarkdownIt

    before = "\n" * (len(line_starts(source[:start])) - 1)
    normal = before + re.sub("\r\n?", "\n", source[start:])
    tokens = MarkdownIt("commonmark").enable("table").parse(normal)
    scanner = _MarkdownScanner(source)
    scanner.scan(tokens)
    title = next((line.text for line in scanner.maker.lines if line.kind == "headline"), "")
    return scanner.maker.lines, title


_NEAR = 200  # characters before a place that are looked at: all of them would take time by the square
_SAID = ("text", "code_inline", "image")  # inline tokens with words


class _MarkdownScanner:
    def __init__(self, source: str) -> None:
        self._source = source
        self._starts = (*line_starts(source), len(source) + 1)
        self.maker = _LineMaker(source)
        self._kind: Kind | None = None
        self._level = 0
        self._lists = 0
        self._cells: list[tuple[int, int]] | None = None  # of the open row of a table
        self._cell = 0  # the next of them
        self._is_head = False  # the open row is the head of its table

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
                self._code(token.map, is_fence=token.type == "fence")
            elif token.type == "tr_open" and token.map:
                self._cells = _cells(self._source, *self._span((token.map[0], token.map[0] + 1)))
                self._cell = 0
            elif token.type == "tr_close":
                for _ in (self._cells or ())[self._cell :]:
                    self._add_cell(())  # more than the head has
                self.maker.close("table", blanks=int(self._is_head))
                self._cells = None
            elif token.type in ("thead_open", "tbody_open"):
                self._is_head = token.type == "thead_open"
            elif token.type == "inline" and self._cells is not None:
                self._add_cell(token.children or ())
            elif token.type == "inline" and token.map:
                self._inline(token, first_in_list)
                first_in_list = False

    def _span(self, rows: Sequence[int]) -> tuple[int, int]:
        last = min(rows[1], len(self._starts) - 1)
        return self._starts[min(rows[0], last)], min(self._starts[last], len(self._source))

    def _code(self, rows: Sequence[int], *, is_fence: bool) -> None:
        """Take whole source lines as they are; of a fence only what is inside."""
        first, last = rows
        if is_fence:
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
            self.maker.close("code", blanks=blanks)
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
            elif child.type in _SAID:
                self.maker.add(child.content, place)
        self.maker.close(kind, blanks=blanks, level=self._level)

    def _add_cell(self, children: "Sequence[Token]") -> None:
        """Add a cell of a table; a tab in the stead of the bar parts it from the one before, as in HTML."""
        if not self._cells or self._cell >= len(self._cells):
            return  # a row may have fewer than the head
        start, end = self._cells[self._cell]
        if self._cell:
            self.maker.add("\t", start - 1)
        self._cell += 1
        places = _locate(children, self._source, start, end) if children else None
        if places is None:
            self.maker.add(self._source[start:end], start)
            return
        for child, place in zip(children, places, strict=True):
            if child.type in _SAID:
                self.maker.add(child.content, place)

    def _soft_break(self, place: int) -> None:
        """Markdown joins its lines: with a space, except between Chinese characters."""
        after = re.compile(r"\s*(\S)").match(self._source, place)
        before = self._source[max(0, place - _NEAR) : place].rstrip()[-1:] or " "
        if not (after and is_unspaced(after[1]) and is_unspaced(before)):
            self.maker.add(" ", place)

    def _blanks_before(self, start: int) -> int:
        near = self._source[max(0, start - _NEAR) : start]
        return int(
            not near.rstrip(" \t").endswith(("\n", "\r"))
            or bool(re.search(r"(?:\n|\r\n?)[ \t]*(?:\n|\r\n?)[ \t]*$", near))
        )

    def _keep_raw(self, start: int, end: int, kind: Kind | None, blanks: int) -> None:
        for offset, row in enumerate(self._source[start:end].splitlines(keepends=True)):
            self.maker.add(row, start)
            start += len(row)
            self.maker.close(kind, blanks=0 if offset else blanks, level=self._level)


_BAR = re.compile(r"(?<!\\)\|")
_ROW_LEAD = re.compile(r"[ \t>]*(?:(?:[-*+]|\d+[.)])[ \t]+)*")  # of a quotation or a list that a table stands in


def _cells(source: str, start: int, end: int) -> list[tuple[int, int]]:
    """Return the spans of a table row's cells, without the white space at their ends."""
    lead = _ROW_LEAD.match(source, start, end)
    start = lead.end() if lead else start
    end = start + len(source[start:end].rstrip())
    bars = [match.start() for match in _BAR.finditer(source, start, end)]
    edges = [start - 1, *bars, end] if start not in bars else [*bars, end]
    edges = edges[:-1] if end - 1 in bars else edges
    spans = []
    for bar, last in pairwise(edges):
        bare = source[bar + 1 : last].strip()
        first = source.index(bare, bar + 1)
        spans.append((first, first + len(bare)))
    return spans


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
_READINGS = ("rt", "rp")  # how characters are pronounced, set above them: their end tags are often left out
# The mark of a note: raised, and a link within the book or page. Read as text it would change a number before it.
_NOTE_MARK = re.compile(
    r"<sup\b[^<>]{0,300}>\s*(?:<(?:span|cite|b|i)\b[^<>]{0,300}>\s*)?<a\b[^<>]{0,600}?\bhref\s*=\s*[\"']?[^\"'\s<>]{0,300}#",
    re.IGNORECASE,
)
# What stands around the text of a web page.
_AROUND = frozenset(("aside", "footer", "dialog", "menu", "textarea"))
_AROUND_ROLES = frozenset(
    "navigation banner contentinfo complementary search dialog alertdialog menu menubar toolbar".split()
)
_LONGEST_TITLE = 1000  # characters
_LONGEST_NAME = 200  # characters of a class or an id that are looked at
_DEEPEST = 100  # elements that are open at once; more are not looked at
_COMMENT, _COMMENT_END = re.compile("<(?=!--)"), re.compile(r"--\s*>")
_TAG = re.compile("<(?=[a-zA-Z/!?])")
_NO_REFERENCE = re.compile("&(?=#)(?!#[0-9]|#[xX][0-9a-fA-F])")
_VOID = frozenset("area base br col embed hr img input link meta param source track wbr".split())
# Names that people give to elements around the text: the last word of a class or an id.
_AROUND_NAMES = re.compile(
    r"(?:^|\s)(?!(?:has|with|no)[-_])(?:[\w-]*[-_])?(?:nav|navbar|navigation|menu|footer|sidebar|breadcrumbs?|copyright)"
    r"(?:\s|$)",
    re.IGNORECASE,
)
_NOT_SHOWN = re.compile(r"display\s*:\s*none", re.IGNORECASE)
_LEAST_TEXT = 0.2  # of what a page says: less than that is not its text, but a mistake about it
_LINKS = 3  # lines of nothing but links in a row: a menu, or other articles
_BLOCKS = frozenset(
    (
        *("address", "article", "aside", "blockquote", "body", "center", "dd", "div", "dl", "dt", "fieldset"),
        *("figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "html"),
        *("li", "main", "nav", "ol", "p", "pre", "section", "table", "tbody", "tfoot", "thead", "title", "tr", "ul"),
    )
)

_KEPT_OPEN = frozenset(("h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "table", "pre"))
_IN_CELLS = ("p", "div", "center", "section", "figure")  # alone in a cell of a table, they are the cell


def scan_html(source: str) -> tuple[list[Line], str]:
    """Return the lines of an HTML text and its <title> (or its first heading, or "")."""
    scanner = _HtmlScanner(source)
    scanner.scan()
    lines = scanner.maker.lines
    heading = next((line.text for line in lines if line.kind == "headline"), "")
    return lines, " ".join(scanner.title.split()) or heading


def scan_page(source: str) -> tuple[list[Line], str]:
    """Return the lines of a web page's text, without what stands around it, and its title.

    Left out are navigation, footers, asides, what is hidden, a header outside of the article, and rows of
    links; where hardly anything would remain, nothing is.
    Source: Kohlschütter et al., "Boilerplate detection using shallow text features", 2010, for the share of links.
    """
    lines, title = scan_html(source)
    scanner = _PageScanner(source)
    scanner.scan()
    kept = scanner.text_lines()
    if sum(line.width for line in kept) < _LEAST_TEXT * sum(line.width for line in lines):
        kept = lines
    heading = next((line.text for line in kept if line.level == 1), "")
    # A title has the name of the house after that of the article.
    return kept, heading if heading and heading in title else title


def _tamed(source: str) -> str:
    """Return a text of the same length without the marks that Python's parser never finds the end of.

    It looks for that end to the end of the text, at each of them anew: hours for a megabyte of "<!--".
    """
    close = -1
    for match in _COMMENT_END.finditer(source):
        close = match.start()
    source = _masked(source, _COMMENT, max(0, close - 3))
    source = _masked(source, _TAG, source.rfind(">") + 1)
    return _masked(source, _NO_REFERENCE, 0)


def _masked(source: str, mark: re.Pattern[str], start: int) -> str:
    return source[:start] + mark.sub(lambda match: "_" * len(match[0]), source[start:])


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
        self._in_cell = False
        self._cell_says = False  # something stands in the open cell
        self._is_due = False  # a paragraph of the cell ended; a line does when more follows in it

    def parse_marked_section(self, i: int, report: bool = True) -> int:
        # As browsers do. Python's own parser raises AssertionError at <![1 and the like.
        return self.parse_bogus_comment(i)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "title":
            self._in_title = True
        elif tag == "body":
            self._skipped.clear()
        if tag in _BLOCKS or tag in _READINGS:
            self._end_reading()
        is_mark = tag == "sup" and bool(_NOTE_MARK.match(self._source, self._place()))
        if (tag in _SKIPPED or tag in _READINGS or is_mark) and tag not in self._skipped:
            self._skipped.append(tag)
        if self._in_cell and tag in _IN_CELLS:
            self._is_due = self._cell_says
        elif tag in _BLOCKS:
            self._leave_cell()
            self._end_line()
            self._blanks = max(self._blanks, 0 if tag in ("tr", "li") else 1)
        if tag == "br":
            self._end_line(next_blanks=0)
        elif tag in ("td", "th"):
            self._add_cell()
        elif tag == "tr":
            self._cells = 0
        # A list is kept open too: its end closes items whose own end tags were left out.
        if tag in _KEPT_OPEN and len(self._open) < _DEEPEST:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag == "title":
            self._in_title = False
        if tag in _BLOCKS or tag == "ruby":
            self._end_reading()
        if tag in self._skipped:
            del self._skipped[self._skipped.index(tag) :]
        if self._in_cell and tag in _IN_CELLS:
            self._is_due = self._cell_says
        elif tag in _BLOCKS:
            self._leave_cell()
            self._end_line(next_blanks=0 if tag in ("tr", "li") else 1)
        if tag in self._open:
            del self._open[len(self._open) - 1 - self._open[::-1].index(tag) :]

    def _leave_cell(self) -> None:
        self._in_cell = self._cell_says = self._is_due = False

    def _end_reading(self) -> None:
        while self._skipped and self._skipped[-1] in (*_READINGS, "sup"):
            self._skipped.pop()

    def handle_data(self, data: str) -> None:
        place = self._place()
        data = self._source[place : place + len(data)]  # as it was before it was tamed
        self._add(data, data, place)

    def handle_entityref(self, name: str) -> None:
        self._add_reference(f"&{name}")

    def handle_charref(self, name: str) -> None:
        self._add_reference(f"&#{name}")

    def scan(self) -> None:
        """Read all of the source, and close what was left open."""
        self.feed(_tamed(self._source))
        self.close()
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
        if self._in_title and len(self.title) < _LONGEST_TITLE:
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
                if self._is_due:
                    self._is_due = False
                    self._end_line(next_blanks=1)
                self._cell_says = True
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
        self._in_cell, self._cell_says, self._is_due = True, False, False

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
        else:
            self.maker.clear()
        if next_blanks is not None:
            self._blanks = max(self._blanks, next_blanks)


class _PageScanner(_HtmlScanner):
    """Scans what of a web page is its text."""

    def __init__(self, source: str) -> None:
        super().__init__(source)
        self._around: list[str] = []  # the element around the text that is open, and those of its name within
        self._articles = 0
        self._links = 0
        self._linked = 0  # characters of the open line that stand in links
        self._said = 0  # characters of it
        self._rows: list[bool] = []  # of each line: it is nothing but links

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._around:
            if tag == self._around[0]:
                self._around.append(tag)
        elif tag not in _VOID and self._is_around(tag, dict(attrs)):
            self._end_line()
            self._around.append(tag)
        self._articles += tag in ("article", "main")
        self._links += tag == "a"
        super().handle_starttag(tag, attrs)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # As browsers do: <div/> opens a <div>, but <br/> is whole.
        self.handle_starttag(tag, attrs)
        if tag in _VOID or tag in _SKIPPED:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        super().handle_endtag(tag)
        if self._around and tag == self._around[0]:
            self._around.pop()
        self._articles = max(0, self._articles - (tag in ("article", "main")))
        self._links = max(0, self._links - (tag == "a"))

    def text_lines(self) -> list[Line]:
        """Return the lines but for rows of links."""
        kept: list[Line] = []
        row: list[Line] = []
        for line, is_links in zip(self.maker.lines, self._rows, strict=True):
            if is_links:
                row.append(line)
                continue
            kept += row if len(row) < _LINKS else []
            row = []
            kept.append(line)
        return kept + (row if len(row) < _LINKS else [])

    def _is_around(self, tag: str, attrs: dict[str, str | None]) -> bool:
        if tag in ("html", "body", "main", "article"):
            return False
        if tag in _AROUND or (tag == "header" and not self._articles):
            return True
        if "hidden" in attrs or attrs.get("aria-hidden") == "true" or _NOT_SHOWN.search(attrs.get("style") or ""):
            return True
        named = any(_AROUND_NAMES.search((attrs.get(name) or "")[:_LONGEST_NAME]) for name in ("class", "id"))
        return named or (attrs.get("role") or "").lower() in _AROUND_ROLES

    def _add(self, text: str, written: str, place: int) -> None:
        if self._around and not self._in_title:
            return
        super()._add(text, written, place)
        if not self._skipped and not self._in_title:
            said = len("".join(text.split()))
            self._said += said
            self._linked += said if self._links else 0

    def _end_line(self, next_blanks: int | None = None) -> None:
        before = len(self.maker.lines)
        super()._end_line(next_blanks)
        for line in self.maker.lines[before:]:
            is_links = self._linked >= 0.9 * max(1, self._said) and line.level == 0 and not line.ends_sentence
            self._rows.append(is_links)
        if len(self.maker.lines) > before:
            self._said = self._linked = 0
