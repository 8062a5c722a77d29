"""Visits to the pages without a network: a store with answers written beforehand, and a client with an owner."""

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from html import unescape
from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from rag.answers import Answer
from rag.documents import Document
from rag.errors import RagError
from rag.page.requests import language, refuse, told
from rag.page.serving import Permissions
from rag.page.words import say
from rag.pipeline import Pipeline, Retrieve
from rag.settings import Settings
from tests.fakes import WordCountEmbedder
from tests.handmade import MOON, refusal

PAGE = {"accept": "text/html", "accept-language": "zh-CN"}
PART = {"hx-request": "true", "accept-language": "zh-CN"}
ENGLISH = {"accept-language": "en"}


class WrittenPipeline(Pipeline):
    """A real store. What is answered was written beforehand; the rest is refused, and "fail" fails.

    `answers` holds the answer to a question, or the answers while it grows. `asked` keeps questions with the questions
    of their histories.
    """

    def __init__(self, folder: Path, answers: Sequence[Answer] = (), documents: Sequence[Document] = (MOON,)) -> None:
        super().__init__(folder, Settings(), WordCountEmbedder())
        for document in documents:
            self.add_document(document)
        self.answers: dict[str, Sequence[Answer]] = {answer.question: [answer] for answer in answers}
        self.asked: list[tuple[str, list[str]]] = []

    def _answers(
        self, question: str, retrieve: Retrieve, history: Sequence[Answer], stop: threading.Event
    ) -> Iterator[Answer]:
        checked = self._checked(question)
        if checked == "fail":
            raise RuntimeError("secret detail")
        self.asked.append((checked, [earlier.question for earlier in history]))
        yield from self.answers.get(checked) or [refusal(MOON, checked, ("火星",))]


class _Known:
    """Says who asks and what may be changed, as the guard does: of headers: `x-owner`, `x-read-only`, `x-no-admin`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = dict(scope["headers"])
            may = b"x-read-only" not in headers
            state = scope.setdefault("state", {})
            state["owner"] = headers.get(b"x-owner", b"").decode()
            state["permissions"] = Permissions(documents=may, settings=may and b"x-no-admin" not in headers)
        await self._app(scope, receive, send)


def client_of(*routers: APIRouter, headers: Mapping[str, str] = PAGE) -> TestClient:
    """Return a client of these routes, with the errors said as the server says them."""
    app = FastAPI(openapi_url=None, middleware=[Middleware(_Known)])
    for router in routers:
        app.include_router(router)

    def on_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, RagError)
        return refuse(request, error)

    def on_bad_request(request: Request, _: Exception) -> Response:
        return told(request, say(language(request), "bad request"), 400)

    app.add_exception_handler(RagError, on_error)
    app.add_exception_handler(RequestValidationError, on_bad_request)
    return TestClient(app, headers=dict(headers), follow_redirects=False)


def text_of(html: str) -> str:
    """Return what a browser would show of HTML, with its white space."""
    return unescape(re.sub(r"<[^>]*>", "", html))


def marked(html: str) -> list[tuple[str, str, str]]:
    """Return what is marked, in order: its classes, its markers and its characters."""
    found = re.findall(r'<mark class="([^"]*)" data-markers="([^"]*)">(.*?)</mark>', html, re.DOTALL)
    return [(classes, markers, unescape(words)) for classes, markers, words in found]
