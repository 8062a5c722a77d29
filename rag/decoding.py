"""Bytes to text: which encoding a file has. Knows nothing of formats or lines.

Order: byte-order marks, strict UTF-8, then Chinese encodings by the likelihood of what they decode to
(`rag.boundaries`), then the library charset-normalizer for every other script.
"""

import codecs
from typing import NamedTuple

from rag.boundaries import boundary_table
from rag.errors import DocumentError

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# GB18030 holds GBK and GB2312, so it stands for all three.
_CHINESE = ("gb18030", "big5", "cp950", "big5hkscs", "utf-16-le", "utf-16-be")
_LATIN = ("cp1250", "cp1254", "cp1257", "cp1258", "cp4", "cp7", "cp8", "iso8859", "latin", "mac_", "hp_")
_SAMPLE = 8000  # bytes looked at when encodings are compared
_CREDIBLE = -8.0  # nats per character: real Chinese lies above, chance below
_CREDIBLE_UTF16 = -12.0  # zero bytes that decode are evidence of their own
_MAGIC = (
    (b"%PDF", "a PDF"),
    (b"PK\x03\x04", "a zip archive or an Office document (docx, xlsx, epub)"),
    (b"\xd0\xcf\x11\xe0", "an old Office document (doc, xls)"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"\x7fELF", "a program"),
    (b"SQLite format 3", "an SQLite database"),
    (b"{\\rtf", "an RTF document"),
)


class Decoded(NamedTuple):
    """A text and the name of the encoding that gave it: `data.decode(encoding) == text`."""

    text: str
    encoding: str


def decode(data: bytes, source: str, declared: str | None = None) -> Decoded:
    """Decode a file.

    Args:
        data: The file's bytes.
        source: Its name, for messages.
        declared: An encoding the file itself names; honoured when the bytes decode in it.

    Raises:
        DocumentError: The bytes are no text, or no encoding decodes them.
    """
    for magic, name in _MAGIC:
        if data.startswith(magic):
            raise DocumentError(
                f"{source} looks like {name}, which cannot be read yet. Supported are plain text (.txt), "
                "Markdown (.md) and HTML (.html): save it as one of these."
            )
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return _decode_strictly(data, encoding, source)
    if b"\0" in data[:_SAMPLE]:
        return _decode_utf16(data, source)
    decoded = _attempt(data, "utf-8") or _attempt(data, declared)
    if decoded:
        return decoded
    return _decode_by_likelihood(data, source)


def _attempt(data: bytes, encoding: str | None) -> Decoded | None:
    if not encoding:
        return None
    try:
        name = codecs.lookup(encoding).name
        name = "gb18030" if name in ("gbk", "gb2312") else name
        return Decoded(data.decode(name), name)
    except (LookupError, UnicodeError):
        return None


def _decode_strictly(data: bytes, encoding: str, source: str) -> Decoded:
    decoded = _attempt(data, encoding)
    if decoded is None:
        raise DocumentError(
            f"{source} begins with the mark of {encoding}, but its bytes are not valid {encoding}. "
            "The file may be cut short or damaged: save it again as UTF-8."
        )
    return Decoded(decoded.text, encoding)


def _decode_utf16(data: bytes, source: str) -> Decoded:
    """Read a file with zero bytes: UTF-16 without its mark, or no text at all."""
    best: tuple[float, Decoded] | None = None
    for encoding in ("utf-16-le", "utf-16-be"):
        decoded = _attempt(data, encoding)
        if decoded and "\0" not in decoded.text:
            sample = decoded.text[: _SAMPLE // 2]
            ascii_share = sum(char.isascii() for char in sample) / max(1, len(sample))
            score = max(boundary_table().log_text(sample), -1.0 if ascii_share > 0.7 else -99.0)
            if best is None or score > best[0]:
                best = score, decoded
    if best is None or best[0] < _CREDIBLE_UTF16:
        raise DocumentError(
            f"{source} is a binary file: it has zero bytes and is not UTF-16 text. Supported are plain text "
            "(.txt), Markdown (.md) and HTML (.html)."
        )
    return best[1]


def _decode_by_likelihood(data: bytes, source: str) -> Decoded:
    best = max(
        ((_likelihood(data, encoding), encoding) for encoding in _CHINESE),
        key=lambda scored: scored[0],  # the first of equals, so that "big5" goes before its extensions
    )
    if best[0] >= _CREDIBLE:
        decoded = _attempt(data, best[1])
        if decoded:
            return decoded
    from charset_normalizer import from_bytes  # heavy, and needed for other scripts only

    matches = from_bytes(data[:100_000])
    match = matches.best()
    decoded = _attempt(data, match.encoding) if match else None
    plausible = {name for found in matches for name in (found.encoding, *found.could_be_from_charset)}
    if match and match.encoding.startswith(_LATIN) and "cp1252" in plausible:
        # By far the most common of the look-alike code pages of Latin letters.
        decoded = _attempt(data, "cp1252") or decoded
    if decoded is None:
        raise DocumentError(
            f"{source} cannot be decoded: it is not valid UTF-8, and no other encoding fits its bytes. "
            "Save it as UTF-8."
        )
    return decoded


def _likelihood(data: bytes, encoding: str) -> float:
    """Score the beginning of a file in an encoding; minus infinity where all of it does not decode."""
    decoded = _attempt(data, encoding)
    if decoded is None:
        return float("-inf")
    return boundary_table().log_text(decoded.text[: _SAMPLE // 2])
