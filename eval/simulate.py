"""Simulations that show what the intervals and tests are worth: `python -m eval.simulate`.

Each draws many datasets from a known truth and counts how often an interval holds it (0.95 is wanted), or
how often a test cries wolf where two systems are equal (0.05 is wanted).
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import track
from rich.table import Table

from eval.gate import check
from eval.scoring import Row
from eval.statistics import Resampler

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """Where datasets are drawn from. `spread`: how much documents differ (standard deviation of their shares)."""

    name: str
    documents: int
    questions: int  # of each document
    share: float  # right, in truth
    spread: float

    def draw(self, generator: np.random.Generator, systems: int = 1) -> tuple[list[str], list[Vector]]:
        """Return the document of each question, and what each of some equally good systems scored."""
        if self.spread:
            strength = self.share * (1 - self.share) / self.spread**2 - 1
            shares = generator.beta(self.share * strength, (1 - self.share) * strength, self.documents)
        else:
            shares = np.full(self.documents, self.share)
        each = np.repeat(shares, self.questions)
        names = [str(document) for document in np.repeat(np.arange(self.documents), self.questions)]
        return names, [(generator.random(len(each)) < each).astype(np.float64) for _ in range(systems)]


WORLDS = (
    World("12 documents alike", 12, 12, 0.7, 0.0),
    World("12 documents that differ", 12, 12, 0.7, 0.15),
    World("20 documents that differ much", 20, 12, 0.6, 0.2),
    World("100 documents, 4 questions each", 100, 4, 0.8, 0.1),
    World("1 document, 140 questions", 1, 140, 0.75, 0.0),
)


def coverage(world: World, trials: int, resamples: int = 1000, seed: int = 0) -> float:
    """Return how often the interval of the mean holds the truth."""
    generator = np.random.default_rng(seed)
    held = 0
    for trial in range(trials):
        documents, (scores,) = world.draw(generator)
        families = [str(at) for at in range(len(scores))]
        estimate = Resampler(documents, families, resamples, seed=trial).mean(scores.tolist())
        held += estimate is not None and estimate.low <= world.share <= estimate.high
    return held / trials


def naive_coverage(world: World, trials: int, resamples: int = 1000, seed: int = 0) -> float:
    """Return the same for the plain two-stage bootstrap: documents, then their questions, both with replacement."""
    generator = np.random.default_rng(seed)
    held = 0
    for _ in range(trials):
        _, (scores,) = world.draw(generator)
        table = scores.reshape(world.documents, world.questions)
        documents = generator.integers(world.documents, size=(resamples, world.documents, 1))
        questions = generator.integers(world.questions, size=(resamples, world.documents, world.questions))
        low, high = np.quantile(table[documents, questions].mean(axis=(1, 2)), [0.025, 0.975])
        held += low <= world.share <= high
    return held / trials


def p_values(world: World, trials: int, swaps: int = 1000, seed: int = 0) -> list[float]:
    """Return the p values of comparing two systems that are equally good."""
    generator = np.random.default_rng(seed)
    found = []
    for trial in range(trials):
        documents, (one, other) = world.draw(generator, systems=2)
        everyone = np.ones(len(one))
        families = [str(at) for at in range(len(one))]
        resampler = Resampler(documents, families, resamples=200, seed=trial)
        difference = resampler.difference((one, everyone), (other, everyone), swaps)
        found.append(difference.p if difference else 1.0)
    return found


def rows(trials: int) -> Iterator[tuple[str, ...]]:
    """Yield a row of the table for each world."""
    for world in track(WORLDS, "Simulating", console=Console(stderr=True)):
        values = np.array(p_values(world, trials))
        yield (
            world.name,
            f"{coverage(world, trials):.3f}",
            f"{naive_coverage(world, trials):.3f}" if world.documents > 1 else "–",
            f"{(values <= 0.05).mean():.3f}",
            f"{np.median(values):.2f}",
        )


def gate_fails(trials: int, loss: float, noise: float, questions: int = 120, seed: int = 0) -> float:
    """Return how often the gate stops a run.

    Args:
        trials: Runs to draw.
        loss: Share of the right answers that the new version has lost.
        noise: Share of the questions that are drawn anew in both versions: as many get better as get worse.
        questions: Of each run.
        seed: Of what is drawn.
    """
    generator = np.random.default_rng(seed)
    stopped = 0
    for _ in range(trials):
        before = generator.random(questions) < 0.7  # a usual share of right answers
        drawn = generator.random((2, questions)) < 0.7
        moved = generator.random(questions) < noise
        then, now = np.where(moved, drawn[0], before), np.where(moved, drawn[1], before)
        now = now & (generator.random(questions) >= loss)
        stopped += not check(_rows(now), questions, _rows(then)).passed
    return stopped / trials


def _rows(right: Sequence[bool] | npt.NDArray[np.bool_]) -> list[Row]:
    """Return rows of answerable questions that are right or wrong, and nothing else."""
    nothing = {"kind": "", "variant": "", "language": "zh", "gold": (), "evidence": (), "answer": "", "withheld": ""}
    return [
        Row(
            **nothing,  # type: ignore[arg-type]
            system="s",
            id=str(at),
            family=str(at),
            document=str(at),
            answerable=True,
            question=str(at),
            verdict="answered",
            confidence=1.0,
            stage="",
            scores={"grounded": float(value), "right": float(value)},
            failures=(),
            citations=(),
        )
        for at, value in enumerate(right)
    ]


GATES = (
    ("nothing", 0.0, 0.0),
    ("a tenth of the questions drawn anew", 0.0, 0.1),
    ("a third drawn anew", 0.0, 0.33),
    ("5% of the right answers lost", 0.05, 0.0),
    ("10% lost", 0.1, 0.0),
    ("15% lost", 0.15, 0.0),
    ("15% lost, a tenth drawn anew", 0.15, 0.1),
)


def main() -> None:
    """Read the arguments and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--trials", type=int, default=1000)
    arguments = parser.parse_args()
    table = Table("truth", "interval holds it", "plain two-stage", "false alarms at 0.05", "median p, equal systems")
    for row in rows(arguments.trials):
        table.add_row(*row)
    gates = Table("what changed, of 120 questions", "the gate stops it")
    for name, loss, noise in track(GATES, "Simulating", console=Console(stderr=True)):
        gates.add_row(name, f"{gate_fails(arguments.trials // 5, loss, noise):.3f}")
    Console(width=110).print(table, gates)


if __name__ == "__main__":
    main()
