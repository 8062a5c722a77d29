"""Statistics: intervals for figures, and whether two systems differ. Knows nothing of questions or answers.

What was measured is a number for each question, and questions about one document go wrong together. So
whole documents are resampled, or, where there are too few of them, whole families of a question and its
variants. `python -m eval.simulate` shows how often the intervals hold the truth.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

Matrix = npt.NDArray[np.float64]
Vector = npt.NDArray[np.float64]

LEVEL = 0.95
RESAMPLES = 2000
SWAPS = 10_000
SWAPS_AT_ONCE = 500  # of thousands of clusters each, in memory
MIN_DOCUMENTS = 10  # fewer say too little about how documents differ: then families are resampled


@dataclass(frozen=True)
class Estimate:
    """A figure with its interval. `n` counts the questions it is made of, `clusters` what was resampled."""

    value: float
    low: float
    high: float
    n: int
    clusters: int

    @property
    def half_width(self) -> float:
        """Half of the interval's length."""
        return (self.high - self.low) / 2


@dataclass(frozen=True)
class Difference:
    """How much a system has over another: `value` = first - second, with its interval and test."""

    value: float
    low: float
    high: float
    p: float  # of the randomisation test: how often chance alone makes a difference as large
    wins: int  # questions where the first is better
    ties: int
    losses: int
    p_adjusted: float = 1.0  # by Holm, over the differences that are told together


class Resampler:
    """Weights of the questions in many resamples; the same for every figure, so that figures can be compared."""

    def __init__(
        self,
        documents: Sequence[str],
        families: Sequence[str],
        resamples: int = RESAMPLES,
        seed: int = 0,
        min_documents: int = MIN_DOCUMENTS,
    ) -> None:
        """Draw the resamples.

        Args:
            documents: Of each question.
            families: Of each question; the same for a question and its variants.
            resamples: How many to draw.
            seed: The same seed draws the same resamples.
            min_documents: With fewer documents, families are resampled instead.
        """
        self.unit = "documents" if len(set(documents)) >= min_documents else "families"
        names = documents if self.unit == "documents" else families
        _, self.cluster = np.unique(np.asarray(names, dtype=str), return_inverse=True)
        self.clusters = int(self.cluster.max(initial=-1)) + 1
        self._seed = seed
        generator = np.random.default_rng(seed)
        chances = np.full(self.clusters, 1 / max(1, self.clusters))
        # All questions of a drawn document are taken along, each once: drawing them with replacement as well would
        # count the differences between questions twice (Davison and Hinkley, "Bootstrap Methods and their
        # Application", 1997, section 3.8).
        drawn = generator.multinomial(self.clusters, chances, size=resamples).astype(np.float64)
        self.weights: Matrix = drawn[:, self.cluster]  # shape (resamples, questions)

    def mean(self, values: Sequence[float | None]) -> Estimate | None:
        """Return the mean of the values that are there, or None where none is."""
        present = np.array([value is not None for value in values], np.float64)
        return self.ratio(np.array([value or 0.0 for value in values], np.float64), present)

    def ratio(self, numerator: Vector, denominator: Vector) -> Estimate | None:
        """Return sum(numerator) / sum(denominator), or None where the denominator is 0; both of shape (questions,)."""
        total = float(denominator.sum())
        if not total:
            return None
        value = float(numerator.sum()) / total
        clusters = len(set(self.cluster[denominator > 0]))
        questions = int((denominator > 0).sum())
        inside = bool((numerator >= 0).all() and (numerator <= denominator).all())
        if inside and value in (0.0, 1.0):
            low, high = _bound_of_certainty(value, clusters)
            return Estimate(value, low, high, questions, clusters)
        parts = self.weights @ denominator
        sums = (self.weights @ numerator)[parts > 0] / parts[parts > 0]
        low, high = percentile_interval(sums, clusters)
        return Estimate(
            value, max(low, 0.0) if inside else low, min(high, 1.0) if inside else high, questions, clusters
        )

    def statistic(self, value: float, of_weights: Callable[[Vector], float], resamples: int = 500) -> Estimate:
        """Return any figure with an interval; `of_weights` makes it from weights of the questions."""
        values = np.array([of_weights(row) for row in self.weights[:resamples]])
        low, high = percentile_interval(values, self.clusters)
        return Estimate(value, low, high, len(self.cluster), self.clusters)

    def difference(
        self,
        first: tuple[Vector, Vector],
        second: tuple[Vector, Vector],
        swaps: int = SWAPS,
        level: float = LEVEL,
    ) -> Difference | None:
        """Compare two ratios over the same questions: each a numerator and a denominator, shape (questions,).

        The interval is that of the difference in the same resamples. The test swaps the two systems in whole
        clusters at random; p = (1 + as extreme) / (1 + swaps), so that it is never 0.

        Source: Phipson and Smyth, "Permutation P-values Should Never Be Zero", 2010; Dror et al., "The
            Hitchhiker's Guide to Testing Statistical Significance in NLP", ACL 2018.
        """
        if not first[1].sum() or not second[1].sum():
            return None
        value = _ratio(*first) - _ratio(*second)
        parts = [self.weights @ column for pair in (first, second) for column in pair]
        valid = (parts[1] > 0) & (parts[3] > 0)
        drawn = parts[0][valid] / parts[1][valid] - parts[2][valid] / parts[3][valid]
        clusters = len(set(self.cluster[(first[1] > 0) | (second[1] > 0)]))
        low, high = percentile_interval(drawn, clusters, level)
        both = (first[1] > 0) & (second[1] > 0)
        gained = (first[0] - second[0])[both]
        return Difference(
            value,
            low,
            high,
            self._p(first, second, value, swaps),
            int((gained > 0).sum()),
            int((gained == 0).sum()),
            int((gained < 0).sum()),
        )

    def _p(self, first: tuple[Vector, Vector], second: tuple[Vector, Vector], value: float, swaps: int) -> float:
        sums = [
            np.bincount(self.cluster, column, self.clusters).astype(np.float64)
            for pair in (first, second)
            for column in pair
        ]
        generator = np.random.default_rng(self._seed + 1)
        blocks = [min(SWAPS_AT_ONCE, swaps - start) for start in range(0, swaps, SWAPS_AT_ONCE)]
        extreme = sum(self._count_extreme(sums, value, block, generator) for block in blocks)
        return (1 + extreme) / (1 + swaps)

    def _count_extreme(self, sums: Sequence[Vector], value: float, swaps: int, generator: np.random.Generator) -> int:
        swapped = generator.random((swaps, self.clusters)) < 0.5
        one, other = swapped.astype(np.float64), (~swapped).astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            exchanged = (other @ sums[0] + one @ sums[2]) / (other @ sums[1] + one @ sums[3])
            exchanged = exchanged - (one @ sums[0] + other @ sums[2]) / (one @ sums[1] + other @ sums[3])
        return int((np.abs(np.nan_to_num(exchanged)) >= abs(value) - 1e-12).sum())


def percentile_interval(drawn: Vector, clusters: int, level: float = LEVEL) -> tuple[float, float]:
    """Return the percentile interval of resampled values, widened for few clusters.

    With few clusters the plain percentiles are too narrow: the resampled variance is too small by the factor
    (clusters - 1) / clusters, and the normal quantile stands where Student's belongs. Both are put right by
    taking percentiles further out.

    Source: Hesterberg, "What Teachers Should Know About the Bootstrap", The American Statistician 2015,
        section 5.3 (the expanded percentile interval).
    """
    if clusters < 2 or not len(drawn):
        return (float("-inf"), float("inf"))
    tail = percentile_tail(clusters, level)
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return float(low), float(high)


def percentile_tail(clusters: int, level: float = LEVEL) -> float:
    """Return the share of resampled values that `percentile_interval` leaves out on each side."""
    out = stats.t.ppf((1 - level) / 2, clusters - 1) * np.sqrt(clusters / (clusters - 1))
    return float(stats.norm.cdf(out))


def holm(values: Sequence[float]) -> list[float]:
    """Return p values adjusted so that all of them hold together.

    Source: Holm, "A Simple Sequentially Rejective Multiple Test Procedure", 1979.
    """
    adjusted = [0.0] * len(values)
    largest = 0.0
    for step, at in enumerate(sorted(range(len(values)), key=lambda at: values[at])):
        largest = max(largest, min(1.0, (len(values) - step) * values[at]))
        adjusted[at] = largest
    return adjusted


def _bound_of_certainty(value: float, clusters: int) -> tuple[float, float]:
    """Return the exact interval of a share that was 0 or 1 throughout: resampling cannot see beyond it.

    Source: Clopper and Pearson, 1934, with a cluster as one trial.
    """
    found = stats.binomtest(clusters if value else 0, max(1, clusters)).proportion_ci(LEVEL, method="exact")
    return float(found.low), float(found.high)


def _ratio(numerator: Vector, denominator: Vector) -> float:
    return float(numerator.sum() / denominator.sum())
