import itertools
import math

import ir_measures
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from eval.measures import answers, retrieval
from eval.measures.citations import citation_precision, citation_recall, inside_share, overlaps, supports
from eval.measures.refusal import augrc, aurc, perfect_area, random_area, risk_coverage
from eval.normalisation import holds, normalise

# -- Normalisation ---------------------------------------------------------------------------------

SAME = (
    ("三千万辆", "3000万辆", "30,000,000辆", "３０００万辆", "3 000 万辆"),
    ("6月25日", "六月二十五日", "June 25", "25 June", "25th of June", "6月25号"),
    ("2025年6月25日", "2025-06-25", "June 25, 2025", "二〇二五年六月二十五日"),
    ("百分之五十", "50%", "50 percent", "五十个百分点"),
    ("百分之三十五点五", "35.5%"),
    ("2.8 billion", "28亿", "2.8bn"),
    ("十四个月", "14个月"),
    ("兩個品牌", "两个品牌", "2个品牌"),
    ("三亿五千万", "3.5亿", "350000000"),
    ("1亿2000万", "120000000"),
    ("一百二", "120"),
    ("一百零二", "102"),
    ("3万5千", "35000"),
    ("twenty-five", "25"),
    ("three hundred thousand", "300,000"),
    ("thirty percent", "30%"),
)
LEFT = (
    "一些人",
    "十分重要",
    "千万不要",
    "万一下雨",
    "四川",
    "十五六岁",
    "三四百人",
    "no one knows",
    "hundreds of people",
)


@pytest.mark.parametrize("text", LEFT)
def test_what_may_be_no_number_is_left_as_it_is(text):
    assert normalise(text) == text


@given(
    st.text(
        st.sampled_from("零一二两十百千万亿点百分之0123456789.,-%…，年月日号 \nJunemayfivehundredbn£m。"), max_size=40
    )
)
@example("百分之…")
@example("1" + "亿" * 40)
@example("9" * 400 + "万")
@example("〇" * 5000)
def test_no_text_stops_normalisation(text):
    assert isinstance(normalise(text), str)


@pytest.mark.parametrize("group", SAME)
def test_the_same_number_or_date_has_one_form(group):
    assert len({normalise(text).replace(" ", "") for text in group}) == 1


def test_a_number_is_not_held_by_a_longer_one():
    assert holds("共有30人", "30")
    assert not holds("共有300人", "30")
    assert not holds("共有3.5万人", "3.5人")
    assert holds("茶馆周一闭馆", "周一")
    assert holds("共有4个", "四个")
    assert holds("专家Gary Mortimer博士称", "Gary Mortimer")
    assert not holds("比去年下降-5%", "5%")
    assert not holds("死亡5，300人受伤", "5300人")
    assert not holds("他来自柳州。市长说", "柳州市")
    assert holds("It began in 2019.", "2019")
    assert holds("In 2019 the war began", "2019年")
    assert holds("公司于6月25日成立", "6月")
    assert holds("He came on May 25", "May")
    assert holds("At least 5 may have died", "5")
    assert not holds("100m away", "100 million")
    assert holds("The island is large", "island")
    assert not holds("The island is large", "is land")


# -- Answers: values worked out by hand ------------------------------------------------------------


def test_cmrc_takes_the_longest_common_run():
    # 6 characters said, 4 wanted, the run 广西柳州 has 4: precision 4/6, recall 4/4.
    assert answers.cmrc_f1("在广西柳州市", "广西柳州") == pytest.approx(0.8)
    # Runs must be contiguous: 柳州 and 人 do not add up. 5 said, 3 wanted, run of 2.
    assert answers.cmrc_f1("柳州的工人", "柳州人") == pytest.approx(2 * (2 / 5) * (2 / 3) / (2 / 5 + 2 / 3))
    # A word in Latin letters or a number is one segment.
    assert answers.cmrc_segments("2008-2010年") == ["20082010", "年"]
    assert answers.cmrc_segments("有3000万辆SUV。") == ["有", "3000", "万", "辆", "suv"]
    assert answers.cmrc_f1("3000万", "300万") == pytest.approx(0.5)
    assert answers.cmrc_f1("甲", "乙") == 0


def test_cmrc_exact_match_leaves_out_punctuation_and_case():
    assert answers.cmrc_exact("《红楼梦》。", "红楼梦") == 1
    assert answers.cmrc_exact("红楼 梦", "红楼梦") == 0


def test_squad_leaves_out_articles_and_punctuation():
    assert answers.squad_exact("The Eiffel Tower.", "eiffel tower") == 1
    # 4 words said, 2 wanted, both common: precision 1/2, recall 1.
    assert answers.squad_f1("in the year of 1066", "year 1066") == pytest.approx(2 * 0.5 * 1 / 1.5)


def test_character_f1_is_a_bag():
    assert answers.character_f1("州柳", "柳州") == 1
    assert answers.character_f1("柳州市", "柳州") == pytest.approx(0.8)


def test_the_language_of_the_gold_decides():
    assert answers.f1("the 柳州 city", "柳州") == answers.cmrc_f1("the 柳州 city", "柳州")
    assert answers.f1("2003年", "2003") == answers.cmrc_f1("2003年", "2003") == pytest.approx(2 / 3)
    assert answers.f1("the city", "city") == answers.squad_f1("the city", "city") == 1


def test_an_answer_is_right_when_it_holds_a_gold_answer_however_it_is_written():
    assert answers.is_right("主持人是陳剛。", ["陈刚"])
    assert answers.is_right("“五菱”和“宝骏”两个", [["五菱", "宝骏"]])
    assert not answers.is_right("“五菱”", [["五菱", "宝骏"]])
    assert answers.is_right("3 000 万辆", ["三千万辆"])
    assert answers.contains("3 000 万辆", ["三千万辆"]) == 0


def test_list_items_are_counted_one_by_one():
    # Four items said, two of them gold; two of three gold items found.
    precision, recall = answers.list_scores("汽车、钢铁、茶叶和旅游", [["汽车", "钢铁", "机械"]])
    assert (precision, recall) == (0.5, pytest.approx(2 / 3))
    assert answers.list_scores("", [["甲"]]) == (0.0, 0.0)
    # Commas and points in numbers, and 和 in words, do not cut.
    assert answers.list_scores("3.5万辆和2.1万辆", [["3.5万辆", "2.1万辆"]]) == (1.0, 1.0)
    assert answers.list_scores("30,000 cars and 5 ships", [["30,000 cars", "5 ships"]]) == (1.0, 1.0)
    assert answers.list_scores("共和国、和谐社会", [["共和国", "和谐社会"]]) == (1.0, 1.0)
    assert answers.best(answers.f1, "Harlem, New York", [["Harlem", "New York"]]) == 1


# -- Retrieval: beside ir-measures -----------------------------------------------------------------


@given(
    st.lists(st.booleans(), max_size=12),
    st.integers(min_value=0, max_value=6),
)
def test_ranking_measures_equal_those_of_ir_measures(relevant, unfound):
    total = sum(relevant) + unfound
    if not total:
        return
    qrels = [ir_measures.Qrel("q", f"d{at}", 1) for at, is_relevant in enumerate(relevant) if is_relevant]
    qrels += [ir_measures.Qrel("q", f"u{at}", 1) for at in range(unfound)]
    run = [ir_measures.ScoredDoc("q", f"d{at}", 1.0 - at / 100) for at in range(len(relevant))]
    ours = {
        "Success@5": retrieval.success(relevant, 5),
        "R@5": retrieval.recall(relevant, total, 5),
        "RR@10": retrieval.reciprocal_rank(relevant, 10),
        "nDCG@10": retrieval.ndcg(relevant, total, 10),
        "AP@10": retrieval.average_precision(relevant, total, 10),
    }
    theirs = ir_measures.calc_aggregate([ir_measures.parse_measure(name) for name in ours], qrels, run)
    for measure, value in theirs.items():
        assert ours[str(measure)] == pytest.approx(value, abs=1e-6), str(measure)


def test_success_and_recall_are_kept_apart_and_all_places_are_needed():
    places = [[True, False, False], [False, False, True]]
    either = [any(hit) for hit in zip(*places, strict=True)]
    assert retrieval.success(either, 1) == 1
    assert retrieval.recall(either, 2, 1) == 0.5
    assert retrieval.all_gold(places, 2) == 0
    assert retrieval.all_gold(places, 3) == 1


# -- Citations -------------------------------------------------------------------------------------


def test_spans_overlap_when_they_share_a_character():
    assert overlaps((0, 5), [(4, 9)])
    assert not overlaps((0, 4), [(4, 9)])
    assert inside_share((0, 10), [(5, 20)]) == 0.5


def test_support_needs_the_words_and_every_number():
    assert supports(["会议于6月25日在柳州召开"], "会议于六月二十五日在柳州召开")
    assert not supports(["会议于6月25日在柳州召开"], "会议于6月26日在柳州召开")
    assert not supports(["柳州是工业城市"], "桂林是旅游城市")
    assert not supports([], "柳州")


def test_a_citation_that_adds_nothing_lowers_precision_alone():
    whole, half, other = "月球绕地球一周约需二十七天", "月球绕地球", "猫睡在屋顶上"
    assert citation_recall([(whole, [whole, other])]) == 1
    assert citation_precision([(whole, [whole, other])]) == 0.5
    # The second quote supports nothing by itself, and the first does without it.
    assert citation_precision([(whole, [whole, half])]) == 0.5
    assert citation_recall([(whole, [other]), (half, [half])]) == 0.5
    assert citation_precision([(whole, [other])]) == 0


def test_two_citations_that_carry_a_sentence_together_are_both_needed():
    one, other = "柳州拥有汽车产业和钢铁产业", "以及机械产业和新能源产业"
    together = one + other
    assert not supports([one], together)
    assert not supports([other], together)
    assert citation_precision([(together, [one, other])]) == 1


# -- Refusal ---------------------------------------------------------------------------------------


def _aurc_by_orders(confidence, wrong):
    """Average the definition over every order that ties allow."""
    sums = []
    for order in itertools.permutations(range(len(wrong))):
        if all(confidence[a] >= confidence[b] for a, b in itertools.pairwise(order)):
            losses = [wrong[at] for at in order]
            sums.append(np.mean([np.mean(losses[: k + 1]) for k in range(len(losses))]))
    return float(np.mean(sums))


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0.0, 1.0])), min_size=1, max_size=6))
def test_the_area_is_the_mean_risk_over_all_coverages_whatever_the_order_of_ties(pairs):
    confidence, wrong = [float(c) for c, _ in pairs], [w for _, w in pairs]
    assert aurc(confidence, wrong) == pytest.approx(_aurc_by_orders(confidence, wrong))
    assert perfect_area(wrong) <= aurc(confidence, wrong) + 1e-9


def test_areas_by_hand():
    # Right, wrong, right: risks 0, 1/2, 1/3.
    assert aurc([0.9, 0.5, 0.1], [0, 1, 0]) == pytest.approx((0 + 1 / 2 + 1 / 3) / 3)
    # Joint 0, 1/3, 1/3 at coverage 1/3, 2/3, 1: trapezoids 0, 1/6, 1/3, each a third wide.
    assert augrc([0.9, 0.5, 0.1], [0, 1, 0]) == pytest.approx((0 + 1 / 6 + 1 / 3) / 3)
    assert aurc([0.5] * 4, [0, 1, 0, 1]) == pytest.approx(random_area([0, 1, 0, 1]))
    assert augrc([0.5] * 4, [0, 1, 0, 1]) == pytest.approx(random_area([0, 1, 0, 1], generalised=True))
    coverage, risk = risk_coverage([0.9, 0.1], [0, 1])
    assert coverage.tolist() == [0.5, 1.0]
    assert risk.tolist() == [0.0, 0.5]


def test_weights_count_as_copies():
    copied = aurc([0.9, 0.5, 0.5, 0.1], [0, 1, 1, 0])
    weighted = aurc([0.9, 0.5, 0.1], [0, 1, 0], np.array([1.0, 2.0, 1.0]))
    # The same but for where within the tie the curve is read.
    assert math.isclose(copied, weighted, abs_tol=0.05)
