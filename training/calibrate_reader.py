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
import pickle
import random
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from rag.documents import document_from_text
from rag.evidence import CLAUSE_FEATURES
from rag.pieces import PIECE_FEATURES, Pieces
from rag.pipeline import Pipeline
from rag.question import analyse
from rag.reader import TRUST_FEATURES, WEIGHTS, Network, Weights, choose, load_weights, propose, trust_features
from rag.retriever import Hit
from rag.settings import Settings
from rag.span_model import Candidate
from training.embedder_data import find_file, read_json_rows
from training.reader_data import is_held_out
from training.variants import Variants

Row = npt.NDArray[np.float64]
Record = dict[str, Any]

TRAIN = {  # file: questions taken at most, of the held-out contexts
    "train_cmrc2018": 1000,
    "train_cmrc2018_trial": 100,
    "train_crud_news": 100,
    "train_chronoqa": 200,
    "train_dureader_robust": 120,
    "train_en_squad": 80,
    "train_en_qed": 100,
}
CLAUSES = {  # the same, of the other contexts: clauses are scored without the reader, which may know them by heart
    "train_cmrc2018": 1800,
    "train_crud_news": 800,
    "train_chronoqa": 500,
    "train_dureader_robust": 500,
    "train_en_squad": 400,
    "train_en_qed": 300,
}
DEV = {"dev_cmrc2018_half": 100, "dev_crud_news": 100, "dev_drcd": 100, "dev_dureader_robust": 100}
POOL_HITS, OWN_HITS = 5, 8
# The same question of all texts, of its own text, and there with a synonym, a typing error, or in English words.
ANSWERABLE = ("pool", "own", "synonym", "typo", "english")
# Asked of the nearest other texts, with one word of another question, for another kind of thing, in English so.
UNANSWERABLE = ("elsewhere", "exchanged", "other kind", "english exchanged")
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


class NoSpans:
    """A span model that proposes nothing."""

    name = "none"

    def candidates(self, question: str, texts: Sequence[str], count: int = 5) -> list[Candidate]:
        """Return nothing."""
        return []


def load(data: Path, name: str, count: int, seed: int, held_out: bool) -> list[Record]:
    """Return up to `count` answerable rows with literal answers; of a file to train on, held-out ones or the others."""
    rows = [
        row
        for row in read_json_rows(find_file(data, f"qa/{name}.jsonl.gz"))
        if row["answers"]
        and row["answer_starts"][0] >= 0
        and (name.startswith("dev_") or is_held_out(row["context"]) == held_out)
    ]
    random.Random(seed).shuffle(rows)
    return rows[:count]


def cases(
    rows: Sequence[Record], source: str, with_spans: bool, seed: int, data: Path, settings: Settings
) -> Iterator[Case]:
    """Ask each question of the pool of all texts, of its own text alone, and where it has no answer."""
    chooser = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        chat = Pipeline(Path(folder), settings)
        if not with_spans:
            chat.spans = NoSpans()
        ids: dict[str, str] = {}
        for row in rows:
            if row["context"] not in ids:
                document = document_from_text(row["context"], title=row.get("title") or "", source=f"text-{len(ids)}")
                chat.add_document(document)
                ids[row["context"]] = document.id
        variants = Variants(rows, data, chooser)
        for row in tqdm(rows, desc=source):
            own = ids[row["context"]]
            hits = chat.search(row["question"], 60)
            own_hits = _own(hits, own)
            others = [hit for hit in hits if hit.passage.document_id != own]
            asked = [
                ("pool", row["question"], hits[:POOL_HITS]),
                ("elsewhere", row["question"], others[:POOL_HITS]),
                ("own", row["question"], own_hits),
                *((*variant, own_hits) for variant in variants.of(row["question"], row["context"], row["answers"][0])),
            ]
            for kind, question, chosen in asked:
                if chosen:
                    yield _case(chat, row, own, source, kind, question, chosen)
        chat.close()


def _gather(job: tuple[Sequence[Record], str, bool], seed: int, data: Path, settings: Settings) -> list[Case]:
    return list(cases(*job, seed, data, settings))


def _own(hits: Sequence[Hit], document_id: str) -> list[Hit]:
    """Return the hits in one document alone, as if it were the whole store."""
    return _ranked(hit for hit in hits if hit.passage.document_id == document_id)[:OWN_HITS]


def _ranked(hits: Iterable[Hit]) -> list[Hit]:
    return [Hit(hit.passage, rank, hit.score, hit.arms) for rank, hit in enumerate(hits, start=1)]


def _case(chat: Pipeline, row: Record, own: str, source: str, kind: str, question: str, hits: Sequence[Hit]) -> Case:
    asked = analyse(question)
    pieces = propose(asked, _ranked(hits), chat.setting_of, chat.embedder, chat.spans)
    golds: list[tuple[int, int]] = []
    if kind in ANSWERABLE:
        text = chat.store.document(own).text
        pairs = zip(row["answers"], row["answer_starts"], strict=True)
        golds = [gold for answer, start in pairs if (gold := _find(text, answer, start))]
    worth, holds = np.zeros(len(pieces.pieces)), []
    for at, piece in enumerate(pieces.pieces):
        passage = piece.hit.passage
        start, end = passage.start + piece.start, passage.start + piece.end
        fits = [_worth(start, end, gold) for gold in golds] if passage.document_id == own else []
        worth[at] = max(fits, default=0.0)
        holds.append(worth[at] >= LEAST_WORTH)
    return Case(source, kind, pieces, worth, tuple(holds))


def _worth(start: int, end: int, gold: tuple[int, int]) -> float:
    shared = min(end, gold[1]) - max(start, gold[0])
    if shared <= 0:
        return 0.0
    f1 = 2 * shared / (end - start + gold[1] - gold[0])
    return LEAST_WORTH + (1 - LEAST_WORTH) * f1 if shared == gold[1] - gold[0] else PART_WORTH * f1


def _find(text: str, answer: str, near: int) -> tuple[int, int] | None:
    """Return the span of the answer in the mended text that is nearest to its place in the source."""
    answer = answer.strip().rstrip("。，,.；;")
    places = [at for at in range(len(text)) if text.startswith(answer, at)] if answer else []
    if not places:
        return None
    start = min(places, key=lambda at: abs(at - near))
    return start, start + len(answer)


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


def figures(chosen: Sequence[Case], weights: Weights) -> dict[str, float]:
    """Return how often the choice holds the answer, its length, and how well refusing works."""
    rows, pieces = chosen_pieces(chosen, weights.clause, weights.choice)
    holds = np.array([case.holds[piece] for case, piece in zip(chosen, pieces, strict=True)])
    lengths = np.array([len(case.pieces.pieces[piece].text) for case, piece in zip(chosen, pieces, strict=True)])
    refused = 1 / (1 + np.exp(-weights.trust(rows))) < weights.threshold
    kinds = np.array([case.kind for case in chosen])
    answerable = np.array([case.answerable for case in chosen])
    return {
        "pool": holds[kinds == "pool"].mean(),
        **{kind: holds[kinds == kind].mean() for kind in ANSWERABLE[1:]},
        "characters": lengths[answerable].mean(),
        **{f"refused {kind}": refused[kinds == kind].mean() for kind in UNANSWERABLE},
        "refused though right": refused[answerable & holds].mean(),
        "refused when wrong": refused[answerable & ~holds].mean(),
    }


def choose_threshold(dev: Sequence[Case], weights: Weights, share: float) -> float:
    """Return the probability below which `share` of the right answers to dev questions of one text lie."""
    own = [case for case in dev if case.answerable and case.kind != "pool"]
    rows, chosen = chosen_pieces(own, weights.clause, weights.choice)
    right = np.array([case.holds[piece] for case, piece in zip(own, chosen, strict=True)])
    return round(float(np.quantile(1 / (1 + np.exp(-weights.trust(rows[right]))), share)), 4)


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

    def gather_cases(files: dict[str, int], with_spans: bool = True) -> list[Case]:
        jobs = [
            (
                load(arguments.data, name, int(count * arguments.scale), arguments.seed, held_out=with_spans),
                name,
                with_spans,
            )
            for name, count in files.items()
        ]
        with ProcessPoolExecutor() as pool:
            parts = pool.map(_gather, jobs, repeat(arguments.seed), repeat(arguments.data), repeat(settings))
            return [case for part in parts for case in part]

    if arguments.cases and arguments.cases.exists():
        others, training, dev = pickle.loads(arguments.cases.read_bytes())  # noqa: S301 - a file this program wrote
    else:
        others, training, dev = gather_cases(CLAUSES, with_spans=False), gather_cases(TRAIN), gather_cases(DEV)
        if arguments.cases:
            arguments.cases.write_bytes(pickle.dumps((others, training, dev)))
    clause = learn_clauses(others, arguments.units, arguments.epochs, arguments.seed)
    choice = learn_choice(training, arguments.units, arguments.epochs, arguments.seed)
    trust = learn_trust(training, clause, choice, 2 * arguments.units, arguments.epochs, arguments.seed)
    weights = Weights(clause, choice, trust, threshold=0.0)
    weights = replace(weights, threshold=choose_threshold(dev, weights, arguments.refuse_right))
    arguments.output.write_text(json.dumps(as_record(weights)) + "\n", encoding="utf-8")
    load_weights(arguments.output)
    for name, chosen in (("train", training), *((name, [case for case in dev if case.source == name]) for name in DEV)):
        values = {key: round(float(value), 3) for key, value in figures(chosen, weights).items()}
        sys.stdout.write(f"{name}: {json.dumps(values)}\n")


if __name__ == "__main__":
    main()
