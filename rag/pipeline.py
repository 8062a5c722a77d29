"""Pipeline: the one module that knows every step from a file to a store and from a question to an answer."""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from rag.answers import Answer, Check, Sentence, Verdict
from rag.citations import Citation, Quote, cite
from rag.documents import Document, read_document
from rag.embedder import Embedder, load_embedder
from rag.errors import DocumentError, InputError, NotFoundError, QuestionError, StoreError
from rag.evidence import Setting
from rag.feedback import MAX_CORRECTION, Feedback
from rag.passages import Passage, split_document
from rag.question import Asked, analyse, complete
from rag.reader import Reading, read
from rag.reranker import LazyReranker
from rag.retriever import Hit, Retriever
from rag.settings import ARTICLE, Settings, default_store_folder
from rag.span_model import SpanModel, load_span_model
from rag.store import Store

TRIES = 10  # to answer from documents that did not change meanwhile
PASSAGES_PER_TRANSACTION = 512  # embedded and written at once when many documents are added


@dataclass(frozen=True)
class Addition:
    """What became of one file that was to be added."""

    path: str
    outcome: Literal["added", "replaced", "unchanged", "failed"]
    document: Document | None  # None where it failed
    passages: int  # 0 where nothing was written
    error: str = ""


class Pipeline:
    """A store with what it takes to fill it and to answer from it."""

    def __init__(self, folder: Path, settings: Settings, embedder: Embedder | None = None) -> None:
        """Open the store in `folder`, making it where there is none.

        Args:
            folder: See `rag.store.Store`.
            settings: Decide the embedder, the cut of passages and the search.
            embedder: Taken instead of the one the settings name.

        Raises:
            ModelError: The embedder cannot be loaded.
            StoreError: The store cannot be opened.
        """
        self.settings = settings
        self.embedder = embedder or load_embedder(settings)
        self.store = Store(folder, self.embedder, settings.passage_size)
        reranker = LazyReranker(settings) if settings.reranker else None
        self.retriever = Retriever(self.store, self.embedder, settings, reranker)

    @cached_property
    def spans(self) -> SpanModel:
        """The model that proposes the words of an answer, loaded when a question is first asked."""
        return load_span_model(self.settings)

    def close(self) -> None:
        """Close the store."""
        self.store.close()

    # -- Documents ---------------------------------------------------------------------------------

    def add(self, path: str | os.PathLike[str]) -> Addition:
        """Add one file; a changed one replaces its old self, an unchanged one is left as it is.

        Raises:
            DocumentError: The file cannot be read; nothing is changed.
            StoreError: It cannot be written; nothing is changed.
        """
        (addition,) = self.add_all([path], strict=True)
        return addition

    def add_all(
        self,
        paths: Iterable[str | os.PathLike[str] | Document],
        strict: bool = False,
    ) -> Iterator[Addition]:
        """Add many files in bounded batches, yielding what became of each.

        Args:
            paths: Files, or documents. A file that cannot be read is yielded as failed, and the others go on.
            strict: Raise the DocumentError of a file instead.
        """
        batch: list[tuple[Addition, Sequence[Passage]]] = []
        waiting = 0
        for path in paths:
            try:
                document = path if isinstance(path, Document) else read_document(Path(path))
            except DocumentError as error:
                if strict:
                    raise
                yield Addition(str(path), "failed", None, 0, str(error))
                continue
            name = document.source if isinstance(path, Document) else str(path)
            addition, passages = self._prepare(name, document)
            if not passages:
                yield addition
                continue
            batch.append((addition, passages))
            waiting += len(passages)
            if waiting >= PASSAGES_PER_TRANSACTION:
                yield from self._write(batch)
                batch, waiting = [], 0
        yield from self._write(batch)

    def add_document(self, document: Document, mark: str | None = None) -> Addition:
        """Add a document made by `rag.documents.document_from_text`, as `add` does a file; `mark`: see `Store.put`."""
        addition, passages = self._prepare(document.source, document)
        if passages:
            (addition,) = self._write([(addition, passages)], mark)
        return addition

    def _prepare(self, name: str, document: Document) -> tuple[Addition, list[Passage]]:
        """Return what will become of a document, and its passages: none where it is there already."""
        known = self.store.digest(document.id)
        if known == document.digest:
            return Addition(name, "unchanged", document, 0), []
        passages = split_document(document, self._fits)
        return Addition(name, "replaced" if known else "added", document, len(passages)), passages

    def _write(
        self, batch: Sequence[tuple[Addition, Sequence[Passage]]], mark: str | None = None
    ) -> Iterator[Addition]:
        """Embed and store a batch as one transaction, then tell what became of each file."""
        embeddings = self.embedder.embed_passages([passage.text for _, passages in batch for passage in passages])
        rows, start = [], 0
        for addition, passages in batch:
            if addition.document is not None:
                rows.append((addition.document, passages, embeddings[start : start + len(passages)]))
            start += len(passages)
        if rows:
            self.store.put(rows, mark)
        yield from (addition for addition, _ in batch)

    def _fits(self, text: str) -> bool:
        if len(text) > self.settings.passage_size:
            return False
        limit = self.embedder.max_tokens
        return limit is None or self.embedder.count_tokens(text) <= limit

    def documents(self) -> list[Document]:
        """Return all documents, in the order of adding."""
        return [self.store.document(document_id) for document_id in self.store.document_ids()]

    def document(self, document_id: str) -> Document:
        """Return the document whose id is, or alone begins with, `document_id`.

        Raises:
            NotFoundError: There is none, or more than one.
        """
        if self.store.digest(document_id) is not None:
            return self.store.document(document_id)
        found = [known for known in self.store.document_ids() if known.startswith(document_id)] if document_id else []
        if len(found) != 1:
            what = f"{len(found)} documents whose ids begin" if found else "no document whose id is or begins"
            raise NotFoundError(f"The store holds {what} with {document_id!r}. `rag list` shows the ids.")
        return self.store.document(found[0])

    def remove(self, document_id: str) -> Document:
        """Remove a document and return it. Raises NotFoundError as `document` does."""
        document = self.document(document_id)
        self.store.remove(document.id)
        return document

    def passages(self, document_id: str) -> list[Passage]:
        """Return the passages a document was cut into. Raises NotFoundError as `document` does."""
        return self.store.passages_of(self.document(document_id).id)

    # -- Questions ---------------------------------------------------------------------------------

    def search(self, query: str, k: int | None = None) -> list[Hit]:
        """Return up to k hits for a query, best first."""
        return self.retriever.retrieve(self._checked(query), k or self.settings.k)

    def ask(self, question: str, history: Sequence[Answer] = ()) -> Answer:
        """Answer a question from the documents, or say that they do not tell.

        Args:
            question: In Chinese (simplified or traditional) or English.
            history: Earlier answers of the conversation, oldest first, to complete a follow-up from.

        Raises:
            QuestionError: The question is empty or longer than `settings.max_question` characters.
            StoreError: The store cannot be read.
        """
        return self.answer(question, self.retriever.retrieve, history)

    def answer(
        self, question: str, retrieve: Callable[[str, int], list[Hit]], history: Sequence[Answer] = ()
    ) -> Answer:
        """Answer a question as `ask` does, from the hits that `retrieve` returns for a query and a k.

        Raises: As `ask` does.
        """
        checked = self._checked(question)
        for _ in range(TRIES):
            generation = self.store.generation()
            try:
                answer = self._answer(checked, retrieve, history)
            except (NotFoundError, IndexError):  # a document was removed or replaced between two readings of it
                if self.store.generation() == generation:
                    raise
                continue
            if self.store.generation() == generation:
                return answer
        raise StoreError("The documents kept changing while the question was answered. Ask again.")

    def _answer(self, question: str, retrieve: Callable[[str, int], list[Hit]], history: Sequence[Answer]) -> Answer:
        """Answer a question from the documents as they are; what changes meanwhile may be missed or half seen."""
        clock = _Clock()
        asked = complete(analyse(question), [analyse(answer.query) for answer in history])
        clock.lap("question")
        hits = retrieve(asked.query, self.settings.k)
        clock.lap("search")
        reading = read(asked, hits, self.setting_of, self.embedder, self.spans, self.settings.threshold)
        clock.lap("read")
        answer = self._compose(question, asked, hits, reading)
        clock.lap("cite")
        return replace(answer, timings=clock.laps)

    def setting_of(self, passage: Passage) -> Setting:
        """Return what a passage stands under, for the reader."""
        document = self.store.document(passage.document_id)
        article = document.article_at(passage.start)
        # A page of several articles takes its title from the first; the others do not stand under it.
        headline = article.title if len(document.articles) > 1 else f"{document.title} {article.title}"
        return Setting(headline, document.paragraph_at(passage.start).kind == "headline")

    def _compose(self, question: str, asked: Asked, hits: Sequence[Hit], reading: Reading) -> Answer:
        citations = self._cite(reading.quotes)
        sentences = [Sentence(citation.quote, (citation.marker,)) for citation in citations]
        return Answer(
            question=question,
            query=asked.query,
            text="\n".join(sentence.text for sentence in sentences) or reading.notice,
            verdict=reading.verdict,
            sentences=tuple(sentences),
            citations=tuple(citations),
            hits=tuple(hits),
            confidence=reading.confidence,
            missing=reading.missing,
            checks=tuple(_verbatim(citation) for citation in citations) + reading.checks,
            timings={},
            models={"embedder": self.embedder.name, "reader": self.spans.name},
            withheld=tuple(self._cite(reading.withheld)),
        )

    def _cite(self, quotes: Sequence[Quote]) -> list[Citation]:
        return [
            cite(marker, self.store.document(quote.passage.document_id), quote.passage, quote.start, quote.end)
            for marker, quote in enumerate(quotes, start=1)
        ]

    def _checked(self, question: str) -> str:
        """Return the question without surrounding white space, or say why it cannot be asked."""
        stripped = _characters(question)
        if not any(character.isalnum() for character in stripped):
            raise QuestionError("The question is empty. Ask something, for instance: 柳州的四大定位是什么")
        if len(stripped) > self.settings.max_question:
            raise QuestionError(
                f"The question has {len(stripped)} characters; at most {self.settings.max_question} can be asked. "
                "Shorten it, or add the text as a document and ask about it."
            )
        return stripped

    # -- Feedback ----------------------------------------------------------------------------------

    def add_feedback(
        self,
        answer: Answer,
        good: bool,
        *,
        correction: str = "",
        marker: int | None = None,
        unanswerable: bool = False,
        history: Sequence[Answer] = (),
    ) -> Feedback:
        """Keep what a user said of an answer. Nothing is replaced: of two on one answer, the later one counts.

        Args:
            answer: As `ask` returned it.
            good: Whether it is right.
            correction: What should have been said.
            marker: Of the citation it is about; None for the whole answer.
            unanswerable: The user says that the text does not tell.
            history: Earlier answers of the conversation, as given to `ask`; their questions are kept.

        Raises:
            InputError: The answer has no such citation, the correction is too long, or what is said of the
                answer contradicts itself. Nothing is kept.
            StoreError: It cannot be written; nothing is changed.
        """
        corrected = _characters(correction)
        markers = [citation.marker for citation in answer.citations]
        if marker is not None and marker not in markers:
            which = f"it has {', '.join(f'[{known}]' for known in markers)}" if markers else "it has none"
            raise InputError(f"The answer has no citation [{marker}]: {which}. Leave the marker out to mean all of it.")
        if len(corrected) > MAX_CORRECTION:
            raise InputError(
                f"The correction has {len(corrected)} characters; at most {MAX_CORRECTION} can be kept. "
                "Shorten it to what should have been said."
            )
        if unanswerable and corrected:
            raise InputError(
                "A text that does not tell has no right answer. Give a correction, or say it does not tell."
            )
        if good and (corrected or unanswerable):
            raise InputError("A right answer needs no correction. Say that it is wrong, or leave the correction out.")
        questions = tuple(earlier.question for earlier in history)
        given = Feedback(0, "", answer, good, corrected, marker, unanswerable, questions)
        id_, added = self.store.add_feedback(given.to_json())
        return replace(given, id=id_, added=added)

    def feedback(self) -> list[Feedback]:
        """Return all feedback, oldest first.

        Raises:
            StoreError: It cannot be read.
        """
        return [self._feedback(*row) for row in self.store.feedback_records()]

    def _feedback(self, id_: int, added: str, record: str) -> Feedback:
        try:
            return Feedback.from_json(id_, added, record)
        except (ValueError, LookupError, TypeError) as error:
            raise StoreError(
                f"Feedback {id_} of the store in {self.store.folder} is damaged. Nothing was deleted. Put back a copy "
                "of the store."
            ) from error


def open(  # noqa: A001 - the name users expect: rag.open()
    folder: str | os.PathLike[str] | None = None,
    settings: Settings | None = None,
    embedder: Embedder | None = None,
) -> Pipeline:
    """Open a store, making it where there is none, and return what answers from it.

    Args:
        folder: A store of one's own. Without it, the user's default store ($RAG_STORE, else in the
            user's data folder), which holds the bundled article from the start.
        settings: See `rag.Settings`.
        embedder: Taken instead of the one the settings name.

    Raises:
        ModelError: The embedder cannot be loaded.
        StoreError: The store cannot be opened.
    """
    if folder is not None and not str(folder):
        raise InputError("The folder of a store cannot be an empty name.")
    place = default_store_folder() if folder is None else Path(folder).expanduser()
    chat = Pipeline(place, settings or Settings(), embedder)
    if folder is None and not chat.store.has_mark(ARTICLE.name):
        # The mark and the article come in one transaction: an article that was removed stays removed,
        # and a process killed here leaves neither.
        chat.add_document(read_document(ARTICLE), mark=ARTICLE.name)
    return chat


def _characters(text: str) -> str:
    """Return a user's text without surrounding white space."""
    # Half a surrogate pair, as broken programs send it, is no character: no library takes it.
    return text.strip().encode("utf-8", "replace").decode("utf-8")


def _verbatim(citation: Citation) -> Check:
    passed = citation.document.text[citation.start : citation.end] == citation.quote
    return Check("verbatim", passed, f"[{citation.marker}]")


@dataclass
class _Clock:
    """Milliseconds per stage."""

    laps: dict[str, float] = field(default_factory=dict)
    _last: float = field(default_factory=time.perf_counter)

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.laps[stage] = round((now - self._last) * 1000, 3)
        self._last = now


__all__ = ["Addition", "Pipeline", "Verdict", "open"]
