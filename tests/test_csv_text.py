"""Tables of comma-separated values: each row says its columns' names, on the line where it stands."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.csv_text import read_csv
from rag.documents import read_document
from rag.errors import DocumentError
from tests.file_makers import assert_spans_hold, kinds_and_texts, make_csv

STAFF = [["姓名", "职务", "备注"], ["张三", "厂长", "第一行\n第二行"], ["李四", "", "在柳州，住了 3 年"]]


def test_each_row_names_its_columns(tmp_path: Path) -> None:
    document = read_document(make_csv(tmp_path / "人员.csv", STAFF, encoding="gb18030"))
    assert kinds_and_texts(document) == [
        ("table", "姓名；职务；备注"),
        ("table", "姓名：张三；职务：厂长；备注：第一行第二行"),
        ("table", "姓名：李四；备注：在柳州，住了 3 年"),
    ]
    assert (document.title, document.encoding, document.has_lines) == ("人员", "gb18030", True)
    assert_spans_hold(document)


def test_lines_are_those_of_the_file(tmp_path: Path) -> None:
    path = make_csv(tmp_path / "a.csv", STAFF)
    document = read_document(path)
    line = next(at for at, row in enumerate(path.read_text(encoding="utf-8").split("\n"), 1) if row.startswith("李四"))
    assert line == 4  # the row above takes two
    assert document.place_in_file(document.text.index("姓名：李四")) == (line, 1)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(tmp_path: Path, delimiter: str) -> None:
    rows = [["name", "city"], ["Ann, the first", "Bonn; then Köln"], ["Bob", "Ulm | Neu-Ulm"]]
    document = read_document(make_csv(tmp_path / "a.csv", rows, delimiter=delimiter))
    assert kinds_and_texts(document)[1] == ("table", "name: Ann, the first; city: Bonn; then Köln")


@pytest.mark.parametrize(
    "rows",
    [
        [["张三", "35"], ["李四", "41"]],
        [["甲", "甲"], ["乙", "丙"]],
        [["甲", "是"], ["乙", "是"]],
        [["只有一行", "没有数据"]],
    ],
)
def test_rows_without_a_header_are_left_as_they_are(tmp_path: Path, rows: list[list[str]]) -> None:
    document = read_document(make_csv(tmp_path / "a.csv", rows))
    assert document.text == "\n\n".join("；".join(row) for row in rows)


def test_a_quotation_mark_that_is_never_closed_is_a_letter() -> None:
    text = read_csv('名称,尺寸\n屏幕,"14\n键盘,10'.encode(), "a.csv").text
    assert text == '名称；尺寸\n名称：屏幕；尺寸："14\n名称：键盘；尺寸：10'


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b",,\n,,\n", "no rows"),
        (b"\0\0\0,\0\n" * 9, "binary file"),
        (b"a,b\n" * 3000 + b"\0", "zero bytes"),
        (b"PK\x03\x04", "zip archive"),
        (b"x" * 200_000, "no table"),
    ],
)
def test_what_is_no_table_is_one_clear_error(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "a.csv").write_bytes(data)
    with pytest.raises(DocumentError, match=message) as caught:
        read_document(tmp_path / "a.csv")
    assert caught.value.chinese


def test_a_table_that_says_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.csv_text.MAX_CHARACTERS", 10)
    with pytest.raises(DocumentError, match="characters of text"):
        read_csv("列甲,列乙\n一,二\n三,四\n".encode(), "a.csv")


@given(st.lists(st.lists(st.text(st.sampled_from('柳州ab,;"\n\r\t 1\u200b\x0b'), max_size=6), max_size=4), max_size=5))
def test_any_table_keeps_its_values_and_its_spans(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]
) -> None:
    path = make_csv(tmp_path_factory.mktemp("csv") / "a.csv", rows)
    try:
        document = read_document(path)
    except DocumentError:
        return
    assert_spans_hold(document)
