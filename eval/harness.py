"""The harness: asks every question of a dataset, keeps one row per question, prints the figures."""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from eval.datasets import ARTICLE_QUESTIONS, GoldQuestion, read_questions
from eval.measures import first_rank, inside_share, is_right, overlaps, precision_recall, share
from rag.citations import Answer
from rag.documents import Document
from rag.errors import RagError
from rag.pipeline import Pipeline
from rag.settings import ARTICLE, Settings


@dataclass(frozen=True)
class Row:
    """What one question came to. A question that cannot be answered has no rank and is right when refused."""

    id: str
    kind: str
    language: str
    question: str
    answerable: bool
    refused: bool
    right: bool
    cited: bool  # answered, and a citation shares words with the gold evidence
    exact: bool  # every citation is the very words, in the text and in the file
    rank: int | None  # of the first hit that holds gold evidence
    inside: float  # share of the quoted characters that are gold evidence
    characters: int
    confidence: float
    milliseconds: float
    answer: str


def run(chat: Pipeline, questions: Sequence[GoldQuestion]) -> Iterator[Row]:
    """Ask every question of a pipeline that holds one document."""
    (document,) = chat.documents()
    source = _source_text(document)
    for gold in questions:
        history: list[Answer] = []
        for earlier in gold.history:
            history.append(chat.ask(earlier, history))
        start = time.perf_counter()
        answer = chat.ask(gold.question, history)
        milliseconds = (time.perf_counter() - start) * 1000
        yield _row(gold, answer, document, source, milliseconds)


def _row(gold: GoldQuestion, answer: Answer, document: Document, source: str, milliseconds: float) -> Row:
    spans = gold.spans(document.text)
    refused = answer.verdict == "refused"
    cited = [(citation.start, citation.end) for citation in answer.citations]
    ranked = [overlaps((hit.passage.start, hit.passage.end), spans) for hit in answer.hits]
    return Row(
        id=gold.id,
        kind=gold.kind,
        language=gold.language,
        question=gold.question,
        answerable=gold.answerable,
        refused=refused,
        right=(not refused and is_right(answer.text, gold.answers)) if gold.answerable else refused,
        cited=any(overlaps(span, spans) for span in cited),
        exact=all(
            is_exact(citation.quote, citation.start, citation.end, document, source) for citation in answer.citations
        ),
        rank=first_rank(ranked) if gold.answerable else None,
        inside=share([inside_share(span, spans) for span in cited]),
        characters=len(answer.text),
        confidence=round(answer.confidence, 4),
        milliseconds=round(milliseconds, 2),
        answer=answer.text,
    )


def is_exact(quote: str, start: int, end: int, document: Document, source: str) -> bool:
    """Say whether a quote is the document's very words, and the same words of the file but for line breaks."""
    first, last = document.origin.source_span(start, end)
    return document.text[start:end] == quote and "".join(source[first:last].split()) == "".join(quote.split())


def _source_text(document: Document) -> str:
    return Path(document.source).read_bytes().decode(document.encoding)


def summary(rows: Sequence[Row]) -> dict[str, float]:
    """Return the figures over all questions."""
    answerable = [row for row in rows if row.answerable]
    answered = [row for row in answerable if not row.refused]
    precision, recall = precision_recall([row.refused for row in rows], [not row.answerable for row in rows])
    return {
        "questions": len(rows),
        "answerable": len(answerable),
        "Success@1": share([row.rank == 1 for row in answerable]),
        "Success@5": share([row.rank is not None and row.rank <= 5 for row in answerable]),
        "MRR": share([1 / row.rank if row.rank else 0.0 for row in answerable]),
        "answers right": share([row.right for row in answerable]),
        "right of answered": share([row.right for row in answered]),
        "cited span overlaps gold": share([row.cited for row in answered]),
        "quoted characters that are gold": share([row.inside for row in answered]),
        "citations exact": share([row.exact for row in rows]),
        "refusal precision": precision,
        "refusal recall": recall,
        "wrongly refused": share([row.refused for row in answerable]),
        "characters of an answer, median": statistics.median([row.characters for row in answered] or [0]),
        "milliseconds, median": statistics.median([row.milliseconds for row in rows]),
    }


def main(argv: Sequence[str]) -> int:
    """Run the evaluation on the bundled article; return 0, or 1 where a citation is not exact."""
    parser = argparse.ArgumentParser(prog="rag eval", description="Ask the questions of a set and print the figures.")
    parser.add_argument("--questions", type=Path, default=ARTICLE_QUESTIONS, help="JSON lines, see eval/data/README.md")
    parser.add_argument("--document", type=Path, default=ARTICLE, help="the document they are asked of")
    parser.add_argument("--embedder", default=Settings.embedder, help='"bundled", a model id or a folder')
    parser.add_argument("--output", type=Path, help="write one JSON line per question to this file")
    parser.add_argument("--wrong", action="store_true", help="print the questions that went wrong")
    arguments = parser.parse_args(argv)
    console = Console()
    try:
        questions = read_questions(arguments.questions)
        with tempfile.TemporaryDirectory() as folder:
            chat = Pipeline(Path(folder), Settings(embedder=arguments.embedder))
            chat.add(arguments.document)
            asked = run(chat, questions)
            rows = list(track(asked, "Asking", total=len(questions), console=Console(stderr=True)))
            chat.close()
    except RagError as error:
        Console(stderr=True).print(f"Error: {error}", markup=False, style="red")
        return 1
    if arguments.output:
        lines = (json.dumps(asdict(row), ensure_ascii=False) for row in rows)
        arguments.output.write_text("\n".join(lines) + "\n", encoding="utf-8")
    figures = summary(rows)
    console.print(_figures_table(figures), _kinds_table(rows))
    if arguments.wrong:
        for row in rows:
            if not row.right:
                console.print(f"{row.id} [{row.kind}] {row.question} → {row.answer}", markup=False, soft_wrap=True)
    return 0 if figures["citations exact"] == 1 else 1


def _figures_table(figures: dict[str, float]) -> Table:
    table = Table("measure", "value", title="Evaluation")
    for name, value in figures.items():
        table.add_row(name, f"{value:.3f}" if isinstance(value, float) else str(value))
    return table


def _kinds_table(rows: Sequence[Row]) -> Table:
    table = Table("kind", "questions", "right", "answerable", "right of these", title="By kind")
    for kind in dict.fromkeys(row.kind for row in rows):
        of_kind = [row for row in rows if row.kind == kind]
        answerable = [row for row in of_kind if row.answerable]
        table.add_row(
            kind,
            str(len(of_kind)),
            f"{share([row.right for row in of_kind]):.2f}",
            str(len(answerable)),
            f"{share([row.right for row in answerable]):.2f}",
        )
    return table
