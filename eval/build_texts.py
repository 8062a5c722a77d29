"""Make the texts the evaluation set is asked of, from public parallel data (see data/README.md).

Usage: python -m eval.build_texts [--data ../shared/data]

Only the article (rag/data/liuzhou.txt) and tea-house.txt, written for this project, are not made here.
"""

import argparse
import gzip
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import opencc

FOLDER = Path(__file__).parent / "data" / "texts"
SENTENCES = 3  # in a paragraph: the sources keep sentences, not paragraphs

# Name of the text: file, document or first and last row, language. Dev texts are those of TICO-19, whose
# sentence pairs the bundled embedder learnt from, and two of NTREX; the rest are for reports alone.
TEXTS: dict[str, tuple[str, str | tuple[int, int], str]] = {
    "handwashing-zh": ("train_tico19", (1699, 1725), "zh"),
    "bangladesh-zh": ("train_tico19", (1079, 1093), "zh"),
    "toilet-paper-zh": ("train_tico19", (1120, 1143), "zh"),
    "schools-en": ("train_tico19", (1886, 1916), "en"),
    "nba-en": ("train_tico19", (1094, 1104), "en"),
    "wales-hant": ("dev_ntrex_news", "bbc.381790", "zh-Hant"),
    "ambassador-zh": ("dev_ntrex_news", "reuters.218933", "zh"),
    "korea-zh": ("dev_ntrex_news", "reuters.218861", "zh"),
    "beauty-zh": ("dev_ntrex_news", "guardian.221754", "zh"),
    "bats-zh": ("dev_ntrex_news", "scotsman.133773", "zh"),
    "defectors-zh": ("dev_ntrex_news", "bbc.381736", "zh"),
    "syria-zh": ("dev_ntrex_news", "thelocal.65969", "zh"),
    "tsunami-toll-zh": ("dev_ntrex_news", "nytimes.184860", "zh"),
    "tsunami-aid-zh": ("dev_ntrex_news", "nytimes.184837", "zh"),
    "hockey-hant": ("dev_ntrex_news", "bbc.381705", "zh-Hant"),
    "harlem-en": ("dev_ntrex_news", "nytimes.184853", "en"),
    "election-en": ("dev_ntrex_news", "cnbc.com.6784", "en"),
    "rosenstein-en": ("dev_ntrex_news", "guardian.221756", "en"),
    "livingston-en": ("dev_ntrex_news", "scotsman.133791", "en"),
}


def read_rows(data: Path, name: str) -> list[dict[str, str]]:
    """Return the sentence pairs of a file of parallel/."""
    path = data / "parallel" / f"{name}.jsonl.gz"
    if not path.is_file():
        sys.exit(f"{path} is absent. Name the folder of the public data with --data.")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def compose(sentences: Sequence[str], language: str) -> str:
    """Return a text: the headline, then paragraphs of a few sentences each."""
    cleaned = [" ".join(sentence.split()) for sentence in sentences]
    if language == "zh-Hant":
        converter = opencc.OpenCC("s2tw")
        cleaned = [converter.convert(sentence) for sentence in cleaned]
    headline, *body = cleaned
    between = " " if language == "en" else ""
    paragraphs = [between.join(body[at : at + SENTENCES]) for at in range(0, len(body), SENTENCES)]
    return "\n\n".join([headline, *paragraphs]) + "\n"


def main() -> None:
    """Write every text."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    data = parser.parse_args().data
    for name, (file, part, language) in TEXTS.items():
        rows = read_rows(data, file)
        chosen = rows[part[0] : part[1] + 1] if isinstance(part, tuple) else [r for r in rows if r["doc"] == part]
        text = compose([row["en" if language == "en" else "zh"] for row in chosen], language)
        (FOLDER / f"{name}.txt").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
