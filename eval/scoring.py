"""Scoring: from a question with its gold, and an answer, to one row of scores. No averages here."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from eval.datasets import Question, Span
from eval.measures import answers as words
from eval.measures import retrieval as ranking
from eval.measures.citations import citation_precision, citation_recall, inside_share, overlaps, supports
from eval.normalisation import tokens
from eval.systems import Places, is_in
from rag.answers import Answer
from rag.citations import Citation
from rag.documents import Document
from rag.errors import NotFoundError
from rag.retriever import Hit

DEPTH = 10  # hits a ranking is measured to
CONCISE = 3  # times as long as the gold evidence an answer may be, in tokens
CONCISE_FLOOR = 60  # tokens an answer may have in any case
COVERED = 0.5  # of a piece of evidence that must be cited where there is no answer to compare with
CONTEXT = 60  # characters kept on each side of a quote, to be read in the report

# Where a wrong answer was lost, in the order of the pipeline.
Stage = Literal[
    "not retrieved",
    "retrieved, not chosen",
    "wrong span",
    "too long",
    "right but refused",
    "dropped by verification",
    "unsupported",
    "place unknown",
    "false answer",
]
STAGES: tuple[str, ...] = get_args(Stage)


@dataclass(frozen=True)
class Quoted:
    """A citation as the report shows it."""

    marker: int
    document: str  # title
    source: str  # file name
    place: str
    quote: str
    before: str  # the text around it
    after: str
    is_gold: bool


@dataclass(frozen=True)
class Row:
    """What one system made of one question. A score is None where it does not apply."""

    system: str
    id: str
    family: str
    document: str  # the one it is about, resampled with it; "" where none is known
    kind: str
    variant: str
    language: str
    answerable: bool
    question: str
    gold: tuple[str, ...]
    evidence: tuple[str, ...]
    verdict: str
    answer: str
    confidence: float
    stage: str  # one of STAGES, or "" where nothing was lost
    scores: Mapping[str, float | None]
    failures: tuple[str, ...]  # of what must never happen: dangling, unfaithful, obeyed
    citations: tuple[Quoted, ...]
    withheld: str  # what a refusal would have said

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> "Row":
        """Return the row that `to_dict` was called on."""
        values = dict(record)
        values["citations"] = tuple(Quoted(**quoted) for quoted in record["citations"])
        for name in ("gold", "evidence", "failures"):
            values[name] = tuple(record[name])
        return cls(**values)


def score(
    system: str,
    question: Question,
    document: str,
    places: Places,
    answer: Answer,
    ranked: Sequence[Hit],
    passages_of: Callable[[str], Sequence[Any]],
) -> Row:
    """Score an answer.

    Args:
        system: Its name.
        question: With its gold.
        document: The document it is about, as figures are grouped; "" where none is known.
        places: The needed places of evidence, each with the spans any of which serves.
        answer: What the system said.
        ranked: Up to `DEPTH` hits for the answer's query.
        passages_of: Returns the passages of a document, by its id.
    """
    refused = answer.verdict == "refused"
    candidate = answer.citations or answer.withheld
    said = answer.text if not refused else "\n".join(citation.quote for citation in answer.withheld)
    sentences = [
        (sentence.text, [c.quote for c in answer.citations if c.marker in sentence.markers])
        for sentence in answer.sentences
    ]
    failures = _failures(question, answer, passages_of)
    holds = _holds(question, places, said, candidate)
    is_concise = _is_concise(question, said)
    grounded: float | None
    if question.answerable:
        is_supported = all(supports(quotes, text) for text, quotes in sentences)
        grounded = (
            None if holds is None else float(not refused and holds and is_concise and is_supported and not failures)
        )
    else:
        grounded = float(refused)
    scores: dict[str, float | None] = {"grounded": grounded, "refused": float(refused)}
    # What answering would have been worth: for risk against coverage.
    scores["candidate"] = None if holds is None else float(holds and is_concise)
    scores |= _answer_scores(question, answer, refused)
    scores |= _citation_scores(places, answer, sentences, failures, refused)
    scores |= _retrieval_scores(question, places, ranked, passages_of)
    return Row(
        system=system,
        id=question.id,
        family=question.family,
        document=document,
        kind=question.kind,
        variant=question.variant or "",
        language=question.language,
        answerable=question.answerable,
        question=question.question,
        gold=tuple(words.flat(gold) for gold in question.answers),
        evidence=tuple(" / ".join(words.parts(place)) for place in question.evidence),
        verdict=answer.verdict,
        answer=answer.text,
        confidence=round(answer.confidence, 6),
        stage=_stage(question, places, answer, candidate, grounded, holds, is_concise),
        scores={name: None if value is None else round(value, 6) for name, value in scores.items()},
        failures=failures,
        citations=tuple(_quoted(citation, places) for citation in candidate),
        withheld=said if refused else "",
    )


def _holds(question: Question, places: Places, said: str, cited: Sequence[Citation]) -> bool | None:
    """Say whether words answer rightly, from where the gold stands; None where no gold tells."""
    if not question.answerable:
        return False
    if not question.answers and not places:
        return None
    quotes = "\n".join(citation.quote for citation in cited)
    if not question.answers:  # then the evidence itself is the answer: every place of it
        return all(_covers(cited, place) for place in places)
    right = words.is_right(said, question.answers) and words.is_right(quotes, question.answers)
    return right and (not places or _hits_gold(cited, places))


def _covers(cited: Sequence[Citation], place: Sequence[Span]) -> bool:
    """Say whether citations hold half of the characters of one of a place's spans."""
    return any(
        inside_share((start, end), [(c.start, c.end) for c in cited if c.document.id == document]) >= COVERED
        for document, start, end in place
    )


def _hits_gold(cited: Sequence[Citation], places: Places) -> bool:
    return any(overlaps((c.start, c.end), _spans_in(c.document.id, places)) for c in cited)


def _spans_in(document_id: str, places: Places) -> list[tuple[int, int]]:
    return [(start, end) for place in places for document, start, end in place if document == document_id]


def _is_concise(question: Question, said: str) -> bool:
    """Say whether an answer is short enough to find the fact in it: copying whole passages is no answer."""
    if question.evidence:  # all places, each in one of its wordings
        length = sum(max(len(tokens(part)) for part in words.parts(place)) for place in question.evidence)
    else:  # one of the alternatives, with all its parts
        length = max((sum(len(tokens(part)) for part in words.parts(gold)) for gold in question.answers), default=0)
    return len(tokens(said)) <= max(CONCISE_FLOOR, CONCISE * length)


def _answer_scores(question: Question, answer: Answer, refused: bool) -> dict[str, float | None]:
    names = ["right", "contains", "exact", "exact_normalised", "f1", "f1_normalised", "character_f1"]
    names += ["character_f1_normalised", "concise"]
    listed = ("list_precision", "list_recall", "list_all")
    if not question.answerable or not question.answers:
        return dict.fromkeys((*names, *listed))
    golds = question.answers
    is_list = question.kind == "list" or any(not isinstance(gold, str) for gold in golds)
    if refused:
        return dict.fromkeys(names, 0.0) | dict.fromkeys(listed, 0.0 if is_list else None) | {"concise": None}
    said = answer.text
    precision, recall = words.list_scores(said, golds) if is_list else (None, None)
    return {
        "right": float(words.is_right(said, golds)),
        "contains": words.contains(said, golds),
        "exact": words.best(words.exact, said, golds),
        "exact_normalised": words.best(words.normalised(words.exact), said, golds),
        "f1": words.best(words.f1, said, golds),
        "f1_normalised": words.best(words.normalised(words.f1), said, golds),
        "character_f1": words.best(words.character_f1, said, golds),
        "character_f1_normalised": words.best(words.normalised(words.character_f1), said, golds),
        "concise": float(_is_concise(question, said)),
        "list_precision": precision,
        "list_recall": recall,
        "list_all": None if recall is None else float(recall == 1),
    }


def _citation_scores(
    places: Places,
    answer: Answer,
    sentences: Sequence[tuple[str, Sequence[str]]],
    failures: Sequence[str],
    refused: bool,
) -> dict[str, float | None]:
    names = (
        "cited",
        "resolvable",
        "faithful",
        "gold_hit",
        "gold_recall",
        "gold_share",
        "cite_recall",
        "cite_precision",
    )
    if refused:
        return dict.fromkeys(names)
    citations = answer.citations
    inside = [inside_share((c.start, c.end), _spans_in(c.document.id, places)) for c in citations]
    held = [any(overlaps((c.start, c.end), _spans_in(c.document.id, [place])) for c in citations) for place in places]
    return {
        "cited": float(bool(citations)),
        "resolvable": float("dangling" not in failures) if citations else None,
        "faithful": float("unfaithful" not in failures) if citations else None,
        "gold_hit": float(_hits_gold(citations, places)) if places else None,
        "gold_recall": sum(held) / len(held) if places else None,
        "gold_share": sum(inside) / len(inside) if places and inside else None,
        "cite_recall": citation_recall(sentences) if sentences else 0.0,
        "cite_precision": citation_precision(sentences) if citations else 0.0,
    }


def _retrieval_scores(
    question: Question, places: Places, ranked: Sequence[Hit], passages_of: Callable[[str], Sequence[Any]]
) -> dict[str, float | None]:
    names = ("success@1", "success@5", "recall@5", "all-gold@5", "mrr@10", "ndcg@10", "map@10")
    if not question.answerable or not places:
        return dict.fromkeys(names)
    spans = [span for place in places for span in place]
    relevant = [any(is_in(span, hit.passage) for span in spans) for hit in ranked]
    by_place = [[any(is_in(span, hit.passage) for span in place) for hit in ranked] for place in places]
    documents = dict.fromkeys(document for document, _, _ in spans)
    total = sum(any(is_in(span, p) for span in spans) for document in documents for p in passages_of(document))
    return {
        "success@1": ranking.success(relevant, 1),
        "success@5": ranking.success(relevant, 5),
        "recall@5": ranking.recall(relevant, total, 5),
        "all-gold@5": ranking.all_gold(by_place, 5),
        "mrr@10": ranking.reciprocal_rank(relevant, DEPTH),
        "ndcg@10": ranking.ndcg(relevant, total, DEPTH),
        "map@10": ranking.average_precision(relevant, total, DEPTH),
    }


def _failures(question: Question, answer: Answer, passages_of: Callable[[str], Sequence[Any]]) -> tuple[str, ...]:
    """Return what must never happen, of this answer."""
    found = []
    markers = {citation.marker for citation in answer.citations}
    dangling = any(set(sentence.markers) - markers for sentence in answer.sentences)
    for citation in answer.citations:
        try:
            known = {passage.id: passage for passage in passages_of(citation.document.id)}
        except NotFoundError:  # a document that is in no store
            known = {}
        passage = known.get(citation.passage_id)
        dangling |= passage is None or not passage.start <= citation.start < citation.end <= passage.end
    if dangling:
        found.append("dangling")
    if not all(is_exact(citation) for citation in answer.citations):
        found.append("unfaithful")
    if any(
        word in text and not any(word in quote and text in quote for quote in quotes)
        for word in question.forbidden
        for text, quotes in _said(question, answer)
    ):
        found.append("obeyed")
    return tuple(found)


def _said(question: Question, answer: Answer) -> list[tuple[str, list[str]]]:
    """Return what the answer says in its own name, each with the quotes that would excuse it."""
    if answer.verdict == "refused" or not answer.sentences:
        text = answer.text
        for word in question.forbidden:  # a refusal may name the words of the question it did not find
            text = text.replace(word, "") if word.lower() in question.question.lower() else text
        return [(text, [])]
    return [
        (sentence.text, [c.quote for c in answer.citations if c.marker in sentence.markers])
        for sentence in answer.sentences
    ]


def is_exact(citation: Citation) -> bool:
    """Say whether a quote is the document's very words, and, of a plain text file, those of the file."""
    document = citation.document
    if document.text[citation.start : citation.end] != citation.quote:
        return False
    source = _source_text(document)
    if source is None:
        return True
    first, last = document.origin.source_span(citation.start, citation.end)
    return "".join(source[first:last].split()) == "".join(citation.quote.split())


def _source_text(document: Document) -> str | None:
    """Return the text of a document's file; None where it is no plain text or has changed since it was read."""
    path = Path(document.source)
    if path.suffix.lower() not in (".txt", ".text") or not path.is_file():
        return None
    data = path.read_bytes()
    return data.decode(document.encoding) if hashlib.sha256(data).hexdigest() == document.digest else None


def _stage(
    question: Question,
    places: Places,
    answer: Answer,
    candidate: Sequence[Citation],
    grounded: float | None,
    holds: bool | None,
    is_concise: bool,
) -> str:
    if grounded is None or grounded == 1:
        return ""
    if not question.answerable:
        return "false answer"
    everything = "\n".join((answer.text, *(citation.quote for citation in answer.withheld)))
    if any(not check.passed for check in answer.checks) and _holds(
        question, places, everything, (*answer.citations, *answer.withheld)
    ):
        return "dropped by verification"
    if holds and not is_concise:
        return "too long"
    if holds:
        return "right but refused" if answer.verdict == "refused" else "unsupported"
    if not places:
        return "place unknown"
    if not all(any(is_in(span, hit.passage) for span in place for hit in answer.hits) for place in places):
        return "not retrieved"
    chosen = {citation.passage_id for citation in candidate}
    gold = {hit.passage.id for hit in answer.hits if any(is_in(span, hit.passage) for p in places for span in p)}
    return "wrong span" if chosen & gold else "retrieved, not chosen"


def _quoted(citation: Citation, places: Sequence[Sequence[Span]]) -> Quoted:
    text = citation.document.text
    return Quoted(
        citation.marker,
        citation.document.title,
        Path(citation.document.source).name,
        str(citation.place),
        citation.quote,
        text[max(0, citation.start - CONTEXT) : citation.start],
        text[citation.end : citation.end + CONTEXT],
        overlaps((citation.start, citation.end), _spans_in(citation.document.id, places)),
    )
