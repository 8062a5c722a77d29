"""Which words that were not found people are told: whole ones, and few."""

import pytest

from rag.absence import MOST, worth_telling


@pytest.mark.parametrize(
    ("question", "missing", "told"),
    [
        ("柳州市副市长是谁", ["副市长", "市副"], ["副市长"]),
        ("比亚迪的总裁是谁", ["比亚迪", "总裁"], ["比亚迪", "总裁"]),
        ("魏建军和蔚来", ["魏建军", "蔚来"], ["魏建军", "蔚来"]),
        ("三江县的充电桩有多少", ["三江县", "充电桩"], ["三江县", "充电桩"]),
        ("什么时候开工", ["开工"], ["开工"]),
        ("小明今年几岁", ["小明今年", "小明", "岁"], ["小明"]),
        ("2031年有多少", ["2031"], ["2031"]),
        ("Who is the mayor of Mars?", ["mayor", "mars"], ["mayor", "Mars"]),
    ],
)
def test_words_and_names_that_the_text_lacks_are_told(question: str, missing: list[str], told: list[str]) -> None:
    assert worth_telling(question, missing) == tuple(told)


@pytest.mark.parametrize(
    ("question", "missing"),
    [
        ("他讲了几点", ["讲", "点"]),
        ("地铁线总长多少", ["线总"]),
        ("一共几天年假", ["天年假"]),
        ("阿斯顿飞过？", ["阿斯顿飞过", "阿斯顿"]),
        ("asdf qwer zxcv", ["asdf", "qwer", "zxcv"]),
        ("<b>x</b><img src=x onerror=alert(1)>", ["b", "x", "img", "src", "onerror", "alert", "1"]),
        ("", []),
    ],
)
def test_pieces_and_nonsense_are_not_told(question: str, missing: list[str]) -> None:
    assert worth_telling(question, missing) == ()


def test_words_are_told_as_the_question_writes_them() -> None:
    assert worth_telling("馬斯克的AI芯片", ["马斯克", "ai芯片"]) == ("馬斯克", "AI芯片")


def test_few_words_are_told_and_things_before_what_is_done_with_them() -> None:
    told = worth_telling("开工 竣工 火星 总裁", ["开工", "竣工", "火星", "总裁"])
    assert told == ("开工", "火星", "总裁")
    assert len(told) == MOST


def test_a_word_within_another_is_told_once() -> None:
    assert worth_telling("副市长和市长", ["市长", "副市长"]) == ("副市长",)


@pytest.mark.parametrize("word", ["\ud800", "🙂🙂", "㐀㐀", "a" * 5000, "不" * 300])
def test_odd_words_raise_nothing(word: str) -> None:
    worth_telling(word, [word, word[:1]])
