"""Turns told in plain words are enough to complete a follow-up from."""

from rag.documents import document_from_text
from rag.followups import complete
from rag.page.history import history_of
from rag.question import analyse
from rag.reader import refusal
from tests.handmade import HOSTILE, MOON, answer_quoting

BRANDS = ("柳州有哪家汽车公司？", "柳州有五菱汽车。")


def completed(question, *turns):
    return complete(analyse(question), history_of(turns)).query


def test_a_follow_up_is_completed_from_a_question_and_what_was_said():
    assert completed("它有哪两个品牌？", BRANDS) == "五菱汽车有哪两个品牌？"


def test_an_earlier_follow_up_is_completed_itself():
    first, second = history_of([("五菱汽车的总部在哪里？", "在柳州。"), ("它有哪两个品牌？", "五菱和宝骏。")])
    assert (first.query, second.query) == ("五菱汽车的总部在哪里？", "五菱汽车有哪两个品牌？")


def test_our_own_replies_are_read_back_without_markers_escapes_and_quotes():
    answer = answer_quoting(MOON, ["潮汐由月球的引力造成", "每天两次"], "潮汐是怎么来的")
    (turn,) = history_of([(answer.question, answer.to_markdown())])
    assert (turn.text, turn.verdict) == (answer.text, "answered")
    assert [sentence.text for sentence in turn.sentences] == [sentence.text for sentence in answer.sentences]
    signs = document_from_text("题目\n\n*甲* ~说~ #1 a_b $x$ \\ | 完。")
    for document, words in (
        (HOSTILE, "</p><script>window.hacked = 1</script>，乙说：&amp;"),
        (signs, "*甲* ~说~ #1 a_b $x$ \\ | 完"),
    ):
        answer = answer_quoting(document, [words], "?")
        assert history_of([("甲说了什么", answer.to_markdown())])[0].text == words


def test_small_talk_and_refusals_give_nothing_to_go_on_about():
    question = "火星多大"
    turns = [("你好", "您好！"), (question, refusal(analyse(question), ["火星"])), ("没人回答的问题", "")]
    assert [turn.verdict for turn in history_of(turns)] == ["chat", "refused", "refused"]


def test_a_part_that_was_not_told_is_nothing_to_go_on_about():
    partly, not_at_all = history_of(
        [
            ("甲有多高，乙有多高", "三百米 [1]\n乙有多高：原文没有说。\n\n[1] 甲：\n> 三百米"),
            (
                "How high is A, and how high is B?",
                "How high is A: the text does not tell.\nHow high is B: this was not finished.",
            ),
        ]
    )
    assert (partly.verdict, [one.text for one in partly.sentences]) == ("answered", ["三百米"])
    assert (not_at_all.verdict, not_at_all.sentences) == ("refused", ())


def test_only_the_last_turns_are_read_and_their_length_is_bounded():
    turns = [(f"第{number}个问题是什么", "答" * 100_000) for number in range(50)]
    history = history_of(turns)
    assert [turn.question for turn in history] == [question for question, _ in turns[-4:]]
    assert max(len(turn.text) for turn in history) < 1000
