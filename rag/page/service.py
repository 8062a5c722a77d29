"""Service: what every face of one server shares, namely the pipeline that is in use now."""

import threading
import weakref
from collections.abc import Callable, Generator
from typing import TypeVar

from rag.errors import EmbedderMismatchError
from rag.page.waiting import WaitingRoom
from rag.pipeline import Pipeline

AT_ONCE = 4  # questions worked on at the same time
MOST_WAITING = 64  # questions that may wait for their turn
CHANGEOVER = 10.0  # seconds from new vectors in the store to the pipeline that reads them, at most

T = TypeVar("T")
R = TypeVar("R")


class Service:
    """Holds the pipeline; another one takes its place when settings are changed."""

    def __init__(self, pipeline: Pipeline) -> None:
        """Serve from a pipeline."""
        self.waiting = WaitingRoom(AT_ONCE, MOST_WAITING)  # of the questions of all faces together
        self._lock = threading.Condition()
        self._pipeline = pipeline

    @property
    def pipeline(self) -> Pipeline:
        """The pipeline in use. Take it once for each request, and hold it, not its parts, until the request is over.

        At the next request it may be another one; one that is no longer in use is closed when nobody holds it.
        """
        with self._lock:
            return self._pipeline

    def use(self, pipeline: Pipeline) -> Pipeline:
        """Put another pipeline in its place; return the one before, which requests under way still use."""
        with self._lock:
            before, self._pipeline = self._pipeline, pipeline
            self._lock.notify_all()
        if before is not pipeline:
            weakref.finalize(before, before.store.close)
        return before

    def stream(
        self, chat: Pipeline, work: Callable[[Pipeline], Generator[T, None, R]], seconds: float = CHANGEOVER
    ) -> Generator[T, None, R]:
        """Yield what a pipeline works out; all of it once more where its vectors are replaced in that moment.

        Args:
            chat: The pipeline in use when the request began.
            work: Called with it, and then perhaps with the one that takes its place.
            seconds: That this one may take to come.

        Raises:
            EmbedderMismatchError: None came: it was not this service that indexed the documents anew.
        """
        try:
            return (yield from work(chat))
        except EmbedderMismatchError:
            if not self._replaced(chat, seconds):
                raise
        return (yield from work(self.pipeline))

    def run(self, work: Callable[[Pipeline], R], seconds: float = CHANGEOVER) -> R:
        """Return what the pipeline in use works out, as `stream` does."""
        chat = self.pipeline
        try:
            return work(chat)
        except EmbedderMismatchError:
            if not self._replaced(chat, seconds):
                raise
        return work(self.pipeline)

    def _replaced(self, chat: Pipeline, seconds: float) -> bool:
        """Wait until another pipeline is in use; say whether one is."""
        with self._lock:
            return self._lock.wait_for(lambda: self._pipeline is not chat, seconds)

    def close(self) -> None:
        """Close the pipeline in use. Nothing can be asked afterwards."""
        self.pipeline.close()
