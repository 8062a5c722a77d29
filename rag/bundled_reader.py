"""The bundled reader: `rag.reader_model` computed with NumPy from the same files.

Importing torch and transformers takes seconds, which the first answer need not wait for. That both give the
same spans is tested. The folder loads with `AutoModelForQuestionAnswering` too, once `rag.reader_model` is imported.
"""

import gzip
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rag.encoding import Encoded, Tokens, Vocabulary, encode, make_vocabulary, tokenise
from rag.errors import ModelError
from rag.settings import BUNDLED_READER, PACKAGE
from rag.span_model import Candidate

Array = npt.NDArray[np.float32]

FOLDER = PACKAGE / "models" / "reader"
VOCABULARY = "vocabulary.json.gz"
NEVER = np.float32(-1e4)
MAX_QUESTION = 60  # tokens: the rest of a longer question is not read
EPSILON = 1e-5  # of the layer norms, as torch has it
MAX_WORKERS = 4  # threads
BATCH_TOKENS = 1024  # of the passages computed at once: larger arrays leave the cache, and take longer


class BundledSpanModel:
    """Gives the spans that may answer a question, with `span score - "not here" score`, a log odds."""

    name = BUNDLED_READER

    def __init__(self, folder: Path = FOLDER) -> None:
        """Read the weights.

        Raises:
            ModelError: A file of the folder is missing or damaged.
        """
        self._weights, self._sizes, self.vocabulary = _load(folder)

    def candidates(self, question: str, texts: Sequence[str], count: int = 5) -> list[Candidate]:
        """Return the best spans over all texts, best first: up to `count` of each text, no span twice."""
        if not len(tokenise(question)):
            return []
        encoded = [encode(question, text, self.vocabulary) for text in texts]
        written = [at for at, (_, text) in enumerate(encoded) if len(text.tokens)]
        workers = min(os.cpu_count() or 1, MAX_WORKERS)

        def read(batch: Sequence[int]) -> list[Candidate]:
            spans, none = self.scores([encoded[at] for at in batch])
            parts = zip(batch, spans, none, strict=True)
            return [one for at, own, absent in parts for one in _best(at, tokenise(texts[at]), own, absent, count)]

        batches = _batches(written, [len(text.tokens) for _, text in encoded], workers)
        if len(batches) == 1:
            found = read(batches[0])
        else:
            # NumPy computes outside of Python's lock, so that threads share the work.
            with ThreadPoolExecutor(workers) as pool:
                found = [one for part in pool.map(read, batches) for one in part]
        return sorted(found, key=lambda candidate: (-candidate.score, candidate.text, candidate.start, candidate.end))

    def scores(self, pairs: Sequence[tuple[Encoded, Encoded]]) -> tuple[Array, Array]:
        """Return the scores of all spans, shape (pairs, tokens, tokens), and of "not here", shape (pairs,).

        Args:
            pairs: Questions and passages as `encode` gives them.
        """
        weights = self._weights
        questions = _pad([question for question, _ in pairs], MAX_QUESTION)
        passages = _pad([passage for _, passage in pairs])
        mask = (passages["tokens"] > 0)[:, :, None].astype(np.float32)
        asked_mask = (questions["tokens"] > 0)[:, :, None].astype(np.float32)
        words, asked_words = weights["word_table"][passages["words"]], weights["word_table"][questions["words"]]
        content = (questions["features"][:, :, 1] > 0).astype(np.float32)[:, None, :]
        half = words.shape[2] // 2
        alike = [
            (words[:, :, part] @ asked_words[:, :, part].transpose(0, 2, 1) * content).max(axis=2)
            for part in (slice(0, half), slice(half, None))
        ]
        entered = np.concatenate([self._enter(passages, words), passages["features"], np.stack(alike, axis=-1)], axis=2)
        states = self._linear("read_context", entered) * mask
        asked = self._linear(
            "read_question", np.concatenate([self._enter(questions, asked_words), questions["features"]], axis=2)
        )
        asked = asked * asked_mask
        for at, step in enumerate(self._sizes["shared_dilations"]):
            states, asked = (
                self._block(f"shared.{at}", states, mask, step),
                self._block(f"shared.{at}", asked, asked_mask, step),
            )
        asked = self._norm("question_norm", asked)
        normed = self._norm("context_norm", states)
        looks = self._linear("look", normed) @ asked.transpose(0, 2, 1) / np.float32(asked.shape[2] ** 0.5)
        found = _softmax(looks + (1 - asked_mask.transpose(0, 2, 1)) * NEVER, axis=2) @ asked
        states = states + self._linear("join", np.concatenate([normed, found, normed * found], axis=2))
        share = _softmax(self._linear("sum_up", asked) + (1 - asked_mask) * NEVER, axis=1)
        summary = (share * asked).sum(axis=1)
        scale, shift = np.split(self._linear("adjust", summary)[:, None], 2, axis=2)
        states = states * (1 + scale) + shift
        for at, step in enumerate(self._sizes["middle_dilations"]):
            states = self._block(f"middle.{at}", states, mask, step)
        states = self._attend(states, mask)
        for at, step in enumerate(self._sizes["upper_dilations"]):
            states = self._block(f"upper.{at}", states, mask, step)
        states = self._norm("final_norm", states)
        return self._spans(states, mask), self._none(states, mask, summary)

    def _spans(self, states: Array, mask: Array) -> Array:
        first, last = self._linear("first", states), self._linear("last", states)
        spans = first[:, :, 1:] @ last[:, :, 1:].transpose(0, 2, 1) / np.float32(self._sizes["pair_size"] ** 0.5)
        hidden = (1 - mask) * NEVER
        spans += first[:, :, :1] + hidden + (last[:, :, :1] + hidden).transpose(0, 2, 1)
        length = spans.shape[1]
        band = np.triu(np.ones((length, length), bool)) & ~np.triu(
            np.ones((length, length), bool), self._sizes["max_answer"]
        )
        return np.where(band, spans, NEVER)

    def _none(self, states: Array, mask: Array, summary: Array) -> Array:
        highest = (states + (1 - mask) * NEVER).max(axis=1)
        mean = (states * mask).sum(axis=1) / np.maximum(mask.sum(axis=1), 1)
        hidden = np.tanh(self._linear("none.0", np.concatenate([highest, mean, summary], axis=1)))
        return np.asarray(self._linear("none.2", hidden)[:, 0])

    def _enter(self, ids: dict[str, npt.NDArray[Any]], words: Array) -> Array:
        weights = self._weights
        tables = ("token_table", "tag_table", "place_table")
        token, tag, place = (
            weights[f"{table}.weight"][ids[name]]
            for table, name in zip(tables, ("tokens", "tags", "places"), strict=True)
        )
        return np.concatenate([token, words, tag, place], axis=2)

    def _linear(self, name: str, inputs: Array) -> Array:
        matrix, bias = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        flat = inputs.reshape(-1, inputs.shape[-1]) @ matrix.T + bias
        return np.asarray(flat.reshape(*inputs.shape[:-1], -1))

    def _norm(self, name: str, inputs: Array) -> Array:
        centred = inputs - inputs.mean(axis=-1, keepdims=True)
        deviation = np.sqrt(np.square(centred).mean(axis=-1, keepdims=True) + np.float32(EPSILON))
        return np.asarray(centred / deviation * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"])

    def _block(self, name: str, states: Array, mask: Array, step: int) -> Array:
        normed = self._norm(f"{name}.norm", states) * mask
        length = states.shape[1]
        padded = np.pad(normed, ((0, 0), (step, step), (0, 0)))
        around = np.concatenate([padded[:, :length], normed, padded[:, 2 * step :]], axis=2)
        values, gates = np.split(self._linear(f"{name}.mix", around), 2, axis=2)
        gates = np.exp(-gates)
        gates += 1
        values = values / gates
        values += states
        return values

    def _attend(self, states: Array, mask: Array) -> Array:
        batch, length, width = states.shape
        heads = self._sizes["heads"]
        projected = self._linear("attend.project", self._norm("attend.norm", states))
        query, key, value = (
            part.reshape(batch, length, heads, -1).transpose(0, 2, 1, 3) for part in np.split(projected, 3, axis=2)
        )
        scores = query @ key.transpose(0, 1, 3, 2) / np.float32((width // heads) ** 0.5)
        scores += np.where(mask[:, None, None, :, 0] > 0, np.float32(0), NEVER)
        mixed = (_softmax(scores, axis=3) @ value).transpose(0, 2, 1, 3).reshape(batch, length, width)
        return states + self._linear("attend.out", mixed)


def best_span(scores: npt.NDArray[np.floating[Any]]) -> tuple[int, int]:
    """Return the first and the last token of the best span of a matrix of scores."""
    first, last = divmod(int(scores.argmax()), scores.shape[1])
    return first, last


def _batches(texts: Sequence[int], lengths: Sequence[int], workers: int) -> list[list[int]]:
    """Divide texts among workers, those of like length together; no batch is larger than BATCH_TOKENS allows."""
    share = -(-sum(lengths[at] for at in texts) // workers)
    batches: list[list[int]] = []
    filled = 0
    for at in sorted(texts, key=lambda at: (lengths[at], at)):
        padded = lengths[at] * (len(batches[-1]) + 1) if batches else 0
        if not batches or filled + lengths[at] / 2 > share or padded > BATCH_TOKENS:
            batches.append([])
            filled = 0
        batches[-1].append(at)
        filled += lengths[at]
    return batches


def _best(text: int, tokens: Tokens, scores: Array, none: Any, count: int) -> list[Candidate]:
    length = len(tokens)
    flat = scores[:length, :length].ravel()
    enough = min(count, len(flat))
    places = np.argpartition(-flat, enough - 1)[:enough]
    return [
        Candidate(
            text, int(tokens.starts[place // length]), int(tokens.ends[place % length]), float(flat[place] - none)
        )
        for place in places
        if flat[place] > NEVER / 2
    ]


@cache
def _load(folder: Path) -> tuple[dict[str, Array], dict[str, Any], Vocabulary]:
    from safetensors.numpy import load_file

    try:
        sizes = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        record = json.loads(gzip.decompress((folder / VOCABULARY).read_bytes()))
        tensors = load_file(folder / "model.safetensors")
        vocabulary = make_vocabulary(record["characters"], record["words"].split(" "))
    except Exception as error:  # each of these libraries raises kinds of its own
        raise ModelError(
            f"The bundled reader in {folder} cannot be loaded: {error}. Install the package anew.",
            f"无法载入自带的阅读模型（{folder}）：{error}。请重新安装本程序。",
        ) from error
    return {name: value.astype(np.float32) for name, value in tensors.items()}, sizes, vocabulary


def _pad(texts: Sequence[Encoded], longest: int | None = None) -> dict[str, npt.NDArray[Any]]:
    length = max(len(text.tokens[:longest]) for text in texts)
    padded: dict[str, npt.NDArray[Any]] = {}
    for name in ("tokens", "words", "tags", "places", "features"):
        rows = [getattr(text, name)[:longest] for text in texts]
        padded[name] = np.zeros((len(texts), length, *rows[0].shape[1:]), rows[0].dtype)
        for target, row in zip(padded[name], rows, strict=True):
            target[: len(row)] = row
    return padded


def _softmax(scores: Array, axis: int) -> Array:
    """Return the softmax, in the place of the scores."""
    scores -= scores.max(axis=axis, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=axis, keepdims=True)
    return scores
