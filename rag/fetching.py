"""Web addresses as documents: one page or file over http or https, within bounds.

What an address leads to is not trusted. Every host's name is resolved here, its addresses are checked, and the
connection goes to the very address that was checked, so that a page cannot make this program ask hosts of the network
it runs in. Every redirect is checked anew. Proxies of the environment are not used, for the same reason.
"""

import asyncio
import errno
import ipaddress
import socket
import ssl
import threading
import zlib
from collections.abc import Coroutine
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote

from rag.documents import MAX_BYTES, SUFFIXES, Document, document_from_data
from rag.errors import DocumentError

if TYPE_CHECKING:
    import httpx2

TIMEOUT = 30.0  # seconds until all of it has come
CLOSING = 1.0  # seconds that closing what was opened may take
MAX_REDIRECTS = 5
MAX_ADDRESS = 2000  # characters
MAX_TRIES = 3  # addresses of one host
_SHOWN = 200  # characters of an address in a message
_TYPES = {
    "text/html": ".html",
    "application/xhtml+xml": ".html",
    "application/pdf": ".pdf",
    "application/x-pdf": ".pdf",
    "text/plain": ".txt",
    "text/markdown": ".md",
    "text/x-markdown": ".md",
    "text/csv": ".csv",
    "text/tab-separated-values": ".tsv",
    "application/epub+zip": ".epub",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
}
# Servers say these of what they do not know.
_UNTOLD = ("", "application/octet-stream", "binary/octet-stream", "application/force-download", "application/zip")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_T = TypeVar("_T")


@dataclass(frozen=True)
class _Fetched:
    """What an address led to."""

    url: str  # the last, after redirects
    content_type: str  # without parameters, in lower case
    charset: str | None
    data: bytes


def is_address(text: str) -> bool:
    """Say whether a text is meant as a web address."""
    return text.lower().startswith(("http://", "https://"))


def fetch(url: str, *, allow_private: bool = False, timeout: float = TIMEOUT, most: int = MAX_BYTES) -> Document:
    """Read what a web address leads to: a page (its text without what stands around it), or a file.

    Args:
        url: An address of http or https.
        allow_private: Take hosts of the own machine and network, too; a public one never leads there.
        timeout: Seconds until all of it has come; then it is read as a document, which is not counted. A name that the
            system still looks up then is waited for where the program ends, not here.
        most: Bytes that are read.

    Returns:
        The document; its source is the address after redirects.

    Raises:
        DocumentError: The address cannot be one, its host cannot or may not be reached, nothing came in time, or what
            came is too large or cannot be read.
    """
    shown = _shown(url)
    try:
        fetched = _run(_within(_get(url, allow_private, most), timeout))
    except TimeoutError:
        raise DocumentError(
            f"{shown} did not answer within {timeout:g} s. Try again later, or download it and add the file.",
            f"{shown} 在 {timeout:g} 秒内没有响应。请稍后再试，或下载后添加文件。",
        ) from None
    shown = _shown(fetched.url)
    suffix = _suffix(fetched, shown)
    path = PurePosixPath(unquote(_parsed(fetched.url).path))
    return document_from_data(
        fetched.data,
        suffix,
        fetched.url,
        label=shown,
        name=path.stem or _parsed(fetched.url).host,
        charset=fetched.charset,
        is_page=suffix == ".html",
    )


def _run(work: Coroutine[None, None, _T]) -> _T:
    """Return what is awaited, as soon as it is there: a loop does not end before a stuck look-up of a name does."""
    found: Future[_T] = Future()

    async def wait() -> None:
        try:
            found.set_result(await work)
        except Exception as error:
            found.set_exception(error)

    def run() -> None:
        try:
            asyncio.run(wait())
        except Exception as error:  # of the loop itself
            if not found.done():
                found.set_exception(error)

    # In a thread of its own, since the caller's may have a running loop.
    thread = threading.Thread(target=run, name="fetching", daemon=True)
    thread.start()
    try:
        return found.result()
    finally:
        thread.join(CLOSING)


async def _within(work: Coroutine[None, None, _T], timeout: float) -> _T:
    async with asyncio.timeout(timeout):
        return await work


def _suffix(fetched: _Fetched, shown: str) -> str:
    """Return the suffix that the format has."""
    named = PurePosixPath(_parsed(fetched.url).path).suffix.lower()
    if fetched.content_type in _UNTOLD:
        return named if named in SUFFIXES else ""
    if fetched.content_type == "text/plain" and named in (".md", ".markdown", ".csv", ".tsv"):
        return named  # servers of plain files say so of every text
    if suffix := _TYPES.get(fetched.content_type):
        return suffix
    raise DocumentError(
        f"{shown} is of the type {fetched.content_type[:80]!r}, which cannot be read. Readable are web pages, PDF, "
        "Word (.docx), e-books (.epub), CSV, Markdown and plain text.",
        f"{shown} 的类型是 {fetched.content_type[:80]!r}，无法读取。可以读取网页、PDF、Word（.docx）、电子书（.epub）、"
        "CSV、Markdown 和纯文本。",
    )


# -- Over the network ------------------------------------------------------------------------------


async def _get(address: str, allow_private: bool, most: int) -> _Fetched:
    import httpx2

    url = _checked(address)
    async with httpx2.AsyncClient(trust_env=False, follow_redirects=False, timeout=None) as client:  # all of it has one
        for _ in range(MAX_REDIRECTS + 1):
            shown = _shown(str(url))
            hosts = await _resolved(url, allow_private, shown)
            # A public page may not lead to where its reader may go.
            allow_private = allow_private and not all(map(is_public, hosts))
            response = await _connected(client, url, hosts, shown)
            try:
                if response.is_redirect and "location" in response.headers:
                    url = _redirected(url, response.headers["location"], shown)
                    continue
                _check_status(response.status_code, shown)
                data = await _body(response, most, shown)
            except httpx2.HTTPError as error:
                raise _broken(shown, error) from None
            finally:
                await response.aclose()
            kind, _, _ = response.headers.get("content-type", "").partition(";")
            return _Fetched(str(url), kind.strip().lower(), response.charset_encoding, data)
    raise DocumentError(
        f"{_shown(address)} leads from one address to the next, more than {MAX_REDIRECTS} times. Give the last one.",
        f"{_shown(address)} 跳转超过 {MAX_REDIRECTS} 次。请直接提供最终的网址。",
    )


def _parsed(url: str) -> "httpx2.URL":
    import httpx2

    return httpx2.URL(url)


def _checked(address: str) -> "httpx2.URL":
    """Return an address that can be one, without its fragment."""
    import httpx2

    address = address.strip()
    try:
        url = httpx2.URL(address)
        usable = url.scheme in ("http", "https") and bool(url.host) and len(address) <= MAX_ADDRESS
        usable = usable and (url.port is None or 0 < url.port < 65536)
    except (httpx2.InvalidURL, ValueError, TypeError):
        usable = False
    if not usable:
        raise DocumentError(
            f"{_shown(address)!r} is no web address. One begins with http:// or https:// and has at most "
            f"{MAX_ADDRESS} characters.",
            f"“{_shown(address)}”不是网址。网址以 http:// 或 https:// 开头，最长 {MAX_ADDRESS} 个字符。",
        )
    if url.userinfo:
        raise DocumentError(
            "The web address holds a name or a password. Leave it out, or download the file and add it.",
            "网址中含有用户名或密码。请去掉，或下载后添加文件。",
        )
    return url.copy_with(fragment=None)


def _redirected(url: "httpx2.URL", location: str, shown: str) -> "httpx2.URL":
    import httpx2

    try:
        return _checked(str(url.join(location)))
    except (httpx2.InvalidURL, ValueError, DocumentError):
        raise DocumentError(
            f"{shown} leads to {_shown(location)!r}, which is no web address that can be read.",
            f"{shown} 跳转到“{_shown(location)}”，那不是可读取的网址。",
        ) from None


async def _resolved(url: "httpx2.URL", allow_private: bool, shown: str) -> list[str]:
    """Return the addresses of a host, each of which may be asked."""
    loop = asyncio.get_running_loop()
    host = url.raw_host.decode("ascii")
    port = url.port or (443 if url.scheme == "https" else 80)
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        if getattr(error, "errno", None) == socket.EAI_AGAIN:
            raise DocumentError(
                f"{shown} cannot be looked up: there seems to be no network. Check the connection.",
                f"无法查找 {shown}：似乎没有网络。请检查网络连接。",
            ) from None
        raise DocumentError(
            f"There is no host {url.host!r}. Check the address.", f"找不到主机“{url.host}”。请检查网址。"
        ) from None
    hosts = list(dict.fromkeys(str(place[4][0]) for place in found))
    if not allow_private and not all(map(is_public, hosts)):
        raise DocumentError(
            f"{shown} leads into a private network or to this machine, which is not read. Add the file itself.",
            f"{shown} 指向内部网络或本机，不予读取。请直接添加文件。",
        )
    return hosts


def is_public(address: str) -> bool:
    """Say whether an IP address belongs to the internet, rather than to a machine or network of one's own."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        # What is inside of such an address is where the packets go in the end.
        inner = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
        if ip in _NAT64:
            inner.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
        if any(one is not None and not is_public(str(one)) for one in inner):
            return False
        if ip.ipv4_mapped is not None:
            return True
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


async def _connected(
    client: "httpx2.AsyncClient", url: "httpx2.URL", hosts: list[str], shown: str
) -> "httpx2.Response":
    """Ask one of the addresses that were checked; the body is not read yet."""
    import httpx2

    from rag import __version__

    headers = {
        "Host": url.netloc.decode("ascii"),
        "User-Agent": f"Mozilla/5.0 (compatible; cited-answers/{__version__})",
        "Accept": "text/html,application/xhtml+xml,application/pdf,text/*;q=0.9,*/*;q=0.5",
        "Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8",
        "Accept-Encoding": "identity",
    }
    # The certificate must be that of the host's name.
    extensions = {} if _is_ip(url.host) else {"sni_hostname": url.raw_host.decode("ascii")}
    failure: Exception | None = None
    for host in hosts[:MAX_TRIES]:
        request = client.build_request("GET", url.copy_with(host=host), headers=headers, extensions=extensions)
        try:
            return await client.send(request, stream=True)
        except httpx2.ConnectError as error:
            failure = error
        except httpx2.HTTPError as error:
            raise _broken(shown, error) from None
    raise _broken(shown, failure or OSError())


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _check_status(status: int, shown: str) -> None:
    if status == 200 or status == 203:
        return
    remedy, chinese = {
        401: ("It asks for a password: download it and add the file.", "需要登录：请下载后添加文件。"),
        403: ("It refuses programs: download it and add the file.", "拒绝程序访问：请下载后添加文件。"),
        404: ("Check the address.", "请检查网址。"),
        410: ("It was taken away.", "内容已被移除。"),
        429: ("It was asked too often: try again later.", "访问过于频繁：请稍后再试。"),
    }.get(status, ("Try again later, or download it and add the file.", "请稍后再试，或下载后添加文件。"))
    raise DocumentError(f"{shown} answered with HTTP {status}. {remedy}", f"{shown} 返回 HTTP {status}。{chinese}")


async def _body(response: "httpx2.Response", most: int, shown: str) -> bytes:
    """Return the bytes of a response; what it is packed in is unpacked within the same bound."""
    packing = response.headers.get("content-encoding", "identity").strip().lower()
    if packing not in ("", "identity", "gzip", "x-gzip", "deflate"):
        raise DocumentError(
            f"{shown} came packed as {packing[:40]!r}, though it was asked not to. Download it and add the file.",
            f"{shown} 以“{packing[:40]}”方式压缩，无法读取。请下载后添加文件。",
        )
    unpacker = None if packing in ("", "identity") else zlib.decompressobj(zlib.MAX_WBITS | 32)
    data = bytearray()
    async for part in response.aiter_raw():
        try:
            # One byte more than there is room for tells that there is too much.
            data += unpacker.decompress(part, most - len(data) + 1) if unpacker else part
        except zlib.error:
            raise _damaged(shown) from None
        if len(data) > most:
            raise DocumentError(
                f"{shown} is larger than {most >> 20} MB, the most that is read. Download it and add it in parts.",
                f"{shown} 超过 {most >> 20} MB，无法读取。请下载后拆成几份再添加。",
            )
    if unpacker and not unpacker.eof:  # it ends early
        raise _damaged(shown)
    return bytes(data)


def _damaged(shown: str) -> DocumentError:
    return DocumentError(f"What {shown} sent is damaged. Try again.", f"{shown} 返回的内容已损坏。请重试。")


def _broken(shown: str, error: Exception) -> DocumentError:
    """Return the error for a connection that failed."""
    causes: list[BaseException] = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None and cause not in causes:
        causes.append(cause)
    if any(isinstance(one, ssl.SSLError) or "CERTIFICATE" in str(one).upper() for one in causes):
        return DocumentError(
            f"{shown} has no certificate that can be trusted. Check the address, or download it and add the file.",
            f"{shown} 的证书不可信。请检查网址，或下载后添加文件。",
        )
    if any(isinstance(one, OSError) and one.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH) for one in causes):
        return DocumentError(
            f"{shown} cannot be reached: there seems to be no network. Check the connection.",
            f"无法连接 {shown}：似乎没有网络。请检查网络连接。",
        )
    return DocumentError(
        f"The connection to {shown} failed ({type(error).__name__}). Check the address, or try again later.",
        f"与 {shown} 的连接失败（{type(error).__name__}）。请检查网址，或稍后再试。",
    )


def _shown(address: str) -> str:
    """Return an address as a message shows it."""
    text = "".join(char if char.isprintable() else " " for char in address)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
