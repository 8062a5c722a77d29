"""A sentence is tied to the smallest words that carry it, and to none where nothing does."""

import time

import pytest

from rag.citations import Place, attribute, citation_from_dict, citation_to_dict, cite
from rag.documents import read_document
from rag.embedder import load_embedder
from rag.passages import Passage, split_document
from rag.retriever import Hit
from rag.settings import Settings
from tests.file_makers import make_pdf

FIRST = (
    "6月25日，自治区党委书记陈刚在柳州市主持召开自治区党委常委会扩大会议，专题研究柳州市债务化解和经济社会发展工作。"
    "围绕全国性综合交通枢纽、现代制造城、广西高质量发展先行区、自治区副中心城市“四大定位”，解放思想、创新求变。"
)
SECOND = "要持续打好蓝天、碧水、净土保卫战，切实抓好涉重金属环境安全隐患排查整治。五菱汽车的销量达到3000万辆。"
THIRD = (
    "On 26 January, China extended the Spring Festival holiday. UNESCO said that 13 countries had closed their schools."
)


def hits_of(*texts):
    return [
        Hit(Passage(f"d:{rank}", "d", 1000 * rank, 1000 * rank + len(text), text), rank, 1.0, {})
        for rank, text in enumerate(texts, start=1)
    ]


@pytest.fixture(scope="module")
def quoted():
    embedder = load_embedder(Settings())

    def words(sentence, *texts, hints=()):
        quotes = attribute(sentence, hits_of(*(texts or (FIRST, SECOND, THIRD))), hints, embedder)
        return [
            quote.passage.text[quote.start - quote.passage.start : quote.end - quote.passage.start] for quote in quotes
        ]

    return words


@pytest.mark.parametrize(
    "sentence", ["现代制造城", "專題研究柳州市債務化解和經濟社會發展工作。", "3000万辆", "the Spring Festival holiday"]
)
def test_verbatim_words_are_tied_to_exactly_themselves(quoted, sentence):
    (words,) = quoted(sentence)
    assert len(words) == len(sentence.strip("。"))


def test_a_reworded_sentence_is_tied_to_the_clause_that_carries_it(quoted):
    assert quoted("六月二十五日，会议在柳州召开。") == [
        "6月25日，自治区党委书记陈刚在柳州市主持召开自治区党委常委会扩大会议"
    ]
    assert quoted("柳州的四大定位是全国性综合交通枢纽、现代制造城、广西高质量发展先行区和自治区副中心城市。") == [
        "围绕全国性综合交通枢纽、现代制造城、广西高质量发展先行区、自治区副中心城市“四大定位”"
    ]


def test_a_number_written_otherwise_leads_to_its_clause(quoted):
    assert quoted("五菱的销量有三千万辆") == ["五菱汽车的销量达到3000万辆"]


def test_a_sentence_of_two_facts_is_tied_to_both(quoted):
    words = quoted("陈刚主持召开自治区党委常委会扩大会议，要求持续打好蓝天、碧水、净土保卫战。")
    assert len(words) == 2
    assert any("扩大会议" in one for one in words)
    assert any("保卫战" in one for one in words)


def test_an_english_sentence_is_tied_to_its_chinese_source(quoted):
    (words,) = quoted("Chen Gang chaired an enlarged meeting of the standing committee in Liuzhou on June 25.")
    assert "扩大会议" in words
    assert "四大定位" not in words


@pytest.mark.parametrize("sentence", ["苹果公司发布了新款手机。", "Apple released a new phone.", "", "。"])
def test_what_nothing_carries_is_tied_to_nothing(quoted, sentence):
    assert quoted(sentence) == []


def test_a_hint_decides_between_passages_that_carry_as_much(quoted):
    twice = ["柳州汽车的销量增长了很多，甲地如此。", "柳州汽车的销量增长了很多，乙地如此。"]
    embedder_free = quoted("柳州汽车的销量增长很多", *twice, hints=(2,))
    assert embedder_free == ["柳州汽车的销量增长了很多"]
    quotes = attribute("柳州汽车的销量增长很多", hits_of(*twice), (2,), load_embedder(Settings()))
    assert quotes[0].passage.id == "d:2"


def test_a_wrong_hint_does_not_lead_away_from_the_source(quoted):
    assert quoted("五菱汽车的销量达到了3000万辆", hints=(1,)) == ["五菱汽车的销量达到3000万辆"]


def test_quoted_words_are_covered_by_what_is_cited(quoted):
    (words,) = quoted("原文写道：“解放思想、创新求变”。")
    assert "解放思想、创新求变" in words


def test_a_number_alone_adds_no_quote(quoted):
    far = "本店11月2日开门。"
    assert quoted("11月2日，陈刚在柳州市主持召开自治区党委常委会扩大会议。", FIRST, far) == [
        "自治区党委书记陈刚在柳州市主持召开自治区党委常委会扩大会议"
    ]


@pytest.mark.parametrize("hostile", ["1" * 20_000, "“" * 20_000, "柳州，" * 6_000, "a b, " * 4_000])
def test_a_hostile_sentence_or_text_takes_no_long_time(quoted, hostile):
    started = time.perf_counter()
    quoted(hostile)
    quoted("柳州的四大定位有四个", hostile)
    assert time.perf_counter() - started < 4


def test_a_place_is_said_with_its_page_where_there_are_pages():
    place = Place(3, "", 1, 1, 0, 5, page=12)
    assert (place.said("zh"), place.said("en"), str(place)) == ("第12页第3段", "page 12, paragraph 3", "第12页第3段")
    place = Place(3, "", 1, 1, 0, 5)
    assert (place.said("zh"), place.said("en"), str(place)) == ("第3段", "paragraph 3", "第3段")


def test_a_citation_of_a_pdf_knows_its_page_and_one_kept_before_has_none(tmp_path):
    pages = [["这一页讲的是柳州的历史，从古代说起。"], ["这一页讲的是柳州的工业，有汽车和钢铁。"]]
    document = read_document(make_pdf(tmp_path / "a.pdf", pages))
    start = document.text.index("汽车")
    passage = split_document(document, lambda text: len(text) < 500)[-1]
    citation = cite(1, document, passage, start, start + 2)
    assert (citation.quote, citation.place.page) == ("汽车", 2)
    row = citation_to_dict(citation)
    assert citation_from_dict(row, {document.id: document}) == citation
    del row["place"]["page"]
    assert citation_from_dict(row, {document.id: document}).place.page is None
