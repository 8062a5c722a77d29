"""Measures of a ranking. `relevant[i]` says whether the hit of rank i + 1 is relevant.

Each is the measure of its name in trec_eval and ir-measures, with which a test compares it; Success and
Recall are kept apart: one relevant passage among the first k, or the share of all that there are.
"""

import math
from collections.abc import Sequence


def success(relevant: Sequence[bool], k: int) -> float:
    """Return 1 where one of the first k hits is relevant. Source: trec_eval, success."""
    return float(any(relevant[:k]))


def recall(relevant: Sequence[bool], total: int, k: int) -> float:
    """Return the share of all `total` relevant passages among the first k hits. Source: trec_eval, recall."""
    return sum(relevant[:k]) / total if total else 0.0


def all_gold(places: Sequence[Sequence[bool]], k: int) -> float:
    """Return 1 where the first k hits hold every place that is needed.

    Args:
        places: For each needed place of evidence, whether each hit holds it.
        k: How many hits are looked at.

    Source: the all-or-nothing recall of multi-hop question answering, e.g. HotpotQA's supporting facts
        (Yang et al., EMNLP 2018).
    """
    return float(bool(places) and all(any(place[:k]) for place in places))


def reciprocal_rank(relevant: Sequence[bool], k: int) -> float:
    """Return 1 / rank of the first relevant hit among the first k, or 0. Source: trec_eval, recip_rank."""
    return next((1 / rank for rank, is_relevant in enumerate(relevant[:k], 1) if is_relevant), 0.0)


def ndcg(relevant: Sequence[bool], total: int, k: int) -> float:
    """Return the discounted gain of the first k hits over that of the best ranking there could be.

    Source: Järvelin and Kekäläinen, ACM TOIS 2002; gain 1, discount log2(rank + 1), as trec_eval, ndcg_cut.
    """
    best = sum(1 / math.log2(rank + 1) for rank in range(1, min(total, k) + 1))
    gained = sum(1 / math.log2(rank + 1) for rank, is_relevant in enumerate(relevant[:k], 1) if is_relevant)
    return gained / best if best else 0.0


def average_precision(relevant: Sequence[bool], total: int, k: int) -> float:
    """Return the mean, over all relevant passages, of the precision at their rank; 0 for those not found.

    Source: trec_eval, map_cut.
    """
    precisions = [sum(relevant[:rank]) / rank for rank, is_relevant in enumerate(relevant[:k], 1) if is_relevant]
    return sum(precisions) / total if total else 0.0
