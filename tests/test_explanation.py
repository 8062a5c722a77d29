"""Explanations: what a reader is told of why these passages were found, and which words of them met the question."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.answers import MAX_NEARLY, MAX_NEARLY_QUOTE, Answer, RunnerUp, not_cited
from rag.documents import document_from_text
from rag.errors import NotFoundError
from rag.explanation import Explanation, explain
from rag.generator import Draft, Task
from rag.passages import Passage
from rag.pipeline import Pipeline
from rag.retriever import ArmRank, Hit
from rag.settings import Settings
from tests.fakes import WordCountEmbedder
from tests.handmade import MOON, HandmadeStore, answer_quoting, passage_of, refusal

STORE = HandmadeStore([MOON])
TIDES = answer_quoting(MOON, ["潮汐由月球的引力造成"], "潮汐是怎么来的")


def words(query: str, text: str) -> list[str]:
    return [text[start:end] for start, end in spans(query, text)]


def spans(query: str, text: str) -> tuple[tuple[int, int], ...]:
    hit = Hit(Passage("d:0", "d", 0, len(text), text), 1, 1.0, {})
    return explain(replace(TIDES, query=query, hits=(hit,)), STORE.document).hits[0].matched


# -- Words of the question ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "text", "found"),
    [
        ("柳州的四大定位是什么", "围绕“四大定位”，柳州要向海图强的。", ["四大定位", "柳州"]),
        ("優必選下線了什麼機器人", "优必选公司下线首台机器人", ["优必选", "下线", "机器人"]),
        ("优必选的机器人", "優必選公司有機器人", ["優必選", "機器人"]),
        ("３０００万辆是哪家", "累计产销量达3000万辆", ["3000万辆"]),
        ("AI芯片有多少", "生产ＡＩ芯片", ["ＡＩ芯片"]),
        ("who chaired the meeting", "Mr. Li chairs a meeting.", ["chairs", "meeting"]),
        ("Who presided over the meeting?", "市长主持会议。", ["主持会议"]),
        ("华沙有多少人口", "The population of Warsaw is growing and it is large.", ["population", "Warsaw"]),
        ("汽车产业", "汽车🤖产业，👨‍👩‍👧汽车", ["汽车", "产业", "汽车"]),
        ("2025年6月25日开了什么会", "6月25日，2025年的月份", ["6", "25", "2025"]),
        ("COVID-19 vaccines", "A vaccine against COVID-19", ["vaccine", "COVID", "19"]),
        ("Where is the stock market?", "股市在涨。", ["股市"]),
        ("柳州的钢", "钢在柳州", ["钢", "柳州"]),
        ("什么时候", "什么时候都行", []),
        ("?", "anything", []),
        ("柳州", "", []),
    ],
)
def test_the_words_of_a_question_are_found_however_they_are_written(query, text, found) -> None:
    assert words(query, text) == found


def test_a_span_stays_exact_where_folding_makes_a_text_longer() -> None:
    text = "㎏½㍿钢…产量ﬁne钢"
    assert words("钢的产量", text) == ["钢", "产量", "钢"]
    assert words("fine", "xx ﬁne, ﬁne") == ["ﬁne", "ﬁne"]
    assert words("公司在哪", "每㍿都在") == []  # 株式会社 is another word
    assert words("株式会社在哪", "每㍿都在") == ["㍿"]


def test_an_accent_stays_with_its_letter() -> None:
    text = "cafe\u0301 moon"
    assert words("cafe", text) == ["cafe\u0301"]


def test_of_a_long_word_its_pairs_of_characters_count() -> None:
    assert words("自治区副中心城市", "副中心") == ["副中心"]


@settings(max_examples=100, deadline=None)
@given(
    st.text(alphabet="柳州市長會议🤖ﬁ㎏Ａa1 \n,。é", max_size=40), st.sampled_from(["柳州市长", "會議ＡA1", "kg fi"])
)
def test_spans_are_in_order_apart_and_within_the_text(text, query) -> None:
    at = 0
    for start, end in spans(query, text):
        assert at <= start < end <= len(text)
        at = end + 1


# -- Hits --------------------------------------------------------------------------------------------


def hits(*arms: dict[str, ArmRank]) -> tuple[Hit, ...]:
    passages = [passage_of(MOON, number) for number in (1, 2, 3)]
    return tuple(Hit(passage, at + 1, 4.0 / (at + 1), one) for at, (passage, one) in enumerate(zip(passages, arms)))  # noqa: B905


def test_a_bar_is_a_share_of_the_best_of_its_arm() -> None:
    arms = (
        {"dense": ArmRank(2, 0.4), "lexical": ArmRank(1, 8.0)},
        {"dense": ArmRank(1, 0.5), "lexical": ArmRank(3, 2.0)},
        {"dense": ArmRank(9, -0.1)},
    )
    first, second, third = explain(replace(TIDES, hits=hits(*arms)), STORE.document).hits
    assert (first.share, second.share, third.share) == (1.0, 0.5, pytest.approx(1 / 3))
    assert [first.arms[arm].share for arm in ("dense", "lexical")] == [pytest.approx(0.8), 1.0]
    assert [second.arms[arm].share for arm in ("dense", "lexical")] == [1.0, 0.25]
    assert third.arms["dense"].share == 0.0
    assert (third.arms["dense"].rank, third.arms["dense"].score) == (9, -0.1)
    assert "lexical" not in third.arms


def test_a_reranker_comes_last_and_its_logits_are_compared_as_probabilities() -> None:
    arms = (
        {"reranker": ArmRank(1, 2.0), "dense": ArmRank(1, 0.5)},
        {"reranker": ArmRank(2, 0.0), "dense": ArmRank(2, 0.4)},
        {"reranker": ArmRank(3, -900.0)},
    )
    told = explain(replace(TIDES, hits=hits(*arms)), STORE.document)
    assert told.arms == ("dense", "reranker")
    assert list(told.hits[0].arms) == ["dense", "reranker"]
    assert [one.arms["reranker"].share for one in told.hits] == [1.0, pytest.approx(0.5 * (1 + 2.718281828**-2)), 0.0]


def test_a_hit_tells_where_it_stands_which_words_met_and_which_marker_quotes_it() -> None:
    told = explain(replace(TIDES, query="月球和潮汐"), STORE.document)
    by_paragraph = {one.paragraph: one for one in told.hits}
    assert set(by_paragraph) == {1, 2, 3}
    third = by_paragraph[3]
    assert third.title == "月球与潮汐"
    assert third.markers == (1,)
    assert by_paragraph[2].markers == ()
    assert [MOON.text[start:end] for start, end in third.matched] == ["潮汐", "月球"]
    assert third.coverage == pytest.approx(1.0)
    assert 0 < by_paragraph[2].coverage < 0.5  # 月球 tells less than 潮汐


def test_a_document_that_is_gone_leaves_no_title_and_no_place() -> None:
    def gone(document_id: str):
        raise NotFoundError(f"no {document_id}")

    told = explain(TIDES, gone)
    assert {(one.title, one.paragraph) for one in told.hits} == {("", None)}
    assert [one.markers for one in told.hits] == [(), (), (1,)]  # known by the passage


def test_an_answer_without_hits_has_nothing_to_explain() -> None:
    assert explain(replace(TIDES, hits=()), STORE.document) == Explanation(TIDES.query, (), ())


# -- What was nearly chosen ----------------------------------------------------------------------------


def runner_up(quote: str, **changes) -> RunnerUp:
    start = MOON.text.index(quote)
    passage = passage_of(MOON, MOON.paragraph_at(start).number)
    return replace(RunnerUp(MOON.id, passage.id, start, start + len(quote), quote, 0.5), **changes)


def test_what_was_nearly_chosen_is_told_with_its_place_and_its_hit() -> None:
    answer = replace(TIDES, query="两次是多久", nearly=(runner_up("每天两次"),))
    (near,) = explain(answer, STORE.document).nearly
    assert (near.title, near.paragraph, near.rank, near.runner_up.score) == ("月球与潮汐", 3, 3, 0.5)
    assert [MOON.text[start:end] for start, end in near.matched] == ["两次"]


def test_words_that_do_not_stand_there_any_more_are_not_told() -> None:
    answer = replace(TIDES, nearly=(runner_up("每天两次", start=0, end=4), runner_up("每天两次", document_id="gone")))
    assert explain(answer, STORE.document).nearly == ()


def test_what_is_cited_was_not_nearly_chosen() -> None:
    near = [runner_up("月球的引力"), runner_up("每天两次"), runner_up("两次"), runner_up("二十七天")]
    assert [one.quote for one in not_cited(near, TIDES.citations)] == ["每天两次", "二十七天"]


def test_the_reader_tells_what_it_weighed_apart_from_what_it_chose(article_chat) -> None:
    found = 0
    for question in (
        "汽车产业在柳州是什么地位",
        "陈刚去了哪些公司",
        "Who presided over the meeting?",
        "会议有什么要求",
    ):
        answer = article_chat.ask(question)
        if answer.verdict == "refused":
            continue
        chosen = [(one.document.id, one.start, one.end) for one in answer.citations]
        scores = [one.score for one in answer.nearly]
        assert len(answer.nearly) <= MAX_NEARLY
        assert scores == sorted(scores, reverse=True)
        assert all(0 < score <= 1 for score in scores)
        for one in answer.nearly:
            document = article_chat.document(one.document_id)
            assert document.text[one.start : one.end] == one.quote
            assert len(one.quote) <= MAX_NEARLY_QUOTE
            assert not any(id_ == one.document_id and one.start < e and s < one.end for id_, s, e in chosen)
            assert one.passage_id in [hit.passage.id for hit in answer.hits]
        found += len(answer.nearly)
    assert found >= 3
    assert (
        len(article_chat.ask("汽车产业在柳州是什么地位").nearly) == MAX_NEARLY
    )  # none is the choice at another length


@pytest.mark.parametrize("question", ["比亚迪在巴西的工厂有多少工人", "柳州的五大定位是什么"])
def test_a_refusal_never_tells_what_was_nearly_chosen(article_chat, question) -> None:
    answer = article_chat.ask(question)
    assert answer.verdict == "refused"
    assert answer.withheld
    assert answer.nearly == ()
    told = explain(answer, article_chat.store.document)
    assert told.nearly == ()
    assert len(told.hits) == len(answer.hits)


class Writer:
    """Writes one sentence of the article."""

    name = "writer"

    def write(self, task: Task, stop: threading.Event) -> Iterator[Draft]:
        yield Draft("汽车产业是柳州的主导产业。", ())


def test_what_a_language_model_writes_was_not_chosen_by_the_reader(article_chat) -> None:
    chat = Pipeline(article_chat.store.folder, Settings(generator="writer"), article_chat.embedder)
    chat.__dict__["_loaded"] = Writer()
    answer = chat.ask("汽车产业在柳州是什么地位")
    assert (answer.verdict, answer.models["generator"]) == ("answered", "writer")
    assert answer.nearly == ()
    chat.close()


def test_of_several_facts_each_tells_its_own(article_chat) -> None:
    answer = article_chat.ask("汽车产业在柳州是什么地位，会议是哪天开的？")
    assert len(answer.parts) == 2
    assert {one.part for one in answer.nearly} <= {0, 1}
    assert Answer.from_json(answer.to_json()) == answer


def test_a_kept_conversation_is_explained_as_well_as_a_fresh_answer(folder: Path) -> None:
    article = Path("rag/data/liuzhou.txt")
    chat = Pipeline(folder, Settings())
    chat.add(article)
    kept = chat.start_conversation()
    answer = chat.ask("汽車產業在柳州是什麼地位", conversation=kept.id)
    (turn,) = chat.conversation(kept.id).turns
    fresh, again = (explain(one, chat.store.document) for one in (answer, turn.answer))
    assert turn.answer.nearly == answer.nearly != ()
    assert again.nearly == fresh.nearly
    for one, other in zip(again.hits, fresh.hits, strict=False):
        assert one.hit.passage == other.hit.passage
        assert (one.matched, one.markers, one.paragraph) == (other.matched, other.markers, other.paragraph)
    assert any(
        chat.document(one.hit.passage.document_id).text[s:e] == "汽车产业" for one in again.hits for s, e in one.matched
    )
    chat.close()


def test_a_search_alone_can_be_explained(folder: Path) -> None:
    chat = Pipeline(folder, Settings(), WordCountEmbedder())
    chat.add_document(document_from_text("月亮\n\n月亮引起潮汐。\n\n猫。\n", source="m"))
    answer = replace(refusal(MOON, "月亮和潮汐"), hits=tuple(chat.search("月亮和潮汐")))
    told = explain(answer, chat.store.document)
    assert told.arms == ("dense", "lexical")
    assert told.hits[0].arms["lexical"].share == 1.0
    assert max(one.share for one in told.hits) == 1.0
    chat.close()
