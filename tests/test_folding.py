from hypothesis import given
from hypothesis import strategies as st

from rag.folding import fold, fold_with_origin


def test_width_case_and_traditional_characters_become_one():
    assert fold("ＡＩ與柳州「四大定位」") == fold("ai与柳州「四大定位」")
    assert fold("優必選下線３０００萬輛") == "优必选下线3000万辆"


def test_each_character_is_folded_alone_whatever_stands_beside_it():
    assert fold("乾隆") == fold("乾") + fold("隆")


def test_a_folded_span_is_found_again_in_the_original_where_the_length_changed():
    folded = fold_with_origin("约3㎡的房")
    assert folded.text == "约3m2的房"
    start = folded.text.index("m2")
    assert folded.span(start, start + 2) == (2, 3)
    assert folded.span(4, 6) == (3, 5)


@given(st.text(max_size=60))
def test_every_folded_character_has_its_place_in_the_original(text):
    folded = fold_with_origin(text)
    assert len(folded.origin) == len(folded.text) + 1
    assert list(folded.origin) == sorted(folded.origin)
    for position, character in enumerate(folded.text):
        assert character in fold(text[folded.origin[position]])
