"""Accounts: a file of names and bcrypt hashes."""

import os
import stat
import time

import bcrypt
import pytest

from rag.errors import InputError
from rag.page import accounts
from rag.page.accounts import Accounts, account_line, keep_account, read_accounts


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(accounts, "ROUNDS", 4)


def line(name="mei", password="correct horse", prefix=b"2b"):
    return f"{name}:{bcrypt.hashpw(password.encode(), bcrypt.gensalt(4, prefix)).decode()}"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "users"


def written(path, *lines, mode=0o600):
    path.write_text("".join(f"{one}\n" for one in lines), encoding="utf-8")
    path.chmod(mode)
    return path


def test_the_right_password_of_an_account_is_right_and_nothing_else(path):
    known = Accounts(written(path, line(), line("wang", "another one")))
    assert known.check("mei", "correct horse")
    assert known.check("wang", "another one")
    assert not known.check("mei", "another one")
    assert not known.check("mei", "")
    assert not known.check("nobody", "correct horse")
    assert not known.check("", "")
    assert known.names == {"mei", "wang"}


def test_a_hash_as_apache_writes_it_is_understood(path):
    written(path, line().replace("$2b$", "$2y$"))
    assert Accounts(path).check("mei", "correct horse")


def test_comments_empty_lines_and_a_byte_order_mark_are_left_aside(path):
    path.write_text(f"\ufeff# readers\r\n\r\n{line()}\r\n", encoding="utf-8", newline="")
    path.chmod(0o600)
    assert list(read_accounts(path)) == ["mei"]


def test_chinese_names_and_passwords_work_however_they_are_composed(path):
    known = Accounts(written(path, line("王梅", "好长好长的密码"), line("Zoe\u0308", "correct horse")))
    assert known.check("王梅", "好长好长的密码")
    assert known.check("Zo\u00eb", "correct horse")


def test_a_password_is_remembered_once_it_was_right(path):
    known = Accounts(written(path, line()))
    assert not known.remembers("mei", "correct horse")
    known.check("mei", "wrong horse")
    assert not known.remembers("mei", "wrong horse")
    known.check("mei", "correct horse")
    assert known.remembers("mei", "correct horse")
    assert not known.remembers("mei", "wrong horse")


def test_what_is_remembered_is_bounded_and_holds_no_password(path, monkeypatch):
    monkeypatch.setattr(accounts, "REMEMBERED", 2)
    known = Accounts(written(path, *(line(f"user{n}") for n in range(3))))
    for n in range(3):
        known.check(f"user{n}", "correct horse")
    assert [known.remembers(f"user{n}", "correct horse") for n in range(3)] == [False, True, True]
    assert "correct horse" not in repr(vars(known))


@pytest.mark.parametrize("password", ["x" * 73, "好" * 25, "null\0byte", "\ud800 half a character"])
def test_a_password_that_bcrypt_does_not_take_is_wrong_and_no_error(path, password):
    assert not Accounts(written(path, line())).check("mei", password)


def test_a_password_that_begins_with_the_right_72_bytes_is_wrong(path):
    known = Accounts(written(path, line(password="x" * 72)))
    assert known.check("mei", "x" * 72)
    assert not known.check("mei", "x" * 73)


def test_nobody_has_the_password_that_unknown_users_are_compared_with(path):
    known = Accounts(written(path, line()))
    known._decoy = line().partition(":")[2]
    assert not known.check("nobody", "correct horse")


def test_an_unknown_user_takes_as_long_as_a_known_one(path):
    cost = 10
    hashed = bcrypt.hashpw(b"correct horse", bcrypt.gensalt(cost)).decode()
    known = Accounts(written(path, f"mei:{hashed}"))

    def least(name):
        times = []
        for _ in range(3):
            began = time.perf_counter()
            known.check(name, "wrong horse")
            times.append(time.perf_counter() - began)
        return min(times)

    assert least("nobody") == pytest.approx(least("mei"), rel=0.5)


def test_a_changed_file_counts_and_forgets_passwords(path):
    now = [0.0]
    known = Accounts(written(path, line()), clock=lambda: now[0])
    known.check("mei", "correct horse")
    written(path, line("mei", "a new password"), line("wang"))
    assert known.remembers("mei", "correct horse")  # it is not looked at each time
    now[0] = 2.0
    assert not known.remembers("mei", "correct horse")
    assert not known.check("mei", "correct horse")
    assert known.check("mei", "a new password")
    assert known.check("wang", "correct horse")


def test_a_file_that_becomes_wrong_or_is_gone_changes_nothing(path):
    now = [0.0]
    known = Accounts(written(path, line()), clock=lambda: now[0])
    written(path, "mei:plain")
    now[0] = 2.0
    assert known.check("mei", "correct horse")
    assert "no bcrypt hash for 'mei'" in known.trouble
    path.unlink()
    now[0] = 4.0
    assert known.check("mei", "correct horse")
    assert "cannot be read" in known.trouble
    written(path, line())
    now[0] = 6.0
    assert known.check("mei", "correct horse")
    assert known.trouble == ""


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "has no account"),
        (["# nobody"], "has no account"),
        (["mei"], "Line 1 .* is not of the form NAME:HASH"),
        ([":x"], "1 to 64 characters"),
        (["n" * 65 + ":x"], "1 to 64 characters"),
        ([line(), "wang:secret123"], "Line 2 .* has no bcrypt hash for 'wang'"),
        (["wang:$apr1$abcdefgh$0123456789012345678901"], "no bcrypt hash"),
        ([line(), line("wang"), line()], "Line 3 .* names 'mei' a second time"),
        ([line("Zo\u00eb"), line("Zoe\u0308")], "a second time"),
        ([line().replace("$04$", "$31$")], "cost 31"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(path, lines, said):
    with pytest.raises(InputError, match=said) as raised:
        Accounts(written(path, *lines))
    assert "secret123" not in str(raised.value)
    assert "$2b$" not in str(raised.value)


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
@pytest.mark.parametrize("mode", [0o644, 0o604, 0o620, 0o602])
def test_a_file_that_others_can_read_or_change_is_refused(path, mode):
    with pytest.raises(InputError, match=f"mode {mode:o}.*chmod 600"):
        Accounts(written(path, line(), mode=mode))


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_a_file_that_a_group_may_read_is_taken(path):
    assert Accounts(written(path, line(), mode=0o640)).names == {"mei"}


def test_an_absent_binary_or_endless_file_is_refused(path):
    with pytest.raises(InputError, match="cannot be read: No such file"):
        Accounts(path)
    path.write_bytes(b"mei:\xff\xfe")
    path.chmod(0o600)
    with pytest.raises(InputError, match="no text in UTF-8"):
        Accounts(path)
    path.write_bytes(b"#" * ((1 << 20) + 1))
    with pytest.raises(InputError, match="larger than"):
        Accounts(path)


def test_a_line_that_is_made_lets_its_password_in(path):
    keep_account(path, account_line("mei", "correct horse"))
    assert Accounts(path).check("mei", "correct horse")


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_a_file_that_is_made_is_its_owners_alone(path):
    keep_account(path, account_line("mei", "correct horse"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_account_kept_again_gets_the_new_password_and_the_rest_stays(path):
    written(path, "# readers", line(), line("wang"))
    assert keep_account(path, account_line("mei", "a new password"))
    assert not keep_account(path, account_line("li", "correct horse"))
    known = Accounts(path)
    assert known.check("mei", "a new password")
    assert not known.check("mei", "correct horse")
    assert known.check("wang", "correct horse")
    assert path.read_text(encoding="utf-8").startswith("# readers\nwang:")
    assert sorted(known.names) == ["li", "mei", "wang"]
    assert [one.name for one in path.parent.iterdir()] == ["users"]


@pytest.mark.parametrize(
    ("name", "password", "said"),
    [
        ("", "correct horse", "1 to 64"),
        ("a:b", "correct horse", "no colon"),
        ("#a", "correct horse", "no #"),
        (" a", "correct horse", "no white space around"),
        ("a\nb", "correct horse", "cannot be the name"),
        ("mei", "short", "has 5 characters"),
        ("mei", "好" * 25, "75 bytes"),
        ("mei", "null\0byte", "bytes"),
    ],
)
def test_a_name_or_password_that_cannot_be_one_is_refused(name, password, said):
    with pytest.raises(InputError, match=said):
        account_line(name, password)


def test_a_file_that_cannot_be_written_is_an_error_with_its_name(tmp_path):
    with pytest.raises(InputError, match="cannot be put into"):
        keep_account(tmp_path / "absent" / "users", "mei:x")
