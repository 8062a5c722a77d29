import pytest

from rag.question import analyse


def terms(question):
    return [term.text for term in analyse(question).terms]


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("谁主持了会议", "person"),
        ("记者是哪位？", "person"),
        ("会议什么时候召开的", "date"),
        ("厂子是哪年建的", "date"),
        ("一共卖了多少辆车", "number"),
        ("有几个品牌", "number"),
        ("总部在哪里", "place"),
        ("为什么要化解债务", "reason"),
        ("怎样发展工业", "manner"),
        ("有哪些品牌", "list"),
        ("四大定位是什么", "list"),
        ("柳州有机场吗", "yes-no"),
        ("主导产业是什么", "fact"),
        ("Who chaired the meeting?", "person"),
        ("When was it held?", "date"),
        ("How many cars were made?", "number"),
        ("Where does the team come from?", "place"),
        ("Why did they meet?", "reason"),
        ("Is Liuzhou a city?", "yes-no"),
    ],
)
def test_the_kind_of_a_question(question, kind):
    assert analyse(question).kind == kind


def test_terms_carry_meaning_and_leave_out_what_only_asks():
    assert terms("请问柳州的主导产业是什么呢？") == ["柳州", "主导", "产业"]
    assert terms("What is the leading industry of the city?") == ["leading", "industry", "city"]


def test_an_unknown_name_is_one_term_and_counts_as_a_name():
    (name, *_) = analyse("飓芯的创始团队").terms
    assert (name.text, name.is_name) == ("飓芯", True)


def test_a_capital_letter_marks_an_english_name():
    named = {term.text: term.is_name for term in analyse("Which brands does Baojun own?").terms}
    assert named == {"brands": False, "baojun": True, "own": False}


def test_traditional_questions_have_simplified_terms():
    assert terms("優必選下線了什麼機器人") == terms("优必选下线了什么机器人")


@pytest.mark.parametrize(
    ("question", "focus"),
    [
        ("柳州的四大定位是什么", "定位"),
        ("召开了什么会议", "会议"),
        ("公司有哪些品牌", "品牌"),
        ("Which city hosted the games?", "city"),
    ],
)
def test_the_focus_is_the_word_beside_the_asking_word(question, focus):
    assert [term.text for term in analyse(question).terms if term.focus] == [focus]


def test_a_promised_number_of_things_is_recognised():
    assert [promise.text for promise in analyse("柳州的五大定位是什么").promises] == ["五大定位"]


@pytest.mark.parametrize("asked", ["What is Liuzhou's total debt?", "What is Liuzhou’s total debt?"])
def test_a_possessive_is_said_where_its_name_is(asked: str) -> None:
    first = analyse(asked).terms[0]
    assert (first.text, first.is_name) == ("liuzhou", True)
