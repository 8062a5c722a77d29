"""Span models: a question and texts in, the spans that may answer it out, with scores.

`load_span_model` opens the bundled model, or any extractive question-answering model of `transformers`, by
hub id or folder (see `rag.hub`). This module does not know passages, clauses or refusals: `rag.reader` decides.
"""

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from rag.errors import ModelError
from rag.hub import resolve
from rag.settings import BUNDLED_READER, Settings

WINDOW = 384  # tokens the model sees at once, question included; what such models are trained with
STRIDE = 128  # tokens that neighbouring windows share
MAX_ANSWER = 100  # characters
BATCH = 16  # windows at once


@dataclass(frozen=True)
class Candidate:
    """A span of one of the given texts that may answer the question."""

    text: int  # which of the given texts
    start: int  # first character in that text
    end: int  # one past the last
    score: float  # start logit + end logit - the no-answer score of its window; above 0: rather an answer than none


class SpanModel(Protocol):
    """What the reader asks of a span model."""

    name: str  # as a user would name it in the settings

    def candidates(self, question: str, texts: Sequence[str], count: int = 5) -> list[Candidate]:
        """Return the best spans over all texts, best first: up to `count` of each text, no span twice."""


def load_span_model(settings: Settings) -> SpanModel:
    """Open the span model that the settings name as the reader.

    Raises:
        ModelError: There is no such model, or it cannot be loaded.
    """
    if settings.reader == BUNDLED_READER:
        # By name, since it is built on this module, and imported only where it is asked for.
        bundled: SpanModel = importlib.import_module("rag.bundled_reader").BundledSpanModel()
        return bundled
    folder = resolve(settings.reader, settings.reader_revision, settings.offline, "reader")
    return TransformersSpanModel(folder, settings.reader, settings.device)


@dataclass(frozen=True)
class _Window:
    """A part of a text with the question before it, as the model takes it."""

    text: int
    inputs: dict[str, list[int]]  # by the model's names, all of one length
    positions: npt.NDArray[np.int64]  # of the tokens that are characters of the text
    spans: npt.NDArray[np.int64]  # the characters of each of them, shape (len(positions), 2)
    no_answer: int  # position of the token that stands for "the text does not tell"


class TransformersSpanModel:
    """Any model of `AutoModelForQuestionAnswering` with a fast tokenizer, which knows the characters of its tokens."""

    def __init__(self, folder: Path, name: str, device: str | None = None) -> None:
        """Load the model from its folder; nothing is asked of a hub.

        Raises:
            ModelError: It cannot be loaded, was not trained to answer, or has no fast tokenizer.
        """
        self.name = name
        try:
            import torch
            from transformers import AutoModelForQuestionAnswering, AutoTokenizer

            self._tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
            # Half precision is slow on processors, and is chosen here where a model was saved in it.
            model, loading = AutoModelForQuestionAnswering.from_pretrained(
                str(folder), local_files_only=True, output_loading_info=True, dtype=torch.float32
            )
            self._device = torch.device(device) if device else _own_device()
            self._model = model.to(self._device).eval()
        except Exception as error:  # the libraries pass on whatever theirs raise
            raise ModelError(
                f"The reader {name!r} cannot be loaded from {folder}: {error}. Is it a complete model for extractive "
                "question answering?",
                f"无法从 {folder} 载入阅读模型 {name!r}：{error}。它是完整的抽取式问答模型吗？",
            ) from error
        if untrained := sorted(loading["missing_keys"]):
            raise ModelError(
                f"The reader {name!r} was not trained to find answers: its file lacks {', '.join(untrained[:3])}. Name "
                "a model for extractive question answering.",
                f"阅读模型 {name!r} 没有学过找答案：文件里缺少 {'、'.join(untrained[:3])}。请换一个抽取式问答模型。",
            )
        if not self._tokenizer.is_fast:
            raise ModelError(
                f"The reader {name!r} has no fast tokenizer (tokenizer.json). Name another model.",
                f"阅读模型 {name!r} 没有快速分词器（tokenizer.json）。请换一个模型。",
            )
        self._window = min(WINDOW, self._tokenizer.model_max_length, _longest(model.config))

    def candidates(self, question: str, texts: Sequence[str], count: int = 5) -> list[Candidate]:
        """Return the best spans over all texts, best first: up to `count` of each text, no span twice."""
        best: list[dict[tuple[int, int], float]] = [{} for _ in texts]
        windows = sorted(self._windows(question, texts), key=lambda window: len(window.inputs["input_ids"]))
        for at in range(0, len(windows), BATCH):
            batch = windows[at : at + BATCH]
            for window, starts, ends in zip(batch, *self._logits(batch), strict=True):
                spans = best[window.text]
                for start, end, score in _best_spans(window, starts, ends, texts[window.text], count):
                    spans[start, end] = max(score, spans.get((start, end), -np.inf))
        found = [
            Candidate(text, start, end, score)
            for text, spans in enumerate(best)
            for (start, end), score in sorted(spans.items(), key=lambda pair: (-pair[1], pair[0]))[:count]
        ]
        return sorted(found, key=lambda candidate: (-candidate.score, candidate.text, candidate.start, candidate.end))

    def _windows(self, question: str, texts: Sequence[str]) -> Iterator[_Window]:
        """Cut texts into windows that overlap, each with the question before it."""
        room = self._window - self._tokenizer.num_special_tokens_to_add(pair=True)
        asked = self._tokenizer(question, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        offsets = asked["offset_mapping"]
        if len(offsets) > room // 2:  # the text needs the other half
            question = question[: offsets[room // 2 - 1][1]]
            offsets = offsets[: room // 2]
        written = [at for at, text in enumerate(texts) if text.strip()]
        if not written:
            return
        encoded = self._tokenizer(
            [question] * len(written),
            [texts[at] for at in written],
            truncation="only_second",
            max_length=self._window,
            stride=min(STRIDE, (room - len(offsets)) // 2),
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
        )
        names = [name for name in self._tokenizer.model_input_names if name in encoded]
        for at, source in enumerate(encoded["overflow_to_sample_mapping"]):
            spans = np.array(encoded["offset_mapping"][at], np.int64)
            inside = np.array([part == 1 for part in encoded.sequence_ids(at)]) & (spans[:, 1] > spans[:, 0])
            positions = np.flatnonzero(inside)
            tokens = encoded["input_ids"][at]
            mark = self._tokenizer.cls_token_id
            yield _Window(
                text=written[source],
                inputs={name: encoded[name][at] for name in names},
                positions=positions,
                spans=spans[positions],
                no_answer=tokens.index(mark) if mark in tokens else 0,
            )

    def _logits(self, batch: Sequence[_Window]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Return the logits of starts and of ends, each of shape (len(batch), length of the longest)."""
        import torch

        width = max(len(window.inputs["input_ids"]) for window in batch)
        fill = {"input_ids": self._tokenizer.pad_token_id or 0}
        inputs = {
            name: torch.tensor(
                [values + [fill.get(name, 0)] * (width - len(values)) for values in (w.inputs[name] for w in batch)],
                device=self._device,
            )
            for name in batch[0].inputs
        }
        with torch.inference_mode():
            output = self._model(**inputs)
        return output.start_logits.float().cpu().numpy(), output.end_logits.float().cpu().numpy()


def _best_spans(
    window: _Window, starts: npt.NDArray[np.float32], ends: npt.NDArray[np.float32], text: str, count: int
) -> Iterator[tuple[int, int, float]]:
    """Yield the best spans of one window with their scores; white space at their ends is left out."""
    if not len(window.positions):
        return
    no_answer = float(starts[window.no_answer] + ends[window.no_answer])
    first, last = window.spans[:, 0], window.spans[:, 1]
    scores = starts[window.positions][:, None] + ends[window.positions][None, :]
    lengths = last[None, :] - first[:, None]
    # Tokens stand in the order of their characters: a span that ends before it starts has no length.
    allowed = np.triu(np.ones_like(scores, bool)) & (lengths > 0) & (lengths <= MAX_ANSWER)
    flat = np.where(allowed, scores, -np.inf).ravel()
    # Several tokens may make up one character, so that one span comes several times: more are taken than wanted.
    enough = min(len(flat), count * 4)
    for place in np.argpartition(-flat, enough - 1)[:enough]:
        start, end = int(first[place // len(last)]), int(last[place % len(last)])
        words = text[start:end]
        start, end = start + len(words) - len(words.lstrip()), end - len(words) + len(words.rstrip())
        if np.isfinite(flat[place]) and start < end:
            yield start, end, float(flat[place]) - no_answer


def _longest(config: Any) -> int:
    """Return how many tokens a model has positions for."""
    positions = int(getattr(config, "max_position_embeddings", 0) or 0)
    # RoBERTa and its kin count positions from behind the padding's number: two of them are never used.
    return positions - 2 if positions > 2 else WINDOW


def _own_device() -> Any:
    import torch

    return torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
