"""Generators: a question and its hits in, an answer out, one sentence at a time.

The extractive generator gives the reader's quotes; a model generator lets a language model write, and takes from its
words nothing on trust: thoughts and markers are taken out, and its markers are hints that others check.
`load_generator` opens the one that the settings name. This module does not know citations' numbers or refusals.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from rag.chat import ChatModel, Message, OutputLimitError, UnusableError
from rag.citations import Quote
from rag.drafts import SentenceSplitter, ThoughtFilter, read_markers, without_markup
from rag.errors import ModelError
from rag.hub import resolve
from rag.passages import Passage
from rag.prompts import Source, answer_messages, rewrite_messages, says_no_answer
from rag.question import Asked
from rag.reader import Reading
from rag.retriever import Hit
from rag.settings import EXTRACTIVE, Settings

SERVER = "openai:"  # before the name of a model that a server holds
CHARACTERS_PER_TOKEN = 16  # more than a model writes; for those that obey no limit
MAX_REWRITTEN = 200  # characters a rewritten question may have beyond twice those of the question

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Draft:
    """One sentence of an answer, before it is verified."""

    text: str
    quotes: tuple[Quote, ...] = ()  # what it stands on, where that is known
    hints: tuple[int, ...] = ()  # ranks of the hits that its markers name
    invented: int = 0  # markers that name no passage the model was given


@dataclass(frozen=True)
class Task:
    """What a generator answers."""

    asked: Asked
    hits: tuple[Hit, ...]  # best first
    reading: Reading  # what the extractive reader makes of them
    title_of: Callable[[Passage], str]


class Generator(Protocol):
    """What the pipeline asks of a generator."""

    name: str  # as a user would name it in the settings

    def write(self, task: Task, stop: threading.Event) -> Iterator[Draft]:
        """Yield the answer's sentences; none where the text does not tell. Ends soon after `stop` is set.

        Raises:
            ModelError: The model failed; the drafts that came before it are not to be used.
        """


def load_generator(settings: Settings) -> Generator:
    """Open the generator that the settings name.

    Raises:
        ModelError: There is no such model, it cannot be loaded, or the settings do not say where it is.
    """
    if settings.generator == EXTRACTIVE:
        return ExtractiveGenerator()
    # Imported only where they are asked for: each brings a heavy library.
    if settings.generator.startswith(SERVER):
        from rag.server_chat import ServerChat

        return ModelGenerator(ServerChat(settings.generator.removeprefix(SERVER), settings), settings)
    from rag.local_chat import LocalChat

    folder = resolve(settings.generator, settings.generator_revision, settings.offline, "generator")
    return ModelGenerator(LocalChat(folder, settings.generator, settings), settings)


class ExtractiveGenerator:
    """Gives the quotes that the reader chose, each as a sentence."""

    name = EXTRACTIVE

    def write(self, task: Task, stop: threading.Event) -> Iterator[Draft]:
        """Yield a draft for each quote."""
        for quote in task.reading.quotes:
            if stop.is_set():
                return
            passage = quote.passage
            yield Draft(passage.text[quote.start - passage.start : quote.end - passage.start], (quote,))


class ModelGenerator:
    """Lets a language model write from the hits."""

    def __init__(self, model: ChatModel, settings: Settings) -> None:
        """Keep the model; of the settings, the length of an answer counts."""
        self.name = model.name
        self.model = model
        self._tokens = settings.generator_tokens

    def write(self, task: Task, stop: threading.Event) -> Iterator[Draft]:
        """Yield each sentence when it is complete.

        Raises:
            ModelError: The model failed, said nothing, or not even the first hit fits into its context.
        """
        if not task.hits or stop.is_set():
            return
        messages, hits = self._prompt(task)
        wrote = False
        for sentence in self._sentences(messages, stop):
            marked = read_markers(sentence, len(hits))
            text = without_markup(marked.text)
            if says_no_answer(text):
                if wrote:
                    continue  # it told something all the same
                return
            wrote = True
            if any(character.isalnum() for character in text):
                hints = tuple(hits[number - 1].rank for number in marked.numbers)
                yield Draft(text, (), hints, marked.invented)
        if not wrote and not stop.is_set():
            raise UnusableError(
                f"The generator {self.name!r} gave an empty answer. Ask again, allow more tokens (generator_tokens), "
                "or name another model.",
                f"语言模型 {self.name!r} 什么也没有回答。请再问一次，或者允许更长的回答（generator_tokens），"
                "或者换一个模型。",
            )

    def _prompt(self, task: Task) -> tuple[list[Message], Sequence[Hit]]:
        """Return the messages with as many hits as fit, the first ones, each whole."""
        sources = [Source(task.title_of(hit.passage), hit.passage.text) for hit in task.hits]
        room = self.model.context_size - self._tokens
        for count in range(len(sources), 0, -1):
            messages = answer_messages(task.asked.query, sources[:count])
            needed = self.model.count_tokens(messages)
            if needed <= room:
                if count < len(sources):
                    logger.warning("%s is given %d of %d passages: no more fit.", self.name, count, len(sources))
                return messages, task.hits[:count]
        raise ModelError(
            f"The generator {self.name!r} takes {self.model.context_size} tokens, of which {self._tokens} are kept for "
            f"the answer; the question with one passage needs {needed}. Allow more (generator_context), keep fewer for "
            "the answer (generator_tokens), or name a model of a longer context.",
            f"语言模型 {self.name!r} 一次能读 {self.model.context_size} 个词元，其中 {self._tokens} 个留给回答；"
            f"问题加上一个段落就要 {needed} 个。请允许更多（generator_context），给回答少留一些（generator_tokens），"
            "或者换一个上下文更长的模型。",
        )

    def _sentences(self, messages: Sequence[Message], stop: threading.Event) -> Iterator[str]:
        """Yield the model's sentences without its thoughts; a last one that was cut is left out."""
        thoughts, splitter = ThoughtFilter(), SentenceSplitter()
        left = self._tokens * CHARACTERS_PER_TOKEN
        some = False
        pieces = self.model.chat(messages, stop)
        try:
            for piece in pieces:
                left -= len(piece)
                for sentence in splitter.feed(thoughts.feed(piece)):
                    some = True
                    yield sentence
                if left < 0:
                    raise OutputLimitError(
                        f"The generator {self.name!r} did not end: it wrote more than {self._tokens} tokens "
                        "(generator_tokens). Allow more, or name another model.",
                        f"语言模型 {self.name!r} 写个不停，超过了 {self._tokens} 个词元（generator_tokens）。"
                        "请允许更多，或者换一个模型。",
                    )
            if not stop.is_set():
                yield from splitter.feed(thoughts.finish())
                yield from splitter.finish()
        except OutputLimitError:
            if not some:
                raise
        finally:
            _close(pieces)


def rewrite(model: ChatModel, question: str, history: Sequence[tuple[str, str]], stop: threading.Event) -> str:
    """Return the question completed from the conversation, or as it is where the model does not help.

    Args:
        model: Is asked once.
        question: As it was asked.
        history: Earlier questions and answers, oldest first.
        stop: Ends it early; the question is returned as it is.

    Raises:
        ModelError: The model failed.
    """
    limit = 2 * len(question) + MAX_REWRITTEN
    room = model.context_size - limit
    turns = list(history)
    while turns and model.count_tokens(rewrite_messages(question, turns)) > room:
        del turns[0]
    if not turns:
        return question
    thoughts, left, written = ThoughtFilter(), limit * CHARACTERS_PER_TOKEN, ""
    pieces = model.chat(rewrite_messages(question, turns), stop)
    try:
        for piece in pieces:
            left -= len(piece)
            written += thoughts.feed(piece)
            if left < 0 or len(written) > limit:
                return question
        written += thoughts.finish()
    except OutputLimitError:
        return question
    finally:
        _close(pieces)
    lines = [without_markup(line) for line in written.splitlines() if line.strip()]
    said = lines[0].strip("“”\"'「」 ") if len(lines) == 1 and not stop.is_set() else ""
    return said if any(character.isalnum() for character in said) else question


def _close(pieces: Iterator[str]) -> None:
    """Close an iterator now, and not when its memory is freed."""
    close = getattr(pieces, "close", None)
    if close is not None:
        close()
