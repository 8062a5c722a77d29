"""The page is for everybody: in both languages, light and dark, on every width, by keyboard and by screen reader."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tests.browser import states
from tests.browser.conftest import (
    DESKTOP,
    PATIENCE,
    PHONE,
    POSITIONS,
    TABLET,
    TWO_FACTS,
    WIDE,
    Site,
    Visits,
    Windows,
    answered,
    ask,
    mark_is_in_sight,
    open_citation,
    shoot,
    wait_for_citation,
)

if TYPE_CHECKING:
    from playwright.sync_api import Page, ViewportSize

pytestmark = pytest.mark.browser

SMALL: "ViewportSize" = {"width": 320, "height": 640}

# What people and documents say, in whatever language: it is not translated.
CONTENT = (
    ".question, .said, .remark, .verdict + .said, blockquote, .citations .place, .nearest, .missing b, .searched "
    "textarea, .why .place, .why .passage, .examples, #reader h2, .headline, .text [data-number], h1 + .facts code, "
    "#shelf li > a, .removed, .addition .name, .table th[scope=row], #quote, #told, .differ, .articles"
)
# Names that are the same in every language, and how a language calls itself.
NAMES = re.compile(
    r"中文|English|Markdown|HTML|JSON|liuzhou|hostile|\.\w+|\bMB\b|https?://\S*|utf-8|UTF-8|GB18030|"
    r"OpenAI|[A-Z]+(_[A-Z]+)+|[\w.-]+/[\w.-]+|[0-9a-f]{8,}|[A-Za-z][\w.]*[-:][\w.:-]+|\bs\b"
)
WORDS = """content => {
    const found = [];
    const visit = (node, isContent) => {
        if (node.nodeType === Node.TEXT_NODE) {
            if (!isContent && node.data.trim()) found.push(node.data.trim());
            return;
        }
        if (node.nodeType !== Node.ELEMENT_NODE && node.nodeType !== Node.DOCUMENT_FRAGMENT_NODE) return;
        if (node.matches?.('script, noscript, style, meta, link')) return;
        for (const {name, value} of node.attributes ?? [])
            if (/^(aria-label|aria-description|title|placeholder|alt|hx-confirm)$/.test(name)
                || (name.startsWith('data-') && node.matches('body, .step'))) found.push(value);
        const here = isContent || node.matches?.(content);
        for (const child of (node.content ?? node).childNodes) visit(child, here);
    };
    visit(document.documentElement, false);
    return found;
}"""
AXE = """async rules => {
    const wanted = rules ? {runOnly: {type: 'rule', values: rules}} : {};
    const found = await axe.run(document, {resultTypes: ['violations'], ...wanted});
    return found.violations.filter(one => ['serious', 'critical'].includes(one.impact)).flatMap(
        one => one.nodes.map(node => `${one.id} (${one.impact}): ${node.target} ${node.any[0]?.message ?? ''}`));
}"""
SIDEWAYS = """() => {
    const wide = innerWidth;
    if (document.documentElement.scrollWidth <= wide) return [];
    const out = [...document.querySelectorAll('body *')].filter(one => one.getBoundingClientRect().right > wide + 1);
    return out.slice(0, 3).map(one => one.outerHTML.slice(0, 120));
}"""
UNREACHABLE = """() => {
    const faults = [];
    const sheet = document.querySelector('#reader.open'), top = sheet && innerWidth < 760 ? sheet : document;
    for (const one of top.querySelectorAll('a, button, input, select, textarea, summary')) {
        if (!one.checkVisibility({visibilityProperty: true}) || one.closest('.unseen, .skip, #quote')) continue;
        const box = one.getBoundingClientRect();
        if (box.width && box.height && (box.left < -1 || box.right > innerWidth + 1) && !one.closest('.table'))
            faults.push(one.outerHTML.slice(0, 120));
    }
    return faults;
}"""


@dataclass
class Findings:
    """What was found wrong on a walk through all states, as lines that begin with the state."""

    axe: list[str] = field(default_factory=list)
    sideways: list[str] = field(default_factory=list)
    untranslated: list[str] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)
    states: list[str] = field(default_factory=list)


@pytest.fixture(scope="module", params=["desktop-zh", "phone-en"])
def findings(request: pytest.FixtureRequest, windows: Windows, site: Site) -> Findings:
    """Walk through all states and look at each; light and dark."""
    from axe_playwright_python.base import AXE_SCRIPT

    device, language = request.param.split("-")
    visits = Visits(windows, site)
    visits.expected = ["404"]
    own = DESKTOP if device == "desktop" else PHONE
    page = visits(size=own, locale="zh-CN" if language == "zh" else "en-US")
    known = titles(site)
    found = Findings()
    for state in states.walk(page, site):
        found.states.append(state)
        shoot(page, f"{device}-{language}-{state}")
        if not page.evaluate("() => 'axe' in window"):
            page.evaluate(f"() => {{ {AXE_SCRIPT} }}")
        found.axe += [f"{state}: {one}" for one in page.evaluate(AXE, None)]
        found.untranslated += [f"{state}: {one}" for one in foreign_words(page, language, known)]
        page.emulate_media(color_scheme="dark")
        found.axe += [f"{state}, dark: {one}" for one in page.evaluate(AXE, ["color-contrast"])]
        shoot(page, f"{device}-{language}-{state}-dark")
        page.emulate_media(color_scheme="light")
        for size in (own, TABLET, WIDE) if device == "desktop" else (own, SMALL):
            page.set_viewport_size(size)
            wide = page.evaluate(SIDEWAYS) + page.evaluate(UNREACHABLE)
            found.sideways += [f"{state}, {size['width']}: {one}" for one in wide]
        page.set_viewport_size(own)
    found.trouble = visits.close()
    return found


def titles(site: Site) -> list[str]:
    """Return what may stand in attributes and messages as it is: titles, names of files, and what was asked."""
    documents = site.chat.documents()
    articles = [article.title for document in documents for article in document.articles]
    dates = [article.date for document in documents for article in document.articles if article.date]
    tried = ["会议是哪一天召开的？", "2023年3月5日"]  # what a reader is tried with on the page of settings
    names = [states.FILE_NAME, states.BAD_NAME, states.TITLE, *states.QUESTIONS, *dates, *tried]
    conversations = [one.title for one in site.chat.conversations()]
    return [*names, *articles, *(document.title for document in documents), *conversations]


def foreign_words(page: "Page", language: str, known: list[str]) -> list[str]:
    """Return the texts of the page itself that are in the other language."""
    pattern = re.compile(r"[\u3400-\u9fff\u3000-\u303f\uff00-\uffef]" if language == "en" else r"[A-Za-z]{2,}")
    queries = page.locator("[name=query]").evaluate_all("all => all.map(one => one.value)")
    said = page.locator(".said").evaluate_all("all => all.map(one => one.firstChild.data)")
    whole = sorted({*known, *queries, *said}, key=len, reverse=True)
    found = []
    for text in page.evaluate(WORDS, CONTENT):
        bare = " ".join(text.split())
        for one in whole:
            words = " ".join(one.split())
            bare = bare.replace(words, "")
            while len(words) > 6 and "…" in bare:
                words = words[:-1]
                bare = bare.replace(f"{words}…", "")
        if pattern.search(NAMES.sub("", bare)):
            found.append(text)
    return found


def test_axe_finds_nothing_serious_in_any_state_light_or_dark(findings: Findings) -> None:
    assert not findings.axe, "\n".join(findings.axe)


def test_nothing_sticks_out_sideways_in_any_state(findings: Findings) -> None:
    assert not findings.sideways, "\n".join(findings.sideways)


def test_no_word_of_the_page_is_in_the_other_language(findings: Findings) -> None:
    assert not findings.untranslated, "\n".join(findings.untranslated)


def test_no_state_asks_another_host_or_tells_an_error(findings: Findings) -> None:
    assert not findings.trouble, "\n".join(findings.trouble)
    assert len(findings.states) > 20


# -- Languages and themes --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("locale", "language"),
    [
        ("zh-CN", "zh-CN"),
        ("zh-TW", "zh-CN"),
        ("zh-Hant-HK", "zh-CN"),
        ("en-US", "en"),
        ("en-GB", "en"),
        ("fr-FR", "en"),
    ],
)
def test_the_browser_says_which_language_is_spoken(visit: Visits, locale: str, language: str) -> None:
    page = visit(locale=locale)
    assert page.get_attribute("html", "lang") == language
    assert page.inner_text("#send") == ("提问" if language == "zh-CN" else "Ask")


def test_the_language_can_be_changed_and_stays(page: "Page") -> None:
    ask(page, TWO_FACTS)
    open_citation(page, page.locator("#t1"), 2)
    page.click("#masthead button[value=en]")
    page.locator("html[lang=en]").wait_for()
    assert page.inner_text("#send") == "Ask"
    assert page.locator("#t1").count() == 1
    wait_for_citation(page, 2)
    page.reload()
    assert page.inner_text("#t1 .actions [data-edit]") == "Edit question"
    assert page.locator("#masthead button[value=en]").get_attribute("aria-pressed") == "true"
    page.click("#masthead button[value=zh]")
    page.locator("html[lang=zh-CN]").wait_for()


def test_an_answer_in_english_is_told_in_english(visit: Visits) -> None:
    page = visit(locale="en-US")
    turn = ask(page, "What are the four positionings of Liuzhou?")
    assert "paragraph 4" in turn.locator(".citations .place").first.inner_text()
    assert "bundled models" in turn.locator(".cost").inner_text()


def background(page: "Page") -> str:
    found: str = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    return found


def test_the_system_says_whether_it_is_dark(visit: Visits) -> None:
    assert background(visit()) == "rgb(251, 250, 246)"
    assert background(visit(dark=True)) == "rgb(23, 25, 28)"


def test_light_or_dark_can_be_chosen_and_stays(page: "Page") -> None:
    light = background(page)
    page.click("#masthead button[value=dark]")
    page.locator("html[data-theme=dark]").wait_for()
    assert background(page) != light
    page.reload()
    assert background(page) != light
    page.click("#masthead button[value=auto]")
    page.locator("html:not([data-theme])").wait_for()
    assert background(page) == light


# -- Widths ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [PHONE, TABLET, DESKTOP, WIDE], ids=["phone", "tablet", "desktop", "wide"])
def test_a_question_is_asked_and_its_citation_read_on_every_width(visit: Visits, size: "ViewportSize") -> None:
    page = visit(size=size)
    turn = ask(page, POSITIONS)
    open_citation(page, turn, 1)
    assert mark_is_in_sight(page)
    width = page.locator("#reader").bounding_box()
    assert width is not None
    assert width["width"] == size["width"] if size == PHONE else 300 < width["width"] < size["width"] * 0.6
    shoot(page, f"width-{size['width']}")
    if size == PHONE:  # the reading view covers all, and is left again
        assert not page.locator("#question").evaluate(
            "one => document.elementFromPoint(innerWidth / 2, one.getBoundingClientRect().top + 5) === one"
        )
        page.click("#reader [data-close]")
    page.locator("#question").click(trial=True)
    page.locator("#masthead nav a").first.click(trial=True)


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_long_words_stick_out_nowhere(visit: Visits, size: "ViewportSize") -> None:
    page = visit(size=size)
    ask(page, POSITIONS + "W" * 300)
    turn = ask(page, POSITIONS)
    turn.locator(".feedback summary").click()
    turn.locator("[name=correction]").fill("W" * 400)
    assert page.evaluate(SIDEWAYS) == []
    assert (
        page.evaluate("() => { const t = document.querySelector('#turns'); return t.scrollWidth - t.clientWidth; }")
        <= 0
    )


@pytest.mark.parametrize("locale", ["zh-CN", "en-US"])
def test_the_head_of_a_phone_takes_two_lines(visit: Visits, locale: str) -> None:
    page = visit(size=PHONE, locale=locale)
    head = page.locator("#masthead").bounding_box()
    assert head is not None
    assert head["height"] < 100
    links = page.locator("#masthead nav a").all()
    assert len({round(link.bounding_box()["y"]) for link in links if link.is_visible()}) == 1  # type: ignore[index]


def test_all_is_there_where_letters_are_twice_as_large(visit: Visits) -> None:
    page = visit(size={"width": 700, "height": 425})  # what a window of 1400 × 850 has left at 200%
    turn = ask(page, POSITIONS)
    open_citation(page, turn, 1)
    assert page.evaluate(SIDEWAYS) == []
    assert page.evaluate("() => document.querySelector('#reader .text').clientHeight") > 150


# -- Keyboard --------------------------------------------------------------------------------------


def tab_to(page: "Page", selector: str, most: int = 60) -> None:
    """Press Tab until an element has the focus; fails where the focus cannot be seen on the way."""
    for _ in range(most):
        page.keyboard.press("Tab")
        is_seen, is_there = page.evaluate(
            """selector => {
                const one = document.activeElement;
                const shown = one.matches('input[type=file]') ? document.querySelector('label[for=file]') : one;
                const style = getComputedStyle(shown), box = shown.getBoundingClientRect();
                const isOutlined = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
                return [isOutlined && box.width > 0 && box.right > 0, one.matches(selector)];
            }""",
            selector,
        )
        assert is_seen, page.evaluate("() => document.activeElement.outerHTML.slice(0, 200)")
        if is_there:
            return
    pytest.fail(f"{selector} was not reached with {most} tabs")


def wait_until(page: "Page", is_so: Callable[[], bool]) -> None:
    """Wait until something of this process has become true."""
    for _ in range(PATIENCE // 100):
        if is_so():
            return
        page.wait_for_timeout(100)
    pytest.fail("It did not become true.")


def test_all_is_done_by_keyboard_alone(visit: Visits) -> None:
    page = visit()
    page.keyboard.type(TWO_FACTS)  # the question has the focus
    page.keyboard.press("Enter")
    answered(page, 1)
    page.keyboard.press("Shift+Tab")  # back into the turn
    page.evaluate("() => document.querySelector('#t1 .marker').focus()")
    page.keyboard.press("Shift+Tab")
    tab_to(page, "#t1 .answer .marker")
    page.locator("#quote").wait_for()
    page.keyboard.press("Enter")
    wait_for_citation(page, 1)
    assert page.locator("#reader .text").evaluate("one => one === document.activeElement")
    page.keyboard.press("ArrowRight")
    wait_for_citation(page, 2)
    page.keyboard.press("Escape")
    assert page.locator("#t1 .answer .marker").first.evaluate("one => one === document.activeElement")
    tab_to(page, "#t1 .feedback > form button")
    page.keyboard.press("Enter")
    page.locator("#t1 .thanks").wait_for()


def test_the_documents_page_and_the_language_are_reached_by_keyboard(visit: Visits) -> None:
    page = visit("documents", is_fresh=True)
    choosers: list[object] = []
    page.on("filechooser", lambda chooser: choosers.append(chooser))
    page.keyboard.press("Tab")
    assert page.locator(".skip").evaluate(
        "one => one === document.activeElement && one.getBoundingClientRect().left >= 0"
    )
    page.keyboard.press("Enter")
    assert page.evaluate("() => document.activeElement.id") == "main"
    tab_to(page, "#file")
    page.keyboard.press("Enter")
    wait_until(page, lambda: bool(choosers))
    page.reload()
    tab_to(page, "#masthead button[value=en]")
    page.keyboard.press("Enter")
    page.locator("html[lang=en]").wait_for()


def test_a_new_answer_is_told_to_screen_readers(page: "Page") -> None:
    ask(page, POSITIONS)
    assert "全国性综合交通枢纽" in page.inner_text("#told[aria-live=polite]")
    assert page.get_attribute("#turns", "aria-busy") == "false"
