"""The page over a pipeline made by hand: its HTML, its API and what it serves."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from typing import Any
from urllib.request import urlopen

import pytest

from rag.answers import Answer
from rag.documents import document_from_text
from rag.errors import InputError
from rag.settings import PACKAGE
from tests.handmade import HOSTILE, MOON, HandmadePipeline, answer_quoting, refusal
from tests.serving import serving

app: Any = pytest.importorskip("app", reason="Gradio is not installed")

TIDES = answer_quoting(MOON, ["潮汐由月球的引力造成", "每天两次"], "潮汐是怎么来的")


def text_of(html: str) -> str:
    """Return what a browser would show of our HTML."""
    return unescape(re.sub(r"<[^>]*>", "", html))


def marked(html: str) -> list[str]:
    return [unescape(words) for words in re.findall(r"<mark>(.*?)</mark>", html, re.DOTALL)]


# -- From message to reply -------------------------------------------------------------------------


def test_reply_passes_the_conversation_and_adds_to_it() -> None:
    chat = HandmadePipeline([TIDES])
    first, told = app.reply(chat, TIDES.question, [])
    second, _ = app.reply(chat, "火星呢", first)
    assert told == ""
    assert chat.asked == [(TIDES.question, ()), ("火星呢", (TIDES,))]
    assert [answer.verdict for answer in second] == ["answered", "refused"]


@pytest.mark.parametrize(("question", "told"), [("  ", "The question is empty."), ("fail", "The program failed")])
def test_errors_become_one_message_and_leave_the_conversation(question: str, told: str) -> None:
    answers, message = app.reply(HandmadePipeline(), question, [TIDES])
    assert answers == [TIDES]
    assert message.startswith(told)
    assert "secret" not in message


# -- HTML ------------------------------------------------------------------------------------------


def test_conversation_shows_answers_with_a_button_for_each_citation() -> None:
    html = app.show_conversation(HandmadePipeline(), [TIDES])
    assert re.findall(r'class="marker" data-turn="(\d+)" data-citation="(\d+)"', html) == [("0", "1"), ("0", "2")]
    assert "[1] 月球与潮汐，第3段" in text_of(html)


def test_conversation_shows_what_a_follow_up_was_searched_as() -> None:
    follow_up = answer_quoting(MOON, ["每天两次"], "几次呢", "潮汐是怎么来的 几次呢")
    html = app.show_conversation(HandmadePipeline(), [TIDES, follow_up])
    assert re.findall(r'<form class="searched" data-turn="(\d+)".*?value="(.*?)"', html) == [
        ("1", "潮汐是怎么来的 几次呢")
    ]
    assert "按此检索" not in app.show_conversation(HandmadePipeline(), [TIDES])


def test_refusal_shows_notice_missing_words_and_nearest_passages() -> None:
    html = app.show_conversation(HandmadePipeline(), [refusal(MOON, "火星多大", ("火星",))])
    assert 'class="turn refused"' in html
    assert "marker" not in html
    shown = text_of(html)
    assert "文章没有说。" in shown
    assert "文中没有：火星" in shown
    assert "月球与潮汐，第2段" in shown


def test_refusal_survives_the_removal_of_a_document() -> None:
    html = app.show_conversation(HandmadePipeline(documents=[]), [refusal(MOON, "火星多大")])
    assert "月球绕地球一周约需二十七天。" in text_of(html)
    assert 'class="place"' not in html


def test_text_of_users_and_documents_is_escaped() -> None:
    evil = answer_quoting(HOSTILE, ["</p><script>window.hacked = 1</script>"], "<b>甲</b>", "<i>甲</i>")
    no = refusal(HOSTILE, "<u>乙</u>", ("<s>",))
    html = app.show_conversation(HandmadePipeline(), [evil, no]) + app.show_source(HandmadePipeline(), [evil], 0, 1, 0)
    html += app.show_message("<em>no</em>")
    assert not re.search(r"<(script|img|b>甲|i|u|s|em)\b", html)
    assert "</p><script>window.hacked = 1</script>" in text_of(html)


def test_source_marks_exactly_the_quote() -> None:
    html = app.show_source(HandmadePipeline(), [TIDES], 0, 2, 0)
    assert marked(html) == ["每天两次"]
    assert "第3段 · moon.txt 第5行" in text_of(html)
    paragraphs = re.findall(r'<p class="\w+" data-number="\d+">(.*?)</p>', html)
    assert [text_of(paragraph) for paragraph in paragraphs] == MOON.text.split("\n\n")


def test_source_marks_a_quote_across_paragraphs() -> None:
    across = answer_quoting(MOON, ["二十七天。\n\n潮汐由月球"], "?")
    assert marked(app.show_source(HandmadePipeline(), [across], 0, 1, 0)) == ["二十七天。", "潮汐由月球"]


def test_source_of_a_hit_marks_its_passage() -> None:
    html = app.show_source(HandmadePipeline(), [refusal(MOON, "火星多大")], 0, 0, 2)
    assert marked(html) == ["月球绕地球一周约需二十七天。"]


def test_source_of_a_long_document_is_shown_in_part() -> None:
    text = "\n\n".join(f"第{number}句话在这里，讲的是月球的第{number}件事。" for number in range(20_000))
    document = document_from_text(text, "长文", "long.txt")
    answer = answer_quoting(document, ["第9999件事"], "?")
    html = app.show_source(HandmadePipeline(documents=[document]), [answer], 0, 1, 0)
    assert marked(html) == ["第9999件事"]
    assert len(html) < 10 * app.CONTEXT
    assert "前文略" in html
    assert "后文略" in html


@pytest.mark.parametrize("place", [(0, 99, 0), (7, 1, 0), (-1, 1, 0), ("0", 1, 0), (None, None, None), (0, 0, 99)])
def test_what_the_browser_made_up_opens_nothing(place: tuple[Any, Any, Any]) -> None:
    assert app.show_source(HandmadePipeline(), [TIDES], *place) == app.EMPTY_SOURCE


def test_partial_answer_says_so() -> None:
    assert "partial answer" in app.show_conversation(HandmadePipeline(), [replace(TIDES, verdict="partial")])


# -- Feedback --------------------------------------------------------------------------------------


def test_every_turn_asks_for_feedback_until_it_is_given() -> None:
    no = refusal(MOON, "火星多大")
    html = app.show_conversation(HandmadePipeline(), [TIDES, no, TIDES], {1})
    first, second, third = html.split("</article>")[:3]
    for turn, asked in enumerate((first, second, third)):
        assert (f'data-turn="{turn}" data-good' in asked) == (turn != 1)
        assert (f'<form data-turn="{turn}"' in asked) == (turn != 1)
        assert ("已记下，谢谢" in asked) == (turn == 1)


def test_the_form_asks_only_what_the_answer_leaves_open() -> None:
    one = answer_quoting(MOON, ["每天两次"], "几次")
    two, single, no = (
        app.show_conversation(HandmadePipeline(), [answer]) for answer in (TIDES, one, refusal(MOON, "?"))
    )
    assert re.findall(r"<option value=.(\d*).>(.*?)</option>", two) == [("", "全部回答"), ("1", "[1]"), ("2", "[2]")]
    assert "<select" not in single + no
    assert 'name="unanswerable"' in two
    assert 'name="unanswerable"' in single
    assert 'name="unanswerable"' not in no
    assert 'name="correction"' in no


def test_feedback_is_kept_with_its_turn_and_the_questions_before() -> None:
    chat, judged = HandmadePipeline(), {0}
    answers = [refusal(MOON, "火星多大"), TIDES]
    assert app.take_feedback(chat, answers, judged, 1, False, 2, "<b>月球", False) == ""
    (given,) = chat.given
    assert (given.answer, given.good, given.marker, given.correction) == (TIDES, False, 2, "<b>月球")
    assert given.history == ("火星多大",)
    assert judged == {0, 1}


def test_feedback_sent_twice_is_kept_once() -> None:
    chat, judged = HandmadePipeline(), set[int]()
    for _ in range(2):
        assert app.take_feedback(chat, [TIDES], judged, 0, True, None, "", False) == ""
    assert len(chat.given) == 1


@pytest.mark.parametrize(("correction", "told"), [("bad", "The correction is <bad>."), ("fail", "The program failed")])
def test_feedback_that_fails_is_one_message_and_can_be_sent_again(correction: str, told: str) -> None:
    judged: set[int] = set()
    message = app.take_feedback(HandmadePipeline(), [TIDES], judged, 0, False, None, correction, False)
    assert message.startswith(told)
    assert "secret" not in message
    assert "<bad>" not in app.show_message(message, "未能记下")
    assert judged == set()


@pytest.mark.parametrize(
    "said",
    [
        (1, True, None, "", False),
        (-1, True, None, "", False),
        ("0", True, None, "", False),
        (None, None, None, None, None),
        (0, 1, None, "", False),
        (0, False, "1", "", False),
        (0, False, True, "", False),
        (0, False, None, None, False),
        (0, False, None, ["月"], False),
        (0, False, None, "", "on"),
    ],
)
def test_feedback_the_browser_made_up_is_not_kept(said: tuple[Any, ...]) -> None:
    chat, judged = HandmadePipeline(), set[int]()
    assert "no feedback" in app.take_feedback(chat, [TIDES], judged, *said)
    assert (chat.given, judged) == ([], set())


# -- Serving ---------------------------------------------------------------------------------------


SERVER = """
import sys
sys.path[:0] = [{root!r}]
import app
from tests.handmade import HandmadePipeline
from tests.test_app import TIDES
app.serve(HandmadePipeline([TIDES]), "127.0.0.1", int(sys.argv[-1]))
"""
CLIENT = """
import json, sys
from gradio_client import Client
client = Client(sys.argv[1], verbose=False, analytics_enabled=False)
answer = client.predict(sys.argv[2], api_name="/ask")
try:
    error = client.predict("", api_name="/ask")
except Exception as raised:
    error = str(raised)
api = client.view_api(return_format="dict", print_info=False)
sys.stdout.buffer.write(json.dumps([answer, error, api["named_endpoints"]]).encode())
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    command = [sys.executable, "-c", SERVER.format(root=str(PACKAGE.parent))]
    with serving(command, os.environ, tmp_path_factory.mktemp("page") / "log.txt") as url:
        yield url


@pytest.fixture(scope="module")
def spoken(url: str) -> Any:
    """What Gradio's own client hears: an answer, an error, and the endpoints."""
    command = [sys.executable, "-c", CLIENT, url, TIDES.question]
    return json.loads(subprocess.run(command, check=True, capture_output=True, timeout=60).stdout)


def test_api_returns_the_answer_object(spoken: Any) -> None:
    assert Answer.from_dict(spoken[0]) == TIDES


def test_api_passes_errors_on_as_messages(spoken: Any) -> None:
    assert "The question is empty." in spoken[1]


def test_api_has_one_endpoint_with_a_question(spoken: Any) -> None:
    assert list(spoken[2]) == ["/ask"]
    assert [parameter["parameter_name"] for parameter in spoken[2]["/ask"]["parameters"]] == ["question"]


def test_html_names_no_other_host_and_forbids_loading_from_any(url: str) -> None:
    with urlopen(url) as response:
        html = response.read().decode()
        policy = response.headers["Content-Security-Policy"]
    hosts = set(re.findall(r"(?:https?:)?//([\w.-]+\.\w+)", html))
    assert hosts <= {"127.0.0.1"}
    assert '<html\n\tlang="zh-CN"' in html
    assert policy.startswith("default-src 'self';")
    assert "http" not in policy


def test_theme_loads_no_fonts(url: str) -> None:
    with urlopen(f"{url}theme.css") as response:
        css = response.read().decode()
    assert "@font-face" not in css
    assert set(re.findall(r"url\W*(\w+:|\w+)", css)) <= {"data:"}
    assert "Noto Sans CJK SC" in css


def test_a_taken_port_is_one_clear_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"Cannot listen on 127.0.0.1, port {port}: .*--port"):
            app.serve(HandmadePipeline(), "127.0.0.1", port)
