"""Trains the small bilingual (Chinese and English) embedder that the package bundles.

The model has one vector per token and a text's embedding is the mean of its tokens' vectors, so it
is trained in minutes on the CPU and embeds thousands of texts a second. The result is a folder that
sentence-transformers loads without code of ours.

    python -m training.train_embedder [--data ../shared/data] [--output rag/models/embedder]

Data and licences: the README.md that is written beside the model.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TextIO

import numpy as np
import numpy.typing as npt
import torch
from safetensors.numpy import save_file
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer

from training.embedder_card import CardFacts, write_card
from training.embedder_data import (
    DataError,
    DevelopmentSet,
    TrainingTexts,
    count_leaks,
    read_development_sets,
    read_training_texts,
)
from training.embedder_training import (
    FloatMatrix,
    IntArray,
    Plan,
    Source,
    TokenLists,
    initial_rows,
    train_rows,
)
from training.embedder_vocabulary import UNKNOWN, add_traditional_forms, is_han, train_tokenizer

STEPS_PER_MINUTE = 1000  # on two cores; steps follow from it, not from the clock, so a seed gives one model
THREADS = 2
DEFAULT_OUTPUT = "rag/models/embedder"

# Share of the batches, share of query tokens kept, share of queries put into English.
SOURCES = {
    "news cloze": (0.26, 0.8, 0.35),
    "wiki questions": (0.20, 0.8, 0.40),
    "news and web questions": (0.06, 0.8, 0.40),
    "dated questions": (0.05, 0.9, 0.20),
    "english questions": (0.05, 0.9, 0.0),
    "titles": (0.06, 0.9, 0.25),
    "parallel": (0.20, 0.7, 0.0),
    "dictionary": (0.10, 1.0, 0.0),
    "paraphrases": (0.02, 1.0, 0.0),
}


@dataclass(frozen=True)
class Scores:
    """Share of questions whose passage is the first hit, or among the first five, of `passages`."""

    name: str
    questions: int
    passages: int
    success_at_1: float
    success_at_5: float


def build_tokenizer(texts: TrainingTexts, size: int) -> Tokenizer:
    """Make the tokenizer from the pairs, part of the dictionary and an eighth of the news."""
    sample = texts.news[::8] + texts.dictionary.passages[::3]
    for pairs in texts.pairs:
        step = 2 if pairs.name == "parallel" else 1  # half of these are enough, and less is faster
        sample += pairs.queries[::step] + pairs.passages[::step]
    return train_tokenizer(dict.fromkeys(sample), texts.words, size)


def build_sources(texts: TrainingTexts, tokenizer: Tokenizer) -> tuple[list[Source], TokenLists]:
    """Turn the texts into token ids.

    Returns:
        The sources of batches, and all documents together, from which the IDF is counted.
    """
    news = _encode(tokenizer, texts.news)
    weight, keep, switch = SOURCES["news cloze"]
    sources = [Source("news cloze", weight, news, news, np.arange(len(news)), keep, switch, is_cloze=True)]
    documents = [news]
    for pairs in [*texts.pairs, texts.dictionary]:
        queries, passages = _encode(tokenizer, pairs.queries), _encode(tokenizer, pairs.passages)
        numbers: dict[str, int] = {}
        groups = np.array([numbers.setdefault(text, len(numbers)) for text in pairs.passages], np.int64)
        weight, keep, switch = SOURCES[pairs.name]
        sources.append(Source(pairs.name, weight, queries, passages, groups, keep, switch))
        documents.append(passages)
        if pairs.name in ("parallel", "dictionary"):
            documents.append(queries)
    everything = TokenLists.of([])
    for lists in documents:
        everything = TokenLists(
            np.concatenate([everything.ids, lists.ids]),
            np.concatenate([everything.starts, lists.starts + len(everything.ids)]),
            np.concatenate([everything.lengths, lists.lengths]),
        )
    return [source for source in sources if len(source.passages)], everything


def count_idf(documents: TokenLists, n_tokens: int) -> npt.NDArray[np.float64]:
    """Return log((N + 1) / (df + 1)) + 0.5 for each token, df being the documents that have it."""
    owner = np.repeat(np.arange(len(documents)), documents.lengths)
    present = np.unique(owner * n_tokens + documents.ids) % n_tokens
    frequency = np.bincount(present, minlength=n_tokens)
    idf: npt.NDArray[np.float64] = np.log((len(documents) + 1) / (frequency + 1)) + 0.5
    return idf


def parts_of_words(tokenizer: Tokenizer) -> dict[int, list[int]]:
    """Return for each Chinese token of several characters the tokens of its characters."""
    ids = tokenizer.get_vocab()
    return {
        number: [ids[character] for character in token if character in ids]
        for token, number in ids.items()
        if is_han(token) and len(token) > 1 and any(character in ids for character in token)
    }


def glosses_of_tokens(dictionary: Source, n_tokens: int) -> tuple[IntArray, TokenLists]:
    """Collect the English of every Chinese token that is a whole entry of the dictionary."""
    whole = np.flatnonzero((dictionary.queries.lengths == 1) & (dictionary.passages.lengths > 0))
    tokens = dictionary.queries.ids[dictionary.queries.starts[whole]]
    order = np.argsort(tokens, kind="stable")
    firsts = np.searchsorted(tokens[order], np.arange(n_tokens + 1))
    return firsts.astype(np.int64), dictionary.passages.take(whole[order])


def save_model(folder: Path, tokenizer: Tokenizer, rows: FloatMatrix, mapping: list[int]) -> None:
    """Write the sentence-transformers folder, with the rows as bytes and a factor for each token.

    Token t has the vector `embeddings[mapping[t]] * weights[t]`. This is the layout of model2vec's
    quantised models, which sentence-transformers unpacks to float32 on loading.
    """
    folder.mkdir(parents=True, exist_ok=True)
    factors = np.maximum(np.abs(rows).max(axis=1), 1e-12) / 127
    tensors = {
        "embeddings": np.round(rows / factors[:, None]).astype(np.int8),
        "mapping": np.array(mapping, np.int32),
        "weights": factors[mapping].astype(np.float32),
    }
    save_file(tensors, folder / "model.safetensors")
    (folder / "model.safetensors").chmod(0o644)  # the library lets only its owner read it
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    package = "sentence_transformers.sentence_transformer.modules"
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": f"{package}.static_embedding.StaticEmbedding"},
        {"idx": 1, "name": "1", "path": "1_Normalize", "type": f"{package}.normalize.Normalize"},
    ]
    settings = {
        "__version__": {"sentence_transformers": version("sentence-transformers")},
        "model_type": "SentenceTransformer",
        "prompts": {"query": "", "document": ""},
        "default_prompt_name": None,
        "similarity_fn_name": "cosine",
    }
    _write_json(folder / "modules.json", modules)
    _write_json(folder / "config_sentence_transformers.json", settings)
    (folder / "1_Normalize").mkdir(exist_ok=True)
    _write_json(folder / "1_Normalize" / "config.json", {})


def measure(model: SentenceTransformer, sets: Iterable[DevelopmentSet]) -> list[Scores]:
    """Rank all passages of each set for each of its questions, by cosine."""
    results = []
    for dev in sets:
        passages = model.encode(dev.passages, convert_to_numpy=True)
        questions = model.encode(dev.questions, convert_to_numpy=True)
        scores = questions @ passages.T
        gold = scores[np.arange(len(dev.gold)), dev.gold]
        ranks = 1 + (scores > gold[:, None]).sum(axis=1)
        results.append(
            Scores(
                dev.name,
                len(dev.questions),
                len(dev.passages),
                float((ranks <= 1).mean()),
                float((ranks <= 5).mean()),
            )
        )
    return results


def table_of(scores: Iterable[Scores]) -> str:
    """Return the scores as a Markdown table."""
    lines = [
        "| development set | questions | passages | Success@1 | Success@5 |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for row in scores:
        figures = f"{row.success_at_1:.3f} | {row.success_at_5:.3f}"
        lines.append(f"| {row.name} | {row.questions:,} | {row.passages:,} | {figures} |")
    return "\n".join(lines)


def train_model(texts: TrainingTexts, plan: Plan, size: int, dim: int, seed: int, folder: Path) -> tuple[int, int]:
    """Make the tokenizer and the rows from the texts and write the model folder.

    Returns:
        The number of tokens, and of rows, which is smaller as traditional forms share rows.
    """
    torch.set_num_threads(THREADS)
    rng = np.random.default_rng(seed)
    tokenizer = build_tokenizer(texts, size)
    n_rows = tokenizer.get_vocab_size()
    _say(f"tokenizer: {n_rows:,} tokens")
    sources, documents = build_sources(texts, tokenizer)
    dictionary = next(source for source in sources if source.name == "dictionary")
    start = initial_rows(
        count_idf(documents, n_rows),
        parts_of_words(tokenizer),
        (dictionary.queries, dictionary.passages),
        dim,
        rng,
    )
    rows = train_rows(start, sources, glosses_of_tokens(dictionary, n_rows), plan, rng)
    rows[tokenizer.token_to_id(UNKNOWN)] = 0.0
    larger, mapping = add_traditional_forms(tokenizer, texts.traditional)
    save_model(folder, larger, rows, mapping)
    return len(mapping), n_rows


def main(arguments: list[str] | None = None) -> int:
    """Run the whole training; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the public data")
    parser.add_argument("--output", type=Path, default=Path(DEFAULT_OUTPUT), help="model folder to write")
    parser.add_argument("--minutes", type=float, default=5.0, help="training time on two cores (sets the steps)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tokens", type=int, default=32_000, help="vocabulary before rare characters are added")
    parser.add_argument("--dim", type=int, default=256)
    options = parser.parse_args(arguments)
    begin = time.monotonic()
    try:
        texts = read_training_texts(options.data)
        sets = read_development_sets(options.data)
        leaks = count_leaks(texts, options.data)
    except DataError as error:
        _say(f"error: {error}", sys.stderr)
        return 2
    _say(f"read {sum(texts.rows.values()):,} rows; {texts.dropped:,} equal to development texts were left out")
    _say(f"development texts among the training texts: {leaks}")
    if leaks:
        _say("error: training would see development texts; mend read_training_texts", sys.stderr)
        return 1
    plan = Plan(steps=max(1, round(options.minutes * STEPS_PER_MINUTE)))
    n_tokens, n_rows = train_model(texts, plan, options.tokens, options.dim, options.seed, options.output)
    model = SentenceTransformer(str(options.output), device="cpu")
    scores = measure(model, sets)
    facts = CardFacts(
        # The path as typed would show whose machine it was; the folder's name is enough elsewhere.
        output=DEFAULT_OUTPUT if options.output.is_absolute() else options.output.as_posix(),
        dim=options.dim,
        n_tokens=n_tokens,
        n_rows=n_rows,
        megabytes=sum(path.stat().st_size for path in options.output.rglob("*") if path.is_file()) / 1e6,
        speed=measure_speed(model, sets),
        cores=THREADS,
        table=table_of(scores),
        dropped=texts.dropped,
        batch=plan.batch,
        steps=plan.steps,
        command=f"python -m training.train_embedder --minutes {options.minutes:g} --seed {options.seed} "
        f"--tokens {options.tokens} --dim {options.dim}",
        seed=options.seed,
        minutes=(time.monotonic() - begin) / 60,
        versions=", ".join(f"{name} {version(name)}" for name in ("torch", "tokenizers", "sentence-transformers")),
    )
    write_card(options.output / "README.md", facts, texts.rows, texts.digests)
    _say(facts.table)
    _say(f"{facts.minutes:.1f} minutes, {facts.megabytes:.1f} MB, {facts.speed:,.0f} questions a second")
    return 0


def measure_speed(model: SentenceTransformer, sets: Iterable[DevelopmentSet]) -> float:
    """Return how many questions a second the model embeds, in batches of 256."""
    questions = [question for dev in sets for question in dev.questions]
    begin = time.monotonic()
    model.encode(questions, batch_size=256)
    return len(questions) / (time.monotonic() - begin)


def _say(text: str, stream: TextIO | None = None) -> None:
    (stream or sys.stdout).write(text + "\n")
    (stream or sys.stdout).flush()


def _encode(tokenizer: Tokenizer, texts: list[str]) -> TokenLists:
    lists: list[list[int]] = []
    for start in range(0, len(texts), 2000):
        batch = tokenizer.encode_batch_fast(texts[start : start + 2000], add_special_tokens=False)
        lists += [[number for number in encoding.ids if number] for encoding in batch]  # 0 is unknown
    return TokenLists.of(lists)


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    raise SystemExit(main())
