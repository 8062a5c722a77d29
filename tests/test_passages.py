from hypothesis import assume, given
from hypothesis import strategies as st

from rag.documents import document_from_text
from rag.errors import DocumentError
from rag.passages import clause_spans, sentence_spans, split_document


def texts(text, spans):
    return [text[start:end] for start, end in spans]


def up_to(size):
    return lambda text: len(text) <= size


def test_sentences_keep_their_closing_quotes_and_brackets():
    text = "他说：“好！”我们走。（完）她笑了？真的……是吗"
    assert texts(text, sentence_spans(text)) == ["他说：“好！”", "我们走。", "（完）她笑了？", "真的……", "是吗"]


def test_a_sentence_end_inside_a_quotation_does_not_cut():
    text = "会议指出“守土有责。守土负责。守土尽责”的担当。下一句。"
    assert texts(text, sentence_spans(text)) == ["会议指出“守土有责。守土负责。守土尽责”的担当。", "下一句。"]


def test_an_unclosed_quotation_does_not_swallow_the_rest():
    text = "他说：“好。我们走。\n天黑了。"
    assert texts(text, sentence_spans(text))[-1] == "天黑了。"


def test_english_abbreviations_and_decimals_do_not_end_a_sentence():
    text = "Dr. Smith paid 3.5 million to the U.S. Army. He left. Why not?"
    assert texts(text, sentence_spans(text)) == ["Dr. Smith paid 3.5 million to the U.S. Army.", "He left.", "Why not?"]


def test_clauses_are_cut_at_commas_but_lists_stay_whole():
    text = "围绕综合交通枢纽、现代制造城“四大定位”，解放思想、创新求变，向海图强。"
    assert texts(text, clause_spans(text)) == [
        "围绕综合交通枢纽、现代制造城“四大定位”，",
        "解放思想、创新求变，",
        "向海图强。",
    ]


def test_a_comma_inside_a_book_title_does_not_cut():
    text = "他写了《红与黑，续篇》，又写了别的。"
    assert texts(text, clause_spans(text)) == ["他写了《红与黑，续篇》，", "又写了别的。"]


def test_short_paragraphs_are_passages_of_their_own():
    document = document_from_text("第一段说一件事。\n\n第二段说另一件事。")
    assert [passage.text for passage in split_document(document, up_to(100))] == [
        "第一段说一件事。",
        "第二段说另一件事。",
    ]


def test_a_long_paragraph_is_cut_at_sentence_ends_within_the_limit():
    document = document_from_text("一二三四五。六七八九十。甲乙丙丁戊。")
    assert [p.text for p in split_document(document, up_to(12))] == ["一二三四五。六七八九十。", "甲乙丙丁戊。"]


def test_a_sentence_over_the_limit_is_cut_at_commas_and_a_run_without_any_break_anywhere():
    document = document_from_text("一二三四五六，七八九十。" + "字" * 25 + "。")
    passages = [passage.text for passage in split_document(document, up_to(10))]
    assert passages[:2] == ["一二三四五六，", "七八九十。"]
    assert all(len(passage) <= 10 for passage in passages)
    assert "".join(passages) == document.text


@given(st.text(st.sampled_from("柳州。，；！“”《》（）ab .\n🚗é"), max_size=300), st.integers(1, 40))
def test_passages_are_exact_in_order_within_the_limit_and_leave_nothing_out(text, size):
    try:
        document = document_from_text(text)
    except DocumentError:
        assume(False)
    passages = split_document(document, up_to(size))
    covered = 0
    for passage in passages:
        assert document.text[passage.start : passage.end] == passage.text
        assert 0 < len(passage.text) <= size
        assert document.text[covered : passage.start].strip() == ""
        covered = passage.end
    assert document.text[covered:].strip() == ""
