import pytest

from rag.translation import SINGLE, STEPS, chinese_of, english_of, factor_of, step_of


def test_the_likeliest_translation_has_factor_one_and_the_others_less():
    first, *others = chinese_of("population")
    assert (first.text, first.factor) == ("人口", 1.0)
    assert all(0 < other.factor <= 1 for other in others)


def test_a_phrase_is_known_as_a_whole():
    assert "超级碗" in [translation.text for translation in chinese_of("super bowl")]


def test_single_characters_count_less_because_many_words_hold_them():
    (single,) = [translation for translation in chinese_of("panther") if translation.text == "豹"]
    assert single.factor <= SINGLE


def test_chinese_words_have_english_ones():
    assert "population" in [translation.text for translation in english_of("人口")]
    assert english_of("没有这个词") == ()


def test_what_is_not_in_the_table_has_no_translation():
    assert chinese_of("xyzzy") == ()


def test_a_step_halves_the_square_root_of_a_chance_by_a_quarter_power():
    assert step_of(1.0) == 0
    assert step_of(0.5) == 2
    assert factor_of(step_of(0.25)) == pytest.approx(0.5)  # the square root of a quarter
    assert step_of(0.001) >= STEPS
