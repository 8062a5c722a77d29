"""The bundled reader: the same spans as transformers gives, from the same files, without torch."""

import shutil
import subprocess
import sys

import numpy as np
import pytest

from rag.bundled_reader import FOLDER, BundledSpanModel
from rag.encoding import encode, tokenise
from rag.errors import ModelError

PASSAGES = [
    "6月25日，自治区党委常委会扩大会议在柳州市召开，自治区党委书记陈刚主持会议并讲话。",
    "柳州螺蛳粉去年销售额达到六百亿元，寄递量超过一亿件。",
    "The Silver Bridge opened in 1998. It carries about 40,000 cars a day.",
]


@pytest.fixture(scope="module")
def model():
    return BundledSpanModel()


def test_it_gives_the_words_that_answer(model):
    best = model.candidates("谁主持会议？", PASSAGES)[0]
    assert "陈刚" in PASSAGES[best.text][best.start : best.end]
    best = model.candidates("螺螄粉去年的銷售額是多少？", PASSAGES)[0]
    assert PASSAGES[best.text][best.start : best.end].startswith("六百亿")


def test_candidates_are_spans_of_their_texts_best_first_and_each_once(model):
    found = model.candidates("会议什么时候召开？", PASSAGES, 4)
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert len({(one.text, one.start, one.end) for one in found}) == len(found)
    for number, text in enumerate(PASSAGES):
        own = [one for one in found if one.text == number]
        assert len(own) == 4
        assert all(0 <= one.start < one.end <= len(text) for one in own)


def test_a_text_scores_the_same_alone_and_among_others(model):
    together = [one for one in model.candidates("谁主持会议？", PASSAGES) if one.text == 1]
    alone = model.candidates("谁主持会议？", PASSAGES[1:2])
    assert [(one.start, one.end) for one in together] == [(one.start, one.end) for one in alone]
    assert [one.score for one in together] == pytest.approx([one.score for one in alone], abs=1e-3)


@pytest.mark.parametrize(
    ("question", "texts"), [("谁？", []), ("谁？", ["", " \n"]), ("？" * 200, PASSAGES), ("", PASSAGES)]
)
def test_nothing_to_read_is_no_fault(model, question, texts):
    assert all(texts[one.text][one.start : one.end] for one in model.candidates(question, texts))


def test_a_long_text_is_read_to_its_end(model):
    text = "天气很好，大家都在公园里散步。" * 120 + PASSAGES[0]
    best = model.candidates("谁主持会议？", [text])[0]
    assert "陈刚" in text[best.start : best.end]


def test_transformers_loads_the_folder_and_scores_alike(model):
    import torch
    from transformers import AutoModelForQuestionAnswering

    import rag.reader_model  # noqa: F401 - registers the classes
    from training.reader_data import make_example
    from training.reader_training import collate

    loaded = AutoModelForQuestionAnswering.from_pretrained(FOLDER, dtype=torch.float32).eval()
    question = "柳州市召开了什么会议？"
    pairs = [encode(question, text, model.vocabulary) for text in PASSAGES]
    spans, none = model.scores(pairs)
    made = [make_example("", question, text, [], model.vocabulary) for text in PASSAGES]
    examples = [one for one in made if one]
    batch, _ = collate(examples, [(0, len(tokenise(text))) for text in PASSAGES])
    with torch.no_grad():
        output = loaded(**batch)
    shown = output.span_logits.numpy() > -1000
    assert np.abs(spans - output.span_logits.numpy())[shown].max() < 2e-2  # match features travel in half precision
    assert np.abs(none - output.none_logits.numpy()).max() < 2e-2
    assert output.start_logits.shape == output.end_logits.shape == spans.shape[:2]


def test_it_needs_no_torch():
    program = (
        "import sys; from rag.bundled_reader import BundledSpanModel;"
        "BundledSpanModel().candidates('谁？', ['陈刚主持会议。']); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("name", ["config.json", "vocabulary.json.gz", "model.safetensors"])
def test_a_damaged_folder_is_told(tmp_path, name):
    shutil.copytree(FOLDER, tmp_path / "reader")
    (tmp_path / "reader" / name).write_bytes(b"damaged")
    with pytest.raises(ModelError, match="cannot be loaded"):
        BundledSpanModel(tmp_path / "reader")
