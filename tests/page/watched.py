"""Run `rag` and write down what it asks of other machines: `python -m tests.page.watched LOG serve …`."""

import socket
import sys
from pathlib import Path
from typing import Any

LOCAL = ("127.0.0.1", "::1", "localhost", "0.0.0.0", None, "")


def watch(log: Path) -> None:
    """Write each name that is looked up and each address that is connected to into a file, but for our own."""
    connect, look_up = socket.socket.connect, socket.getaddrinfo

    def noted(host: Any) -> None:
        if (host.decode() if isinstance(host, bytes) else host) not in LOCAL:
            with log.open("a", encoding="utf-8") as file:
                file.write(f"{host}\n")

    def connecting(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            noted(address[0])
        connect(self, address)

    def looking_up(host: Any, *rest: Any, **more: Any) -> Any:
        noted(host)
        return look_up(host, *rest, **more)

    socket.socket.connect, socket.getaddrinfo = connecting, looking_up  # type: ignore[method-assign,assignment]


def main() -> None:
    log, *arguments = sys.argv[1:]
    watch(Path(log))
    from rag.cli import main as rag

    sys.argv = ["rag", *arguments]
    sys.exit(rag())


if __name__ == "__main__":
    main()
