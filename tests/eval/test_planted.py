"""Planted errors are found, right answers pass, and the same seed plants the same."""

import pytest

from eval.planted import TEXTS, count, held_out, is_wrong, load, main, plant, report

SHARE = ("ambassador-zh", "defectors-zh", "hockey-hant", "nba-en", "tea-house")


@pytest.fixture(scope="module")
def planted():
    sources = load([TEXTS / f"{name}.txt" for name in SHARE])
    return plant(sources, seed=0)


@pytest.fixture(scope="module")
def called(planted):
    return [is_wrong(one) for one in planted]


def test_most_errors_are_found(planted, called):
    found = [is_called for one, is_called in zip(planted, called, strict=True) if one.wrong]
    assert len(found) > 100
    assert sum(found) >= 0.95 * len(found)


def test_hardly_a_right_answer_is_called_wrong(planted, called):
    alarms = [is_called for one, is_called in zip(planted, called, strict=True) if not one.wrong]
    assert len(alarms) > 100
    assert sum(alarms) <= 0.02 * len(alarms)


def test_every_error_is_a_change_of_the_cited_words(planted):
    for one in planted:
        if one.wrong:
            assert all(one.sentence not in quote for quote in one.quotes)


def test_the_same_seed_plants_the_same_and_another_does_not(planted):
    sources = load([TEXTS / f"{name}.txt" for name in SHARE])
    assert plant(sources, seed=0) == planted
    assert plant(sources, seed=1) != planted


def test_a_share_has_its_exact_interval():
    one = count("all", [True] * 19 + [False])
    assert (one.called, one.n) == (19, 20)
    assert (one.low, one.high) == pytest.approx((0.7513, 0.9987), abs=1e-3)


def test_each_second_document_is_held_out():
    assert held_out(["d", "b", "a", "c"]) == {"b", "d"}


def test_the_report_has_a_row_for_each_kind(planted, called):
    text = report(planted, called, "Some")
    for kind in ("digit", "name", "negation", "stitched", "verbatim", "all"):
        assert f"| {kind} |" in text


def test_a_folder_without_texts_is_an_error(tmp_path, capsys):
    assert main(["--data", str(tmp_path)]) == 1
    assert "There are no .txt files" in capsys.readouterr().err
