"""Store: one folder that holds documents, passages, embeddings, feedback, conversations, and the caches made from them.

One SQLite file is the truth: every change is one transaction, so a process killed anywhere leaves
the state before it or after it. The FAISS file and the lexical index are caches. Each is brought to
the passages in the database when it is opened; one that is damaged is made anew.
"""

import hashlib
import json
import logging
import re
import shlex
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from rag.database import NEXT_GENERATION, NOW, Database
from rag.documents import Document
from rag.embedder import Embedder, FloatMatrix
from rag.errors import EmbedderMismatchError, InputError, NotFoundError
from rag.index import FaissIndex, Positions
from rag.lexical import TantivyIndex, discard
from rag.passages import Passage
from rag.settings import CHOSEN, STORE_FILE, Plain, Settings

logger = logging.getLogger(__name__)

VECTORS = "vectors-{}.faiss"  # of the embedder of a fingerprint: equal positions hold equal vectors in it
OLD_VECTORS = "vectors.faiss"  # as an older version named it
LEXICAL = "lexical"
KEPT_SETTINGS = "kept settings"  # key of the row that holds them as JSON
SHOWN_ID = 60  # characters of an id that an error repeats
READ_BATCH = 1000  # passages read from the database at once when a cache is filled

# Of a conversation: id, title, created, changed, number of turns, owner.
ConversationRow = tuple[str, str, str, str, int, str]
_CONVERSATIONS = """
    SELECT id, title, created, changed, (SELECT count(*) FROM turn WHERE conversation_id = conversation.id), owner
    FROM conversation
"""
# Of a passage, as its table has it: position, id, document_id, start, end, embedding.
PassageRow = tuple[int, str, str, int, int, bytes]
_PASSAGE = 'position, id, document_id, "start", "end", embedding'
_DOCUMENT = "id, digest, title, source, characters, record, added, changed, date, paragraphs"


@dataclass(frozen=True)
class Listed:
    """What a list of documents says of one, without its text."""

    id: str
    title: str
    date: str | None  # of its first article, as written: 6月25日
    paragraphs: int
    passages: int
    characters: int  # of the mended text
    digest: str  # SHA-256 of the source's bytes, hexadecimal
    source: str
    added: str  # ISO 8601, in UTC: 2025-01-31T12:00:00Z
    changed: str  # when it was last replaced, else as `added`


@dataclass(frozen=True)
class Removed:
    """A document that was taken out of a store, with all that brings it back. It holds the whole text twice."""

    document: Document
    fingerprint: str  # of the embedder its embeddings are of
    place: int  # among the documents
    row: tuple[str | int | None, ...]  # as its table has it
    passages: tuple[PassageRow, ...]
    file_text: bytes | None  # compressed


class Store(Database):
    """A store in a folder. Safe to use from several threads; several processes may share the folder."""

    def __init__(self, folder: Path, embedder: Embedder, passage_size: int, any_embedder: bool = False) -> None:
        """Open the store, making it where the folder holds none.

        Args:
            folder: Made where it is absent.
            embedder: Only its name, fingerprint and dim are used.
            passage_size: Recorded in a new store; what is added later is cut as the settings say then.
            any_embedder: Open a store of another embedder, too: to read from it, and for `reindexing`.

        Raises:
            EmbedderMismatchError: The store was made with another embedder.
            StoreError: The folder or its database cannot be opened or made.
        """
        self._name, self._fingerprint, self._dim = embedder.name, embedder.fingerprint, embedder.dim
        self._passage_size = passage_size
        self._vectors_file = folder / VECTORS.format(re.sub(r"\W", "_", embedder.fingerprint))
        self._vectors: FaissIndex | None = None
        self._lexical: TantivyIndex | None = None
        self._synced = -1  # the generation the two indexes in memory stand at
        super().__init__(folder)
        if not any_embedder:
            try:
                self._check_embedder()
            except BaseException:
                self.close()
                raise
        self._load_document = lru_cache(maxsize=64)(self._read_document)

    # -- Documents ---------------------------------------------------------------------------------

    def digest(self, document_id: str) -> str | None:
        """Return the digest of the document that has this id, or None."""
        row = self._one("SELECT digest FROM document WHERE id = ?", document_id)
        return str(row[0]) if row else None

    def put(
        self,
        documents: Sequence[tuple[Document, Sequence[Passage], FloatMatrix]],
        mark: str | None = None,
        copies: bool = False,
    ) -> list[Removed]:
        """Add documents with their passages and embeddings, each replacing its old self, in one transaction.

        Args:
            documents: What to add.
            mark: Kept in the same transaction, for `has_mark`.
            copies: Return what was replaced, for `put_back`.

        Returns:
            What was replaced with something else, where `copies` asks for it.
        """
        replaced: list[Removed] = []
        files = [_compressed(document.file_text) for document, _, _ in documents]  # takes longer than a lock should
        with self._transaction() as connection:
            self._check_fingerprint()
            if mark:
                connection.execute("INSERT OR REPLACE INTO setting VALUES (?, 'done')", (f"mark {mark}",))
            for (document, passages, embeddings), file_text in zip(documents, files, strict=True):
                if copies and self.digest(document.id) not in (None, document.digest):
                    replaced.append(self._copied(connection, document.id))
                self._put_document(connection, document, file_text)
                self._put_passages(connection, self._rows(passages, embeddings))
        self._load_document.cache_clear()
        return replaced

    def _put_document(self, connection: sqlite3.Connection, document: Document, file_text: bytes | None) -> None:
        """Write a document without passages; one that is replaced keeps its place and when it was added."""
        connection.execute("DELETE FROM passage WHERE document_id = ?", (document.id,))
        connection.execute("DELETE FROM file_text WHERE document_id = ?", (document.id,))
        columns = ("id", "digest", "title", "source", "characters", "record", "date", "paragraphs")
        values = (
            document.id,
            document.digest,
            document.title,
            document.source,
            len(document.text),
            json.dumps(document.to_record(), ensure_ascii=False, separators=(",", ":")),
            document.articles[0].date if document.articles else None,
            len(document.paragraphs),
        )
        updates = ", ".join(f"{column} = excluded.{column}" for column in (*columns[1:], "changed"))
        connection.execute(
            f"INSERT INTO document ({', '.join(columns)}, changed) "  # noqa: S608 - of fixed names
            f"VALUES ({', '.join('?' * len(columns))}, {NOW}) ON CONFLICT (id) DO UPDATE SET {updates}",
            values,
        )
        if file_text is not None:
            connection.execute("INSERT INTO file_text VALUES (?, ?)", (document.id, file_text))

    def _rows(self, passages: Sequence[Passage], embeddings: FloatMatrix) -> Iterator[PassageRow]:
        for passage, row in zip(passages, embeddings, strict=True):
            embedding = row.astype("<f4").tobytes()
            yield position_of(passage), passage.id, passage.document_id, passage.start, passage.end, embedding

    def _put_passages(self, connection: sqlite3.Connection, rows: Iterable[PassageRow]) -> None:
        connection.executemany(f"INSERT INTO passage ({_PASSAGE}) VALUES (?, ?, ?, ?, ?, ?)", rows)  # noqa: S608

    def remove(self, document_id: str) -> None:
        """Remove a document with its passages.

        Raises:
            NotFoundError: There is none of this id.
        """
        with self._transaction() as connection:
            if not connection.execute("DELETE FROM document WHERE id = ?", (document_id,)).rowcount:
                raise self._no_document(document_id)
        self._load_document.cache_clear()

    def take_out(self, document_id: str) -> Removed:
        """Remove a document with its passages, and return what `put_back` brings it back from.

        Raises:
            NotFoundError: There is none of this id.
        """
        with self._transaction() as connection:
            removed = self._copied(connection, document_id)
            connection.execute("DELETE FROM document WHERE id = ?", (document_id,))
        self._load_document.cache_clear()
        return removed

    def copied(self, document_id: str) -> Removed:
        """Return what `put_back` brings a document back from, before another one takes its place.

        Raises:
            NotFoundError: There is none of this id.
        """
        with self._reading() as connection:
            return self._copied(connection, document_id)

    def _copied(self, connection: sqlite3.Connection, document_id: str) -> Removed:
        document = self._read_document(document_id)
        where = "WHERE document_id = ?"
        place, *row = connection.execute(
            f"SELECT rowid, {_DOCUMENT} FROM document WHERE id = ?",  # noqa: S608 - of fixed names
            (document_id,),
        ).fetchone()
        query = f'SELECT {_PASSAGE} FROM passage {where} ORDER BY "start"'  # noqa: S608
        passages = connection.execute(query, (document_id,)).fetchall()
        text = connection.execute(f"SELECT content FROM file_text {where}", (document_id,)).fetchone()  # noqa: S608
        fingerprint = self._setting("fingerprint")
        return Removed(document, fingerprint, place, tuple(row), tuple(passages), text[0] if text else None)

    def put_back(self, removed: Removed, replace: bool = False) -> None:
        """Bring back a document as it was taken out, in its place, without embedding it anew.

        Args:
            removed: The document.
            replace: A document of its id that is there now gives way to it.

        Raises:
            InputError: A document of its id was added since, or the store was indexed with another embedder.
        """
        document = removed.document
        with self._transaction() as connection:
            if self._setting("fingerprint") != removed.fingerprint:
                raise InputError(
                    f"The document {document.title!r} cannot be brought back: the store was indexed with another "
                    "embedder since. Add its file again.",
                    f"无法恢复文档“{document.title}”：移除之后，文档库换了检索模型。请重新加入它的文件。",
                )
            if replace:
                connection.execute("DELETE FROM document WHERE id = ?", (document.id,))
            elif self.digest(document.id) is not None:
                raise InputError(
                    f"The document {document.title!r} cannot be brought back: one of the same id, {document.id}, was "
                    "added since. Remove that one first, or keep it.",
                    f"无法恢复文档“{document.title}”：移除之后，又加入了同一份文档（编号 {document.id}）。",
                )
            taken = connection.execute("SELECT 1 FROM document WHERE rowid = ?", (removed.place,)).fetchone()
            marks = ", ".join("?" * len(removed.row))
            connection.execute(
                f"INSERT INTO document (rowid, {_DOCUMENT}) VALUES (?, {marks})",  # noqa: S608 - of fixed names
                (None if taken else removed.place, *removed.row),
            )
            self._put_passages(connection, removed.passages)
            if removed.file_text is not None:
                connection.execute("INSERT INTO file_text VALUES (?, ?)", (document.id, removed.file_text))
        self._load_document.cache_clear()

    def listed(self) -> list[Listed]:
        """Return what is to be said of each document, in the order of adding. No text is read."""
        query = """
            SELECT id, title, date, paragraphs, (SELECT count(*) FROM passage WHERE document_id = document.id),
                characters, digest, source, added, changed
            FROM document INDEXED BY document_listing ORDER BY rowid
        """
        with self._lock, self._errors():
            return [Listed(*row) for row in self._connection.execute(query)]

    def file_text(self, document_id: str) -> str | None:
        """Return the decoded text of a document's file as it was, or None where it is not kept.

        Raises:
            StoreError: It is damaged.
        """
        with self._lock, self._errors():
            query = "SELECT content FROM file_text WHERE document_id = ?"
            row = self._connection.execute(query, (document_id,)).fetchone()
            try:
                return None if row is None else zlib.decompress(row[0]).decode("utf-8", "surrogatepass")
            except (zlib.error, TypeError) as error:
                raise self._damaged() from error

    def has_mark(self, mark: str) -> bool:
        """Say whether a `put` has kept this mark."""
        return self._one("SELECT value FROM setting WHERE key = ?", f"mark {mark}") is not None

    def document_ids(self, newest: bool = False) -> list[str]:
        """Return the ids of all documents, in the order of adding; or those added or replaced last first."""
        with self._lock, self._errors():
            order = "changed DESC, rowid DESC" if newest else "rowid"
            return [str(row[0]) for row in self._connection.execute(f"SELECT id FROM document ORDER BY {order}")]  # noqa: S608

    def document(self, document_id: str) -> Document:
        """Return a document.

        Raises:
            NotFoundError: There is none of this id.
        """
        self._catch_up_documents()
        return self._load_document(document_id)

    # -- Indexing anew -----------------------------------------------------------------------------

    def begin_reindexing(self) -> None:
        """Begin to gather passages and embeddings of this store's embedder, beside those that are in use.

        They lie in a temporary file of SQLite's, which goes with this process: until `finish_reindexing`, nothing of
        the store changes, and others may read it and write to it.
        """
        with self._lock, self._errors():
            for statement in (
                "DROP TABLE IF EXISTS temp.staged",
                "DROP TABLE IF EXISTS temp.staged_document",
                "CREATE TEMP TABLE staged (position INTEGER PRIMARY KEY, id TEXT, document_id TEXT, "
                '"start" INTEGER, "end" INTEGER, embedding BLOB)',
                "CREATE TEMP TABLE staged_document (id TEXT PRIMARY KEY, digest TEXT)",
            ):
                self._connection.execute(statement)

    def unstaged(self) -> list[str]:
        """Return the ids of the documents that have to be staged still, and forget what was staged of them."""
        with self._transaction(changes=False, writes=False) as connection:
            ids = self._unstaged(connection)
            connection.executemany("DELETE FROM staged WHERE document_id = ?", [(id_,) for id_ in ids])
            return ids

    def _unstaged(self, connection: sqlite3.Connection) -> list[str]:
        query = (
            "SELECT id FROM document WHERE (id, digest) NOT IN (SELECT id, digest FROM staged_document) ORDER BY rowid"
        )
        return [str(row[0]) for row in connection.execute(query)]

    def stage(self, passages: Sequence[Passage], embeddings: FloatMatrix, complete: Sequence[Document]) -> None:
        """Gather passages with their embeddings; `complete` are the documents that have no more to be gathered."""
        with self._transaction(changes=False, writes=False) as connection:
            query = "INSERT OR REPLACE INTO staged VALUES (?, ?, ?, ?, ?, ?)"
            connection.executemany(query, self._rows(passages, embeddings))
            query = "INSERT OR REPLACE INTO staged_document VALUES (?, ?)"
            connection.executemany(query, [(document.id, document.digest) for document in complete])

    def finish_reindexing(self) -> bool:
        """Put what was gathered in the place of all passages, and let the store belong to this embedder.

        Returns:
            Whether it was done: not where documents were added or replaced meanwhile; see `unstaged`.
        """
        with self._transaction(changes=False) as connection:
            if self._unstaged(connection):
                return False
            connection.execute("DELETE FROM passage")
            connection.execute(
                f"INSERT INTO passage ({_PASSAGE}) SELECT {_PASSAGE} FROM staged "  # noqa: S608 - of fixed names
                "WHERE document_id IN (SELECT id FROM document)"
            )
            connection.executemany("INSERT OR REPLACE INTO setting VALUES (?, ?)", self._identity().items())
            connection.execute(NEXT_GENERATION)
        with suppress(OSError):  # of the embedder before; nothing reads them
            for path in {*self.folder.glob(VECTORS.format("*")), self.folder / OLD_VECTORS} - {self._vectors_file}:
                path.unlink(missing_ok=True)
        return True

    # -- Feedback ----------------------------------------------------------------------------------

    def add_feedback(self, record: str, most: int = 0) -> tuple[int, str]:
        """Keep a record of feedback; return the id and the time it got. The documents stay as they are.

        Args:
            record: Of the feedback.
            most: Records that may be kept; 0 for as many as there are.

        Raises:
            InputError: There are as many already.
        """
        with self._transaction(changes=False) as connection:
            held = connection.execute("SELECT count(*) FROM feedback").fetchone()[0] if most else 0
            if most and held >= most:
                raise InputError(
                    f"{held} pieces of feedback are kept, and {most} at most can be. Nothing was kept.",
                    f"文档库里已有 {held} 条反馈，最多只能保存 {most} 条。这一条没有保存。",
                )
            id_ = connection.execute("INSERT INTO feedback (record) VALUES (?)", (record,)).lastrowid
            row: tuple[int, str] = connection.execute("SELECT id, added FROM feedback WHERE id = ?", (id_,)).fetchone()
            return row

    def feedback_records(self) -> list[tuple[int, str, str]]:
        """Return the id, the time and the record of all feedback, oldest first."""
        with self._lock, self._errors():
            return self._connection.execute("SELECT id, added, record FROM feedback ORDER BY id").fetchall()

    # -- Conversations -----------------------------------------------------------------------------

    def add_conversation(
        self, conversation_id: str, title: str, most: int, owner: str = "", all_most: int = 0, passing: str = ""
    ) -> None:
        """Make a conversation without turns. The documents stay as they are, here and in what follows.

        Args:
            conversation_id: Not used before.
            title: May be empty.
            most: Conversations that one owner may have.
            owner: Whose it is; of the store's own user where it is empty.
            all_most: Conversations that all owners may have; 0 for as many as they like.
            passing: How the names of owners begin whose conversations give way where there are `all_most`: those
                changed longest ago first.

        Raises:
            InputError: There are as many already.
        """
        with self._transaction(changes=False) as connection:
            held = connection.execute("SELECT count(*) FROM conversation WHERE owner = ?", (owner,)).fetchone()[0]
            if held >= most:
                raise InputError(
                    f"{held} conversations are kept, and {most} at most can be. Delete some.",
                    f"已保存 {held} 个对话，最多只能保存 {most} 个。请先删除一些。",
                )
            held = connection.execute("SELECT count(*) FROM conversation").fetchone()[0]
            if all_most and held >= all_most and passing:
                query = (
                    "DELETE FROM conversation WHERE id IN (SELECT id FROM conversation "
                    "WHERE substr(owner, 1, ?) = ? ORDER BY changed, rowid LIMIT ?)"
                )
                held -= connection.execute(query, (len(passing), passing, held - all_most + 1)).rowcount
            if all_most and held >= all_most:
                raise InputError(
                    f"{held} conversations of all users are kept, and {all_most} at most can be. "
                    "Whoever keeps the store has to delete some.",
                    f"文档库里所有用户的对话共有 {held} 个，最多只能保存 {all_most} 个。请管理员删除一些。",
                )
            query = "INSERT INTO conversation (id, title, owner) VALUES (?, ?, ?)"
            connection.execute(query, (conversation_id, title, owner))

    def conversations(self, owner: str | None = None) -> list[ConversationRow]:
        """Return the conversations of an owner, or of all (None), the one changed last first."""
        where, values = ("", ()) if owner is None else ("WHERE owner = ?", (owner,))
        with self._lock, self._errors():
            query = f"{_CONVERSATIONS} {where} ORDER BY changed DESC, rowid DESC"
            return self._connection.execute(query, values).fetchall()

    def turns(self, conversation_id: str, owner: str | None = None) -> tuple[ConversationRow, list[tuple[int, str]]]:
        """Return a conversation, and the number and record of each of its turns in order, as of one moment.

        Args:
            conversation_id: Of the conversation.
            owner: Whose it has to be, here and in what follows; None for anybody's.

        Raises:
            NotFoundError: There is none of this id, or it is another owner's.
        """
        with self._reading() as connection:
            row = connection.execute(f"{_CONVERSATIONS} WHERE id = ?", (conversation_id,)).fetchone()
            if row is None or owner not in (None, row[5]):
                raise self._no_conversation(conversation_id)
            query = "SELECT number, record FROM turn WHERE conversation_id = ? ORDER BY number"
            return row, connection.execute(query, (conversation_id,)).fetchall()

    def rename_conversation(self, conversation_id: str, title: str, owner: str | None = None) -> None:
        """Give a conversation another title. Raises NotFoundError as `turns` does."""
        with self._transaction(changes=False) as connection:
            query = "UPDATE conversation SET title = ? WHERE id = ? AND (? IS NULL OR owner = ?)"
            if not connection.execute(query, (title, conversation_id, owner, owner)).rowcount:
                raise self._no_conversation(conversation_id)

    def delete_conversation(self, conversation_id: str, owner: str | None = None) -> None:
        """Delete a conversation with its turns. Raises NotFoundError as `turns` does."""
        with self._transaction(changes=False) as connection:
            query = "DELETE FROM conversation WHERE id = ? AND (? IS NULL OR owner = ?)"
            if not connection.execute(query, (conversation_id, owner, owner)).rowcount:
                raise self._no_conversation(conversation_id)

    def append_turn(
        self, conversation_id: str, record: str, most: int, title: str = "", owner: str | None = None
    ) -> int:
        """Add a turn at the end of a conversation; return its number, from 1.

        Args:
            conversation_id: Of the conversation.
            record: Of the turn.
            most: Turns that a conversation may have.
            title: Given to a conversation that has none.
            owner: As for `turns`.

        Raises:
            InputError: The conversation has `most` turns already.
            NotFoundError: There is none of this id.
        """
        with self._transaction(changes=False) as connection:
            self._touch(connection, conversation_id, owner)
            query = "SELECT count(*), coalesce(max(number), 0) FROM turn WHERE conversation_id = ?"
            held, last = connection.execute(query, (conversation_id,)).fetchone()
            if held >= most:
                raise full(held, most)
            connection.execute("INSERT INTO turn VALUES (?, ?, ?)", (conversation_id, last + 1, record))
            query = "UPDATE conversation SET title = ? WHERE id = ? AND title = ''"
            connection.execute(query, (title, conversation_id))
            return int(last) + 1

    def replace_turn(
        self,
        conversation_id: str,
        number: int,
        record: str,
        owner: str | None = None,
        titles: tuple[str, str] | None = None,
    ) -> None:
        """Put another record in the place of the last turn.

        Args:
            conversation_id: Of the conversation.
            number: Of the turn.
            record: The other one.
            owner: As for `turns`.
            titles: The title is changed from the first to the second, where it is the first.

        Raises:
            InputError: The turn is not the last one: those after it were asked with it in mind.
            NotFoundError: There is no such conversation.
        """
        with self._transaction(changes=False) as connection:
            self._touch(connection, conversation_id, owner)
            query = "SELECT max(number) FROM turn WHERE conversation_id = ?"
            last = connection.execute(query, (conversation_id,)).fetchone()[0]
            if number != last:
                raise InputError(
                    f"Turn {number} of the conversation cannot be replaced: the last one is {last or 'none'}. "
                    "Ask it as a new turn.",
                    f"这段对话的第 {number} 轮不能替换："
                    + (f"最后一轮是第 {last} 轮。请作为新问题提问。" if last else "对话里还没有回答。"),
                )
            query = "UPDATE turn SET record = ? WHERE conversation_id = ? AND number = ?"
            connection.execute(query, (record, conversation_id, number))
            if titles is not None:
                query = "UPDATE conversation SET title = ? WHERE id = ? AND title = ?"
                connection.execute(query, (titles[1], conversation_id, titles[0]))

    def _touch(self, connection: sqlite3.Connection, conversation_id: str, owner: str | None) -> None:
        query = f"UPDATE conversation SET changed = {NOW} WHERE id = ? AND (? IS NULL OR owner = ?)"  # noqa: S608
        if not connection.execute(query, (conversation_id, owner, owner)).rowcount:
            raise self._no_conversation(conversation_id)

    def _no_conversation(self, conversation_id: str) -> NotFoundError:
        return NotFoundError(
            f"There is no conversation with the id {conversation_id[:SHOWN_ID]!r}; it may have been deleted.",
            "这段对话不存在，可能已被删除。",
            of="conversation",
        )

    # -- Settings that a user chose ----------------------------------------------------------------

    def keep_settings(self, chosen: Mapping[str, Plain]) -> None:
        """Keep what a user chose, in the place of what was kept before.

        Raises:
            InputError: A name is not one that can be chosen, or a value cannot be used; see `Settings.changed`.
        """
        Settings().changed(chosen)
        with self._transaction(changes=False) as connection:
            text = json.dumps(dict(chosen), ensure_ascii=False, separators=(",", ":"))
            connection.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (KEPT_SETTINGS, text))

    def kept_settings(self) -> dict[str, Plain]:
        """Return what `keep_settings` kept. What cannot be used is left out with a notice."""
        return _read_settings(self._setting(KEPT_SETTINGS), self.folder)

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

    def has_passage(self, passage_id: str) -> bool:
        """Say whether there is a passage of this id."""
        return self._one("SELECT 1 FROM passage WHERE id = ?", passage_id) is not None

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

    def _check_embedder(self) -> None:
        """Let a new store belong to this embedder; refuse another one's."""
        if not self._setting("fingerprint"):
            with self._transaction(changes=False) as connection:
                # Another process may have been faster: then its embedder stays, and is compared below.
                connection.executemany("INSERT OR IGNORE INTO setting VALUES (?, ?)", self._identity().items())
        stored = self._setting("fingerprint")
        if stored != self._fingerprint:
            name = self._setting("embedder") or "unknown"
            is_older = name == self._name  # the bundled one, of another version of this program
            remedy = (
                "It was another version of it: index the documents anew, or name another folder."
                if is_older
                else "Name the embedder it was made with, or index the documents anew."
            )
            remedy_chinese = (
                "那是它的另一个版本：请重新编制索引，或者换一个文件夹。"
                if is_older
                else "请改用原来的检索模型，或者重新编制索引。"
            )
            error = EmbedderMismatchError(
                f"The store was made with the embedder {name!r} (fingerprint {stored}); the settings name "
                f"{self._name!r} ({self._fingerprint}). Their vectors cannot be compared. {remedy}",
                f"文档库是用检索模型 {name!r}（指纹 {stored}）建立的，而设置中是 {self._name!r}"
                f"（{self._fingerprint}），两者的向量不能比较。{remedy_chinese}",
            )
            # Beside the message, since visitors of a page may read that.
            folder, embedder = shlex.quote(str(self.folder)), shlex.quote(self._name)
            error.add_note(f"`rag reindex --store {folder} --embedder {embedder}` indexes them anew.")
            raise error

    def _identity(self) -> dict[str, str]:
        """Return what the store records of the embedder it belongs to, and of its cut."""
        embedder = {"embedder": self._name, "fingerprint": self._fingerprint, "dim": str(self._dim)}
        return embedder | {"passage_size": str(self._passage_size)}

    def _check_fingerprint(self) -> None:
        """Refuse to go on where another process has indexed the store with another embedder."""
        if self._setting("fingerprint") != self._fingerprint:
            error = EmbedderMismatchError(
                "The documents were indexed anew with another embedder since the store was opened. Try again; where "
                "that does not help, open the store again.",
                "文档的索引刚刚改用另一个检索模型重新编制。请再试一次；如果不行，请重新打开文档库。",
            )
            # Beside the message, since visitors of a page may read that, and an embedder may be a folder.
            error.add_note(f"The embedder is {self._setting('embedder')!r} now, and was {self._name!r}.")
            raise error

    def _read_document(self, document_id: str) -> Document:
        row = self._one("SELECT record FROM document WHERE id = ?", document_id)
        if row is None:
            raise self._no_document(document_id)
        try:
            return Document.from_record(json.loads(row[0]))
        except (ValueError, LookupError, TypeError) as error:
            raise self._damaged() from error

    def _no_document(self, document_id: str) -> NotFoundError:
        return NotFoundError(
            f"There is no document whose id is {document_id[:SHOWN_ID]!r}; it may have been removed.",
            "这份文档不存在，可能已被移除。",
            of="document",
        )

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
            # As of one moment: passages of another embedder may have equal positions, and other vectors.
            with self._reading() as connection:
                self._check_fingerprint()
                generation = self.generation()
                stored = np.array([row[0] for row in connection.execute("SELECT position FROM passage")], np.int64)
                self._sync_vectors(self._vectors, stored)
                self._lexical = self._sync_lexical(self._lexical, stored)
            self._synced = generation
        return self._vectors, self._lexical

    def _open_vectors(self) -> FaissIndex:
        path = self._vectors_file
        if not path.exists():
            with suppress(OSError):
                (self.folder / OLD_VECTORS).rename(path)
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
            vectors.save(self._vectors_file)
        except OSError as error:
            # The truth is in the database; the cache is only tried again at the next change.
            logger.warning("The cache %s cannot be written: %s", self._vectors_file, error)

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


def kept_settings(folder: Path) -> dict[str, Plain]:
    """Return what was chosen for the store in a folder, to open it with; nothing where there is no store yet.

    Raises:
        StoreError: The store cannot be read.
    """
    if not (folder / STORE_FILE).is_file():
        return {}
    database = Database(folder)
    try:
        kept = _read_settings(database._setting(KEPT_SETTINGS), folder)
        # The store may have been indexed anew since by a command, for another embedder.
        if kept.get("embedder") != database._setting("embedder"):
            kept = {name: value for name, value in kept.items() if name not in ("embedder", "revision")}
        return kept
    finally:
        database.close()


def _read_settings(text: str, folder: Path) -> dict[str, Plain]:
    kept: dict[str, Plain] = {}
    try:
        chosen = json.loads(text) if text else {}
        names = [name for name in chosen if name in CHOSEN]
    except (ValueError, AttributeError, TypeError) as error:
        logger.warning("The kept settings of the store in %s are damaged and left out: %s", folder, error)
        return {}
    for name in names:
        try:
            Settings().changed({name: chosen[name]})
        except InputError as error:
            logger.warning("A kept setting of the store in %s is left out: %s", folder, error)
        else:
            kept[name] = chosen[name]
    return kept


def full(held: int, most: int) -> InputError:
    """Return what is raised where a conversation takes no more turns."""
    return InputError(
        f"The conversation has {held} turns, and keeps {most} at most. Start another.",
        f"这段对话已有 {held} 轮，最多只能保存 {most} 轮。请开始新的对话。",
    )


def position_of(passage: Passage) -> int:
    """Return the number a passage has in the indexes: made from its id and text, from 0 to 2**63 - 1."""
    content = f"{passage.id}\0{passage.text}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.sha256(content).digest()[:8]) >> 1


def _compressed(text: str) -> bytes | None:
    return zlib.compress(text.encode("utf-8", "surrogatepass")) if text else None


def _batches(positions: Positions) -> Iterable[Positions]:
    ordered = np.sort(positions)
    return (ordered[start : start + READ_BATCH] for start in range(0, len(ordered), READ_BATCH))
