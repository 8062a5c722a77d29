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
from rag.absence import worth_telling
from rag.answers import MAX_NEARLY, MAX_NEARLY_QUOTE, UNTOLD, Check, RunnerUp, Verdict
from rag.citations import Quote
from rag.embedder import Embedder
from rag.enumeration import Enumeration, enumerations
from rag.errors import ModelError
from rag.evidence import CLAUSE_FEATURES, Matrix, Setting, coverage, gather
from rag.folding import fold
from rag.lexical import grams, stem
from rag.lexicon import translations
from rag.matching import is_spelt
from rag.passages import Passage
from rag.pieces import PIECE_FEATURES, PROPOSED, Piece, Pieces, cut, of_other_things, trim
from rag.question import Asked
from rag.retriever import Hit
from rag.span_model import SpanModel

WEIGHTS = Path(__file__).parent / "data" / "reader.json"
HEADLINE_FACTOR = 0.2  # of a headline's likelihood; the reading sets have none to learn it from
EDGE_SHARE = 0.15  # of the best clause's likelihood, below which a clause at the end of an answer is left out
UNMET_FACTOR = 0.1  # of the confidence of an answer that cannot be one
NAMED_BONUS, COUNTED_BONUS = 1.0, 1.5  # log odds of a piece that names the kind of thing asked for, or as many things
RIVAL_SHARE = 0.02  # of the chosen piece's likelihood, that one of another document must have to be looked at
RIVAL_TRUST = 0.8  # of the chosen piece's confidence, that it must have
MAX_OTHERS = 3
NEARLY_SHARE = 0.01  # of the likeliest piece's likelihood, that one which was nearly chosen must have
LONG_PART = 4  # letters of a part of a name that tells something
MAX_SPELT = 20_000  # characters of a document that are looked through for what spells a name
MANY_SENSES = 3  # Chinese words for an English one; a name has one or two
_PINYIN = re.compile(r"(?:(?:[zcs]h|[bpmfdtnlgkhjqxrzcsyw])?[aeiouv]{1,3}(?:ng?|r)?)+")  # Beijing may be one
OTHERWISE_SAID = 0.8  # below it a word is said by another of like meaning at best: 董事长 for 市长
HARDLY_SAID = 0.3  # below it a name is not there, not even with a typing error
SAID = 0.5  # how far a term must be said to count as said
LEAST_MASS = 1e-3  # of the clauses of a piece, so that their opinion alone rules nothing out


TRUST_FEATURES = (
    "coverage", "sentence_coverage", "passage_coverage", "hits_coverage", "focus", "focus_sentence", "focus_passage",
    "worst_missing",
    "name_missing", "noun_missing", "verb_missing", "sentence_missing", "number_missing", "promise_broken",
    "kind_met", "kind_unmet",
    "kind_in_sentence", "likelihood", "rival", "holds", "log_holds", "is_it", "hit_odds", "odds", "echo", "length",
    "proposed", "terms", "asks_person", "asks_date", "asks_number", "asks_place", "asks_list",
    "asks_reason", "asks_fact", "yes_no", "english", "document_name_missing", "document_noun_missing", "wanted_missing",
    "names_wanted", "wanted_unnamed", "counted", "miscounted", "hit_score", "document_share", "score", "margin",
    "dense", "dense_margin", "lexical_terms",
)  # fmt: skip


# Taken from PIECE_FEATURES.
OF_PIECE = (
    "holds", "log_holds", "is_it", "hit_odds", "odds", "echo", "proposed", "names_wanted", "wanted_unnamed", "counted",
    "miscounted", "hit_score", "document_share",
)  # fmt: skip
SCORE = 4.0  # about the largest fused score: both arms full
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
    others: tuple[Quote, ...] = ()  # of other documents: what answers the question as well
    nearly: tuple[RunnerUp, ...] = ()  # of an answer: what was weighed beside the choice, best first
    certain: bool = False  # of a refusal: for a reason that stands in the text, not for want of confidence


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
    curve: tuple["Operating", ...] = ()  # what other thresholds would do, ascending


@dataclass(frozen=True)
class Operating:
    """What a threshold does, on the development questions: see training/calibrate_reader.py."""

    threshold: float
    answered: float  # share of the questions that have an answer which are answered
    wrong: float  # share of all answers that are wrong, questions without an answer included


@cache
def load_weights(path: Path = WEIGHTS) -> Weights:
    """Read the bundled weights, once."""
    record = json.loads(path.read_text(encoding="utf-8"))
    for name, features in (("clause", CLAUSE_FEATURES), ("choice", PIECE_FEATURES), ("trust", TRUST_FEATURES)):
        if tuple(record[name]["features"]) != features:
            raise ModelError(
                f"{path} was learnt for other {name} features; run training/calibrate_reader.py.",
                f"{path} 中的权重与程序不符（{name}）。请运行 training/calibrate_reader.py。",
            )
    clause, choice, trust = (_network(record[name]) for name in ("clause", "choice", "trust"))
    return Weights(clause, choice, trust, record["threshold"], tuple(Operating(*row) for row in record["curve"]))


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
        return Reading("refused", (), 0.0, (), refusal(asked, ()))
    pieces = propose(asked, hits, setting_of, embedder, spans)
    weights = load_weights()
    judged = judge(pieces, weights)
    chosen = pieces.pieces[judged.chosen]
    lacking = absent(asked, pieces, chosen)
    missing = tuple(word for word in pieces.evidence.missing() if word not in "\n".join(lacking))
    missing += tuple(word for word in lacking if word not in missing)
    passage = chosen.hit.passage
    quote = Quote(passage, passage.start + judged.start, passage.start + judged.end)
    least = weights.threshold if threshold is None else threshold
    premise = false_premise(asked, hits) if least > 0 else ""
    if premise or judged.confidence < least:
        said = premise or refusal(asked, missing)
        return Reading("refused", (), judged.confidence, missing, said, (quote,), certain=bool(premise))
    others = _others(pieces, weights, judged, max(least, RIVAL_TRUST * judged.confidence))
    return Reading("answered", (quote,), judged.confidence, missing, "", others=others, nearly=_nearly(pieces, judged))


@dataclass(frozen=True)
class Judged:
    """Which piece is chosen, the span of its passage's text to quote, and how likely that answers."""

    likelihood: Matrix  # shape (pieces,)
    chosen: int
    start: int
    end: int
    confidence: float  # a probability, as far as the development questions go that it was calibrated on


def judge(pieces: Pieces, weights: Weights) -> Judged:
    """Choose among pieces, and say how likely the choice answers."""
    likelihood, chosen = choose(pieces, weights.clause, weights.choice)
    score = float(weights.trust(trust_features(pieces, likelihood, chosen)[None])[0])
    confidence = float(1 / (1 + np.exp(-score)))
    piece = pieces.pieces[chosen]
    asked = pieces.evidence.asked
    start, end = whole_list(asked, pieces, piece)
    if unmet(asked, pieces, piece, piece.hit.passage.text[start:end]):
        confidence *= UNMET_FACTOR
    return Judged(likelihood, chosen, start, end, confidence)


def _others(pieces: Pieces, weights: Weights, judged: Judged, least: float) -> tuple[Quote, ...]:
    """Return the best piece of each other document that could have been chosen as well."""
    likelihood, chosen = judged.likelihood, judged.chosen
    seen = {pieces.pieces[chosen].hit.passage.document_id}
    found: list[Quote] = []
    for at in np.argsort(-likelihood, kind="stable"):
        piece = pieces.pieces[at]
        if likelihood[at] < RIVAL_SHARE * likelihood[chosen] or len(found) >= MAX_OTHERS:
            break
        passage = piece.hit.passage
        if passage.document_id in seen:
            continue
        seen.add(passage.document_id)
        score = float(weights.trust(trust_features(pieces, likelihood, int(at))[None])[0])
        words = passage.text[piece.start : piece.end]
        if 1 / (1 + np.exp(-score)) >= least and not unmet(pieces.evidence.asked, pieces, piece, words):
            found.append(Quote(passage, passage.start + piece.start, passage.start + piece.end))
    return tuple(found)


def _nearly(pieces: Pieces, judged: Judged) -> tuple[RunnerUp, ...]:
    """Return the likeliest pieces that share no word with the chosen one, nor with a likelier one, nor say the same.

    As many as an answer keeps, and as many more as it may cite from other documents.
    """
    likelihood = judged.likelihood
    chosen = pieces.pieces[judged.chosen].hit.passage
    taken = [(chosen.document_id, chosen.start + judged.start, chosen.start + judged.end)]
    said = {fold(chosen.text[judged.start : judged.end])}
    found: list[RunnerUp] = []
    best = float(likelihood.max())
    for at in np.argsort(-likelihood, kind="stable"):
        score = float(likelihood[at]) / best
        if score < NEARLY_SHARE or len(found) == MAX_NEARLY + MAX_OTHERS:
            break
        piece, passage = pieces.pieces[at], pieces.pieces[at].hit.passage
        start, end = passage.start + piece.start, passage.start + piece.end
        if any(id_ == passage.document_id and start < last and first < end for id_, first, last in taken):
            continue
        taken.append((passage.document_id, start, end))
        if (words := fold(piece.text)) not in said:
            said.add(words)
            quote = piece.text[:MAX_NEARLY_QUOTE]
            found.append(RunnerUp(passage.document_id, passage.id, start, start + len(quote), quote, round(score, 4)))
    return tuple(found)


def whole_list(asked: Asked, pieces: Pieces, piece: Piece) -> tuple[int, int]:
    """Return the span to quote for a piece: of a list that is asked for, all items, and little more.

    Among the lists of the piece's sentence the one counts that has as many items as the question asks for; else the
    one that the piece touches.
    """
    if asked.kind != "list" and not asked.count:
        return piece.start, piece.end
    clauses = pieces.evidence.clauses
    text = piece.hit.passage.text
    sentence = clauses[piece.first].sentence
    of_sentence = [one for one in clauses if one.hit is piece.hit and one.sentence == sentence]
    lists = [
        one
        for one in enumerations(text)
        if of_sentence[0].start <= one.start and one.items[-1][1] <= of_sentence[-1].end
    ]
    if not lists:
        return piece.start, piece.end
    best = max(lists, key=lambda one: (_answers_list(asked, text, one), _shared(one, piece)))
    fits = _answers_list(asked, text, best)
    if not fits and not _shared(best, piece):
        return piece.start, piece.end
    held = [one for one in of_sentence if one.start < best.end and best.start < one.end]
    start, end = held[0].start, held[-1].end
    if not fits:  # what is quoted may hold more than the list: nothing of it is left out
        start, end = min(start, piece.start), max(end, piece.end)
    return trim(text, start, end)


def _answers_list(asked: Asked, text: str, one: Enumeration) -> int:
    """Return how many signs there are that a list is the one asked for: its number of items, and what they are."""
    counts = asked.count > 0 and asked.count in (len(one.items), one.promised) and not of_other_things(asked, one)
    nouns = {asked.wanted, *(promise.noun for promise in asked.promises)} - {""}
    first, last = (fold(text[start:end]) for start, end in (one.items[0], one.items[-1]))
    is_noun = any(
        one.noun.startswith(noun) or one.noun.endswith(noun) or last.endswith(noun) or first.startswith(noun)
        for noun in nouns
    )
    return counts + is_noun


def _shared(one: Enumeration, piece: Piece) -> float:
    """Return which share of a list's characters a piece holds."""
    return max(0, min(one.end, piece.end) - max(one.start, piece.start)) / (one.end - one.start)


def unmet(asked: Asked, pieces: Pieces, piece: Piece, words: str) -> bool:
    """Say whether an answer cannot be one: it lacks what the question asks for, or its text lacks what it is about.

    A person who is asked for has a name, a year is a year; and a text that never says a name of the question does not
    speak of it.
    """
    return not kinds.can_answer(asked, words) or bool(absent(asked, pieces, piece))


def absent(asked: Asked, pieces: Pieces, piece: Piece) -> tuple[str, ...]:
    """Return the names of the question that the document of a piece never says.

    The role of somebody who is asked for counts as a name: no 总经理 in the text, no answer to 总经理是谁.
    """
    evidence = pieces.evidence
    of_document = [
        at
        for at, clause in enumerate(evidence.clauses)
        if clause.hit.passage.document_id == piece.hit.passage.document_id
    ]
    said = np.maximum(evidence.said[:, of_document], evidence.headlines[:, of_document]).max(axis=1, initial=0.0)
    document = evidence.folded_documents[piece.hit.rank]
    return _deputies(asked, document) + tuple(
        term.text
        for term, value in zip(asked.terms, said, strict=True)
        if not term.inherited
        and (
            (term.is_name and value < HARDLY_SAID) or (term.focus and asked.kind == "person" and value < OTHERWISE_SAID)
        )
        and not _stands(term.text, document)
    )


def _deputies(asked: Asked, document: str) -> tuple[str, ...]:
    """Return the deputy's role that is asked for, where the document only has the role itself: 副馆长 for 馆长."""
    roles = (f"副{term.text}" for term in asked.terms if asked.kind == "person" and term.focus)
    return tuple(role for role in roles if role in fold(asked.query) and role not in document)


def _is_common(word: str) -> bool:
    """Say whether an English word is one of many senses, and no name for all its capital letter: Party."""
    return word.isascii() and not _PINYIN.fullmatch(word) and len(translations(stem(word))) >= MANY_SENSES


def _stands(name: str, text: str) -> bool:
    """Say whether a text holds a name, or two neighbouring characters of a longer Chinese one: a typing error."""
    if name.isascii() and "-" in name:  # SAIC-GM-Wuling: one known part will do
        parts = [part for part in name.split("-") if len(part) >= LONG_PART]
        return any(part in text or is_spelt(part, text[:MAX_SPELT]) for part in parts)
    if name.isascii() or len(name) < 3:
        return name in text
    return any(name[at : at + 2] in text for at in range(len(name) - 1))


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
    bonus = NAMED_BONUS * pieces.feature("names_wanted") + COUNTED_BONUS * pieces.feature("counted")
    return _softmax(choice(pieces.features) + by_clauses + bonus + np.where(is_headline, np.log(HEADLINE_FACTOR), 0.0))


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
    said["document"] = said["passage"].copy()
    for at, term in enumerate(asked.terms):
        if said["document"][at] < SAID and term.text in evidence.folded_documents[hit.rank]:
            said["document"][at] = 1.0
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
        "document_name_missing": (absent["document"] * names).max(initial=0.0),
        "document_noun_missing": (absent["document"] * ~names * ~verbs).max(initial=0.0),
        "wanted_missing": any(
            term.text == asked.wanted and value < SAID
            for term, value in zip(asked.terms, said["document"], strict=True)
        ),
        **_of_search(pieces, hit),
    }
    return np.array([float(features[name]) for name in TRUST_FEATURES])


def _of_search(pieces: Pieces, chosen: Hit) -> dict[str, float]:
    """Return what both arms say: the score of the chosen hit, and how far the best one of another text is behind."""
    hits = list({clause.hit.rank: clause.hit for clause in pieces.evidence.clauses}.values())
    own = chosen.passage.document_id
    others = [hit for hit in hits if hit.passage.document_id != own]
    best = max(hit.score for hit in hits if hit.passage.document_id == own)
    dense = {hit.rank: hit.arms["dense"].score for hit in hits if "dense" in hit.arms}
    lexical = chosen.arms.get("lexical")
    grams_asked = len(set(grams(pieces.evidence.asked.query))) or 1
    return {
        "score": best / SCORE,
        "margin": (best - max((hit.score for hit in others), default=0.0)) / SCORE,
        "dense": dense.get(chosen.rank, 0.0),
        "dense_margin": max((dense.get(hit.rank, 0.0) for hit in hits if hit.passage.document_id == own), default=0.0)
        - max((dense.get(hit.rank, 0.0) for hit in others), default=0.0),
        "lexical_terms": len(lexical.terms) / grams_asked if lexical else 0.0,
    }


def false_premise(asked: Asked, hits: Sequence[Hit]) -> str:
    """Return what to tell a user who takes a wrong number for given (五大定位), or "" where none is."""
    for promise in asked.promises:
        said = [kinds.contradiction(promise, hit.passage.text) for hit in hits]
        if any(said) and not any(promise.text in fold(hit.passage.text) for hit in hits):
            return f"原文说的是“{next(filter(None, said))}”，没有说“{promise.text}”。"
    return ""


def refusal(asked: Asked, missing: Sequence[str]) -> str:
    """Return what a refusal says, in the language of the question."""
    told = worth_telling(asked.query, missing)
    if asked.language == "en":
        words = f" It does not mention: {', '.join(told)}." if told else ""
    else:
        words = f"没有提到：{'、'.join(told)}。" if told else ""
    return f"{UNTOLD[asked.language]}{words}"
