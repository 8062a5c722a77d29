from rag.folding import fold


def test_width_case_and_traditional_characters_become_one():
    assert fold("ＡＩ與柳州「四大定位」") == fold("ai与柳州「四大定位」")
    assert fold("優必選下線３０００萬輛") == "优必选下线3000万辆"


def test_each_character_is_folded_alone_whatever_stands_beside_it():
    assert fold("乾隆") == fold("乾") + fold("隆")
