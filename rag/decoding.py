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
_AS_DOCX = "Save it as .docx, then add it.", "请另存为 .docx 再添加。"
_AS_CSV = "Save its tables as .csv, then add them.", "请把表格另存为 .csv 再添加。"
_AS_PDF = "Save it as .pdf, then add it.", "请另存为 .pdf 再添加。"
_AS_EPUB = "Convert it to .epub, then add it.", "请转换为 .epub 再添加。"
_UNPACK = "Unpack it, then add the files in it.", "请先解压，再添加其中的文件。"
_OCR = "Run OCR on it (for instance ocrmypdf) and add the PDF.", "请先做文字识别（例如用 ocrmypdf），再添加得到的 PDF。"
_TEXTS = (
    "Save it as one of .docx, .pdf, .epub, .csv, .txt, .md or .html.",
    "请另存为 .docx、.pdf、.epub、.csv、.txt、.md 或 .html。",
)
# How files begin that are no text: what each is in English and Chinese, and what to do.
_MAGIC = (
    (b"%PDF", "a PDF", "PDF", "Give it the suffix .pdf.", "请把后缀改为 .pdf。"),
    (b"PK\x03\x04", "a zip archive or an Office document", "压缩包或 Office 文档", *_TEXTS),
    (b"\xd0\xcf\x11\xe0", "an old Office document", "旧版 Office 文档", *_TEXTS),
    (b"\x89PNG", "a PNG image", "PNG 图片", *_OCR),
    (b"\xff\xd8\xff", "a JPEG image", "JPEG 图片", *_OCR),
    (b"GIF8", "a GIF image", "GIF 图片", *_OCR),
    (b"II*\0", "a TIFF image", "TIFF 图片", *_OCR),
    (b"AT&TFORM", "a DjVu book", "DjVu 文件", "Save it as .pdf with a text layer.", "请另存为带文字层的 .pdf。"),
    (b"\x1f\x8b", "a gzip archive", "gzip 压缩包", *_UNPACK),
    (b"Rar!", "a RAR archive", "RAR 压缩包", *_UNPACK),
    (b"7z\xbc\xaf", "a 7z archive", "7z 压缩包", *_UNPACK),
    (b"\x7fELF", "a program", "程序", *_TEXTS),
    (b"SQLite format 3", "an SQLite database", "SQLite 数据库", *_TEXTS),
    (b"{\\rtf", "an RTF document", "RTF 文档", *_AS_DOCX),
)
_SUFFIXES = {
    **dict.fromkeys((".doc", ".dot", ".wps", ".rtf", ".odt", ".pages", ".docm"), _AS_DOCX),
    **dict.fromkeys((".xls", ".xlsx", ".xlsm", ".et", ".ods", ".numbers"), _AS_CSV),
    **dict.fromkeys((".ppt", ".pptx", ".dps", ".odp", ".key", ".caj", ".djvu", ".ofd", ".xps"), _AS_PDF),
    **dict.fromkeys((".mobi", ".azw", ".azw3", ".prc"), _AS_EPUB),
    **dict.fromkeys((".zip", ".rar", ".7z", ".gz", ".tar"), _UNPACK),
}


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
    refuse_binary(data, source)
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return _decode_strictly(data, encoding, source)
    if b"\0" in data[:_SAMPLE]:
        return _decode_utf16(data, source)
    decoded = _attempt(data, "utf-8") or _attempt(data, declared)
    if decoded:
        return decoded
    return _decode_by_likelihood(data, source)


def refuse_binary(data: bytes, source: str, suffix: str = "") -> None:
    """Say of a known file that is no text what it is, and what to do with it.

    Args:
        data: The file's bytes.
        source: Its name, for the message.
        suffix: Its suffix in lower case, which may tell more than how it begins.

    Raises:
        DocumentError: It is one of them.
    """
    known = next((rest for magic, *rest in _MAGIC if data.startswith(magic)), None)
    remedy = _SUFFIXES.get(suffix)
    if known is None and (remedy is None or b"\0" not in data[:_SAMPLE]):
        return
    name, chinese = (known[0], known[1]) if known else (f"a {suffix} file", f"{suffix} 文件")
    chinese = f" {chinese}" if chinese[0].isascii() else chinese
    todo, to_do = remedy or (known[2], known[3]) if known else remedy or _TEXTS
    raise DocumentError(
        f"{source} looks like {name}, which cannot be read as it is. {todo}",
        f"{source} 看起来是{chinese}，不能直接读取。{to_do}",
    )


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
            "The file may be cut short or damaged: save it again as UTF-8.",
            f"{source} 以 {encoding} 标记开头，内容却不是有效的 {encoding}，可能不完整或已损坏。请重新存为 UTF-8。",
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
            f"{source} is a binary file: it has zero bytes and is not UTF-16 text. {_TEXTS[0]}",
            f"{source} 是二进制文件：含有空字节，也不是 UTF-16 文本。{_TEXTS[1]}",
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
            "Save it as UTF-8.",
            f"{source} 无法解码：不是有效的 UTF-8，也不符合其他编码。请另存为 UTF-8。",
        )
    return decoded


def _likelihood(data: bytes, encoding: str) -> float:
    """Score the beginning of a file in an encoding; minus infinity where all of it does not decode."""
    decoded = _attempt(data, encoding)
    if decoded is None:
        return float("-inf")
    return boundary_table().log_text(decoded.text[: _SAMPLE // 2])
