import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.enumeration import enumerations, value_of


def items(text):
    return [[text[start:end] for start, end in one.items] for one in enumerations(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("会议审议了教育、医疗和养老三项议题。", ["教育", "医疗", "养老"]),
        ("公司拥有“晨星”和“远山”两个品牌，", ["晨星", "远山"]),
        ("增强群众获得感、幸福感、安全感。", ["获得感", "幸福感", "安全感"]),
        ("統籌建好政治生態、自然生態“兩個生態”", ["政治生態", "自然生態"]),
        ("Schools stayed open in Taiwan, Singapore and Sweden.", ["Taiwan", "Singapore", "Sweden"]),
    ],
)
def test_the_items_of_a_list_are_found_without_what_leads_to_them(text, expected):
    assert expected in items(text)


def test_a_list_knows_how_many_things_the_text_promises_and_what_it_calls_them():
    (found,) = enumerations("围绕综合交通枢纽、现代制造城、先行区、副中心城市“四大定位”")
    assert (found.promised, found.noun, len(found.items)) == (4, "定位", 4)


def test_a_promise_may_stand_before_its_list():
    (found,) = enumerations("共有三个车站：东站、西站和南站。")
    assert (found.promised, len(found.items)) == (3, 3)


def test_an_open_list_is_named_by_what_follows_it():
    (found,) = enumerations("做好教育、医疗、养老等民生事业")
    assert (found.open, found.noun, found.promised) == (True, "民生事业", None)


def test_clauses_that_begin_with_the_same_word_are_a_list():
    assert ["坚持厉行节约", "坚持依法用好资金", "坚持合理处置资产"] in items(
        "要坚持不懈。坚持厉行节约，坚持依法用好资金，坚持合理处置资产。"
    )


def test_numbered_points_are_a_list():
    assert ["抓生产", "保民生", "防风险"] in items("会议提出：一是抓生产；二是保民生；三是防风险。")


def test_two_lists_in_one_clause_stay_apart():
    found = items("市委书记、市人大常委会主任张三到河东区、河西区、青山县调研")
    assert ["河东区", "河西区"] in [one[:2] for one in found] or any("河西区" in one for one in found)
    assert not any("张三" in one[-1] and "河西区" in one for one in found)


@pytest.mark.parametrize("text", ["他参与和平谈判。", "天气很好。", "一、", "、、、", ""])
def test_what_is_no_list_gives_none(text):
    assert items(text) == []


@pytest.mark.parametrize(
    ("numeral", "value"), [("四", 4), ("十二", 12), ("二十", 20), ("两", 2), ("7", 7), ("three", 3), ("多", 0)]
)
def test_small_numerals_have_their_value(numeral, value):
    assert value_of(numeral) == value


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="甲乙丙和与、，。：“”（）一二三是等两个项 a,bAnd()1.\n", max_size=60))
def test_items_lie_in_order_inside_the_text(text):
    for one in enumerations(text):
        edges = [edge for item in one.items for edge in item]
        assert 0 <= one.start <= edges[0] <= edges[-1] <= one.end <= len(text)
        assert edges == sorted(edges)
        assert all(start < end for start, end in one.items)


def test_hostile_lists_take_no_longer_than_their_length():
    begin = time.perf_counter()
    enumerations("甲、" * 20000)
    enumerations("a, " * 5000)
    enumerations("一是" * 5000)
    assert time.perf_counter() - begin < 10
