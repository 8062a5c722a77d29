"""Make rag/data/recall.tsv.gz: how often the passage that answers a question holds a gram of the question.

Counted over the training questions of the reading sets in ../shared/data/qa (licences: see NOTICE; some are
CC BY-SA, so the file is offered under CC BY-SA 4.0). Only grams that differ from the usual one are kept.
Usage: python -m training.term_recall [--data ../shared/data] [--output rag/data/recall.tsv.gz]
"""

import argparse
import gzip
import json
import sys
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from rag.lexical import grams
from rag.recall import USUAL

SETS = ("cmrc2018", "cmrc2018_trial", "dureader_robust", "crud_news", "chronoqa", "en_squad", "en_qed")
PRIOR = 5  # questions of usual recall that each gram is taken to have been seen in besides
MIN_DIFFERENCE = 0.05  # from the usual recall; nearer ones are left out
MIN_QUESTIONS = 3


def count(data: Path) -> dict[str, float]:
    """Return the smoothed recall of each gram that was seen often enough."""
    seen: Counter[str] = Counter()
    met: Counter[str] = Counter()
    held = lru_cache(maxsize=256)(lambda text: frozenset(grams(text)))
    for name in SETS:
        asked = set()
        with gzip.open(data / "qa" / f"train_{name}.jsonl.gz", "rt", encoding="utf-8") as file:
            for row in map(json.loads, file):
                if row["question"] not in asked:
                    asked.add(row["question"])
                    question = set(grams(row["question"]))
                    seen.update(question)
                    met.update(question & held(row["context"]))
    recalls = {
        gram: (met[gram] + PRIOR * USUAL) / (questions + PRIOR)
        for gram, questions in seen.items()
        if questions >= MIN_QUESTIONS
    }
    return {gram: recall for gram, recall in recalls.items() if abs(recall - USUAL) >= MIN_DIFFERENCE}


def write(recalls: Mapping[str, float], path: Path) -> None:
    """Write lines `gram<TAB>percent`."""
    lines = "\n".join(f"{gram}\t{round(100 * recall)}" for gram, recall in sorted(recalls.items()))
    # mtime=0 and no name: the same counts give the same bytes.
    with open(path, "wb") as raw, gzip.GzipFile("", "wb", mtime=0, fileobj=raw) as packed:
        packed.write(lines.encode())


def main() -> None:
    """Read the arguments and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--output", type=Path, default=Path("rag/data/recall.tsv.gz"))
    arguments = parser.parse_args()
    try:
        recalls = count(arguments.data)
    except OSError as error:
        sys.exit(f"{error}. Name the folder of the public data with --data.")
    write(recalls, arguments.output)
    sys.stdout.write(f"{len(recalls)} grams, {arguments.output.stat().st_size} bytes\n")


if __name__ == "__main__":
    main()
