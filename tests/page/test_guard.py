"""The guard: what it lets through, what it refuses, and what it says."""

import asyncio
import base64
import re
from pathlib import Path

import bcrypt
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from rag.errors import InputError
from rag.page.accounts import Accounts
from rag.page.guard import Buckets, Envelope, Rate, SignIn, Size, middleware, owner_of, permissions_of, user_of
from rag.page.serving import Permissions, Serving, host_name
from rag.settings import PACKAGE

LOOPBACK = "http://127.0.0.1:7860"
BROWSER = {"accept": "text/html", "accept-language": "zh-CN,zh;q=0.9"}


async def who(request: Request):
    may = permissions_of(request)
    return JSONResponse(
        {"user": user_of(request), "owner": owner_of(request), "documents": may.documents, "settings": may.settings}
    )


async def count(request: Request):
    return PlainTextResponse(str(len(await request.body())))


async def own_policy(_: Request):
    return PlainTextResponse("x", headers={"Content-Security-Policy": "sandbox"})


async def fails(_: Request):
    raise ValueError("a fault of the program")


async def stream(_: Request):
    async def pieces():
        for _ in range(3):
            yield "piece "

    return StreamingResponse(pieces())


PATHS = ("/", "/v1/chat/completions", "/documents", "/documents/x", "/gradio_api/info", "/gradio_api/startup-events")


def client_of(serving=Serving(), accounts=None, url=LOOPBACK, client=("127.0.0.1", 5000)):  # noqa: B008
    routes = [Route(path, who) for path in PATHS]
    routes += [Route(path, count, methods=["POST", "PUT"]) for path in PATHS]
    routes += [Route("/own", own_policy), Route("/fails", fails), Route("/stream", stream), Route("/page/x.css", who)]
    app = Starlette(routes=routes, middleware=middleware(serving, accounts))
    return TestClient(app, base_url=url, client=client, raise_server_exceptions=False)


@pytest.fixture
def accounts(tmp_path):
    path = tmp_path / "users"
    hashed = bcrypt.hashpw(b"correct horse", bcrypt.gensalt(4)).decode()
    path.write_text(f"mei:{hashed}\nwang:{hashed}\n王梅:{hashed}\n", encoding="utf-8")
    path.chmod(0o600)
    return Accounts(path)


def signed(name="mei", password="correct horse", scheme="Basic"):
    return {"Authorization": f"{scheme} {base64.b64encode(f'{name}:{password}'.encode()).decode()}"}


# -- Headers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/stream", "/nowhere", "/monitoring"])
def test_every_response_binds_the_browser(path):
    headers = client_of().get(path).headers
    policy = headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert "microphone=()" in headers["permissions-policy"]
    assert headers["referrer-policy"] == "same-origin"


def test_the_templates_hold_nothing_that_the_policy_forbids():
    templates = sorted((PACKAGE / "page" / "templates").glob("*.html"))
    assert templates
    for path in templates:
        html = path.read_text(encoding="utf-8")
        found = re.findall(
            r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=|hx-on|javascript:|(?:src|href)=.https?:", html
        )
        assert (path.name, found) == (path.name, [])


def test_a_page_may_have_a_policy_of_its_own():
    assert client_of().get("/own").headers.get_list("content-security-policy") == ["sandbox"]


def test_a_stream_passes_unchanged_and_piece_by_piece():
    sent = asyncio.run(answers_of(middleware_over(stream), "/stream"))
    assert [message["body"] for message in sent[1:4]] == [b"piece "] * 3


def test_a_fault_of_the_program_is_not_hidden():
    assert client_of().get("/fails").status_code == 500


def test_a_websocket_is_closed():
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(Envelope(_never)({"type": "websocket", "path": "/", "headers": []}, _never, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]


# -- Names of hosts --------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1:7860", "localhost:7860", "LOCALHOST", "[::1]:7860", "127.0.0.2"])
def test_this_machine_answers_to_its_own_names(host):
    assert client_of().get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:7860", "127.0.0.1.evil.example", "192.168.1.5:7860", ""]
)
def test_another_name_for_this_machine_is_refused(host):
    answer = client_of().get("/", headers={"host": host, "accept-language": "en"})
    assert answer.status_code == 421
    assert "--allowed-host" in answer.text


def test_a_name_given_at_the_start_is_answered():
    client = client_of(Serving(allowed_hosts=("Docs.Example.org",)))
    assert client.get("/", headers={"host": "docs.example.org"}).status_code == 200
    assert client.get("/", headers={"host": "other.example.org"}).status_code == 421


def test_with_accounts_any_name_is_answered_unless_some_are_given(accounts):
    path = accounts.path
    assert (
        client_of(Serving("0.0.0.0", auth_file=path), accounts).get("/", headers={"host": "any.org"}).status_code == 401
    )
    some = Serving("0.0.0.0", auth_file=path, allowed_hosts=("docs.org",))
    assert client_of(some, accounts).get("/", headers={"host": "any.org"}).status_code == 421
    assert client_of(some, accounts).get("/", headers={"host": "docs.org"}).status_code == 401


@pytest.mark.parametrize(("host", "status"), [("192.168.1.5:7860", 200), ("[fe80::1]", 200), ("rebound.example", 421)])
def test_without_accounts_a_public_server_answers_to_numbers_which_cannot_be_rebound(host, status):
    client = client_of(Serving("0.0.0.0", public_without_password=True), client=("192.168.1.9", 1))
    assert client.get("/", headers={"host": host}).status_code == status


def test_what_a_proxy_passes_on_to_one_persons_own_server_is_refused():
    client = client_of(client=("203.0.113.7", 1))
    assert client.get("/").status_code == 403
    assert "代理" in client.get("/", headers=BROWSER).text
    public = client_of(Serving(public_without_password=True), client=("203.0.113.7", 1))
    assert public.get("/").status_code == 200


@pytest.mark.parametrize(
    "name", ["Via", "Forwarded", "X-Real-IP", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"]
)
def test_a_proxy_on_this_machine_gives_nobody_the_rights_of_its_owner(name, accounts):
    headers = {name: "127.0.0.1", "accept-language": "en"}
    answer = client_of().get("/", headers=headers)
    assert answer.status_code == 403
    assert "a proxy passed this request on" in answer.text
    assert client_of(Serving(public_without_password=True)).get("/", headers=headers).status_code == 200
    assert client_of(Serving(auth_file=accounts.path), accounts).get("/", headers=headers | signed()).status_code == 200


@pytest.mark.parametrize(
    ("host", "name"),
    [("A.b.:80", "a.b"), ("[::1]:80", "::1"), ("::1", "::1"), ("a", "a"), ("", ""), (" x ", "x")],
)
def test_the_name_in_a_host_header_is_found(host, name):
    assert host_name(host) == name


# -- Other sites -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),  # a program
        ({"sec-fetch-site": "same-origin", "origin": LOOPBACK}, 200),
        ({"sec-fetch-site": "none"}, 200),
        ({"origin": LOOPBACK}, 200),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),  # another port of this machine
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://127.0.0.1:3000"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": ""}, 403),
        ({"origin": "http://["}, 403),
    ],
)
def test_what_another_sites_page_sends_is_refused(headers, status):
    answer = client_of().post("/", content=b"x", headers=headers | {"accept-language": "en"})
    assert answer.status_code == status
    assert status == 200 or "another site" in answer.text


def test_a_link_from_another_site_may_be_followed_but_not_read_or_framed():
    client = client_of()
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert client.get("/", headers=link).status_code == 200
    assert client.get("/", headers=link | {"sec-fetch-dest": "iframe"}).status_code == 403
    assert client.get("/", headers={"sec-fetch-site": "cross-site", "sec-fetch-mode": "cors"}).status_code == 403
    assert client.get("/", headers={"origin": "http://127.0.0.1:3000"}).status_code == 403


def test_behind_a_proxy_that_changes_the_host_the_name_given_counts():
    client = client_of(Serving(allowed_hosts=("docs.example.org",), public_without_password=True))
    assert client.post("/", headers={"origin": "https://docs.example.org"}).status_code == 200
    assert client.post("/", headers={"origin": "https://evil.example"}).status_code == 403


# -- Size ------------------------------------------------------------------------------------------


def test_a_request_that_says_it_is_too_large_is_refused_unread():
    sent = asyncio.run(answers_of(middleware_over(count), "/", "POST", {"content-length": str(1 << 21)}, _unread))
    assert sent[0]["status"] == 413
    assert (b"connection", b"close") in sent[0]["headers"]


def test_a_request_in_pieces_is_refused_as_soon_as_it_is_too_large():
    read = []

    async def endless():
        read.append(1)
        return {"type": "http.request", "body": b"x" * 1000, "more_body": True}

    app = Size(_app(count), upload=5000, other=2500)
    sent = asyncio.run(answers_of(app, "/", "POST", {}, endless))
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert (sent[0]["status"], len(read)) == (413, 3)
    sent = asyncio.run(answers_of(app, "/documents", "POST", {}, endless))
    assert (sent[0]["status"], len(read)) == (413, 3 + 6)


def test_what_the_program_makes_of_a_body_that_is_cut_is_not_shown():
    answer = client_of().post("/", content=(b"x" * 1000 for _ in range(2000)), headers={"accept-language": "en"})
    assert (answer.status_code, answer.text) == (413, "This is too large: 1 MB at most. Send it in parts.\n")


def test_files_may_be_larger_than_other_requests():
    client = client_of()
    body = b"x" * ((1 << 20) + 1)
    assert client.post("/", content=body).status_code == 413
    assert client.post("/documents", content=body).text == str(len(body))
    assert client.post("/documents/x", content=body).status_code == 200
    assert client.post("/", content=body[:-1]).text == str(1 << 20)


def test_a_request_that_lies_about_its_size_is_measured():
    async def more():
        return {"type": "http.request", "body": b"x" * 3000, "more_body": False}

    app = Size(_app(count), upload=5000, other=2500)
    assert asyncio.run(answers_of(app, "/", "POST", {"content-length": "5"}, more))[0]["status"] == 413
    assert asyncio.run(answers_of(app, "/", "POST", {"content-length": "9" * 5000}, more))[0]["status"] == 413


# -- Rate ------------------------------------------------------------------------------------------


def test_a_bucket_fills_evenly():
    now = [0.0]
    buckets = Buckets(60, clock=lambda: now[0])
    assert [buckets.take("a") for _ in range(60)] == [0.0] * 60
    assert buckets.take("a") == pytest.approx(1.0)
    assert buckets.take("b") == 0.0
    now[0] = 0.5
    assert buckets.take("a") == pytest.approx(0.5)
    now[0] = 1.0
    assert buckets.take("a") == 0.0
    assert buckets.take("a") == pytest.approx(1.0)
    now[0] = 1000.0
    assert [buckets.take("a") for _ in range(61)][-2:] == [0.0, pytest.approx(1.0)]


def test_what_is_known_of_clients_is_bounded():
    buckets = Buckets(60, most=100)
    for number in range(10_000):
        buckets.take(str(number))
    assert len(buckets) == 100


def test_too_many_questions_are_refused_and_reading_goes_on():
    client = client_of(Serving(rate=2))
    assert [client.post("/").status_code for _ in range(3)] == [200, 200, 429]
    refused = client.post("/", headers=BROWSER)
    assert int(refused.headers["retry-after"]) in (29, 30)
    assert "请求太多" in refused.text
    assert client.get("/").status_code == 200
    assert [client.get("/").status_code for _ in range(6)][-1] == 429


def test_each_address_has_its_own_rate_and_a_network_of_ipv6_has_one():
    serving = Serving("0.0.0.0", public_without_password=True, rate=1)
    app = client_of(serving).app

    def ask(address):
        return TestClient(app, base_url="http://192.0.2.1", client=(address, 1)).post("/").status_code

    assert [ask(one) for one in ("192.0.2.5", "192.0.2.5", "192.0.2.6")] == [200, 429, 200]
    assert [ask(one) for one in ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1")] == [200, 429, 200]


def test_each_user_has_a_rate_whatever_the_address(accounts):
    client = client_of(Serving(auth_file=accounts.path, rate=1), accounts)
    assert [client.post("/", headers=signed(name)).status_code for name in ("mei", "mei", "wang")] == [200, 429, 200]


def test_no_rate_is_kept_where_none_is_wanted():
    assert not any(layer.cls is Rate for layer in middleware(Serving(rate=0)))


def test_one_persons_own_machine_may_ask_more():
    assert Serving().questions == 10 * Serving("0.0.0.0", public_without_password=True).questions == 1200


# -- Passwords -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/v1/chat/completions", "/gradio_api/info", "/page/x.css", "/nowhere"])
def test_without_a_password_nothing_is_shown(accounts, path):
    answer = client_of(Serving(auth_file=accounts.path), accounts).get(path)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic realm=")


@pytest.mark.parametrize(
    "header",
    [
        signed(),
        signed(scheme="bAsIc"),
        {"Authorization": "Bearer mei:correct horse"},
        signed(scheme="Bearer"),
    ],
)
def test_a_password_may_be_given_as_browsers_and_programs_do(accounts, header):
    answer = client_of(Serving(auth_file=accounts.path), accounts).get("/", headers=header)
    assert answer.json()["user"] == "mei"
    assert answer.json()["owner"] == "user:mei"


def test_a_chinese_name_may_sign_in(accounts):
    answer = client_of(Serving(auth_file=accounts.path), accounts).get("/", headers=signed("王梅"))
    assert answer.json()["user"] == "王梅"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Basic !!!",
        "Basic bWVp",
        "Bearer ",
        "Bearer mei",
        "Digest x",
        "Basic /////w==",
        "mei:correct horse",
    ],
)
def test_what_is_no_password_is_asked_for_again(accounts, header):
    answer = client_of(Serving(auth_file=accounts.path), accounts).get("/", headers={"Authorization": header})
    assert answer.status_code == 401


def test_wrong_passwords_are_soon_not_listened_to_but_those_signed_in_are(accounts):
    now = [0.0]
    app = Starlette(routes=[Route("/", who)])
    app.add_middleware(SignIn, accounts=accounts, clock=lambda: now[0])
    client = TestClient(app, base_url=LOOPBACK, client=("192.0.2.5", 1))
    assert client.get("/", headers=signed()).status_code == 200
    tries = [client.get("/", headers=signed(password=f"guess {n}")).status_code for n in range(12)]
    assert tries == [401] * 10 + [429] * 2
    assert client.get("/", headers=signed("wang")).status_code == 429  # right, but not listened to
    assert client.get("/", headers=signed()).status_code == 200
    other = TestClient(app, base_url=LOOPBACK, client=("192.0.2.6", 1))
    assert other.get("/", headers=signed("wang")).status_code == 200
    now[0] = 6.0
    assert client.get("/", headers=signed(password="guess")).status_code == 401


def test_the_password_of_a_signed_in_user_is_not_computed_again(accounts, monkeypatch):
    client = client_of(Serving(auth_file=accounts.path), accounts)
    client.get("/", headers=signed())
    monkeypatch.setattr(accounts, "check", _fail)
    assert client.get("/", headers=signed()).status_code == 200


def test_gradio_may_ask_its_own_server_whether_it_is_up(accounts):
    client = client_of(Serving("0.0.0.0", auth_file=accounts.path, allowed_hosts=("docs.org",)), accounts)
    assert client.get("/gradio_api/startup-events", headers={"host": "localhost:7860"}).status_code == 200
    assert client.post("/gradio_api/startup-events", headers={"host": "localhost:7860"}).status_code == 401


# -- Who asks, and who may -------------------------------------------------------------------------


def test_on_ones_own_machine_conversations_are_those_of_the_command_line():
    answer = client_of().get("/")
    assert answer.json() == {"user": "", "owner": "", "documents": True, "settings": True}
    assert "set-cookie" not in answer.headers


def test_visitors_of_a_public_server_have_conversations_of_their_own_and_change_nothing():
    serving = Serving("0.0.0.0", public_without_password=True)
    client = client_of(serving, url="http://192.0.2.1")
    first = client.get("/")
    owner = first.json()["owner"]
    assert owner.startswith("visitor:")
    assert first.json() | {"owner": ""} == {"user": "", "owner": "", "documents": False, "settings": False}
    assert all(word in first.headers["set-cookie"] for word in ("HttpOnly", "SameSite=Lax", "Path=/"))
    assert "Secure" not in first.headers["set-cookie"]
    again = client.get("/")
    assert again.json()["owner"] == owner
    assert "set-cookie" not in again.headers
    assert client_of(serving, url="http://192.0.2.1").get("/").json()["owner"] != owner
    assert client.cookies["visitor"] not in owner


def test_a_cookie_of_ones_own_making_names_no_one_else():
    client = client_of(Serving("0.0.0.0", public_without_password=True), url="http://192.0.2.1")
    for cookie in ("", "mei", "user:mei", "x" * 44, "visitor:0123"):
        answer = client.get("/", headers={"cookie": f"visitor={cookie}"})
        assert answer.json()["owner"].startswith("visitor:")
        assert "set-cookie" in answer.headers


def test_the_cookie_is_for_https_alone_where_that_is_spoken():
    client = client_of(Serving("0.0.0.0", public_without_password=True), url="https://192.0.2.1")
    assert "; Secure" in client.get("/").headers["set-cookie"]


def test_files_of_the_page_set_no_cookie():
    client = client_of(Serving("0.0.0.0", public_without_password=True), url="http://192.0.2.1")
    assert "set-cookie" not in client.get("/page/x.css").headers


@pytest.mark.parametrize(
    ("serving", "user", "may"),
    [
        (Serving(), "", (True, True)),
        (Serving(read_only=True), "", (False, False)),
        (Serving("0.0.0.0", public_without_password=True), "", (False, False)),
        (Serving(public_without_password=True), "", (False, False)),
        (Serving(auth_file=Path("users")), "", (False, False)),
        (Serving(auth_file=Path("users")), "mei", (True, False)),
        (Serving(auth_file=Path("users"), admins=("mei",)), "mei", (True, True)),
        (Serving(auth_file=Path("users"), admins=("mei",)), "wang", (True, False)),
        (Serving(auth_file=Path("users"), admins=("mei",), read_only=True), "mei", (False, False)),
    ],
)
def test_who_may_change_what(serving, user, may):
    assert serving.permissions(user) == Permissions(*may)


def test_nobody_may_anything_where_no_guard_let_the_request_in():
    answer = TestClient(Starlette(routes=[Route("/", who)])).get("/").json()
    assert (answer["documents"], answer["settings"], answer["owner"]) == (False, False, "")


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/proxy=http://x",
        "/gradio_api/upload",
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/vibe-edit",
        "/login",
        "/monitoring/x",
        "/theme.css",
        "/manifest.json",
    ],
)
def test_what_gradio_has_for_its_own_pages_is_not_served(path):
    assert client_of().get(path).json()["detail"] if path.startswith("/g") else client_of().get(path).text
    assert client_of().get(path).status_code == 404


def test_search_engines_are_told_to_keep_away_also_where_a_password_is_asked_for():
    assert client_of().get("/robots.txt").text == "User-agent: *\nDisallow: /\n"


# -- How it is said --------------------------------------------------------------------------------


def test_a_refusal_speaks_the_language_and_the_form_of_whoever_asked():
    client = client_of()
    foreign = {"origin": "http://evil.example"}
    chinese = client.post("/", headers=foreign | BROWSER)
    assert chinese.headers["content-type"] == "text/html; charset=utf-8"
    assert "其他网站" in chinese.text
    assert 'lang="zh-CN"' in chinese.text
    english = client.post("/", headers=foreign | {"accept-language": "en", "accept": "*/*"})
    assert english.headers["content-type"] == "text/plain; charset=utf-8"
    assert english.text.startswith("This request came from another site")
    chosen = client.post("/", headers=foreign | BROWSER | {"cookie": "language=en"})
    assert "another site" in chosen.text
    both = client.post("/", headers=foreign)
    assert "其他网站" in both.text
    assert "another site" in both.text
    part = client.post("/", headers=foreign | BROWSER | {"hx-request": "true"})
    assert part.text.startswith("这个请求")


def test_a_program_below_v1_is_refused_as_by_openais_servers(accounts):
    answer = client_of(Serving(auth_file=accounts.path), accounts).post("/v1/chat/completions", json={})
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["type"], error["code"]) == ("authentication_error", "password_needed")


def test_markup_in_a_host_is_shown_as_text():
    answer = client_of().get("/", headers={"host": "<script>x</script>", **BROWSER})
    assert answer.status_code == 421
    assert "<script>" not in answer.text


REFUSED: list[tuple[dict[str, str], str, int]] = [
    ({"host": "evil.example"}, "/", 421),
    ({"origin": "http://evil.example"}, "/", 403),
    ({}, "/monitoring/x", 404),
    ({"content-length": str(1 << 21)}, "/", 413),
]


@pytest.mark.parametrize(("headers", "path", "status"), REFUSED)
def test_what_is_refused_reaches_no_program(headers, path, status):
    sent = asyncio.run(answers_of(middleware_over(_reached), path, "POST", headers, _unread))
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert sent[0]["status"] == status


def test_without_the_right_password_no_program_is_reached(accounts):
    for given in (None, signed(password="wrong horse"), *[signed(password="wrong horse")] * 10):
        headers = {"authorization": given["Authorization"]} if given else {}
        sent = asyncio.run(answers_of(SignIn(_never, accounts=accounts), "/", "POST", headers, _unread))
        assert sent[0]["status"] == 401


def test_too_many_requests_reach_no_program():
    layer = Rate(_app(count), questions=1, requests=5)
    assert asyncio.run(answers_of(layer, "/", "POST"))[0]["status"] == 200
    layer._app = _never
    assert asyncio.run(answers_of(layer, "/", "POST"))[0]["status"] == 429


# -- What is safe to serve -------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]", "127.0.0.9"])
def test_loopback_needs_no_accounts(host):
    Serving(host).check()
    assert Serving(host).alone


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org"])
def test_another_address_without_accounts_is_refused_unless_it_is_said_to_be_public(host):
    with pytest.raises(InputError, match="--auth-file.*--public-without-password") as raised:
        Serving(host).check()
    assert "请用 rag password" in raised.value.said("zh")
    Serving(host, public_without_password=True).check()
    Serving(host, auth_file=Path("users")).check({"mei"})
    assert not Serving(host, public_without_password=True).alone


@pytest.mark.parametrize(
    ("serving", "said"),
    [
        (Serving(auth_file=Path("users"), public_without_password=True), "contradict"),
        (Serving(admins=("mei",)), "--auth-file, which is not given"),
        (Serving(auth_file=Path("users"), admins=("li",)), "'li'.*no such user"),
        (Serving(allowed_hosts=("http://docs.org",)), "without http://"),
        (Serving(allowed_hosts=("docs.org/x",)), "without http://"),
        (Serving(allowed_hosts=("",)), "no name of a host"),
        (Serving(rate=-1), "--rate is -1"),
    ],
)
def test_what_contradicts_itself_is_refused(serving, said):
    with pytest.raises(InputError, match=said):
        serving.check({"mei"})


def test_an_address_that_cannot_be_listened_on_is_said():
    with pytest.raises(InputError, match=r"Cannot listen on 203\.0\.113\.7, port 7860.*--port"):
        Serving("203.0.113.7").check_address()
    with pytest.raises(InputError, match="Cannot listen on no.such.host.invalid"):
        Serving("no.such.host.invalid").check_address()


# -- Parts -----------------------------------------------------------------------------------------


def middleware_over(endpoint):
    app = _app(endpoint)
    for layer in reversed(middleware(Serving())):
        app = layer.cls(app, *layer.args, **layer.kwargs)
    return app


def _app(endpoint):
    async def app(scope, receive, send):
        response = await endpoint(Request(scope, receive))
        await response(scope, receive, send)

    return app


async def answers_of(app, path, method="GET", headers=None, receive=None):
    sent = []

    async def send(message):
        sent.append(message)

    async def nothing():
        return {"type": "http.request", "body": b"", "more_body": False}

    raw = [(name.encode(), value.encode()) for name, value in {"host": "localhost", **(headers or {})}.items()]
    scope = {"type": "http", "path": path, "method": method, "headers": raw, "client": ("127.0.0.1", 1)}
    await app(scope | {"query_string": b"", "asgi": {"spec_version": "2.4"}}, receive or nothing, send)
    return sent


async def _reached(_):
    raise AssertionError("the program was reached")


async def _unread():
    raise AssertionError("the body was read")


async def _never(*_):
    raise AssertionError("it was asked")


def _fail(*_):
    raise AssertionError("it was computed")
