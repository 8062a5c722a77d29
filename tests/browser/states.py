"""The states of the page, one after the other: a visitor's walk through all that can be seen of it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tests.browser.conftest import PATIENCE, POSITIONS, TWO_FACTS, UNANSWERED, Site, ask, open_citation

if TYPE_CHECKING:
    from playwright.sync_api import FilePayload, Page

FOLLOW_UP = "那两个生态呢"
PARTLY = "会议是哪天召开的，柳州的债务总额是多少？"
THANKS = "谢谢"
QUESTIONS = (POSITIONS, TWO_FACTS, UNANSWERED, FOLLOW_UP, PARTLY, THANKS)
FILE_NAME = "望潮亭.txt"
BAD_NAME = "空白.txt"
TITLE = "望潮亭简介"
GOOD: "FilePayload" = {"name": FILE_NAME, "mimeType": "text/plain", "buffer": f"{TITLE}\n\n望潮亭有九根柱子。".encode()}
BAD: "FilePayload" = {"name": BAD_NAME, "mimeType": "text/plain", "buffer": b""}


def walk(page: "Page", site: Site) -> Iterator[str]:
    """Bring a fresh page from state to state; yields the name of each.

    The document that it adds is removed again at the end.
    """
    yield "start"
    turn = ask(page, POSITIONS)
    yield "answer"
    turn.locator(".answer .marker").first.focus()
    page.locator("#quote").wait_for()
    yield "quote"
    open_citation(page, turn, 1)
    page.mouse.move(0, 0)
    yield "reading"
    page.locator("#reader .views button").nth(1).click()
    page.locator("#reader .text.file mark.current").first.wait_for()
    yield "reading-file"
    page.click("#reader [data-close]")
    turn.locator(".feedback summary").click()
    yield "feedback"
    turn.locator(".feedback button.chief").click()
    turn.locator(".thanks").wait_for()
    yield "thanks"
    turn.locator(".why summary").click()
    turn.locator(".why .explained").wait_for()
    turn.locator(".why").scroll_into_view_if_needed()
    yield "why"
    ask(page, UNANSWERED)
    yield "refusal"
    page.locator("#t2 .nearest a").first.click()
    page.locator("#reader mark.current").first.wait_for()
    yield "nearest"
    page.click("#reader [data-close]")
    ask(page, TWO_FACTS).locator("[data-edit]").click()
    yield "editing"
    page.click("#replacing button")
    ask(page, FOLLOW_UP)
    yield "follow-up"
    ask(page, PARTLY)
    yield "partly"
    ask(page, THANKS)
    yield "small-talk"
    page.fill("#question", " ")
    page.keyboard.press("Enter")
    page.locator("#message:not(:empty)").wait_for()
    yield "message"
    conversation = page.get_attribute("#turns", "data-conversation")
    page.goto(f"{site.address}conversations")
    page.locator("#shelf li", has=page.locator(f"a[href='/c/{conversation}']")).locator("summary").click()
    yield "conversations"
    page.goto(f"{site.address}documents")
    for summary in page.locator("#adding summary").all():
        summary.click()
    yield "documents"
    page.set_input_files("#file", [GOOD, BAD])
    page.locator("#additions .step.failed").wait_for()
    page.locator("#documents-list tbody tr", has_text=TITLE).wait_for()
    yield "added"
    page.locator("#documents-list a", has_text=TITLE).click()
    page.locator("h1", has_text=TITLE).wait_for()
    yield "document"
    page.locator(".views a").nth(1).click()
    page.locator("#text .text.file").wait_for()
    yield "document-file"
    page.goto(f"{site.address}documents")
    page.locator("#documents-list tbody tr", has_text=TITLE).locator("button.danger").click()
    page.locator(".removed li").first.wait_for()
    yield "removed"
    page.goto(f"{site.address}settings")
    yield "settings"
    page.locator(".test button").nth(1).click()
    page.locator(".trial .good, .trial .bad").first.wait_for(timeout=2 * PATIENCE)
    yield "settings-tested"
    page.goto(f"{site.address}nowhere")
    yield "failure"
