"""Embedders: texts in, unit vectors out.

`load_embedder` opens any sentence-transformers model, by hub id or folder (see `rag.hub`). A folder that
holds a static model (one vector per token, averaged) is computed here with `tokenizers` and NumPy from the
same files: the vectors are the same to the sixth digit (a test compares them), and the first answer
does not wait seconds for torch.

What is put before queries and passages is named by the settings, else by the model's own configuration,
else by the table `KNOWN_PROMPTS`: a model that was trained with prompts answers badly, and silently, without.
"""

import contextlib
import hashlib
import json
import math
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from rag.errors import ModelError
from rag.folding import fold
from rag.hub import MODELSCOPE, files_of, resolve
from rag.settings import BUNDLED_EMBEDDER, PACKAGE, Settings

FloatMatrix = npt.NDArray[np.float32]

BUNDLED_FOLDER = PACKAGE / "models" / "embedder"
LONG_WORK = 2000  # texts; from here on a progress bar is shown where there is a terminal
QUERY_NAMES = ("query", "search_query", "retrieval.query", "s2p_query")  # of prompts in a model's configuration
PASSAGE_NAMES = ("document", "passage", "corpus", "search_document", "retrieval.passage")
_DECIDING = (".safetensors", ".json", ".bin", ".txt", ".model")  # files that decide a model's vectors


@dataclass(frozen=True)
class PromptFamily:
    """What models of a family were trained to see before a text; None: it depends on the task, and must be named."""

    pattern: str  # found in the lower-case name of the model, or of the model it was made from
    query: str | None
    passage: str | None


_SEARCH = "Given a web search query, retrieve relevant passages that answer the query"
_REPRESENT = "Represent this sentence for searching relevant passages: "
# For models whose own configuration names no prompts; from their cards. The first that fits counts.
KNOWN_PROMPTS = (
    PromptFamily(r"(?<![a-z0-9])m?e5-.*instruct", f"Instruct: {_SEARCH}\nQuery: ", ""),
    PromptFamily(r"(?<![a-z0-9])m?e5(?![a-z0-9])", "query: ", "passage: "),
    PromptFamily(r"qwen3-embedding", f"Instruct: {_SEARCH}\nQuery:", ""),
    PromptFamily(r"gte-qwen", f"Instruct: {_SEARCH}\nQuery: ", ""),
    PromptFamily(r"gte-|bge-m3", "", ""),
    PromptFamily(r"bge-(small|base|large)-zh", "为这个句子生成表示以用于检索相关文章：", ""),
    PromptFamily(r"bge-(small|base|large)-en", _REPRESENT, ""),
    PromptFamily(r"nomic-embed-text", "search_query: ", "search_document: "),
    PromptFamily(r"arctic-embed.*v2", "query: ", ""),
    PromptFamily(r"arctic-embed|mxbai-embed-large", _REPRESENT, ""),
    PromptFamily(r"embeddinggemma", "task: search result | query: ", "title: none | text: "),
    PromptFamily(r"instructor-(base|large|xl)|nv-embed", None, None),
)


class Embedder(Protocol):
    """What the retriever and the store ask of an embedder."""

    name: str  # as a user would name it in the settings
    fingerprint: str  # equal only for models whose vectors can be compared
    dim: int
    max_tokens: int | None  # of one text, prompt and special tokens included; None: no limit

    def count_tokens(self, passage: str) -> int:
        """Return how many of the `max_tokens` a passage takes, prompt and special tokens included."""

    def embed_passages(self, texts: Sequence[str]) -> FloatMatrix:
        """Return unit-length float32 rows, shape (len(texts), dim)."""

    def embed_queries(self, texts: Sequence[str]) -> FloatMatrix:
        """The same for queries, which many models prefix differently."""


def load_embedder(settings: Settings) -> Embedder:
    """Open the embedder that the settings name.

    Raises:
        ModelError: There is no such model, or it cannot be loaded.
    """
    bundled = settings.embedder == BUNDLED_EMBEDDER
    folder = BUNDLED_FOLDER if bundled else resolve(settings.embedder, settings.revision, settings.offline, "embedder")
    if _is_static(folder):
        return StaticEmbedder(folder, settings, folds=bundled)
    return SentenceTransformersEmbedder(folder, settings)


def _is_static(folder: Path) -> bool:
    """Say whether a model folder is one static embedding, perhaps followed by normalisation."""
    try:
        modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
        kinds = [str(module["type"]).rpartition(".")[2] for module in modules]
        has_files = all(
            (folder / modules[0]["path"] / name).is_file() for name in ("tokenizer.json", "model.safetensors")
        )
    except (OSError, ValueError, LookupError, TypeError):
        return False
    return kinds in (["StaticEmbedding"], ["StaticEmbedding", "Normalize"]) and has_files


class _Rows:
    """The vector of each token, kept as small as it is stored and widened on use.

    sentence-transformers stores a matrix `embedding.weight`; model2vec's form, which it loads too, has
    `embeddings` (perhaps of 8-bit integers) with an optional `mapping` from tokens to rows and
    optional `weights`, one factor per token.
    """

    def __init__(self, tensors: dict[str, npt.NDArray[Any]]) -> None:
        self._matrix = tensors["embedding.weight"] if "embedding.weight" in tensors else tensors["embeddings"]
        self._mapping = tensors.get("mapping")
        self._factors = tensors.get("weights")
        self.dim = int(self._matrix.shape[1])

    def __getitem__(self, tokens: list[int]) -> FloatMatrix:
        at = tokens if self._mapping is None else self._mapping[tokens]
        rows = self._matrix[at].astype(np.float32)
        return rows if self._factors is None else rows * self._factors[tokens].astype(np.float32)[:, None]


class StaticEmbedder:
    """A static model: the mean of its tokens' vectors. No limit on length, no torch."""

    max_tokens: int | None = None

    def __init__(self, folder: Path, settings: Settings, folds: bool = False) -> None:
        """Load a folder saved by sentence-transformers.

        Args:
            folder: Holds modules.json, tokenizer.json and model.safetensors.
            settings: For the prompts.
            folds: Whether the model was trained on folded text, so that texts are folded for it.
        """
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        self.name = settings.embedder
        self._folds = folds
        modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
        files = folder / modules[0]["path"]
        try:
            self._tokenizer = Tokenizer.from_file(str(files / "tokenizer.json"))
            self._rows = _Rows(load_file(files / "model.safetensors"))
        except Exception as error:  # each of these libraries raises kinds of its own
            raise ModelError(
                f"The embedder in {folder} cannot be loaded: {error}. Is its download complete?",
                f"无法载入 {folder} 中的检索模型：{error}。它下载完整了吗？",
            ) from error
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self.dim = self._rows.dim
        self._query_prompt, self._passage_prompt = _prompts(settings, _stored_prompts(folder))
        self.fingerprint = _fingerprint(_digest(folder), self._query_prompt, self._passage_prompt)

    def count_tokens(self, passage: str) -> int:
        """Return the number of tokens; a static model takes any number."""
        return len(self._tokenizer.encode(self._passage_prompt + self._fold(passage), add_special_tokens=False).ids)

    def embed_passages(self, texts: Sequence[str]) -> FloatMatrix:
        """Return unit-length float32 rows, shape (len(texts), dim); a text without tokens gives zeros."""
        return self._embed([self._passage_prompt + self._fold(text) for text in texts])

    def embed_queries(self, texts: Sequence[str]) -> FloatMatrix:
        """The same for queries."""
        return self._embed([self._query_prompt + self._fold(text) for text in texts])

    def _fold(self, text: str) -> str:
        return fold(text) if self._folds else text

    def _embed(self, texts: list[str]) -> FloatMatrix:
        rows = np.zeros((len(texts), self.dim), np.float32)
        for row, encoding in zip(rows, self._tokenizer.encode_batch_fast(texts, add_special_tokens=False), strict=True):
            if encoding.ids:
                row[:] = self._rows[encoding.ids].mean(axis=0)
        return _unit(rows)


class SentenceTransformersEmbedder:
    """Any model that sentence-transformers loads, from its folder."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        """Load the model; nothing is asked of a hub.

        Raises:
            ModelError: It cannot be loaded, or needs prompts that nobody names: with the reason and what to do.
        """
        self.name = settings.embedder
        self._batch_size = settings.batch_size
        try:
            from sentence_transformers import SentenceTransformer

            self._model = SentenceTransformer(str(folder), device=settings.device, local_files_only=True)
        except Exception as error:  # the library passes on whatever its own libraries raise
            remedy, chinese = (
                (
                    "It brings code of its own, which is not run here; name a model, or a conversion of this one, that "
                    "the library knows.",
                    "它带有自己的程序代码，这里不会运行；请换一个模型，或者换用它的转换版。",
                )
                if "trust_remote_code" in str(error)
                else ("Is it a complete sentence-transformers model?", "它是完整的 sentence-transformers 模型吗？")
            )
            raise ModelError(
                f"The embedder {self.name!r} cannot be loaded from {folder}: {error}. {remedy}",
                f"无法从 {folder} 载入检索模型 {self.name!r}：{error}。{chinese}",
            ) from error
        stored = {
            name: text for name, text in self._model.prompts.items() if text and name in (*QUERY_NAMES, *PASSAGE_NAMES)
        }
        self._query_prompt, self._passage_prompt = _prompts(settings, stored or known_prompts(folder, settings))
        self.dim = int(self._model.get_embedding_dimension() or 0)
        limit = self._model.max_seq_length
        self.max_tokens = None if limit is None or math.isinf(limit) else int(limit)
        self.fingerprint = _fingerprint(_digest(folder), self._query_prompt, self._passage_prompt)

    @cached_property
    def _tokenizer(self) -> Any:
        return self._model.tokenizer

    def count_tokens(self, passage: str) -> int:
        """Return how many of the `max_tokens` a passage takes, prompt and special tokens included."""
        text = self._passage_prompt + passage
        # `encode` of a fast tokenizer may truncate by the tokenizer's own settings, so ask it not to.
        return len(self._tokenizer(text, truncation=False, verbose=False)["input_ids"])

    def embed_passages(self, texts: Sequence[str]) -> FloatMatrix:
        """Return unit-length float32 rows, shape (len(texts), dim)."""
        return self._embed(self._model.encode_document, texts, self._passage_prompt)

    def embed_queries(self, texts: Sequence[str]) -> FloatMatrix:
        """The same for queries; one that is over the limit is embedded in parts, whose mean is taken."""
        if not texts:
            return np.zeros((0, self.dim), np.float32)
        parts = [self._parts(text) for text in texts]
        vectors = self._embed(
            self._model.encode_query, [part for pieces in parts for part in pieces], self._query_prompt
        )
        ends = np.cumsum([len(pieces) for pieces in parts])[:-1]
        return _unit(np.array([rows.mean(axis=0) for rows in np.split(vectors, ends)], np.float32))

    def _parts(self, query: str) -> list[str]:
        """Halve a query until its parts are within the limit: nothing of it is silently cut."""
        tokens = len(self._tokenizer(self._query_prompt + query, truncation=False, verbose=False)["input_ids"])
        if self.max_tokens is None or tokens <= self.max_tokens or len(query) < 2:
            return [query]
        middle = len(query) // 2
        return [*self._parts(query[:middle]), *self._parts(query[middle:])]

    def _embed(self, encode: Any, texts: Sequence[str], prompt: str) -> FloatMatrix:
        if not texts:
            return np.zeros((0, self.dim), np.float32)
        vectors = encode(
            list(texts),
            prompt=prompt,
            batch_size=self._batch_size,
            convert_to_numpy=True,
            show_progress_bar=len(texts) >= LONG_WORK and sys.stderr.isatty(),
        )
        return _unit(np.asarray(vectors, np.float32))


def _unit(rows: FloatMatrix) -> FloatMatrix:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, 1e-12), np.float32)


def _stored_prompts(folder: Path) -> dict[str, str]:
    try:
        config = json.loads((folder / "config_sentence_transformers.json").read_text(encoding="utf-8"))
        return {name: text for name, text in config.get("prompts", {}).items() if text}
    except (OSError, ValueError, AttributeError):
        return {}


def _prompts(settings: Settings, stored: dict[str, str]) -> tuple[str, str]:
    """Return the query and the passage prompt: the settings', else those that `stored` has under the usual names."""
    query, passage = settings.query_prompt, settings.passage_prompt
    if query is None:
        query = next((stored[name] for name in QUERY_NAMES if name in stored), "")
    if passage is None:
        passage = next((stored[name] for name in PASSAGE_NAMES if name in stored), "")
    return query, passage


def known_prompts(folder: Path, settings: Settings) -> dict[str, str]:
    """Return the prompts of the family a model belongs to, none where it belongs to no known one.

    Raises:
        ModelError: The family needs a prompt that depends on the task, and the settings name none.
    """
    for name in _identities(folder, settings.embedder):
        for family in KNOWN_PROMPTS:
            if not re.search(family.pattern, name.lower()):
                continue
            if family.query is None or family.passage is None:
                if settings.query_prompt is None:
                    raise ModelError(
                        f"The embedder {settings.embedder!r} was trained to see an instruction before each query "
                        f"(it is of the family of {name}), and neither its configuration nor the settings name one. "
                        "Name it as its page tells: Settings(query_prompt=…, passage_prompt=…).",
                        f"检索模型 {settings.embedder!r}（属于 {name} 一类）训练时每个问题前都有一句指令，"
                        "而它的配置和现在的设置里都没有。请按它的说明页填写："
                        "Settings(query_prompt=…, passage_prompt=…)。",
                    )
                return {}
            return {QUERY_NAMES[0]: family.query, PASSAGE_NAMES[0]: family.passage}
    return {}


def _identities(folder: Path, model: str) -> Iterator[str]:
    """Yield the names a model goes by: its id or folder, what its configuration and its card say it is or came from."""
    yield folder.name if Path(model).expanduser().is_dir() else model.removeprefix(MODELSCOPE).partition("@")[0]
    with contextlib.suppress(OSError, ValueError, AttributeError):
        yield str(json.loads((folder / "config.json").read_text(encoding="utf-8")).get("_name_or_path", ""))
    try:
        card = (folder / "README.md").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return
    _, opened, rest = card.partition("---\n")
    header, _, body = rest.partition("\n---\n") if opened else ("", "", card)
    if base := re.search(r"^base_model:\s*(?:\n?- )?(\S+)", header, re.MULTILINE):
        yield base[1].strip("'\"")
    if heading := re.search(r"^#+ (.+)$", body, re.MULTILINE):
        yield heading[1]


def _digest(folder: Path) -> str:
    """Return a digest of what decides a model's vectors: weights, tokenizer and configuration.

    It is the same for the same model from a hub, a mirror or a folder, and does not change with its card.
    """
    digest = hashlib.sha256()
    for name in files_of(folder):
        if name.endswith(_DECIDING):
            digest.update(name.encode())
            digest.update(_file_digest(folder / name))
    return digest.hexdigest()


def _file_digest(path: Path) -> bytes:
    # The cache of the Hugging Face hub names large files after their SHA-256: gigabytes need not be read for it.
    target = path.resolve()
    if path.is_symlink() and target.parent.name == "blobs" and re.fullmatch(r"[0-9a-f]{64}", target.name):
        return bytes.fromhex(target.name)
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _fingerprint(identity: str, query_prompt: str, passage_prompt: str) -> str:
    parts = json.dumps([identity, query_prompt, passage_prompt])
    return hashlib.sha256(parts.encode()).hexdigest()[:16]
