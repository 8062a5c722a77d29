"""Servers on this machine that speak the OpenAI protocol of chats: one misbehaves as a test wants, one is real."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

START = 60  # seconds a real server may take


class ChatServer(ThreadingHTTPServer):
    """Answers every chat with `pieces`. `requests` are the bodies that came, `keys` their headers, oldest first."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/v1"
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.pieces: list[str] = []
        self.thoughts: list[str] = []  # sent as reasoning_content, before the pieces
        self.statuses: list[int] = []  # of the next answers; where none is left, 200
        self.echo_key = False  # an error says the key it was sent
        self.unknown: tuple[str, ...] = ()  # fields that are refused with 422
        self.finish: str | None = "stop"  # None: the stream ends without saying why
        self.raw: bytes | None = None  # sent as it is, with status 200
        self.before = self.between = 0.0  # seconds of silence before the answer, and before each piece
        self.keep_alive = False  # comments are sent during the silence
        self.gone = threading.Event()  # set when a client went away during its answer

    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that went away."""


class _Handler(BaseHTTPRequestHandler):
    server: ChatServer

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server.requests.append(body)
        server.keys.append(self.headers.get("Authorization", ""))
        if refused := [name for name in server.unknown if name in body]:
            self._error(422, f"Unexpected fields: {refused}")
        elif server.statuses:
            said = server.keys[-1] if server.echo_key else "as the test wants it"
            self._error(server.statuses.pop(0), f"refused: {said}")
        else:
            try:
                self._answer()
            except OSError:
                server.gone.set()

    def _error(self, status: int, message: str) -> None:
        data = json.dumps({"error": {"message": message}}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _answer(self) -> None:
        server = self.server
        self._wait(server.before)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        if server.raw is not None:
            self.wfile.write(server.raw)
            return
        for thought in server.thoughts:
            self._chunk({"reasoning_content": thought})
        for piece in server.pieces:
            self._wait(server.between)
            self._chunk({"content": piece})
        if server.finish is not None:
            self._chunk({}, server.finish)
            self.wfile.write(b"data: [DONE]\n\n")

    def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(0.02)
            if self.server.keep_alive:
                self.wfile.write(b": waiting\n\n")

    def _chunk(self, delta: dict[str, str], finish: str | None = None) -> None:
        chunk = {
            "id": "1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "scripted",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        }
        self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
        self.wfile.flush()


@contextmanager
def chat_server() -> Iterator[ChatServer]:
    """Run the server in a thread for as long as the context lasts."""
    server = ChatServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def transformers_server(model: Path, log: Path) -> Iterator[str]:
    """Run `transformers serve` with a model, in a process of its own; yields its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = "from transformers.cli.transformers import main; main()"
    options = ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [sys.executable, "-c", program, "serve", str(model), *options],
            env=environment,
            stdout=output,
            stderr=output,
        ) as server,
    ):
        try:
            end = time.monotonic() + START
            while not _is_healthy(port):
                if time.monotonic() > end or server.poll() is not None:
                    pytest.fail(f"The server did not start:\n{log.read_text(encoding='utf-8', errors='replace')}")
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.terminate()


def _is_healthy(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
            return True
    except OSError:
        return False
