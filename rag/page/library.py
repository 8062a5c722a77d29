"""The library: documents are added, shown as they were mended and split, replaced, and removed with undo."""

import hashlib
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from secrets import token_urlsafe
from typing import Annotated, Literal

from fastapi import APIRouter, File, Form, Request, UploadFile
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from rag.documents import MAX_BYTES, MAX_TITLE, SUFFIXES, Document, bare_name, document_from_bytes, document_from_text
from rag.errors import InputError, Language, NotFoundError, RagError
from rag.fetching import fetch
from rag.page.guard import owner_of, permissions_of
from rag.page.reading import View, read_document
from rag.page.requests import language, page, part
from rag.page.service import Service
from rag.page.words import say
from rag.pipeline import Pipeline
from rag.store import Removed

logger = logging.getLogger(__name__)

KEPT_REMOVALS = 50  # that can be undone, the latest of all visitors together
KEPT_CHARACTERS = 50_000_000  # of them together; the latest is kept whatever its size
MAX_TEXT = 2_000_000  # characters that can be pasted
Form_ = Annotated[str, Form()]


@dataclass(frozen=True)
class Outcome:
    """What became of one thing that was to be added."""

    name: str
    outcome: Literal["added", "replaced", "unchanged", "failed"]
    document: Document | None = None
    passages: int = 0
    error: str = ""


@dataclass(frozen=True)
class Undoable:
    """A document that was removed, or gave way to another, and whoever did it."""

    owner: str
    removed: Removed
    was_replaced: bool = False


class Bin:
    """Documents that can be brought back, as long as the server runs; the latest of all visitors together."""

    def __init__(self) -> None:
        """Begin empty."""
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Undoable] = OrderedDict()

    def put(self, one: Undoable) -> str:
        """Keep a document, instead of what was kept of the same one before; return what to call it."""
        called = token_urlsafe(12)
        with self._lock:
            for name, other in list(self._kept.items()):
                if other.owner == one.owner and other.removed.document.id == one.removed.document.id:
                    del self._kept[name]
            self._kept[called] = one
            while len(self._kept) > KEPT_REMOVALS or (len(self._kept) > 1 and self._size() > KEPT_CHARACTERS):
                self._kept.popitem(last=False)
        return called

    def find(self, owner: str, name: str) -> Undoable | None:
        """Return a document, where this owner removed it."""
        with self._lock:
            found = self._kept.get(name)
            return found if found and found.owner == owner else None

    def drop(self, owner: str, name: str) -> None:
        """Keep a document no longer, where this owner removed it."""
        with self._lock:
            if name in self._kept and self._kept[name].owner == owner:
                del self._kept[name]

    def _size(self) -> int:
        return sum(len(one.removed.document.text) for one in self._kept.values())

    def of(self, owner: str) -> list[tuple[str, Undoable]]:
        """Return what an owner removed, the latest first."""
        with self._lock:
            return [(name, one) for name, one in reversed(self._kept.items()) if one.owner == owner]


def router(service: Service) -> APIRouter:
    """Return the routes of the library."""
    routes = APIRouter(prefix="/documents")
    removed = Bin()

    def shelf(request: Request, template: str = "documents_list.html") -> HTMLResponse:
        return part(request, template, **_listed(service.pipeline, request, removed))

    def added(request: Request, name: str, read: Callable[[], Document], replaces: str = "") -> HTMLResponse:
        outcome, before = _added(service.pipeline, language(request), name, read, replaces)
        if before is not None:
            removed.put(Undoable(owner_of(request), before, was_replaced=True))
        response = part(request, "outcome.html", outcome=outcome, before=before)
        response.headers["X-Outcome"] = outcome.outcome
        return response

    @routes.get("")
    def documents(request: Request) -> HTMLResponse:
        values = _listed(service.pipeline, request, removed)
        formats = " ".join(SUFFIXES)
        return page(
            request,
            "documents.html",
            "documents",
            formats=formats,
            most=MAX_BYTES // 2**20,
            accept=",".join(SUFFIXES),
            **values,
        )

    @routes.post("/upload")
    def upload(request: Request, file: Annotated[UploadFile, File()], replaces: Form_ = "") -> HTMLResponse:
        _may_change(request)
        name = file.filename or ""
        return added(request, bare_name(name), lambda: document_from_bytes(_bytes(file), name), replaces)

    @routes.post("/text")
    def text(request: Request, text: Form_ = "", title: Form_ = "") -> HTMLResponse:
        _may_change(request)
        called = title.strip()[:MAX_TITLE]

        def read() -> Document:
            if len(text) > MAX_TEXT:
                raise InputError(
                    f"The text has {len(text)} characters; at most {MAX_TEXT} can be pasted. Add it as a file.",
                    f"这段文字有 {len(text)} 字，最多能粘贴 {MAX_TEXT} 字。请存成文件再加入。",
                )
            pasted = text.replace("\r\n", "\n")
            document = document_from_text(pasted, called or None)
            # Two texts without a title are two documents; one with the title of another takes its place.
            source = called or f"{say(language(request), 'pasted')} {document.digest[:8]}"
            return document_from_text(pasted, called or None, source)

        return added(request, called or say(language(request), "pasted"), read)

    @routes.post("/address")
    def address(request: Request, address: Form_ = "") -> HTMLResponse:
        _may_change(request)
        return added(request, address.strip(), lambda: fetch(address.strip()))

    @routes.get("/list")
    def list_(request: Request) -> HTMLResponse:
        return shelf(request)

    @routes.post("/{document}/remove")
    def remove(request: Request, document: str) -> Response:
        _may_change(request)
        removed.put(Undoable(owner_of(request), service.pipeline.take_out(document)))
        return shelf(request) if "hx-request" in request.headers else RedirectResponse("/documents", 303)

    @routes.post("/restore/{name}")
    def restore(request: Request, name: str) -> Response:
        _may_change(request)
        chat, owner = service.pipeline, owner_of(request)
        found = removed.find(owner, name)
        if found is None:
            raise NotFoundError(
                "The removal cannot be undone any more. Add the document again.", "已经不能恢复了，请重新加入这篇文档。"
            )
        id_ = found.removed.document.id
        # What has its place now can be brought back in its turn.
        now = chat.copied(id_) if chat.store.digest(id_) is not None else None
        chat.restore(found.removed, replace=True)
        removed.drop(owner, name)
        if now is not None:
            removed.put(Undoable(owner, now, was_replaced=True))
        return shelf(request) if "hx-request" in request.headers else RedirectResponse("/documents", 303)

    @routes.post("/forget/{name}")
    def forget(request: Request, name: str) -> Response:
        """Stop offering to bring a document back."""
        _may_change(request)
        removed.drop(owner_of(request), name)
        return shelf(request) if "hx-request" in request.headers else RedirectResponse("/documents", 303)

    @routes.get("/{document}")
    def show(request: Request, document: str, view: View = "mended", all: bool = False) -> HTMLResponse:  # noqa: A002
        chat = service.pipeline
        found = chat.document(document)
        values = {
            "reading": read_document(chat, found, view, all),
            "reading_path": f"/documents/{found.id}",
            "text_target": "#text",
            "view": view,
        }
        if request.headers.get("hx-target") == "text":
            return part(request, "text.html", **values)
        accept = ",".join(SUFFIXES)
        return page(
            request, "document.html", "documents", may_change=permissions_of(request).documents, accept=accept, **values
        )

    return routes


def _listed(chat: Pipeline, request: Request, removed: Bin) -> dict[str, object]:
    return {
        "documents": chat.listed(),
        "removed": removed.of(owner_of(request)),
        "may_change": permissions_of(request).documents,
    }


def _may_change(request: Request) -> None:
    if not permissions_of(request).documents:
        raise InputError("Documents cannot be changed on this page.", "这里不能更改文档。")


def _bytes(file: UploadFile) -> bytes:
    return file.file.read(MAX_BYTES + 1)  # one more than is read at most: its reader says so


def _added(
    chat: Pipeline, spoken: Language, name: str, read: Callable[[], Document], replaces: str
) -> tuple[Outcome, Removed | None]:
    """Add what is read, or say why not; whatever goes wrong stops nothing else. Return what gave way to it, too."""
    try:
        document = _identified(chat, read(), replaces)
        addition = chat.add_document(document, copies=True)
        return Outcome(name, addition.outcome, addition.document, addition.passages), addition.before
    except RagError as error:
        return Outcome(name, "failed", error=error.said(spoken)), None
    except Exception:
        logger.exception("A document could not be added.")
        return Outcome(name, "failed", error=say(spoken, "program failed")), None


def _identified(chat: Pipeline, document: Document, replaces: str) -> Document:
    """Return a document with the id of the one whose place it takes: the one named, else the one of its own name.

    A document that replaced one of another name has that one's id, so that citations find it; whoever comes with the
    name of before is a new document.
    """
    if replaces:
        return replace(document, id=chat.document(replaces).id)
    for one in chat.listed():
        if one.source == document.source:
            return replace(document, id=one.id)
    if chat.store.digest(document.id) is None:
        return document
    other = hashlib.sha256(f"{document.source}\0{document.digest}".encode("utf-8", "surrogatepass"))
    return replace(document, id=other.hexdigest()[:12])
