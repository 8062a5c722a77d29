"""What the bundled reader is given of a question and a passage."""

import numpy as np
import pytest

from rag.encoding import (
    CONTEXT_FEATURES,
    QUESTION_FEATURES,
    encode,
    fold_in_place,
    make_vocabulary,
    match_features,
    tokenise,
)

VOCABULARY = make_vocabulary("柳州会议在召开。，", ["柳州", "会议", "召开"])


def column(features, name, names=CONTEXT_FEATURES):
    return features[:, names.index(name)]


@pytest.mark.parametrize(
    "text",
    [
        "柳州市2024年产车３０.２万辆，五菱宏光MINI EV。",
        "臺灣的㎡與ﬁ",
        "The bank’s 3.5% rate\nrose",
        "",
        " \n",
        "𠮷野家🙂ok",
    ],
)
def test_tokens_stand_where_they_say(text):
    tokens = tokenise(text)
    folded = fold_in_place(text)
    assert len(folded) == len(text)
    assert [folded[start:end] for start, end in zip(tokens.starts, tokens.ends, strict=True)] == list(tokens.texts)
    covered = {at for start, end in zip(tokens.starts, tokens.ends, strict=True) for at in range(start, end)}
    assert all(not text[at].isalnum() for at in range(len(text)) if at not in covered)


def test_chinese_is_cut_at_characters_and_other_scripts_at_words_and_numbers():
    assert tokenise("柳州产AION V车3.5万辆").texts == ("柳", "州", "产", "aion", "v", "车", "3.5", "万", "辆")


def test_what_the_question_holds_is_marked():
    asked, text = tokenise("会议在哪里召开？"), tokenise("柳州很大。会议在柳州召开。")
    question, passage = match_features(asked, text)
    words = dict(zip(zip(text.texts, text.starts.tolist(), strict=True), column(passage, "word"), strict=True))
    assert words["会", 5] == words["召", 10] == 1
    assert words["柳", 0] == 0
    coverage = column(passage, "sentence_coverage")
    assert coverage[0] == 0
    assert coverage[-1] == pytest.approx(1)
    asking = column(question, "asking", QUESTION_FEATURES)
    assert [token for token, flag in zip(asked.texts, asking, strict=True) if flag] == ["哪", "里"]


def test_traditional_characters_meet_simplified_ones():
    _, passage = match_features(tokenise("會議何時召開"), tokenise("会议昨天召开"))
    assert column(passage, "word").tolist() == [1, 1, 0, 0, 1, 1]


def test_english_words_meet_chinese_ones_by_dictionary_and_sound():
    _, passage = match_features(tokenise("When was the meeting in Liuzhou?"), tokenise("会议在柳州召开"))
    assert column(passage, "translated").tolist() == [1, 1, 0, 1, 1, 0, 0]


def test_ids_are_the_same_in_every_process_and_stay_in_range():
    question, passage = encode("Where?", "柳州 GDP 2024 12.5 Zürich 〇", VOCABULARY)
    for text in (question, passage):
        assert text.tokens.min() >= 1
        assert text.tokens.max() < VOCABULARY.tokens
        assert np.isfinite(text.features).all()
    assert VOCABULARY.token_id("柳") == 2
    assert VOCABULARY.token_id("1998") == VOCABULARY.token_id("2024") != VOCABULARY.token_id("3000")
    assert VOCABULARY.token_id("cars") == VOCABULARY.token_id("car")
