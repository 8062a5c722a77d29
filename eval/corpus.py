"""Corpus: the documents that questions are asked of, in the stores that the systems need.

Systems that embed or cut documents alike share one store. A corpus can be grown with distractors, which
answer nothing that is asked.
"""

import gzip
import json
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from eval.systems import SystemSpec
from rag.documents import SUFFIXES, Document, document_from_text, read_document
from rag.errors import DocumentError, EmbedderMismatchError, InputError, StoreError
from rag.pipeline import Pipeline
from rag.settings import STORE_FILE, Settings


@dataclass(frozen=True)
class Built:
    """A store that was made for systems, and what that cost."""

    folder: Path
    documents: int
    passages: int
    characters: int
    seconds: float  # to read from memory, cut, embed, write and index; 0 for a store that was there
    bytes: int  # on disk


class Corpus:
    """Documents, and a temporary store for each way of embedding and cutting them. Close it to remove the stores."""

    def __init__(
        self, documents: Sequence[Document], store: Path | None = None, distractors: Sequence[Path] = ()
    ) -> None:
        """Keep the documents.

        Args:
            documents: What is asked about.
            store: Holds the same documents; used as it is by systems whose embedder it was made with.
            distractors: Files, folders, or JSON lines with a field `text` (.jsonl, .jsonl.gz), for growth.
        """
        self.documents = documents
        self._store = store
        self._distractors = distractors
        self._temporary = tempfile.TemporaryDirectory(prefix="rag-eval-")
        self._built: dict[tuple[object, ...], Built] = {}

    def close(self) -> None:
        """Remove the temporary stores."""
        self._temporary.cleanup()

    def __enter__(self) -> "Corpus":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def build(self, spec: SystemSpec) -> Built:
        """Return a store for a system, making it where none fits.

        Raises:
            InputError: There are too few distractors.
        """
        settings = spec.settings
        if self._store and spec.growth == 1 and self._fits(settings):
            return _measured(self._store, settings, 0.0)
        key = (
            *(settings.embedder, settings.revision, settings.query_prompt, settings.passage_prompt),
            *(settings.passage_size, spec.growth),
        )
        if key not in self._built:
            folder = Path(self._temporary.name) / str(len(self._built))
            start = time.perf_counter()
            chat = Pipeline(folder, settings)
            for _ in chat.add_all(self.documents):
                pass
            if spec.growth > 1:
                self._grow(chat, spec.growth)
            chat.search("?1", 1)  # fills the indexes
            seconds = time.perf_counter() - start
            chat.close()
            self._built[key] = _measured(folder, settings, seconds)
        return self._built[key]

    def _fits(self, settings: Settings) -> bool:
        try:
            Pipeline(self._store, settings).close()  # type: ignore[arg-type]
        except EmbedderMismatchError:
            return False
        return settings.passage_size == Settings().passage_size

    def _grow(self, chat: Pipeline, factor: int) -> None:
        wanted = factor * sum(len(chat.store.passages_of(document.id)) for document in self.documents)
        have = wanted // factor
        for addition in chat.add_all(_fresh(read_texts(self._distractors), self.documents)):
            have += addition.passages
            if have >= wanted:
                return
        raise InputError(
            f"The distractors make {have} passages; {factor} times the corpus are {wanted}. "
            "Name more with --distractors."
        )


def open_documents(store: Path | None, paths: Sequence[Path], settings: Settings) -> list[Document]:
    """Return the documents of a store, or of files and folders.

    Raises:
        InputError: There are none, or one cannot be read.
        StoreError: There is no store.
    """
    if store:
        if not (store / STORE_FILE).is_file():
            raise StoreError(f"There is no store in {store}. `rag add --store {store} FILE` makes one.")
        chat = Pipeline(store, settings)
        documents = chat.documents()
        chat.close()
    else:
        documents = [read_document(path) for path in find_files(paths)]
    if not documents:
        raise InputError("There are no documents to ask about. Name files or a folder with --documents.")
    return documents


def find_files(paths: Sequence[Path]) -> Iterator[Path]:
    """Yield files, and the readable ones of folders, in the order of their names."""
    for path in paths:
        if path.is_dir():
            yield from sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
        else:
            yield path


def read_texts(paths: Sequence[Path]) -> Iterator[Document]:
    """Yield the documents of files, folders and JSON lines with a field `text`. What cannot be read is left out.

    Raises:
        InputError: A path does not exist, or a JSON line has no text.
    """
    for path in paths:
        if not path.exists():
            raise InputError(f"{path} does not exist. Check the path.")
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in files:
            if file.name.endswith((".jsonl", ".jsonl.gz")):
                yield from _texts_of_lines(file)
            elif file.suffix.lower() in SUFFIXES:
                try:
                    yield read_document(file)
                except DocumentError:
                    continue


def _texts_of_lines(file: Path) -> Iterator[Document]:
    opening = gzip.open if file.suffix == ".gz" else open
    with opening(file, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                row = json.loads(line)
                text, title = str(row["text"]), str(row.get("title") or "")
            except (ValueError, LookupError, TypeError) as error:
                raise InputError(f"{file}, row {number}: no JSON object with a field 'text' ({error}).") from error
            if text.strip():
                yield document_from_text(text, title, source=str(row.get("id") or f"{file.name}-{number}"))


def _fresh(texts: Iterable[Document], known: Sequence[Document]) -> Iterator[Document]:
    """Leave out texts that are asked about themselves."""
    digests = {document.digest for document in known}
    for text in texts:
        if text.digest not in digests:
            yield text


def _measured(folder: Path, settings: Settings, seconds: float) -> Built:
    chat = Pipeline(folder, settings)
    documents = chat.documents()
    passages = sum(len(chat.store.passages_of(document.id)) for document in documents)
    chat.close()
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return Built(folder, len(documents), passages, sum(len(d.text) for d in documents), round(seconds, 3), size)
