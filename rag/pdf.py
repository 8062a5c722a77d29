"""PDF files as lines, by the library pypdfium2: what is printed on each page, in the order of the file.

A PDF knows no paragraphs, only where letters stand. Lines that geometry shows to run on (they reach the right edge, and
the next one begins at the left) are joined here; those parted by a column or a page are left to rag.mending. Running
heads and page numbers stay in the extracted text, so that pages are whole, but are no lines of the document.
"""

import ctypes
import re
import threading
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from statistics import median
from typing import Any

from rag.archives import locked
from rag.errors import DocumentError
from rag.extracts import MAX_CHARACTERS, Extract, too_long
from rag.lines import LINE_BREAK, Line, clean_pieces, is_enclosed, is_sentence_end, is_unspaced, scan_text, text_width

MAX_PAGES = 5000
MAX_PAGE_CHARACTERS = 200_000
_PASSWORD = 4  # FPDF_ERR_PASSWORD
_HYPHEN = 0x2  # that pdfium puts for a hyphen at the end of a line
_GAP = 2.5  # times the type size: between cells of a table, and never between words
_EDGES = 3  # lines at the top and the bottom of a page that may be its furniture
_DEEP = 5  # type sizes that a paragraph may be indented
_FEW = 4  # lines of a column that do not tell how wide it is
_SAME = 3.0  # points that furniture may move from page to page
_HEAD = 1.4  # times the size of most of the text, that a running head has at most
_LARGE = 1.15  # times the size of most of the text: a headline
_HEAD_GAP = 1.8  # type sizes from line to line of one headline, at most
_HEADLINE_WIDTH = 90  # columns
_SPOKEN = 0.1  # share of pages with text, below which the file is a scan with a cover
_UNREADABLE = 0.3  # share of characters without a meaning, from which a text layer is useless
_NUMBER = re.compile(r"\d+")
_LEADERS = re.compile(r"(?:\s*[.…·．]){4,}\s*[\divxlc]*$")  # of a table of contents
_SPACED = re.compile(r"[\u4e00-\u9fff] [A-Za-z0-9]|[A-Za-z0-9] [\u4e00-\u9fff]")
_LOCK = threading.Lock()  # pdfium does one thing at a time


@dataclass
class _Printed:
    """A line as it is printed; lengths in points, from the left bottom."""

    text: str
    left: float = 0.0
    right: float = 0.0
    base: float = 0.0  # height of the baseline
    size: float = 0.0  # of the type
    is_level: bool = True  # runs from left to right
    # Found out from all lines of the page.
    margin: float = 0.0  # left edge of its column
    edge: float = 0.0  # right edge of its column
    starts_column: bool = False
    is_furniture: bool = False
    start: int = field(default=-1)  # in the extracted text


def read_pdf(data: bytes, source: str) -> Extract:
    """Read the text layer of a PDF.

    Args:
        data: The file's bytes.
        source: Its name, for messages.

    Raises:
        DocumentError: It is no PDF, is damaged, locked, too large, or a scan without text.
    """
    pages, title = _printed(data, source)
    if not any(pages):
        n = len(pages)
        raise DocumentError(
            f"{source} has no text layer: it is a scan of {n} page{'s' if n != 1 else ''}. Run OCR on it first (for "
            "instance ocrmypdf), then add it.",
            f"{source} 没有文字层：它是 {n} 页的扫描件。请先做文字识别（例如用 ocrmypdf），再添加。",
        )
    says = sum(bool(page) for page in pages)
    if says < _SPOKEN * len(pages):
        raise DocumentError(
            f"{source} has text on {says} of its {len(pages)} pages only: the others are a scan. Run OCR on it first "
            "(for instance ocrmypdf), then add it.",
            f"{source} 共 {len(pages)} 页，只有 {says} 页有文字，其余是扫描件。请先做文字识别（如 ocrmypdf），再添加。",
        )
    if _is_unreadable(pages):
        raise DocumentError(
            f"The text layer of {source} cannot be read: its fonts do not tell which characters they show. Run OCR on "
            "it (for instance ocrmypdf --force-ocr), then add it.",
            f"{source} 的文字层无法读取：字体没有说明对应的字符。请重新做文字识别（例如 ocrmypdf --force-ocr）再添加。",
        )
    for page in pages:
        _measure(page)
    _borrow_edges(pages)
    _mark_furniture(pages)
    text, starts = _write(pages)
    if len(text) > MAX_CHARACTERS:
        raise too_long(source)
    lines = _lines(text, [line for page in pages for line in page if line.start >= 0])
    first = _folded("".join(line.text for page in pages[:2] for line in page))
    return Extract(text, lines, "pdf", title if _folded(title) in first else "", starts)


# -- What stands on the pages ----------------------------------------------------------------------


def _printed(data: bytes, source: str) -> tuple[list[list[_Printed]], str]:
    """Return the lines of each page, and the title that the file says it has."""
    import pypdfium2

    with _LOCK:
        try:
            document = pypdfium2.PdfDocument(data)
        except pypdfium2.PdfiumError as error:
            if getattr(error, "err_code", None) == _PASSWORD:
                raise locked(source) from None
            raise _damaged(source) from error
        try:
            n = len(document)
            if n > MAX_PAGES:
                raise DocumentError(
                    f"{source} has {n:,} pages; the most that is read is {MAX_PAGES:,}. Split it into parts.",
                    f"{source} 有 {n:,} 页，最多能读 {MAX_PAGES:,} 页。请拆成几份再添加。",
                )
            if n == 0:
                raise _damaged(source)
            pages: list[list[_Printed]] = []
            left = MAX_CHARACTERS
            for number in range(n):
                pages.append(_page(document, number, source))
                left -= sum(len(line.text) for line in pages[-1])
                if left < 0:
                    raise too_long(source)
            title = str(document.get_metadata_dict().get("Title") or "")
        except DocumentError:
            raise
        except Exception as error:  # pdfium's, and those of its wrapper
            raise _damaged(source) from error
        finally:
            document.close()
    return pages, " ".join(title.split())[:200]


def _damaged(source: str) -> DocumentError:
    return DocumentError(
        f"{source} is no PDF or is damaged: it may be cut short. Save or download it again.",
        f"{source} 不是有效的 PDF，或已损坏、不完整。请重新保存或下载。",
    )


def _page(document: Any, number: int, source: str) -> list[_Printed]:
    import pypdfium2

    try:
        page = document[number]
    except pypdfium2.PdfiumError:
        return []  # one damaged page does not take the others along
    try:
        turned = page.get_rotation()
        page.set_rotation(0)
        lines = _lines_of(page, 0, number, source)
        if turned and sum(line.is_level for line in lines) < 0.5 * len(lines):
            page.set_rotation(turned)  # its text was turned the other way: then it is level as it is shown
            lines = _lines_of(page, turned, number, source)
        return lines
    finally:
        page.close()


def _lines_of(page: Any, turned: int, number: int, source: str) -> list[_Printed]:
    text_page = page.get_textpage()
    try:
        if text_page.count_chars() > MAX_PAGE_CHARACTERS:
            raise DocumentError(
                f"Page {number + 1} of {source} holds more than {MAX_PAGE_CHARACTERS:,} characters. Split it.",
                f"{source} 第 {number + 1} 页超过 {MAX_PAGE_CHARACTERS:,} 个字符。请拆成几份再添加。",
            )
        return _Reader(text_page, turned).lines()
    finally:
        text_page.close()


class _Reader:
    """The characters of one page, as pdfium orders them; `turned` by so many degrees clockwise when it is shown."""

    def __init__(self, text_page: Any, turned: int) -> None:
        import pypdfium2.raw

        self._raw: Any = pypdfium2.raw
        self._page = text_page
        self._turned = turned
        codes = (self._raw.FPDFText_GetUnicode(text_page, at) for at in range(text_page.count_chars()))
        self._codes = [code if code <= 0x10FFFF else 0xFFFD for code in codes]
        self._box = self._raw.FS_RECTF()
        self._matrix = self._raw.FS_MATRIX()

    def lines(self) -> list[_Printed]:
        """Return the lines that say something."""
        kept: list[_Printed] = []
        first = 0
        for at, code in enumerate((*self._codes, 0x0A)):
            if code in (0x0A, 0x0D):
                kept += self._line(first, at, "")
                first = at + 1
            elif code == _HYPHEN:
                kept += self._line(first, at, "-")
                first = at + 1
        return kept

    def _line(self, start: int, end: int, ending: str) -> list[_Printed]:
        while start < end and chr(self._codes[start]).isspace():
            start += 1
        while end > start and chr(self._codes[end - 1]).isspace():
            end -= 1
        text = "".join(self._characters(start, end)) + ending
        text = "".join(part for part, _ in clean_pieces(LINE_BREAK.sub(" ", text), 0)).strip()
        if not text or start == end:
            return []
        left, bottom, right, _ = self._box_of(start)
        far_left, far_bottom, far_right, _ = self._box_of(end - 1)
        matrix = self._matrix
        has_matrix = self._raw.FPDFText_GetMatrix(self._page, start, matrix)
        scale = (matrix.c**2 + matrix.d**2) ** 0.5 if has_matrix else 1.0
        size = self._raw.FPDFText_GetFontSize(self._page, start) * (scale or 1.0)
        along, across = self._as_shown(matrix.a, matrix.b)
        level = bool(has_matrix) and abs(across) <= along and abs(far_bottom - bottom) <= max(size, 1.0)
        x, y = ctypes.c_double(), ctypes.c_double()
        self._raw.FPDFText_GetCharOrigin(self._page, start, x, y)
        base = self._as_shown(x.value, y.value)[1]
        return [_Printed(text, min(left, far_left), max(right, far_right), base, size or 1.0, level)]

    def _as_shown(self, x: float, y: float) -> tuple[float, float]:
        return {90: (y, -x), 180: (-x, -y), 270: (-y, x)}.get(self._turned, (x, y))

    def _characters(self, start: int, end: int) -> Iterable[str]:
        at = start
        while at < end:
            code = self._codes[at]
            if 0xD800 <= code < 0xDC00 and at + 1 < end and 0xDC00 <= self._codes[at + 1] < 0xE000:
                yield chr(0x10000 + ((code - 0xD800) << 10) + self._codes[at + 1] - 0xDC00)
                at += 1
            elif 0xD800 <= code < 0xE000:
                yield "\ufffd"
            elif code == 0x20 and start < at < end - 1:
                yield self._space(at)
            else:
                yield chr(code)
            at += 1

    def _space(self, at: int) -> str:
        """Return what a space stands for: a gap between cells, one between words, or type that was spread."""
        before, after = self._codes[at - 1], self._codes[at + 1]
        left, right = self._box_of(at - 1), self._box_of(at + 1)
        gap = right[0] - left[2]
        height = max(left[3] - left[1], right[3] - right[1], 1.0)
        if gap > _GAP * height:
            return "\t"
        made = self._raw.FPDFText_IsGenerated(self._page, at) == 1
        if made and gap < 0.4 * height and is_unspaced(chr(before)) and is_unspaced(chr(after)):
            return ""
        return " "

    def _box_of(self, at: int) -> tuple[float, float, float, float]:
        box = self._box
        if not self._raw.FPDFText_GetLooseCharBox(self._page, at, box):
            return 0.0, 0.0, 0.0, 0.0
        (x, y), (other_x, other_y) = self._as_shown(box.left, box.bottom), self._as_shown(box.right, box.top)
        return min(x, other_x), min(y, other_y), max(x, other_x), max(y, other_y)


def _is_unreadable(pages: Sequence[Sequence[_Printed]]) -> bool:
    sample = "".join(line.text for page in pages for line in page)[:20_000]
    signs = sum(char == "\ufffd" or "\ue000" <= char <= "\uf8ff" for char in sample)
    return signs > _UNREADABLE * len(sample)


# -- What their places say -------------------------------------------------------------------------


def _measure(page: Sequence[_Printed]) -> None:
    """Find the left and right edge of each line's column, and where columns begin."""
    for above, below in pairwise(page):
        jumps = below.base > above.base + 0.5 * above.size
        below.starts_column = above.is_level and below.is_level and jumps
    columns = [[line for line in column if line.is_level] for column in _columns(page)]
    for column in columns:
        margins = _margins(column)
        for line in column:
            before = [margin for margin in margins if margin <= line.left + 0.3 * line.size]
            line.margin = max(before, default=line.left)
        edges: dict[float, float] = defaultdict(float)
        for line in column:
            edges[line.margin] = max(edges[line.margin], line.right)
        for line in column:
            line.edge = edges[line.margin]


def _borrow_edges(pages: Sequence[Sequence[_Printed]]) -> None:
    """Give lines that stand alone on a page the left and right edge that lines of other pages share."""
    counts = Counter(round(line.margin) for page in pages for line in page if line.is_level)
    common = [margin for margin, lines in counts.items() if lines >= max(_FEW, 0.2 * counts.total())]
    alone: list[_Printed] = []
    edges: dict[int, Counter[float]] = defaultdict(Counter)
    for page in pages:
        own = Counter(line.margin for line in page if line.is_level)
        for line in page:
            if line.is_level and own[line.margin] < _FEW:
                near = [margin for margin in common if -1 <= line.left - margin <= _DEEP * line.size]
                line.margin = max(near, default=line.margin)
                alone.append(line)
            elif line.is_level:
                edges[round(line.margin)][line.edge] += 1
    for line in alone:
        wider = [(n, edge) for edge, n in edges[round(line.margin)].items() if edge >= line.edge]
        line.edge = max(wider, default=(0, line.edge))[1]


def _columns(page: Sequence[_Printed]) -> list[list[_Printed]]:
    """Part a page where its lines go up again, or begin to stand beside other ones."""
    starts = {0, len(page)}
    first = 0  # of the column
    for at in range(1, len(page)):
        line = page[at]
        if line.starts_column:
            # What stands higher than the top of this column is above both.
            beside = next((i for i in range(first, at) if page[i].base <= line.base + 0.5 * line.size), at)
            starts |= {beside, at}
            first = at
    ordered = sorted(starts)
    return [list(page[start:end]) for start, end in pairwise(ordered)]


def _margins(lines: Sequence[_Printed]) -> list[float]:
    """Return the left edges that many lines share; an indentation is no edge."""
    groups: list[list[_Printed]] = []
    for line in sorted(lines, key=lambda line: line.left):
        if groups and line.left - groups[-1][0].left <= 0.3 * line.size:
            groups[-1].append(line)
        else:
            groups.append([line])
    common = [group for group in groups if len(group) >= max(2, 0.08 * len(lines))] or groups[:1]
    kept: list[list[_Printed]] = []
    for group in common:
        left, size = group[0].left, median(line.size for line in group)
        if kept and left - kept[-1][0].left <= _DEEP * size:
            continue
        kept.append(group)
    return [group[0].left for group in kept]


def _mark_furniture(pages: Sequence[Sequence[_Printed]]) -> None:
    """Mark running heads and page numbers: what stands at the same place at the edge of several pages."""
    least = 2 if len(pages) == 2 else 3
    if len(pages) < 2:
        return
    everything = [line for page in pages for line in page]
    body = _body_size(everything)
    edges = [_edges([line for line in page if line.size <= _HEAD * body]) for page in pages]
    seen = _seen(edges)
    for number, (top, bottom) in enumerate(edges):
        for side in (top, bottom):
            for line in side:
                pages_of = {key: _pages_near(seen[key], line) for key in _keys(line, number)}
                # Heads that change with the chapter count the pages, too; a number alone must do so on most pages.
                if not any(n >= (max(3, len(pages) / 2) if key[0] == _ANY else least) for key, n in pages_of.items()):
                    break  # what stands further inside is text
                line.is_furniture = True
    if sum(len(line.text) for line in everything if line.is_furniture) > 0.5 * sum(len(one.text) for one in everything):
        for line in everything:
            line.is_furniture = False  # pages that say the same are no furniture


def _edges(page: Sequence[_Printed]) -> tuple[list[_Printed], list[_Printed]]:
    """Return the outermost lines of a page, from its edges inwards."""
    lines = sorted((line for line in page if line.is_level), key=lambda line: -line.base)
    return lines[:_EDGES], lines[::-1][:_EDGES]


_Key = tuple[str, int | None]
_ANY = "\n"  # in place of words: whatever they are


def _seen(edges: Sequence[tuple[Sequence[_Printed], Sequence[_Printed]]]) -> dict[_Key, Counter[int]]:
    """Count on how many pages something stands at the edge, by its height in steps of `_SAME`."""
    seen: dict[_Key, Counter[int]] = defaultdict(Counter)
    for number, (top, bottom) in enumerate(edges):
        found = {(key, _step(line)) for line in (*top, *bottom) for key in _keys(line, number)}
        for key, step in found:
            seen[key][step] += 1
    return seen


def _pages_near(counts: Counter[int], line: _Printed) -> int:
    return sum(counts[_step(line) + shift] for shift in (-1, 0, 1))


def _step(line: _Printed) -> int:
    return round(line.base / _SAME)


def _keys(line: _Printed, number: int) -> Iterable[_Key]:
    """Yield what a line is the same by on other pages: its words, or them but for a number that counts pages."""
    text = "".join(line.text.split())
    if len(text) > 120:
        return
    yield text, None
    for match in _NUMBER.finditer(text):
        if len(match[0]) <= 5:
            yield f"{text[: match.start()]}#{text[match.end() :]}", int(match[0]) - number
            yield _ANY, int(match[0]) - number


# -- As text and lines -----------------------------------------------------------------------------


def _write(pages: Sequence[Sequence[_Printed]]) -> tuple[str, tuple[int, ...]]:
    """Write the pages with their indentations and gaps; tell where each begins."""
    parts: list[str] = []
    starts: list[int] = []
    at = 0
    indents = [_indent(line) for page in pages for line in page if not line.is_furniture]
    is_indented = sum(1 < indent <= 2 * _DEEP for indent in indents) >= 3
    for number, page in enumerate(pages):
        if number:
            parts.append("\f")
            at += 1
        starts.append(at)
        leading = _leading(page)
        for above, line in zip((None, *page), page, strict=False):
            glue = "" if above is None else "\n" * (1 + _is_apart(above, line, leading))
            indent = _indent(line)
            if is_indented and len(glue) > 1 and not line.starts_column:
                indent = max(2, indent)  # a gap begins a paragraph where others begin with an indentation
            lead = " " * indent
            parts += (glue, lead, line.text)
            at += len(glue) + len(lead)
            line.start = at
            at += len(line.text)
    return "".join(parts), tuple(starts)


def _leading(page: Sequence[_Printed]) -> float:
    """Return the usual distance of two lines, in type sizes."""
    gaps = sorted(
        (above.base - below.base) / below.size
        for above, below in pairwise(page)
        if above.is_level and below.is_level and 0.5 < (above.base - below.base) / below.size < 4
    )
    return gaps[len(gaps) // 4] if gaps else 1.5  # on a short page most gaps may be those between paragraphs


def _is_apart(above: _Printed, below: _Printed, leading: float) -> bool:
    if not (above.is_level and below.is_level):
        return False
    resized = abs(above.size - below.size) > 0.1 * below.size
    return below.starts_column or resized or (above.base - below.base) / below.size > 1.3 * leading


def _indent(line: _Printed) -> int:
    """Return the columns that a line is moved to the right by; half of a type size each."""
    if not line.is_level:
        return 0
    return max(0, min(40, round((line.left - line.margin) / (0.5 * line.size))))


def _lines(text: str, printed: Sequence[_Printed]) -> list[Line]:
    """Return the lines of the document: without furniture, joined where geometry tells."""
    starts = [line.start for line in printed]
    body = _body_size(printed)
    levels = _levels(printed, body)
    kept: list[Line] = []
    words = Counter(re.findall(r"[^\W\d_]+(?:-[^\W\d_]+)*", text.lower()))
    last: _Printed | None = None
    breaks: tuple[int, ...] = ()
    blanks, page = 0, False
    for scanned in scan_text(text):
        seen = printed[bisect_right(starts, scanned.pieces[0][1]) - 1]
        breaks, blanks, page = breaks + scanned.breaks, max(blanks, scanned.blanks), page or scanned.page
        if seen.is_furniture:
            continue
        level = levels.get(_rounded(seen.size), 0) if _may_head(seen, body) else 0
        line = replace(
            scanned,
            breaks=breaks if kept else (0,),
            blanks=blanks if kept else 0,
            page=bool(kept) and page,
            kind="headline" if level else "table" if _LEADERS.search(scanned.text) else None,
            level=level,
        )
        if last is not None and kept[-1].level == level and not line.page and _runs_on(last, seen, kept[-1], line):
            kept[-1] = _joined(kept[-1], line, words)
        else:
            kept.append(line)
        last, breaks, blanks, page = seen, (), 0, False
    return kept


def _body_size(printed: Sequence[_Printed]) -> float:
    """Return the type size of most of the text."""
    sizes: Counter[float] = Counter()
    for line in printed:
        if not line.is_furniture:
            sizes[_rounded(line.size)] += len(line.text)
    return max(sizes, key=lambda size: sizes[size], default=1.0)


def _rounded(size: float) -> float:
    return round(size * 2) / 2


def _may_head(line: _Printed, body: float) -> bool:
    return line.size > _LARGE * body and text_width(line.text) <= _HEADLINE_WIDTH and not is_sentence_end(line.text)


def _levels(printed: Sequence[_Printed], body: float) -> dict[float, int]:
    """Return the level of headlines by their size: 1 for the largest."""
    sizes = {_rounded(line.size) for line in printed if not line.is_furniture and _may_head(line, body)}
    return {size: min(at, 6) for at, size in enumerate(sorted(sizes, reverse=True), 1)}


def _runs_on(above: _Printed, below: _Printed, before: Line, line: Line) -> bool:
    """True where the line above was full and the one below is set as its continuation."""
    if not (above.is_level and below.is_level):
        return False
    if "\t" in before.text or "\t" in line.text or line.is_list_item or "table" in (before.kind, line.kind):
        return False
    gap = (above.base - below.base) / below.size
    if line.level:
        return 0 < gap <= _HEAD_GAP and not line.is_list_item
    if line.blanks or gap < 0.5 or above.margin != below.margin:
        return False
    if is_enclosed(line.text) and is_sentence_end(before.text):
        return False  # a byline
    # Items hang, and lists and quotations are moved to the right as a whole.
    hangs = before.is_list_item and below.left > above.left
    as_one = abs(below.left - above.left) <= 0.3 * above.size and not is_sentence_end(before.text)
    if _indent(below) and not hangs and not as_one:
        return False
    return above.edge - above.right < _first_width(below, line) and above.edge - above.left > 8 * above.size


def _first_width(printed: _Printed, line: Line) -> float:
    """Return the points that the first word of a line takes, with a space or a mark that may hang over the edge."""
    share = (printed.right - printed.left) / max(1, line.width)
    return (line.first_unit + 1.5) * share


def _joined(first: Line, second: Line, words: Counter[str]) -> Line:
    pieces = first.pieces
    if _is_layout_hyphen(first.text, second.text, words):
        (last, place) = pieces[-1]
        pieces = (*pieces[:-1], (last[:-1], place)) if len(last) > 1 else pieces[:-1]
    else:
        glue = _glue(first.text, second.text)
        pieces = (*pieces, (glue, second.breaks[-1])) if glue else pieces
    pieces += second.pieces
    return replace(first, text="".join(text for text, _ in pieces), pieces=pieces)


def _glue(first: str, second: str) -> str:
    a, b = first[-1], second[0]
    if not (is_unspaced(a) or is_unspaced(b)):
        return "" if a == "-" and first[-2:-1].isalnum() and b.isalnum() else " "
    if not (a.isalnum() and b.isalnum() and is_unspaced(a) != is_unspaced(b)):
        return ""
    # Some houses set a space between Chinese and Latin words, others do not; the paragraph shows which.
    return " " if _SPACED.search(first) else ""


def _is_layout_hyphen(first: str, second: str, words: Counter[str]) -> bool:
    """Tell a hyphen that came with the layout: the text knows the word without it, or not the part before it."""
    head, tail = re.search(r"([^\W\d_]+)-$", first), re.match(r"[^\W\d_]+", second)
    if not head or not tail or not tail[0][0].islower():
        return False
    before, after = head[1].lower(), tail[0].lower()
    # At its place, the part before the hyphen counts once itself.
    return words[f"{before}-{after}"] == 0 and (words[before + after] > 0 or words[before] <= 1)


def _folded(text: str) -> str:
    return "".join(text.split()).casefold()
