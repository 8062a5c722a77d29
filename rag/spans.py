"""Spans: where each character of a mended text stands in its source, and back.

Knows positions only, neither files nor what a text says. A source position counts characters of the
decoded source text from 0.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter

Run = tuple[int, int, int]  # text_start, source_start, length

_TEXT_START = itemgetter(0)
_SOURCE_START = itemgetter(1)


@dataclass(frozen=True)
class OriginMap:
    """Maps every character of a text to its place in the source, and back, in O(log n).

    Invariant: the runs are sorted both by text and by source position and cover all of the text.
    """

    runs: tuple[Run, ...]

    def __len__(self) -> int:
        """Return the number of text characters mapped."""
        if not self.runs:
            return 0
        text_start, _, length = self.runs[-1]
        return text_start + length

    def to_source(self, position: int) -> int:
        """Return the source position of a text character.

        Raises:
            IndexError: There is no character at `position`.
        """
        if not 0 <= position < len(self):
            raise IndexError(f"No character at {position}: the text has {len(self)}.")
        text_start, source_start, _ = self.runs[bisect_right(self.runs, position, key=_TEXT_START) - 1]
        return source_start + position - text_start

    def to_text(self, source_position: int) -> int | None:
        """Return the text position of a source character, or None if that character was removed."""
        place = bisect_right(self.runs, source_position, key=_SOURCE_START) - 1
        if place < 0:
            return None
        text_start, source_start, length = self.runs[place]
        offset = source_position - source_start
        return text_start + offset if offset < length else None

    def source_span(self, start: int, end: int) -> tuple[int, int]:
        """Return the smallest source span that holds the text span [start, end).

        An empty span maps to an empty span before the character that follows it.
        """
        if start < end:
            return self.to_source(start), self.to_source(end - 1) + 1
        if not self.runs:
            return 0, 0
        place = self.to_source(start) if start < len(self) else self.to_source(start - 1) + 1
        return place, place

    def to_list(self) -> list[int]:
        """Return the runs as flat pairs: source characters skipped before the run, and its length."""
        flat: list[int] = []
        source = 0
        for _, source_start, length in self.runs:
            flat += (source_start - source, length)
            source = source_start + length
        return flat

    @classmethod
    def from_list(cls, flat: Sequence[int]) -> "OriginMap":
        """Rebuild a map from `to_list`."""
        runs: list[Run] = []
        text = source = 0
        for skipped, length in zip(flat[::2], flat[1::2], strict=True):
            source += skipped
            runs.append((text, source, length))
            text += length
            source += length
        return cls(tuple(runs))


Piece = tuple[str, int]  # characters, and the source position of the first; the others follow it


@dataclass
class TextBuilder:
    """Puts a text together from pieces of its source and remembers where each came from."""

    length: int = 0
    _parts: list[str] = field(default_factory=list)
    _runs: list[Run] = field(default_factory=list)

    def add(self, text: str, source: int) -> None:
        """Append characters which stand one after the other in the source, from `source` on."""
        if not text:
            return
        if self._runs:
            text_start, source_start, length = self._runs[-1]
            if source_start + length == source:
                self._runs[-1] = (text_start, source_start, length + len(text))
            else:
                self._runs.append((self.length, source, len(text)))
        else:
            self._runs.append((0, source, len(text)))
        self._parts.append(text)
        self.length += len(text)

    def build(self) -> tuple[str, OriginMap]:
        """Return the text and its map."""
        return "".join(self._parts), OriginMap(tuple(self._runs))


def strip_pieces(pieces: Iterable[Piece]) -> tuple[tuple[Piece, ...], str]:
    """Take white space off both ends.

    Returns:
        The pieces that remain, and the white space that stood directly before them in the source.
    """
    kept = list(pieces)
    lead, lead_end = "", 0
    while kept:
        text, source = kept[0]
        bare = text.lstrip()
        # What an invisible character parts from the text is left out: its place could not be told from the text's.
        lead = (lead if source == lead_end else "") + text[: len(text) - len(bare)]
        lead_end = source + len(text) - len(bare)
        if bare:
            kept[0] = (bare, source + len(text) - len(bare))
            break
        kept.pop(0)
    while kept:
        text, source = kept[-1]
        bare = text.rstrip()
        if bare:
            kept[-1] = (bare, source)
            break
        kept.pop()
    return tuple(kept), lead
