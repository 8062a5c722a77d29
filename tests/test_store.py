import errno
import logging
import re
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from rag.documents import document_from_text
from rag.errors import EmbedderMismatchError, InputError, NotFoundError, StoreError
from rag.index import FaissIndex
from rag.lexical import TantivyIndex
from rag.pipeline import Pipeline
from rag.settings import STORE_FILE, Settings
from rag.store import LEXICAL, MIGRATIONS, VECTORS, Store, position_of
from tests.fakes import WordCountEmbedder

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


def test_an_id_may_be_shortened_while_it_is_the_only_one(folder):
    chat = filled(folder)
    assert chat.document(MOON.id[:6]) == MOON
    with pytest.raises(NotFoundError, match="rag list"):
        chat.document("")


def test_a_store_of_another_embedder_is_refused_with_the_remedy(folder):
    filled(folder).close()
    with pytest.raises(EmbedderMismatchError, match="'word-count'.*'other'.*Name the embedder it was made with"):
        open_chat(folder, WordCountEmbedder("other"))


def test_a_store_of_another_version_of_the_embedder_is_told_what_to_do(folder):
    filled(folder).close()
    newer = WordCountEmbedder()
    newer.fingerprint = "newer"
    with pytest.raises(EmbedderMismatchError, match="another version of it: name another folder"):
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


def test_a_damaged_database_is_refused_and_nothing_is_deleted(folder):
    filled(folder).close()
    content = b"this is no database, whatever its name says" * 100
    (folder / STORE_FILE).write_bytes(content)
    with pytest.raises(StoreError, match="damaged. Nothing was deleted"):
        open_chat(folder)
    assert (folder / STORE_FILE).read_bytes() == content


def test_a_newer_schema_is_refused(folder):
    filled(folder).close()
    connection = sqlite3.connect(folder / STORE_FILE)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreError, match="newer version of the program"):
        open_chat(folder)


def test_a_store_of_version_1_keeps_its_documents_and_takes_feedback(folder, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("rag.store.MIGRATIONS", MIGRATIONS[:1])
        filled(folder).close()
    connection = sqlite3.connect(folder / STORE_FILE)
    assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    assert connection.execute("SELECT name FROM sqlite_master WHERE name = 'feedback'").fetchall() == []
    connection.close()
    chat = open_chat(folder)
    assert chat.documents() == [MOON, CAT]
    assert texts(chat.search("tide", 1)) == ["the tide is high"]
    assert chat.store.feedback_records() == []
    assert chat.store.add_feedback("{}")[0] == 1


def test_a_store_of_version_2_keeps_its_feedback_and_takes_conversations(folder, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("rag.store.MIGRATIONS", MIGRATIONS[:2])
        chat = filled(folder)
        chat.store.add_feedback('{"good":true}')
        chat.close()
    connection = sqlite3.connect(folder / STORE_FILE)
    assert connection.execute("PRAGMA user_version").fetchone() == (2,)
    connection.close()
    chat = open_chat(folder)
    assert chat.documents() == [MOON, CAT]
    assert [record for _, _, record in chat.store.feedback_records()] == ['{"good":true}']
    assert chat.store.conversations() == []
    chat.store.add_conversation("a", "first", most=1)
    assert chat.store.append_turn("a", "{}", most=1) == 1
    row, turns = chat.store.turns("a")
    assert (row[0], row[1], row[4], turns) == ("a", "first", 1, [(1, "{}")])


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


def test_feedback_is_no_change_of_the_documents(folder):
    chat = filled(folder)
    before = chat.store.generation()
    chat.store.add_feedback("{}")
    assert chat.store.generation() == before
    chat.remove(MOON.id)
    assert len(chat.store.feedback_records()) == 1


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(StoreError, match="cannot be made"):
        open_chat(tmp_path / "file" / "store")


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
