"""Run a server of the page in a process of its own: Gradio leaves sockets and loops behind where it runs."""

import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

START = 60  # seconds the server may take


@contextmanager
def serving(command: Sequence[str], environment: Mapping[str, str], log: Path) -> Iterator[str]:
    """Run a command with `--port` and a free port; yields the page's address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}/"
    with (
        log.open("wb") as output,
        subprocess.Popen([*command, "--port", str(port)], env=environment, stdout=output, stderr=output) as server,
    ):
        try:
            _wait(address, server, log)
            yield address
        finally:
            server.terminate()


def _wait(address: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + START
    while time.monotonic() < end and server.poll() is None:
        try:
            with urlopen(address, timeout=5):
                return
        except HTTPError:  # it asks for a password
            return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"The server did not start:\n{log.read_text(encoding='utf-8', errors='replace')}")
