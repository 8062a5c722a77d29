"""Corpus: the documents that questions are asked of, in the stores that the systems need.

Systems that embed or cut documents alike share one store. A corpus can be grown with distractors, which
answer nothing that is asked.
"""

import gzip
import hashlib
import json
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from eval.systems import SystemSpec
from rag.documents import SUFFIXES, Document, document_from_text, read_document
from rag.errors import DocumentError, EmbedderMismatchError, InputError, StoreError
from rag.pipeline import Pipeline
from rag.settings import STORE_FILE, Settings

UNREAD = (".doc", ".odt", ".rtf", ".ppt", ".pptx", ".xls", ".xlsx")  # likely meant as documents
BATCH_SHARE = 4  # of the passages still missing, added at once when a corpus grows


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

    def digest_of_distractors(self) -> str:
        """Return a digest of the files that distractors are read from, "" without any."""
        files = [file for path in self._distractors for file in ([path] if path.is_file() else sorted(path.rglob("*")))]
        digests = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files if file.is_file()]
        return hashlib.sha256("".join(digests).encode()).hexdigest() if digests else ""

    def _fits(self, settings: Settings) -> bool:
        try:
            Pipeline(self._store, settings).close()  # type: ignore[arg-type]
        except EmbedderMismatchError:
            return False
        return settings.passage_size == Settings().passage_size

    def _grow(self, chat: Pipeline, factor: int) -> None:
        own = sum(len(chat.store.passages_of(document.id)) for document in self.documents)
        wanted, have = factor * own, own
        texts = _fresh(read_texts(self._distractors), self.documents)
        # Smaller and smaller batches: a batch is added whole, and the corpus shall not be larger than it is called.
        while batch := list(islice(texts, max(1, (wanted - have) // BATCH_SHARE))):
            have += sum(addition.passages for addition in chat.add_all(batch))
            if have >= wanted:
                return
        raise InputError(
            f"The distractors make {have - own} passages; a corpus {factor} times as large needs {wanted - own}. "
            "Name more with --distractors."
        )


def open_documents(
    store: Path | None,
    paths: Sequence[Path],
    settings: Settings,
    notice: Callable[[str], None] = lambda _: None,
    questions: Path | None = None,
) -> list[Document]:
    """Return the documents of a store, or of files and folders.

    Args:
        store: Their store, or None.
        paths: Files, and folders whose readable files are taken.
        settings: Of the store.
        notice: Told of what is passed over in a folder.
        questions: A table that is no document, also where it lies in such a folder.

    Raises:
        InputError: There are none, or a file that was named cannot be read.
        StoreError: There is no store.
    """
    if store:
        if not (store / STORE_FILE).is_file():
            raise StoreError(f"There is no store in {store}. `rag add --store {store} FILE` makes one.")
        chat = Pipeline(store, settings)
        documents = chat.documents()
        chat.close()
    else:
        documents = list(_read_all(paths, notice, questions))
    if not documents:
        raise InputError("There are no documents to ask about. Name files or a folder with --documents.")
    return documents


def _read_all(
    paths: Sequence[Path], notice: Callable[[str], None], questions: Path | None = None
) -> Iterator[Document]:
    for path in paths:
        if not path.is_dir():
            yield read_document(path)
            continue
        for file in find_files([path]):
            if questions and file.samefile(questions):
                continue
            try:
                yield read_document(file)
            except DocumentError as error:
                notice(f"Left out: {error}")
        others = [file.name for file in sorted(path.rglob("*")) if file.suffix.lower() in UNREAD and file.is_file()]
        if others:
            notice(f"Left out of {path}, since such files are not read: {', '.join(others[:5])}")


def find_files(paths: Sequence[Path]) -> Iterator[Path]:
    """Yield files, and the readable ones of folders, in the order of their names."""
    for path in paths:
        if path.is_dir():
            files = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
            yield from (file for file in files if not _is_aside(file, path))
        else:
            yield path


def _is_aside(file: Path, folder: Path) -> bool:
    """Say whether a file stands in a hidden folder, or in that of a run, whose pages hold the gold answers."""
    above = [folder.joinpath(*file.relative_to(folder).parts[:at]) for at in range(len(file.relative_to(folder).parts))]
    hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
    return hidden or any((place / "manifest.json").is_file() and (place / "rows.jsonl").is_file() for place in above)


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
    with opening(file, "rt", encoding="utf-8", errors="replace") as lines:
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
