"""Measure a reader on the public development sets: its words from the gold passage, and whether it knows "not here".

Usage: python -m bench.reader [--data ../shared/data] [--reader MODEL]
EM and F1 are those of CMRC2018's evaluation (SQuAD's for English), the gold passage being given. "Not here": the
questions of CMRC2018's half with their passages, and those of them again with the nearest other passage in its
place; the surest answer first, how many that have no answer are among those answered (area under the risk-coverage
curve, beside that of a confidence that knows nothing, and of one that knows all). Intervals are 95%: passages are
resampled with their questions. Any extractive question-answering model of transformers can be named.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from eval.measures.answers import best, exact, f1
from eval.measures.refusal import aurc, perfect_area, random_area
from eval.public import read_rows
from eval.statistics import Estimate, Resampler
from rag.settings import BUNDLED_READER, Settings
from rag.span_model import Candidate, SpanModel, load_span_model

WANTED = {"CMRC2018 dev half": "50 / 70", "DRCD dev": "55 / 70"}  # on a CPU; the first with a GPU: 58 / 78
PASSAGES = 5
LENGTH = Settings.passage_size  # characters of a passage
TIMED = 60  # questions

Row = dict[str, Any]


def rows_of(data: Path, name: str) -> list[Row]:
    """Return the rows of a development set."""
    return list(read_rows(data / "qa" / f"{name}.jsonl.gz"))


def sets(data: Path) -> dict[str, list[tuple[Row, str]]]:
    """Return by name the answerable rows and the passage to read for each."""
    found = {
        "CMRC2018 dev half": _with_context(rows_of(data, "dev_cmrc2018_half")),
        "DRCD dev": _with_context(rows_of(data, "dev_drcd")),
        "DuReader-robust dev": _with_context(rows_of(data, "dev_dureader_robust")),
        "CRUD news dev": _with_context(rows_of(data, "dev_crud_news")),
    }
    xquad = rows_of(data, "dev_xquad_zh_en_half")
    for language, name in (("zh", "XQuAD dev half zh"), ("en", "XQuAD dev half en")):
        found[name] = _with_context([row for row in xquad if row["lang"] == language])
    return found


def _with_context(rows: Sequence[Row]) -> list[tuple[Row, str]]:
    return [(row, row["context"]) for row in rows if row["answers"] and row["answer_starts"][0] >= 0]


def say(model: SpanModel, question: str, context: str) -> tuple[str, float]:
    """Return the words the reader chooses and its score, which is above 0 where it rather answers."""
    found: list[Candidate] = model.candidates(question, [context], 1)
    return (context[found[0].start : found[0].end], found[0].score) if found else ("", -np.inf)


def measure(model: SpanModel, pairs: Sequence[tuple[Row, str]], title: str) -> tuple[Estimate | None, Estimate | None]:
    """Return exact match and F1."""
    scores = []
    for row, context in track(pairs, title, console=Console(stderr=True)):
        words, _ = say(model, row["question"], context)
        scores.append((best(exact, words, row["answers"]), best(f1, words, row["answers"])))
    resampler = Resampler([context for _, context in pairs], [row["id"] for row, _ in pairs])
    return resampler.mean([one for one, _ in scores]), resampler.mean([one for _, one in scores])


def not_here(model: SpanModel, data: Path) -> dict[str, str]:
    """Return the areas under the risk-coverage curve, with what they are compared with."""
    rows = [*rows_of(data, "dev_cmrc2018_half"), *rows_of(data, "dev_noans_cmrc2018")]
    sure, unanswerable, wrong = [], [], []
    for row in track(rows, "not here", console=Console(stderr=True)):
        words, score = say(model, row["question"], row["context"])
        sure.append(score)
        unanswerable.append(float(not row["answers"]))
        wrong.append(1.0 - best(exact, words, row["answers"]) if row["answers"] else 1.0)
    resampler = Resampler([row["context"] for row in rows], [row["id"] for row in rows])
    found = {}
    for name, losses in (("answering what has no answer", unanswerable), ("… or not exactly right", wrong)):
        random, perfect = random_area(losses), perfect_area(losses)
        area = aurc(sure, losses)
        shown = resampler.statistic(area, lambda weights, losses=losses: aurc(sure, losses, weights))  # type: ignore[misc]
        found[name] = (
            f"{area:.3f} ({shown.low:.3f}-{shown.high:.3f}); random {random:.3f}, perfect {perfect:.3f}; "
            f"{area / random:.2f} of random"
        )
    return found


def report(model: SpanModel, data: Path) -> str:
    """Return all figures as Markdown."""
    lines = ["| set | questions | EM | F1 | wanted |", "| --- | ---: | ---: | ---: | ---: |"]
    for name, pairs in sets(data).items():
        figures = [_shown(one) for one in measure(model, pairs, name)]
        lines.append(f"| {' | '.join([name, str(len(pairs)), *figures, WANTED.get(name, '–')])} |")
    lines += ["", '| knowing "not here": area under the risk-coverage curve | |', "| --- | --- |"]
    lines += (f"| {name} | {text} |" for name, text in not_here(model, data).items())
    return "\n".join(lines)


def milliseconds(model: SpanModel, data: Path) -> float:
    """Return how long one question takes over PASSAGES passages that were never read before, the median."""
    texts = list(dict.fromkeys(context for _, context in sets(data)["CMRC2018 dev half"]))[: PASSAGES * TIMED]
    took = []
    for at in range(0, len(texts) - PASSAGES, PASSAGES):
        start = time.perf_counter()
        model.candidates("这里说的是什么时候的事？", [text[:LENGTH] for text in texts[at : at + PASSAGES]])
        took.append(1000 * (time.perf_counter() - start))
    return float(np.median(took))


def main() -> None:
    """Read the arguments, measure, and print the figures as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--reader", default=BUNDLED_READER, help="as in rag.Settings")
    arguments = parser.parse_args()
    model = load_span_model(Settings(reader=arguments.reader))
    took = milliseconds(model, arguments.data)
    sys.stdout.write(
        f"{report(model, arguments.data)}\n\n{arguments.reader}: one question, {PASSAGES} passages of at most "
    )
    sys.stdout.write(f"{LENGTH} characters never read before: {took:.0f} ms (median)\n")


def _shown(estimate: Estimate | None) -> str:
    return "–" if estimate is None else f"{estimate.value:.3f} ({estimate.low:.3f}–{estimate.high:.3f})"


if __name__ == "__main__":
    main()
