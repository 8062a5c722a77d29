"""Feedback: what a user said of one answer, and its JSON form. It judges nothing; `Pipeline.add_feedback` checks it."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace

from rag.answers import Answer
from rag.citations import Citation
from rag.documents import Article, Document, Paragraph
from rag.spans import OriginMap

MAX_CORRECTION = 2000  # characters
MAX_FEEDBACK = 100_000  # in a store
MAX_RECORD = 250_000  # characters of one as it is kept
MAX_WHOLE = 20_000  # characters of all documents of an answer together, that are kept whole
MAX_HITS = 8  # of an answer that are kept


@dataclass(frozen=True)
class Feedback:
    """What a user said of an answer. The answer is kept with it (see `bounded`): its documents may change or go."""

    id: int  # from 1, in the order of giving
    added: str  # ISO 8601, in UTC: 2025-01-31T12:00:00Z
    answer: Answer
    good: bool
    correction: str = ""  # what should have been said, or ""
    marker: int | None = None  # of the citation it is about; None: the whole answer
    unanswerable: bool = False  # the user says that the text does not tell
    sentence: int | None = None  # of what was said (`Answer.said`), from 1, that it is about; None: the whole answer
    history: tuple[str, ...] = ()  # earlier questions of the conversation, oldest first

    def to_json(self) -> str:
        """Return all but `id` and `added`, which the store gives, as JSON."""
        record = {
            "answer": self.answer.to_dict(),
            "good": self.good,
            "correction": self.correction,
            "marker": self.marker,
            "unanswerable": self.unanswerable,
            "sentence": self.sentence,
            "history": list(self.history),
        }
        return json.dumps(record, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, id_: int, added: str, text: str) -> "Feedback":
        """Return the feedback that `to_json` was called on, with what the store gave it."""
        record = json.loads(text)
        return cls(
            id=id_,
            added=added,
            answer=Answer.from_dict(record["answer"]),
            good=record["good"],
            correction=record["correction"],
            marker=record["marker"],
            unanswerable=record["unanswerable"],
            sentence=record.get("sentence"),
            history=tuple(record["history"]),
        )


def bounded(answer: Answer) -> Answer:
    """Return an answer as it is kept: quotes, places and titles stay, however long the documents are.

    Where the documents it cites have more than `MAX_WHOLE` characters together, each holds the quotes alone, a
    paragraph each.
    """
    answer = replace(answer, hits=answer.hits[:MAX_HITS])
    cited = (*answer.citations, *answer.withheld)
    documents = {citation.document.id: citation.document for citation in cited}
    if sum(len(document.text) for document in documents.values()) <= MAX_WHOLE:
        return answer
    short = {
        id_: _of_quotes(document, (citation for citation in cited if citation.document.id == id_))
        for id_, document in documents.items()
    }

    def moved(citation: Citation) -> Citation:
        document = short[citation.document.id]
        start = document.text.index(citation.quote)
        return replace(citation, document=document, start=start, end=start + len(citation.quote))

    return replace(answer, citations=tuple(map(moved, answer.citations)), withheld=tuple(map(moved, answer.withheld)))


def _of_quotes(document: Document, citations: Iterable[Citation]) -> Document:
    """Return a document that holds quotes and nothing else, with the digest of the whole one."""
    quotes = list(dict.fromkeys(citation.quote for citation in citations))
    text = "\n".join(quotes)
    paragraphs, start = [], 0
    for number, quote in enumerate(quotes, 1):
        paragraphs.append(Paragraph(number, start, start + len(quote), "body"))
        start += len(quote) + 1
    return replace(
        document,
        text=text,
        origin=OriginMap.from_list([0, len(text)] if text else []),
        paragraphs=tuple(paragraphs),
        articles=(Article(document.title, 0, len(text)),),
        lines=(0,),
        pages=(),
        file_text="",
    )
