"""What programs ask for through Gradio's API and over MCP: what they get, how it is described, what is refused."""

import json
import logging
import threading
from types import NoneType, SimpleNamespace, UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import gradio as gr
import pytest

from rag.errors import RagError
from rag.page.api import MAX_HITS, MAX_TOLD, add_endpoints
from rag.page.refusals import FAILED
from rag.page.service import Service
from rag.page.waiting import WaitingRoom
from rag.store import Listed
from tests.handmade import MOON, HandmadePipeline, answer_quoting

QUESTION = "柳州的四大定位是什么"
OVER_MCP = SimpleNamespace(url="http://127.0.0.1:7860/gradio_api/mcp/")
OVER_HTTP = SimpleNamespace(url="http://127.0.0.1:7860/gradio_api/queue/join")


class Endpoints:
    """Stands for Gradio's server: keeps what is registered."""

    def __init__(self, chat: Any, waiting: WaitingRoom | None = None) -> None:
        service = Service(chat)
        service.waiting = waiting or service.waiting
        self.options: dict[str, dict[str, Any]] = {}
        add_endpoints(self, service)

    def api(self, function: Any, *, name: str, **options: Any) -> None:
        setattr(self, name, function)
        self.options[name] = options

    def add_exception_handler(self, *_: Any) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


@pytest.fixture(scope="module")
def asked(article_chat):
    return Endpoints(article_chat)


def misfits(value: Any, hint: Any, where: str = "$") -> list[str]:
    """Return where a value is not of its type: fields too many or missing, and other kinds of values."""
    origin, inside = get_origin(hint), get_args(hint)
    if hint is Any:
        return []
    if origin is UnionType:
        return min((misfits(value, one, where) for one in inside), key=len)
    if origin is Literal:
        return [] if value in inside else [f"{where}: {value!r}"]
    if origin is list:
        values = value if isinstance(value, list) else [None]
        return [wrong for at, one in enumerate(values) for wrong in misfits(one, inside[0], f"{where}[{at}]")]
    if origin is dict:
        return [wrong for key, one in value.items() for wrong in misfits(one, inside[1], f"{where}.{key}")]
    if hasattr(hint, "__total__"):
        hints = get_type_hints(hint)
        if set(value) != set(hints):
            return [f"{where}: {set(value) ^ set(hints)}"]
        return [wrong for key, one in value.items() for wrong in misfits(one, hints[key], f"{where}.{key}")]
    allowed: Any = {float: (int, float), None: NoneType}.get(hint, hint)
    return [] if isinstance(value, allowed) else [f"{where}: {value!r}"]


# -- What is returned ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "question", [QUESTION, "火星有多大", "会议是哪天召开的，由谁主持？", "你好", "这篇文章讲了什么？"]
)
def test_an_answer_is_described_to_the_last_field(asked, question):
    record = json.loads(json.dumps(asked.ask(question)))
    assert misfits(record, get_type_hints(asked.ask)["return"]) == []


def test_results_of_the_other_endpoints_are_described_to_the_last_field(asked):
    results = {
        "search": asked.search("陈刚", 3),
        "verify": asked.verify("6月26日，会议召开。"),
        "documents": asked.documents(),
    }
    for name, result in results.items():
        record = json.loads(json.dumps(result))
        assert misfits(record, get_type_hints(getattr(asked, name))["return"]) == []


def test_documents_come_whole_only_where_they_are_asked_for(asked, article_chat):
    (document,) = article_chat.documents()
    whole, light = (asked.ask(QUESTION, whole_documents=whole)["documents"][document.id] for whole in (True, False))
    assert whole["text"] == document.text
    assert (light["title"], "text" in light) == (document.title, False)


def test_a_follow_up_is_completed_from_the_turns_that_are_sent(asked):
    turns = [{"question": QUESTION, "answer": "围绕“四大定位” [1]"}]
    assert asked.ask("那两个生态呢", turns)["query"] == "柳州的两个生态是什么"


def test_a_search_tells_where_each_passage_stands_and_how_it_was_found(asked, article_chat):
    (document,) = article_chat.documents()
    found = asked.search("人形机器人", 3)
    assert [hit["rank"] for hit in found["hits"]] == [1, 2, 3]
    best = found["hits"][0]
    assert document.text[best["start"] : best["end"]] == best["text"]
    assert (best["title"], best["paragraph"]) == (document.title, document.paragraph_at(best["start"]).number)
    assert set(best["arms"]) == {"dense", "lexical"}
    assert best["terms"]
    assert all(term in best["text"] for term in best["terms"])


def test_a_text_is_verified_against_the_documents(asked):
    verified = asked.verify("陈刚在柳州市主持召开会议。6月26日，陈刚在柳州市主持召开会议。")
    assert [claim["verdict"] for claim in verified["claims"]] == ["supported", "contradicted"]
    assert verified["claims"][1]["faults"][0]["said"] == "6月26日"


def test_documents_are_listed_without_reading_their_texts():
    class Listing:
        def listed(self):
            return [
                Listed("a", "甲", None, 3, 4, 120, "f" * 64, "a.txt", "2025-01-31T12:00:00Z", "2025-01-31T12:00:00Z")
            ]

    (document,) = Endpoints(Listing()).documents()["documents"]
    assert document == {
        "id": "a", "title": "甲", "source": "a.txt", "date": None, "paragraphs": 3, "characters": 120,
        "digest": "f" * 64,
    }  # fmt: skip


def test_over_mcp_a_result_is_json(asked):
    assert json.loads(asked.documents(_request=OVER_MCP)) == asked.documents(_request=OVER_HTTP) == asked.documents()


# -- What is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("endpoint", "given", "said"),
    [
        ("ask", {"question": 5}, "question must be a text, not 5"),
        ("ask", {"question": " "}, "The question is empty"),
        ("ask", {"question": "长" * 3000}, "3000 characters"),
        ("ask", {"question": "?", "whole_documents": "yes"}, "whole_documents must be true or false"),
        ("ask", {"question": "?", "history": "?"}, "history must be a list"),
        ("ask", {"question": "?", "history": [["a", "b"]]}, "Each turn of history must be"),
        ("ask", {"question": "?", "history": [{"question": "a", "answer": None}]}, "Each turn of history must be"),
        ("ask", {"question": "?", "history": [{"question": "a", "answer": "长" * (MAX_TOLD + 1)}]}, "more than"),
        ("ask", {"question": "?", "history": [{"question": "a", "answer": "b"}] * 101}, "at most 100"),
        ("search", {"query": None}, "query must be a text"),
        ("search", {"query": "?", "k": 0}, f"from 1 to {MAX_HITS}, not 0"),
        ("search", {"query": "?", "k": MAX_HITS + 1}, f"from 1 to {MAX_HITS}"),
        ("search", {"query": "?", "k": True}, "whole number"),
        ("verify", {"text": []}, "text must be a text"),
        ("verify", {"text": "句" * 5000}, "5000 characters"),
    ],
)
def test_what_cannot_be_asked_is_an_error_that_says_why(asked, endpoint, given, said):
    with pytest.raises(gr.Error, match=said) as raised:
        getattr(asked, endpoint)(**given)
    assert raised.value.print_exception is False
    with pytest.raises(RagError, match=said):
        getattr(asked, endpoint)(**given, _request=OVER_MCP)


@pytest.mark.parametrize("request_", [OVER_HTTP, OVER_MCP])
def test_what_the_program_did_not_foresee_is_one_message_without_details(request_, caplog):
    with caplog.at_level(logging.ERROR), pytest.raises((gr.Error, RagError)) as raised:
        Endpoints(HandmadePipeline()).ask("fail", _request=request_)
    assert FAILED in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__
    assert "secret detail" in caplog.text


# -- Many at once ----------------------------------------------------------------------------------


def test_they_wait_in_the_queue_of_all_faces():
    waiting = WaitingRoom(places=1, most=1)
    answer = answer_quoting(MOON, ["每天两次"], "几次")
    asked = Endpoints(HandmadePipeline([answer]), waiting)
    ticket = waiting.enter()
    threading.Timer(0.2, ticket.close).start()
    assert asked.ask("几次")["text"] == "每天两次"
    with waiting.enter(), waiting.enter(), pytest.raises(gr.Error, match="Too many questions at once"):
        asked.ask("几次")


def test_gradio_does_not_queue_them_again(asked):
    assert list(asked.options) == ["ask", "search", "verify", "documents"]
    assert all(one == {"queue": False, "concurrency_limit": None} for one in asked.options.values())
