"""Feedback: what is kept of an answer, and that it comes back."""

from dataclasses import replace

from rag.answers import Answer
from rag.documents import document_from_text
from rag.feedback import MAX_HITS, MAX_WHOLE, Feedback, bounded
from tests.handmade import MOON, answer_quoting

LONG = document_from_text(
    "长文\n\n月球绕地球一周约需二十七天。\n\n潮汐每天两次。\n\n" + "别的话说了很多很多。\n\n" * (MAX_WHOLE // 10),
    source="/texts/long.txt",
)
QUOTES = ["潮汐每天两次", "约需二十七天", "每天两次"]


def test_an_answer_from_short_documents_is_kept_as_it_is() -> None:
    answer = answer_quoting(MOON, ["每天两次"], "潮汐几次？")
    assert bounded(answer) == answer


def test_of_a_long_document_the_quotes_are_kept_with_titles_and_places() -> None:
    answer = answer_quoting(LONG, QUOTES, "潮汐几次？")
    kept = bounded(replace(answer, withheld=answer.citations[:1]))
    assert [citation.quote for citation in kept.citations] == QUOTES
    for citation, before in zip(
        (*kept.citations, *kept.withheld), (*answer.citations, answer.citations[0]), strict=True
    ):
        document = citation.document
        assert document.text[citation.start : citation.end] == citation.quote
        assert document.text == "\n".join(QUOTES)
        assert (citation.marker, citation.place) == (before.marker, before.place)
        assert (document.id, document.title, document.digest) == (LONG.id, LONG.title, LONG.digest)
        assert [document.text[one.start : one.end] for one in document.paragraphs] == QUOTES


def test_hits_are_bounded() -> None:
    answer = answer_quoting(LONG, QUOTES, "潮汐几次？")
    assert len(answer.hits) > MAX_HITS
    kept = Feedback(1, "2025-01-31T12:00:00Z", bounded(answer), True)
    assert kept.answer.hits == answer.hits[:MAX_HITS]
    assert len(kept.to_json()) < 10_000
    assert Feedback.from_json(1, "2025-01-31T12:00:00Z", kept.to_json()) == kept


def test_what_an_older_version_kept_whole_is_read() -> None:
    whole = Feedback(1, "2025-01-31T12:00:00Z", answer_quoting(LONG, QUOTES, "潮汐几次？"), False, correction="两次")
    again = Feedback.from_json(1, "2025-01-31T12:00:00Z", whole.to_json())
    assert again == whole
    assert Answer.from_json(again.answer.to_json()).citations[0].document.text == LONG.text
