"""Web addresses: what is read of them, what is refused, and within which bounds. No test leaves this machine."""

import gzip
import socket
import threading
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from rag.errors import DocumentError
from rag.fetching import fetch, is_address, is_public
from tests.file_makers import assert_spans_hold, make_docx, make_pdf

PAGE = (
    "<title>大桥通车 - 海城日报</title><nav>首页 新闻</nav><h1>大桥通车</h1><p>河湾大桥三月九日建成通车。</p>"
    "<footer>版权所有</footer>"
)


@dataclass
class Reply:
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 200
    drip: float = 0.0  # seconds between two bytes


class Site(ThreadingHTTPServer):
    daemon_threads = True
    replies: ClassVar[dict[str, Reply]] = {}
    asked: ClassVar[list[tuple[str, str | None]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        Site.asked.append((self.path, self.headers["Host"]))
        reply = Site.replies.get(self.path, Reply(status=404))
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            if reply.drip:
                for byte in reply.body:
                    self.wfile.write(bytes([byte]))
                    time.sleep(reply.drip)
            else:
                self.wfile.write(reply.body)
        except OSError:
            return  # whoever asked has gone

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[Site]:
    Site.replies.clear()
    Site.asked.clear()
    server = Site(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def html(text: str, **headers: str) -> Reply:
    return Reply(text.encode(), {"Content-Type": "text/html; charset=utf-8"} | headers)


def test_a_page_gives_its_text_without_what_stands_around_it(site: Site) -> None:
    site.replies["/a"] = html(PAGE)
    document = fetch(f"{site.url}/a#top", allow_private=True)
    assert document.text == "大桥通车\n\n河湾大桥三月九日建成通车。"
    assert (document.title, document.source) == ("大桥通车", f"{site.url}/a")
    assert_spans_hold(document, is_markup=True)


def test_the_charset_of_the_header_is_honoured(site: Site) -> None:
    site.replies["/a"] = Reply("<p>柳</p>".encode("gbk"), {"Content-Type": "text/html; charset=gb2312"})
    assert fetch(f"{site.url}/a", allow_private=True).text == "柳"


def test_files_are_read_by_their_type_or_where_it_is_not_told_by_their_name(site: Site, tmp_path: Path) -> None:
    pdf = make_pdf(tmp_path / "a.pdf", [["柳州的历史从古代说起。"]]).read_bytes()
    word = make_docx(tmp_path / "a.docx", ["柳州的历史从古代说起。"]).read_bytes()
    site.replies["/get?id=1"] = Reply(pdf, {"Content-Type": "application/pdf"})
    site.replies["/%E6%8A%A5%E5%91%8A.docx"] = Reply(word, {"Content-Type": "application/octet-stream"})
    site.replies["/c"] = Reply("列甲,列乙\n一,二\n".encode(), {"Content-Type": "text/csv"})
    site.replies["/d"] = Reply(pdf)
    site.replies["/raw/a.md"] = Reply("# 柳州\n\n正文。".encode(), {"Content-Type": "text/plain"})
    assert fetch(f"{site.url}/get?id=1", allow_private=True).page_at(0) == 1
    document = fetch(f"{site.url}/报告.docx", allow_private=True)
    assert (document.title, document.encoding) == ("报告", "docx")
    assert "列甲：一；列乙：二" in fetch(f"{site.url}/c", allow_private=True).text
    assert fetch(f"{site.url}/d", allow_private=True).encoding == "pdf"
    assert fetch(f"{site.url}/raw/a.md", allow_private=True).text == "柳州\n\n正文。"


def test_what_cannot_be_read_is_named_by_its_type(site: Site) -> None:
    site.replies["/a"] = Reply(b"\x89PNG", {"Content-Type": "image/png"})
    with pytest.raises(DocumentError, match="of the type 'image/png', which cannot be read") as caught:
        fetch(f"{site.url}/a", allow_private=True)
    assert "无法读取" in caught.value.said("zh")


def test_redirects_are_followed_a_few_times(site: Site) -> None:
    site.replies["/a"] = Reply(status=302, headers={"Location": "/b"})
    site.replies["/b"] = html(PAGE)
    site.replies["/round"] = Reply(status=302, headers={"Location": "/round"})
    assert fetch(f"{site.url}/a", allow_private=True).source == f"{site.url}/b"
    with pytest.raises(DocumentError, match="more than 5 times"):
        fetch(f"{site.url}/round", allow_private=True)
    assert sum(path == "/round" for path, _ in site.asked) == 6
    site.replies["/a"] = Reply(status=302, headers={"Location": "file:///etc/passwd"})
    with pytest.raises(DocumentError, match="no web address that can be read"):
        fetch(f"{site.url}/a", allow_private=True)


def test_a_name_that_leads_into_the_own_network_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_as(monkeypatch, {"inner.example": "127.0.0.1"})
    for address in (f"http://inner.example:{site.server_port}/a", f"{site.url}/a"):
        with pytest.raises(DocumentError, match="private network") as caught:
            fetch(address)
        assert "内部网络" in caught.value.said("zh")
    assert site.asked == []


def test_the_host_that_was_checked_is_the_one_that_is_asked(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = resolve_as(monkeypatch, {"page.example": "127.0.0.1"})
    site.replies["/a"] = html(PAGE)
    address = f"http://page.example:{site.server_port}/a"
    assert fetch(address, allow_private=True).source == address
    assert seen == ["page.example"]  # once: not again when the connection is made
    assert site.asked == [("/a", f"page.example:{site.server_port}")]


def test_a_public_page_does_not_lead_to_a_private_one(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_as(monkeypatch, {"public.example": "127.0.0.1", "inner.example": "127.0.0.2"})
    monkeypatch.setattr("rag.fetching.is_public", lambda host: host == "127.0.0.1")
    site.replies["/a"] = Reply(status=302, headers={"Location": f"http://inner.example:{site.server_port}/b"})
    for allowed in (False, True):
        with pytest.raises(DocumentError, match=r"inner\.example.* private network"):
            fetch(f"http://public.example:{site.server_port}/a", allow_private=allowed)
    assert [path for path, _ in site.asked] == ["/a", "/a"]


def resolve_as(monkeypatch: pytest.MonkeyPatch, known: dict[str, str]) -> list[str]:
    """Give names addresses; return the list of names that will have been looked up."""
    looked_up: list[str] = []
    real = socket.getaddrinfo

    def resolve(host: str, *arguments: object, **options: object) -> object:
        if host in known:
            looked_up.append(host)
            return real(known[host], *arguments, **options)  # type: ignore[arg-type]
        return real(host, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return looked_up


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1", True),
        ("::ffff:8.8.8.8", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:127.0.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
        ("no address", False),
    ],
)
def test_only_addresses_of_the_internet_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("ftp://example.org/a", "is no web address"),
        ("www.example.org", "is no web address"),
        ("http://", "is no web address"),
        ("http://[::1/a", "is no web address"),
        ("http://a:99999/", "is no web address"),
        ("https://example.org/" + "a" * 3000, "is no web address"),
        ("https://me:secret@example.org/", "holds a name or a password"),
    ],
)
def test_what_is_no_address_is_refused_before_anything_is_asked(address: str, message: str) -> None:
    with pytest.raises(DocumentError, match=message) as caught:
        fetch(address)
    assert "secret" not in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("status", "remedy"), [(404, "Check the address"), (403, "refuses programs"), (500, "Try again later")]
)
def test_a_status_is_told_with_what_to_do(site: Site, status: int, remedy: str) -> None:
    site.replies["/a"] = Reply(status=status)
    with pytest.raises(DocumentError, match=rf"HTTP {status}\. .*{remedy}"):
        fetch(f"{site.url}/a", allow_private=True)


def test_size_is_bounded_also_after_unpacking(site: Site) -> None:
    site.replies["/a"] = html("<p>" + "柳" * 400_000)
    packed = gzip.compress(b"<p>" + bytes(10_000_000))
    site.replies["/b"] = Reply(packed, {"Content-Type": "text/html", "Content-Encoding": "gzip"})
    for path in ("/a", "/b"):
        with pytest.raises(DocumentError, match="is larger than 1 MB"):
            fetch(f"{site.url}{path}", allow_private=True, most=1 << 20)


def test_what_comes_packed_is_unpacked_where_that_is_known(site: Site) -> None:
    site.replies["/a"] = Reply(gzip.compress(PAGE.encode()), {"Content-Type": "text/html", "Content-Encoding": "gzip"})
    assert fetch(f"{site.url}/a", allow_private=True).text.startswith("大桥通车")
    site.replies["/a"].headers["Content-Encoding"] = "br"
    with pytest.raises(DocumentError, match="packed as 'br'"):
        fetch(f"{site.url}/a", allow_private=True)
    site.replies["/a"] = Reply(b"no gzip", {"Content-Type": "text/html", "Content-Encoding": "gzip"})
    with pytest.raises(DocumentError, match="is damaged"):
        fetch(f"{site.url}/a", allow_private=True)


@pytest.mark.parametrize("packing", ["gzip", "deflate"])
def test_what_comes_packed_and_ends_early_is_not_taken_as_whole(site: Site, packing: str) -> None:
    packed = gzip.compress(PAGE.encode()) if packing == "gzip" else zlib.compress(PAGE.encode())
    for end in (0, 10, len(packed) - 20, len(packed) - 1):
        site.replies["/a"] = Reply(packed[:end], {"Content-Type": "text/html", "Content-Encoding": packing})
        with pytest.raises(DocumentError, match="is damaged"):
            fetch(f"{site.url}/a", allow_private=True)


def test_a_look_up_that_is_stuck_does_not_hold_up_whoever_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()

    def stuck(*_: object, **__: object) -> object:
        released.wait(20)
        raise socket.gaierror(socket.EAI_AGAIN, "late")

    monkeypatch.setattr(socket, "getaddrinfo", stuck)
    monkeypatch.setattr("rag.fetching.CLOSING", 0.05)
    start = time.monotonic()
    with pytest.raises(DocumentError, match="did not answer within 0.1 s"):
        fetch("http://slow.example/", timeout=0.1)
    assert time.monotonic() - start < 5
    released.set()
    for thread in threading.enumerate():
        if thread.name == "fetching":
            thread.join(5)


def test_time_is_bounded_though_bytes_keep_coming(site: Site) -> None:
    site.replies["/a"] = Reply(b"<p>" + b"a" * 1000, {"Content-Type": "text/html"}, drip=0.02)
    start = time.monotonic()
    with pytest.raises(DocumentError, match="did not answer within 0.3 s"):
        fetch(f"{site.url}/a", allow_private=True, timeout=0.3)
    assert time.monotonic() - start < 3


def test_a_host_that_is_not_there_and_one_that_does_not_listen_are_told_apart(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(DocumentError, match="The connection to .* failed"):
            fetch(f"http://127.0.0.1:{closed.getsockname()[1]}/", allow_private=True)

    for code, message in ((socket.EAI_NONAME, "There is no host"), (socket.EAI_AGAIN, "no network")):

        def fail(*_: object, code: int = code, **__: object) -> object:
            raise socket.gaierror(code, "said by the resolver")

        monkeypatch.setattr(socket, "getaddrinfo", fail)
        with pytest.raises(DocumentError, match=message):
            fetch("http://nowhere.example/")


def test_an_empty_page_says_what_may_help(site: Site) -> None:
    site.replies["/a"] = html("<div id=app></div><script>draw()</script>")
    with pytest.raises(DocumentError, match="drawn by a program.*PDF") as caught:
        fetch(f"{site.url}/a", allow_private=True)
    assert "PDF" in caught.value.said("zh")


def test_addresses_are_told_from_paths() -> None:
    found = [is_address(one) for one in ("https://example.org", "HTTP://a", "http.txt", "/tmp/https://a")]
    assert found == [True, True, False, False]
