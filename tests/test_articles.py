"""The day of an article: what it tells about itself, before what its sentences tell."""

import time

import pytest

from rag.articles import find_articles
from rag.documents import document_from_bytes, document_from_text
from rag.export import reference
from rag.lines import Kind

BODY = "会议指出，今年以来，全市新开工项目一百二十个，完成投资三十五亿元，要继续抓好各项工作。"
STORY = "The council has approved a new bridge over the river after a long debate about its costs."


def dates(text: str, name: str = "a.txt") -> list[str | None]:
    return [article.date for article in document_from_bytes(text.encode(), name).articles]


@pytest.mark.parametrize(
    ("text", "date"),
    [
        (f"# Bridge approved\n\nBy Jane Smith, June 4, 2025\n\n{STORY} Comments close on September 1.", "June 4, 2025"),
        (f"# Bridge approved\n\n*June 4, 2025* | Jane Smith\n\nOn May 2, {STORY}", "June 4, 2025"),
        (f"# Bridge approved\n\nPublished 4 June 2025, updated 5 June 2025\n\n{STORY}", "4 June 2025"),
        (f"# Bridge approved\n\nWednesday, June 4th, 2025, 10:15 am\n\nOn May 2, {STORY}", "June 4th, 2025"),
        (f"# 大桥通车\n\n发布时间：2025-06-04 10:23　来源：海城日报\n\n3月8日，{BODY}", "2025-06-04"),
        (f"# 大橋通車\n\n發佈時間：2025-06-04 10:23　來源：海城日報\n\n3月8日，{BODY}", "2025-06-04"),
        (f"# 大桥通车\n\n2025年6月4日 星期三\n\n3月8日，{BODY}", "2025年6月4日"),
        (f"# 大桥通车\n\n（2025年6月4日）\n\n{BODY}截止日期是9月1日。", "2025年6月4日"),
        (f"# 大桥通车\n\n记者 张三　2025.6.4\n\n{BODY}", "2025.6.4"),
    ],
)
def test_the_day_of_a_byline_goes_before_those_of_the_text(text: str, date: str) -> None:
    assert dates(text, "a.md") == [date]
    assert dates(text.removeprefix("# ").replace("*", "")) == [date]


@pytest.mark.parametrize(
    ("text", "date"),
    [
        (f"6月25日，{BODY}", "6月25日"),
        (f"新华社柳州6月25日电（记者张三）{BODY}", "6月25日"),
        (f"本报讯（记者张三）6月25日，{BODY}", "6月25日"),
        (f"6月24日至25日，{BODY}", "6月24日至25日"),
        (f"LONDON, June 4 (Xinhua) -- {STORY}", "June 4"),
        (f"(Reuters) June 4 - {STORY}", "June 4"),
        (f"海城文化站9月12日宣布，{BODY}", "9月12日"),
        (f"The mayor said on Wednesday, June 4, that it was done. {STORY}", "June 4"),
    ],
)
def test_a_dateline_or_the_first_sentence_gives_the_day_without_a_year(text: str, date: str) -> None:
    assert dates(f"大桥通车\n\n{text}") == [date]


def test_a_dateline_goes_before_the_day_of_a_headline_and_that_before_a_mere_mention() -> None:
    assert dates(f"# 2024年9月1日新规施行满一年\n\n6月25日，{BODY}", "a.md") == ["6月25日"]
    assert dates(f"# 2025年6月4日办公会议纪要\n\n张三3月1日报告，{BODY}", "a.md") == ["2025年6月4日"]
    assert dates(f"9月18日纪念活动\n\n9月12日，{BODY}") == ["9月12日"]


def test_a_letter_has_its_day_under_it() -> None:
    letter = f"关于修缮大桥的通知\n\n各科室：\n\n根据3月1日的决定，{BODY}\n\n{BODY}\n\n海城市建设局\n\n2025年3月12日"
    assert dates(letter) == ["2025年3月12日"]


@pytest.mark.parametrize(
    "text",
    [
        f"截至6月25日，{BODY}",
        f"自9月1日起，{BODY}",
        f"9月1日前，{BODY}",
        f"根据3月1日的决定，{BODY}",
        f"春江镇将于5月20日停水，{BODY}",
        f"Applications close by September 1. {STORY}",
        f"{BODY}这项工作于9月1日结束。",
        f"{STORY} The school reopens on September 1.",
        "大桥3月完工。",
    ],
)
def test_a_bound_or_a_mention_further_down_is_not_the_day(text: str) -> None:
    assert dates(f"大桥通车\n\n{text}") == [None]


def test_a_chronicle_has_the_day_of_none_of_its_records() -> None:
    records = [f"{month}月1日，{BODY}" for month in range(1, 5)]
    assert dates("大事记\n\n" + "\n\n".join(records)) == [None]
    assert dates("大事记\n\n编写于\n\n2025年12月31日\n\n" + "\n\n".join(records)) == ["2025年12月31日"]
    samples = [f"第{n}号记录：样品由{n}号实验室在{n}月1日送检，结果为{n}毫克。" for n in range(1, 9)]
    assert dates("\n\n".join(samples)) == [None]
    assert dates(f"大事记\n\n新华社柳州6月25日电 {BODY}\n\n" + "\n\n".join(records)) == ["6月25日"]
    assert dates("两天的工作\n\n" + "\n\n".join(records[:2])) == ["1月1日"]


@pytest.mark.parametrize(
    ("head", "day", "date", "told"),
    [
        ("（2025年）", "3月12日，", "2025年3月12日", "2025-03-12"),
        ("2025年第3期", "3月12日，", "2025年3月12日", "2025-03-12"),
        ("编辑：张三 2025年3月", "新华社柳州3月12日电 ", "2025年3月12日", "2025-03-12"),
        ("By Jane Smith, 2025", "LONDON, June 4 (Xinhua) -- ", "June 4, 2025", "2025-06-04"),
        ("By Jane Smith, 2025", "LONDON, 4 June (Xinhua) -- ", "4 June 2025", "2025-06-04"),
        ("2025年工作安排", "本报12月12日讯 ", "12月12日", "12月12日"),  # the year of the plan, not that of the day
        ("（获2024年全国优秀奖）", "12月12日，", "12月12日", "12月12日"),
        ("（2024年至2025年）", "12月12日，", "12月12日", "12月12日"),
    ],
)
def test_a_day_takes_the_year_of_the_lines_above_it_and_no_other(head: str, day: str, date: str, told: str) -> None:
    document = document_from_text(f"大桥通车\n\n{head}\n\n{day}{BODY}\n\n{BODY}")
    assert [article.date for article in document.articles] == [date]
    assert reference(document) == f"大桥通车[N]. {told}."


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("2025年6月4日", "2025-06-04"),
        ("2025.6.4", "2025-06-04"),
        ("June 4, 2025", "2025-06-04"),
        ("Sept. 4th, 2025", "2025-09-04"),
        ("4 June 2025", "2025-06-04"),
        ("June 4", "June 4"),
        ("2025年6月24日至25日", "2025年6月24日至25日"),
        ("二〇二五年六月四日", "二〇二五年六月四日"),
    ],
)
def test_a_report_with_its_day_in_the_byline_is_one_of_the_news(written: str, told: str) -> None:
    document = document_from_text(f"大桥通车\n\n（记者 张三 {written}）\n\n{BODY}\n\n{BODY}")
    assert reference(document) == f"大桥通车[N]. {told}."


@pytest.mark.parametrize("text", ["版本2025.6.4.1发布，", "See version 1.2025.6.4. ", "In June 2025 ", "May 10:30 "])
def test_what_only_looks_like_a_day_is_none(text: str) -> None:
    assert dates(f"大桥通车\n\n{text}{BODY}") == [None]


def test_many_headlines_take_no_longer_each_than_few() -> None:
    part: list[tuple[str, Kind, int]] = [("标题", "headline", 1), (BODY, "body", 0)]

    def seconds(count: int) -> float:
        begun = time.process_time()
        assert len(find_articles(part * count)) == count
        return time.process_time() - begun

    assert seconds(20_000) < 40 * min(seconds(2_000) for _ in range(3))  # ten times as many
