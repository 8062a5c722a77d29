"""Trains the rows of a static embedding: batches of pairs, contrastive loss, Adam on the rows used.

Knows token ids and vectors; knows nothing of files of data or of the tokenizer. All randomness comes from the
generator that is passed in, so equal seeds on equal thread counts give equal models. A checkpoint holds all
that a killed run needs to go on.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

IntArray = npt.NDArray[np.int64]
FloatMatrix = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]
Measure = Callable[[FloatMatrix], Mapping[str, float]]

NEAR_COPY = 0.9  # cosine to the right passage from which on another is taken for a copy of it, not for wrong
LOOKED_AT = 24  # nearest passages among which negatives are looked for
POOL = 8192  # passages that negatives are looked for in, at most


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

    def keep(self, mask: BoolArray) -> TokenLists:
        """Return the lists (stored without gaps) with the tokens where `mask` is true."""
        owner = np.repeat(np.arange(len(self)), self.lengths)
        lengths = np.bincount(owner[mask], minlength=len(self)).astype(np.int64)
        return TokenLists(self.ids[mask], np.cumsum(lengths) - lengths, lengths)

    def joined_with(self, other: TokenLists) -> TokenLists:
        """Return these lists and behind them the others."""
        return TokenLists(
            np.concatenate([self.ids, other.ids]),
            np.concatenate([self.starts, other.starts + len(self.ids)]),
            np.concatenate([self.lengths, other.lengths]),
        )


class Exchanges:
    """What may stand for each token: lists of tokens with chances. Translations, or what is typed by mistake."""

    def __init__(self, n_tokens: int, tokens: IntArray, lists: TokenLists, chances: npt.NDArray[np.float64]) -> None:
        """Sort the lists by the token they stand for.

        Args:
            n_tokens: Of the vocabulary.
            tokens: For each list the token it may stand for.
            lists: Never empty.
            chances: Above 0; they need not sum to 1.
        """
        order = np.argsort(tokens, kind="stable")
        # Token t as a list of its own stands at position t, behind the last token its exchanges.
        own = TokenLists(np.arange(n_tokens), np.arange(n_tokens), np.ones(n_tokens, np.int64))
        self._lists = own.joined_with(lists.take(order))
        self._firsts = np.searchsorted(tokens[order], np.arange(n_tokens + 1)).astype(np.int64)
        self._sums = np.concatenate([[0.0], np.cumsum(chances[order])])

    @classmethod
    def none(cls, n_tokens: int) -> Exchanges:
        """Return exchanges of nothing."""
        return cls(n_tokens, np.zeros(0, np.int64), TokenLists.of([]), np.zeros(0))

    def has(self, ids: IntArray) -> BoolArray:
        """Say for each token whether anything may stand for it."""
        found: BoolArray = self._firsts[ids + 1] > self._firsts[ids]
        return found

    def apply(self, lists: TokenLists, wanted: BoolArray, rng: np.random.Generator) -> TokenLists:
        """Exchange the tokens where `wanted` is true and there is something to stand for them."""
        n_tokens = len(self._firsts) - 1
        first, end = self._firsts[lists.ids], self._firsts[lists.ids + 1]
        drawn = self._sums[first] + rng.random(len(lists.ids)) * (self._sums[end] - self._sums[first])
        pick = np.clip(np.searchsorted(self._sums, drawn, side="right") - 1, first, np.maximum(end - 1, first))
        flat = self._lists.take(np.where(wanted & (end > first), pick + n_tokens, lists.ids))
        owner = np.repeat(np.arange(len(lists)), lists.lengths)
        lengths = np.bincount(owner, weights=flat.lengths, minlength=len(lists)).astype(np.int64)
        return TokenLists(flat.ids, np.cumsum(lengths) - lengths, lengths)


@dataclass(frozen=True)
class Language:
    """How tokens are put into the other language, and how they are mistyped."""

    english: Exchanges  # of Chinese tokens
    chinese: Exchanges  # of English tokens
    typos: Exchanges
    is_word: BoolArray  # tokens that give a text away where they stay untranslated: all but numbers

    @classmethod
    def none(cls, n_tokens: int) -> Language:
        """Return a language without translations and mistakes."""
        nothing = Exchanges.none(n_tokens)
        return cls(nothing, nothing, nothing, np.zeros(n_tokens, np.bool_))


@dataclass(frozen=True)
class Source:
    """Pairs that make batches of their own.

    `groups` holds equal numbers for equal passages: they are no negatives of each other.
    """

    name: str
    queries: TokenLists
    passages: TokenLists
    groups: IntArray
    weight: float = 1.0  # of the batches
    query_keep: float = 1.0  # share of query tokens kept, drawn anew for each batch
    switch: float = 0.0  # share of queries put word for word into English
    switch_passages: float = 0.0  # share of passages put word for word into Chinese
    is_cloze: bool = False  # `passages` alone counts: a piece of each is the query for the rest


@dataclass(frozen=True)
class Plan:
    """How long and how to train."""

    steps: int
    batch: int = 512
    learning_rate: float = 0.003
    passage_tokens: int = 256
    warmup: int = 50
    scale: float = 14.0  # multiplies the cosines before the softmax
    prefixes: tuple[int, ...] = ()  # dimensions that must do by themselves, beside all of them
    negatives: int = 0  # mined wrong passages for each pair
    mine_at: tuple[float, ...] = (0.25, 0.6)  # shares of the steps after which negatives are mined (anew)
    typos: float = 0.0  # share of queries of which some tokens are mistyped
    drop: float = 0.0  # share of the untranslated words of a switched text that are left out
    seed: int = 0
    device: str = "cpu"


@dataclass
class State:
    """All that changes while training."""

    table: torch.Tensor
    first: torch.Tensor
    second: torch.Tensor
    step: int = 0
    average: float = 0.0  # of the loss, the latest steps most
    seconds: float = 0.0
    mined: dict[str, IntArray] | None = None  # source -> for each pair the positions of wrong passages


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
    language: Language,
    plan: Plan,
    folder: Path | None = None,
    measure: Measure | None = None,
    every: int = 500,
) -> FloatMatrix:
    """Train the rows with the symmetrical in-batch contrastive loss.

    Args:
        rows: Start values, shape (n_tokens, dim); row 0 belongs to unknown tokens and stays.
        sources: Where batches come from.
        language: Word-for-word translations and mistakes.
        plan: Steps, batch size and rate; its seed is the source of all randomness.
        folder: Holds the checkpoint, from which a run with the same plan goes on, and the log.
        measure: Called with the rows every `every` steps, for the log.
        every: Steps between two checkpoints.

    Source of the loss: Henderson et al. 2017, "Efficient natural language response suggestion"; of the prefixes:
    Kusupati et al. 2022, "Matryoshka representation learning".
    """
    rng = np.random.default_rng(plan.seed)
    table = torch.from_numpy(rows.copy()).to(plan.device)
    state = State(table, torch.zeros_like(table), torch.zeros_like(table))
    mark = json.dumps([asdict(plan), rows.shape, [[s.name, s.weight, len(s.passages)] for s in sources]])
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        _restore(folder / "checkpoint.pt", mark, state, rng)
    shares = np.array([source.weight for source in sources])
    shares /= shares.sum()
    mining = {max(1, round(share * plan.steps)) for share in plan.mine_at} if plan.negatives else set()
    begin = time.monotonic() - state.seconds
    bar = tqdm(total=plan.steps, initial=state.step, desc="training", unit="step", mininterval=2.0)
    while state.step < plan.steps:
        state.step += 1
        source = sources[int(rng.choice(len(sources), p=shares))]
        mined = (state.mined or {}).get(source.name)
        loss = _train_step(state, draw_batch(source, language, plan, rng, mined), plan)
        state.average = loss if state.step == 1 else 0.98 * state.average + 0.02 * loss
        bar.update()
        if state.step in mining:
            state.mined = {
                source.name: mine_negatives(state.table.cpu().numpy(), source, plan, rng)
                for source in sources
                if not source.is_cloze and source.name != "dictionary"
            }
        if state.step % every == 0 or state.step == plan.steps:
            bar.set_postfix(loss=f"{state.average:.3f}")
            state.seconds = time.monotonic() - begin
            figures = dict(measure(state.table.cpu().numpy())) if measure is not None else {}
            if folder is not None:
                _record(folder, mark, state, rng, figures)
    bar.close()
    trained: FloatMatrix = state.table.cpu().numpy()
    trained[0] = 0.0
    return trained


@dataclass(frozen=True)
class Batch:
    """Query i belongs to passage i; behind the passages stand wrong ones, if any. `groups` is for all of them."""

    queries: TokenLists
    passages: TokenLists
    groups: IntArray


def draw_batch(
    source: Source, language: Language, plan: Plan, rng: np.random.Generator, mined: IntArray | None = None
) -> Batch:
    """Draw queries, their passages and the group of each passage; no list is empty."""
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
    if plan.typos > 0.0:
        mistyped = np.repeat(rng.random(size) < plan.typos, queries.lengths) & (rng.random(len(queries.ids)) < 0.2)
        queries = language.typos.apply(queries, mistyped, rng)
    if source.switch > 0.0:
        queries = _switch(queries, rng.random(size) < source.switch, language.english, language.is_word, plan.drop, rng)
    if source.switch_passages > 0.0:
        switched = rng.random(size) < source.switch_passages
        passages = _switch(passages, switched, language.chinese, language.is_word, plan.drop, rng)
    present = np.flatnonzero((queries.lengths > 0) & (passages.lengths > 0))
    queries, passages, groups = queries.take(present), passages.take(present), source.groups[chosen][present]
    if mined is not None:
        wrong = mined[chosen[present]][:, : plan.negatives].ravel()
        wrong = np.unique(wrong[wrong >= 0])
        wrong = wrong[source.passages.lengths[wrong] > 0]
        passages = passages.joined_with(source.passages.take(wrong, limit=plan.passage_tokens))
        groups = np.concatenate([groups, source.groups[wrong]])
    return Batch(queries, passages, groups)


def mine_negatives(table: FloatMatrix, source: Source, plan: Plan, rng: np.random.Generator) -> IntArray:
    """Find for each pair the wrong passages that the present rows take for the best.

    Passages of the pair's own group and near copies of its passage are left out.

    Returns:
        Positions of passages, shape (n_pairs, plan.negatives); -1 where there is none.
    """
    pool = np.unique(source.groups, return_index=True)[1]
    if len(pool) > POOL:
        pool = np.sort(rng.choice(pool, POOL, replace=False))
    vectors = embed_lists(table, source.passages.take(pool, limit=plan.passage_tokens))
    found = np.full((len(source.passages), plan.negatives), -1, np.int64)
    for start in range(0, len(found), 2048):
        rows = np.arange(start, min(start + 2048, len(found)))
        asked = torch.from_numpy(embed_lists(table, source.queries.take(rows)))
        right = embed_lists(table, source.passages.take(rows, limit=plan.passage_tokens))
        count = min(LOOKED_AT, len(pool))
        nearest = (asked @ torch.from_numpy(vectors).T).topk(count, dim=1).indices.numpy()
        closeness = np.einsum("nkd,nd->nk", vectors[nearest], right)
        usable = (closeness < NEAR_COPY) & (source.groups[pool[nearest]] != source.groups[rows][:, None])
        order = np.argsort(~usable, axis=1, kind="stable")[:, : plan.negatives]
        best = np.where(np.take_along_axis(usable, order, 1), pool[np.take_along_axis(nearest, order, 1)], -1)
        found[rows, : best.shape[1]] = best
    return found


def embed_lists(table: FloatMatrix, lists: TokenLists, dim: int | None = None) -> FloatMatrix:
    """Return the unit vectors of the lists, of the first `dim` dimensions; zeros for an empty one."""
    vectors = np.zeros((len(lists), dim or table.shape[1]), np.float32)
    weights = torch.from_numpy(table)[:, :dim]
    for start in range(0, len(lists), 1024):
        part = lists.take(np.arange(start, min(start + 1024, len(lists))))
        bags = torch.nn.functional.embedding_bag(
            torch.from_numpy(part.ids), weights, torch.from_numpy(part.starts), mode="mean"
        )
        vectors[start : start + 1024] = torch.nn.functional.normalize(bags, dim=1, eps=1e-12).numpy()
    return vectors


def _train_step(state: State, batch: Batch, plan: Plan) -> float:
    device = state.table.device
    ids = torch.from_numpy(np.concatenate([batch.queries.ids, batch.passages.ids])).to(device)
    used, places = torch.unique(ids, return_inverse=True)
    weights = state.table[used].requires_grad_()
    split = len(batch.queries.ids)
    queries = _bags(weights, places[:split], batch.queries.starts)
    passages = _bags(weights, places[split:], batch.passages.starts)
    groups = torch.from_numpy(batch.groups).to(device)
    widths = [*plan.prefixes, queries.shape[1]]
    losses = [_contrastive_loss(queries[:, :width], passages[:, :width], groups, plan.scale) for width in widths]
    loss = torch.stack(losses).mean()
    loss.backward()  # type: ignore[no-untyped-call]
    assert weights.grad is not None
    rate = plan.learning_rate * min(state.step / plan.warmup, 1.0, 1.0 - (state.step - 1) / plan.steps)
    with torch.no_grad():
        _adam_step(state.table, state.first, state.second, used, weights.grad, rate)
    return float(losses[-1].detach())


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
    switched: BoolArray,
    translations: Exchanges,
    is_word: BoolArray,
    drop: float,
    rng: np.random.Generator,
) -> TokenLists:
    """Put the switched lists word for word into the other language; of what has no translation, drop a share."""
    there = np.repeat(switched, lists.lengths)
    lost = there & ~translations.has(lists.ids) & is_word[lists.ids] & (rng.random(len(lists.ids)) < drop)
    owner = np.repeat(np.arange(len(lists)), lists.lengths)
    left = np.bincount(owner[~lost], minlength=len(lists))
    lost &= np.repeat(left >= 2, lists.lengths)  # a text of one word is no text any more
    kept = lists.keep(~lost)
    return translations.apply(kept, np.repeat(switched, kept.lengths), rng)


def _bags(weights: torch.Tensor, places: torch.Tensor, starts: IntArray) -> torch.Tensor:
    return torch.nn.functional.embedding_bag(places, weights, torch.from_numpy(starts).to(places.device), mode="mean")


def _contrastive_loss(
    queries: torch.Tensor, passages: torch.Tensor, groups: torch.Tensor, scale: float
) -> torch.Tensor:
    count = len(queries)
    normalize = torch.nn.functional.normalize
    scores = scale * normalize(queries, dim=1, eps=1e-6) @ normalize(passages, dim=1, eps=1e-6).T
    gold = torch.arange(count, device=scores.device)
    same = groups[:count, None] == groups[None, :]
    same[gold, gold] = False
    scores = scores.masked_fill(same, -torch.inf)
    entropy = torch.nn.functional.cross_entropy
    return (entropy(scores, gold) + entropy(scores[:, :count].T, gold)) / 2


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


def _restore(checkpoint: Path, mark: str, state: State, rng: np.random.Generator) -> None:
    """Take over the checkpoint's state where it was made by the same plan on data of the same size."""
    if not checkpoint.is_file():
        return
    found: dict[str, Any] = torch.load(checkpoint, weights_only=False, map_location=state.table.device)
    if found.pop("mark") != mark:
        return
    rng.bit_generator.state = found.pop("random")
    for name, value in found.items():
        setattr(state, name, value)


def _record(folder: Path, mark: str, state: State, rng: np.random.Generator, figures: dict[str, float]) -> None:
    """Add a line to the log and replace the checkpoint, which is whole at any time."""
    record = {"step": state.step, "seconds": round(state.seconds), "loss": round(state.average, 4)} | figures
    with (folder / "log.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(record, ensure_ascii=False) + "\n")
    partial = folder / "checkpoint.partial"
    torch.save(vars(state) | {"mark": mark, "random": rng.bit_generator.state}, partial)
    partial.replace(folder / "checkpoint.pt")


def _unit(vectors: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unit: npt.NDArray[np.float64] = vectors / np.maximum(lengths, 1e-12)
    return unit
