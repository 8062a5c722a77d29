"""The talk: turns of a conversation as the page shows them. It decides what is shown, not how."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from markupsafe import Markup

from rag.answers import Answer
from rag.citations import Citation
from rag.conversation import Conversation, State, Turn
from rag.documents import Document
from rag.errors import Language, RagError
from rag.export import shared_model
from rag.page.marking import Mark, paint
from rag.page.reading import file_name
from rag.page.words import say
from rag.passages import sentence_spans
from rag.pipeline import Pipeline
from rag.retriever import Hit
from rag.settings import BUNDLED_EMBEDDER, BUNDLED_READER

NEAREST = 3  # passages shown with a refusal
AROUND = 60  # characters shown around a quote, where its sentence is longer
MODELS = ("generator", "reader", "embedder", "reranker")  # in the order in which they are named


@dataclass(frozen=True)
class Nearby:
    """A passage shown with a refusal; without a place where its document was removed since."""

    rank: int
    text: str
    title: str = ""
    where: str = ""
    file: str = ""


@dataclass(frozen=True)
class ShownTurn:
    """One question with its answer, or with what there is of it yet."""

    chat: Pipeline = field(repr=False)
    language: Language
    conversation: str  # id
    number: int  # from 1
    answer: Answer
    states: Mapping[int, State] = field(default_factory=dict)
    is_last: bool = True
    is_growing: bool = False

    @property
    def was_completed(self) -> bool:
        """Whether something else was searched for than what was typed."""
        return self.answer.query != self.answer.question.strip()

    @property
    def sentences(self) -> list[tuple[str, tuple[int, ...]]]:
        """What is said, each with its markers."""
        return self.answer.said()

    @property
    def citations(self) -> list["ShownCitation"]:
        """The citations in the order of their markers."""
        states, language = self.states, self.language
        return [ShownCitation(one, states.get(one.marker, "alive"), language) for one in self.answer.citations]

    @property
    def missing(self) -> list[str]:
        """Words of the question that are worth telling and that the notice does not name already."""
        return list(self.answer.shown_missing)

    @property
    def seconds(self) -> str:
        """How long the answer took."""
        return f"{sum(self.answer.timings.values()) / 1000:.2f}"

    @property
    def models(self) -> str:
        """Who answered, in words."""
        used = self.answer.models
        if used.get("reader") == BUNDLED_READER and used.get("embedder") == BUNDLED_EMBEDDER and len(used) == 2:
            return say(self.language, "bundled models")
        names = {BUNDLED_READER: say(self.language, "bundled model")}
        named = [
            say(self.language, f"model {role}", name=names.get(model) or shared_model(model))
            for role in MODELS
            if (model := used.get(role))
        ]
        return ("，" if self.language == "zh" else ", ").join(named)

    @property
    def seal(self) -> str:
        """What tells this turn from another that has its number now."""
        return seal(Turn(self.number, self.answer))

    @cached_property
    def nearest(self) -> list[Nearby]:
        """The passages shown with a refusal."""
        return [self._nearby(hit) for hit in self.answer.hits[:NEAREST]]

    @cached_property
    def shared_titles(self) -> frozenset[str]:
        """Titles that several files of this turn have: there the file is named, too."""
        files: dict[str, set[str]] = {}
        shown: list[Nearby | ShownCitation] = [*self.nearest, *self.citations]
        for one in shown:
            files.setdefault(one.title, set()).add(one.file)
        return frozenset(title for title, named in files.items() if len(named) > 1)

    def _nearby(self, hit: Hit) -> Nearby:
        passage = hit.passage
        try:
            document = self.chat.store.document(passage.document_id)
        except RagError:  # removed since
            return Nearby(hit.rank, passage.text)
        if document.text[passage.start : passage.end] != passage.text:  # replaced since
            return Nearby(hit.rank, passage.text)
        where = say(self.language, "paragraph", number=document.paragraph_at(passage.start).number)
        title = title_of(document, document.article_at(passage.start).title)
        return Nearby(hit.rank, passage.text, title, where, file_name(document))


@dataclass(frozen=True)
class ShownCitation:
    """A citation in the list below an answer: its place, and its words within their sentence."""

    citation: Citation
    state: State
    language: Language

    @property
    def marker(self) -> int:
        """Its number."""
        return self.citation.marker

    @property
    def title(self) -> str:
        """The headline it stands under."""
        return title_of(self.citation.document, self.citation.place.article)

    @property
    def file(self) -> str:
        """The file it stands in."""
        return file_name(self.citation.document)

    @property
    def where(self) -> str:
        """The paragraph, and the page where there are pages."""
        return self.citation.place.said(self.language)

    @property
    def context(self) -> Markup:
        """The sentences that its words stand in, with the words marked; cut where they are long."""
        cited = self.citation
        document = cited.document
        first = document.paragraph_at(cited.start)
        text = document.text
        spans = [
            (first.start + start, first.start + end) for start, end in sentence_spans(text[first.start : first.end])
        ]
        start = max((start for start, end in spans if start <= cited.start < end), default=cited.start)
        end = min((end for _, end in spans if end >= cited.end), default=cited.end)
        shown_start, shown_end = max(start, cited.start - AROUND), min(end, cited.end + AROUND)
        html = paint(text, shown_start, shown_end, [Mark(cited.start, cited.end, cited.marker)])
        before = Markup("…") if shown_start > start else Markup("")
        after = Markup("…") if shown_end < end else Markup("")
        return before + html + after


def seal(turn: Turn) -> str:
    """Return what tells a turn from another of its number: the page sends it back with what is said of the turn."""
    words = json.dumps([turn.number, turn.answer.question, turn.answer.query, turn.answer.text], ensure_ascii=False)
    return hashlib.sha256(words.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def title_of(document: Document, article: str) -> str:
    """Return what to call a place of a document: the headline it stands under; of a book, the book before it."""
    if not article or article == document.title:
        return document.title
    return f"{document.title} › {article}" if document.encoding == "epub" else article


def turns_of(chat: Pipeline, conversation: Conversation, language: Language) -> list[ShownTurn]:
    """Return the turns of a kept conversation."""
    return [
        ShownTurn(
            chat, language, conversation.id, turn.number, turn.answer, turn.states, turn is conversation.turns[-1]
        )
        for turn in conversation.turns
    ]
