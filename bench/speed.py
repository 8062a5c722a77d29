"""Measure speed and memory: import, first answer of a fresh process, warm answers, adding many texts.

Usage: python -m bench.speed [--data ../shared/data] [--texts 2000]
The news texts are public data beside the repository; without them only the article is measured.
"""

import argparse
import gzip
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from eval.datasets import OUR_QUESTIONS, read_dataset
from rag.pipeline import Pipeline
from rag.settings import ARTICLE, Settings

QUESTION = "柳州的四大定位是什么"
RUNS = 5


def fresh_process(program: str) -> float:
    """Return the median wall seconds of a Python program in a process of its own, after one warm-up."""
    times = []
    for _ in range(RUNS + 1):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)  # noqa: S603 - our own text
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def fresh(folder: Path) -> Iterator[tuple[str, str]]:
    """Measure what a user of the command line waits for."""
    yield "empty Python process, s", f"{fresh_process('pass'):.3f}"
    yield "import rag, s", f"{fresh_process('import rag'):.3f}"
    ask = f"import rag; rag.open({str(folder)!r}).ask({QUESTION!r})"
    yield "first answer in a fresh process, s", f"{fresh_process(ask):.3f}"
    torch = "import sentence_transformers"
    yield "for comparison: import sentence_transformers, s", f"{fresh_process(torch):.3f}"


def warm(chat: Pipeline) -> Iterator[tuple[str, str]]:
    """Measure answers of a process that has answered before."""
    questions = _article_questions()
    for question in questions[:10]:
        chat.ask(question)
    times = []
    for question in questions:
        start = time.perf_counter()
        chat.ask(question)
        times.append((time.perf_counter() - start) * 1000)
    yield "warm answer, ms, median", f"{statistics.median(times):.1f}"
    yield "warm answer, ms, 95th percentile", f"{statistics.quantiles(times, n=20)[-1]:.1f}"


def _article_questions() -> list[str]:
    questions = read_dataset(OUR_QUESTIONS).questions
    return [question.question for question in questions if ARTICLE.name in question.document]


def many(data: Path, count: int) -> Iterator[tuple[str, str]]:
    """Add news texts as files and ask over them."""
    with tempfile.TemporaryDirectory() as folder:
        paths = list(_write_texts(data, Path(folder), count))
        chat = Pipeline(Path(folder) / "store", Settings())
        before = _peak_megabytes()
        start = time.perf_counter()
        outcomes = [addition.outcome for addition in chat.add_all(paths)]
        seconds = time.perf_counter() - start
        yield f"adding {len(paths)} texts, texts/s", f"{len(paths) / seconds:.0f}"
        yield "of them added", str(outcomes.count("added"))
        start = time.perf_counter()
        chat.ask(QUESTION)
        yield "first question over them (fills the indexes), s", f"{time.perf_counter() - start:.2f}"
        times = []
        for question in _article_questions()[:50]:
            start = time.perf_counter()
            chat.ask(question)
            times.append((time.perf_counter() - start) * 1000)
        yield "question over them, ms, median", f"{statistics.median(times):.1f}"
        yield "peak memory, MB (before adding)", f"{_peak_megabytes():.0f} ({before:.0f})"
        size = sum(path.stat().st_size for path in (Path(folder) / "store").rglob("*") if path.is_file())
        yield "store on disk, MB", f"{size / 1e6:.1f}"
        chat.close()


def _write_texts(data: Path, folder: Path, count: int) -> Iterator[Path]:
    written = 0
    for source in sorted((data / "news").glob("*.jsonl.gz")):
        with gzip.open(source, "rt", encoding="utf-8") as file:
            for line in file:
                if written == count:
                    return
                path = folder / f"{written:05}.txt"
                path.write_text(json.loads(line)["text"], encoding="utf-8")
                written += 1
                yield path


def _peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Read the arguments and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--texts", type=int, default=2000)
    arguments = parser.parse_args()
    table = Table("measure", "value")
    with tempfile.TemporaryDirectory() as folder:
        chat = Pipeline(Path(folder), Settings())
        chat.add(ARTICLE)
        for row in (*fresh(Path(folder)), *warm(chat)):
            table.add_row(*row)
        chat.close()
    if (arguments.data / "news").is_dir():
        for row in many(arguments.data, arguments.texts):
            table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    main()
