"""Tables of comma-separated values (.csv, .tsv) as text: each row says its columns' names.

A row becomes one line, "列名：值；列名：值", so that a passage and a quote of it can be understood alone. The lines are
counted as in the file: row and line numbers are those that an editor shows.
"""

import csv
import io
import re
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

from rag.decoding import decode
from rag.errors import DocumentError
from rag.extracts import MAX_CHARACTERS, Extract, too_long
from rag.folding import is_han
from rag.lines import LINE_BREAK, clean_pieces, is_unspaced, scan_text

_DELIMITERS = ",\t;|"
_SAMPLE = 200  # rows that the delimiter is told from
_LONGEST_NAME = 40  # characters of a column's name
_NUMERIC = re.compile(r"[\s\d.,:/%+\-–—¥$€￥年月日时分秒()（）]*\d[\s\d.,:/%+\-–—¥$€￥年月日时分秒()（）]*")
_Quoting = Literal[0, 3]  # csv.QUOTE_MINIMAL, csv.QUOTE_NONE
_SPACE = re.compile(r"\s+")


def read_csv(data: bytes, source: str, charset: str | None = None) -> Extract:
    """Read a table of comma-separated values, whatever its delimiter.

    Args:
        data: The file's bytes.
        source: Its name, for messages.
        charset: An encoding it came with the name of.

    Raises:
        DocumentError: It is no text, has no rows or holds too much.
    """
    decoded, encoding = decode(data, source, charset)
    if "\0" in decoded:
        raise DocumentError(
            f"{source} holds zero bytes, which no table has. Save it again as CSV (UTF-8).",
            f"{source} 含有空字节，不是有效的表格。请另存为 CSV（UTF-8）。",
        )
    try:
        text = _text_of(decoded.removeprefix("\ufeff"), source)
    except csv.Error as error:
        raise DocumentError(
            f"{source} is no table of comma-separated values ({error}). Save it again as CSV (UTF-8).",
            f"{source} 不是有效的 CSV 表格。请另存为 CSV（UTF-8）。",
        ) from error
    lines = [replace(line, kind="table", blanks=1 if at else 0) for at, line in enumerate(scan_text(text))]
    if not lines:
        raise DocumentError(
            f"{source} has no rows with anything in them. Give a table with values.",
            f"{source} 没有任何有内容的行。请提供有数据的表格。",
        )
    return Extract(text, lines, encoding)


def _text_of(decoded: str, source: str) -> str:
    """Return the rows as lines, each where its row begins in the file."""
    delimiter = _delimiter(decoded)
    quoting = _quoting(decoded, delimiter)
    sample = [(line, cells) for line, cells in _head(_rows(decoded, delimiter, quoting)) if any(cells)]
    names: Sequence[str] = sample[0][1] if _is_header([cells for _, cells in sample]) else ()
    wide = any(is_han(char) for _, cells in sample[:2] for cell in cells for char in cell)
    parts: list[str] = []
    at, size = 1, 0
    for line, cells in _rows(decoded, delimiter, quoting):
        if not any(cells):
            continue
        said = _said(cells, names if parts else (), wide)
        parts += ("\n" * (line - at), said)
        size += line - at + len(said)
        at = line
        if size > MAX_CHARACTERS:
            raise too_long(source)
    return "".join(parts)


def _said(cells: Sequence[str], names: Sequence[str], wide: bool) -> str:
    """Return a row as text; cells without a value are left out."""
    between, after = ("；", "：") if wide else ("; ", ": ")
    said = []
    for at, value in enumerate(cells):
        if value:
            name = names[at] if at < len(names) else ""
            said.append(f"{name}{after}{value}" if name else value)
    return between.join(said)


def _rows(decoded: str, delimiter: str, quoting: _Quoting = csv.QUOTE_MINIMAL) -> Iterator[tuple[int, list[str]]]:
    """Yield each row with the line it begins on, from 1."""
    reader = csv.reader(io.StringIO(decoded, newline=""), delimiter=delimiter, quoting=quoting)
    line = 1
    for row in reader:
        yield line, [_cell(value) for value in row]
        line = reader.line_num + 1


def _quoting(decoded: str, delimiter: str) -> _Quoting:
    """Return how quotation marks are meant: as letters, where one is never closed."""
    for strict in (True, False):
        rows = csv.reader(io.StringIO(decoded, newline=""), delimiter=delimiter, strict=strict)
        try:
            deque(rows, maxlen=0)
            return csv.QUOTE_MINIMAL
        except csv.Error as error:
            if "end of data" in str(error):
                break
    return csv.QUOTE_NONE


def _cell(value: str) -> str:
    """Put a cell on one line, without what cannot be seen."""
    clean = "".join(text for text, _ in clean_pieces(LINE_BREAK.sub("\n", value), 0))
    return _SPACE.sub(_gap, clean.strip())


def _gap(match: re.Match[str]) -> str:
    """A line break between Chinese characters is no space."""
    before, after = match.string[match.start() - 1], match.string[match.end()]
    return "" if "\n" in match[0] and is_unspaced(before) and is_unspaced(after) else " "


def _delimiter(decoded: str) -> str:
    """Return the delimiter under which most rows have the same number of cells, more than one."""

    def score(delimiter: str) -> tuple[float, int]:
        try:
            counts = Counter(len(cells) for _, cells in _head(_rows(decoded, delimiter)) if any(cells))
        except csv.Error:
            return 0.0, 0
        cells, rows = max(counts.items(), key=lambda item: (item[0] > 1, item[1]), default=(1, 0))
        return (rows / counts.total(), cells) if cells > 1 else (0.0, 0)

    return max(_DELIMITERS, key=score)


def _head(rows: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[int, list[str]]]:
    return (row for _, row in zip(range(_SAMPLE), rows, strict=False))


def _is_header(rows: Sequence[Sequence[str]]) -> bool:
    """True where the first row names columns: short, different words, none a number, none a value of its column."""
    if len(rows) < 2:
        return False
    first = rows[0]
    if len(first) < 2 or not all(first[: len(first) // 2 + 1]):
        return False
    names = [name for name in first if name]
    if len(set(names)) < len(names) or any(len(name) > _LONGEST_NAME or _NUMERIC.fullmatch(name) for name in names):
        return False
    return not any(row[at] == name for row in rows[1:] for at, name in enumerate(first[: len(row)]) if name)
