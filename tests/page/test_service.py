"""What every face shares: the pipeline in use, and what becomes of a request when another one takes its place."""

import threading
from collections.abc import Generator
from typing import Any, cast

import pytest

from rag.errors import EmbedderMismatchError, StoreError
from rag.page.service import Service
from rag.pipeline import Pipeline


class Store:
    def close(self) -> None:
        pass


class Chat:
    """Fails as a pipeline does whose vectors were replaced, after as many answers as it has."""

    def __init__(self, *answers: str, error: Exception | None = None) -> None:
        self.answers, self.error, self.store = answers, error, Store()

    def stream(self) -> Generator[str, None, int]:
        yield from self.answers
        if self.error:
            raise self.error
        return len(self.answers)


def pipeline(*answers: str, error: Exception | None = None) -> Pipeline:
    return cast("Pipeline", Chat(*answers, error=error))


def work(chat: Any) -> Any:
    return chat.stream()


def taken(service: Service, seconds: float) -> tuple[list[str], int]:
    said: list[str] = []
    stream = service.stream(service.pipeline, work, seconds)
    while True:
        try:
            said.append(next(stream))
        except StopIteration as end:
            return said, end.value


def test_what_was_begun_while_vectors_are_replaced_is_done_by_the_pipeline_that_follows() -> None:
    service = Service(pipeline("old", error=EmbedderMismatchError("replaced")))
    timer = threading.Timer(0.05, service.use, [pipeline("new", "newer")])
    timer.start()
    assert taken(service, seconds=5) == (["old", "new", "newer"], 2)
    timer.join()


def test_a_single_call_is_done_by_the_pipeline_that_follows_too() -> None:
    old, new = pipeline(error=EmbedderMismatchError("replaced")), pipeline("new")
    service = Service(old)

    def call(chat: Pipeline) -> list[str]:
        if chat is old:
            service.use(new)
        return list(work(chat))

    assert service.run(call, seconds=0) == ["new"]


def test_it_is_told_where_no_other_pipeline_follows() -> None:
    service = Service(pipeline(error=EmbedderMismatchError("replaced")))
    with pytest.raises(EmbedderMismatchError, match="replaced"):
        taken(service, seconds=0.01)
    with pytest.raises(EmbedderMismatchError, match="replaced"):
        service.run(lambda chat: list(work(chat)), seconds=0.01)


def test_other_errors_are_not_tried_again() -> None:
    service = Service(pipeline("old", error=StoreError("full")))
    service.run(lambda chat: service.use(pipeline("new", error=StoreError("full"))))
    with pytest.raises(StoreError, match="full"):
        taken(service, seconds=0)
