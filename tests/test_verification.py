"""Sentences that say what their quotes say pass; each kind of error is found, and mended."""

import time

import pytest

from rag.answers import Check
from rag.citations import Quote
from rag.passages import Passage
from rag.verification import check_drafts, completed, mend, merged, notice, verify

MEETING = (
    "6月25日，自治区党委书记陈刚在柳州市主持召开自治区党委常委会扩大会议，专题研究柳州市债务化解和经济社会发展工作。"
    "围绕全国性综合交通枢纽、现代制造城、广西高质量发展先行区、自治区副中心城市“四大定位”，解放思想、创新求变。"
)
FACTORY = "去年，五菱汽车的销量同比增长5%，达到3000万辆，产值下降2.5亿元。公司不会关闭南宁工厂，李明拒绝评论。"
LEAGUE = (
    "On Wednesday, the NBA did not release the identity of the Jazz player. Cases rose to 1,279 in the United States."
)


def rules(sentence, *quotes):
    return {problem.rule for problem in verify(sentence, quotes)}


@pytest.mark.parametrize(
    ("sentence", "quote"),
    [
        ("陈刚在柳州市主持召开自治区党委常委会扩大会议", MEETING),
        ("陳剛在柳州市主持召開自治區黨委常委會擴大會議。", MEETING),
        ("六月二十五日，陈刚主持召开会议。", MEETING),
        ("根据原文，会议专题研究柳州市债务化解和经济社会发展工作。", MEETING),
        ("柳州的四大定位是全国性综合交通枢纽、现代制造城、广西高质量发展先行区、自治区副中心城市。", MEETING),
        ("“四大定位”包括全国性综合交通枢纽。", MEETING),
        ("Chen Gang chaired a meeting in Liuzhou on June 25.", MEETING),
        ("五菱汽车去年的销量达到三千万辆，同比增长百分之五。", FACTORY),
        ("文中说，五菱汽车的销量达到30,000,000辆。", FACTORY),
        ("公司不会关闭南宁工厂。", FACTORY),
        ("1. 全国性综合交通枢纽；2. 现代制造城；3. 广西高质量发展先行区；4. 自治区副中心城市。", MEETING),
        ("四大定位分别是：全国性综合交通枢纽，现代制造城，广西高质量发展先行区，自治区副中心城市。", MEETING),
        ("The meeting was held on 25 June in Liuzhou.", MEETING),
        ("会议的主题是研究柳州市的债务化解与经济社会发展工作。", MEETING),
        ("The NBA did not release the identity of the player.", LEAGUE),
        ("Cases in the United States rose to 1279.", LEAGUE),
    ],
)
def test_what_the_source_says_passes(sentence, quote):
    assert verify(sentence, [quote]) == ()


@pytest.mark.parametrize(
    ("sentence", "quote", "rule"),
    [
        ("陈刚强调“四大任务”。", MEETING, "quote"),
        ("五菱汽车的销量达到3001万辆。", FACTORY, "number"),
        ("五菱汽车的销量同比增长百分之六。", FACTORY, "number"),
        ("6月26日，陈刚在柳州市主持召开扩大会议。", MEETING, "date"),
        ("五菱汽车的产值下降2.5亿美元。", FACTORY, "unit"),
        ("Woolworths汽车的销量同比增长5%。", FACTORY, "word"),
        ("陈钢在柳州市主持召开自治区党委常委会扩大会议。", MEETING, "name"),
        ("陈刚在桂林市主持召开自治区党委常委会扩大会议。", MEETING, "name"),
        ("公司会关闭南宁工厂。", FACTORY, "negation"),
        ("去年，五菱汽车的销量没有达到3000万辆。", FACTORY, "negation"),
        ("五菱汽车的销量同比下降5%。", FACTORY, "direction"),
        ("五菱汽车的销量环比增长5%。", FACTORY, "direction"),
        ("柳州的四大定位是全国性综合交通枢纽、现代制造城、广西高质量发展先行区。", MEETING, "count"),
        ("四大定位：全国性综合交通枢纽、现代制造城、汽车之都、自治区副中心城市。", MEETING, "support"),
        ("会议强调要大力发展旅游业和教育事业，提高人民收入。", MEETING, "support"),
        ("The NBA released the identity of the Jazz player.", LEAGUE, "negation"),
        ("Cases fell to 1,279 in the United States.", LEAGUE, "direction"),
        ("Cases rose to 1,279 in Canada.", LEAGUE, "name"),
        ("Chen Gang chaired a meeting in Guilin on June 25.", MEETING, "name"),
        ("The meeting was held on 25 June in Nanning.", MEETING, "name"),
        ("Chen Gang did not chair the meeting in Liuzhou.", MEETING, "negation"),
        ("会议由省长陈刚主持。", MEETING, "name"),
        ("去年，五菱汽车的产量同比增长5%，产值达到2.5亿元。", FACTORY, "support"),
    ],
)
def test_each_kind_of_error_is_found(sentence, quote, rule):
    assert rule in rules(sentence, quote)


def test_verbatim_words_that_begin_behind_a_negation_are_found():
    assert rules("会关闭南宁工厂", FACTORY) == {"negation"}


def test_half_of_a_number_is_no_verbatim_number():
    assert "number" in rules("000万辆", FACTORY)


def test_words_of_two_sentences_joined_to_one_clause_are_found():
    joined = "公司不会关闭南宁工厂达到3000万辆产值下降"
    assert "support" in rules(joined, FACTORY)


def test_a_list_is_completed_from_its_source():
    short = "柳州的四大定位是全国性综合交通枢纽、现代制造城、广西高质量发展先行区。"
    whole = "柳州的四大定位是全国性综合交通枢纽、现代制造城、广西高质量发展先行区、自治区副中心城市。"
    assert completed(short, [MEETING]) == whole
    assert mend(short, [MEETING], verify(short, [MEETING])) == whole


def quote_of(text, words):
    start = text.index(words)
    return Quote(Passage("d:0", "d", 100, 100 + len(text), text), 100 + start, 100 + start + len(words))


def test_a_wrong_sentence_is_replaced_by_the_words_it_cites_and_an_unrelated_one_dropped():
    quote = quote_of(MEETING, "专题研究柳州市债务化解和经济社会发展工作")
    good = ("会议专题研究柳州市债务化解。", (quote,))
    wrong = ("会议专题研究桂林市债务化解和经济社会发展工作。", (quote,))
    unrelated = ("苹果公司发布了新款手机。", (quote,))
    checked = check_drafts([good, wrong, unrelated, ("没有引用的话。", ())])
    assert checked.sentences == [good, ("专题研究柳州市债务化解和经济社会发展工作", (quote,))]
    assert (checked.replaced, checked.dropped) == (1, 2)
    failed = {check.name: check.detail for check in checked.checks if not check.passed}
    assert "桂林市" in failed["name"]
    assert "number" not in failed


def test_checks_of_several_sentences_become_one_for_each_name():
    checks = [Check("name", True), Check("date", True), Check("name", False, "桂林"), Check("name", False, "南宁")]
    assert merged(checks) == (Check("name", False, "桂林; 南宁"), Check("date", True))


def test_one_line_tells_what_was_changed():
    assert notice(0, 0, "zh") == ""
    assert notice(1, 2, "zh") == "核对：1句与原文不符，已换成原文；2句原文没有依据，已略去。"
    assert notice(2, 0, "en") == "Checked: 2 sentences replaced by the words of the source."


@pytest.mark.parametrize(
    "hostile",
    ["1" * 20_000, "不" * 20_000, "“" * 20_000, "一、" * 10_000, "a" * 20_000, "和A, " * 5_000, "12-" * 7_000],
)
def test_a_hostile_text_takes_no_long_time(hostile):
    started = time.perf_counter()
    verify(hostile, [MEETING])
    verify(MEETING[:40] + "。", [hostile])
    assert time.perf_counter() - started < 4
