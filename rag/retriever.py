"""Retriever: from a query to ranked hits, by meaning (dense) and by characters (lexical)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rag.embedder import Embedder
from rag.lexical import grams
from rag.passages import Passage
from rag.settings import Settings
from rag.store import Store

DENSE, LEXICAL = "dense", "lexical"


@dataclass(frozen=True)
class ArmRank:
    """What one arm said of a passage: its rank from 1, its score, and the grams that met (lexical only)."""

    rank: int
    score: float
    terms: tuple[str, ...] = ()


@dataclass(frozen=True)
class Hit:
    """A passage found for a query. `score` is the fused one; larger is better; `rank` starts at 1."""

    passage: Passage
    rank: int
    score: float
    arms: Mapping[str, ArmRank]


def fuse(
    rankings: Mapping[str, Sequence[int]], weights: Mapping[str, float], constant: float
) -> list[tuple[int, float]]:
    """Fuse rankings of positions by weighted reciprocal rank: sum of weight / (constant + rank).

    Returns:
        Pairs of position and score, best first; ties go to the smaller position.

    Source: Cormack, Clarke and Buettcher, "Reciprocal rank fusion outperforms Condorcet", SIGIR 2009.
    """
    scores: dict[int, float] = {}
    for arm, ranking in rankings.items():
        for rank, position in enumerate(ranking, start=1):
            scores[position] = scores.get(position, 0.0) + weights[arm] / (constant + rank)
    return sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))


class Retriever:
    """Asks both arms of a store and fuses what they say."""

    def __init__(self, store: Store, embedder: Embedder, settings: Settings) -> None:
        """Keep the parts; nothing is loaded or read."""
        self._store = store
        self._embedder = embedder
        self._settings = settings

    def retrieve(self, query: str, k: int) -> list[Hit]:
        """Return up to k hits, best first; none for an empty store."""
        settings = self._settings
        found = {
            DENSE: self._store.search_dense(self._embedder.embed_queries([query]), settings.arm_k),
            LEXICAL: self._store.search_lexical(query, settings.arm_k),
        }
        asked = set(grams(query))
        weights = {DENSE: settings.dense_weight, LEXICAL: self._lexical_weight(asked, found[LEXICAL])}
        rankings = {arm: [position for position, _ in pairs] for arm, pairs in found.items()}
        fused = fuse(rankings, weights, settings.fusion_constant)[:k]
        ranks = {
            arm: {position: (rank, score) for rank, (position, score) in enumerate(pairs, start=1)}
            for arm, pairs in found.items()
        }
        passages = self._store.passages([position for position, _ in fused])
        hits: list[Hit] = []
        for position, score in fused:
            if position not in passages:  # removed by another process since the search
                continue
            passage = passages[position]
            arms = {
                arm: ArmRank(*ranks[arm][position], terms=_shared(asked, passage.text) if arm == LEXICAL else ())
                for arm in (DENSE, LEXICAL)
                if position in ranks[arm]
            }
            hits.append(Hit(passage, len(hits) + 1, score, arms))
        return hits

    def _lexical_weight(self, asked: set[str], found: Sequence[tuple[int, float]]) -> float:
        """Return 1, or 0 where even the best texts share next to nothing with the query.

        A question in another language than the text meets it in a number or a name at most; ranks made
        of that would outweigh those of the dense arm, which can tell.
        """
        best = self._store.passages([position for position, _ in found[:3]]).values()
        shared = max((len(asked.intersection(grams(passage.text))) for passage in best), default=0)
        return 1.0 if shared >= self._settings.min_shared * len(asked) else 0.0


def _shared(asked: set[str], text: str) -> tuple[str, ...]:
    """Return the grams of the query that the text holds, longest first, without parts of longer ones."""
    shared = sorted(asked.intersection(grams(text)), key=lambda gram: (-len(gram), gram))
    return tuple(gram for at, gram in enumerate(shared) if not any(gram in longer for longer in shared[:at]))
