"""Conversations: turns of question and answer, kept in the store and reopened with their citations alive.

A kept turn does not hold the documents it cites: a citation is kept as its quote, its place and the digest of the
document it stood in. Reopened, it points into the document that the store holds now, where that is the same one. Where
the document was changed or removed since, the quote and the place are still there, and the turn says so.
"""

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from rag.answers import Answer
from rag.citations import Citation, Place, cite
from rag.documents import Article, Document, Paragraph
from rag.errors import InputError, NotFoundError, StoreError
from rag.passages import Passage
from rag.retriever import ArmRank, Hit
from rag.spans import OriginMap
from rag.store import ConversationRow, Store

MAX_CONVERSATIONS = 1000  # in a store
MAX_TURNS = 200  # in a conversation
MAX_TITLE = 100  # characters
MAX_RECORD = 200_000  # characters of a turn as it is kept
MAX_HITS = 8  # of an answer that are kept
TITLE_FROM_QUESTION = 40  # characters of the first question, where a conversation has no title

# "alive": the document is the same. "moved": it changed, and the same words stand in it once. "changed": they do not,
# or more than once. "removed": the document is gone.
State = Literal["alive", "moved", "changed", "removed"]


@dataclass(frozen=True)
class Turn:
    """One question of a conversation with its answer.

    Where a citation is "changed" or "removed", its `document` holds the quote alone, since no other is left; its
    `place` is the one it had.
    """

    number: int  # from 1; of a turn that is replaced, the same
    answer: Answer
    states: Mapping[int, State] = field(default_factory=dict)  # of each citation, by its marker

    @property
    def changed(self) -> tuple[int, ...]:
        """The markers of the citations whose document does not hold the quote any more."""
        return tuple(marker for marker, state in self.states.items() if state in ("changed", "removed"))


@dataclass(frozen=True)
class Conversation:
    """A conversation. In a list of conversations `turns` is empty, and `length` tells how many there are."""

    id: str  # 32 hexadecimal digits, not to be guessed
    title: str  # of the first question, where the user gave none
    created: str  # ISO 8601, in UTC: 2025-01-31T12:00:00Z
    changed: str  # when its last turn was added or replaced
    turns: tuple[Turn, ...] = ()
    length: int = 0  # number of turns

    @property
    def answers(self) -> tuple[Answer, ...]:
        """The answers, oldest first: the history of the next question."""
        return tuple(turn.answer for turn in self.turns)


class Conversations:
    """The conversations of a store. Every change is one transaction."""

    def __init__(self, store: Store) -> None:
        """Keep the store; nothing is read."""
        self._store = store

    def all(self) -> list[Conversation]:
        """Return all conversations without their turns, the one changed last first. Raises StoreError."""
        return [_conversation(row) for row in self._store.conversations()]

    def start(self, title: str = "") -> Conversation:
        """Make a conversation.

        Raises:
            InputError: The title is longer than `MAX_TITLE`, or the store holds `MAX_CONVERSATIONS`.
            StoreError: It cannot be written; nothing is changed.
        """
        id_ = uuid.uuid4().hex
        self._store.add_conversation(id_, _checked_title(title), MAX_CONVERSATIONS)
        return self.load(id_)

    def load(self, conversation_id: str) -> Conversation:
        """Return a conversation with its turns.

        Raises:
            NotFoundError: There is none of this id.
            StoreError: It cannot be read, or a turn is damaged; the message names it.
        """
        row, records = self._store.turns(conversation_id)
        turns = tuple(self._turn(conversation_id, number, record) for number, record in records)
        return replace(_conversation(row), turns=turns)

    def append(self, conversation_id: str, answer: Answer) -> Turn:
        """Add a turn at the end.

        Raises:
            InputError: The conversation has `MAX_TURNS`, or the answer is longer than `MAX_RECORD`.
            NotFoundError: There is no conversation of this id.
            StoreError: It cannot be written; nothing is changed.
        """
        title = _shorten(" ".join(answer.question.split()), TITLE_FROM_QUESTION)
        number = self._store.append_turn(conversation_id, _record(answer), MAX_TURNS, title)
        return Turn(number, answer, {citation.marker: "alive" for citation in answer.citations})

    def replace(self, conversation_id: str, number: int, answer: Answer) -> Turn:
        """Put another answer in the place of the last turn: its question was put differently.

        Raises:
            InputError: The turn is not the last one, or the answer is longer than `MAX_RECORD`.
            NotFoundError, StoreError: As `append`.
        """
        self._store.replace_turn(conversation_id, number, _record(answer))
        return Turn(number, answer, {citation.marker: "alive" for citation in answer.citations})

    def rename(self, conversation_id: str, title: str) -> None:
        """Give a conversation another title. Raises InputError as `start`, NotFoundError as `load`."""
        self._store.rename_conversation(conversation_id, _checked_title(title))

    def delete(self, conversation_id: str) -> None:
        """Delete a conversation with its turns. Raises NotFoundError as `load`."""
        self._store.delete_conversation(conversation_id)

    def _turn(self, conversation_id: str, number: int, record: str) -> Turn:
        try:
            row = json.loads(record)
            answer = Answer.from_dict(row | {"citations": [], "withheld": [], "hits": [], "documents": {}})
            kept = [_Kept.from_dict(cited) for cited in row["citations"]]
            hits = [hit for values in row["hits"] if (hit := self._hit(values)) is not None]
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise StoreError(
                f"Turn {number} of the conversation {conversation_id} in {self._store.folder} is damaged. Nothing was "
                "deleted. Put back a copy of the store, or delete the conversation."
            ) from error
        found = [self._find(cited) for cited in kept]
        return Turn(
            number,
            replace(answer, citations=tuple(citation for citation, _ in found), hits=tuple(hits)),
            {citation.marker: state for citation, state in found},
        )

    def _find(self, kept: "_Kept") -> tuple[Citation, State]:
        """Return a kept citation as it stands in the documents of now."""
        document = self._document(kept.document_id)
        if document is None:
            return kept.alone(), "removed"
        if document.digest == kept.digest and document.text[kept.start : kept.end] == kept.quote:
            passage_id, start, end = kept.passage_id, kept.start, kept.end
            return Citation(kept.marker, document, passage_id, start, end, kept.quote, kept.place), "alive"
        start = document.text.find(kept.quote) if kept.quote else -1
        if start < 0 or document.text.find(kept.quote, start + 1) >= 0:
            return kept.alone(), "changed"
        end = start + len(kept.quote)
        passages = self._store.passages_of(document.id)
        holding = next((passage for passage in passages if passage.start <= start < passage.end), None)
        passage = holding or Passage(f"{document.id}:{start}-{end}", document.id, start, end, kept.quote)
        return cite(kept.marker, document, passage, start, end), "moved"

    def _hit(self, kept: Mapping[str, Any]) -> Hit | None:
        """Return a kept hit, or None where its words do not stand in its place any more."""
        document = self._document(kept["document_id"])
        text = "" if document is None else document.text[kept["start"] : kept["end"]]
        if _digest(text) != kept["digest"]:
            return None
        passage = Passage(kept["passage_id"], kept["document_id"], kept["start"], kept["end"], text)
        arms = {arm: ArmRank(rank, score) for arm, (rank, score) in kept["arms"].items()}
        return Hit(passage, kept["rank"], kept["score"], arms)

    def _document(self, document_id: str) -> Document | None:
        try:
            return self._store.document(document_id)
        except NotFoundError:
            return None


@dataclass(frozen=True)
class _Kept:
    """What is kept of a citation: its words, where they stood, and in which document of which digest."""

    marker: int
    document_id: str
    digest: str
    title: str
    source: str
    passage_id: str
    start: int
    end: int
    quote: str
    place: Place

    @classmethod
    def of(cls, citation: Citation) -> "_Kept":
        document = citation.document
        return cls(
            citation.marker,
            document.id,
            document.digest,
            document.title,
            document.source,
            citation.passage_id,
            citation.start,
            citation.end,
            citation.quote,
            citation.place,
        )

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> "_Kept":
        kept = cls(**{**row, "place": Place(**row["place"])})
        if not (isinstance(kept.start, int) and isinstance(kept.end, int) and isinstance(kept.quote, str)):
            raise TypeError("a span is not of numbers, or a quote no text")
        return kept

    def alone(self) -> Citation:
        """Return the citation over a document that holds the quote and nothing else."""
        size = len(self.quote)
        document = Document(
            id=self.document_id,
            title=self.title,
            source=self.source,
            text=self.quote,
            origin=OriginMap.from_list([0, size] if size else []),
            digest=self.digest,
            encoding="utf-8",
            paragraphs=(Paragraph(1, 0, size, "body"),),
            articles=(Article(self.place.article or self.title, 0, size),),
            lines=(0,),
        )
        return Citation(self.marker, document, self.passage_id, 0, size, self.quote, self.place)


def _record(answer: Answer) -> str:
    """Return an answer as it is kept: without its documents, and without the texts of its hits."""
    record = replace(answer, citations=(), withheld=(), hits=()).to_dict()
    record["citations"] = [asdict(_Kept.of(citation)) for citation in answer.citations]
    record["hits"] = [_kept_hit(hit) for hit in answer.hits[:MAX_HITS]]
    del record["documents"], record["withheld"]
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
    if len(text) > MAX_RECORD:
        raise InputError(
            f"The answer takes {len(text)} characters; a turn of a conversation keeps {MAX_RECORD} at most. "
            "Ask for less at once."
        )
    return text


def _kept_hit(hit: Hit) -> dict[str, Any]:
    passage = hit.passage
    return {
        "document_id": passage.document_id,
        "passage_id": passage.id,
        "start": passage.start,
        "end": passage.end,
        "digest": _digest(passage.text),
        "rank": hit.rank,
        "score": hit.score,
        "arms": {arm: (found.rank, found.score) for arm, found in hit.arms.items()},
    }


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _conversation(row: ConversationRow) -> Conversation:
    id_, title, created, changed, length = row
    return Conversation(id_, title, created, changed, length=length)


def _checked_title(title: str) -> str:
    title = " ".join(title.encode("utf-8", "replace").decode("utf-8").split())
    if len(title) > MAX_TITLE:
        raise InputError(f"The title has {len(title)} characters; at most {MAX_TITLE} can be kept. Shorten it.")
    return title


def _shorten(text: str, size: int) -> str:
    return text if len(text) <= size else text[: size - 1] + "…"
