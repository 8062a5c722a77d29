"""Marking: the text between the tags is exactly the text, and what is marked is exactly the spans."""

import re
from html import unescape
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.page.marking import COLOURS, Mark, colour, paint
from tests.page.visiting import marked, text_of

HOSTILE = "甲<script>alert(1)</script>&amp;\"'`${x}{{7*7}}</mark></p>\n😀乙"


class Characters(HTMLParser):
    """Reads painted HTML as a browser does: each character, with the markers of the mark it stands in."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.seen: list[tuple[str, str]] = []
        self.cuts: list[tuple[int, int]] = []
        self.tags: set[str] = set()
        self._markers = ""

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        values = dict(attrs)
        if tag == "mark":
            assert not self._markers, "a mark within a mark"
            self._markers = values["data-markers"]
        if tag == "span":
            self.cuts.append((len(self.seen), int(values["data-passage"])))

    def handle_endtag(self, tag):
        if tag == "mark":
            self._markers = ""

    def handle_data(self, data):
        self.seen += [(character, self._markers) for character in data]


def read(html):
    parser = Characters()
    parser.feed(str(html))
    parser.close()
    return parser


def test_a_mark_holds_exactly_its_characters() -> None:
    html = paint("月球绕地球", 0, 5, [Mark(1, 3, 2)])
    assert html == '月<mark class="c2" data-markers="2">球绕</mark>地球'


def test_the_opened_one_is_current_and_gives_overlapping_characters_its_colour() -> None:
    html = paint("abcdef", 0, 6, [Mark(0, 4, 1), Mark(2, 6, 2, is_current=True)])
    assert marked(html) == [("c1", "1", "ab"), ("c2 current", "1 2", "cd"), ("c2 current", "2", "ef")]


def test_of_overlapping_marks_none_of_which_is_current_the_first_gives_the_colour() -> None:
    assert marked(paint("abc", 0, 3, [Mark(0, 3, 3), Mark(1, 2, 1)])) == [
        ("c3", "3", "a"),
        ("c3", "3 1", "b"),
        ("c3", "3", "c"),
    ]


def test_a_mark_that_reaches_beyond_the_part_is_marked_as_far_as_the_part_goes() -> None:
    text = "一二三四五六"
    mark = [Mark(1, 5, 1)]
    pieces = [paint(text, start, start + 2, mark) for start in (0, 2, 4)]
    assert [[words for _, _, words in marked(piece)] for piece in pieces] == [["二"], ["三四"], ["五"]]
    assert "".join(text_of(piece) for piece in pieces) == text


def test_marks_outside_the_part_and_empty_ones_leave_no_trace() -> None:
    assert paint("abcdef", 2, 4, [Mark(0, 2, 1), Mark(4, 6, 2), Mark(3, 3, 3)]) == "cd"


def test_an_empty_part_is_empty() -> None:
    assert paint("abc", 1, 1, [Mark(0, 3, 1)], [(1, 5)]) == ""


def test_a_cut_stands_before_its_character_and_adds_no_text() -> None:
    html = paint("abcd", 0, 4, [Mark(1, 3, 1)], [(0, 1), (2, 2), (4, 3)])
    assert text_of(html) == "abcd"
    assert read(html).cuts == [(0, 1), (2, 2)]
    assert [words for _, _, words in marked(html)] == ["b", "c"]


def test_text_is_shown_and_never_obeyed() -> None:
    html = paint(HOSTILE, 0, len(HOSTILE), [Mark(3, 12, 1)])
    assert text_of(html) == HOSTILE
    assert read(html).tags == {"mark"}
    assert set(re.findall(r"<(/?\w+)", html)) == {"mark", "/mark"}


@pytest.mark.parametrize(("marker", "name"), [(0, "c0"), (1, "c1"), (6, "c6"), (7, "c1"), (13, "c1")])
def test_colours_are_taken_in_turn_and_a_mark_of_its_own_has_its_own(marker: int, name: str) -> None:
    assert colour(marker) == name
    assert COLOURS == 6


# What has a meaning in HTML, and what breaks naive programs, oftener than chance would bring it. A carriage return
# is written as a line end by browsers.
characters = st.text(st.one_of(st.sampled_from("<>&\"'/=; \n甲😀{}"), st.characters(exclude_categories=["Cs", "Cc"])))
spans = st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(0, 9), st.booleans())


@given(characters, st.lists(spans, max_size=6), st.lists(st.tuples(st.integers(0, 40), st.integers(1, 99))), st.data())
def test_whatever_the_text_and_the_marks_each_character_is_there_once_and_rightly_marked(text, drawn, cuts, data):
    marks = [Mark(min(start, end), max(start, end), marker, current) for start, end, marker, current in drawn]
    first = data.draw(st.integers(0, len(text)))
    last = data.draw(st.integers(first, len(text)))
    html = paint(text, first, last, marks, cuts)
    expected = [
        (text[place], " ".join(str(mark.marker) for mark in marks if mark.start <= place < mark.end))
        for place in range(first, last)
    ]
    parsed = read(html)
    assert parsed.seen == expected
    assert parsed.tags <= {"mark", "span"}
    assert unescape(re.sub(r"<[^>]*>", "", html)) == text[first:last]
    kept = {first_ - first: number for first_, number in cuts if first <= first_ < last}
    assert dict(parsed.cuts) == kept
