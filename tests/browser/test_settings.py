"""The settings page: what is chosen is tried, applied and kept, and what cannot be used is told."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import PATIENCE, POSITIONS, UNANSWERED, Site, Visits, ask
from tests.chat_server import chat_server

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser

WRITTEN = "柳州的四大定位是全国性综合交通枢纽、现代制造城、广西高质量发展先行区、自治区副中心城市。"


@pytest.fixture
def settings(visit: Visits) -> Iterator["Page"]:
    """The page of settings; afterwards all is as it was."""
    yield visit("settings")
    page = visit("settings")
    page.check("[name=level][value=standard]")
    page.check("[name=generator-kind][value=bundled]")
    page.fill("#k", "8")
    apply(page)


def apply(page: "Page") -> None:
    """Apply what is chosen, and wait until it is in use."""
    page.locator("#settings button.chief").last.click()
    page.locator("#change", has_text="设置").wait_for()
    page.locator("#change [hx-get]").wait_for(state="detached", timeout=2 * PATIENCE)


def section(page: "Page", part: str) -> "Locator":
    return page.locator(f"section[aria-labelledby=part-{part}]")


def test_how_sure_an_answer_must_be_is_chosen_and_kept(settings: "Page", site: Site) -> None:
    settings.check("[name=level][value=always]")
    apply(settings)
    assert "设置已更改" in settings.inner_text("#change")
    settings.reload()
    assert settings.is_checked("[name=level][value=always]")
    settings.goto(site.address)
    assert ask(settings, UNANSWERED).locator(".refusal").count() == 0


def test_how_many_passages_are_read_is_chosen(settings: "Page", site: Site) -> None:
    settings.fill("#k", "3")
    apply(settings)
    settings.goto(site.address)
    ask(settings, POSITIONS)
    assert len(site.answer(settings).hits) == 3


def test_a_server_is_tried_and_then_writes_the_answers(settings: "Page", site: Site) -> None:
    with chat_server() as model:
        model.pieces = [WRITTEN]
        writing = section(settings, "generator")
        assert not writing.locator("[name=generator-url]").is_visible()
        writing.locator("[value=server]").check()
        writing.locator("[name=generator-name]").fill("scripted")
        writing.locator("[name=generator-url]").fill(model.url)
        writing.locator(".test button").click()
        writing.locator(".trial .good").wait_for()
        apply(settings)
        settings.reload()
        assert "127.0.0.1" in settings.inner_text(".privacy")
        settings.goto(site.address)
        turn = ask(settings, POSITIONS)
        assert "openai:scripted" in turn.locator(".cost").inner_text()


@pytest.mark.parametrize("locale", ["zh-CN", "en-US"])
def test_a_server_that_cannot_be_reached_is_told(visit: Visits, locale: str) -> None:
    page = visit("settings", locale=locale)
    writing = section(page, "generator")
    writing.locator("[value=server]").check()
    writing.locator("[name=generator-name]").fill("scripted")
    writing.locator("[name=generator-url]").fill("http://127.0.0.1:9/v1")
    writing.locator(".test button").click()
    told = writing.locator(".trial .bad")
    told.wait_for(timeout=2 * PATIENCE)
    text = told.inner_text()
    assert "127.0.0.1:9" in text
    assert any("\u4e00" <= character <= "\u9fff" for character in text) == (locale == "zh-CN")


def test_a_model_that_is_not_there_is_told(visit: Visits) -> None:
    page = visit("settings")
    reading = section(page, "reader")
    reading.locator("[value=folder]").check()
    reading.locator("[name=reader-name]").fill("/nowhere/at/all")
    reading.locator(".test button").click()
    reading.locator(".trial .bad").wait_for()
    assert "/nowhere/at/all" in reading.locator(".trial").inner_text()
