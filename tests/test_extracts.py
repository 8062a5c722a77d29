"""What readers of formats hand on: markup laid out as plain text, with every line at its place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.documents import _make_document
from rag.errors import DocumentError
from rag.extracts import Extract, lay_out
from rag.markup import scan_html
from tests.file_makers import assert_spans_hold


def test_lines_stand_in_the_text_as_they_were_scanned() -> None:
    source = (
        "<h1>茶 &amp; 水</h1><p>煮水。</p><ul><li>绿茶<li>红茶</ul><table><tr><td>甲<td>乙</table><pre>a\n\n  b</pre>"
    )
    text, lines = lay_out(scan_html(source)[0], "a.epub")
    assert text == "茶 & 水\n\n煮水。\n\n绿茶\n红茶\n\n甲\t乙\n\na\n\n  b"
    for line in lines:
        ((words, place),) = line.pieces
        assert text[place : place + len(words)] == line.text
        assert all(text[at] == "\n" for at in line.breaks) or line is lines[0]
    assert [(line.kind, line.level) for line in lines[:3]] == [("headline", 1), (None, 0), ("list", 0)]


def test_a_text_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.extracts.MAX_CHARACTERS", 10)
    lines, _ = scan_html("<p>十二个字符的一个段落。</p>")
    with pytest.raises(DocumentError, match="a.epub holds more than 10 characters") as caught:
        lay_out(lines, "a.epub")
    assert "超过 10 个字符" in caught.value.said("zh")


PARTS = [
    "<p>",
    "</p>",
    "<h2>",
    "</h2>",
    "<li>",
    "<ul>",
    "</ul>",
    "<td>",
    "<tr>",
    "<table>",
    "</table>",
    "<pre>",
    "</pre>",
    "<br>",
]


@given(st.lists(st.sampled_from([*PARTS, "柳州，", "a b", " ", "\n", "\t", "&amp;", "\u200b", "1. 一"]), max_size=30))
def test_every_document_made_of_markup_keeps_its_spans(parts: list[str]) -> None:
    text, lines = lay_out(scan_html("".join(parts))[0], "a.docx")
    if lines:
        assert_spans_hold(_make_document(Extract(text, lines, "docx"), "a", "a", ""))
