"""What a request says of who asks and how to answer it, and answers that several pages share."""

from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse, PlainTextResponse, Response

from rag import __version__
from rag.errors import Language, NotFoundError, RagError
from rag.page.guard import user_of
from rag.page.render import language_of, render, theme_of
from rag.page.words import say


def language(request: Request) -> Language:
    """Return the language to answer a request in."""
    return language_of(request.cookies, request.headers.get("accept-language", ""))


def page(request: Request, template: str, here: str, **values: Any) -> HTMLResponse:
    """Return a whole page; `here` is the key of the main page it belongs to."""
    here_again = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    back = here_again if request.method == "GET" else "/"  # what a form was sent to cannot be opened
    values |= {"here": here, "back": back, "theme": theme_of(request.cookies)}
    return HTMLResponse(render(template, language(request), version=__version__, user=user_of(request), **values))


def part(request: Request, template: str, **values: Any) -> HTMLResponse:
    """Return a part of a page."""
    return HTMLResponse(render(template, language(request), **values))


def refuse(request: Request, error: RagError) -> Response:
    """Return what went wrong: as a text where a part of a page was asked for, else as a page."""
    status = 404 if isinstance(error, NotFoundError) else 400
    return told(request, error.said(language(request)), status)


def told(request: Request, message: str, status: int) -> Response:
    """Return a message with a status."""
    if "hx-request" in request.headers or "text/html" not in request.headers.get("accept", ""):
        return PlainTextResponse(message, status)
    response = page(request, "failure.html", "", message=message)
    response.status_code = status
    return response


def not_found(request: Request) -> Response:
    """Return that there is no such page."""
    return told(request, say(language(request), "not found"), 404)
