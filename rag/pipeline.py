"""Pipeline: the one module that knows every step from a file to a store and from a question to an answer."""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Generator as Steps
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from rag import small_talk, summary
from rag.answers import MAX_NEARLY, Answer, Check, Contradiction, Verdict, not_cited
from rag.chat import UnreachableError, UnusableError
from rag.citations import Quote, attribute
from rag.claims import Verification, verify_text
from rag.comparison import compare
from rag.composition import Sourced, join, number, verbatim, with_comparison
from rag.contradictions import compare_values
from rag.conversation import Conversation, Conversations, Turn
from rag.documents import Document, read_document
from rag.embedder import Embedder, load_embedder
from rag.errors import DocumentError, InputError, Language, ModelError, NotFoundError, QuestionError, StoreError
from rag.evidence import Setting
from rag.feedback import MAX_CORRECTION, MAX_FEEDBACK, MAX_RECORD, Feedback, bounded
from rag.followups import complete
from rag.generator import Generator, ModelGenerator, Task, load_generator, rewrite
from rag.instructions import is_instruction
from rag.parts import split
from rag.passages import Passage, split_document
from rag.question import Asked, analyse
from rag.reader import Reading, read, refusal
from rag.reranker import LazyReranker
from rag.retriever import Hit, Retriever
from rag.settings import ARTICLE, EXTRACTIVE, STORE_FILE, Settings, default_store_folder
from rag.span_model import SpanModel, load_span_model
from rag.store import SHOWN_ID, Listed, Removed, Store
from rag.verification import check_drafts, merged, notice

logger = logging.getLogger(__name__)

Retrieve = Callable[[str, int], list[Hit]]  # from a query and a k to the hits, best first
_UNREACHABLE: Mapping[Language, str] = {
    "zh": "连不上语言模型的服务器，以下是原文的话。",
    "en": "The language model's server could not be reached; these are the words of the text.",
}
_UNUSABLE: Mapping[Language, str] = {
    "zh": "语言模型没有给出可用的回答，以下是原文的话。",
    "en": "The language model gave no usable answer; these are the words of the text.",
}
_FAILED: Mapping[Language, str] = {
    "zh": "语言模型出错，以下是原文的话。",
    "en": "The language model failed; these are the words of the text.",
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
    chinese: str = ""  # the error in Chinese
    before: Removed | None = None  # what it replaced, where that was asked for


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
        self._reranker_name = {} if reranker is None else {"reranker": reranker.name}
        self.kept = Conversations(self.store)
        self.retriever = Retriever(self.store, self.embedder, settings, reranker)

    @cached_property
    def generator(self) -> Generator:
        """What writes the answers, loaded when it is first needed.

        Raises:
            ModelError: It cannot be loaded; not tried again, since that may take seconds.
        """
        if isinstance(self._loaded, ModelError):
            raise ModelError(str(self._loaded), self._loaded.chinese)
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
                yield Addition(str(path), "failed", None, 0, str(error), error.chinese)
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

    def add_document(self, document: Document, mark: str | None = None, copies: bool = False) -> Addition:
        """Add a document made by `rag.documents.document_from_text`, as `add` does a file.

        Args:
            document: What to add.
            mark: See `Store.put`.
            copies: Let `Addition.before` be what it replaced, for `restore`.
        """
        addition, passages = self._prepare(document.source, document)
        if passages:
            (addition,) = self._write([(addition, passages)], mark, copies)
        return addition

    def _prepare(self, name: str, document: Document) -> tuple[Addition, list[Passage]]:
        """Return what will become of a document, and its passages: none where it is there already."""
        known = self.store.digest(document.id)
        if known == document.digest:
            return Addition(name, "unchanged", document, 0), []
        passages = split_document(document, self._fits)
        return Addition(name, "replaced" if known else "added", document, len(passages)), passages

    def _write(
        self, batch: Sequence[tuple[Addition, Sequence[Passage]]], mark: str | None = None, copies: bool = False
    ) -> Iterator[Addition]:
        """Embed and store a batch as one transaction, then tell what became of each file."""
        embeddings = self.embedder.embed_passages([passage.text for _, passages in batch for passage in passages])
        rows, start = [], 0
        for addition, passages in batch:
            if addition.document is not None:
                rows.append((addition.document, passages, embeddings[start : start + len(passages)]))
            start += len(passages)
        replaced = {one.document.id: one for one in self.store.put(rows, mark, copies)} if rows else {}
        for addition, _ in batch:
            before = None if addition.document is None else replaced.get(addition.document.id)
            yield addition if before is None else replace(addition, before=before)

    def _fits(self, text: str) -> bool:
        return _fits(text, self.settings, self.embedder)

    def preview(self, document: Document) -> list[Passage]:
        """Return the passages that a document would be cut into if it was added. Nothing is written."""
        return split_document(document, self._fits)

    def documents(self) -> list[Document]:
        """Return all documents, in the order of adding."""
        return [self.store.document(document_id) for document_id in self.store.document_ids()]

    def listed(self) -> list[Listed]:
        """Return what a list of documents says of each, in the order of adding, without loading their texts."""
        return self.store.listed()

    def document(self, document_id: str) -> Document:
        """Return the document whose id is, or alone begins with, `document_id`.

        Raises:
            NotFoundError: There is none, or more than one.
        """
        if self.store.digest(document_id) is not None:
            return self.store.document(document_id)
        found = [known for known in self.store.document_ids() if known.startswith(document_id)] if document_id else []
        if len(found) != 1:
            shown = document_id[:SHOWN_ID]
            if found:
                raise NotFoundError(
                    f"There are {len(found)} documents whose ids begin with {shown!r}. Give more of it.",
                    f"有 {len(found)} 份文档的编号以 {shown} 开头。请从文档列表中选择。",
                    of="document",
                )
            raise NotFoundError(
                f"There is no document whose id is or begins with {shown!r}; it may have been removed.",
                "这份文档不存在，可能已被移除。请从文档列表中选择。",
                of="document",
            )
        return self.store.document(found[0])

    def remove(self, document_id: str) -> Document:
        """Remove a document and return it. Raises NotFoundError as `document` does."""
        document = self.document(document_id)
        self.store.remove(document.id)
        return document

    def take_out(self, document_id: str) -> Removed:
        """Remove a document, and return what `restore` brings it back from. Raises NotFoundError as `document` does."""
        return self.store.take_out(self.document(document_id).id)

    def copied(self, document_id: str) -> Removed:
        """Return what `restore` brings a document back from, before another takes its place. Raises NotFoundError."""
        return self.store.copied(self.document(document_id).id)

    def restore(self, removed: Removed, replace: bool = False) -> Document:
        """Bring back a document as it was, in its place, without embedding it anew; return it.

        Args:
            removed: What `take_out` or `copied` returned.
            replace: What has its id now gives way to it.

        Raises:
            InputError: It was added again since (without `replace`), or the store was indexed with another embedder;
                nothing is changed.
            StoreError: It cannot be written; nothing is changed.
        """
        self.store.put_back(removed, replace)
        return removed.document

    def file_text(self, document_id: str) -> str | None:
        """Return the text of a document's file as it was decoded; None where an older version did not keep it."""
        return self.store.file_text(document_id)

    def passages(self, document_id: str) -> list[Passage]:
        """Return the passages a document was cut into. Raises NotFoundError as `document` does."""
        return self.store.passages_of(self.document(document_id).id)

    # -- Questions ---------------------------------------------------------------------------------

    def search(self, query: str, k: int | None = None) -> list[Hit]:
        """Return up to k hits for a query, best first."""
        return self.retriever.retrieve(self._checked(query), k or self.settings.k)

    def verify(self, text: str) -> Verification:
        """Verify a text that somebody wrote, as another model's answer, sentence by sentence against the documents.

        Raises:
            InputError: The text is empty, or longer than `rag.claims.MAX_TEXT` characters or `MAX_CLAIMS` sentences.
            StoreError: The store cannot be read.
        """

        def retrieve(said: str) -> list[Hit]:
            return self.retriever.retrieve(said[: self.settings.max_question], self.settings.k)

        for _ in range(TRIES):
            generation = self.store.generation()
            try:
                return verify_text(
                    _characters(text),
                    retrieve,
                    self.embedder,
                    self.store.document,
                    lambda quote: not self._speaks_to_models(quote),
                )
            except (NotFoundError, IndexError):  # as in `_answers`
                if self.store.generation() == generation:
                    raise
        raise StoreError(
            "The documents kept changing while the text was verified. Verify it again.",
            "核对时文档一直在变化，请再核对一次。",
        )

    def ask(
        self,
        question: str,
        history: Sequence[Answer] = (),
        conversation: str | None = None,
        owner: str | None = None,
        replace: bool = False,
    ) -> Answer:
        """Answer a question from the documents, or say that they do not tell.

        Args:
            question: In Chinese (simplified or traditional) or English.
            history: Earlier answers of the conversation, oldest first, to complete a follow-up from.
            conversation: The id of a kept conversation: its turns are the history, and the answer is appended to it.
            owner: Whose the conversation has to be; None for anybody's.
            replace: Put the answer in the place of the conversation's last turn; the turns before are the history.

        Raises:
            InputError: Both a history and a conversation are given, the conversation is full, or there is nothing
                to replace.
            NotFoundError: There is no such conversation, or it is another owner's.
            QuestionError: The question is empty or longer than `settings.max_question` characters.
            StoreError: The store cannot be read or written.
        """
        *_, answer = self.stream(question, history, conversation, owner=owner, replace=replace)
        return answer

    def stream(
        self,
        question: str,
        history: Sequence[Answer] = (),
        conversation: str | None = None,
        stop: threading.Event | None = None,
        owner: str | None = None,
        replace: bool = False,
    ) -> Steps[Answer, None, Turn | None]:
        """Yield the answer as it grows, sentence by sentence; each is checked before it is shown.

        The last one is what `ask` returns. Where a model fails after some sentences, the next answer has others. The
        answer is kept in its conversation once all are taken; a caller who leaves before that keeps nothing.

        Args:
            question: As for `ask`, like the others but `stop`.
            history: Earlier answers.
            conversation: The id of a kept conversation.
            stop: Ends the answer early when it is set; what was said until then is the answer, with a notice, and is
                kept. Where nothing was said it takes no other answer's place.
            owner: Whose the conversation has to be.
            replace: Put the answer in the place of the last turn.

        Returns:
            The kept turn, with its number (`turn = yield from chat.stream(…)`); None without a conversation.

        Raises: As `ask` does.
        """
        stop = stop or threading.Event()
        last: Answer | None = None
        if conversation is None:
            if replace:
                raise InputError(
                    "Only a turn of a kept conversation can be replaced. Name the conversation.",
                    "只能替换已保存的对话里的回答。请指明是哪个对话。",
                )
            yield from self._answers(question, self.retriever.retrieve, history, stop)
            return None
        if history:
            raise InputError(
                "A kept conversation has a history of its own. Leave one of the two out.",
                "已保存的对话自带上文，不能再另给上文。请去掉其中一个。",
            )
        kept = self.kept.load(conversation, owner)
        if replace and not kept.turns:
            raise InputError(
                "The conversation has no turn that could be replaced. Ask a new question.",
                "这段对话里还没有回答可以替换。请直接提问。",
            )
        if not replace:
            self.kept.check_room(kept)
        earlier = kept.answers[:-1] if replace else kept.answers
        for last in self._answers(question, self.retriever.retrieve, earlier, stop):
            yield last
        if last is None:
            return None
        if replace:
            before = kept.turns[-1]
            if stop.is_set() and not last.sentences:
                return before
            return self.kept.replace(conversation, before.number, last, owner, before.answer.question)
        return self.kept.append(conversation, last, owner)

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
        raise StoreError(
            "The documents kept changing while the question was answered. Ask again.",
            "回答问题的时候，文档一直在变动。请再问一次。",
        )

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
            yield replace(_stopped(joined, asked.language), verdict="partial" if joined.sentences else "refused")
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
            models={"embedder": self.embedder.name, **self._reranker_name},
        )
        if not quotes:
            count = len(summary.parts_of(documents[0], wanted.scope))
            return replace(empty, text=_NO_PART[asked.language].format(count), confidence=0.0)
        return self._with(empty, [(_words(quote), (quote,)) for quote in quotes[:SENTENCES_OF_SUMMARY]], ())

    def _documents_meant(
        self, wanted: summary.SummaryRequest, hits: Sequence[Hit], history: Sequence[Answer]
    ) -> list[Document]:
        """Return the documents a summary is asked of: those found for its topic, that of the talk, or the newest."""
        ids = self.store.document_ids(newest=True)
        if wanted.topic:
            ids = list(dict.fromkeys(hit.passage.document_id for hit in hits))
        elif spoken := [citation.document.id for answer in history[-1:] for citation in answer.citations]:
            ids = [id_ for id_ in ids if id_ == spoken[0]] or ids
        return [self.store.document(id_) for id_ in ids[:DOCUMENTS_OF_SUMMARY]]

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
            models={"embedder": self.embedder.name, "reader": self.spans.name, **self._reranker_name},
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
                answer = replace(answer, notice=_reason(error)[asked.language])
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
        nearly = not_cited(reading.nearly, answer.citations)[:MAX_NEARLY]
        return replace(answer, contradictions=tuple(contradictions), nearly=nearly)

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
        if invented:
            checks.append(Check("markers", False, str(invented)))
        if kept:
            whole = replace(self._with(replace(answer, verdict="answered"), kept, checks), notice=remark)
            yield _stopped(whole, language) if stop.is_set() else whole
        elif stop.is_set():
            yield _stopped(replace(answer, notice=remark), language)
        elif dropped:
            raise UnusableError(
                f"Nothing that the generator {generator.name!r} wrote stands in the documents.",
                f"语言模型 {generator.name!r} 写的话，在文档里都找不到依据。",
            )
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
            raise QuestionError(
                "The question is empty. Ask something, for instance: 柳州的四大定位是什么",
                "问题是空的。请提一个问题，例如：柳州的四大定位是什么",
            )
        if len(stripped) > self.settings.max_question:
            raise QuestionError(
                f"The question has {len(stripped)} characters; at most {self.settings.max_question} can be asked. "
                "Shorten it, or add the text as a document and ask about it.",
                f"问题有 {len(stripped)} 个字，最多只能有 {self.settings.max_question} 个。"
                "请缩短，或者把这段文字作为文档加入，再来提问。",
            )
        return stripped

    # -- Conversations -----------------------------------------------------------------------------

    def conversations(self, owner: str | None = None) -> list[Conversation]:
        """Return the kept conversations of an owner, or of all (None), without their turns, that changed last first."""
        return self.kept.all(owner)

    def start_conversation(self, title: str = "", owner: str = "") -> Conversation:
        """Make a conversation; without a title it takes its first question for one. Raises as `Conversations.start`."""
        return self.kept.start(title, owner)

    def conversation(self, conversation_id: str, owner: str | None = None) -> Conversation:
        """Return a kept conversation with its turns and what became of their citations.

        Args:
            conversation_id: Its id.
            owner: Whose it has to be, here and in what follows; None for anybody's.

        Raises:
            NotFoundError: There is none of this id, or it is another owner's.
        """
        return self.kept.load(conversation_id, owner)

    def rename_conversation(self, conversation_id: str, title: str, owner: str | None = None) -> None:
        """Give a conversation another title. Raises InputError where it is too long, and NotFoundError."""
        self.kept.rename(conversation_id, title, owner)

    def delete_conversation(self, conversation_id: str, owner: str | None = None) -> None:
        """Delete a conversation with its turns; feedback stays. Raises NotFoundError."""
        self.kept.delete(conversation_id, owner)

    def replace_turn(self, conversation_id: str, number: int, answer: Answer, owner: str | None = None) -> Turn:
        """Put another answer in the place of a conversation's last turn. Raises as `Conversations.replace`."""
        return self.kept.replace(conversation_id, number, answer, owner)

    # -- Feedback ----------------------------------------------------------------------------------

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
        """Keep what a user said of an answer. Nothing is replaced: of two on one answer, the later one counts.

        Args:
            answer: As `ask` returned it. Of long documents the quotes alone are kept, see `rag.feedback.bounded`.
            good: Whether it is right.
            correction: What should have been said.
            marker: Of the citation it is about; None for the whole answer.
            sentence: Of what is said (`Answer.said`), from 1, that it is about; None for the whole answer.
            unanswerable: The user says that the text does not tell.
            history: Earlier answers of the conversation, as given to `ask`; their questions are kept.

        Raises:
            InputError: The answer has no such citation, the correction or the answer is too long, what is said of the
                answer contradicts itself, or `MAX_FEEDBACK` are kept already. Nothing is kept.
            StoreError: It cannot be written; nothing is changed.
        """
        corrected = _characters(correction)
        markers = [citation.marker for citation in answer.citations]
        if marker is not None and marker not in markers:
            which = f"it has {', '.join(f'[{known}]' for known in markers)}" if markers else "it has none"
            chinese = f"它有{'、'.join(f'[{known}]' for known in markers)}" if markers else "它没有出处"
            raise InputError(
                f"The answer has no citation [{marker}]: {which}. Leave the marker out to mean all of it.",
                f"这个回答没有出处 [{marker}]，{chinese}。不选出处，就是指整个回答。",
            )
        said = len(answer.said())
        if sentence is not None and not 1 <= sentence <= said:
            raise InputError(
                f"The answer has no sentence {sentence}: it has {said}. Leave it out to mean all of it.",
                f"这个回答没有第{sentence}句，一共{said}句。不指明就是说整个回答。",
            )
        if len(corrected) > MAX_CORRECTION:
            raise InputError(
                f"The correction has {len(corrected)} characters; at most {MAX_CORRECTION} can be kept. "
                "Shorten it to what should have been said.",
                f"更正有 {len(corrected)} 个字，最多只能有 {MAX_CORRECTION} 个。请只写应该怎样回答。",
            )
        if unanswerable and corrected:
            raise InputError(
                "A text that does not tell has no right answer. Give a correction, or say it does not tell.",
                "原文没有说，就没有正确的回答。请写出更正，或者选“原文没有说”，两者选一。",
            )
        if good and (corrected or unanswerable):
            raise InputError(
                "A right answer needs no correction. Say that it is wrong, or leave the correction out.",
                "回答正确就不需要更正。请选“不对”，或者去掉更正。",
            )
        questions = tuple(earlier.question for earlier in history)
        given = Feedback(0, "", bounded(answer), good, corrected, marker, unanswerable, sentence, questions)
        record = given.to_json()
        if len(record) > MAX_RECORD:
            raise InputError(
                f"The answer takes {len(record)} characters; feedback keeps {MAX_RECORD} at most. Nothing was kept.",
                f"这个回答有 {len(record)} 个字符，反馈里最多只能保存 {MAX_RECORD} 个。这一条没有保存。",
            )
        id_, added = self.store.add_feedback(record, MAX_FEEDBACK)
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
                f"Feedback {id_} of the store is damaged. Nothing was deleted. Put back a copy of the store.",
                f"第 {id_} 条反馈已损坏。什么都没有删除。请换回文档库的备份。",
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
    chat = Pipeline(_place(folder), settings or Settings(), embedder)
    if folder is None and not chat.store.has_mark(ARTICLE.name):
        # The mark and the article come in one transaction: an article that was removed stays removed,
        # and a process killed here leaves neither.
        chat.add_document(read_document(ARTICLE), mark=ARTICLE.name)
    return chat


def reindex(
    folder: str | os.PathLike[str] | None,
    settings: Settings,
    progress: Callable[[int, int], None] | None = None,
    stop: threading.Event | None = None,
    embedder: Embedder | None = None,
) -> Pipeline:
    """Cut and embed all documents of a store anew, and open it with the embedder that the settings name.

    Until the end the store stays as it is, in use perhaps; then everything changes in one transaction. Documents,
    conversations and feedback stay. Whoever has the store open with the embedder before has to open it again.

    Args:
        folder: As for `open`.
        settings: Decide the embedder and the cut.
        progress: Called with the number of documents that are done, and of all.
        stop: Ends it when it is set; the store stays as it was.
        embedder: Taken instead of the one the settings name.

    Raises:
        ModelError: The embedder cannot be loaded; nothing is changed.
        NotFoundError: The folder holds no store.
        StoreError: The store cannot be read or written, or `stop` was set; nothing is changed.
    """
    place = _place(folder)
    if not (place / STORE_FILE).is_file():
        raise NotFoundError(
            f"There is no store in {place}. Name the folder of one, or make one by adding documents.",
            f"{place} 里没有文档库。请指明文档库的文件夹，或者先加入文档。",
        )
    embedder = embedder or load_embedder(settings)
    store = Store(place, embedder, settings.passage_size, any_embedder=True)
    try:
        store.begin_reindexing()
        while True:  # again, where documents were added or replaced meanwhile
            _stage(store, store.unstaged(), settings, embedder, progress, stop or threading.Event())
            if store.finish_reindexing():
                break
    finally:
        store.close()
    return Pipeline(place, settings, embedder)


def _stage(
    store: Store,
    waiting: Sequence[str],
    settings: Settings,
    embedder: Embedder,
    progress: Callable[[int, int], None] | None,
    stop: threading.Event,
) -> None:
    """Cut and embed documents in bounded batches, and gather what comes of it in the store."""
    passages: list[Passage] = []
    complete: list[Document] = []

    def gather(done: int) -> None:
        if stop.is_set():
            raise StoreError(
                "Indexing anew was stopped. The store is as it was.",
                "重新编制索引已停止，文档库保持原样。",
            )
        if passages or complete:
            store.stage(passages, embedder.embed_passages([passage.text for passage in passages]), complete)
        passages.clear()
        complete.clear()
        if progress is not None:
            progress(done, len(waiting))

    gather(0)
    for done, document_id in enumerate(waiting, 1):
        try:
            document = store.document(document_id)
        except NotFoundError:  # removed meanwhile
            continue
        for passage in split_document(document, lambda text: _fits(text, settings, embedder)):
            passages.append(passage)
            if len(passages) >= settings.batch_size:
                gather(done - 1)
        complete.append(document)
    gather(len(waiting))


def _fits(text: str, settings: Settings, embedder: Embedder) -> bool:
    """Say whether a text is small enough for a passage."""
    if len(text) > settings.passage_size:
        return False
    return embedder.max_tokens is None or embedder.count_tokens(text) <= embedder.max_tokens


def _place(folder: str | os.PathLike[str] | None) -> Path:
    """Return the folder of the store that is meant; without a name the user's default store."""
    if folder is not None and not str(folder):
        raise InputError("The folder of a store cannot be an empty name.", "文档库的文件夹名不能为空。")
    return default_store_folder() if folder is None else Path(folder).expanduser()


def _characters(text: str) -> str:
    """Return a user's text without surrounding white space."""
    # Half a surrogate pair, as broken programs send it, is no character: no library takes it.
    return text.strip().encode("utf-8", "replace").decode("utf-8")


def _reason(error: ModelError) -> Mapping[Language, str]:
    """Return what is said where the words of the text stand for those of a language model."""
    if isinstance(error, UnreachableError):
        return _UNREACHABLE
    return _UNUSABLE if isinstance(error, UnusableError) else _FAILED


def _stopped(answer: Answer, language: Language) -> Answer:
    """Return an answer that was ended early. Where nothing was said yet, nothing is known of what the text tells."""
    said = _STOPPED[language]
    notice = answer.notice if said in answer.notice else f"{answer.notice} {said}".strip()
    if answer.parts or answer.sentences:
        return replace(answer, notice=notice, stopped=True)
    return replace(answer, verdict="refused", text=notice, notice=notice, missing=(), stopped=True)


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


__all__ = ["Addition", "Pipeline", "Verdict", "open", "reindex"]
