"""Settings: plain values with units. Creating them loads nothing, reads nothing and asks nobody."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rag.errors import InputError

Plain = str | float | int | None  # a value that a user chose

PACKAGE = Path(__file__).parent
BUNDLED_EMBEDDER = "bundled"
BUNDLED_READER = "bundled"
EXTRACTIVE = "extractive"
ARTICLE = PACKAGE / "data" / "liuzhou.txt"
STORE_VARIABLE = "RAG_STORE"
STORE_FILE = "store.sqlite"  # in the folder of a store
MAX_NAME = 500  # characters of a model's name, a revision or an address
MAX_K = 50
# What a user may choose while the program runs, and what may be left out of it (None). No key and no password is one.
CHOSEN: Mapping[str, bool] = {
    "embedder": False,
    "revision": True,
    "reader": False,
    "reader_revision": True,
    "reranker": True,
    "reranker_revision": True,
    "generator": False,
    "generator_revision": True,
    "generator_url": True,
    "threshold": True,
    "k": False,
}


@dataclass(frozen=True)
class Settings:
    """What a `Pipeline` is built from. See models.md for the models one can name."""

    embedder: str = BUNDLED_EMBEDDER  # "bundled", a folder, an id of a hub (ORG/NAME), or modelscope:ORG/NAME
    revision: str | None = None  # of an embedder of a hub: branch, tag or commit
    reader: str = BUNDLED_READER  # "bundled", or an extractive question-answering model, named like an embedder
    reader_revision: str | None = None  # of a reader of a hub
    reranker: str | None = None  # any cross-encoder, named like an embedder; None: the fused order stands
    reranker_revision: str | None = None  # of a reranker of a hub
    offline: bool = False  # nothing is asked of a hub: folders and the cache only, as with HF_HUB_OFFLINE=1
    device: str | None = None  # "cpu", "cuda", "mps"; None lets the library choose
    batch_size: int = 64  # passages embedded at once
    query_prompt: str | None = None  # put before each query; None: what the model itself names
    passage_prompt: str | None = None  # put before each passage; None: what the model itself names
    passage_size: int = 400  # characters at most, where the embedder's own limit is not smaller
    k: int = 8  # hits the reader looks into
    arm_k: int = 50  # hits each arm gives to the fusion
    rerank_k: int = 20  # first fused hits that the reranker puts into its own order
    read_k: int = 8  # first hits of each arm that are read: how near each other the query's words stand
    stretch_k: int = 5  # first hits whose best stretch is embedded, where the embedder is a static one
    # Fusion: chosen on the development sets with `python -m training.choose_fusion`, see models.md. BM25, as a share
    # of the best hit's, weighs 1.
    near_weight: float = 0.75  # of the share of the query that stands within about 30 characters
    nearby_weight: float = 2.0  # within about 100
    dense_weight: float = 0.8  # of the cosine; 0 leaves the embeddings out
    stretch_weight: float = 0.6  # of the cosine of the best stretch
    min_shared: float = 0.05  # share of the query its best text must say, else the lexical signals weigh 0
    fusion_constant: float = 3.0  # of reciprocal rank fusion, for hits that are not read
    # Confidence, 0 to 1, below which a question is refused; None: the reader's own. `rag thresholds` says of each how
    # much of what can be answered it answers, and how many of the answers are wrong.
    threshold: float | None = None
    max_question: int = 2000  # characters
    # Who writes the answer: "extractive", "openai:MODEL" on a server, or a causal language model with a chat template,
    # named like an embedder. The key of a server is read at each question: $RAG_GENERATOR_KEY, else $OPENAI_API_KEY.
    generator: str = EXTRACTIVE
    generator_revision: str | None = None  # of a generator of a hub
    generator_url: str | None = None  # of an OpenAI-compatible server, with its /v1
    generator_device: str | None = None  # of a local generator; None: `device`
    generator_dtype: str = "auto"  # of a local generator's weights: "auto" as saved, float32, float16, bfloat16
    generator_tokens: int = 512  # of an answer at most
    generator_context: int = 4096  # tokens of prompt and answer together, where the model's own limit is not smaller
    generator_timeout: float = 30.0  # seconds a server may be silent
    generator_retries: int = 2  # after a server was not reached, timed out, or said 429 or 5xx

    def changed(self, chosen: Mapping[str, Plain]) -> "Settings":
        """Return these settings with what a user chose.

        Args:
            chosen: Of the names in `CHOSEN`; `k` from 1 to `MAX_K`, `threshold` from 0 to 1.

        Raises:
            InputError: A name is not one of them, or a value cannot be used.
        """
        values: dict[str, Any] = {name: _checked(name, value) for name, value in chosen.items()}
        return replace(self, **values)


def _checked(name: str, value: Plain) -> Plain:
    """Return a value that a user chose, without surrounding white space, or say why it cannot be used."""
    if name not in CHOSEN:
        raise InputError(
            f"The setting {name[:MAX_NAME]!r} cannot be chosen. These can: {', '.join(CHOSEN)}.",
            f"不能更改设置 {name[:MAX_NAME]!r}。可以更改的有：{'、'.join(CHOSEN)}。",
        )
    if value is None:
        if CHOSEN[name]:
            return None
        raise InputError(f"The setting {name} needs a value.", f"设置 {name} 不能为空。")
    if name == "k":
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_K:
            raise InputError(
                f"k, the number of hits that are looked into, is a whole number from 1 to {MAX_K}, not {value!r:.50}.",
                f"k（查看的段落数）应为 1 到 {MAX_K} 的整数，而不是 {value!r:.50}。",
            )
        return value
    if name == "threshold":
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise InputError(
                f"threshold, the least confidence of an answer, is a number from 0 to 1, not {value!r:.50}.",
                f"threshold（回答所需的最低把握）应为 0 到 1 之间的数，而不是 {value!r:.50}。",
            )
        return float(value)
    return _checked_name(name, value)


def _checked_name(name: str, value: Plain) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InputError(
            f"The setting {name} is a name, not {value!r:.50}.", f"设置 {name} 应为名称，而不是 {value!r:.50}。"
        )
    value = value.strip()
    if len(value) > MAX_NAME:
        raise InputError(
            f"The setting {name} has {len(value)} characters; a name has {MAX_NAME} at most.",
            f"设置 {name} 有 {len(value)} 个字符，最多只能有 {MAX_NAME} 个。",
        )
    if not value.isprintable():
        raise InputError(
            f"The setting {name} holds control characters. Write it without them.",
            f"设置 {name} 中有控制字符，请去掉。",
        )
    if name == "generator_url":
        try:
            parts = urlsplit(value)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            raise InputError(
                "This is no address of a server: one looks like http://127.0.0.1:11434/v1.",
                "这不是服务器的地址。地址形如 http://127.0.0.1:11434/v1。",
            )
        if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
            raise InputError(
                "The address holds a name, a password or a query. Leave them out; a key is set in the environment "
                "($RAG_GENERATOR_KEY).",
                "地址中有用户名、密码或查询参数。请去掉；密钥请放在环境变量 RAG_GENERATOR_KEY 里。",
            )
    return value


def default_store_folder() -> Path:
    """The folder of the store used when none is named: $RAG_STORE, else the user's data folder."""
    named = os.environ.get(STORE_VARIABLE)
    if named:
        return Path(named).expanduser()
    from platformdirs import user_data_path  # the places differ by system; a small library knows them

    return user_data_path("cited-answers", appauthor=False) / "store"
