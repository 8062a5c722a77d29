"""API: what programs ask for through Gradio's API and over MCP. Read-only: nothing here changes the store.

The types and docstrings below are what callers read: Gradio shows them under `/gradio_api/info`, and MCP as the tools.
"""

import json
import logging
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, Literal, TypedDict, TypeVar, cast

import gradio as gr
from fastapi import Request
from fastapi.responses import JSONResponse, Response
from gradio.components.api_component import Api
from gradio.utils import get_function_description, get_function_params

from rag.errors import InputError, NotFoundError, RagError
from rag.export import shared, shared_answer, shared_source
from rag.page.history import history_of
from rag.page.refusals import FAILED
from rag.page.service import Service
from rag.page.waiting import BusyError
from rag.pipeline import Pipeline
from rag.retriever import Hit

logger = logging.getLogger(__name__)

MAX_HITS = 50  # of one search
MAX_HISTORY = 100  # earlier turns that may be sent
MAX_TOLD = 20_000  # characters of one of them
PATIENCE = 120.0  # seconds that a request waits for its turn
MCP_PATH = "/gradio_api/mcp"
CALL_PATH = "/gradio_api/call/"
DESCRIBED = "All endpoints and their parameters are described at /gradio_api/info."
T = TypeVar("T")


# -- What is returned ------------------------------------------------------------------------------


class EarlierTurn(TypedDict):
    """One question of the conversation so far, with what was said to it."""

    question: str
    answer: str


class SentenceObject(TypedDict):
    """One sentence of an answer."""

    text: str
    markers: list[int]
    part: int


class PartObject(TypedDict):
    """One of several facts that a question asks for at once."""

    question: str
    verdict: Literal["answered", "partial", "refused", "chat"]
    text: str
    confidence: float


class PlaceObject(TypedDict):
    """Where a quote stands, for people."""

    paragraph: int
    article: str
    line: int
    column: int
    source_start: int
    source_end: int
    page: int | None


class CitationObject(TypedDict):
    """The exact words that carry a sentence: characters `[start, end)` of the document."""

    marker: int
    quote: str
    document_id: str
    title: str
    source: str
    passage_id: str
    start: int
    end: int
    place: PlaceObject


class CheckObject(TypedDict):
    """One thing that was verified of an answer."""

    name: str
    passed: bool
    detail: str


class ContradictionObject(TypedDict):
    """Two citations that say different things of the same."""

    markers: list[int]
    values: list[str]


class PassageObject(TypedDict):
    """A part of a document: characters `[start, end)` of it."""

    id: str
    document_id: str
    start: int
    end: int
    text: str


class ArmObject(TypedDict):
    """What one arm of the search said of a passage: by meaning (dense) or by words (lexical)."""

    rank: int
    score: float
    terms: list[str]


class HitObject(TypedDict):
    """A passage found, for an answer."""

    passage: PassageObject
    rank: int
    score: float
    arms: dict[str, ArmObject]


class RunnerUpObject(TypedDict):
    """Words that were nearly chosen."""

    document_id: str
    passage_id: str
    start: int
    end: int
    quote: str
    score: float
    part: int


class AnswerObject(TypedDict):
    """An answer: as `Answer.to_dict` writes it, without what is not told to others.

    Withheld choices are left out; sources and models are names without folders, or addresses; and documents have their
    texts only where these were asked for.
    """

    question: str
    query: str
    text: str
    verdict: Literal["answered", "partial", "refused", "chat"]
    confidence: float
    sentences: list[SentenceObject]
    citations: list[CitationObject]
    parts: list[PartObject]
    contradictions: list[ContradictionObject]
    notice: str
    missing: list[str]
    checks: list[CheckObject]
    hits: list[HitObject]
    nearly: list[RunnerUpObject]
    stopped: bool
    documents: dict[str, dict[str, Any]]
    timings: dict[str, float]
    models: dict[str, str]


class FoundObject(TypedDict):
    """A passage found by a search."""

    rank: int
    score: float
    text: str
    document_id: str
    title: str
    source: str
    paragraph: int
    passage_id: str
    start: int
    end: int
    arms: dict[str, ArmObject]
    terms: list[str]


class SearchObject(TypedDict):
    """What a search found, best first."""

    query: str
    hits: list[FoundObject]


class FaultObject(TypedDict):
    """One thing that is wrong with a sentence."""

    rule: Literal["quote", "number", "date", "unit", "word", "name", "negation", "direction", "count", "support"]
    said: str
    found: str
    message: str


class ClaimObject(TypedDict):
    """One sentence of a verified text: characters `[start, end)` of it."""

    text: str
    start: int
    end: int
    verdict: Literal["supported", "contradicted", "unsupported"]
    markers: list[int]
    faults: list[FaultObject]


class VerificationObject(TypedDict):
    """A verified text."""

    text: str
    verdict: Literal["supported", "partial", "unsupported"]
    claims: list[ClaimObject]
    citations: list[CitationObject]


class DocumentObject(TypedDict):
    """A document of the store."""

    id: str
    title: str
    source: str
    date: str | None
    paragraphs: int
    characters: int
    digest: str


class DocumentsObject(TypedDict):
    """The documents of the store, in the order of adding."""

    documents: list[DocumentObject]


# -- The endpoints ---------------------------------------------------------------------------------


def add_endpoints(server: gr.Server, service: Service) -> None:
    """Add the endpoints to a server that is not launched yet: `ask`, `search`, `verify` and `documents`."""

    def ask(
        question: str,
        # Many programs that hand tools to a model know no other way to say that it may be left out.
        history: list[EarlierTurn] = [],  # noqa: B006 - never changed
        whole_documents: bool = False,
        _request: gr.Request | None = None,
    ) -> AnswerObject:
        """Answer a question from the documents of this server, each sentence with the exact words that carry it.

        Returns the text; its sentences with the markers of the citations that carry them; the citations, each with
        its quote, title, place and the characters from start to end of the document; the verdict (answered, partial,
        refused or chat); the confidence, 0 to 1; and the query, which is the question made complete. Where the
        documents do not tell, the verdict is refused, nothing is cited, and the hits are the nearest passages.

        Args:
            question: In Chinese (simplified or traditional) or English, at most 2000 characters.
            history: Earlier turns of the conversation, oldest first: a follow-up is completed from the last four.
            whole_documents: Also return the whole text of each cited document, under documents.
        """

        def answered(chat: Pipeline) -> AnswerObject:
            whole = _flag(whole_documents, "whole_documents")
            return cast(
                "AnswerObject", shared_answer(chat.ask(_text(question, "question"), history_of(_turns(history))), whole)
            )

        return _reply(service, answered, _request)

    def search(query: str, k: int = 8, _request: gr.Request | None = None) -> SearchObject:
        """Find the passages of the documents that fit a query best, by meaning and by words. Nothing is answered.

        Returns the hits, best first: of each the text, the title of its document, the paragraph it begins in, the
        characters from start to end of the document, its rank and score, both also in each arm of the search, and
        the terms that it shares with the query.

        Args:
            query: In Chinese (simplified or traditional) or English, at most 2000 characters.
            k: How many passages are wanted, 1 to 50.
        """

        def found(chat: Pipeline) -> SearchObject:
            hits = chat.search(_text(query, "query"), _number(k, "k", MAX_HITS))
            return {"query": query, "hits": [one for hit in hits if (one := _found(chat, hit)) is not None]}

        return _reply(service, found, _request)

    def verify(text: str, _request: gr.Request | None = None) -> VerificationObject:
        """Check a text that somebody wrote, as another model's answer, sentence by sentence against the documents.

        Returns each sentence as a claim with its verdict (supported, contradicted or unsupported), the markers of the
        citations that carry or contradict it, and what is wrong with it: the rule that failed (number, date, name,
        negation and so on), the words, and what the documents have in their place. Rules decide, no model: a sentence
        that says the same as the documents in quite other words is called unsupported.

        Args:
            text: In Chinese or English, at most 4000 characters and 60 sentences. Markdown and markers may stand in it.
        """

        def verified(chat: Pipeline) -> VerificationObject:
            return cast("VerificationObject", shared(chat.verify(_text(text, "text")).to_dict()))

        return _reply(service, verified, _request)

    def documents(_request: gr.Request | None = None) -> DocumentsObject:
        """List the documents that questions are answered from, in the order of adding.

        Returns of each its id, title, source, date as written in it, numbers of paragraphs and characters, and digest
        (SHA-256 of the file).
        """
        return _reply(service, _listed, _request, waits=False)

    for endpoint in (ask, search, verify, documents):
        # Not queued by Gradio: its MCP server would ask the own address again, without the credentials of whoever
        # asked it, and the other faces would not stand in that queue. The waiting room is the queue.
        server.api(endpoint, name=endpoint.__name__, queue=False, concurrency_limit=None)
    for kind in (TypeError, KeyError):
        server.add_exception_handler(kind, _misfit)


def describe(server: gr.Server) -> None:
    """Put what the docstrings say of each parameter into `/gradio_api/info`: Gradio tells it over MCP alone.

    Args:
        server: Was launched already, and has not told of its endpoints yet.
    """
    for function in server.get_blocks().fns.values():
        if function.fn is None:
            continue
        _, said, _ = get_function_description(function.fn)
        for component, (name, *_) in zip(function.inputs, get_function_params(function.fn), strict=False):
            if isinstance(component, Api):
                component.api_info()["additional_description"] = said.get(name, "")


async def _misfit(request: Request, error: Exception) -> Response:
    """Say what does not fit where a call names other parameters than there are, or an endpoint that there is not.

    Gradio raises what Python does then, which would be a failure of the program.
    """
    if not request.url.path.startswith(CALL_PATH):
        raise error
    if isinstance(error, KeyError):
        return JSONResponse({"error": f"There is no endpoint {error}. {DESCRIBED}"}, 404)
    said = str(error).partition(" Please ")[0].rstrip(".")
    return JSONResponse({"error": f"{said}. {DESCRIBED}"}, 400)


def _found(chat: Pipeline, hit: Hit) -> FoundObject | None:
    """Return a hit with what its document says of it; None where that was removed meanwhile."""
    passage = hit.passage
    try:
        document = chat.store.document(passage.document_id)
    except NotFoundError:
        return None
    arms = {name: ArmObject(rank=arm.rank, score=arm.score, terms=list(arm.terms)) for name, arm in hit.arms.items()}
    return {
        "rank": hit.rank,
        "score": hit.score,
        "text": passage.text,
        "document_id": document.id,
        "title": document.title,
        "source": shared_source(document.source),
        "paragraph": document.paragraph_at(passage.start).number,
        "passage_id": passage.id,
        "start": passage.start,
        "end": passage.end,
        "arms": arms,
        "terms": list(dict.fromkeys(term for arm in arms.values() for term in arm["terms"])),
    }


def _listed(chat: Pipeline) -> DocumentsObject:
    return {
        "documents": [
            {
                "id": one.id,
                "title": one.title,
                "source": shared_source(one.source),
                "date": one.date,
                "paragraphs": one.paragraphs,
                "characters": one.characters,
                "digest": one.digest,
            }
            for one in chat.listed()
        ]
    }


# -- What a program sends, and what becomes of an error --------------------------------------------


def _reply(service: Service, work: Callable[[Pipeline], T], request: gr.Request | None, waits: bool = True) -> T:
    """Return what is worked out, in the form that the caller reads; an error as its message."""
    over_mcp = request is not None and MCP_PATH in str(request.url)
    try:
        with service.waiting.enter() if waits else nullcontext() as ticket:
            if ticket is not None and not ticket.wait(PATIENCE):
                raise BusyError(f"Too many questions at once: this one waited {PATIENCE:.0f} seconds. Ask again later.")
            reply = service.run(work)
    except RagError as error:
        raise (error if over_mcp else gr.Error(str(error), print_exception=False)) from None
    except Exception:
        logger.exception("A request of a program failed.")
        raise (RagError(FAILED) if over_mcp else gr.Error(FAILED, print_exception=False)) from None
    # Gradio's MCP server sends str() of it, which of a dictionary is Python's form, not JSON.
    return cast("T", json.dumps(reply, ensure_ascii=False)) if over_mcp else reply


def _text(given: object, name: str) -> str:
    if not isinstance(given, str):
        raise InputError(f"{name} must be a text, not {_shown(given)}.")
    return given


def _flag(given: object, name: str) -> bool:
    if not isinstance(given, bool):
        raise InputError(f"{name} must be true or false, not {_shown(given)}.")
    return given


def _number(given: object, name: str, most: int) -> int:
    if not isinstance(given, int) or isinstance(given, bool) or not 1 <= given <= most:
        raise InputError(f"{name} must be a whole number from 1 to {most}, not {_shown(given)}.")
    return given


def _turns(given: object) -> list[tuple[str, str]]:
    """Return the earlier turns that a program sent."""
    if given is None:
        return []
    if not isinstance(given, list) or len(given) > MAX_HISTORY:
        raise InputError(f"history must be a list of at most {MAX_HISTORY} earlier turns.")
    turns = []
    for turn in given:
        words = (turn.get("question"), turn.get("answer")) if isinstance(turn, dict) else (None, None)
        question, answer = words
        if not isinstance(question, str) or not isinstance(answer, str):
            raise InputError(f'Each turn of history must be {{"question": …, "answer": …}}, not {_shown(turn)}.')
        if max(len(question), len(answer)) > MAX_TOLD:
            raise InputError(f"A turn of history has more than {MAX_TOLD} characters. Leave out or shorten it.")
        turns.append((question, answer))
    return turns


def _shown(given: object) -> str:
    text = repr(given)
    return text if len(text) <= 60 else f"{text[:59]}…"
