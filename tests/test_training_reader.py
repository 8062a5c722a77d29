"""How the bundled reader is trained: examples, questions made from news, the loss, and going on after a kill."""

import json
import random

import numpy as np
import pytest
import torch

from rag.encoding import CONTEXT_FEATURES, QUESTION_FEATURES, TAGS, make_vocabulary, tokenise
from rag.reader_model import MatchReaderConfig, MatchReaderForQuestionAnswering
from training.reader_cloze import ClozeMaker
from training.reader_data import MAX_ANSWER, is_held_out, make_example, trimmed
from training.reader_training import Batches, Plan, collate, crop, span_loss, train

NEWS = (
    "6月25日，自治区党委常委会扩大会议在柳州市召开，自治区党委书记陈刚主持会议并讲话。"
    "柳州螺蛳粉去年销售额达到六百亿元，寄递量超过一亿件，产品销往三十多个国家和地区。"
    "为了方便市民出行，市交通局新开通了三条公交线路，覆盖城中区、鱼峰区、柳南区等地。"
)
VOCABULARY = make_vocabulary(sorted(set(NEWS)), ["柳州", "会议"])


def small_model():
    torch.manual_seed(0)
    return MatchReaderForQuestionAnswering(
        MatchReaderConfig(
            tokens=VOCABULARY.tokens, words=4, word_size=8, tags=len(TAGS), context_features=len(CONTEXT_FEATURES),
            question_features=len(QUESTION_FEATURES), width=16, heads=2, token_size=8, tag_size=4, pair_size=8,
        )
    )  # fmt: skip


def example_of(source, question, answers):
    made = make_example(source, question, NEWS, answers, VOCABULARY)
    assert made
    return made


def some_examples():
    maker = ClozeMaker({}, random.Random(0))
    made = [one for _ in range(20) for one in maker.of(NEWS, 3)]
    return [example_of("cloze x", one.question, [(one.start, one.end)]) for one in made]


def test_a_question_made_from_news_asks_for_a_phrase_it_does_not_say():
    maker = ClozeMaker({}, random.Random(1))
    made = [one for _ in range(30) for one in maker.of(NEWS, 3)]
    assert {one.kind for one in made} > {"date", "number", "list"}
    for one in made:
        assert 0 <= one.start < one.end <= len(NEWS)
        assert one.question.endswith(("？", "?"))
    asked = [one for one in made if NEWS[one.start : one.end] == "6月25日"]
    assert asked
    assert not any("6月25日" in one.question for one in asked)


def test_an_answer_is_the_tokens_of_its_span():
    start = NEWS.index("陈刚")
    example = example_of("x", "谁主持会议？", [(start, start + 2)])
    ((first, last),) = example.golds
    assert "".join(tokenise(NEWS).texts[first : last + 1]) == "陈刚"
    assert make_example("x", "谁？", "很长" * MAX_ANSWER, [(0, 2 * MAX_ANSWER)], VOCABULARY) is None
    assert example_of("x", "谁？", []).golds == ()
    assert make_example("x", "", NEWS, [], VOCABULARY) is None


def test_signs_around_an_answer_are_left_out():
    assert trimmed("他说，很好。", 2, "，很好。") == (3, 5)


def test_contexts_are_held_out_by_their_words_alone():
    texts = [f"第{number}段文字" for number in range(2000)]
    assert 0.07 < np.mean([is_held_out(text) for text in texts]) < 0.13
    assert [is_held_out(text) for text in texts] == [is_held_out(text) for text in texts]


def test_a_crop_keeps_the_first_answer():
    chooser = random.Random(0)
    start = NEWS.index("六百亿元")
    example = example_of("x", "多少？", [(start, start + 4)])
    for _ in range(50):
        first, last = crop(example, 30, chooser)
        assert last - first <= 30
        assert first <= example.golds[0][0]
        assert example.golds[0][1] < last
        _, ((gold,),) = collate([example], [(first, last)])
        assert "".join(tokenise(NEWS).texts[first + gold[0] : first + gold[1] + 1]) == "六百亿元"


def test_the_loss_is_the_log_probability_of_the_gold_spans_or_of_none():
    spans = torch.tensor([[[1.0, 2.0], [-1e4, 0.5]], [[0.0, 1.0], [-1e4, 2.0]]])
    none = torch.tensor([0.3, -0.2])
    loss = span_loss(spans, none, [[(0, 1), (1, 1)], []])
    total = [np.log(np.exp([1.0, 2.0, 0.5, 0.3]).sum()), np.log(np.exp([0.0, 1.0, 2.0, -0.2]).sum())]
    expected = ((total[0] - np.log(np.exp(2.0) + np.exp(0.5))) + (total[1] + 0.2)) / 2
    assert float(loss) == pytest.approx(expected, abs=1e-5)


def test_batches_are_the_same_for_a_seed_and_hold_little_padding():
    examples = some_examples()
    plan = Plan(steps=10, tokens=600, short=60, long=80)
    drawn = [list(Batches(examples, plan).draw(0)) for _ in range(2)]
    assert [[span for _, span in batch] for batch in drawn[0]] == [[span for _, span in batch] for batch in drawn[1]]
    assert all(max(end - start for _, (start, end) in batch) * len(batch) <= 600 for batch in drawn[0])


def test_a_killed_run_goes_on_and_ends_as_one_that_was_not(tmp_path):
    examples = some_examples()
    plan = Plan(steps=30, tokens=1800, short=60, long=80, warmup=5)
    torch.set_num_threads(1)
    whole = small_model()
    train(whole, examples, plan, tmp_path / "whole", lambda _: {"em": 0.0}, 10)

    class KilledError(Exception):
        pass

    calls = []

    def kill(_):
        calls.append(1)
        if len(calls) == 2:
            raise KilledError
        return {"em": 0.0}

    with pytest.raises(KilledError):
        train(small_model(), examples, plan, tmp_path / "killed", kill, 10)
    resumed = small_model()
    train(resumed, examples, plan, tmp_path / "killed", lambda _: {"em": 0.0}, 10)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    steps = [json.loads(line)["step"] for line in (tmp_path / "killed" / "log.jsonl").read_text().splitlines()]
    assert steps == sorted(steps)
    assert steps[-1] == 30


def test_it_learns():
    examples = some_examples()
    model = small_model()
    plan = Plan(steps=1)
    batch, golds = collate(examples[:16], [(0, len(one.context.tokens)) for one in examples[:16]])
    optimiser = torch.optim.Adam(model.parameters(), 0.01)
    losses = []
    for _ in range(30):
        output = model(**batch)
        loss = span_loss(output.span_logits, output.none_logits, golds)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert plan.device == "cpu"
    assert losses[-1] < 0.7 * losses[0]
