"""Measures: pure functions over one question's gold and answer. Larger is better, unless said."""

import re
from collections.abc import Sequence

from rag.folding import fold

Span = tuple[int, int]
Gold = str | Sequence[str]


def normalise(text: str) -> str:
    """Return a text folded and without white space and punctuation, as CMRC2018's official script compares."""
    return re.sub(r"[^\w%]+", "", fold(text))


def is_right(answer: str, golds: Sequence[Gold]) -> bool:
    """Say whether an answer holds one of the gold answers; of a list, every item (containment)."""
    said = normalise(answer)
    return any(all(normalise(part) in said for part in ([gold] if isinstance(gold, str) else gold)) for gold in golds)


def overlaps(span: Span, golds: Sequence[Span]) -> bool:
    """Say whether a half-open span shares a character with one of the gold spans."""
    return any(span[0] < end and start < span[1] for start, end in golds)


def inside_share(span: Span, golds: Sequence[Span]) -> float:
    """Return the share of a span's characters that lie in gold spans: how little else is quoted."""
    covered = {position for start, end in golds for position in range(max(start, span[0]), min(end, span[1]))}
    return len(covered) / (span[1] - span[0])


def first_rank(relevant: Sequence[bool]) -> int | None:
    """Return the rank, from 1, of the first relevant hit, or None."""
    return next((rank for rank, is_relevant in enumerate(relevant, start=1) if is_relevant), None)


def share(values: Sequence[bool | float]) -> float:
    """Return the mean of values, 0 where there are none."""
    return sum(values) / len(values) if values else 0.0


def precision_recall(found: Sequence[bool], wanted: Sequence[bool]) -> tuple[float, float]:
    """Return precision and recall of decisions against what they should have been."""
    both = sum(one and other for one, other in zip(found, wanted, strict=True))
    return both / max(1, sum(found)), both / max(1, sum(wanted))
