"""Trial: the test of a model that somebody wants to use. It is loaded, and does one small piece of real work."""

import logging
import threading
import time
from dataclasses import dataclass

import numpy as np

from rag.chat import Message, OutputLimitError
from rag.drafts import ThoughtFilter
from rag.embedder import load_embedder
from rag.errors import ModelError, RagError
from rag.generator import ModelGenerator, load_generator
from rag.page.choices import TEXTS_PER_SECOND, Part, kind_of, model_size, shown_size
from rag.page.serving import Said
from rag.reranker import load_reranker
from rag.settings import Settings
from rag.span_model import load_span_model

logger = logging.getLogger(__name__)

SECONDS = 180.0  # of a test at most: a model may have to be downloaded and loaded


@dataclass(frozen=True)
class Trial:
    """What a test of a model found."""

    ok: bool
    said: Said
    loaded: bool = True  # of a test that failed: the model can be used all the same, as far as is known


_SENTENCES = (
    "会议于2023年3月5日在北京召开，由王梅主持。",
    "The moon draws the sea towards it, and the tide comes in.",
    "潮汐由月亮引起。",
)
_ASKED, _ANSWERING, _OTHER = "会议是哪一天召开的？", _SENTENCES[0], "猫在窗台上睡觉。"
_BATCH = 16  # passages embedded to tell the speed
_SAID = 100  # characters shown of what a model says
_trying = threading.Lock()
_paces: dict[str, float] = {}  # seconds for a passage, of the embedders that were tested


def try_out(settings: Settings, part: Part, seconds: float = SECONDS) -> Trial:
    """Load the model that the settings name for a part, and let it do one small piece of real work.

    One at a time. A test that takes too long goes on in its thread, and is reported as not ready.

    Args:
        settings: Name the model.
        part: Which one.
        seconds: To wait at most.
    """
    if not _trying.acquire(blocking=False):
        return Trial(False, Said("另一个测试还没有结束，请稍候。", "Another test is still running. Wait for it."))
    stop = threading.Event()
    found: list[Trial] = []

    def run() -> None:
        try:
            found.append(_tested(settings, part, stop))
        finally:
            _trying.release()

    thread = threading.Thread(target=run, name="trial", daemon=True)
    thread.start()
    thread.join(seconds)
    if found:
        return found[0]
    stop.set()
    if kind_of(settings, part) == "server":
        silent = Said(f"服务器在 {seconds:.0f} 秒内没有回答。", f"The server did not answer within {seconds:.0f} s.")
        return Trial(False, silent)
    return Trial(
        False,
        Said(
            f"{seconds:.0f} 秒内没有完成：模型可能还在下载或加载。已下载的会保留，请过一会儿再测试。",
            f"Not ready within {seconds:.0f} s: the model may still be downloading or loading. What has come is kept; "
            "test it again later.",
        ),
    )


def _tested(settings: Settings, part: Part, stop: threading.Event) -> Trial:
    loaded = threading.Event()
    try:
        if part == "embedder":
            said = _try_embedder(settings, loaded)
        elif part == "generator":
            said = _try_generator(settings, loaded, stop)
        else:
            said = {"reader": _try_reader, "reranker": _try_reranker}[part](settings, loaded)
    except RagError as error:
        said = Said(error.said("zh"), error.said("en"))
        return Trial(False, said, loaded=loaded.is_set())
    except Exception as error:  # what a strange model makes its library raise
        logger.exception("The test of the %s failed.", part)
        reason = f"{type(error).__name__}: {error}"[:200]
        said = Said(f"模型不能工作：{reason}", f"The model does not work: {reason}")
        return Trial(False, said, loaded=loaded.is_set())
    size = model_size(settings, part)
    zh, en = (f"{shown_size(size)}；", f"{shown_size(size)}; ") if size else ("", "")
    return Trial(True, Said(f"可用。{zh}{said.zh}", f"It works. {en}{said.en}"))


def _try_embedder(settings: Settings, is_loaded: threading.Event) -> Said:
    began = time.perf_counter()
    embedder = load_embedder(settings)
    is_loaded.set()
    loaded = time.perf_counter()
    rows = embedder.embed_passages(_SENTENCES)
    lengths = np.linalg.norm(rows, axis=1)
    if rows.shape != (len(_SENTENCES), embedder.dim) or not np.allclose(lengths, 1, atol=1e-3):
        raise ModelError(
            f"The embedder {settings.embedder!r} gives no usable vectors for simple sentences. Name another model.",
            f"检索模型 {settings.embedder!r} 对简单的句子给不出可用的向量。请换一个模型。",
        )
    if np.allclose(rows[0], rows[1], atol=1e-5):
        raise ModelError(
            f"The embedder {settings.embedder!r} gives different sentences the same vector. Name another model.",
            f"检索模型 {settings.embedder!r} 对不同的句子给出相同的向量。请换一个模型。",
        )
    size = max(1, min(settings.passage_size, 400) // len(_ANSWERING))
    began_work = time.perf_counter()
    embedder.embed_passages([f"{number}{_ANSWERING * size}" for number in range(_BATCH)])
    pace = (time.perf_counter() - began_work) / _BATCH
    _paces[_key(settings)] = pace
    return Said(
        f"{embedder.dim} 维；加载 {loaded - began:.1f} 秒，每秒约 {1 / pace:.0f} 个段落。",
        f"{embedder.dim} dimensions; loaded in {loaded - began:.1f} s, about {1 / pace:.0f} passages a second.",
    )


def _try_reader(settings: Settings, is_loaded: threading.Event) -> Said:
    began = time.perf_counter()
    model = load_span_model(settings)
    is_loaded.set()
    loaded = time.perf_counter()
    found = model.candidates(_ASKED, [_ANSWERING], count=1)
    took = time.perf_counter() - loaded
    if not found:
        raise ModelError(
            f"The reader {settings.reader!r} found nothing in a simple sentence. Name another model.",
            f"阅读模型 {settings.reader!r} 在简单的句子里也没有找到答案。请换一个模型。",
        )
    words = _ANSWERING[found[0].start : found[0].end][:_SAID]
    return Said(
        f"问“{_ASKED}”，读出“{words}”；加载 {loaded - began:.1f} 秒，一句 {took:.2f} 秒。",
        f"Asked “{_ASKED}”, it read “{words}”; loaded in {loaded - began:.1f} s, {took:.2f} s for a sentence.",
    )


def _try_reranker(settings: Settings, is_loaded: threading.Event) -> Said:
    began = time.perf_counter()
    model = load_reranker(settings)
    is_loaded.set()
    if model is None:
        return Said("没有重排模型，按检索的次序。", "There is none: the order of the search stands.")
    loaded = time.perf_counter()
    scores = model.score(_ASKED, [_ANSWERING, _OTHER])
    took = (time.perf_counter() - loaded) / 2
    if not np.isfinite(scores).all() or scores[0] <= scores[1]:
        raise ModelError(
            f"The reranker {settings.reranker!r} does not put the sentence that answers a simple Chinese question "
            "before one about something else. Name another model.",
            f"重排模型 {settings.reranker!r} 没有把能回答简单问题的句子排在无关的句子前面。请换一个模型。",
        )
    return Said(
        f"把能回答的句子排在了前面；加载 {loaded - began:.1f} 秒，一段 {took:.2f} 秒。",
        f"It put the sentence that answers first; loaded in {loaded - began:.1f} s, {took:.2f} s for a passage.",
    )


def _try_generator(settings: Settings, is_loaded: threading.Event, stop: threading.Event) -> Said:
    began = time.perf_counter()
    generator = load_generator(settings)
    is_loaded.set()
    if not isinstance(generator, ModelGenerator):
        return Said("只摘录原话，不用语言模型。", "It quotes the text and uses no language model.")
    thoughts, written, first = ThoughtFilter(), "", 0.0
    pieces = generator.model.chat([Message("user", "请用一句话介绍月亮。")], stop)
    try:
        for piece in pieces:
            written += thoughts.feed(piece)
            first = first or (time.perf_counter() - began if written.strip() else 0.0)
            if len(written) > _SAID:
                break
        else:
            written += thoughts.finish()
    except OutputLimitError:
        if not written.strip():
            raise
    finally:
        close = getattr(pieces, "close", None)
        if close is not None:
            close()
    said = " ".join(written.split())
    if not said:
        raise ModelError(
            f"The generator {generator.name!r} wrote nothing. Allow more tokens (generator_tokens), or name another.",
            f"生成模型 {generator.name!r} 什么也没有写。请允许更多词元（generator_tokens），或换一个模型。",
        )
    said = said if len(said) <= _SAID else said[: _SAID - 1] + "…"
    return Said(
        f"它写道：“{said}”；{first:.1f} 秒后写出第一个字。",
        f"It wrote “{said}”; its first words came after {first:.1f} s.",
    )


def pace_of(settings: Settings) -> float | None:
    """Return the seconds the embedder takes for a passage: as tested, or as measured of the bundled one."""
    bundled = 1 / TEXTS_PER_SECOND if kind_of(settings, "embedder") == "bundled" else None
    return _paces.get(_key(settings), bundled)


def _key(settings: Settings) -> str:
    return f"{settings.embedder}@{settings.revision}"
