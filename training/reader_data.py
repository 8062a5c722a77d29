"""Examples for the bundled reader: public reading sets, questions made from news, and questions without answer.

One context in ten is held out of all of them: the calibration of refusal (training/calibrate_reader.py)
needs questions that the network has not learnt by heart.
"""

import random
import zlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from eval.fresh_news import NEWS
from rag.encoding import Encoded, Vocabulary, encode, tokenise
from training.embedder_data import find_file, read_json_rows, withheld_texts
from training.reader_cloze import ClozeMaker
from training.variants import Variants, read_synonyms

MAX_ANSWER = 80  # tokens
ANSWERABLE = (
    "train_cmrc2018", "train_cmrc2018_trial", "train_cmrc2017_user", "train_dureader_robust", "train_chronoqa",
    "train_crud_news", "train_en_qed", "train_en_squad",
)  # fmt: skip
UNANSWERABLE = ("train_noans_cmrc2018", "train_noans_chronoqa", "train_noans_crud")
PER_ARTICLE = 2  # questions made from an article at most
MIN_ARTICLE = 80  # characters
BOILERPLATE = ("返回搜狐", "责任编辑", "查看更多", "编辑：")


@dataclass(frozen=True)
class Example:
    """A question and a context as the model takes them, with the answers' first and last tokens."""

    source: str
    question: Encoded
    context: Encoded
    golds: tuple[tuple[int, int], ...]  # inclusive; none where the context does not answer


def is_held_out(context: str) -> bool:
    """Say whether a context is kept from training, for the calibration: one in ten, by its own words."""
    return zlib.crc32(context.encode()) % 10 == 0


@dataclass(frozen=True)
class Reading:
    """The rows that may be trained on, by file, and the news."""

    rows: dict[str, list[dict[str, Any]]]
    news: list[str]
    dropped: int  # rows and articles that share something with a withheld text, left out
    held_out: int  # rows kept for the calibration


def read_training_rows(data: Path, longest: int) -> Reading:
    """Read the public data, without the held-out contexts and what the development sets and our evaluation hold.

    Args:
        data: Holds qa/ and news/.
        longest: Characters of an article used at most.

    Raises:
        DataError: The folder or a file of it is absent.
    """
    withheld = withheld_texts(data)
    rows: dict[str, list[dict[str, Any]]] = {}
    dropped = held_out = 0
    for name in (*ANSWERABLE, *UNANSWERABLE):
        rows[name] = []
        for row in read_json_rows(find_file(data, f"qa/{name}.jsonl.gz")):
            if withheld.holds(row["question"]) or withheld.holds(row["context"]):
                dropped += 1
            elif is_held_out(row["context"]):
                held_out += 1
            else:
                rows[name].append(row)
    # Development questions are asked of news articles too: those articles are named in their rows.
    asked = {
        article
        for path in sorted(data.glob("qa/dev_*.jsonl.gz"))
        for row in read_json_rows(path)
        for article in (row.get("news_id"), *row.get("gold_news_ids", []))
    }
    asked |= set(NEWS)  # our own questions are asked of these
    news = []
    for path in sorted((data / "news").glob("*.jsonl.gz")):
        for row in read_json_rows(path):
            if row["id"] in asked or withheld.holds(row["text"]):
                dropped += 1
                continue
            text = row["text"][:longest]
            for mark in BOILERPLATE:
                text = text.partition(mark)[0]
            if len(text) > MIN_ARTICLE:
                news.append(text)
    return Reading(rows, news, dropped, held_out)


def count_leaks(reading: Reading, data: Path) -> int:
    """Return how many texts to train on share something with a withheld text; `read_training_rows` leaves none."""
    withheld = withheld_texts(data)
    texts = chain.from_iterable((row["question"], row["context"]) for rows in reading.rows.values() for row in rows)
    return sum(withheld.holds(text) for text in chain(texts, reading.news))


def make_example(
    source: str, question: str, context: str, answers: Sequence[tuple[int, int]], vocabulary: Vocabulary
) -> Example | None:
    """Encode a question; answers are spans of characters. None where no answer is a run of tokens."""
    asked, text = encode(question, context, vocabulary)
    if not len(asked.tokens) or not len(text.tokens):
        return None
    tokens = tokenise(context)
    golds = []
    for start, end in answers:
        inside = np.flatnonzero((tokens.starts < end) & (tokens.ends > start))
        if len(inside) and len(inside) <= MAX_ANSWER:
            golds.append((int(inside[0]), int(inside[-1])))
    if answers and not golds:
        return None
    return Example(source, _small(asked), _small(text), tuple(dict.fromkeys(golds)))


def _small(encoded: Encoded) -> Encoded:
    """Return the same with features of half the size: all examples are held in memory at once."""
    return replace(encoded, features=encoded.features.astype(np.float16))


def trimmed(context: str, start: int, answer: str) -> tuple[int, int]:
    """Return the span of an answer without the full stop or comma it was marked with."""
    end = start + len(answer)
    while end > start + 1 and context[end - 1] in "。，,；;、. \n":
        end -= 1
    while start < end - 1 and context[start] in "，,。、 \n":
        start += 1
    return start, end


def _spans(row: dict[str, Any]) -> list[tuple[int, int]]:
    pairs = zip(row["answers"], row["answer_starts"], strict=True)
    return [trimmed(row["context"], start, answer) for answer, start in pairs if start >= 0 and answer]


def human(source: str, rows: Sequence[dict[str, Any]], vocabulary: Vocabulary) -> Iterator[Example | None]:
    """Yield the examples of a reading set."""
    for row in tqdm(rows, desc=source):
        yield make_example(source, row["question"], row["context"], _spans(row), vocabulary)


def varied(rows: Sequence[dict[str, Any]], data: Path, vocabulary: Vocabulary, seed: int) -> Iterator[Example | None]:
    """Yield variants of questions: synonyms, typing errors, English words, and near misses without an answer."""
    variants = Variants(rows, data, random.Random(seed))
    for row in tqdm(rows, desc="variants"):
        for kind, question in variants.of(row["question"], row["context"], row["answers"][0]):
            holds = kind in ("synonym", "typo", "english")
            if holds or kind in ("exchanged", "english exchanged"):
                yield make_example(
                    f"variant {kind}", question, row["context"], _spans(row) if holds else (), vocabulary
                )


def cloze(texts: Iterable[str], data: Path, vocabulary: Vocabulary, seed: int, each: int) -> Iterator[Example | None]:
    """Yield questions made from texts, `each` of a text at most."""
    maker = ClozeMaker(read_synonyms(data / "lexicon" / "wordnet_zh_synonyms.tsv.gz"), random.Random(seed))
    for text in tqdm(texts, desc="cloze"):
        for made in maker.of(text, each):
            yield make_example(f"cloze {made.kind}", made.question, text, [(made.start, made.end)], vocabulary)


def _part(job: tuple[str, Any], data: Path, vocabulary: Vocabulary, seed: int) -> list[Example]:
    kind, value = job
    made: Iterator[Example | None]
    if kind == "variants":
        made = varied(value, data, vocabulary, seed)
    elif kind == "cloze":
        made = cloze(value, data, vocabulary, seed, PER_ARTICLE)
    else:
        made = human(kind, value, vocabulary)
    return [example for example in made if example is not None]


def all_examples(
    reading: Reading, data: Path, vocabulary: Vocabulary, articles: int, share: float, seed: int, workers: int
) -> list[Example]:
    """Return all examples, in an order that depends on nothing but the arguments without `workers`.

    Args:
        reading: What may be trained on.
        data: Holds the lexicons that variants are made with.
        vocabulary: The reader's.
        articles: How many articles questions are made from.
        share: Of the Chinese questions, of which variants are made.
        seed: Of every choice.
        workers: Processes.
    """
    chooser = random.Random(seed)
    chinese = [row for name in ANSWERABLE if "_en_" not in name for row in reading.rows[name] if row["answers"]]
    chooser.shuffle(chinese)
    news = chooser.sample(reading.news, min(articles, len(reading.news)))
    jobs: list[tuple[str, Any]] = list(reading.rows.items())
    jobs.append(("variants", chinese[: int(share * len(chinese))]))
    jobs += (("cloze", news[at : at + 2000]) for at in range(0, len(news), 2000))
    with ProcessPoolExecutor(workers) as pool:
        futures = [pool.submit(_part, job, data, vocabulary, seed + at) for at, job in enumerate(jobs)]
        return list(chain.from_iterable(future.result() for future in futures))
