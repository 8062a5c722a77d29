"""A server on this machine that plays the Hugging Face hub, as far as a download asks it."""

import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit


class HubServer(ThreadingHTTPServer):
    """Serves folders as models. `requests` are the paths that were asked, oldest first."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.requests: list[str] = []
        self.delay = 0.0  # seconds before any answer
        self.tree_delay = 0.0  # seconds before the list of files
        self._commits: dict[tuple[str, str], str] = {}  # model and revision
        self._files: dict[tuple[str, str], dict[str, bytes]] = {}  # model and commit
        self.gated: set[str] = set()
        self.private: set[str] = set()
        self.truncated = False  # files end in their middle

    def add(self, model: str, folder: Path, revision: str = "main") -> str:
        """Serve what the folder holds now as a revision of a model; return its commit."""
        files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        commit = hashlib.sha1(json.dumps([model, revision, sorted(files)]).encode()).hexdigest()
        self._commits[model, revision] = self._commits[model, commit] = commit
        self._files[model, commit] = files
        return commit

    def knows(self, model: str) -> bool:
        return any(model == known for known, _ in self._commits)

    def commit(self, model: str, revision: str) -> str | None:
        return self._commits.get((model, revision))

    def files(self, model: str, commit: str) -> dict[str, bytes]:
        return self._files[model, commit]

    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that went away."""


class _Handler(BaseHTTPRequestHandler):
    server: HubServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.server.requests.append(path)
        time.sleep(self.server.delay)
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?", path):
            self._info(found[1], found[2] or "main")
        elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/([^/]+)", path):
            time.sleep(self.server.tree_delay)
            self._tree(found[1], found[2])
        elif found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self._file(found[1], found[2], found[3])
        else:
            self._fail(404, "", "Not here")

    def _commit(self, model: str, revision: str) -> str | None:
        if model in self.server.private:
            self._fail(401, "", "Invalid username or password.")
        elif not self.server.knows(model):
            self._fail(404, "RepoNotFound", "Repository not found")
        elif commit := self.server.commit(model, revision):
            return commit
        else:
            self._fail(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return None

    def _info(self, model: str, revision: str) -> None:
        if commit := self._commit(model, revision):
            siblings = [{"rfilename": name} for name in self.server.files(model, commit)]
            self._answer(json.dumps({"id": model, "sha": commit, "siblings": siblings}).encode())

    def _tree(self, model: str, revision: str) -> None:
        if commit := self._commit(model, revision):
            files = self.server.files(model, commit).items()
            entries = [
                {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
                for name, data in files
            ]
            self._answer(json.dumps([*entries, {"type": "directory", "path": "onnx", "oid": "0" * 40}]).encode())

    def _file(self, model: str, revision: str, name: str) -> None:
        commit = self._commit(model, revision)
        if commit is None:
            return
        if model in self.server.gated:
            self._fail(401, "GatedRepo", f"Access to model {model} is restricted.")
            return
        data = self.server.files(model, commit)[name]
        large = name.endswith((".safetensors", ".bin"))
        etag = hashlib.sha256(data).hexdigest() if large else hashlib.sha1(data).hexdigest()
        self._answer(data, {"ETag": f'"{etag}"', "X-Repo-Commit": commit}, cut=self.server.truncated and large)

    def _answer(self, data: bytes, headers: dict[str, str] | None = None, cut: bool = False) -> None:
        self.send_response(200)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data[: len(data) // 2] if cut else data)
        self.close_connection = cut

    def _fail(self, status: int, code: str, message: str) -> None:
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", message)
        self.send_header("Content-Length", "0")
        self.end_headers()


@contextmanager
def hub_server() -> Iterator[HubServer]:
    """Run a server for the length of a `with`."""
    with HubServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
