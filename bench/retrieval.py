"""Measure retrieval on the development sets: each arm alone and both fused, Success@1 and @5.

Usage: python -m bench.retrieval [--data ../shared/data] [--embedder MODEL] [--dense-weight W] [--constant C]
The data is public and stands beside the repository, not in it; models.md shows the table.
"""

import argparse
import gzip
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from rag.documents import document_from_text
from rag.pipeline import Pipeline
from rag.retriever import Retriever
from rag.settings import Settings

SETS = {  # name: file, language of the questions, language of the passages
    "CMRC2018 dev half": ("dev_cmrc2018_half", "zh", "zh"),
    "DRCD dev": ("dev_drcd", "zh", "zh"),
    "XQuAD dev half zh→zh": ("dev_xquad_zh_en_half", "zh", "zh"),
    "XQuAD dev half en→en": ("dev_xquad_zh_en_half", "en", "en"),
    "XQuAD dev half en→zh": ("dev_xquad_zh_en_half", "en", "zh"),
}
WHOLE = 1_000_000  # characters: each context is one passage


def load(path: Path, asked: str, told: str) -> list[tuple[str, str]]:
    """Return pairs of question and its context; `par` joins the two languages of XQuAD."""
    if not path.is_file():
        sys.exit(f"{path} is absent. Name the folder of the public data with --data.")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows: list[dict[str, Any]] = [json.loads(line) for line in file]
    if asked == told:
        return [(row["question"], row["context"]) for row in rows if row.get("lang", asked).startswith(asked)]
    contexts = {row["par"]: row["context"] for row in rows if row["lang"] == told}
    return [(row["question"], contexts[row["par"]]) for row in rows if row["lang"] == asked]


def measure(name: str, pairs: Sequence[tuple[str, str]], settings: Settings) -> dict[str, tuple[float, float]]:
    """Return Success@1 and Success@5 of the dense arm, the lexical arm and both fused."""
    with tempfile.TemporaryDirectory() as folder:
        chat = Pipeline(Path(folder), settings)
        ids = {}
        for number, context in enumerate(dict.fromkeys(context for _, context in pairs)):
            document = document_from_text(context, source=f"context-{number}")
            ids[context] = document.id
            chat.add_document(document)
        retrievers = {
            "dense": Retriever(chat.store, chat.embedder, replace(settings, min_shared=2.0)),
            "lexical": Retriever(chat.store, chat.embedder, replace(settings, dense_weight=0.0, min_shared=0.0)),
            "fused": chat.retriever,
        }
        hits = {arm: [0, 0] for arm in retrievers}
        for question, context in track(pairs, name, console=Console(stderr=True)):
            for arm, retriever in retrievers.items():
                found = [hit.passage.document_id for hit in retriever.retrieve(question, 5)]
                hits[arm][0] += found[:1] == [ids[context]]
                hits[arm][1] += ids[context] in found
        chat.close()
    return {arm: (first / len(pairs), five / len(pairs)) for arm, (first, five) in hits.items()}


def main() -> None:
    """Read the arguments and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--embedder", default=Settings.embedder)
    parser.add_argument("--dense-weight", type=float, default=Settings.dense_weight)
    parser.add_argument("--constant", type=float, default=Settings.fusion_constant)
    arguments = parser.parse_args()
    settings = Settings(
        embedder=arguments.embedder,
        passage_size=WHOLE,
        dense_weight=arguments.dense_weight,
        fusion_constant=arguments.constant,
    )
    table = Table("set", "questions", "dense @1", "@5", "lexical @1", "@5", "fused @1", "@5")
    for name, (file, asked, told) in SETS.items():
        pairs = load(arguments.data / "qa" / f"{file}.jsonl.gz", asked, told)
        values = measure(name, pairs, settings)
        cells = [f"{value:.4f}" for arm in ("dense", "lexical", "fused") for value in values[arm]]
        table.add_row(name, str(len(pairs)), *cells)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
