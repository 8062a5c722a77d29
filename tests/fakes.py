"""Fakes whose numbers a pencil can check."""

from collections.abc import Sequence

import numpy as np

from rag.embedder import FloatMatrix


class WordCountEmbedder:
    """Counts a few words, so that cosine similarities can be worked out by hand."""

    words: tuple[str, ...] = ("moon", "tide", "cat", "月亮", "潮汐")
    max_tokens: int | None = None

    def __init__(self, name: str = "word-count") -> None:
        self.name = self.fingerprint = name
        self.dim = len(self.words)

    def count_tokens(self, passage: str) -> int:
        return len(passage.split())

    def embed_passages(self, texts: Sequence[str]) -> FloatMatrix:
        counts = np.array([[text.count(word) for word in self.words] for text in texts], np.float32)
        counts = counts.reshape(len(texts), self.dim)
        return np.asarray(counts / np.maximum(np.linalg.norm(counts, axis=1, keepdims=True), 1e-9), np.float32)

    def embed_queries(self, texts: Sequence[str]) -> FloatMatrix:
        return self.embed_passages(texts)


class ShortEmbedder(WordCountEmbedder):
    """Takes at most ten tokens, one a character, of which two are its own."""

    max_tokens = 10

    def count_tokens(self, passage: str) -> int:
        return len(passage) + 2
