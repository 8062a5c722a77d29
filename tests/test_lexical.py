import numpy as np
import pytest

from rag.lexical import TantivyIndex, grams

NONE = np.empty(0, np.int64)


def index_over(*texts, folder=None):
    index = TantivyIndex(folder)
    index.change(enumerate(texts), NONE)
    return index


def found(index, query, k=10):
    return [position for position, _ in index.search(query, k)]


def test_grams_are_characters_and_pairs_of_chinese_and_words_of_the_rest():
    assert grams("柳州AI 3000万") == ["柳", "州", "柳州", "ai", "3000", "万"]


def test_words_are_cut_of_their_commonest_endings():
    assert grams("The city's cars chaired") == ["the", "city", "car", "chair"]


def test_chinese_is_found_without_word_boundaries():
    assert found(index_over("广西桂林的山水", "广西柳州的工业", "天气晴"), "柳州工业怎样")[0] == 1


def test_traditional_full_width_and_upper_case_queries_meet():
    index = index_over("优必选下线机器人", "ＡＩ芯片")
    assert found(index, "優必選") == [0]
    assert found(index, "ai") == [1]


def test_texts_that_share_nothing_are_not_hits():
    assert found(index_over("柳州"), "Paris") == []
    assert found(index_over("柳州"), "？！") == []


def test_a_larger_score_comes_first_and_ties_go_to_the_smaller_position():
    hits = index_over("柳州", "柳州", "柳州工业").search("柳州工业", 5)
    assert [position for position, _ in hits] == [2, 0, 1]
    assert hits[0][1] > hits[1][1] == pytest.approx(hits[2][1])


def test_removed_texts_are_not_found_and_positions_tell_what_is_held(tmp_path):
    index = index_over("柳州", "桂林", folder=tmp_path / "lexical")
    index.change([(7, "南宁")], np.array([0]))
    assert sorted(index.positions()) == [1, 7]
    assert found(index, "柳州") == []
    assert found(TantivyIndex(tmp_path / "lexical"), "南宁") == [7]


def test_a_damaged_folder_is_refused(tmp_path):
    index_over("柳州", folder=tmp_path / "lexical")
    (tmp_path / "lexical" / "meta.json").write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match="not a readable lexical index"):
        TantivyIndex(tmp_path / "lexical")
