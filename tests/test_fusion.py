import dataclasses

import numpy as np
import pytest

from rag.fusion import Signals, combine, fuse
from rag.settings import Settings

SETTINGS = Settings(near_weight=0.5, nearby_weight=0.25, dense_weight=0.5, stretch_weight=1.0, min_shared=0.1)
SIGNALS = Signals(
    positions=(3, 5, 9),
    lexical=np.array([1.0, 0.5, 0.0]),
    coverage=np.array([0.8, 0.4, 0.0]),
    near=np.array([0.4, 0.4, 0.0]),
    nearby=np.array([0.8, 0.4, 0.0]),
    dense=np.array([0.2, 0.6, 0.9]),
    stretches=("a", "b", "c"),
)


def test_fusion_adds_weighted_reciprocal_ranks():
    assert fuse({"dense": [1, 2], "lexical": [2, 3]}, {"dense": 0.5, "lexical": 1.0}, constant=10) == [
        (2, pytest.approx(0.5 / 12 + 1 / 11)),
        (3, pytest.approx(1 / 12)),
        (1, pytest.approx(0.5 / 11)),
    ]


def test_signals_are_added_up_with_their_weights():
    assert combine(SIGNALS, SETTINGS, None) == [
        (3, pytest.approx(1.0 + 0.2 + 0.2 + 0.1)),
        (5, pytest.approx(0.5 + 0.2 + 0.1 + 0.3)),
        (9, pytest.approx(0.45)),
    ]


def test_the_lexical_signals_weigh_nothing_where_no_passage_says_enough():
    alone = combine(SIGNALS, dataclasses.replace(SETTINGS, min_shared=0.9), None)
    assert alone == [(9, pytest.approx(0.9)), (5, pytest.approx(0.6)), (3, pytest.approx(0.2))]


def test_the_best_stretches_reorder_only_the_first():
    settings = dataclasses.replace(SETTINGS, stretch_k=2)
    asked = []

    def resemble(places):
        asked.append(list(places))
        return np.array([-1.0, 1.0])

    assert [position for position, _ in combine(SIGNALS, settings, resemble)] == [5, 3, 9]
    assert asked == [[0, 1]]


def test_ties_go_to_the_smaller_position():
    ones = np.ones(3)
    level = dataclasses.replace(SIGNALS, lexical=ones, near=ones, nearby=ones, dense=ones)
    assert [position for position, _ in combine(level, SETTINGS, None)] == [3, 5, 9]


def test_without_embeddings_the_dense_signals_are_not_asked():
    def never(places):
        raise AssertionError

    assert combine(SIGNALS, dataclasses.replace(SETTINGS, dense_weight=0.0), never)[-1] == (9, 0.0)
