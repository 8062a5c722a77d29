"""Folding: one form for what readers take to be the same characters. For searching only.

Full-width and half-width forms (NFKC), upper and lower case, and traditional and simplified
characters become one. What is shown is never folded, so a folded text remembers, for each of its
characters, where it came from.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any


@dataclass(frozen=True)
class FoldedText:
    """A folded text and, for each of its characters, the position in the original text.

    `origin` has one more entry than `text` has characters: the length of the original, so that
    `origin[end]` is defined for a span that reaches the end.
    """

    text: str
    origin: Sequence[int]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return the span of the original text that the folded characters `[start, end)` came from."""
        if start >= end:
            return self.origin[start], self.origin[start]
        return self.origin[start], self.origin[end - 1] + 1


class _FoldTable(dict[int, str]):
    """A table for `str.translate` that fills itself, character by character."""

    def __missing__(self, codepoint: int) -> str:
        character = chr(codepoint)
        # One character at a time on purpose: OpenCC's phrase rules would fold the same character
        # differently by its context, and a query and a text with other neighbours would not meet.
        folded = _simplify(unicodedata.normalize("NFKC", character).lower()) or character
        self[codepoint] = folded
        return folded


@cache
def _converter() -> Any:
    import opencc  # its dictionaries are only loaded when a Chinese character is first folded

    return opencc.OpenCC("t2s")


def _simplify(text: str) -> str:
    if all(character < "⺀" for character in text):
        return text
    return str(_converter().convert(text))


_TABLE = _FoldTable()


def fold(text: str) -> str:
    """Return `text` with width, case and traditional characters folded. The length may change."""
    return text.translate(_TABLE)


@lru_cache(maxsize=256)
def fold_with_origin(text: str) -> FoldedText:
    """Fold `text` and keep the place each folded character came from."""
    folded = fold(text)
    # No character folds to nothing, so equal lengths mean that each one folded to one.
    if len(folded) == len(text):
        return FoldedText(folded, range(len(text) + 1))
    origin = [position for position, character in enumerate(text) for _ in _TABLE[ord(character)]]
    return FoldedText(folded, [*origin, len(text)])


def is_han(character: str) -> bool:
    """Say whether a character is a Chinese character (CJK ideograph)."""
    return (
        "\u4e00" <= character <= "\u9fff"
        or "\u3400" <= character <= "\u4dbf"
        or "\uf900" <= character <= "\ufaff"
        or "\U00020000" <= character <= "\U0003ffff"
        or character == "〇"
    )
