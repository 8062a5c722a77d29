"""The talk: turns as the page shows them, with the words of each citation within their sentence."""

from dataclasses import replace

import pytest

from rag.answers import Contradiction
from rag.citations import Citation
from rag.documents import document_from_text
from rag.page.render import render
from rag.page.talk import AROUND, NEAREST, ShownCitation, ShownTurn, turns_of
from rag.page.words import say
from rag.settings import BUNDLED_READER
from tests.handmade import HOSTILE, MOON, answer_quoting, refusal
from tests.page.visiting import WrittenPipeline, marked, text_of

TIDES = answer_quoting(MOON, ["潮汐由月球的引力造成", "每天两次"], "潮汐是怎么来的")


@pytest.fixture(scope="module")
def chat(tmp_path_factory):
    made = WrittenPipeline(tmp_path_factory.mktemp("talk") / "store", documents=(MOON, HOSTILE))
    yield made
    made.close()


def cited_in(text: str, quote: str) -> Citation:
    return answer_quoting(document_from_text(text, source="x.txt"), [quote], "?").citations[0]


def turn_of(chat, answer, language="zh", **values) -> ShownTurn:
    return ShownTurn(chat, language, "c" * 32, 1, answer, **values)


def html_of(turn: ShownTurn) -> str:
    return render("turn.html", turn.language, turn=turn)


# -- The words of a citation within their sentence ---------------------------------------------------


def context(citation: Citation) -> tuple[str, list[str]]:
    html = ShownCitation(citation, "alive", "zh").context
    return text_of(html), [words for _, _, words in marked(html)]


def test_a_quote_is_shown_in_its_sentence() -> None:
    citation = cited_in("题\n\n前一句话说完了。潮汐由月球的引力造成，每天两次。后一句话。", "月球的引力")
    assert context(citation) == ("潮汐由月球的引力造成，每天两次。", ["月球的引力"])


def test_a_long_sentence_is_cut_on_both_sides_and_says_so() -> None:
    citation = cited_in("题\n\n" + "甲" * 200 + "月球" + "乙" * 200 + "。", "月球")
    assert context(citation) == (f"…{'甲' * AROUND}月球{'乙' * AROUND}…", ["月球"])


def test_a_quote_over_two_sentences_is_shown_in_both() -> None:
    citation = cited_in("题\n\n一句话在这里。第二句话也在。第三句话不在。", "在这里。第二句")
    assert context(citation) == ("一句话在这里。第二句话也在。", ["在这里。第二句"])


def test_a_quote_over_two_paragraphs_is_shown_whole() -> None:
    citation = answer_quoting(MOON, ["二十七天。\n\n潮汐由月球"], "?").citations[0]
    text, words = context(citation)
    assert "".join(words) == "二十七天。\n\n潮汐由月球"
    assert text == "月球绕地球一周约需二十七天。\n\n潮汐由月球"


def test_a_quote_that_is_all_there_is_stands_alone() -> None:
    assert context(cited_in("每天两次", "每天两次")) == ("每天两次", ["每天两次"])


def test_the_text_of_a_document_is_escaped_in_a_context() -> None:
    citation = answer_quoting(HOSTILE, ["<script>window.hacked = 1</script>"], "?").citations[0]
    html = str(ShownCitation(citation, "alive", "en").context)
    assert "<script" not in html
    assert [words for _, _, words in marked(html)] == ["<script>window.hacked = 1</script>"]


def test_a_mark_has_the_colour_of_its_citation() -> None:
    second = ShownCitation(TIDES.citations[1], "alive", "zh")
    assert [classes for classes, _, _ in marked(second.context)] == ["c2"]
    assert (second.marker, second.title, second.where) == (2, "月球与潮汐", "第3段")


# -- Turns -------------------------------------------------------------------------------------------


def test_an_answer_is_shown_with_a_link_for_each_marker(chat) -> None:
    html = html_of(turn_of(chat, TIDES))
    assert html.count('class="marker ') == 2
    assert f'href="/c/{"c" * 32}?turn=1&amp;cite=2#t1"' in html
    assert f'hx-get="/c/{"c" * 32}/1/cite/2"' in html
    assert "每天两次" in text_of(html)


def test_what_was_searched_is_shown_where_it_is_not_what_was_asked(chat) -> None:
    follow_up = answer_quoting(MOON, ["每天两次"], "几次呢", "潮汐是怎么来的 几次呢")
    assert not turn_of(chat, TIDES).was_completed
    assert turn_of(chat, follow_up).was_completed
    html = html_of(turn_of(chat, follow_up))
    assert '<form class="searched" data-again="1">' in html
    assert "潮汐是怎么来的 几次呢</textarea>" in html


def test_while_it_grows_nothing_can_be_done_with_it(chat) -> None:
    html = html_of(turn_of(chat, TIDES, is_growing=True))
    assert "<footer" not in html
    assert 'class="turn answered growing"' in html


def test_only_the_last_turn_can_be_asked_again(chat) -> None:
    assert "data-retry" in html_of(turn_of(chat, TIDES))
    assert "data-retry" not in html_of(turn_of(chat, TIDES, is_last=False))


@pytest.mark.parametrize(
    ("state", "told"), [("removed", "文档已移除"), ("moved", "这句话仍在"), ("changed", "已不在其中")]
)
def test_what_became_of_a_citation_is_said(chat, state, told) -> None:
    turn = turn_of(chat, TIDES, states={1: "alive", 2: state})
    assert [one.state for one in turn.citations] == ["alive", state]
    html = html_of(turn)
    assert html.count('class="state"') == 1
    assert say("zh", f"source {state}") in text_of(html)


def test_answers_that_differ_are_shown_beside_each_other(chat) -> None:
    differing = replace(TIDES, contradictions=(Contradiction((1, 2), ("3000万辆", "2000万辆")),))
    chinese, english = (text_of(html_of(turn_of(chat, differing, language))) for language in ("zh", "en"))
    assert "3000万辆1；2000万辆2" in chinese
    assert "3000万辆1; 2000万辆2" in english


def test_a_partial_answer_says_so(chat) -> None:
    assert say("zh", "partial") in text_of(html_of(turn_of(chat, replace(TIDES, verdict="partial"))))


def test_small_talk_has_no_sources_and_no_feedback(chat) -> None:
    said = replace(TIDES, verdict="chat", sentences=(), citations=(), hits=(), text="你好！", models={}, timings={})
    html = html_of(turn_of(chat, said))
    assert "你好！" in text_of(html)
    assert "feedback" not in html
    assert 'class="cost"' not in html


def test_a_notice_is_shown_once(chat) -> None:
    html = html_of(turn_of(chat, replace(TIDES, notice="有一句没有依据，已去掉。")))
    assert html.count("有一句没有依据，已去掉。</p>") == 1
    stopped = replace(refusal(MOON, "?"), text="回答已停止。", notice="回答已停止。")
    assert text_of(html_of(turn_of(chat, stopped)).split("<footer")[0]).count("回答已停止。") == 1


@pytest.mark.parametrize("language", ["zh", "en"])
def test_what_is_copied_is_in_the_language_of_the_page(chat, language) -> None:
    html = html_of(turn_of(chat, refusal(MOON, "火星多大"), language))
    assert ("The nearest passages:" in html) == (language == "en")
    assert ("最接近的段落：" in html) == (language == "zh")


def test_text_of_users_documents_and_models_is_escaped(chat) -> None:
    evil = answer_quoting(HOSTILE, ["</p><script>window.hacked = 1</script>"], '<b>甲</b>" onclick="x', "<i>甲</i>")
    evil = replace(evil, notice="<u>n</u>", models={"reader": "<s>m</s>"})
    no = replace(refusal(HOSTILE, "<u>乙</u>", ("<s>",)), notice="<em>n</em>")
    html = html_of(turn_of(chat, evil)) + html_of(turn_of(chat, no))
    for tag in ("<script", "<img", "<b>甲", "<i>", "<u>", "<s>", "<em>", '" onclick='):
        assert tag not in html
    assert "</p><script>window.hacked = 1</script>" in text_of(html)


# -- Refusals ----------------------------------------------------------------------------------------


def test_a_refusal_shows_its_words_and_the_nearest_passages_with_links(chat) -> None:
    turn = turn_of(chat, refusal(MOON, "火星多大", ("火星",)))
    assert turn.missing == ["火星"]
    assert [(near.rank, near.title, near.where) for near in turn.nearest] == [
        (1, "月球与潮汐", "第1段"),
        (2, "月球与潮汐", "第2段"),
        (3, "月球与潮汐", "第3段"),
    ]
    html = html_of(turn)
    assert 'class="turn refused"' in html
    assert 'class="marker' not in html
    assert f'hx-get="/c/{"c" * 32}/1/hit/2"' in html
    assert "文章没有说。" in text_of(html)
    assert "文中没有：火星" in text_of(html)


def test_words_that_the_notice_names_are_not_listed_again(chat) -> None:
    turn = turn_of(chat, replace(refusal(MOON, "火星多大", ("火星", "开工")), text="文中没有“火星”。"))
    assert turn.missing == ["开工"]


def test_pieces_of_words_are_not_listed(chat) -> None:
    assert turn_of(chat, refusal(MOON, "市副市长讲了几点", ("副市长", "市副", "讲", "点"))).missing == ["副市长"]


def test_no_more_passages_than_some_are_shown(chat) -> None:
    answer = refusal(MOON, "?")
    assert len(turn_of(chat, replace(answer, hits=answer.hits * 5)).nearest) == NEAREST


def test_a_passage_whose_document_was_removed_or_replaced_is_shown_without_a_link(tmp_path) -> None:
    chat = WrittenPipeline(tmp_path / "store")
    answer = refusal(MOON, "火星多大")
    chat.add_document(document_from_text("短", source=MOON.source))
    replaced = turn_of(chat, answer).nearest
    chat.remove(MOON.id)
    removed = turn_of(chat, answer)
    assert {(near.title, near.where) for near in (*replaced, *removed.nearest)} == {("", "")}
    assert "月球绕地球一周约需二十七天。" in text_of(html_of(removed))
    assert 'class="place"' not in html_of(removed)
    chat.close()


# -- Who answered ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("models", "chinese", "english"),
    [
        ({"reader": "r", "embedder": "e"}, "r摘录，e检索", "quoted by r, found by e"),
        (
            {"embedder": "e", "generator": "g", "reader": "r", "reranker": "x"},
            "g撰写，r摘录，e检索，x重排",
            "written by g, quoted by r, found by e, ranked by x",
        ),
        (
            {"reader": BUNDLED_READER},
            say("zh", "model reader", name=say("zh", "bundled model")),
            "quoted by the bundled model",
        ),
        (
            {"reader": "/home/mei/models/bge", "embedder": "BAAI/bge-small-zh"},
            "bge摘录，BAAI/bge-small-zh检索",
            "quoted by bge, found by BAAI/bge-small-zh",
        ),
        ({}, "", ""),
        ({"generator": ""}, "", ""),
    ],
)
def test_models_are_named_by_what_they_did(chat, models, chinese: str, english: str) -> None:
    answer = replace(TIDES, models=models)
    assert turn_of(chat, answer, "zh").models == chinese
    assert turn_of(chat, answer, "en").models == english


def test_how_long_it_took_is_told_in_seconds(chat) -> None:
    assert turn_of(chat, replace(TIDES, timings={"search": 100, "read": 234.5})).seconds == "0.33"


# -- Kept conversations ------------------------------------------------------------------------------


def test_turns_of_a_kept_conversation_know_which_is_last_and_what_became_of_their_citations(tmp_path) -> None:
    chat = WrittenPipeline(tmp_path / "store", [TIDES])
    conversation = chat.start_conversation()
    for question in (TIDES.question, "火星多大"):
        chat.ask(question, conversation=conversation.id)
    chat.remove(MOON.id)
    first, second = turns_of(chat, chat.conversation(conversation.id), "en")
    assert (first.number, first.is_last, second.number, second.is_last) == (1, False, 2, True)
    assert [one.state for one in first.citations] == ["removed", "removed"]
    assert [context(one.citation) for one in first.citations] == [
        ("潮汐由月球的引力造成", ["潮汐由月球的引力造成"]),
        ("每天两次", ["每天两次"]),
    ]
    assert [one.where for one in first.citations] == ["paragraph 3", "paragraph 3"]
    chat.close()


def test_a_conversation_without_turns_has_none(chat) -> None:
    assert turns_of(chat, chat.start_conversation(), "zh") == []
