import sqlite3

import pytest

from rag.database import MIGRATIONS, Database
from rag.errors import InputError, StoreError
from rag.settings import STORE_FILE

ADD = "INSERT INTO feedback (record) VALUES (?)"


def count(database):
    return database._one("SELECT count(*) FROM feedback")[0]


def test_a_block_that_fails_leaves_the_state_before(folder):
    database = Database(folder)
    with database._transaction() as connection:
        connection.execute(ADD, ("one",))

    def fail():
        with database._transaction() as connection:
            connection.execute(ADD, ("two",))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert count(database) == 1
    assert database._setting("generation") == "1"


def test_a_change_of_something_else_is_no_new_generation(folder):
    database = Database(folder)
    with database._transaction(changes=False) as connection:
        connection.execute(ADD, ("one",))
    assert (count(database), database._setting("generation")) == (1, "0")


def test_a_reading_block_sees_the_database_as_of_one_moment(folder):
    database, other = Database(folder), Database(folder)
    with database._reading():
        assert count(database) == 0
        with other._transaction() as connection:
            connection.execute(ADD, ("one",))
        assert count(database) == 0
    assert count(database) == 1


def test_another_process_that_writes_for_too_long_is_one_clear_error(folder, monkeypatch):
    monkeypatch.setattr("rag.database.BUSY_TIMEOUT", 0.05)
    database, other = Database(folder), Database(folder)
    with other._transaction() as connection:
        connection.execute(ADD, ("one",))
        told = "Another process is writing.*Nothing was changed"
        with pytest.raises(StoreError, match=told) as raised, database._transaction():
            pytest.fail("both write at once")
    assert "另一个程序正在写入" in raised.value.said("zh")
    assert str(folder) not in f"{raised.value}{raised.value.chinese}"
    assert count(database) == 1


def test_temporary_tables_are_written_while_another_process_writes(folder, monkeypatch):
    monkeypatch.setattr("rag.database.BUSY_TIMEOUT", 0.05)
    database, other = Database(folder), Database(folder)
    with other._transaction(), database._transaction(changes=False, writes=False) as connection:
        connection.execute("CREATE TEMP TABLE beside (a)")
        connection.execute("INSERT INTO beside VALUES (1)")
    assert database._one("SELECT a FROM beside") == (1,)


@pytest.mark.parametrize("version", range(len(MIGRATIONS)))
def test_an_older_schema_is_brought_to_the_newest_in_one_transaction(folder, version, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("rag.database.MIGRATIONS", MIGRATIONS[:version])
        Database(folder).close()
    with monkeypatch.context() as patch:
        patch.setattr("rag.database.MIGRATIONS", (*MIGRATIONS, "CREATE TABLE more (a);\nNO SQL"))
        with pytest.raises(StoreError, match="syntax error"):
            Database(folder)
    connection = sqlite3.connect(folder / STORE_FILE)
    assert connection.execute("PRAGMA user_version").fetchone() == (version,)
    connection.close()
    database = Database(folder)
    assert database._one("PRAGMA user_version") == (len(MIGRATIONS),)
    assert database._one("PRAGMA integrity_check") == ("ok",)
    new = Database(folder.with_name("new"))
    query = "SELECT group_concat(sql, ';') FROM (SELECT sql FROM sqlite_master ORDER BY name)"
    assert database._one(query) == new._one(query)


def test_a_newer_schema_is_refused_in_both_languages(folder):
    Database(folder).close()
    connection = sqlite3.connect(folder / STORE_FILE)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreError, match="newer version of the program") as raised:
        Database(folder)
    assert "请安装新版程序" in raised.value.said("zh")
    assert str(folder) not in f"{raised.value}{raised.value.chinese}"


def test_a_damaged_database_is_refused_and_nothing_is_deleted(folder):
    Database(folder).close()
    content = b"this is no database, whatever its name says" * 100
    (folder / STORE_FILE).write_bytes(content)
    with pytest.raises(StoreError, match="damaged. Nothing was deleted") as raised:
        Database(folder)
    assert "已损坏" in raised.value.said("zh")
    assert str(folder) not in f"{raised.value}{raised.value.chinese}"  # visitors of a page may read it
    assert raised.value.__notes__ == [f"The store is in {folder}."]
    assert (folder / STORE_FILE).read_bytes() == content


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(StoreError, match="cannot be made"):
        Database(tmp_path / "file" / "store")


def test_half_a_surrogate_pair_is_one_clear_error(folder):
    database = Database(folder)
    with pytest.raises(InputError, match="half a surrogate pair"), database._transaction() as connection:
        connection.execute(ADD, ("\ud800",))
    assert count(database) == 0
