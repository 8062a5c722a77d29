"""Conversations are kept, named, taken along, and deleted; their citations stay readable when documents change."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rag import export
from rag.documents import document_from_text
from rag.errors import NotFoundError
from tests.browser.conftest import (
    DESKTOP,
    POSITIONS,
    TABLET,
    UNANSWERED,
    Site,
    Visits,
    ask,
    marked_words,
    open_citation,
    wait_for_citation,
)

if TYPE_CHECKING:
    from playwright.sync_api import Dialog, Locator, Page, ViewportSize

pytestmark = pytest.mark.browser

LAKE = "青螺湖水文站记录\n\n青螺湖最深处有八十六米，由站长骆一鸣测得。"
KEEPER = "青螺湖最深处有多少米"


def menu(page: "Page", conversation: str) -> "Locator":
    """Open the menu of a conversation in the list; returns it."""
    entry = page.locator("#shelf li", has=page.locator(f"a[href='/c/{conversation}']"))
    entry.locator("summary").click()
    return entry.locator(".menu > div")


def test_a_conversation_is_listed_under_its_first_question(page: "Page", site: Site) -> None:
    assert page.locator("#shelf li.here").count() == 0
    ask(page, POSITIONS)
    ask(page, UNANSWERED)
    here = page.locator("#shelf li.here > a")
    assert here.inner_text() == POSITIONS
    assert here.get_attribute("href") == f"/c/{site.conversation(page).id}"
    assert here.get_attribute("aria-current") == "page"


def test_another_conversation_is_opened_from_the_list_and_a_new_one_begun(page: "Page", site: Site) -> None:
    ask(page, POSITIONS)
    first = site.conversation(page).id
    page.click("#shelf .new")
    page.locator(".welcome").wait_for()
    ask(page, UNANSWERED)
    assert site.conversation(page).id != first
    page.click(f"#shelf a[href='/c/{first}']")
    page.locator("#t1 .question", has_text=POSITIONS).wait_for()
    ask(page, UNANSWERED)
    assert len(site.conversation(page).turns) == 2


def test_a_conversation_is_renamed(page: "Page", site: Site) -> None:
    ask(page, POSITIONS)
    kept = site.conversation(page).id
    form = menu(page, kept).locator("form").first
    form.locator("input[name=title]").fill("<b>定位</b> & “城市”")
    form.locator("button").click()
    renamed = page.locator("#shelf li.here > a", has_text="<b>定位</b> & “城市”")
    renamed.wait_for()
    assert site.chat.conversation(kept).title == "<b>定位</b> & “城市”"
    page.reload()
    renamed.wait_for()
    assert page.title().startswith("<b>定位</b> & “城市”")


def test_deleting_asks_first(visit: Visits, site: Site) -> None:
    page = visit(is_fresh=True)
    ask(page, POSITIONS)
    kept = site.conversation(page).id
    asked: list[str] = []

    def answer(dialog: "Dialog") -> None:
        asked.append(dialog.message)
        dialog.dismiss() if len(asked) == 1 else dialog.accept()

    page.on("dialog", answer)
    menu(page, kept).locator(".danger").click()
    assert site.chat.conversation(kept).turns
    page.locator("#shelf li.here .danger").click()
    page.locator(".welcome").wait_for()
    assert asked == [f"删除“{POSITIONS}”？不能恢复。"] * 2
    assert page.locator(f"#shelf a[href='/c/{kept}']").count() == 0
    with pytest.raises(NotFoundError):
        site.chat.conversation(kept)


def test_deleting_another_conversation_stays_on_this_one(page: "Page", site: Site) -> None:
    ask(page, UNANSWERED)
    other = site.conversation(page).id
    page.click("#shelf .new")
    page.locator(".welcome").wait_for()
    ask(page, POSITIONS)
    page.once("dialog", lambda dialog: dialog.accept())
    menu(page, other).locator(".danger").click()
    page.locator(f"#shelf a[href='/c/{other}']").wait_for(state="detached")
    assert page.locator("#t1 .question").inner_text() == POSITIONS


@pytest.mark.parametrize(("number", "suffix"), list(enumerate(["md", "html", "json", "txt"])))
def test_a_conversation_is_taken_along_in_every_form(page: "Page", site: Site, number: int, suffix: str) -> None:
    ask(page, POSITIONS)
    kept = site.conversation(page)
    with page.expect_download() as downloading:
        menu(page, kept.id).locator("a[download]").nth(number).click()
    download = downloading.value
    assert download.suggested_filename == export.file_name(kept, f".{suffix}")
    text = Path(download.path()).read_text(encoding="utf-8")
    assert text == {
        "md": export.to_markdown,
        "html": export.to_html,
        "json": export.to_json,
        "txt": export.to_bibliography,
    }[suffix](kept, "zh")
    if suffix == "json":
        json.loads(text)


def test_an_exported_page_opens_by_itself_and_runs_nothing(page: "Page", site: Site, tmp_path: Path) -> None:
    question = "<img src=x onerror='window.hacked=1'>柳州的四大定位是什么"
    ask(page, question)
    path = tmp_path / "talk.html"
    path.write_text(export.to_html(site.conversation(page), "zh"), encoding="utf-8")
    context = page.context.browser.new_context(offline=True)  # type: ignore[union-attr]
    alone = context.new_page()
    alone.goto(path.as_uri())
    assert question in alone.inner_text("body")
    assert alone.evaluate("() => window.hacked") is None
    context.close()


def test_a_conversation_that_is_gone_says_so(visit: Visits) -> None:
    visit.expected = ["404"]
    page = visit("c/0123456789abcdef0123456789abcdef")
    assert page.locator(".failure h1").inner_text() == "出错了"
    page.click(".failure a.button")
    page.locator(".welcome").wait_for()


@pytest.mark.parametrize("size", [TABLET, DESKTOP], ids=["tablet", "desktop"])
def test_the_list_has_a_page_of_its_own(visit: Visits, site: Site, size: "ViewportSize") -> None:
    page = visit(size=size)
    ask(page, POSITIONS)
    kept = site.conversation(page).id
    if size == TABLET:
        page.click("#masthead nav a[href='/conversations']")
    else:
        page.goto(f"{site.address}conversations")
    page.locator("h1", has_text="对话").wait_for()
    form = menu(page, kept).locator("form").first
    form.locator("input[name=title]").fill("改过的名")
    form.locator("button").click()
    page.locator(f"#shelf a[href='/c/{kept}']", has_text="改过的名").click()
    page.locator("#t1 .question", has_text=POSITIONS).wait_for()


# -- Documents that change or go -------------------------------------------------------------------


@pytest.fixture
def lake(site: Site) -> Iterator[str]:
    """A document that the test may change; its id."""
    added = site.chat.add_document(document_from_text(LAKE, None, "lake.txt")).document
    assert added is not None
    yield added.id
    if added.id in site.chat.store.document_ids():
        site.chat.remove(added.id)


CHANGES = [
    pytest.param(None, "文档已移除", id="removed"),
    pytest.param("青螺湖水文站记录\n\n这里什么也没有了。", "这句话已不在其中", id="changed"),
    pytest.param(LAKE.replace("记录", "记录（修订）"), "这句话仍在", id="moved"),
]


@pytest.mark.parametrize(("text", "told"), CHANGES)
def test_a_citation_whose_document_changed_says_so_and_shows_its_quote(
    visit: Visits, site: Site, lake: str, text: str | None, told: str
) -> None:
    page = visit()
    turn = ask(page, KEEPER)
    quote = site.answer(page).citations[0].quote
    assert "八十六米" in quote
    if text is None:
        site.chat.remove(lake)
    else:
        site.chat.add_document(document_from_text(text, None, "lake.txt"))
    page.reload()
    assert told in turn.locator(".citations .state").inner_text()
    assert quote in turn.locator(".citations blockquote").inner_text()
    open_citation(page, turn, 1)
    assert marked_words(page, 1) == quote
    assert told in page.inner_text("#reader .state")


def test_why_leaves_out_a_passage_whose_document_was_removed(visit: Visits, site: Site, lake: str) -> None:
    page = visit()
    turn = ask(page, KEEPER)
    found = len(site.answer(page).hits)
    site.chat.remove(lake)
    page.reload()
    turn.locator(".why summary").click()
    turn.locator(".why .explained").wait_for()
    assert 0 < turn.locator(".why ol > li").count() < found
    assert "八十六米" not in turn.locator(".why").inner_text()


def test_a_citation_opens_still_when_another_document_was_added_since(visit: Visits, site: Site, lake: str) -> None:
    page = visit()
    turn = ask(page, KEEPER)
    other = site.chat.add_document(document_from_text("另一篇\n\n与湖无关的一句话。", None, "other.txt")).document
    assert other is not None
    page.reload()
    open_citation(page, turn, 1)
    wait_for_citation(page, 1)
    assert page.locator("#reader .state").count() == 0
    site.chat.remove(other.id)
