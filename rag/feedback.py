"""Feedback: what a user said of one answer, and its JSON form. It judges nothing; `Pipeline.add_feedback` checks it."""

import json
from dataclasses import dataclass

from rag.answers import Answer

MAX_CORRECTION = 2000  # characters


@dataclass(frozen=True)
class Feedback:
    """What a user said of an answer. The answer is kept whole: its documents may change or go."""

    id: int  # from 1, in the order of giving
    added: str  # ISO 8601, in UTC: 2025-01-31T12:00:00Z
    answer: Answer
    good: bool
    correction: str = ""  # what should have been said, or ""
    marker: int | None = None  # of the citation it is about; None: the whole answer
    unanswerable: bool = False  # the user says that the text does not tell
    history: tuple[str, ...] = ()  # earlier questions of the conversation, oldest first

    def to_json(self) -> str:
        """Return all but `id` and `added`, which the store gives, as JSON."""
        record = {
            "answer": self.answer.to_dict(),
            "good": self.good,
            "correction": self.correction,
            "marker": self.marker,
            "unanswerable": self.unanswerable,
            "history": list(self.history),
        }
        return json.dumps(record, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, id_: int, added: str, text: str) -> "Feedback":
        """Return the feedback that `to_json` was called on, with what the store gave it."""
        record = json.loads(text)
        return cls(
            id=id_,
            added=added,
            answer=Answer.from_dict(record["answer"]),
            good=record["good"],
            correction=record["correction"],
            marker=record["marker"],
            unanswerable=record["unanswerable"],
            history=tuple(record["history"]),
        )
