"""What an answer may quote: proposed spans, and the clauses around them."""

import numpy as np
import pytest

from rag.evidence import Setting, gather
from rag.passages import Passage
from rag.pieces import PIECE_FEATURES, cut, trim
from rag.question import analyse
from rag.retriever import Hit
from rag.span_model import Candidate
from tests.fakes import WordCountEmbedder

TEXT = "会议在柳州召开，陈刚主持会议并讲话。柳州很大，人也很多。"


@pytest.fixture
def hits():
    return [Hit(Passage("d:0", "d", 0, len(TEXT), TEXT), 1, 1.0, {})]


def pieces_of(hits, candidates):
    evidence = gather(analyse("谁主持会议？"), hits, lambda _: Setting("", False), WordCountEmbedder())
    return cut(evidence, hits, candidates)


def test_pieces_are_the_proposed_spans_and_the_runs_of_clauses_within_a_sentence(hits):
    start = TEXT.index("陈刚")
    found = pieces_of(hits, [Candidate(0, start, start + 2, 3.0)])
    texts = [piece.text for piece in found.pieces]
    assert texts == [
        "陈刚", "会议在柳州召开", "会议在柳州召开，陈刚主持会议并讲话", "陈刚主持会议并讲话", "柳州很大",
        "柳州很大，人也很多", "人也很多",
    ]  # fmt: skip
    assert [piece.proposed for piece in found.pieces] == [True, *[False] * 6]
    assert found.features.shape == (7, len(PIECE_FEATURES))


def test_a_piece_holds_what_its_spans_hold(hits):
    start, other = TEXT.index("陈刚"), TEXT.index("柳州")
    found = pieces_of(hits, [Candidate(0, start, start + 2, 2.0), Candidate(0, other, other + 2, 0.0)])
    holds = dict(zip([p.text for p in found.pieces], found.features[:, PIECE_FEATURES.index("holds")], strict=True))
    total = np.exp(2.0) + np.exp(0.0) + 1
    assert holds["陈刚"] == holds["陈刚主持会议并讲话"] == pytest.approx(np.exp(2.0) / total)
    assert holds["会议在柳州召开，陈刚主持会议并讲话"] == pytest.approx((np.exp(2.0) + 1) / total)
    assert holds["柳州很大"] == 0
    assert found.odds == pytest.approx(np.log(np.exp(2.0) + 1))


def test_clauses_are_there_where_nothing_is_proposed(hits):
    found = pieces_of(hits, [])
    assert len(found.pieces) == 6
    assert np.isfinite(found.features).all()


def test_signs_at_the_end_are_no_words():
    assert trim("会议召开。\n", 0, 6) == (0, 4)
    assert trim("。", 0, 1) == (0, 1)
