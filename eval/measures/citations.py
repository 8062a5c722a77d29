"""Measures of citations, by the text alone: no judge decides what supports what.

A sentence is supported by quotes when they hold it to the letter, or hold all its numbers and nearly all
of its words. That is stricter than a judge for paraphrases and blind to what only a reader would notice.
"""

from collections.abc import Sequence
from itertools import pairwise

from eval.normalisation import holds, tokens

Span = tuple[int, int]

SUPPORT = 0.8  # share of a sentence's pairs of neighbouring tokens that its quotes must hold


def overlaps(span: Span, golds: Sequence[Span]) -> bool:
    """Say whether a half-open span shares a character with one of the gold spans."""
    return any(span[0] < end and start < span[1] for start, end in golds)


def inside_share(span: Span, golds: Sequence[Span]) -> float:
    """Return the share of a span's characters that lie in gold spans: how little else is quoted."""
    covered = {position for start, end in golds for position in range(max(start, span[0]), min(end, span[1]))}
    return len(covered) / (span[1] - span[0]) if span[1] > span[0] else 0.0


def supports(quotes: Sequence[str], sentence: str) -> bool:
    """Say whether quotes carry a sentence."""
    if any(holds(quote, sentence) for quote in quotes):
        return True
    said = tokens(sentence)
    held = [tokens(quote) for quote in quotes]
    known = {token for quote in held for token in quote}
    if any(token[0].isdigit() and token not in known for token in said):
        return False
    pairs = list(pairwise(said)) or [(token, token) for token in said]
    present = {pair for quote in held for pair in pairwise(quote)}
    present |= {(token, token) for token in known}
    return bool(pairs) and sum(pair in present for pair in pairs) / len(pairs) >= SUPPORT


def citation_recall(sentences: Sequence[tuple[str, Sequence[str]]]) -> float:
    """Return the share of sentences that their quotes carry.

    Args:
        sentences: Each with the quotes it cites.

    Source: Gao et al., "Enabling Large Language Models to Generate Text with Citations" (ALCE), EMNLP 2023,
        with `supports` in the place of its entailment model.
    """
    return sum(supports(quotes, text) for text, quotes in sentences) / len(sentences) if sentences else 0.0


def citation_precision(sentences: Sequence[tuple[str, Sequence[str]]]) -> float:
    """Return the share of citations that are needed: they carry the sentence alone, or it falls without them.

    A citation of a sentence that is not carried counts as not needed. Source: as `citation_recall`.
    """
    needed = total = 0
    for text, quotes in sentences:
        total += len(quotes)
        if not supports(quotes, text):
            continue
        for left_out in range(len(quotes)):
            others = [quote for at, quote in enumerate(quotes) if at != left_out]
            needed += supports([quotes[left_out]], text) or not supports(others, text)
    return needed / total if total else 0.0
