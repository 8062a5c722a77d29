"""The page in a real browser, over the real server and the bundled model."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import Request, urlopen

import pytest

from rag.answers import Answer
from rag.feedback import Feedback
from rag.pipeline import Pipeline
from rag.settings import Settings
from tests.browser.conftest import DESKTOP, PHONE, ask, shoot

if TYPE_CHECKING:
    from playwright.sync_api import Page, ViewportSize

pytestmark = pytest.mark.browser

POSITIONS = "柳州的四大定位是什么"
NAMES = ("全国性综合交通枢纽", "现代制造城", "广西高质量发展先行区", "自治区副中心城市")
UNANSWERED = "柳州的债务总额是多少"
HOSTILE_CORRECTION = "<img src=x onerror='window.hacked=8'> `${window.hacked=9}` {{window.hacked=10}}\n第二行"
SIZES = pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])


def name_of(size: "ViewportSize") -> str:
    return "desktop" if size == DESKTOP else "phone"


@pytest.fixture(scope="session")
def answer(address: str) -> Answer:
    """The same question through the page's API, as any program can ask it."""
    call = f"{address}gradio_api/call/ask"
    with urlopen(
        Request(call, json.dumps({"data": [POSITIONS]}).encode(), {"Content-Type": "application/json"})
    ) as said:
        event = json.load(said)["event_id"]
    with urlopen(f"{call}/{event}") as stream:
        data = next(line for line in stream if line.startswith(b"data: "))
    return Answer.from_dict(json.loads(data.removeprefix(b"data: "))[0])


@pytest.fixture
def kept(store: Path) -> "Iterator[Callable[[], list[Feedback]]]":
    """Return what reads the feedback out of the server's store."""
    chat = Pipeline(store, Settings())
    yield chat.feedback
    chat.close()


@SIZES
def test_citation_shows_exactly_the_quoted_words_in_their_source(
    open_page: "Callable[..., Page]", answer: Answer, size: "ViewportSize"
) -> None:
    page = open_page(size)
    shoot(page, f"{name_of(size)}-start")
    ask(page, POSITIONS)
    said = page.inner_text(".turn .answer")
    assert all(name in said for name in NAMES)
    shoot(page, f"{name_of(size)}-answer")

    page.click(".turn .marker >> nth=0")
    page.wait_for_selector("#source mark")
    (citation,) = (cited for cited in answer.citations if cited.marker == 1)
    assert "\n\n".join(page.locator("#source mark").all_text_contents()) == citation.quote
    assert page.inner_text("#source h2") == citation.document.title
    assert str(citation.place) in page.inner_text("#source .where")
    page.wait_for_function("""() => {
        const box = document.querySelector('#source mark').getBoundingClientRect();
        return box.top >= 0 && box.bottom <= window.innerHeight;
    }""")
    shoot(page, f"{name_of(size)}-source")


@SIZES
def test_refusal_looks_different_and_shows_the_nearest_passages(
    open_page: "Callable[..., Page]", size: "ViewportSize"
) -> None:
    page = ask(open_page(size), UNANSWERED)
    assert page.locator(".turn.refused .refusal .notice").inner_text()
    assert page.locator(".turn .marker").count() == 0
    assert page.locator(".refusal li").count() >= 1
    shoot(page, f"{name_of(size)}-refusal")
    page.click(".refusal li button >> nth=0")
    page.wait_for_selector("#source mark")


def test_every_paragraph_of_the_article_reads_as_it_was_mended(page: "Page", answer: Answer) -> None:
    ask(page, POSITIONS).click(".turn .marker >> nth=0")
    page.wait_for_selector("#source mark")
    document = answer.citations[0].document
    texts = [document.text[paragraph.start : paragraph.end] for paragraph in document.paragraphs]
    assert page.locator("#source .text p").all_text_contents() == texts


def test_an_empty_question_gets_one_clear_message_and_the_page_goes_on(page: "Page") -> None:
    page.fill("#question textarea", "   ")
    page.click("#send")
    page.wait_for_selector("#message [role=alert]")
    assert "empty" in page.inner_text("#message")
    ask(page, POSITIONS)
    assert page.locator("#message [role=alert]").count() == 0


def test_html_of_a_question_is_shown_and_not_run(page: "Page") -> None:
    question = "<img src=x onerror='window.hacked=5'> `${window.hacked=6}` {{window.hacked=7}} </p><b>柳州"
    ask(page, question)
    assert page.inner_text(".turn .question") == question
    assert page.evaluate("window.hacked") is None


def test_html_of_a_document_is_shown_and_not_run(page: "Page") -> None:
    ask(page, "紫金山天文台的台长是谁")
    page.click(".turn button.place >> nth=0")
    page.wait_for_selector("#source mark")
    assert "<script>window.hacked=2</script>`${window.hacked=3}`{{window.hacked=4}}" in page.inner_text("#source .text")
    assert "<img src=x onerror='window.hacked=1'>" in page.inner_text("#source h2")
    assert page.evaluate("window.hacked") is None
    assert page.locator("#source img, #source script, #source b").count() == 0


def test_a_follow_up_is_completed_from_the_conversation(page: "Page") -> None:
    ask(page, POSITIONS)
    ask(page, "那两个生态呢")
    searched = page.input_value(".turn:last-child .searched [name=query]")
    assert "柳州" in searched
    assert "两个生态" in searched


def test_visitors_have_conversations_of_their_own(open_page: "Callable[..., Page]") -> None:
    first, second = open_page(), open_page()
    ask(first, POSITIONS)
    ask(second, UNANSWERED)
    ask(first, "会议是哪一天召开的")
    assert first.locator(".turn").count() == 2
    assert second.locator(".turn").count() == 1


def test_an_example_is_asked_with_one_click(page: "Page") -> None:
    page.click(".examples button >> nth=0")
    page.wait_for_selector(".turn")
    assert page.inner_text(".turn .question") == POSITIONS


def test_a_citation_opens_by_keyboard(page: "Page") -> None:
    ask(page, POSITIONS).focus(".turn .marker >> nth=0")
    page.keyboard.press("Enter")
    page.wait_for_selector("#source mark")


def test_the_page_works_again_after_a_reload(page: "Page") -> None:
    ask(page, POSITIONS)
    page.reload()
    page.wait_for_selector("#question textarea")
    ask(page, POSITIONS)
    assert page.locator(".turn").count() == 1


# -- Feedback --------------------------------------------------------------------------------------


@SIZES
def test_a_correction_is_thanked_for_and_the_thanks_stay(
    open_page: "Callable[..., Page]", size: "ViewportSize", kept: "Callable[[], list[Feedback]]"
) -> None:
    before = len(kept())
    page = ask(open_page(size), POSITIONS)
    page.click(".turn summary")
    assert page.locator("#source mark").count() == 0
    page.fill(".turn textarea", HOSTILE_CORRECTION)
    shoot(page, f"{name_of(size)}-feedback")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.click(".turn form button")
    page.wait_for_selector(".turn .thanks")
    assert page.locator(".turn .feedback").count() == 0
    ask(page, UNANSWERED)
    assert "已记下，谢谢" in page.inner_text(".turn:first-child .thanks")
    page.click(".turn:last-child .right")
    page.wait_for_selector(".turn:last-child .thanks")
    shoot(page, f"{name_of(size)}-thanks")
    correction, right = kept()[before:]
    assert (correction.answer.question, correction.correction) == (POSITIONS, HOSTILE_CORRECTION)
    assert (correction.good, correction.marker, correction.history) == (False, None, ())
    assert (right.answer.question, right.good, right.history) == (UNANSWERED, True, (POSITIONS,))
    assert page.evaluate("window.hacked") is None


def test_feedback_is_given_by_keyboard_alone(page: "Page", kept: "Callable[[], list[Feedback]]") -> None:
    ask(page, POSITIONS).focus(".turn .right")
    for key in ("Tab", "Enter", "Tab", "Tab", "Space", "Tab", "Enter"):
        page.keyboard.press(key)
    page.wait_for_selector(".turn .thanks")
    given = kept()[-1]
    assert (given.answer.question, given.good, given.correction, given.unanswerable) == (POSITIONS, False, "", True)


def test_a_double_click_is_kept_once(page: "Page", kept: "Callable[[], list[Feedback]]") -> None:
    before = len(kept())
    ask(page, POSITIONS).dblclick(".turn .right")
    page.wait_for_selector(".turn .thanks")
    ask(page, UNANSWERED)
    assert len(kept()) == before + 1
    assert page.locator("#message [role=alert]").count() == 0


def test_the_chosen_citation_is_sent(page: "Page") -> None:
    ask(page, POSITIONS).click(".turn summary")
    # The reader quotes once, and the page lets choose from two on: this is what it shows then.
    page.evaluate("""() => document.querySelector('.turn form').insertAdjacentHTML(
        'afterbegin', '<select name="marker"><option value="">全部回答</option><option value="2">[2]</option></select>'
    )""")
    page.select_option(".turn select", "2")
    page.click(".turn form button")
    page.wait_for_selector("#message [role=alert]")
    assert "no citation [2]: it has [1]" in page.inner_text("#message")


def test_feedback_that_is_refused_loses_nothing(page: "Page") -> None:
    ask(page, POSITIONS).click(".turn summary")
    page.fill(".turn textarea", "柳" * 2001)
    page.click(".turn form button")
    page.wait_for_selector("#message [role=alert]")
    assert "2001 characters; at most 2000" in page.inner_text("#message")
    shoot(page, "desktop-feedback-refused")
    assert page.input_value(".turn textarea") == "柳" * 2001
    page.fill(".turn textarea", "柳" * 2000)
    page.click(".turn form button")
    page.wait_for_selector(".turn .thanks")
    assert page.locator("#message [role=alert]").count() == 0


def test_a_correction_being_written_stays_while_other_turns_change(page: "Page") -> None:
    ask(page, POSITIONS).click(".turn summary")
    page.fill(".turn textarea", "四个定位")
    ask(page, UNANSWERED).click(".turn:last-child .right")
    page.wait_for_selector(".turn:last-child .thanks")
    assert page.is_visible(".turn:first-child textarea")
    assert page.input_value(".turn:first-child textarea") == "四个定位"


@SIZES
def test_nothing_sticks_out_sideways(open_page: "Callable[..., Page]", size: "ViewportSize") -> None:
    page = ask(open_page(size), POSITIONS + "W" * 300)
    page = ask(page, POSITIONS)
    page.click(".turn .marker >> nth=0")
    page.wait_for_selector("#source mark")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_the_browser_refuses_other_hosts(page: "Page") -> None:
    outcome = page.evaluate("() => fetch('https://example.com/').then(() => 'loaded', () => 'refused')")
    assert outcome == "refused"
