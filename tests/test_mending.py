"""Paragraph repair: what layout broke comes back, and what is well formed stays."""

import random
from pathlib import Path

import pytest

from rag.documents import document_from_text
from rag.layout import read_layout
from rag.lines import scan_text, text_width
from tests.breaking import STYLES, break_text, mended_paragraphs, restored, wrap

DATA = Path(__file__).parent / "data"
CHINESE = (DATA / "good_zh.txt").read_text(encoding="utf-8").strip().split("\n\n")
ENGLISH = (DATA / "good_en.txt").read_text(encoding="utf-8").strip().split("\n\n")


def share_restored(paragraphs: list[str], style: str, rounds: int = 25) -> float:
    rng = random.Random(7)
    back = total = 0
    for _ in range(rounds):
        chosen = rng.sample(paragraphs, 5)
        back += restored(chosen, break_text(chosen, style, rng))
        total += len(chosen)
    return back / total


@pytest.mark.parametrize("style", STYLES)
def test_chinese_comes_back_from_every_style_of_damage(style: str) -> None:
    assert share_restored(CHINESE, style) >= (0.9 if style != "anywhere" else 0.93)


@pytest.mark.parametrize("style", STYLES)
def test_english_comes_back_from_every_style_of_damage(style: str) -> None:
    assert share_restored(ENGLISH, style) >= 0.93


@pytest.mark.parametrize("paragraphs", [CHINESE, ENGLISH], ids=["zh", "en"])
@pytest.mark.parametrize("gap", ["\n\n", "\n"])
def test_undamaged_text_stays(paragraphs: list[str], gap: str) -> None:
    text = gap.join(paragraphs)
    assert document_from_text(text).text == text


WELL_FORMED = {
    "five characters a line": "静夜思\n\n床前明月光，\n疑是地上霜。\n举头望明月，\n低头思故乡。",
    "five characters without marks": "春晓\n孟浩然\n\n春眠不觉晓\n处处闻啼鸟\n夜来风雨声\n花落知多少",
    "seven characters": "朝辞白帝彩云间，\n千里江陵一日还。\n两岸猿声啼不住，\n轻舟已过万重山。",
    "two clauses a line": (
        "国破山河在，城春草木深。\n感时花溅泪，恨别鸟惊心。\n烽火连三月，家书抵万金。\n白头搔更短，浑欲不胜簪。"
    ),
    "seven without marks": "故人西辞黄鹤楼\n烟花三月下扬州\n孤帆远影碧空尽\n唯见长江天际流",
    "modern poem": (
        "我在窗前\n种下一盏灯\n\n等它长出叶子\n等风把它翻成一页一页的\n夜\n\n那时你会从远处走来\n带着雨的名字"
    ),
    "english poem": (
        "The lamp is low, the night is long,\nThe wind has lost its way;\n"
        "I hear it hum a broken song\nAnd wait beside the day.\n\n"
        "It asks me for a name, a door,\nA window or a hand;\n"
        "I tell it what it knew before,\n"
        "That none of us will stand."
    ),
    "english poem without marks": (
        "A road goes down to the water\nAnd nobody walks there now\n"
        "The gulls have taken the houses\nThe grass has taken the plough"
    ),
    "dashes": "- 青菜\n- 萝卜\n- 豆腐",
    "numbers": "1. Fill the kettle\n2. Wait until it boils\n3. Pour slowly",
    "chinese numbers": "一、提高认识\n二、加强领导\n三、狠抓落实",
    "items that are sentences": (
        "（一）坚持统筹规划、分步实施，优先解决群众反映强烈的突出问题；\n"
        "（二）坚持因地制宜、分类指导，不搞一刀切；\n（三）坚持公开透明。"
    ),
    "nested list": "- fruit\n  - apples\n  - pears\n- bread",
    "bars": "| 城市 | 人口 |\n| --- | --- |\n| 甲市 | 120万 |\n| 乙市 | 80万 |",
    "tabs": "name\tage\tcity\nAnn\t31\tLeeds\nBob\t28\tYork",
    "columns": "item        price   left\ntea         4.50    12\ncoffee      6.00    3",
    "code": "def add(a, b):\n    total = a + b\n    return total\n\nprint(add(1, 2))",
    "dialogue": "“你去哪儿？”\n“去河边。”\n“这么晚了？”\n“月亮正好。”",
    "english dialogue": '"Where are you going?"\n"To the river."\n"So late?"\n"The moon is up."',
    "headlines": "全市教育工作会议召开\n\n张明主持\n\n会议听取了有关情况汇报，"
    "研究部署下一步工作。会议强调，要加强统筹。",
    "markdown": "# Title\n\nSome words with **weight** in them, long enough to be a paragraph of their own.\n\n"
    "- one\n- two",
    "english letter": "Dear Tom,\n\nthank you for the books. I have read two of them already.\n\nYours,\nAnn",
    "statute": "第一条 为了规范管理，制定本办法。\n第二条 适用于下列单位：\n（一）机关；\n（二）社会团体。",
    "demands": (
        "会议提出以下要求：\n\n一是加强领导，明确责任，确保各项任务按时完成；\n\n二是加强宣传，营造良好的社会氛围。"
    ),
    "letter": "尊敬的王老师：\n\n您好！来信已经收到，非常感谢您的关心和帮助。\n\n"
    "此致\n\n敬礼\n\n学生 李华\n\n2024年5月3日",
}


@pytest.mark.parametrize("name", WELL_FORMED)
def test_well_formed_text_stays_as_it_is(name: str) -> None:
    assert document_from_text(WELL_FORMED[name]).text == WELL_FORMED[name]


def test_words_broken_by_blank_lines_are_joined() -> None:
    broken = "该公司是一家生产芯片的高新技术企业，创始团队来自多所大学。"
    broken += "记者走进联合汽车电\n\n子有限公司，看到工人正在忙碌。"
    assert mended_paragraphs(broken) == [broken.replace("\n", "")]


def test_short_beginning_of_a_sentence_is_joined_but_a_headline_is_not() -> None:
    broken = "会议审议通过了防范化解债\n\n务风险实施方案，要求有关部门按照职责分工，主动担当作为，狠抓工作落实。"
    assert mended_paragraphs(broken) == [broken.replace("\n", "")]
    apart = "我市防范化解债务风险\n\n会议审议通过了实施方案，要求有关部门按照职责分工，主动担当作为，狠抓工作落实。"
    assert mended_paragraphs(apart) == apart.split("\n\n")


def test_page_number_inside_a_sentence_is_left_out_and_elsewhere_stays() -> None:
    inside = "工程队克服了汛期水位高、河床地质复杂等困难，比原计划提前四十天完成，\n\n— 3 —\n\n并通过了验收。"
    assert mended_paragraphs(inside) == [
        "工程队克服了汛期水位高、河床地质复杂等困难，比原计划提前四十天完成，并通过了验收。"
    ]
    after = "工程队比原计划提前四十天完成了主体结构施工。\n\n— 3 —\n\n工程通过了验收。"
    assert mended_paragraphs(after) == after.split("\n\n")


def test_form_feed_inside_a_sentence_is_mended() -> None:
    text = ENGLISH[0]
    cut = text.index(" timber there now")
    assert mended_paragraphs(text[:cut] + "\n\f" + text[cut + 1 :]) == [text]


def test_hyphen_is_dropped_only_when_the_text_has_the_word_without_it() -> None:
    start = "The automotive plant employs nine hundred people in two shifts, and the auto-\n\n"
    assert mended_paragraphs(start + "motive trade depends on it.")[0].endswith("automotive trade depends on it.")
    unsure = "The plant employs nine hundred people in two shifts, most of whom are well-\n\nknown here."
    assert mended_paragraphs(unsure)[0].endswith("well-known here.")


def test_number_at_the_edge_of_a_wrapped_line_opens_no_list() -> None:
    text = (
        "The company closed the line after the long and very costly winter of the year\n"
        "1968. Nobody in the town had expected it, and the station stood empty for a\n"
        "decade, until a group of volunteers bought it and opened a reading room there."
    )
    assert mended_paragraphs(text) == [text.replace("\n", " ")]


def test_spaces_between_scripts_follow_the_habit_of_the_text() -> None:
    broken = (
        "我们使用 Python 编写程序。程序用 Git 管理版本，在 Linux 服务器上运行，前面放一个\n\n"
        "Nginx 服务器，用户可以在任何地方访问。"
    )
    assert "一个 Nginx" in mended_paragraphs(broken)[0]


@pytest.mark.parametrize("width", [30, 44, 58, 72])
def test_width_is_estimated_from_wrapped_lines(width: int) -> None:
    lines = [line for paragraph in CHINESE for line in [*wrap(paragraph, width, ""), ""]]
    found = read_layout(scan_text("\n".join(lines))).width
    assert found is not None
    assert width - 2 <= found <= width


def test_verse_has_no_width() -> None:
    assert read_layout(scan_text(WELL_FORMED["seven characters"])).width is None


def test_columns_are_counted_as_terminals_do() -> None:
    assert text_width("abc") == 3
    assert text_width("柳州，abc") == 9
    assert text_width("“柳州”") == 8
    assert text_width("“Leeds”") == 7


def test_indented_paragraphs_lose_their_indentation_but_not_their_lines() -> None:
    novel = (
        "　　老人走到河边，看见水面上漂着一只空船。他喊了两声，没有人答应。\n　　“有人吗？”\n　　风把他的声音吹散了。"
    )
    assert mended_paragraphs(novel) == [line.strip() for line in novel.split("\n")]


def test_wrapped_list_items_are_joined_and_stay_apart() -> None:
    text = (
        "To install the program, unpack the archive and run the script\n"
        "called setup in the top directory. You need:\n\n"
        "  - a compiler\n"
        "  - about two hundred megabytes of disk space, more if you want\n"
        "    the documentation as well\n"
        "  - patience\n\n"
        "Report errors to the list, never to the authors in person, since\n"
        "they are busy people.\n"
    )
    document = document_from_text(text)
    items = [document.text[p.start : p.end].strip() for p in document.paragraphs if p.kind == "list"]
    assert [item[:12] for item in items] == ["- a compiler", "- about two ", "- patience"]
    assert items[1].endswith("if you want the documentation as well")
