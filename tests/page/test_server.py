"""The server as a whole: what every response carries, what is not served, and how errors are said."""

import asyncio
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from rag.errors import InputError, StoreError
from rag.page.service import AT_ONCE, MOST_WAITING, Service
from rag.page.serving import Serving
from rag.page.words import say
from rag.pipeline import Pipeline
from rag.settings import Settings
from tests.handmade import MOON, answer_quoting
from tests.page.visiting import ENGLISH, PAGE, PART, WrittenPipeline, text_of

server = pytest.importorskip("rag.page.server", reason="Gradio is not installed")

TIDES = answer_quoting(MOON, ["每天两次"], "几次")


@pytest.fixture(scope="module")
def chat(tmp_path_factory) -> Iterator[WrittenPipeline]:
    made = WrittenPipeline(tmp_path_factory.mktemp("server") / "store", [TIDES])
    yield made
    made.close()


def client_of(chat: WrittenPipeline, serving: Serving, url: str = "http://127.0.0.1:7860") -> TestClient:
    async def build():
        return server.build(Service(chat), serving)

    return TestClient(
        asyncio.run(build()),  # outside of a loop Gradio makes some of its own, and leaves them open
        base_url=url,
        client=("127.0.0.1", 5000),
        headers=PAGE,
        follow_redirects=False,
        raise_server_exceptions=False,
    )


@pytest.fixture(scope="module")
def client(chat: WrittenPipeline) -> TestClient:
    return client_of(chat, Serving())


# -- Many at once ----------------------------------------------------------------------------------------


def test_a_page_is_served_while_as_many_questions_wait_as_may(chat) -> None:
    service = Service(chat)
    inside = [service.waiting.enter() for _ in range(AT_ONCE)]

    async def build():
        return server.build(service, Serving())

    answers: list[str] = []
    with TestClient(asyncio.run(build()), base_url="http://127.0.0.1:7860", client=("127.0.0.1", 5000)) as client:

        def ask() -> None:
            answers.append(client.post("/ask", data={"question": TIDES.question}, headers=PART).text)

        threads = [threading.Thread(target=ask) for _ in range(MOST_WAITING)]
        for thread in threads:
            thread.start()
        end = time.monotonic() + 20
        while len(service.waiting._queue) < MOST_WAITING and time.monotonic() < end:
            time.sleep(0.01)
        try:
            began = time.monotonic()
            assert client.get("/documents", headers=PAGE).status_code == 200
            took = time.monotonic() - began
            assert len(service.waiting._queue) == MOST_WAITING
        finally:
            for ticket in inside:
                ticket.close()
            for thread in threads:
                thread.join(30)
    assert took < 0.5
    assert ["每天两次" in text for text in answers] == [True] * MOST_WAITING


# -- What is served ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/documents",
        "/conversations",
        "/settings",
        "/favicon.ico",
        "/page/page.css",
        "/page/page.js",
        "/none",
        "/c/none",
    ],
)
def test_every_response_binds_the_browser(client, path) -> None:
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize(
    "path", ["/docs", "/redoc", "/openapi.json", "/theme.css", "/manifest.json", "/static/x", "/assets/x", "/config"]
)
def test_pages_that_are_not_ours_are_not_served(client, path) -> None:
    response = client.get(path)
    assert response.status_code == 404
    assert say("zh", "not found") in text_of(response.text)


def test_the_pages_files_are_served_and_nothing_beside_them(client) -> None:
    assert client.get("/page/page.js").headers["content-type"].startswith("text/javascript")
    assert client.get("/page/htmx.min.js").status_code == 200
    for path in ("/page/../server.py", "/page/%2e%2e/server.py", "/page/..%2fserver.py", "/page/", "/page/none.js"):
        assert client.get(path).status_code in (404, 405)


def test_a_question_is_asked_through_the_guard_and_can_be_read_again(client) -> None:
    response = client.post("/ask", data={"question": TIDES.question})
    assert response.status_code == 200
    assert response.headers["x-content-type-options"] == "nosniff"
    (conversation,) = set(re.findall(r"/c/([0-9a-f]{32})/1/cite/1", response.text))
    assert "每天两次" in text_of(client.get(f"/c/{conversation}").text)


def test_visitors_of_a_public_page_see_their_own_conversations_and_change_no_document(chat) -> None:
    public = Serving(host="0.0.0.0", public_without_password=True)
    first, second = (client_of(chat, public, "http://192.168.0.7:7860") for _ in range(2))
    response = first.post("/ask", data={"question": TIDES.question})
    conversation = re.findall(r"/c/([0-9a-f]{32})/1/cite/1", response.text)[0]
    assert first.get(f"/c/{conversation}").status_code == 200
    assert second.get(f"/c/{conversation}").status_code == 404
    assert conversation not in second.get("/").text
    assert first.post(f"/documents/{MOON.id}/remove").status_code == 400
    assert chat.store.digest(MOON.id)


def test_the_form_of_the_settings_is_filled_in_for_those_who_may_change_them(tmp_path) -> None:
    chat = WrittenPipeline(tmp_path / "store")
    chat.settings = replace(chat.settings, generator="openai:secret-name", generator_url="http://10.0.0.9/secret")
    public = Serving(host="0.0.0.0", public_without_password=True)
    theirs, ours = (
        client_of(chat, public, "http://192.168.0.7:7860").get("/settings"),
        client_of(chat, Serving()).get("/settings"),
    )
    assert (theirs.status_code, ours.status_code) == (200, 200)
    for value in ('value="secret-name"', 'value="http://10.0.0.9/secret"'):
        assert (value in theirs.text, value in ours.text) == (False, True)
    chat.close()


def test_while_settings_are_changed_they_are_not_changed_again(client, monkeypatch) -> None:
    made = []

    class Slow:
        is_over = False
        error = None
        total = done = 0

        def __init__(self, _: object, change: object, anyway: bool = False) -> None:
            self.change = change
            made.append(self)

    monkeypatch.setattr("rag.page.preferences.Making", Slow)
    assert client.post("/settings", data={"k": "3"}, headers=PART).status_code == 200
    again = client.post("/settings", data={"k": "4"}, headers=PART)
    assert (again.status_code, again.text, len(made)) == (400, "设置正在更改中，请等它完成。", 1)
    made[0].is_over = True
    assert client.post("/settings", data={"k": "4"}, headers=PART).status_code == 200


# -- Language and theme ------------------------------------------------------------------------------


def test_the_language_and_the_theme_are_kept_and_one_is_sent_back(client) -> None:
    response = client.post("/look", data={"language": "en", "theme": "dark", "back": "/documents?x=1#t2"})
    assert (response.status_code, response.headers["location"]) == (303, "/documents?x=1#t2")
    cookies = response.headers.get_list("set-cookie")
    assert [cookie.partition(";")[0] for cookie in cookies] == ["language=en", "theme=dark"]
    assert all("HttpOnly" in cookie and "SameSite=lax" in cookie and "Path=/" in cookie for cookie in cookies)
    client.cookies.clear()


@pytest.mark.parametrize(("key", "value"), [("language", "fr"), ("theme", "<b>"), ("language", ""), ("owner", "x")])
def test_what_cannot_be_chosen_is_not_kept(client, key, value) -> None:
    response = client.post("/look", data={key: value})
    assert (response.status_code, response.headers["location"]) == (303, "/")
    assert "set-cookie" not in response.headers


@pytest.mark.parametrize(
    "back",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "\\\\evil.example",
        "/\t/evil.example/",
        "/\n/evil.example/",
        " //evil.example/",
        "javascript:alert(1)",
        "evil.example",
        "/x\r\nset-cookie: a=b",
        "",
    ],
)
def test_one_is_sent_back_to_our_own_pages_only(client, back) -> None:
    response = client.post("/look", data={"theme": "auto", "back": back})
    location = response.headers["location"]
    # As browsers read it: white space within is taken out, a backslash is a slash.
    read = re.sub(r"[\t\r\n]", "", location).replace("\\", "/").strip()
    assert read.startswith("/")
    assert not read.startswith("//")
    assert response.headers.get_list("set-cookie")[0].startswith("theme=auto")
    assert "a" not in response.cookies
    client.cookies.clear()


def test_a_page_that_was_refused_sends_back_to_one_that_can_be_opened(client) -> None:
    html = client.post("/c/none/rename", data={"title": "x"}).text
    assert '<input type="hidden" name="back" value="/">' in html


# -- Errors ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "status", "chinese", "english"),
    [
        (InputError("Wrong <b>.", "不对 <b>。"), 400, "不对 <b>。", "Wrong <b>."),
        (StoreError("The disk is full.", "磁盘满了。"), 400, "磁盘满了。", "The disk is full."),
        (RuntimeError("secret"), 500, say("zh", "program failed"), say("en", "program failed")),
    ],
)
def test_an_error_is_a_page_or_a_text_in_the_language(
    client, chat, monkeypatch, error, status, chinese, english
) -> None:
    def fails() -> None:
        raise error

    monkeypatch.setattr(chat, "listed", fails)
    for told, headers in ((chinese, {}), (english, ENGLISH)):
        page, part = client.get("/documents", headers=headers), client.get("/documents", headers={**PART, **headers})
        assert (page.status_code, part.status_code) == (status, status)
        assert page.headers["content-type"].startswith("text/html")
        assert part.headers["content-type"].startswith("text/plain")
        assert part.text == told
        assert told in text_of(page.text)
        assert "secret" not in page.text
        assert "<b>." not in page.text
        for response in (page, part):
            assert response.headers["content-security-policy"]
            assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("method", "path"), [("get", "/ask"), ("post", "/"), ("put", "/documents"), ("delete", "/c/x")]
)
def test_a_way_of_asking_that_is_not_known_is_refused(client, method, path) -> None:
    response = client.request(method, path)
    assert response.status_code == 405
    assert say("zh", "bad request") in text_of(response.text)


# -- Starting ----------------------------------------------------------------------------------------


def test_what_is_not_safe_is_refused_before_anything_is_served(chat) -> None:
    with pytest.raises(InputError, match="--auth-file"):
        server.launch(chat, Serving(host="0.0.0.0"))


def test_warming_up_asks_no_language_model(article_chat) -> None:
    class Paid:
        name = "paid"

        def write(self, task, stop):
            pytest.fail("a language model was asked")

    chat = Pipeline(article_chat.store.folder, Settings(generator="paid"), article_chat.embedder)
    chat.generator = Paid()
    server.warm_up(chat)
    assert "spans" in vars(chat)
    chat.close()


def test_search_engines_are_told_to_keep_away(client) -> None:
    response = client.get("/robots.txt")
    assert (response.status_code, response.text) == (200, "User-agent: *\nDisallow: /\n")


def test_warming_up_asks_a_question_and_keeps_nothing(chat) -> None:
    conversations = len(chat.conversations())
    server.warm_up(chat)
    assert len(chat.asked) >= 1
    assert len(chat.conversations()) == conversations
