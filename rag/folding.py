"""Folding: one form for what readers take to be the same characters. For searching only.

Full-width and half-width forms (NFKC), upper and lower case, and traditional and simplified
characters become one. What is shown is never folded.
"""

import unicodedata
from functools import cache
from typing import Any


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
    # Half a surrogate pair is no character, and OpenCC fails on one.
    if all(character < "⺀" or "\ud800" <= character <= "\udfff" for character in text):
        return text
    return str(_converter().convert(text))


_TABLE = _FoldTable()


def fold(text: str) -> str:
    """Return `text` with width, case and traditional characters folded. The length may change."""
    return text.translate(_TABLE)


def is_han(character: str) -> bool:
    """Say whether a character is a Chinese character (CJK ideograph)."""
    return (
        "\u4e00" <= character <= "\u9fff"
        or "\u3400" <= character <= "\u4dbf"
        or "\uf900" <= character <= "\ufaff"
        or "\U00020000" <= character <= "\U0003ffff"
        or character == "〇"
    )
