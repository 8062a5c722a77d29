"""Marking: a text as HTML in which spans are marked, each in the colour of its citation.

What is marked is exactly the characters of the spans, and the text between the tags is exactly the text.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup, escape

COLOURS = 6  # citations of an answer take them in turn


@dataclass(frozen=True)
class Mark:
    """The span [start, end) of a text, and the marker of the citation it belongs to; 0 for a mark of its own."""

    start: int
    end: int
    marker: int
    is_current: bool = False  # the one that was opened


def colour(marker: int) -> str:
    """Return the class of a marker's colour."""
    return f"c{(marker - 1) % COLOURS + 1}" if marker else "c0"


def paint(text: str, first: int, last: int, marks: Sequence[Mark], cuts: Iterable[tuple[int, int]] = ()) -> Markup:
    """Return `text[first:last]` escaped, with what lies within the marks marked.

    Args:
        text: Of the document.
        first: Where to begin.
        last: Where to end.
        marks: They may overlap: then the characters bear the colour of the one that is current, else of the first.
        cuts: Positions before which a passage begins, with its number; a number is put there that is no text.
    """
    near = [mark for mark in marks if mark.start < last and mark.end > first]
    numbers = {position: number for position, number in cuts if first <= position < last}
    edges = {first, last, *numbers}
    for mark in near:
        edges |= {max(mark.start, first), min(mark.end, last)}
    ordered = sorted(edges)
    parts: list[Markup] = []
    for start, end in pairwise(ordered):
        if start in numbers:
            parts.append(Markup('<span class="cut" data-passage="{}"></span>').format(numbers[start]))
        piece = escape(text[start:end])
        held = [mark for mark in near if mark.start <= start and end <= mark.end]
        parts.append(_marked(piece, held) if held else piece)
    return Markup("").join(parts)


def _marked(piece: Markup, held: Sequence[Mark]) -> Markup:
    chief = next((mark for mark in held if mark.is_current), held[0])
    classes = colour(chief.marker) + (" current" if chief.is_current else "")
    markers = " ".join(str(mark.marker) for mark in held)
    return Markup('<mark class="{}" data-markers="{}">{}</mark>').format(classes, markers, piece)
