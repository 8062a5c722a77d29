"""Make rag/data/lexicon.tsv.gz: Chinese words with their frequency and part of speech.

Source: the small dictionary of jieba as cppjieba ships it (MIT), in ../shared/data/lexicon.
Usage: python training/lexicon.py [--data ../shared/data] [--output rag/data/lexicon.tsv.gz]
"""

import argparse
import gzip
import sys
from pathlib import Path

# Words rarer than this are mostly names and set phrases whose characters serve as well.
MIN_FREQUENCY = 3
MAX_LENGTH = 6


def build(source: Path) -> list[str]:
    """Return the lines `word<TAB>frequency<TAB>part of speech`, sorted by word."""
    with gzip.open(source, "rt", encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t") for line in file][1:]
    kept = [row for row in rows if int(row[1]) >= MIN_FREQUENCY and len(row[0]) <= MAX_LENGTH]
    return ["\t".join(row) for row in sorted(kept)]


def main() -> None:
    """Read the arguments and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--output", type=Path, default=Path("rag/data/lexicon.tsv.gz"))
    arguments = parser.parse_args()
    source = arguments.data / "lexicon" / "jieba_small_freq.tsv.gz"
    if not source.is_file():
        sys.exit(f"{source} is absent. Name the folder of the public data with --data.")
    lines = build(source)
    # mtime=0 and no name: the same words give the same bytes.
    with open(arguments.output, "wb") as raw, gzip.GzipFile("", "wb", mtime=0, fileobj=raw) as packed:
        packed.write("\n".join(lines).encode())
    sys.stdout.write(f"{len(lines)} words, {arguments.output.stat().st_size} bytes\n")


if __name__ == "__main__":
    main()
