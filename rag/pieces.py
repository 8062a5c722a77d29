"""Pieces: what an answer may quote from the hits, each described by a few numbers.

A piece is a span that the span model proposes, or a run of whole clauses of one sentence: where the
model is unsure of the very words, the clause around them still answers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rag import kinds
from rag.enumeration import Enumeration, enumerations
from rag.evidence import CLAUSE_FEATURES, Clause, Evidence, Matrix
from rag.lexical import grams
from rag.question import Asked
from rag.retriever import Hit
from rag.span_model import Candidate

PROPOSED = 20  # spans of each hit that are asked of the span model
SPANS = 5  # of them, for each hit, that are pieces of their own
MAX_CLAUSES = 3  # in a run
MAX_LENGTH = 70  # characters of a run; a single clause may be longer
ODDS = 10.0  # log odds are cut here, and divided by it
LEAST = 1e-4  # of a probability whose logarithm is taken

PIECE_FEATURES = (
    *CLAUSE_FEATURES, "holds", "log_holds", "is_it", "log_is_it", "touches", "hit_odds", "odds", "proposed", "clauses",
    "piece_length", "share_of_clauses", "piece_kind_met", "piece_kind_unmet", "echo", "piece_enumerates",
    "piece_quotes", "names_wanted", "wanted_unnamed", "counted", "miscounted", "whole_list", "cuts_list",
    "begins_clause", "ends_clause", "hit_score", "document_share", "said_names", "said_verbs", "sentence_names",
    "asks_count",
)  # fmt: skip


@dataclass(frozen=True)
class Piece:
    """Words of a hit: `[start, end)` in the passage's text, within the clauses `first` to `last` of the evidence."""

    hit: Hit
    start: int
    end: int
    first: int
    last: int
    proposed: bool  # by the span model

    @property
    def text(self) -> str:
        """The words."""
        return self.hit.passage.text[self.start : self.end]


@dataclass(frozen=True)
class Pieces:
    """All pieces of the hits, and what tells how well each answers."""

    evidence: Evidence
    pieces: tuple[Piece, ...]
    features: Matrix  # shape (pieces, len(PIECE_FEATURES))
    odds: float  # log odds, by the span model, that some hit answers

    def feature(self, name: str) -> Matrix:
        """Return one feature of all pieces, shape (pieces,)."""
        return np.asarray(self.features[:, PIECE_FEATURES.index(name)])


def trim(text: str, start: int, end: int) -> tuple[int, int]:
    """Return a span without the comma, full stop, white space or 的 it ends with."""
    if end > start + 2 and text[end - 1] == "的":
        end -= 1
    while end > start + 1 and text[end - 1] in "，,；;：:。.、 \n—":
        end -= 1
    return start, end


def cut(evidence: Evidence, hits: Sequence[Hit], candidates: Sequence[Candidate]) -> Pieces:
    """Collect the pieces of the hits.

    Args:
        evidence: Of the hits.
        hits: As given to `gather`.
        candidates: What the span model proposes of the texts of the hits.
    """
    of_hit: dict[int, list[int]] = {}
    for at, clause in enumerate(evidence.clauses):
        of_hit.setdefault(clause.hit.rank, []).append(at)
    pieces: list[Piece] = []
    known: set[tuple[int, int, int]] = set()

    def add(hit: Hit, start: int, end: int, first: int, last: int, proposed: bool) -> None:
        if start < end and (hit.rank, start, end) not in known:
            known.add((hit.rank, start, end))
            pieces.append(Piece(hit, start, end, first, last, proposed))

    for text, hit in enumerate(hits):
        own = of_hit.get(hit.rank, [])
        clauses = [evidence.clauses[at] for at in own]
        for candidate in [one for one in candidates if one.text == text][:SPANS]:
            start, end = trim(hit.passage.text, candidate.start, candidate.end)
            touched = [at for at, clause in zip(own, clauses, strict=True) if clause.start < end and start < clause.end]
            if touched:
                add(hit, start, end, touched[0], touched[-1], True)
        for first, opening in enumerate(clauses):
            for last in range(first, min(first + MAX_CLAUSES, len(clauses))):
                closing = clauses[last]
                too_long = last > first and closing.end - opening.start > MAX_LENGTH
                if closing.sentence != opening.sentence or too_long:
                    break
                add(hit, *trim(hit.passage.text, opening.start, closing.end), own[first], own[last], False)
    features, odds = _features(evidence, hits, pieces, candidates)
    return Pieces(evidence, tuple(pieces), features, odds)


def _features(
    evidence: Evidence, hits: Sequence[Hit], pieces: Sequence[Piece], candidates: Sequence[Candidate]
) -> tuple[Matrix, float]:
    """Return the features of all pieces, and the log odds that some hit answers."""
    asked = evidence.asked
    scores = np.array([candidate.score for candidate in candidates] or [-2 * ODDS])
    # A passage that does not answer scores 1 against the odds of each of its spans: so does "nowhere".
    odds = float(np.logaddexp.reduce(scores))
    total = np.logaddexp(odds, 0.0)
    shares = np.exp(scores - total)
    where = np.array([(hits[one.text].rank, one.start, one.end) for one in candidates] or [(0, 0, 0)])
    ranks, starts, ends = where.T
    best_of_hit = {
        hit.rank: max((one.score for one in candidates if one.text == at), default=-ODDS) for at, hit in enumerate(hits)
    }
    clause_mass = np.array([_mass(clause, ranks, starts, ends, shares) for clause in evidence.clauses])
    lists = {hit.rank: enumerations(hit.passage.text) for hit in hits}
    best_score = max((hit.score for hit in hits), default=0.0) or 1.0
    of_document: dict[str, float] = {}
    for hit in hits:
        of_document[hit.passage.document_id] = of_document.get(hit.passage.document_id, 0.0) + max(hit.score, 0.0)
    all_scores = sum(of_document.values()) or 1.0
    names = np.array([term.is_name for term in asked.terms], bool)
    verbs = np.array([term.is_verb for term in asked.terms], bool) & ~names
    sentences = _by_sentence(evidence)
    asks = kinds.asks_for_something(asked)
    asked_grams = set(grams(asked.query))
    rows = []
    for piece in pieces:
        here = ranks == piece.hit.rank
        # Trimmed pieces lose a closing sign that a span may have: it is no part of the words.
        inside = here & (starts >= piece.start) & (ends <= piece.end + 1)
        same = here & (starts == piece.start) & (np.abs(ends - piece.end) <= 1)
        touching = here & (starts < piece.end) & (ends > piece.start)
        holds, is_it, touches = (float(shares[which].sum()) for which in (inside, same, touching))
        run = slice(piece.first, piece.last + 1)
        main = piece.first + int(clause_mass[run].argmax())
        words = piece.text
        own = grams(words)
        met = kinds.is_met(asked, words)
        opening, closing = evidence.clauses[piece.first], evidence.clauses[piece.last]
        length = closing.end - opening.start
        held, cut_ = lists_of(piece.start, piece.end, lists[piece.hit.rank])
        fitting = [one for one in held if not of_other_things(asked, one)]
        counts = {len(one.items) for one in fitting} | {one.promised for one in fitting if one.promised}
        named = kinds.names_wanted(asked, words)
        said = evidence.said[:, run].max(axis=1, initial=0.0)
        rows.append(
            [
                *evidence.features[main], holds, np.log(holds + LEAST), is_it, np.log(is_it + LEAST), touches,
                np.clip(best_of_hit[piece.hit.rank], -ODDS, ODDS) / ODDS, np.clip(odds, -ODDS, ODDS) / ODDS,
                piece.proposed, (piece.last - piece.first + 1) / MAX_CLAUSES, np.log(len(words)), len(words) / length,
                met, asks and not met, sum(gram in asked_grams for gram in own) / (len(own) or 1),
                kinds.enumerates(words), kinds.quotes(words), named, bool(asked.wanted) and not named,
                asked.count in counts, bool(asked.count and counts) and asked.count not in counts,
                bool(held), bool(cut_), piece.start <= opening.start, piece.end >= closing.end - 1,
                piece.hit.score / best_score, of_document[piece.hit.passage.document_id] / all_scores,
                _mean(said, names), _mean(said, verbs), _mean(sentences[:, piece.first], names), bool(asked.count),
            ]
        )  # fmt: skip
    return np.array(rows, np.float64).reshape(len(pieces), len(PIECE_FEATURES)), odds


def lists_of(start: int, end: int, found: Sequence[Enumeration]) -> tuple[list[Enumeration], list[Enumeration]]:
    """Return the enumerations of which `[start, end)` holds all items, and those of which it holds some."""
    held = [one for one in found if start <= one.items[0][0] and one.items[-1][1] <= end]
    touched = [one for one in found if one.items[0][0] < end and start < one.items[-1][1] and one not in held]
    return held, touched


def of_other_things(asked: Asked, one: Enumeration) -> bool:
    """Say whether a list is called by another noun than what is asked for: 两个品牌 for 哪两家企业."""
    # Nouns that share a character may be one, mistyped or in a longer form: 定为 for 定位.
    return bool(one.promised and one.noun and asked.wanted) and not set(one.noun) & set(asked.wanted)


def _by_sentence(evidence: Evidence) -> Matrix:
    """Return how far the sentence of each clause says each term, shape (terms, clauses)."""
    keys = [(clause.hit.rank, clause.sentence) for clause in evidence.clauses]
    columns: dict[tuple[int, int], list[int]] = {}
    for at, key in enumerate(keys):
        columns.setdefault(key, []).append(at)
    best = {key: evidence.said[:, at].max(axis=1, initial=0.0) for key, at in columns.items()}
    return np.stack([best[key] for key in keys], axis=1) if keys else np.zeros((len(evidence.weights), 0))


def _mean(said: Matrix, which: Matrix) -> float:
    """Return how far the terms of a kind are said on average; 1 where there are none: nothing is missing."""
    return float(said[which].mean()) if which.any() else 1.0


def _mass(clause: Clause, ranks: Matrix, starts: Matrix, ends: Matrix, shares: Matrix) -> float:
    touching = (ranks == clause.hit.rank) & (starts < clause.end) & (ends > clause.start)
    return float(shares[touching].sum())
