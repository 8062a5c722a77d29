"""Measure retrieval on the public development sets: each arm alone and both fused, Success@1 and @5.

Usage: python -m bench.retrieval [--data ../shared/data] [--embedder MODEL] [--sets NAME ...]
Every figure has its 95% interval: passages are resampled with all their questions, which go wrong together. The
lexical arm is BM25 with nearness, the dense arm the embeddings alone. "wanted" is what we aim at, for the fused order.
The data is public and stands beside the repository, not in it; models.md shows the table. It asks the retriever
alone; `rag eval --public SET` measures answers.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from eval.public import WHOLE, PublicSet, load_public
from eval.statistics import Estimate, Resampler
from rag.errors import InputError
from rag.pipeline import Pipeline
from rag.retriever import Retriever
from rag.settings import Settings

SETS = {
    "cmrc2018": "CMRC2018 dev half",
    "drcd": "DRCD dev",
    "xquad-zh": "XQuAD dev half zh→zh",
    "xquad-en": "XQuAD dev half en→en",
    "xquad-en-zh": "XQuAD dev half en→zh",
}
WANTED = {"cmrc2018": ".983", "drcd": ".960", "xquad-zh": ".970", "xquad-en-zh": ".650 / .880"}
ARMS = {  # what of the settings leaves one arm alone
    "dense": {"min_shared": 2.0},
    "lexical": {"dense_weight": 0.0, "min_shared": 0.0},
    "fused": {},
}
TIMED = 200  # questions


@dataclass(frozen=True)
class Measured:
    """Success@1 and @5 of each arm, and milliseconds that a question took."""

    figures: dict[str, tuple[Estimate | None, Estimate | None]]
    milliseconds: float


def measure(title: str, found: PublicSet, settings: Settings) -> Measured:
    """Ask all questions of a store that holds the set's texts, each as one passage."""
    questions = found.dataset.questions
    with tempfile.TemporaryDirectory() as folder:
        chat = Pipeline(Path(folder), settings)
        for _ in chat.add_all(found.documents):
            pass
        retrievers = {
            arm: Retriever(chat.store, chat.embedder, replace(settings, **change)) for arm, change in ARMS.items()
        }
        hits: dict[str, list[list[str]]] = {arm: [] for arm in retrievers}
        for question in track(questions, title, console=Console(stderr=True)):
            for arm, retriever in retrievers.items():
                hits[arm].append([hit.passage.document_id for hit in retriever.retrieve(question.question, 5)])
        start = time.perf_counter()
        for question in questions[:TIMED]:
            retrievers["fused"].retrieve(question.question, settings.k)
        milliseconds = 1000 * (time.perf_counter() - start) / len(questions[:TIMED])
        chat.close()
    gold = [question.document[0] for question in questions]
    resampler = Resampler(gold, [question.id for question in questions])
    figures = {
        arm: (_success(rows, gold, 1, resampler), _success(rows, gold, 5, resampler)) for arm, rows in hits.items()
    }
    return Measured(figures, milliseconds)


def _success(rows: Sequence[Sequence[str]], gold: Sequence[str], k: int, resampler: Resampler) -> Estimate | None:
    return resampler.mean([float(document in row[:k]) for row, document in zip(rows, gold, strict=True)])


def _cell(estimate: Estimate | None) -> str:
    return "–" if estimate is None else f"{estimate.value:.4f} ({estimate.low:.3f}–{estimate.high:.3f})"


def main() -> None:
    """Read the arguments and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--embedder", default=Settings.embedder, help="a model id or a folder")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    arguments = parser.parse_args()
    settings = Settings(embedder=arguments.embedder, passage_size=WHOLE)
    table = Table("set", "questions", *(f"{arm} @{k}" for arm in ARMS for k in (1, 5)), "wanted", "ms")
    for name in arguments.sets:
        try:
            found = load_public(name, arguments.data)
        except InputError as error:
            sys.exit(str(error))
        measured = measure(SETS[name], found, settings)
        cells = [_cell(estimate) for arm in ARMS for estimate in measured.figures[arm]]
        table.add_row(
            SETS[name],
            str(len(found.dataset.questions)),
            *cells,
            WANTED.get(name, ""),
            f"{measured.milliseconds:.1f}",
        )
    Console(width=230).print(table)


if __name__ == "__main__":
    main()
