"""Feedback on an answer: right, wrong with what it should say, untold, of one citation; each is kept in the store."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from rag.feedback import Feedback
from tests.browser.conftest import DESKTOP, PHONE, POSITIONS, TWO_FACTS, UNANSWERED, Site, Visits, ask

if TYPE_CHECKING:
    from playwright.sync_api import Locator, ViewportSize

pytestmark = pytest.mark.browser

HOSTILE_CORRECTION = "<img src=x onerror='window.hacked=8'> `${window.hacked=9}` {{window.hacked=10}}\n第二行"


@pytest.fixture
def given(site: Site) -> Callable[[], list[Feedback]]:
    """Return what reads the feedback that was given since the test began."""
    before = len(site.chat.feedback())
    return lambda: site.chat.feedback()[before:]


def wrong(turn: "Locator") -> "Locator":
    """Open the form; returns it."""
    turn.locator(".feedback summary").click()
    return turn.locator(".feedback details form")


def test_a_right_answer_is_kept_with_the_questions_before_it(
    visit: Visits, given: Callable[[], list[Feedback]]
) -> None:
    page = visit()
    ask(page, POSITIONS)
    turn = ask(page, UNANSWERED)
    turn.locator(".feedback > form button").click()
    turn.locator(".thanks").wait_for()
    assert turn.locator(".feedback").count() == 0
    (kept,) = given()
    assert (kept.answer.question, kept.good, kept.history) == (UNANSWERED, True, (POSITIONS,))


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_correction_is_kept_as_it_was_written_and_the_thanks_stay(
    visit: Visits, given: Callable[[], list[Feedback]], size: "ViewportSize"
) -> None:
    page = visit(size=size)
    turn = ask(page, POSITIONS)
    form = wrong(turn)
    form.locator("textarea").fill(HOSTILE_CORRECTION)
    form.locator("button.chief").click()
    turn.locator(".thanks").wait_for()
    ask(page, UNANSWERED)
    assert "已记下，谢谢" in turn.locator(".thanks").inner_text()
    (kept,) = given()
    assert (kept.answer.question, kept.good, kept.correction, kept.marker) == (
        POSITIONS,
        False,
        HOSTILE_CORRECTION,
        None,
    )
    assert page.evaluate("() => window.hacked") is None


def test_feedback_can_be_about_one_citation(visit: Visits, given: Callable[[], list[Feedback]]) -> None:
    turn = ask(visit(), TWO_FACTS)
    form = wrong(turn)
    form.locator("select").select_option("c2")
    form.locator("button.chief").click()
    turn.locator(".thanks").wait_for()
    (kept,) = given()
    assert (kept.good, kept.marker, kept.correction) == (False, 2, "")


def test_feedback_can_be_about_one_sentence(visit: Visits, given: Callable[[], list[Feedback]]) -> None:
    turn = ask(visit(), TWO_FACTS)
    form = wrong(turn)
    form.locator("select").select_option("s2")
    form.locator("textarea").fill("只有一个品牌")
    form.locator("button.chief").click()
    turn.locator(".thanks").wait_for()
    (kept,) = given()
    assert (kept.good, kept.sentence, kept.marker, kept.correction) == (False, 2, None, "只有一个品牌")


def test_what_the_text_does_not_tell_needs_no_correction(visit: Visits, given: Callable[[], list[Feedback]]) -> None:
    turn = ask(visit(), POSITIONS)
    form = wrong(turn)
    form.locator("textarea").fill("这句不会发出")
    form.locator("[name=unanswerable]").check()
    assert form.locator("textarea").is_hidden()
    form.locator("button.chief").click()
    turn.locator(".thanks").wait_for()
    (kept,) = given()
    assert (kept.good, kept.unanswerable, kept.correction) == (False, True, "")


def test_of_a_refusal_it_cannot_be_said_that_the_text_does_not_tell(visit: Visits) -> None:
    form = wrong(ask(visit(), UNANSWERED))
    assert form.locator("textarea").is_visible()
    assert form.locator("[name=unanswerable], select").count() == 0


def test_a_double_click_is_kept_once(visit: Visits, given: Callable[[], list[Feedback]]) -> None:
    page = visit()
    turn = ask(page, POSITIONS)
    turn.locator(".feedback > form button").dblclick()
    turn.locator(".thanks").wait_for()
    ask(page, UNANSWERED)
    assert len(given()) == 1


def test_a_correction_that_is_too_long_is_told_and_not_lost(visit: Visits, given: Callable[[], list[Feedback]]) -> None:
    page = visit()
    visit.expected = ["400"]
    turn = ask(page, POSITIONS)
    form = wrong(turn)
    form.locator("textarea").fill("柳" * 2001)
    form.locator("button.chief").click()
    page.locator("#toast:not(:empty)").wait_for()
    assert "2001 个字，最多只能有 2000 个" in page.inner_text("#toast")
    assert form.locator("textarea").input_value() == "柳" * 2001
    form.locator("textarea").fill("柳" * 2000)
    form.locator("button.chief").click()
    turn.locator(".thanks").wait_for()
    assert [len(kept.correction) for kept in given()] == [2000]


def test_a_correction_being_written_stays_while_other_turns_change(visit: Visits) -> None:
    page = visit()
    form = wrong(ask(page, POSITIONS))
    form.locator("textarea").fill("四个定位")
    turn = ask(page, UNANSWERED)
    turn.locator(".feedback > form button").click()
    turn.locator(".thanks").wait_for()
    assert form.locator("textarea").is_visible()
    assert form.locator("textarea").input_value() == "四个定位"


def test_feedback_is_given_by_keyboard_alone(visit: Visits, given: Callable[[], list[Feedback]]) -> None:
    page = visit()
    turn = ask(page, POSITIONS)
    turn.locator(".feedback > form button").focus()
    for key in ("Tab", "Enter"):
        page.keyboard.press(key)
    form = turn.locator(".feedback details form")
    while not form.locator("[name=unanswerable]").evaluate("one => one === document.activeElement"):
        page.keyboard.press("Tab")
    for key in ("Space", "Tab", "Enter"):
        page.keyboard.press(key)
    turn.locator(".thanks").wait_for()
    (kept,) = given()
    assert (kept.answer.question, kept.good, kept.unanswerable) == (POSITIONS, False, True)
