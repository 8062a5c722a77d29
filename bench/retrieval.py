"""Measure retrieval on the public development sets: each arm alone and both fused, Success@1 and @5.

Usage: python -m bench.retrieval [--data ../shared/data] [--embedder MODEL] [--dense-weight W] [--constant C]
The data is public and stands beside the repository, not in it; models.md shows the table. It asks the retriever
alone; `rag eval --public SET` measures answers, with intervals.
"""

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from eval.public import WHOLE, PublicSet, load_public
from rag.errors import InputError
from rag.pipeline import Pipeline
from rag.retriever import Retriever
from rag.settings import Settings

SETS = {
    "CMRC2018 dev half": "cmrc2018",
    "DRCD dev": "drcd",
    "XQuAD dev half zh→zh": "xquad-zh",
    "XQuAD dev half en→en": "xquad-en",
    "XQuAD dev half en→zh": "xquad-en-zh",
}


def measure(title: str, found: PublicSet, settings: Settings) -> dict[str, tuple[float, float]]:
    """Return Success@1 and Success@5 of the dense arm, the lexical arm and both fused."""
    with tempfile.TemporaryDirectory() as folder:
        chat = Pipeline(Path(folder), settings)
        for _ in chat.add_all(found.documents):
            pass
        retrievers = {
            "dense": Retriever(chat.store, chat.embedder, replace(settings, min_shared=2.0)),
            "lexical": Retriever(chat.store, chat.embedder, replace(settings, dense_weight=0.0, min_shared=0.0)),
            "fused": chat.retriever,
        }
        hits = {arm: [0, 0] for arm in retrievers}
        questions = found.dataset.questions
        for question in track(questions, title, console=Console(stderr=True)):
            for arm, retriever in retrievers.items():
                documents = [hit.passage.document_id for hit in retriever.retrieve(question.question, 5)]
                hits[arm][0] += documents[:1] == list(question.document)
                hits[arm][1] += question.document[0] in documents
        chat.close()
    return {arm: (first / len(questions), five / len(questions)) for arm, (first, five) in hits.items()}


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
    for title, name in SETS.items():
        try:
            found = load_public(name, arguments.data)
        except InputError as error:
            sys.exit(str(error))
        values = measure(title, found, settings)
        cells = [f"{value:.4f}" for arm in ("dense", "lexical", "fused") for value in values[arm]]
        table.add_row(title, str(len(found.dataset.questions)), *cells)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
