"""What a reader of a file format hands on: the text it found, its lines, and where pages begin.

Knows no format. A format whose file is no text (Word, PDF, e-book) has a text made of it, and every position counts
characters of that text.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rag.errors import DocumentError
from rag.lines import Line

MAX_CHARACTERS = 20_000_000  # of the text that is made of a file


@dataclass(frozen=True)
class Extract:
    """A file as its format's reader saw it."""

    text: str  # what positions count in: the decoded file, or the text that was made of it
    lines: Sequence[Line]  # none where the file says nothing
    encoding: str  # of the file; the format's name where the file is no text
    title: str = ""  # when the file tells
    pages: tuple[int, ...] = ()  # positions in `text` where each page begins
    date: str | None = None  # of the text, as written, when the file tells


def lay_out(lines: Sequence[Line], source: str) -> tuple[str, list[Line]]:
    """Write lines of markup as a plain text.

    Args:
        lines: What was scanned; positions in the markup are forgotten.
        source: The file's name, for the error.

    Returns:
        The text and the same lines with their places in it.

    Raises:
        DocumentError: It is too long.
    """
    parts: list[str] = []
    placed: list[Line] = []
    at = 0
    for line in lines:
        breaks = tuple(range(at, at + 1 + line.blanks)) if placed else (0,)
        glue = "\n" * len(breaks) if placed else ""
        lead = line.lead if "\n" not in line.lead else ""
        parts += (glue, lead, line.text)
        at += len(glue) + len(lead)
        blanks = line.blanks if placed else 0
        placed.append(replace(line, pieces=((line.text, at),), lead=lead, blanks=blanks, breaks=breaks))
        at += len(line.text)
        if at > MAX_CHARACTERS:
            raise too_long(source)
    return "".join(parts), placed


def too_long(source: str) -> DocumentError:
    """Return the error for a file that says more than is read."""
    return DocumentError(
        f"{source} holds more than {MAX_CHARACTERS:,} characters of text. Split it into parts.",
        f"{source} 的文字超过 {MAX_CHARACTERS:,} 个字符。请拆成几份再添加。",
    )
