"""Chat: what a language model is asked with, and how its words reach us. It knows no model, passage or answer.

A model works in a thread of its own (`relay`), so that whoever reads its words can leave at any moment.
"""

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from rag.errors import ModelError

POLL = 0.02  # seconds between two looks at whether to stop
LEAVE = 0.15  # seconds a cancelled thread may take to end; one that takes longer ends unobserved


@dataclass(frozen=True)
class Message:
    """One message of a chat."""

    role: Literal["system", "user", "assistant"]
    content: str


class ChatModel(Protocol):
    """What a generator asks of a language model."""

    name: str  # as a user would name it in the settings
    context_size: int  # tokens that the messages and the reply may have together

    def chat(self, messages: Sequence[Message], stop: threading.Event) -> Iterator[str]:
        """Yield the reply in pieces, thoughts included; end early where `stop` is set or the iterator is closed.

        Raises:
            OutputLimitError: The reply was cut at the limit of its length; what came before is good.
            ModelError: The model failed; what came before is not to be trusted.
        """

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return how many tokens the messages take, with what stands around them; an estimate, if so a high one."""


class UnreachableError(ModelError):
    """The server of a model cannot be reached, or is silent."""


class UnusableError(ModelError):
    """A model replied, and nothing of its reply can be used."""


class OutputLimitError(UnusableError):
    """A reply was cut where it reached the greatest length that the settings allow."""


def relay(
    work: Callable[[Callable[[str], None]], None], cancel: Callable[[], None], stop: threading.Event
) -> Iterator[str]:
    """Yield what `work` puts, which runs in a thread of its own.

    Args:
        work: Is given what to call with each piece of text. What it raises is raised here.
        cancel: Makes `work` end soon, also before it has begun. Called from this thread, always.
        stop: Ends the iterator, without an error, within `POLL` + `LEAVE` seconds.
    """
    pieces: queue.SimpleQueue[str | BaseException | None] = queue.SimpleQueue()

    def run() -> None:
        try:
            work(pieces.put)
        except BaseException as error:  # raised again by the thread that reads
            pieces.put(error)
        else:
            pieces.put(None)

    thread = threading.Thread(target=run, name="generator", daemon=True)
    thread.start()
    try:
        while not stop.is_set():
            try:
                piece = pieces.get(timeout=POLL)
            except queue.Empty:
                continue
            if piece is None:
                return
            if isinstance(piece, BaseException):
                raise piece
            yield piece
    finally:
        cancel()
        thread.join(LEAVE)
