"""Measures of refusing: how well a confidence tells answers that hold from those that do not.

`confidence` may be any number, larger for what is surer. `wrong[i]` is the loss of answering question i:
1 where the answer would not hold (always, where the text does not tell), 0 where it would. Smaller areas are better.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]


def risk_coverage(
    confidence: Sequence[float], wrong: Sequence[float], weights: Vector | None = None
) -> tuple[Vector, Vector]:
    """Return coverage and selective risk, both of shape (questions,): answering the surest first.

    Questions of equal confidence stand in no order: each takes their mean loss, so that the curve does not
    depend on how they were listed.

    Args:
        confidence: One for each question.
        wrong: The loss of answering it, 0 to 1.
        weights: How often each question counts; 1 for each without it. Used to resample.

    Source: El-Yaniv and Wiener, "On the Foundations of Noise-free Selective Classification", JMLR 2010.
    """
    coverage, joint = _joint(confidence, wrong, weights)
    return coverage, joint / coverage


def aurc(confidence: Sequence[float], wrong: Sequence[float], weights: Vector | None = None) -> float:
    """Return the area under the risk-coverage curve: the mean selective risk over all coverages.

    Source: Geifman, Uziel and El-Yaniv, "Bias-Reduced Uncertainty Estimation for Deep Neural Classifiers",
        ICLR 2019.
    """
    coverage, joint = _joint(confidence, wrong, weights)
    if not len(coverage):
        return 0.0
    return float((joint / coverage) @ np.diff(coverage, prepend=0.0))


def augrc(confidence: Sequence[float], wrong: Sequence[float], weights: Vector | None = None) -> float:
    """Return the area under the generalised risk-coverage curve: the mean share of all questions answered wrongly.

    Unlike `aurc` it does not weigh the errors among the surest answers many times over.

    Source: Traub et al., "Overcoming Common Flaws in the Evaluation of Selective Classification Systems",
        NeurIPS 2024.
    """
    coverage, joint = _joint(confidence, wrong, weights)
    if not len(coverage):
        return 0.0
    return float((joint + np.concatenate([[0.0], joint[:-1]])) / 2 @ np.diff(coverage, prepend=0.0))


def _joint(confidence: Sequence[float], wrong: Sequence[float], weights: Vector | None) -> tuple[Vector, Vector]:
    """Return, after each question, the share answered and the share answered wrongly."""
    sure, loss = np.asarray(confidence, np.float64), np.asarray(wrong, np.float64)
    weight = np.ones(len(sure)) if weights is None else np.asarray(weights, np.float64)
    kept = weight > 0
    sure, loss, weight = sure[kept], loss[kept], weight[kept]
    if not len(sure):
        return np.empty(0), np.empty(0)
    order = np.argsort(-sure, kind="stable")
    sure, loss, weight = sure[order], loss[order], weight[order]
    _, tie = np.unique(-sure, return_inverse=True)
    mean = np.bincount(tie, loss * weight) / np.bincount(tie, weight)
    total = weight.sum()
    return np.cumsum(weight) / total, np.cumsum(mean[tie] * weight) / total


def random_area(wrong: Sequence[float], generalised: bool = False) -> float:
    """Return the expected `aurc`, or `augrc`, of a confidence that knows nothing: the error rate, or half of it."""
    rate = float(np.mean(wrong)) if len(wrong) else 0.0
    return rate / 2 if generalised else rate


def perfect_area(wrong: Sequence[float], generalised: bool = False) -> float:
    """Return the `aurc`, or `augrc`, of a confidence that puts every right answer before every wrong one."""
    surest_first = [1.0 - loss for loss in wrong]
    return (augrc if generalised else aurc)(surest_first, wrong)
