"""Store: one folder that holds documents, passages, embeddings, feedback, conversations, and the caches made from them.

One SQLite file is the truth: every change is one transaction, so a process killed anywhere leaves
the state before it or after it. The FAISS file and the lexical index are caches. Each is brought to
the passages in the database when it is opened; one that is damaged is made anew.
"""

import hashlib
import json
import logging
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import numpy as np

from rag.documents import Document
from rag.embedder import Embedder, FloatMatrix
from rag.errors import EmbedderMismatchError, InputError, NotFoundError, StoreError
from rag.index import FaissIndex, Positions
from rag.lexical import TantivyIndex, discard
from rag.passages import Passage
from rag.settings import STORE_FILE

logger = logging.getLogger(__name__)

VECTORS = "vectors.faiss"
LEXICAL = "lexical"
BUSY_TIMEOUT = 30.0  # seconds to wait for another process that is writing
READ_BATCH = 1000  # passages read from the database at once when a cache is filled

# Each entry brings a database from the version of its place to the next; `user_version` counts them.
MIGRATIONS = (
    """
    CREATE TABLE setting (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE document (
        id TEXT PRIMARY KEY, digest TEXT NOT NULL, title TEXT NOT NULL, source TEXT NOT NULL,
        characters INTEGER NOT NULL, record TEXT NOT NULL,
        added TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))
    );
    CREATE TABLE passage (
        -- Made from the content (see position_of): caches that hold equal positions hold equal content.
        position INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        document_id TEXT NOT NULL REFERENCES document(id) ON DELETE CASCADE,
        "start" INTEGER NOT NULL, "end" INTEGER NOT NULL,
        embedding BLOB NOT NULL
    );
    CREATE INDEX passage_document ON passage(document_id);
    INSERT INTO setting VALUES ('generation', '0');
    """,
    """
    CREATE TABLE feedback (
        id INTEGER PRIMARY KEY,
        added TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now')),
        record TEXT NOT NULL
    );
    """,
    """
    CREATE TABLE conversation (
        id TEXT PRIMARY KEY, title TEXT NOT NULL,
        created TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now')),
        changed TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))
    );
    CREATE TABLE turn (
        conversation_id TEXT NOT NULL REFERENCES conversation(id) ON DELETE CASCADE,
        number INTEGER NOT NULL, record TEXT NOT NULL,
        PRIMARY KEY (conversation_id, number)
    ) WITHOUT ROWID;
    """,
)
# Of a conversation: id, title, created, changed, number of turns.
ConversationRow = tuple[str, str, str, str, int]
_CONVERSATIONS = """
    SELECT id, title, created, changed, (SELECT count(*) FROM turn WHERE conversation_id = conversation.id)
    FROM conversation
"""


class Store:
    """A store in a folder. Safe to use from several threads; several processes may share the folder."""

    def __init__(self, folder: Path, embedder: Embedder, passage_size: int) -> None:
        """Open the store, making it where the folder holds none.

        Args:
            folder: Made where it is absent.
            embedder: Only its name, fingerprint and dim are used.
            passage_size: Recorded in a new store; what is added later is cut as the settings say then.

        Raises:
            EmbedderMismatchError: The store was made with another embedder.
            StoreError: The folder or its database cannot be opened or made.
        """
        self.folder = folder
        self._dim = embedder.dim
        self._lock = threading.RLock()
        self._vectors: FaissIndex | None = None
        self._lexical: TantivyIndex | None = None
        self._synced = -1  # the generation the two indexes in memory stand at
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"The folder {folder} of the store cannot be made: {error.strerror}.") from error
        with self._errors():
            self._connection = sqlite3.connect(
                folder / STORE_FILE, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False
            )
        try:
            with self._errors():
                self._use_wal()
                self._connection.execute("PRAGMA synchronous = FULL")
                self._connection.execute("PRAGMA foreign_keys = ON")
                self._migrate()
                self._check_embedder(embedder, passage_size)
        except BaseException:
            self._connection.close()
            raise
        self._load_document = lru_cache(maxsize=64)(self._read_document)

    def close(self) -> None:
        """Close the database. The store cannot be used afterwards."""
        with self._lock:
            self._connection.close()

    # -- Documents ---------------------------------------------------------------------------------

    def digest(self, document_id: str) -> str | None:
        """Return the digest of the document that has this id, or None."""
        row = self._one("SELECT digest FROM document WHERE id = ?", document_id)
        return str(row[0]) if row else None

    def put(
        self, documents: Sequence[tuple[Document, Sequence[Passage], FloatMatrix]], mark: str | None = None
    ) -> None:
        """Add documents with their passages and embeddings, each replacing its old self, in one transaction.

        Args:
            documents: What to add.
            mark: Kept in the same transaction, for `has_mark`.
        """
        with self._transaction() as connection:
            if mark:
                connection.execute("INSERT OR REPLACE INTO setting VALUES (?, 'done')", (f"mark {mark}",))
            for document, passages, embeddings in documents:
                connection.execute("DELETE FROM document WHERE id = ?", (document.id,))
                record = json.dumps(document.to_record(), ensure_ascii=False, separators=(",", ":"))
                connection.execute(
                    "INSERT INTO document (id, digest, title, source, characters, record) VALUES (?, ?, ?, ?, ?, ?)",
                    (document.id, document.digest, document.title, document.source, len(document.text), record),
                )
                connection.executemany(
                    'INSERT INTO passage (position, id, document_id, "start", "end", embedding) '
                    "VALUES (?, ?, ?, ?, ?, ?)",
                    (
                        (
                            position_of(passage),
                            passage.id,
                            document.id,
                            passage.start,
                            passage.end,
                            row.astype("<f4").tobytes(),
                        )
                        for passage, row in zip(passages, embeddings, strict=True)
                    ),
                )
        self._load_document.cache_clear()

    def remove(self, document_id: str) -> None:
        """Remove a document with its passages.

        Raises:
            NotFoundError: There is none of this id.
        """
        with self._transaction() as connection:
            if not connection.execute("DELETE FROM document WHERE id = ?", (document_id,)).rowcount:
                raise NotFoundError(f"The store in {self.folder} holds no document with the id {document_id!r}.")
        self._load_document.cache_clear()

    def has_mark(self, mark: str) -> bool:
        """Say whether a `put` has kept this mark."""
        return self._one("SELECT value FROM setting WHERE key = ?", f"mark {mark}") is not None

    def document_ids(self) -> list[str]:
        """Return the ids of all documents, in the order of adding."""
        with self._lock, self._errors():
            return [str(row[0]) for row in self._connection.execute("SELECT id FROM document ORDER BY rowid")]

    def document(self, document_id: str) -> Document:
        """Return a document.

        Raises:
            NotFoundError: There is none of this id.
        """
        self._catch_up_documents()
        return self._load_document(document_id)

    # -- Feedback ----------------------------------------------------------------------------------

    def add_feedback(self, record: str) -> tuple[int, str]:
        """Keep a record of feedback; return the id and the time it got. The documents stay as they are."""
        with self._transaction(changes=False) as connection:
            id_ = connection.execute("INSERT INTO feedback (record) VALUES (?)", (record,)).lastrowid
            row: tuple[int, str] = connection.execute("SELECT id, added FROM feedback WHERE id = ?", (id_,)).fetchone()
            return row

    def feedback_records(self) -> list[tuple[int, str, str]]:
        """Return the id, the time and the record of all feedback, oldest first."""
        with self._lock, self._errors():
            return self._connection.execute("SELECT id, added, record FROM feedback ORDER BY id").fetchall()

    # -- Conversations -----------------------------------------------------------------------------

    def add_conversation(self, conversation_id: str, title: str, most: int) -> None:
        """Make a conversation without turns. The documents stay as they are, here and in what follows.

        Raises:
            InputError: The store holds `most` conversations already.
        """
        with self._transaction(changes=False) as connection:
            held = connection.execute("SELECT count(*) FROM conversation").fetchone()[0]
            if held >= most:
                raise InputError(
                    f"The store in {self.folder} holds {held} conversations, and keeps {most} at most. Delete some."
                )
            connection.execute("INSERT INTO conversation (id, title) VALUES (?, ?)", (conversation_id, title))

    def conversations(self) -> list[ConversationRow]:
        """Return all conversations, the one changed last first."""
        with self._lock, self._errors():
            return self._connection.execute(f"{_CONVERSATIONS} ORDER BY changed DESC, rowid DESC").fetchall()

    def turns(self, conversation_id: str) -> tuple[ConversationRow, list[tuple[int, str]]]:
        """Return a conversation, and the number and record of each of its turns in order, as of one moment.

        Raises:
            NotFoundError: There is none of this id.
        """
        with self._reading() as connection:
            row = connection.execute(f"{_CONVERSATIONS} WHERE id = ?", (conversation_id,)).fetchone()
            if row is None:
                raise self._no_conversation(conversation_id)
            query = "SELECT number, record FROM turn WHERE conversation_id = ? ORDER BY number"
            return row, connection.execute(query, (conversation_id,)).fetchall()

    def rename_conversation(self, conversation_id: str, title: str) -> None:
        """Give a conversation another title. Raises NotFoundError as `turns` does."""
        with self._transaction(changes=False) as connection:
            done = connection.execute("UPDATE conversation SET title = ? WHERE id = ?", (title, conversation_id))
            if not done.rowcount:
                raise self._no_conversation(conversation_id)

    def delete_conversation(self, conversation_id: str) -> None:
        """Delete a conversation with its turns. Raises NotFoundError as `turns` does."""
        with self._transaction(changes=False) as connection:
            if not connection.execute("DELETE FROM conversation WHERE id = ?", (conversation_id,)).rowcount:
                raise self._no_conversation(conversation_id)

    def append_turn(self, conversation_id: str, record: str, most: int, title: str = "") -> int:
        """Add a turn at the end of a conversation; return its number, from 1.

        Args:
            conversation_id: Of the conversation.
            record: Of the turn.
            most: Turns that a conversation may have.
            title: Given to a conversation that has none.

        Raises:
            InputError: The conversation has `most` turns already.
            NotFoundError: There is none of this id.
        """
        with self._transaction(changes=False) as connection:
            self._touch(connection, conversation_id)
            query = "SELECT count(*), coalesce(max(number), 0) FROM turn WHERE conversation_id = ?"
            held, last = connection.execute(query, (conversation_id,)).fetchone()
            if held >= most:
                raise InputError(
                    f"The conversation {conversation_id} has {held} turns, and keeps {most} at most. Start another."
                )
            connection.execute("INSERT INTO turn VALUES (?, ?, ?)", (conversation_id, last + 1, record))
            query = "UPDATE conversation SET title = ? WHERE id = ? AND title = ''"
            connection.execute(query, (title, conversation_id))
            return int(last) + 1

    def replace_turn(self, conversation_id: str, number: int, record: str) -> None:
        """Put another record in the place of the last turn.

        Raises:
            InputError: The turn is not the last one: those after it were asked with it in mind.
            NotFoundError: There is no such conversation.
        """
        with self._transaction(changes=False) as connection:
            self._touch(connection, conversation_id)
            query = "SELECT max(number) FROM turn WHERE conversation_id = ?"
            last = connection.execute(query, (conversation_id,)).fetchone()[0]
            if number != last:
                raise InputError(
                    f"Turn {number} of the conversation {conversation_id} cannot be replaced: the last one is "
                    f"{last or 'none'}. Ask it as a new turn."
                )
            query = "UPDATE turn SET record = ? WHERE conversation_id = ? AND number = ?"
            connection.execute(query, (record, conversation_id, number))

    def _touch(self, connection: sqlite3.Connection, conversation_id: str) -> None:
        query = "UPDATE conversation SET changed = strftime('%Y-%m-%dT%H:%M:%SZ', 'now') WHERE id = ?"
        if not connection.execute(query, (conversation_id,)).rowcount:
            raise self._no_conversation(conversation_id)

    def _no_conversation(self, conversation_id: str) -> NotFoundError:
        return NotFoundError(
            f"The store in {self.folder} holds no conversation with the id {conversation_id!r}. "
            "`rag conversations` shows the ids."
        )

    # -- Search ------------------------------------------------------------------------------------

    def generation(self) -> int:
        """Return how many changes of its documents the store has seen."""
        row = self._one("SELECT value FROM setting WHERE key = 'generation'")
        return int(row[0]) if row else 0

    def passages(self, positions: Sequence[int]) -> dict[int, Passage]:
        """Return the passages at these positions; those removed meanwhile are left out."""
        marks = ",".join("?" * len(positions))
        query = f'SELECT position, id, document_id, "start", "end" FROM passage WHERE position IN ({marks})'  # noqa: S608
        with self._lock, self._errors():
            rows = self._connection.execute(query, tuple(positions)).fetchall()
            return {
                position: Passage(id_, document_id, start, end, self.document(document_id).text[start:end])
                for position, id_, document_id, start, end in rows
            }

    def passages_of(self, document_id: str) -> list[Passage]:
        """Return the passages of one document, in order."""
        text = self.document(document_id).text
        query = 'SELECT id, "start", "end" FROM passage WHERE document_id = ? ORDER BY "start"'
        with self._lock, self._errors():
            rows = self._connection.execute(query, (document_id,)).fetchall()
        return [Passage(id_, document_id, start, end, text[start:end]) for id_, start, end in rows]

    def search_dense(self, query_vector: FloatMatrix, k: int) -> list[tuple[int, float]]:
        """Return up to k pairs of position and cosine for one query, shape (1, dim), best first."""
        with self._lock:
            vectors, _ = self._indexes()
            return vectors.search(query_vector, k)[0] if len(vectors) else []

    def search_lexical(self, query: str, k: int) -> list[tuple[int, float]]:
        """Return up to k pairs of position and BM25 score, best first."""
        with self._lock:
            try:
                return self._indexes()[1].search(query, k)
            except ValueError as error:
                logger.warning("The cache %s is damaged and is made anew: %s", self.folder / LEXICAL, error)
                discard(self.folder / LEXICAL)
                self._lexical, self._synced = None, -1
                return self._indexes()[1].search(query, k)

    # -- Inside ------------------------------------------------------------------------------------

    def _use_wal(self) -> None:
        """Switch to write-ahead logging; SQLite does not wait for another process here, so we do."""
        patience = time.monotonic() + BUSY_TIMEOUT
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > patience:
                    raise
                time.sleep(0.02)

    def _version(self) -> int:
        version = int(self._connection.execute("PRAGMA user_version").fetchone()[0])
        if version > len(MIGRATIONS):
            raise StoreError(
                f"The store in {self.folder} has schema version {version}; this program knows {len(MIGRATIONS)}. "
                "Install a newer version of the program."
            )
        return version

    def _migrate(self) -> None:
        if self._version() == len(MIGRATIONS):
            return
        with self._transaction(changes=False) as connection:
            # Asked again under the lock: another process may have been faster.
            for number in range(self._version(), len(MIGRATIONS)):
                for statement in MIGRATIONS[number].split(";\n"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {number + 1}")

    def _check_embedder(self, embedder: Embedder, passage_size: int) -> None:
        """Let a new store belong to this embedder; refuse another one's."""
        wanted = {"embedder": embedder.name, "fingerprint": embedder.fingerprint, "dim": str(embedder.dim)}
        if self._one("SELECT value FROM setting WHERE key = 'fingerprint'") is None:
            with self._transaction(changes=False) as connection:
                values = wanted | {"passage_size": str(passage_size)}
                # Another process may have been faster: then its embedder stays, and is compared below.
                connection.executemany("INSERT OR IGNORE INTO setting VALUES (?, ?)", values.items())
        row = self._one("SELECT value FROM setting WHERE key = 'fingerprint'")
        if row and row[0] != embedder.fingerprint:
            stored = self._one("SELECT value FROM setting WHERE key = 'embedder'")
            name = stored[0] if stored else "unknown"
            is_older = name == embedder.name  # the bundled one, of another version of this program
            remedy = (
                "It was another version of it: name another folder, and add the documents there."
                if is_older
                else "Name the embedder it was made with, or name another folder and add the documents there."
            )
            raise EmbedderMismatchError(
                f"The store in {self.folder} was made with the embedder {name!r} (fingerprint {row[0]}); the settings "
                f"name {embedder.name!r} ({embedder.fingerprint}). Their vectors cannot be compared. {remedy}"
            )

    def _read_document(self, document_id: str) -> Document:
        row = self._one("SELECT record FROM document WHERE id = ?", document_id)
        if row is None:
            raise NotFoundError(f"The store in {self.folder} holds no document with the id {document_id!r}.")
        try:
            return Document.from_record(json.loads(row[0]))
        except (ValueError, LookupError, TypeError) as error:
            raise StoreError(_damaged(self.folder)) from error

    def _catch_up_documents(self) -> None:
        """Forget documents kept in memory when another process has changed the store."""
        generation = self.generation()
        if generation != getattr(self, "_documents_at", generation):
            self._load_document.cache_clear()
        self._documents_at = generation

    def _indexes(self) -> tuple[FaissIndex, TantivyIndex]:
        """Return both indexes at the state of the database."""
        generation = self.generation()
        if self._vectors is None:
            self._vectors = self._open_vectors()
        if self._lexical is None:
            self._lexical = self._open_lexical()
        if self._synced != generation:
            with self._errors():
                stored = np.array(
                    [row[0] for row in self._connection.execute("SELECT position FROM passage")], np.int64
                )
            self._sync_vectors(self._vectors, stored)
            self._lexical = self._sync_lexical(self._lexical, stored)
            self._synced = generation
        return self._vectors, self._lexical

    def _open_vectors(self) -> FaissIndex:
        path = self.folder / VECTORS
        if path.exists():
            try:
                return FaissIndex.load(path, self._dim)
            except ValueError as error:
                logger.warning("The cache %s is damaged and is made anew: %s", path, error)
        return FaissIndex(self._dim)

    def _open_lexical(self) -> TantivyIndex:
        folder = self.folder / LEXICAL
        try:
            return TantivyIndex(folder)
        except ValueError as error:
            logger.warning("The cache %s is damaged and is made anew: %s", folder, error)
            discard(folder)
        try:
            return TantivyIndex(folder)
        except ValueError as error:
            logger.warning("The cache %s cannot be made, so it is kept in memory: %s", folder, error)
            return TantivyIndex()

    def _sync_vectors(self, vectors: FaissIndex, stored: Positions) -> None:
        held = vectors.positions()
        missing = np.setdiff1d(stored, held)
        surplus = np.setdiff1d(held, stored)
        if not len(missing) and not len(surplus):
            return
        vectors.remove(surplus)
        for batch in _batches(missing):
            rows = self._embeddings(batch)  # fewer where another process has removed some since
            if rows:
                embeddings = np.stack([np.frombuffer(blob, "<f4") for _, blob in rows]).astype(np.float32)
                vectors.add(np.array([position for position, _ in rows], np.int64), embeddings)
        try:
            vectors.save(self.folder / VECTORS)
        except OSError as error:
            # The truth is in the database; the cache is only tried again at the next change.
            logger.warning("The cache %s cannot be written: %s", self.folder / VECTORS, error)

    def _sync_lexical(self, lexical: TantivyIndex, stored: Positions) -> TantivyIndex:
        held, counts = np.unique(lexical.positions(), return_counts=True)
        # Two processes may have added the same texts: those are removed and added once.
        doubled = held[counts > 1]
        missing = np.union1d(np.setdiff1d(stored, held), np.intersect1d(doubled, stored))
        surplus = np.union1d(np.setdiff1d(held, stored), doubled)
        if not len(missing) and not len(surplus):
            return lexical
        try:
            lexical.change(self._texts(missing), surplus)
        except OSError as error:
            logger.warning("The cache %s cannot be written, so it is kept in memory: %s", self.folder / LEXICAL, error)
            lexical = TantivyIndex()
            lexical.change(self._texts(stored), np.empty(0, np.int64))
        return lexical

    def _texts(self, positions: Positions) -> Iterator[tuple[int, str]]:
        for batch in _batches(positions):
            numbers = [int(position) for position in batch]
            for position, passage in self.passages(numbers).items():
                yield position, passage.text

    def _embeddings(self, positions: Positions) -> list[tuple[int, bytes]]:
        marks = ",".join("?" * len(positions))
        query = f"SELECT position, embedding FROM passage WHERE position IN ({marks}) ORDER BY position"  # noqa: S608
        with self._errors():
            return self._connection.execute(query, [int(position) for position in positions]).fetchall()

    def _one(self, query: str, *values: str) -> tuple[str, ...] | None:
        with self._lock, self._errors():
            row: tuple[str, ...] | None = self._connection.execute(query, values).fetchone()
            return row

    @contextmanager
    def _transaction(self, changes: bool = True) -> Iterator[sqlite3.Connection]:
        """Run a block as one transaction, which counts as a new generation."""
        with self._lock, self._errors():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                if changes:
                    self._connection.execute("UPDATE setting SET value = value + 1 WHERE key = 'generation'")
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """Run a block that sees the database as of one moment."""
        with self._lock, self._errors():
            self._connection.execute("BEGIN")
            try:
                yield self._connection
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn what SQLite says into a StoreError that says what to do."""
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(f"{_reason(self.folder, error)} (SQLite: {error})") from error
        except UnicodeDecodeError as error:
            raise StoreError(_damaged(self.folder)) from error


def _reason(folder: Path, error: sqlite3.Error) -> str:
    message = str(error)
    if "full" in message:
        return f"The disk of the store in {folder} is full. Nothing was changed. Make room and try again."
    if "locked" in message or "busy" in message:
        return f"Another process is writing to the store in {folder}. Nothing was changed. Try again."
    if "readonly" in message or "unable to open" in message:
        return f"The store in {folder} cannot be written. Check the permissions, or name another folder."
    if "malformed" in message or "not a database" in message:
        return _damaged(folder)
    if "disk I/O" in message:
        return f"The disk of the store in {folder} may be full or failing. Nothing was changed. Make room, or check it."
    return f"The store in {folder} failed. Nothing was changed."


def _damaged(folder: Path) -> str:
    return (
        f"The database {folder / STORE_FILE} is damaged. Nothing was deleted. Put back a copy of it, or move it away "
        "and add the documents again."
    )


def position_of(passage: Passage) -> int:
    """Return the number a passage has in the indexes: made from its id and text, from 0 to 2**63 - 1."""
    content = f"{passage.id}\0{passage.text}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.sha256(content).digest()[:8]) >> 1


def _batches(positions: Positions) -> Iterable[Positions]:
    ordered = np.sort(positions)
    return (ordered[start : start + READ_BATCH] for start in range(0, len(ordered), READ_BATCH))
