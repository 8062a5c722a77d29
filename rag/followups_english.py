"""Follow-ups in English: what `rag.followups` does, for “When was it held?” and “What about Guilin?”."""

import re
from collections.abc import Mapping

from rag.antecedents import Talk
from rag.folding import fold
from rag.mentions import Mention, MentionKind, find_mentions

_Kinds = Mapping[MentionKind, float]
_THINGS: _Kinds = {"organisation": 0.0, "place": 0.0, "event": 0.0, "work": 0.0, "name": 0.0, "thing": 0.0}
_PERSONS: _Kinds = {"person": 1.0, "name": -0.5}
_PLACES: _Kinds = {"place": 2.0, "organisation": 0.0, "event": 0.0, "name": 0.3}
_ANY: _Kinds = {**_THINGS, "person": 0.0}

_MARKS = re.compile(r"[\s？?!.…]+$")
_LEAD = re.compile(r"^(?:(?:and|so|but|then|ok(?:ay)?|well)[,\s]+)+(?=\w)", re.IGNORECASE)
_COURTESY = re.compile(
    r"^(?:thanks?(?: you)?(?: very much)?|hello|hi|hey|bye|ok(?:ay)?|good (?:morning|evening))\b.{0,12}$", re.I
)
_BARE = re.compile(
    r"^(?P<asks>why|how come|when|where|who|by whom|with whom|how|how many|how much|since when|until when|what for)"
    r"(?: exactly| not| is that| is this| was that| so)?$",
    re.IGNORECASE,
)
_MORE = re.compile(r"^(?:(?:what|who|where) else|anything else|any others?|what other ones)$", re.IGNORECASE)
_INSTEAD = re.compile(r"^(?:(?:what|how) about|and|or)\s+(?P<other>[^?]{1,60})$", re.IGNORECASE)
_WITH_VERB = re.compile(
    r"^(?P<asks>\w+(?: \w+){0,4}?) "
    r"(?P<verb>is|are|was|were|do|does|did|has|have|had|can|could|will|would|should) (?P<rest>.+)$",
    re.I,
)
_EXPLETIVE = re.compile(
    r"\bis it (?:true|possible|likely|necessary|ok|legal)"
    r"|\b(?:it|this) (?:take|takes|rain|rains|snow|mean|matter)\b|\bis it (?:raining|snowing)",
    re.IGNORECASE,
)
_CLASSED = re.compile(
    r"\b(?:this|that|the same) (?P<noun>company|firm|team|school|university|city|town|country|region|place|meeting|"
    r"summit|conference|game|match|event|man|woman|person|book|film|movie|bridge|river|robot|project)\b",
    re.IGNORECASE,
)
_CLASS_KINDS: tuple[tuple[str, _Kinds], ...] = (
    ("company|firm|team|school|university", {"organisation": 1.0, "name": 0.5}),
    ("city|town|country|region|place", {"place": 1.0, "name": 0.5}),
    ("meeting|summit|conference|game|match|event", {"event": 1.0}),
    ("man|woman|person", {"person": 1.0, "name": -0.5}),
    ("book|film|movie", {"work": 1.0}),
)
_PRONOUN = re.compile(r"\b(?P<word>its|it|they|them|their|he|him|his|she|her|there)\b", re.IGNORECASE)
_OWNING = ("its", "their", "his")


def completed_english(question: str, talk: Talk) -> str:
    """Return a question in English, completed where it leans on the turns before."""
    body = _MARKS.sub("", question)
    mark = question[len(body) :].strip()
    if _COURTESY.match(body):
        return question
    instead = _INSTEAD.match(body)
    if instead and not _WITH_VERB.match(instead["other"]):
        other = _pronoun(instead["other"], talk) or instead["other"]
        made = _replaced(other, talk)
        if made is not None:
            return made + mark
    body = _LEAD.sub("", body)
    made = _bare(body, talk) or _more(body, talk) or _pronoun(body, talk)
    return question if made is None else made[0].upper() + made[1:] + mark


def _bare(body: str, talk: Talk) -> str | None:
    """Why?, When?: asked of what the last question was about."""
    found = _BARE.match(body)
    if not found:
        return None
    asks, query = found["asks"].capitalize(), _MARKS.sub("", talk.last.query)
    whole = _WITH_VERB.match(query)
    if whole and asks.lower() in ("who", "how many", "how much"):
        whole = None
    if whole:
        return f"{asks} {whole['verb']} {whole['rest']}"
    polar = re.match(r"(?P<verb>is|are|was|were|do|does|did|has|have|had|can|will) (?P<rest>.+)$", query, re.IGNORECASE)
    if polar:
        return f"{asks} {polar['verb'].lower()} {polar['rest']}"
    return f"{query}, and {asks.lower()}"


def _more(body: str, talk: Talk) -> str | None:
    if not _MORE.match(body):
        return None
    return re.sub(r"^(what|who|where)\b(?! else)", r"\1 else", _MARKS.sub("", talk.last.query), count=1, flags=re.I)


def _replaced(other: str, talk: Talk) -> str | None:
    query = _MARKS.sub("", talk.last.query)
    if other.lower() in query.lower():
        return query
    mentions = find_mentions(query)
    wanted = find_mentions(other)
    kind: MentionKind = wanted[0].kind if wanted else "thing"
    # "the leading industry of Liuzhou" is one mention; a name takes the place of the name in it.
    names = [
        Mention(name.group(), name.start(), name.end(), "name", True)
        for name in re.finditer(r"\b(?<!^)[A-Z][\w&-]*(?: [A-Z][\w&-]*)*", query)
    ]
    same = [mention for mention in mentions if mention.kind == kind and kind not in ("thing", "name")]
    if re.search(r"[A-Z]", other):
        slots = (same if same and not names else []) or names or list(mentions)
    else:
        slots = [m for m in mentions if m.kind == kind] or list(mentions)
    if not slots or (slots[0].kind == "event" and kind != "event" and re.search(r"[A-Z]", other)):
        return None  # a name does not take the place of a meeting
    slot = slots[0]
    return query[: slot.start] + other + query[slot.end :]


def _pronoun(body: str, talk: Talk) -> str | None:
    folded = fold(body)
    classed = _CLASSED.search(body)
    if classed and not _names_before(body, classed.start()):
        kinds = next((kinds for pattern, kinds in _CLASS_KINDS if re.fullmatch(pattern, classed["noun"].lower())), None)
        best = talk.best(folded, kinds or {"name": 0.5, "thing": 0.0})
        if best is not None:
            return body[: classed.start()] + best.mention.text + body[classed.end() :]
        return None
    found = _PRONOUN.search(body)
    if not found or _EXPLETIVE.search(body) or _names_before(body, found.start()):
        return None
    word = found["word"].lower()
    if word == "there" and re.match(r"(?:is|are|was|were) there|how many .* (?:is|are|was|were) there", folded):
        return None  # is there life on Mars
    kinds = {"it": _THINGS, "its": _THINGS, "there": _PLACES}.get(word, _PERSONS)
    if word in ("they", "them", "their"):
        kinds = _ANY
    best = talk.best(folded, kinds)
    if best is None:
        return None
    name = best.mention.text
    if len(best.group) > 1 and word in ("they", "them"):
        name = ", ".join(mention.text for mention in best.group[:-1]) + " and " + best.group[-1].text
    owns = word in _OWNING or (word == "her" and re.match(r"\s+\w", body[found.end() :]))
    name = f"{name}’s" if owns else f"in {name}" if word == "there" else name
    return body[: found.start()] + name + body[found.end() :]


def _names_before(body: str, end: int) -> bool:
    return any(mention.end <= end for mention in find_mentions(body)) or bool(re.search(r"[,;]|\band\b", body[:end]))
