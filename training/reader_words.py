"""Word vectors for the bundled reader: what a word means, and what stands beside it.

Two tables are joined: the bundled embedder's vectors of the words, whose English and Chinese words
for the same thing are near each other, cut to fewer dimensions by principal components; and a
factorisation of which words stand beside which in news, where names are near names and numbers near
numbers. Both are unit vectors, so that each weighs the same.

Source of the second: Levy, Goldberg and Dagan, "Improving Distributional Similarity with Lessons
Learned from Word Embeddings", TACL 2015 (positive pointwise mutual information, shifted, with
positional contexts; singular vectors weighted by the root of the singular values).
"""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.linalg import svds
from tqdm import tqdm

from rag.embedder import load_embedder
from rag.encoding import fold_in_place
from rag.lexicon import load_lexicon
from rag.settings import Settings

Matrix = npt.NDArray[np.float32]

OFFSETS = (-2, -1, 1, 2)
CONTEXTS = 12_000  # commonest words that serve as neighbours
SMOOTHING = 0.75  # exponent of the neighbours' counts
BLOCK = 2_000  # texts counted at once


def count_words(texts: Iterable[str]) -> tuple[Counter[str], list[list[str]]]:
    """Return how often each word occurs, and every text as words."""
    lexicon = load_lexicon()
    cut = [[word.text for word in lexicon.words(fold_in_place(text))] for text in tqdm(texts, desc="words")]
    return Counter(word for words in cut for word in words), cut


def neighbour_vectors(cut: Sequence[Sequence[str]], words: Sequence[str], dim: int, seed: int) -> Matrix:
    """Return unit vectors of shape (words, dim) from the neighbours of words; zeros for words never seen."""
    number = {word: at for at, word in enumerate(words)}
    total: csr_matrix = csr_matrix((len(words), len(OFFSETS) * CONTEXTS), dtype=np.float32)
    for first in tqdm(range(0, len(cut), BLOCK), desc="neighbours"):
        ids = np.array(
            [number.get(word, -1) for text in cut[first : first + BLOCK] for word in (*text, "", "")], np.int64
        )
        rows, columns = [], []
        for at, offset in enumerate(OFFSETS):
            left, right = (ids[:-offset], ids[offset:]) if offset > 0 else (ids[-offset:], ids[:offset])
            good = (left >= 0) & (right >= 0) & (right < CONTEXTS)
            rows.append(left[good])
            columns.append(right[good] + at * CONTEXTS)
        row, column = np.concatenate(rows), np.concatenate(columns)
        total = total + coo_matrix((np.ones(len(row), np.float32), (row, column)), shape=total.shape).tocsr()
    counts = total.tocoo()
    of_word = np.asarray(total.sum(axis=1)).ravel()
    of_context = np.asarray(total.sum(axis=0)).ravel() ** SMOOTHING
    expected = of_word[counts.row] * of_context[counts.col] / of_context.sum()
    value = np.log(counts.data / expected)
    keep = (value > 0) & (counts.data > 1)
    association = csr_matrix((value[keep], (counts.row[keep], counts.col[keep])), shape=total.shape)
    start = np.random.default_rng(seed).standard_normal(min(total.shape)).astype(np.float32)
    left_vectors, singular, _ = svds(association, k=dim, v0=start)
    return _unit(left_vectors * np.sqrt(singular))


def meaning_vectors(words: Sequence[str], dim: int) -> Matrix:
    """Return the bundled embedder's vectors of the words on their `dim` principal components, unit length."""
    vectors = load_embedder(Settings()).embed_queries(list(words))
    _, directions = np.linalg.eigh(vectors.T @ vectors)
    return _unit(vectors @ directions[:, ::-1][:, :dim])


def _unit(rows: npt.NDArray[np.floating]) -> Matrix:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, 1e-9), np.float32)
