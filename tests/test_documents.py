"""Reading: encodings, formats, the origin map, the article, and one clear error for each bad file."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rag.documents import (
    MAX_NAME,
    SUFFIXES,
    Document,
    OriginMap,
    document_from_bytes,
    document_from_text,
    files_in,
    read_document,
)
from rag.errors import DocumentError
from rag.lines import scan_text
from tests.file_makers import assert_spans_hold, make_docx, make_epub, make_pdf

ARTICLE = Path(__file__).parent.parent / "rag" / "data" / "liuzhou.txt"
DATA = Path(__file__).parent / "data"

# The beginning and the end of each true paragraph of the article, and its kind.
PARAGRAPHS = [
    ("headline", "自治区党委常委会在柳州市", "经济社会发展工作"),
    ("headline", "举全区之力支持柳州化解债务 更好", "“经济大市挑大梁”作用"),
    ("headline", "陈刚主持", "陈刚主持"),
    ("body", "6月25日，自治区党委书记陈刚", "中国式现代化广西篇章作出新的更大贡献。"),
    ("body", "会议审议通过了自治区支持柳州市", "各项工作落细落实。"),
    ("body", "会议指出，党中央对柳州发展高度重视", "全年经济社会发展目标任务。"),
    ("body", "会议强调，柳州作为我国西南工业重镇", "获得感、幸福感、安全感。"),
    ("body", "会议强调，柳州的债务问题，看似金融风险", "高质量发展迈出新步伐。"),
    ("body", "区直、中直驻桂有关单位", "等列席会议。"),
    ("byline", "（据广西云客户端报道", "陈贻泽、罗昌亮）"),
    ("headline", "陈刚到柳州市调研强调", "陈刚到柳州市调研强调"),
    ("headline", "做大做强实体经济守牢生态环保底线 厚植", "动力和生态底色"),
    ("body", "6月24日至25日，自治区党委书记", "生态环境保护等进行调研。"),
    ("body", "柳州优必选智能科技有限公司", "努力做大做强做优企业。"),
    ("body", "汽车产业是柳州的主导产业", "为企业高质量发展保驾护航。"),
    ("note", "（下转03版）", "（下转03版）"),
]
JOINS = [
    "“经济大市挑大梁”作用，为奋力",
    "稳妥化解债务风险，真正",
    "传统产业向高端化、",
    "严重违法纪违法案件",
    "场景运用、市场开拓等",
    "陈刚来到飓芯公司",
    "上汽通用五菱汽车公司宝骏基地",
    "联合汽车电子（柳州）有限公司",
]


def paragraph_texts(document: Document) -> list[str]:
    return [document.text[p.start : p.end] for p in document.paragraphs]


def assert_maps_both_ways(document: Document, source: str) -> None:
    """Each character stands in the source, or is the white space put in its stead."""
    for position, char in enumerate(document.text):
        place = document.origin.to_source(position)
        assert char == source[place] or (char in " \t\n" and (source[place].isspace() or source[place] == "|"))
        assert _text_at(document, place) in (char, "\n")


def _text_at(document: Document, source_position: int) -> str | None:
    position = document.origin.to_text(source_position)
    return None if position is None else document.text[position]


@pytest.fixture(scope="module")
def article() -> Document:
    return read_document(ARTICLE)


def test_article_has_its_true_paragraphs(article: Document) -> None:
    texts = paragraph_texts(article)
    assert len(texts) == len(PARAGRAPHS)
    for paragraph, text, (kind, start, end) in zip(article.paragraphs, texts, PARAGRAPHS, strict=True):
        assert paragraph.kind == kind
        assert text.startswith(start)
        assert text.endswith(end)
        assert "\n" not in text
    assert article.text == "\n\n".join(texts)
    assert [p.number for p in article.paragraphs] == list(range(1, 17))


@pytest.mark.parametrize("words", JOINS)
def test_article_is_whole_where_it_was_broken(article: Document, words: str) -> None:
    assert article.text.count(words) == 1


def test_article_file_holds_two_articles(article: Document) -> None:
    first, second = article.articles
    assert (
        first.title == article.title == "自治区党委常委会在柳州市召开扩大会议，专题研究柳州债务化解和经济社会发展工作"
    )
    assert (first.date, first.continued) == ("6月25日", None)
    assert second.title == "陈刚到柳州市调研强调"
    assert (second.date, second.continued) == ("6月24日至25日", "下转03版")
    assert article.article_at(article.text.index("四大定位")) is first
    assert article.article_at(article.text.index("飓芯科技")) is second


def test_every_character_of_the_article_maps_to_its_file_and_back(article: Document) -> None:
    source = ARTICLE.read_bytes().decode(article.encoding)
    assert_maps_both_ways(article, source)
    kept = {article.origin.to_source(position) for position in range(len(article.text))}
    lost = [char for place, char in enumerate(source) if place not in kept]
    assert set(lost) == {"\n"}
    assert article.origin.to_text(source.index("作用，为奋力") - 1) is None


def test_place_in_file_is_what_an_editor_shows(article: Document) -> None:
    assert article.place_in_file(article.text.index("陈刚主持")) == (7, 1)
    assert article.place_in_file(article.text.index("务风险，真正实现")) == (17, 1)
    assert article.place_in_file(article.text.index("风险，真正实现")) == (17, 2)


def test_span_across_a_mended_break_maps_to_all_of_it(article: Document) -> None:
    source = ARTICLE.read_bytes().decode(article.encoding)
    start = article.text.index("联合汽车电子")
    first, last = article.origin.source_span(start, start + 6)
    assert source[first:last] == "联合汽车电\n\n子"


def test_record_survives_json(article: Document) -> None:
    assert Document.from_record(json.loads(json.dumps(article.to_record()))) == article


def test_paragraph_at_finds_the_paragraph(article: Document) -> None:
    assert article.paragraph_at(0).number == 1
    assert article.paragraph_at(article.text.index("四大定位")).number == 4
    assert article.paragraph_at(len(article.text)).number == 16
    with pytest.raises(IndexError, match="No position"):
        article.paragraph_at(len(article.text) + 1)


def test_another_newspaper_is_told_apart_the_same_way() -> None:
    document = document_from_text((DATA / "two_reports.txt").read_text(encoding="utf-8"))
    assert [(a.title, a.date, a.continued) for a in document.articles] == [
        ("海城推进老旧小区改造", "3月8日", None),
        ("河湾大桥通车", "三月九日", "下转第5版"),
    ]
    assert "供水管网改造工程" in document.text
    kinds = [p.kind for p in document.paragraphs]
    assert kinds == ["headline", "headline", "body", "body", "byline", "headline", "headline", "body", "note"]


def test_book_with_chapters_is_one_article() -> None:
    chapter = "天还没有亮，老人就起来了。他点上灯，看了看墙上的钟。\n\n门外的风很大，吹得窗纸哗哗作响。"
    book = "\n\n".join(f"第{number}章 河边\n\n{chapter}" for number in "一二三")
    assert len(document_from_text(book).articles) == 1


# The origin map.

TEXTS = st.text(st.sampled_from("柳州，。“”（abC. \t\u3000-1|\n\r\f\v\u2028\x00\u200b\ufeff\xad"), max_size=120)


@example("”\r\t\x00。")
@example("a\n \x00 \x00b")
@given(TEXTS | st.text(max_size=80))
def test_origin_map_holds_for_every_text_and_line_end(source: str) -> None:
    if not scan_text(source):
        with pytest.raises(DocumentError, match="empty"):
            document_from_text(source)
        return
    document = document_from_text(source)
    assert len(document.origin) == len(document.text)
    previous = -1
    for position, char in enumerate(document.text):
        place = document.origin.to_source(position)
        # Only the two line breaks that stand for a page end may share their place.
        assert place > previous or char == "\n"
        assert char == source[place] or char in " \n"
        assert _text_at(document, place) == char
        previous = place
    covered = "".join(document.text[p.start : p.end] for p in document.paragraphs)
    assert covered.replace("\n", "") == document.text.replace("\n", "")
    assert OriginMap.from_list(document.origin.to_list()) == document.origin
    assert Document.from_record(json.loads(json.dumps(document.to_record()))) == document


@given(TEXTS)
def test_line_ends_do_not_change_the_text(source: str) -> None:
    plain = source.replace("\r", "").replace("\v", "").replace("\u2028", "")
    if scan_text(plain):
        expected = document_from_text(plain).text
        assert document_from_text(plain.replace("\n", "\r\n")).text == expected
        assert document_from_text(plain.replace("\n", "\r")).text == expected


def test_positions_outside_the_text_are_refused() -> None:
    document = document_from_text("一句话。")
    with pytest.raises(IndexError, match="No character at 4"):
        document.origin.to_source(4)
    assert document.origin.to_text(99) is None
    assert document.origin.source_span(4, 4) == (4, 4)


# Encodings.

SIMPLIFIED = "今年以来，全市新开工项目一百二十个，完成投资三十五亿元。"
TRADITIONAL = "今年以來，全市新開工項目一百二十個，完成投資三十五億元。"


@pytest.mark.parametrize(
    ("codec", "text", "reported"),
    [
        ("utf-8", SIMPLIFIED, "utf-8"),
        ("utf-8-sig", SIMPLIFIED, "utf-8-sig"),
        ("gb18030", SIMPLIFIED, "gb18030"),
        ("gbk", SIMPLIFIED, "gb18030"),
        ("gb2312", SIMPLIFIED, "gb18030"),
        ("gb18030", TRADITIONAL, "gb18030"),
        ("big5", TRADITIONAL, "big5"),
        ("utf-16", TRADITIONAL, "utf-16"),
        ("utf-16-le", SIMPLIFIED, "utf-16-le"),
        ("utf-16-be", SIMPLIFIED, "utf-16-be"),
        ("utf-16-le", "Plain English words.", "utf-16-le"),
        ("cp1252", "Un café près de l'église, déjà fermé à cette heure tardive.", "cp1252"),
    ],
)
@pytest.mark.parametrize("copies", [1, 40])
def test_encoding_is_found_and_reported(tmp_path: Path, codec: str, text: str, reported: str, copies: int) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("\n\n".join([text] * copies).encode(codec))
    document = read_document(path)
    assert document.encoding == reported or codec == "cp1252"
    assert document.text == "\n\n".join([text] * copies)
    assert_maps_both_ways(document, path.read_bytes().decode(document.encoding))


@pytest.mark.parametrize("codec", ["gb18030", "big5", "utf-16-le"])
def test_short_texts_are_decoded_too(tmp_path: Path, codec: str) -> None:
    path = tmp_path / "a.txt"
    source = TRADITIONAL if codec == "big5" else SIMPLIFIED
    for start in range(0, len(source) - 8, 4):
        path.write_bytes((source[start : start + 8] + "\n").encode(codec))
        assert read_document(path).text == source[start : start + 8].strip()


# Formats.


def test_markdown_loses_its_marks_and_keeps_its_places() -> None:
    source = (DATA / "sample.md").read_bytes().decode("utf-8")
    document = read_document(DATA / "sample.md")
    assert document.title == "A small guide"
    assert document.text == (DATA / "sample.md.expected").read_text(encoding="utf-8").rstrip("\n")
    assert_maps_both_ways(document, source)
    assert [p.kind for p in document.paragraphs] == [
        "headline", "body", "body", "headline", "list", "list", "list", "code", "table",
    ]  # fmt: skip


def test_html_loses_its_tags_and_keeps_its_places() -> None:
    source = (DATA / "sample.html").read_bytes().decode("utf-8")
    document = read_document(DATA / "sample.html")
    assert document.title == "Tea & water"
    assert document.text == (DATA / "sample.html.expected").read_text(encoding="utf-8").rstrip("\n")
    start = document.text.index("& boil")
    assert source[document.origin.to_source(start) :].startswith("&amp; boil")
    assert document.place_in_file(document.text.index("Green")) == (8, 18)


@pytest.mark.parametrize(
    "source",
    [
        "<p>a",
        "a</p></div>",
        "<<<>>>a",
        "a<!-- never closed",
        "<p a='x>a",
        "&#xZZ; a &#99999999; &",
        "<![CDATA[a]]> b",
        "<td>a",
    ],
)
def test_broken_html_never_raises_anything_but_emptiness(tmp_path: Path, source: str) -> None:
    path = tmp_path / "a.html"
    path.write_text(source, encoding="utf-8")
    with contextlib.suppress(DocumentError):  # nothing may be left of it
        assert read_document(path).text


@example("<![1")
@example("前<![1 x]>后")
@given(st.text(st.sampled_from("<>/&;#apbrtdhli1! \n\r\t\"'=柳-[]"), max_size=60))
def test_any_html_and_markdown_maps_to_its_source(source: str) -> None:
    from rag.documents import _make_document
    from rag.extracts import Extract
    from rag.markup import scan_html, scan_markdown, scan_page

    for scan in (scan_html, scan_markdown, scan_page):
        lines, title = scan(source)
        if lines:
            document = _make_document(Extract(source, lines, "utf-8", title), "a", "a", "")
            for position, char in enumerate(document.text):
                place = document.origin.to_source(position)
                assert 0 <= place < max(1, len(source))
                assert char == source[place] or char in " \n\t" or source[place] == "&"


def test_charset_named_in_html_is_honoured(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    path.write_bytes('<meta charset="gbk"><p>柳</p>'.encode("gbk"))
    assert (read_document(path).text, read_document(path).encoding) == ("柳", "gb18030")


# Errors.


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.txt", b"", "is empty"),
        ("a.txt", b" \n\t\n", "is empty"),
        ("a.txt", "\u3000\u200b\n".encode(), "holds no text"),
        ("a.html", b"<p></p>", "holds no text"),
        ("a.txt", b"%PDF-1.7 ...", "looks like a PDF"),
        ("a.bin", b"PK\x03\x04....", "Office document"),
        ("a.png", b"\x89PNG\r\n", "PNG image"),
        ("a.bin", bytes(range(256)) * 8, "binary file"),
        ("a.txt", b"\xef\xbb\xbf\xff\xfe", "not valid utf-8-sig"),
    ],
)
def test_file_that_is_no_text_gives_one_clear_error(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(DocumentError, match=message) as caught:
        read_document(path)
    assert str(path) in str(caught.value)


def test_missing_file_and_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="does not exist"):
        read_document(tmp_path / "none.txt")
    with pytest.raises(DocumentError, match="is a folder"):
        read_document(tmp_path)


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(5, "Input/output error")])
def test_unreadable_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError) -> None:
    path = tmp_path / "a.txt"
    path.write_text("一句话。", encoding="utf-8")

    def fail(_: Path) -> bytes:
        raise error

    monkeypatch.setattr(Path, "read_bytes", fail)
    with pytest.raises(DocumentError, match=r"permission denied|Input/output error"):
        read_document(path)


def test_too_large_file_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.documents.MAX_BYTES", 3 << 20)
    monkeypatch.setattr(Path, "read_bytes", lambda _: pytest.fail("It was read."))
    path = tmp_path / "a.txt"
    path.write_bytes(b"x" * ((3 << 20) + 1))
    with pytest.raises(DocumentError, match="is larger than 3 MB, the most that is read"):
        read_document(path)


def test_unknown_suffix_is_read_as_plain_text(tmp_path: Path) -> None:
    path = tmp_path / "notes.log"
    path.write_text("# 一句话。", encoding="utf-8")
    assert read_document(path).text == "# 一句话。"
    assert ".txt" in SUFFIXES


def test_id_follows_the_path_and_digest_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("第一稿。", encoding="utf-8")
    first = read_document(path)
    path.write_text("第二稿。", encoding="utf-8")
    second = read_document(path)
    assert first.id == second.id
    assert first.digest != second.digest
    assert len(first.id) == 12
    assert second.title == "a"
    assert document_from_text("短文。").title == "短文。"


def test_a_pipe_or_a_device_is_one_clear_error(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(DocumentError, match="device or a pipe"):
        read_document(tmp_path / "pipe.txt")


def test_a_name_that_is_not_utf8_is_kept_in_a_form_that_is(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.txt"))
    path.write_text("柳州在广西。", encoding="utf-8")
    assert read_document(path).source.encode("utf-8").endswith(b"\\xff.txt")


def test_paragraphs_after_a_list_with_open_items_are_no_list(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("<ul><li>一<li>二</ul><p>正文第一句。</p>", encoding="utf-8")
    kinds = [paragraph.kind for paragraph in read_document(tmp_path / "a.html").paragraphs]
    assert kinds == ["list", "list", "body"]


# Uploads.


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Whole files by their suffix."""
    folder = tmp_path_factory.mktemp("files")
    text = ["柳州工作汇报", "今年以来，全市新开工项目一百二十个，完成投资三十五亿元。"]
    paths = [
        make_docx(folder / "a.docx", [("Title", text[0]), text[1]]),
        make_pdf(folder / "a.pdf", [["# " + text[0], text[1]]]),
        make_epub(folder / "a.epub", [f"<h1>{text[0]}</h1><p>{text[1]}</p>"]),
    ]
    return {path.suffix: path.read_bytes() for path in paths} | {
        ".html": f"<!DOCTYPE html><h1>{text[0]}</h1><p>{text[1]}</p>".encode(),
        ".txt": "\n\n".join(text).encode(),
        ".md": f"# {text[0]}\n\n{text[1]}".encode(),
    }


@pytest.mark.parametrize("suffix", [".docx", ".pdf", ".epub", ".html", ".txt", ".md"])
def test_every_format_gives_the_same_text(files: dict[str, bytes], suffix: str) -> None:
    document = document_from_bytes(files[suffix], f"柳州{suffix.upper()}")
    assert document.text == "柳州工作汇报\n\n今年以来，全市新开工项目一百二十个，完成投资三十五亿元。"
    assert (document.source, document.title) == (
        f"柳州{suffix.upper()}",
        "柳州工作汇报" if suffix != ".txt" else document.title,
    )
    assert document.has_lines is (suffix in (".html", ".txt", ".md"))
    assert_spans_hold(document, is_markup=suffix in (".html", ".md"))


@pytest.mark.parametrize("suffix", [".docx", ".pdf", ".epub", ".html", ".txt"])
def test_a_file_without_a_suffix_is_known_by_how_it_begins(files: dict[str, bytes], suffix: str) -> None:
    assert document_from_bytes(files[suffix], "upload").text.startswith("柳州工作汇报\n\n今年以来")


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("a.txt", "a.txt"),
        ("../../etc/passwd.txt", "passwd.txt"),
        ("C:\\Users\\me\\a.txt", "a.txt"),
        ("a\x00\n\u202eb.txt", "ab.txt"),
        ("", "file"),
        ("..", "file"),
        ("文" * 500 + ".txt", "文" * (MAX_NAME - 4) + ".txt"),
        ("a'b%22<i>%0D%0A%41 100%.txt", "a'b\"<i>%41 100%.txt"),  # as browsers spell them in forms
    ],
)
def test_an_upload_keeps_its_bare_name(name: str, source: str) -> None:
    document = document_from_bytes("一句话。".encode(), name)
    assert (document.source, document.text) == (source, "一句话。")
    assert document.id == document_from_bytes("另一句。".encode(), source).id


def test_an_upload_that_is_too_large_or_empty_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DocumentError, match=r"a\.pdf is empty"):
        document_from_bytes(b" ", "a.pdf")
    monkeypatch.setattr("rag.documents.MAX_BYTES", 3 << 20)
    assert document_from_bytes(b"x" * (3 << 20), "a.txt")
    with pytest.raises(DocumentError, match="is larger than 3 MB") as caught:
        document_from_bytes(b"x" * ((3 << 20) + 1), "a.txt")
    assert caught.value.said("zh") == "a.txt 超过 3 MB，无法读取。请拆成几份再添加。"


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.doc", b"\xd0\xcf\x11\xe0\xa1\xb1", "Save it as .docx"),
        ("a.wps", b"\xd0\xcf\x11\xe0\xa1\xb1", "Save it as .docx"),
        ("a.rtf", b"{\\rtf1 text}", "Save it as .docx"),
        ("a.xlsx", b"PK\x03\x04\0\0", "as .csv"),
        ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1", "as .csv"),
        ("a.pptx", b"PK\x03\x04\0\0", "Save it as .pdf"),
        ("a.mobi", b"BOOKMOBI\0\0", "Convert it to .epub"),
        ("a.caj", b"HN\0\0\0", "Save it as .pdf"),
        ("a.zip", b"PK\x03\x04\0\0", "Unpack it"),
        ("a.jpg", b"\xff\xd8\xff\xe0", "Run OCR"),
        ("a.txt", b"%PDF-1.7", "Give it the suffix .pdf"),
    ],
)
def test_a_format_that_cannot_be_read_says_what_to_save_it_as(name: str, data: bytes, message: str) -> None:
    with pytest.raises(DocumentError, match=message) as caught:
        document_from_bytes(data, name)
    assert name in str(caught.value)
    assert caught.value.said("zh").startswith(name)


@pytest.mark.parametrize(
    ("name", "data", "begin"),
    [
        ("photo.png", b"\x89PNG\r\n", "photo.png 看起来是 PNG 图片，"),
        ("a.bin", b"SQLite format 3\0", "a.bin 看起来是 SQLite 数据库，"),
        ("a.xls", b"HN\0\0\0", "a.xls 看起来是 .xls 文件，"),
        ("a.bin", b"\x7fELF", "a.bin 看起来是程序，"),
    ],
)
def test_latin_words_stand_apart_in_a_chinese_message(name: str, data: bytes, begin: str) -> None:
    with pytest.raises(DocumentError) as caught:
        document_from_bytes(data, name)
    assert caught.value.said("zh").startswith(begin)


def test_a_doc_that_is_plain_text_is_read_as_such() -> None:
    assert document_from_bytes("一句话。".encode(), "a.doc").text == "一句话。"


@given(data=st.binary(max_size=200), suffix=st.sampled_from((*SUFFIXES, "", ".doc", ".bin")), magic=st.booleans())
def test_any_bytes_are_read_or_refused(data: bytes, suffix: str, magic: bool) -> None:
    begin = {".pdf": b"%PDF-1.4\n", ".docx": b"PK\x03\x04", ".epub": b"PK\x03\x04", ".csv": b'a,"b'}.get(suffix, b"")
    _read_or_refuse(begin * magic + data, f"a{suffix}")


@given(
    suffix=st.sampled_from((".docx", ".pdf", ".epub")),
    changes=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=4)), min_size=1, max_size=6),
    cut=st.floats(0, 1),
)
@settings(deadline=None, max_examples=60)
def test_a_file_that_was_damaged_anywhere_is_read_or_refused(
    files: dict[str, bytes], suffix: str, changes: list[tuple[float, bytes]], cut: float
) -> None:
    data = bytearray(files[suffix])
    for place, content in changes:
        at = int(place * (len(data) - len(content)))
        data[at : at + len(content)] = content
    for kept in (bytes(data), bytes(data[: int(cut * len(data))])):
        _read_or_refuse(kept, f"a{suffix}")


def _read_or_refuse(data: bytes, name: str) -> None:
    """Nothing but a DocumentError that speaks Chinese, too, comes out of reading."""
    try:
        document = document_from_bytes(data, name)
    except DocumentError as error:
        refused = error
    else:
        assert_spans_hold(document, is_markup=name.endswith(("html", "htm", "md", "markdown")))
        return
    assert refused.chinese


def test_what_was_read_is_kept_beside_the_document_but_not_in_its_record() -> None:
    document = document_from_text("一\r\n\r\n二。")
    assert document.file_text == "一\r\n\r\n二。"
    record = document.to_record()
    assert "file_text" not in record
    del record["pages"]  # of before there were any
    kept = Document.from_record(record)
    assert kept == document
    assert (kept.file_text, kept.pages, kept.page_at(0)) == ("", (), None)


def test_page_of_a_position_outside_of_the_text_is_refused(files: dict[str, bytes]) -> None:
    document = document_from_bytes(files[".pdf"], "a.pdf")
    assert document.page_at(len(document.text)) == 1
    with pytest.raises(IndexError, match="No position"):
        document.page_at(len(document.text) + 1)


def test_a_folder_without_a_readable_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.exe").write_bytes(b"MZ")
    with pytest.raises(DocumentError, match="holds no file that can be read"):
        files_in(tmp_path)
    (tmp_path / "A.PDF").write_bytes(b"")
    assert files_in(tmp_path) == [tmp_path / "A.PDF"]


def test_reading_a_text_loads_no_library_of_another_format() -> None:
    program = (
        "import sys; from rag.documents import document_from_bytes as read; read(b'a b c', 'a.txt');"
        "print([name for name in ('pypdfium2', 'mammoth', 'defusedxml', 'httpx2', 'csv') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
