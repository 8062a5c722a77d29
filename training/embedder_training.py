"""Trains the rows of a static embedding: batches of pairs, contrastive loss, Adam on the rows used.

Knows token ids and vectors; knows nothing of files or of the tokenizer. All randomness comes from the
generator that is passed in, so equal seeds on equal thread counts give equal models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

IntArray = npt.NDArray[np.int64]
FloatMatrix = npt.NDArray[np.float32]

SCALE = 20.0  # multiplies the cosines before the softmax


@dataclass(frozen=True)
class TokenLists:
    """Many lists of token ids, one after the other: list i is `ids[starts[i] : starts[i] + lengths[i]]`."""

    ids: IntArray
    starts: IntArray
    lengths: IntArray

    @classmethod
    def of(cls, lists: Sequence[Sequence[int]]) -> TokenLists:
        """Join the lists."""
        lengths = np.array([len(tokens) for tokens in lists], np.int64)
        ids = np.fromiter((t for tokens in lists for t in tokens), np.int64, int(lengths.sum()))
        return cls(ids, np.cumsum(lengths) - lengths, lengths)

    def __len__(self) -> int:
        return len(self.lengths)

    def take(self, rows: IntArray, skip: IntArray | None = None, limit: IntArray | int = 1 << 30) -> TokenLists:
        """Return the lists at `rows`, each without its first `skip` tokens and then cut to `limit`."""
        skipped = np.zeros(len(rows), np.int64) if skip is None else skip
        lengths = np.minimum(np.maximum(self.lengths[rows] - skipped, 0), limit)
        starts = np.cumsum(lengths) - lengths
        places = np.arange(int(lengths.sum())) + np.repeat(self.starts[rows] + skipped - starts, lengths)
        return TokenLists(self.ids[places], starts, lengths)

    def keep(self, mask: npt.NDArray[np.bool_]) -> TokenLists:
        """Return the lists (stored without gaps) with the tokens where `mask` is true."""
        owner = np.repeat(np.arange(len(self)), self.lengths)
        lengths = np.bincount(owner[mask], minlength=len(self)).astype(np.int64)
        return TokenLists(self.ids[mask], np.cumsum(lengths) - lengths, lengths)


@dataclass(frozen=True)
class Source:
    """Pairs that make batches of their own.

    `groups` holds equal numbers for equal passages: they are no negatives of each other.
    """

    name: str
    weight: float  # share of the batches
    queries: TokenLists
    passages: TokenLists
    groups: IntArray
    query_keep: float = 1.0  # share of query tokens kept, drawn anew for each batch
    switch: float = 0.0  # share of queries put word for word into English
    is_cloze: bool = False  # `passages` alone counts: a piece of each is the query for the rest


@dataclass(frozen=True)
class Plan:
    """How long and how to train."""

    steps: int
    batch: int = 512
    learning_rate: float = 0.003
    passage_tokens: int = 256
    warmup: int = 50


def initial_rows(
    idf: npt.NDArray[np.float64],
    parts: dict[int, list[int]],
    dictionary: tuple[TokenLists, TokenLists],
    dim: int,
    rng: np.random.Generator,
) -> FloatMatrix:
    """Make random rows whose length is the token's IDF, so that the mean of a text weighs rare words.

    A token made of others (柳州 of 柳 and 州) lies near their sum. A token that only the second side of
    the dictionary has lies near the translations.

    Returns:
        Shape (n_tokens, dim). The mean length is 1.
    """
    own = rng.standard_normal((len(idf), dim)) / np.sqrt(dim)
    rows = own.copy()
    for token, members in parts.items():
        rows[token] += _unit((own[members] * idf[members, None]).sum(0))
    rows = _unit(rows)
    foreign, native = dictionary[1], dictionary[0]
    sums = np.zeros_like(rows)
    for i in range(len(native)):
        source = native.ids[native.starts[i] : native.starts[i] + native.lengths[i]]
        target = foreign.ids[foreign.starts[i] : foreign.starts[i] + foreign.lengths[i]]
        if len(source) and len(target):
            meaning = (rows[source] * idf[source, None]).sum(0) / len(target)
            np.add.at(sums, target, meaning)
    translated = np.setdiff1d(np.unique(foreign.ids), native.ids)
    rows[translated] = _unit(own[translated] + _unit(sums[translated]))
    scaled: FloatMatrix = (rows * (idf / idf.mean())[:, None]).astype(np.float32)
    return scaled


def train_rows(
    rows: FloatMatrix,
    sources: Sequence[Source],
    glosses: tuple[IntArray, TokenLists],
    plan: Plan,
    rng: np.random.Generator,
) -> FloatMatrix:
    """Train the rows with the symmetrical in-batch contrastive loss.

    Args:
        rows: Start values, shape (n_tokens, dim); row 0 belongs to unknown tokens and stays.
        sources: Where batches come from.
        glosses: For each token the first of its lists in the second part, and one entry more for the
            end: word-for-word translations used to put queries into the other language.
        plan: Steps, batch size and rate.
        rng: Source of all randomness.

    Source of the loss: Henderson et al. 2017, "Efficient natural language response suggestion".
    """
    table = torch.from_numpy(rows.copy())
    first, second = torch.zeros_like(table), torch.zeros_like(table)
    shares = np.array([source.weight for source in sources])
    shares /= shares.sum()
    average = 0.0
    bar = tqdm(range(1, plan.steps + 1), desc="training", unit="step", mininterval=2.0)
    for step in bar:
        source = sources[int(rng.choice(len(sources), p=shares))]
        queries, passages, groups = draw_batch(source, glosses, plan, rng)
        ids = torch.from_numpy(np.concatenate([queries.ids, passages.ids]))
        used, places = torch.unique(ids, return_inverse=True)
        weights = table[used].requires_grad_()
        split = len(queries.ids)
        loss = _contrastive_loss(
            _embed(weights, places[:split], queries.starts),
            _embed(weights, places[split:], passages.starts),
            torch.from_numpy(groups),
        )
        loss.backward()  # type: ignore[no-untyped-call]
        assert weights.grad is not None
        rate = plan.learning_rate * min(step / plan.warmup, 1.0, 1.0 - (step - 1) / plan.steps)
        with torch.no_grad():
            _adam_step(table, first, second, used, weights.grad, rate)
        average = loss.item() if step == 1 else 0.98 * average + 0.02 * loss.item()
        if step % 50 == 0:
            bar.set_postfix(loss=f"{average:.3f}")
    trained: FloatMatrix = table.numpy()
    trained[0] = 0.0
    return trained


def draw_batch(
    source: Source, glosses: tuple[IntArray, TokenLists], plan: Plan, rng: np.random.Generator
) -> tuple[TokenLists, TokenLists, IntArray]:
    """Draw queries, their passages and the group of each pair; no list is empty."""
    size = min(plan.batch, len(source.passages))
    chosen = rng.choice(len(source.passages), size, replace=False)
    if source.is_cloze:
        queries, passages = _cloze(source.passages, chosen, plan.passage_tokens, rng)
    else:
        queries = source.queries.take(chosen, limit=plan.passage_tokens)
        passages = source.passages.take(chosen, limit=plan.passage_tokens)
    if source.query_keep < 1.0:
        thinned = queries.keep(rng.random(len(queries.ids)) < source.query_keep)
        queries = thinned if thinned.lengths.all() else queries
    if source.switch > 0.0:
        queries = _switch(queries, rng.random(size) < source.switch, glosses, rng)
    present = np.flatnonzero((queries.lengths > 0) & (passages.lengths > 0))
    return queries.take(present), passages.take(present), source.groups[chosen][present]


def _cloze(texts: TokenLists, chosen: IntArray, limit: int, rng: np.random.Generator) -> tuple[TokenLists, TokenLists]:
    """Cut a window out of each text, and from most windows the piece that becomes the query."""
    lengths = texts.lengths[chosen]
    wide = np.minimum(rng.integers(limit // 6, limit, len(chosen)), lengths)
    begin = (rng.random(len(chosen)) * (lengths - wide + 1)).astype(np.int64)
    windows = texts.take(chosen, begin, wide)
    short = np.minimum(rng.integers(4, 17, len(chosen)), (wide + 1) // 2)
    offset = (rng.random(len(chosen)) * (wide - short + 1)).astype(np.int64)
    queries = texts.take(chosen, begin + offset, short)
    place = np.arange(len(windows.ids)) - np.repeat(windows.starts, windows.lengths)
    low = np.repeat(offset, windows.lengths)
    inside = (place >= low) & (place < low + np.repeat(short, windows.lengths))
    stays = np.repeat(rng.random(len(chosen)) < 0.4, windows.lengths)
    return queries, windows.keep(~inside | stays)


def _switch(
    lists: TokenLists,
    switched: npt.NDArray[np.bool_],
    glosses: tuple[IntArray, TokenLists],
    rng: np.random.Generator,
) -> TokenLists:
    """Replace the tokens of the switched lists by a random one of their glosses, where they have any."""
    firsts, translations = glosses
    counts = firsts[lists.ids + 1] - firsts[lists.ids]
    pick = firsts[lists.ids] + (rng.random(len(lists.ids)) * counts).astype(np.int64)
    replaced = np.repeat(switched, lists.lengths) & (counts > 0)
    # Token t as a list of its own stands at position t of the joined lists, behind it the glosses.
    tokens = np.arange(len(firsts) - 1)
    joined = TokenLists(
        np.concatenate([tokens, translations.ids]),
        np.concatenate([tokens, translations.starts + len(tokens)]),
        np.concatenate([np.ones_like(tokens), translations.lengths]),
    )
    flat = joined.take(np.where(replaced, pick + len(tokens), lists.ids))
    owner = np.repeat(np.arange(len(lists)), lists.lengths)
    lengths = np.bincount(owner, weights=flat.lengths, minlength=len(lists)).astype(np.int64)
    return TokenLists(flat.ids, np.cumsum(lengths) - lengths, lengths)


def _embed(weights: torch.Tensor, places: torch.Tensor, starts: IntArray) -> torch.Tensor:
    bags = torch.nn.functional.embedding_bag(places, weights, torch.from_numpy(starts), mode="mean")
    return torch.nn.functional.normalize(bags, dim=1, eps=1e-6)


def _contrastive_loss(queries: torch.Tensor, passages: torch.Tensor, groups: torch.Tensor) -> torch.Tensor:
    scores = SCALE * queries @ passages.T
    same = (groups[:, None] == groups[None, :]) & ~torch.eye(len(groups), dtype=torch.bool)
    scores = scores.masked_fill(same, -torch.inf)
    gold = torch.arange(len(groups))
    entropy = torch.nn.functional.cross_entropy
    return (entropy(scores, gold) + entropy(scores.T, gold)) / 2


def _adam_step(
    table: torch.Tensor,
    first: torch.Tensor,
    second: torch.Tensor,
    used: torch.Tensor,
    gradient: torch.Tensor,
    rate: float,
) -> None:
    """Adam on the used rows only; the others keep their moments. Source: Kingma and Ba 2015."""
    first[used] = 0.9 * first[used] + 0.1 * gradient
    second[used] = 0.99 * second[used] + 0.01 * gradient * gradient
    table[used] -= rate * first[used] / (second[used].sqrt() + 1e-8)


def _unit(vectors: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unit: npt.NDArray[np.float64] = vectors / np.maximum(lengths, 1e-12)
    return unit
