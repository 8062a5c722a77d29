"""Serving: where the page is served, to whom, and who may change what. Plain values; nothing is opened here."""

import ipaddress
import os
import re
import socket
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from rag.errors import InputError, Language

QUESTIONS = 120  # a minute and client
REQUESTS = 5  # for each question: a page has scripts and styles
ALONE = 10  # times as many where one person uses a machine of their own
LOOPBACK = ("localhost", "127.0.0.1", "::1")
_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*", re.ASCII)


@dataclass(frozen=True)
class Said:
    """What people are told, in both languages."""

    zh: str
    en: str

    def said(self, language: Language) -> str:
        """Return the text in a language."""
        return self.zh if language == "zh" else self.en


@dataclass(frozen=True)
class Permissions:
    """What a visitor may change for everybody."""

    documents: bool  # add and remove them
    settings: bool


@dataclass(frozen=True)
class Serving:
    """How the page is served.

    Who may change what: with `read_only` nobody anything. On this machine alone (loopback, no accounts) whoever opens
    the page may do all. With accounts every user may change documents, and `admins` the settings. Without accounts
    on another address nobody may change anything.
    """

    host: str = "127.0.0.1"  # address to listen on
    port: int = 7860
    auth_file: Path | None = None  # accounts, see rag.page.accounts; None: nobody signs in
    admins: tuple[str, ...] = ()  # users who may change settings
    read_only: bool = False
    allowed_hosts: tuple[str, ...] = ()  # names that the server is reached by, without port
    rate: int | None = None  # questions a minute and client; 0: any number; None: by who is served
    public_without_password: bool = False  # any address is served, also where nobody signs in

    @cached_property
    def on_loopback(self) -> bool:
        """Whether only programs of this machine reach the server."""
        return is_loopback(self.host)

    @property
    def alone(self) -> bool:
        """Whether the server is one person's own: on loopback, without accounts, and not said to be public."""
        return self.on_loopback and self.auth_file is None and not self.public_without_password

    @property
    def questions(self) -> int:
        """Questions a minute and client; 0 for any number."""
        return self.rate if self.rate is not None else QUESTIONS * (ALONE if self.alone else 1)

    @property
    def requests(self) -> int:
        """Requests of any kind a minute and client; 0 for any number."""
        return self.questions * REQUESTS

    def permissions(self, user: str) -> Permissions:
        """Return what a user may change; `user` is empty where nobody signs in."""
        if self.read_only:
            return Permissions(documents=False, settings=False)
        if self.auth_file is None:
            return Permissions(documents=self.alone, settings=self.alone)
        return Permissions(documents=bool(user), settings=user in self.admins)

    def answers_to(self, host: str) -> bool:
        """Say whether a request for this name (a Host header) is answered.

        A web page can make a browser ask us under the page's own name, by telling the browser our address for it (DNS
        rebinding). With accounts that gains nothing, since the browser knows no password for that name; an address
        in numbers cannot be rebound.
        """
        name = host_name(host)
        if not name:
            return False
        if name in LOOPBACK or name == host_name(self.host) or name in map(host_name, self.allowed_hosts):
            return True
        if self.alone:
            return _is_loopback_number(name)
        if self.allowed_hosts:
            return False
        own = socket.gethostname().lower()
        return self.auth_file is not None or _is_number(name) or name in (own, f"{own}.local")

    def check(self, users: Collection[str] = ()) -> None:
        """Refuse what is not safe, or contradicts itself.

        Args:
            users: The names of the accounts.

        Raises:
            InputError: With what to do.
        """
        if not self.on_loopback and self.auth_file is None and not self.public_without_password:
            raise InputError(
                f"Everybody who reaches {self.host} could read the documents and ask. Make accounts with `rag password "
                "NAME --file FILE` and give --auth-file FILE; or say --public-without-password if all may read them.",
                f"能连上 {self.host} 的人都可以阅读文档并提问。请用 rag password 名字 --file 文件 建立账号，再加上 "
                "--auth-file 文件；如果内容本来就可以公开，请加上 --public-without-password。",
            )
        if self.public_without_password and self.auth_file is not None:
            raise InputError("--public-without-password and --auth-file contradict each other. Leave one of them out.")
        if self.admins and self.auth_file is None:
            raise InputError("--admin names a user of --auth-file, which is not given. Give it, or leave --admin out.")
        if unknown := [name for name in self.admins if name not in users]:
            raise InputError(
                f"--admin names {', '.join(map(repr, unknown))}, and {self.auth_file} has no such user. "
                f"`rag password NAME --file {self.auth_file}` makes one."
            )
        if wrong := [name for name in self.allowed_hosts if not _NAME.fullmatch(host_name(name)) or "/" in name]:
            raise InputError(
                f"--allowed-host {wrong[0]!r} is no name of a host. Give it without http:// and path: docs.example.org."
            )
        if self.rate is not None and self.rate < 0:
            raise InputError(f"--rate is {self.rate}; it is a number of questions a minute, or 0 for any number.")

    def check_address(self) -> None:
        """Raise InputError where the address cannot be listened on."""
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)[0]
            with socket.socket(family, kind, protocol) as probe:
                if os.name == "posix":  # elsewhere this option would let two programs share a port
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
        except OSError as error:
            reason = error.strerror or error
            raise InputError(
                f"Cannot listen on {self.host}, port {self.port}: {reason}. Name another with --port."
            ) from error


def host_name(host: str) -> str:
    """Return the name in a Host header or the like, in small letters, without port, brackets and last dot."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    name = host if host.count(":") > 1 else host.partition(":")[0]  # a bare IPv6 address
    return name.removesuffix(".")


def is_loopback(host: str) -> bool:
    """Say whether an address to listen on is reached from this machine only."""
    return host_name(host) == "localhost" or _is_loopback_number(host_name(host))


def address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the address that a text is, None where it is none; IPv4 written as IPv6 becomes IPv4."""
    try:
        number = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(number, "ipv4_mapped", None) or number


def _is_number(name: str) -> bool:
    return address(name) is not None


def _is_loopback_number(name: str) -> bool:
    number = address(name)
    return number is not None and number.is_loopback
