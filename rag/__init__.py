"""Ask a question about articles; get an answer whose every sentence can be checked at its exact words.

import rag

chat = rag.open()
answer = chat.ask("柳州的四大定位是什么")
answer.text, answer.citations[0].quote
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rag.answers import Answer, Sentence
    from rag.citations import Citation, Place
    from rag.claims import Claim, Verification
    from rag.conversation import Conversation, Turn
    from rag.documents import Document
    from rag.errors import (
        DocumentError,
        EmbedderMismatchError,
        InputError,
        ModelError,
        NotFoundError,
        QuestionError,
        RagError,
        StoreError,
    )
    from rag.feedback import Feedback
    from rag.passages import Passage
    from rag.pipeline import Addition, Pipeline, open, reindex  # noqa: A004 - the name users expect: rag.open()
    from rag.retriever import Hit
    from rag.settings import Settings
    from rag.store import Listed, Removed

__version__ = "0.1.0"

# Where each public name lives. A module is imported when one of its names is first asked for, so
# that `import rag` takes a blink.
_MODULES = {
    "rag.answers": ("Answer", "Sentence"),
    "rag.citations": ("Citation", "Place"),
    "rag.claims": ("Claim", "Verification"),
    "rag.conversation": ("Conversation", "Turn"),
    "rag.documents": ("Document",),
    "rag.errors": (
        "DocumentError",
        "EmbedderMismatchError",
        "InputError",
        "ModelError",
        "NotFoundError",
        "QuestionError",
        "RagError",
        "StoreError",
    ),
    "rag.feedback": ("Feedback",),
    "rag.passages": ("Passage",),
    "rag.pipeline": ("Addition", "Pipeline", "open", "reindex"),
    "rag.retriever": ("Hit",),
    "rag.settings": ("Settings",),
    "rag.store": ("Listed", "Removed"),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "Addition",
    "Answer",
    "Citation",
    "Claim",
    "Conversation",
    "Document",
    "DocumentError",
    "EmbedderMismatchError",
    "Feedback",
    "Hit",
    "InputError",
    "Listed",
    "ModelError",
    "NotFoundError",
    "Passage",
    "Pipeline",
    "Place",
    "QuestionError",
    "RagError",
    "Removed",
    "Sentence",
    "Settings",
    "StoreError",
    "Turn",
    "Verification",
    "open",
    "reindex",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'rag' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
