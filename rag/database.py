"""Database: one SQLite file with its schema, its transactions, and what its errors mean. Knows no documents.

Every change is one transaction, so a process killed anywhere leaves the state before it or after it.
"""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rag.errors import InputError, StoreError
from rag.settings import STORE_FILE

BUSY_TIMEOUT = 30.0  # seconds to wait for another process that is writing

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
    """
    ALTER TABLE conversation ADD COLUMN owner TEXT NOT NULL DEFAULT '';
    CREATE INDEX conversation_owner ON conversation(owner);
    -- The decoded text of the file as it was, compressed. An older version did not keep it.
    CREATE TABLE file_text (
        document_id TEXT PRIMARY KEY REFERENCES document(id) ON DELETE CASCADE, content BLOB NOT NULL
    );
    ALTER TABLE document ADD COLUMN changed TEXT NOT NULL DEFAULT '';
    ALTER TABLE document ADD COLUMN date TEXT;
    ALTER TABLE document ADD COLUMN paragraphs INTEGER NOT NULL DEFAULT 0;
    UPDATE document SET changed = added,
        date = CASE WHEN json_valid(record) THEN json_extract(record, '$.articles[0].date') END,
        paragraphs = CASE WHEN json_valid(record) THEN coalesce(json_array_length(record, '$.paragraphs'), 0)
            ELSE 0 END;
    -- Columns after a long record are found by reading through all of it; an index has them side by side.
    CREATE INDEX document_listing ON document(id, title, date, paragraphs, characters, digest, source, added, changed);
    """,
)
NOW = "strftime('%Y-%m-%dT%H:%M:%SZ', 'now')"
NEXT_GENERATION = "UPDATE setting SET value = value + 1 WHERE key = 'generation'"


class Database:
    """The database of a store, in a folder. Safe to use from several threads; several processes may share it."""

    def __init__(self, folder: Path) -> None:
        """Open the database, making it where the folder holds none.

        Raises:
            StoreError: The folder or the database cannot be opened or made.
        """
        self.folder = folder
        self._lock = threading.RLock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"The folder {folder} of the store cannot be made: {error.strerror}.",
                f"无法建立文档库的文件夹 {folder}：{error.strerror}。",
            ) from error
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
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        """Close the database. It cannot be used afterwards."""
        with self._lock:
            self._connection.close()

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
            raise self._failure(
                f"The store has schema version {version}; this program knows {len(MIGRATIONS)}. "
                "Install a newer version of the program.",
                f"文档库的格式版本是 {version}，本程序只认识到 {len(MIGRATIONS)}。请安装新版程序。",
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

    def _setting(self, key: str) -> str:
        """Return a setting, or "" where it is not kept."""
        row = self._one("SELECT value FROM setting WHERE key = ?", key)
        return str(row[0]) if row else ""

    def _one(self, query: str, *values: str) -> tuple[str, ...] | None:
        with self._lock, self._errors():
            row: tuple[str, ...] | None = self._connection.execute(query, values).fetchone()
            return row

    @contextmanager
    def _transaction(self, changes: bool = True, writes: bool = True) -> Iterator[sqlite3.Connection]:
        """Run a block as one transaction, which counts as a new generation where it `changes` the documents.

        One that `writes` nothing but temporary tables lets others write meanwhile.
        """
        with self._lock, self._errors():
            self._connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
            try:
                yield self._connection
                if changes:
                    self._connection.execute(NEXT_GENERATION)
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
            message, chinese = _reason(error)
            raise self._failure(f"{message} (SQLite: {error})", chinese) from error
        except UnicodeDecodeError as error:
            raise self._damaged() from error
        except UnicodeEncodeError as error:
            raise InputError(
                "A text holds half a surrogate pair, which is no character and cannot be kept. Nothing was changed.",
                "文本里有残缺的字符（半个代理对），无法保存。什么都没有改动。",
            ) from error

    def _damaged(self) -> StoreError:
        return self._failure(*_DAMAGED)

    def _failure(self, message: str, chinese: str) -> StoreError:
        """Return an error whose note alone says where the store is: visitors of a page may read the message."""
        error = StoreError(message, chinese)
        error.add_note(f"The store is in {self.folder}.")
        return error


_DAMAGED = (
    f"The database of the store is damaged. Nothing was deleted. Put back a copy of it ({STORE_FILE}), or move it "
    "away and add the documents again.",
    f"文档库的数据库已损坏。什么都没有删除。请换回备份（{STORE_FILE}），或者把它移走，重新加入文档。",
)


def _reason(error: sqlite3.Error) -> tuple[str, str]:
    """Return what an error of SQLite means and what to do, in English and in Chinese."""
    message = str(error)
    if "full" in message:
        return (
            "The disk of the store is full. Nothing was changed. Make room and try again.",
            "文档库所在的磁盘已满。什么都没有改动。请腾出空间再试。",
        )
    if "locked" in message or "busy" in message:
        return (
            "Another process is writing to the store. Nothing was changed. Try again.",
            "另一个程序正在写入文档库。什么都没有改动。请稍后再试。",
        )
    if "readonly" in message or "unable to open" in message:
        return (
            "The store cannot be written. Check the permissions of its folder, or name another one.",
            "无法写入文档库。请检查文件夹的权限，或者换一个文件夹。",
        )
    if "malformed" in message or "not a database" in message:
        return _DAMAGED
    if "disk I/O" in message:
        return (
            "The disk of the store may be full or failing. Nothing was changed. Make room, or check it.",
            "文档库所在的磁盘可能已满或有故障。什么都没有改动。请腾出空间，或者检查磁盘。",
        )
    return "The store failed. Nothing was changed.", "文档库出错。什么都没有改动。"
