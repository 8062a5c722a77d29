import pytest

from rag.matching import MEANING, PART, SOUND, match
from rag.question import Term
from tests.fakes import WordCountEmbedder


def strengths(word, *pieces):
    return match([Term(word, 1.0, False)], pieces, WordCountEmbedder())[0].tolist()


def test_a_word_as_it_is_written_counts_fully_and_only_there():
    assert strengths("柳州", "在柳州开会", "柳洲") == [1.0, 0.0]


def test_a_word_of_latin_letters_meets_its_other_endings_but_not_parts_of_words():
    assert strengths("chaired", "he chairs the meeting", "armchairs") == [1.0, 0.0]


def test_a_longer_word_counts_in_part():
    assert strengths("产销量", "产销齐旺", "产品") == [pytest.approx(PART * 0.5), 0.0]


def test_a_typed_homophone_meets_by_sound():
    assert strengths("柳洲", "在柳州开会", "桂林") == [SOUND, 0.0]


def test_pinyin_meets_the_characters_it_spells():
    assert strengths("liuzhou", "在柳州开会", "六周以后到来") == [SOUND, SOUND]
    assert strengths("zhou", "在柳州开会") == [SOUND]
    assert strengths("iuzhou", "在柳州开会") == [0.0]


def test_a_word_of_another_language_meets_by_meaning():
    class Bilingual(WordCountEmbedder):
        words = ("moon", "月亮")

        def embed_queries(self, texts):
            vectors = self.embed_passages(texts)
            return (vectors + vectors[:, ::-1]) / 2**0.5  # both words point the same way

    found = match([Term("moon", 1.0, False)], ["看见月亮", "看见太阳"], Bilingual())[0]
    assert found.tolist() == [pytest.approx(MEANING), 0.0]


def test_no_terms_and_no_pieces():
    assert match([], ["a"], WordCountEmbedder()).shape == (0, 1)
    assert match([Term("柳州", 1.0, False)], [], WordCountEmbedder()).shape == (1, 0)
