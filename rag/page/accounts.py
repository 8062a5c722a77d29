"""Accounts: names and passwords from a file of lines `NAME:HASH`, as `htpasswd -B` and `rag password` write them.

Passwords are kept as bcrypt hashes only. Checking one takes a fifth of a second on purpose; one that was right is
remembered, as a digest under a key that lives as long as the process.
"""

import contextlib
import hashlib
import hmac
import logging
import os
import re
import secrets
import stat
import tempfile
import threading
import time
import unicodedata
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path

import bcrypt

from rag.errors import InputError, RagError

logger = logging.getLogger(__name__)

ROUNDS = 12  # of a new hash: each one more doubles the time
MOST_ROUNDS = 15  # a hash of more would keep a processor busy for seconds
SHORTEST, LONGEST = 8, 72  # characters of a new password, and bytes: bcrypt reads no more
NAME_LENGTH = 64  # characters
FILE_SIZE = 1 << 20  # bytes
REMEMBERED = 1000
LOOK_AGAIN = 1.0  # seconds between two looks at whether the file was changed
_HASH = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}")


class Accounts:
    """The accounts of a file. A file that is changed is read again; one that is then wrong changes nothing."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """Read the file.

        Raises:
            InputError: It cannot be read, others may read it, or it is wrong; the message says where.
        """
        self.path = path
        self.trouble = ""  # why the file as it is now is not used
        self._clock = clock
        self._lock = threading.Lock()
        self._key = secrets.token_bytes(32)
        self._remembered: OrderedDict[bytes, None] = OrderedDict()
        self._looked = clock()
        self._stamp = _stamp(path)
        self._hashes = read_accounts(path)
        self._decoy = _decoy(self._hashes)

    @property
    def names(self) -> frozenset[str]:
        """The names of all accounts."""
        with self._lock:
            self._refresh()
            return frozenset(self._hashes)

    def remembers(self, name: str, password: str) -> bool:
        """Say at once whether this password was found right before."""
        digest = self._digest(name, password)
        with self._lock:
            self._refresh()
            if digest not in self._remembered:
                return False
            self._remembered.move_to_end(digest)
            return True

    def check(self, name: str, password: str) -> bool:
        """Say whether an account has this password; takes as long where there is no such account."""
        with self._lock:
            self._refresh()
            hashes = self._hashes
            kept = hashes.get(normal_name(name))
            expected = kept or self._decoy
        data = password.encode("utf-8", "replace")
        usable = len(data) <= LONGEST and b"\0" not in data
        right = bcrypt.checkpw(data if usable else b"x", expected.encode()) and usable and kept is not None
        if right:
            with self._lock:
                if self._hashes is hashes:
                    self._remembered[self._digest(name, password)] = None
                    while len(self._remembered) > REMEMBERED:
                        self._remembered.popitem(last=False)
        return right

    def _digest(self, name: str, password: str) -> bytes:
        text = f"{normal_name(name)}\0{password}".encode("utf-8", "replace")
        return hmac.digest(self._key, text, hashlib.sha256)

    def _refresh(self) -> None:
        """Read the file again where it was changed."""
        now = self._clock()
        if now - self._looked < LOOK_AGAIN:
            return
        self._looked = now
        stamp = _stamp(self.path)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            hashes = read_accounts(self.path)
        except RagError as error:
            self.trouble = str(error)
            logger.warning("The accounts of before stay in use: %s", error)
            return
        self.trouble = ""
        self._hashes, self._decoy = hashes, _decoy(hashes)
        self._remembered.clear()


def read_accounts(path: Path) -> dict[str, str]:
    """Return the hash of each name in a file.

    Raises:
        InputError: See `Accounts`. No message shows what stands in a line but the name.
    """
    remedy = f"`rag password NAME --file {path}` makes one."
    try:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            if stat.S_ISREG(status.st_mode) and os.name == "posix" and status.st_mode & 0o026:
                mode = stat.S_IMODE(status.st_mode)
                raise InputError(
                    f"The accounts in {path} can be read or changed by others on this machine (mode {mode:o}). Change "
                    f"that: chmod 600 {path}"
                )
            data = file.read(FILE_SIZE + 1)
    except OSError as error:
        raise InputError(f"The accounts in {path} cannot be read: {error.strerror}. {remedy}") from error
    if len(data) > FILE_SIZE:
        raise InputError(f"The file {path} is larger than {FILE_SIZE:,} bytes. Is it the right one?")
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"The file {path} is no text in UTF-8. {remedy}") from error
    hashes: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, kept = line.strip().partition(":")
        name = normal_name(name)
        where = f"Line {number} of {path}"
        if not colon or (reason := _wrong_name(name)):
            raise InputError(f"{where} is not of the form NAME:HASH{f': {reason}' if colon else ''}. {remedy}")
        found = _HASH.fullmatch(kept)
        if not found:
            raise InputError(
                f"{where} has no bcrypt hash for {name!r}. Passwords are not kept as they are: `rag password {name} "
                f"--file {path}` puts the right line in its place, and so does `htpasswd -B`."
            )
        if not 4 <= int(found[1]) <= MOST_ROUNDS:
            raise InputError(
                f"The hash in line {number} of {path} has the cost {int(found[1])}; it can be 4 to {MOST_ROUNDS}. "
                f"Make it anew: rag password {name} --file {path}"
            )
        if name in hashes:
            raise InputError(f"{where} names {name!r} a second time. Remove one of the lines.")
        hashes[name] = kept
    if not hashes:
        raise InputError(f"The file {path} has no account. {remedy}")
    return hashes


def normal_name(name: str) -> str:
    """Return a name as it is compared: the same letters may be written by other characters."""
    return unicodedata.normalize("NFC", name)


def account_line(name: str, password: str) -> str:
    """Return the line of an account, without its end.

    Raises:
        InputError: The name or the password cannot be one.
    """
    name = normal_name(name)
    if reason := _wrong_name(name):
        raise InputError(f"{name!r} cannot be the name of an account: {reason}.")
    data = password.encode("utf-8", "replace")
    if len(password) < SHORTEST:
        said = "1 character" if len(password) == 1 else f"{len(password)} characters"
        raise InputError(f"The password has {said}. Take {SHORTEST} or more.")
    if len(data) > LONGEST or b"\0" in data:
        raise InputError(f"The password has {len(data)} bytes; at most {LONGEST} can be checked. Take a shorter one.")
    return f"{name}:{bcrypt.hashpw(data, bcrypt.gensalt(ROUNDS)).decode()}"


def keep_account(path: Path, line: str) -> bool:
    """Put the line of an account into a file, made with mode 600 where there is none; say whether it replaced one.

    Raises:
        InputError: The file cannot be read or written; nothing is changed.
    """
    name = line.partition(":")[0]
    try:
        path = path.resolve()
        lines = path.read_text(encoding="utf-8-sig").splitlines() if path.exists() else []
        kept = [old for old in lines if normal_name(old.partition(":")[0]) != name or old.startswith("#")]
        handle, written = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 600
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                file.writelines(f"{one}\n" for one in (*kept, line))
                file.flush()
                os.fsync(file.fileno())
            Path(written).replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(written).unlink()
            raise
    except UnicodeDecodeError as error:
        raise InputError(f"The file {path} is no text in UTF-8. Name another with --file.") from error
    except OSError as error:
        raise InputError(f"The account cannot be put into {path}: {error.strerror}. Name another file.") from error
    return len(kept) < len(lines)


def _wrong_name(name: str) -> str:
    if not name or len(name) > NAME_LENGTH:
        return f"a name has 1 to {NAME_LENGTH} characters"
    if name != name.strip() or name.startswith("#") or not name.isprintable() or ":" in name:
        return "a name has no colon, no # at its start, and no white space around it"
    return ""


def _decoy(hashes: Mapping[str, str]) -> str:
    """Return a hash that no password has, of the greatest cost among the accounts."""
    cost = max(int(kept[4:6]) for kept in hashes.values())
    salt = f"$2b${cost:02}$" + "." * 22
    return salt + "." * 31


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
