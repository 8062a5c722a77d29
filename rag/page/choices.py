"""Choices: which models there are to choose from, and how strict answers can be, in words that say what each costs.

`rag.page.trial` tests a choice, `rag.page.change` makes it. Keys of servers come from the environment, never from here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from rag.embedder import BUNDLED_FOLDER
from rag.errors import RagError
from rag.generator import SERVER
from rag.hub import files_of, resolve
from rag.page.serving import Said, is_loopback
from rag.reader import load_weights
from rag.settings import (
    BUNDLED_EMBEDDER,
    BUNDLED_READER,
    EXTRACTIVE,
    MAX_K,
    PACKAGE,
    Settings,
)

Part = Literal["embedder", "reader", "reranker", "generator"]
Kind = Literal["bundled", "none", "folder", "hub", "server"]
PARTS: tuple[Part, ...] = ("embedder", "reader", "reranker", "generator")
# The settings that say which model a part is.
NAMING: Mapping[Part, tuple[str, ...]] = {
    "embedder": ("embedder", "revision"),
    "reader": ("reader", "reader_revision"),
    "reranker": ("reranker", "reranker_revision"),
    "generator": ("generator", "generator_revision", "generator_url"),
}
K_BOUNDS = (1, MAX_K)
READER_FOLDER = PACKAGE / "models" / "reader"
# Measured, see "Speed" in models.md: `python -m bench.speed`, on 2 processor cores.
TEXTS_PER_SECOND = 1112.0
ANSWER_MS = 93.1


# -- What there is to choose from ------------------------------------------------------------------


@dataclass(frozen=True)
class Choice:
    """A kind of model that a part can be, and what it costs."""

    part: Part
    kind: Kind
    value: str  # what the setting is, where nothing is to be typed
    title: Said
    example: str  # of what is to be typed, "" where nothing is
    size: Said
    network: Said
    speed: Said
    privacy: Said


_HERE = Said("问题和文档都不离开这台机器。", "Questions and documents stay on this machine.")
_THERE = Said("问题和文档都不离开这台服务器。", "Questions and documents stay on this server.")
_OFFLINE = Said("不需要网络。", "Needs no network.")
_ONCE = Said("首次使用时下载，之后不需要网络。", "Downloaded at its first use; no network afterwards.")
_UNKNOWN = Said("", "")  # `OF_NAMED` says it of all
# Of every model that is not ours, said once.
OF_NAMED = Said(
    "自选的模型有多大、多快，点“测试”可知。从模型网站下载时，网站只知道下载了哪个模型。",
    "The test tells how large and how fast a model of your own choice is. A hub learns only which one was downloaded.",
)
_FOLDER = Said("文件夹里的模型", "A model in a folder")
_HUB = Said("模型网站上的模型", "A model from a hub")
_EXAMPLES: Mapping[Part, str] = {
    "embedder": "BAAI/bge-m3",
    "reader": "ORG/NAME",
    "reranker": "ORG/NAME",
    "generator": "ORG/NAME",
}


def choices(part: Part) -> tuple[Choice, ...]:
    """Return what a part can be, the default first."""
    named = (
        Choice(part, "folder", "", _FOLDER, "~/models/NAME", _UNKNOWN, _OFFLINE, _UNKNOWN, _HERE),
        Choice(part, "hub", "", _HUB, _EXAMPLES[part], _UNKNOWN, _ONCE, _UNKNOWN, _HERE),
    )
    return (_default(part), *named, *((_server(),) if part == "generator" else ()))


def _default(part: Part) -> Choice:
    title, speed = _DEFAULTS[part]
    value = {"embedder": BUNDLED_EMBEDDER, "reader": BUNDLED_READER, "reranker": "", "generator": EXTRACTIVE}[part]
    size = bundled_size(part)
    said = Said(f"{shown_size(size)}，已自带。", f"{shown_size(size)}, comes with the program.") if size else _NOTHING
    return Choice(part, "none" if part == "reranker" else "bundled", value, title, "", said, _OFFLINE, speed, _HERE)


_NOTHING = Said("不占磁盘空间。", "Uses no disk space.")
_DEFAULTS: Mapping[Part, tuple[Said, Said]] = {
    "embedder": (
        Said("自带的检索模型（中文和英文）", "The bundled search model (Chinese and English)"),
        Said(
            f"每秒可加入约 {TEXTS_PER_SECOND:.0f} 段短文（两核处理器上测得）。",
            f"Adds about {TEXTS_PER_SECOND:.0f} short texts a second (measured on two processor cores).",
        ),
    ),
    "reader": (
        Said("自带的阅读模型（摘录原文）", "The bundled reader (quotes the text)"),
        Said(
            f"一个回答约 {ANSWER_MS / 1000:.1f} 秒，其中大半是它（两核处理器上测得）。",
            f"An answer takes about {ANSWER_MS / 1000:.1f} s, most of it this model's (on two processor cores).",
        ),
    ),
    "reranker": (
        Said("不重新排序", "No reranker"),
        Said("不多花时间。", "Takes no time."),
    ),
    "generator": (
        Said("只摘录原话", "Quotes only"),
        Said("不多花时间。", "Takes no time of its own."),
    ),
}


def _server() -> Choice:
    return Choice(
        "generator",
        "server",
        "",
        Said("服务器上的语言模型（OpenAI 兼容）", "A language model on a server (OpenAI-compatible)"),
        f"{SERVER}MODEL",
        _NOTHING,
        Said("每次提问都要连上那台服务器。", "Needs the server at every question."),
        _UNKNOWN,
        Said(
            "问题、找到的段落，以及追问之前的几轮问答，会发给那台服务器。密钥只从环境变量 RAG_GENERATOR_KEY 或 "
            "OPENAI_API_KEY 读取。",
            "The question, the passages found and, for a follow-up, the turns before are sent to that server. Its key "
            "comes from the environment alone: RAG_GENERATOR_KEY, else OPENAI_API_KEY.",
        ),
    )


def kind_of(settings: Settings, part: Part) -> Kind:
    """Return which kind of choice the settings make for a part."""
    named = getattr(settings, part)
    if not named:
        return "none"
    if named == {"embedder": BUNDLED_EMBEDDER, "reader": BUNDLED_READER, "generator": EXTRACTIVE}.get(part):
        return "bundled"
    if part == "generator" and named.startswith(SERVER):
        return "server"
    return "folder" if _is_folder(named) else "hub"


def _is_folder(named: str) -> bool:
    try:
        return Path(named).expanduser().is_dir()
    except (OSError, RuntimeError):  # too long for a name of a file; the home of a user who is not there
        return False


def privacy(settings: Settings, remote: bool = False) -> Said:
    """Say where questions and documents go with these settings; `remote`: to whom this machine is a server."""
    if kind_of(settings, "generator") != "server" or not settings.generator_url:
        return _THERE if remote else _HERE
    url = settings.generator_url
    here = ("（就在这台服务器上）", " (on this server)") if remote else ("（就在这台机器上）", " (on this machine)")
    where_zh, where_en = here if is_loopback(urlsplit(url).hostname or "") else ("", "")
    return Said(
        f"问题、找到的段落，以及追问之前的几轮问答，会发给 {url}{where_zh}。",
        f"The question, the passages found and, for a follow-up, the turns before are sent to {url}{where_en}.",
    )


def bundled_size(part: Part) -> int:
    """Return the bytes of what comes with the program for a part; 0 where nothing does."""
    folder = {"embedder": BUNDLED_FOLDER, "reader": READER_FOLDER}.get(part)
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) if folder else 0


def model_size(settings: Settings, part: Part) -> int | None:
    """Return the bytes of a part's model on this machine; None where it is not here."""
    kind = kind_of(settings, part)
    if kind in ("bundled", "none"):
        return bundled_size(part)
    if kind == "server":
        return None
    name, revision = getattr(settings, NAMING[part][0]), getattr(settings, NAMING[part][1])
    try:
        folder = resolve(name, revision, offline=True, what=part)
        return sum((folder / file).stat().st_size for file in files_of(folder))
    except (RagError, OSError):
        return None


def shown_size(size: int) -> str:
    """Return bytes for people to read."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB" if size >= 1e6 else f"{size / 1e3:.0f} KB"


# -- How strict ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Level:
    """How sure an answer has to be, in words."""

    key: str
    threshold: float | None  # for `Settings.threshold`; None: what the reader was calibrated to
    title: Said
    said: Said  # the share of what can be answered that is answered, and of all answers that are wrong


# Of what they were measured, to be shown beside them.
MEASURED = Said(
    "比例是用公开的阅读理解题测的，三分之一的题在文中没有答案。默认的严格程度也是用这些题定的，所以数字偏好看；"
    "换成您的文档和问题，会有出入。",
    "Measured with questions of public reading sets, a third of which their text does not answer. The default was "
    "chosen with the same questions, so the figures flatter a little; with your documents and questions they will "
    "differ.",
)
_LEVELS: tuple[tuple[str, float | None, Said], ...] = (
    ("always", 0.0, Said("总是回答", "Always answers")),
    ("more", 0.1, Said("多回答", "Answers more often")),
    ("standard", None, Said("平衡（默认）", "Balanced (default)")),
    ("careful", 0.5, Said("谨慎", "Careful")),
    ("sure", 0.7, Said("有把握才回答", "Answers only when sure")),
)


def strictness() -> tuple[Level, ...]:
    """Return the levels to choose from, the most talkative first."""
    weights = load_weights()
    levels = []
    for key, threshold, title in _LEVELS:
        wanted = weights.threshold if threshold is None else threshold
        point = min(weights.curve, key=lambda one: abs(one.threshold - wanted))
        said = Said(
            f"有答案的问题会回答{point.answered:.0%}，给出的回答里{point.wrong:.0%}是错的",
            f"answers {point.answered:.0%} of what can be answered; {point.wrong:.0%} of its answers are wrong",
        )
        chosen = None if threshold is None else point.threshold
        levels.append(Level(key, chosen, title, said))
    return tuple(levels)


def level_of(threshold: float | None) -> Level | None:
    """Return the level that a threshold is, None for another number."""
    if threshold == load_weights().threshold:
        threshold = None
    return next((level for level in strictness() if level.threshold == threshold), None)
