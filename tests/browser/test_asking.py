"""Asking: the answer grows where it stands, can be stopped, asked again, edited and copied; nothing typed is lost."""

import time
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from rag.page.service import AT_ONCE
from tests.browser.conftest import (
    PHONE,
    POSITIONS,
    TWO_FACTS,
    UNANSWERED,
    Site,
    Visits,
    WrittenSite,
    answered,
    ask,
    marked_words,
    open_citation,
)

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

NAMES = ("全国性综合交通枢纽", "现代制造城", "广西高质量发展先行区", "自治区副中心城市")
# In pieces, as a model writes it: an answer grows by whole sentences, each of which is verified first.
WRITTEN = [
    *("柳州的四大定位是全国性综合交通枢纽、现代制造城、", "广西高质量发展先行区、自治区副中心城市[1]。"),
    *("6月25日，陈刚在柳州市主持召开", "自治区党委常委会扩大会议。"),
    *("柳州是我国西南工业重镇。", "会议审议通过了", "柳州市本级防范化解债务风险实施方案。"),
    *("上汽通用五菱拥有“五菱”和“宝骏”", "两个品牌。"),
]
LAST = "宝骏"

# Writes down what a turn looks like whenever it changes.
WATCH = """number => {
    window.states = [];
    window.watching?.disconnect();
    window.watching = new MutationObserver(() => {
        const turn = document.getElementById(`t${number}`);
        if (!turn) return;
        const growing = turn.classList.contains('growing');
        const said = [...turn.querySelectorAll('.said')].map(one => one.firstChild.data);
        const kind = turn.querySelector('.pending') ? 'pending' : growing ? 'growing' : 'done';
        window.states.push([kind, said, turn.getBoundingClientRect().top]);
    });
    window.watching.observe(document.querySelector('#turns'), {childList: true});
}"""
SHIFTS = """() => {
    window.shifts = [];
    new PerformanceObserver(list => {
        for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifts.push(entry.value);
    }).observe({type: 'layout-shift', buffered: false});
}"""


@pytest.fixture
def slow(written: WrittenSite) -> Iterator[WrittenSite]:
    """The site whose model writes slowly."""
    model = written.model
    model.pieces, model.between, model.before = list(WRITTEN), 0.15, 0.0
    model.gone.clear()
    yield written
    model.pieces, model.between, model.before = ["柳州。"], 0.0, 0.0


def states_of(page: "Page") -> list[tuple[str, list[str], float]]:
    return [(kind, said, top) for kind, said, top in page.evaluate("() => window.states")]


def test_an_answer_stands_under_its_question(page: "Page", site: Site) -> None:
    turn = ask(page, POSITIONS)
    said = turn.locator(".answer").inner_text()
    assert all(name in said for name in NAMES)
    assert turn.locator(".question").inner_text() == POSITIONS
    assert page.url.startswith(f"{site.address}c/{site.conversation(page).id}")
    assert page.url.endswith("#t1")
    assert page.input_value("#question") == ""
    assert page.locator("#question").evaluate("one => one === document.activeElement")


def test_a_refusal_looks_different_and_shows_the_nearest_passages(page: "Page", site: Site) -> None:
    turn = ask(page, UNANSWERED)
    assert turn.locator(".refusal .said").inner_text() == site.answer(page).text
    assert turn.locator(".answer, .answer .marker, .citations").count() == 0
    assert turn.locator(".nearest li").count() == 3


def test_the_answer_is_searched_for_before_it_stands_there(page: "Page") -> None:
    page.evaluate(WATCH, 1)
    ask(page, POSITIONS)
    states = states_of(page)
    assert [kind for kind, _, _ in states if kind != "growing"] == ["pending", "done"]
    assert states[0][0] == "pending"


def test_several_facts_come_one_after_the_other(page: "Page") -> None:
    page.evaluate(WATCH, 1)
    ask(page, TWO_FACTS)
    states = states_of(page)
    assert [kind for kind, _, _ in states] == ["pending", *["growing"] * (len(states) - 2), "done"]
    assert len(states) > 2
    lengths = [len(said) for _, said, _ in states]
    assert lengths == sorted(lengths)
    assert lengths[-1] == 2


def test_a_written_answer_grows_and_nothing_jumps(visit: Visits, slow: WrittenSite) -> None:
    page = visit(site=slow)
    page.evaluate(SHIFTS)
    page.evaluate(WATCH, 1)
    ask(page, POSITIONS)
    grown(page)
    page.evaluate(WATCH, 2)
    ask(page, POSITIONS)
    grown(page)
    assert sum(page.evaluate("() => window.shifts")) < 0.05


def grown(page: "Page") -> None:
    states = states_of(page)
    texts = ["".join(said) for kind, said, _ in states if kind == "growing"]
    assert len(set(texts)) >= 3
    assert all(later.startswith(earlier) for earlier, later in pairwise(texts)), texts
    tops = {round(top) for _, _, top in states}
    assert len(tops) == 1, tops


def test_a_stopped_answer_is_kept_as_far_as_it_came(visit: Visits, slow: WrittenSite) -> None:
    page = visit(site=slow)
    page.fill("#question", POSITIONS)
    page.keyboard.press("Enter")
    page.locator("#t1.growing .said").first.wait_for()
    assert page.locator("#send").is_hidden()
    start = time.monotonic()
    page.click("#stop")
    turn = answered(page, 1)
    assert time.monotonic() - start < 2
    said = turn.locator(".answer").inner_text()
    assert said
    assert LAST not in said
    assert slow.model.gone.wait(5)
    assert page.locator("#stop").is_hidden()
    assert page.inner_text("#message") == ""
    page.reload()
    assert page.locator("#t1 .answer").inner_text() == said
    slow.model.between = 0.0
    ask(page, POSITIONS)


def test_a_question_whose_page_was_closed_is_not_answered_on(visit: Visits, slow: WrittenSite) -> None:
    page = visit(site=slow)
    page.fill("#question", POSITIONS)
    page.keyboard.press("Enter")
    page.locator("#t1.growing .said").first.wait_for()
    page.close()
    assert slow.model.gone.wait(5)


def test_a_model_that_fails_is_told_and_the_question_is_answered_in_quotes(visit: Visits, slow: WrittenSite) -> None:
    slow.model.statuses = [500] * 5
    page = visit(site=slow)
    turn = ask(page, POSITIONS)
    slow.model.statuses = []
    assert turn.locator(".remark").count() == 1 or page.inner_text("#message")


def test_several_lines_are_written_with_shift(page: "Page") -> None:
    page.focus("#question")
    page.keyboard.type("柳州的四大")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("定位是什么")
    assert page.input_value("#question") == "柳州的四大\n定位是什么"
    assert page.locator(".turn").count() == 0
    page.keyboard.press("Enter")
    assert answered(page, 1).locator(".question").inner_text() == "柳州的四大\n定位是什么"


def test_enter_that_chooses_a_composed_word_does_not_send(page: "Page") -> None:
    page.fill("#question", "柳州")
    page.locator("#question").dispatch_event("keydown", {"key": "Enter", "isComposing": True})
    page.locator("#question").dispatch_event("keydown", {"key": "Enter", "keyCode": 229})
    assert page.locator(".turn").count() == 0
    assert page.input_value("#question") == "柳州"


@pytest.mark.parametrize(("locale", "told"), [("zh-CN", "问题是空的"), ("en-US", "empty")])
def test_an_empty_question_gets_one_clear_message_and_the_page_goes_on(visit: Visits, locale: str, told: str) -> None:
    page = visit(locale=locale)
    page.fill("#question", "   ")
    page.click("#send")
    page.locator("#message:not(:empty)").wait_for()
    assert told in page.inner_text("#message")
    assert page.locator(".turn").count() == 0
    ask(page, POSITIONS)
    assert page.inner_text("#message") == ""


def test_a_server_that_cannot_be_reached_is_told_and_the_question_stays(visit: Visits) -> None:
    page = visit()
    visit.expected = ["ERR_INTERNET_DISCONNECTED"]
    page.context.set_offline(True)
    page.fill("#question", POSITIONS)
    page.keyboard.press("Enter")
    page.locator("#message:not(:empty)").wait_for()
    assert "连不上服务器" in page.inner_text("#message")
    assert page.input_value("#question") == POSITIONS
    page.context.set_offline(False)
    ask(page, POSITIONS)


def test_html_of_a_question_is_shown_and_not_run(page: "Page") -> None:
    question = "<img src=x onerror='window.hacked=5'> `${window.hacked=6}` {{window.hacked=7}} </p><b>柳州"
    turn = ask(page, question)
    assert turn.locator(".question").inner_text() == question
    page.reload()
    assert page.locator(".turn .question").inner_text() == question
    assert question[:20] in page.locator("#shelf li.here a").first.inner_text()
    assert page.evaluate("() => window.hacked") is None


def test_the_browser_refuses_other_hosts_and_scripts_made_of_text(visit: Visits) -> None:
    page = visit()
    visit.expected = ["Content Security Policy", "violates the following"]
    assert page.evaluate("() => fetch('https://example.com/').then(() => 'loaded', () => 'refused')") == "refused"
    assert (
        page.evaluate("""() => {
        document.body.insertAdjacentHTML('beforeend', '<img src=/none onerror="window.hacked=1">');
        const script = document.createElement('script');
        script.textContent = 'window.hacked=2';
        document.body.append(script);
        return new Promise(resolve => setTimeout(() => resolve(window.hacked), 300));
    }""")
        is None
    )
    visit.expected.append("404")


def test_an_example_is_asked_with_one_click(page: "Page") -> None:
    page.click(".examples button >> nth=0")
    assert answered(page, 1).locator(".question").inner_text() == POSITIONS
    assert page.locator(".welcome").count() == 0


def test_two_visitors_ask_at_once(visit: Visits) -> None:
    first, second = visit(), visit()
    for page, question in ((first, POSITIONS), (second, UNANSWERED)):
        page.fill("#question", question)
        page.keyboard.press("Enter")
    assert all(name in answered(first, 1).inner_text() for name in NAMES)
    assert answered(second, 1).locator(".refusal").count() == 1
    ask(first, "会议是哪一天召开的")
    assert first.locator(".turn").count() == 2
    assert second.locator(".turn").count() == 1


def test_who_must_wait_sees_how_many_are_ahead(visit: Visits, slow: WrittenSite) -> None:
    slow.model.before = 1.0
    pages = [visit(site=slow) for _ in range(AT_ONCE + 1)]
    for page in pages:
        page.fill("#question", POSITIONS)
        page.keyboard.press("Enter")
    last = pages[-1]
    last.locator("#message", has_text=f"前面还有{AT_ONCE}个问题").wait_for()
    slow.model.before = slow.model.between = 0.0
    answered(last, 1)
    assert last.inner_text("#message") == ""


# -- After the answer ------------------------------------------------------------------------------


def test_asking_again_replaces_the_answer(page: "Page", site: Site) -> None:
    ask(page, UNANSWERED)
    turn = ask(page, POSITIONS)
    before = turn.element_handle()
    page.evaluate(WATCH, 2)
    stood_at = round(turn.evaluate("turn => turn.getBoundingClientRect().top"))
    turn.locator("[data-retry]").click()
    page.wait_for_function("old => !old.isConnected", arg=before)
    answered(page, 2)
    assert page.locator(".turn").count() == 2
    assert [turn.answer.question for turn in site.conversation(page).turns] == [UNANSWERED, POSITIONS]
    assert page.locator("[data-retry]").count() == 1
    assert {round(top) for _, _, top in states_of(page)} == {stood_at}


def test_the_last_question_can_be_edited_and_is_replaced(page: "Page", site: Site) -> None:
    ask(page, POSITIONS)
    turn = ask(page, UNANSWERED)
    turn.locator("[data-edit]").click()
    assert page.input_value("#question") == UNANSWERED
    assert page.is_visible("#replacing")
    page.fill("#question", "会议是哪一天召开的")
    page.keyboard.press("Enter")
    page.locator("#t2 .question", has_text="会议是哪一天召开的").wait_for()
    answered(page, 2)
    assert page.locator(".turn").count() == 2
    assert page.is_hidden("#replacing")
    assert site.answer(page).question == "会议是哪一天召开的"


def test_editing_can_be_called_off(page: "Page") -> None:
    ask(page, POSITIONS).locator("[data-edit]").click()
    page.click("#replacing button")
    ask(page, UNANSWERED)
    assert page.locator(".turn").count() == 2


def test_an_earlier_question_is_edited_into_a_new_turn(page: "Page") -> None:
    first = ask(page, POSITIONS)
    ask(page, UNANSWERED)
    first.locator("[data-edit]").click()
    assert page.is_hidden("#replacing")
    page.keyboard.press("Enter")
    answered(page, 3)
    assert page.locator("#t1 .question").inner_text() == POSITIONS


def test_a_follow_up_is_completed_and_its_search_can_be_edited(page: "Page", site: Site) -> None:
    ask(page, POSITIONS)
    turn = ask(page, "那两个生态呢")
    searched = turn.locator("[name=query]")
    assert "柳州" in searched.input_value()
    assert "两个生态" in searched.input_value()
    searched.fill("会议是哪一天召开的")
    searched.press("Enter")
    page.locator("#t2 .answer .said", has_text="日").first.wait_for()
    turn = answered(page, 2)
    assert page.locator(".turn").count() == 2
    assert turn.locator(".question").inner_text() == "那两个生态呢"
    assert site.answer(page).query == "会议是哪一天召开的"
    open_citation(page, turn, 1)
    assert marked_words(page, 1) == site.answer(page).citations[0].quote


@pytest.mark.parametrize("question", [POSITIONS, UNANSWERED, TWO_FACTS], ids=["answer", "refusal", "two facts"])
def test_the_copy_is_the_answer_with_its_sources(visit: Visits, site: Site, question: str) -> None:
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    ask(page, question).locator("[data-copy]").first.click()
    page.locator("#toast:not(:empty)").wait_for()
    assert page.evaluate("() => navigator.clipboard.readText()") == site.answer(page).to_markdown()


def test_the_link_of_an_answer_opens_it_elsewhere(visit: Visits, site: Site) -> None:
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    ask(page, UNANSWERED)
    turn = ask(page, POSITIONS)
    ask(page, TWO_FACTS)
    turn.locator("[data-link]").click()
    page.locator("#toast:not(:empty)").wait_for()
    link = page.evaluate("() => navigator.clipboard.readText()")
    assert link == f"{site.address}c/{site.conversation(page).id}#t2"
    other = visit(link.removeprefix(site.address), size=PHONE)
    assert other.locator(".turn").count() == 3
    top = other.evaluate("""() => document.querySelector('#t2').getBoundingClientRect().top
        - document.querySelector('#turns').getBoundingClientRect().top""")
    assert abs(top) < 3
