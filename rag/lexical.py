"""Lexical search: BM25 over single characters and pairs of characters of Chinese, and over words.

Chinese is written without spaces, and a word cut differently in question and text is not found.
Characters with their pairs (bigrams) need no cutting: on CMRC2018 they find the right passage first
more often than a dictionary's words do (models.md). The engine is tantivy, fed with our own grams.

A query is a list of concepts. Each is one gram or word with every way it may stand in a text: an
English word as it is, or as any of its Chinese translations, which together count as one term.
"""

import math
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from rag.folding import fold, is_han
from rag.index import Positions
from rag.lexicon import words_of
from rag.question import ASKING, STOPWORDS
from rag.recall import recall_of
from rag.translation import LONGEST_PHRASE, Translation, chinese_of, english_of

_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff〇"
_RUN = re.compile(rf"([{_HAN}]+)|([^\W_{_HAN}]+(?:['’.][^\W_{_HAN}]+)*)")
WRITER_MEMORY = 30_000_000  # bytes tantivy may hold before it writes a segment; its minimum is 15 MB
UNIGRAM_WEIGHT = 0.5  # of a single character in a query, beside 1 for a pair or a word
PHRASE_WEIGHT = 0.5  # of a translated phrase, whose words count as well
RARITY = 0.3  # power of the inverse document frequency that a term weighs beside what BM25 makes of it
# What a text of the language all but surely holds, and one that only names something in it does not.
CHINESE_MARKS, ENGLISH_MARKS = ("的", "在"), ("the", "of", "and", "to")
_WORD_END = re.compile(r"(?<=[a-z]{4})(?:ing|ed)$|(?<=[a-z]{3})(?:es|s|e)$")


@dataclass(frozen=True)
class Concept:
    """What a query says once, with every way in which a text may say it."""

    literal: str  # as the query says it: a gram of Chinese or a stem; "" where only translations count
    translations: tuple[Translation, ...]
    weight: float  # how likely a passage that answers holds it, less for single characters and phrases


class LexicalIndex(Protocol):
    """Texts by the grams they share with a query, each known by its position (a number of the caller's)."""

    def positions(self) -> Positions:
        """Return the positions held, in no promised order."""

    def change(self, added: Iterable[tuple[int, str]], removed: Positions) -> None:
        """Remove positions and add texts under new ones, as one step."""

    def search(self, query: str, k: int) -> list[tuple[int, float]]:
        """Return up to k pairs of position and score, best first; only texts that share a gram."""


def grams(text: str) -> list[str]:
    """Return the grams of a text, folded: each Chinese character, each pair of neighbours, each word."""
    found: list[str] = []
    for run in _RUN.finditer(fold(text)):
        characters, word = run.groups()
        if characters:
            found += characters
            found += (characters[at : at + 2] for at in range(len(characters) - 1))
        else:
            found.append(stem(word))
    return found


def stem(word: str) -> str:
    """Cut the commonest endings of an English word, folded, so that `chaired` meets `chairs`."""
    return _WORD_END.sub("", word.removesuffix("'s"))


def ways_of(concept: Concept) -> list[tuple[str, float]]:
    """Return each way to say a concept with its factor, the literal one first."""
    literal = [(concept.literal, 1.0)] if concept.literal else []
    return literal + [(way.text, way.factor) for way in concept.translations]


@lru_cache(maxsize=64)
def concepts(query: str, to_chinese: bool, to_english: bool) -> tuple[Concept, ...]:
    """Return what a query says, without the words that only ask (unless there are no others).

    Args:
        query: A question in either language, or both.
        to_chinese: Whether there are Chinese texts, so that English words are translated.
        to_english: Whether there are English texts: Chinese words are translated, and English stop words kept.

    Source: Pirkola, "The effects of query structure and dictionary setups in dictionary-based cross-language
        information retrieval", SIGIR 1998: all translations of a word are one term. Which is likelier counts as in
        Darwish and Oard, "Probabilistic structured query methods", SIGIR 2003.
    """
    folded = fold(query)
    asked = ASKING.sub("\n", folded)
    found: dict[str, Concept] = {}
    words: list[str] = []  # stems of English words that carry meaning
    for run in _RUN.finditer(asked if _RUN.search(asked) else folded):
        characters, word = run.groups()
        if characters:
            for gram in (*characters, *(characters[at : at + 2] for at in range(len(characters) - 1))):
                weight = recall_of(gram) * (UNIGRAM_WEIGHT if len(gram) == 1 else 1.0)
                found.setdefault(gram, Concept(gram, (), weight))
        elif word not in STOPWORDS or to_english:
            key = stem(word)
            translated = chinese_of(key) if to_chinese and word not in STOPWORDS else ()
            found.setdefault(key, Concept(key, translated, recall_of(key)))
            words += [key] * (word not in STOPWORDS)
    if to_chinese:
        found |= {phrase: Concept("", ways, PHRASE_WEIGHT) for phrase, ways in _phrases(words)}
    if to_english:
        chinese = [word.text for word in words_of(asked) if len(word.text) > 1 and is_han(word.text[0])]
        found |= {
            f"={word}": Concept("", ways, 1.0)
            for word in chinese
            if word not in STOPWORDS and (ways := english_of(word))
        }
    return tuple(found.values())


def _phrases(words: Sequence[str]) -> Iterable[tuple[str, tuple[Translation, ...]]]:
    for length in range(2, LONGEST_PHRASE + 1):
        for start in range(len(words) - length + 1):
            phrase = " ".join(words[start : start + length])
            if ways := chinese_of(phrase):
                yield phrase, ways


class TantivyIndex:
    """The lexical index in a folder on disk, or in memory where no folder is given."""

    def __init__(self, folder: Path | None = None) -> None:
        """Open or make the index.

        Raises:
            ValueError: The folder holds something that is not a readable index of this kind.
        """
        import tantivy

        self._tantivy = tantivy
        builder = tantivy.SchemaBuilder()
        builder.add_integer_field("position", stored=False, indexed=True, fast=True)
        builder.add_text_field("grams", tokenizer_name="grams", index_option="freq")
        self._schema = builder.build()
        try:
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
            self._index = tantivy.Index(self._schema, path=str(folder) if folder else None)
            self._index.register_tokenizer("grams", tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build())
            self._searcher = self._index.searcher()
        except BaseException as error:
            raise _damaged(error, folder) from error

    def __len__(self) -> int:
        return int(self._searcher.num_docs)

    def positions(self) -> Positions:
        """Return the positions held, in no promised order; what another process committed is seen."""
        self._reload()
        if not len(self):
            return np.empty(0, np.int64)
        hits = self._searcher.search(self._tantivy.Query.all_query(), limit=len(self), count=False).hits
        values = self._searcher.fast_field_values("position", [address for _, address in hits])
        return np.asarray(values, np.int64)

    def change(self, added: Iterable[tuple[int, str]], removed: Positions) -> None:
        """Remove positions and add texts under new ones, as one step: a reader sees all of it or nothing.

        Raises:
            OSError: The folder cannot be written, or another process is writing.
        """
        try:
            writer = self._index.writer(heap_size=WRITER_MEMORY, num_threads=1)
            for position in removed:
                writer.delete_documents_by_term("position", int(position))
            for position, text in added:
                document = self._tantivy.Document()
                document.add_integer("position", position)
                document.add_text("grams", " ".join(grams(text)))
                writer.add_document(document)
            writer.commit()
            writer.wait_merging_threads()
        except ValueError as error:  # what the binding makes of every fault of the engine
            raise OSError(f"The lexical index cannot be written: {error}") from error
        self._reload()

    def _reload(self) -> None:
        self._index.reload()
        self._searcher = self._index.searcher()
        self.__dict__.pop("_languages", None)

    @cached_property
    def _languages(self) -> tuple[bool, bool]:
        """Whether some text is Chinese, and whether some is English: only then a query is put into that language."""
        return self._some_text_holds(CHINESE_MARKS), self._some_text_holds(ENGLISH_MARKS)

    def _some_text_holds(self, terms: Iterable[str]) -> bool:
        must, query = self._tantivy.Occur.Must, self._tantivy.Query
        matches = [(must, query.term_query(self._schema, "grams", term, index_option="freq")) for term in terms]
        return bool(self._searcher.search(query.boolean_query(matches), limit=1, count=False).hits)

    def search(self, query: str, k: int) -> list[tuple[int, float]]:
        """Return up to k pairs of position and score (BM25, larger is better), best first.

        Raises:
            ValueError: The files of the index are damaged.
        """
        parts = [(self._tantivy.Occur.Should, part) for part in self._parts(query)] if len(self) else []
        if not parts:
            return []
        try:
            found = self._searcher.search(self._tantivy.Query.boolean_query(parts), limit=k, count=False).hits
            positions = self._searcher.fast_field_values("position", [address for _, address in found])
        except BaseException as error:
            raise _damaged(error) from error
        pairs = zip(np.asarray(positions, np.int64).tolist(), found, strict=True)
        hits = [(int(position), float(score)) for position, (score, _) in pairs]
        # Ties are ordered by the text's place, so that a rebuilt index answers as the old one did.
        return sorted(hits, key=lambda hit: (-hit[1], hit[0]))

    def _parts(self, query: str) -> Iterable[Any]:
        """Yield a query of the engine for each concept that some text holds."""
        for concept in concepts(query, *self._languages):
            ways = []
            for text, factor in ways_of(concept):
                terms = _terms(text)
                counts = [self._texts_with(term) for term in terms]
                if all(counts):
                    ways.append((terms, counts, factor))
            if ways:
                yield self._part(ways, concept.weight)

    def _part(self, ways: Sequence[tuple[Sequence[str], Sequence[int], float]], weight: float) -> Any:
        """Return what finds any of the ways, each given by its terms, how many texts hold each, and its factor.

        BM25 weighs each term by its own rarity, so that a far-fetched translation, which is in no other text, would
        weigh most. Its boost takes that out again and puts in the rarity of the whole concept.
        """
        rarity = self._rarity(sum(factor * min(counts) for _, counts, factor in ways))
        options = []
        for terms, counts, factor in ways:
            wanted = weight * factor * rarity ** (1 + RARITY) / len(terms)
            matches = [
                self._tantivy.Query.boost_query(
                    self._tantivy.Query.term_query(self._schema, "grams", term, index_option="freq"),
                    wanted / self._rarity(count),
                )
                for term, count in zip(terms, counts, strict=True)
            ]
            must = self._tantivy.Occur.Must
            options.append(
                matches[0]
                if len(matches) == 1
                else self._tantivy.Query.boolean_query([(must, match) for match in matches])
            )
        return options[0] if len(options) == 1 else self._tantivy.Query.disjunction_max_query(options)

    def _texts_with(self, term: str) -> int:
        return int(self._searcher.doc_freq("grams", term))

    def _rarity(self, texts: float) -> float:
        """Return the inverse document frequency as the engine has it."""
        return math.log(1 + (len(self) - min(texts, len(self)) + 0.5) / (min(texts, len(self)) + 0.5))


def _terms(text: str) -> list[str]:
    """Return the terms of the index that a way to say something is found by: pairs, words, or a single character."""
    return [gram for gram in grams(text) if len(gram) > 1 or len(text) == 1] or grams(text)


def _damaged(error: BaseException, folder: Path | None = None) -> BaseException:
    """Return what to raise for a fault of the engine: a ValueError, also for its panics.

    A panic of the Rust engine is a BaseException of a type that cannot be imported. What is not a
    fault of the engine (an interrupt) is returned as it is.
    """
    if isinstance(error, Exception) or type(error).__name__ == "PanicException":
        return ValueError(f"{folder or 'This'} is not a readable lexical index: {error}")
    return error


def discard(folder: Path) -> None:
    """Delete the files of an index, damaged or not."""
    shutil.rmtree(folder, ignore_errors=True)
