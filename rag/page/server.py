"""The server: Gradio's server mode, which brings the API for programs, its queue and MCP, with our own pages in front.

It asks nothing of any host but its own, and neither does the page: the browser is told to refuse it.
"""

import contextlib
import io
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

# Gradio reads these when it is imported.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

import anyio.to_thread
import gradio as gr
from fastapi import APIRouter, Form, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from rag import __version__
from rag.errors import RagError
from rag.page import api, completions, library, preferences, rooms
from rag.page.accounts import Accounts
from rag.page.change import WARM_UP
from rag.page.guard import HEADERS, YEAR, middleware
from rag.page.render import THEMES
from rag.page.requests import language, not_found, refuse, told
from rag.page.service import AT_ONCE, MOST_WAITING, Service
from rag.page.serving import Serving
from rag.page.words import LANGUAGES, say
from rag.pipeline import Pipeline
from rag.settings import EXTRACTIVE

logger = logging.getLogger(__name__)

STATIC = Path(__file__).parent / "static"
THREADS = AT_ONCE + MOST_WAITING + 40  # those that questions hold, waiting or worked on, and those for all else
Form_ = Annotated[str, Form()]


def build(service: Service, serving: Serving, accounts: Accounts | None = None) -> gr.Server:
    """Return the server of all pages and of what programs ask; nothing listens yet."""
    server = gr.Server(
        title=say("en", "title"),
        version=__version__,
        docs_url=None,  # they load scripts of other hosts
        redoc_url=None,
        openapi_url=None,
        middleware=[Middleware(_EnoughThreads), *middleware(serving, accounts)],
    )
    server.mount("/page", StaticFiles(directory=STATIC))
    server.include_router(rooms.router(service))
    server.include_router(library.router(service))
    server.include_router(preferences.router(service))
    server.include_router(completions.router(service))
    api.add_endpoints(server, service)

    server.include_router(_looks())
    server.add_exception_handler(RagError, _on_error)
    server.add_exception_handler(HTTPException, _on_http_error)
    server.add_exception_handler(RequestValidationError, _on_bad_request)
    server.add_exception_handler(Exception, _on_failure)
    return server


class _EnoughThreads:
    """Lets every question that may wait hold a thread, so that the pages still have theirs."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request: the limit belongs to the loop, and Gradio has its own lifespan in the place of ours."""
        anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
        await self._app(scope, receive, send)


def _looks() -> APIRouter:
    """Return the routes of how the page looks: its icon, and the choice of language and theme."""
    routes = APIRouter()

    @routes.get("/favicon.ico")
    def icon() -> FileResponse:
        return FileResponse(STATIC / "icon.svg", media_type="image/svg+xml")

    @routes.post("/look")
    def look(back: Form_ = "/", language: Form_ = "", theme: Form_ = "") -> Response:
        """Keep the language or the theme that was chosen, and go back."""
        is_own = back.startswith("/") and not back.startswith(("//", "/\\"))
        response = RedirectResponse(back if is_own else "/", 303)
        for key, value, known in (("language", language, LANGUAGES), ("theme", theme, THEMES)):
            if value in known:
                response.set_cookie(key, value, max_age=YEAR, samesite="lax", httponly=True)
        return response

    return routes


def _on_error(request: Request, error: Exception) -> Response:
    return refuse(request, error if isinstance(error, RagError) else RagError(str(error)))


def _on_http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return not_found(request) if status == 404 else told(request, say(language(request), "bad request"), status)


def _on_bad_request(request: Request, _: Exception) -> Response:
    return told(request, say(language(request), "bad request"), 400)


def _on_failure(request: Request, error: Exception) -> Response:
    logger.error("A page could not be made.", exc_info=error)
    response = told(request, say(language(request), "program failed"), 500)
    response.headers.update(HEADERS)  # it is sent around the guard
    return response


def serve(chat: Pipeline, serving: Serving, announce: Callable[[str], None] = lambda _: None) -> None:
    """Serve until it is interrupted, telling `announce` the address once it can be opened.

    Raises:
        InputError: It cannot be served like that: the address, the accounts.
        StoreError: The store cannot be read.
    """
    server, url = launch(chat, serving)
    del chat  # another one may take its place
    announce(url)
    try:
        server.get_blocks().block_thread()
    finally:
        server.state.service.close()


def launch(chat: Pipeline, serving: Serving) -> tuple[gr.Server, str]:
    """Start serving in a thread; return the server and its address. Raises as `serve` does."""
    accounts = Accounts(serving.auth_file) if serving.auth_file else None
    serving.check(accounts.names if accounts else ())
    serving.check_address()
    # Gradio asks its own server whether it is up; a proxy in the environment must not see that.
    direct = [os.environ.get("NO_PROXY") or os.environ.get("no_proxy"), "127.0.0.1", "localhost", serving.host]
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = ",".join(filter(None, direct))
    service = Service(chat)
    warm_up(chat)
    server = build(service, serving, accounts)
    server.state.service = service
    # Gradio prints where its MCP server is, however quiet it is told to be.
    with contextlib.redirect_stdout(io.StringIO()):
        _, url, _ = server.launch(
            server_name=serving.host,
            server_port=serving.port,
            share=False,
            quiet=True,
            prevent_thread_lock=True,
            show_error=True,
            ssr_mode=False,
            mcp_server=True,
            enable_monitoring=False,
            _frontend=False,
        )
    api.describe(server)
    return server, url


def warm_up(chat: Pipeline) -> None:
    """Load models and indexes, so that the first visitor need not wait for them.

    A language model is not asked: one of a server may cost money, and one of this machine takes a minute.
    """
    if chat.settings.generator == EXTRACTIVE:
        chat.ask(WARM_UP)
        return
    for hit in chat.search(WARM_UP, 1):
        chat.spans.candidates(WARM_UP, [hit.passage.text], count=1)
