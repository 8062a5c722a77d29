"""Answers: the record every interface returns, and its JSON and Markdown forms."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from rag.absence import worth_telling
from rag.citations import Citation, citation_from_dict, citation_to_dict
from rag.documents import Document
from rag.errors import InputError, Language
from rag.passages import Passage
from rag.retriever import ArmRank, Hit

# "partial": some of the facts asked for are told. "chat": no question about the documents, answered politely.
Verdict = Literal["answered", "partial", "refused", "chat"]
MAX_NEARLY = 3  # runners-up of each fact that is asked for
NEAREST = 3  # passages shown with a refusal
# What a refusal begins with.
UNTOLD: Mapping[Language, str] = {"zh": "原文没有回答这个问题。", "en": "The text does not tell."}
# What follows a question among several that is refused.
UNTOLD_PART: Mapping[Language, str] = {"zh": "：原文没有说。", "en": ": the text does not tell."}
UNFINISHED_PART: Mapping[Language, str] = {"zh": "：没有答完。", "en": ": this was not finished."}
MAX_NEARLY_QUOTE = 200  # characters of one


@dataclass(frozen=True)
class Sentence:
    """One sentence of an answer and the markers of the citations that carry it."""

    text: str
    markers: tuple[int, ...]
    part: int = 0  # which of the answer's parts it belongs to, from 0


@dataclass(frozen=True)
class Part:
    """One of several facts that a question asks for at once."""

    question: str  # of this fact alone, as it was searched for
    verdict: Verdict
    text: str  # what is said of it; for a refusal, that the text does not tell
    confidence: float


@dataclass(frozen=True)
class RunnerUp:
    """Words that were nearly chosen. Invariant: `document.text[start:end] == quote`, of the document as it was then."""

    document_id: str
    passage_id: str
    start: int
    end: int  # at most MAX_NEARLY_QUOTE after the start: of longer words only the beginning is kept
    quote: str
    score: float  # above 0, to 1: how likely the reader held them to be, as a share of its likeliest words
    part: int = 0  # of which of the answer's parts, from 0


@dataclass(frozen=True)
class Contradiction:
    """Two citations of an answer that say different things of the same."""

    markers: tuple[int, int]
    values: tuple[str, str]  # what each says: 3000万辆, 2000万辆


@dataclass(frozen=True)
class Check:
    """One thing that was verified of an answer."""

    name: str
    passed: bool
    detail: str = ""


@dataclass(frozen=True)
class Answer:
    """What `Pipeline.ask` returns, and the page, the command line and the API alike.

    A refusal is an answer too: `verdict` is "refused", `text` says so and what was not found, there
    are no citations, and `hits` hold the nearest passages.
    """

    question: str  # as it was asked
    query: str  # what was searched for: the question, completed from the conversation
    text: str
    verdict: Verdict
    sentences: tuple[Sentence, ...]
    citations: tuple[Citation, ...]
    hits: tuple[Hit, ...]  # best first
    confidence: float  # 0 to 1: how likely the text answers the question with what was chosen
    missing: tuple[str, ...]  # words of the question that were looked for and not found
    checks: tuple[Check, ...]
    timings: Mapping[str, float]  # milliseconds per stage
    models: Mapping[str, str]  # which embedder and which reader
    parts: tuple[Part, ...] = ()  # of a question that asks for several facts; else empty
    contradictions: tuple[Contradiction, ...] = ()
    notice: str = ""  # what the user must know of how it was made: what was mended or left out, a model that failed
    withheld: tuple[Citation, ...] = ()  # of a refusal: what was chosen but not trusted; for measuring, never shown
    nearly: tuple[RunnerUp, ...] = ()  # what the reader weighed beside its choice, best first; of a refusal, nothing
    stopped: bool = False  # its reader ended it early: whatever is lacking, the text is not to blame

    @property
    def shown_missing(self) -> tuple[str, ...]:
        """The words of `missing` that people are told: whole ones, few, and none that `text` names already."""
        return tuple(word for word in worth_telling(self.query, self.missing) if word not in self.text)

    def said(self) -> list[tuple[str, tuple[int, ...]]]:
        """Return what is said, in order, with its markers: sentences, and of a part that is refused, that it is."""
        if not self.sentences:
            return [(self.text, ())]
        if not self.parts:
            return [(sentence.text, sentence.markers) for sentence in self.sentences]
        lines: list[tuple[str, tuple[int, ...]]] = []
        for number, part in enumerate(self.parts):
            own = [(sentence.text, sentence.markers) for sentence in self.sentences if sentence.part == number]
            lines += own or [(part.text, ())]
        return lines

    def to_dict(self, whole_documents: bool = True) -> dict[str, Any]:
        """Return plain values. Each cited document stands once under `documents`.

        Args:
            whole_documents: False leaves out the documents' texts, which are most of it: of each, its id, title,
                source, digest and number of characters are left. `from_dict` cannot take that form.
        """
        documents = {one.document.id: one.document for one in (*self.citations, *self.withheld)}
        return {
            "question": self.question,
            "query": self.query,
            "text": self.text,
            "verdict": self.verdict,
            "confidence": self.confidence,
            "sentences": [asdict(sentence) for sentence in self.sentences],
            "parts": [asdict(part) for part in self.parts],
            "contradictions": [asdict(contradiction) for contradiction in self.contradictions],
            "notice": self.notice,
            "citations": [citation_to_dict(citation) for citation in self.citations],
            "withheld": [citation_to_dict(citation) for citation in self.withheld],
            "missing": list(self.missing),
            "checks": [asdict(check) for check in self.checks],
            "hits": [asdict(replace(hit, arms={})) | {"arms": _arms_to_dict(hit)} for hit in self.hits],
            "nearly": [asdict(one) for one in self.nearly],
            "stopped": self.stopped,
            "documents": {
                id_: document.to_record() if whole_documents else _named(document)
                for id_, document in documents.items()
            },
            "timings": dict(self.timings),
            "models": dict(self.models),
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> "Answer":
        """Return the answer that `to_dict` was called on.

        Raises:
            InputError: It was called without the documents' texts.
        """
        if light := [id_ for id_, value in record["documents"].items() if "text" not in value]:
            raise InputError(
                f"The answer was written without the text of {len(light)} documents ({', '.join(light)}), so its "
                "citations cannot be read back. Write it with whole_documents=True.",
                f"这份回答没有带上所引文档（{'、'.join(light)}）的全文，无法还原。请导出包含全文的回答。",
            )
        documents = {id_: Document.from_record(value) for id_, value in record["documents"].items()}
        return cls(
            question=record["question"],
            query=record["query"],
            text=record["text"],
            verdict=record["verdict"],
            sentences=tuple(
                Sentence(row["text"], tuple(row["markers"]), row.get("part", 0)) for row in record["sentences"]
            ),
            citations=tuple(citation_from_dict(row, documents) for row in record["citations"]),
            hits=tuple(_hit_from_dict(row) for row in record["hits"]),
            confidence=record["confidence"],
            missing=tuple(record["missing"]),
            checks=tuple(Check(**row) for row in record["checks"]),
            timings=record["timings"],
            models=record["models"],
            parts=tuple(Part(**row) for row in record.get("parts", ())),
            contradictions=tuple(
                Contradiction(tuple(row["markers"]), tuple(row["values"])) for row in record.get("contradictions", ())
            ),
            notice=record.get("notice", ""),
            withheld=tuple(citation_from_dict(row, documents) for row in record.get("withheld", ())),
            nearly=tuple(RunnerUp(**row) for row in record.get("nearly", ())),
            stopped=record.get("stopped", False),
        )

    def to_json(self, indent: int | None = None) -> str:
        """Return the answer as JSON; `from_json` gives it back unchanged."""
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=indent)

    @classmethod
    def from_json(cls, text: str) -> "Answer":
        """Return the answer that `to_json` was called on."""
        return cls.from_dict(json.loads(text))

    def to_markdown(self, language: Language = "zh", notes: Mapping[int, str] | None = None) -> str:
        """Return the answer with numbered citations, each with its quote, title and paragraph.

        Args:
            language: Of our own words; what the answer and the documents say stays as it is.
            notes: What is to be said of a citation, by its marker: that its document was changed.
        """
        words = _WORDS[language]
        lines = [
            " ".join([escape_markdown(text), *(f"[{marker}]" for marker in markers)]) for text, markers in self.said()
        ]
        for contradiction in self.contradictions:
            both = (
                f"[{m}] {escape_markdown(v)}" for m, v in zip(contradiction.markers, contradiction.values, strict=True)
            )
            lines += ["", words.differ + words.semicolon.join(both)]
        if self.notice:
            lines += ["", f"*{escape_markdown(self.notice)}*"]
        for citation in self.citations:
            title, place = escape_markdown(citation.document.title), citation.place.said(language)
            note = (notes or {}).get(citation.marker, "")
            head = words.comma.join(part for part in (title, place, note) if part)
            lines += ["", f"[{citation.marker}] {head}{words.colon}", f"> {escape_markdown(citation.quote)}"]
        if self.verdict == "refused" and self.hits:
            lines += ["", words.nearest]
            lines += [f"- {escape_markdown(shorten(hit.passage.text))}" for hit in self.hits[:NEAREST]]
        return "\n".join(lines)


@dataclass(frozen=True)
class _Words:
    """What is said around an answer, in one language."""

    differ: str
    nearest: str
    comma: str
    semicolon: str
    colon: str


_WORDS: Mapping[Language, _Words] = {
    "zh": _Words("说法不一：", "最接近的段落：", "，", "；", "："),
    "en": _Words("The sources differ: ", "The nearest passages:", ", ", "; ", ":"),
}


def not_cited(nearly: Iterable[RunnerUp], citations: Sequence[Citation]) -> tuple[RunnerUp, ...]:
    """Return the runners-up that share no word with these citations, nor with a better one, as many as are kept."""
    taken = [(one.document.id, one.start, one.end) for one in citations]
    kept: list[RunnerUp] = []
    for one in nearly:
        if not any(id_ == one.document_id and one.start < end and start < one.end for id_, start, end in taken):
            taken.append((one.document_id, one.start, one.end))
            kept.append(one)
    return tuple(kept)


def escape_markdown(text: str) -> str:
    """Return `text` so that Markdown and HTML show its characters and obey none, on one line."""
    text = re.sub(r"([\\`*_\[\]#|~$])", r"\\\1", " ".join(text.split()))
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # At the start of a line these would begin a list, or make a headline of the line before.
    return re.sub(r"^(\d*)([-+.)=])", r"\1\\\2", text)


def shorten(text: str, size: int = 120) -> str:
    """Return a text of at most `size` characters, the last an ellipsis where some are left out."""
    return text if len(text) <= size else text[: size - 1] + "…"


def _named(document: Document) -> dict[str, Any]:
    names = ("id", "title", "source", "digest")
    return {name: getattr(document, name) for name in names} | {"characters": len(document.text)}


def _arms_to_dict(hit: Hit) -> dict[str, Any]:
    return {
        arm: {"rank": found.rank, "score": found.score, "terms": list(found.terms)} for arm, found in hit.arms.items()
    }


def _hit_from_dict(row: Mapping[str, Any]) -> Hit:
    arms = {arm: ArmRank(found["rank"], found["score"], tuple(found["terms"])) for arm, found in row["arms"].items()}
    return Hit(Passage(**row["passage"]), row["rank"], row["score"], arms)
