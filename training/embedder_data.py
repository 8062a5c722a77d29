"""Reads the public data sets and turns them into training pairs and development sets.

Knows the files and their schemas; knows nothing of tokens or models. Every text is folded to
simplified characters here, because the model expects that of its caller.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import opencc

# Which file feeds which source of pairs; a batch is drawn from one source at a time.
PAIR_FILES = {
    "wiki questions": ["qa/train_cmrc2018", "qa/train_cmrc2018_trial"],
    "news and web questions": [
        "qa/train_dureader_robust",
        "qa/train_crud_news",
        "pairs/crud_question_news",
        "pairs/dureader2_demo",
    ],
    "dated questions": ["qa/train_chronoqa", "pairs/chronoqa_question_chunk"],
    "english questions": ["qa/train_en_qed", "qa/train_en_squad"],
    "titles": ["pairs/crud_event_title_summary", "pairs/uhgeval_headline", "pairs/csl_title_abstract"],
    "paraphrases": ["pairs/tatoeba_paraphrase"],
    "parallel": [
        "parallel/train_tatoeba",
        "parallel/train_python_docs",
        "parallel/train_tico19",
        "parallel/train_ntrex_news",
        "parallel/train_flores_sib",
        "parallel/train_guides",
    ],
}
DICTIONARY_FILES = ["cedict_zh_en", "wordnet_zh_en", "cldr_names", "government_terms_own", "tico19_terms"]
WORD_FILES = ["jieba_small_freq", "thuocl_df", "cedict_zh_en", "cldr_names", "government_terms_own"]
NAMES_FILE = "cedict_full"  # a word whose pinyin has a capital is a name: 柳州 is Liuzhou
MAX_GLOSS_WORDS = 4  # longer glosses of a dictionary are explanations, not translations
ROOT = Path(__file__).parent.parent
OWN_EVALUATION = ("eval/data/questions.jsonl", "eval/data/texts/*.txt", "rag/data/liuzhou.txt")  # below ROOT
# Characters of a normal form that two texts share only where one is taken from the other. Texts are looked at in
# steps of as many, so that a shared run of twice the length is always found.
BLOCK = 25
ASCII_BLOCK = 60
MIN_SENTENCE = 8  # characters of a normal form; many texts have shorter sentences in common


class _SimplifyTable(dict[int, str]):
    """A table for `str.translate` that fills itself; one character at a time, as the package folds."""

    _convert = opencc.OpenCC("t2s").convert

    def __missing__(self, codepoint: int) -> str:
        character = chr(codepoint)
        self[codepoint] = character if character < "⺀" else str(self._convert(character))
        return self[codepoint]


_SIMPLIFY = _SimplifyTable()


class DataError(Exception):
    """The data folder is absent or a file of it cannot be used."""


@dataclass(frozen=True)
class PairTexts:
    """Pairs of one source: `queries[i]` belongs to `passages[i]`."""

    name: str
    queries: list[str]
    passages: list[str]


@dataclass
class TrainingTexts:
    """All that the training reads, and a record of where it came from."""

    pairs: list[PairTexts]
    dictionary: PairTexts
    news: list[str]
    words: set[str]  # Chinese words allowed as tokens
    traditional: dict[str, list[str]]  # simplified character -> its traditional forms
    rows: dict[str, int] = field(default_factory=dict)  # file -> rows used
    digests: dict[str, str] = field(default_factory=dict)  # file -> sha256
    dropped: int = 0  # texts left out as they share something with a withheld text


@dataclass(frozen=True)
class DevelopmentSet:
    """Questions, distinct passages, and for each question the position of its passage."""

    name: str
    questions: list[str]
    passages: list[str]
    gold: list[int]


def fold(text: str) -> str:
    """Return the text in simplified characters."""
    return text.translate(_SIMPLIFY)


def normal_form(text: str) -> str:
    """Return what two copies of a text share: simplified, NFKC, lower case, letters and digits only."""
    return "".join(c for c in unicodedata.normalize("NFKC", fold(text)).lower() if c.isalnum())


def find_file(folder: Path, name: str) -> Path:
    """Return a data file's path.

    Raises:
        DataError: The file does not exist.
    """
    path = folder / name
    if not path.is_file():
        raise DataError(f"{path} does not exist. Training needs all of the public data: give its folder with --data.")
    return path


def read_json_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a gzipped JSON-lines file."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def read_table(path: Path) -> Iterator[list[str]]:
    """Yield the rows of a gzipped TSV file without its header."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        next(lines, None)
        for line in lines:
            yield line.rstrip("\n").split("\t")


class Withheld:
    """What must not be trained on: whole texts, and every run of about fifty characters of them (English: 120)."""

    def __init__(self, texts: Iterable[str]) -> None:
        """Take the normal forms."""
        forms = {normal_form(text) for text in texts} - {""}
        self._forms = forms
        blocks: dict[int, set[str]] = {BLOCK: set(), ASCII_BLOCK: set()}
        for form in forms:
            size = ASCII_BLOCK if form.isascii() else BLOCK
            blocks[size].update(form[at : at + size] for at in range(0, len(form) - size + 1, size))
        self._blocks = {size: found for size, found in blocks.items() if found}

    def holds(self, text: str) -> bool:
        """Say whether a text equals one that is withheld, or shares a run of characters with one."""
        form = normal_form(text)
        return form in self._forms or any(
            not blocks.isdisjoint([form[at : at + size] for at in range(len(form) - size + 1)])
            for size, blocks in self._blocks.items()
            if len(form) >= size
        )


def withheld_texts(folder: Path) -> Withheld:
    """Return every question, context and sentence of every dev_* file and of this project's own evaluation."""
    return Withheld(chain(_development_texts(folder), _own_texts()))


def _development_texts(folder: Path) -> Iterator[str]:
    for path in sorted(folder.glob("*/dev_*.jsonl.gz")):
        for row in read_json_rows(path):
            yield from (row[key] for key in ("question", "context", "zh", "en") if row.get(key))


def _own_texts() -> Iterator[str]:
    """Yield each text as a whole (its lines may be broken inside of words) and by sentences, and each question."""
    for pattern in OWN_EVALUATION:
        for path in sorted(ROOT.glob(pattern)):
            text = path.read_text(encoding="utf-8")
            if path.suffix == ".jsonl":
                yield from (json.loads(line)["question"] for line in text.splitlines())
            else:
                yield text
                sentences = re.split(r"[。！？.!?]|\n\s*\n", text)
                yield from (sentence for sentence in sentences if len(normal_form(sentence)) >= MIN_SENTENCE)


def read_training_texts(folder: Path, news_limit: int = 40_000, news_characters: int = 800) -> TrainingTexts:
    """Read every training source, leaving out what the development sets and our own evaluation contain.

    Args:
        folder: Holds qa/, pairs/, parallel/, lexicon/ and news/.
        news_limit: Articles used at most, taken evenly over the files.
        news_characters: Characters of an article used at most.

    Raises:
        DataError: The folder or a file of it is absent.
    """
    if not folder.is_dir():
        raise DataError(f"There is no data folder {folder}. Give the folder of the public data with --data.")
    withheld = withheld_texts(folder)
    texts = TrainingTexts([], PairTexts("dictionary", [], []), [], set(), {})
    for source, names in PAIR_FILES.items():
        pairs = PairTexts(source, [], [])
        for name in names:
            path = find_file(folder, f"{name}.jsonl.gz")
            _note(texts, folder, path, _append_pairs(texts, pairs, _pairs_of(path), withheld))
        texts.pairs.append(pairs)
    for name in DICTIONARY_FILES:
        path = find_file(folder, f"lexicon/{name}.tsv.gz")
        glosses = ((zh, en) for zh, en, *_ in read_table(path) if len(en.split()) <= MAX_GLOSS_WORDS)
        _note(texts, folder, path, _append_pairs(texts, texts.dictionary, glosses, withheld))
    path = find_file(folder, f"lexicon/{NAMES_FILE}.tsv.gz")
    _note(texts, folder, path, _append_pairs(texts, texts.dictionary, _names_of(path), withheld))
    for name in WORD_FILES:
        path = find_file(folder, f"lexicon/{name}.tsv.gz")
        words = {row[0] for row in read_table(path)}
        texts.words |= words
        if name not in DICTIONARY_FILES:
            _note(texts, folder, path, len(words))
    path = find_file(folder, "lexicon/opencc_t2s.tsv.gz")
    for traditional, simplified, *_ in read_table(path):
        if traditional not in simplified.split():
            texts.traditional.setdefault(simplified.split()[0], []).append(traditional)
    _note(texts, folder, path, sum(map(len, texts.traditional.values())))
    _read_news(texts, folder, withheld, news_limit, news_characters)
    return texts


def count_leaks(texts: TrainingTexts, folder: Path) -> int:
    """Return how many training texts share something with a withheld text; `read_training_texts` leaves none."""
    withheld = withheld_texts(folder)
    everything = chain(texts.news, *((*pairs.queries, *pairs.passages) for pairs in [*texts.pairs, texts.dictionary]))
    return sum(withheld.holds(text) for text in everything)


def read_development_sets(folder: Path) -> list[DevelopmentSet]:
    """Read the sets that the model card reports; questions and passages are folded but in one.

    Raises:
        DataError: A file is absent.
    """
    cmrc = list(read_json_rows(find_file(folder, "qa/dev_cmrc2018_half.jsonl.gz")))
    drcd = list(read_json_rows(find_file(folder, "qa/dev_drcd.jsonl.gz")))
    xquad = list(read_json_rows(find_file(folder, "qa/dev_xquad_zh_en_half.jsonl.gz")))
    chinese = [row for row in xquad if row["lang"] == "zh"]
    english = [row for row in xquad if row["lang"] == "en"]
    return [
        _development_set("CMRC 2018 (half) zh→zh", cmrc, cmrc, "context"),
        _development_set("DRCD zh→zh, folded", drcd, drcd, "context"),
        _development_set("DRCD zh→zh, as written", drcd, drcd, "context", str),
        _development_set("XQuAD (half) zh→zh", chinese, chinese, "par"),
        _development_set("XQuAD (half) en→en", english, english, "par"),
        _development_set("XQuAD (half) en→zh", english, chinese, "par"),
        _development_set("XQuAD (half) zh→en", chinese, english, "par"),
    ]


def _development_set(
    name: str,
    asked: list[dict[str, Any]],
    sought: list[dict[str, Any]],
    key: str,
    prepare: Callable[[str], str] = fold,
) -> DevelopmentSet:
    passages = {str(row[key]): prepare(row["context"]) for row in sought}
    place = {paragraph: position for position, paragraph in enumerate(passages)}
    rows = [row for row in asked if str(row[key]) in place and row["answers"]]
    return DevelopmentSet(
        name,
        [prepare(row["question"]) for row in rows],
        list(passages.values()),
        [place[str(row[key])] for row in rows],
    )


def _pairs_of(path: Path) -> Iterator[tuple[str, str]]:
    for row in read_json_rows(path):
        if "zh" in row:
            yield row["zh"], row["en"]
        elif "question" in row:
            if row["answers"]:
                yield row["question"], row["context"]
        else:
            yield row["query"], row["passage"]


def _names_of(path: Path) -> Iterator[tuple[str, str]]:
    """Yield names and their pinyin without tones, as a newspaper writes it: 毛泽东 is Mao Zedong."""
    for _, word, pinyin, *_ in read_table(path):
        syllables = re.sub(r"[1-5]", "", pinyin.replace("u:", "u")).split()
        if pinyin[:1].isupper() and len(word) == len(syllables) > 1:
            spelt = "".join(f" {part}" if part[0].isupper() else part for part in syllables)
            yield word, spelt.strip()


def _append_pairs(texts: TrainingTexts, pairs: PairTexts, new: Iterable[tuple[str, str]], withheld: Withheld) -> int:
    before = len(pairs.queries)
    for query, passage in new:
        if withheld.holds(query) or withheld.holds(passage):
            texts.dropped += 1
            continue
        pairs.queries.append(fold(query))
        pairs.passages.append(fold(passage))
    return len(pairs.queries) - before


def _read_news(texts: TrainingTexts, folder: Path, withheld: Withheld, limit: int, characters: int) -> None:
    paths = sorted((folder / "news").glob("*.jsonl.gz"))
    if not paths:
        raise DataError(f"{folder / 'news'} holds no *.jsonl.gz file. Give the folder of the data with --data.")
    # Development questions are asked of news articles too: those articles are named in their rows.
    asked = set()
    for path in sorted(folder.glob("qa/dev_*.jsonl.gz")):
        for row in read_json_rows(path):
            asked |= {row.get("news_id"), *row.get("gold_news_ids", [])}
    share = -(-limit // len(paths))
    for path in paths:
        kept = 0
        for row in read_json_rows(path):
            if kept == share:
                break
            if row["id"] in asked or withheld.holds(row["text"]):
                texts.dropped += 1
                continue
            texts.news.append(fold(row["text"][:characters]))
            kept += 1
        _note(texts, folder, path, kept)


def _note(texts: TrainingTexts, folder: Path, path: Path, rows: int) -> None:
    name = path.relative_to(folder).as_posix()
    texts.rows[name] = rows
    texts.digests[name] = hashlib.sha256(path.read_bytes()).hexdigest()
