import pytest

from rag.kinds import can_answer, contradiction, is_met, names_wanted
from rag.question import analyse


@pytest.mark.parametrize(
    ("question", "text", "given"),
    [
        ("会议哪天召开", "6月25日，会议召开", True),
        ("会议哪天召开", "会议在柳州召开", False),
        ("生产了多少辆车", "累计产销量达3000万辆", True),
        ("生产了多少辆车", "生产了许多车", False),
        ("生产的3000万辆车是多少", "3000万辆", False),  # the number is the question's own
        ("新馆有多少座位", "共有座位3200个", True),
        ("新馆有多少人", "一家新馆，座位3200个", False),
        ("建设了几年", "2021年9月1日开放", True),
        ("来了多少读者", "2021年9月1日开放", False),  # a date is no amount
        ("花了多少钱", "藏书180万册", False),
        ("花了多少钱", "造价3.5亿元", True),
        ("How much did it cost?", "opened on 14 May 1932", False),
        ("How much did it cost?", "it cost 3 million dollars, or $ 3 million", True),
        ("谁主持会议", "自治区党委书记陈刚主持会议", True),
        ("谁主持会议", "会议研究债务", False),
        ("团队来自哪里", "均来自北京大学", True),
        ("为什么开会", "为了化解债务，召开会议", True),
        ("有哪些品牌", "五菱和宝骏两个品牌", True),
        ("When did it start?", "It started in 1998.", True),
        ("When did it start?", "It started slowly.", False),
    ],
)
def test_whether_a_text_gives_what_is_asked_for(question, text, given):
    assert is_met(analyse(question), text) is given


@pytest.mark.parametrize(
    ("question", "text", "said"),
    [
        ("五大定位是什么", "围绕“四大定位”", "四大定位"),
        ("四大定位是什么", "围绕“四大定位”", ""),
        ("4大定位是什么", "围绕“四大定位”", ""),
        ("五大定位是什么", "没有说定位", ""),
        ("两个品牌是什么", "打造一个品牌", ""),
        ("十二项任务", "12项任务", ""),
    ],
)
def test_a_promise_is_contradicted_by_another_number_of_the_same_things(question, text, said):
    (promise,) = analyse(question).promises
    assert contradiction(promise, text) == said


@pytest.mark.parametrize(
    ("question", "text", "possible"),
    [
        ("展览是哪一年开幕的？", "6月25日开幕", False),
        ("展览是哪一年开幕的？", "2021年6月25日开幕", True),
        ("茶馆几点关门？", "茶馆每天开门", False),
        ("茶馆几点关门？", "晚上九点关门", True),
        ("要洗多少秒？", "事件减少48%", False),
        ("要洗多少秒？", "至少洗二十秒", True),
        ("门票多少钱？", "门票免费发放三百张", False),
        ("谁主持了会议？", "会议进展顺利", False),
        ("谁主持了会议？", "会议由市教育局主持", True),
        ("创始人叫什么名字？", "创始团队均来自北京大学", False),
        ("创始人叫什么名字？", "创始人李明远说", True),
        ("What year did it open?", "It opened on a Monday.", False),
        ("有哪些品牌？", "天气很好", True),  # what is no person, time or number cannot be told by its form
    ],
)
def test_an_answer_that_plainly_lacks_what_is_asked_for_cannot_be_one(question, text, possible):
    assert can_answer(analyse(question), text) is possible


@pytest.mark.parametrize(
    ("question", "text", "named"),
    [
        ("去了哪几个区县？", "到河东区、青山县调研", True),
        ("去了哪几个区县？", "详细了解有关情况", False),
        ("看了哪两家企业？", "来到晨星汽车有限公司", True),
        ("是哪部法律？", "依照教育法办理", True),
        ("他是谁？", "到河东区调研", False),
    ],
)
def test_the_kind_of_thing_that_is_asked_for_is_known_by_how_its_name_ends(question, text, named):
    assert names_wanted(analyse(question), text) is named
