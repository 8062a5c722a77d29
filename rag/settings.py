"""Settings: plain values with units. Creating them loads nothing, reads nothing and asks nobody."""

import os
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).parent
BUNDLED_EMBEDDER = "bundled"
ARTICLE = PACKAGE / "data" / "liuzhou.txt"
STORE_VARIABLE = "RAG_STORE"
STORE_FILE = "store.sqlite"  # in the folder of a store


@dataclass(frozen=True)
class Settings:
    """What a `Pipeline` is built from. See models.md for the models one can name."""

    embedder: str = BUNDLED_EMBEDDER  # "bundled", a model id of a hub, or a folder
    revision: str | None = None  # of a hub model: branch, tag or commit
    device: str | None = None  # "cpu", "cuda", "mps"; None lets the library choose
    batch_size: int = 64  # passages embedded at once
    query_prompt: str | None = None  # put before each query; None: what the model itself names
    passage_prompt: str | None = None  # put before each passage; None: what the model itself names
    passage_size: int = 400  # characters at most, where the embedder's own limit is not smaller
    k: int = 8  # hits the reader looks into
    arm_k: int = 50  # hits each arm gives to the fusion
    # Fusion: chosen on the development sets with bench/retrieval.py, see models.md.
    fusion_constant: float = 3.0  # of reciprocal rank fusion
    dense_weight: float = 0.15  # of the dense arm; the lexical arm weighs 1
    min_shared: float = 0.25  # share of the query's grams its best texts must hold, else the lexical arm weighs 0
    threshold: float | None = None  # confidence, 0 to 1, below which a question is refused; None: the reader's own
    max_question: int = 2000  # characters


def default_store_folder() -> Path:
    """The folder of the store used when none is named: $RAG_STORE, else the user's data folder."""
    named = os.environ.get(STORE_VARIABLE)
    if named:
        return Path(named).expanduser()
    from platformdirs import user_data_path  # the places differ by system; a small library knows them

    return user_data_path("cited-answers", appauthor=False) / "store"
