"""The page as a program: `python app.py` is `rag serve`, with the same options and the same errors."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

import app
import rag.cli
from rag.settings import PACKAGE, STORE_VARIABLE
from tests.serving import serving

ROOT = PACKAGE.parent


def test_options_are_passed_on_and_so_is_how_it_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[list[str]] = []

    def run(arguments: list[str]) -> int:
        ran.append(arguments)
        return 7

    monkeypatch.setattr(rag.cli, "main", run)
    monkeypatch.setattr(sys, "argv", ["app.py", "--port", "8000", "--read-only"])
    assert app.main() == 7
    assert ran == [["serve", "--port", "8000", "--read-only"]]


def test_help_tells_the_options_of_the_page() -> None:
    command = [sys.executable, "app.py", "--help"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=ROOT, env=os.environ | {"COLUMNS": "200"}
    )
    for option in ("--host", "--port", "--auth-file", "--read-only", "--store"):
        assert option in done.stdout


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--port", "0"], "--port"),
        (["--host", "0.0.0.0"], "--auth-file"),
        (["--port", "{taken}"], "Cannot listen on 127.0.0.1, port {taken}: .*--port"),
        (["--nothing"], "--nothing"),
    ],
)
def test_what_cannot_be_served_is_one_clear_error(
    options: list[str], told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        monkeypatch.setattr(sys, "argv", ["app.py", *(option.format(taken=port) for option in options)])
        assert app.main() != 0
    error = " ".join(capsys.readouterr().err.split())
    assert re.search(told.format(taken=port), error)
    assert "Traceback" not in error


def test_the_page_opens(tmp_path: Path) -> None:
    environment = os.environ | {STORE_VARIABLE: str(tmp_path / "store")}
    with serving([sys.executable, str(ROOT / "app.py")], environment, tmp_path / "log.txt") as url:
        response = httpx.get(url, headers={"accept": "text/html", "accept-language": "zh-CN"}, trust_env=False)
        hidden = {
            path: httpx.get(url + path, trust_env=False).status_code for path in ("docs", "openapi.json", "static/x")
        }
        asked = httpx.post(f"{url}ask", data={"question": "柳州的四大定位是什么"}, trust_env=False, timeout=30)
    assert response.status_code == 200
    assert response.headers["content-security-policy"].startswith("default-src 'self';")
    assert set(re.findall(r"(?:https?:)?//([\w.-]+\.\w+)", response.text)) == set()
    assert "柳州的四大定位是什么" in response.text
    assert hidden == {"docs": 404, "openapi.json": 404, "static/x": 404}
    assert '"state": "done"' in asked.text
