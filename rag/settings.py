"""Settings: plain values with units. Creating them loads nothing, reads nothing and asks nobody."""

import os
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).parent
BUNDLED_EMBEDDER = "bundled"
BUNDLED_READER = "bundled"
EXTRACTIVE = "extractive"
ARTICLE = PACKAGE / "data" / "liuzhou.txt"
STORE_VARIABLE = "RAG_STORE"
STORE_FILE = "store.sqlite"  # in the folder of a store


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


def default_store_folder() -> Path:
    """The folder of the store used when none is named: $RAG_STORE, else the user's data folder."""
    named = os.environ.get(STORE_VARIABLE)
    if named:
        return Path(named).expanduser()
    from platformdirs import user_data_path  # the places differ by system; a small library knows them

    return user_data_path("cited-answers", appauthor=False) / "store"
