import pytest

from rag.documents import document_from_text
from rag.pipeline import Pipeline
from rag.retriever import DENSE, LEXICAL, fuse
from rag.settings import Settings
from tests.fakes import WordCountEmbedder


def test_fusion_adds_weighted_reciprocal_ranks():
    fused = fuse({DENSE: [1, 2], LEXICAL: [2, 3]}, {DENSE: 0.5, LEXICAL: 1.0}, constant=10)
    assert fused == [
        (2, pytest.approx(0.5 / 12 + 1 / 11)),
        (3, pytest.approx(1 / 12)),
        (1, pytest.approx(0.5 / 11)),
    ]


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
