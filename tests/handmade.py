"""Answers made by hand, and a pipeline that gives them: what the faces need, without any model."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rag.answers import Answer, Check, Sentence, Verdict
from rag.citations import Citation, cite
from rag.documents import Document, document_from_text, read_document
from rag.errors import DocumentError, InputError, NotFoundError, QuestionError
from rag.feedback import Feedback
from rag.passages import Passage
from rag.pipeline import Addition
from rag.retriever import ArmRank, Hit

MOON = document_from_text(
    "月球与潮汐\n\n月球绕地球一周约需二十七天。\n\n潮汐由月球的引力造成，每天两次。\n",
    source="/texts/moon.txt",
)
HOSTILE = document_from_text(
    "<img src=x onerror=alert(1)> `${7*7}` {{7*7}} [bold]\n\n"
    "甲说：</p><script>window.hacked = 1</script>，乙说：&amp; \x1b]0;title\x07 ok。\n",
    source="/texts/<b>hostile</b>.txt",
)


def passage_of(document: Document, number: int) -> Passage:
    """Return a whole paragraph as a passage."""
    paragraph = document.paragraphs[number - 1]
    start, end = paragraph.start, paragraph.end
    return Passage(f"{document.id}-{number}", document.id, start, end, document.text[start:end])


def answer_quoting(document: Document, quotes: Sequence[str], question: str, query: str = "") -> Answer:
    """Return an answer whose sentences are these words of a document."""
    citations = []
    for marker, quote in enumerate(quotes, 1):
        start = document.text.index(quote)
        passage = passage_of(document, document.paragraph_at(start).number)
        citations.append(cite(marker, document, passage, start, start + len(quote)))
    sentences = tuple(Sentence(citation.quote, (citation.marker,)) for citation in citations)
    return _answer(question, query or question, document, "answered", sentences, tuple(citations))


def refusal(document: Document, question: str, missing: tuple[str, ...] = ()) -> Answer:
    """Return a refusal whose nearest passages are the paragraphs of a document."""
    return _answer(question, question, document, "refused", (), (), missing)


def _answer(
    question: str,
    query: str,
    document: Document,
    verdict: Verdict,
    sentences: tuple[Sentence, ...],
    citations: tuple[Citation, ...],
    missing: tuple[str, ...] = (),
) -> Answer:
    passages = [passage_of(document, paragraph.number) for paragraph in document.paragraphs]
    hits = [Hit(passage, rank, 1 / rank, {"dense": ArmRank(rank, 0.5)}) for rank, passage in enumerate(passages, 1)]
    return Answer(
        question=question,
        query=query,
        text="\n".join(sentence.text for sentence in sentences) or "文章没有说。",
        verdict=verdict,
        sentences=sentences,
        citations=citations,
        hits=tuple(hits),
        confidence=0.9 if citations else 0.1,
        missing=missing,
        checks=(Check("verbatim", True, "[1]"),) if citations else (),
        timings={"read": 1.5},
        models={"embedder": "none", "reader": "hand"},
    )


class HandmadeStore:
    """What the faces ask of a store."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self.known = {document.id: document for document in documents}

    def document(self, document_id: str) -> Document:
        if document_id not in self.known:
            raise NotFoundError(f"no document {document_id!r}")
        return self.known[document_id]

    def document_ids(self) -> list[str]:
        return list(self.known)


class HandmadePipeline:
    """Gives known answers; knows the rest as a refusal. `asked` keeps questions with their histories.

    Takes any feedback but the corrections "bad" and "fail", and keeps it in `given`.
    """

    def __init__(self, answers: Sequence[Answer] = (), documents: Sequence[Document] = (MOON, HOSTILE)) -> None:
        self.answers = {answer.question: answer for answer in answers}
        self.store = HandmadeStore(documents)
        self.asked: list[tuple[str, tuple[Answer, ...]]] = []
        self.given: list[Feedback] = []
        self.closed = False

    def ask(self, question: str, history: Sequence[Answer] = ()) -> Answer:
        if not question.strip():
            raise QuestionError("The question is empty.")
        if question == "fail":
            raise RuntimeError("secret detail")
        self.asked.append((question, tuple(history)))
        return self.answers.get(question) or refusal(MOON, question, ("火星",))

    def add_feedback(
        self,
        answer: Answer,
        good: bool,
        *,
        correction: str = "",
        marker: int | None = None,
        sentence: int | None = None,
        unanswerable: bool = False,
        history: Sequence[Answer] = (),
    ) -> Feedback:
        if correction == "bad":
            raise InputError("The correction is <bad>.")
        if correction == "fail":
            raise RuntimeError("secret detail")
        questions = tuple(earlier.question for earlier in history)
        number = len(self.given) + 1
        self.given.append(Feedback(number, "now", answer, good, correction, marker, unanswerable, sentence, questions))
        return self.given[-1]

    def add_all(self, paths: Iterable[Path | Document]) -> Iterator[Addition]:
        for path in paths:
            try:
                document = path if isinstance(path, Document) else read_document(path)
            except DocumentError as error:
                yield Addition(str(path), "failed", None, 0, str(error), error.chinese)
                continue
            outcome = "unchanged" if document.id in self.store.known else "added"
            self.store.known[document.id] = document
            yield Addition(str(path), outcome, document, 0 if outcome == "unchanged" else 1)  # type: ignore[arg-type]

    def document(self, document_id: str) -> Document:
        return self.store.document(document_id)

    def remove(self, document_id: str) -> Document:
        document = self.store.document(document_id)
        del self.store.known[document_id]
        return document

    def passages(self, document_id: str) -> list[Passage]:
        document = self.document(document_id)
        return [passage_of(document, paragraph.number) for paragraph in document.paragraphs]

    def close(self) -> None:
        self.closed = True
