"""Word documents: what is kept of them, and one clear error for each that cannot be read."""

import zipfile
from pathlib import Path

import pytest

from rag.documents import read_document
from rag.errors import DocumentError
from tests.file_makers import assert_spans_hold, kinds_and_texts, make_docx

BODY = "今年以来，全市新开工项目一百二十个，完成投资三十五亿元。"


def rewritten(path: Path, name: str, content: bytes) -> Path:
    """Write the archive anew with another content of one file."""
    with zipfile.ZipFile(path) as old:
        files = {one: old.read(one) for one in old.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for one, old_content in {**files, name: content}.items():
            new.writestr(one, old_content)
    return path


def test_headings_lists_and_tables_keep_their_kinds(tmp_path: Path) -> None:
    path = make_docx(
        tmp_path / "a.docx",
        [
            ("Title", "柳州工作汇报"),
            ("Heading 1", "一、总体情况"),
            BODY,
            ("List Bullet", "抓项目"),
            ("List Number", "稳投资"),
            ("Table", "姓名\t职务\n张三\t厂长"),
            "以上 A < B & C。",
        ],
    )
    document = read_document(path)
    assert kinds_and_texts(document) == [
        ("headline", "柳州工作汇报"),
        ("headline", "一、总体情况"),
        ("body", BODY),
        ("list", "抓项目"),
        ("list", "稳投资"),
        ("table", "姓名\t职务\n张三\t厂长"),
        ("body", "以上 A < B & C。"),
    ]
    assert (document.title, document.encoding, document.has_lines, document.pages) == (
        "柳州工作汇报",
        "docx",
        False,
        (),
    )
    assert document.page_at(0) is None
    assert "<" not in document.file_text.replace("A < B", "")
    assert_spans_hold(document)


def test_a_document_without_headings_is_titled_by_its_file(tmp_path: Path) -> None:
    assert read_document(make_docx(tmp_path / "年度总结.docx", [BODY])).title == "年度总结"


def test_lines_that_were_broken_by_hand_are_mended(tmp_path: Path) -> None:
    first, second = (
        "会议强调，要坚持把发展经济的着力点放在实体经济上，推动传统产业向高端化、智能",
        "化、绿色化转型，加快建设现代化产业体系。",
    )
    document = read_document(make_docx(tmp_path / "a.docx", [BODY, first, second]))
    assert kinds_and_texts(document)[1] == ("body", first + second)
    assert_spans_hold(document)


def test_notes_stand_at_the_end_without_marks_in_the_text(tmp_path: Path) -> None:
    path = make_docx(tmp_path / "a.docx", ["工业投资增长百分之十二。", "以上。"])
    with zipfile.ZipFile(path) as archive:
        body, links = archive.read("word/document.xml").decode(), archive.read("word/_rels/document.xml.rels").decode()
    space = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    said = "<w:p><w:r><w:t>数字来自统计局。</w:t></w:r></w:p>"
    note = f'<w:footnotes {space}><w:footnote w:id="2">{said}</w:footnote></w:footnotes>'
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/footnotes"
    link = f'<Relationship Id="n" Type="{kind}" Target="footnotes.xml"/></Relationships>'
    mark = '</w:t></w:r><w:r><w:footnoteReference w:id="2"/></w:r><w:r><w:t>。'
    rewritten(path, "word/footnotes.xml", note.encode())
    rewritten(path, "word/_rels/document.xml.rels", links.replace("</Relationships>", link).encode())
    rewritten(path, "word/document.xml", body.replace("十二。", "十二" + mark).encode())
    assert read_document(path).text == "工业投资增长百分之十二。\n\n以上。\n\n数字来自统计局。"


def test_an_old_word_document_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "a.docx"
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))
    with pytest.raises(DocumentError, match=r"old kind \(\.doc\).*Save it as \.docx") as caught:
        read_document(path)
    assert "另存为 .docx" in caught.value.said("zh")


def test_a_locked_document_is_told_from_an_old_one(tmp_path: Path) -> None:
    path = tmp_path / "a.docx"
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600) + "EncryptedPackage".encode("utf-16-le"))
    with pytest.raises(DocumentError, match="locked with a password"):
        read_document(path)


@pytest.mark.parametrize(
    ("part", "content"),
    [
        ("word/document.xml", b"<w:document"),
        ("word/document.xml", b"<a>" * 60_000 + b"</a>" * 60_000),
        ("word/styles.xml", b"no xml"),
        ("_rels/.rels", b"\xff\xfe"),
    ],
)
def test_a_damaged_part_is_one_clear_error(tmp_path: Path, part: str, content: bytes) -> None:
    path = rewritten(make_docx(tmp_path / "a.docx", [BODY]), part, content)
    with pytest.raises(DocumentError, match=r"a\.docx (is damaged|holds no text)") as caught:
        read_document(path)
    assert caught.value.chinese


def test_a_document_cut_short_is_damaged(tmp_path: Path) -> None:
    path = make_docx(tmp_path / "a.docx", [BODY])
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DocumentError, match="cut short"):
        read_document(path)


def test_entities_are_never_resolved(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("机密", encoding="utf-8")
    path = make_docx(tmp_path / "a.docx", ["这里有一个实体。"])
    with zipfile.ZipFile(path) as archive:
        xml = archive.read("word/document.xml").decode()
    declared = f'<!DOCTYPE x [<!ENTITY e SYSTEM "{secret.as_uri()}">]>'
    head, _, rest = xml.partition("?>")
    rewritten(path, "word/document.xml", f"{head}?>{declared}{rest.replace('实体', '&e;')}".encode())
    with pytest.raises(DocumentError, match="declares entities"):
        read_document(path)


def test_a_zip_of_something_else_is_no_word_document(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.docx", "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    with pytest.raises(DocumentError, match="no Word document"):
        read_document(tmp_path / "a.docx")


def test_more_xml_than_a_book_has_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.word.MAX_XML", 1 << 20)
    with pytest.raises(DocumentError, match="more than 1 MB"):
        read_document(make_docx(tmp_path / "a.docx", [BODY * 1000 for _ in range(20)]))
