"""Datasets: questions with gold answers and evidence, as JSON lines. The schema is in data/README.md."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from eval.measures import Gold, Span
from rag.errors import InputError

ARTICLE_QUESTIONS = Path(__file__).parent / "data" / "liuzhou.jsonl"


@dataclass(frozen=True)
class GoldQuestion:
    """A question with what people say of it. `evidence` holds exact quotes of the document."""

    id: str
    question: str
    kind: str
    language: str
    answerable: bool
    answers: tuple[Gold, ...]
    evidence: tuple[str, ...]
    history: tuple[str, ...] = ()
    parent: str | None = None  # the question this one is a variant of
    trap: str | None = None  # why it cannot be answered

    def spans(self, text: str) -> list[Span]:
        """Return every place where the evidence stands in a text.

        Raises:
            InputError: A quote does not stand there.
        """
        found: list[Span] = []
        for quote in self.evidence:
            start = text.find(quote)
            if start < 0:
                raise InputError(f"Question {self.id}: the evidence {quote!r} does not stand in the document.")
            while start >= 0:
                found.append((start, start + len(quote)))
                start = text.find(quote, start + 1)
        return found


def read_questions(path: Path) -> list[GoldQuestion]:
    """Read a file of questions.

    Raises:
        InputError: It cannot be read, or a row lacks a field; the message names row and field.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The questions in {path} cannot be read: {error}.") from error
    questions = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            questions.append(
                GoldQuestion(
                    id=str(row["id"]),
                    question=str(row["question"]),
                    kind=str(row["kind"]),
                    language=str(row["language"]),
                    answerable=bool(row["answerable"]),
                    answers=tuple(_gold(gold) for gold in row["answers"]),
                    evidence=tuple(row["evidence"]),
                    history=tuple(row.get("history", ())),
                    parent=row.get("parent"),
                    trap=row.get("trap"),
                )
            )
        except KeyError as error:
            raise InputError(f"{path}, row {number}: the field {error} is missing.") from error
        except (ValueError, TypeError, AttributeError) as error:
            raise InputError(f"{path}, row {number}: not a JSON object of the schema ({error}).") from error
    return questions


def _gold(gold: object) -> Gold:
    return gold if isinstance(gold, str) else tuple(str(part) for part in gold if isinstance(gold, Sequence))  # type: ignore[attr-defined]
