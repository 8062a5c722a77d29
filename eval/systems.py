"""Systems: what is evaluated. One's own settings from TOML, and reference systems that say what figures mean.

The references bound the measures: a random passage and copying show what they can be gamed to, refusing always
or never what refusal is worth, each arm alone what fusion adds, and the gold passage what reading loses.
"""

import random
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Protocol

from eval.datasets import Span
from rag.answers import Answer, Sentence
from rag.citations import cite
from rag.errors import InputError
from rag.passages import Passage, sentence_spans
from rag.pipeline import Pipeline
from rag.retriever import Hit
from rag.settings import Settings

Places = Sequence[Sequence[Span]]
NEVER = 2.0  # a share of shared grams that no text reaches: the lexical arm then weighs nothing


@dataclass(frozen=True)
class SystemSpec:
    """How to make a system. `growth`: how many times the corpus is to be as large, with distractors."""

    name: str
    settings: Settings = field(default_factory=Settings)
    reference: str = ""  # which reference system it is; "" for one's own
    growth: int = 1


class System(Protocol):
    """Answers questions. The gold places are for the oracle alone."""

    def ask(self, question: str, places: Places, history: Sequence[Answer]) -> Answer:
        """Answer a question."""

    def rank(self, answer: Answer, places: Places, k: int) -> list[Hit]:
        """Return up to k hits for the query of an answer, best first."""


REFERENCES = ("random", "bm25", "dense", "copy-top-passage", "always-refuse", "never-refuse", "oracle-passage")
_OF_SETTINGS: dict[str, dict[str, Any]] = {
    "bm25": {"dense_weight": 0.0, "min_shared": 0.0},
    "dense": {"min_shared": NEVER},
    "never-refuse": {"threshold": 0.0},
}


def references(base: Settings) -> list[SystemSpec]:
    """Return all reference systems beside a system of these settings."""
    return [SystemSpec(name, replace(base, **_OF_SETTINGS.get(name, {})), name) for name in REFERENCES]


def read_system(path: Path) -> SystemSpec:
    """Read a system from a TOML file: `name` and settings, see `rag.Settings`; `growth` is optional.

    Raises:
        InputError: The file cannot be read, or names a setting there is not.
    """
    try:
        record = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"The system in {path} cannot be read: {error}.") from error
    name, growth = str(record.pop("name", path.stem)), record.pop("growth", 1)
    known = {setting.name: setting for setting in fields(Settings)}
    for key, value in record.items():
        if key not in known:
            raise InputError(f"{path}: no setting {key!r}. Known are: name, growth, {', '.join(known)}.")
        kind = next(kind for kind in (str, float, bool, int) if kind.__name__ in str(known[key].type))
        fits = isinstance(value, (float, int) if kind is float else kind)
        if not fits or isinstance(value, bool) != (kind is bool):
            raise InputError(f"{path}: the setting {key!r} is {value!r}; it takes {_KINDS[kind]}.")
        if isinstance(value, int) and key in ("k", "arm_k", "rerank_k", "batch_size", "passage_size") and value < 1:
            raise InputError(f"{path}: the setting {key!r} is {value}; it takes a whole number above 0.")
    if name in REFERENCES or not isinstance(growth, int) or growth < 1:
        raise InputError(f"{path}: {name!r} is the name of a reference system, or growth is no whole number above 0.")
    return SystemSpec(name, Settings(**record), growth=growth)


_KINDS = {str: "a text", float: "a number", int: "a whole number", bool: "true or false"}


def make_system(spec: SystemSpec, chat: Pipeline) -> System:
    """Return the system over a pipeline that was opened with the settings of `spec`."""
    made: dict[str, Callable[[Pipeline], System]] = {
        "random": RandomPassage,
        "copy-top-passage": CopyTopPassage,
        "always-refuse": AlwaysRefuse,
        "oracle-passage": OraclePassage,
    }
    return made.get(spec.reference, Own)(chat)


class Own:
    """The pipeline as it is."""

    def __init__(self, chat: Pipeline) -> None:
        """Ask this pipeline."""
        self.chat = chat

    def ask(self, question: str, places: Places, history: Sequence[Answer]) -> Answer:
        """Answer a question."""
        return self.chat.answer(question, lambda query, k: self.retrieve(query, k, places), history)

    def rank(self, answer: Answer, places: Places, k: int) -> list[Hit]:
        """Return up to k hits for the query of an answer, best first."""
        return self.retrieve(answer.query, k, places)

    def retrieve(self, query: str, k: int, places: Places) -> list[Hit]:
        """Return up to k hits for a query."""
        return self.chat.retriever.retrieve(query, k)


class AlwaysRefuse(Own):
    """Says of every question that the text does not tell."""

    def ask(self, question: str, places: Places, history: Sequence[Answer]) -> Answer:
        """Refuse."""
        answer = super().ask(question, places, history)
        return replace(
            answer,
            verdict="refused",
            text="–",
            sentences=(),
            citations=(),
            withheld=answer.citations or answer.withheld,
        )


class CopyTopPassage(Own):
    """Answers everything with the whole first passage, cited: what measures of citations alone take for perfect."""

    def ask(self, question: str, places: Places, history: Sequence[Answer]) -> Answer:
        """Copy."""
        answer = super().ask(question, places, history)
        if not answer.hits:
            return answer
        first = answer.hits[0]
        return _quoting(self.chat, answer, first.passage, first.passage.start, first.passage.end, first.score)


class RandomPassage(Own):
    """Searches at random, and answers with a sentence of the first passage it finds. The same for the same question."""

    def __init__(self, chat: Pipeline) -> None:
        """Ask this pipeline, whose documents must not change."""
        super().__init__(chat)
        self._passages = [p for document_id in chat.store.document_ids() for p in chat.store.passages_of(document_id)]

    def retrieve(self, query: str, k: int, places: Places) -> list[Hit]:
        """Return k passages drawn by the query's own characters."""
        drawn = random.Random(query).sample(self._passages, min(k, len(self._passages)))  # noqa: S311 - no secret
        return [Hit(passage, rank, 1 / rank, {}) for rank, passage in enumerate(drawn, 1)]

    def ask(self, question: str, places: Places, history: Sequence[Answer]) -> Answer:
        """Quote at random."""
        answer = super().ask(question, places, history)
        if not answer.hits:
            return answer
        generator = random.Random(question)  # noqa: S311 - no secret
        passage = answer.hits[0].passage
        start, end = generator.choice(sentence_spans(passage.text))
        return _quoting(self.chat, answer, passage, passage.start + start, passage.start + end, generator.random())


class OraclePassage(Own):
    """Is given the passages that hold the gold evidence, and reads them; others where there is no gold."""

    def retrieve(self, query: str, k: int, places: Places) -> list[Hit]:
        """Return the gold passages."""
        spans = [span for place in places for span in place]
        gold = [passage for passage in self._passages_of(spans) if any(is_in(span, passage) for span in spans)]
        if not gold:
            return super().retrieve(query, k, places)
        return [Hit(passage, rank, 1 / rank, {}) for rank, passage in enumerate(gold[:k], 1)]

    def _passages_of(self, spans: Sequence[Span]) -> list[Passage]:
        documents = dict.fromkeys(document for document, _, _ in spans)
        return [passage for document in documents for passage in self.chat.store.passages_of(document)]


def is_in(span: Span, passage: Passage) -> bool:
    """Say whether a passage holds some of a span."""
    document, start, end = span
    return passage.document_id == document and start < passage.end and passage.start < end


def _quoting(chat: Pipeline, answer: Answer, passage: Passage, start: int, end: int, confidence: float) -> Answer:
    citation = cite(1, chat.store.document(passage.document_id), passage, start, end)
    return replace(
        answer,
        verdict="answered",
        text=citation.quote,
        sentences=(Sentence(citation.quote, (1,)),),
        citations=(citation,),
        confidence=confidence,
        withheld=(),
    )
