import itertools

import numpy as np
import pytest

from rag.errors import ModelError
from rag.settings import Settings
from rag.span_model import MAX_ANSWER, TransformersSpanModel, load_span_model
from tests.tiny_models import save_tiny

QUESTION = "the moon :"
TEXTS = ["the cat sea, moon  tide", "", "月潮猫 the sea", " \n"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_tiny("BertForQuestionAnswering", tmp_path_factory.mktemp("spans") / "model")


@pytest.fixture(scope="module")
def model(folder):
    return load_span_model(Settings(reader=str(folder), device="cpu"))


def by_hand(folder, question, text):
    """All spans of a text that fits into one window, with their scores: one forward pass and two loops."""
    import torch
    from transformers import AutoModelForQuestionAnswering, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForQuestionAnswering.from_pretrained(folder).eval()
    encoded = tokenizer(question, text, return_tensors="pt", return_offsets_mapping=True)
    offsets, parts = encoded.pop("offset_mapping")[0].tolist(), encoded.sequence_ids(0)
    with torch.inference_mode():
        output = model(**encoded)
    starts, ends = output.start_logits[0].numpy(), output.end_logits[0].numpy()
    inside = [at for at, part in enumerate(parts) if part == 1]
    return {
        (offsets[first][0], offsets[last][1]): starts[first] + ends[last] - starts[0] - ends[0]
        for first, last in itertools.combinations_with_replacement(inside, 2)
        if offsets[last][1] - offsets[first][0] <= MAX_ANSWER
    }


def test_the_best_spans_of_each_text_come_with_the_scores_of_the_model(folder, model):
    found = model.candidates(QUESTION, TEXTS, count=4)
    assert model.name == str(folder)
    for at, text in enumerate(TEXTS):
        mine = [candidate for candidate in found if candidate.text == at]
        if not text.strip():
            assert mine == []
            continue
        expected = sorted(by_hand(folder, QUESTION, text).items(), key=lambda pair: -pair[1])[:4]
        assert [(candidate.start, candidate.end) for candidate in mine] == [span for span, _ in expected]
        assert np.allclose([candidate.score for candidate in mine], [score for _, score in expected], atol=1e-4)
    scores = [candidate.score for candidate in found]
    assert scores == sorted(scores, reverse=True)
    assert model.candidates(QUESTION, []) == []


def test_a_span_is_characters_of_its_text_without_white_space_at_its_ends(model):
    found = model.candidates(QUESTION, TEXTS, count=50)
    for candidate in found:
        words = TEXTS[candidate.text][candidate.start : candidate.end]
        assert words
        assert words == words.strip()
    assert len({(c.text, c.start, c.end) for c in found}) == len(found)
    assert {"猫", "月潮", "moon  tide"} <= {TEXTS[c.text][c.start : c.end] for c in found}


def test_a_long_text_is_read_to_its_end_in_windows_that_overlap(folder, model):
    text = "the cat " * 60 + "moon tide sea"
    found = model.candidates("moon", [text], count=100_000)
    covered = {at for candidate in found for at in range(candidate.start, candidate.end)}
    assert covered >= {at for at, character in enumerate(text) if character != " "}
    assert max(candidate.end for candidate in found) == len(text)
    assert all(candidate.end - candidate.start <= MAX_ANSWER for candidate in found)
    # Any answer that fits into the overlap is seen whole somewhere, wherever it stands.
    spans = {(candidate.start, candidate.end) for candidate in found}
    assert {(start, start + len("cat the cat")) for start in range(4, 400, 8)} <= spans


def test_texts_give_the_same_spans_alone_and_in_company(model):
    long = "the sea moon " * 40
    texts = [*TEXTS, long, "cat"]
    together = model.candidates(QUESTION, texts, count=3)
    for at, text in enumerate(texts):
        alone = model.candidates(QUESTION, [text], count=3)
        mine = [candidate for candidate in together if candidate.text == at]
        assert [(c.start, c.end) for c in alone] == [(c.start, c.end) for c in mine]
        assert np.allclose([c.score for c in alone], [c.score for c in mine], atol=1e-4)


def test_a_question_over_the_limit_leaves_room_for_the_text(model):
    found = model.candidates("moon tide " * 200, ["the cat sea"], count=50)
    assert (0, len("the cat sea")) in {(candidate.start, candidate.end) for candidate in found}


def test_a_model_that_was_not_trained_to_answer_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"'plain' was not trained to find answers: its file lacks qa_outputs"):
        TransformersSpanModel(save_tiny("BertModel", tmp_path / "plain"), "plain", "cpu")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match="'empty' cannot be loaded"):
        TransformersSpanModel(tmp_path / "empty", "empty", "cpu")
    with pytest.raises(ModelError, match="no reader in the folder"):
        load_span_model(Settings(reader=str(tmp_path / "absent")))
