"""The extractive reader: chooses, from the hits, the shortest words that answer, or says that none do.

A small network over the features of each clause (evidence.py) tells how likely the answer stands in
it. The answer is the run of clauses within one sentence that gathers most of that likelihood for
its length. A second network over `TRUST_FEATURES` says how likely the chosen words answer at all.
Both are learnt from public reading sets by training/train_reader.py.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from rag import kinds
from rag.citations import Check, Verdict
from rag.embedder import Embedder
from rag.errors import ModelError
from rag.evidence import CLAUSE_FEATURES, Evidence, Matrix, Setting, coverage, gather
from rag.folding import fold
from rag.passages import Passage
from rag.question import Asked
from rag.retriever import Hit

EXTRACTIVE = "extractive"
WEIGHTS = Path(__file__).parent / "data" / "reader.json"
HEADLINE_FACTOR = 0.2  # of a headline's likelihood; the reading sets have none to learn it from
EDGE_SHARE = 0.15  # of the best clause's likelihood, below which a clause at the end of an answer is left out
MAX_CLAUSES = 8  # in an answer
MAX_LENGTH = 200  # characters of an answer; a single clause may be longer

TRUST_FEATURES = (
    "coverage", "sentence_coverage", "passage_coverage", "hits_coverage", "focus", "focus_sentence", "focus_passage",
    "worst_missing",
    "name_missing", "noun_missing", "verb_missing", "sentence_missing", "number_missing", "promise_broken",
    "kind_met", "kind_unmet",
    "kind_in_sentence", "mass", "best", "terms", "asks_person", "asks_date", "asks_number", "asks_place", "asks_list",
    "asks_reason", "asks_fact", "yes_no", "english",
)  # fmt: skip


_PARTS = ("mean", "deviation", "hidden", "hidden_bias", "output")


@dataclass(frozen=True)
class Quote:
    """Words chosen from a passage: `[start, end)` in the document."""

    passage: Passage
    start: int
    end: int


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
    """What was learnt, and the two numbers that were chosen: see training/train_reader.py."""

    clause: Network
    trust: Network
    price: float  # likelihood that 100 characters more must gain to be quoted
    threshold: float  # of the probability, below which the reader refuses


@cache
def load_weights(path: Path = WEIGHTS) -> Weights:
    """Read the bundled weights, once."""
    record = json.loads(path.read_text(encoding="utf-8"))
    for name, features in (("clause", CLAUSE_FEATURES), ("trust", TRUST_FEATURES)):
        if tuple(record[name]["features"]) != features:
            raise ModelError(f"{path} was learnt for other {name} features; run training/train_reader.py.")
    return Weights(_network(record["clause"]), _network(record["trust"]), record["price"], record["threshold"])


def _network(record: dict[str, list[float]]) -> Network:
    mean, deviation, hidden, hidden_bias, output = (np.array(record[name], np.float64) for name in _PARTS)
    return Network(mean, deviation, hidden, hidden_bias, output, float(record["output_bias"][0]))


def read(
    asked: Asked,
    hits: Sequence[Hit],
    setting_of: Callable[[Passage], Setting],
    embedder: Embedder,
    threshold: float | None = None,
) -> Reading:
    """Choose the words that answer a question, or refuse.

    Args:
        asked: The question.
        hits: Passages to look into, best first.
        setting_of: Tells what a passage stands under.
        embedder: Compares words and sentences by meaning.
        threshold: Of the confidence, below which to refuse; None takes the one that was learnt, 0 never refuses.
    """
    if not hits:
        return Reading("refused", (), 0.0, (), notice(asked, ()))
    evidence = gather(asked, hits, setting_of, embedder)
    weights = load_weights()
    likelihood = likelihoods(evidence, weights.clause)
    first, last = choose(evidence, likelihood, weights.price)
    score = float(weights.trust(trust_features(evidence, likelihood, first, last)[None])[0])
    confidence = float(1 / (1 + np.exp(-score)))
    missing = evidence.missing()
    start, end = span_of(evidence, first, last)
    passage = evidence.clauses[first].hit.passage
    quote = Quote(passage, passage.start + start, passage.start + end)
    least = weights.threshold if threshold is None else threshold
    premise = false_premise(asked, hits) if least > 0 else ""
    if premise or confidence < least:
        return Reading("refused", (), confidence, missing, premise or notice(asked, missing), (quote,))
    return Reading("answered", (quote,), confidence, missing, "")


def likelihoods(evidence: Evidence, network: Network) -> Matrix:
    """Return how likely the answer stands in each clause, shape (clauses,): they add up to 1.

    A headline says in short what the body says in full, so it only answers where the body hardly does.
    """
    scores = network(evidence.features) + np.where(evidence.is_headline, np.log(HEADLINE_FACTOR), 0.0)
    powers = np.exp(scores - scores.max())
    return np.asarray(powers / powers.sum())


def choose(evidence: Evidence, likelihood: Matrix, price: float) -> tuple[int, int]:
    """Return the first and the last clause of the run that gathers most likelihood for its length.

    The run lies within one sentence and holds at most MAX_CLAUSES clauses and MAX_LENGTH characters.
    """
    clauses = evidence.clauses
    best, chosen = -np.inf, (0, 0)
    for first, opening in enumerate(clauses):
        mass = 0.0
        for last in range(first, min(first + MAX_CLAUSES, len(clauses))):
            closing = clauses[last]
            length = closing.end - opening.start
            same = closing.hit is opening.hit and closing.sentence == opening.sentence
            if not same or (last > first and length > MAX_LENGTH):
                break
            mass += float(likelihood[last])
            if mass - price * length / 100 > best:
                best, chosen = mass - price * length / 100, (first, last)
    return _without_edges(likelihood, *chosen)


def _without_edges(likelihood: Matrix, first: int, last: int) -> tuple[int, int]:
    """Leave out clauses at the ends that are far less likely than the best one between them.

    Where the reader is sure of one clause, its neighbours add nothing; where it is unsure, they stay.
    """
    least = EDGE_SHARE * likelihood[first : last + 1].max()
    while likelihood[first] < least:
        first += 1
    while likelihood[last] < least:
        last -= 1
    return first, last


def span_of(evidence: Evidence, first: int, last: int) -> tuple[int, int]:
    """Return the span of a run of clauses in its passage, without the comma or full stop it ends with."""
    start, end = evidence.clauses[first].start, evidence.clauses[last].end
    text = evidence.clauses[first].hit.passage.text
    while end > start + 1 and text[end - 1] in "，,；;：:。.、 \n—":
        end -= 1
    return start, end


def trust_features(evidence: Evidence, likelihood: Matrix, first: int, last: int) -> Matrix:
    """Return what tells whether the chosen run of clauses answers, shape (len(TRUST_FEATURES),)."""
    asked, clauses = evidence.asked, evidence.clauses
    hit = clauses[first].hit
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
    start, end = span_of(evidence, first, last)
    text = hit.passage.text[start:end]
    sentence = hit.passage.text[clauses[of_sentence[0]].start : clauses[of_sentence[-1]].end]
    met, met_in_sentence = (kinds.is_met(asked, words) for words in (text, sentence))
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
        "mass": likelihood[run].sum(),
        "best": likelihood[run].max(),
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
