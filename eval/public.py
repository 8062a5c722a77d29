"""Public sets, as external checks: CMRC2018, DRCD, XQuAD, and CRUD news for retrieval in a large corpus.

They are public data that stands beside the repository, not in it; see models.md for sources and licences.
"""

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.datasets import Dataset, Question, language_of
from rag.documents import Document, document_from_text
from rag.errors import InputError

WHOLE = 1_000_000  # characters of a passage: each text is one, as in the published figures


@dataclass(frozen=True)
class PublicSet:
    """Questions, the texts they are asked of, and of how many characters a passage is at most."""

    dataset: Dataset
    documents: list[Document]
    passage_size: int = WHOLE


def load_public(name: str, data: Path) -> PublicSet:
    """Return a set by its name in `SETS`.

    Raises:
        InputError: There is no such set, or the data is absent.
    """
    if name not in SETS:
        raise InputError(f"No public set {name!r}. There are: {', '.join(SETS)}.")
    return SETS[name](name, data)


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a compressed file of JSON lines.

    Raises:
        InputError: The file cannot be read.
    """
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            yield from map(json.loads, file)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error}. Name the folder of the public data with --data.") from error


def _reading_set(file: str, asked: str, told: str) -> Callable[[str, Path], PublicSet]:
    """Return what loads a SQuAD-like file. `par` joins the languages of XQuAD."""

    def load(name: str, data: Path) -> PublicSet:
        rows = list(read_rows(data / "qa" / f"{file}.jsonl.gz"))
        contexts = {row["par"]: row for row in rows if "par" in row and row["lang"] == told}
        documents: dict[str, Document] = {}
        questions = []
        golds = {_pair(row): row for row in rows if row.get("lang", told).startswith(told)}
        for row in rows:
            if not row.get("lang", asked).startswith(asked):
                continue
            context = row["context"] if asked == told else contexts[row["par"]]["context"]
            document = documents.setdefault(context, document_from_text(context, source=f"{name}-{len(documents)}"))
            answers = row["answers"] if asked == told else golds[_pair(row)]["answers"]
            questions.append(
                Question(
                    id=str(row["id"]),
                    question=row["question"],
                    document=(document.id,),
                    answers=tuple(dict.fromkeys(answers)),
                    language=language_of(row["question"]),
                )
            )
        return PublicSet(Dataset(name, tuple(questions)), list(documents.values()))

    return load


def _pair(row: dict[str, Any]) -> str:
    """Return what the same question in both languages has in common: its id without the language."""
    return str(row["id"]).replace(f"-{row['lang']}-", "-", 1)


def _crud_news(name: str, data: Path) -> PublicSet:
    """Return questions about single news texts, asked of all news there are."""
    news = data / "news"
    rows = list(read_rows(data / "qa" / "dev_crud_news.jsonl.gz"))
    documents = [
        document_from_text(row["text"], row["title"] or None, source=row["id"])
        for file in sorted(news.glob("*.jsonl.gz"))
        for row in read_rows(file)
    ]
    known = {document.source: document for document in documents}
    questions = []
    for row in rows:
        gold = [known[id_] for id_ in row.get("gold_news_ids", ()) if id_ in known]
        literal = tuple(dict.fromkeys(answer for answer in row["answers"] if any(answer in d.text for d in gold)))
        if row.get("specific") and literal:
            questions.append(
                Question(
                    id=str(row["id"]),
                    question=row["question"],
                    document=tuple(document.id for document in gold),
                    answers=literal,
                    language=language_of(row["question"]),
                )
            )
    return PublicSet(Dataset(name, tuple(questions)), documents, passage_size=400)


SETS: dict[str, Callable[[str, Path], PublicSet]] = {
    "cmrc2018": _reading_set("dev_cmrc2018_half", "zh", "zh"),
    "drcd": _reading_set("dev_drcd", "zh", "zh"),
    "xquad-zh": _reading_set("dev_xquad_zh_en_half", "zh", "zh"),
    "xquad-en": _reading_set("dev_xquad_zh_en_half", "en", "en"),
    "xquad-en-zh": _reading_set("dev_xquad_zh_en_half", "en", "zh"),
    "crud-news": _crud_news,
}
