import numpy as np
import pytest

from rag.documents import document_from_text
from rag.errors import ModelError
from rag.pipeline import Pipeline
from rag.reranker import CrossEncoderReranker, LazyReranker, load_reranker
from rag.retriever import DENSE, LEXICAL, RERANKER, Retriever
from rag.settings import Settings
from tests.fakes import WordCountEmbedder
from tests.tiny_models import save_tiny

TEXTS = ["moon tide", "the cat", "月潮", "moon moon moon sea", "cat"]


class LongestFirst:
    """Scores a text by its length, and remembers what it was asked."""

    name = "longest-first"

    def __init__(self):
        self.asked = []

    def score(self, query, texts):
        self.asked.append((query, list(texts)))
        return np.array([len(text) for text in texts], np.float32)


def store_of(folder, *paragraphs):
    chat = Pipeline(folder, Settings(), WordCountEmbedder())
    chat.add_document(document_from_text("\n\n".join(paragraphs), source="one"))
    return chat


PARAGRAPHS = ("moon tide", "moon tide and more words of it", "moon tide again", "nothing of the kind")


def test_the_first_hits_take_the_order_of_the_reranker_and_keep_the_ranks_of_the_arms(folder):
    chat = store_of(folder, *PARAGRAPHS)
    plain = chat.search("moon tide", k=4)
    reranker = LongestFirst()
    hits = Retriever(chat.store, chat.embedder, Settings(), reranker).retrieve("moon tide", k=4)
    assert reranker.asked == [("moon tide", [hit.passage.text for hit in plain])]
    assert [len(hit.passage.text) for hit in hits] == sorted((len(text) for text in PARAGRAPHS), reverse=True)
    assert [hit.rank for hit in hits] == [hit.arms[RERANKER].rank for hit in hits] == [1, 2, 3, 4]
    assert hits[0].arms[RERANKER].score == len(hits[0].passage.text)
    fused = {hit.passage.id: hit for hit in plain}
    for hit in hits:
        before = fused[hit.passage.id]
        assert hit.score == before.score
        assert {arm: hit.arms.get(arm) for arm in (DENSE, LEXICAL)} == {
            arm: before.arms.get(arm) for arm in (DENSE, LEXICAL)
        }


def test_hits_behind_the_first_ones_stay_where_they_were(folder):
    chat = store_of(folder, *PARAGRAPHS)
    plain = [hit.passage.text for hit in chat.search("moon tide", k=4)]
    retriever = Retriever(chat.store, chat.embedder, Settings(rerank_k=2), LongestFirst())
    hits = retriever.retrieve("moon tide", k=4)
    assert [hit.passage.text for hit in hits] == [*sorted(plain[:2], key=len, reverse=True), *plain[2:]]
    assert [RERANKER in hit.arms for hit in hits] == [True, True, False, False]


def test_more_hits_are_reranked_than_are_returned(folder):
    chat = store_of(folder, *PARAGRAPHS)
    (best,) = Retriever(chat.store, chat.embedder, Settings(), LongestFirst()).retrieve("moon tide", k=1)
    assert best.passage.text == max(PARAGRAPHS, key=len)


def test_an_empty_store_is_reranked_to_nothing(folder):
    chat = Pipeline(folder, Settings(), WordCountEmbedder())
    assert Retriever(chat.store, chat.embedder, Settings(), LongestFirst()).retrieve("moon", k=3) == []


# -- Models ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def one_score(tmp_path_factory):
    return save_tiny("BertForSequenceClassification", tmp_path_factory.mktemp("one") / "model", num_labels=1)


def logits(folder, query, texts):
    """What the model says, each pair alone, without sentence-transformers."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.inference_mode():
        return np.array([model(**tokenizer(query, text, return_tensors="pt")).logits[0].numpy() for text in texts])


def test_any_cross_encoder_scores_each_text_by_its_logit(one_score):
    reranker = load_reranker(Settings(reranker=str(one_score), device="cpu"))
    assert reranker is not None
    scores = reranker.score("moon tide", TEXTS)
    assert reranker.name == str(one_score)
    assert (scores.shape, scores.dtype) == ((5,), np.float32)
    assert np.allclose(scores, logits(one_score, "moon tide", TEXTS)[:, 0], atol=1e-4)
    assert len(set(scores.tolist())) == 5
    assert reranker.score("moon", []).shape == (0,)


def test_of_two_classes_the_second_means_relevant(tmp_path):
    folder = save_tiny("BertForSequenceClassification", tmp_path / "two", num_labels=2)
    expected = logits(folder, "moon", TEXTS)
    assert np.allclose(
        CrossEncoderReranker(folder, "two", "cpu").score("moon", TEXTS), expected[:, 1] - expected[:, 0], atol=1e-4
    )


def test_a_model_that_gives_no_score_is_refused(tmp_path):
    with pytest.raises(ModelError, match="3 classes"):
        CrossEncoderReranker(
            save_tiny("BertForSequenceClassification", tmp_path / "three", num_labels=3), "three", "cpu"
        )
    with pytest.raises(ModelError, match="'plain' is no cross-encoder: its model is a BertModel"):
        CrossEncoderReranker(save_tiny("BertModel", tmp_path / "plain"), "plain", "cpu")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text("{")
    with pytest.raises(ModelError, match="'broken' cannot be loaded"):
        CrossEncoderReranker(tmp_path / "broken", "broken", "cpu")
    with pytest.raises(ModelError, match="no reranker in the folder"):
        load_reranker(Settings(reranker=str(tmp_path / "absent")))


def test_a_pipeline_loads_the_reranker_when_it_is_first_asked(one_score, folder, tmp_path):
    assert load_reranker(Settings()) is None
    absent = Pipeline(tmp_path / "other", Settings(reranker=str(tmp_path / "absent")), WordCountEmbedder())
    absent.add_document(document_from_text("moon tide", source="one"))  # needs none
    with pytest.raises(ModelError, match="no reranker in the folder"):
        absent.search("moon")
    chat = Pipeline(folder, Settings(reranker=str(one_score), device="cpu"), WordCountEmbedder())
    chat.add_document(document_from_text("\n\n".join(TEXTS), source="one"))
    hits = chat.search("moon tide")
    assert len(hits) > 1
    scores = [hit.arms[RERANKER].score for hit in hits]
    assert scores == sorted(scores, reverse=True)
    expected = LazyReranker(Settings(reranker=str(one_score), device="cpu")).score("moon tide", [hits[0].passage.text])
    assert scores[0] == pytest.approx(float(expected[0]), abs=1e-4)


def test_an_answer_names_the_reranker_where_there_is_one(one_score, folder, tmp_path):
    chat = Pipeline(folder, Settings(reranker=str(one_score), device="cpu"), WordCountEmbedder())
    chat.add_document(document_from_text("\n\n".join(TEXTS), source="one"))
    assert chat.ask("moon tide").models["reranker"] == str(one_score)
    without = Pipeline(tmp_path / "other", Settings(), WordCountEmbedder())
    without.add_document(document_from_text("moon tide", source="one"))
    assert "reranker" not in without.ask("moon tide").models
