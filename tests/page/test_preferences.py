"""The settings page: what it shows, its tests of models, and how a change is said, made and refused."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from rag.embedder import BUNDLED_FOLDER
from rag.page import preferences
from rag.page.service import Service
from rag.pipeline import Pipeline
from rag.settings import ARTICLE, Settings
from tests.chat_server import chat_server
from tests.page.visiting import ENGLISH, PART, client_of, text_of

SEEN = re.compile(r'name="seen" value="(\w+)"')
LEAST = 0.7  # threshold of the strictest level


@pytest.fixture
def service(folder: Path) -> Iterator[Service]:
    chat = Pipeline(folder, Settings())
    chat.add(ARTICLE)
    made = Service(chat)
    del chat
    yield made
    made.close()


@pytest.fixture
def client(service: Service) -> TestClient:
    return client_of(preferences.router(service), headers=PART)


def made(client: TestClient, **chosen: str) -> str:
    """Send the form; return what stands there once the change is over."""
    html = client.post("/settings", data=chosen).text
    end = time.monotonic() + 60
    while "/settings/progress" in html and time.monotonic() < end:
        time.sleep(0.05)
        html = client.get("/settings/progress").text
    return text_of(html).strip()


def test_the_page_shows_what_is_in_use_and_what_each_choice_costs(client: TestClient) -> None:
    html = client.get("/settings").text
    assert re.findall(r'name="(\S+?)" value="(\S+?)" checked', html) == [
        ("level", "standard"),
        ("embedder-kind", "bundled"),
        ("reader-kind", "bundled"),
        ("reranker-kind", "none"),
        ("generator-kind", "bundled"),
    ]
    shown = text_of(html)
    assert "22 MB，已自带" in shown
    assert re.search(r"有答案的问题会回答\d+%，给出的回答里\d+%是错的", shown)
    assert "公开的阅读理解题" in shown  # what the shares were measured on
    assert shown.count("点“测试”可知") == 1
    assert "answers 83% of what can be answered" in text_of(client.get("/settings", headers=ENGLISH).text)


def test_strictness_and_number_of_passages_count_at_once_and_stay(client: TestClient, service: Service) -> None:
    assert "设置已更改" in made(client, level="sure", k="12")
    settings = service.pipeline.settings
    assert (settings.threshold, settings.k) == (pytest.approx(LEAST, abs=0.01), 12)
    assert service.pipeline.store.kept_settings() == {"threshold": settings.threshold, "k": 12}
    assert 'name="level" value="sure" checked' in client.get("/settings").text


def test_what_is_so_already_is_no_change(client: TestClient, service: Service) -> None:
    before = service.pipeline
    assert "没有要更改的" in made(client, level="standard", k="8", **{"embedder-kind": "bundled"})
    assert service.pipeline is before


def test_another_embedder_says_first_what_it_takes_and_is_used_once_agreed(
    client: TestClient, service: Service
) -> None:
    chosen = {"embedder-kind": "folder", "embedder-name": str(BUNDLED_FOLDER)}
    told = client.post("/settings", data=chosen).text
    assert "需要重新编制 1 份文档（21 个段落）的索引" in text_of(told)
    assert 'name="agreed"' in told
    assert service.pipeline.settings.embedder == "bundled"
    assert "设置已更改" in made(client, agreed="1", **chosen)
    assert service.pipeline.settings.embedder == str(BUNDLED_FOLDER)
    assert service.pipeline.ask("柳州的四大定位是什么").verdict == "answered"


def test_a_model_that_cannot_be_loaded_leaves_everything_as_it_was(client: TestClient, service: Service) -> None:
    before = service.pipeline
    told = made(client, **{"reader-kind": "folder", "reader-name": "/nowhere/at/all"})
    assert "/nowhere/at/all" in told
    assert service.pipeline is before
    assert service.pipeline.store.kept_settings() == {}


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ({"k": "many"}, "“many”不是整数"),
        ({"k": "0"}, "1 到 50"),
        ({"level": "whatever"}, "没有“whatever”这种严格程度"),
        ({"reader-kind": "whatever"}, "没有“whatever”这个选项"),
        ({"reader-kind": "hub", "reader-name": " "}, "请填写名称"),
        ({"generator-kind": "server", "generator-name": "x", "generator-url": "file:///etc"}, "http"),
    ],
)
def test_a_wrong_choice_is_one_clear_message(client: TestClient, chosen: dict[str, str], told: str) -> None:
    response = client.post("/settings", data=chosen)
    assert response.status_code == 400
    assert told in response.text


def test_a_bad_folder_for_an_embedder_is_refused_before_anything_is_offered(client: TestClient, folder: Path) -> None:
    for name in ("/nowhere/at/all", str(folder)):
        told = client.post("/settings", data={"embedder-kind": "folder", "embedder-name": name}).text
        assert 'class="bad"' in told
        assert name in told
        assert 'name="agreed"' not in told


def test_an_embedder_that_has_to_be_fetched_is_not_fetched_unasked(client: TestClient) -> None:
    told = client.post("/settings", data={"embedder-kind": "hub", "embedder-name": "ORG/ABSENT"}).text
    assert 'name="agreed"' in told


def test_a_server_that_does_not_work_is_used_only_when_that_is_said(client: TestClient, service: Service) -> None:
    chosen = {"generator-kind": "server", "generator-name": "small", "generator-url": "http://127.0.0.1:9/v1"}
    html = client.post("/settings", data=chosen).text
    end = time.monotonic() + 60
    while "/settings/progress" in html and time.monotonic() < end:
        time.sleep(0.05)
        html = client.get("/settings/progress").text
    assert "连不上服务器 http://127.0.0.1:9/v1" in text_of(html)
    assert "设置没有更改。" in text_of(html)
    assert '<button name="anyway" value="1">仍然应用</button>' in html
    assert service.pipeline.settings.generator == "extractive"
    assert "设置已更改" in made(client, anyway="1", **chosen)
    assert service.pipeline.settings.generator == "openai:small"


def test_the_test_button_lets_the_model_work(client: TestClient) -> None:
    told = client.post("/settings/try/reader", data={"reader-kind": "bundled"}).text
    assert 'class="good"' in told
    assert "可用。15 MB" in text_of(told)


def test_the_test_of_a_server_shows_what_it_wrote(client: TestClient) -> None:
    with chat_server() as server:
        server.pieces = ["月亮绕着地球转。"]
        chosen = {"generator-kind": "server", "generator-name": "small", "generator-url": server.url}
        told = client.post("/settings/try/generator", data=chosen).text
    assert "它写道：“月亮绕着地球转。”" in text_of(told)


def test_a_test_that_fails_says_why_and_changes_nothing(client: TestClient, service: Service) -> None:
    told = client.post("/settings/try/embedder", data={"embedder-kind": "folder", "embedder-name": "/nowhere"})
    assert told.status_code == 200
    assert 'class="bad"' in told.text
    assert "/nowhere" in told.text
    assert service.pipeline.settings == Settings()


def test_who_may_not_change_settings_sees_them_and_changes_nothing(client: TestClient, service: Service) -> None:
    headers = {"x-read-only": "1"}
    html = client.get("/settings", headers=headers).text
    assert "这里的设置不能更改" in html
    assert "<fieldset disabled>" in html
    for path in ("/settings", "/settings/try/reader", "/settings/stop"):
        response = client.post(path, data={"k": "9"}, headers=headers)
        assert (response.status_code, response.text) == (400, "这里不能更改设置。")
    assert service.pipeline.settings.k == 8


def test_how_a_change_goes_on_is_told_to_those_who_may_change(client: TestClient) -> None:
    response = client.get("/settings/progress", headers={"x-read-only": "1"})
    assert (response.status_code, response.text) == (400, "这里不能更改设置。")
    # Of a change that was begun before the server started again, nothing is known.
    told = text_of(client.get("/settings/progress").text)
    assert "没有正在进行的更改" in told
    assert "设置已更改" not in told


def test_a_form_in_an_old_tab_does_not_undo_what_was_changed_since(client: TestClient, service: Service) -> None:
    seen = SEEN.findall(client.get("/settings").text)
    assert len(seen) == 1
    html = client.post("/settings", data={"k": "12", "seen": seen[0]}).text
    end = time.monotonic() + 60
    while "/settings/progress" in html and time.monotonic() < end:
        time.sleep(0.05)
        html = client.get("/settings/progress").text
    assert "设置已更改" in text_of(html)
    stale = client.post("/settings", data={"level": "sure", "k": "8", "seen": seen[0]})
    assert (stale.status_code, stale.text) == (400, "设置刚刚被别人更改过。请重新载入，再选一次。")
    assert (service.pipeline.settings.k, service.pipeline.settings.threshold) == (12, None)
    # The page that made the change has been told what it shows now, and can go on.
    now = SEEN.findall(html)
    assert now == SEEN.findall(client.get("/settings").text)
    assert "设置已更改" in made(client, k="9", seen=now[0])


def test_who_may_not_change_settings_is_given_no_digest_of_them(client: TestClient) -> None:
    assert not SEEN.findall(client.get("/settings", headers={"x-read-only": "1"}).text)


def test_a_name_that_no_folder_can_have_is_one_clear_message(client: TestClient) -> None:
    for name in ("~nobody-of-this-name/x", "/" + "x" * 400):
        chosen = {"reader-kind": "folder", "reader-name": name}
        assert client.post("/settings/try/reader", data=chosen).status_code == 200
        assert "里没有" in made(client, **chosen)


def test_a_user_who_is_no_administrator_is_told_who_may_change_settings(client: TestClient) -> None:
    headers = {"x-no-admin": "1", "x-owner": "user:mei"}
    shown = text_of(client.get("/settings", headers=headers).text)
    assert "只有管理员能更改设置。" in shown
    assert "问题和文档都不离开这台服务器。" in shown
    response = client.post("/settings", data={"k": "9"}, headers=headers | {"accept-language": "en"})
    assert (response.status_code, response.text) == (400, "Only administrators can change the settings.")


def test_what_became_of_a_change_is_scrolled_to(client: TestClient) -> None:
    assert 'hx-target="#change" hx-swap="innerHTML show:top"' in client.get("/settings").text


def test_what_is_typed_is_shown_escaped(client: TestClient) -> None:
    evil = "<img src=x onerror=alert(1)>"
    for path in ("/settings", "/settings/try/reader"):
        told = client.post(path, data={"reader-kind": "folder", "reader-name": evil})
        assert "<img" not in told.text.replace(evil, "") or told.headers["content-type"].startswith("text/plain")
    assert "<img" not in client.post("/settings/try/reader", data={"reader-kind": "folder", "reader-name": evil}).text
