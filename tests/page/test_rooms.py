"""The room: every address of it, what it says to wrong ones, and that what people wrote is shown and never obeyed."""

import asyncio
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import unquote

import pytest
from starlette.testclient import TestClient

from rag.answers import Answer
from rag.documents import document_from_text, read_document
from rag.page import rooms
from rag.page.render import SHELF
from rag.page.service import Service
from rag.page.words import say
from rag.settings import ARTICLE
from tests.handmade import HOSTILE, MOON, answer_quoting, refusal
from tests.page.visiting import ENGLISH, PAGE, PART, WrittenPipeline, client_of, marked, text_of

TIDES = answer_quoting(MOON, ["潮汐由月球的引力造成", "每天两次"], "潮汐是怎么来的")
EVIL = answer_quoting(HOSTILE, ["</p><script>window.hacked = 1</script>"], "<b>甲</b>\" onclick='x'", "<i>甲</i>")
BAD_REQUEST = {"zh": say("zh", "bad request"), "en": say("en", "bad request")}


@pytest.fixture
def chat(tmp_path) -> Iterator[WrittenPipeline]:
    made = WrittenPipeline(tmp_path / "store", [TIDES, EVIL], (MOON, HOSTILE))
    yield made
    made.close()


@pytest.fixture
def client(chat: WrittenPipeline) -> TestClient:
    return client_of(rooms.router(Service(chat)))


@pytest.fixture
def talk(chat: WrittenPipeline) -> str:
    """The address of a conversation of two turns: an answer, and a refusal."""
    conversation = chat.start_conversation().id
    for question in (TIDES.question, "火星多大"):
        chat.ask(question, conversation=conversation)
    return f"/c/{conversation}"


def shown(response) -> str:
    assert response.status_code == 200, response.text
    return text_of(response.text)


# -- The page ----------------------------------------------------------------------------------------


def test_the_first_page_welcomes_and_has_everything_to_ask(client, chat) -> None:
    html = client.get("/").text
    assert html.startswith("<!doctype html>")
    assert '<html lang="zh-CN">' in html
    assert say("zh", "welcome documents", count=2) in text_of(html)
    assert 'aria-current="page"' in html
    assert say("zh", "no conversation") in text_of(html)
    assert "data-example" not in html  # they are about the article that comes with the program


def test_it_speaks_english_to_those_who_want_it(client) -> None:
    html = client.get("/", headers=ENGLISH).text
    assert '<html lang="en">' in html
    assert "There are 2 documents; add your own." in text_of(html)


def test_examples_are_shown_only_where_their_article_is(client, chat) -> None:
    chat.add_document(read_document(ARTICLE), mark=ARTICLE.name)
    assert client.get("/").text.count("data-example=") == len(rooms.EXAMPLES["zh"])
    chat.remove(chat.listed()[-1].id)
    assert "data-example=" not in client.get("/").text


@pytest.mark.parametrize(
    ("documents", "key"), [((), "welcome no document"), ((MOON,), "welcome one document")], ids=["none", "one"]
)
def test_the_welcome_counts_the_documents(tmp_path, documents, key) -> None:
    chat = WrittenPipeline(tmp_path / "store", documents=documents)
    assert say("zh", key) in shown(client_of(rooms.router(Service(chat))).get("/"))
    chat.close()


def test_the_theme_and_the_language_chosen_are_kept_in_cookies(client) -> None:
    client.cookies.update({"theme": "dark", "language": "en"})
    html = client.get("/").text
    assert '<html lang="en" data-theme="dark">' in html


def test_the_page_loads_nothing_from_elsewhere_and_holds_no_script(client, talk) -> None:
    html = client.get(talk).text
    assert not re.search(r"""(?:src|href|action|hx-\w+)=["'](?:https?:)?//""", html)
    assert re.findall(r"<script[^>]*>(?!</script>)", html) == []
    assert not re.search(r"\son\w+=|style=", html)


def test_a_conversation_is_shown_with_all_its_turns(client, talk) -> None:
    response = client.get(talk)
    html = response.text
    assert re.findall(r'<article id="(t\d)"', html) == ["t1", "t2"]
    assert f'data-conversation="{talk[3:]}"' in html
    assert TIDES.question in html.split("<title>")[1].split("</title>")[0]
    assert html.count("data-retry") == 1
    assert 'class="empty"' in html


def test_an_address_can_open_the_source_of_a_turn(client, talk) -> None:
    html = client.get(f"{talk}?turn=1&cite=2&view=file").text
    assert 'id="reader"' in html
    assert [words for classes, _, words in marked(html.split('id="reader"')[1]) if "current" in classes] == ["每天两次"]
    assert f'data-href="{talk}?turn=1&amp;cite=2&amp;view=file#t1"' in html
    hit = client.get(f"{talk}?turn=2&hit=2").text
    assert [words for _, _, words in marked(hit.split('id="reader"')[1])] == ["月球绕地球一周约需二十七天。"]


@pytest.mark.parametrize(
    "query",
    ["turn=1&cite=99", "turn=99&cite=1", "turn=1&hit=99", "turn=1&cite=-1", "turn=0&cite=1", "cite=1", "turn=1"],
)
def test_an_address_that_names_no_source_opens_the_conversation_alone(client, talk, query) -> None:
    html = client.get(f"{talk}?{query}").text
    assert 'class="empty"' in html
    assert re.findall(r'<article id="(t\d)"', html) == ["t1", "t2"]


@pytest.mark.parametrize(
    "query", ["turn=x", "turn=1&cite=1.5", "turn=1&cite=1&view=other", "turn=1&cite=" + "9" * 5000]
)
def test_an_address_that_cannot_be_read_is_said_so(client, talk, query) -> None:
    response = client.get(f"{talk}?{query}")
    assert response.status_code == 400
    assert BAD_REQUEST["zh"] in text_of(response.text)
    assert client.get(f"{talk}?{query}", headers=ENGLISH).text.count(BAD_REQUEST["en"]) == 1


@pytest.mark.parametrize("path", ["/c/none", "/c/" + "0" * 32, "/c/<b>x", "/c/%00", "/c/x?turn=1&cite=1"])
def test_a_conversation_that_is_not_there_is_not_found(client, path) -> None:
    page = client.get(path)
    part = client.get(path, headers=PART)
    assert (page.status_code, part.status_code) == (404, 404)
    assert page.headers["content-type"].startswith("text/html")
    assert part.headers["content-type"].startswith("text/plain")
    assert part.text in text_of(page.text)
    assert "<b>x" not in page.text
    assert re.search("[\u4e00-\u9fff]", part.text)
    assert not re.search("[\u4e00-\u9fff]", client.get(path, headers={**PART, **ENGLISH}).text)


@pytest.mark.parametrize(
    ("method", "end"),
    [
        ("get", ""),
        ("get", "/1/cite/1"),
        ("get", "/1/why"),
        ("get", "/export.md"),
        ("post", "/1/feedback"),
        ("post", "/rename"),
        ("post", "/delete"),
    ],
)
def test_the_conversation_of_another_owner_is_not_found(client, chat, method, end) -> None:
    conversation = chat.start_conversation("Mine", owner="user:a").id
    chat.ask(TIDES.question, conversation=conversation)
    path, data = f"/c/{conversation}{end}", {"title": "Mine"} if method == "post" else None
    as_other = client.request(method, path, headers={"x-owner": "user:b"}, data=data)
    as_nobody = client.request(method, path, data=data)
    assert (as_other.status_code, as_nobody.status_code) == (404, 404)
    kept = chat.conversation(conversation)
    assert (kept.title, kept.length, chat.feedback()) == ("Mine", 1, [])
    assert client.request(method, path, headers={"x-owner": "user:a"}, data=data).status_code < 400


def test_the_list_has_only_ones_own_conversations(client, chat) -> None:
    chat.start_conversation("Mine", owner="user:a")
    chat.start_conversation("Theirs", owner="user:b")
    for path in ("/", "/conversations"):
        html = client.get(path, headers={"x-owner": "user:a"}).text
        assert ("Mine" in html, "Theirs" in html) == (True, False)


def test_all_conversations_have_a_page(client, talk) -> None:
    html = client.get("/conversations").text
    assert f'href="{talk}"' in html
    assert '<main id="main" class="conversations"' in html


def test_beside_the_talk_the_latest_are_listed_and_the_others_on_a_page_of_their_own(client, chat) -> None:
    for number in range(SHELF + 1):
        chat.start_conversation(f"No. {number}.")
    beside, alone = client.get("/").text, client.get("/conversations").text
    assert (beside.count('/rename" hx-post='), alone.count('/rename" hx-post=')) == (SHELF, SHELF + 1)
    assert ("No. 0." in beside, "No. 0." in alone) == (False, True)
    assert say("zh", "all conversations", count=SHELF + 1) in text_of(beside)
    assert 'href="/conversations"' in beside


# -- Asking ------------------------------------------------------------------------------------------


def lines_of(response) -> list[dict[str, object]]:
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("application/x-ndjson")
    assert response.headers["cache-control"] == "no-store"
    return [json.loads(line) for line in response.text.splitlines()]


def test_a_question_is_answered_in_lines(client, chat) -> None:
    lines = lines_of(client.post("/ask", data={"question": TIDES.question, "run": "r"}))
    assert [line["state"] for line in lines] == ["growing", "done"]
    page = client.get(f"/c/{lines[-1]['conversation']}").text
    turn = page.split("<article")[1].split("</article>")[0]
    assert str(lines[-1]["html"]).split("<article")[1].split("</article>")[0] == turn


def test_the_question_belongs_to_who_asked_it(client, chat) -> None:
    lines = lines_of(client.post("/ask", data={"question": TIDES.question}, headers={"x-owner": "user:a"}))
    assert [kept.id for kept in chat.conversations(owner="user:a")] == [lines[-1]["conversation"]]
    assert chat.conversations(owner="") == []


def test_a_question_can_take_the_place_of_the_last_and_be_searched_again(client, chat, talk) -> None:
    conversation = talk[3:]
    client.post("/ask", data={"question": "木星多大", "conversation": conversation, "replaces": "1"})
    client.post("/ask", data={"question": "木星 直径", "conversation": conversation, "again": "2"})
    turns = chat.conversation(conversation).turns
    assert [(turn.answer.question, turn.answer.query) for turn in turns][1:] == [("木星多大", "木星 直径")]


def test_what_the_page_does_not_show_is_not_replaced(client, talk) -> None:
    first, last = re.findall('data-seal="([^"]+)"', client.get(talk).text)
    form = {"question": "木星多大", "conversation": talk[3:], "replaces": "1", "seen": first}
    assert lines_of(client.post("/ask", data=form))[-1]["state"] == "failed"
    assert lines_of(client.post("/ask", data={**form, "seen": last}))[-1]["state"] == "done"


def test_feedback_on_an_answer_that_another_took_the_place_of_is_refused(client, chat, talk) -> None:
    shown = client.get(talk).text
    (seal,) = set(re.findall('name="seal" value="([^"]+)"', shown.partition('id="t2"')[2]))
    client.post("/ask", data={"question": "木星多大", "conversation": talk[3:], "replaces": "1"})
    refused = client.post(f"{talk}/2/feedback", data={"good": "1", "seal": seal}, headers=PART)
    assert (refused.status_code, "别的窗口" in refused.text, chat.feedback()) == (400, True, [])
    (seal,) = set(re.findall('name="seal" value="([^"]+)"', client.get(talk).text.partition('id="t2"')[2]))
    assert client.post(f"{talk}/2/feedback", data={"good": "1", "seal": seal}, headers=PART).status_code == 200


def test_when_all_is_sent_it_is_over() -> None:
    stop, over = threading.Event(), []
    response = rooms.Growing(iter(["a\n", "b\n"]), stop, lambda: over.append(stop.is_set()))
    assert TestClient(response).get("/").text == "a\nb\n"
    assert over == [True]


def test_without_a_question_one_line_says_so(client) -> None:
    assert lines_of(client.post("/ask"))[-1]["state"] == "failed"


@pytest.mark.parametrize("form", [{"again": "x"}, {"replaces": "perhaps"}, {"again": "1.5"}])
def test_a_form_that_cannot_be_read_is_refused(client, form) -> None:
    response = client.post("/ask", data={"question": "?a", **form}, headers=PART)
    assert (response.status_code, response.text) == (400, BAD_REQUEST["zh"])


def test_a_file_in_the_place_of_the_question_is_refused(client) -> None:
    assert client.post("/ask", files={"question": ("x.txt", b"x")}).status_code == 400


class Browser:
    """Asks, and can leave before the answer is there, as servers tell it: by a message."""

    def __init__(self, client: TestClient, version: str) -> None:
        self.app = client.app
        self.version = version
        self.received: list[dict[str, object]] = []

    async def ask(self, form: str, gone: asyncio.Event) -> None:
        sent = iter([{"type": "http.request", "body": form.encode(), "more_body": False}])

        async def receive():
            if message := next(sent, None):
                return message
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message):
            self.received += [json.loads(line) for line in message.get("body", b"").decode().splitlines()]

        scope = {
            "type": "http", "asgi": {"version": "3.0", "spec_version": self.version}, "http_version": "1.1",
            "method": "POST", "scheme": "http", "path": "/ask", "raw_path": b"/ask", "query_string": b"",
            "root_path": "", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
            "headers": [(b"content-type", b"application/x-www-form-urlencoded")],
        }  # fmt: skip
        await self.app(scope, receive, send)


@pytest.mark.parametrize("version", ["2.3", "2.4"])
def test_when_the_browser_leaves_the_answer_is_stopped_at_once_and_what_there_is_of_it_kept(
    client, chat, version
) -> None:
    stopped = []

    def until_stopped(_: str, retrieve: object, history: object, stop: threading.Event) -> Iterator[Answer]:
        yield TIDES
        stopped.append(stop.wait(10))
        yield replace(TIDES, notice="回答已停止。")

    chat._answers = until_stopped

    async def leave() -> None:
        browser, gone = Browser(client, version), asyncio.Event()
        asking = asyncio.create_task(browser.ask("question=a&run=r", gone))
        while not browser.received:
            await asyncio.sleep(0.01)
        gone.set()
        await asyncio.wait_for(asking, 5)

    asyncio.run(leave())
    assert stopped == [True]
    (kept,) = chat.conversations()
    assert chat.conversation(kept.id).answers[0].notice == "回答已停止。"


@pytest.mark.parametrize(("owner", "stops"), [("user:a", True), ("user:b", False)])
def test_only_who_asked_can_stop(client, chat, owner, stops) -> None:
    asked, told = threading.Event(), []

    def until_stopped(_: str, retrieve: object, history: object, stop: threading.Event) -> Iterator[Answer]:
        asked.set()
        told.append(stop.wait(10 if stops else 0.3))
        yield TIDES

    chat._answers = until_stopped
    form = {"question": "a", "run": "r"}
    asking = threading.Thread(
        target=client.post, args=("/ask",), kwargs={"data": form, "headers": {"x-owner": "user:a"}}
    )
    asking.start()
    asked.wait(10)
    assert client.post("/stop", data={"run": "r"}, headers={"x-owner": owner}).status_code == 204
    asking.join()
    assert told == [stops]


def test_to_stop_what_is_not_asked_does_nothing(client) -> None:
    assert client.post("/stop", data={"run": "none"}).status_code == 204
    assert client.post("/stop").status_code == 204


# -- Reading -----------------------------------------------------------------------------------------


def test_a_citation_opens_as_a_part_with_its_words_marked(client, talk) -> None:
    html = client.get(f"{talk}/1/cite/2", headers=PART).text
    assert "<html" not in html
    assert [(classes, words) for classes, _, words in marked(html)] == [
        ("c1", "潮汐由月球的引力造成"),
        ("c2 current", "每天两次"),
    ]
    assert say("zh", "citation of", marker=2, count=2) in text_of(html)
    assert "第3段" in text_of(html)
    assert say("zh", "line", number=5) in text_of(html)
    assert f'hx-get="{talk}/1/cite/1?view=mended"' in html
    assert 'rel="next"' not in html


def test_the_view_stays_from_one_citation_to_the_next(client, talk) -> None:
    html = client.get(f"{talk}/1/cite/1?view=file", headers=PART).text
    assert f'hx-get="{talk}/1/cite/2?view=file"' in html
    assert f'data-href="{talk}?turn=1&amp;cite=1&amp;view=file#t1"' in html
    assert '<div class="text file"' in html


def test_a_hit_opens_with_its_passage_marked(client, talk) -> None:
    html = client.get(f"{talk}/2/hit/2", headers=PART).text
    assert marked(html) == [("c0 current", "0", "月球绕地球一周约需二十七天。")]
    assert say("zh", "nearest passage", rank=2) in text_of(html)


def test_all_of_a_long_document_can_be_asked_for(client, chat) -> None:
    text = "\n\n".join(f"第{number}句话在这里，讲的是月球的第{number}件事。" for number in range(3000))
    document = document_from_text(text, "长文", "long.txt")
    chat.add_document(document)
    chat.answers["?a"] = [answer_quoting(document, ["第1件事"], "?a")]
    talk = f"/c/{chat.start_conversation().id}"
    chat.ask("?a", conversation=talk[3:])
    for view in ("mended", "file"):
        part = client.get(f"{talk}/1/cite/1?view={view}", headers=PART).text
        more = f'hx-get="{talk}/1/cite/1?view={view}&amp;all=1" hx-target="#reader"'
        assert part.count(more) == 1  # nothing is left out before
        assert say("zh", "cut after") in text_of(part)
        whole = client.get(f"{talk}/1/cite/1?view={view}&all=1", headers=PART).text
        assert ("第2999件事" in part, "第2999件事" in whole, more in whole) == (False, True, False)


@pytest.mark.parametrize("end", ["1/cite/3", "1/cite/0", "1/cite/-1", "3/cite/1", "0/cite/1", "2/cite/1", "1/hit/99"])
def test_what_an_answer_does_not_have_is_not_found(client, talk, end) -> None:
    response = client.get(f"{talk}/{end}", headers=PART)
    assert response.status_code == 404
    assert re.search("没有", response.text)
    assert not re.search("[\u4e00-\u9fff]", client.get(f"{talk}/{end}", headers={**PART, **ENGLISH}).text)


@pytest.mark.parametrize("end", ["x/cite/1", "1/quote/1", "1/cite/x", "1/cite/1?view=other", "1/cite/1?all=perhaps"])
def test_what_cannot_be_read_is_refused(client, talk, end) -> None:
    assert client.get(f"{talk}/{end}", headers=PART).status_code == 400


def test_a_citation_of_a_removed_document_opens_with_its_words_and_says_so(client, chat, talk) -> None:
    chat.remove(MOON.id)
    html = client.get(f"{talk}/1/cite/2", headers=PART).text
    assert [words for _, _, words in marked(html)] == ["每天两次"]
    assert say("zh", "source removed") in text_of(html)
    assert "第3段" in text_of(html)
    assert "文件第" not in text_of(html)
    assert client.get(f"{talk}/2/hit/1", headers=PART).status_code == 404


def test_why_these_passages_is_told(client, talk) -> None:
    html = client.get(f"{talk}/2/why", headers=PART).text
    assert say("zh", "arm dense") in text_of(html)
    assert html.count('<p class="passage">') == 3
    assert f'hx-get="{talk}/2/hit/1"' in html
    assert client.get(f"{talk}/9/why", headers=PART).status_code == 404


# -- Feedback ----------------------------------------------------------------------------------------


def give(client, talk, turn=1, headers=PART, **form):
    return client.post(f"{talk}/{turn}/feedback", data=form, headers=headers)


def test_a_good_word_is_kept_with_its_answer(client, chat, talk) -> None:
    assert say("zh", "thanks") in shown(give(client, talk, good="1"))
    (given,) = chat.feedback()
    assert (given.good, given.marker, given.correction, given.unanswerable) == (True, None, "", False)
    assert (given.answer.question, given.history) == (TIDES.question, ())


def test_a_correction_is_kept_with_the_citation_and_the_questions_before(client, chat, talk) -> None:
    give(client, talk, about="c2", correction="一天\r\n两次")
    give(client, talk, turn=2, correction="<b>很大</b>")
    first, second = chat.feedback()
    assert (first.good, first.marker, first.correction) == (False, 2, "一天\n两次")
    assert (second.answer.question, second.correction, second.history) == ("火星多大", "<b>很大</b>", (TIDES.question,))


def test_feedback_can_be_about_one_sentence(client, chat, talk) -> None:
    assert give(client, talk, about="s2").status_code == 200
    assert give(client, talk, about="s9").status_code == 400
    (given,) = chat.feedback()
    assert (given.sentence, given.marker, given.good) == (2, None, False)


def test_it_can_be_said_that_the_text_does_not_tell(client, chat, talk) -> None:
    give(client, talk, unanswerable="1")
    (given,) = chat.feedback()
    assert (given.good, given.unanswerable) == (False, True)


@pytest.mark.parametrize("about", ["c9", "c0", "x1", "c", "c-1", "c1.5", "c²", "1", "c1234567", "s", "<b>"])
def test_feedback_about_what_is_not_there_is_refused(client, chat, talk, about) -> None:
    response = give(client, talk, about=about)
    english = give(client, talk, headers={**PART, **ENGLISH}, about=about)
    assert (response.status_code, english.status_code, chat.feedback()) == (400, 400, [])
    assert re.search("[\u4e00-\u9fff]", response.text)
    assert not re.search("[\u4e00-\u9fff]", english.text)


@pytest.mark.parametrize("form", [{"good": "1", "correction": "x"}, {"correction": "长" * 3000}])
def test_feedback_that_contradicts_itself_or_is_too_long_is_refused(client, chat, talk, form) -> None:
    assert give(client, talk, **form).status_code == 400
    assert chat.feedback() == []


def test_feedback_on_a_turn_that_is_not_there_is_not_found(client, talk) -> None:
    assert give(client, talk, turn=3, good="1").status_code == 404


# -- The conversations -------------------------------------------------------------------------------


def test_a_conversation_is_renamed_and_the_shelf_comes_back(client, chat, talk) -> None:
    html = client.post(f"{talk}/rename", data={"title": " 新  名 ", "here": talk[3:]}, headers=PART).text
    assert chat.conversation(talk[3:]).title == "新 名"
    assert "<html" not in html
    assert "新 名" in text_of(html)
    assert html.count('aria-current="page"') == 1


def test_a_title_that_is_too_long_is_refused(client, chat, talk) -> None:
    response = client.post(f"{talk}/rename", data={"title": "长" * 101}, headers=PART)
    assert (response.status_code, response.text.startswith("标题有 101 个字")) == (400, True)
    assert chat.conversation(talk[3:]).title == TIDES.question


def test_a_conversation_is_deleted_and_one_that_is_open_is_left(client, chat, talk) -> None:
    other = chat.start_conversation("别的").id
    here = client.post(f"{talk}/delete", data={"here": talk[3:]}, headers=PART)
    assert (here.status_code, here.headers["hx-redirect"]) == (200, "/")
    elsewhere = client.post(f"/c/{other}/delete", data={"here": "x"}, headers=PART)
    assert "hx-redirect" not in elsewhere.headers
    assert chat.conversations() == []


def test_without_scripts_one_is_sent_back_to_the_page(client, chat, talk) -> None:
    other = chat.start_conversation("别的").id
    renamed = client.post(f"/c/{other}/rename", data={"title": "x", "here": talk[3:]})
    assert (renamed.status_code, renamed.headers["location"]) == (303, talk)
    deleted = client.post(f"/c/{other}/delete", data={"here": talk[3:]})
    assert (deleted.status_code, deleted.headers["location"]) == (303, talk)
    last = client.post(f"{talk}/delete", data={"here": talk[3:]})
    assert (last.status_code, last.headers["location"]) == (303, "/")


@pytest.mark.parametrize("here", ["//evil.example", "\\evil.example", "x\r\nset-cookie: a=b", "../..//evil.example"])
def test_one_is_sent_back_to_nowhere_else(client, chat, here) -> None:
    conversation = chat.start_conversation("x").id
    response = client.post(f"/c/{conversation}/rename", data={"title": "y", "here": here})
    assert response.headers["location"].startswith("/c/")
    assert "set-cookie" not in response.headers


@pytest.mark.parametrize("end", ["rename", "delete"])
def test_what_is_not_there_cannot_be_changed(client, end) -> None:
    assert client.post(f"/c/{'0' * 32}/{end}", data={"title": "x"}, headers=PART).status_code == 404


# -- Exports -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "media", "begin"),
    [
        ("md", "text/markdown; charset=utf-8", "#"),
        ("html", "text/html; charset=utf-8", "<!doctype html>"),
        ("json", "application/json", "{"),
        ("txt", "text/plain; charset=utf-8", "["),
    ],
)
def test_a_conversation_is_taken_along_as_a_file(client, talk, form, media, begin) -> None:
    response = client.get(f"{talk}/export.{form}")
    assert (response.status_code, response.headers["content-type"]) == (200, media)
    disposition = response.headers["content-disposition"]
    assert disposition.startswith("attachment; filename*=UTF-8''")
    name = unquote(disposition.partition("''")[2])
    assert name.endswith(f".{form}")
    assert TIDES.question in name
    assert "/" not in name
    assert response.text.lower().startswith(begin)
    assert "月球" in response.text


def test_the_name_of_a_file_can_end_no_header(client, chat) -> None:
    conversation = chat.start_conversation('../a"b\r\nx: y;/\\名').id
    header = client.get(f"/c/{conversation}/export.md").headers["content-disposition"]
    assert re.fullmatch(r"attachment; filename\*=UTF-8''[\w.%~-]+", header)
    assert not unquote(header.partition("''")[2]).startswith(".")


def test_an_export_speaks_the_language_of_the_page(client, talk) -> None:
    chinese, english = client.get(f"{talk}/export.md"), client.get(f"{talk}/export.md", headers=ENGLISH)
    assert "paragraph 3" in english.text
    assert "第3段" in chinese.text


@pytest.mark.parametrize("form", ["exe", "md.html"])
def test_there_are_no_other_exports(client, talk, form) -> None:
    assert client.get(f"{talk}/export.{form}").status_code == 400


# -- What people, documents and titles say -----------------------------------------------------------


def test_hostile_words_are_shown_and_never_obeyed(client, chat) -> None:
    conversation = chat.start_conversation("\"><script>alert('t')</script>").id
    chat.ask(EVIL.question, conversation=conversation)
    chat.answers["?b"] = [replace(refusal(HOSTILE, "?b", ("<s>x</s>",)), notice="<u>n</u>")]
    chat.ask("?b", conversation=conversation)
    pages = [
        client.get(path)
        for path in (
            "/",
            "/conversations",
            f"/c/{conversation}?turn=1&cite=1",
            f"/c/{conversation}?turn=2&hit=1&view=file",
            f"/c/{conversation}/1/cite/1?view=file",
            f"/c/{conversation}/2/why",
            f"/c/{conversation}/export.html",
        )
    ]
    for page in pages:
        assert page.status_code == 200
        html = re.sub(r'<script defer src="/page/[\w.]+\?[\w.]+"></script>', "", page.text)
        assert not re.search(r"<(script|img|s|u|i)\b", html), page.url
        assert "<b>甲" not in html
        # Whatever stands in an attribute stays in it.
        for tag in re.findall(r"<[a-z][^>]*>", html):
            assert not re.search(r"\son\w+\s*=", re.sub(r'"[^"]*"', '""', tag)), tag
    assert "</p><script>window.hacked = 1</script>" in text_of(pages[2].text)


def test_every_page_has_all_its_words_in_english(client, talk) -> None:
    for path in ("/", "/conversations"):
        html = client.get(path, headers={**PAGE, **ENGLISH}).text
        words = text_of(html).replace("中文", "").replace(TIDES.question, "")
        assert not re.search("[\u4e00-\u9fff]", words)
