"""Makes rag/data/boundaries.bin.gz, and measures paragraph repair on development texts.

    python -m training.boundaries             count the news, write the table
    python -m training.boundaries --measure   break development texts, mend them, print what came back

Reads ../shared/data (see its README for sources and licences). Only counts are kept, no text: at least
MIN_PAIR occurrences each. One news file is held out for measuring.
"""

# ruff: noqa: T201 (a command line prints)

import argparse
import gzip
import json
import math
import random
import re
import sys
from array import array
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from rag.boundaries import PARTS, STEP

HELD_OUT = "crud_news_07.jsonl.gz"  # 08 has the headlines
MIN_CHAR = 20
MIN_PAIR = 25
MAX_PAIRS = 110_000

DIGIT = re.compile(r"[0-9]")
LETTER = re.compile(r"[A-Za-z]")
SENTENCE_START = re.compile(r"[。！？][”’）》]*([^。！？”’）》，、；：\s])")


def rows(path: Path) -> Iterator[dict[str, str]]:
    """Yield the records of a gzipped JSON-lines file; stops with a clear message when it is absent."""
    if not path.exists():
        sys.exit(f"{path} is absent. This script needs the shared data folder beside the project.")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def variants() -> dict[str, str]:
    """Return single traditional characters and their simplified forms, from OpenCC."""
    import opencc

    convert = opencc.OpenCC("t2s").convert
    chars = [chr(code) for code in range(0x4E00, 0x9FA6)]
    return {a: b for a, b in zip(chars, convert("".join(chars)), strict=True) if a != b}


class Counts:
    """Occurrences of characters, pairs, beginnings and headline ends."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.chars: Counter[str] = Counter()
        self.pairs: Counter[tuple[str, str]] = Counter()
        self.starts: Counter[str] = Counter()
        self.ends: Counter[str] = Counter()
        self.inside: Counter[str] = Counter()  # characters of headlines, wherever they stand
        self._fold = str.maketrans(variants())

    def fold(self, text: str) -> str:
        """Fold as rag.boundaries does, and drop the spaces."""
        text = re.sub(r"\s+", "", text).translate(self._fold)
        return LETTER.sub("a", DIGIT.sub("0", text))

    def add(self, text: str) -> None:
        """Count one body. Its first character counts double: a paragraph is more than a sentence."""
        text = self.fold(text)
        self.chars.update(text)
        self.pairs.update(pairwise(text))
        self.starts.update(match[1] for match in SENTENCE_START.finditer(text))
        self.starts.update(text[:1] * 2)

    def add_headline(self, text: str) -> None:
        """Count one headline."""
        text = self.fold(text)
        if text:
            self.starts.update(text[0] * 5)
            self.inside.update(text)
            self.ends.update(text[-1])


def quantise(probability: float) -> int:
    """Round -log p to units of STEP, 0 to 255."""
    return min(255, max(0, round(-math.log(max(probability, 1e-30)) / STEP)))


def make_table(counts: Counts) -> bytes:
    """Return the file's bytes: a JSON line of sizes, the arrays of PARTS, the variants."""
    chars = sorted(c for c, n in counts.chars.items() if n >= MIN_CHAR and ord(c) < 0x10000)
    place = {char: i for i, char in enumerate(chars)}
    total, starts = counts.chars.total(), counts.starts.total()
    end_rate = counts.ends.total() / max(1, counts.inside.total())
    common = [(pair, n) for pair, n in counts.pairs.most_common(MAX_PAIRS) if n >= MIN_PAIR]
    keyed = sorted(
        (place[a] * 65536 + place[b], n / counts.chars[a]) for (a, b), n in common if a in place and b in place
    )
    keys = [key for key, _ in keyed]
    values: dict[str, array[int]] = {
        "chars": array("I", map(ord, chars)),
        "unigram": array("B", (quantise(counts.chars[c] / total) for c in chars)),
        "start": array(
            "B",
            (quantise((counts.starts[c] + 20 * counts.chars[c] / total) / (starts + 20)) for c in chars),
        ),
        "end": array("B", (quantise((counts.ends[c] + 8 * end_rate) / (counts.inside[c] + 8)) for c in chars)),
        "gaps": array("I", (b - a for a, b in pairwise([0, *keys]))),
        "follow": array("B", (quantise(p) for _, p in keyed)),
    }
    sizes = {name: len(values[name]) for name, _ in PARTS}
    known = "".join(a + b for a, b in variants().items())
    body = b"".join(values[name].tobytes() for name, _ in PARTS) + known.encode("utf-8")
    return json.dumps(sizes).encode("ascii") + b"\n" + body


def write_table(data: Path, output: Path) -> None:
    """Count every news file but the held-out one and write the table."""
    counts = Counts()
    paths = sorted((data / "news").glob("crud_news_*.jsonl.gz"))
    if not paths:
        sys.exit(f"No news files in {data / 'news'}. Name the folder of the public data with --data.")
    for path in paths:
        if path.name == HELD_OUT:
            continue
        for row in rows(path):
            for part in row["text"].split("\n"):
                counts.add(part)
            counts.add_headline(row.get("title", ""))
        print(path.name, len(counts.pairs), "pairs", flush=True)
    output.write_bytes(gzip.compress(make_table(counts), 9, mtime=0))
    print(f"{output}: {output.stat().st_size} bytes, {counts.ends.total()} headlines")


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measure", action="store_true", help="measure instead of writing the table")
    parser.add_argument("--texts", type=int, default=120, help="texts per language")
    parser.add_argument("--show", default="", help="print the failures of this style of damage")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the public data")
    parser.add_argument("--output", type=Path, default=Path("rag/data/boundaries.bin.gz"))
    options = parser.parse_args()
    if options.measure:
        measure(options.data, options.texts, options.show)
    else:
        write_table(options.data, options.output)


def development_texts(data: Path) -> dict[str, list[list[str]]]:
    """Return documents of a few paragraphs each, by language. None was counted for the table."""
    simplified = _contexts(data / "qa" / "dev_cmrc2018_half.jsonl.gz")
    traditional = _contexts(data / "qa" / "dev_drcd.jsonl.gz")
    english: dict[str, list[str]] = {}
    for row in rows(data / "parallel" / "dev_ntrex_news.jsonl.gz"):
        english.setdefault(row["doc"], []).append(row["en"].strip())
    reports = [[head, *_grouped(body, 3)] for head, *body in english.values() if len(body) > 3]
    news = [
        [part for part in row["text"].split("\n") if part.strip()]
        for row in rows(data / "news" / HELD_OUT)
        if row["text"][-1] in "。！？”"
    ][:1200]
    return {
        "Chinese (CMRC)": _documents(simplified),
        "traditional (DRCD)": _documents(traditional),
        "Chinese news": _documents([part for parts in news for part in parts]),
        "English (NTREX)": reports,
    }


def _contexts(path: Path) -> list[str]:
    """Return the distinct contexts that end as paragraphs do, with their inner breaks taken out."""
    seen = dict.fromkeys(" ".join(row["context"].split()) for row in rows(path))
    return [text for text in seen if text[-1] in "。！？”」"]


def _grouped(sentences: list[str], size: int) -> list[str]:
    return [" ".join(sentences[place : place + size]) for place in range(0, len(sentences), size)]


def _documents(paragraphs: list[str], size: int = 6) -> list[list[str]]:
    return [paragraphs[place : place + size] for place in range(0, len(paragraphs), size)]


def measure(data: Path, texts: int, shown: str = "") -> None:
    """Print the share of paragraphs that come back, exactly / but for spaces, by language and damage."""
    from tests.breaking import STYLES, break_text, mended_paragraphs, restored

    styles = ("undamaged", *STYLES)
    print(f"{'paragraphs, restored':28}" + "".join(f"{style:>22}" for style in styles))
    for language, documents in development_texts(data).items():
        shares = []
        total = sum(len(paragraphs) for paragraphs in documents[:texts])
        for style in styles:
            rng = random.Random(2)
            exact = close = 0
            for paragraphs in documents[:texts]:
                broken = "\n\n".join(paragraphs) if style == "undamaged" else break_text(paragraphs, style, rng)
                exact += restored(paragraphs, broken)
                close += restored(paragraphs, broken, spaces=False)
                if style == shown:
                    show_failures(paragraphs, mended_paragraphs(broken))
            shares.append(f"{exact / total:.3f} / {close / total:.3f}")
        print(f"{language:20}{total:6}  " + "".join(f"{share:>22}" for share in shares), flush=True)


def _shared(one: str, other: str) -> int:
    """Return how many characters two texts begin with in common."""
    pairs = zip(one, other, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def show_failures(paragraphs: list[str], mended: list[str]) -> None:
    """Print for each lost paragraph where it was left broken, run on, or otherwise changed."""
    for text in set(paragraphs) - set(mended):
        near = max(mended, key=lambda other: _shared(other, text))
        place = _shared(near, text)
        kept = "⏎" if place == len(near) else near[place : place + 12]
        print(f"    {text[max(0, place - 16) : place]} | {text[place : place + 12]} | {kept}")


if __name__ == "__main__":
    main()
