"""Fusion: one order from what both arms of a search, and a closer look at their first passages, say.

Ranks are fused where there is no more than ranks; where the passages have been read, their scores are added up.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rag.closeness import Scores
from rag.settings import Settings


@dataclass(frozen=True)
class Signals:
    """What is known of the passages that were read: parallel, smaller positions first."""

    positions: tuple[int, ...]
    lexical: Scores  # BM25 as a share of the best passage's; 0 where the lexical arm did not find it
    coverage: Scores  # these three: see rag.closeness.Closeness
    near: Scores
    nearby: Scores
    dense: Scores  # cosine; of a passage the dense arm did not find, the lowest of those it found
    stretches: tuple[str, ...]


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


def combine(
    signals: Signals, settings: Settings, resemble: Callable[[Sequence[int]], Scores] | None
) -> list[tuple[int, float]]:
    """Return the positions with their scores, weighted sums of the signals, best first; ties go to the smaller one.

    Args:
        signals: At least one passage.
        settings: The weights. The lexical signals weigh nothing where no passage says `min_shared` of the query, as
            with a question in another language whose words have no translation.
        resemble: Returns the cosines of the query and the best stretch of some of the passages, given by their places
            in `signals`; asked of the first `stretch_k` alone, because it costs most. None: it costs too much.
    """
    said = signals.coverage.max() >= settings.min_shared
    lexical = signals.lexical + settings.near_weight * signals.near + settings.nearby_weight * signals.nearby
    scores = settings.dense_weight * signals.dense + lexical if said else signals.dense.copy()
    first = np.argsort(-scores, kind="stable")[: settings.stretch_k]
    if said and resemble is not None and settings.dense_weight and settings.stretch_weight and len(first) > 1:
        # A cosine is at least -1: the first stay first, and only change places among themselves.
        scores[first] += settings.stretch_weight * (1 + resemble(first.tolist()))
    order = np.argsort(-scores, kind="stable")
    return [(signals.positions[at], float(scores[at])) for at in order]
