"""Asking: a question becomes a series of lines, and whatever goes wrong is one line that leaves nothing behind."""

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace

import pytest

from rag.answers import Answer
from rag.conversation import MAX_TURNS
from rag.errors import Language
from rag.page import asking
from rag.page.asking import Asking, events
from rag.page.service import Service
from rag.page.talk import seal
from rag.page.waiting import WaitingRoom
from rag.page.words import say
from rag.pipeline import Pipeline
from tests.handmade import MOON, answer_quoting, refusal
from tests.page.visiting import WrittenPipeline, text_of

TIDES = answer_quoting(MOON, ["潮汐由月球的引力造成", "每天两次"], "潮汐是怎么来的")
HALF = answer_quoting(MOON, ["潮汐由月球的引力造成"], "潮汐是怎么来的")


@pytest.fixture
def chat(tmp_path) -> Iterator[WrittenPipeline]:
    made = WrittenPipeline(tmp_path / "store", [TIDES])
    yield made
    made.close()


@pytest.fixture
def service(chat: WrittenPipeline) -> Service:
    return Service(chat)


def said(
    service: Service, question: str, conversation: str = "", owner: str = "", language: Language = "zh", **values
) -> list[dict[str, object]]:
    asked = Asking(question, conversation, **values)
    lines = list(events(service, asked, owner, language, threading.Event()))
    assert all(line.endswith("\n") and "\n" not in line[:-1] for line in lines)
    return [json.loads(line) for line in lines]


def states(events_: Sequence[dict[str, object]]) -> list[object]:
    return [event["state"] for event in events_]


def questions(chat: WrittenPipeline, conversation: object) -> list[str]:
    return [turn.answer.question for turn in chat.conversation(str(conversation)).turns]


# -- A question and its answer -----------------------------------------------------------------------


def test_a_question_starts_a_conversation_and_is_kept_with_its_answer(service, chat) -> None:
    growing, done = said(service, TIDES.question)
    assert growing.keys() == {"state", "html", "conversation", "turn", "replaces"}
    assert "正在查找…" in str(growing["html"])
    assert done["state"] == "done"
    assert (done["conversation"], done["turn"], done["replaces"]) == (growing["conversation"], 1, False)
    assert done["told"] == TIDES.text
    assert "每天两次" in text_of(str(done["html"]))
    assert f"/c/{done['conversation']}/1/cite/2" in str(done["html"])
    assert TIDES.question in str(done["shelf"])
    assert questions(chat, done["conversation"]) == [TIDES.question]


def test_the_answer_grows_and_only_the_last_one_is_done(service, chat) -> None:
    chat.answers[TIDES.question] = [HALF, HALF, TIDES]
    lines = said(service, TIDES.question)
    assert states(lines) == ["growing", "growing", "growing", "done"]
    assert ["每天两次" in text_of(str(line["html"]).split("<ol")[0]) for line in lines] == [False, False, False, True]
    assert ["<footer" in str(line["html"]) for line in lines] == [False, False, False, True]
    assert questions(chat, lines[-1]["conversation"]) == [TIDES.question]


def test_a_follow_up_is_asked_with_the_turns_before(service, chat) -> None:
    first = said(service, TIDES.question)[-1]
    second = said(service, "火星多大", str(first["conversation"]))[-1]
    assert chat.asked == [(TIDES.question, []), ("火星多大", [TIDES.question])]
    assert (second["conversation"], second["turn"], second["replaces"]) == (first["conversation"], 2, False)
    assert 'id="t2"' in str(second["html"])


def test_it_is_said_in_the_language_of_the_page(service) -> None:
    growing, done = said(service, TIDES.question, language="en")
    assert "Looking…" in str(growing["html"])
    assert "Sources" in str(done["html"])
    assert "New conversation" in str(done["shelf"])


def test_the_shelf_has_only_the_owners_conversations(service) -> None:
    said(service, "别人的问题", owner="user:b")
    assert "别人的问题" not in str(said(service, "自己的问题", owner="user:a")[-1]["shelf"])


def test_a_turn_that_another_page_keeps_meanwhile_does_not_take_the_number(service, chat) -> None:
    conversation = chat.start_conversation().id

    def while_another_is_kept(question: str, *_: object) -> Iterator[Answer]:
        yield HALF
        chat.kept.append(conversation, refusal(MOON, "别的问题"))
        yield TIDES

    chat._answers = while_another_is_kept
    done = said(service, TIDES.question, conversation)[-1]
    assert (done["turn"], questions(chat, conversation)) == (2, ["别的问题", TIDES.question])
    assert f"/c/{conversation}/2/cite/1" in str(done["html"])


# -- Asked again -------------------------------------------------------------------------------------


@pytest.fixture
def two(service) -> str:
    """A conversation of two turns."""
    first = said(service, TIDES.question)[-1]
    said(service, "火星多大", str(first["conversation"]))
    return str(first["conversation"])


def test_the_last_question_is_replaced(service, chat, two) -> None:
    done = said(service, "木星多大", two, replaces=True)[-1]
    assert (done["turn"], done["replaces"]) == (2, True)
    assert questions(chat, two) == [TIDES.question, "木星多大"]
    assert chat.asked[-1] == ("木星多大", [TIDES.question])


def seals(chat: Pipeline, conversation: str) -> list[str]:
    return [seal(turn) for turn in chat.conversation(conversation).turns]


@pytest.mark.parametrize("more", [{"replaces": True}, {"again": 2}])
def test_a_turn_that_the_page_does_not_show_is_not_replaced(service, chat, two, more) -> None:
    first, second = seals(chat, two)
    said(service, "水星多大", two, replaces=True)  # in another window
    for seen in (first, second, ""):
        (line,) = said(service, "木星多大", two, seen=seen, **more)
        assert (line["state"], "别的窗口" in str(line["message"])) == ("failed", True)
    assert questions(chat, two) == [TIDES.question, "水星多大"]
    assert said(service, "木星多大", two, seen=seals(chat, two)[-1], **more)[-1]["state"] == "done"
    assert said(service, "土星多大", two, seen=first)[-1]["turn"] == 3  # nothing is lost by one more


def test_the_seal_stands_in_what_is_shown(service, chat, two) -> None:
    html = said(service, "木星多大", two)[-1]["html"]
    assert f'data-seal="{seals(chat, two)[-1]}"' in str(html)


def test_in_a_conversation_without_turns_nothing_is_replaced(service, chat) -> None:
    done = said(service, TIDES.question, replaces=True)[-1]
    assert (done["turn"], done["replaces"]) == (1, False)


def test_another_search_for_the_last_question_takes_its_place_and_keeps_the_question(service, chat, two) -> None:
    chat.answers["火星 直径"] = [answer_quoting(MOON, ["每天两次"], "火星 直径")]
    done = said(service, "火星 直径", two, again=2)[-1]
    assert (done["turn"], done["replaces"]) == (2, True)
    kept = chat.conversation(two).turns
    assert [(turn.answer.question, turn.answer.query) for turn in kept] == [
        (TIDES.question, TIDES.question),
        ("火星多大", "火星 直径"),
    ]
    assert 'value="火星 直径"' in str(done["html"]) or ">火星 直径</textarea>" in str(done["html"])


def test_another_search_is_not_completed_from_the_turns_before(service, chat, two) -> None:
    said(service, "火星 直径", two, again=2)
    assert chat.asked[-1] == ("火星 直径", [])


def test_another_search_for_an_earlier_question_is_a_turn_of_its_own(service, chat, two) -> None:
    done = said(service, "潮汐 成因", two, again=1)[-1]
    assert (done["turn"], done["replaces"]) == (3, False)
    assert questions(chat, two) == [TIDES.question, "火星多大", "潮汐 成因"]


@pytest.mark.parametrize("again", [0, 3, -1, 10**9])
def test_another_search_for_a_turn_that_is_not_there_is_refused(service, chat, two, again) -> None:
    (line,) = said(service, "?!a", two, again=again)
    assert line == {"state": "failed", "message": f"这段对话没有第 {again} 轮。"}
    assert len(questions(chat, two)) == 2


def test_another_search_in_a_full_conversation_is_refused_before_it_is_made(service, chat, two, monkeypatch) -> None:
    monkeypatch.setattr("rag.conversation.MAX_TURNS", 2)
    asked = len(chat.asked)
    lines = said(service, "潮汐 成因", two, again=1)
    assert states(lines)[-1] == "failed"
    assert len(chat.asked) == asked
    assert MAX_TURNS == 200


# -- What goes wrong ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "language", "told"),
    [
        ("  ", "zh", "问题是空的。"),
        ("？！", "en", "The question is empty."),
        ("长" * 10_000, "zh", "问题有 10000 个字"),
        ("fail", "zh", say("zh", "program failed")),
        ("fail", "en", say("en", "program failed")),
    ],
)
def test_an_error_is_one_line_and_leaves_no_conversation(service, chat, question, language, told) -> None:
    lines = said(service, question, language=language)
    assert states(lines) == ["growing", "failed"]
    assert str(lines[-1]["message"]).startswith(told)
    assert "secret" not in json.dumps(lines)
    assert lines[-1].keys() == {"state", "message"}
    assert chat.conversations() == []


def test_an_error_in_a_conversation_leaves_it_as_it_was(service, chat, two) -> None:
    assert states(said(service, "fail", two)) == ["growing", "failed"]
    assert states(said(service, "fail", two, replaces=True)) == ["growing", "failed"]
    assert questions(chat, two) == [TIDES.question, "火星多大"]


@pytest.mark.parametrize("owner", ["user:b", ""])
def test_a_conversation_of_another_owner_is_not_found(service, chat, owner) -> None:
    conversation = chat.start_conversation(owner="user:a").id
    (line,) = said(service, TIDES.question, conversation, owner=owner)
    assert line["state"] == "failed"
    (nowhere,) = said(service, TIDES.question, "0" * 32, owner=owner)
    assert str(nowhere["message"]).replace("0" * 32, conversation) == line["message"]
    assert chat.asked == []
    assert questions(chat, conversation) == []


def test_no_answer_at_all_is_an_error(service, chat) -> None:
    chat._answers = lambda *_: iter(())
    assert said(service, "火星多大")[-1] == {"state": "failed", "message": "没有得到回答，请再问一次。"}
    assert chat.conversations() == []


def test_an_answer_that_breaks_off_is_not_kept(service, chat) -> None:
    def breaks(*_: object) -> Iterator[Answer]:
        yield HALF
        yield HALF
        raise RuntimeError("secret detail")

    chat._answers = breaks
    assert states(said(service, TIDES.question)) == ["growing", "growing", "failed"]
    assert chat.conversations() == []


def test_one_who_leaves_in_the_middle_leaves_no_empty_conversation_and_no_place_taken(service, chat) -> None:
    chat.answers[TIDES.question] = [HALF, HALF, TIDES]
    lines = events(service, Asking(TIDES.question), "", "zh", threading.Event())
    with closing(lines):
        next(lines)
        next(lines)
        assert len(chat.conversations()) == 1
    assert chat.conversations() == []
    assert service.waiting._inside == 0


def test_half_a_surrogate_pair_in_a_question_can_be_sent_and_kept(service, chat) -> None:
    for line in events(service, Asking("a\ud800b"), "", "zh", threading.Event()):
        assert line.encode("utf-8")
    assert [kept.title for kept in chat.conversations()] == ["a?b"]


# -- Stopping and waiting ----------------------------------------------------------------------------


def test_stop_reaches_what_answers(service, chat) -> None:
    stop = threading.Event()

    def until_stopped(_: str, retrieve: object, history: object, given: threading.Event) -> Iterator[Answer]:
        assert given is stop
        yield HALF
        yield HALF
        assert given.is_set()
        yield replace(HALF, notice="回答已停止。")

    chat._answers = until_stopped
    lines = []
    for line in events(service, Asking(TIDES.question), "", "zh", stop):
        lines.append(json.loads(line))
        if len(lines) == 2:
            stop.set()
    assert states(lines) == ["growing", "growing", "growing", "done"]
    assert "回答已停止。" in lines[-1]["html"]


@pytest.mark.parametrize("more", [{"replaces": True}, {"again": 2}])
def test_an_answer_stopped_before_its_first_word_takes_no_others_place(service, chat, two, more) -> None:
    stop = threading.Event()
    before = chat.conversation(two).turns[-1].answer

    def stopped(*_: object) -> Iterator[Answer]:
        stop.set()
        yield replace(refusal(MOON, "木星多大"), text="回答已停止。", stopped=True)

    chat._answers = stopped
    lines = [json.loads(line) for line in events(service, Asking("木星多大", two, **more), "", "zh", stop)]
    assert chat.conversation(two).turns[-1].answer == before
    assert lines[-1]["told"] == before.text  # what is shown is what is kept
    assert "回答已停止。" not in lines[-1]["html"]


@pytest.fixture
def full(service, monkeypatch) -> Iterator[Service]:
    """A service with one place, which is taken, and two to wait at."""
    monkeypatch.setattr(asking, "PATIENCE", 0.01)
    service.waiting = WaitingRoom(1, 2)
    service.inside = service.waiting.enter()
    yield service
    service.inside.close()


def test_while_the_room_is_full_it_is_said_how_many_are_before(full, chat) -> None:
    before = full.waiting.enter()
    lines = events(full, Asking(TIDES.question), "", "en", threading.Event())
    first = json.loads(next(lines))
    assert first == {"state": "waiting", "ahead": 2, "message": say("en", "waiting", ahead=2)}
    before.close()
    assert json.loads(next(lines))["ahead"] == 1
    assert (chat.asked, chat.conversations()) == ([], [])
    full.inside.close()
    assert states([json.loads(line) for line in lines if '"waiting"' not in line]) == ["growing", "done"]


def test_where_too_many_wait_already_it_is_refused(full) -> None:
    tickets = [full.waiting.enter() for _ in range(2)]
    (line,) = said(full, TIDES.question)
    assert line["state"] == "failed"
    assert str(line["message"]).startswith("提问的人太多")
    for ticket in tickets:
        ticket.close()


def test_one_who_stops_while_waiting_is_not_let_in(full, chat) -> None:
    stop = threading.Event()
    lines = events(full, Asking(TIDES.question), "", "zh", stop)
    assert json.loads(next(lines))["state"] == "waiting"
    stop.set()
    assert [json.loads(line) for line in lines] == [{"state": "failed", "message": say("zh", "stopped")}]
    assert (chat.asked, chat.conversations(), len(full.waiting._queue)) == ([], [], 0)


def test_one_who_leaves_while_waiting_gives_the_place_up(full) -> None:
    lines = events(full, Asking(TIDES.question), "", "zh", threading.Event())
    next(lines)
    assert len(full.waiting._queue) == 1
    lines.close()
    assert len(full.waiting._queue) == 0


def test_after_each_question_its_place_is_given_back(service) -> None:
    for question in (TIDES.question, "fail", " "):
        said(service, question)
    assert (service.waiting._inside, len(service.waiting._queue)) == (0, 0)
