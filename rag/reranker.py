"""Rerankers: a query and some passages in, one score for each passage out.

A cross-encoder reads the query and a passage together, which tells more than the distance of two vectors and
costs a run of the model for each passage; so it is asked about the first hits only. None is bundled.
"""

import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from rag.errors import ModelError
from rag.hub import resolve
from rag.settings import Settings

FloatVector = npt.NDArray[np.float32]

BATCH = 16  # pairs at once
# What the architectures of models with a trained score are called; anything else would score at random.
SCORING = ("SequenceClassification", "CausalLM", "ConditionalGeneration")


class Reranker(Protocol):
    """What the retriever asks of a reranker."""

    name: str  # as a user would name it in the settings

    def score(self, query: str, texts: Sequence[str]) -> FloatVector:
        """Return one score for each text, shape (len(texts),); larger is better, comparable within one query."""


def load_reranker(settings: Settings) -> Reranker | None:
    """Open the reranker that the settings name, if they name one.

    Raises:
        ModelError: There is no such model, or it cannot be loaded.
    """
    if settings.reranker is None:
        return None
    folder = resolve(settings.reranker, settings.reranker_revision, settings.offline, "reranker")
    return CrossEncoderReranker(folder, settings.reranker, settings.device)


class LazyReranker:
    """The reranker the settings name, loaded when it is first asked: adding documents needs none."""

    def __init__(self, settings: Settings) -> None:
        """Keep the settings, which must name a reranker; nothing is loaded."""
        self.name = settings.reranker or ""
        self._settings = settings
        self._loaded: Reranker | None = None
        self._lock = threading.Lock()  # the page asks from several threads

    def score(self, query: str, texts: Sequence[str]) -> FloatVector:
        """Score as the reranker does. Raises ModelError as `load_reranker` does."""
        with self._lock:
            reranker = self._loaded = self._loaded or load_reranker(self._settings)
        if reranker is None:
            raise ModelError(
                "The settings name no reranker. Name one: Settings(reranker=…).",
                "设置里没有重排模型。请指定一个：Settings(reranker=…)。",
            )
        return reranker.score(query, texts)


class CrossEncoderReranker:
    """Any cross-encoder of sentence-transformers: one score, or two classes, of which the second means relevant."""

    def __init__(self, folder: Path, name: str, device: str | None = None) -> None:
        """Load the model from its folder; nothing is asked of a hub.

        Raises:
            ModelError: It cannot be loaded, or is no cross-encoder.
        """
        self.name = name
        architectures = _architectures(folder)
        if architectures and not any(kind.endswith(SCORING) for kind in architectures):
            raise ModelError(
                f"The reranker {name!r} is no cross-encoder: its model is a {' and '.join(architectures)}, which gives "
                "a query and a passage no score. Name a cross-encoder.",
                f"重排模型 {name!r} 不是交叉编码器：它是 {'、'.join(architectures)}，不能给问题和段落打分。"
                "请换一个交叉编码器（cross-encoder）。",
            )
        try:
            from sentence_transformers import CrossEncoder

            self._model = CrossEncoder(str(folder), device=device, local_files_only=True)
            classes = int(self._model.num_labels)
        except Exception as error:  # the library passes on whatever its own libraries raise
            remedy, chinese = (
                (
                    "It brings code of its own, which is not run here; name another cross-encoder.",
                    "它带有自己的程序代码，这里不会运行；请换一个交叉编码器。",
                )
                if "trust_remote_code" in str(error)
                else ("Is it a complete cross-encoder?", "它是完整的交叉编码器吗？")
            )
            raise ModelError(
                f"The reranker {name!r} cannot be loaded from {folder}: {error}. {remedy}",
                f"无法从 {folder} 载入重排模型 {name!r}：{error}。{chinese}",
            ) from error
        if classes > 2:
            raise ModelError(
                f"The reranker {name!r} tells {classes} classes of pairs apart; which of them means relevant is not "
                "known. Name a cross-encoder with one score.",
                f"重排模型 {name!r} 把问题和段落分成 {classes} 类，不知道哪一类表示相关。"
                "请换一个只给一个分数的交叉编码器。",
            )

    def score(self, query: str, texts: Sequence[str]) -> FloatVector:
        """Return one score for each text, shape (len(texts),): the logit, or the difference of the two."""
        if not texts:
            return np.zeros(0, np.float32)
        from torch.nn import Identity

        # Without the usual sigmoid, which makes ties of everything that is clearly relevant.
        scores = self._model.predict(
            [(query, text) for text in texts], batch_size=BATCH, activation_fn=Identity(), show_progress_bar=False
        )
        scores = np.asarray(scores, np.float32)
        return scores.reshape(len(texts)) if scores.ndim == 1 or scores.shape[1] == 1 else scores[:, 1] - scores[:, 0]


def _architectures(folder: Path) -> list[str]:
    try:
        return [str(kind) for kind in json.loads((folder / "config.json").read_text(encoding="utf-8"))["architectures"]]
    except (OSError, ValueError, LookupError, TypeError):
        return []
