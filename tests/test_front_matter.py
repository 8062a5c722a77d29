"""Front matter of Markdown: read as what it tells about the text, and no part of it."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rag.documents import document_from_bytes
from rag.front_matter import FrontMatter, read_front_matter
from tests.file_makers import assert_spans_hold

BODY = "员工每年有十五天年假，须提前两周申请。"


def read(text: str):
    document = document_from_bytes(text.encode(), "手册.md")
    assert_spans_hold(document, is_markup=True)
    return document


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_title_and_day_are_told_and_no_text(line_end: str) -> None:
    source = f"---\ntitle: 员工手册\ndate: 2025-03-12\ntags:\n  - 人事\n---\n\n{BODY}\n\n## 请假\n\n{BODY}\n"
    document = read(source.replace("\n", line_end))
    assert (document.title, document.text) == ("员工手册", f"{BODY}\n\n请假\n\n{BODY}")
    assert document.articles[0].date == "2025-03-12"
    assert document.place_in_file(0) == (8, 1)


@pytest.mark.parametrize(
    ("lines", "title", "date"),
    [
        ('title: "员工手册：试行" # 草稿\ndate: 2025-03-12T10:00:00+08:00', "员工手册：试行", "2025-03-12"),
        ("title: 'It''s done'\npublished: June 4, 2025", "It's done", "June 4, 2025"),
        ('title: "a \\"b\\""\n', 'a "b"', None),
        ("title: >-\n  员工手册\n  第二版\ndate:", "员工手册", None),
        ("标题：员工手册\n日期：2025年3月12日", "员工手册", "2025年3月12日"),
        ("# comment\nTitle: 员工手册\n\nauthor: 张三", "员工手册", None),
        ("layout: post\ndate: soon", "手册", None),
        ("title: [a, b]\ndate: {x: 1}", "手册", None),
        ("title: 员工手册\ntitle: 另一个", "员工手册", None),
    ],
)
def test_values_are_read_as_they_are_meant_and_odd_ones_passed_over(lines: str, title: str, date: str | None) -> None:
    document = read(f"---\n{lines}\n---\n{BODY}")
    assert (document.title, document.articles[0].date, document.text) == (title, date, BODY)


def test_other_marks_around_it() -> None:
    assert read(f'+++\ntitle = "员工手册"\ndate = 2025-03-12\n[extra]\na = 1\n+++\n{BODY}').title == "员工手册"
    assert read(f"\ufeff---\ntitle: 员工手册\n...\n{BODY}").text == BODY


@pytest.mark.parametrize(
    "source",
    [
        f"---\n\n{BODY}\n\n---\n\n完。",
        f"---\n{BODY}\n---\n完。",
        f"---\n\ntitle: 员工手册\n\n---\n{BODY}",
        f"---\ntitle: 员工手册\n\n{BODY}",
        f"{BODY}\n\n---\ntitle: 员工手册\n---\n完。",
        "---\ntitle: 员工手册\n---\n",
        "---\n---\n完。",
        "---",
        "",
    ],
)
def test_what_only_looks_like_it_stays_text(source: str) -> None:
    assert read_front_matter(source) == FrontMatter()
    if "完" in source or BODY in source:
        assert "".join(source.replace("-", "").split()) == "".join(read(source).text.replace("-", "").split())


def test_a_heading_is_the_title_where_the_front_matter_has_none() -> None:
    assert read(f"---\nlayout: post\n---\n# 请假办法\n\n{BODY}").title == "请假办法"


@example("---\na: b\n---\n\x00")
@given(st.text(st.sampled_from("-+.\n\r:：= #ab题|>'\"[]"), max_size=60))
def test_any_text_has_a_beginning_within_it(source: str) -> None:
    for text in (source, f"---\n{source}", f"---\ntitle: {source}\n---\n字"):
        matter = read_front_matter(text)
        assert 0 <= matter.end < max(1, len(text))
