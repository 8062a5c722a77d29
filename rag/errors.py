"""Every error of this package, as one tree.

    RagError
    ├── InputError             what the caller gave cannot be used
    │   ├── DocumentError      a file cannot be read as a document
    │   └── QuestionError      a question is empty or too long
    ├── NotFoundError          no document or conversation of that id
    ├── ModelError             a model cannot be loaded or does not fit
    └── StoreError             a store cannot be opened, read or written
        └── EmbedderMismatchError   it was built with another embedder

Each message says what happened, with the values, and what to do about it. What the page may have to show
says it in Chinese, too.
"""

from typing import Literal

Language = Literal["zh", "en"]  # that a person is spoken to in


class RagError(Exception):
    """Base of all errors raised on purpose by this package."""

    def __init__(self, message: str, chinese: str = "") -> None:
        """Keep the message, and the same in Chinese where the page may have to show it."""
        super().__init__(message)
        self.chinese = chinese

    def said(self, language: Language) -> str:
        """Return the message in a language; in English where there is no other."""
        return self.chinese if language == "zh" and self.chinese else str(self)


class InputError(RagError):
    """What the caller gave cannot be used."""


class DocumentError(InputError):
    """A file cannot be read as a document."""


class QuestionError(InputError):
    """A question is empty or too long."""


class NotFoundError(RagError):
    """Nothing has the id that was asked for."""

    def __init__(self, message: str, chinese: str = "", of: Literal["", "document", "conversation"] = "") -> None:
        """Keep the messages, and of what kind it is, where the command line can list the ids of that kind."""
        super().__init__(message, chinese)
        self.of = of


class ModelError(RagError):
    """A model cannot be loaded, or does what its record does not allow."""


class StoreError(RagError):
    """A store cannot be opened, read or written."""


class EmbedderMismatchError(StoreError):
    """A store was built with another embedder than the settings name."""
