"""Antecedents: what of the earlier turns of a conversation a pronoun of a new question may stand for."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from rag.answers import Answer
from rag.folding import fold
from rag.lexicon import words_of
from rag.mentions import Mention, MentionKind, find_mentions
from rag.question import STOPWORDS, analyse

MAX_TURNS = 4  # earlier answers that are looked at
MAX_QUERY = 200  # characters of an earlier question; of a longer one nothing is taken
MAX_ANSWER = 300  # characters of an earlier answer
# Scores: of the topic of the last question, of what its answer names when that was asked for, and of what stands by.
TOPIC, GIVEN, ASIDE, TOLD = 3.0, 3.5, 1.5, 1.2
RECENCY = 0.6  # times a score, for each turn further back
REFUSED = 0.8  # times the score of what a refused question names
FITS, SHARES = 1.5, 0.8

_IDENTITY = re.compile(
    r"哪(?:一|两)?(?:家|个|所|座|支|款|位|条|届|种|项|部|本|艘|架|只|名)|叫什么|什么名字|名字是|谁|哪位"
    r"|\b(?:who|which (?!year|day|month)\w+|what is .* (?:called|name)|called)\b"
)
_GIVES: Mapping[str, tuple[MentionKind, ...]] = {
    "person": ("person", "name"),
    "place": ("place", "name", "organisation"),
    "date": ("date",),
}
# What a question asks tells what it is about.
_ASPECTS: tuple[tuple[MentionKind, str], ...] = (
    (
        "organisation",
        r"品牌|产品|总部|员工|产销|销量|营收|利润|董事长|总裁|创始人|创立|股价|市值|上市|子公司|旗下|工厂|客户"
        r"|\b(?:brands?|products?|headquarter\w*|employees?|founded|based|ceo|revenue|shares?)\b",
    ),
    (
        "place",
        r"面积|人口|市长|省长|县长|gdp|产业|景点|气候|特产|机场|高铁|美食|方言|\b(?:population|area|mayor|climate)\b",
    ),
    (
        "event",
        r"召开|举行|举办|主持|开[的了幕]|参加|出席|议题|审议|闭幕|第几届|冠军|\b(?:held|chairs?|chaired|attend\w*|agenda|winners?)\b",
    ),
    (
        "person",
        r"职务|多大|几岁|年龄|出生|毕业|上任|任职|籍贯|妻子|丈夫|身高|代表作|\b(?:old|born|job|wife|husband|age)\b",
    ),
    ("work", r"导演|主演|作者|票房|上映|出版|主角|片长|\b(?:directed|director|author|published|starring)\b"),
)


@dataclass(frozen=True)
class Candidate:
    """A mention of an earlier turn, with how likely it is spoken of now; larger is likelier."""

    mention: Mention
    score: float
    age: int  # turns ago, from 0
    group: tuple[Mention, ...] = ()  # those that it is listed with: 五菱和宝骏
    is_where: bool = False  # told by an answer to where something is


class Talk:
    """The earlier turns of a conversation, as far as a follow-up leans on them."""

    def __init__(self, history: Sequence[Answer]) -> None:
        """Take the answers, oldest first."""
        self.turns = [turn for turn in history if turn.verdict != "chat" and len(turn.query) <= MAX_QUERY][-MAX_TURNS:]
        self.candidates = [
            candidate for age, turn in enumerate(reversed(self.turns)) for candidate in _candidates(turn, age)
        ]

    @property
    def last(self) -> Answer:
        """The turn before."""
        return self.turns[-1]

    def best(self, folded: str, kinds: Mapping[MentionKind, float], suffix: str = "") -> Candidate | None:
        """Return the likeliest candidate.

        Args:
            folded: The new question, for what it asks.
            kinds: What may be meant, and what is added to the score of each kind.
            suffix: What its words must end with.
        """
        aspects = {kind for kind, pattern in _ASPECTS if re.search(pattern, folded)}
        words = _content(folded)
        found = [
            (candidate.score + kinds[candidate.mention.kind] + self._fit(candidate, aspects, words), -place, candidate)
            for place, candidate in enumerate(self.candidates)
            if candidate.mention.kind in kinds and fold(candidate.mention.text).endswith(suffix)
            # The place where something is, is not what one goes on to ask about, but by 那里.
            if not (candidate.is_where and kinds[candidate.mention.kind] <= 0)
        ]
        return max(found, key=lambda row: row[:2])[2] if found else None

    def _fit(self, candidate: Candidate, aspects: set[MentionKind], words: set[str]) -> float:
        fit = 0.0
        kind = candidate.mention.kind
        if kind in aspects:
            fit += FITS
        elif aspects and kind == "name":
            fit += FITS / 2
        elif aspects:
            fit -= FITS
        turn = self.turns[-1 - candidate.age]
        return fit + SHARES * bool(words & _content(fold(turn.query)))

    def items(self, least: int = 2) -> tuple[str, ...]:
        """Return the things listed in the latest answer or question that lists at least so many."""
        for turn in reversed(self.turns):
            for text in [*([told_of(turn)] if turn.verdict != "refused" else []), turn.query]:
                group = max(groups_of(text), key=len, default=())
                if len(group) >= least:
                    return tuple(mention.text for mention in group)
            if len(turn.sentences) >= least and all(len(sentence.text) <= 20 for sentence in turn.sentences):
                return tuple(sentence.text.rstrip("。；;. ") for sentence in turn.sentences)
        return ()


def told_of(turn: Answer) -> str:
    """Return what an answer says, bounded; nothing of a refusal."""
    return "" if turn.verdict == "refused" else turn.text[:MAX_ANSWER]


def groups_of(text: str) -> Iterator[tuple[Mention, ...]]:
    """Yield the mentions of a text that are listed together: A、B和C."""
    mentions = find_mentions(text)
    group: list[Mention] = list(mentions[:1])
    for left, right in pairwise(mentions):
        if not re.fullmatch(
            r"\s*(?:[、,，/]|和|与|及|以及|还是|跟|or|and|, and|,)\s*(?:the\s+)?", text[left.end : right.start]
        ):
            yield tuple(group)
            group = []
        group.append(right)
    yield tuple(group)


def _candidates(turn: Answer, age: int) -> Iterator[Candidate]:
    weight = RECENCY**age * (REFUSED if turn.verdict == "refused" else 1.0)
    asked = _spoken_of(turn.query)
    told = told_of(turn)
    named = {fold(candidate.mention.text) for candidate in asked}
    given = [
        candidate
        for candidate in _told(turn, told)
        if fold(candidate.mention.text) not in named or candidate.score > TOLD
    ]
    for candidate in [*asked, *given]:
        yield replace(candidate, score=candidate.score * weight, age=age)


def _spoken_of(query: str) -> list[Candidate]:
    """Return what a question names: first its topic, then what stands by."""
    mentions = [(mention, group) for group in groups_of(query) for mention in group]
    beside = [mention for mention, _ in mentions if _is_aside(query, mention)]
    topic = next((m for m, _ in mentions if m not in beside and m.kind != "date"), None)
    # 这家公司的总部: what it calls by its class only is no better than a name.
    name = next((m for m, _ in mentions if m not in beside and m.kind != "date" and m.is_name), None)
    if topic is not None and name is not None and query[topic.end : name.start] == "":
        topic = name
    return [
        Candidate(
            mention,
            TOPIC if mention == topic else ASIDE * (1.0 if mention.is_name or mention.kind == "date" else 0.6),
            0,
            group if len(group) > 1 else (),
        )
        for mention, group in mentions
    ]


def _is_aside(query: str, mention: Mention) -> bool:
    return bool(re.search(r"(?:在|从|到|向|对|为了|关于|于|自|\b(?:in|at|from|to|for|on))\s*$", query[: mention.start]))


def _told(turn: Answer, told: str) -> Iterator[Candidate]:
    """Yield what an answer names; what its question asked for counts most."""
    asked = analyse(turn.query)
    wanted: tuple[MentionKind, ...] = _GIVES.get(asked.kind, ())
    if not wanted and _IDENTITY.search(fold(turn.query)):
        wanted = ("name", "organisation", "event", "work", "place", "person", "thing")
    known = {fold(mention.text) for mention in find_mentions(turn.query)}
    given = False
    mentions = [(mention, group) for group in groups_of(told) for mention in group]
    if asked.kind == "person" and any(mention.kind == "person" for mention, _ in mentions):
        wanted = ("person",)
    for mention, group in mentions:
        kind: MentionKind = mention.kind
        fits = not given and kind in wanted and fold(mention.text) not in known
        fits = fits and (kind != "thing" or len(mention.text) * 2 >= len(told.strip()))
        if fits and asked.kind == "person" and kind == "name":
            kind = "person"
        given = given or fits
        score = GIVEN if fits else TOLD * (1.0 if mention.is_name or kind == "date" else 0.5)
        is_where = asked.kind == "place" and kind == "place" and not _IDENTITY.search(fold(turn.query))
        yield Candidate(replace(mention, kind=kind), score, 0, group if len(group) > 1 else (), is_where)


def _content(folded: str) -> set[str]:
    return {
        word.text
        for word in words_of(folded)
        if len(word.text) > 1 and word.text not in STOPWORDS and word.tag[0] not in "rpcuy"
    }
