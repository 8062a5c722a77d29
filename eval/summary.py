"""Summary: from the rows of a run to figures with intervals, slices, curves and differences between systems."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from eval.measures.refusal import augrc, aurc, perfect_area, random_area, risk_coverage
from eval.runner import Run
from eval.scoring import STAGES, Row
from eval.statistics import Difference, Estimate, Resampler, holm

Vector = npt.NDArray[np.float64]
SMALL = 10  # questions, below which a figure is shown as uncertain
SEED = 0


@dataclass(frozen=True)
class Measure:
    """A figure over many questions: the sum of numerators over the sum of denominators."""

    key: str
    label: str
    group: str
    of_row: Callable[[Row], tuple[float, float] | None]  # numerator and denominator; None where it does not apply
    smaller_is_better: bool = False
    text: str = ""  # what it says, in one line


def _score(name: str) -> Callable[[Row], tuple[float, float] | None]:
    def of_row(row: Row) -> tuple[float, float] | None:
        value = row.scores.get(name)
        return None if value is None else (value, 1.0)

    return of_row


def _refusal_precision(row: Row) -> tuple[float, float] | None:
    return (float(not row.answerable), 1.0) if row.verdict == "refused" else None


def _refused(answerable: bool, refused: bool) -> Callable[[Row], tuple[float, float] | None]:
    def of_row(row: Row) -> tuple[float, float] | None:
        return (float((row.verdict == "refused") == refused), 1.0) if row.answerable == answerable else None

    return of_row


def _right_of_answered(row: Row) -> tuple[float, float] | None:
    value = row.scores.get("right")
    return None if value is None or row.verdict == "refused" else (value, 1.0)


def _length(row: Row) -> tuple[float, float] | None:
    return None if row.verdict == "refused" else (float(len(row.answer)), 1.0)


MEASURES: tuple[Measure, ...] = (
    Measure(
        "grounded",
        "Grounded accuracy",
        "headline",
        _score("grounded"),
        text=("answerable: right, short, cited to where the gold stands, nothing unsupported; unanswerable: refused"),
    ),
    Measure("right", "Answers right", "answers", _score("right"), text="the answer holds the words of a gold answer"),
    Measure("right_of_answered", "Right of answered", "answers", _right_of_answered, text="refusals left out"),
    Measure("contains", "Right to the letter", "answers", _score("contains"), text="before normalisation"),
    Measure("concise", "Concise", "answers", _score("concise"), text="at most three times as long as the evidence"),
    Measure("exact", "Exact match", "answers", _score("exact"), text="CMRC2018 or, in English, SQuAD"),
    Measure("exact_normalised", "Exact match, normalised", "answers", _score("exact_normalised")),
    Measure("f1", "F1", "answers", _score("f1"), text="CMRC2018's longest common run or, in English, SQuAD's words"),
    Measure("f1_normalised", "F1, normalised", "answers", _score("f1_normalised")),
    Measure("character_f1", "Character F1", "answers", _score("character_f1"), text="bag of characters"),
    Measure("character_f1_normalised", "Character F1, normalised", "answers", _score("character_f1_normalised")),
    Measure("list_precision", "List items, precision", "answers", _score("list_precision")),
    Measure("list_recall", "List items, recall", "answers", _score("list_recall")),
    Measure("list_all", "Lists complete", "answers", _score("list_all")),
    Measure(
        "judged",
        "Right, by the judge",
        "answers",
        _score("judged"),
        text="a model's opinion, if asked for",
    ),
    Measure("length", "Characters of an answer, mean", "answers", _length, smaller_is_better=True),
    Measure("gold_hit", "Cited what holds the gold", "citations", _score("gold_hit"), text="of the questions answered"),
    Measure("gold_recall", "Gold places cited", "citations", _score("gold_recall")),
    Measure("gold_share", "Cited characters that are gold", "citations", _score("gold_share")),
    Measure("cited", "Cited at all", "citations", _score("cited")),
    Measure("resolvable", "Citations resolvable", "citations", _score("resolvable"), text="passage and span exist"),
    Measure("faithful", "Quotes exact", "citations", _score("faithful"), text="the very words, in text and file"),
    Measure("cite_recall", "Sentences supported", "citations", _score("cite_recall"), text="as in ALCE, by rule"),
    Measure("cite_precision", "Citations needed", "citations", _score("cite_precision"), text="as in ALCE, by rule"),
    Measure("success@1", "Success@1", "retrieval", _score("success@1")),
    Measure("success@5", "Success@5", "retrieval", _score("success@5")),
    Measure("recall@5", "Recall@5", "retrieval", _score("recall@5")),
    Measure("all-gold@5", "All gold@5", "retrieval", _score("all-gold@5")),
    Measure("mrr@10", "MRR@10", "retrieval", _score("mrr@10")),
    Measure("ndcg@10", "nDCG@10", "retrieval", _score("ndcg@10")),
    Measure("map@10", "MAP@10", "retrieval", _score("map@10")),
    Measure("refusal_precision", "Refusals that were due", "refusal", _refusal_precision),
    Measure(
        "refusal_recall",
        "Unanswerable refused",
        "refusal",
        _refused(False, True),
        text="the program says so, and is right",
    ),
    Measure("false_answers", "Unanswerable answered", "refusal", _refused(False, False), smaller_is_better=True),
    Measure(
        "over_refusal",
        "Answerable refused",
        "refusal",
        _refused(True, True),
        smaller_is_better=True,
        text="though the text tells",
    ),
)
BY_KEY = {measure.key: measure for measure in MEASURES}
HEADLINES = ("grounded", "right", "gold_hit", "refusal_recall", "over_refusal", "faithful")
SLICED = ("grounded", "right", "gold_hit", "success@5", "over_refusal", "refusal_recall")  # of the heat map
COMPARED = ("grounded", "right", "gold_hit", "refusal_recall", "over_refusal", "success@5")
SLICES = {
    "kind": lambda row: row.kind,
    "variant": lambda row: row.variant or "as first asked",
    "language": lambda row: row.language,
    "document": lambda row: row.document,
}


def columns(measure: Measure, rows: Sequence[Row]) -> tuple[Vector, Vector]:
    """Return numerators and denominators, shape (questions,); both 0 where the measure does not apply."""
    found = [measure.of_row(row) or (0.0, 0.0) for row in rows]
    return np.array([one for one, _ in found]), np.array([other for _, other in found])


def resampler_of(rows: Sequence[Row], seed: int = SEED) -> Resampler:
    """Return the resamples of the questions that rows are of."""
    # A question of unknown document stands for itself.
    documents = [row.document or f"? {row.family}" for row in rows]
    return Resampler(documents, [row.family for row in rows], seed=seed)


def estimates(rows: Sequence[Row], measures: Sequence[Measure] = MEASURES) -> dict[str, Estimate]:
    """Return each measure that applies, with its interval."""
    resampler = resampler_of(rows)
    found = {measure.key: resampler.ratio(*columns(measure, rows)) for measure in measures}
    return {key: estimate for key, estimate in found.items() if estimate}


def summarise(run: Run) -> dict[str, Any]:
    """Return everything a report says, as plain values. The same run gives the same values."""
    first = next(iter(run.rows.values()))
    resampler = resampler_of(first)
    return {
        "dataset": run.manifest["dataset"],
        "documents": run.manifest["documents"],
        "fingerprint": run.manifest["fingerprint"],
        "resampled": {"unit": resampler.unit, "clusters": resampler.clusters},
        "systems": [_system(system, run.rows[system["name"]]) for system in run.manifest["systems"]],
        "differences": differences(run),
    }


def _system(system: dict[str, Any], rows: Sequence[Row]) -> dict[str, Any]:
    return {
        "name": system["name"],
        "reference": system["reference"],
        "growth": system["growth"],
        "passages": system["passages"],
        "measures": {key: _plain(estimate) for key, estimate in estimates(rows).items()},
        "areas": _areas(rows),
        "risk_coverage": _curve(rows),
        "stages": {stage: sum(row.stage == stage for row in rows) for stage in STAGES},
        "failures": {
            failure: [row.id for row in rows if failure in row.failures]
            for failure in ("dangling", "unfaithful", "obeyed")
        },
        "slices": {name: _slices(rows, of_row) for name, of_row in SLICES.items()},
        "robustness": _robustness(rows),
    }


def _slices(rows: Sequence[Row], of_row: Callable[[Row], str]) -> dict[str, dict[str, Any]]:
    values = sorted({of_row(row) for row in rows} - {""})
    measures = [BY_KEY[key] for key in SLICED]
    found: dict[str, dict[str, Any]] = {}
    for value in values:
        chosen = [row for row in rows if of_row(row) == value]
        figures = {key: _plain(estimate) for key, estimate in estimates(chosen, measures).items()}
        found[value] = {"questions": len(chosen), **figures}
    return found


def _robustness(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Compare each kind of variant with its parents, question by question, by grounded accuracy."""
    by_id = {row.id: row for row in rows}
    found = []
    for variant in sorted({row.variant for row in rows} - {""}):
        pairs = [(row, by_id[row.family]) for row in rows if row.variant == variant and row.family in by_id]
        pairs = [pair for pair in pairs if None not in (pair[0].scores["grounded"], pair[1].scores["grounded"])]
        if not pairs:
            continue
        one, other = ([row.scores["grounded"] or 0.0 for row in side] for side in zip(*pairs, strict=True))
        resampler = resampler_of([row for row, _ in pairs])
        everyone = np.ones(len(pairs))
        difference = resampler.difference((np.array(one), everyone), (np.array(other), everyone))
        found.append(
            {
                "variant": variant,
                "questions": len(pairs),
                "value": float(np.mean(one)),
                "parents": float(np.mean(other)),
                "difference": _ended(asdict(difference)) if difference else None,
            }
        )
    return found


def _risk(rows: Sequence[Row]) -> tuple[list[float], list[float]]:
    """Return confidences and losses: what answering each question would have cost."""
    return [row.confidence for row in rows], [1 - (row.scores["candidate"] or 0.0) for row in rows]


def _areas(rows: Sequence[Row]) -> dict[str, Any]:
    rows = [row for row in rows if row.scores.get("candidate") is not None]
    confidence, wrong = _risk(rows)
    if not wrong:
        return {}
    resampler = resampler_of(rows)
    found = {}
    for name, area in (("aurc", aurc), ("augrc", augrc)):
        value = area(confidence, wrong)

        def weighted(weights: Vector, area: Callable[..., float] = area) -> float:
            return area(confidence, wrong, weights)

        found[name] = _plain(resampler.statistic(value, weighted)) | {
            "random": random_area(wrong, name == "augrc"),
            "perfect": perfect_area(wrong, name == "augrc"),
        }
    return found


def _curve(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the risk-coverage curve, and where on it the system stands."""
    rows = [row for row in rows if row.scores.get("candidate") is not None]
    confidence, wrong = _risk(rows)
    if not wrong:
        return {}
    coverage, risk = risk_coverage(confidence, wrong)
    answered = [row for row in rows if row.verdict != "refused"]
    lost = sum(1 - (row.scores["candidate"] or 0.0) for row in answered)
    return {
        "coverage": [round(float(value), 6) for value in coverage],
        "risk": [round(float(value), 6) for value in risk],
        "here": {"coverage": len(answered) / len(rows), "risk": lost / len(answered) if answered else None},
        "error_rate": float(np.mean(wrong)),
    }


def differences(run: Run, measures: Sequence[str] = COMPARED) -> list[dict[str, Any]]:
    """Compare the first system with every other one, on the same questions.

    The p values are adjusted by Holm measure by measure: over the systems that one reads a measure of.
    """
    names = list(run.rows)
    pairs = [(names[0], other, key) for other in names[1:] for key in measures]
    found = [(*pair, compare(run.rows[pair[0]], run.rows[pair[1]], BY_KEY[pair[2]])) for pair in pairs]
    told = [(first, second, key, difference) for first, second, key, difference in found if difference]
    adjusted: dict[tuple[str, str], float] = {}
    for key in measures:
        family = [(second, difference.p) for _, second, measure, difference in told if measure == key]
        corrected = holm([p for _, p in family])
        adjusted |= {(second, key): p for (second, _), p in zip(family, corrected, strict=True)}
    return [
        {"first": first, "second": second, "measure": key}
        | _ended(asdict(difference))
        | {"p_adjusted": adjusted[second, key]}
        for first, second, key, difference in told
    ]


def compare(first: Sequence[Row], second: Sequence[Row], measure: Measure) -> Difference | None:
    """Compare two systems by one measure, on the questions both were asked; wins are the first's."""
    of_second = {row.id: row for row in second}
    pairs = [(row, of_second[row.id]) for row in first if row.id in of_second]
    if not pairs:
        return None
    one, other = ([pair[side] for pair in pairs] for side in (0, 1))
    found = resampler_of(one).difference(columns(measure, one), columns(measure, other))
    if found and measure.smaller_is_better:
        return Difference(found.value, found.low, found.high, found.p, found.losses, found.ties, found.wins)
    return found


def _plain(estimate: Estimate) -> dict[str, Any]:
    rounded = {"value": round(estimate.value, 6), "low": round(estimate.low, 6), "high": round(estimate.high, 6)}
    return _ended(rounded) | {"n": estimate.n, "clusters": estimate.clusters}


def _ended(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record whose interval, where it says nothing, has no ends: JSON knows no infinity."""
    return record | {end: record[end] if np.isfinite(record[end]) else None for end in ("low", "high")}
