"""The room where one asks and reads: its page, the questions, the reading view, conversations and feedback."""

import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Annotated, Literal
from urllib.parse import quote

import anyio
from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from rag import explanation, export
from rag.conversation import Conversation, Turn
from rag.errors import InputError, Language, NotFoundError
from rag.page.asking import Asking, events
from rag.page.guard import owner_of, permissions_of
from rag.page.reading import Reading, View, file_name, read_citation, read_hit
from rag.page.requests import language, page, part
from rag.page.service import Service
from rag.page.talk import ShownTurn, turns_of
from rag.page.talk import seal as seal_of
from rag.page.words import say
from rag.pipeline import Pipeline
from rag.settings import ARTICLE

# Shown to whoever has the article that comes with the program.
EXAMPLES: Mapping[Language, tuple[str, ...]] = {
    "zh": ("柳州的四大定位是什么", "会议是哪一天召开的", "“两个生态”指什么", "柳州的债务总额是多少"),
    "en": (
        "What are Liuzhou’s four positionings?",
        "When was the meeting held?",
        "What is the leading industry of Liuzhou?",
    ),
}
FORMATS: Mapping[str, export.Format] = {suffix: form for form, suffix in export.SUFFIXES.items()}
MEDIA: Mapping[export.Format, str] = {
    "markdown": "text/markdown; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "json": "application/json",
    "bibliography": "text/plain; charset=utf-8",
}
Form_ = Annotated[str, Form()]


class Growing(StreamingResponse):
    """Sends lines as they come. Where the browser leaves, `stop` is set, and what makes the lines comes to its end.

    Starlette's own would leave off in the middle, and only notice it at the next line.
    """

    def __init__(self, lines: Iterator[str], stop: threading.Event, over: Callable[[], object]) -> None:
        """Send `lines`; call `over` when nothing more is sent."""
        super().__init__(lines, media_type="application/x-ndjson", headers={"Cache-Control": "no-store"})
        self._stop = stop
        self._over = over

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response."""

        async def watch() -> None:
            try:
                await self.listen_for_disconnect(receive)
            finally:  # also where the server ends
                self._stop.set()

        try:
            async with anyio.create_task_group() as group:
                group.start_soon(watch)
                await self.stream_response(send)
                group.cancel_scope.cancel()
        finally:
            self._stop.set()
            self._over()


def router(service: Service) -> APIRouter:
    """Return the routes of the room."""
    routes = APIRouter()
    runs: dict[tuple[str, str], threading.Event] = {}  # questions under way, by owner and what the page calls them

    @routes.get("/")
    def start(request: Request) -> HTMLResponse:
        return _room(service.pipeline, request, None)

    @routes.get("/c/{conversation}")
    def open_conversation(
        request: Request,
        conversation: str,
        turn: int | None = None,
        cite: int | None = None,
        hit: int | None = None,
        view: View = "mended",
    ) -> HTMLResponse:
        chat = service.pipeline
        kept = chat.conversation(conversation, owner=owner_of(request))
        reading = _opened(chat, kept, turn, cite, hit, view) if turn else None
        return _room(chat, request, kept, reading, turn)

    @routes.get("/conversations")
    def conversations(request: Request) -> HTMLResponse:
        kept = service.pipeline.conversations(owner=owner_of(request))
        return page(request, "all_conversations.html", "conversations", kept=kept, conversation="", all_of_them=True)

    @routes.post("/ask")
    async def ask(
        request: Request,
        question: Form_ = "",
        conversation: Form_ = "",
        run: Form_ = "",
        replaces: Annotated[bool, Form()] = False,
        seen: Annotated[str | None, Form()] = None,
        again: Annotated[int | None, Form()] = None,
    ) -> StreamingResponse:
        owner, stop = owner_of(request), threading.Event()
        asking = Asking(question, conversation, replaces, seen, again)
        runs[owner, run] = stop
        lines = events(service, asking, owner, language(request), stop)

        def over() -> None:
            if runs.get((owner, run)) is stop:
                del runs[owner, run]

        return Growing(lines, stop, over)

    @routes.post("/stop")
    def stop_(request: Request, run: Form_ = "") -> Response:
        if stop := runs.get((owner_of(request), run)):
            stop.set()
        return Response(status_code=204)

    @routes.get("/c/{conversation}/{turn}/{kind}/{number}")
    def read(
        request: Request,
        conversation: str,
        turn: int,
        kind: Literal["cite", "hit"],
        number: int,
        view: View = "mended",
        all: bool = False,  # noqa: A002 - as it stands in the address
    ) -> HTMLResponse:
        chat = service.pipeline
        kept = chat.conversation(conversation, owner=owner_of(request))
        reading = _reading(chat, _turn(kept, turn), kind, number, view, all)
        return part(request, "reader.html", **_reader(kept, turn, reading, language(request)))

    @routes.get("/c/{conversation}/{turn}/why")
    def why(request: Request, conversation: str, turn: int) -> HTMLResponse:
        chat = service.pipeline
        kept = chat.conversation(conversation, owner=owner_of(request))
        answer = _turn(kept, turn).answer
        explained = explanation.explain(answer, chat.store.document)
        return part(request, "why.html", why=explained, conversation=kept.id, turn=turn)

    @routes.post("/c/{conversation}/{turn}/feedback")
    def feedback(
        request: Request,
        conversation: str,
        turn: int,
        good: Form_ = "",
        about: Form_ = "",
        correction: Form_ = "",
        unanswerable: Form_ = "",
        seal: Form_ = "",
    ) -> HTMLResponse:
        chat = service.pipeline
        kept = chat.conversation(conversation, owner=owner_of(request))
        answer = _turn(kept, turn).answer
        if seal and seal != seal_of(_turn(kept, turn)):
            raise InputError(
                "This turn was asked anew in another window. Load the page again, and say it of the answer of now.",
                "这一轮已在别的窗口里重新问过。请重新载入页面，再对现在的回答提意见。",
            )
        marker, sentence = _about(about)
        chat.add_feedback(
            answer,
            bool(good),
            correction="" if unanswerable else correction.replace("\r\n", "\n"),
            marker=marker,
            sentence=sentence,
            unanswerable=bool(unanswerable),
            history=[earlier.answer for earlier in kept.turns if earlier.number < turn],
        )
        return part(request, "thanks.html", base=f"/c/{kept.id}/{turn}")

    @routes.get("/c/{conversation}/{turn}/feedback")
    def feedback_anew(request: Request, conversation: str, turn: int) -> HTMLResponse:
        """Offer feedback again: the later one counts."""
        chat = service.pipeline
        kept = chat.conversation(conversation, owner=owner_of(request))
        found = _turn(kept, turn)
        shown = ShownTurn(chat, language(request), kept.id, turn, found.answer, found.states)
        return part(request, "feedback.html", turn=shown)

    @routes.post("/c/{conversation}/rename")
    def rename(request: Request, conversation: str, title: Form_ = "", here: Form_ = "") -> Response:
        service.pipeline.conversation(conversation, owner=owner_of(request))
        if not title.strip():
            raise InputError(say("en", "title missing"), say("zh", "title missing"))
        service.pipeline.rename_conversation(conversation, title, owner=owner_of(request))
        return _shelf(service.pipeline, request, here)

    @routes.post("/c/{conversation}/delete")
    def delete(request: Request, conversation: str, here: Form_ = "") -> Response:
        service.pipeline.delete_conversation(conversation, owner=owner_of(request))
        response = _shelf(service.pipeline, request, "" if here == conversation else here)
        if here == conversation:
            response.headers["HX-Redirect"] = "/"
        return response

    @routes.get("/c/{conversation}/export.{form}")
    def export_(request: Request, conversation: str, form: Literal["md", "html", "json", "txt"]) -> Response:
        kept = service.pipeline.conversation(conversation, owner=owner_of(request))
        spoken, kind = language(request), FORMATS[f".{form}"]
        name = quote(export.file_name(kept, export.SUFFIXES[kind], spoken))
        headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
        return Response(export.WRITERS[kind](kept, spoken), media_type=MEDIA[kind], headers=headers)

    return routes


def _room(
    chat: Pipeline, request: Request, kept: Conversation | None, reading: Reading | None = None, turn: int | None = None
) -> HTMLResponse:
    spoken = language(request)
    listed = chat.listed()
    values = {
        "conversation": kept.id if kept else "",
        "conversation_title": kept.title if kept else "",
        "kept": chat.conversations(owner=owner_of(request)),
        "turns": turns_of(chat, kept, spoken) if kept else [],
        "count": len(listed),
        "examples": EXAMPLES[spoken] if any(file_name(one) == ARTICLE.name for one in listed) else (),
        "may_add": permissions_of(request).documents,
        "reading": None,
    }
    if kept and reading and turn:
        values |= _reader(kept, turn, reading, spoken)
    return page(request, "room.html", "ask", **values)


def _shelf(chat: Pipeline, request: Request, here: str) -> Response:
    if "hx-request" not in request.headers:
        return RedirectResponse(f"/c/{here}" if here else "/", 303)
    kept = chat.conversations(owner=owner_of(request))
    return part(request, "conversations.html", kept=kept, conversation=here)


def _turn(kept: Conversation, number: int) -> Turn:
    for turn in kept.turns:
        if turn.number == number:
            return turn
    raise NotFoundError(f"The conversation has no turn {number}.", f"这段对话没有第 {number} 轮。")


def _opened(
    chat: Pipeline, kept: Conversation, turn: int, cite: int | None, hit: int | None, view: View
) -> Reading | None:
    """Return the reading view that the address of a page names; None where it names none that there is."""
    kind, number = ("cite", cite) if cite else ("hit", hit)
    try:
        return _reading(chat, _turn(kept, turn), kind, number, view) if number else None
    except NotFoundError:
        return None


def _reading(chat: Pipeline, turn: Turn, kind: str, number: int, view: View, whole: bool = False) -> Reading:
    if kind == "cite":
        return read_citation(chat, turn.answer, dict(turn.states), number, view, whole)
    return read_hit(chat, turn.answer, number, view, whole)


def _reader(kept: Conversation, turn: int, reading: Reading, spoken: Language) -> dict[str, object]:
    """Return what the template of the reading view needs."""
    cited = reading.citation
    kind, number = ("cite", cited.marker) if cited else ("hit", reading.rank)
    base = f"/c/{kept.id}"
    view = "&view=file" if reading.view == "file" else ""
    return {
        "reading": reading,
        "reading_base": base,
        "reading_turn": turn,
        "reading_path": f"{base}/{turn}/{kind}/{number}",
        "reading_href": f"{base}?turn={turn}&{kind}={number}{view}#t{turn}",
        "text_target": "#reader",
        "reference": export.reference(reading.document, date.today(), cited, spoken) if cited else "",
    }


def _about(about: str) -> tuple[int | None, int | None]:
    """Return the marker of the citation or the number of the sentence that feedback is about."""
    if not about:
        return None, None
    if not about[1:].isdecimal() or about[0] not in "cs" or len(about) > 6:
        raise InputError("Feedback is about a sentence or a citation of the answer.", "反馈只能针对某一句或某个出处。")
    return (int(about[1:]), None) if about[0] == "c" else (None, int(about[1:]))
