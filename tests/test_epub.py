"""E-books: the chapters in reading order, and one clear error for each book that cannot be read."""

import zipfile
from pathlib import Path

import pytest

from rag.documents import read_document
from rag.errors import DocumentError
from tests.file_makers import assert_spans_hold, kinds_and_texts, make_epub

CHAPTERS = [
    "<h1>第一章 河边</h1><p>天还没有亮，老人就起来了。</p><ul><li>灯</li><li>钟</li></ul>",
    "<h2>第二章</h2><p>门外的风很大，&#21561;得窗纸<ruby>哗<rt>huā</rt></ruby>作响。</p>",
]


def encryption(algorithm: str) -> bytes:
    return (
        '<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container" xmlns:enc="http://www.w3.org/2001/04/xmlenc#">'
        f'<enc:EncryptedData><enc:EncryptionMethod Algorithm="{algorithm}"/></enc:EncryptedData></encryption>'
    ).encode()


def test_chapters_stand_in_the_order_of_the_spine(tmp_path: Path) -> None:
    document = read_document(make_epub(tmp_path / "a.epub", CHAPTERS, title="老人与河"))
    assert kinds_and_texts(document) == [
        ("headline", "第一章 河边"),
        ("body", "天还没有亮，老人就起来了。"),
        ("list", "灯"),
        ("list", "钟"),
        ("headline", "第二章"),
        ("body", "门外的风很大，吹得窗纸哗作响。"),
    ]
    assert (document.title, document.encoding, document.has_lines) == ("老人与河", "epub", False)
    assert_spans_hold(document)


def test_the_end_of_a_chapter_is_the_end_of_a_paragraph(tmp_path: Path) -> None:
    document = read_document(make_epub(tmp_path / "a.epub", ["<p>第一章完。</p>", "<p>第二章完。</p>"]))
    assert document.text == "第一章完。\n\n第二章完。"


def test_a_book_without_a_title_is_titled_by_its_first_heading(tmp_path: Path) -> None:
    assert read_document(make_epub(tmp_path / "a.epub", CHAPTERS)).title == "第一章 河边"


def test_chapters_in_another_encoding_are_decoded(tmp_path: Path) -> None:
    path = make_epub(tmp_path / "a.epub", CHAPTERS[:1])
    chapter = '<?xml version="1.0" encoding="gbk"?><p>柳州</p>'.encode("gbk")
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("OEBPS/text/chapter 0.xhtml", chapter)
    assert read_document(path).text == "柳州"


@pytest.mark.parametrize("algorithm", ["http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC"])
def test_scrambled_fonts_do_not_lock_a_book(tmp_path: Path, algorithm: str) -> None:
    extra = {"META-INF/encryption.xml": encryption(algorithm)}
    assert read_document(make_epub(tmp_path / "a.epub", CHAPTERS, extra=extra)).text.startswith("第一章")


def test_a_book_locked_by_its_seller_says_so(tmp_path: Path) -> None:
    extra = {"META-INF/encryption.xml": encryption("http://www.w3.org/2001/04/xmlenc#aes128-cbc")}
    with pytest.raises(DocumentError, match="DRM") as caught:
        read_document(make_epub(tmp_path / "a.epub", CHAPTERS, extra=extra))
    assert "版权保护" in caught.value.said("zh")


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"META-INF/container.xml": b"<container/>"}, "holds no ''"),
        ({"META-INF/container.xml": b"<"}, "is no XML"),
        ({"OEBPS/book.opf": b"<package><manifest/><spine/></package>"}, "names no chapter"),
        ({"OEBPS/book.opf": b'<!DOCTYPE p [<!ENTITY e "x">]><package>&e;</package>'}, "declares entities"),
    ],
)
def test_a_book_without_its_parts_is_one_clear_error(tmp_path: Path, extra: dict[str, bytes], message: str) -> None:
    with pytest.raises(DocumentError, match=message) as caught:
        read_document(make_epub(tmp_path / "a.epub", CHAPTERS, extra=extra))
    assert caught.value.chinese


def test_a_zip_without_a_container_is_no_book(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.epub", "w") as archive:
        archive.writestr("a.txt", "柳州")
    with pytest.raises(DocumentError, match="no e-book"):
        read_document(tmp_path / "a.epub")
