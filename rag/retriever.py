"""Retriever: from a query to ranked hits, by meaning (dense) and by characters and words (lexical).

Each arm ranks the whole store. The first of both are then read: how near each other the words of the query stand in
them. What BM25, that nearness and the embeddings say is added up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rag.closeness import Scores, closeness
from rag.embedder import Embedder, FloatMatrix, StaticEmbedder
from rag.fusion import Signals, combine, fuse
from rag.lexical import grams
from rag.passages import Passage
from rag.reranker import Reranker
from rag.settings import Settings
from rag.store import Store

DENSE, LEXICAL = "dense", "lexical"
Found = Mapping[str, Sequence[tuple[int, float]]]  # of each arm, pairs of position and score, best first
RERANKER = "reranker"  # beside the arms in `Hit.arms`, where there is one


@dataclass(frozen=True)
class ArmRank:
    """What one arm said of a passage: its rank from 1, its score, and the grams that met (lexical only)."""

    rank: int
    score: float
    terms: tuple[str, ...] = ()


@dataclass(frozen=True)
class Hit:
    """A passage found for a query. `score` is the fused one; `rank` starts at 1, and is the reranker's where one is."""

    passage: Passage
    rank: int
    score: float
    arms: Mapping[str, ArmRank]


class Retriever:
    """Asks both arms of a store and fuses what they say."""

    def __init__(self, store: Store, embedder: Embedder, settings: Settings, reranker: Reranker | None = None) -> None:
        """Keep the parts; nothing is loaded or read."""
        self._store = store
        self._embedder = embedder
        self._settings = settings
        self._reranker = reranker

    def retrieve(self, query: str, k: int) -> list[Hit]:
        """Return up to k hits, best first; none for an empty store."""
        query_vector = self._embedder.embed_queries([query])
        found = self.search(query, query_vector)
        fused = self._fuse(query, query_vector, found)
        asked = set(grams(query))
        ranks = {
            arm: {position: (rank, score) for rank, (position, score) in enumerate(pairs, start=1)}
            for arm, pairs in found.items()
        }
        if self._reranker is not None:
            fused, ranks[RERANKER] = self._rerank(self._reranker, query, fused)
        fused = fused[:k]
        passages = self._store.passages([position for position, _ in fused])
        hits: list[Hit] = []
        for position, score in fused:
            if position not in passages:  # removed by another process since the search
                continue
            passage = passages[position]
            arms = {
                arm: ArmRank(*ranks[arm][position], terms=_shared(asked, passage.text) if arm == LEXICAL else ())
                for arm in ranks
                if position in ranks[arm]
            }
            hits.append(Hit(passage, len(hits) + 1, score, arms))
        return hits

    def _rerank(
        self, reranker: Reranker, query: str, fused: list[tuple[int, float]]
    ) -> tuple[list[tuple[int, float]], dict[int, tuple[int, float]]]:
        """Put the first `rerank_k` of a fused ranking into the reranker's order; ties keep the fused one.

        Returns:
            The ranking, and of each passage that was scored its rank and score.
        """
        first = fused[: self._settings.rerank_k]
        passages = self._store.passages([position for position, _ in first])
        first = [pair for pair in first if pair[0] in passages]  # removed by another process since the search
        scores = [float(score) for score in reranker.score(query, [passages[position].text for position, _ in first])]
        order = sorted(range(len(first)), key=lambda at: -scores[at])
        ranks = {first[at][0]: (rank, scores[at]) for rank, at in enumerate(order, start=1)}
        return [first[at] for at in order] + fused[self._settings.rerank_k :], ranks

    def search(self, query: str, query_vector: FloatMatrix) -> Found:
        """Return what each arm finds."""
        return {
            DENSE: self._store.search_dense(query_vector, self._settings.arm_k),
            LEXICAL: self._store.search_lexical(query, self._settings.arm_k),
        }

    def _fuse(self, query: str, query_vector: FloatMatrix, found: Found) -> list[tuple[int, float]]:
        """Return all positions found with their fused scores, best first.

        The first `read_k` of each arm are read; the others follow them in the order of the arms' ranks.
        """
        signals = self.signals(query, found)
        if signals is None:
            return []

        def resemble(places: Sequence[int]) -> Scores:
            stretches = [signals.stretches[place] for place in places]
            cosines: Scores = (self._embedder.embed_queries(stretches) @ query_vector[0]).astype(np.float64)
            return cosines

        # A static embedder takes half a millisecond for it, others longer than for the question itself.
        best = combine(signals, self._settings, resemble if isinstance(self._embedder, StaticEmbedder) else None)
        rankings = {arm: [position for position, _ in pairs] for arm, pairs in found.items()}
        ranked = fuse(rankings, dict.fromkeys(rankings, 1.0), self._settings.fusion_constant)
        lowest = best[-1][1] - len(rankings)  # no sum of reciprocal ranks reaches the number of rankings
        read = set(signals.positions)
        return best + [(position, lowest + score) for position, score in ranked if position not in read]

    def signals(self, query: str, found: Found) -> Signals | None:
        """Read the first `read_k` passages of each arm; None where there are none."""
        first = sorted({position for pairs in found.values() for position, _ in pairs[: self._settings.read_k]})
        passages = self._store.passages(first)
        positions = tuple(sorted(passages))  # some may have been removed by another process since the search
        if not positions:
            return None
        close = closeness(query, [passages[position].text for position in positions])
        lexical, dense = dict(found[LEXICAL]), dict(found[DENSE])
        most, least = max(lexical.values(), default=1.0), min(dense.values(), default=0.0)
        return Signals(
            positions,
            np.array([lexical.get(position, 0.0) / most for position in positions]),
            close.coverage,
            close.near,
            close.nearby,
            np.array([dense.get(position, least) for position in positions], np.float64),
            close.stretches,
        )


def _shared(asked: set[str], text: str) -> tuple[str, ...]:
    """Return the grams of the query that the text holds, longest first, without parts of longer ones."""
    shared = sorted(asked.intersection(grams(text)), key=lambda gram: (-len(gram), gram))
    return tuple(gram for at, gram in enumerate(shared) if not any(gram in longer for longer in shared[:at]))
