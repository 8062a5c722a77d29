import numpy as np
import pytest

import rag.lexical
from rag.lexical import TantivyIndex, concepts, grams, ways_of

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


def test_words_that_only_ask_are_not_searched_for():
    assert [concept.literal for concept in concepts("柳州在哪里？", True, False)] == ["柳", "州", "在", "柳州", "州在"]
    assert found(index_over("哪里什么多少", "柳州"), "柳州在哪里") == [1]


def test_a_question_of_asking_words_alone_is_searched_for_as_it_is():
    assert found(index_over("为什么", "柳州"), "什么") == [0]


def test_the_literal_way_counts_fully_and_translations_less():
    (word,) = [concept for concept in concepts("population", True, False) if concept.literal]
    assert ways_of(word)[:2] == [("population", 1.0), ("人口", 1.0)]
    assert min(factor for _, factor in ways_of(word)) < 1


def test_an_english_question_finds_chinese_texts():
    index = index_over("城市的大学在北方", "华沙的人口在增长", "天气在变冷")
    assert found(index, "What is the population of Warsaw?")[0] == 1


def test_a_rare_translation_does_not_outweigh_a_usual_one():
    # 母群体 is a translation of population too, far less likely, and in one text alone.
    texts = ["华沙的人口在增长", "母群体在这里", *(f"第{number}个城市的人口在这里" for number in range(5))]
    assert found(index_over(*texts), "population of Warsaw")[0] == 0


def test_a_phrase_is_translated_as_a_whole():
    assert found(index_over("超级的碗在这里", "超级碗在这里"), "Who won the Super Bowl?")[0] == 1


def test_nothing_is_translated_where_no_text_is_of_the_other_language(monkeypatch):
    def never(word):
        raise AssertionError(word)

    english = index_over("The population of a city and what belongs to it")
    chinese = index_over("华沙的人口在增长，书名是The Pianist")
    monkeypatch.setattr(rag.lexical, "chinese_of", never)
    monkeypatch.setattr(rag.lexical, "english_of", never)
    concepts.cache_clear()
    assert found(english, "population") == [0]
    assert found(chinese, "华沙人口") == [0]
    assert found(chinese, "！") == []


def test_languages_are_seen_anew_after_a_change():
    index = index_over("The population of a city and what belongs to it")
    assert found(index, "人口") == [0]
    index.change([(1, "人口在增长，城市的人口")], np.array([0]))
    assert found(index, "population") == [1]
