"""How a text was laid out: the width it was wrapped at, and whether its paragraphs are indented.

Pure functions of lines. Sees the text as a whole; single breaks are judged by rag.mending.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from rag.boundaries import boundary_table
from rag.lines import CLOSING, Line, is_unspaced, neighbours, spacing_balance

MIN_WIDTH = 14  # columns; no text is wrapped narrower
MAX_WIDTH = 200  # columns; beyond that a line is a paragraph
_LONG = 80  # columns
_CUT = 3.0  # log-odds that no headline and the text after it reach
_SAMPLE = 1500  # pairs of lines looked at
_MARK_AT_END = re.compile(r"[，。、；：！？…,.;:!?][”’）》\"')]*$")


@dataclass(frozen=True)
class Layout:
    """What holds for a text as a whole."""

    width: int | None  # columns it was wrapped at; None when its lines are not wrapped
    is_indented: bool  # paragraphs begin with white space
    is_spaced: bool  # a space stands between Chinese and Latin words
    is_broken: bool  # some paragraph is evidently cut inside a sentence, so that others may be
    is_prose: bool  # most of it stands on long lines, so that a short line is no verse

    def is_full(self, first: Line, second: Line) -> bool:
        """True when the second line's first word had no room left on the first line."""
        return self.width is not None and is_full(first, second, self.width)


def read_layout(lines: Sequence[Line]) -> Layout:
    """Estimate the layout of plain lines; structured ones (tables, code) should be left out."""
    everything = list(lines)
    long = sum(line.width for line in everything if line.width >= _LONG)
    return Layout(
        width=_wrap_width(everything),
        is_indented=_is_indented(everything),
        is_spaced=spacing_balance(*(line.text for line in everything[:_SAMPLE])) > 0,
        is_broken=_is_broken(everything),
        is_prose=long > 0.7 * sum(line.width for line in everything),
    )


def is_full(first: Line, second: Line, width: int) -> bool:
    """True when `second`'s first word had no room on `first` in a text wrapped at `width` columns."""
    # Between Chinese and Latin there may have been a space or none; the break ate it.
    gap = 0 if is_unspaced(first.text[-1]) and is_unspaced(second.text[0]) else 1
    return fits(first, width) and first.indent + first.width + gap + second.first_unit > width


def fits(line: Line, width: int) -> bool:
    """True when a line is no longer than `width`; a closing mark may hang over the edge."""
    used = line.indent + line.width
    if used <= width:
        return True
    hangs = line.text[-1] in CLOSING + "，。、；：！？"
    return (used <= width + 2 and hangs) or line.first_unit >= line.width


def _wrap_width(lines: list[Line]) -> int | None:
    pairs = [
        (a, b)
        for a, b in neighbours(lines)
        # A deeper indentation begins a paragraph: that break says nothing about the width.
        if b.indent <= a.indent or a.is_list_item
    ][:_SAMPLE]
    widths = Counter(min(a.indent + a.width, MAX_WIDTH + 1) for a, _ in pairs)
    candidates = [width for width in sorted(widths) if MIN_WIDTH <= width <= MAX_WIDTH]
    if not candidates:
        return None
    best = max(candidates, key=lambda width: (_gain(pairs, width), -width))
    full = [(a, b) for a, b in pairs if is_full(a, b, best)]
    return best if _is_wrapped(full, len(pairs), best) else None


def _gain(pairs: Sequence[tuple[Line, Line]], width: int) -> int:
    """Full lines speak for a width, longer ones against it, twice as loud."""
    gain = 0
    for first, second in pairs:
        if not fits(first, width):
            gain -= 2
        elif is_full(first, second, width):
            gain += 1
    return gain


def _is_wrapped(full: Sequence[tuple[Line, Line]], n_pairs: int, width: int) -> bool:
    share = len(full) / n_pairs
    if len(full) < 2 or (len(full) == 2 and (share < 0.6 or width < 30)):
        return False
    if share < (0.4 if len(full) < 6 else 0.2):
        return False
    # Lines of verse end with their clause; wrapped lines end anywhere.
    if sum(bool(_MARK_AT_END.search(a.text)) for a, _ in full) > len(full) / 2:
        return False
    return _runs_on(full, width)


def _runs_on(full: Sequence[tuple[Line, Line]], width: int) -> bool:
    """True when the words run on over the breaks, as they do not between lines of verse or names."""
    latin = [
        b.text[0].isupper()
        for a, b in full
        if b.text[0].isalpha() and not is_unspaced(a.text[-1]) and not is_unspaced(b.text[0])
    ]
    chinese = [
        max(-6.0, min(6.0, pair_odds(a.text, b.text)))
        for a, b in full
        if is_unspaced(a.text[-1]) and is_unspaced(b.text[0]) and not _MARK_AT_END.search(a.text)
    ]
    if len(chinese) >= len(latin):
        # Narrow lines must prove it: four lines of five characters are a poem, not a column.
        return not chinese or sum(chinese) / len(chinese) > (1.0 if width < 40 else -0.5)
    return sum(latin) <= len(latin) * 0.5


def pair_odds(first: str, second: str) -> float:
    """Log-odds, in nats, that a text runs on from `first` to `second` rather than ends and begins anew.

    The likelihood of the second's first character after the first's last one, against that of a
    beginning; and how seldom headlines end with that last character.
    """
    table = boundary_table()
    a, b = first[-1], second[0]
    runs_on = table.log_follow(a, b) - table.log_start(b)
    ends = max(-2.0, min(4.0, -table.log_end(a) - _USUAL_END))
    return runs_on + ends


_USUAL_END = 3.0  # nats: one character of a headline in twenty is its last


def _is_broken(lines: list[Line]) -> bool:
    """True when some long line ends inside a sentence beyond doubt."""
    unfinished = [(a, b) for a, b in pairwise(lines) if a.width >= _LONG and not a.ends_sentence and not b.is_list_item]
    return any(_is_cut(a.text, b.text) for a, b in unfinished[:_SAMPLE])


def _is_cut(first: str, second: str) -> bool:
    a, b = first[-1], second[0]
    if a in "，、," or b in "，。、；：！？”’）》" or b.islower():
        return True
    return is_unspaced(a) and is_unspaced(b) and pair_odds(first, second) > _CUT


def _is_indented(lines: list[Line]) -> bool:
    """True when most lines after a finished sentence or a blank line are indented more than the rest."""
    if not lines:
        return False
    margin = min(line.indent for line in lines)
    begins = [b.indent - margin >= 2 for a, b in pairwise(lines) if (b.blanks or a.ends_sentence) and b.width > 20]
    inside = [b.indent - margin >= 2 for a, b in neighbours(lines) if not a.ends_sentence]
    if sum(begins) < 2 or sum(begins) < 0.4 * len(begins):
        return False
    return not inside or sum(inside) <= 0.3 * len(inside)
