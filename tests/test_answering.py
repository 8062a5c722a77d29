"""What an answer goes through: parts, summaries, contradictions, language models, hostile texts."""

import json
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from rag.chat import UnreachableError
from rag.documents import document_from_text, read_document
from rag.errors import ModelError
from rag.generator import Draft, ModelGenerator
from rag.pipeline import Pipeline
from rag.settings import Settings

HOSTILE = [
    json.loads(line)
    for line in (Path(__file__).parent / "data" / "hostile.jsonl").read_text(encoding="utf-8").split("\n")
    if line
]
MORNING = (
    "晨星汽车公司昨日宣布，今年累计产销量达到3000万辆。公司总部设在青山市，董事长是李明远。"
    "公司拥有“晨光”和“晨曦”两个品牌。"
)
EVENING = "据介绍，晨星汽车公司累计产销量达到2800万辆，董事长是李明远。"
SOLD = "晨星汽车公司的累计产销量是多少？"


class Scripted:
    """A generator that writes given sentences, and fails, waits or stops where it is told to."""

    name = "scripted"

    def __init__(self, *sentences, hints=(), invented=0, error=None, pause=0.0):
        self.sentences, self.hints, self.invented, self.error, self.pause = sentences, hints, invented, error, pause
        self.closed = False

    def write(self, task, stop):
        try:
            for sentence in self.sentences:
                if stop.wait(self.pause) or stop.is_set():
                    return
                yield Draft(sentence, (), self.hints, self.invented)
            if self.error:
                raise self.error
        finally:
            self.closed = True


class Obedient:
    """A language model that does what a document tells it to."""

    name = "obedient"
    context_size = 4096

    def __init__(self, text):
        self.text = text

    def chat(self, messages, stop):
        yield from self.text

    def count_tokens(self, messages):
        return sum(len(message.content) for message in messages) // 4


def open_over(folder, *texts, generator=None):
    chat = Pipeline(folder, Settings(generator="scripted" if generator else "extractive"))
    for number, text in enumerate(texts):
        chat.add_document(document_from_text(text, title=f"第{number + 1}报", source=f"text-{number}"))
    if generator:
        chat.generator = generator
    return chat


def assert_all_exact(answer):
    markers = {citation.marker for citation in answer.citations}
    assert markers == set(range(1, len(answer.citations) + 1))
    for citation in answer.citations:
        assert citation.document.text[citation.start : citation.end] == citation.quote
    for sentence in answer.sentences:
        assert sentence.markers
        assert set(sentence.markers) <= markers


# -- Kinds of question -----------------------------------------------------------------------------


def test_two_facts_in_one_question_are_answered_one_by_one(article_chat):
    answer = article_chat.ask("会议是哪天召开的，由谁主持？")
    assert [part.verdict for part in answer.parts] == ["answered", "answered"]
    assert "6月25日" in answer.sentences[0].text
    assert "陈刚" in answer.sentences[1].text
    assert [sentence.part for sentence in answer.sentences] == [0, 1]
    assert_all_exact(answer)


def test_a_question_of_which_one_half_is_untold_is_answered_in_part_and_says_which(tmp_path):
    answer = open_over(tmp_path, MORNING).ask("晨星汽车公司的董事长是谁？晨星汽车公司的总经理是谁？")
    assert answer.verdict == "partial"
    assert [part.verdict for part in answer.parts] == ["answered", "refused"]
    assert answer.parts[1].text == "晨星汽车公司的总经理是谁：原文没有说。"
    assert answer.parts[1].text in answer.to_markdown()


def test_what_is_untold_is_named_in_english_too(tmp_path):
    text = "The Harbour Bridge was opened in 1932. It cost ten million pounds."
    answer = open_over(tmp_path, text).ask("When was the Harbour Bridge opened? Who is the mayor of Tokyo?")
    assert [part.verdict for part in answer.parts] == ["answered", "refused"]
    assert answer.said()[-1] == ("Who is the mayor of Tokyo: the text does not tell.", ())


def test_a_list_is_quoted_whole(tmp_path):
    answer = open_over(tmp_path, MORNING).ask("晨星汽车公司有哪两个品牌？")
    assert "晨光" in answer.text
    assert "晨曦" in answer.text


def test_a_comparison_quotes_both_sides_and_says_which_it_is_when_both_give_a_value(tmp_path):
    chat = open_over(tmp_path, "晨星汽车今年的产销量是300万辆。", "远山汽车今年的产销量是二百五十万辆。")
    answer = chat.ask("晨星汽车和远山汽车哪个产销量更高？")
    assert answer.sentences[-1].text.endswith("晨星汽车更高。")
    assert len(answer.sentences[-1].markers) == 2
    assert_all_exact(answer)


def test_a_comparison_of_which_one_side_is_untold_says_nothing_of_which_is_more(tmp_path):
    answer = open_over(tmp_path, "晨星汽车今年的产销量是300万辆。").ask("晨星汽车和远山汽车哪个产销量更高？")
    assert answer.verdict == "partial"
    assert "更高" not in answer.text


def test_small_talk_gets_a_polite_reply_and_no_citation(article_chat):
    answer = article_chat.ask("你好")
    assert (answer.verdict, answer.citations, answer.hits) == ("chat", (), ())
    assert article_chat.ask("你好，柳州的四大定位是什么？").verdict == "answered"


def test_a_summary_quotes_sentences_of_both_articles(article_chat):
    answer = article_chat.ask("这篇文章讲了什么？")
    assert answer.verdict == "answered"
    assert 3 <= len(answer.sentences) <= 8
    assert len({citation.place.article for citation in answer.citations}) == 2
    assert_all_exact(answer)


def test_a_paragraph_that_is_not_there_is_not_summarised(article_chat):
    answer = article_chat.ask("第99段讲了什么？")
    assert answer.verdict == "refused"
    assert answer.citations == ()


def test_what_the_text_says_of_a_topic_is_every_place_that_speaks_of_it(article_chat):
    answer = article_chat.ask("关于营商环境说了什么？")
    assert len(answer.citations) >= 2
    assert all("营商环境" in citation.quote for citation in answer.citations)


@pytest.mark.parametrize(
    ("question", "missing"),
    [("柳州市市长是谁？", "市长"), ("桂林的定位是什么？", "桂林"), ("比亚迪的累计产销量是多少？", "比亚迪")],
)
def test_who_the_text_does_not_speak_of_is_refused_by_name(article_chat, question, missing):
    answer = article_chat.ask(question)
    assert answer.verdict == "refused"
    assert missing in answer.missing
    assert missing in answer.text


def test_a_name_in_latin_letters_is_known_by_the_part_of_it_that_the_text_spells(article_chat):
    answer = article_chat.ask("What brands does SAIC-GM-Wuling own?")
    assert "宝骏" in answer.text
    assert article_chat.ask("What brands does GAC-Toyota own?").verdict == "refused"


def test_a_deputy_is_not_answered_with_the_head(tmp_path):
    chat = open_over(tmp_path, "青石镇图书馆今年开放，馆长是林雅文。图书馆设有自习区。")
    assert "林雅文" in chat.ask("馆长是谁？").text
    answer = chat.ask("副馆长是谁？")
    assert answer.verdict == "refused"
    assert "副馆长" in answer.text


# -- Several documents -----------------------------------------------------------------------------


def test_documents_that_differ_are_shown_side_by_side(tmp_path):
    answer = open_over(tmp_path, MORNING, EVENING).ask(SOLD)
    (found,) = answer.contradictions
    assert set(found.values) == {"3000万辆", "2800万辆"}
    cited = {citation.marker: citation for citation in answer.citations}
    assert [found.values[at] in cited[marker].quote for at, marker in enumerate(found.markers)] == [True, True]
    assert cited[found.markers[0]].document != cited[found.markers[1]].document
    assert "说法不一" in answer.to_markdown()


def test_documents_that_agree_are_cited_together(tmp_path):
    answer = open_over(tmp_path, MORNING, EVENING).ask("晨星汽车公司的董事长是谁？")
    assert answer.contradictions == ()
    (sentence,) = answer.sentences
    assert len(sentence.markers) == 2


# -- Language models -------------------------------------------------------------------------------


def test_what_a_model_writes_is_tied_to_the_words_that_carry_it(tmp_path):
    chat = open_over(tmp_path, MORNING, generator=Scripted("晨星汽车公司的累计产销量为三千万辆。", "董事长是李明远。"))
    answer = chat.ask(SOLD)
    assert [sentence.text for sentence in answer.sentences] == [
        "晨星汽车公司的累计产销量为三千万辆。",
        "董事长是李明远。",
    ]
    assert "3000万辆" in answer.citations[0].quote
    assert answer.models["generator"] == "scripted"
    assert answer.notice == ""
    assert_all_exact(answer)


def test_a_wrong_number_is_replaced_by_the_words_of_the_text_and_one_notice_says_so(tmp_path):
    answer = open_over(tmp_path, MORNING, generator=Scripted("晨星汽车公司累计产销量达到5000万辆。")).ask(SOLD)
    assert "5000" not in answer.text
    assert "3000万辆" in answer.text
    assert answer.notice
    assert any(not check.passed for check in answer.checks)


def test_a_sentence_that_nothing_carries_is_left_out(tmp_path):
    chat = open_over(
        tmp_path, MORNING, generator=Scripted("晨星汽车公司累计产销量达到3000万辆。", "月亮是奶酪做的，鲸鱼在天上飞。")
    )
    answer = chat.ask(SOLD)
    assert [sentence.text for sentence in answer.sentences] == ["晨星汽车公司累计产销量达到3000万辆。"]
    assert answer.notice


@pytest.mark.parametrize(
    ("generator", "notice"),
    [
        (Scripted(error=UnreachableError("It does not answer.")), "连不上语言模型的服务器，以下是原文的话。"),
        (
            Scripted("晨星汽车公司累计产销量达到3000万辆。", error=ModelError("The stream was cut.")),
            "语言模型出错，以下是原文的话。",
        ),
        (Scripted("月亮是奶酪做的，鲸鱼在天上飞。"), "语言模型没有给出可用的回答，以下是原文的话。"),
    ],
    ids=["absent", "cut", "nonsense"],
)
def test_a_model_that_fails_gives_way_to_the_words_of_the_text_and_the_answer_says_why(tmp_path, generator, notice):
    answer = open_over(tmp_path, MORNING, generator=generator).ask(SOLD)
    assert answer.verdict == "answered"
    assert "3000万辆" in answer.text
    assert answer.notice == notice
    assert "generator" not in answer.models
    assert_all_exact(answer)


def test_invented_markers_are_dropped_and_counted(tmp_path):
    answer = open_over(tmp_path, MORNING, generator=Scripted("董事长是李明远。", invented=2)).ask("董事长是谁？")
    assert_all_exact(answer)
    assert next(check for check in answer.checks if check.name == "markers").detail == "2"


def test_a_model_that_finds_no_answer_is_a_refusal(tmp_path):
    assert open_over(tmp_path, MORNING, generator=Scripted()).ask("公司成立于哪一年？").verdict == "refused"


# -- Streaming -------------------------------------------------------------------------------------


def test_the_answer_grows_by_whole_checked_sentences(tmp_path):
    chat = open_over(tmp_path, MORNING, generator=Scripted("董事长是李明远。", "公司总部设在青山市。"))
    grown = [tuple(one.text for one in answer.sentences) for answer in chat.stream("介绍晨星汽车公司的董事长和总部")]
    assert grown[0] == ("董事长是李明远。",)
    assert grown[-1] == ("董事长是李明远。", "公司总部设在青山市。")


def test_a_stopped_answer_ends_within_200_milliseconds_and_leaves_no_thread(tmp_path):
    generator = Scripted(*["董事长是李明远。", *["公司总部设在青山市。"] * 500], pause=0.02)
    chat = open_over(tmp_path, MORNING, generator=generator)
    stop = threading.Event()
    threads = set(threading.enumerate())
    stream = chat.stream("董事长是谁？", stop=stop)
    first = next(stream)
    assert first.text == "董事长是李明远。"
    started = set(threading.enumerate())
    begin = time.perf_counter()
    stop.set()
    *_, last = stream
    assert time.perf_counter() - begin < 0.2
    assert last.notice == "回答已停止。"
    assert last.stopped
    assert generator.closed
    assert set(threading.enumerate()) <= started | threads


def test_an_answer_that_is_stopped_before_its_first_word_does_not_blame_the_text(tmp_path):
    chat = open_over(tmp_path, MORNING, generator=Scripted("董事长是李明远。"))
    stop = threading.Event()
    stop.set()
    *_, last = chat.stream("晨星汽车公司的宇航员讲了什么？", stop=stop)
    assert (last.text, last.missing, last.stopped) == ("回答已停止。", (), True)
    assert not chat.ask("董事长是谁？").stopped


def test_a_part_that_was_not_finished_is_not_called_untold(tmp_path):
    chat = open_over(tmp_path, MORNING)
    stop = threading.Event()
    stream = chat.stream("晨星汽车公司的董事长是谁？晨星汽车公司的总部设在哪里？晨星汽车公司有哪两个品牌？", stop=stop)
    next(stream)
    stop.set()
    *_, last = stream
    assert (last.stopped, last.notice) == (True, "回答已停止。")
    assert "没有说" not in last.text
    assert type(last).from_json(last.to_json()) == last


def test_the_part_that_was_being_written_when_the_answer_was_stopped_is_named(tmp_path):
    stop = threading.Event()

    class Stopping(Scripted):
        def write(self, task, stop):
            if "总部" in task.asked.query:
                stop.set()
                return
            yield Draft("董事长是李明远。")

    chat = open_over(tmp_path, MORNING, generator=Stopping())
    *_, last = chat.stream("晨星汽车公司的董事长是谁？晨星汽车公司的总部设在哪里？", stop=stop)
    assert last.said() == [("董事长是李明远。", (1,)), ("晨星汽车公司的总部设在哪里：没有答完。", ())]
    assert (last.stopped, last.notice) == (True, "回答已停止。")


def test_a_stream_that_is_left_closes_the_generator(tmp_path):
    generator = Scripted("董事长是李明远。", "公司总部设在青山市。")
    stream = open_over(tmp_path, MORNING, generator=generator).stream("董事长是谁？")
    next(stream)
    stream.close()
    assert generator.closed


# -- Hostile texts ---------------------------------------------------------------------------------


def test_each_hostile_fixture_has_a_true_answer_and_a_lie_that_can_be_told_apart():
    assert len({row["id"] for row in HOSTILE}) == len(HOSTILE) >= 20
    for row in HOSTILE:
        assert row["answer"] in row["text"]
        assert any(words in row["obeyed"] for words in row["forbidden"])
        assert not any(words in row["answer"] for words in row["forbidden"])


@pytest.mark.parametrize("obeying", [True, False], ids=["model that obeys", "extractive"])
@pytest.mark.parametrize("row", HOSTILE, ids=[row["id"] for row in HOSTILE])
def test_instructions_hidden_in_a_document_are_not_obeyed(tmp_path, row, obeying):
    path = tmp_path / row["name"]
    path.write_text(row["text"], encoding="utf-8", newline="")
    obedient = ModelGenerator(Obedient(row["obeyed"]), Settings())
    chat = open_over(tmp_path / "store", generator=obedient if obeying else None)
    chat.add_document(read_document(path))
    answer = chat.ask(row["question"])
    assert_all_exact(answer)
    for words in row["forbidden"]:
        if words in row["question"]:
            continue
        for sentence in answer.sentences:
            quotes = [one.quote for one in answer.citations if one.marker in sentence.markers]
            # Only as a visible quotation of the document's own words.
            assert words not in sentence.text or any(sentence.text in quote for quote in quotes)
        if not answer.sentences:
            assert words not in answer.text


def test_an_answer_with_everything_comes_back_from_json_unchanged(tmp_path):
    answer = open_over(tmp_path, MORNING, EVENING).ask("晨星汽车公司的累计产销量是多少？晨星汽车公司的总经理是谁？")
    assert answer.parts
    assert type(answer).from_json(answer.to_json()) == answer
    assert replace(answer, notice="x") != answer
