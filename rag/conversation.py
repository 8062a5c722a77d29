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
from rag.store import ConversationRow, Store, full

MAX_CONVERSATIONS = 1000  # of one owner
MAX_ALL_CONVERSATIONS = 100_000  # in a store
VISITOR = "visitor:"  # how the names of owners begin whom nobody knows; theirs give way where there are as many
MAX_OWNER = 200  # characters
MAX_TURNS = 200  # in a conversation
MAX_TITLE = 100  # characters
MAX_RECORD = 200_000  # characters of a turn as it is kept
MAX_HITS = 8  # of an answer that are kept
MAX_TERMS = 20  # of each arm of a hit that are kept
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
    owner: str = ""  # whose it is, where a server tells its users apart

    @property
    def answers(self) -> tuple[Answer, ...]:
        """The answers, oldest first: the history of the next question."""
        return tuple(turn.answer for turn in self.turns)


class Conversations:
    """The conversations of a store. Every change is one transaction."""

    def __init__(self, store: Store) -> None:
        """Keep the store; nothing is read."""
        self._store = store

    def all(self, owner: str | None = None) -> list[Conversation]:
        """Return the conversations of an owner, or all, without their turns, the one changed last first.

        Raises:
            StoreError: They cannot be read.
        """
        return [_conversation(row) for row in self._store.conversations(owner)]

    def start(self, title: str = "", owner: str = "") -> Conversation:
        """Make a conversation.

        Args:
            title: Without one, its first question becomes the title.
            owner: Whose it is. Whoever names another owner finds no such conversation.

        Raises:
            InputError: The title is longer than `MAX_TITLE`, the owner's name longer than `MAX_OWNER`, or there are
                `MAX_CONVERSATIONS` of the owner, or `MAX_ALL_CONVERSATIONS`, none of them a visitor's. Of visitors,
                the conversation changed longest ago gives way.
            StoreError: It cannot be written; nothing is changed.
        """
        id_ = uuid.uuid4().hex
        if len(owner) > MAX_OWNER:
            raise InputError(
                f"The owner's name has {len(owner)} characters; at most {MAX_OWNER} can be kept.",
                f"用户标识有 {len(owner)} 个字符，最多只能有 {MAX_OWNER} 个。",
            )
        self._store.add_conversation(
            id_, _checked_title(title), MAX_CONVERSATIONS, owner, MAX_ALL_CONVERSATIONS, VISITOR
        )
        return self.load(id_)

    def load(self, conversation_id: str, owner: str | None = None) -> Conversation:
        """Return a conversation with its turns.

        Args:
            conversation_id: Its id.
            owner: Whose it has to be, here and in what follows; None for anybody's.

        Raises:
            NotFoundError: There is none of this id, or it is another owner's.
            StoreError: It cannot be read, or a turn is damaged; the message names it.
        """
        row, records = self._store.turns(conversation_id, owner)
        turns = tuple(self._turn(conversation_id, number, record) for number, record in records)
        return replace(_conversation(row), turns=turns)

    def append(self, conversation_id: str, answer: Answer, owner: str | None = None) -> Turn:
        """Add a turn at the end.

        Raises:
            InputError: The conversation has `MAX_TURNS`, or the answer is longer than `MAX_RECORD`.
            NotFoundError: There is no conversation of this id, or it is another owner's.
            StoreError: It cannot be written; nothing is changed.
        """
        number = self._store.append_turn(conversation_id, _record(answer), MAX_TURNS, _title_of(answer.question), owner)
        return Turn(number, answer, {citation.marker: "alive" for citation in answer.citations})

    def check_room(self, kept: Conversation) -> None:
        """Raise the InputError that `append` would, before an answer is made for nothing."""
        if kept.length >= MAX_TURNS:
            raise full(kept.length, MAX_TURNS)

    def replace(
        self, conversation_id: str, number: int, answer: Answer, owner: str | None = None, instead_of: str | None = None
    ) -> Turn:
        """Put another answer in the place of the last turn: its question was asked again, or put differently.

        Args:
            conversation_id: Its id.
            number: Of the turn.
            answer: The other one.
            owner: As for `load`.
            instead_of: The question of the turn before: a title that was made of it is made of the new one.

        Raises:
            InputError: The turn is not the last one, or the answer is longer than `MAX_RECORD`.
            NotFoundError, StoreError: As `append`.
        """
        titles = None if instead_of is None else (_title_of(instead_of), _title_of(answer.question))
        self._store.replace_turn(conversation_id, number, _record(answer), owner, titles)
        return Turn(number, answer, {citation.marker: "alive" for citation in answer.citations})

    def rename(self, conversation_id: str, title: str, owner: str | None = None) -> None:
        """Give a conversation another title. Raises InputError as `start`, NotFoundError as `load`."""
        self._store.rename_conversation(conversation_id, _checked_title(title), owner)

    def delete(self, conversation_id: str, owner: str | None = None) -> None:
        """Delete a conversation with its turns. Raises NotFoundError as `load`."""
        self._store.delete_conversation(conversation_id, owner)

    def _turn(self, conversation_id: str, number: int, record: str) -> Turn:
        try:
            row = json.loads(record)
            answer = Answer.from_dict(row | {"citations": [], "withheld": [], "hits": [], "documents": {}})
            kept = [_Kept.from_dict(cited) for cited in row["citations"]]
            hits = [hit for values in row["hits"] if (hit := self._hit(values)) is not None]
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise StoreError(
                f"Turn {number} of the conversation {conversation_id} is damaged. Nothing was deleted. "
                "Put back a copy of the store, or delete the conversation.",
                f"这段对话的第 {number} 轮已损坏，无法读取。什么都没有删除。请换回文档库的备份，或者删除这段对话。",
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
            if not self._store.has_passage(passage_id):  # the document was cut anew, for another embedder
                passage_id = self._passage(document, start, kept.quote).id
            return Citation(kept.marker, document, passage_id, start, end, kept.quote, kept.place), "alive"
        start = document.text.find(kept.quote) if kept.quote else -1
        if start < 0 or document.text.find(kept.quote, start + 1) >= 0:
            return kept.alone(), "changed"
        passage = self._passage(document, start, kept.quote)
        return cite(kept.marker, document, passage, start, start + len(kept.quote)), "moved"

    def _passage(self, document: Document, start: int, quote: str) -> Passage:
        """Return the passage that a quote begins in, or else the quote as one."""
        passages = self._store.passages_of(document.id)
        holding = next((passage for passage in passages if passage.start <= start < passage.end), None)
        end = start + len(quote)
        return holding or Passage(f"{document.id}:{start}-{end}", document.id, start, end, quote)

    def _hit(self, kept: Mapping[str, Any]) -> Hit | None:
        """Return a kept hit, or None where its words do not stand in its place any more."""
        document = self._document(kept["document_id"])
        text = "" if document is None else document.text[kept["start"] : kept["end"]]
        if _digest(text) != kept["digest"]:
            return None
        passage = Passage(kept["passage_id"], kept["document_id"], kept["start"], kept["end"], text)
        # An older version kept no terms.
        arms = {arm: ArmRank(rank, score, tuple(*terms)) for arm, (rank, score, *terms) in kept["arms"].items()}
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
            "Ask for less at once.",
            f"这个回答有 {len(text)} 个字符，对话里最多只能保存 {MAX_RECORD} 个。请一次少问一些。",
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
        "arms": {arm: (found.rank, found.score, found.terms[:MAX_TERMS]) for arm, found in hit.arms.items()},
    }


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _conversation(row: ConversationRow) -> Conversation:
    id_, title, created, changed, length, owner = row
    return Conversation(id_, title, created, changed, length=length, owner=owner)


def _checked_title(title: str) -> str:
    title = " ".join(title.encode("utf-8", "replace").decode("utf-8").split())
    if len(title) > MAX_TITLE:
        raise InputError(
            f"The title has {len(title)} characters; at most {MAX_TITLE} can be kept. Shorten it.",
            f"标题有 {len(title)} 个字，最多只能有 {MAX_TITLE} 个。请缩短。",
        )
    return title


def _title_of(question: str) -> str:
    return _shorten(" ".join(question.split()), TITLE_FROM_QUESTION)


def _shorten(text: str, size: int) -> str:
    return text if len(text) <= size else text[: size - 1] + "…"
