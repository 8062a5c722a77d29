"""Pipeline: the one module that knows every step from a file to a store and from a question to an answer."""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from rag import small_talk, summary
from rag.answers import Answer, Check, Contradiction, Verdict
from rag.citations import Quote, attribute
from rag.comparison import compare
from rag.composition import Sourced, join, number, verbatim, with_comparison
from rag.contradictions import compare_values
from rag.conversation import Conversation, Conversations, Turn
from rag.documents import Document, read_document
from rag.embedder import Embedder, load_embedder
from rag.errors import DocumentError, InputError, ModelError, NotFoundError, QuestionError, StoreError
from rag.evidence import Setting
from rag.feedback import MAX_CORRECTION, Feedback
from rag.followups import complete
from rag.generator import Generator, ModelGenerator, Task, load_generator, rewrite
from rag.instructions import is_instruction
from rag.parts import split
from rag.passages import Passage, split_document
from rag.question import Asked, analyse
from rag.reader import Reading, read, refusal
from rag.reranker import LazyReranker
from rag.retriever import Hit, Retriever
from rag.settings import ARTICLE, EXTRACTIVE, Settings, default_store_folder
from rag.span_model import SpanModel, load_span_model
from rag.store import Store
from rag.verification import check_drafts, merged, notice

logger = logging.getLogger(__name__)

Retrieve = Callable[[str, int], list[Hit]]  # from a query and a k to the hits, best first
_FALLBACK = {
    "zh": "语言模型没有给出可用的回答，以下是原文的话。",
    "en": "The language model gave no usable answer; these are the words of the text.",
}
TURNS_FOR_MODEL = 4  # of the conversation, that a language model completes a question from
DOCUMENTS_OF_SUMMARY = 3  # where the question does not say which
SENTENCES_OF_MANY = 2  # of each of them
SENTENCES_OF_SUMMARY = 8
_NO_PART = {"zh": "原文没有那么多，只有{}。", "en": "The text has not as many: there are {}."}
_STOPPED = {"zh": "回答已停止。", "en": "The answer was stopped."}
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
        self.kept = Conversations(self.store)
        self.retriever = Retriever(self.store, self.embedder, settings, reranker)

    @cached_property
    def generator(self) -> Generator:
        """What writes the answers, loaded when it is first needed.

        Raises:
            ModelError: It cannot be loaded; not tried again, since that may take seconds.
        """
        if isinstance(self._loaded, ModelError):
            raise ModelError(str(self._loaded))
        return self._loaded

    @cached_property
    def _loaded(self) -> Generator | ModelError:
        try:
            return load_generator(self.settings)
        except ModelError as error:
            return error

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

    def ask(self, question: str, history: Sequence[Answer] = (), conversation: str | None = None) -> Answer:
        """Answer a question from the documents, or say that they do not tell.

        Args:
            question: In Chinese (simplified or traditional) or English.
            history: Earlier answers of the conversation, oldest first, to complete a follow-up from.
            conversation: The id of a kept conversation: its turns are the history, and the answer is appended to it.

        Raises:
            InputError: Both a history and a conversation are given, or the conversation is full.
            NotFoundError: There is no such conversation.
            QuestionError: The question is empty or longer than `settings.max_question` characters.
            StoreError: The store cannot be read or written.
        """
        *_, answer = self.stream(question, history, conversation)
        return answer

    def stream(
        self,
        question: str,
        history: Sequence[Answer] = (),
        conversation: str | None = None,
        stop: threading.Event | None = None,
    ) -> Iterator[Answer]:
        """Yield the answer as it grows, sentence by sentence; each is checked before it is shown.

        The last one is what `ask` returns. Where a model fails after some sentences, the next answer has others.

        Args:
            question: As for `ask`, like the next two.
            history: Earlier answers.
            conversation: The id of a kept conversation.
            stop: Ends the answer early when it is set; what was said until then is the answer, with a notice.

        Raises: As `ask` does.
        """
        if conversation is not None and history:
            raise InputError("A kept conversation has a history of its own. Leave one of the two out.")
        earlier = self.kept.load(conversation).answers if conversation is not None else history
        last: Answer | None = None
        for last in self._answers(question, self.retriever.retrieve, earlier, stop or threading.Event()):
            yield last
        if conversation is not None and last is not None:
            self.kept.append(conversation, last)

    def answer(
        self, question: str, retrieve: Callable[[str, int], list[Hit]], history: Sequence[Answer] = ()
    ) -> Answer:
        """Answer a question as `ask` does, from the hits that `retrieve` returns for a query and a k.

        Raises: As `ask` does.
        """
        *_, answer = self._answers(question, retrieve, history, threading.Event())
        return answer

    def _answers(
        self, question: str, retrieve: Retrieve, history: Sequence[Answer], stop: threading.Event
    ) -> Iterator[Answer]:
        """Yield the answer as it grows; begin again where the documents change meanwhile."""
        checked = self._checked(question)
        for _ in range(TRIES):
            generation = self.store.generation()
            try:
                yield from self._parts(checked, retrieve, history, stop)
            except (NotFoundError, IndexError):  # a document was removed or replaced between two readings of it
                if self.store.generation() == generation:
                    raise
                continue
            if self.store.generation() == generation:
                return
        raise StoreError("The documents kept changing while the question was answered. Ask again.")

    def _parts(
        self, question: str, retrieve: Retrieve, history: Sequence[Answer], stop: threading.Event
    ) -> Iterator[Answer]:
        """Yield the answer to a question that may be small talk, or ask for several facts."""
        if said := small_talk.reply(question):
            yield self._chat(question, said)
            return
        clock = _Clock()
        earlier = [answer for answer in history if answer.verdict != "chat"]
        bare = small_talk.strip_greeting(question)
        wanted = summary.request(bare)  # what the text says is asked of the text, whatever was spoken of before
        asked = analyse(bare) if wanted else self._completed(bare, earlier, stop)
        wanted = wanted or summary.request(asked.query)
        if wanted and (summarised := self._summary(question, asked, wanted, retrieve, earlier, clock)):
            yield summarised
            return
        comparison = compare(asked.query)
        questions = comparison.questions if comparison else split(asked.query)
        if len(questions) < 2:
            clock.lap("question")
            for answer in self._one(asked, retrieve, stop, clock):
                yield replace(answer, question=question)
            return
        done: list[Answer] = []
        joined: Answer | None = None
        for part in questions:
            if done and stop.is_set():
                break
            # A later part may point back at the first.
            asked = complete(analyse(part), done[:1])
            clock.lap("question")
            for answer in self._one(asked, retrieve, stop, clock):
                joined = join(question, [*done, answer])
                yield joined
            done.append(answer)
            clock = _Clock()
        if joined and len(done) < len(questions):
            yield replace(joined, verdict="partial", notice=f"{joined.notice} {_STOPPED[asked.language]}".strip())
        elif joined and comparison:
            yield with_comparison(joined, comparison)

    def _completed(self, question: str, history: Sequence[Answer], stop: threading.Event) -> Asked:
        """Return a question completed from the conversation, by the language model where there is one."""
        by_rule = complete(analyse(question), history)
        if not history or self.settings.generator == EXTRACTIVE:
            return by_rule
        turns = [(answer.query, answer.text) for answer in history[-TURNS_FOR_MODEL:]]
        try:
            generator = self.generator
            rewritten = rewrite(generator.model, question, turns, stop) if isinstance(generator, ModelGenerator) else ""
        except ModelError as error:
            logger.warning("The question was completed without the generator: %s", error)
            return by_rule
        changed = rewritten not in ("", question)
        return replace(analyse(rewritten), question=question) if changed else by_rule

    def _summary(
        self,
        question: str,
        asked: Asked,
        wanted: summary.SummaryRequest,
        retrieve: Retrieve,
        history: Sequence[Answer],
        clock: "_Clock",
    ) -> Answer | None:
        """Return the sentences that say most; None where a topic is named that no sentence mentions."""
        hits = tuple(retrieve(asked.query, self.settings.k))
        clock.lap("search")
        documents = self._documents_meant(wanted, hits, history)
        quotes: list[Quote] = []
        located = [(document, summary.locate(document, wanted)) for document in documents]
        for document, span in located:
            spans = summary.summarise(document, self.embedder, *span, topic=wanted.topic) if span else ()
            kept = spans if len(documents) == 1 or wanted.topic else spans[:SENTENCES_OF_MANY]
            quotes += (quote for start, end in kept if (quote := self._quote_of(document, start, end)))
        clock.lap("read")
        if not quotes and (wanted.topic or not documents):
            return None
        empty = Answer(
            question=question,
            query=asked.query,
            text="",
            verdict="answered" if quotes else "refused",
            sentences=(),
            citations=(),
            hits=hits,
            confidence=1.0,
            missing=(),
            checks=(),
            timings=dict(clock.laps),
            models={"embedder": self.embedder.name},
        )
        if not quotes:
            count = len(summary.parts_of(documents[0], wanted.scope))
            return replace(empty, text=_NO_PART[asked.language].format(count), confidence=0.0)
        return self._with(empty, [(_words(quote), (quote,)) for quote in quotes[:SENTENCES_OF_SUMMARY]], ())

    def _documents_meant(
        self, wanted: summary.SummaryRequest, hits: Sequence[Hit], history: Sequence[Answer]
    ) -> list[Document]:
        """Return the documents a summary is asked of: those found for its topic, that of the talk, or the newest."""
        ids = self.store.document_ids()
        if wanted.topic:
            ids = list(dict.fromkeys(hit.passage.document_id for hit in hits))
        elif spoken := [citation.document.id for answer in history[-1:] for citation in answer.citations]:
            ids = [id_ for id_ in ids if id_ == spoken[0]] or ids
        return [self.store.document(id_) for id_ in (ids if wanted.topic else ids[::-1])[:DOCUMENTS_OF_SUMMARY]]

    def _quote_of(self, document: Document, start: int, end: int) -> Quote | None:
        """Return words of a document as a quote, cut where their passage ends."""
        for passage in self.store.passages_of(document.id):
            if passage.start <= start < passage.end:
                return Quote(passage, start, min(end, passage.end))
        return None

    def _one(self, asked: Asked, retrieve: Retrieve, stop: threading.Event, clock: "_Clock") -> Iterator[Answer]:
        """Yield the answer to one question from the documents as they are, as it grows."""
        hits = tuple(retrieve(asked.query, self.settings.k))
        clock.lap("search")
        reading = read(asked, hits, self.setting_of, self.embedder, self.spans, self.settings.threshold)
        clock.lap("read")
        answer = Answer(
            question=asked.question,
            query=asked.query,
            text=reading.notice,
            verdict=reading.verdict,
            sentences=(),
            citations=(),
            hits=hits,
            confidence=reading.confidence,
            missing=reading.missing,
            checks=reading.checks,
            timings=dict(clock.laps),
            models={"embedder": self.embedder.name, "reader": self.spans.name},
            withheld=tuple(number([("", reading.withheld)], self.store.document)[1]),
        )
        if self.settings.generator != EXTRACTIVE and hits and not reading.certain:
            try:
                for written in self._written(answer, Task(asked, hits, reading, self._title_of), stop):
                    clock.lap("write")
                    yield replace(written, timings=dict(clock.laps))
                return
            except ModelError as error:
                logger.warning("The generator failed: %s", error)
                answer = replace(answer, notice=_FALLBACK[asked.language])
        if reading.verdict != "refused":
            answer = self._quoted(answer, asked, reading)
        clock.lap("cite")
        yield replace(answer, timings=dict(clock.laps))

    def _quoted(self, answer: Answer, asked: Asked, reading: Reading) -> Answer:
        """Return the answer in the words of the text; what other documents say of it stands with it, or beside it."""
        (quote,) = reading.quotes
        pairs = compare_values(asked, [_words(one) for one in (quote, *reading.others)])[: len(reading.others)]
        agreeing = [one for one, pair in zip(reading.others, pairs, strict=True) if pair.verdict == "agree"]
        differing = [(one, pair) for one, pair in zip(reading.others, pairs, strict=True) if pair.verdict == "differ"]
        quoted: list[Sourced] = [(_words(quote), (quote, *agreeing))]
        quoted += ((_words(one), (one,)) for one, _ in differing)
        answer = self._with(answer, quoted, check_drafts(quoted).checks)
        first, *others = answer.sentences
        contradictions = (
            Contradiction((first.markers[0], other.markers[0]), pair.values)
            for other, (_, pair) in zip(others, differing, strict=True)
        )
        return replace(answer, contradictions=tuple(contradictions))

    def _written(self, answer: Answer, task: Task, stop: threading.Event) -> Iterator[Answer]:
        """Yield the answer as a language model writes it: each sentence attributed, verified, mended or left out."""
        generator, language = self.generator, task.asked.language
        answer = replace(answer, models={**answer.models, "generator": generator.name}, notice="")
        kept: list[Sourced] = []
        checks: list[Check] = []
        replaced = dropped = invented = 0
        for draft in generator.write(task, stop):
            quotes = draft.quotes or attribute(draft.text, task.hits, draft.hints, self.embedder)
            quotes = tuple(quote for quote in quotes if not self._speaks_to_models(quote))
            verified = check_drafts([(draft.text, quotes)])
            kept += [one for one in verified.sentences if one not in kept]
            checks += verified.checks
            replaced, dropped = replaced + verified.replaced, dropped + verified.dropped
            invented += draft.invented
            if verified.sentences:
                yield self._with(replace(answer, verdict="answered"), kept, checks)
        remark = notice(replaced, dropped, language)
        if stop.is_set():
            remark = f"{remark} {_STOPPED[language]}".strip()
        if invented:
            checks.append(Check("markers", False, str(invented)))
        if kept:
            yield replace(self._with(replace(answer, verdict="answered"), kept, checks), notice=remark)
        elif dropped and not stop.is_set():
            raise ModelError(f"Nothing that the generator {generator.name!r} wrote stands in the documents.")
        elif stop.is_set():
            yield replace(answer, verdict="refused", text=remark, notice=remark)
        else:
            text = answer.text or refusal(task.asked, answer.missing)
            yield replace(answer, verdict="refused", text=text, checks=tuple(checks), notice=remark)

    def _speaks_to_models(self, quote: Quote) -> bool:
        return is_instruction(self.store.document(quote.passage.document_id).text, quote.start, quote.end)

    def _with(self, answer: Answer, sourced: Sequence[Sourced], checks: Sequence[Check]) -> Answer:
        """Return an answer with these sentences, their citations and the checks of both."""
        sentences, citations = number(sourced, self.store.document)
        return replace(
            answer,
            text="\n".join(sentence.text for sentence in sentences),
            sentences=tuple(sentences),
            citations=tuple(citations),
            checks=(*map(verbatim, citations), *merged(checks)),
            withheld=(),
        )

    def _chat(self, question: str, said: str) -> Answer:
        return Answer(
            question=question,
            query=question,
            text=said,
            verdict="chat",
            sentences=(),
            citations=(),
            hits=(),
            confidence=1.0,
            missing=(),
            checks=(),
            timings={},
            models={},
        )

    def setting_of(self, passage: Passage) -> Setting:
        """Return what a passage stands under, for the reader."""
        document = self.store.document(passage.document_id)
        article = document.article_at(passage.start)
        # A page of several articles takes its title from the first; the others do not stand under it.
        headline = article.title if len(document.articles) > 1 else f"{document.title} {article.title}"
        return Setting(headline, document.paragraph_at(passage.start).kind == "headline", document.text)

    def _title_of(self, passage: Passage) -> str:
        document = self.store.document(passage.document_id)
        return document.article_at(passage.start).title or document.title

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

    # -- Conversations -----------------------------------------------------------------------------

    def conversations(self) -> list[Conversation]:
        """Return all kept conversations without their turns, the one changed last first."""
        return self.kept.all()

    def start_conversation(self, title: str = "") -> Conversation:
        """Make a conversation; without a title it takes its first question for one. Raises as `Conversations.start`."""
        return self.kept.start(title)

    def conversation(self, conversation_id: str) -> Conversation:
        """Return a kept conversation with its turns and what became of their citations. Raises NotFoundError."""
        return self.kept.load(conversation_id)

    def rename_conversation(self, conversation_id: str, title: str) -> None:
        """Give a conversation another title. Raises InputError where it is too long, and NotFoundError."""
        self.kept.rename(conversation_id, title)

    def delete_conversation(self, conversation_id: str) -> None:
        """Delete a conversation with its turns; feedback stays. Raises NotFoundError."""
        self.kept.delete(conversation_id)

    def replace_turn(self, conversation_id: str, number: int, answer: Answer) -> Turn:
        """Put another answer in the place of a conversation's last turn. Raises as `Conversations.replace`."""
        return self.kept.replace(conversation_id, number, answer)

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


def _words(quote: Quote) -> str:
    return quote.passage.text[quote.start - quote.passage.start : quote.end - quote.passage.start]


@dataclass
class _Clock:
    """Milliseconds per stage."""

    laps: dict[str, float] = field(default_factory=dict)
    _last: float = field(default_factory=time.perf_counter)

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.laps[stage] = round(self.laps.get(stage, 0.0) + (now - self._last) * 1000, 3)
        self._last = now


__all__ = ["Addition", "Pipeline", "Verdict", "open"]
