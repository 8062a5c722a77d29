"""A language model of an OpenAI-compatible server: Ollama, vLLM, SGLang, llama.cpp, `transformers serve`, hosted ones.

The key is read from the environment at each question and kept nowhere; no message, log or error shows it. What the
server says is not trusted: it is bounded, and read only where it has the form of a chat completion.
"""

import asyncio
import importlib.util
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from rag.chat import ChatModel, Message, OutputLimitError, UnreachableError, relay
from rag.errors import ModelError
from rag.settings import Settings

KEYS = ("RAG_GENERATOR_KEY", "OPENAI_API_KEY")  # the first that is set counts
NO_KEY = "none"  # sent where none is set: servers of one's own ask for none
CHARACTERS_PER_TOKEN = 16  # more than a model writes
BYTES = 1 << 20, 4096  # of a response at most: in any case, and for each token of the answer
BACKOFF = 8.0  # seconds the client waits between two tries, at most
SAID = 200  # characters shown of what a server says of an error
# Tokens that are counted for each character, on the high side: the server's tokenizer is not known.
WIDE, NARROW, AROUND = 1.0, 0.4, 8  # of Chinese, of other writing, and around each message
_SWITCH = {"chat_template_kwargs": {"enable_thinking": False, "thinking": False}}


class ServerChat(ChatModel):
    """A model of a server. Nothing is asked before the first chat."""

    def __init__(self, model: str, settings: Settings) -> None:
        """Keep where the model is.

        Raises:
            ModelError: The model or the server's address is not named, the address cannot be one, or the client is
                not installed.
        """
        if importlib.util.find_spec("openai") is None:
            raise ModelError(
                "A generator on a server needs the client `openai`. Install it: pip install openai",
                "使用服务器上的语言模型，需要安装客户端 openai：pip install openai",
            )
        import openai.resources.chat  # noqa: F401  # now, so that the first chat need not wait for it

        self.name = f"openai:{model}"
        self.context_size = settings.generator_context
        self._model = model
        self._url = _checked(settings.generator_url, self.name)
        self._shown = urlsplit(self._url)._replace(query="", fragment="").geturl()
        self._timeout, self._retries = settings.generator_timeout, settings.generator_retries
        self._limit = settings.generator_tokens
        # Ways to say the same, for servers that refuse what they do not know; the first that was taken is kept.
        self._forms: tuple[Mapping[str, Any], ...] = (
            {"max_tokens": self._limit, "temperature": 0, "extra_body": _SWITCH},
            {"max_tokens": self._limit, "temperature": 0},
            {"max_completion_tokens": self._limit},
        )
        self._form = 0

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return an estimate, rather too high."""
        return sum(AROUND + _estimate(message.content) for message in messages)

    def chat(self, messages: Sequence[Message], stop: threading.Event) -> Iterator[str]:
        """Yield the reply in pieces, see `rag.chat.ChatModel`."""
        call = _Call(lambda put: self._ask(messages, put))
        yield from relay(call.run, call.cancel, stop)

    async def _ask(self, messages: Sequence[Message], put: Callable[[str], None]) -> None:
        key = _key()
        try:
            await self._stream(messages, key, put)
            return
        except ModelError:
            raise
        except Exception as error:  # the client's, and those of the libraries under it
            told = self._explained(error, key)
        # Raised here, so that the error which holds the request, and the key in it, does not hang on ours.
        raise told

    async def _stream(self, messages: Sequence[Message], key: str, put: Callable[[str], None]) -> None:
        import openai

        limit = BYTES[0] + BYTES[1] * self._limit
        async with openai.AsyncOpenAI(
            api_key=key,
            base_url=self._url,
            timeout=self._timeout,
            max_retries=self._retries,
            default_headers={"Accept-Encoding": "identity"},  # what is bounded is not blown up afterwards
            http_client=openai.DefaultAsyncHttpx2Client(event_hooks={"response": [_bounding(limit)]}),
        ) as client:
            said: Any = [{"role": message.role, "content": message.content} for message in messages]
            for form in range(self._form, len(self._forms)):
                try:
                    async with asyncio.timeout(self._timeout + self._retries * (self._timeout + BACKOFF)):
                        stream = await client.chat.completions.create(
                            model=self._model, messages=said, stream=True, **self._forms[form]
                        )
                except (openai.BadRequestError, openai.UnprocessableEntityError):
                    if form + 1 == len(self._forms):
                        raise
                    continue
                self._form = form
                await self._read(stream, put)
                return

    async def _read(self, stream: Any, put: Callable[[str], None]) -> None:
        """Put the words of a stream until it says that it ended."""
        left = self._limit * CHARACTERS_PER_TOKEN
        chunks, finished = 0, ""
        async with stream:
            iterator = aiter(stream)
            while True:
                try:
                    # Bytes that keep a connection alive are no words.
                    async with asyncio.timeout(self._timeout):
                        chunk = await anext(iterator)
                except StopAsyncIteration:
                    break
                chunks += 1
                for choice in (chunk.choices or [])[:1]:
                    words = choice.delta.content or ""
                    thought = getattr(choice.delta, "reasoning_content", None) or getattr(choice.delta, "reasoning", "")
                    if not isinstance(words, str):
                        raise ValueError("the content is no text")
                    left -= len(words) + len(thought or "") + 1
                    if words:
                        put(words)
                    finished = choice.finish_reason or finished
                if finished:
                    break
                if left < 0:
                    finished = "length"
                    break
        if not chunks:
            raise ValueError("no chunk of a chat completion")
        if not finished:
            raise ModelError(
                f"The answer of {self.name!r} from {self._shown} was cut: the connection ended before the answer did. "
                "Ask again; if it stays so, look into the server's log.",
                f"服务器 {self._shown} 上 {self.name!r} 的回答没有传完，连接就断了。"
                "请再问一次；如果总是这样，请查看服务器的日志。",
            )
        if finished == "length":
            raise OutputLimitError(
                f"The answer of {self.name!r} was cut at {self._limit} tokens. Allow more (generator_tokens).",
                f"{self.name!r} 的回答在 {self._limit} 个词元处被截断。请允许更多（generator_tokens）。",
            )
        if finished == "content_filter":
            raise ModelError(
                f"The server {self._shown} held the answer of {self.name!r} back: its content filter.",
                f"服务器 {self._shown} 的内容过滤拦下了 {self.name!r} 的回答。",
            )

    def _explained(self, error: Exception, key: str) -> ModelError:
        """Return what happened and what to do, without the key, whatever the server said.

        What libraries and servers say is in no language of ours: it stands in the English alone.
        """
        import openai

        where = f"the server {self._shown}"
        if isinstance(error, (openai.APITimeoutError, TimeoutError)):
            return UnreachableError(
                f"The server {self._shown} was silent for {self._timeout:g} s. Is the model still loading? Ask again, "
                "allow more time (generator_timeout), or name a smaller model.",
                f"服务器 {self._shown} 在 {self._timeout:g} 秒内没有回应。模型还在载入吗？请再问一次，"
                "或者多等一些时间（generator_timeout），或者换一个小一些的模型。",
            )
        if isinstance(error, openai.APIConnectionError):
            cause = _hidden(_cause(error), key)
            return UnreachableError(
                f"The server {self._shown} cannot be reached ({cause}). Is it running, and is the address right?",
                f"连不上服务器 {self._shown}。它在运行吗？地址对吗？",
            )
        if isinstance(error, openai.APIStatusError):
            status, said = error.status_code, _hidden(_said(error), key)
            other = ("Is it OpenAI-compatible?", "它与 OpenAI 的接口兼容吗？")
            if status >= 500:
                other = (
                    "Ask again; if it stays so, look into the server's log.",
                    "请再问一次；如果总是这样，请查看它的日志。",
                )
            remedy, chinese = {
                401: (
                    f"Set ${KEYS[0]} to a key that the server knows.",
                    f"请把环境变量 {KEYS[0]} 设为服务器认可的密钥。",
                ),
                403: (
                    f"Set ${KEYS[0]} to a key that may use this model.",
                    f"请把环境变量 {KEYS[0]} 设为有权使用这个模型的密钥。",
                ),
                404: (
                    f"Check the model's name, {self._model!r}, and the address, which often ends in /v1.",
                    f"请检查模型的名称 {self._model!r} 和服务器的地址，地址常以 /v1 结尾。",
                ),
                429: (
                    "Too much was asked of it, or the account is used up. Wait, and ask again.",
                    "请求太多，或者账户额度已用完。请稍后再问。",
                ),
            }.get(status, other)
            return ModelError(
                f"HTTP {status} from {where} for {self._model!r}: {said}. {remedy}",
                f"服务器 {self._shown} 没有接受对 {self._model!r} 的请求（HTTP {status}）。{chinese}",
            )
        if isinstance(error, openai.APIError):
            said = _hidden(_said(error), key)
            return ModelError(
                f"The answer of {self.name!r} broke off, {where} says: {said}. Ask again.",
                f"{self.name!r} 的回答中断了：服务器 {self._shown} 报告出错。请再问一次。",
            )
        kind = type(error).__name__
        if not isinstance(error, (ValueError, TypeError, LookupError, AttributeError)):
            said = _hidden(str(error), key)
            return ModelError(
                f"The client cannot ask {where}: {kind}: {said}.",
                f"无法向服务器 {self._shown} 提问。请检查地址；英文界面里有详细的原因。",
            )
        return ModelError(
            f"What {where} sent is no stream of a chat completion ({kind}). Is it OpenAI-compatible, and is the "
            "address right? It often ends in /v1.",
            f"服务器 {self._shown} 发来的不是聊天回答。它与 OpenAI 的接口兼容吗？地址对吗？地址常以 /v1 结尾。",
        )


class _Call:
    """A coroutine that runs in one thread and is cancelled from another, at any moment."""

    def __init__(self, work: Callable[[Callable[[str], None]], Any]) -> None:
        self._work = work
        self._over = threading.Event()
        self._running: tuple[asyncio.AbstractEventLoop, asyncio.Task[None]] | None = None

    def run(self, put: Callable[[str], None]) -> None:
        """Run to the end, or until it is cancelled."""

        async def main() -> None:
            task = asyncio.current_task()
            assert task is not None  # we are in it
            self._running = asyncio.get_running_loop(), task
            if not self._over.is_set():  # whoever cancels from here on finds the task
                await self._work(put_unless_over)

        def put_unless_over(piece: str) -> None:
            if self._over.is_set():  # a library may have kept the cancelling to itself
                raise asyncio.CancelledError
            put(piece)

        try:
            asyncio.run(main())
        except asyncio.CancelledError:
            return

    def cancel(self) -> None:
        """Make `run` end soon."""
        self._over.set()
        if self._running is not None:
            loop, task = self._running
            try:
                loop.call_soon_threadsafe(task.cancel)
            except RuntimeError:  # it ended meanwhile
                return


def _bounding(limit: int) -> Callable[[Any], Awaitable[None]]:
    """Return a hook of the client that lets a response have `limit` bytes at most: a line need not ever end."""
    import httpx2  # the client's own

    class Bounded(httpx2.AsyncByteStream):
        def __init__(self, stream: httpx2.AsyncByteStream) -> None:
            self._stream = stream

        async def __aiter__(self) -> AsyncIterator[bytes]:
            left = limit
            async for part in self._stream:
                left -= len(part)
                if left < 0:
                    raise ModelError(
                        f"The server sent more than {limit:,} bytes for one answer. Is it the right one?",
                        f"服务器为一个回答发来了超过 {limit:,} 字节的内容。是这台服务器吗？",
                    )
                yield part

        async def aclose(self) -> None:
            await self._stream.aclose()

    async def bound(response: httpx2.Response) -> None:
        if isinstance(response.stream, httpx2.AsyncByteStream):
            response.stream = Bounded(response.stream)

    return bound


def _checked(url: str | None, name: str) -> str:
    if not name.removeprefix("openai:"):
        raise ModelError(
            "The generator 'openai:' names no model. Name one that the server has: openai:MODEL.",
            "“openai:”后面没有写模型的名称。请写服务器上有的模型：openai:模型名。",
        )
    if not url:
        raise ModelError(
            f"The generator {name!r} is on a server whose address is not given. Give it, for instance "
            "http://127.0.0.1:11434/v1.",
            f"语言模型 {name!r} 在服务器上，却没有给出服务器的地址。请填写，例如 http://127.0.0.1:11434/v1。",
        )
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable:
        raise ModelError(
            "This is no address of a server: one looks like http://127.0.0.1:11434/v1.",
            "这不是服务器的地址。地址形如 http://127.0.0.1:11434/v1。",
        )
    if parts.username or parts.password:
        raise ModelError(
            f"The server's address holds a name or password. Leave it out and set ${KEYS[0]} instead.",
            f"地址中有用户名或密码。请去掉，改用环境变量 {KEYS[0]}。",
        )
    return url


def _key() -> str:
    """Return the key of the server from the environment.

    Raises:
        ModelError: It cannot stand in a request.
    """
    name, key = next(((name, value) for name in KEYS if (value := os.environ.get(name, "").strip())), (KEYS[0], NO_KEY))
    if not (key.isascii() and key.isprintable()):
        raise ModelError(
            f"The key in ${name} has characters that no key has. Set it anew.",
            f"环境变量 {name} 中的密钥含有不该有的字符。请重新设置。",
        )
    return key


def _estimate(text: str) -> int:
    wide = sum(character >= "\u2e80" for character in text)
    return round(wide * WIDE + (len(text) - wide) * NARROW + 0.5)


def _said(error: Any) -> str:
    body = error.body
    if isinstance(body, Mapping):
        body = body.get("message") or body.get("detail") or body.get("error") or ""
    return body if isinstance(body, str) and body.strip() else str(error.message)


def _cause(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error) or type(error).__name__


def _hidden(text: str, key: str) -> str:
    """Return a line of a text without the key, and not too long."""
    if key != NO_KEY:
        text = text.replace(key, "***")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:SAID] or "no reason"
