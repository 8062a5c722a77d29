"""Word documents (.docx) as lines, by the library mammoth: headings, lists and tables keep their kinds.

Pictures, comments and what was deleted under track changes are left out. Nothing outside of the file is read.
"""

import io
import re
import zipfile

from rag.archives import Archive, damaged, locked, parse_xml
from rag.errors import DocumentError
from rag.extracts import Extract, lay_out
from rag.markup import scan_html

MAX_XML = 48 * 1024 * 1024  # bytes of all XML files in it; a book has a tenth
_OLD = b"\xd0\xcf\x11\xe0"  # how compound files begin: those of Office before 2007, and encrypted ones
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_BACK = re.compile(r' <a href="#[^"<>]*(?:footnote|endnote)-ref-[^"<>]*">↑</a>')  # from a note to its mark
_STYLES = """
p[style-name='Title'] => h1:fresh
p[style-name='Subtitle'] => h2:fresh
p[style-name='Heading 7'] => h6:fresh
p[style-name='heading 7'] => h6:fresh
"""


def read_word(data: bytes, source: str) -> Extract:
    """Read a Word document.

    Args:
        data: The file's bytes.
        source: Its name, for messages.

    Raises:
        DocumentError: It is no such document, is damaged or holds too much.
    """
    import mammoth

    if data.startswith(_OLD):
        if _ENCRYPTED in data:
            raise locked(source)
        raise DocumentError(
            f"{source} is a Word document of the old kind (.doc). Save it as .docx from Word or WPS, then add it.",
            f"{source} 是旧版 Word 文档（.doc）。请用 Word 或 WPS 另存为 .docx 再添加。",
        )
    checked = _checked(data, source)
    try:
        html: str = mammoth.convert_to_html(
            io.BytesIO(checked),
            style_map=_STYLES,
            include_embedded_style_map=False,
            external_file_access=False,
            convert_image=lambda _: [],
        ).value
    except Exception as error:  # whatever the library meets in a damaged file
        raise damaged(source, "its parts do not fit together", "内容结构不完整") from error
    lines, _ = scan_html(_BACK.sub("", html))
    text, placed = lay_out(lines, source)
    title = next((line.text for line in placed if line.level == 1), "")
    return Extract(text, placed, "docx", title)


def _checked(data: bytes, source: str) -> bytes:
    """Return the archive with nothing but its XML files, each well formed and without entities.

    mammoth parses what it is given without a bound and with the standard library's parser.
    """
    archive = Archive(data, source)
    if not any(name.lower().startswith("word/") for name in archive.names):
        raise DocumentError(
            f"{source} is a zip archive but no Word document. Save it as .docx from Word or WPS, then add it.",
            f"{source} 是压缩包，但不是 Word 文档。请用 Word 或 WPS 另存为 .docx 再添加。",
        )
    kept = io.BytesIO()
    total = 0
    with zipfile.ZipFile(kept, "w", zipfile.ZIP_STORED) as plain:
        for name in archive.names:
            if not name.lower().endswith((".xml", ".rels")):
                continue
            content = archive.read(name)
            total += len(content)
            if total > MAX_XML:
                raise DocumentError(
                    f"{source} holds more than {MAX_XML >> 20} MB of text and styles. Split it into parts.",
                    f"{source} 的文字和样式超过 {MAX_XML >> 20} MB。请拆成几份再添加。",
                )
            if name.lower().startswith(("word/", "_rels/", "[content_types]")):
                parse_xml(content, name, source)
                plain.writestr(name, content)
    return kept.getvalue()
