"""Make rag/data/reader.json: what chooses among the pieces of the hits, and what tells when to trust the choice.

Three small networks are learnt. The first scores clauses (rag/evidence.py) and does not know the span model,
the second pieces (rag/pieces.py): softmaxes over all of the hits, which should put their likelihood where the
gold answer is held, the second in few words. The third says whether
the chosen words answer at all: right choices against wrong ones, against questions asked of texts that do
not answer them, and against questions of which one word was exchanged for another question's.

    python -m training.calibrate_reader [--data ../shared/data] [--output rag/data/reader.json]

Learnt from the contexts that training/train_reader.py holds out, for a span model is surer of what it has
learnt by heart. Dev files serve to choose the threshold and for the figures printed at the end.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from rag.embedder import Embedder, load_embedder
from rag.evidence import CLAUSE_FEATURES
from rag.evidence import gather as gather_evidence
from rag.pieces import PIECE_FEATURES, Pieces, cut
from rag.question import analyse
from rag.reader import (
    TRUST_FEATURES,
    WEIGHTS,
    Network,
    Operating,
    Weights,
    choose,
    judge,
    load_weights,
    trust_features,
)
from rag.settings import Settings
from training.reader_cases import ANSWERABLE, DEV, UNANSWERABLE, RawCase, gather

Row = npt.NDArray[np.float64]

# How much a case counts when trust is learnt: near misses in the text itself are what is hard.
TRUST_WEIGHTS = {"pool": 0.2, "elsewhere": 0.2, "english": 0.5, "english exchanged": 0.5}
UNSURE_WEIGHT = 0.1  # of a wrong choice for a question that has an answer: it says little about refusing


# What a piece is worth that holds the gold answer at the length of the gold, or at great length; or overlaps it.
LEAST_WORTH, PART_WORTH = 0.25, 0.1


@dataclass(frozen=True)
class Case:
    """One question against one set of hits."""

    source: str
    kind: str  # of ANSWERABLE or of UNANSWERABLE
    pieces: Pieces
    worth: Row  # shape (pieces,): 0 where a piece does not answer, 1 where it is the gold answer
    holds: tuple[bool, ...]  # of each piece, whether it holds a gold answer

    @property
    def answerable(self) -> bool:
        """Whether the hits may hold an answer."""
        return self.kind in ANSWERABLE


def make_cases(raw: Sequence[RawCase], settings: Settings) -> list[Case]:
    """Compute the features of all cases, in as many processes as there are cores."""
    with ProcessPoolExecutor() as pool:
        parts = pool.map(_make_part, (raw[at : at + 500] for at in range(0, len(raw), 500)), repeat(settings))
        return [case for part in tqdm(parts, total=-(-len(raw) // 500), desc="features") for case in part]


def _make_part(raw: Sequence[RawCase], settings: Settings) -> list[Case]:
    embedder = load_embedder(settings)
    return [_make(one, embedder) for one in raw]


def _make(raw: RawCase, embedder: Embedder) -> Case:
    setting_of = {hit.passage.id: setting for hit, setting in zip(raw.hits, raw.settings, strict=True)}
    evidence = gather_evidence(analyse(raw.question), raw.hits, lambda passage: setting_of[passage.id], embedder)
    pieces = cut(evidence, raw.hits, raw.candidates)
    worth = np.zeros(len(pieces.pieces))
    for at, piece in enumerate(pieces.pieces):
        passage = piece.hit.passage
        start, end = passage.start + piece.start, passage.start + piece.end
        fits = [_worth(start, end, gold) for gold in raw.golds] if passage.document_id == raw.own else []
        worth[at] = max(fits, default=0.0)
    return Case(raw.source, raw.kind, pieces, worth, tuple(bool(value >= LEAST_WORTH) for value in worth))


def _worth(start: int, end: int, gold: tuple[int, int]) -> float:
    shared = min(end, gold[1]) - max(start, gold[0])
    if shared <= 0:
        return 0.0
    f1 = 2 * shared / (end - start + gold[1] - gold[0])
    return LEAST_WORTH + (1 - LEAST_WORTH) * f1 if shared == gold[1] - gold[0] else PART_WORTH * f1


def fit(rows: Row, loss_of: Callable[[torch.Tensor], torch.Tensor], units: int, epochs: int, seed: int) -> Network:
    """Learn a network whose scores, shape (len(rows),), make `loss_of` small; Adam on all rows at once."""
    torch.manual_seed(seed)
    mean, deviation = rows.mean(axis=0), np.maximum(rows.std(axis=0), 1e-3)
    inputs = torch.tensor((rows - mean) / deviation, dtype=torch.float32)
    layers = torch.nn.Sequential(torch.nn.Linear(rows.shape[1], units), torch.nn.Tanh(), torch.nn.Linear(units, 1))
    optimiser = torch.optim.AdamW(layers.parameters(), lr=0.01, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    for _ in tqdm(range(epochs), desc="learning"):
        optimiser.zero_grad()
        loss_of(layers(inputs)[:, 0]).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    parts = [parameter.detach().double().numpy().round(4) for parameter in layers.parameters()]
    return Network(mean.round(5), deviation.round(5), parts[0].T, parts[1], parts[2][0], float(parts[3][0]))


def learn_clauses(training: Sequence[Case], units: int, epochs: int, seed: int) -> Network:
    """Learn the score of clauses: cross entropy of the softmax over clauses with those the answer stands in."""
    right, usable = [], []
    for case in training:
        pieces = zip(case.pieces.pieces, case.worth, strict=True)
        found = sorted({piece.first for piece, worth in pieces if worth > 0 and piece.first == piece.last})
        if found:
            usable.append(case)
            right.append(found)
    sizes = [len(case.pieces.evidence.clauses) for case in usable]
    owner = torch.tensor(np.repeat(np.arange(len(usable)), sizes))
    starts = np.cumsum([0, *sizes[:-1]])
    places = torch.tensor([start + at for start, found in zip(starts, right, strict=True) for at in found])
    share = torch.tensor([1 / len(found) for found in right for _ in found])

    def loss(scores: torch.Tensor) -> torch.Tensor:
        total = torch.zeros(len(usable)).index_add(0, owner, scores.clamp(-30, 30).exp()).log()
        return (share * (total[owner[places]] - scores[places])).sum() / len(usable)

    return fit(np.concatenate([case.pieces.evidence.features for case in usable]), loss, units, epochs, seed)


def learn_choice(training: Sequence[Case], units: int, epochs: int, seed: int) -> Network:
    """Learn the score of pieces: the negative log of what the likeliest pieces are worth, on average."""
    usable = [case for case in training if case.worth.any()]
    sizes = [len(case.worth) for case in usable]
    owner = torch.tensor(np.repeat(np.arange(len(usable)), sizes))
    worth = torch.tensor(np.concatenate([case.worth for case in usable]), dtype=torch.float32)

    def loss(scores: torch.Tensor) -> torch.Tensor:
        powers = scores.clamp(-30, 30).exp()
        total = torch.zeros(len(usable)).index_add(0, owner, powers)
        gained = torch.zeros(len(usable)).index_add(0, owner, powers * worth)
        return (total.log() - (gained + 1e-12).log()).mean()

    return fit(np.concatenate([case.pieces.features for case in usable]), loss, units, epochs, seed)


def chosen_pieces(cases_: Sequence[Case], clause: Network, choice: Network) -> tuple[Row, list[int]]:
    """Return the trust features of each case's chosen piece, and which it is."""
    rows, chosen = [], []
    for case in cases_:
        likelihood, piece = choose(case.pieces, clause, choice)
        chosen.append(piece)
        rows.append(trust_features(case.pieces, likelihood, piece))
    return np.array(rows), chosen


def learn_trust(
    training: Sequence[Case], clause: Network, choice: Network, units: int, epochs: int, seed: int
) -> Network:
    """Learn the trust score: logistic regression through one hidden layer, both classes weighing the same."""
    rows, chosen = chosen_pieces(training, clause, choice)
    holds = [case.holds[piece] for case, piece in zip(training, chosen, strict=True)]
    counts = [
        TRUST_WEIGHTS.get(case.kind, 1.0) * (UNSURE_WEIGHT if case.answerable and not held else 1.0)
        for case, held in zip(training, holds, strict=True)
    ]
    targets = torch.tensor(holds, dtype=torch.float32)
    weight = torch.tensor(counts, dtype=torch.float32)
    positive, negative = float((weight * targets).sum()), float((weight * (1 - targets)).sum())
    balance = weight * torch.where(targets > 0, 0.5 / positive, 0.5 / negative)

    def loss(scores: torch.Tensor) -> torch.Tensor:
        entropy = torch.nn.functional.binary_cross_entropy_with_logits(scores, targets, reduction="none")
        return (balance * entropy).sum()

    return fit(rows, loss, units, epochs, seed)


@dataclass(frozen=True)
class Outcomes:
    """What becomes of cases: parallel arrays, shape (cases,)."""

    holds: npt.NDArray[np.bool_]  # whether the chosen words hold a gold answer
    confidence: Row
    length: Row  # characters of the chosen words
    answerable: npt.NDArray[np.bool_]
    kinds: npt.NDArray[np.str_]


def outcomes(cases: Sequence[Case], weights: Weights) -> Outcomes:
    """Judge cases as `rag.reader.read` does."""
    judged = [judge(case.pieces, weights) for case in cases]
    return Outcomes(
        np.array([case.holds[one.chosen] for case, one in zip(cases, judged, strict=True)], bool),
        np.array([one.confidence for one in judged]),
        np.array([one.end - one.start for one in judged], np.float64),
        np.array([case.answerable for case in cases], bool),
        np.array([case.kind for case in cases]),
    )


def figures(cases: Sequence[Case], weights: Weights) -> dict[str, float]:
    """Return how often the choice holds the answer, its length, and how well refusing works; NaN for no cases."""
    found = outcomes(cases, weights)
    refused = found.confidence < weights.threshold

    def mean(values: npt.NDArray[Any], which: npt.NDArray[np.bool_]) -> float:
        return float(values[which].mean()) if which.any() else float("nan")

    return {
        **{kind: mean(found.holds, found.kinds == kind) for kind in ANSWERABLE},
        "characters": mean(found.length, found.answerable),
        **{f"refused {kind}": mean(refused, found.kinds == kind) for kind in UNANSWERABLE},
        "refused though right": mean(refused, found.answerable & found.holds),
        "refused when wrong": mean(refused, found.answerable & ~found.holds),
    }


def calibrate(dev: Sequence[Case], weights: Weights) -> Weights:
    """Return the weights with trust scores whose logistic is a probability on the development questions.

    Two numbers are fitted, a factor and a summand (Platt 1999); a third of the questions counts as unanswerable.
    """
    found = outcomes(dev, weights)
    rows, _ = chosen_pieces(dev, weights.clause, weights.choice)
    scores = torch.tensor(weights.trust(rows))
    targets = torch.tensor(found.holds, dtype=torch.float64)
    share = np.where(found.answerable, 2 / 3 / found.answerable.sum(), 1 / 3 / (~found.answerable).sum())
    weight = torch.tensor(share)
    line = torch.tensor([1.0, 0.0], dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([line], max_iter=100)

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        logits = line[0] * scores + line[1]
        value = (weight * torch.nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")).sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    factor, summand = line.detach().tolist()
    trust = weights.trust
    output, bias = (factor * trust.output).round(4), round(factor * trust.output_bias + summand, 4)
    return replace(weights, trust=replace(trust, output=output, output_bias=bias))


def choose_threshold(dev: Sequence[Case], weights: Weights, share: float) -> float:
    """Return the probability below which `share` of the right answers to dev questions of one text lie.

    Answers that are refused whatever the threshold (see `rag.reader.unmet`) do not count.
    """
    own = [case for case in dev if case.answerable and case.kind != "pool"]
    rows, chosen = chosen_pieces(own, weights.clause, weights.choice)
    right = np.array([case.holds[piece] for case, piece in zip(own, chosen, strict=True)])
    return round(float(np.quantile(1 / (1 + np.exp(-weights.trust(rows[right]))), share)), 4)


def curve(dev: Sequence[Case], weights: Weights) -> tuple[Operating, ...]:
    """Return what thresholds from 0 to 0.9 do on the dev questions, a third of which count as unanswerable."""
    found = outcomes(dev, weights)
    share = np.where(found.answerable, 2 / 3 / found.answerable.sum(), 1 / 3 / (~found.answerable).sum())
    points = []
    for threshold in sorted({weights.threshold, *(step / 20 for step in range(19))}):
        answered = found.confidence >= threshold
        wrong = share[answered & ~found.holds].sum() / max(share[answered].sum(), 1e-9)
        points.append(Operating(threshold, round(float(answered[found.answerable].mean()), 4), round(float(wrong), 4)))
    return tuple(points)


def as_record(weights: Weights) -> dict[str, Any]:
    """Return the weights as plain values."""

    def network(one: Network, features: Sequence[str]) -> dict[str, Any]:
        parts = ("mean", "deviation", "hidden", "hidden_bias", "output")
        values = {name: getattr(one, name).tolist() for name in parts}
        return {"features": list(features), **values, "output_bias": [one.output_bias]}

    return {
        "clause": network(weights.clause, CLAUSE_FEATURES),
        "choice": network(weights.choice, PIECE_FEATURES),
        "trust": network(weights.trust, TRUST_FEATURES),
        "threshold": weights.threshold,
        "curve": [[point.threshold, point.answered, point.wrong] for point in weights.curve],
    }


def main() -> None:
    """Read the arguments, learn, write the weights and print the dev figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--output", type=Path, default=WEIGHTS)
    parser.add_argument("--embedder", default=Settings.embedder, help="as in rag.Settings")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the questions to take")
    parser.add_argument("--units", type=int, default=16, help="hidden units of each network")
    parser.add_argument("--epochs", type=int, default=150)
    parser.add_argument(
        "--refuse-right", type=float, default=0.1, help="share of right dev answers that may be refused"
    )
    parser.add_argument("--cases", type=Path, help="keep the cases in this file, or take them from it")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    settings = Settings(embedder=arguments.embedder)

    others, training, dev = (
        make_cases(raw, settings)
        for raw in gather(arguments.data, arguments.scale, arguments.seed, settings, arguments.cases)
    )
    clause = learn_clauses(others, arguments.units, arguments.epochs, arguments.seed)
    choice = learn_choice(training, arguments.units, arguments.epochs, arguments.seed)
    trust = learn_trust(training, clause, choice, 2 * arguments.units, arguments.epochs, arguments.seed)
    weights = Weights(clause, choice, trust, threshold=0.0)
    weights = calibrate(dev, weights)
    weights = replace(weights, threshold=choose_threshold(dev, weights, arguments.refuse_right))
    weights = replace(weights, curve=curve(dev, weights))
    arguments.output.write_text(json.dumps(as_record(weights)) + "\n", encoding="utf-8")
    load_weights(arguments.output)
    for name, chosen in (("train", training), *((name, [case for case in dev if case.source == name]) for name in DEV)):
        values = {key: round(float(value), 3) for key, value in figures(chosen, weights).items()}
        sys.stdout.write(f"{name}: {json.dumps(values)}\n")


if __name__ == "__main__":
    main()
