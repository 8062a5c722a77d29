"""Lexical search: BM25 over single characters and pairs of characters of Chinese, and over words.

Chinese is written without spaces, and a word cut differently in question and text is not found.
Characters with their pairs (bigrams) need no cutting: on CMRC2018 they find the right passage first
more often than a dictionary's words do (models.md). The engine is tantivy, fed with our own grams.
"""

import re
import shutil
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

import numpy as np

from rag.folding import fold
from rag.index import Positions

_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff〇"
_RUN = re.compile(rf"([{_HAN}]+)|([^\W_{_HAN}]+(?:['’.][^\W_{_HAN}]+)*)")
WRITER_MEMORY = 30_000_000  # bytes tantivy may hold before it writes a segment; its minimum is 15 MB
UNIGRAM_WEIGHT = 0.5  # of a single character in a query, beside 1 for a pair or a word
_WORD_END = re.compile(r"(?<=[a-z]{4})(?:ing|ed)$|(?<=[a-z]{3})(?:es|s|e)$")


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

    def search(self, query: str, k: int) -> list[tuple[int, float]]:
        """Return up to k pairs of position and score (BM25, larger is better), best first.

        Raises:
            ValueError: The files of the index are damaged.
        """
        parts = []
        for gram, count in Counter(grams(query)).items():
            term = self._tantivy.Query.term_query(self._schema, "grams", gram, index_option="freq")
            weight = count * (UNIGRAM_WEIGHT if len(gram) == 1 and not gram.isascii() else 1.0)
            parts.append((self._tantivy.Occur.Should, self._tantivy.Query.boost_query(term, weight)))
        if not parts or not len(self):
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
