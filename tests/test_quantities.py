"""Numbers, amounts and dates are found where they stand, and are equal however they are written."""

import time

import pytest

from rag.quantities import agree, missing_from, quantities


def only(text):
    (one,) = quantities(text)
    return one


@pytest.mark.parametrize(
    "group",
    [
        ("3000万", "三千万", "30,000,000", "30 million", "thirty million"),
        ("3000万辆", "三千万辆", "30,000,000辆"),
        ("6月25日", "六月二十五日", "June 25", "25 June", "June 25th", "6月25号"),
        ("2025年6月25日", "二〇二五年六月二十五日", "June 25, 2025", "2025-06-25"),
        ("百分之三十", "三成", "30%", "30 percent", "３０％"),
        ("1.5公里", "1500米"),
        ("28亿英镑", "二十八亿英镑", "£2.8 billion"),
        ("下午两点", "下午2点", "2 pm", "14:00"),
        ("星期三", "周三", "Wednesday", "禮拜三"),
        ("第二", "second", "2nd"),
        ("20世纪", "二十世纪", "20th century"),
        ("5-3", "5比3"),
    ],
)
def test_what_is_equal_agrees_however_it_is_written(group):
    for one in group:
        for other in group:
            assert agree(only(one), only(other)), (one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("3000万", "3001万"),
        ("6月25日", "6月26日"),
        ("30%", "30"),
        ("28亿英镑", "28亿美元"),
        ("5公里", "5米"),
        ("下午两点", "上午两点"),
        ("星期三", "星期四"),
        ("20世纪", "21世纪"),
        ("5-3", "3-5"),
    ],
)
def test_what_is_not_equal_does_not(one, other):
    assert not agree(only(one), only(other))


def test_a_date_holds_its_parts_and_not_more():
    assert agree(only("6月25日"), only("2025年6月25日"))
    assert not agree(only("2025年6月25日"), only("6月25日"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("銷量達到３０００萬輛。", ["３０００萬輛"]),
        ("去年达到28亿 英镑的规模，有11家商店", ["28亿 英镑", "11家"]),
        ("以5-3的比分戰勝了", ["5-3"]),
        ("They lost by 20 points on Wednesday.", ["20 points", "Wednesday"]),
        ("近百人参加，占三成", ["近百人", "三成"]),
    ],
)
def test_spans_are_those_of_the_text_as_given(text, words):
    assert [text[one.start : one.end] for one in quantities(text)] == words


@pytest.mark.parametrize(
    "text",
    ["四川的一带一路", "COVID-19", "5G网络", "4K电视", "千方百计", "万一", "上半年", "十分重要", "F1赛车", "no one"],
)
def test_a_numeral_inside_of_a_word_or_name_is_none(text):
    assert quantities(text) == ()


@pytest.mark.parametrize(
    ("said", "given", "wrong"),
    [
        ("三千万辆", "销量3000万辆", ""),
        ("3001万辆", "销量3000万辆", "number"),
        ("2.5亿美元", "产值2.5亿元", "unit"),
        ("6月26日", "6月25日开会", "date"),
        ("星期四", "星期三开会", "date"),
        ("2025年6月25日", "2025年。他在6月25日来到", ""),
        ("两个品牌", "两大品牌", ""),
        ("上世纪90年代", "2025年6月25日", "date"),
        ("2025年6月25日", "上世纪90年代", "date"),
    ],
)
def test_what_is_missing_is_named(said, given, wrong):
    assert missing_from(only(said), quantities(given)) == wrong


@pytest.mark.parametrize(
    "hostile",
    [
        "1" * 20_000,
        "一、" * 10_000,
        "一" * 20_000,
        "1.1." * 5_000,
        "3月5日至" * 4_000,
        "百分之" * 7_000,
        "jan 5 " * 3_000,
        "1," * 10_000,
    ],
)
def test_a_hostile_text_takes_no_long_time(hostile):
    started = time.perf_counter()
    quantities(hostile)
    assert time.perf_counter() - started < 3
