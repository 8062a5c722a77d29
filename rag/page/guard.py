"""Guard: what stands between the network and the page. ASGI middleware of small layers, each with one duty.

`middleware` returns them in their order. They set the headers that bind a browser, and refuse requests for other
hosts' names, from other sites' pages, without a password where there are accounts, too many, and too large ones. Who
asks is kept in the request's state: `user_of`, `owner_of` and `permissions_of` tell it to everybody behind.
"""

import base64
import binascii
import hashlib
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import anyio
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rag.page.accounts import Accounts, normal_name
from rag.page.refusals import (
    API,
    NO_PAGE,
    NO_PASSWORD,
    OTHER_SITE,
    WRONG_PASSWORD,
    is_below,
    other_host,
    passed_on,
    refuse,
    too_large,
    too_many,
    too_often,
)
from rag.page.serving import Permissions, Serving, address, host_name

# No script but our files, no eval, nothing of other hosts, in nobody's frame.
POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; object-src 'none'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",  # for browsers that do not know frame-ancestors
    # Nothing for other hosts. With "no-referrer" browsers leave the Origin out of our own forms, too.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=(), browsing-topics=()",
    "Cache-Control": "private, no-cache",
}
STATIC = "/page/"  # the page's own files: the same for everybody
STARTED = f"{API}startup-events"  # asked by Gradio of its own server, without a password; it tells nothing
# What Gradio serves for programs. It has more for its own pages, which ours do not need.
OPEN = (
    *("info", "openapi.json", "call", "queue", "run", "api", "cancel", "reset", "heartbeat", "mcp", "app_id", "user"),
    "startup-events",
)
CLOSED = (
    *("/monitoring", "/login", "/logout", "/svelte", "/static", "/assets", "/custom_component", "/pwa_icon"),
    *("/theme.css", "/manifest.json"),
)
ROBOTS = "User-agent: *\nDisallow: /\n"  # documents and answers are for who asks, not for search engines
UPLOADS = ("/documents",)  # paths, and below them, that take files
LARGEST_UPLOAD, LARGEST = 60 << 20, 1 << 20  # bytes of a request
FAILURES = 10  # wrong passwords a minute and address
CLIENTS = 10_000  # of whom the rate is known
CHECKS = 2  # passwords checked at once: it takes a processor a while
COOKIE = "visitor"
YEAR = 365 * 24 * 3600
_VISITOR = re.compile(r"[A-Za-z0-9_-]{43}")
_SAFE = ("GET", "HEAD", "OPTIONS")
_PASSED_ON = ("via", "forwarded", "x-real-ip")  # headers of proxies, and all that begin with the next
_FORWARDED = "x-forwarded-"


# -- Who asks --------------------------------------------------------------------------------------


def user_of(connection: HTTPConnection) -> str:
    """Return the name of the user who signed in, "" where there are no accounts."""
    return str(_state(connection.scope).get("user", ""))


def owner_of(connection: HTTPConnection) -> str:
    """Return whom the conversations of a request belong to.

    On this machine alone it is "", whom the command line asks for, too: both show the same conversations. With
    accounts it is `user:NAME`, else `visitor:…`: a digest of a random cookie of the browser.
    """
    return str(_state(connection.scope).get("owner", ""))


def permissions_of(connection: HTTPConnection) -> Permissions:
    """Return what the sender of a request may change; nothing where no guard let the request in."""
    known = _state(connection.scope).get("permissions")
    return known if isinstance(known, Permissions) else Permissions(documents=False, settings=False)


def _state(scope: Scope) -> dict[str, object]:
    state: dict[str, object] = scope.setdefault("state", {})
    return state


# -- The layers ------------------------------------------------------------------------------------


def middleware(serving: Serving, accounts: Accounts | None = None) -> list[Middleware]:
    """Return all layers, outermost first.

    Args:
        serving: How the page is served.
        accounts: Those of `serving.auth_file`.
    """
    layers = [
        Middleware(Envelope),
        Middleware(OwnHosts, serving=serving),
        Middleware(OwnPages, serving=serving),
        Middleware(KnownPaths),
    ]
    if accounts is not None:
        layers.append(Middleware(SignIn, accounts=accounts))
    layers.append(Middleware(Visitors, serving=serving))
    if serving.questions:
        layers.append(Middleware(Rate, questions=serving.questions, requests=serving.requests))
    return [*layers, Middleware(Size)]


class Envelope:
    """Puts the security headers on every response. One that a page set itself stays."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        if scope["type"] == "websocket":  # nothing here speaks it
            await send({"type": "websocket.close", "code": 1008})
            return
        await self._app(scope, receive, dressed if scope["type"] == "http" else send)


class OwnHosts:
    """Answers to our own names only, and, on this machine alone, only to this machine."""

    def __init__(self, app: ASGIApp, serving: Serving) -> None:
        """Wrap an application."""
        self._app = app
        self._serving = serving

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "http" and scope["path"] != STARTED:
            headers = Headers(scope=scope)
            host = headers.get("host", "")
            if not self._serving.answers_to(host):
                await refuse(scope, send, other_host(host))
                return
            sender = address(_client(scope))
            # A proxy on this machine has a sender of this machine: only what it adds tells that there is one.
            is_elsewhere = (sender is not None and not sender.is_loopback) or _was_passed_on(headers)
            if self._serving.alone and is_elsewhere:
                await refuse(scope, send, passed_on())
                return
        await self._app(scope, receive, send)


class OwnPages:
    """Refuses what another site's page makes a browser send: it comes with the user's password or cookie.

    A link to us may be followed from anywhere. Programs say nothing of sites, and pass.
    """

    def __init__(self, app: ASGIApp, serving: Serving) -> None:
        """Wrap an application."""
        self._app = app
        self._hosts = [host_name(name) for name in serving.allowed_hosts]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "http" and self._is_foreign(scope["method"], Headers(scope=scope)):
            await refuse(scope, send, OTHER_SITE)
            return
        await self._app(scope, receive, send)

    def _is_foreign(self, method: str, headers: Headers) -> bool:
        # Browsers let no script set this; they leave it out on plain HTTP, except to this machine.
        site = headers.get("sec-fetch-site")
        if site in ("same-origin", "none"):
            return False
        if site is not None:
            follows = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
            return not (method in _SAFE and follows)
        origin = headers.get("origin")
        if origin is None:
            return False
        try:
            place = urlsplit(origin).netloc.lower()
        except ValueError:  # an unclosed [ of an IPv6 address
            return True
        # A proxy before us may have put another name into the Host header.
        return place != headers.get("host", "").lower() and host_name(place) not in self._hosts


class KnownPaths:
    """Of what Gradio serves, leaves what programs need; its `robots.txt` would invite search engines."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        path = scope["path"] if scope["type"] == "http" else ""
        inside = path.removeprefix(API)
        unknown = (path.startswith(API) and inside.partition("/")[0] not in OPEN) or is_below(path, CLOSED)
        if unknown:
            await refuse(scope, send, NO_PAGE)
            return
        if path == "/robots.txt":
            await PlainTextResponse(ROBOTS)(scope, receive, send)
            return
        await self._app(scope, receive, send)


class SignIn:
    """Lets in whoever gives the name and password of an account, by HTTP Basic or as a Bearer token."""

    def __init__(self, app: ASGIApp, accounts: Accounts, clock: Callable[[], float] = time.monotonic) -> None:
        """Wrap an application."""
        self._app = app
        self._accounts = accounts
        self._failures = Buckets(FAILURES, clock)
        self._limiter: anyio.CapacityLimiter | None = None  # made where the loop runs

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "http" and not (scope["path"] == STARTED and scope["method"] in _SAFE):
            given = _credentials(Headers(scope=scope).get("authorization", ""))
            if given is None:
                await refuse(scope, send, NO_PASSWORD)
                return
            name, password = normal_name(given[0]), given[1]
            if not self._accounts.remembers(name, password):
                # A sender who tried too often is not listened to, so that passwords cannot be guessed.
                sender = _network(_client(scope))
                if wait := self._failures.take(sender):
                    await refuse(scope, send, too_often(wait))
                    return
                self._limiter = self._limiter or anyio.CapacityLimiter(CHECKS)
                if not await anyio.to_thread.run_sync(self._accounts.check, name, password, limiter=self._limiter):
                    await refuse(scope, send, WRONG_PASSWORD)
                    return
                self._failures.give_back(sender)
            _state(scope)["user"] = name
        await self._app(scope, receive, send)


class Visitors:
    """Tells who owns what a request makes, and what its sender may change; gives visitors a cookie."""

    def __init__(self, app: ASGIApp, serving: Serving) -> None:
        """Wrap an application."""
        self._app = app
        self._serving = serving

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = _state(scope)
        user = str(state.get("user", ""))
        state["permissions"] = self._serving.permissions(user)
        state["owner"] = f"user:{user}" if user else ""
        if user or self._serving.alone or scope["path"].startswith(STATIC):
            await self._app(scope, receive, send)
            return
        known = HTTPConnection(scope).cookies.get(COOKIE, "")
        token = known if _VISITOR.fullmatch(known) else secrets.token_urlsafe(32)
        # The cookie itself is kept nowhere: who reads the store cannot become the visitor.
        state["owner"] = f"visitor:{hashlib.sha256(token.encode()).hexdigest()[:32]}"

        async def with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start" and token != known:
                secure = "; Secure" if scope.get("scheme") == "https" else ""
                cookie = f"{COOKIE}={token}; Path=/; Max-Age={YEAR}; HttpOnly; SameSite=Lax{secure}"
                MutableHeaders(scope=message).append("Set-Cookie", cookie)
            await send(message)

        await self._app(scope, receive, with_cookie)


class Rate:
    """Lets each user, or each address where nobody signs in, ask so many questions and send so many requests."""

    def __init__(
        self, app: ASGIApp, questions: int, requests: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Wrap an application.

        Args:
            app: The application.
            questions: A minute; whatever may change something counts as one.
            requests: A minute, of any kind.
            clock: Tells seconds.
        """
        self._app = app
        self._questions = Buckets(questions, clock)
        self._requests = Buckets(requests, clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "http" and scope["path"] != STARTED:
            client = str(_state(scope).get("user", "")) or _network(_client(scope))
            wait = self._requests.take(client)
            if not wait and scope["method"] not in _SAFE:
                wait = self._questions.take(client)
            if wait:
                await refuse(scope, send, too_many(wait))
                return
        await self._app(scope, receive, send)


class Size:
    """Refuses a request that is too large, before it is read where it says so, else as soon as it is."""

    def __init__(self, app: ASGIApp, upload: int = LARGEST_UPLOAD, other: int = LARGEST) -> None:
        """Wrap an application; both sizes in bytes."""
        self._app = app
        self._upload = upload
        self._other = other

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._upload if is_below(scope["path"], UPLOADS) else self._other
        told = Headers(scope=scope).get("content-length", "")
        if told.isdecimal() and int(told[:20]) > limit:
            await refuse(scope, send, too_large(limit))
            return
        size, started, over = 0, False, False

        async def measured() -> Message:
            nonlocal size, over
            message = await receive()
            size += len(message.get("body", b""))
            if size > limit:
                over = True
                raise HTTPException(413)
            return message

        async def kept(message: Message) -> None:
            nonlocal started
            if over and not started:  # what the application makes of the error; ours is said instead
                return
            started = True
            await send(message)

        try:
            await self._app(scope, measured, kept)
        except HTTPException:
            if not over:
                raise
        if over and not started:
            await refuse(scope, send, too_large(limit))


# -- Parts -----------------------------------------------------------------------------------------


class Buckets:
    """A bucket of tokens for each client, which fills evenly within a minute; bounded, the longest unused go first."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic, most: int = CLIENTS) -> None:
        """Start with full buckets."""
        self._size = float(per_minute)
        self._clock = clock
        self._most = most
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, and when they were counted

    def take(self, client: str) -> float:
        """Take a token; return 0, or in how many seconds there will be one."""
        now = self._clock()
        tokens = self._tokens(client, now)
        taken = tokens >= 1
        self._put(client, tokens - 1 if taken else tokens, now)
        return 0.0 if taken else (1 - tokens) * 60 / self._size

    def give_back(self, client: str) -> None:
        """Give a token back."""
        now = self._clock()
        self._put(client, min(self._size, self._tokens(client, now) + 1), now)

    def __len__(self) -> int:
        return len(self._left)

    def _tokens(self, client: str, now: float) -> float:
        tokens, then = self._left.get(client, (self._size, now))
        return min(self._size, tokens + (now - then) * self._size / 60)

    def _put(self, client: str, tokens: float, now: float) -> None:
        self._left[client] = (tokens, now)
        self._left.move_to_end(client)
        while len(self._left) > self._most:
            self._left.popitem(last=False)


def _was_passed_on(headers: Headers) -> bool:
    """Say whether a proxy tells that it passed a request on."""
    return any(name in _PASSED_ON or name.startswith(_FORWARDED) for name in headers)


def _client(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""


def _network(client: str) -> str:
    """Return what one client has of addresses: one of IPv4, 2**64 of IPv6."""
    number = address(client)
    return client if number is None or number.version == 4 else number.exploded[:19]


def _credentials(header: str) -> tuple[str, str] | None:
    """Return the name and password of an Authorization header; None where it has none.

    A Bearer token is `NAME:PASSWORD` as it is, or in Base64 where it holds what a header cannot.
    """
    scheme, _, token = header.partition(" ")
    token = token.strip()
    plain = scheme.lower() == "bearer" and ":" in token
    if scheme.lower() not in ("basic", "bearer"):
        return None
    try:
        # The server hands a header's bytes over as Latin-1.
        text = (token.encode("latin-1") if plain else base64.b64decode(token, validate=True)).decode("utf-8")
    except (ValueError, binascii.Error):
        return None
    name, colon, password = text.partition(":")
    return (name, password) if colon else None
