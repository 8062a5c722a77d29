from rag.recall import USUAL, recall_of


def test_words_that_only_ask_are_hardly_ever_in_what_answers():
    assert recall_of("什么") < 0.1
    assert recall_of("how") < 0.2


def test_what_was_never_counted_is_usual():
    assert recall_of("xyzzy") == USUAL
