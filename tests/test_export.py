"""Exports: what is written of a conversation, and that it is read back as what it was."""

import html
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from rag.answers import Answer, Contradiction, Sentence
from rag.citations import cite
from rag.cli import main
from rag.conversation import Conversation, Turn
from rag.documents import Document, document_from_text
from rag.export import (
    CONTEXT,
    file_name,
    find,
    reference,
    selectors_of,
    shared_answer,
    shared_citation,
    shared_model,
    to_bibliography,
    to_html,
    to_json,
    to_markdown,
)
from rag.pipeline import Pipeline
from rag.settings import Settings
from tests.fakes import WordCountEmbedder
from tests.handmade import HOSTILE, MOON, answer_quoting, passage_of, refusal

TIDES = answer_quoting(MOON, ["潮汐由月球的引力造成", "每天两次"], "潮汐是怎么来的")
EVIL = answer_quoting(HOSTILE, ["甲说：</p><script>window.hacked = 1</script>"], "甲说<b>什么</b>")
NOTHING = refusal(MOON, "火星有多大", ("火星",))


def talk(*answers: Answer, title: str = "月球", **states: str) -> Conversation:
    turns = tuple(
        Turn(number, answer, {citation.marker: states.get(f"q{number}", "alive") for citation in answer.citations})  # type: ignore[misc]
        for number, answer in enumerate(answers, 1)
    )
    return Conversation("0" * 31 + "1", title, "2025-01-31T11:00:00Z", "2025-01-31T12:30:00Z", turns, len(turns))


# -- Markdown --------------------------------------------------------------------------------------


def test_markdown_has_questions_as_headlines_and_quotes_with_title_and_place() -> None:
    assert to_markdown(talk(TIDES)) == (
        "# 月球\n\n*最后提问：2025-01-31 12:30 UTC*\n\n## 1. 潮汐是怎么来的\n\n"
        "潮汐由月球的引力造成 [1]\n每天两次 [2]\n\n"
        "[1] 月球与潮汐，第3段：\n> 潮汐由月球的引力造成\n\n[2] 月球与潮汐，第3段：\n> 每天两次\n\n"
        "## 参考文献\n\n- 月球与潮汐\\[Z\\]. 第3段.\n"
    )


def test_markdown_in_english_leaves_what_was_asked_and_quoted_as_it_is() -> None:
    text = to_markdown(talk(TIDES, NOTHING), "en")
    assert "*Last asked: 2025-01-31 12:30 UTC*" in text
    assert "[1] 月球与潮汐, paragraph 3:\n> 潮汐由月球的引力造成" in text
    assert "The nearest passages:\n- 月球与潮汐\n" in text
    assert "段" not in text


def test_markdown_says_what_became_of_a_document() -> None:
    assert "[1] 月球与潮汐，第3段，文档已删除：" in to_markdown(talk(TIDES, q1="removed"))
    assert "[1] 月球与潮汐，第3段，文档已改动，原话已不在原处：" in to_markdown(talk(TIDES, q1="changed"))
    assert "paragraph 3, the document was removed:" in to_markdown(talk(TIDES, q1="removed"), "en")


def test_markdown_says_what_was_searched_for_where_that_is_another_question() -> None:
    followed = answer_quoting(MOON, ["每天两次"], "多久一次", query="潮汐多久一次")
    assert "*按此检索：潮汐多久一次*" in to_markdown([followed])
    assert "按此检索" not in to_markdown([TIDES])


def test_what_documents_say_is_not_obeyed_in_markdown() -> None:
    text = to_markdown(talk(EVIL, title="# <i>x</i> [a](b)"))
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert text.startswith("# \\# &lt;i&gt;x&lt;/i&gt; \\[a\\](b)\n")


SIGNS = st.text("ab中🤖 \n\t#*_`~[]()<>!|-+=.:1/\\&;$@\"'^{}wh", max_size=30)


@settings(max_examples=200, deadline=None)
@given(SIGNS, SIGNS, SIGNS)
@example("a", "www.evil.example", "===")
@example("a", "===", "---")
@example("1) a", "![x](y)", "[1]: /url")
def test_no_words_become_markup_in_markdown(question, said, notice) -> None:
    answer = replace(TIDES, question=question, query=question, notice=notice)
    answer = replace(answer, sentences=(Sentence("a", (1,)), Sentence(said, (2,)), Sentence(said, ())))
    tokens = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(to_markdown([answer]))
    inner = [one for token in tokens for one in (token.children or [])]
    assert {token.tag for token in tokens if token.type == "heading_open"} <= {"h1", "h2"}
    assert sum(token.type == "heading_open" for token in tokens) == 3
    assert sum(token.type == "blockquote_open" for token in tokens) == 2
    allowed = {"text", "softbreak", "em_open", "em_close", "text_special"}
    assert {one.type for one in inner} <= allowed
    assert not {token.type for token in tokens} & {"html_block", "fence", "code_block", "hr", "table_open"}
    shown = " ".join("".join(one.content for one in token.children or []) for token in tokens)
    assert "".join(said.split()) in "".join(shown.split())


def test_an_empty_conversation_says_so() -> None:
    assert to_markdown(talk()).endswith("还没有提问。\n")
    assert "还没有提问。" in to_html(talk())
    assert json.loads(to_json(talk()))["first"]["items"] == []
    assert to_bibliography(talk()) == ""


# -- HTML ------------------------------------------------------------------------------------------

VOID = {"meta", "br"}


class Page(HTMLParser):
    """Reads a page: fails where an element is not closed in order; keeps ids, links and the texts of elements."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[dict[str, str | None]] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        assert len(values) == len(attrs), f"an attribute of {tag} stands twice"
        self.elements.append((tag, values))
        self.texts.setdefault(tag, []).append("")
        if name := values.get("id"):
            self.ids.append(name)
        if tag == "a":
            self.links.append(values)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        for tag in set(self.open):
            self.texts[tag][-1] += data


@pytest.mark.parametrize("language", ["zh", "en"])
def test_each_marker_links_to_its_quote_and_back(language) -> None:
    page = Page(to_html(talk(TIDES, TIDES, EVIL, NOTHING), language))
    assert len(set(page.ids)) == len(page.ids)
    targets = [link["href"] for link in page.links]
    assert targets[:4] == ["#q1-source1", "#q1-source2", "#q1-from1", "#q1-from2"]
    assert all(target and target[1:] in page.ids for target in targets)
    assert all(link["aria-label"] for link in page.links)
    assert page.texts["blockquote"][:2] == ["潮汐由月球的引力造成", "每天两次"]


def test_html_runs_nothing_and_shows_what_is_hostile_as_text() -> None:
    page = Page(to_html(talk(EVIL, title='"><script>x</script>\x00')))
    tags = {tag for tag, _ in page.elements}
    assert tags.isdisjoint({"script", "img", "link", "iframe", "b", "i"})
    assert not any(name.startswith("on") for _, values in page.elements for name in values)
    assert page.texts["title"] == ['"><script>x</script>\ufffd']
    assert page.texts["blockquote"] == ["甲说：</p><script>window.hacked = 1</script>"]
    policy = next(values for tag, values in page.elements if tag == "meta" and "http-equiv" in values)
    assert policy["content"] == "default-src 'none'; style-src 'unsafe-inline'"


def test_html_names_its_language_and_that_of_what_is_quoted() -> None:
    english = document_from_text("The moon\n\nThe moon makes the tides.\n", source="m.txt")
    answer = answer_quoting(english, ["The moon makes the tides"], "Why are there tides?")
    page = Page(to_html([answer], "zh"))
    quote = next(values for tag, values in page.elements if tag == "blockquote")
    assert dict(page.elements)["html"] == {"lang": "zh-Hans"}
    assert quote["lang"] == "en"
    quote = next(values for tag, values in Page(to_html([answer], "en")).elements if tag == "blockquote")
    assert "lang" not in quote


def test_html_shows_contradictions_and_notices_and_states() -> None:
    answer = replace(TIDES, contradictions=(Contradiction((1, 2), ("一次", "两次")),), notice="有一句已略去。")
    text = to_html(talk(answer, q1="changed"))
    page = Page(text)
    assert any(said.startswith("说法不一：一次 [1]；两次 [2]") for said in page.texts["p"])
    assert "有一句已略去。" in page.texts["p"]
    assert page.texts["strong"] == ["文档已改动，原话已不在原处"] * 2


def test_a_page_can_be_written_of_broken_characters() -> None:
    document = document_from_text("题\n\n半个字符\ud83d在此。\n", source="x.txt")
    answer = answer_quoting(document, ["半个字符\ud83d在此"], "什么")
    for write in (to_markdown, to_html, to_json, to_bibliography):
        assert write([answer]).encode("utf-8")
    assert "半个字符?在此" in to_html([answer])


# -- Web annotations -------------------------------------------------------------------------------


def test_json_is_a_collection_of_annotations_with_the_answers_beside_them() -> None:
    collection = json.loads(to_json(talk(TIDES, NOTHING)))
    assert collection["@context"] == CONTEXT
    assert collection["type"] == "AnnotationCollection"
    assert collection["id"] == "urn:uuid:00000000-0000-0000-0000-000000000001"
    assert (collection["label"], collection["created"], collection["total"]) == ("月球", "2025-01-31T11:00:00Z", 2)
    page = collection["first"]
    assert (page["type"], page["startIndex"], len(page["items"])) == ("AnnotationPage", 0, 2)
    assert len({one["id"] for one in page["items"]} | {page["id"], collection["id"]}) == 4
    first, second = collection["turns"]
    assert first["states"] == {"1": "alive", "2": "alive"}
    assert first["answer"]["citations"][0]["quote"] == "潮汐由月球的引力造成"
    assert second["answer"]["verdict"] == "refused"


def test_an_annotation_selects_the_quote_in_the_text_and_in_the_file() -> None:
    item = json.loads(to_json(talk(TIDES)))["first"]["items"][0]
    assert (item["type"], item["motivation"]) == ("Annotation", "describing")
    (body,) = item["body"]
    assert body == {
        "type": "TextualBody",
        "value": "潮汐由月球的引力造成",
        "format": "text/plain",
        "language": "zh",
    }
    mended, file = item["target"]
    assert mended["type"] == file["type"] == "SpecificResource"
    quote, position = mended["selector"]
    start = MOON.text.index("潮汐由")
    assert quote == {
        "type": "TextQuoteSelector",
        "exact": "潮汐由月球的引力造成",
        "prefix": "月球与潮汐\n\n月球绕地球一周约需二十七天。\n\n",
        "suffix": "，每天两次。",
    }
    assert position == {"type": "TextPositionSelector", "start": start, "end": start + 10}
    assert mended["source"]["id"].startswith("ni:///sha-256;")
    assert mended["source"]["id"] != file["source"]["id"]
    source = "月球与潮汐\n\n月球绕地球一周约需二十七天。\n\n潮汐由月球的引力造成，每天两次。\n"
    start, end = find(file["selector"], source) or (0, 0)
    assert source[start:end] == "潮汐由月球的引力造成"


def test_a_file_is_named_by_its_hash_and_never_by_its_folder() -> None:
    text = to_json(talk(TIDES))
    assert "/texts" not in text
    assert '"source": "moon.txt"' in text
    page = document_from_text("题\n\n话。\n", source="https://me:secret@example.org/a?b=c")
    text = to_json([answer_quoting(page, ["话"], "什么")])
    assert "secret" not in text
    assert json.loads(text)["first"]["items"][0]["target"][1]["source"]["id"] == "https://example.org/a?b=c"


def test_of_a_document_that_is_gone_only_the_words_are_selected() -> None:
    item = json.loads(to_json(talk(TIDES, q1="removed")))["first"]["items"][0]
    (target,) = item["target"]
    assert target["selector"] == [{"type": "TextQuoteSelector", "exact": "潮汐由月球的引力造成"}]


def test_in_a_pdf_the_file_is_pointed_at_by_its_page_and_other_formats_by_nothing_of_ours() -> None:
    pdf = replace(MOON, encoding="pdf", pages=(0, 7))
    (_, target) = json.loads(to_json([answer_quoting(pdf, ["每天两次"], "多久")]))["first"]["items"][0]["target"]
    (selector,) = target["selector"]
    assert (selector["type"], selector["value"]) == ("FragmentSelector", "page=2")
    word = replace(MOON, encoding="docx")
    assert len(json.loads(to_json([answer_quoting(word, ["每天两次"], "多久")]))["first"]["items"][0]["target"]) == 1


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("/home/mei/models/bge", "bge"),
        ("/home/mei/models/bge/", "bge"),
        ("~/models/bge", "bge"),
        ("C:\\Users\\mei\\bge", "bge"),
        ("c:/models/bge", "bge"),
        ("\\\\server\\share\\bge", "bge"),
        ("BAAI/bge-small-zh", "BAAI/bge-small-zh"),
        ("modelscope:BAAI/bge-small-zh", "modelscope:BAAI/bge-small-zh"),
        ("openai:deepseek-chat", "openai:deepseek-chat"),
        ("bundled", "bundled"),
        ("/", "/"),
        ("", ""),
    ],
)
def test_of_a_models_folder_the_last_part_is_told_and_an_id_of_a_hub_whole(name: str, told: str) -> None:
    assert shared_model(name) == told
    answer = replace(TIDES, models={"reader": name})
    assert shared_answer(answer)["models"] == {"reader": told}
    assert json.loads(to_json([answer]))["turns"][0]["answer"]["models"] == {"reader": told}


@pytest.mark.parametrize("whole", [False, True])
def test_an_answer_told_to_others_names_no_folder_and_nothing_withheld(whole: bool) -> None:
    record = shared_answer(replace(TIDES, withheld=TIDES.citations), whole)
    assert "withheld" not in record
    assert "/texts/" not in json.dumps(record)
    assert {one["source"] for one in record["citations"]} == {"moon.txt"}
    assert shared_citation(TIDES.citations[0])["source"] == "moon.txt"
    if whole:
        assert Answer.from_dict(record).citations[0].quote == TIDES.citations[0].quote


def test_a_withheld_choice_is_not_exported() -> None:
    answer = replace(NOTHING, withheld=TIDES.citations)
    assert "withheld" not in json.loads(to_json([answer]))["turns"][0]["answer"]
    for write in (to_markdown, to_html):
        assert "出处" not in write([answer])


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=80), st.integers(0, 80), st.integers(0, 20))
@example("aaaa", 1, 1)
@example("🤖é中🤖é中", 3, 3)
def test_selectors_find_their_span_again(text, start, length) -> None:
    start = min(start, len(text))
    end = min(start + length, len(text))
    assert find(selectors_of(text, start, end), text) == (start, end)


@settings(max_examples=150, deadline=None)
@given(st.text("ab中🤖", min_size=1, max_size=60), st.data(), st.text("xy", max_size=40))
def test_selectors_find_their_span_again_in_a_text_that_grew_at_its_front(text, data, front) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    changed = front + text
    quote, position = selectors_of(text, start, end)
    found = find([quote, position], changed)
    assert found is not None
    assert changed[found[0] : found[1]] == text[start:end]
    surroundings = f"{quote['prefix']}{quote['exact']}{quote['suffix']}"
    if changed.find(surroundings) == changed.rfind(surroundings):
        assert found == (len(front) + start, len(front) + end) == find([quote], changed)


def test_of_the_same_words_in_two_places_their_surroundings_choose() -> None:
    text = "甲说好。乙说好。"
    selectors = selectors_of(text, 6, 7)
    changed = f"丙来了。{text}"
    assert find(selectors, changed) == (10, 11)
    assert find(selectors[:1], changed) == (10, 11)


def test_in_a_text_that_repeats_itself_the_place_nearest_to_the_old_one_is_meant() -> None:
    text = "的柳州四大" * 100_000
    selectors = selectors_of(text, 250_000, 250_003)
    assert find(selectors, f"甲{text}") == (250_001, 250_004)
    assert find(selectors, text[5:]) == (250_000, 250_003)
    assert find(selectors[:1], text) is None


def test_of_long_surroundings_as_many_characters_are_kept_on_either_side() -> None:
    quote, _ = selectors_of("前" * 50 + "词" + "后" * 50, 50, 51)
    assert (quote["prefix"], quote["suffix"]) == ("前" * 32, "后" * 32)


def test_words_that_nothing_tells_apart_are_not_guessed() -> None:
    quote = {"type": "TextQuoteSelector", "exact": "好"}
    assert find([quote], "好，好") is None
    assert find([quote, {"type": "TextPositionSelector", "start": 3, "end": 4}], "好，好") == (2, 3)
    assert find([quote], "不") is None
    assert find([quote], "说好") == (1, 2)


@pytest.mark.parametrize(
    "selectors",
    [
        [],
        [{"type": "TextPositionSelector", "start": -1, "end": 2}],
        [{"type": "TextPositionSelector", "start": "0", "end": True}],
        [{"type": "TextPositionSelector", "start": 0, "end": 99}],
        [{"type": "TextQuoteSelector", "exact": 5}],
        [{"kind": "?"}],
    ],
)
def test_malformed_selectors_find_nothing(selectors) -> None:
    assert find(selectors, "some text") is None


# -- References ------------------------------------------------------------------------------------


def news(first: str = "柳州，6月25日电。", source: str = "news.txt") -> Document:
    return document_from_text(f"会议召开\n\n{first}天气很好。\n", title="会议召开", source=source)


def quoting(document: Document, words: str):
    start = document.text.index(words)
    passage = passage_of(document, document.paragraph_at(start).number)
    return cite(1, document, passage, start, start + len(words))


def test_a_report_of_the_news_has_its_day_as_written_and_no_year_that_it_does_not_give() -> None:
    assert reference(news()) == "会议召开[N]. 6月25日."
    assert reference(news("2025年6月5日，")) == "会议召开[N]. 2025-06-05."
    assert reference(news("2025-6-25讯，")) == "会议召开[N]. 2025-06-25."


def test_a_text_that_names_a_day_somewhere_is_no_report() -> None:
    assert reference(news("很" * 70 + "1949年10月1日的事。")) == "会议召开[Z]."


def test_a_page_of_the_web_has_its_address_and_the_day_it_was_read_on() -> None:
    page = news(source="https://example.org/a(1)?q=1")
    assert reference(page, date(2025, 7, 1)) == "会议召开[EB/OL]. [2025-07-01]. https://example.org/a(1)?q=1"
    assert reference(page) == "会议召开[EB/OL]. https://example.org/a(1)?q=1"
    assert reference(page, date(2025, 7, 1), quoting(page, "天气")) == (
        "会议召开[EB/OL]. 第2段[2025-07-01]. https://example.org/a(1)?q=1"
    )


def test_the_day_of_reading_is_said_of_what_has_an_address_only() -> None:
    assert "2025-07-01" not in reference(MOON, date(2025, 7, 1))


def test_other_documents_are_known_by_their_kind() -> None:
    assert reference(MOON) == "月球与潮汐[Z]."
    assert reference(document_from_text("一\n\n二。\n", title="书", source="/b/book.epub")) == "书[M]."
    book = document_from_text("一\n\n二。\n", title="书", source="https://example.org/book.epub")
    assert reference(book) == "书[M/OL]. https://example.org/book.epub"
    assert reference(document_from_text("一\n\n二。\n", title="表", source="t.csv")) == "表[DS]."


def test_the_place_of_a_citation_stands_behind_the_day() -> None:
    document = news()
    assert reference(document, citation=quoting(document, "天气")) == "会议召开[N]. 6月25日: 第2段."
    assert reference(document, citation=quoting(document, "天气"), language="en") == "会议召开[N]. 6月25日: para. 2."
    assert reference(MOON, citation=quoting(MOON, "每天")) == "月球与潮汐[Z]. 第3段."


def test_the_place_in_a_pdf_is_its_page() -> None:
    pdf = replace(MOON, encoding="pdf", pages=(0, 7))
    answer = answer_quoting(pdf, ["月球绕地球", "每天两次"], "什么")
    assert to_bibliography([answer]) == "[1] 月球与潮汐[Z]. 第2页.\n"
    assert to_bibliography([answer], "en") == "[1] 月球与潮汐[Z]. p. 2.\n"
    assert "第2页第3段" in to_markdown([answer])


def test_of_several_articles_in_a_file_the_cited_one_is_named() -> None:
    text = Path("tests/data/two_reports.txt").read_text(encoding="utf-8")
    document = document_from_text(text, source="two.txt")
    second = document.articles[1]
    body = next(p for p in document.paragraphs if p.start >= second.start and p.kind == "body")
    cited = quoting(document, document.text[body.start : body.start + 12])
    assert reference(document, citation=cited).startswith(f"{second.title}[")
    assert second.title != document.title


def test_each_document_stands_once_in_a_bibliography_with_all_places() -> None:
    more = answer_quoting(MOON, ["月球绕地球一周约需二十七天"], "月球多久绕一周")
    assert to_bibliography(talk(TIDES, more, EVIL)).splitlines() == [
        "[1] 月球与潮汐[Z]. 第2、3段.",
        f"[2] {' '.join(HOSTILE.title.split())}[Z]. 第2段.",
    ]
    assert to_bibliography([TIDES, more], "en") == "[1] 月球与潮汐[Z]. para. 2, 3.\n"


def test_a_bibliography_says_the_day_of_the_conversation_for_pages_of_the_web() -> None:
    page = news(source="https://example.org/")
    answer = answer_quoting(page, ["天气很好"], "天气怎么样")
    assert to_bibliography(talk(answer)) == "[1] 会议召开[EB/OL]. 第2段[2025-01-31]. https://example.org/\n"
    assert to_bibliography([answer]) == "[1] 会议召开[EB/OL]. 第2段. https://example.org/\n"


# -- Names of files, and the command line ------------------------------------------------------------


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("潮汐是怎么来的？", "潮汐是怎么来的.md"),
        ('a/b\\c:d*e?f"g<h>i|j', "a b c d e f g h i j.md"),
        ("../../etc/passwd", "etc passwd.md"),
        ("CON", "对话 CON.md"),
        ("com1.txt", "对话 com1.txt.md"),
        ("  .hidden. ", "hidden.md"),
        ("", "对话.md"),
        ("\u202egnp\x00\n", "gnp.md"),
        ("-rf", "rf.md"),
        ("长" * 100, "长" * 60 + ".md"),
        ("console", "console.md"),
    ],
)
def test_a_file_name_is_one_that_every_system_takes(title, name) -> None:
    assert file_name(talk(title=title), ".md") == name
    assert len(name.encode()) < 255


@pytest.fixture
def chat(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipeline]:
    chat = Pipeline(folder, Settings(), WordCountEmbedder())
    chat.add_document(MOON)
    monkeypatch.setattr("rag.pipeline.open", lambda *_: chat)
    yield chat
    chat.close()


@pytest.mark.parametrize(
    ("kind", "sign"),
    [
        ("markdown", "# 潮汐是怎么来的"),
        ("html", "<!DOCTYPE html>"),
        ("json", '"@context"'),
        ("bibliography", "[1] 月球与潮汐[Z]. 第3段."),
    ],
)
def test_the_command_line_writes_each_form(chat, kind, sign, capsys) -> None:
    kept = chat.start_conversation()
    chat.kept.append(kept.id, TIDES)
    assert main(["conversations", "export", kept.id, "--format", kind]) == 0
    assert sign in capsys.readouterr().out


def test_the_command_line_writes_a_file_or_into_a_folder(chat, tmp_path, capsys) -> None:
    kept = chat.start_conversation("潮汐?")
    chat.kept.append(kept.id, TIDES)
    one = tmp_path / "one.html"
    assert main(["conversations", "export", kept.id, "--format", "html", "--output", str(one)]) == 0
    assert capsys.readouterr().out == ""
    assert html.unescape(one.read_text(encoding="utf-8")).count("潮汐由月球的引力造成") == 2


def test_the_command_line_names_the_file_in_a_folder_by_the_title(chat, tmp_path) -> None:
    kept = chat.start_conversation("潮汐?")
    chat.kept.append(kept.id, TIDES)
    assert main(["conversations", "export", kept.id, "--output", str(tmp_path)]) == 0
    assert re.match("# 潮汐", (tmp_path / "潮汐.md").read_text(encoding="utf-8"))


def test_an_unknown_conversation_is_an_error(chat, capsys) -> None:
    assert main(["conversations", "export", "nothing"]) == 1
    assert "nothing" in capsys.readouterr().err
