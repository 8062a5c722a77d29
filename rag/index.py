"""VectorIndex: vectors in, scores and positions out. Knows nothing of texts."""

import hashlib
import os
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from rag.embedder import FloatMatrix

Positions = npt.NDArray[np.int64]
CHECKSUM_SIZE = 32  # bytes of SHA-256 behind the index: FAISS itself does not notice a changed vector


class VectorIndex(Protocol):
    """Nearest vectors by inner product, each known by its position (a number of the caller's)."""

    dim: int

    def positions(self) -> Positions:
        """Return the positions held, in no promised order."""

    def add(self, positions: Positions, vectors: FloatMatrix) -> None:
        """Add unit vectors, shape (n, dim), under their positions."""

    def remove(self, positions: Positions) -> None:
        """Remove the vectors at these positions; unknown ones are ignored."""

    def search(self, query_vectors: FloatMatrix, k: int) -> list[list[tuple[int, float]]]:
        """Return for each query up to k pairs of position and score, best first."""


class FaissIndex:
    """Exact inner product in FAISS. All vectors have unit length, so it is the cosine similarity.

    Source: Faiss wiki, "MetricType and distances".
    """

    def __init__(self, dim: int, index: Any = None) -> None:
        """Make an empty index, or wrap a loaded one."""
        import faiss

        self.dim = dim
        self._index = index if index is not None else faiss.IndexIDMap2(faiss.IndexFlatIP(dim))

    @classmethod
    def load(cls, path: Path, dim: int) -> "FaissIndex":
        """Read an index that `save` wrote.

        Raises:
            ValueError: The file is damaged, or holds vectors of another width.
        """
        import faiss

        try:
            content = path.read_bytes()
            body, checksum = content[:-CHECKSUM_SIZE], content[-CHECKSUM_SIZE:]
            if hashlib.sha256(body).digest() != checksum:
                raise ValueError(f"{path} is not a readable FAISS index: its checksum is wrong")
            index = faiss.deserialize_index(np.frombuffer(body, np.uint8))
        except (OSError, RuntimeError) as error:
            raise ValueError(f"{path} is not a readable FAISS index: {error}") from error
        if index.d != dim or not isinstance(index, faiss.IndexIDMap2):
            raise ValueError(f"{path} holds vectors of {index.d} dimensions, not {dim}")
        return cls(dim, index)

    def save(self, path: Path) -> None:
        """Write the index so that a reader sees the old file or the new one, never a half."""
        import faiss

        unfinished = path.with_suffix(f".{os.getpid()}.unfinished")  # another process may be writing, too
        try:
            # Serialised here and written by Python: a full disk is then an OSError with its reason.
            body = faiss.serialize_index(self._index).tobytes()
            unfinished.write_bytes(body + hashlib.sha256(body).digest())
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def positions(self) -> Positions:
        """Return the positions held, in no promised order."""
        import faiss

        return np.asarray(faiss.vector_to_array(self._index.id_map), np.int64)

    def add(self, positions: Positions, vectors: FloatMatrix) -> None:
        """Add unit vectors, shape (n, dim), under their positions."""
        if vectors.shape != (len(positions), self.dim):
            raise ValueError(f"Vectors of shape {vectors.shape} do not fit ({len(positions)}, {self.dim}).")
        self._index.add_with_ids(np.ascontiguousarray(vectors), np.ascontiguousarray(positions))

    def remove(self, positions: Positions) -> None:
        """Remove the vectors at these positions; unknown ones are ignored."""
        if len(positions):
            self._index.remove_ids(np.ascontiguousarray(positions))  # type: ignore[arg-type]

    def search(self, query_vectors: FloatMatrix, k: int) -> list[list[tuple[int, float]]]:
        """Return for each query up to k pairs of position and score, best first.

        Args:
            query_vectors: Shape (n_queries, dim), unit rows.
            k: At least 1; fewer come back where the index holds fewer.
        """
        if query_vectors.ndim != 2 or query_vectors.shape[1] != self.dim:
            raise ValueError(f"Query vectors of shape {query_vectors.shape} do not fit (n, {self.dim}).")
        scores, positions = self._index.search(np.ascontiguousarray(query_vectors), k)
        # FAISS pads missing neighbours with position -1.
        return [
            [(int(position), float(score)) for position, score in zip(*row, strict=True) if position >= 0]
            for row in zip(positions, scores, strict=True)
        ]
