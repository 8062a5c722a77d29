"""The commands `rag serve` and `rag password`: what they refuse, what they pass on, and a server with accounts."""

import base64
import contextlib
import io
import json
import os
import socket
import stat
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from rag.cli import main
from rag.page import accounts, server
from rag.page.accounts import Accounts, account_line, keep_account
from rag.page.serving import Serving
from rag.pipeline import Pipeline
from rag.settings import STORE_VARIABLE, Settings
from tests.serving import serving

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(accounts, "ROUNDS", 4)


@pytest.fixture
def started(monkeypatch):
    """What the server would have been started with."""
    calls = []

    def start(chat, how, announce):
        calls.append((chat.settings, how))
        chat.close()

    monkeypatch.setattr(server, "serve", start)
    return calls


@pytest.fixture
def users(tmp_path):
    path = tmp_path / "users"
    keep_account(path, account_line("mei", "correct horse"))
    return path


def test_without_options_this_machine_alone_is_served(started, folder):
    assert main(["serve", "--port", "17861", "--store", str(folder)]) == 0
    assert started == [(Settings(), Serving(port=17861))]


def test_all_options_reach_the_server(started, folder, users, capsys):
    options = ["--auth-file", str(users), "--admin", "mei", "--read-only", "--allowed-host", "docs.org"]
    options += ["--allowed-host", "docs.net", "--rate", "5", "--host", "0.0.0.0", "--port", "17862"]
    assert main(["serve", *options, "--store", str(folder), "--reader", "bundled", "--offline"]) == 0
    (settings, how) = started[0]
    assert settings == Settings(offline=True)
    assert how == Serving("0.0.0.0", 17862, users, ("mei",), True, ("docs.org", "docs.net"), 5)
    assert "a server with HTTPS before this one" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--host", "0.0.0.0"], "--public-without-password"),
        (["--admin", "mei"], "--auth-file"),
        (["--auth-file", "absent"], "rag password NAME --file absent"),
        (["--host", "203.0.113.7", "--public-without-password"], "Cannot listen on 203.0.113.7"),
        (["--rate", "-3"], "--rate is -3"),
    ],
)
def test_what_is_not_safe_is_refused_before_anything_is_opened(started, folder, options, said, capsys):
    assert main(["serve", *options, "--store", str(folder)]) == 1
    assert said in capsys.readouterr().err
    assert (started, folder.exists()) == ([], False)


def test_what_was_chosen_on_the_page_stands_and_the_command_counts_more(started, folder, capsys, tmp_path):
    chat = Pipeline(folder, Settings())
    chat.store.keep_settings({"k": 3, "reader": str(tmp_path / "reader"), "reader_revision": "v1", "threshold": 0.5})
    chat.close()
    main(["serve", "--store", str(folder), "--port", "17863"])
    assert started[0][0] == Settings(k=3, reader=str(tmp_path / "reader"), reader_revision="v1", threshold=0.5)
    assert "chosen on the page: k 3" in capsys.readouterr().err
    main(["serve", "--store", str(folder), "--port", "17863", "--reader", "bundled"])
    assert started[1][0] == Settings(k=3, threshold=0.5)


def test_the_line_of_an_account_is_shown_or_put_into_a_file(monkeypatch, capsys, tmp_path):
    def type_in(text):
        monkeypatch.setattr("sys.stdin", io.StringIO(text))

    type_in("correct horse\n")
    assert main(["password", "mei"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("mei:$2b$")
    path = tmp_path / "users"
    for expected in ("added      mei\n", "changed    mei\n"):
        type_in("another horse\n")
        assert main(["password", "mei", "--file", str(path)]) == 0
        assert capsys.readouterr().out == expected
    assert os.name != "posix" or stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Accounts(path).check("mei", "another horse")
    type_in("short\n")
    assert main(["password", "mei"]) == 1
    assert "has 5 characters" in capsys.readouterr().err


# -- A real server ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    users = folder / "users"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accounts, "ROUNDS", 4)
        keep_account(users, account_line("mei", "correct horse"))
        keep_account(users, account_line("王梅", "correct horse"))
    environment = os.environ | {STORE_VARIABLE: str(folder / "store"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "rag", "serve", "--auth-file", str(users)]
    with serving(command, environment, folder / "log") as url:
        yield url


def basic(name="mei", password="correct horse"):
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def get(url, authorization=None, data=None, **headers):
    request = Request(url, data, headers={"Authorization": authorization} if authorization else {})
    for name, value in headers.items():
        request.add_header(name.replace("_", "-"), value)
    try:
        with urlopen(request, timeout=30) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.headers, error.read().decode()


def test_every_face_of_a_real_server_asks_for_the_password(address):
    for path in ("", "v1/models", "gradio_api/info", "gradio_api/mcp/", "documents", "page/htmx.min.js", "config"):
        status, headers, _ = get(address + path)
        assert (path, status) == (path, 401)
        assert "default-src 'self'" in headers["Content-Security-Policy"]
        assert get(address + path, basic())[0] != 401


def test_a_user_sees_the_page(address):
    status, headers, text = get(address, basic("王梅"))
    assert status == 200
    assert "<h1" in text or "<!doctype html>" in text
    assert headers.get_all("Content-Security-Policy") == [headers["Content-Security-Policy"]]


def test_gradios_own_client_signs_in_by_a_header(address):
    from gradio_client import Client

    client = Client(address, headers={"Authorization": basic()}, verbose=False, analytics_enabled=False)
    said = json.dumps(client.predict("柳州的四大定位是什么", api_name="/ask"), ensure_ascii=False)
    assert "answered" in said


def test_openais_client_signs_in_with_name_and_password_as_its_key(address):
    import openai

    with openai.OpenAI(base_url=address + "v1", api_key="mei:correct horse", max_retries=0) as client:
        assert list(client.models.list())
    with (
        openai.OpenAI(base_url=address + "v1", api_key="mei:wrong horse", max_retries=0) as client,
        pytest.raises(openai.AuthenticationError, match="密码不对.*password is wrong"),
    ):
        client.models.list()


def test_a_program_that_speaks_mcp_signs_in_by_a_header(address):
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}).encode()
    kinds = {"Content_Type": "application/json", "Accept": "application/json, text/event-stream"}
    status, _, text = get(address + "gradio_api/mcp/", basic(), body, **kinds)
    assert status == 200
    assert "serverInfo" in text
    assert get(address + "gradio_api/mcp/", None, body, **kinds)[0] == 401


def test_another_sites_page_cannot_use_a_signed_in_browser(address):
    body = b"language=en&back=/"
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    assert get(address + "look", basic(), body, Sec_Fetch_Site="same-origin", **form)[0] == 200
    assert get(address + "look", basic(), body, Sec_Fetch_Site="cross-site", **form)[0] == 403
    assert get(address + "look", basic(), body, Origin="https://evil.example", **form)[0] == 403


def test_a_request_without_an_end_is_cut(address):
    host, port = address.removeprefix("http://").rstrip("/").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        head = f"POST /look HTTP/1.1\r\nHost: {host}\r\nAuthorization: {basic()}\r\nTransfer-Encoding: chunked\r\n"
        connection.sendall(f"{head}Content-Type: application/x-www-form-urlencoded\r\n\r\n".encode())
        with contextlib.suppress(OSError):
            for _ in range(64):
                connection.sendall(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
        assert b" 413 " in connection.recv(1000).split(b"\r\n")[0]
