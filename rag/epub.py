"""E-books (.epub) as lines: the chapters in the order of the book's spine.

Source: EPUB 3.3, W3C Recommendation, 2023 ("Open Container Format", "Package document").
"""

import posixpath
import re
from dataclasses import replace
from urllib.parse import unquote, urlsplit
from xml.etree.ElementTree import Element

from rag.archives import Archive, damaged, found, path_within
from rag.decoding import decode
from rag.errors import DocumentError
from rag.extracts import Extract, lay_out
from rag.lines import Line
from rag.markup import declared_charset, scan_html

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_PAGES = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml")
# Fonts are scrambled, which does not lock the text.
_FONTS = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")
_XML_ENCODING = re.compile(rb"<\?xml[^>]*?encoding\s*=\s*[\"']([\w.-]+)")


def read_epub(data: bytes, source: str) -> Extract:
    """Read an e-book.

    Args:
        data: The file's bytes.
        source: Its name, for messages.

    Raises:
        DocumentError: It is none, is damaged or locked, or holds too much.
    """
    archive = Archive(data, source)
    if _CONTAINER not in archive.names:
        raise damaged(source, f"it holds no {_CONTAINER!r}, so it is no e-book", f"缺少 {_CONTAINER!r}，不是电子书")
    if _is_locked(archive):
        raise DocumentError(
            f"{source} is locked by its seller (DRM) and cannot be read. Give an edition without it.",
            f"{source} 带有版权保护（DRM），无法读取。请换用没有加密的版本。",
        )
    package_name = next(
        (name for one in found(archive.read_xml(_CONTAINER), "rootfile") if (name := one.get("full-path"))), ""
    )
    package = archive.read_xml(package_name)
    lines: list[Line] = []
    for name in _spine(package, posixpath.dirname(package_name), archive, source):
        content = archive.read(name)
        if content.strip():
            declared = _XML_ENCODING.match(content)
            charset = declared[1].decode("ascii") if declared else declared_charset(content)
            chapter, _ = scan_html(decode(content, f"{source} ({name})", charset).text)
            lines += [replace(line, blanks=1) if at == 0 else line for at, line in enumerate(chapter)]
    title = next((one.text or "" for one in found(package, "title")), "")
    text, placed = lay_out(lines, source)
    return Extract(text, placed, "epub", title.strip())


def _is_locked(archive: Archive) -> bool:
    if _ENCRYPTION not in archive.names:
        return False
    methods = [
        one.get("Algorithm", "")
        for locked in found(archive.read_xml(_ENCRYPTION), "EncryptedData")
        for one in locked
        if one.tag.endswith("EncryptionMethod")
    ]
    return any(method not in _FONTS for method in methods)


def _spine(package: Element, folder: str, archive: Archive, source: str) -> list[str]:
    """Return the names in the archive of the chapters, in the order in which they are read."""
    items = {item.get("id", ""): item for item in found(package, "item")}
    named = [items[one.get("idref", "")] for one in found(package, "itemref") if one.get("idref", "") in items]
    names = [
        path_within(folder, unquote(_path_of(item.get("href", ""))))
        for item in named
        if item.get("media-type", "") in _PAGES
    ]
    kept = list(dict.fromkeys(name for name in names if name in archive.names))
    if not kept:
        raise damaged(source, "its spine names no chapter that is there", "书脊中没有可读的章节")
    return kept


def _path_of(reference: str) -> str:
    try:
        return urlsplit(reference).path
    except ValueError:
        return ""
