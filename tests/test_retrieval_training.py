"""How the tables and the weights of the search are made; see tests/test_training.py for the models."""

import dataclasses

import numpy as np
import pytest

from rag.fusion import Signals
from rag.settings import Settings
from training.choose_fusion import Case, Outcome, choose
from training.translations import Pair, agreed, align, lines


def test_words_that_always_stand_together_are_aligned():
    pairs = [(["house"], ["房子"], 1.0), (["red", "house"], ["红", "房子"], 1.0), (["red"], ["红"], 1.0)]
    chances = align(pairs)
    assert chances["house", "房子"] > 0.8
    assert chances["house", "房子"] > 5 * chances.get(("house", "红"), 0.0)


def test_what_both_directions_agree_on_is_kept():
    found = agreed([Pair(["city"], ["城市"], 1.0), Pair(["town", "city"], ["小镇", "城市"], 1.0)])
    assert found["city"]["城市"] == max(found["city"].values())


def test_a_line_holds_the_likeliest_words_first_with_a_digit_each():
    assert list(lines({"city": {"城": 0.1, "城市": 0.4, "远": 0.001}}, most=3)) == ["city\t城市 城\t04"]


def case(lexical, dense, gold):
    zeros = np.zeros(2)
    signals = Signals((1, 2), np.array(lexical), np.ones(2), zeros, zeros, np.array(dense), ("", ""))
    return Case(signals, None, frozenset([gold]))


def test_the_weight_that_puts_more_right_passages_first_is_chosen():
    # The embeddings are right where BM25 is nearly level, and wrong where it is sure.
    sets = {"level": [case([1.0, 0.9], [0.2, 0.8], 2)], "sure": [case([1.0, 0.1], [0.2, 0.4], 1)]}
    settings = dataclasses.replace(Settings(), dense_weight=0.01, min_shared=0.0)
    assert 0.1 / 0.6 < choose(sets, settings).dense_weight < 0.9 / 0.2


def test_a_set_below_its_better_arm_weighs_before_the_mean():
    kept = Outcome({"a": 0.8, "b": 0.8}, {"a": 0.8, "b": 0.8})
    lost = Outcome({"a": 0.99, "b": 0.7}, {"a": 0.8, "b": 0.8})
    assert kept.value > lost.value
    assert lost.value[0] == pytest.approx(-0.1)
