import errno
import json
import logging
import re
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rag.database import MIGRATIONS
from rag.documents import Document, document_from_text
from rag.errors import EmbedderMismatchError, InputError, NotFoundError, StoreError
from rag.index import FaissIndex
from rag.lexical import TantivyIndex
from rag.passages import Passage, split_document
from rag.pipeline import Pipeline, reindex
from rag.settings import STORE_FILE, Settings
from rag.store import LEXICAL, OLD_VECTORS, Store, position_of
from tests.fakes import WordCountEmbedder

VECTORS = "vectors-word_count.faiss"
MOON = document_from_text("the moon is round\n\nthe tide is high", source="moon.txt")
CAT = document_from_text("a cat sleeps", source="cat.txt")


def open_chat(folder, embedder=None):
    return Pipeline(folder, Settings(), embedder or WordCountEmbedder())


def filled(folder):
    chat = open_chat(folder)
    chat.add_document(MOON)
    chat.add_document(CAT)
    return chat


def texts(hits):
    return [hit.passage.text for hit in hits]


def test_documents_and_passages_are_there_after_reopening(folder):
    filled(folder).close()
    chat = open_chat(folder)
    assert chat.documents() == [MOON, CAT]
    assert [passage.text for passage in chat.passages(MOON.id)] == ["the moon is round", "the tide is high"]
    assert texts(chat.search("cat", 1)) == ["a cat sleeps"]


def test_an_unchanged_document_is_not_written_again(folder):
    chat = filled(folder)
    before = chat.store.generation()
    assert chat.add_document(MOON).outcome == "unchanged"
    assert chat.store.generation() == before


def test_a_changed_document_replaces_its_old_self_in_every_index(folder):
    chat = filled(folder)
    chat.search("moon", 1)
    changed = document_from_text("the cat jumped over the moon", source="moon.txt")
    assert chat.add_document(changed).outcome == "replaced"
    assert len(chat.documents()) == 2
    assert texts(chat.search("moon", 5))[0] == "the cat jumped over the moon"
    assert "the tide is high" not in texts(chat.search("tide", 5))


def test_a_removed_document_is_not_found(folder):
    chat = filled(folder)
    chat.remove(CAT.id)
    assert chat.documents() == [MOON]
    assert "a cat sleeps" not in texts(chat.search("cat", 5))
    with pytest.raises(NotFoundError, match=CAT.id):
        chat.remove(CAT.id)


def test_a_replaced_document_keeps_its_place_and_when_it_was_added(folder):
    chat = filled(folder)
    chat.store._connection.execute("UPDATE document SET added = '2025-01-31T12:00:00Z'")
    chat.store._connection.execute("UPDATE document SET changed = added")
    chat.add_document(document_from_text("the cat jumped over the moon", source="moon.txt"))
    moon, cat = chat.listed()
    assert [document.id for document in chat.documents()] == [moon.id, cat.id] == [MOON.id, CAT.id]
    assert (moon.added, cat.changed) == ("2025-01-31T12:00:00Z",) * 2
    assert moon.changed > moon.added
    assert chat.store.document_ids(newest=True) == [MOON.id, CAT.id]


def test_documents_are_listed_with_their_numbers(folder):
    chat = open_chat(folder)
    text = "月亮\n\n新华社6月25日电 月亮离地球三十八万公里。\n\n潮汐每天两次。"
    document = document_from_text(text, source="新闻.txt")
    chat.add_document(document)
    (listed,) = chat.listed()
    assert (listed.id, listed.title, listed.source) == (document.id, document.title, "新闻.txt")
    assert (listed.date, listed.paragraphs, listed.passages) == (
        document.articles[0].date,
        3,
        len(chat.passages(document.id)),
    )
    assert (listed.characters, listed.digest) == (len(document.text), document.digest)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", listed.added)
    assert listed.changed == listed.added


def test_a_list_of_two_thousand_long_documents_takes_a_blink(folder):
    chat = open_chat(folder)
    long = MOON.to_record() | {"text": "月" * 20_000}
    rows = [Document.from_record(long | {"id": f"{n:012x}"}) for n in range(2000)]
    chat.store.put([(document, [], np.empty((0, 5), np.float32)) for document in rows])
    begun = time.perf_counter()
    assert len(chat.listed()) == 2000
    assert time.perf_counter() - begun < 0.2


def test_the_text_of_a_file_is_kept_as_it_was_and_goes_with_its_document(folder):
    chat = open_chat(folder)
    text = "the moon\r\nis\xa0round\n" * 1000
    document = document_from_text(text, source="moon.txt")
    chat.add_document(document)
    chat.close()
    chat = open_chat(folder)
    assert chat.file_text(document.id) == text
    ((size,),) = chat.store._connection.execute("SELECT length(content) FROM file_text").fetchall()
    assert size < len(text) / 10
    chat.add_document(document_from_text("the tide", source="moon.txt"))
    assert chat.file_text(document.id) == "the tide"
    chat.remove(document.id)
    assert chat.file_text(document.id) is None
    assert chat.store._one("SELECT count(*) FROM file_text") == (0,)


def test_a_damaged_file_text_is_a_damaged_store(folder):
    chat = filled(folder)
    chat.store._connection.execute("INSERT OR REPLACE INTO file_text VALUES (?, x'00')", (MOON.id,))
    with pytest.raises(StoreError, match="damaged. Nothing was deleted"):
        chat.file_text(MOON.id)


# -- Undo ------------------------------------------------------------------------------------------


class Counting(WordCountEmbedder):
    """Counts the passages that it was asked for."""

    count = 0

    def embed_passages(self, texts):
        self.count += len(texts)
        return super().embed_passages(texts)


def test_a_removed_document_comes_back_in_its_place_without_being_embedded_anew(folder):
    embedder = Counting()
    chat = open_chat(folder, embedder)
    chat.add_document(MOON)
    chat.add_document(CAT)
    chat.store._connection.execute("UPDATE document SET added = '2025-01-31T12:00:00Z'")
    before = (chat.documents(), chat.listed(), chat.passages(MOON.id), texts(chat.search("moon tide", 5)))
    text = chat.file_text(MOON.id)
    removed = chat.take_out(MOON.id[:6])
    assert removed.document == MOON
    assert chat.documents() == [CAT]
    assert "the moon is round" not in texts(chat.search("moon", 5))
    embedded = embedder.count
    assert chat.restore(removed) == MOON
    assert (chat.file_text(MOON.id), embedder.count) == (text, embedded)
    found = texts(chat.search("moon tide", 5))
    assert (chat.documents(), chat.listed(), chat.passages(MOON.id), found) == before


def test_a_removed_document_comes_back_last_where_its_place_is_taken(folder):
    chat = filled(folder)
    removed = chat.take_out(CAT.id)
    other = document_from_text("a tide of cats", source="new.txt")
    chat.add_document(other)
    chat.restore(removed)
    assert chat.documents() == [MOON, other, CAT]
    assert texts(chat.search("cat", 1)) == ["a cat sleeps"]


def test_a_removed_document_that_was_added_again_does_not_come_back(folder):
    chat = filled(folder)
    removed = chat.take_out(MOON.id)
    changed = document_from_text("the cat jumped over the moon", source="moon.txt")
    chat.add_document(changed)
    with pytest.raises(InputError, match="one of the same id") as raised:
        chat.restore(removed)
    assert "又加入了同一份文档" in raised.value.said("zh")
    assert chat.documents() == [CAT, changed]


def test_a_document_that_is_not_there_cannot_be_taken_out(folder):
    with pytest.raises(NotFoundError) as raised:
        filled(folder).store.take_out("nothing")
    assert raised.value.said("zh") == "这份文档不存在，可能已被移除。"
    assert str(raised.value) == "There is no document whose id is 'nothing'; it may have been removed."


def test_a_preview_is_how_a_document_would_be_cut_and_writes_nothing(folder):
    chat = open_chat(folder)
    shown = chat.preview(MOON)
    assert [passage.text for passage in shown] == ["the moon is round", "the tide is high"]
    assert chat.documents() == []
    chat.add_document(MOON)
    assert chat.passages(MOON.id) == shown


def test_an_id_may_be_shortened_while_it_is_the_only_one(folder):
    chat = filled(folder)
    assert chat.document(MOON.id[:6]) == MOON
    with pytest.raises(NotFoundError, match=r"^There is no document whose id is or begins with ''; it may") as raised:
        chat.document("")
    assert raised.value.said("zh") == "这份文档不存在，可能已被移除。请从文档列表中选择。"


def test_ids_that_begin_alike_have_to_be_told_apart(folder, monkeypatch):
    chat = filled(folder)
    monkeypatch.setattr(chat.store, "document_ids", lambda: ["ab1", "ab2", "c"])
    with pytest.raises(NotFoundError, match="^There are 2 documents whose ids begin with 'ab'. Give more of it.$"):
        chat.document("ab")


def test_a_store_of_another_embedder_is_refused_with_the_remedy(folder):
    filled(folder).close()
    with pytest.raises(
        EmbedderMismatchError, match="'word-count'.*'other'.*Name the embedder it was made with, or index"
    ) as raised:
        open_chat(folder, WordCountEmbedder("other"))
    assert raised.value.__notes__ == [f"`rag reindex --store {folder} --embedder other` indexes them anew."]
    assert str(folder) not in f"{raised.value}{raised.value.chinese}"  # visitors may read it


def test_a_store_of_another_version_of_the_embedder_is_told_what_to_do(folder):
    filled(folder).close()
    newer = WordCountEmbedder()
    newer.fingerprint = "newer"
    with pytest.raises(EmbedderMismatchError, match="another version of it: index the documents anew, or"):
        open_chat(folder, newer)


@pytest.mark.parametrize("cache", [VECTORS, LEXICAL])
def test_a_missing_cache_is_made_anew(folder, cache):
    chat = filled(folder)
    expected = chat.search("moon tide", 5)
    chat.close()
    path = folder / cache
    if path.is_dir():
        for file in path.iterdir():
            file.unlink()
        path.rmdir()
    else:
        path.unlink()
    assert open_chat(folder).search("moon tide", 5) == expected


@pytest.mark.parametrize("cache", [VECTORS, LEXICAL + "/meta.json"])
def test_a_damaged_cache_is_made_anew_with_a_notice(folder, cache, caplog):
    chat = filled(folder)
    expected = chat.search("moon tide", 5)
    chat.close()
    (folder / cache).write_bytes(b"damaged")
    with caplog.at_level(logging.WARNING, "rag.store"):
        assert open_chat(folder).search("moon tide", 5) == expected
    assert "damaged and is made anew" in caplog.text


def test_a_cache_left_behind_by_a_killed_process_is_caught_up(folder):
    chat = filled(folder)
    chat.search("moon", 1)
    chat.close()
    # As a process killed between the transaction and the caches leaves it: the database is ahead.
    store = Store(folder, WordCountEmbedder(), 400)
    store.remove(CAT.id)
    store.close()
    again = open_chat(folder)
    assert "a cat sleeps" not in texts(again.search("cat", 5))
    expected = sorted(position_of(passage) for passage in again.passages(MOON.id))
    assert sorted(FaissIndex.load(folder / VECTORS, 5).positions()) == expected


def test_what_another_process_adds_is_found(folder):
    reader = filled(folder)
    reader.search("moon", 1)
    writer = open_chat(folder)
    writer.add_document(document_from_text("a tide of cats", source="new.txt"))
    assert texts(reader.search("tide cat", 1)) == ["a tide of cats"]
    assert len(reader.documents()) == 3


def old_store(folder, version):
    """Make a store as a program of an older schema left it."""
    folder.mkdir()
    connection = sqlite3.connect(folder / STORE_FILE)
    for migration in MIGRATIONS[:version]:
        connection.executescript(migration)
    connection.execute(f"PRAGMA user_version = {version}")
    embedder = WordCountEmbedder()
    settings = {"embedder": embedder.name, "fingerprint": embedder.fingerprint, "dim": "5", "passage_size": "400"}
    connection.executemany("INSERT INTO setting VALUES (?, ?)", settings.items())
    position = 0
    for document in (MOON, CAT):
        record = json.dumps(document.to_record(), ensure_ascii=False)
        connection.execute(
            "INSERT INTO document VALUES (?, ?, ?, ?, ?, ?, '2025-01-31T12:00:00Z')",
            (document.id, document.digest, document.title, document.source, len(document.text), record),
        )
        for passage in split_document(document, lambda text: len(text) < 20):
            position += 1
            embedding = embedder.embed_passages([passage.text])[0].tobytes()
            row = (position, passage.id, document.id, passage.start, passage.end, embedding)
            connection.execute("INSERT INTO passage VALUES (?, ?, ?, ?, ?, ?)", row)
    if version > 1:
        connection.execute("INSERT INTO feedback (record) VALUES (?)", ('{"good":true}',))
    if version > 2:
        connection.execute("INSERT INTO conversation (id, title) VALUES ('a', 'first')")
        connection.execute("INSERT INTO turn VALUES ('a', 1, '{}')")
    connection.commit()
    connection.close()


@pytest.mark.parametrize("version", [1, 2, 3])
def test_an_older_store_keeps_its_documents_and_feedback_and_takes_the_rest(folder, version):
    old_store(folder, version)
    chat = open_chat(folder)
    assert chat.documents() == [MOON, CAT]
    assert texts(chat.search("tide", 1)) == ["the tide is high"]
    assert [record for _, _, record in chat.store.feedback_records()] == ['{"good":true}'][: version - 1]
    assert [row[0] for row in chat.store.conversations()] == ["a"][: max(0, version - 2)]
    chat.store.add_conversation("b", "second", most=2)
    assert chat.store.append_turn("b", "{}", most=1) == 1
    row, turns = chat.store.turns("b")
    assert (row[0], row[1], row[4], row[5], turns) == ("b", "second", 1, "", [(1, "{}")])
    assert chat.store.add_feedback("{}")[0] == min(version, 2)
    assert chat.store._one("PRAGMA user_version") == (len(MIGRATIONS),)


def test_a_store_of_version_3_knows_what_to_list_and_that_it_kept_no_file(folder):
    old_store(folder, 3)
    chat = open_chat(folder)
    (moon, cat) = chat.listed()
    assert (moon.id, moon.paragraphs, moon.passages, moon.characters) == (MOON.id, 2, 2, len(MOON.text))
    assert (cat.title, cat.source, cat.added, cat.changed) == (CAT.title, "cat.txt", *["2025-01-31T12:00:00Z"] * 2)
    assert chat.file_text(MOON.id) is None
    assert chat.store.turns("a")[0][5] == ""
    assert chat.conversations(owner="") != []


def test_a_damaged_record_does_not_keep_an_older_store_from_opening(folder):
    old_store(folder, 3)
    connection = sqlite3.connect(folder / STORE_FILE)
    connection.execute("UPDATE document SET record = '{' WHERE id = ?", (CAT.id,))
    connection.commit()
    connection.close()
    chat = open_chat(folder)
    assert [listed.paragraphs for listed in chat.listed()] == [2, 0]
    assert chat.document(MOON.id) == MOON


def test_a_turn_that_cannot_be_added_changes_nothing(folder):
    chat = filled(folder)
    chat.store.add_conversation("a", "", most=1)
    chat.store.append_turn("a", "{}", most=1, title="asked")
    before = chat.store.turns("a")
    with pytest.raises(InputError, match="keeps 1 at most"):
        chat.store.append_turn("a", "{}", most=1)
    with pytest.raises(InputError, match="cannot be replaced"):
        chat.store.replace_turn("a", 2, "[]")
    assert chat.store.turns("a") == before
    assert before[0][1] == "asked"


def test_feedback_is_numbered_timed_and_there_after_reopening(folder):
    chat = filled(folder)
    ids = [chat.store.add_feedback(record)[0] for record in ('{"good":true}', "对\0")]
    chat.close()
    rows = open_chat(folder).store.feedback_records()
    assert ids == [1, 2]
    assert [(id_, record) for id_, _, record in rows] == [(1, '{"good":true}'), (2, "对\0")]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", added) for _, added, _ in rows)


def test_feedback_is_bounded_in_number(folder):
    store = open_chat(folder).store
    for _ in range(2):
        store.add_feedback("{}", 2)
    with pytest.raises(InputError, match="^2 pieces of feedback are kept, and 2 at most can be") as raised:
        store.add_feedback("{}", 2)
    assert "已有 2 条反馈" in raised.value.said("zh")
    assert len(store.feedback_records()) == 2


def test_what_a_document_replaces_is_returned_with_it(folder):
    chat = filled(folder)
    newer = replace(MOON, text=MOON.text.replace("high", "tall"), digest="other")
    assert chat.add_document(newer).before is None
    assert chat.add_document(newer, copies=True).before is None
    addition = chat.add_document(MOON, copies=True)
    assert addition.outcome == "replaced"
    assert addition.before is not None
    assert addition.before.document == newer
    chat.restore(addition.before, replace=True)
    assert chat.document(MOON.id) == newer
    assert chat.add_document(document_from_text("new", source="new.txt"), copies=True).before is None


def test_feedback_is_no_change_of_the_documents(folder):
    chat = filled(folder)
    before = chat.store.generation()
    chat.store.add_feedback("{}")
    assert chat.store.generation() == before
    chat.remove(MOON.id)
    assert len(chat.store.feedback_records()) == 1


def test_a_full_disk_loses_nothing(folder):
    chat = filled(folder)
    pages = chat.store._connection.execute("PRAGMA page_count").fetchone()[0]
    chat.store._connection.execute(f"PRAGMA max_page_count = {pages}")
    large = document_from_text("\n\n".join(f"moon number {number}" for number in range(2000)), source="large.txt")
    with pytest.raises(StoreError, match="disk.*is full. Nothing was changed"):
        chat.add_document(large)
    assert chat.documents() == [MOON, CAT]
    assert texts(chat.search("tide", 1)) == ["the tide is high"]


def test_a_cache_that_cannot_be_written_is_only_a_notice(folder, monkeypatch, caplog):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(FaissIndex, "save", full)
    chat = filled(folder)
    with caplog.at_level(logging.WARNING, "rag.store"):
        assert texts(chat.search("tide", 1)) == ["the tide is high"]
    assert "No space left" in caplog.text


def test_a_process_killed_while_adding_leaves_the_state_before(folder):
    filled(folder).close()
    program = f"""
        import os
        from rag.documents import document_from_text
        from rag.pipeline import Pipeline
        from rag.settings import Settings
        from rag.store import Store
        from tests.fakes import WordCountEmbedder
        from pathlib import Path

        chat = Pipeline(Path({str(folder)!r}), Settings(), WordCountEmbedder())
        with chat.store._transaction() as connection:
            connection.execute("DELETE FROM document")
            os._exit(9)
        """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], cwd=Path(__file__).parents[1], check=False)
    assert done.returncode == 9
    assert open_chat(folder).documents() == [MOON, CAT]


def test_embeddings_are_kept_as_they_were(folder):
    chat = filled(folder)
    for passage in (*chat.passages(MOON.id), *chat.passages(CAT.id)):
        ((_, blob),) = chat.store._embeddings(np.array([position_of(passage)], np.int64))
        assert np.array_equal(np.frombuffer(blob, "<f4"), WordCountEmbedder().embed_passages([passage.text])[0])


def test_caches_of_another_database_are_not_taken_for_this_one(folder):
    chat = open_chat(folder)
    chat.add_document(CAT)
    chat.search("cat", 1)
    chat.close()
    (folder / STORE_FILE).rename(folder / "moved-away")
    again = open_chat(folder)
    again.add_document(document_from_text("the moon", source="other.txt"))
    (hit,) = again.search("moon", 5)
    assert hit.passage.text == "the moon"
    assert hit.arms["dense"].score == pytest.approx(1.0)
    assert hit.arms["lexical"].terms == ("moon",)


def test_texts_that_two_processes_added_to_the_lexical_cache_are_counted_once(folder):
    chat = filled(folder)
    expected = chat.search("moon tide", 5)
    chat.close()
    TantivyIndex(folder / LEXICAL).change(
        [(position_of(p), p.text) for p in chat_passages(folder)], np.empty(0, np.int64)
    )
    assert open_chat(folder).search("moon tide", 5) == expected


def chat_passages(folder):
    chat = open_chat(folder)
    return [*chat.passages(MOON.id), *chat.passages(CAT.id)]


def test_a_changed_byte_in_the_vectors_is_noticed(folder, caplog):
    chat = filled(folder)
    expected = chat.search("moon tide", 5)
    chat.close()
    content = bytearray((folder / VECTORS).read_bytes())
    content[len(content) // 2] ^= 0xFF
    (folder / VECTORS).write_bytes(content)
    with caplog.at_level(logging.WARNING, "rag.store"):
        assert open_chat(folder).search("moon tide", 5) == expected
    assert "checksum" in caplog.text


def test_processes_that_make_the_same_store_at_once_all_succeed(folder):
    program = f"""
        import sys
        from pathlib import Path
        from rag.documents import document_from_text
        from rag.pipeline import Pipeline
        from rag.settings import Settings
        from tests.fakes import WordCountEmbedder

        chat = Pipeline(Path({str(folder)!r}), Settings(), WordCountEmbedder())
        chat.add_document(document_from_text("the moon " + sys.argv[1], source=sys.argv[1]))
        """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    running = [subprocess.Popen([*command, str(n)], cwd=Path(__file__).parents[1]) for n in range(4)]
    assert [process.wait() for process in running] == [0, 0, 0, 0]
    assert len(open_chat(folder).documents()) == 4


def test_a_record_that_cannot_be_read_is_a_damaged_store(folder):
    chat = filled(folder)
    chat.store._connection.execute("UPDATE document SET record = '{' WHERE id = ?", (CAT.id,))
    with pytest.raises(StoreError, match="damaged. Nothing was deleted"):
        chat.documents()


# -- Indexing anew ---------------------------------------------------------------------------------


class Letters:
    """Another embedder, of another width: counts letters. Its cut is finer, too."""

    name = fingerprint = "letters"
    letters = "abcmot"
    dim = len(letters)
    max_tokens: int | None = 10

    def count_tokens(self, passage):
        return len(passage)

    def embed_passages(self, texts):
        counts = np.array([[text.count(letter) for letter in self.letters] for text in texts], np.float32)
        counts = counts.reshape(len(texts), self.dim)
        return np.asarray(counts / np.maximum(np.linalg.norm(counts, axis=1, keepdims=True), 1e-9), np.float32)

    embed_queries = embed_passages


class Backwards(WordCountEmbedder):
    """Of the same width as the other, with other vectors for the same passages."""

    words = ("cat", "tide", "moon", "月亮", "潮汐")


def dense(hits):
    return {hit.passage.text: round(hit.arms["dense"].score, 3) for hit in hits}


def test_a_store_is_indexed_anew_with_another_embedder(folder):
    chat = filled(folder)
    chat.search("moon", 1)
    kept = chat.start_conversation("kept").id
    chat.store.add_feedback("{}")
    before = chat.listed()
    chat.close()
    done = []
    again = reindex(folder, Settings(), lambda *counts: done.append(counts), embedder=Letters())
    assert done == [(0, 2), (2, 2)]
    assert again.documents() == [MOON, CAT]
    assert [passage.text for passage in again.passages(CAT.id)] == ["a cat", "sleeps"]
    assert [replace(one, passages=0) for one in again.listed()] == [replace(one, passages=0) for one in before]
    assert [one.id for one in again.conversations()] == [kept]
    assert len(again.store.feedback_records()) == 1
    (hit, *_) = again.search("a cat", 5)
    assert (hit.passage.text, hit.arms["dense"].score) == ("a cat", pytest.approx(1.0))
    again.close()
    with pytest.raises(EmbedderMismatchError, match="'letters'.*'word-count'"):
        open_chat(folder)
    assert texts(open_chat(folder, Letters()).search("cat", 1)) == ["a cat"]


def test_vectors_of_the_embedder_before_are_not_taken_for_the_new_ones(folder):
    chat = filled(folder)
    assert texts(chat.search("moon", 1)) == ["the moon is round"]
    passages = chat.passages(MOON.id)
    chat.close()
    again = reindex(folder, Settings(), embedder=Backwards("backwards"))
    assert again.passages(MOON.id) == passages
    assert dense(again.search("moon", 5)) == {"the moon is round": 1.0, "the tide is high": 0.0, "a cat sleeps": 0.0}
    assert [path.name for path in folder.glob("*.faiss")] == ["vectors-backwards.faiss"]


def test_a_store_that_is_indexed_anew_while_its_vectors_are_read_gives_those_of_one_embedder(folder, monkeypatch):
    chat = filled(folder)
    read = chat.store._embeddings

    def late(positions):
        monkeypatch.undo()
        reindex(folder, Settings(), embedder=Backwards("backwards")).close()
        return read(positions)

    monkeypatch.setattr(chat.store, "_embeddings", late)
    ((position, score),) = chat.store.search_dense(WordCountEmbedder().embed_queries(["moon"]), 1)
    assert (position, round(score, 3)) == (position_of(chat.passages(MOON.id)[0]), 1.0)
    with pytest.raises(EmbedderMismatchError, match="open the store again"):
        chat.search("moon", 5)
    again = reindex(folder, Settings(), embedder=WordCountEmbedder())
    assert dense(again.search("moon", 5)) == {"the moon is round": 1.0, "the tide is high": 0.0, "a cat sleeps": 0.0}


def test_the_lexical_index_stays_where_the_passages_stay(folder, monkeypatch):
    chat = filled(folder)
    chat.search("moon", 1)
    chat.close()
    monkeypatch.setattr(TantivyIndex, "change", lambda *_: pytest.fail("made anew"))
    assert texts(reindex(folder, Settings(), embedder=Backwards("backwards")).search("cat", 1)) == ["a cat sleeps"]


def test_the_vectors_of_an_older_version_are_taken_over(folder, monkeypatch):
    chat = filled(folder)
    expected = chat.search("moon", 5)
    chat.close()
    (folder / VECTORS).rename(folder / OLD_VECTORS)
    monkeypatch.setattr(FaissIndex, "save", lambda *_: pytest.fail("made anew"))
    assert open_chat(folder).search("moon", 5) == expected
    assert [path.name for path in folder.glob("*.faiss")] == [VECTORS]


def test_whoever_has_the_store_open_with_the_embedder_before_is_told_to_open_it_again(folder):
    chat = filled(folder)
    chat.search("moon", 1)
    removed = chat.take_out(CAT.id)
    again = reindex(folder, Settings(), embedder=Letters())
    new = document_from_text("the moon", source="new.txt")
    for act in (lambda: chat.search("moon", 1), lambda: chat.add_document(new), lambda: chat.ask("the moon?")):
        with pytest.raises(EmbedderMismatchError, match="open the store again") as raised:
            act()
        assert raised.value.__notes__ == ["The embedder is 'letters' now, and was 'word-count'."]
    with pytest.raises(InputError, match="indexed with another embedder since"):
        again.restore(removed)
    assert chat.documents() == again.documents() == [MOON]
    assert chat.conversations() == []  # what needs no embedder goes on


def test_documents_that_change_while_a_store_is_indexed_anew_are_indexed_too(folder):
    chat = filled(folder)
    changes = [
        lambda: chat.add_document(document_from_text("the cat jumped", source="moon.txt")),
        lambda: chat.add_document(document_from_text("a tide", source="new.txt")),
        lambda: chat.remove(CAT.id),
    ]

    def progress(done, total):
        if done == total and changes:
            changes.pop(0)()

    again = reindex(folder, Settings(), progress, embedder=Letters())
    assert [document.text for document in again.documents()] == ["the cat jumped", "a tide"]
    found = [passage.text for document in again.documents() for passage in again.passages(document.id)]
    assert found == ["the cat", "jumped", "a tide"]
    assert texts(again.search("tide", 1)) == ["a tide"]


def test_a_stopped_reindexing_leaves_the_store_as_it_was(folder):
    before = filled(folder).search("moon tide", 5)
    stop = threading.Event()

    def stop_soon(done, _):
        if done:
            stop.set()

    with pytest.raises(StoreError, match="was stopped. The store is as it was"):
        reindex(folder, Settings(batch_size=1), stop_soon, stop, Letters())
    chat = open_chat(folder)
    assert chat.search("moon tide", 5) == before
    assert sorted(path.name for path in folder.iterdir() if "store.sqlite-" not in path.name) == [
        LEXICAL,
        STORE_FILE,
        VECTORS,
    ]


@pytest.mark.parametrize("moment", ["embedding", "writing"])
def test_a_process_killed_while_indexing_anew_leaves_the_state_before(folder, moment):
    before = filled(folder).search("moon tide", 5)
    program = f"""
        import os
        from pathlib import Path
        from rag.pipeline import reindex
        from rag.settings import Settings
        from rag.store import Store
        from tests.test_store import Letters

        class Killed(Letters):
            def embed_passages(self, texts):
                if {moment!r} == "embedding" and any("sleeps" in text for text in texts):
                    os._exit(9)
                return super().embed_passages(texts)

        identity = Store._identity
        Store._identity = lambda store: os._exit(9)  # asked for when all passages have been written
        reindex(Path({str(folder)!r}), Settings(batch_size=1), embedder=Killed())
        """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], cwd=Path(__file__).parents[1], check=False)
    assert done.returncode == 9
    assert open_chat(folder).search("moon tide", 5) == before


def test_a_full_disk_while_indexing_anew_changes_nothing(folder):
    chat = open_chat(folder)
    chat.add_document(document_from_text("\n\n".join(f"moon number {n}" for n in range(500)), source="large.txt"))
    before = chat.search("moon", 5)
    store = Store(folder, Letters(), 400, any_embedder=True)
    store.begin_reindexing()
    (id_,) = store.unstaged()
    passages = [Passage(f"{id_}:{n}", id_, n, n + 1, "m") for n in range(3000)]
    store.stage(passages, Letters().embed_passages(["m"] * 3000), [store.document(id_)])
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError, match="disk.*is full. Nothing was changed"):
        store.finish_reindexing()
    store.close()
    assert chat.search("moon", 5) == before


def test_an_empty_store_is_indexed_anew_and_a_folder_without_one_is_refused(folder, tmp_path):
    open_chat(folder).close()
    chat = reindex(folder, Settings(), embedder=Letters())
    chat.add_document(CAT)
    assert texts(chat.search("cat", 1)) == ["a cat"]
    with pytest.raises(NotFoundError, match="There is no store in"):
        reindex(tmp_path / "nothing", Settings(), embedder=Letters())
    assert not (tmp_path / "nothing").exists()


# -- Kept settings ---------------------------------------------------------------------------------


def test_what_a_user_chose_is_there_after_reopening(folder):
    chat = filled(folder)
    assert chat.store.kept_settings() == {}
    chosen = {"generator": "openai:小模型", "generator_url": "http://127.0.0.1:11434/v1", "threshold": 0.5, "k": 5}
    chat.store.keep_settings(chosen)
    chat.store.keep_settings(chosen | {"reranker": None})
    before = chat.store.generation()
    chat.close()
    again = open_chat(folder).store
    assert again.kept_settings() == chosen | {"reranker": None}
    assert again.generation() == before
    again.keep_settings({})
    assert again.kept_settings() == {}


def test_a_setting_that_cannot_be_chosen_is_not_kept(folder):
    store = filled(folder).store
    store.keep_settings({"k": 5})
    for chosen in ({"generator_url": "http://me:secret@127.0.0.1/v1"}, {"key": "secret"}, {"k": 500}):
        with pytest.raises(InputError):
            store.keep_settings(chosen)
    assert store.kept_settings() == {"k": 5}
    assert b"secret" not in (store.folder / STORE_FILE).read_bytes()


@pytest.mark.parametrize(
    ("row", "kept"),
    [
        ('{"k": "many", "reader": "a/b", "later": 1}', {"reader": "a/b"}),
        ('{"k": true, "threshold": 7}', {}),
        ('{"embedder": null, "reranker": null}', {"reranker": None}),
        ('{"reader": {"a": 1}, "generator": ["x"]}', {}),
        ("[]", {}),
        ("7", {}),
        ("{", {}),
    ],
)
def test_kept_settings_that_cannot_be_used_are_left_out_with_a_notice(folder, row, kept, caplog):
    store = filled(folder).store
    store._connection.execute("INSERT INTO setting VALUES ('kept settings', ?)", (row,))
    with caplog.at_level(logging.WARNING, "rag.store"):
        assert store.kept_settings() == kept
    assert ("left out" in caplog.text) == (row != "[]")
