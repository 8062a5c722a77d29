"""Completions: the chat API that clients of language models speak, answered from the documents.

The last message is the question, the turns before it are its history. The answer is written as Markdown, each sentence
with its markers and the quotes below; the citations also stand beside it as values, for programs. A system message is
passed over: whoever asks does not decide how answers are checked.

Source: OpenAI, "API reference", Chat completions: the objects, their streamed form and that of errors.
"""

import asyncio
import json
import logging
import threading
import time
import urllib.parse
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from rag.answers import Answer, escape_markdown
from rag.citations import Citation
from rag.errors import InputError, Language, ModelError, QuestionError, RagError
from rag.export import shared_answer, shared_citation
from rag.folding import is_han
from rag.page.history import history_of, read_of
from rag.page.refusals import FAILED
from rag.page.service import Service
from rag.page.waiting import BusyError
from rag.pipeline import Pipeline

logger = logging.getLogger(__name__)

MODEL = "cited-answers"
MAX_BODY = 1_000_000  # bytes of a request
MAX_MESSAGES = 1000
RETRY = 10  # seconds that a client is told to wait where the queue is full
LONG_QUOTE = 60  # characters; of a longer one its beginning and its end stand in an address
LOOK = 0.2  # seconds between two looks whether the client is still there
STREAMED = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # so that proxies pass each sentence on at once
T = TypeVar("T")


class _Part(BaseModel):
    type: str
    text: str = ""


class _Message(BaseModel):
    role: str
    content: str | list[_Part] | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.text for part in self.content or () if part.type in ("text", "input_text"))


class _StreamOptions(BaseModel):
    include_usage: bool = False


class _Body(BaseModel):
    """What is read of a request; parameters of sampling and the like have no meaning here and are passed over."""

    model: str
    messages: list[_Message] = Field(min_length=1, max_length=MAX_MESSAGES)
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    n: int | None = None


class _RefusedError(Exception):
    """A request that cannot be answered, as an HTTP status and an error in OpenAI's form."""

    def __init__(self, status: int, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.param, self.code = status, param, code

    def values(self) -> dict[str, Any]:
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        kind = "rate_limit_error" if self.status == 429 else kind
        return {"error": {"message": str(self), "type": kind, "param": self.param, "code": self.code}}

    def response(self) -> Response:
        headers = {"Retry-After": str(RETRY)} if self.status == 429 else None
        return JSONResponse(self.values(), self.status, headers)


@dataclass(frozen=True)
class _Asked:
    question: str
    turns: tuple[tuple[str, str], ...]
    stream: bool
    include_usage: bool


def router(service: Service) -> APIRouter:
    """Return the routes `/v1/chat/completions` and `/v1/models`."""
    routes = APIRouter()
    model = {"id": MODEL, "object": "model", "created": int(time.time()), "owned_by": "cited-answers"}

    @routes.get("/v1/models")
    def models() -> dict[str, Any]:
        return {"object": "list", "data": [model]}

    @routes.get("/v1/models/{name}")
    def one_model(name: str) -> Response:
        return JSONResponse(model) if name == MODEL else _no_model(name).response()

    @routes.post("/v1/chat/completions")
    async def complete(request: Request) -> Response:
        try:
            asked = await _read(request)
            reply = _Reply(service.pipeline, asked, str(request.base_url))
            answers = _work(service, reply.chat, asked)
            if asked.stream:
                # The first words decide whether this is an answer or an error with a status of its own.
                first = await _unless_gone(request, anext(answers))
                return StreamingResponse(reply.stream(first, answers), headers=STREAMED, media_type="text/event-stream")
            answer = await _unless_gone(request, _last(answers))
            return JSONResponse(await run_in_threadpool(reply.whole, answer))
        except (_GoneError, ClientDisconnect):
            return Response(status_code=499)
        except HTTPException:  # whoever stands before us found the request too large
            raise
        except _RefusedError as refused:
            return refused.response()
        except Exception as error:
            return _refusal_of(error).response()

    return routes


# -- What is asked ---------------------------------------------------------------------------------


async def _read(request: Request) -> _Asked:
    """Return what a request asks. Raises _RefusedError where it cannot be understood."""
    raw = bytearray()
    async for piece in request.stream():
        raw += piece
        if len(raw) > MAX_BODY:
            raise _RefusedError(413, f"The request has more than {MAX_BODY} bytes. Leave out earlier messages.")
    try:
        body = _Body.model_validate_json(bytes(raw))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or None
        raise _RefusedError(400, f"The request is not understood: {first['msg']}.", where) from None
    if body.model != MODEL:
        raise _no_model(body.model)
    if body.n not in (None, 1):
        raise _RefusedError(400, f"n is {body.n}: only one answer is given. Leave n out.", "n", "unsupported_value")
    talk = [(message.role, message.text) for message in body.messages if message.role in ("user", "assistant")]
    last = max((at for at, (role, _) in enumerate(talk) if role == "user"), default=None)
    if last is None:
        raise _RefusedError(400, "No message is a user's, so nothing is asked. Send one.", "messages")
    return _Asked(
        question=talk[last][1],
        turns=_turns(talk[:last]),
        stream=bool(body.stream),
        include_usage=bool(body.stream_options and body.stream_options.include_usage),
    )


def _no_model(name: str) -> _RefusedError:
    return _RefusedError(404, f"There is no model {name[:60]!r} here; there is {MODEL!r}.", "model", "model_not_found")


def _turns(talk: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return each question with what was said to it; what nobody said anything to was not answered."""
    turns: list[tuple[str, str]] = []
    for role, text in talk:
        if role == "user":
            turns.append((text, ""))
        elif turns:
            turns[-1] = (turns[-1][0], "\n".join(filter(None, (turns[-1][1], text))))
    return tuple(turns)


# -- The work --------------------------------------------------------------------------------------


class _GoneError(Exception):
    """The client is not there any more."""


async def _work(service: Service, chat: Pipeline, asked: _Asked) -> AsyncGenerator[Answer]:
    """Yield the answer as it grows. The work is done in a thread of its own, and stops when nobody reads on."""
    loop = asyncio.get_running_loop()
    items: asyncio.Queue[Answer | Exception | None] = asyncio.Queue()
    stop = threading.Event()

    def put(item: Answer | Exception | None) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(items.put_nowait, item)

    def work() -> None:
        try:
            with service.waiting.enter() as ticket:
                while not ticket.wait(LOOK):
                    if stop.is_set():
                        return
                turns = history_of(asked.turns)
                for answer in service.stream(chat, lambda of: of.stream(asked.question, turns, stop=stop)):
                    put(answer)
            put(None)
        except Exception as error:  # raised again where it is read
            put(error)

    threading.Thread(target=work, name="completion", daemon=True).start()
    try:
        while (item := await items.get()) is not None:
            if isinstance(item, Exception):
                raise item
            yield item
    finally:
        stop.set()


async def _last(answers: AsyncIterator[Answer]) -> Answer:
    *_, last = [answer async for answer in answers]
    return last


async def _unless_gone(request: Request, work: Awaitable[T]) -> T:
    """Return what is awaited; give it up where the client leaves meanwhile. Raises _GoneError then."""
    task = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait({task}, timeout=LOOK))[0]:
            if await request.is_disconnected():
                raise _GoneError
        return task.result()
    finally:
        task.cancel()


def _refusal_of(error: Exception) -> _RefusedError:
    """Return an error of the program as one of the protocol."""
    if isinstance(error, BusyError):
        return _RefusedError(429, str(error), code="rate_limit_exceeded")
    if isinstance(error, QuestionError):
        return _RefusedError(400, str(error), "messages")
    if isinstance(error, InputError):
        return _RefusedError(400, str(error))
    if isinstance(error, RagError):
        return _RefusedError(503 if isinstance(error, ModelError) else 500, str(error))
    logger.error("A completion failed.", exc_info=error)
    return _RefusedError(500, FAILED)


# -- What is said ----------------------------------------------------------------------------------


class _Reply:
    """One reply, whole or as it grows."""

    def __init__(self, chat: Pipeline, asked: _Asked, here: str) -> None:
        self.chat = chat
        self._asked, self._here = asked, here
        self._language: Language = "zh" if any(map(is_han, asked.question)) else "en"
        self._head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": MODEL}

    def whole(self, answer: Answer) -> dict[str, Any]:
        """Return the completion."""
        content = answer.to_markdown(self._language)
        message = {
            "role": "assistant",
            "content": content,
            "refusal": None,
            "annotations": self._annotations(answer, content),
            "citations": [shared_citation(citation) for citation in answer.citations],
        }
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        return self._head | {
            "object": "chat.completion",
            "choices": [choice],
            "usage": self._usage(content),
            "answer": shared_answer(answer),
        }

    async def stream(self, answer: Answer, others: AsyncGenerator[Answer]) -> AsyncIterator[str]:
        """Yield the completion in chunks: each sentence when it is checked, then the quotes, then all values."""
        sent, cited = "", 0
        yield self._chunk({"role": "assistant", "content": ""})
        async with aclosing(others):
            try:
                while True:
                    said = _said(answer)
                    if len(said) > len(sent) and said.startswith(sent):
                        yield self._chunk(self._delta(said[len(sent) :], answer.citations[cited:]))
                        sent, cited = said, len(answer.citations)
                    answer = await anext(others)
            except StopAsyncIteration:
                pass
            except Exception as error:
                yield _event(_refusal_of(error).values())
                return
        content = answer.to_markdown(self._language)
        if not content.startswith(sent):  # a model failed after some sentences: the notice says so, and all begins anew
            content = f"{sent}\n\n{content}"
        yield self._chunk(self._delta(content[len(sent) :], answer.citations[cited:]))
        last = {
            "annotations": self._annotations(answer, content),
            "citations": [shared_citation(citation) for citation in answer.citations],
        }
        yield self._chunk(last, "stop", answer=shared_answer(answer))
        if self._asked.include_usage:
            usage = await run_in_threadpool(self._usage, content)
            yield _event(self._head | {"object": "chat.completion.chunk", "choices": [], "usage": usage})
        yield "data: [DONE]\n\n"

    def _chunk(self, delta: dict[str, Any], finish: Literal["stop"] | None = None, **more: Any) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        usage = {"usage": None} if self._asked.include_usage else {}
        return _event(self._head | {"object": "chat.completion.chunk", "choices": [choice]} | usage | more)

    def _delta(self, words: str, citations: Sequence[Citation]) -> dict[str, Any]:
        new = [shared_citation(citation) for citation in citations]
        return {"content": words} | ({"citations": new} if new else {})

    def _annotations(self, answer: Answer, content: str) -> list[dict[str, Any]]:
        """Return where in the content the markers stand, and the address where each quote can be read."""
        found = []
        start = content.rfind(_said(answer))
        for text, markers in answer.said():
            start += len(escape_markdown(text))
            for marker in markers:
                citation = next(one for one in answer.citations if one.marker == marker)
                shown = f" [{marker}]"
                where = {"start_index": start + 1, "end_index": start + len(shown)}
                source = {"url": self._address(citation), "title": citation.document.title}
                found.append({"type": "url_citation", "url_citation": where | source})
                start += len(shown)
            start += 1  # the end of the line
        return found

    def _address(self, citation: Citation) -> str:
        """Return the page of the cited document; browsers go to the quote and mark it.

        Source: W3C WICG, "URL Fragment Text Directives".
        """
        quote = citation.quote
        ends = [quote] if len(quote) <= LONG_QUOTE else [quote[: LONG_QUOTE // 2], quote[-LONG_QUOTE // 2 :]]
        text = ",".join(urllib.parse.quote(end, safe="").replace("-", "%2D") for end in ends)
        return f"{self._here}documents/{citation.document.id}?all=true#:~:text={text}"

    def _usage(self, content: str) -> dict[str, int]:
        """Return how many tokens of the embedder's tokenizer were read (the question, its history) and written."""
        read = "\n".join([words for turn in read_of(self._asked.turns) for words in turn] + [self._asked.question])
        prompt, completion = map(self.chat.embedder.count_tokens, (read, content))
        return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _said(answer: Answer) -> str:
    """Return the sentences with their markers, as `Answer.to_markdown` begins."""
    return "\n".join(
        " ".join([escape_markdown(text), *(f"[{marker}]" for marker in markers)]) for text, markers in answer.said()
    )


def _event(values: dict[str, Any]) -> str:
    return f"data: {json.dumps(values, ensure_ascii=False)}\n\n"
