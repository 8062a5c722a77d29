"""The real server in a process of its own, over the bundled models, and a real browser before it."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rag.answers import Answer
from rag.conversation import Conversation
from rag.pipeline import Pipeline
from rag.settings import Settings
from tests.browser.find import REMEDY, find_browser, is_required
from tests.chat_server import ChatServer, chat_server
from tests.serving import START, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, ViewportSize

ROOT = Path(__file__).parents[2]
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
]
DESKTOP: "ViewportSize" = {"width": 1400, "height": 850}
PHONE: "ViewportSize" = {"width": 390, "height": 844}
TABLET: "ViewportSize" = {"width": 820, "height": 1180}
WIDE: "ViewportSize" = {"width": 1920, "height": 1080}
PATIENCE = 15_000  # milliseconds until something that is waited for has failed to come

POSITIONS = "柳州的四大定位是什么"
TWO_FACTS = "上汽通用五菱累计产销量是多少，它有哪两个品牌？"
UNANSWERED = "柳州的债务总额是多少"

# The title and the text would run as HTML, and as a template of the page.
HOSTILE = (
    "<img src=x onerror='window.hacked=1'>天文台台长名单\n\n"
    "紫金山天文台的台长是<b>赵乙丙</b><script>window.hacked=2</script>`${window.hacked=3}`{{window.hacked=4}}。\n"
)


@pytest.fixture(scope="session")
def browser() -> Iterator["Browser"]:
    path = find_browser()
    if path is None:
        (pytest.fail if is_required() else pytest.skip)(REMEDY)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@dataclass
class Site:
    """A served store."""

    address: str  # ends with a slash
    folder: Path
    chat: Pipeline = field(repr=False)  # over the same store, in this process

    def conversation(self, page: "Page") -> Conversation:
        """Return the conversation that stands on a page, as it is kept."""
        return self.chat.conversation(page.get_attribute("#turns", "data-conversation") or "")

    def answer(self, page: "Page") -> Answer:
        """Return the last answer on a page, as it is kept."""
        return self.conversation(page).turns[-1].answer


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Serve the bundled article and a hostile text, answered by the extractive reader."""
    folder = tmp_path_factory.mktemp("site")
    hostile = folder / "hostile.txt"
    hostile.write_text(HOSTILE, encoding="utf-8")
    variables = environment(folder)
    rag = [sys.executable, "-m", "rag"]
    subprocess.run([*rag, "add", str(hostile)], env=variables, check=True, capture_output=True, timeout=START)
    with serving([*rag, "serve"], variables, folder / "log.txt") as address:
        chat = Pipeline(folder / "store", Settings())
        yield Site(address, folder, chat)
        chat.close()


@dataclass
class WrittenSite(Site):
    """A served store whose answers a model writes, behind a server of its own."""

    model: ChatServer


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WrittenSite]:
    """Serve the bundled article, answered by a model that says what the test wants, as slowly as it wants."""
    folder = tmp_path_factory.mktemp("written")
    variables = environment(folder)
    with chat_server() as model:
        command = [sys.executable, "-m", "rag", "serve", "--generator", "openai:scripted", "--generator-url", model.url]
        model.pieces = ["柳州。"]
        with serving(command, variables, folder / "log.txt") as address:
            chat = Pipeline(folder / "store", Settings())
            yield WrittenSite(address, folder, chat, model)
            chat.close()


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of a server whose store is in a folder."""
    return {**os.environ, "RAG_STORE": str(folder / "store"), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Window:
    """A browser window of one visitor. What it tells goes to the visit that uses it now."""

    page: "Page"
    kind: str
    told: "list[tuple[str, str]]"  # kinds ("request", "error") and what it was, since it was last given back


class Windows:
    """Windows that tests take and give back: opening one anew takes longer than most tests."""

    def __init__(self, browser: "Browser") -> None:
        self._browser = browser
        self._free: dict[str, list[Window]] = {}

    def take(self, is_fresh: bool, **options: object) -> Window:
        """Return a window without cookies, on an empty page."""
        kind = "fresh" if is_fresh else repr(sorted(options.items()))
        if not is_fresh and (free := self._free.get(kind)):
            return free.pop()
        context: BrowserContext = self._browser.new_context(**options)  # type: ignore[arg-type]
        told: list[tuple[str, str]] = []
        context.on("request", lambda request: told.append(("request", request.url)))
        context.on("console", lambda message: told.extend(_trouble(message)))
        context.on("weberror", lambda error: told.append(("error", f"{error.page and error.page.url}: {error.error}")))
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        return Window(page, kind, told)

    def give_back(self, window: Window) -> list[tuple[str, str]]:
        """Close a window, or leave it empty for the next test; returns all that it told."""
        page, context = window.page, window.page.context
        if window.kind == "fresh" or page.is_closed():
            context.close()
            return list(window.told)
        context.set_offline(False)
        page.evaluate("() => sessionStorage.clear()")
        page.goto("about:blank")
        page.mouse.move(0, 0)
        context.clear_cookies()
        told = list(window.told)
        window.told.clear()
        self._free.setdefault(window.kind, []).append(window)
        return told


def _trouble(message: "ConsoleMessage") -> Iterator[tuple[str, str]]:
    # What the policy of the page refuses is told in the console, too.
    if message.type in ("error", "warning"):
        yield "error", f"{message.location.get('url', '')}: {message.text}"


@pytest.fixture(scope="session")
def windows(browser: "Browser") -> Windows:
    return Windows(browser)


class Visits:
    """Opens pages as new visitors. What they asked of other hosts, and what went wrong in them, is written down."""

    def __init__(self, windows: Windows, site: Site) -> None:
        self.site = site
        self.expected: list[str] = []  # parts of messages that the test means to cause
        self._windows = windows
        self._taken: list[tuple[Window, str]] = []

    def __call__(
        self,
        path: str = "",
        *,
        size: "ViewportSize" = DESKTOP,
        locale: str = "zh-CN",
        dark: bool = False,
        site: Site | None = None,
        is_fresh: bool = False,
        permissions: Sequence[str] = (),
    ) -> "Page":
        """Open a page of the site as a new visitor.

        Args:
            path: Below the site's address, without the first slash.
            size: Of the window.
            locale: What the browser likes to be spoken to in.
            dark: Whether the system is dark.
            site: Another one.
            is_fresh: The window is a new one and used by no later test: for tests that listen to it.
            permissions: What the page may do.
        """
        at = site or self.site
        scheme = "dark" if dark else "light"
        window = self._windows.take(
            is_fresh, viewport=size, locale=locale, color_scheme=scheme, permissions=list(permissions)
        )
        self._taken.append((window, at.address))
        window.page.goto(at.address + path)
        return window.page

    def close(self) -> list[str]:
        """Leave all; return what went wrong though no test meant it to."""
        found = []
        for window, own in self._taken:
            for kind, told in self._windows.give_back(window):
                if kind == "request" and not told.startswith((own, "data:", f"blob:{own}", "about:")):
                    found.append(f"asked of another host: {told}")
                if kind == "error" and not any(known in told for known in self.expected):
                    found.append(told)
        self._taken.clear()
        return found


@pytest.fixture
def visit(windows: Windows, site: Site) -> Iterator[Visits]:
    """Return what opens pages; fails where one asked anything of another host, or told an error in its console."""
    visits = Visits(windows, site)
    yield visits
    assert visits.close() == []


@pytest.fixture
def page(visit: Visits) -> "Page":
    return visit()


def ask(page: "Page", question: str) -> "Locator":
    """Ask, and wait until the answer stands there; returns its turn."""
    count = page.locator(".turn").count()
    page.fill("#question", question)
    page.keyboard.press("Enter")
    return answered(page, count + 1)


def answered(page: "Page", number: int) -> "Locator":
    """Wait until a turn is complete; returns it."""
    turn = page.locator(f"#t{number}:not(.growing)")
    turn.wait_for()
    page.locator("#send").wait_for()
    settle(page)
    return turn


def settle(page: "Page") -> None:
    """Wait until no part of the page is being fetched: the reading view goes along with a new answer."""
    from playwright.sync_api import expect

    expect(page.locator(".htmx-request")).to_have_count(0, timeout=PATIENCE)


def open_citation(page: "Page", turn: "Locator", marker: int) -> None:
    """Click a marker in the answer, and wait until its words are marked in the reading view."""
    turn.locator(f".answer .marker[data-quote$='-{marker}']").first.click()
    wait_for_citation(page, marker)


def wait_for_citation(page: "Page", marker: int) -> None:
    """Wait until the words of a citation are what the reading view has opened."""
    settle(page)
    page.locator(f"#reader mark.current[data-markers~='{marker}']").first.wait_for()


def marked_words(page: "Page", marker: int) -> str:
    """Return what a reader sees marked: the text from the first to the last marked character of a citation."""
    words: str = page.evaluate(
        """marker => {
            const marks = document.querySelectorAll(`#reader mark[data-markers~="${marker}"]`);
            const range = document.createRange();
            range.setStartBefore(marks[0]);
            range.setEndAfter(marks[marks.length - 1]);
            return range.toString();
        }""",
        str(marker),
    )
    return words


def mark_is_in_sight(page: "Page") -> bool:
    """Say whether the words that were opened are in the visible part of the reading view."""
    is_in_sight: bool = page.evaluate("""() => {
        const text = document.querySelector('#reader .text').getBoundingClientRect();
        const mark = document.querySelector('#reader mark.current').getClientRects()[0];
        return mark.width > 0 && mark.top >= Math.max(0, text.top) && mark.bottom <= Math.min(innerHeight, text.bottom)
            && mark.left >= 0 && mark.right <= innerWidth;
    }""")
    return is_in_sight


def shoot(page: "Page", name: str) -> None:
    """Write a screenshot into the folder $SCREENSHOTS, if it is set."""
    if folder := os.environ.get("SCREENSHOTS"):
        page.wait_for_timeout(200)
        page.screenshot(path=Path(folder) / f"{name}.png")
