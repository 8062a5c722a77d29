"""Make rag/data/translations.tsv.gz: for English words and phrases, Chinese words with how likely each is.

The dictionary says which words may stand for each other, but not how often they do. That is learnt from
sentences that say the same in both languages, with the dictionaries' own entries as short sentences among
them: IBM model 1 in both directions, and what both agree on (the geometric mean). Phrases of a few words
(`super bowl`) come from the dictionaries alone.

Sources, below ../shared/data: parallel/train_* (Tatoeba CC BY 2.0 FR, TICO-19 CC0, NTREX CC BY-SA 4.0,
FLORES CC BY-SA 4.0, Python documentation CC0 and PSF, guides CC BY 4.0) and lexicon/ (CC-CEDICT CC BY-SA 4.0,
CLDR, our own terms, terms of TICO-19, Chinese Open Wordnet). The file is offered under CC BY-SA 4.0.
Source: Brown et al., "The Mathematics of Statistical Machine Translation", Computational Linguistics 1993;
Liang, Taskar and Klein, "Alignment by Agreement", NAACL 2006 (which multiplies the two directions).
Usage: python -m training.translations [--data ../shared/data] [--output rag/data/translations.tsv.gz]
"""

import argparse
import gzip
import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rag.folding import fold
from rag.lexical import stem
from rag.lexicon import words_of
from rag.question import STOPWORDS
from rag.translation import STEPS, step_of
from training.embedder_data import withheld_texts

PARALLEL = {  # how much a sentence counts: manuals of a programming language speak of little else
    "train_tatoeba": 1.0,
    "train_tico19": 1.0,
    "train_ntrex_news": 1.0,
    "train_flores_sib": 1.0,
    "train_guides": 1.0,
    "train_python_docs": 0.3,
}
DICTIONARIES = {  # the links of the wordnet were made by machine
    "cedict_zh_en": 1.0,
    "cldr_names": 1.0,
    "government_terms_own": 1.0,
    "tico19_terms": 1.0,
    "wordnet_zh_en": 0.3,
}
PHRASE_SOURCES = ("cedict_zh_en", "cldr_names", "government_terms_own", "tico19_terms")
MAX_SENTENCE = 60  # words that carry meaning, in either language
MAX_GLOSS = 6  # words of a dictionary's entry; a longer one explains rather than translates
MAX_CHARACTERS = 12  # of a Chinese word of a dictionary
ROUNDS = 5  # of expectation maximisation
MIN_PROBABILITY = 0.01
MAX_TRANSLATIONS = 16  # of one English word
MAX_OF_PHRASE = 3
PHRASE_WORDS = (2, 3)
PHRASE_CHARACTERS = (2, 7)  # of its Chinese

_ENGLISH = re.compile(r"[a-z]+(?:['’][a-z]+)?|\d+(?:[.,]\d+)*")


@dataclass(frozen=True)
class Pair:
    """The words of a sentence in both languages, or of a dictionary's entry, and how much it counts."""

    english: Sequence[str]
    chinese: Sequence[str]
    weight: float


def english_words(text: str) -> list[str]:
    """Return the stems of the words that carry meaning."""
    return [stem(word) for word in _ENGLISH.findall(fold(text)) if word not in STOPWORDS]


def chinese_words(text: str) -> list[str]:
    """Return the words that carry meaning."""
    return [word.text for word in words_of(fold(text)) if word.text[0].isalnum() and word.text not in STOPWORDS]


def _sentences(data: Path) -> Iterator[Pair]:
    # Nothing of the development sets, nor of this project's own evaluation texts, is learnt from.
    withheld, folder = withheld_texts(data), data / "parallel"
    for name, weight in PARALLEL.items():
        with gzip.open(folder / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
            for row in map(json.loads, file):
                if withheld.holds(row["zh"]) or withheld.holds(row["en"]):
                    continue
                english, chinese = english_words(row["en"]), chinese_words(row["zh"])
                if 0 < len(english) < MAX_SENTENCE and 0 < len(chinese) < MAX_SENTENCE:
                    yield Pair(english, chinese, weight)


def _entries(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the Chinese word, folded, and the English gloss of each row of a dictionary."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        next(file)
        for line in file:
            chinese, _, gloss = line.rstrip("\n").partition("\t")
            yield fold(chinese), re.sub(r"\([^)]*\)", " ", gloss.lower())


def read_pairs(data: Path) -> list[Pair]:
    """Return all sentences and all entries of the dictionaries, each entry's Chinese as one word."""
    pairs = list(_sentences(data))
    for name, weight in DICTIONARIES.items():
        for chinese, gloss in _entries(data / "lexicon" / f"{name}.tsv.gz"):
            english = english_words(gloss)
            if 0 < len(english) <= MAX_GLOSS and len(chinese) <= MAX_CHARACTERS:
                pairs.append(Pair(english, [chinese], weight))
    return pairs


def align(pairs: Sequence[tuple[Sequence[str], Sequence[str], float]]) -> dict[tuple[str, str], float]:
    """Return p(target | source) of IBM model 1 for pairs of source words, target words and weight.

    Each source sentence holds an empty word besides its own, for target words that translate nothing.
    """
    sources: dict[str, int] = {"": 0}
    targets: dict[str, int] = {}
    source_at: list[int] = []
    target_at: list[int] = []
    place_at: list[int] = []  # the target word's place in the whole corpus
    weights: list[float] = []
    for source, target, weight in pairs:
        ids = [0] + [sources.setdefault(word, len(sources)) for word in source]
        for word in target:
            source_at += ids
            target_at += [targets.setdefault(word, len(targets))] * len(ids)
            place_at += [len(weights)] * len(ids)
            weights.append(weight)
    places, place_weights = np.array(place_at), np.array(weights)
    keys = np.array(source_at) * len(targets) + np.array(target_at)
    links, link_at = np.unique(keys, return_inverse=True)
    source_of = links // len(targets)
    probability = np.ones(len(links))
    for _ in range(ROUNDS):
        share = probability[link_at]
        share *= (place_weights / np.bincount(places, share))[places]
        counts = np.bincount(link_at, share, len(links))
        probability = counts / np.bincount(source_of, counts)[source_of]
    source_words, target_words = list(sources), list(targets)
    return {
        (source_words[link // len(targets)], target_words[link % len(targets)]): float(value)
        for link, value in zip(links.tolist(), probability, strict=True)
        if value > MIN_PROBABILITY**2
    }


def agreed(pairs: Sequence[Pair]) -> dict[str, dict[str, float]]:
    """Return the Chinese words of each English word with the geometric mean of both directions' probabilities."""
    forth = align([(pair.english, pair.chinese, pair.weight) for pair in pairs])
    back = align([(pair.chinese, pair.english, pair.weight) for pair in pairs])
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for (english, chinese), probability in forth.items():
        mean = float(np.sqrt(probability * back.get((chinese, english), 0.0)))
        if english and chinese != english and not chinese.isascii() and mean >= MIN_PROBABILITY:
            found[english][chinese] = mean
    return found


def phrases(folder: Path) -> dict[str, dict[str, float]]:
    """Return the Chinese of each phrase of the dictionaries; all translations of one are as likely."""
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for name in PHRASE_SOURCES:
        for chinese, gloss in _entries(folder / f"{name}.tsv.gz"):
            words = english_words(gloss.split(",")[0])
            if _within(len(words), PHRASE_WORDS) and _within(len(chinese), PHRASE_CHARACTERS):
                found[" ".join(words)][chinese] = 1.0
    return found


def _within(value: int, bounds: tuple[int, int]) -> bool:
    return bounds[0] <= value <= bounds[1]


def lines(found: dict[str, dict[str, float]], most: int) -> Iterator[str]:
    """Yield `English<TAB>Chinese words<TAB>a digit for each`, likeliest first; see `rag.translation.step_of`."""
    for english, chances in sorted(found.items()):
        best = sorted(chances, key=lambda word: (-chances[word], word))[:most]
        top = chances[best[0]]
        kept = [(word, step_of(chances[word] / top)) for word in best]
        kept = [(word, step) for word, step in kept if step < STEPS and " " not in word]
        if kept and english:
            yield f"{english}\t{' '.join(word for word, _ in kept)}\t{''.join(str(step) for _, step in kept)}"


def main() -> None:
    """Read the arguments and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--output", type=Path, default=Path("rag/data/translations.tsv.gz"))
    arguments = parser.parse_args()
    if not (arguments.data / "parallel").is_dir():
        sys.exit(f"{arguments.data} is absent. Name the folder of the public data with --data.")
    words = list(lines(agreed(read_pairs(arguments.data)), MAX_TRANSLATIONS))
    found = words + list(lines(phrases(arguments.data / "lexicon"), MAX_OF_PHRASE))
    # mtime=0 and no name: the same words give the same bytes.
    with open(arguments.output, "wb") as raw, gzip.GzipFile("", "wb", mtime=0, fileobj=raw) as packed:
        packed.write("\n".join(sorted(found)).encode())
    sys.stdout.write(
        f"{len(words)} words, {len(found) - len(words)} phrases, {arguments.output.stat().st_size} bytes\n"
    )


if __name__ == "__main__":
    main()
