"""Asking: one question of a kept conversation, as a series of events that the page shows while the answer grows."""

import json
import logging
import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace

from rag.answers import Answer
from rag.conversation import Conversation, Turn
from rag.errors import InputError, Language, NotFoundError, RagError
from rag.page.render import render
from rag.page.service import Service
from rag.page.talk import ShownTurn, seal
from rag.page.words import say
from rag.pipeline import Pipeline

logger = logging.getLogger(__name__)

PATIENCE = 0.25  # seconds between two messages of how many questions are ahead


@dataclass(frozen=True)
class Asking:
    """What the page sends with a question."""

    question: str
    conversation: str = ""  # id; "" starts one
    replaces: bool = False  # the answer takes the place of the last turn
    seen: str | None = None  # the seal of the last turn that the page shows, "" for none; None where it does not say
    again: int | None = None  # the turn whose search was edited: then the question is searched for as it stands


def events(
    service: Service, asking: Asking, owner: str, language: Language, stop: threading.Event
) -> Generator[str, None, None]:
    """Yield JSON lines: the turn as it is now, under `html`, and under `state` what it is.

    `waiting` (with `ahead`), `growing`, `done` and `failed` (with `message`, and then there is no turn). `conversation`
    and `turn` say where it is kept.
    """
    chat = service.pipeline
    started = told = ""
    try:
        with service.waiting.enter() as ticket:
            while not (admitted := ticket.wait(PATIENCE)) and not stop.is_set():
                ahead = ticket.ahead + service.waiting.places  # those that wait, and those worked on
                yield _line(state="waiting", ahead=ahead, message=say(language, "waiting", ahead=ahead))
            if admitted:
                conversation, started = _conversation(chat, asking, owner)
                yield from _answered(service, chat, conversation, asking, owner, language, stop)
                started = ""
            else:
                told = say(language, "stopped")
    except RagError as error:
        told = error.said(language)
    except Exception:
        logger.exception("A question could not be answered.")
        told = say(language, "program failed")
    finally:  # also where nobody takes the rest
        if started:
            _forget_empty(chat, started)
    if told:
        yield _line(state="failed", message=told)


def _forget_empty(chat: Pipeline, conversation: str) -> None:
    """Delete a conversation that was started for a question of which nothing came."""
    try:
        if not chat.conversation(conversation).length:
            chat.delete_conversation(conversation)
    except RagError:
        logger.warning("An empty conversation could not be deleted.", exc_info=True)


def _conversation(chat: Pipeline, asking: Asking, owner: str) -> tuple[Conversation, str]:
    """Return the conversation to ask in, and its id where it was started for this question."""
    if asking.conversation:
        return chat.conversation(asking.conversation, owner=owner), ""
    started = chat.start_conversation(owner=owner)
    return started, started.id


def _answered(
    service: Service,
    chat: Pipeline,
    kept: Conversation,
    asking: Asking,
    owner: str,
    language: Language,
    stop: threading.Event,
) -> Iterator[str]:
    replaces = asking.replaces and bool(kept.turns)
    again = asking.again
    if (replaces or again is not None) and asking.seen not in (None, seal(kept.turns[-1]) if kept.turns else ""):
        raise InputError(
            "The conversation went on in another window. Load the page again, so that nothing is replaced unseen.",
            "这段对话在别的窗口里有了新的问答。请重新载入页面，以免替换掉没看到的回答。",
        )
    if again is not None:
        if not 1 <= again <= len(kept.turns):
            raise NotFoundError(f"The conversation has no turn {again}.", f"这段对话没有第 {again} 轮。")
        # An earlier turn stays, since later ones were asked with it in mind; the search is then a turn of its own.
        replaces = again == len(kept.turns)
    number = len(kept.turns) + (0 if replaces else 1)

    def where() -> dict[str, object]:
        return {"conversation": kept.id, "turn": number, "replaces": replaces}

    turn: Turn | None = None

    def answers() -> Iterator[Answer]:
        nonlocal number, turn

        def asked(of: Pipeline) -> Generator[Answer, None, Turn | None]:
            if again is None:
                return of.stream(asking.question, conversation=kept.id, stop=stop, owner=owner, replace=replaces)
            return _searched_again(of, kept, asking, replaces, owner, stop)

        turn = yield from service.stream(chat, asked)
        if turn is not None:  # another one may have been kept meanwhile
            number = turn.number

    def shown(answer: Answer, is_growing: bool) -> str:
        growing = ShownTurn(
            chat,
            language,
            kept.id,
            number,
            answer,
            turn.states if turn is not None else {one.marker: "alive" for one in answer.citations},
            is_growing=is_growing,
        )
        return render("turn.html", language, turn=growing)

    yield _line(
        state="growing", html=render("pending.html", language, number=number, question=asking.question), **where()
    )
    before = answer = None
    for answer in answers():
        if before is not None:
            yield _line(state="growing", html=shown(before, True), **where())
        before = answer
    if answer is None:
        raise InputError("No answer was given. Ask again.", "没有得到回答，请再问一次。")
    if turn is not None:
        answer = turn.answer  # one that was stopped before it said anything takes no other's place
    shelf = render("conversations.html", language, kept=chat.conversations(owner=owner), conversation=kept.id)
    yield _line(state="done", html=shown(answer, False), shelf=shelf, told=answer.text, **where())


def _searched_again(
    chat: Pipeline, kept: Conversation, asking: Asking, replaces: bool, owner: str, stop: threading.Event
) -> Generator[Answer, None, Turn | None]:
    """Yield the answer to another search, keep it and return its turn; it is not completed from the turns before."""
    answer: Answer | None = None
    question = kept.turns[-1].answer.question
    if not replaces:
        chat.kept.check_room(kept)
    for answer in chat.stream(asking.question, stop=stop):
        if replaces:
            answer = replace(answer, question=question)
        yield answer
    if answer is None:
        return None
    if replaces and stop.is_set() and not answer.sentences:
        return kept.turns[-1]
    if replaces:
        return chat.replace_turn(kept.id, kept.turns[-1].number, answer, owner=owner)
    return chat.kept.append(kept.id, answer, owner)


def _line(**event: object) -> str:
    return json.dumps(event, ensure_ascii=False) + "\n"
