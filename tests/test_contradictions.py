"""What contradictions.py promises: equal values agree however written, and only clear ones differ."""

import pytest

from rag.contradictions import Pair, compare_values
from rag.question import analyse

# question | one quote | another | verdict
CASES = """
累计产销量是多少辆？|累计产销量达3000万辆|产销量超过三千万辆|agree
累计产销量是多少？|3000万辆|三千万辆|agree
累计产销量是多少？|3000万辆|30,000,000辆|agree
累计产销量是多少？|累计达3000万辆|累计达2800万辆|differ
大桥有多长？|大桥全长3公里|大桥全长3000米|agree
大桥有多长？|大桥全长3公里|大桥全长3.5公里|differ
投资多少钱？|总投资2.5亿元|总投资25000万元|agree
投资多少钱？|总投资2.5亿元|总投资3亿元|differ
投资多少钱？|总投资2.5亿元|共有300人参加|unrelated
有多少人参加？|共有300人参加|300多人参加了会议|agree
有多少人参加？|共有312人参加|300多人参加了会议|agree
有多少人参加？|共有500人参加|300多人参加了会议|differ
有多少人参加？|近300人参加|295人参加|agree
有多少人参加？|约300人参加|307人参加|agree
有多少人参加？|约300人参加|400人参加|differ
有多少人参加？|200名男生和300名女生参加|400名学生参加|unrelated
产量是多少？|2023年产量100万辆|2024年产量120万辆|unrelated
产量是多少？|上半年产量100万辆|一季度产量50万辆|unrelated
产量是多少？|2024年产量100万辆|2024年产量120万辆|differ
增长了多少？|同比增长8.3%|增长百分之八点三|agree
增长了多少？|同比增长8.3%|增长了300亿元|unrelated
会议是哪天召开的？|6月25日，会议召开|2025年6月25日召开|agree
会议是哪天召开的？|6月25日，会议召开|六月二十五日召开|agree
会议是哪天召开的？|6月25日，会议召开|6月26日召开|differ
会议是哪天召开的？|6月24日至25日召开|6月25日召开|agree
会议是哪天召开的？|2025年召开|6月25日召开|unrelated
会议是哪年召开的？|2024年6月25日召开|2025年6月25日召开|differ
会议是哪年召开的？|2025年6月24日召开|2025年6月25日召开|agree
几点开始？|下午三点开始|15:00开始|agree
几点开始？|下午三点开始|下午四点开始|differ
会议由谁主持？|会议由陈刚主持|自治区党委书记陈刚主持|agree
会议由谁主持？|会议由陈刚主持|李明主持了会议|differ
会议由谁主持？|会议由陈刚主持|会议由书记主持|unrelated
会议在哪里召开？|会议在柳州市召开|在柳州召开|agree
会议在哪里召开？|会议在柳州市召开|在南宁市召开|differ
会议在哪里召开？|会议在柳州召开|在广西召开|unrelated
会议在哪里召开？|会议在柳州召开|在柳州市柳北区召开|agree
为什么召开？|因为债务|为了发展|unrelated
How many cars were sold?|30 million cars were sold|30,000,000 cars were sold|agree
How many cars were sold?|30 million cars were sold|20 million cars were sold|differ
When was it opened?|It opened on June 25, 2025|opened on 25 June|agree
When was it opened?|It opened on June 25|opened on June 26|differ
Who chaired the meeting?|John Smith chaired it|Smith chaired it|agree
Who chaired the meeting?|John Smith chaired it|Jane Doe chaired it|differ
Where was it held?|It was held in Paris|held in London|differ
會議由誰主持？|會議由陳剛主持|会议由陈刚主持|agree
累计产销量是多少？|三千萬輛|3000万辆|agree
有多少人参加？|超过300人参加|320人参加|agree
有多少人参加？|超过300人参加|280人参加|differ
有多少人参加？|不到300人参加|280人参加|agree
有多少人参加？|近300人参加|350人参加|differ
产量是多少？|六月产量100万辆|6月产量120万辆|differ
产量是多少？|6月产量100万辆|7月产量120万辆|unrelated
产量是多少？|去年产量100万辆|今年产量120万辆|unrelated
这4个品牌卖了多少辆？|4个品牌卖了100万辆|4个品牌卖了100万辆|agree
占比是多少？|占比为30%|占三成|agree
占比是多少？|占比为30%，共300家|占比为40%，共300家|differ
有多少人参加？|300人左右参加|307人参加|agree
有多少人参加？|300人以上参加|340人参加|agree
会议是哪天召开的？|6月24日至26日召开|6月25日召开|unrelated
4个品牌有多少个工厂？|4个品牌有30个工厂|4个品牌有40个工厂|differ
他是谁？|他是教师|他是医生|unrelated
""".strip().split("\n")


@pytest.mark.parametrize("line", CASES)
def test_two_quotes_agree_differ_or_are_unrelated(line):
    question, one, other, verdict = line.split("|")
    assert compare_values(analyse(question), [one, other])[0].verdict == verdict


@pytest.mark.parametrize("line", CASES)
def test_the_order_of_the_quotes_changes_nothing(line):
    question, one, other, verdict = line.split("|")
    assert compare_values(analyse(question), [other, one])[0].verdict == verdict


def test_the_values_are_given_as_written():
    asked = analyse("累计产销量是多少？")
    assert compare_values(asked, ["累计达3000万辆。", "是三千萬輛！"]) == (
        Pair(0, 1, "agree", ("3000万辆", "三千萬輛")),
    )
    assert compare_values(analyse("会议由谁主持？"), ["由陈刚主持", "李明主持"]) == (
        Pair(0, 1, "differ", ("陈刚", "李明")),
    )
    assert compare_values(analyse("什么时候召开？"), ["6月25日召开", "6月26日召开"])[0].values == ("6月25日", "6月26日")


def test_unrelated_quotes_have_no_values():
    assert compare_values(analyse("投资多少钱？"), ["投资2亿元", "有300人"]) == (Pair(0, 1, "unrelated", ("", "")),)


def test_every_two_quotes_are_compared_in_order():
    pairs = compare_values(analyse("有多少人？"), ["有300人", "有三百人", "有400人"])
    assert [(one.first, one.second, one.verdict) for one in pairs] == [
        (0, 1, "agree"),
        (0, 2, "differ"),
        (1, 2, "differ"),
    ]


def test_what_the_question_says_itself_is_no_value():
    asked = analyse("2024年产量是多少辆？")
    assert compare_values(asked, ["2024年产量100辆", "2024年产量200辆"])[0].values == ("100辆", "200辆")


@pytest.mark.parametrize("texts", [[], ["3000万"], ["", ""], ["。", "1/0"], ["9" * 400, "8" * 400]])
def test_odd_quotes_are_compared_without_error(texts):
    pairs = compare_values(analyse("有多少？"), texts)
    assert len(pairs) == len(texts) * (len(texts) - 1) // 2
