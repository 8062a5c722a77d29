import numpy as np
import pytest

from rag.closeness import LONG, SHORT, closeness

FAR = "无" * 400


def test_words_that_stand_together_are_nearer_than_words_far_apart():
    together, apart = f"{FAR}柳州工业", f"柳州{FAR}工业"
    seen = closeness("柳州工业", [together, apart, "别的"])
    assert seen.coverage[0] > seen.coverage[1] > seen.coverage[2] == 0  # 州工 is in the first alone
    assert seen.near[0] == pytest.approx(seen.coverage[0])
    assert seen.near[1] < seen.coverage[1]


def test_all_that_is_asked_within_one_stretch_is_everything():
    seen = closeness("柳州", ["柳州", "桂林"])
    assert seen.near[0] == seen.nearby[0] == seen.coverage[0] == pytest.approx(1.0)


def test_a_stretch_does_not_reach_into_the_next_passage():
    alone = closeness("柳州工业", ["柳州", "工业"])
    assert alone.near.max() < 1


def test_the_best_stretch_is_where_most_stands():
    seen = closeness("柳州工业", [f"柳州{FAR}柳州工业"])
    assert "柳州工业" in seen.stretches[0]
    assert len(seen.stretches[0]) <= 2 * SHORT < 2 * LONG


def test_an_english_question_is_near_where_its_translations_stand():
    seen = closeness("What is the population of Warsaw?", ["华沙的人口是多少", "城市的大学", f"人口{FAR}华沙"])
    assert seen.near[0] > seen.near[2] > seen.near[1]


def test_english_words_in_a_chinese_text_are_not_meant_by_chinese_ones():
    chinese, english = "他在书里用了population这个词，别的都没有说", "the population of a large city"
    seen = closeness("人口", [chinese, english])
    assert seen.coverage[0] == 0 < seen.coverage[1]


def test_traditional_characters_meet():
    assert np.allclose(closeness("機器人", ["机器人", "別的"]).near, closeness("机器人", ["機器人", "别的"]).near)


def test_passages_that_say_nothing_are_zero():
    seen = closeness("柳州", ["桂林", "南宁"])
    assert seen.coverage.tolist() == seen.near.tolist() == seen.nearby.tolist() == [0, 0]
    assert len(seen.stretches) == 2


def test_a_chinese_question_of_english_passages_is_what_its_translations_say():
    seen = closeness("人口", ["the population of a large city", "the weather of today is cold"])
    assert seen.coverage[0] > 0.5 > seen.coverage[1] == 0


def test_a_text_is_not_given_what_the_next_one_begins_with():
    silent, telling = "今天天气很好", "“四大定位”在此"
    assert closeness("四大定位是什么", [silent, telling]).near.tolist() == [0.0, 1.0]
    assert closeness("四大定位是什么", [telling, silent]).near.tolist() == [1.0, 0.0]
