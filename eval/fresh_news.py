"""Make the texts that fresh_news.jsonl asks about: ten Chinese and three English news texts of the public data.

They may be read and measured on, but not passed on (see data/README.md), so only their ids stand here.

Usage:
    python -m eval.fresh_news [--data ../shared/data] [--output build/fresh_news]
    rag eval --questions eval/data/fresh_news.jsonl --documents build/fresh_news
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from eval.build_texts import compose
from eval.datasets import DATA
from eval.public import read_rows
from rag.errors import InputError, RagError

FRESH_QUESTIONS = DATA / "fresh_news.jsonl"
NEWS = (
    "crud-25723",  # a provincial government's meeting
    "crud-14753",  # a company's default
    "crud-58291",  # a basketball match
    "crud-64880",  # an artificial eye
    "crud-22964",  # power cuts after a typhoon
    "crud-60740",  # a city's foreign trade
    "crud-04427",  # an exhibition of manuscripts
    "crud-22365",  # a disease and its prevention
    "crud-22800",  # a poacher and his village
    "crud-15468",  # a president's address
)
REPORTS = (
    "upi.176266",  # a shark's attack
    "dailymail.co.uk.298630",  # a vaccine
    "nytimes.184862",  # children in custody
)


def compose_texts(data: Path) -> dict[str, str]:
    """Return the texts by the names of their files, each the id with `.txt`.

    Args:
        data: The folder of the public data, with `news/` and `parallel/`.

    Raises:
        InputError: The data is absent, or lacks one of the texts.
    """
    texts = _news(data / "news") | _reports(data / "parallel" / "dev_ntrex_news.jsonl.gz")
    missing = [id_ for id_ in (*NEWS, *REPORTS) if id_ not in texts]
    if missing:
        raise InputError(f"{data} lacks {', '.join(missing)}. Take the version of the data that data/README.md names.")
    return {f"{id_}.txt": texts[id_] for id_ in (*NEWS, *REPORTS)}


def write_texts(data: Path, output: Path) -> list[Path]:
    """Write the texts into a folder, and return their paths in the order of their ids above.

    Raises:
        InputError: As `compose_texts`; then nothing is written.
    """
    texts = compose_texts(data)
    output.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (output / name).write_text(text, encoding="utf-8")
    return [output / name for name in texts]


def _news(folder: Path) -> dict[str, str]:
    """Return the Chinese texts as the collection keeps them: one paragraph, after the headline where it has one."""
    files = sorted(folder.glob("*.jsonl.gz"))
    if not files:
        raise InputError(f"There are no news files in {folder}. Name the folder of the public data with --data.")
    found: dict[str, str] = {}
    for file in files:
        for row in read_rows(file):
            if row["id"] in NEWS:
                found[row["id"]] = "\n\n".join(part for part in (row["title"], row["text"]) if part) + "\n"
        if len(found) == len(NEWS):
            break
    return found


def _reports(path: Path) -> dict[str, str]:
    """Return the English sides, sentences put together in paragraphs."""
    sentences: dict[str, list[str]] = {}
    for row in read_rows(path):
        if row["doc"] in REPORTS:
            sentences.setdefault(row["doc"], []).append(row["en"])
    return {document: compose(of_document, "en") for document, of_document in sentences.items()}


def main(argv: Sequence[str] | None = None) -> int:
    """Write every text; return the exit code, 1 where the data is absent or the folder cannot be written."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the public data")
    parser.add_argument("--output", type=Path, default=Path("build/fresh_news"), help="folder of the texts")
    options = parser.parse_args(argv)
    try:
        paths = write_texts(options.data, options.output)
    except (RagError, OSError) as error:
        sys.stderr.write(f"Error: {error}\n")
        return 1
    sys.stdout.write(f"{len(paths)} texts are in {options.output}.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
