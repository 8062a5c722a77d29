"""The reading view: every citation opens at exactly its words, and one finds the way there and back."""

import re
from typing import TYPE_CHECKING

import pytest

from rag.documents import document_from_text
from tests.browser.conftest import (
    DESKTOP,
    PHONE,
    POSITIONS,
    TABLET,
    TWO_FACTS,
    UNANSWERED,
    Site,
    Visits,
    ask,
    mark_is_in_sight,
    marked_words,
    open_citation,
    wait_for_citation,
)

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page, ViewportSize

pytestmark = pytest.mark.browser

QUESTIONS = [
    pytest.param(POSITIONS, id="one fact"),
    pytest.param("会议是哪天召开的，由谁主持？", id="two facts"),
    pytest.param(TWO_FACTS, id="two quotes of one sentence"),
    pytest.param("总结一下这篇文章", id="summary"),
    pytest.param("What are the four positionings of Liuzhou?", id="English"),
    pytest.param("柳州的四大定位是什麼", id="traditional"),
    pytest.param("紫金山天文台的台长是谁", id="hostile text"),
]


def quotes_of(site: Site, page: "Page") -> dict[int, str]:
    """Return the quotes of the last answer as they are kept, by their markers."""
    return {citation.marker: citation.quote for citation in site.answer(page).citations}


def bare(text: str) -> str:
    return re.sub(r"\s", "", text)


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_citation_shows_exactly_its_quote_marked_and_in_sight(page: "Page", site: Site, question: str) -> None:
    turn = ask(page, question)
    quotes = quotes_of(site, page)
    assert quotes, turn.inner_text()
    markers = turn.locator(".answer .marker").evaluate_all("all => all.map(one => Number(one.textContent))")
    assert sorted(set(markers)) == sorted(quotes)
    for marker, quote in quotes.items():
        open_citation(page, turn, marker)
        assert marked_words(page, marker) == quote
        assert mark_is_in_sight(page)
        # In the file the quote may be broken by lines and pages: its characters are marked, and nothing else.
        page.locator("#reader .views button").nth(1).click()
        page.locator("#reader .text.file mark.current").first.wait_for()
        marks = page.locator(f"#reader mark[data-markers~='{marker}']").all_text_contents()
        assert bare("".join(marks)) == bare(quote)
        assert mark_is_in_sight(page)


def test_the_lines_of_the_file_are_shown_with_their_numbers(page: "Page", site: Site) -> None:
    turn = ask(page, POSITIONS)
    open_citation(page, turn, 1)
    page.locator("#reader .views button").nth(1).click()
    page.locator("#reader .text.file").wait_for()
    document = site.answer(page).citations[0].document
    file_text = site.chat.file_text(document.id)
    assert file_text is not None
    shown = page.locator("#reader .text p[data-number]").all_text_contents()
    assert shown == [line.rstrip("\r") for line in file_text.removesuffix("\n").split("\n")]


def test_every_paragraph_reads_as_it_was_mended(page: "Page", site: Site) -> None:
    open_citation(page, ask(page, POSITIONS), 1)
    document = site.answer(page).citations[0].document
    texts = [document.text[paragraph.start : paragraph.end] for paragraph in document.paragraphs]
    assert page.locator("#reader .text p[data-number]").all_text_contents() == texts


def test_all_citations_of_the_answer_are_marked_in_the_colours_of_their_numbers(page: "Page") -> None:
    turn = ask(page, TWO_FACTS)
    open_citation(page, turn, 1)
    for marker in (1, 2):
        mark = page.locator(f"#reader mark[data-markers~='{marker}']").first
        number = turn.locator(f".answer .marker[data-quote$='-{marker}']").first
        assert colour(mark) == colour(number)
    assert colour(page.locator("#reader mark[data-markers='1']")) != colour(
        page.locator("#reader mark[data-markers='2']")
    )
    assert page.locator("#reader mark.current").count() == 1


def colour(one: "Locator") -> str:
    found: str = one.first.evaluate("one => getComputedStyle(one).backgroundColor")
    return found


def test_the_place_is_told_in_words(page: "Page", site: Site) -> None:
    open_citation(page, ask(page, POSITIONS), 1)
    citation = site.answer(page).citations[0]
    assert page.inner_text("#reader h2") == citation.document.title
    where = bare(page.inner_text("#reader .where"))
    assert citation.place.said("zh") in where
    line, _ = citation.document.place_in_file(citation.start)
    assert f"文件第{line}行" in where


def test_the_reading_view_goes_along_with_the_newest_answer_and_takes_nobody_from_typing(visit: Visits) -> None:
    page = visit()
    ask(page, POSITIONS)
    wait_for_citation(page, 1)
    assert mark_is_in_sight(page)
    assert page.locator("#question").evaluate("one => one === document.activeElement")
    ask(page, UNANSWERED)
    assert page.locator("#reader .empty").is_visible()
    phone = visit(size=PHONE)
    ask(phone, POSITIONS)
    assert phone.locator("#reader.open").count() == 0


def test_previous_and_next_lead_through_the_citations(page: "Page") -> None:
    open_citation(page, ask(page, TWO_FACTS), 1)
    assert page.locator("#reader [rel=prev]").count() == 0
    page.click("#reader [rel=next]")
    wait_for_citation(page, 2)
    assert page.locator("#reader [rel=next]").count() == 0
    page.click("#reader [rel=prev]")
    wait_for_citation(page, 1)


def test_arrow_keys_lead_through_the_citations_and_escape_leads_back(page: "Page") -> None:
    turn = ask(page, TWO_FACTS)
    marker = turn.locator(".answer .marker").first
    marker.focus()
    page.keyboard.press("Enter")
    wait_for_citation(page, 1)
    page.keyboard.press("ArrowRight")
    wait_for_citation(page, 2)
    page.keyboard.press("ArrowRight")  # there is no third
    page.keyboard.press("ArrowLeft")
    wait_for_citation(page, 1)
    page.keyboard.press("Escape")
    page.locator("#reader:not(.open)").wait_for(state="attached")
    assert marker.evaluate("one => one === document.activeElement")


@pytest.mark.parametrize("size", [DESKTOP, TABLET, PHONE], ids=["desktop", "tablet", "phone"])
def test_the_close_button_leads_back_to_where_one_was(visit: Visits, size: "ViewportSize") -> None:
    page = visit(size=size)
    turn = ask(page, POSITIONS)
    open_citation(page, turn, 1)
    assert mark_is_in_sight(page)
    page.click("#reader [data-close]")
    turn.locator(".answer .marker").first.click(trial=True)
    assert turn.locator(".answer .marker").first.evaluate("one => one === document.activeElement")
    assert "cite" not in page.url
    assert page.locator("#reader mark, .marker.open").count() == 0
    if size == DESKTOP:
        assert page.locator("#reader .empty").is_visible()


@pytest.mark.parametrize("by", ["mouse", "keyboard"])
def test_a_marker_shows_its_quote_beside_it(page: "Page", site: Site, by: str) -> None:
    turn = ask(page, TWO_FACTS)
    for marker, quote in quotes_of(site, page).items():
        one = turn.locator(f".answer .marker[data-quote$='-{marker}']").first
        one.hover() if by == "mouse" else one.focus()
        shown = page.locator("#quote:visible")
        shown.wait_for()
        assert "".join(shown.locator("mark").all_text_contents()) == quote
        assert shown.locator("b").inner_text() == str(marker)
        assert one.get_attribute("aria-describedby") == "quote"
        box = shown.bounding_box()
        assert box is not None
        assert 0 <= box["x"] <= DESKTOP["width"] - box["width"]
        page.keyboard.press("Escape")
        page.locator("#quote").wait_for(state="hidden")


def test_escape_hides_the_quote_before_it_closes_the_reading_view(page: "Page") -> None:
    turn = ask(page, TWO_FACTS)
    open_citation(page, turn, 1)
    turn.locator(".answer .marker").nth(1).hover()
    page.locator("#quote").wait_for()
    page.keyboard.press("Escape")
    assert page.locator("#quote").is_hidden()
    assert page.locator("#reader.open").count() == 1
    page.keyboard.press("Escape")
    assert page.locator("#reader.open").count() == 0


def test_the_reference_of_a_citation_is_copied(visit: Visits, site: Site) -> None:
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    open_citation(page, ask(page, POSITIONS), 1)
    page.click("#reader [data-copy]")
    page.locator("#toast:not(:empty)").wait_for()
    copied = page.evaluate("() => navigator.clipboard.readText()")
    assert site.answer(page).citations[0].document.title in copied
    assert "[N]" in copied


def test_a_reload_keeps_the_turns_and_what_is_read(page: "Page") -> None:
    ask(page, POSITIONS)
    turn = ask(page, TWO_FACTS)
    open_citation(page, turn, 2)
    page.locator("#reader .views button").nth(1).click()
    page.locator("#reader .text.file mark.current").wait_for()
    page.reload()
    assert page.locator(".turn").count() == 2
    page.locator("#reader.open .text.file mark.current[data-markers~='2']").wait_for()
    assert mark_is_in_sight(page)
    assert page.locator("#t2 .answer .marker.open").inner_text() == "2"


def test_the_address_of_a_citation_opens_it_elsewhere(visit: Visits) -> None:
    page = visit()
    open_citation(page, ask(page, TWO_FACTS), 2)
    words = marked_words(page, 2)
    other = visit(page.url.removeprefix(visit.site.address))
    wait_for_citation(other, 2)
    assert marked_words(other, 2) == words
    assert mark_is_in_sight(other)


def test_the_nearest_passage_of_a_refusal_opens_at_its_words(page: "Page", site: Site) -> None:
    turn = ask(page, UNANSWERED)
    turn.locator(".nearest a").first.click()
    wait_for_citation(page, 0)
    assert marked_words(page, 0) == site.answer(page).hits[0].passage.text
    assert mark_is_in_sight(page)


def test_without_scripts_the_address_of_a_citation_shows_its_words(
    page: "Page", site: Site, browser: "Browser"
) -> None:
    open_citation(page, ask(page, TWO_FACTS), 2)
    context = browser.new_context(java_script_enabled=False, locale="zh-CN")
    plain = context.new_page()
    plain.goto(page.url)
    marks = plain.locator("#reader mark.current").all_text_contents()
    assert "".join(marks) == site.answer(page).citations[1].quote
    plain.locator("#t1 .answer .marker").first.click()
    plain.locator("#reader mark.current[data-markers='1']").wait_for()
    context.close()


def test_a_long_document_is_read_in_part_and_then_whole(page: "Page", site: Site) -> None:
    filler = "".join(f"\n\n第{number}天，海面平静，没有船只经过，值班员照常记下风向与潮位。" for number in range(3000))
    half = len(filler) // 2
    text = f"砗磲岛值班日志{filler[:half]}\n\n砗磲岛的气象站由秦砺建成。{filler[half:]}"
    added = site.chat.add_document(document_from_text(text, None, "long.txt")).document
    assert added is not None
    turn = ask(page, "砗磲岛的气象站由谁建成")
    open_citation(page, turn, 1)
    assert "秦砺" in marked_words(page, 1)
    assert mark_is_in_sight(page)
    left_out = page.locator("#reader .left-out")
    assert left_out.count() == 2
    shown = page.locator("#reader .text p[data-number]").count()
    left_out.first.locator("a").click()
    left_out.first.wait_for(state="detached")
    wait_for_citation(page, 1)
    assert page.locator("#reader .text p[data-number]").count() == len(added.paragraphs) > shown
    assert mark_is_in_sight(page)
    site.chat.remove(added.id)


def test_html_of_a_document_is_shown_and_not_run(page: "Page") -> None:
    turn = ask(page, "紫金山天文台的台长是谁")
    open_citation(page, turn, 1)
    assert "<script>window.hacked=2</script>`${window.hacked=3}`{{window.hacked=4}}" in page.inner_text("#reader .text")
    assert "<img src=x onerror='window.hacked=1'>" in page.inner_text("#reader h2")
    turn.locator(".why summary").click()
    turn.locator(".why .explained").wait_for()
    page.goto(f"{page.url.split('/c/')[0]}/documents")
    assert page.evaluate("() => window.hacked") is None
    assert page.locator("#main img, #main script, #main td b").count() == 0


# -- Why these passages ----------------------------------------------------------------------------


def test_why_shows_how_each_passage_was_found(page: "Page", site: Site) -> None:
    turn = ask(page, POSITIONS)
    turn.locator(".why summary").click()
    turn.locator(".why .explained").wait_for()
    answer = site.answer(page)
    rows = turn.locator(".why ol > li")
    assert rows.count() == len(answer.hits)
    for row, hit in zip(rows.all(), answer.hits, strict=True):
        bars = row.locator(".plot rect:not(.room)").evaluate_all("all => all.map(one => one.getBBox().width)")
        assert len(bars) == 3
        assert all(0 <= width <= 100 for width in bars)
        text = row.locator(".passage").inner_text().strip("…")
        assert bare(text) in bare(hit.passage.text)
    longest = rows.locator("rect.other").evaluate_all("all => Math.max(...all.map(one => one.getBBox().width))")
    assert longest == pytest.approx(100)


def test_why_marks_words_of_the_question_in_the_passage(page: "Page", site: Site) -> None:
    turn = ask(page, POSITIONS)
    turn.locator(".why summary").click()
    marked = turn.locator(".why ol > li:first-child .passage mark")
    marked.first.wait_for()
    words = marked.all_text_contents()
    assert words
    assert all(word in POSITIONS for word in words)


def test_why_opens_a_passage_in_the_reading_view(page: "Page", site: Site) -> None:
    turn = ask(page, POSITIONS)
    turn.locator(".why summary").click()
    turn.locator(".why ol > li:nth-child(2) a.place").click()
    wait_for_citation(page, 0)
    assert marked_words(page, 0) == site.answer(page).hits[1].passage.text
