"""Breaks good texts the ways layout does, for measuring how well they are mended."""

import random
from collections import Counter
from collections.abc import Sequence

from rag.lines import NO_START, OPENING, is_sentence_end, is_unspaced, scan_text, text_width
from rag.mending import mend

STYLES = ("wrapped, blank lines", "wrapped, indented", "pages", "pages, indented", "anywhere")


def break_text(paragraphs: Sequence[str], style: str, rng: random.Random) -> str:
    """Return the paragraphs as one text, damaged in a style of STYLES at random widths and pages."""
    if style == "anywhere":
        return "\n\n".join(_break_anywhere(paragraph, rng) for paragraph in paragraphs)
    width = rng.randrange(36, 100)
    indent = ("　　" if is_unspaced(paragraphs[0][0]) else "    ") if "indented" in style else ""
    wrapped = [wrap(paragraph, width, indent) for paragraph in paragraphs]
    if style.startswith("wrapped"):
        gap = "\n" if indent else "\n\n"
        return gap.join("\n".join(lines) for lines in wrapped)
    return _in_pages(wrapped, "\n" if indent else "\n\n", rng)


def wrap(paragraph: str, width: int, indent: str) -> list[str]:
    """Wrap at display columns; words stay whole, and no line begins with a closing mark."""
    lines, line = [], indent
    for unit in _units(paragraph):
        if line.strip() and text_width(line) + text_width(unit.rstrip()) > width:
            lines.append(line.rstrip(" "))
            line = unit.lstrip()
        else:
            line += unit
    return [*lines, line.rstrip(" ")]


def _units(paragraph: str) -> list[str]:
    units: list[str] = []
    for char in paragraph:
        last = units[-1] if units else ""
        sticks = char in NO_START or char == " " or (last and last[-1] in OPENING)
        word = last and not last[-1].isspace() and not is_unspaced(last[-1]) and not is_unspaced(char)
        if last and (sticks or word):
            units[-1] += char
        else:
            units.append(char)
    return units


def _in_pages(wrapped: Sequence[Sequence[str]], gap: str, rng: random.Random) -> str:
    """Cut pages of random length; a cut between paragraphs is left out, as it damages nothing."""
    mark = rng.choice(("\n\n", "\n\f", "\n\n— {} —\n\n", "\n\n{}\n\n"))
    page, left = 1, rng.randrange(6, 25)
    text = ""
    for place, lines in enumerate(wrapped):
        for number, line in enumerate(lines):
            if number and left <= 0 and not is_sentence_end(lines[number - 1]):
                page, left = page + 1, rng.randrange(6, 25)
                text += mark.format(page) + line
            else:
                text += ("\n" if number else gap if place else "") + line
            left -= 1
    return text


def _break_anywhere(paragraph: str, rng: random.Random) -> str:
    if not is_sentence_end(paragraph):
        return paragraph  # a broken headline cannot be told from two
    places = [
        place
        for place in range(2, len(paragraph) - 1)
        if not is_sentence_end(paragraph[:place].rstrip()[-12:])
        and (" " in paragraph[place - 1] or (is_unspaced(paragraph[place - 1]) and is_unspaced(paragraph[place])))
    ]
    count = min(len(places), len(paragraph) // 80 + 1, rng.choice((0, 1, 1, 2, 3)))
    for place in sorted(rng.sample(places, count), reverse=True):
        paragraph = paragraph[:place].rstrip(" ") + "\n\n" + paragraph[place:]
    return paragraph


def mended_paragraphs(text: str) -> list[str]:
    """Return the paragraphs of a plain text after mending."""
    paragraphs: list[str] = []
    for part in mend(scan_text(text)):
        line = part.line.text[: len(part.line.text) - part.cut]
        if part.is_start:
            paragraphs.append(line)
        else:
            paragraphs[-1] += part.glue + line
    return paragraphs


def restored(paragraphs: Sequence[str], broken: str, *, spaces: bool = True) -> int:
    """Return how many of the paragraphs come back exactly from a broken text.

    Without `spaces`, white space is not compared: wrapping drops it, and nothing tells where it was.
    """
    mended = mended_paragraphs(broken)
    if not spaces:
        paragraphs, mended = (["".join(text.split()) for text in texts] for texts in (paragraphs, mended))
    return (Counter(paragraphs) & Counter(mended)).total()
