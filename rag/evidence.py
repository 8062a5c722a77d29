"""Evidence: every clause of the hits, described by a few numbers that tell how well it answers.

A clause is the smallest piece an answer is made of. What its sentence, its passage and the headline
above it say of the question counts too: a sentence names its subject once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from rag import kinds
from rag.embedder import Embedder
from rag.folding import fold
from rag.lexical import grams
from rag.matching import match
from rag.passages import Passage, clause_spans, sentence_spans
from rag.question import Asked
from rag.retriever import Hit

Matrix = npt.NDArray[np.float64]

CLAUSE_FEATURES = (
    "coverage", "sentence_coverage", "passage_coverage", "before_coverage", "after_coverage",
    "local_coverage", "local_sentence", "fresh_coverage", "fresh_sentence", "focus", "focus_near", "grams",
    "common_run", "kind_met", "kind_unmet", "kind_near", "novelty", "length", "first_in_sentence",
    "first_in_passage", "retrieval", "dense", "enumerates", "quotes", "defines", "best_coverage",
    "best_sentence", "asks_person", "asks_date", "asks_number", "asks_place", "asks_list",
    "asks_reason", "asks_fact", "english",
)  # fmt: skip


@dataclass(frozen=True)
class Setting:
    """What a passage stands under: the headline above it, which its sentences need not repeat."""

    headline: str
    is_headline: bool  # whether the passage is a headline itself
    document: str = ""  # the whole text it is a part of


@dataclass(frozen=True)
class Clause:
    """A clause of a hit: `[start, end)` in the passage's text."""

    hit: Hit
    start: int
    end: int
    sentence: int  # which sentence of the passage

    @property
    def text(self) -> str:
        """The words of the clause."""
        return self.hit.passage.text[self.start : self.end]


@dataclass(frozen=True)
class Evidence:
    """All clauses of the hits, in order, and what each says of the question."""

    asked: Asked
    clauses: tuple[Clause, ...]
    said: Matrix  # shape (terms, clauses), 0 to 1: how far each clause says each term
    headlines: Matrix  # the same for the headline above each clause
    weights: Matrix  # shape (terms,): how much each term tells
    is_headline: npt.NDArray[np.bool_]  # shape (clauses,)
    features: Matrix  # shape (clauses, len(CLAUSE_FEATURES))
    folded_documents: Mapping[int, str]  # of each hit, by rank: the folded text it is a part of

    def missing(self) -> tuple[str, ...]:
        """Return the words of the question that neither the hits nor their headlines say."""
        best = np.maximum(self.said, self.headlines).max(axis=1, initial=0.0)
        absent = [
            term.text for term, value in zip(self.asked.terms, best, strict=True) if value < 0.5 and not term.inherited
        ]
        folded = fold(self.asked.query)
        words: list[str] = []
        for word in absent:  # an unknown name may have been cut in two: 比亚 and 迪
            if words and words[-1] + word in folded:
                words[-1] += word
            else:
                words.append(word)
        return tuple(words)


def gather(asked: Asked, hits: Sequence[Hit], setting_of: Callable[[Passage], Setting], embedder: Embedder) -> Evidence:
    """Cut the hits into clauses and describe each.

    Args:
        asked: The question.
        hits: Passages to look into, best first.
        setting_of: Tells what a passage stands under.
        embedder: Compares words and sentences by meaning.
    """
    clauses: list[Clause] = []
    sentences: list[str] = []
    sentence_of: list[int] = []  # of each clause, counted over all hits
    for hit in hits:
        text = hit.passage.text
        spans = sentence_spans(text)
        starts = [start for start, _ in spans]
        for start, end in clause_spans(text):
            number = int(np.searchsorted(starts, start, side="right")) - 1
            clauses.append(Clause(hit, start, end, number))
            sentence_of.append(len(sentences) + number)
        sentences += [text[start:end] for start, end in spans]
    owners = [clause.hit.rank for clause in clauses]
    settings = {hit.rank: setting_of(hit.passage) for hit in hits}
    headlines = [setting.headline for setting in settings.values()]
    strengths = match(asked.terms, [*(clause.text for clause in clauses), *headlines], embedder)
    said = strengths[:, : len(clauses)]
    columns = {rank: len(clauses) + at for at, rank in enumerate(settings)}
    above = strengths[:, [columns[rank] for rank in owners]]
    dense = embedder.embed_passages(sentences) @ embedder.embed_queries([asked.query])[0]
    weights = _weights(asked, said, owners)
    features = _features(asked, clauses, said, above, weights, np.array(sentence_of), dense.astype(np.float64))
    is_headline = np.array([settings[rank].is_headline for rank in owners], bool)
    documents = {rank: _folded(setting.document) for rank, setting in settings.items()}
    return Evidence(asked, tuple(clauses), said, above, weights, is_headline, features, documents)


@lru_cache(maxsize=64)
def _folded(text: str) -> str:
    return fold(text)


def coverage(said: Matrix, weights: Matrix) -> Matrix:
    """Return the weighted share of the terms that is said; shape (terms, n) gives (n,)."""
    total = float(weights.sum())
    return np.asarray(weights @ said / total) if total else np.zeros(said.shape[1])


def _weights(asked: Asked, said: Matrix, owners: Sequence[int]) -> Matrix:
    """Return the weight of each term: telling in the language, and telling among these passages."""
    if not asked.terms or not owners:
        return np.zeros(len(asked.terms))
    in_passages = np.array([[said[:, np.array(owners) == rank].max(axis=1) > 0.5] for rank in sorted(set(owners))])
    share = in_passages.mean(axis=0)[0]
    return np.asarray(np.array([term.weight for term in asked.terms]) * (1.0 - 0.6 * share))


def _grouped_max(said: Matrix, groups: npt.NDArray[np.int64]) -> Matrix:
    """Return, for each column, the largest values among the columns of its group."""
    starts = np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]])
    return np.repeat(np.maximum.reduceat(said, starts, axis=1), np.diff(np.r_[starts, len(groups)]), axis=1)


def _common_run(query: str, text: str) -> float:
    """Return the length of the longest run of characters that both hold, in tenths, at most 1."""
    longest = 0
    for start in range(len(query)):
        while query[start : start + longest + 1] in text and start + longest < len(query):
            longest += 1
    return min(1.0, longest / 10)


def _features(
    asked: Asked,
    clauses: Sequence[Clause],
    said: Matrix,
    above: Matrix,
    weights: Matrix,
    sentence_of: npt.NDArray[np.int64],
    dense: Matrix,
) -> Matrix:
    """Return the features of all clauses, shape (clauses, len(CLAUSE_FEATURES))."""
    passage_of = np.array([clause.hit.rank for clause in clauses])
    own = coverage(said, weights)
    sentence_said = _grouped_max(said, sentence_of)
    # Among these sentences a word that few of them hold tells more: the subject stands in all.
    count_of_sentences = len(set(sentence_of.tolist()))
    firsts = np.flatnonzero(np.r_[True, sentence_of[1:] != sentence_of[:-1]])
    holding = (sentence_said[:, firsts] > 0.5).sum(axis=1)
    local = weights * np.log((count_of_sentences + 1) / (holding + 0.5))
    # A word of the headline need not be said again: what remains is what the clause must say itself.
    fresh = weights[:, None] * (1.0 - above)
    fresh_total = np.maximum(fresh.sum(axis=0), 1e-9)
    by_sentence = coverage(sentence_said, weights)
    by_passage = coverage(np.maximum(_grouped_max(said, passage_of), above), weights)
    same_before = np.r_[False, sentence_of[1:] == sentence_of[:-1]]
    same_after = np.r_[sentence_of[1:] == sentence_of[:-1], False]
    before = np.where(same_before, np.r_[0.0, own[:-1]], 0.0)
    after = np.where(same_after, np.r_[own[1:], 0.0], 0.0)
    focus_rows = [at for at, term in enumerate(asked.terms) if term.focus]
    focus = said[focus_rows].max(axis=0, initial=0.0)
    focus_near = np.maximum(
        np.where(same_before, np.r_[0.0, focus[:-1]], 0), np.where(same_after, np.r_[focus[1:], 0.0], 0)
    )
    texts = [clause.text for clause in clauses]
    folded = [fold(text) for text in texts]
    folded_query = fold(asked.query)
    rests = [kinds.without_terms(text, asked) for text in folded]
    asks = kinds.asks_for_something(asked)
    met = np.array([kinds.is_met(asked, text) for text in texts], float)
    met_near = np.maximum(np.where(same_before, np.r_[0.0, met[:-1]], 0), np.where(same_after, np.r_[met[1:], 0.0], 0))
    wanted = {gram for gram in grams(asked.query) if len(gram) > 1}
    shared = np.array([len(wanted.intersection(grams(text))) for text in texts]) / max(1, len(wanted))
    count = len(clauses)
    columns = {
        "coverage": own,
        "sentence_coverage": by_sentence,
        "passage_coverage": by_passage,
        "before_coverage": before,
        "after_coverage": after,
        "local_coverage": coverage(said, local),
        "local_sentence": coverage(sentence_said, local),
        "fresh_coverage": (fresh * said).sum(axis=0) / fresh_total,
        "fresh_sentence": (fresh * sentence_said).sum(axis=0) / fresh_total,
        "focus": focus,
        "focus_near": focus_near,
        "grams": shared,
        "common_run": np.array([_common_run(folded_query, text) for text in folded]),
        "kind_met": met,
        "kind_unmet": float(asks) - met,
        "kind_near": met_near,
        "novelty": np.minimum(1.0, np.array([len(rest) for rest in rests]) / 15),
        "length": np.log([len(text) for text in texts]),
        "first_in_sentence": ~same_before,
        "first_in_passage": np.array([clause.start == 0 for clause in clauses]),
        "retrieval": 1.0 / passage_of,
        "dense": dense[sentence_of],
        "enumerates": np.array([kinds.enumerates(text) for text in texts]),
        "quotes": np.array([kinds.quotes(text) for text in texts]),
        "defines": np.array([kinds.defines(text) for text in texts]),
        "best_coverage": own >= own.max() - 1e-9,
        "best_sentence": by_sentence >= by_sentence.max() - 1e-9,
        "asks_person": np.full(count, asked.kind == "person"),
        "asks_date": np.full(count, asked.kind == "date"),
        "asks_number": np.full(count, asked.kind == "number"),
        "asks_place": np.full(count, asked.kind == "place"),
        "asks_list": np.full(count, asked.kind == "list"),
        "asks_reason": np.full(count, asked.kind in ("reason", "manner")),
        "asks_fact": np.full(count, asked.kind == "fact"),
        "english": np.full(count, asked.language == "en"),
    }
    return np.stack([np.asarray(columns[name], np.float64) for name in CLAUSE_FEATURES], axis=1)
