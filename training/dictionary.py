"""Make rag/data/dictionary.tsv.gz: for English words, the Chinese words they may stand for.

Sources, in ../shared/data/lexicon: CC-CEDICT (CC BY-SA 4.0), names of CLDR (Unicode License v3) and our
own terms of government (CC0). So the file is offered under CC BY-SA 4.0.
Usage: python -m training.dictionary [--data ../shared/data] [--output rag/data/dictionary.tsv.gz]
"""

import argparse
import gzip
import re
import sys
from collections import defaultdict
from pathlib import Path

from rag.lexical import stem
from rag.lexicon import load_lexicon
from rag.question import STOPWORDS

SOURCES = ("cedict_zh_en.tsv.gz", "cldr_names.tsv.gz", "government_terms_own.tsv.gz")
MAX_GLOSS_WORDS = 4  # a longer gloss explains rather than translates
MAX_TRANSLATIONS = 60  # of one English word
MAX_CHARACTERS = 8  # of a Chinese word


def build(folder: Path) -> list[str]:
    """Return lines `stem<TAB>Chinese words`, the likeliest translations first."""
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for name in SOURCES:
        path = folder / name
        if not path.is_file():
            sys.exit(f"{path} is absent. Name the folder of the public data with --data.")
        with gzip.open(path, "rt", encoding="utf-8") as file:
            for line in list(file)[1:]:
                chinese, _, gloss = line.rstrip("\n").partition("\t")
                plain = re.sub(r"\([^)]*\)|^(?:to|a|an|the) ", "", gloss.lower()).strip()
                words = re.findall(r"[a-z]+", plain)
                if not 0 < len(words) <= MAX_GLOSS_WORDS or len(chinese) > MAX_CHARACTERS:
                    continue
                for word in set(words) - STOPWORDS:
                    key = stem(word)
                    found[key][chinese] = min(found[key].get(chinese, MAX_GLOSS_WORDS), len(words))
    lexicon = load_lexicon()
    lines = []
    for key, translations in sorted(found.items()):
        if len(key) > 1:
            best = sorted(translations, key=lambda word: (translations[word], lexicon.weight(word), word))
            lines.append(f"{key}\t{' '.join(best[:MAX_TRANSLATIONS])}")
    return lines


def main() -> None:
    """Read the arguments and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--output", type=Path, default=Path("rag/data/dictionary.tsv.gz"))
    arguments = parser.parse_args()
    lines = build(arguments.data / "lexicon")
    # mtime=0 and no name: the same words give the same bytes.
    with open(arguments.output, "wb") as raw, gzip.GzipFile("", "wb", mtime=0, fileobj=raw) as packed:
        packed.write("\n".join(lines).encode())
    sys.stdout.write(f"{len(lines)} words, {arguments.output.stat().st_size} bytes\n")


if __name__ == "__main__":
    main()
