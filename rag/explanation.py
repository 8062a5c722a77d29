"""Explanation: why an answer stands on these passages, for readers: a row, some bars and marked words for each.

It is worked out from the answer alone, so a conversation that was kept can be explained as well as a fresh one. What
the answer rests on is told; what it might have said is only told as far as `Answer.nearly` goes, which is empty for a
refusal.
"""

import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rag.answers import Answer, RunnerUp
from rag.documents import Document
from rag.errors import NotFoundError
from rag.folding import fold, is_han
from rag.lexical import stem
from rag.question import analyse
from rag.retriever import DENSE, LEXICAL, RERANKER, Hit
from rag.translation import LONGEST_PHRASE, chinese_of, english_of

Span = tuple[int, int]  # half-open, in characters of the document's text

LEAST_FACTOR = 0.5  # of a translation, below which it is too far-fetched to be shown as a word of the question
LEAST_SINGLE = 5.0  # weight of a Chinese word of one character, below which it is in too many others: 年, 月, 第
_WORD = re.compile(r"[^\W\u3400-\u9fff\uf900-\ufaff]+(?:['’.][^\W\u3400-\u9fff\uf900-\ufaff]+)*")
_SELECTORS = "\ufe0e\ufe0f"  # say how the character before them is drawn


@dataclass(frozen=True)
class Bar:
    """What one arm of the search says of a passage."""

    rank: int  # among all passages of the store that the arm found, from 1
    score: float  # as the arm gives it: a cosine, a BM25 score, a logit
    share: float  # of the best of the answer's passages, 0 to 1: how long the bar is; see `explain`


@dataclass(frozen=True)
class ExplainedHit:
    """Why one passage was found, and what became of it."""

    hit: Hit
    title: str  # of its article, else of its document; "" where the document is gone
    paragraph: int | None  # in which it begins, from 1; None where the document is gone
    share: float  # of the best score of all arms together, 0 to 1
    arms: Mapping[
        str, Bar
    ]  # "dense" (by meaning), "lexical" (by words), "reranker", in this order, where they found it
    matched: tuple[Span, ...]  # where words of the query stand in the passage; merged, in order
    coverage: float  # share of the query's words that the passage says, 0 to 1; telling words weigh more
    markers: tuple[int, ...]  # of the citations that quote it


@dataclass(frozen=True)
class ExplainedRunnerUp:
    """Words that were nearly chosen, where they still stand in their document."""

    runner_up: RunnerUp
    title: str
    paragraph: int
    matched: tuple[Span, ...]  # as of a hit
    rank: int | None  # of the hit it was taken from


@dataclass(frozen=True)
class Explanation:
    """Why an answer stands on these passages."""

    query: str
    hits: tuple[ExplainedHit, ...]  # best first
    nearly: tuple[ExplainedRunnerUp, ...]  # best first; empty for a refusal

    @property
    def arms(self) -> tuple[str, ...]:
        """The arms that found any of the passages: the columns of a table."""
        return tuple(arm for arm in (DENSE, LEXICAL, RERANKER) if any(arm in one.arms for one in self.hits))


def explain(answer: Answer, document_of: Callable[[str], Document]) -> Explanation:
    """Explain an answer: fresh, read back from JSON, or of a conversation that was kept.

    A bar's share is the score divided by the best one of the answer's passages, and 0 for a score below 0. A reranker's
    scores are logits: there the probabilities are divided that they stand for. So the longest bar of an arm says
    which of these passages it holds to be best, not how good that one is, and bars of two arms do not compare.

    Args:
        answer: Any.
        document_of: Returns the document of an id, as `Store.document` does; may raise NotFoundError.
    """
    documents = _Documents(document_of)
    best = {arm: max(values) for arm, values in _scores(answer.hits).items()}
    highest = max((hit.score for hit in answer.hits), default=0.0)
    words = _Words(answer.query)
    looks = [words.look(hit.passage.text) for hit in answer.hits]
    hits = [
        ExplainedHit(
            hit=hit,
            title=documents.title(hit.passage.document_id, hit.passage.start),
            paragraph=documents.paragraph(hit.passage.document_id, hit.passage.start),
            share=_share(hit.score, highest),
            arms={
                arm: Bar(found.rank, found.score, _share(_size(arm, found.score), _size(arm, best[arm])))
                for arm in (DENSE, LEXICAL, RERANKER)
                if (found := hit.arms.get(arm))
            },
            matched=_moved(matched, hit.passage.start),
            coverage=coverage,
            markers=_markers(answer, hit, documents),
        )
        for hit, (matched, coverage) in zip(answer.hits, looks, strict=True)
    ]
    ranks = {hit.passage.id: hit.rank for hit in answer.hits}
    nearly = [
        ExplainedRunnerUp(
            runner_up=one,
            title=documents.title(one.document_id, one.start),
            paragraph=paragraph,
            matched=_moved(words.look(one.quote)[0], one.start),
            rank=ranks.get(one.passage_id),
        )
        for one in answer.nearly
        if documents.holds(one.document_id, one.start, one.end, one.quote)
        and (paragraph := documents.paragraph(one.document_id, one.start)) is not None
    ]
    return Explanation(answer.query, tuple(hits), tuple(nearly))


class _Documents:
    """Documents by id, each asked for once; some may be gone."""

    def __init__(self, document_of: Callable[[str], Document]) -> None:
        self._document_of = document_of
        self._known: dict[str, Document | None] = {}

    def get(self, document_id: str) -> Document | None:
        if document_id not in self._known:
            try:
                self._known[document_id] = self._document_of(document_id)
            except NotFoundError:
                self._known[document_id] = None
        return self._known[document_id]

    def title(self, document_id: str, position: int) -> str:
        document = self.get(document_id)
        if document is None:
            return ""
        inside = position < len(document.text)
        return (document.article_at(position).title if inside else "") or document.title

    def paragraph(self, document_id: str, position: int) -> int | None:
        document = self.get(document_id)
        if document is None or position >= len(document.text):
            return None
        return document.paragraph_at(position).number

    def holds(self, document_id: str, start: int, end: int, words: str) -> bool:
        document = self.get(document_id)
        return document is not None and document.text[start:end] == words


def _scores(hits: Sequence[Hit]) -> dict[str, list[float]]:
    scores: dict[str, list[float]] = {}
    for hit in hits:
        for arm, found in hit.arms.items():
            scores.setdefault(arm, []).append(found.score)
    return scores


def _size(arm: str, score: float) -> float:
    """Return a score as a number whose zero means nothing: the probability that a logit stands for."""
    return 0.5 * (1 + math.tanh(score / 2)) if arm == RERANKER else score


def _share(score: float, best: float) -> float:
    return min(1.0, max(0.0, score / best)) if best > 0 else 0.0


def _markers(answer: Answer, hit: Hit, documents: _Documents) -> tuple[int, ...]:
    """Return the citations that quote a passage; of one whose document has changed, its passage's id must do."""
    passage = hit.passage
    return tuple(
        one.marker
        for one in answer.citations
        if one.passage_id == passage.id
        or (
            one.document.id == passage.document_id
            and one.start < passage.end
            and passage.start < one.end
            and documents.holds(one.document.id, one.start, one.end, one.quote)
        )
    )


def _moved(spans: Iterable[Span], offset: int) -> tuple[Span, ...]:
    return tuple((start + offset, end + offset) for start, end in spans)


# -- Words of the query ----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Term:
    """A word of the query, folded: Chinese, or the stem of another."""

    text: str
    weight: float  # larger for telling words, see rag.question.Term
    is_chinese: bool


@dataclass(frozen=True)
class _Found:
    """Where a term stands in a folded text, and how much of it: a pair of a word's three characters is two thirds."""

    term: int
    start: int
    end: int
    share: float


class _Words:
    """The words of a query that carry meaning, and where they stand in texts.

    Width, case and traditional characters make no difference. Of a Chinese word two characters in a row count, too, and
    of an English one its stem. In a text of the other language the translations count that the search knows. Words that
    only ask or join (什么, 的, the) are no words of a query here, though the search by words counts them a little.
    """

    def __init__(self, query: str) -> None:
        terms: dict[str, _Term] = {}
        for term in analyse(query).terms:
            if is_han(term.text[0]):
                if len(term.text) > 1 or (not term.is_verb and term.weight >= LEAST_SINGLE):
                    terms[term.text] = _Term(term.text, term.weight, True)
                continue
            parts = [stem(part) for part in _WORD.findall(term.text)]
            for part in parts:  # COVID-19
                terms.setdefault(part, _Term(part, term.weight / len(parts), False))
        self._terms = tuple(terms.values())
        self._total = sum(term.weight for term in self._terms)
        self._phrases = tuple(_phrases(self._terms))

    def look(self, text: str) -> tuple[list[Span], float]:
        """Return where the words stand in a text, and by weight which share of them it says.

        The spans are exact, merged and in order.
        """
        folded, places = _folded(text)
        words = [(stem(word.group()), word.start(), word.end()) for word in _WORD.finditer(folded)]
        is_latin = 2 * sum(end - start for _, start, end in words) > len(folded)
        found = [*self._written(folded, words), *self._translated(folded, words, is_latin)]
        exact = [(places[one.start], places[one.end - 1] + 1) for one in found]
        spans = _merged((start, _whole(text, end)) for start, end in exact)
        return spans, self._share(found)

    def _share(self, found: Iterable[_Found]) -> float:
        said: dict[int, float] = {}
        for one in found:
            said[one.term] = max(one.share, said.get(one.term, 0.0))
        return sum(self._terms[term].weight * share for term, share in said.items()) / self._total if said else 0.0

    def _written(self, folded: str, words: Sequence[tuple[str, int, int]]) -> Iterator[_Found]:
        """Yield where the terms stand as they are, or two or more characters in a row of a longer Chinese one."""
        for at, term in enumerate(self._terms):
            if not term.is_chinese:
                yield from (_Found(at, start, end, 1.0) for one, start, end in words if one == term.text)
                continue
            size = len(term.text)
            pairs = [term.text[place : place + 2] for place in range(size - 1)] if size > 2 else [term.text]
            for start, end in _merged(span for pair in pairs for span in _occurrences(pair, folded)):
                yield _Found(at, start, end, min(1.0, (end - start) / size))

    def _translated(self, folded: str, words: Sequence[tuple[str, int, int]], is_latin: bool) -> Iterator[_Found]:
        """Yield where translations stand: the Chinese ones in a Chinese text, the English ones in an English one."""
        stems = [one for one, _, _ in words]
        if is_latin:
            for at, term in enumerate(self._terms):
                for way in english_of(term.text) if term.is_chinese else ():
                    parts = way.text.split(" ")
                    if way.factor >= LEAST_FACTOR:
                        yield from (
                            _Found(at, words[first][1], words[first + len(parts) - 1][2], 1.0)
                            for first in range(len(stems) - len(parts) + 1)
                            if stems[first : first + len(parts)] == parts
                        )
            return
        for places, phrase in self._phrases:
            for way in chinese_of(phrase):
                if way.factor >= LEAST_FACTOR and len(way.text) > 1:
                    for start, end in _occurrences(way.text, folded):
                        yield from (_Found(at, start, end, 1.0) for at in places)


def _phrases(terms: Sequence[_Term]) -> Iterator[tuple[Sequence[int], str]]:
    """Yield the words in Latin letters and the phrases of several of them that may have a translation."""
    latin = [at for at, term in enumerate(terms) if not term.is_chinese and not term.text[0].isdigit()]
    for length in range(1, LONGEST_PHRASE + 1):
        for first in range(len(latin) - length + 1):
            places = latin[first : first + length]
            yield places, " ".join(terms[at].text for at in places)


def _folded(text: str) -> tuple[str, Sequence[int]]:
    """Return a text folded, and of each of its characters the place in `text` it comes from."""
    folded = fold(text)
    if len(folded) == len(text):  # none grew, and none can vanish
        return folded, range(len(text))
    places = [at for at, character in enumerate(text) for _ in fold(character)]
    return folded, places


def _occurrences(words: str, text: str) -> Iterator[Span]:
    at = text.find(words)
    while at >= 0:
        yield at, at + len(words)
        at = text.find(words, at + 1)


def _whole(text: str, end: int) -> int:
    """Return an end behind the marks that belong to the last character: accents, and how it is drawn."""
    while end < len(text) and (unicodedata.combining(text[end]) or text[end] in _SELECTORS):
        end += 1
    return end


def _merged(spans: Iterable[Span]) -> list[Span]:
    """Join spans that overlap or touch; the result is in order."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


__all__ = ["Bar", "ExplainedHit", "ExplainedRunnerUp", "Explanation", "explain"]
