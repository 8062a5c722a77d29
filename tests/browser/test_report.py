"""The report in a real browser, as a file and without any network."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Literal

import pytest

from eval.report import write_report
from eval.summary import summarise
from tests.browser.conftest import PHONE, shoot
from tests.eval.test_report import COST, HOSTILE, RUN

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, Route, ViewportSize

pytestmark = pytest.mark.browser

WIDE: "ViewportSize" = {"width": 1400, "height": 900}
Open = Callable[..., "Page"]
VISIBLE = "#list > .question:not([hidden])"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a written report."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(path, RUN, summarise(RUN), COST)
    return path.as_uri()


@pytest.fixture
def open_report(browser: "Browser", report: str) -> "Iterator[Open]":
    """Return what opens the report at an anchor; fails where it asked for anything but itself, or had an error."""
    contexts: list[BrowserContext] = []
    foreign: list[str] = []
    errors: list[str] = []

    def refuse(route: "Route") -> None:
        if route.request.url.split("#")[0] == report:
            route.continue_()
        else:
            foreign.append(route.request.url)
            route.abort()

    def open_(
        hash_: str = "", size: "ViewportSize" = WIDE, scheme: Literal["light", "dark"] = "light", script: bool = True
    ) -> "Page":
        context = browser.new_context(viewport=size, color_scheme=scheme, java_script_enabled=script, offline=True)
        contexts.append(context)
        context.route("**/*", refuse)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.goto(report + hash_)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert foreign == []
    assert errors == []


def hash_of(page: "Page") -> str:
    return str(page.evaluate("decodeURIComponent(location.hash)"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_nothing_sticks_out_sideways(open_report: Open, size: "ViewportSize", scheme: str) -> None:
    page = open_report(size=size, scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    shoot(page, f"report-{scheme}-{size['width']}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_letters_stand_out_from_their_ground(open_report: Open, scheme: str) -> None:
    page = open_report(scheme=scheme)
    ratios = page.evaluate("""() => {
        const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
        const channels = (color) => {
            canvas.clearRect(0, 0, 1, 1);
            canvas.fillStyle = color;
            canvas.fillRect(0, 0, 1, 1);
            return [...canvas.getImageData(0, 0, 1, 1).data];
        };
        const light = (color) => channels(color).slice(0, 3)
            .map((c) => c / 255).map((c) => c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
            .reduce((sum, c, at) => sum + c * [.2126, .7152, .0722][at], 0);
        const ground = (one) => {
            const color = getComputedStyle(one).backgroundColor;
            return channels(color)[3] || !one.parentElement ? color : ground(one.parentElement);
        };
        const of = '.heat td, .bar span, .badge, .soft, .tiles p, .own th, mark, blockquote, .tags, a, dt, small';
        return [...document.querySelectorAll(of)].map((one) => {
            const [a, b] = [light(getComputedStyle(one).color), light(ground(one))].sort((x, y) => y - x);
            return [(a + .05) / (b + .05), `${one.tagName} ${one.className} ${one.textContent.slice(0, 40)}`];
        });
    }""")
    assert len(ratios) > 100
    assert [pair for pair in ratios if pair[0] < 4.5] == []


def test_letters_of_charts_can_be_read_on_a_telephone(open_report: Open) -> None:
    page = open_report(size=PHONE)
    sizes = page.evaluate("""() => [...document.querySelectorAll('.chart svg')].map((drawn) =>
        12 * drawn.getBoundingClientRect().width / drawn.viewBox.baseVal.width)""")
    assert len(sizes) == 6
    assert min(sizes) >= 11


def test_filters_choose_questions_and_stay_in_the_link(open_report: Open) -> None:
    page = open_report()
    assert page.inner_text("#count") == "4 questions"
    page.select_option("[name=language]", "en")
    assert page.inner_text("#count") == "1 of 4 questions"
    assert page.locator(VISIBLE).get_attribute("id") == "q-q2"
    assert hash_of(page) == "#questions?language=en"
    again = open_report(hash_of(page))
    assert again.inner_text("#count") == "1 of 4 questions"
    assert again.input_value("[name=language]") == "en"
    again.click("button[type=reset]")
    again.wait_for_function("document.querySelector('#count').textContent === '4 questions'")
    assert hash_of(again) == "#questions"


def test_every_filter_works(open_report: Open) -> None:
    page = open_report()
    for name, value, found in (
        ("kind", "number", 1),
        ("kind", HOSTILE, 1),
        ("variant", "english", 1),
        ("variant", "-", 3),
        ("document", "moon.txt", 3),
        ("answerable", "no", 1),
        ("outcome", "right", 2),
        ("outcome", "wrong", 2),
        ("stage", "2", 1),
    ):
        page.select_option(f"[name={name}]", value)
        assert page.locator(VISIBLE).count() == found, (name, value)
        page.select_option(f"[name={name}]", "")
    page.select_option("[name=system]", "1")
    page.select_option("[name=outcome]", "right")
    assert page.locator(VISIBLE).count() == 1
    page.click("button[type=reset]")
    page.check("[name=differs]")
    assert page.locator(VISIBLE).count() == 2


def test_words_are_searched_in_whatever_width_and_case(open_report: Open) -> None:
    page = open_report()
    page.fill("[name=text]", "ＴＩＤＥＳ why")
    assert page.locator(VISIBLE).count() == 1
    page.fill("[name=text]", "太阳")
    assert page.locator(VISIBLE).count() == 1
    page.fill("[name=text]", "nowhere")
    assert page.inner_text("#count") == "0 of 4 questions"


def test_a_link_opens_at_its_question(open_report: Open) -> None:
    for hash_ in ("#q-q2", "#q-q2?kind=number"):
        page = open_report(hash_, size=PHONE)
        page.wait_for_function("""() => {
            const box = document.getElementById('q-q2').getBoundingClientRect();
            return box.top >= 0 && box.top < innerHeight;
        }""")
        assert page.locator(".is-target").get_attribute("id") == "q-q2"


def test_a_question_keeps_the_filters_in_its_link(open_report: Open) -> None:
    page = open_report("#questions?kind=number")
    page.click("#q-q2 .tags > a")
    page.wait_for_function("location.hash === '#q-q2?kind=number'")
    assert page.inner_text("#count") == "1 of 4 questions"


def test_a_link_to_a_question_that_is_filtered_out_shows_it(open_report: Open) -> None:
    page = open_report("#questions?kind=number")
    page.click("#differences a >> nth=1")
    page.wait_for_function("document.querySelector('#count').textContent === '4 questions'")
    assert page.locator(".is-target h3").inner_text() == "太阳有多重？"


def test_hostile_text_is_not_run(open_report: Open) -> None:
    page = open_report()
    assert page.evaluate("window.hacked") is None
    assert page.locator(".question h3 >> nth=3").text_content() == HOSTILE


def test_without_javascript_all_is_there_but_the_filters(open_report: Open) -> None:
    page = open_report(script=False)
    assert page.locator(".question").count() == 4
    assert not page.is_visible("#filters")
    assert page.is_visible("#measures table")


def test_it_can_be_printed(open_report: Open, report: str) -> None:
    page = open_report()
    assert page.pdf().startswith(b"%PDF")
    assert page.evaluate("document.querySelectorAll('#differences details:not([open])').length") == 1
