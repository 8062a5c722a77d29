"""Markup: what of a web page is its text, cells of tables, readings, and time that grows with length alone."""

import time

import pytest

from rag.lines import Line
from rag.markup import scan_html, scan_markdown, scan_page


def texts(lines: tuple[list[Line], str]) -> list[str]:
    return [line.text for line in lines[0]]


STORY = "<p>河湾大桥三月九日建成通车，全长一千二百米。</p><p>大桥连接两岸，车程缩短半小时。</p>"
STORY_TEXTS = ["河湾大桥三月九日建成通车，全长一千二百米。", "大桥连接两岸，车程缩短半小时。"]


@pytest.mark.parametrize(
    "around",
    [
        "<nav><a>首页</a></nav>",
        "<header><div>海城日报</div></header>",
        "<footer>版权所有</footer>",
        "<aside><p>热门文章很多。</p></aside>",
        '<div role="navigation"><div>首页</div><div>新闻</div></div>',
        '<div role="banner">海城</div>',
        "<div hidden>看不见的字。</div>",
        '<div style="display: none">看不见的字。</div>',
        '<div class="site-footer wide">版权所有。</div>',
        '<div id="mainNav"></div><ul id="left_menu"><li>新闻</li></ul>',
        '<div aria-hidden="true"><div>一</div>二</div>',
        "<dialog>请接受。</dialog>",
        "<script>var a = '<p>字</p>'</script><style>p{}</style><noscript>请打开脚本。</noscript>",
        "<ul><li><a href=1>一则新闻</a></li><li><a href=2>又一则</a></li><li><a href=3>第三则</a></li></ul>",
        "<nav><nav>一</nav></nav>",
    ],
)
def test_what_stands_around_the_text_of_a_page_is_left_out(around: str) -> None:
    for page in (around + STORY, STORY + around, f"<main>{STORY}</main>{around}"):
        assert texts(scan_page(f"<body>{page}</body>")) == STORY_TEXTS


def test_the_header_of_an_article_is_its_headline() -> None:
    page = f"<header>站名</header><article><header><h1>大桥通车</h1></header>{STORY}<footer>分享</footer></article>"
    lines, title = scan_page(f"<title>大桥通车_海城日报</title>{page}")
    assert [line.text for line in lines] == ["大桥通车", *STORY_TEXTS]
    assert title == "大桥通车"


def test_a_title_that_is_not_the_headline_stays() -> None:
    assert scan_page(f"<title>海城要闻</title><h1>大桥通车</h1>{STORY}")[1] == "海城要闻"


def test_links_within_the_text_and_few_of_them_stay() -> None:
    page = f"{STORY}<p>见<a>上一篇</a>。</p><p><a>来源</a></p><p><a>作者</a></p>"
    assert texts(scan_page(page)) == [*STORY_TEXTS, "见上一篇。", "来源", "作者"]


def test_a_page_that_hides_all_of_its_text_is_taken_whole() -> None:
    assert texts(scan_page(f"<aside>{STORY}</aside><p>完</p>")) == [*STORY_TEXTS, "完"]


@pytest.mark.parametrize("name", ["has-sidebar", "with_footer", "footer-less", "menus-of-the-day", "navel"])
def test_names_that_only_sound_like_it_keep_the_text(name: str) -> None:
    assert texts(scan_page(f'<div class="{name}">{STORY}</div><p>{STORY_TEXTS[0] * 9}</p>'))[:2] == STORY_TEXTS


def test_an_element_around_the_text_that_is_never_closed_takes_nothing_with_it() -> None:
    assert texts(scan_page(f"<footer>{STORY}")) == STORY_TEXTS


def test_cells_with_paragraphs_stay_in_their_row() -> None:
    row = "<tr><td><p>张三</p></td><td><div>厂长</div></td></tr>"
    lines, _ = scan_html(f"<table>{row}<tr><td><p>李四</p><p>（兼）</p></td><td>工人</td></tr></table><p>完。</p>")
    assert [(line.kind, line.text) for line in lines] == [
        ("table", "张三\t厂长"),
        ("table", "李四"),
        ("table", "（兼）\t工人"),
        (None, "完。"),
    ]


@pytest.mark.parametrize("ruby", ["<rt>liǔ</rt>", "<rp>(</rp><rt>liǔ</rt><rp>)</rp>", "<rt>liǔ", "<rp>(<rt>liǔ<rp>)"])
def test_how_a_character_is_pronounced_is_left_out(ruby: str) -> None:
    assert texts(scan_html(f"<p><ruby>柳{ruby}</ruby>州在广西。</p><p>完。</p>")) == ["柳州在广西。", "完。"]
    assert texts(scan_html(f"<p><ruby>柳{ruby}<p>完。</p>"))[-1] == "完。"


@pytest.mark.parametrize(
    "piece",
    [
        "<!--a",
        "<a ",
        '<a x="',
        "<![CDATA[",
        "<?",
        "<!a",
        "</",
        "&#x",
        "<nav>",
        "<div>",
        "<ul>a",
        "<td><ul>",
        "<script></x",
        "<title>a",
    ],
)
def test_time_grows_with_length_alone(piece: str) -> None:
    begun = time.process_time()
    scan_html(piece * 20_000)
    scan_page(piece * 20_000)
    assert time.process_time() - begun < 5


@pytest.mark.parametrize("piece", ["字a\n", "- 一\n", "| 一 | 二 |\n"])
def test_what_stands_far_before_a_place_costs_no_time(piece: str) -> None:
    rule = "| 甲 | 乙 |\n|---|---|\n" * piece.startswith("|")
    begun = time.process_time()
    scan_markdown(f"    {'字' * 5_000_000}\n\n{rule}{piece * 3000}")
    assert time.process_time() - begun < 2


def test_marks_without_an_end_are_text_as_they_are() -> None:
    source = "<p>甲 &# 乙 <!-- 丙</p><p>丁 <b"
    assert texts(scan_html(source)) == ["甲 &# 乙 <!-- 丙", "丁 <b"]


@pytest.mark.parametrize(
    "mark",
    [
        '<sup><a href="#fn1">1</a></sup>',
        '<sup class="reference" id="r"><a href="notes.xhtml#n1">[1]</a></sup>',
        "<sup><span><a id=a href=#n>注1</a></span></sup>",
    ],
)
def test_the_mark_of_a_note_does_not_become_part_of_a_number(mark: str) -> None:
    assert texts(scan_html(f"<p>增长12{mark}，比去年快。</p>")) == ["增长12，比去年快。"]


def test_other_raised_characters_stay() -> None:
    source = '<p>面积5 km<sup>2</sup>，见<sup><a href="https://example.org/a">甲</a></sup>。<sup>未关闭</p><p>完。</p>'
    assert texts(scan_html(source)) == ["面积5 km2，见甲。未关闭", "完。"]
    assert texts(scan_html('<p>一<sup><a href="#n">1</p><p>完。</p>')) == ["一", "完。"]


def table(source: str) -> list[tuple[str | None, int, str]]:
    """Return kind, blank lines before and text of each line, and see that each character stands where it says."""
    lines, _ = scan_markdown(source)
    for line in lines:
        assert "".join(text for text, _ in line.pieces) == line.text
        for text, place in line.pieces:
            assert text in (source[place : place + len(text)], "\t")
    return [(line.kind, line.blanks, line.text) for line in lines]


@pytest.mark.parametrize(
    "rows",
    [
        "| 班 | 人数 |\n| --- | :---: |\n| 一班 | **187** |\n| [二班](b.html) | `186` |",
        "班 | 人数\n-|-\n一班 | 187\n[二班](b.html) | 186",
        "|班|人数|\r\n|---|---|\r\n|一班|*187*|\r\n|二班|186",
    ],
)
def test_a_table_of_markdown_has_its_cells_and_neither_bars_nor_rule(rows: str) -> None:
    expected = [("table", 0, "班\t人数"), ("table", 0, "一班\t187"), ("table", 0, "二班\t186")]
    assert table(rows) == expected
    assert table(f"名单：\n\n{rows}\n\n完。")[1:-1] == [("table", 1, "班\t人数"), *expected[1:]]
    quoted = "\n".join(f"> {row}" for row in rows.splitlines())
    assert table(quoted) == expected
    item = "- " + rows.replace("\r\n", "\n").replace("\n", "\n  ")
    assert table(item) == expected


def test_odd_rows_of_a_table_keep_what_they_say() -> None:
    rows = "| 甲 | 乙 |\n|---|---|\n| 一 |\n| | 二 |\n| 一 | | 三 |\n| a \\| b | 4 |\n|||\n| <b>粗</b> | &amp; |"
    said = ["甲\t乙", "一", "二", "一\t\t三", "a \\| b\t4", "粗\t&"]
    assert [text for _, _, text in table(rows)] == said
