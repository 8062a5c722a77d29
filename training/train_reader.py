"""Trains the bundled reader (Chinese and English): a network that gives the span of a passage that answers.

    python -m training.train_reader [--data ../shared/data] [--output rag/models/reader]

The work folder holds the examples, a checkpoint and the log: a killed run goes on where it was. A GPU is
used where torch finds one. Then `python -m training.calibrate_reader` learns when to trust the reader.
"""

import argparse
import gzip
import hashlib
import json
import pickle
import random
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from eval.measures.answers import best, cmrc_exact, cmrc_f1
from rag.bundled_reader import FOLDER, VOCABULARY, best_span
from rag.encoding import CONTEXT_FEATURES, QUESTION_FEATURES, TAGS, Vocabulary, fold_in_place, make_vocabulary, tokenise
from rag.folding import is_han
from rag.reader_model import MatchReaderConfig, MatchReaderForQuestionAnswering
from training.embedder_card import licence_of
from training.embedder_data import DataError, read_json_rows
from training.reader_data import Example, Reading, all_examples, count_leaks, make_example, read_training_rows
from training.reader_training import Plan, collate, train
from training.reader_words import count_words, meaning_vectors, neighbour_vectors

WORDS = 45_000  # of the vocabulary
CHARACTERS = 7_000
VECTOR = 64  # dimensions of each of the two word vectors
ARTICLE = 600  # characters of an article used at most
COUNTED = 26_000  # articles whose words are counted
DEV = {"cmrc": "dev_cmrc2018_half", "drcd": "dev_drcd"}
DEV_SAMPLE = 250  # questions of each set for the log; the card measures all


def build_vocabulary(reading: Reading, seed: int) -> tuple[list[str], list[str], Any]:
    """Return the characters, the words and the word vectors, counted over news and the reading sets."""
    news = random.Random(seed).sample(reading.news, min(COUNTED, len(reading.news)))
    texts = {text: None for rows in reading.rows.values() for row in rows for text in (row["context"], row["question"])}
    everything = [*news, *texts]
    counts, cut = count_words(everything)
    signs = [word for word, _ in counts.most_common(400) if len(word) == 1 and not word.isalnum()][:60]
    words = [
        word
        for word, count in counts.most_common()
        if count >= 4 and any(map(str.isalpha, word)) and (len(word) > 1 or is_han(word))
    ]
    words = [*signs, *words][:WORDS]
    found = Counter(character for text in everything for character in fold_in_place(text))
    characters = [
        character
        for character, count in found.most_common()
        if count >= 5 and not character.isspace() and not (character.isascii() and character.isalnum())
    ]
    vectors = np.concatenate([meaning_vectors(words, VECTOR), neighbour_vectors(cut, words, VECTOR, seed)], axis=1)
    return characters[:CHARACTERS], words, vectors.astype(np.float16)


def prepare(
    data: Path, work: Path, articles: int, share: float, seed: int
) -> tuple[list[str], list[str], Any, list[Example]]:
    """Return vocabulary, vectors and examples, from the work folder where they were made before."""
    cache = work / f"examples-{articles}-{share}-{seed}.pkl"
    if cache.is_file():
        with cache.open("rb") as file:
            return pickle.load(file)  # type: ignore[no-any-return]  # noqa: S301 - a file this program wrote
    reading = read_training_rows(data, ARTICLE)
    leaks = count_leaks(reading, data)
    _say(f"{reading.dropped:,} rows equal to development texts left out, {reading.held_out:,} held out, {leaks} leaks")
    if leaks:
        raise DataError("Training would see development texts; mend read_training_rows.")
    characters, words, vectors = build_vocabulary(reading, seed)
    vocabulary = make_vocabulary(characters, words)
    examples = all_examples(reading, data, vocabulary, articles, share, seed, torch.get_num_threads())
    counts = dict(Counter(example.source for example in examples))
    facts = {
        "examples": counts, "dropped": reading.dropped, "held out": reading.held_out, "leaks": leaks,
        "files": {
            name: [len(rows), *licence_of(f"qa/{name}.jsonl.gz"), _digest(data / "qa" / f"{name}.jsonl.gz")]
            for name, rows in reading.rows.items()
        } | {
            path.stem: [0, *licence_of(f"news/{path.name}"), _digest(path)]
            for path in sorted((data / "news").glob("*.jsonl.gz"))
        },
    }  # fmt: skip
    work.mkdir(parents=True, exist_ok=True)
    (work / "data.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
    partial = cache.with_suffix(".partial")
    with partial.open("wb") as file:
        pickle.dump((characters, words, vectors, examples), file, protocol=5)
    partial.replace(cache)
    return characters, words, vectors, examples


def read_dev(data: Path, name: str, count: int | None, seed: int) -> list[dict[str, Any]]:
    """Return the answerable questions of a development set, or `count` of them."""
    rows = [row for row in read_json_rows(data / "qa" / f"{name}.jsonl.gz") if row["answers"]]
    random.Random(seed).shuffle(rows)
    return rows[:count]


def predict(model: MatchReaderForQuestionAnswering, vocabulary: Vocabulary, row: dict[str, Any]) -> str:
    """Return the words the network chooses from a question's own context."""
    example = make_example("", row["question"], row["context"], [], vocabulary)
    if example is None:
        return ""
    batch, _ = collate([example], [(0, len(example.context.tokens))])
    device = next(model.parameters()).device
    with torch.no_grad():
        output = model(**{name: value.to(device) for name, value in batch.items()})
    first, last = best_span(output.span_logits[0].cpu().numpy())
    tokens = tokenise(row["context"])
    return str(row["context"][tokens.starts[first] : tokens.ends[last]])


def figures(
    model: MatchReaderForQuestionAnswering, vocabulary: Vocabulary, sets: Mapping[str, Sequence[dict[str, Any]]]
) -> dict[str, float]:
    """Return CMRC2018's exact match and F1 for each set."""
    found: dict[str, float] = {}
    for name, rows in sets.items():
        said = [predict(model, vocabulary, row) for row in rows]
        for kind, measure in (("em", cmrc_exact), ("f1", cmrc_f1)):
            scores = [best(measure, answer, row["answers"]) for answer, row in zip(said, rows, strict=True)]
            found[f"{name} {kind}"] = round(float(np.mean(scores)), 4)
    return found


def save(folder: Path, model: MatchReaderForQuestionAnswering, characters: Sequence[str], words: Sequence[str]) -> None:
    """Write the folder that `AutoModelForQuestionAnswering` loads, in half precision."""
    folder.mkdir(parents=True, exist_ok=True)
    model.half().save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)
    record = json.dumps({"characters": "".join(characters), "words": " ".join(words)}, ensure_ascii=False)
    (folder / VOCABULARY).write_bytes(gzip.compress(record.encode(), mtime=0))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the whole training; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the public data")
    parser.add_argument("--output", type=Path, default=FOLDER, help="model folder to write")
    parser.add_argument("--work", type=Path, default=Path("build/reader"), help="folder of examples, checkpoint, log")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--every", type=int, default=400, help="steps between checkpoints")
    parser.add_argument("--articles", type=int, default=16_000, help="news articles that questions are made from")
    parser.add_argument("--share", type=float, default=0.5, help="share of the questions that variants are made of")
    parser.add_argument("--width", type=int, default=MatchReaderConfig().width)
    parser.add_argument("--rate", type=float, default=Plan.rate, help="highest learning rate")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    begin = time.monotonic()
    try:
        prepared = prepare(options.data, options.work, options.articles, options.share, options.seed)
        sets = {name: read_dev(options.data, file, DEV_SAMPLE, options.seed) for name, file in DEV.items()}
    except DataError as error:
        _say(f"error: {error}")
        return 2
    characters, words, vectors, examples = prepared
    vocabulary = make_vocabulary(characters, words)
    torch.manual_seed(options.seed)
    config = MatchReaderConfig(
        tokens=vocabulary.tokens, words=len(words) + 2, word_size=vectors.shape[1], tags=len(TAGS),
        context_features=len(CONTEXT_FEATURES), question_features=len(QUESTION_FEATURES), width=options.width,
    )  # fmt: skip
    model = MatchReaderForQuestionAnswering(config)
    model.word_table[2:] = torch.from_numpy(vectors)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    plan = Plan(steps=options.steps, rate=options.rate, seed=options.seed, device=device)
    count = sum(value.numel() for value in model.parameters())
    _say(f"{len(examples):,} examples; {count:,} weights to learn; on {device}; torch {version('torch')}")
    train(model, examples, plan, options.work, lambda trained: figures(trained, vocabulary, sets), options.every)
    save(options.output, model.cpu(), characters, words)
    _say(f"{(time.monotonic() - begin) / 60:.1f} minutes in this run; written to {options.output}")
    return 0


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
