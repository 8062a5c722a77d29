"""Small files of every format that can be read, made on the spot: real ones, as programs write them."""

import csv
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from rag.documents import Document

FONT = "STSong-Light"  # reportlab's own name of a font that no file must hold
PAGE = 595.0, 842.0  # points, A4


def make_docx(path: Path, paragraphs: Sequence[str | tuple[str, str]]) -> Path:
    """Write a Word document.

    Args:
        path: Where to.
        paragraphs: Texts, or pairs of a style ("Title", "Heading 1", "List Bullet") and a text. A text with tabs and
            line ends in the style "Table" becomes a table.
    """
    import docx

    document = docx.Document()
    for one in paragraphs:
        style, text = one if isinstance(one, tuple) else ("Normal", one)
        if style == "Table":
            rows = [row.split("\t") for row in text.split("\n")]
            table = document.add_table(len(rows), len(rows[0]))
            for row, cells in zip(table.rows, rows, strict=True):
                for cell, words in zip(row.cells, cells, strict=True):
                    cell.text = words
        else:
            document.add_paragraph(text, style)
    document.save(str(path))
    return path


def make_pdf(
    path: Path,
    pages: Sequence[Sequence[str]],
    *,
    title: str = "",
    header: str = "",
    footer: str = "",
    size: float = 12,
    password: str = "",
) -> Path:
    """Write a PDF with a text layer.

    Args:
        path: Where to.
        pages: The lines of each page. A line that begins with "# " is set larger; ideographic spaces at the beginning
            of a line move it to the right, as typesetters do; an empty line leaves room.
        title: What the file itself says its title is.
        header: Set at the top of every page.
        footer: Set at the bottom of every page; {} stands for the page's number.
        size: Of the type, in points.
        password: Asked for when it is opened.
    """
    from reportlab.lib.pdfencrypt import StandardEncryption
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont
    from reportlab.pdfgen.canvas import Canvas

    pdfmetrics.registerFont(UnicodeCIDFont(FONT))
    canvas = Canvas(str(path), PAGE, encrypt=StandardEncryption(password) if password else None)
    canvas.setTitle(title)
    for number, lines in enumerate(pages, 1):
        canvas.setFont(FONT, 9)
        canvas.drawString(72, 800, header)
        canvas.drawCentredString(PAGE[0] / 2, 40, footer.format(number))
        y = 760.0
        for line in lines:
            large = line.startswith("# ")
            words = line.removeprefix("# ")
            bare = words.lstrip("\u3000")
            canvas.setFont(FONT, size * 1.6 if large else size)
            canvas.drawString(72 + size * (len(words) - len(bare)), y, bare)
            y -= size * (2.4 if large else 1.5)
        canvas.showPage()
    canvas.save()
    return path


def make_placed_pdf(path: Path, pages: Sequence[Sequence[tuple[float, float, str]]], *, size: float = 12) -> Path:
    """Write a PDF whose lines stand where they are told, in points from the left bottom."""
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont
    from reportlab.pdfgen.canvas import Canvas

    pdfmetrics.registerFont(UnicodeCIDFont(FONT))
    canvas = Canvas(str(path), PAGE)
    for page in pages:
        canvas.setFont(FONT, size)
        for x, y, text in page:
            canvas.drawString(x, y, text)
        canvas.showPage()
    canvas.save()
    return path


def make_scan_pdf(path: Path, pages: int = 2) -> Path:
    """Write a PDF of nothing but pictures."""
    from PIL import Image, ImageDraw

    picture = Image.new("L", (600, 800), 255)
    ImageDraw.Draw(picture).rectangle((100, 100, 500, 120), fill=0)
    picture.save(path, "PDF", save_all=True, append_images=[picture] * (pages - 1))
    return path


def make_epub(
    path: Path,
    chapters: Sequence[str],
    *,
    title: str = "",
    extra: Mapping[str, bytes] | None = None,
) -> Path:
    """Write an e-book; each chapter is what stands in a <body>, `extra` are more files of the archive."""
    items = "".join(
        f'<item id="c{n}" href="text/chapter%20{n}.xhtml" media-type="application/xhtml+xml"/>'
        for n in range(len(chapters))
    )
    spine = "".join(f'<itemref idref="c{n}"/>' for n in range(len(chapters)))
    files: dict[str, str | bytes] = {
        "META-INF/container.xml": '<?xml version="1.0"?><container version="1.0" '
        'xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles><rootfile full-path="OEBPS/book.opf" '
        'media-type="application/oebps-package+xml"/></rootfiles></container>',
        "OEBPS/book.opf": '<?xml version="1.0"?><package version="3.0" xmlns="http://www.idpf.org/2007/opf">'
        f'<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>{escape(title)}</dc:title></metadata>'
        f"<manifest>{items}</manifest><spine>{spine}</spine></package>",
    }
    for n, body in enumerate(chapters):
        files[f"OEBPS/text/chapter {n}.xhtml"] = (
            '<?xml version="1.0" encoding="utf-8"?><html xmlns="http://www.w3.org/1999/xhtml">'
            f"<head><title>{n}</title></head><body>{body}</body></html>"
        )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/epub+zip", zipfile.ZIP_STORED)
        for name, content in {**files, **(extra or {})}.items():
            archive.writestr(name, content)
    return path


def make_csv(path: Path, rows: Sequence[Sequence[str]], *, delimiter: str = ",", encoding: str = "utf-8") -> Path:
    """Write a table of comma-separated values."""
    written = io.StringIO()
    csv.writer(written, delimiter=delimiter).writerows(rows)
    path.write_bytes(written.getvalue().encode(encoding))
    return path


def assert_spans_hold(document: Document, *, is_markup: bool = False) -> None:
    """Each character of the text stands in what was read, or is the white space put in its stead; records keep it.

    In markup, white space may stand for a tag, and a character for the reference to it.
    """
    before = -1
    for position, char in enumerate(document.text):
        place = document.origin.to_source(position)
        assert before <= place < len(document.file_text)
        before = place
        there = document.file_text[place]
        assert there == char or (char in " \n" and there.isspace()) or (is_markup and (char in "\t\n" or there == "&"))
    for paragraph in document.paragraphs:
        assert document.text[paragraph.start : paragraph.end].strip()
        assert document.page_at(paragraph.start) is None or document.pages
    kept = Document.from_record(json.loads(json.dumps(document.to_record())))
    assert kept == document
    assert (kept.pages, kept.file_text) == (document.pages, "")


def kinds_and_texts(document: Document) -> list[tuple[str, str]]:
    """Return the kind and the text of each paragraph."""
    return [(one.kind, document.text[one.start : one.end]) for one in document.paragraphs]
