import dataclasses

import pytest

from rag.answers import Answer, Check, RunnerUp, Sentence, escape_markdown
from rag.citations import cite
from rag.documents import document_from_text
from rag.errors import InputError
from rag.passages import Passage
from rag.retriever import ArmRank, Hit

DOCUMENT = document_from_text("第一段。\n\n潮汐由月亮引起，每天两次。", title="潮汐", source="tide.txt")
START = DOCUMENT.text.index("潮汐")
PASSAGE = Passage("tide:0-4", DOCUMENT.id, START, len(DOCUMENT.text), DOCUMENT.text[START:])


def an_answer(**changes):
    citation = cite(1, DOCUMENT, PASSAGE, START, START + 7)
    answer = Answer(
        question="为什么有潮汐",
        query="为什么有潮汐",
        text=citation.quote,
        verdict="answered",
        sentences=(Sentence(citation.quote, (1,)),),
        citations=(citation,),
        hits=(Hit(PASSAGE, 1, 0.1, {"lexical": ArmRank(1, 2.5, ("潮汐",)), "dense": ArmRank(2, 0.5)}),),
        confidence=0.75,
        missing=("为什么",),
        checks=(Check("verbatim", True, "[1]"),),
        timings={"search": 1.5},
        models={"embedder": "bundled"},
    )
    return dataclasses.replace(answer, **changes)


def test_a_citation_is_the_exact_slice_and_knows_its_place():
    (citation,) = an_answer().citations
    assert citation.quote == "潮汐由月亮引起"
    assert DOCUMENT.text[citation.start : citation.end] == citation.quote
    assert (citation.place.paragraph, citation.place.line, citation.place.column) == (2, 3, 1)
    assert str(citation.place) == "第2段"


def test_an_answer_comes_back_from_json_unchanged():
    answer = an_answer()
    again = Answer.from_json(answer.to_json())
    assert again == answer
    assert again.citations[0].document.text == DOCUMENT.text


def test_what_was_nearly_chosen_comes_back_from_json_and_older_records_have_none():
    answer = an_answer(nearly=(RunnerUp(DOCUMENT.id, PASSAGE.id, START + 8, START + 12, "每天两次", 0.25, 1),))
    assert Answer.from_json(answer.to_json()) == answer
    older = {name: value for name, value in answer.to_dict().items() if name != "nearly"}
    assert Answer.from_dict(older) == an_answer()


def test_a_record_of_an_older_version_was_not_stopped():
    record = an_answer().to_dict()
    assert record.pop("stopped") is False
    assert Answer.from_dict(record).stopped is False
    assert Answer.from_json(an_answer(stopped=True).to_json()).stopped


def test_the_light_form_names_its_documents_and_leaves_their_texts_out():
    answer = an_answer()
    light = answer.to_dict(whole_documents=False)
    assert light["documents"] == {
        DOCUMENT.id: {
            "id": DOCUMENT.id,
            "title": "潮汐",
            "source": "tide.txt",
            "digest": DOCUMENT.digest,
            "characters": len(DOCUMENT.text),
        }
    }
    whole = answer.to_dict()
    assert {name: value for name, value in light.items() if name != "documents"} == {
        name: value for name, value in whole.items() if name != "documents"
    }


def test_the_light_form_cannot_be_read_back_and_says_why():
    with pytest.raises(InputError, match=f"without the text of 1 documents .{DOCUMENT.id}.") as caught:
        Answer.from_dict(an_answer().to_dict(whole_documents=False))
    assert "全文" in caught.value.said("zh")


def test_markdown_speaks_english_where_that_is_asked_and_tells_what_became_of_a_document():
    said = an_answer().to_markdown("en", {1: "the document was removed"})
    assert said == "潮汐由月亮引起 [1]\n\n[1] 潮汐, paragraph 2, the document was removed:\n> 潮汐由月亮引起"


def test_markdown_shows_markers_quotes_titles_and_paragraphs():
    assert an_answer().to_markdown() == "潮汐由月亮引起 [1]\n\n[1] 潮汐，第2段：\n> 潮汐由月亮引起"


def test_markdown_of_a_refusal_shows_the_nearest_passages():
    refusal = an_answer(verdict="refused", text="原文没有回答这个问题。", sentences=(), citations=())
    assert refusal.to_markdown() == "原文没有回答这个问题。\n\n最接近的段落：\n- 潮汐由月亮引起，每天两次。"


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("[x](javascript:y)", r"\[x\](javascript:y)"),
        ("**bold** `code` # not a title", r"\*\*bold\*\* \`code\` \# not a title"),
        ("- item\n1. other", r"\- item 1. other"),
        ("1. first", r"1\. first"),
        ("=== not a line under a headline", r"\=== not a line under a headline"),
    ],
)
def test_document_text_is_shown_and_never_obeyed(text, escaped):
    assert escape_markdown(text) == escaped
