"""A language model on this machine: any causal model of `transformers` with a chat template, from its folder.

It is asked through its template with thinking switched off, and decodes greedily. Special tokens are kept where they
mark thoughts, since what reads the words must see those. It knows nothing of passages or answers.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rag.chat import POLL, ChatModel, Message, OutputLimitError, relay
from rag.drafts import THOUGHTS
from rag.errors import ModelError
from rag.settings import Settings

DTYPES = ("auto", "float32", "float16", "bfloat16")
# What templates call the switch; one that knows none of these names leaves it aside.
NO_THINKING = {"enable_thinking": False, "thinking": False}


class _LeftError(Exception):
    """Nobody reads the words any more."""


class LocalChat(ChatModel):
    """A causal model with its tokenizer. One chat at a time; others wait for their turn."""

    def __init__(self, folder: Path, name: str, settings: Settings) -> None:
        """Load the model from its folder; nothing is asked of a hub.

        Raises:
            ModelError: It cannot be loaded, is no causal model, or has no chat template.
        """
        self.name = name
        self._limit = settings.generator_tokens
        if settings.generator_dtype not in DTYPES:
            raise ModelError(
                f"generator_dtype is {settings.generator_dtype!r}; it can be {', '.join(map(repr, DTYPES))}.",
                f"generator_dtype 是 {settings.generator_dtype!r}，只能是 {'、'.join(map(repr, DTYPES))}。",
            )
        try:
            import torch
            from transformers import AutoModelForCausalLM, AutoTokenizer

            self._tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
            model, loading = AutoModelForCausalLM.from_pretrained(
                str(folder),
                local_files_only=True,
                trust_remote_code=False,
                output_loading_info=True,
                dtype=settings.generator_dtype,
            )
            own = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
            device = settings.generator_device or settings.device or own or "cpu"
            self._model = model.to(torch.device(device)).eval()
        except Exception as error:  # the libraries pass on whatever theirs raise
            raise ModelError(
                f"The generator {name!r} cannot be loaded from {folder}: {error}. Is it a complete causal language "
                "model, and does it fit on the device?",
                f"无法从 {folder} 载入语言模型 {name!r}：{error}。它是完整的因果语言模型吗？设备放得下它吗？",
            ) from error
        if untrained := sorted(loading["missing_keys"]):
            raise ModelError(
                f"The generator {name!r} was not trained to write: its file lacks {', '.join(untrained[:3])}. Name a "
                "causal language model.",
                f"语言模型 {name!r} 没有学过写作：文件里缺少 {'、'.join(untrained[:3])}。请换一个因果语言模型。",
            )
        if not self._tokenizer.chat_template:
            raise ModelError(
                f"The generator {name!r} has no chat template, so it was not trained to follow a request. Name a model "
                "that was: its name often says Instruct or Chat.",
                f"语言模型 {name!r} 没有对话模板，也就没有学过按要求回答。"
                "请换一个学过的模型，名称里常带 Instruct 或 Chat。",
            )
        config = self._model.config.get_text_config()
        longest = getattr(config, "max_position_embeddings", None) or settings.generator_context
        self.context_size = int(min(settings.generator_context, longest, self._tokenizer.model_max_length))
        self._ends = self._end_tokens()
        self._hidden, self._special = self._special_tokens()
        self._lock = threading.Lock()
        self._over = threading.Event()  # of the chat whose turn it is
        for module in self._model.modules():
            if isinstance(module, torch.nn.ModuleList):  # the layers, so that a long prompt can be left in its middle
                for layer in module:
                    layer.register_forward_pre_hook(self._leave)

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return how many tokens the messages take with all that the template adds."""
        return len(self._tokenizer(self._prompt(messages), add_special_tokens=False)["input_ids"])

    def chat(self, messages: Sequence[Message], stop: threading.Event) -> Iterator[str]:
        """Yield the reply in pieces, see `rag.chat.ChatModel`."""
        over = threading.Event()

        def work(put: Callable[[str], None]) -> None:
            while not self._lock.acquire(timeout=POLL):
                if over.is_set():
                    return
            try:
                self._over = over
                prompt = self._prompt(messages)
                if mark := _open_thought(prompt, messages[-1].content):
                    put(mark)
                self._write(prompt, over, put)
            finally:
                self._lock.release()

        yield from relay(work, over.set, stop)

    def _write(self, prompt: str, over: threading.Event, put: Callable[[str], None]) -> None:
        import torch
        from transformers import GenerationConfig

        inputs = self._tokenizer(prompt, add_special_tokens=False, return_tensors="pt").to(self._model.device)
        writer = _Writer(self._tokenizer, self._hidden, self._ends, put)
        config = GenerationConfig(
            max_new_tokens=self._limit,
            do_sample=False,
            eos_token_id=self._ends or None,
            pad_token_id=self._tokenizer.pad_token_id if self._tokenizer.pad_token_id is not None else self._any_end(),
        )

        def left(input_ids: Any, scores: Any, **_: Any) -> Any:
            return torch.full((input_ids.shape[0],), over.is_set(), dtype=torch.bool, device=input_ids.device)

        try:
            self._model.generate(
                input_ids=inputs["input_ids"],
                attention_mask=inputs["attention_mask"],
                generation_config=config,
                stopping_criteria=[left],
                streamer=writer,
            )
        except _LeftError:
            return
        except Exception as error:  # out of memory, a device that went away
            raise ModelError(
                f"The generator {self.name!r} failed while it wrote: {_first_line(error)}. Ask again, choose another "
                "device (generator_device), or name a smaller model.",
                f"语言模型 {self.name!r} 写到一半出错：{_first_line(error)}。请再问一次，"
                "或者换一个设备（generator_device），或者换一个小一些的模型。",
            ) from error
        if not writer.ended and not over.is_set():
            raise OutputLimitError(
                f"The answer of {self.name!r} was cut at {self._limit} tokens. Allow more (generator_tokens).",
                f"{self.name!r} 的回答在 {self._limit} 个词元处被截断。请允许更多（generator_tokens）。",
            )

    def _prompt(self, messages: Sequence[Message]) -> str:
        """Return the messages in the model's own form, as the beginning of its reply."""
        plain = [{"role": message.role, "content": self._as_words(message.content)} for message in messages]
        try:
            return self._render(plain)
        except Exception as first:  # jinja2's; some templates know no system message
            if plain[0]["role"] != "system" or len(plain) < 2:
                raise self._unfit(first) from first
        joined = {"role": plain[1]["role"], "content": f"{plain[0]['content']}\n\n{plain[1]['content']}"}
        try:
            return self._render([joined, *plain[2:]])
        except Exception as error:
            raise self._unfit(error) from error

    def _render(self, messages: Sequence[dict[str, str]]) -> str:
        return str(
            self._tokenizer.apply_chat_template(
                list(messages), tokenize=False, add_generation_prompt=True, **NO_THINKING
            )
        )

    def _unfit(self, error: Exception) -> ModelError:
        return ModelError(
            f"The chat template of the generator {self.name!r} cannot be used: {_first_line(error)}. Name another "
            "model.",
            f"语言模型 {self.name!r} 的对话模板用不了：{_first_line(error)}。请换一个模型。",
        )

    def _as_words(self, content: str) -> str:
        """Break what the tokenizer would take for one of its own marks."""
        for token in self._special:
            content = content.replace(token, f"{token[0]} {token[1:]}")
        return content

    def _special_tokens(self) -> tuple[frozenset[int], tuple[str, ...]]:
        """Return the ids that are never shown, and the special tokens as texts, longest first."""
        marks = [*THOUGHTS, *THOUGHTS.values()]
        ids = dict(zip(self._tokenizer.all_special_ids, self._tokenizer.all_special_tokens, strict=False))
        ids |= {at: str(token) for at, token in self._tokenizer.added_tokens_decoder.items() if token.special}
        hidden = {at for at, token in ids.items() if not any(token.lower() in mark for mark in marks)}
        texts = sorted({token for token in ids.values() if len(token) > 1}, key=lambda token: (-len(token), token))
        return frozenset(hidden), tuple(texts)

    def _end_tokens(self) -> list[int]:
        ends = self._model.generation_config.eos_token_id
        ends = [ends] if isinstance(ends, int) else list(ends or [])
        own = self._tokenizer.eos_token_id
        return ends if own is None or own in ends else [*ends, own]

    def _any_end(self) -> int | None:
        return self._ends[0] if self._ends else None

    def _leave(self, *_: Any) -> None:
        if self._over.is_set():
            raise _LeftError


class _Writer:
    """Takes tokens as they are generated (a streamer of transformers) and puts the characters that are complete."""

    def __init__(self, tokenizer: Any, hidden: frozenset[int], ends: Sequence[int], put: Callable[[str], None]) -> None:
        self.ended = False  # whether the model ended its reply itself
        self._tokenizer, self._hidden, self._ends, self._put = tokenizer, hidden, ends, put
        self._is_prompt = True  # comes first
        self._tokens: list[int] = []
        self._from = self._shown = 0  # tokens: where decoding begins, and how many are put already

    def put(self, value: Any) -> None:
        """Take the prompt, once, then each token: a tensor of shape (1,)."""
        if self._is_prompt:
            self._is_prompt = False
            return
        for token in value.flatten().tolist():
            self.ended = token in self._ends
            if not self.ended and token not in self._hidden:
                self._tokens.append(token)
        # What a token says can depend on the one before it, so a few are decoded again.
        before = self._decoded(self._from, self._shown)
        text = self._decoded(self._from, len(self._tokens))
        if len(text) > len(before) and not text.endswith("\ufffd"):  # else a part of a character
            self._put(text[len(before) :])
            self._from, self._shown = self._shown, len(self._tokens)

    def end(self) -> None:
        """Take the end; nothing is held back but a broken character."""

    def _decoded(self, start: int, end: int) -> str:
        return str(
            self._tokenizer.decode(
                self._tokens[start:end], skip_special_tokens=False, clean_up_tokenization_spaces=False
            )
        )


def _open_thought(prompt: str, last: str) -> str:
    """Return the mark of a thought that the template itself begins after the last message, "" where it begins none."""
    after = prompt.rpartition(last.strip()[-20:])[2].lower()
    return next((mark for mark, end in THOUGHTS.items() if after.rfind(mark) > after.rfind(end)), "")


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
