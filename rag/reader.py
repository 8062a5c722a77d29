"""The extractive reader: chooses, from the hits, the shortest words that answer, or says that none do.

A span model (span_model.py) proposes spans of each hit; they and the clauses around them are the pieces an
answer may quote (pieces.py). Two small networks choose among the pieces, a third says how likely the
chosen words answer at all. They are learnt by training/calibrate_reader.py, from questions of public
reading sets that the bundled span model has not seen.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from rag import kinds
from rag.answers import Check, Verdict
from rag.citations import Quote
from rag.embedder import Embedder
from rag.errors import ModelError
from rag.evidence import CLAUSE_FEATURES, Matrix, Setting, coverage, gather
from rag.folding import fold
from rag.passages import Passage
from rag.pieces import PIECE_FEATURES, PROPOSED, Pieces, cut
from rag.question import Asked
from rag.retriever import Hit
from rag.span_model import SpanModel

WEIGHTS = Path(__file__).parent / "data" / "reader.json"
HEADLINE_FACTOR = 0.2  # of a headline's likelihood; the reading sets have none to learn it from
EDGE_SHARE = 0.15  # of the best clause's likelihood, below which a clause at the end of an answer is left out
LEAST_MASS = 1e-3  # of the clauses of a piece, so that their opinion alone rules nothing out


TRUST_FEATURES = (
    "coverage", "sentence_coverage", "passage_coverage", "hits_coverage", "focus", "focus_sentence", "focus_passage",
    "worst_missing",
    "name_missing", "noun_missing", "verb_missing", "sentence_missing", "number_missing", "promise_broken",
    "kind_met", "kind_unmet",
    "kind_in_sentence", "likelihood", "rival", "holds", "log_holds", "is_it", "hit_odds", "odds", "echo", "length",
    "proposed", "terms", "asks_person", "asks_date", "asks_number", "asks_place", "asks_list",
    "asks_reason", "asks_fact", "yes_no", "english",
)  # fmt: skip


OF_PIECE = ("holds", "log_holds", "is_it", "hit_odds", "odds", "echo", "proposed")  # taken from PIECE_FEATURES
_PARTS = ("mean", "deviation", "hidden", "hidden_bias", "output")


@dataclass(frozen=True)
class Reading:
    """What the reader makes of a question and its hits."""

    verdict: Verdict
    quotes: tuple[Quote, ...]
    confidence: float  # 0 to 1
    missing: tuple[str, ...]  # words of the question that the hits do not say
    notice: str  # for a refusal: what to tell the user
    withheld: tuple[Quote, ...] = ()  # of a refusal: the words that were chosen, but not trusted
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True)
class Network:
    """One hidden layer: `tanh((x - mean) / deviation @ hidden + hidden_bias) @ output + output_bias`."""

    mean: Matrix
    deviation: Matrix
    hidden: Matrix  # shape (features, units)
    hidden_bias: Matrix
    output: Matrix  # shape (units,)
    output_bias: float

    def __call__(self, features: Matrix) -> Matrix:
        """Return one score for each row of features."""
        units = np.tanh((features - self.mean) / self.deviation @ self.hidden + self.hidden_bias)
        return np.asarray(units @ self.output + self.output_bias)


@dataclass(frozen=True)
class Weights:
    """What was learnt, and the threshold that was chosen: see training/calibrate_reader.py."""

    clause: Network
    choice: Network
    trust: Network
    threshold: float  # of the probability, below which the reader refuses


@cache
def load_weights(path: Path = WEIGHTS) -> Weights:
    """Read the bundled weights, once."""
    record = json.loads(path.read_text(encoding="utf-8"))
    for name, features in (("clause", CLAUSE_FEATURES), ("choice", PIECE_FEATURES), ("trust", TRUST_FEATURES)):
        if tuple(record[name]["features"]) != features:
            raise ModelError(f"{path} was learnt for other {name} features; run training/calibrate_reader.py.")
    return Weights(
        _network(record["clause"]), _network(record["choice"]), _network(record["trust"]), record["threshold"]
    )


def _network(record: dict[str, list[float]]) -> Network:
    mean, deviation, hidden, hidden_bias, output = (np.array(record[name], np.float64) for name in _PARTS)
    return Network(mean, deviation, hidden, hidden_bias, output, float(record["output_bias"][0]))


def read(
    asked: Asked,
    hits: Sequence[Hit],
    setting_of: Callable[[Passage], Setting],
    embedder: Embedder,
    spans: SpanModel,
    threshold: float | None = None,
) -> Reading:
    """Choose the words that answer a question, or refuse.

    Args:
        asked: The question.
        hits: Passages to look into, best first.
        setting_of: Tells what a passage stands under.
        embedder: Compares words and sentences by meaning.
        spans: Proposes the words.
        threshold: Of the confidence, below which to refuse; None takes the one that was learnt, 0 never refuses.
    """
    if not hits:
        return Reading("refused", (), 0.0, (), notice(asked, ()))
    pieces = propose(asked, hits, setting_of, embedder, spans)
    weights = load_weights()
    likelihood, chosen = choose(pieces, weights.clause, weights.choice)
    score = float(weights.trust(trust_features(pieces, likelihood, chosen)[None])[0])
    confidence = float(1 / (1 + np.exp(-score)))
    missing = pieces.evidence.missing()
    piece = pieces.pieces[chosen]
    passage = piece.hit.passage
    quote = Quote(passage, passage.start + piece.start, passage.start + piece.end)
    least = weights.threshold if threshold is None else threshold
    premise = false_premise(asked, hits) if least > 0 else ""
    if premise or confidence < least:
        return Reading("refused", (), confidence, missing, premise or notice(asked, missing), (quote,))
    return Reading("answered", (quote,), confidence, missing, "")


def propose(
    asked: Asked,
    hits: Sequence[Hit],
    setting_of: Callable[[Passage], Setting],
    embedder: Embedder,
    spans: SpanModel,
) -> Pieces:
    """Return the pieces of the hits that an answer may quote; the arguments are those of `read`."""
    evidence = gather(asked, hits, setting_of, embedder)
    return cut(evidence, hits, spans.candidates(asked.query, [hit.passage.text for hit in hits], PROPOSED))


def choose(pieces: Pieces, clause: Network, choice: Network) -> tuple[Matrix, int]:
    """Return how likely each piece is the one to quote, and which is chosen.

    Of the likeliest run of clauses, those at the ends are left out that are far less likely than the best one
    among them: where the reader is sure of one clause, its neighbours add nothing.
    """
    likelihood = likelihoods(pieces, clause, choice)
    chosen = int(likelihood.argmax())
    piece = pieces.pieces[chosen]
    if piece.proposed:
        return likelihood, chosen
    by_clauses = _softmax(clause(pieces.evidence.features))
    first, last = piece.first, piece.last
    least = EDGE_SHARE * by_clauses[first : last + 1].max()
    while by_clauses[first] < least:
        first += 1
    while by_clauses[last] < least:
        last -= 1
    shorter = [
        at for at, one in enumerate(pieces.pieces) if (one.first, one.last) == (first, last) and not one.proposed
    ]
    return likelihood, shorter[0] if shorter else chosen


def likelihoods(pieces: Pieces, clause: Network, choice: Network) -> Matrix:
    """Return how likely each piece is the one to quote, shape (pieces,): they add up to 1.

    Two opinions are multiplied: that of the piece, which leans on the span model, and that of its clauses, which does
    not know it and errs elsewhere. A headline says in short what the body says in full, so it only answers where
    the body hardly does.
    """
    evidence = pieces.evidence
    sums = np.concatenate([[0.0], np.cumsum(_softmax(clause(evidence.features)))])
    firsts, lasts = (np.array([getattr(piece, name) for piece in pieces.pieces]) for name in ("first", "last"))
    by_clauses = np.log(sums[lasts + 1] - sums[firsts] + LEAST_MASS)
    is_headline = evidence.is_headline[firsts]
    return _softmax(choice(pieces.features) + by_clauses + np.where(is_headline, np.log(HEADLINE_FACTOR), 0.0))


def _softmax(scores: Matrix) -> Matrix:
    powers = np.exp(scores - scores.max())
    return np.asarray(powers / powers.sum())


def trust_features(pieces: Pieces, likelihood: Matrix, chosen: int) -> Matrix:
    """Return what tells whether the chosen piece answers, shape (len(TRUST_FEATURES),)."""
    evidence, piece = pieces.evidence, pieces.pieces[chosen]
    asked, clauses = evidence.asked, evidence.clauses
    first, last, hit = piece.first, piece.last, piece.hit
    of_passage = [at for at, clause in enumerate(clauses) if clause.hit is hit]
    of_sentence = [at for at in of_passage if clauses[at].sentence == clauses[first].sentence]
    run = list(range(first, last + 1))
    said = {
        name: evidence.said[:, at].max(axis=1, initial=0.0) for name, at in (("run", run), ("sentence", of_sentence))
    }
    said["passage"] = np.maximum(evidence.said[:, of_passage].max(axis=1, initial=0.0), evidence.headlines[:, first])
    said["hits"] = np.maximum(evidence.said, evidence.headlines).max(axis=1, initial=0.0)
    own = np.array([not term.inherited for term in asked.terms], bool)
    names = np.array([term.is_name for term in asked.terms], bool) & own
    verbs = np.array([term.is_verb for term in asked.terms], bool) & ~names
    focus = np.array([term.focus for term in asked.terms], bool)
    relative = evidence.weights / (evidence.weights.max(initial=0.0) or 1.0)
    absent = {name: (1.0 - value) * relative * own for name, value in said.items()}
    text = piece.text
    sentence = hit.passage.text[clauses[of_sentence[0]].start : clauses[of_sentence[-1]].end]
    met, met_in_sentence = (kinds.is_met(asked, words) for words in (text, sentence))
    # Pieces that share words with the chosen one say the same at another length: they are no rivals.
    alike = {
        at
        for at, other in enumerate(pieces.pieces)
        if other.hit is hit and other.start < piece.end and piece.start < other.end
    }
    written = set(re.findall(r"\d+(?:\.\d+)?", fold(hit.passage.text)))
    values = {name: coverage(value[:, None], evidence.weights)[0] for name, value in said.items()}
    features = {
        "coverage": values["run"],
        "sentence_coverage": values["sentence"],
        "passage_coverage": values["passage"],
        "hits_coverage": values["hits"],
        "focus": said["run"][focus].max(initial=0.0),
        "focus_sentence": said["sentence"][focus].max(initial=0.0),
        "focus_passage": said["passage"][focus].max(initial=0.0),
        "worst_missing": absent["passage"].max(initial=0.0),
        "name_missing": (absent["passage"] * names).max(initial=0.0),
        "noun_missing": (absent["passage"] * ~names * ~verbs).max(initial=0.0),
        "verb_missing": (absent["passage"] * verbs).max(initial=0.0),
        "sentence_missing": absent["sentence"].max(initial=0.0),
        "number_missing": bool(set(asked.numbers) - written),
        "promise_broken": any(kinds.contradiction(promise, hit.passage.text) for promise in asked.promises),
        "kind_met": met,
        "kind_unmet": kinds.asks_for_something(asked) and not met,
        "kind_in_sentence": met_in_sentence,
        "likelihood": sum(float(likelihood[at]) for at in alike),
        "rival": max((float(likelihood[at]) for at in range(len(likelihood)) if at not in alike), default=0.0),
        **{name: pieces.features[chosen, PIECE_FEATURES.index(name)] for name in OF_PIECE},
        "length": min(len(text), 100) / 100,
        "terms": min(len(asked.terms), 8) / 8,
        "asks_person": asked.kind == "person",
        "asks_date": asked.kind == "date",
        "asks_number": asked.kind == "number",
        "asks_place": asked.kind == "place",
        "asks_list": asked.kind == "list",
        "asks_reason": asked.kind in ("reason", "manner"),
        "asks_fact": asked.kind == "fact",
        "yes_no": asked.kind == "yes-no",
        "english": asked.language == "en",
    }
    return np.array([float(features[name]) for name in TRUST_FEATURES])


def false_premise(asked: Asked, hits: Sequence[Hit]) -> str:
    """Return what to tell a user who takes a wrong number for given (五大定位), or "" where none is."""
    for promise in asked.promises:
        said = [kinds.contradiction(promise, hit.passage.text) for hit in hits]
        if any(said) and not any(promise.text in fold(hit.passage.text) for hit in hits):
            return f"原文说的是“{next(filter(None, said))}”，没有说“{promise.text}”。"
    return ""


def notice(asked: Asked, missing: Sequence[str]) -> str:
    """Return what a refusal says, in the language of the question."""
    if asked.language == "en":
        words = f" It does not mention: {', '.join(missing)}." if missing else ""
        return f"The text does not tell.{words}"
    words = f"没有提到：{'、'.join(missing)}。" if missing else ""
    return f"原文没有回答这个问题。{words}"
