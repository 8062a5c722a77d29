"""Trains the bundled reader's network: batches of like length, a softmax over all spans and "not here".

Knows examples and the network; knows nothing of files of data. Equal seeds and numbers of threads give
equal batches. A checkpoint holds all that a killed run needs to go on.
"""

import json
import math
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from tqdm import tqdm

from rag.reader_model import MatchReaderForQuestionAnswering
from training.reader_data import Example

FIELDS = ("tokens", "words", "tags", "places", "features")
MAX_QUESTION = 60  # tokens
POOL = 512  # examples drawn at once and sorted by length, so that a batch holds little padding
CLOZE = "cloze"
# How often an example of each source is drawn, beside an example of the others. Variants that need no
# answer are many and alike; children's stories and English teach less of what is asked here.
WEIGHTS = {
    "train_cmrc2018": 1.2, "train_cmrc2018_trial": 1.0, "train_cmrc2017_user": 0.3, "train_dureader_robust": 0.8,
    "train_chronoqa": 0.6, "train_crud_news": 1.0, "train_en_qed": 0.5, "train_en_squad": 0.7,
    "train_noans_cmrc2018": 0.5, "train_noans_chronoqa": 0.3, "train_noans_crud": 0.5, "variant synonym": 0.5,
    "variant typo": 0.5, "variant english": 0.5, "variant exchanged": 0.4, "variant english exchanged": 0.3,
}  # fmt: skip

Span = tuple[int, int]


@dataclass(frozen=True)
class Plan:
    """How long and how to train."""

    steps: int
    rate: float = 2e-3  # of learning, at its highest
    warmup: int = 300  # steps
    tokens: int = 9000  # in a batch, padding included
    short: int = 240  # tokens of a context at most, at first
    long: int = 400  # the same in the last part
    long_share: float = 0.25  # of the steps that see the longer contexts
    cloze: tuple[float, float] = (0.3, 0.1)  # share of questions made from news, at the start and at the end
    decay: float = 0.03  # of weights
    averaging: float = 0.998  # of the weights that are kept, over steps
    seed: int = 0
    device: str = "cpu"


def crop(example: Example, longest: int, chooser: random.Random) -> Span:
    """Choose the run of tokens of a context to show: with its first answer, at a random place."""
    count = len(example.context.tokens)
    if count <= longest:
        return 0, count
    size = chooser.randint(longest * 2 // 3, longest)
    if not example.golds:
        start = chooser.randint(0, count - size)
        return start, start + size
    first, last = example.golds[0]
    lowest = max(0, last + 1 - size)
    start = chooser.randint(lowest, max(lowest, min(first, count - size)))
    return start, min(count, start + size)


def collate(examples: Sequence[Example], crops: Sequence[Span]) -> tuple[dict[str, Tensor], list[list[Span]]]:
    """Return the network's arguments for a batch, and the answers within each crop."""
    batch: dict[str, Tensor] = {}
    for name in FIELDS:
        contexts = [getattr(one.context, name)[start:end] for one, (start, end) in zip(examples, crops, strict=True)]
        batch[f"context_{name}"] = _padded(contexts, name)
        batch[f"question_{name}"] = _padded([getattr(one.question, name)[:MAX_QUESTION] for one in examples], name)
    golds = [
        [(first - start, last - start) for first, last in one.golds if start <= first and last < end]
        for one, (start, end) in zip(examples, crops, strict=True)
    ]
    return batch, golds


def _padded(rows: Sequence[npt.NDArray[np.generic]], name: str) -> Tensor:
    kind = np.float32 if name == "features" else np.int64
    padded = np.zeros((len(rows), max(map(len, rows)), *rows[0].shape[1:]), kind)
    for target, row in zip(padded, rows, strict=True):
        target[: len(row)] = row
    return torch.from_numpy(padded)


def span_loss(spans: Tensor, none: Tensor, golds: Sequence[Sequence[Span]]) -> Tensor:
    """Return the mean negative log probability of the gold spans, or of "not here" where there are none."""
    everything = torch.cat([spans.flatten(1), none[:, None]], dim=1).logsumexp(dim=1)
    right = [
        torch.stack([spans[row, first, last] for first, last in pairs]).logsumexp(dim=0) if pairs else none[row]
        for row, pairs in enumerate(golds)
    ]
    return (everything - torch.stack(right)).mean()


class Batches:
    """Draws batches for each step; the state of its chooser is all that a checkpoint needs."""

    def __init__(self, examples: Sequence[Example], plan: Plan) -> None:
        """Group the examples by source."""
        self._plan = plan
        self.chooser = random.Random(plan.seed)
        self._groups: dict[str, list[Example]] = {}
        for example in examples:
            name = CLOZE if example.source.startswith(CLOZE) else example.source
            self._groups.setdefault(name, []).append(example)

    def draw(self, step: int) -> Iterator[list[tuple[Example, Span]]]:
        """Yield the batches of one pool; `step` decides the mixture and the length."""
        part = step / self._plan.steps
        longest = self._plan.long if part >= 1 - self._plan.long_share else self._plan.short
        shares = {name: WEIGHTS[name] * len(group) for name, group in self._groups.items() if name != CLOZE}
        total = sum(shares.values()) or 1.0
        if CLOZE in self._groups:
            first, last = self._plan.cloze
            cloze = first + (last - first) * part
            shares = {name: share / total * (1 - cloze) for name, share in shares.items()} | {CLOZE: cloze}
        names = self.chooser.choices(list(shares), list(shares.values()), k=POOL)
        drawn = [self.chooser.choice(self._groups[name]) for name in names]
        pool = [(example, crop(example, longest, self.chooser)) for example in drawn]
        pool.sort(key=lambda pair: pair[1][1] - pair[1][0])
        batches: list[list[tuple[Example, Span]]] = [[]]
        for pair in pool:
            if batches[-1] and (pair[1][1] - pair[1][0]) * (len(batches[-1]) + 1) > self._plan.tokens:
                batches.append([])
            batches[-1].append(pair)
        self.chooser.shuffle(batches)
        yield from batches


def train(
    model: MatchReaderForQuestionAnswering,
    examples: Sequence[Example],
    plan: Plan,
    folder: Path,
    measure: Callable[[MatchReaderForQuestionAnswering], Mapping[str, float]],
    every: int,
) -> None:
    """Train the network; what remains in it at the end is the running mean of its weights.

    Args:
        model: Trained in place.
        examples: What to learn from.
        plan: How.
        folder: Holds the checkpoint, from which a run with the same plan goes on, and the log.
        measure: Called with the averaged weights every `every` steps, for the log.
        every: Steps between two checkpoints.
    """
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint, log = folder / "checkpoint.pt", folder / "log.jsonl"
    torch.manual_seed(plan.seed)
    model.to(plan.device).train()
    parameters = dict(model.named_parameters())
    groups = [
        {"params": [value for value in parameters.values() if value.dim() > 1], "weight_decay": plan.decay},
        {"params": [value for value in parameters.values() if value.dim() <= 1], "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, lr=plan.rate, betas=(0.9, 0.98))
    average = {name: value.detach().clone() for name, value in parameters.items()}
    batches = Batches(examples, plan)
    step, seen, seconds = 0, 0, 0.0
    if checkpoint.is_file():
        state = torch.load(checkpoint, weights_only=False, map_location=plan.device)
        if state["plan"] == asdict(plan):
            model.load_state_dict(state["model"])
            optimiser.load_state_dict(state["optimiser"])
            average, step, seen, seconds = state["average"], state["step"], state["seen"], state["seconds"]
            batches.chooser.setstate(state["chooser"])
            torch.set_rng_state(state["random"])
    losses: list[float] = []
    begin = time.monotonic() - seconds
    bar = tqdm(total=plan.steps, initial=step, desc="training", unit="step", mininterval=5.0)
    while step < plan.steps:
        # A checkpoint is only written between pools, so that the chooser's state tells which batches were seen.
        before = step
        for drawn in batches.draw(step):
            if step == plan.steps:
                break
            step += 1
            seen += len(drawn)
            losses.append(_step(model, optimiser, average, drawn, plan, step))
            bar.update()
        bar.set_postfix(loss=f"{np.mean(losses[-100:]):.3f}")
        if step // every > before // every or step == plan.steps:
            seconds = time.monotonic() - begin
            own = {name: value.detach().clone() for name, value in parameters.items()}
            _put(parameters, average)
            figures = dict(measure(model.eval()))
            model.train()
            _put(parameters, own)
            record = {"step": step, "examples": seen, "seconds": round(seconds), "loss": float(np.mean(losses))}
            with log.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record | figures) + "\n")
            bar.write(json.dumps(record | figures))
            losses.clear()
            partial = checkpoint.with_suffix(".partial")
            state = {
                "plan": asdict(plan), "model": model.state_dict(), "optimiser": optimiser.state_dict(),
                "average": average, "step": step, "seen": seen, "seconds": seconds,
                "chooser": batches.chooser.getstate(), "random": torch.get_rng_state(),
            }  # fmt: skip
            torch.save(state, partial)
            partial.replace(checkpoint)
    bar.close()
    _put(parameters, average)
    model.eval()


def _step(
    model: MatchReaderForQuestionAnswering,
    optimiser: torch.optim.Optimizer,
    average: Mapping[str, Tensor],
    drawn: Sequence[tuple[Example, Span]],
    plan: Plan,
    step: int,
) -> float:
    part = step / plan.steps
    rate = plan.rate * min(1.0, step / plan.warmup) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * part)))
    for group in optimiser.param_groups:
        group["lr"] = rate
    batch, golds = collate([example for example, _ in drawn], [span for _, span in drawn])
    kind = torch.device(plan.device).type
    # bf16 halves the time of the products of matrices, on the CPU where it has instructions for it.
    with torch.autocast(kind, torch.bfloat16):
        output = model(**{name: value.to(plan.device) for name, value in batch.items()})
    loss = span_loss(output.span_logits, output.none_logits, golds)
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    share = min(plan.averaging, step / (step + 20))
    with torch.no_grad():
        for name, value in model.named_parameters():
            average[name].lerp_(value, 1 - share)
    return float(loss.detach())


def _put(parameters: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    with torch.no_grad():
        for name, value in parameters.items():
            value.copy_(values[name])
