import pytest

from rag.documents import document_from_text
from rag.pipeline import Pipeline
from rag.retriever import DENSE, LEXICAL
from rag.settings import Settings
from tests.fakes import WordCountEmbedder


def test_hits_keep_the_rank_of_each_arm_and_the_grams_that_met(folder):
    chat = Pipeline(folder, Settings(), WordCountEmbedder())
    chat.add_document(document_from_text("cat moon\n\nmoon tide moon\n\nnothing here", source="one"))
    best, second = chat.search("moon tide", k=2)
    assert best.passage.text == "moon tide moon"
    assert (best.rank, second.rank) == (1, 2)
    assert best.arms[DENSE].rank == 1
    assert best.arms[DENSE].score == pytest.approx(3 / (5**0.5 * 2**0.5))
    assert best.arms[LEXICAL].terms == ("moon", "tid")  # words without their endings
    assert best.score > second.score


def test_an_empty_store_has_no_hits(folder):
    assert Pipeline(folder, Settings(), WordCountEmbedder()).search("moon") == []


def over(folder, *texts, settings=None):
    chat = Pipeline(folder, settings or Settings(), WordCountEmbedder())
    for number, text in enumerate(texts):
        chat.add_document(document_from_text(text, source=f"text {number}"))
    return chat


def test_an_english_question_finds_the_chinese_passage_by_the_dictionary_alone(folder):
    chat = over(folder, "天气在变冷。", "华沙的人口在增长。", "城市里的大学很大。", settings=Settings(dense_weight=0.0))
    assert chat.search("What is the population of Warsaw?", k=1)[0].passage.text == "华沙的人口在增长。"


def test_a_chinese_question_finds_the_english_passage_by_the_dictionary_alone(folder):
    english = "The population of Warsaw is growing, and it is said to be larger than ever."
    other = "The weather of today is cold, and it is said to be raining soon."
    chat = over(folder, other, english, settings=Settings(dense_weight=0.0))
    assert chat.search("华沙有多少人口？", k=1)[0].passage.text == english


def test_a_traditional_question_finds_the_simplified_passage(folder):
    chat = over(folder, "天气在变冷。", "机器人在工厂下线。")
    assert chat.search("機器人什麼時候下線", k=1)[0].passage.text == "机器人在工厂下线。"


def test_the_passage_that_says_it_in_one_place_comes_first(folder):
    far = "无" * 150
    scattered = f"桂林{far}山水{far}甲天下"
    together = f"{far}桂林山水甲天下{far}"
    chat = over(folder, scattered, together, f"{far}别的{far}")
    assert chat.search("桂林山水甲天下", k=1)[0].passage.text == together


def test_scores_fall_also_beyond_the_passages_that_were_read(folder):
    chat = over(folder, *(f"moon tide {number}" for number in range(30)), settings=Settings(read_k=3))
    hits = chat.search("moon tide", k=30)
    scores = [hit.score for hit in hits]
    assert len(hits) == 30
    assert scores == sorted(scores, reverse=True)
    assert len({hit.passage.id for hit in hits}) == 30


def test_equal_passages_come_in_the_same_order_every_time(folder, tmp_path):
    texts = [f"moon tide {number}" for number in range(10)]
    one, other = over(folder, *texts), over(tmp_path / "other", *texts)
    assert [hit.passage.text for hit in one.search("moon", 10)] == [
        hit.passage.text for hit in other.search("moon", 10)
    ]
