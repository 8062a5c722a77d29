import numpy as np
import pytest
from scipy import stats

from eval.simulate import WORLDS, coverage, naive_coverage, p_values
from eval.statistics import Difference, Estimate, Resampler, holm, percentile_interval


def mean(resampler: Resampler, values: list[float | None]) -> Estimate:
    estimate = resampler.mean(values)
    assert estimate is not None
    return estimate


def difference_of(resampler: Resampler, one: np.ndarray, other: np.ndarray, swaps: int = 2000) -> Difference:
    everyone = np.ones(len(one))
    difference = resampler.difference((one, everyone), (other, everyone), swaps)
    assert difference is not None
    return difference


FEW = [world for world in WORLDS if world.name in ("12 documents that differ", "1 document, 140 questions")]


@pytest.mark.parametrize("world", FEW, ids=lambda world: world.name)
def test_a_95_percent_interval_holds_the_truth_93_to_97_times_of_100(world):
    assert 0.93 <= coverage(world, trials=1000, resamples=500, seed=1) <= 0.97


def test_drawing_questions_again_inside_drawn_documents_makes_intervals_too_wide():
    alike = WORLDS[0]
    assert naive_coverage(alike, trials=300, resamples=500) > 0.975


def test_two_equal_systems_differ_by_chance_alone_as_often_as_p_says():
    values = np.array(p_values(WORLDS[1], trials=400))
    assert (values <= 0.05).mean() <= 0.075
    assert (values <= 0.5).mean() <= 0.56


def test_p_is_uniform_where_nothing_differs():
    generator = np.random.default_rng(5)
    names = [str(at) for at in range(60)]
    values = []
    for _ in range(300):
        one, other = generator.normal(size=(2, 60))  # continuous, so that p can take any value
        values.append(difference_of(Resampler(names, names, resamples=50), one, other, swaps=500).p)
    assert stats.kstest(values, "uniform").pvalue > 0.01


def test_p_is_never_0_and_small_for_a_large_difference():
    names = [str(at) for at in range(40)]
    difference = difference_of(Resampler(names, names), np.ones(40), np.zeros(40))
    assert (difference.value, difference.wins, difference.losses) == (1.0, 40, 0)
    assert 0 < difference.p < 0.001


def test_the_interval_of_a_difference_is_paired():
    # Documents differ much, the systems hardly: each alone is uncertain, their difference is not.
    documents = [str(document) for document in range(20) for _ in range(5)]
    one = np.array([float(int(document) % 2) for document in documents])
    other = one.copy()
    other[:5] = 0
    resampler = Resampler(documents, documents)
    alone = mean(resampler, one.tolist())
    difference = difference_of(resampler, one, other)
    assert alone.half_width > 0.2
    assert difference.high - difference.low < 0.16


def test_documents_are_resampled_whole_and_families_where_documents_are_few():
    assert Resampler([str(at % 12) for at in range(60)], [str(at) for at in range(60)]).unit == "documents"
    few = Resampler(["a"] * 60, [str(at // 2) for at in range(60)])
    assert (few.unit, few.clusters) == ("families", 30)
    weights = few.weights
    assert (weights[:, 0::2] == weights[:, 1::2]).all()


def test_certainty_is_bounded_by_how_little_was_asked():
    names = [str(at) for at in range(20)]
    estimate = mean(Resampler(names, names), [1.0] * 20)
    assert (estimate.value, estimate.high) == (1.0, 1.0)
    assert estimate.low == pytest.approx(0.025 ** (1 / 20))


def test_values_that_are_missing_do_not_count():
    names = [str(at) for at in range(4)]
    estimate = mean(Resampler(names, names), [1.0, None, 0.0, None])
    assert (estimate.value, estimate.n) == (0.5, 2)
    assert Resampler(names, names).mean([None] * 4) is None


def test_few_clusters_widen_the_interval():
    drawn = np.random.default_rng(0).normal(size=20_000)
    narrow, wide = percentile_interval(drawn, 1000), percentile_interval(drawn, 6)
    assert narrow == pytest.approx((-1.96, 1.96), abs=0.06)
    assert wide[1] == pytest.approx(stats.t.ppf(0.975, 5) * np.sqrt(6 / 5), abs=0.15)
    assert percentile_interval(drawn, 1) == (float("-inf"), float("inf"))


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]


def test_the_same_seed_gives_the_same_interval():
    names = [str(at) for at in range(30)]
    values: list[float | None] = [float(at % 3 == 0) for at in range(30)]
    assert Resampler(names, names, seed=3).mean(values) == Resampler(names, names, seed=3).mean(values)
    assert Resampler(names, names, seed=3).mean(values) != Resampler(names, names, seed=4).mean(values)
