"""Trains the small bilingual (Chinese and English) embedder that the package bundles.

The model has one vector per token and a text's embedding is the mean of its tokens' vectors, so it
is trained in minutes on the CPU and embeds thousands of texts a second. The result is a folder that
sentence-transformers loads without code of ours.

    python -m training.train_embedder [--data ../shared/data] [--output rag/models/embedder]

The work folder holds the prepared tokens, a checkpoint and the log: a killed run goes on where it was. A GPU is
used where torch finds one. Data and licences: the README.md that is written beside the model.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import pickle
import random
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TextIO

import numpy as np
import numpy.typing as npt
import torch
from safetensors.numpy import save_file
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer

from rag.translation import FILE as TRANSLATIONS
from training.embedder_card import CardFacts, licence_of, write_card
from training.embedder_data import (
    OWN_EVALUATION,
    ROOT,
    DataError,
    DevelopmentSet,
    TrainingTexts,
    count_leaks,
    read_development_sets,
    read_training_texts,
)
from training.embedder_language import language_of_tokens, like_sounding
from training.embedder_training import (
    FloatMatrix,
    Language,
    Plan,
    Source,
    TokenLists,
    embed_lists,
    initial_rows,
    train_rows,
)
from training.embedder_vocabulary import UNKNOWN, add_traditional_forms, is_han, train_tokenizer

DEFAULT_OUTPUT = "rag/models/embedder"
STEPS = 2000
DIM = 512
NEGATIVES = 1  # mined for each pair
TYPOS = 0.1  # share of queries with a mistyped character
DROP = 0.4  # share of the untranslated words of a switched text that are left out
EVERY = 500  # steps between checkpoints
SCALE = 14.0  # multiplies the cosines before the softmax
PREFIXES = (64, 128, 256)  # dimensions that do by themselves, beside all of them
TYPOS_SET = 0  # development set whose questions are also asked with one character mistyped
RESAMPLES = 1000
LEVEL = 0.95


@dataclass(frozen=True)
class Mixture:
    """How a source is drawn and changed; see `Source` for the fields."""

    weight: float
    query_keep: float
    switch: float = 0.0
    switch_passages: float = 0.0


SOURCES = {
    "news cloze": Mixture(0.26, 0.8, 0.35),
    "wiki questions": Mixture(0.20, 0.8, 0.40),
    "news and web questions": Mixture(0.06, 0.8, 0.40),
    "dated questions": Mixture(0.05, 0.9, 0.20),
    "english questions": Mixture(0.05, 0.9, switch_passages=0.3),
    "titles": Mixture(0.06, 0.9, 0.25),
    "parallel": Mixture(0.20, 0.7),
    "dictionary": Mixture(0.10, 1.0),
    "paraphrases": Mixture(0.02, 1.0),
}


@dataclass(frozen=True)
class Scores:
    """Share of questions whose passage is the first hit, or among the first five, of `passages`; with intervals."""

    name: str
    questions: int
    passages: int
    dim: int
    success_at_1: float
    success_at_5: float
    interval_1: tuple[float, float]
    interval_5: tuple[float, float]


@dataclass(frozen=True)
class Prepared:
    """All that training needs of the data, as tokens, and what the card reports of it."""

    tokenizer: str  # as its file
    sources: list[Source]
    start: FloatMatrix
    language: Language
    traditional: dict[str, list[str]]
    rows: dict[str, int]
    digests: dict[str, str]
    dropped: int


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
    sources = [Source("news cloze", news, news, np.arange(len(news)), is_cloze=True)]
    documents = [news]
    for pairs in [*texts.pairs, texts.dictionary]:
        queries, passages = _encode(tokenizer, pairs.queries), _encode(tokenizer, pairs.passages)
        numbers: dict[str, int] = {}
        groups = np.array([numbers.setdefault(text, len(numbers)) for text in pairs.passages], np.int64)
        sources.append(Source(pairs.name, queries, passages, groups))
        documents.append(passages)
        if pairs.name in ("parallel", "dictionary"):
            documents.append(queries)
    everything = TokenLists.of([])
    for lists in documents:
        everything = everything.joined_with(lists)
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


def measure(dim: int, questions: FloatMatrix, passages: FloatMatrix, dev: DevelopmentSet) -> Scores:
    """Rank all passages of a set for each of its questions, by the cosine of the first `dim` dimensions."""
    scores = _unit(questions[:, :dim]) @ _unit(passages[:, :dim]).T
    gold = np.array(dev.gold)
    ranks = 1 + (scores > scores[np.arange(len(gold)), gold][:, None]).sum(axis=1)
    first, five = ranks <= 1, ranks <= 5
    return Scores(
        dev.name,
        len(gold),
        len(dev.passages),
        dim,
        float(first.mean()),
        float(five.mean()),
        interval(first, gold),
        interval(five, gold),
    )


def measure_model(model: SentenceTransformer, sets: Iterable[DevelopmentSet], prefixes: Sequence[int]) -> list[Scores]:
    """Measure each set with all dimensions, and with the first ones of each prefix."""
    results = []
    for dev in sets:
        passages = model.encode(dev.passages, convert_to_numpy=True)
        questions = model.encode(dev.questions, convert_to_numpy=True)
        results += [measure(dim, questions, passages, dev) for dim in [*prefixes, passages.shape[1]]]
    return results


def interval(right: npt.NDArray[np.bool_], passages: npt.NDArray[np.int64]) -> tuple[float, float]:
    """Return the bootstrap interval of a share; passages are resampled, each with all its questions.

    Source: Efron and Tibshirani 1993, "An introduction to the bootstrap", the percentile interval.
    """
    owner = np.unique(passages, return_inverse=True)[1]
    asked, found = np.bincount(owner), np.bincount(owner, right)
    rng = np.random.default_rng(0)
    times = rng.multinomial(len(asked), np.full(len(asked), 1 / len(asked)), RESAMPLES)
    low, high = np.quantile(times @ found / (times @ asked), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def with_typos(dev: DevelopmentSet, seed: int = 0) -> DevelopmentSet:
    """Return the set with a character of each question exchanged for another of the same sound."""
    chooser = random.Random(seed)
    sounds = like_sounding(Counter(character for text in dev.passages for character in text))
    questions = []
    for question in dev.questions:
        options = [(at, other) for at, character in enumerate(question) for other in sounds.get(character, ())]
        at, other = chooser.choice(options) if options else (0, question[:1])
        questions.append(question[:at] + other + question[at + 1 :])
    return DevelopmentSet(f"{dev.name}, one character mistyped", questions, dev.passages, dev.gold)


def table_of(scores: Iterable[Scores]) -> str:
    """Return the scores as a Markdown table."""
    lines = [
        "| development set | questions | passages | dimensions | Success@1 | Success@5 |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in scores:
        figures = [
            f"{share:.3f} ({low:.3f}–{high:.3f})"
            for share, (low, high) in ((row.success_at_1, row.interval_1), (row.success_at_5, row.interval_5))
        ]
        lines.append(f"| {row.name} | {row.questions:,} | {row.passages:,} | {row.dim} | {' | '.join(figures)} |")
    return "\n".join(lines)


def prepare(data: Path, work: Path, size: int, dim: int, seed: int) -> Prepared:
    """Read the data and turn it into tokens and start values, or take them from the work folder.

    Raises:
        DataError: A file is absent, or development texts would be trained on.
    """
    mark = hashlib.sha256(repr((size, dim, seed, _digests(data))).encode()).hexdigest()
    cache = work / f"prepared-{mark[:16]}.pkl"
    if cache.is_file():
        with cache.open("rb") as file:  # written by this very function
            return pickle.load(file)  # type: ignore[no-any-return]  # noqa: S301
    texts = read_training_texts(data)
    _say(f"read {sum(texts.rows.values()):,} rows; {texts.dropped:,} that share text with a withheld one were left out")
    leaks = count_leaks(texts, data)
    _say(f"withheld texts among the training texts: {leaks}")
    if leaks:
        raise DataError("Training would see development texts; mend read_training_texts.")
    for name in texts.rows:
        licence_of(name)  # before hours of work, not after
    rng = np.random.default_rng(seed)
    tokenizer = build_tokenizer(texts, size)
    n_rows = tokenizer.get_vocab_size()
    _say(f"tokenizer: {n_rows:,} tokens")
    sources, documents = build_sources(texts, tokenizer)
    dictionary = next(source for source in sources if source.name == "dictionary")
    pairs = (dictionary.queries, dictionary.passages)
    start = initial_rows(count_idf(documents, n_rows), parts_of_words(tokenizer), pairs, dim, rng)
    english = [text for source in texts.pairs if source.name == "parallel" for text in source.passages]
    characters = Counter(character for text in texts.news[::8] for character in text)
    entries = zip(texts.dictionary.queries, texts.dictionary.passages, strict=True)
    language = language_of_tokens(tokenizer, english, entries, characters)
    prepared = Prepared(
        tokenizer.to_str(), sources, start, language, texts.traditional, texts.rows, texts.digests, texts.dropped
    )
    work.mkdir(parents=True, exist_ok=True)
    partial = cache.with_suffix(".partial")
    with partial.open("wb") as file:
        pickle.dump(prepared, file, protocol=5)
    partial.replace(cache)
    return prepared


def train_model(prepared: Prepared, plan: Plan, work: Path, sets: Sequence[DevelopmentSet], folder: Path) -> int:
    """Train the rows and write the model folder.

    Returns:
        The number of tokens, which is larger than that of rows as traditional forms share rows.
    """
    tokenizer = Tokenizer.from_str(prepared.tokenizer)
    tokens = [(dev, _encode(tokenizer, dev.questions), _encode(tokenizer, dev.passages)) for dev in sets]

    def figures(rows: FloatMatrix) -> dict[str, float]:
        found = (
            measure(rows.shape[1], embed_lists(rows, questions), embed_lists(rows, passages), dev)
            for dev, questions, passages in tokens
        )
        return {scores.name: round(scores.success_at_1, 4) for scores in found}

    sources = [replace(source, **vars(SOURCES[source.name])) for source in prepared.sources]
    rows = train_rows(prepared.start, sources, prepared.language, plan, work, figures, EVERY)
    rows[tokenizer.token_to_id(UNKNOWN)] = 0.0
    larger, mapping = add_traditional_forms(tokenizer, prepared.traditional)
    save_model(folder, larger, rows, mapping)
    return len(mapping)


def main(arguments: list[str] | None = None) -> int:
    """Run the whole training; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the public data")
    parser.add_argument("--output", type=Path, default=Path(DEFAULT_OUTPUT), help="model folder to write")
    parser.add_argument("--work", type=Path, default=Path("build/embedder"), help="folder of tokens, checkpoint, log")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--batch", type=int, default=Plan.batch, help="pairs in a step")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tokens", type=int, default=32_000, help="vocabulary before rare characters are added")
    parser.add_argument("--dim", type=int, default=DIM)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    begin = time.monotonic()
    try:
        prepared = prepare(options.data, options.work, options.tokens, options.dim, options.seed)
        sets = read_development_sets(options.data)
    except DataError as error:
        _say(f"error: {error}", sys.stderr)
        return 2
    device = "cuda" if torch.cuda.is_available() else "cpu"
    prefixes = tuple(prefix for prefix in PREFIXES if prefix < options.dim)
    plan = Plan(
        options.steps, options.batch, prefixes=prefixes, negatives=NEGATIVES, typos=TYPOS, drop=DROP, scale=SCALE,
        seed=options.seed, device=device,
    )  # fmt: skip
    # The tokenizer learns the traditional forms only when all is trained.
    logged = [dev for dev in sets if not dev.name.endswith("as written")]
    n_tokens = train_model(prepared, plan, options.work, logged, options.output)
    model = SentenceTransformer(str(options.output), device="cpu")
    scores = measure_model(model, [*sets, with_typos(sets[TYPOS_SET])], prefixes)
    log = [json.loads(line) for line in (options.work / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    facts = CardFacts(
        # The path as typed would show whose machine it was; the folder's name is enough elsewhere.
        output=DEFAULT_OUTPUT if options.output.is_absolute() else options.output.as_posix(),
        dim=options.dim,
        prefixes=", ".join(map(str, prefixes)) or "none",
        n_tokens=n_tokens,
        n_rows=len(prepared.start),
        megabytes=sum(path.stat().st_size for path in options.output.rglob("*") if path.is_file()) / 1e6,
        speed=measure_speed(model, sets),
        threads=options.threads,
        table=table_of(scores),
        dropped=prepared.dropped,
        plan=plan,
        mixture=", ".join(f"{name} {mixture.weight:.0%}" for name, mixture in SOURCES.items()),
        command=f"python -m training.train_embedder --steps {options.steps} --batch {options.batch} "
        f"--seed {options.seed} --tokens {options.tokens} --dim {options.dim} --threads {options.threads}",
        training_minutes=log[-1]["seconds"] / 60,
        minutes=(time.monotonic() - begin) / 60,
        versions=", ".join(f"{name} {version(name)}" for name in ("torch", "tokenizers", "sentence-transformers")),
        translations=hashlib.sha256(TRANSLATIONS.read_bytes()).hexdigest(),
    )
    write_card(options.output / "README.md", facts, prepared.rows, prepared.digests)
    _say(facts.table)
    _say(f"{facts.minutes:.1f} minutes in this run, {facts.megabytes:.1f} MB, {facts.speed:,.0f} questions a second")
    return 0


def measure_speed(model: SentenceTransformer, sets: Iterable[DevelopmentSet]) -> float:
    """Return how many questions a second the model embeds, in batches of 256."""
    questions = [question for dev in sets for question in dev.questions]
    begin = time.monotonic()
    model.encode(questions, batch_size=256)
    return len(questions) / (time.monotonic() - begin)


def _digests(data: Path) -> list[str]:
    """Return what tells whether any file that the preparation reads has changed since."""
    code = sorted(Path(__file__).parent.glob("embedder_[dlv]*.py"))
    own = [path for pattern in OWN_EVALUATION for path in sorted(ROOT.glob(pattern))]
    files = [*sorted(data.rglob("*.gz")), *own, *code, TRANSLATIONS]
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]


def _unit(vectors: FloatMatrix) -> FloatMatrix:
    unit: FloatMatrix = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return unit


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
