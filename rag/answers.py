"""Answers: the record every interface returns, and its JSON and Markdown forms."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from rag.citations import Citation, citation_from_dict, citation_to_dict
from rag.documents import Document
from rag.passages import Passage
from rag.retriever import ArmRank, Hit

# "partial": some of the facts asked for are told. "chat": no question about the documents, answered politely.
Verdict = Literal["answered", "partial", "refused", "chat"]


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

    def to_dict(self) -> dict[str, Any]:
        """Return plain values. Each cited document stands once, whole, under `documents`."""
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
            "documents": {
                citation.document.id: citation.document.to_record() for citation in (*self.citations, *self.withheld)
            },
            "timings": dict(self.timings),
            "models": dict(self.models),
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> "Answer":
        """Return the answer that `to_dict` was called on."""
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
        )

    def to_json(self, indent: int | None = None) -> str:
        """Return the answer as JSON; `from_json` gives it back unchanged."""
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=indent)

    @classmethod
    def from_json(cls, text: str) -> "Answer":
        """Return the answer that `to_json` was called on."""
        return cls.from_dict(json.loads(text))

    def to_markdown(self) -> str:
        """Return the answer with numbered citations, each with its quote, title and paragraph."""
        lines = [
            " ".join([escape_markdown(text), *(f"[{marker}]" for marker in markers)]) for text, markers in self.said()
        ]
        for contradiction in self.contradictions:
            both = (
                f"[{m}] {escape_markdown(v)}" for m, v in zip(contradiction.markers, contradiction.values, strict=True)
            )
            lines += ["", "说法不一：" + "；".join(both)]
        if self.notice:
            lines += ["", f"*{escape_markdown(self.notice)}*"]
        for citation in self.citations:
            title, place = escape_markdown(citation.document.title), citation.place
            lines += ["", f"[{citation.marker}] {title}，{place}：", f"> {escape_markdown(citation.quote)}"]
        if self.verdict == "refused" and self.hits:
            lines += ["", "最接近的段落："]
            lines += [f"- {escape_markdown(_shorten(hit.passage.text))}" for hit in self.hits[:3]]
        return "\n".join(lines)


def escape_markdown(text: str) -> str:
    """Return `text` so that Markdown and HTML show its characters and obey none, on one line."""
    text = re.sub(r"([\\`*_\[\]#|~$])", r"\\\1", " ".join(text.split()))
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # At the start of a line these would begin a list.
    return re.sub(r"^(\d*)([-+.)])", r"\1\\\2", text)


def _shorten(text: str, size: int = 120) -> str:
    return text if len(text) <= size else text[: size - 1] + "…"


def _arms_to_dict(hit: Hit) -> dict[str, Any]:
    return {
        arm: {"rank": found.rank, "score": found.score, "terms": list(found.terms)} for arm, found in hit.arms.items()
    }


def _hit_from_dict(row: Mapping[str, Any]) -> Hit:
    arms = {arm: ArmRank(found["rank"], found["score"], tuple(found["terms"])) for arm, found in row["arms"].items()}
    return Hit(Passage(**row["passage"]), row["rank"], row["score"], arms)
