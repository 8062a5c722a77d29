"""The reading view: the very words of a citation are marked, in the mended text and in the file as it was."""

import re
from dataclasses import replace
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.conversation import State
from rag.documents import document_from_bytes, document_from_text, read_document
from rag.errors import NotFoundError
from rag.page.marking import Mark, paint
from rag.page.reading import CONTEXT, Reading, _painted, file_name, read_citation, read_hit
from rag.page.reading import read_document as lay_out
from rag.page.render import render
from rag.page.words import say
from rag.pipeline import Pipeline
from rag.settings import ARTICLE
from tests.file_makers import make_csv, make_docx, make_epub, make_pdf
from tests.handmade import HOSTILE, MOON, answer_quoting, refusal
from tests.page.visiting import WrittenPipeline, marked, text_of

ALIVE: dict[int, State] = {1: "alive", 2: "alive", 3: "alive"}


@pytest.fixture(scope="module")
def chat(tmp_path_factory):
    made = WrittenPipeline(tmp_path_factory.mktemp("reading") / "store", documents=(MOON, HOSTILE))
    yield made
    made.close()


def words_marked(reading: Reading) -> str:
    return "".join(words for block in reading.blocks for _, _, words in marked(block.html))


def bare(text: str) -> str:
    return re.sub(r"\s+", "", text)


def shown(reading: Reading) -> str:
    return "".join(text_of(block.html) + block.gap for block in reading.blocks)


# -- The words of a citation, in every format --------------------------------------------------------

BROKEN = """潮汐

　　很久以前人们就知道，海水的涨落是潮汐，潮汐由月球的引
力造成，每天两次，沿海的渔民都知道。他们的父辈把出海和回港
的时间写在纸上，一代一代地传下来，直到有了印好的潮汐表，才
慢慢不用了。
　　渔民今天仍按潮汐的时间出海，也按潮汐的时间回港，这一点
并没有因为有了柴油机而改变，只是没有从前那样要紧了。
"""
SAID = "潮汐由月球的引力造成，每天两次，沿海的渔民都知道。"
FORMATS = {
    "broken.txt": lambda path: path.write_text(BROKEN, encoding="utf-8"),
    "crlf.txt": lambda path: path.write_bytes(BROKEN.replace("\n", "\r\n").encode("gb18030")),
    "page.html": lambda path: path.write_text(
        "<html><head><title>潮</title></head><body><h1>潮汐</h1><p>潮汐由<b>月球</b>的引力&amp;造成，\n"
        "每天<i>两次</i>，沿海的渔民都知道。</p><script>x()</script></body></html>",
        encoding="utf-8",
    ),
    "notes.md": lambda path: path.write_text(
        "# 潮汐\n\n潮汐由**月球**的[引力](http://example.org/a)造成，每天`两次`，\n沿海的渔民都知道。\n",
        encoding="utf-8",
    ),
    "table.csv": lambda path: make_csv(path, [["名称", "说明"], ["潮汐", SAID]]),
    "word.docx": lambda path: make_docx(path, [("Title", "潮汐"), SAID, "别的话。"]),
    "print.pdf": lambda path: make_pdf(
        path,
        [["# 潮汐", "", "第一页先说别的，说完为止。"], ["潮汐由月球的引力造成，每天两次，沿海的渔", "民都知道。"]],
    ),
    "book.epub": lambda path: make_epub(
        path, ["<h1>潮汐</h1><p>潮汐由<b>月球</b>的引力造成，每天两次，沿海的渔民都知道。</p>"], title="书"
    ),
}


@pytest.mark.parametrize("name", FORMATS)
def test_the_words_of_a_citation_are_marked_in_both_views(name: str, tmp_path) -> None:
    FORMATS[name](tmp_path / name)
    document = read_document(tmp_path / name)
    chat = WrittenPipeline(tmp_path / "store", documents=[document])
    start = document.text.index("由月球")
    end = document.text.index("都知道") + 3
    quote = document.text[start:end]
    answer = answer_quoting(document, [quote], "?")
    mended = read_citation(chat, answer, ALIVE, 1, "mended")
    file = read_citation(chat, answer, ALIVE, 1, "file")
    assert (mended.view, file.view, file.has_file) == ("mended", "file", True)
    assert words_marked(mended) == quote
    # The file has the same characters in the same order; what the mending took out stands between the marks.
    assert bare(words_marked(file)) == bare(quote)
    assert shown(mended) == document.text
    lines = re.split("\r\n|\n|\r|\f", chat.store.file_text(document.id) or "")
    assert [text_of(block.html) for block in file.blocks] == (lines if lines[-1] else lines[:-1])
    chat.close()


def test_in_a_file_of_broken_lines_each_mark_stands_on_its_line(tmp_path) -> None:
    document = document_from_text(BROKEN, source="潮汐.txt")
    chat = WrittenPipeline(tmp_path / "store", documents=[document])
    answer = answer_quoting(document, ["由月球的引力造成，每天两次，沿海"], "?")
    blocks = read_citation(chat, answer, ALIVE, 1, "file").blocks
    assert {block.number: words for block in blocks for _, _, words in marked(block.html)} == {
        3: "由月球的引",
        4: "力造成，每天两次，沿海",
    }
    assert read_citation(chat, answer, ALIVE, 1, "mended").line == 3
    chat.close()


def test_the_article_is_marked_exactly_where_it_is_quoted(article_chat: Pipeline) -> None:
    answer = article_chat.ask("柳州的四大定位是什么")
    (citation, *_) = answer.citations
    mended = read_citation(article_chat, answer, ALIVE, 1, "mended")
    file = read_citation(article_chat, answer, ALIVE, 1, "file")
    assert words_marked(mended) == citation.quote
    assert bare(words_marked(file)) == bare(citation.quote)
    lines = ARTICLE.read_text(encoding="utf-8").splitlines()
    first = next(block for block in file.blocks if marked(block.html))
    assert first.number == file.line == citation.place.line
    assert text_of(first.html) == lines[file.line - 1]
    assert [block.number for block in mended.blocks if marked(block.html)] == [citation.place.paragraph]


def test_text_of_documents_is_escaped_in_both_views(chat: Pipeline) -> None:
    quote = "</p><script>window.hacked = 1</script>，乙说：&amp;"
    answer = answer_quoting(HOSTILE, [quote], "?")
    for view in ("mended", "file"):
        reading = read_citation(chat, answer, ALIVE, 1, view)
        assert words_marked(reading) == quote
        html = "".join(str(block.html) for block in reading.blocks)
        assert set(re.findall(r"<(/?\w+)", html)) == {"mark", "/mark"}


# -- Several citations -------------------------------------------------------------------------------


def test_all_citations_of_the_document_are_marked_and_the_opened_one_is_current(chat: Pipeline) -> None:
    answer = answer_quoting(MOON, ["潮汐由月球的引力造成", "每天两次", "二十七天"], "?")
    reading = read_citation(chat, answer, ALIVE, 2, "mended")
    assert [(classes, words) for block in reading.blocks for classes, _, words in marked(block.html)] == [
        ("c3", "二十七天"),
        ("c1", "潮汐由月球的引力造成"),
        ("c2 current", "每天两次"),
    ]
    assert (reading.previous, reading.following, reading.count) == (1, 3, 3)


def test_the_first_citation_has_none_before_and_the_last_none_after(chat: Pipeline) -> None:
    answer = answer_quoting(MOON, ["潮汐由月球的引力造成", "每天两次"], "?")
    first, last = (read_citation(chat, answer, ALIVE, marker, "mended") for marker in (1, 2))
    assert (first.previous, first.following) == (None, 2)
    assert (last.previous, last.following) == (1, None)


def test_citations_of_other_documents_are_not_marked(chat: Pipeline) -> None:
    moon = answer_quoting(MOON, ["每天两次"], "?").citations[0]
    other = replace(answer_quoting(HOSTILE, ["甲说"], "?").citations[0], marker=2)
    answer = replace(answer_quoting(MOON, ["每天两次"], "?"), citations=(moon, other))
    assert words_marked(read_citation(chat, answer, ALIVE, 1, "mended")) == "每天两次"
    assert words_marked(read_citation(chat, answer, ALIVE, 2, "mended")) == "甲说"


def test_a_quote_across_paragraphs_is_marked_in_both(chat: Pipeline) -> None:
    answer = answer_quoting(MOON, ["二十七天。\n\n潮汐由月球"], "?")
    reading = read_citation(chat, answer, ALIVE, 1, "mended")
    assert [words for block in reading.blocks for _, _, words in marked(block.html)] == ["二十七天。", "潮汐由月球"]


def test_a_citation_that_is_not_there_is_not_found(chat: Pipeline) -> None:
    with pytest.raises(NotFoundError, match=r"no citation \[3\]") as raised:
        read_citation(chat, answer_quoting(MOON, ["每天两次"], "?"), ALIVE, 3, "mended")
    assert raised.value.said("zh") == "这个回答没有出处 [3]。"


# -- Where one is ------------------------------------------------------------------------------------


def test_the_place_is_told_in_paragraph_passage_and_line(chat: Pipeline) -> None:
    reading = read_citation(chat, answer_quoting(MOON, ["每天两次"], "?"), ALIVE, 1, "mended")
    assert (reading.paragraph, reading.line, reading.page, reading.state) == (3, 5, None, "alive")
    passages = chat.store.passages_of(MOON.id)
    start = MOON.text.index("每天两次")
    (expected,) = [number for number, one in enumerate(passages, 1) if one.start <= start < one.end]
    assert (reading.passage, reading.passages) == (expected, len(passages))
    assert [block.number for block in reading.blocks] == [1, 2, 3]
    assert reading.blocks[0].kind == "headline"


def test_a_pdf_tells_its_page_and_no_line(tmp_path) -> None:
    FORMATS["print.pdf"](tmp_path / "print.pdf")
    document = read_document(tmp_path / "print.pdf")
    chat = WrittenPipeline(tmp_path / "store", documents=[document])
    reading = read_citation(chat, answer_quoting(document, ["月球的引力"], "?"), ALIVE, 1, "mended")
    assert (reading.page, reading.line) == (2, None)
    chat.close()


def test_an_article_of_several_is_named(tmp_path) -> None:
    html = (
        "<h1>月球与潮汐</h1><p>月球绕地球一周约需二十七天，人们早就知道。</p>"
        "<h1>火星与尘暴</h1><p>火星上的尘暴能持续几个月，遮住整个天空。</p>"
    )
    document = document_from_bytes(html.encode(), "two.html")
    assert len(document.articles) == 2
    chat = WrittenPipeline(tmp_path / "store", documents=[document])
    first = read_citation(chat, answer_quoting(document, ["二十七天"], "?"), ALIVE, 1, "mended")
    second = read_citation(chat, answer_quoting(document, ["遮住整个天空"], "?"), ALIVE, 1, "mended")
    assert (first.article, second.article) == ("", "火星与尘暴")
    chat.close()


# -- Documents that changed since --------------------------------------------------------------------


@pytest.fixture
def kept(tmp_path):
    """A conversation with a turn that cites the third paragraph."""
    answer = answer_quoting(MOON, ["每天两次"], "几次")
    chat = WrittenPipeline(tmp_path / "store", [answer])
    conversation = chat.start_conversation()
    chat.ask("几次", conversation=conversation.id)
    yield chat, conversation.id
    chat.close()


def reopened(chat: Pipeline, conversation: str, view="mended") -> Reading:
    (turn,) = chat.conversation(conversation).turns
    return read_citation(chat, turn.answer, dict(turn.states), 1, view)


@pytest.mark.parametrize("view", ["mended", "file"])
def test_of_a_removed_document_the_quote_and_its_place_are_left(kept, view) -> None:
    chat, conversation = kept
    chat.remove(MOON.id)
    reading = reopened(chat, conversation, view)
    assert (reading.state, reading.view, reading.has_file) == ("removed", "mended", False)
    assert (shown(reading), words_marked(reading)) == ("每天两次", "每天两次")
    assert (reading.paragraph, reading.line, reading.passage, reading.passages) == (3, None, None, 0)
    assert reading.document.title == "月球与潮汐"


@pytest.mark.parametrize("view", ["mended", "file"])
def test_of_a_changed_document_without_the_words_the_quote_is_left(kept, view) -> None:
    chat, conversation = kept
    chat.add_document(document_from_text("别的题目\n\n这里说的完全是别的事情。\n", source=MOON.source))
    reading = reopened(chat, conversation, view)
    assert (reading.state, reading.view, reading.has_file) == ("changed", "mended", False)
    assert (shown(reading), reading.paragraph, reading.passage) == ("每天两次", 3, None)


def test_in_a_changed_document_with_the_words_they_are_marked_where_they_are_now(kept) -> None:
    chat, conversation = kept
    chat.add_document(document_from_text("月球与潮汐\n\n潮汐每天两次，不多不少。\n", source=MOON.source))
    reading = reopened(chat, conversation)
    assert (reading.state, reading.paragraph, reading.line, reading.has_file) == ("moved", 2, 3, True)
    assert words_marked(reading) == "每天两次"
    assert words_marked(reopened(chat, conversation, "file")) == "每天两次"


def test_a_document_of_the_same_file_that_is_read_otherwise_now_is_not_taken_for_the_kept_quote(kept) -> None:
    chat, conversation = kept
    other = document_from_text("别的题目\n\n这里说的完全是别的事情。\n", source=MOON.source)
    chat.remove(MOON.id)
    chat.add_document(replace(other, digest=MOON.digest))
    reading = reopened(chat, conversation, "file")
    assert (reading.state, reading.view, reading.has_file, reading.passages) == ("changed", "mended", False, 0)
    assert words_marked(reading) == "每天两次"


def test_a_document_whose_file_is_not_kept_is_shown_as_mended(tmp_path) -> None:
    chat = WrittenPipeline(tmp_path / "store", documents=[replace(MOON, file_text="")])
    reading = read_citation(chat, answer_quoting(MOON, ["每天两次"], "?"), ALIVE, 1, "file")
    assert (reading.view, reading.has_file, words_marked(reading)) == ("mended", False, "每天两次")
    chat.close()


# -- Hits --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", ["mended", "file"])
def test_a_hit_is_marked_whole_in_a_colour_of_its_own(chat: Pipeline, view) -> None:
    reading = read_hit(chat, refusal(MOON, "火星多大"), 2, view)
    (found,) = [found for block in reading.blocks for found in marked(block.html)]
    assert found == ("c0 current", "0", "月球绕地球一周约需二十七天。")
    assert (reading.rank, reading.citation, reading.paragraph, reading.view) == (2, None, 2, view)


def test_a_hit_that_is_not_there_is_not_found(chat: Pipeline) -> None:
    with pytest.raises(NotFoundError, match="no passage of rank 9"):
        read_hit(chat, refusal(MOON, "?"), 9, "mended")


def test_a_hit_whose_document_was_removed_or_replaced_is_not_found(tmp_path) -> None:
    chat = WrittenPipeline(tmp_path / "store")
    answer = refusal(MOON, "?")
    chat.add_document(document_from_text("短", source=MOON.source))
    with pytest.raises(NotFoundError, match="stands in its document no more"):
        read_hit(chat, answer, 3, "mended")
    chat.remove(MOON.id)
    with pytest.raises(NotFoundError):
        read_hit(chat, answer, 3, "mended")
    chat.close()


# -- Whole documents ---------------------------------------------------------------------------------


def test_a_document_is_shown_with_the_numbers_of_its_passages_before_their_words(article_chat: Pipeline) -> None:
    (document,) = article_chat.documents()
    reading = lay_out(article_chat, document, "mended")
    html = "".join(str(block.html) for block in reading.blocks)
    passages = article_chat.store.passages_of(document.id)
    assert [int(number) for number in re.findall(r'data-passage="(\d+)"', html)] == list(range(1, len(passages) + 1))
    for number, passage in enumerate(passages, 1):
        after = html.split(f'data-passage="{number}"></span>')[1]
        assert unescape(re.sub("<[^>]*>", "", after)).startswith(passage.text.split("\n")[0][:20])
    assert shown(reading) == document.text
    assert (reading.paragraph, reading.line, reading.citation, reading.rank) == (None, None, None, None)
    assert (reading.before, reading.after) == (False, False)


def test_a_document_as_its_file_has_it_is_the_file_line_by_line(article_chat: Pipeline) -> None:
    (document,) = article_chat.documents()
    reading = lay_out(article_chat, document, "file")
    lines = ARTICLE.read_text(encoding="utf-8").split("\n")
    assert [text_of(block.html) for block in reading.blocks] == lines
    assert [block.number for block in reading.blocks] == list(range(1, len(lines) + 1))


@pytest.fixture(scope="module")
def long(tmp_path_factory):
    text = "\n\n".join(f"第{number}句话在这里，讲的是月球的第{number}件事。" for number in range(9_000))
    document = document_from_text(text, "长文", "long.txt")
    chat = WrittenPipeline(tmp_path_factory.mktemp("long") / "store", documents=[])
    chat.add_document(document)
    yield chat, document
    chat.close()


@pytest.mark.parametrize("view", ["mended", "file"])
def test_of_a_long_document_the_part_around_the_citation_is_shown(long, view) -> None:
    chat, document = long
    answer = answer_quoting(document, ["第4500件事"], "?")
    reading = read_citation(chat, answer, ALIVE, 1, view)
    assert words_marked(reading) == "第4500件事"
    assert (reading.before, reading.after) == (True, True)
    assert 1.9 * CONTEXT < len(shown(reading)) < 2.1 * CONTEXT
    whole = document.text if view == "mended" else chat.store.file_text(document.id)
    assert shown(reading).strip("\n") in whole


@pytest.mark.parametrize("view", ["mended", "file"])
def test_all_of_a_long_document_is_shown_where_it_is_asked_for(long, view) -> None:
    chat, document = long
    reading = lay_out(chat, document, view, whole=True)
    assert (reading.before, reading.after) == (False, False)
    assert shown(reading).strip("\n") == document.text.strip("\n")


@pytest.mark.parametrize("view", ["mended", "file"])
@pytest.mark.parametrize("quote", ["第0件事", "第100件事", "第4500件事", "第8950件事", "第8999件事"])
def test_of_a_document_too_long_for_one_page_as_much_is_shown_wherever_one_is(long, view, quote, monkeypatch) -> None:
    chat, document = long
    monkeypatch.setattr("rag.page.reading.MOST", 100_000)
    reading = read_citation(chat, answer_quoting(document, [quote], "?"), ALIVE, 1, view, whole=True)
    assert words_marked(reading) == quote
    assert 99_950 < len(shown(reading)) <= 100_010
    assert (reading.before, reading.after) == (quote >= "第4" and quote != "第100件事", quote < "第8")
    part = render("text.html", "zh", reading=reading, reading_path="/x", text_target="#x")
    assert say("zh", "cut before" if reading.before else "cut after") in text_of(part)
    assert "<a" not in part  # it would lead here


def test_what_is_left_out_can_be_asked_for_with_and_without_scripts(long) -> None:
    chat, document = long
    part = render("text.html", "zh", reading=lay_out(chat, document, "file"), reading_path="/x", text_target="#x")
    assert re.findall(r'(href|hx-get)="([^"]*)"', part) == [
        ("href", "/x?view=file&amp;all=1"),
        ("hx-get", "/x?view=file&amp;all=1"),
    ]


def test_each_paragraph_is_painted_with_what_touches_it_and_no_more(long, monkeypatch) -> None:
    chat, document = long
    calls = []

    def painted(text, first, last, marks, cuts=()):
        calls.append((first, last, list(marks), list(cuts)))
        return paint(text, first, last, marks, cuts)

    monkeypatch.setattr("rag.page.reading.paint", painted)
    lay_out(chat, document, "mended", whole=True)
    assert len(calls) == 9_000
    assert all(first <= place < last for first, last, _, cuts in calls for place, _ in cuts)
    assert [number for *_, cuts in calls for _, number in cuts] == list(
        range(1, len(chat.store.passages_of(document.id)) + 1)
    )
    calls.clear()
    for view in ("mended", "file"):
        read_citation(chat, answer_quoting(document, ["第0件事", "第8999件事"], "?"), ALIVE, 1, view, whole=True)
    assert sum(len(marks) for _, _, marks, _ in calls) == 4


@given(st.data())
def test_painting_with_what_touches_each_is_painting_with_all(data) -> None:
    edges = sorted(data.draw(st.lists(st.integers(0, 40), min_size=2, max_size=12)))
    spans = list(zip(edges[::2], edges[1::2], strict=False))
    drawn = data.draw(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40), st.booleans()), max_size=6))
    marks = [Mark(min(a, b), max(a, b), number, current) for number, (a, b, current) in enumerate(drawn, 1)]
    cuts = [(place, number) for number, place in enumerate(sorted(data.draw(st.sets(st.integers(0, 40)))), 1)]
    text = "月" * 40
    assert list(_painted(text, spans, marks, cuts)) == [paint(text, *span, marks, cuts) for span in spans]


@pytest.mark.parametrize(("quote", "before", "after"), [("第0件事", False, True), ("第8999件事", True, False)])
def test_at_an_end_of_a_long_document_nothing_is_left_out_there(long, quote, before, after) -> None:
    chat, document = long
    reading = read_citation(chat, answer_quoting(document, [quote], "?"), ALIVE, 1, "mended")
    assert (reading.before, reading.after) == (before, after)


# -- Names -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("/texts/moon.txt", "moon.txt"),
        ("moon.txt", "moon.txt"),
        ("https://example.org/a/b.html?x=1", "https://example.org/a/b.html?x=1"),
        ("粘贴的文字 0123abcd", "粘贴的文字 0123abcd"),
        ("/", "/"),
    ],
)
def test_a_source_is_called_by_its_last_part_and_an_address_by_all_of_it(source: str, name: str) -> None:
    assert file_name(replace(MOON, source=source)) == name
