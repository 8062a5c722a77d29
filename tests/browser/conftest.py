"""The real server in a process of its own, over the bundled model, and a real browser before it."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.find import REMEDY, find_browser, is_required
from tests.serving import START, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, Route, ViewportSize

ROOT = Path(__file__).parents[2]
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run"),
]
DESKTOP: "ViewportSize" = {"width": 1280, "height": 800}
PHONE: "ViewportSize" = {"width": 390, "height": 844}

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


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the store that is served."""
    return tmp_path_factory.mktemp("page") / "store"


@pytest.fixture(scope="session")
def address(store: Path) -> Iterator[str]:
    """Serve the bundled article and a hostile one; yields the page's address."""
    hostile = store.parent / "hostile.txt"
    hostile.write_text(HOSTILE, encoding="utf-8")
    environment = {**os.environ, "RAG_STORE": str(store), "PYTHONPATH": str(ROOT)}
    rag = [sys.executable, "-m", "rag"]
    subprocess.run([*rag, "add", str(hostile)], env=environment, check=True, capture_output=True, timeout=START)
    with serving([*rag, "serve"], environment, store.parent / "log.txt") as address:
        yield address


@pytest.fixture
def open_page(browser: "Browser", address: str) -> Iterator[Callable[..., "Page"]]:
    """Return what opens the page as a new visitor; fails where it asked anything of another host."""
    contexts: list[BrowserContext] = []
    foreign: list[str] = []
    errors: list[str] = []

    def refuse(route: "Route") -> None:
        if route.request.url.startswith(address):
            route.continue_()
        else:
            foreign.append(route.request.url)
            route.abort()

    def open_(size: "ViewportSize" = DESKTOP) -> "Page":
        context = browser.new_context(viewport=size, locale="zh-CN")
        contexts.append(context)
        context.route("**/*", refuse)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(address)
        page.wait_for_selector("#question textarea")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert foreign == []
    assert errors == []


@pytest.fixture
def page(open_page: Callable[..., "Page"]) -> "Page":
    return open_page()


def ask(page: "Page", question: str) -> "Page":
    """Ask and wait until the answer stands there."""
    turns = page.locator(".turn").count()
    page.fill("#question textarea", question)
    page.keyboard.press("Enter")
    page.wait_for_function(f"document.querySelectorAll('.turn').length > {turns}")
    return page


def shoot(page: "Page", name: str) -> None:
    """Write a screenshot into the folder $SCREENSHOTS, if it is set."""
    folder = os.environ.get("SCREENSHOTS")
    if folder:
        page.mouse.move(0, 0)
        page.wait_for_timeout(300)
        page.screenshot(path=Path(folder) / f"{name}.png")
