"""Rendering: the language and the theme of a visitor, and that whatever a template is given is escaped."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jinja2 import UndefinedError
from markupsafe import Markup

from rag.answers import Contradiction
from rag.conversation import Conversation
from rag.explanation import explain
from rag.page.library import Outcome
from rag.page.render import FOLDER, PASSAGE_LENGTH, environment, language_of, render, shorten, theme_of
from rag.page.talk import ShownTurn
from rag.passages import Passage
from rag.retriever import Hit
from rag.store import Listed
from tests.handmade import MOON, answer_quoting, refusal
from tests.page.visiting import marked, text_of

# -- The language ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "zh"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-GB,en;q=0.9", "en"),
        ("en", "en"),
        ("EN-us", "en"),
        ("zh-Hant-TW", "zh"),
        ("en;q=0.5,zh;q=0.9", "zh"),
        ("zh;q=0.5, en;q=0.9", "en"),
        ("fr-FR,fr;q=0.9,en;q=0.1", "en"),
        ("fr,de,zh;q=0.1", "zh"),
        ("fr", "en"),
        ("*", "zh"),
        ("en;q=0", "zh"),
        ("zh;q=0,en;q=0.1", "en"),
        ("en;q=0.5,zh;q=0.5", "en"),
        ("en;q=nonsense,zh;q=0.2", "zh"),
        ("en;q=nan,zh;q=0.2", "zh"),
        ("zh;q=nan,en;q=0.2", "en"),
        (" en ; q=0.8 , zh ; q=0.3 ", "en"),
        (";;;,,,;q=1", "zh"),
        (",".join(["fr"] * 5000) + ",zh", "en"),
        ("<script>", "zh"),
    ],
)
def test_the_language_is_what_the_browser_likes_best_else_english_or_chinese_where_it_says_nothing(
    accepted: str, language: str
) -> None:
    assert language_of({}, accepted) == language


def test_the_language_that_was_chosen_on_the_page_comes_first() -> None:
    assert language_of({"language": "en"}, "zh-CN") == "en"
    assert language_of({"language": "zh"}, "en") == "zh"


@pytest.mark.parametrize("value", ["", "fr", "EN", "zh-CN", "__class__"])
def test_a_language_that_is_not_ours_is_passed_over(value: str) -> None:
    assert language_of({"language": value}, "en") == "en"


@pytest.mark.parametrize(
    ("cookies", "theme"),
    [({}, "auto"), ({"theme": "dark"}, "dark"), ({"theme": "light"}, "light"), ({"theme": '"><script>'}, "auto")],
)
def test_the_theme_is_the_one_chosen_else_follows_the_system(cookies: dict[str, str], theme: str) -> None:
    assert theme_of(cookies) == theme


# -- Templates ---------------------------------------------------------------------------------------


def test_whatever_a_template_is_given_is_escaped() -> None:
    html = render("pending.html", "en", number=1, question='<script>x</script>" onclick="y')
    assert "<script" not in html
    assert '<script>x</script>" onclick="y' in text_of(html)


def test_a_template_says_things_in_the_language() -> None:
    assert "正在查找…" in render("pending.html", "zh", number=1, question="?")
    assert "Looking…" in render("pending.html", "en", number=1, question="?")


def test_a_name_that_a_template_was_not_given_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        render("pending.html", "en", number=1)


def test_half_a_surrogate_pair_becomes_what_can_be_sent() -> None:
    assert render("pending.html", "en", number=1, question="a\ud800b").encode("utf-8")


@pytest.mark.parametrize("name", environment().list_templates())
def test_no_attribute_of_a_template_stands_without_quotation_marks(name: str) -> None:
    source = (FOLDER / "templates" / name).read_text(encoding="utf-8")
    assert not re.search(r"\s[\w:-]+=\s*{{", source), "white space in it would end the attribute"
    assert "|safe" not in source
    assert not re.search(r"\son\w+=|javascript:|style=|<script(?! defer src=)", source), "the policy forbids it"
    assert environment().get_template(name)


class Shape(HTMLParser):
    """Reads HTML as a browser does: its tags with the names of their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, ...]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, *(name for name, _ in attrs)))

    def handle_endtag(self, tag):
        self.tags.append((f"/{tag}",))


def parts_saying(said: str) -> list[str]:
    """Return parts of pages in which everything that people, documents and models say is this."""
    hits = [replace(hit, passage=replace(hit.passage, text=said)) for hit in refusal(MOON, "?").hits]
    refused = replace(refusal(MOON, said, (f"{said}?",)), query=f"{said}!", notice=said, hits=tuple(hits))
    cited = answer_quoting(MOON, ["潮汐由月球的引力造成", "每天两次"], said, f"{said}!")
    sentences = tuple(replace(one, text=said) for one in cited.sentences)
    differ = (Contradiction((1, 2), (said, said)),)
    cited = replace(cited, sentences=sentences, notice=said, models={"reader": said}, contradictions=differ)
    document = Listed("d", said, said, 1, 1, 1, said, said, said, said)
    removal = SimpleNamespace(removed=SimpleNamespace(document=SimpleNamespace(title=said)), was_replaced=False)
    chat: Any = SimpleNamespace(store=SimpleNamespace(document=lambda _: MOON))
    return [
        render("pending.html", "zh", number=1, question=said),
        render("conversations.html", "zh", kept=[Conversation("c", said, said, said)], conversation="c"),
        render("outcome.html", "en", outcome=Outcome(said, "failed", error=said), before=None),
        render("documents_list.html", "en", documents=[document], removed=[("r", removal)], may_change=True),
        *(render("turn.html", "zh", turn=ShownTurn(chat, "zh", "c", 1, answer)) for answer in (refused, cited)),
    ]


@given(st.text(st.one_of(st.sampled_from("<>&\"'/=`{}% \n甲😀-!"), st.characters(exclude_categories=["Cs", "Cc"]))))
@example('"><img src=x onerror=alert(1)>')
@example("' hx-get='/x' x='</textarea></title><script>alert(1)</script><!--")
@example("{{ 7*7 }}{% raw %}&lt;b&gt;")
def test_whatever_is_said_the_tags_and_their_attributes_stay_the_same(said):
    plain = [Shape(html) for html in parts_saying("a")]
    for shape, other in zip((Shape(html) for html in parts_saying(f"a{said}")), plain, strict=True):
        assert shape.tags == other.tags


# -- Filters -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "length", "short"),
    [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("  a\n\n b\t", 10, "a b"), ("", 5, ""), ("一二三四", 3, "一二…")],
)
def test_a_long_text_is_cut_on_one_line(text: str, length: int, short: str) -> None:
    assert shorten(text, length) == short


def test_a_moment_is_shown_to_the_minute() -> None:
    day = environment().filters["day"]
    assert day("2025-01-31T12:34:56Z") == "2025-01-31 12:34"


def shown(text: str, *matched: str) -> Markup:
    """Return a passage that was found, 100 characters into its document, with these words of the query in it."""
    explained = explain(refusal(MOON, "?"), lambda _: MOON).hits[0]
    spans = tuple((100 + text.index(word), 100 + text.index(word) + len(word)) for word in matched)
    passage = Passage("p", MOON.id, 100, 100 + len(text), text)
    html = environment().filters["matched"](replace(explained, hit=Hit(passage, 1, 1.0, {}), matched=spans))
    assert isinstance(html, Markup)
    return html


def test_the_words_of_the_query_are_marked_in_what_was_found() -> None:
    html = shown("潮汐由月球的<b>引力</b>造成", "月球", "造成")
    assert [words for _, _, words in marked(html)] == ["月球", "造成"]
    assert text_of(html) == "潮汐由月球的<b>引力</b>造成"


def test_of_a_long_passage_the_part_with_the_words_is_shown() -> None:
    html = shown("前" * 300 + "月球" + "后" * 300, "月球")
    assert [words for _, _, words in marked(html)] == ["月球"]
    assert text_of(html) == "…" + "前" * 20 + "月球" + "后" * (PASSAGE_LENGTH - 22) + "…"


def test_of_a_long_passage_the_part_that_says_most_is_shown() -> None:
    html = shown("柳州" + "前" * 300 + "四大定位是全国的" + "后" * 300, "柳州", "四大定位")
    assert [words for _, _, words in marked(html)] == ["四大定位"]


def test_a_passage_without_the_words_is_shown_from_its_beginning() -> None:
    assert text_of(shown("前" * 300)) == "前" * PASSAGE_LENGTH + "…"
