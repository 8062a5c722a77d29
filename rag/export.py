"""Export: conversations as Markdown, a page of HTML, W3C Web Annotations in JSON, and references by GB/T 7714—2015.

What is exported is shared: the folders of a user's own files are left out. Of an address, what stands before the host
(a name and a password) is left out, too.

How the JSON counts: a citation is one annotation with one or two targets. The first is the mended text, in which
`Citation.start` and `end` count; its id names it by its SHA-256 (RFC 6920), and its positions count Unicode code points
from 0. The second is the file: of a text, its decoded characters, counted the same way; of a PDF, its page. Where the
document was changed or removed, only the words are left.
"""

import base64
import hashlib
import html
import json
import re
import unicodedata
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from typing import Any, Literal
from urllib.parse import urlsplit, urlunsplit

from rag.answers import NEAREST, Answer, escape_markdown, shorten
from rag.articles import EARLY, find_date
from rag.citations import Citation, citation_to_dict
from rag.conversation import Conversation, State, Turn
from rag.documents import Article, Document
from rag.errors import Language
from rag.folding import is_han
from rag.quantities import MONTHS

Talk = Conversation | Sequence[Answer]  # what can be exported

CONTEXT = "http://www.w3.org/ns/anno.jsonld"
CONTEXT_SIZE = 32  # characters kept on either side of a quote
MAX_PLACES = 10_000  # where a quote may stand in a text, that are compared
MAX_FILE_NAME = 60  # characters, so that its UTF-8 stays below the 255 bytes of file systems
Format = Literal["markdown", "html", "json", "bibliography"]
SUFFIXES: Mapping[Format, str] = {"markdown": ".md", "html": ".html", "json": ".json", "bibliography": ".txt"}
_SPACE = uuid.UUID("6f1f7d0c-6f0e-5b0e-9a55-3d1b9f0c2a77")  # of the ids made here; any constant will do
_DEVICES = re.compile(r"(?i)(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?=$|\.)")  # names that Windows keeps to itself
_FOLDER = re.compile(r"[/\\~]|[A-Za-z]:[/\\]")  # how a folder begins that an absolute path names, or one of a home
_DATES = (
    re.compile(r"(?P<year>\d{4})\s*年\s*(?P<month>\d{1,2})\s*月\s*(?P<day>\d{1,2})\s*[日号]"),
    re.compile(r"(?P<year>\d{4})[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})"),
    re.compile(r"(?P<month>[A-Z][a-z]+)\.? (?P<day>\d{1,2})(?:[a-z]{2})?,? (?P<year>\d{4})"),
    re.compile(r"(?P<day>\d{1,2})(?:[a-z]{2})? (?:of )?(?P<month>[A-Z][a-z]+)\.?,? (?P<year>\d{4})"),
)


@dataclass(frozen=True)
class _Words:
    """Our own words of an export, in one language."""

    code: str  # of the language, for HTML
    untitled: str
    searched: str
    sources: str
    back: str
    source: str  # with the marker
    differ: str
    nearest: str
    references: str
    asked: str  # when
    nothing: str
    comma: str
    semicolon: str
    states: Mapping[State, str]


_WORDS: Mapping[Language, _Words] = {
    "zh": _Words(
        code="zh-Hans",
        untitled="对话",
        searched="按此检索：",
        sources="出处",
        back="回到回答",
        source="出处 [{}]",
        differ="说法不一：",
        nearest="最接近的段落",
        references="参考文献",
        asked="最后提问：",
        nothing="还没有提问。",
        comma="，",
        semicolon="；",
        states={
            "moved": "文档已改动，原话仍在",
            "changed": "文档已改动，原话已不在原处",
            "removed": "文档已删除",
        },
    ),
    "en": _Words(
        code="en",
        untitled="Conversation",
        searched="Searched for: ",
        sources="Sources",
        back="Back to the answer",
        source="Source [{}]",
        differ="The sources differ: ",
        nearest="Nearest passages",
        references="References",
        asked="Last asked: ",
        nothing="Nothing was asked yet.",
        comma=", ",
        semicolon="; ",
        states={
            "moved": "the document was changed; the words still stand in it",
            "changed": "the document was changed; the words do not stand there any more",
            "removed": "the document was removed",
        },
    ),
}


# -- Markdown --------------------------------------------------------------------------------------


def to_markdown(talk: Talk, language: Language = "zh") -> str:
    """Return a conversation, or some answers, as Markdown: questions as headlines, answers with their quotes.

    Args:
        talk: What is exported.
        language: Of our own words; what was asked, answered and quoted stays as it is.
    """
    words = _WORDS[language]
    lines = [f"# {escape_markdown(_title(talk) or words.untitled)}"]
    if moment := _moment(talk):
        lines += ["", f"*{words.asked}{moment}*"]
    turns = _turns(talk)
    if not turns:
        lines += ["", words.nothing]
    for turn in turns:
        answer = turn.answer
        lines += ["", f"## {turn.number}. {escape_markdown(answer.question)}", ""]
        if answer.query != answer.question:
            lines += [f"*{words.searched}{escape_markdown(answer.query)}*", ""]
        notes = {marker: words.states[state] for marker, state in turn.states.items() if state in words.states}
        lines.append(answer.to_markdown(language, notes))
    if references := _references(talk, language):
        lines += ["", f"## {words.references}", "", *(f"- {escape_markdown(one)}" for one in references)]
    return _harmless("\n".join(lines) + "\n")


# -- HTML ------------------------------------------------------------------------------------------


def to_html(talk: Talk, language: Language = "zh") -> str:
    """Return a conversation, or some answers, as one page of HTML that needs nothing else and runs nothing.

    Every marker is a link to its quote, and every quote links back. The arguments are those of `to_markdown`.
    """
    words = _WORDS[language]
    title = _title(talk) or words.untitled
    turns = _turns(talk)
    moment = _moment(talk)
    parts = [
        "<!DOCTYPE html>",
        f'<html lang="{words.code}">',
        "<head>",
        '<meta charset="utf-8">',
        # Whatever slipped through: nothing is run, nothing is fetched.
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        f"<title>{_text(title)}</title>",
        f"<style>{_STYLE}</style>",
        "</head>",
        "<body>",
        "<header>",
        f'<h1 dir="auto"{_lang(title, language)}>{_text(title)}</h1>',
        *([f'<p>{words.asked}<time datetime="{moment.replace(" UTC", "Z")}">{moment}</time></p>'] if moment else []),
        "</header>",
        "<main>",
        *([] if turns else [f"<p>{words.nothing}</p>"]),
        *(line for turn in turns for line in _turn_html(turn, language)),
        "</main>",
    ]
    if references := _references(talk, language):
        parts += [
            "<footer>",
            f"<h2>{words.references}</h2>",
            "<ul>",
            *(f'<li dir="auto">{_text(one)}</li>' for one in references),
            "</ul>",
            "</footer>",
        ]
    return _harmless("\n".join([*parts, "</body>", "</html>"]) + "\n")


def _turn_html(turn: Turn, language: Language) -> list[str]:
    words, answer, name = _WORDS[language], turn.answer, f"q{turn.number}"
    cited = {citation.marker for citation in answer.citations}
    first: dict[int, str] = {}  # of each marker, the link that stands first: there a reader comes back to

    def link(marker: int) -> str:
        if marker not in cited:
            return f"[{marker}]"
        anchor = ""
        if marker not in first:
            first[marker] = f"{name}-from{marker}"
            anchor = f' id="{first[marker]}"'
        label = words.source.format(marker)
        return f'<a{anchor} class="marker" href="#{name}-source{marker}" aria-label="{label}">[{marker}]</a>'

    lines = [
        f'<article aria-labelledby="{name}">',
        f'<h2 id="{name}" dir="auto"{_lang(answer.question, language)}>{turn.number}. {_text(answer.question)}</h2>',
    ]
    if answer.query != answer.question:
        lines.append(f'<p class="aside">{words.searched}<span dir="auto">{_text(answer.query)}</span></p>')
    for said, markers in answer.said():
        links = "".join(f" {link(marker)}" for marker in markers)
        lines.append(f'<p class="said" dir="auto"{_lang(said, language)}>{_text(said)}{links}</p>')
    for one in answer.contradictions:
        both = zip(one.markers, one.values, strict=True)
        lines.append(
            f'<p class="aside">{words.differ}'
            + words.semicolon.join(f"<bdi>{_text(value)}</bdi> {link(marker)}" for marker, value in both)
            + "</p>"
        )
    if answer.notice:
        lines.append(f'<p class="aside" dir="auto">{_text(answer.notice)}</p>')
    if answer.citations:
        lines += [f"<h3>{words.sources}</h3>", '<ol class="sources">']
        lines += [line for one in answer.citations for line in _source_html(one, turn, language, name, first)]
        lines.append("</ol>")
    if answer.verdict == "refused" and answer.hits:
        lines += [f"<h3>{words.nearest}</h3>", "<ul>"]
        for hit in answer.hits[:NEAREST]:
            text = shorten(hit.passage.text)
            lines.append(f'<li dir="auto"{_lang(text, language)}>{_text(text)}</li>')
        lines.append("</ul>")
    return [*lines, "</article>"]


def _source_html(
    citation: Citation, turn: Turn, language: Language, name: str, first: Mapping[int, str]
) -> Iterable[str]:
    words, marker = _WORDS[language], citation.marker
    state = turn.states.get(marker, "alive")
    note = f"{words.comma}<strong>{words.states[state]}</strong>" if state in words.states else ""
    yield f'<li id="{name}-source{marker}" value="{marker}">'
    yield f'<p><cite dir="auto">{_text(_heading(citation))}</cite>{words.comma}{citation.place.said(language)}{note}'
    if marker in first:
        yield f'<a class="back" href="#{first[marker]}" aria-label="{words.back}">↩</a>'
    yield "</p>"
    yield f'<blockquote dir="auto"{_lang(citation.quote, language)}>{_text(citation.quote)}</blockquote>'
    yield "</li>"


def _heading(citation: Citation) -> str:
    """Return the title of a citation's document, and of its article where it has several."""
    document, article = citation.document, citation.place.article
    several = article and article != document.title
    return f"{document.title} · {article}" if several else document.title


def _lang(text: str, language: Language) -> str:
    """Return the attribute that names the language of a text where it is not that of the page."""
    own = _language_of(text)
    return f' lang="{own}"' if own and own != language else ""


def _language_of(text: str) -> str:
    """Return "zh" or "en", as far as the script tells, else ""."""
    if any(map(is_han, text)):
        return "ja" if re.search("[\u3041-\u30fa]", text) else "zh"
    return "en" if re.search("[A-Za-z]", text) and text.isascii() else ""


def _text(text: str) -> str:
    return html.escape(_seen(text), quote=True)


def _seen(text: str) -> str:
    """Return a text whose control characters, which HTML forbids, are shown as what they are: unknown."""
    return "".join("\ufffd" if unicodedata.category(one) == "Cc" and one not in "\n\t" else one for one in text)


_STYLE = """
:root { color-scheme: light dark; --ink: #1d1d1f; --quiet: #5a5a60; --line: #c9c9ce; --link: #0b57a4; --mark: #fdf3c4;
--paper: #fff }
@media (prefers-color-scheme: dark) {
:root { --ink: #ececf0; --quiet: #a6a6ad; --line: #4a4a50; --link: #8ab8f0; --mark: #4a4320;
--paper: #17171a }
}
html { background: var(--paper) }
body { color: var(--ink); font: 1rem/1.75 system-ui, "Noto Sans SC", "PingFang SC", "Microsoft YaHei", sans-serif;
margin: 0 auto; max-width: 44rem; overflow-wrap: anywhere; padding: 1.5rem }
h1 { font-size: 1.5rem; line-height: 1.35 }
h2 { font-size: 1.15rem; line-height: 1.45; margin: 2.25rem 0 .75rem }
h3 { color: var(--quiet); font-size: .9rem; margin: 1.25rem 0 .25rem }
header p, .aside, cite, footer li { color: var(--quiet); font-size: .9rem; font-style: normal }
.said { margin: .5rem 0; white-space: pre-line }
a { color: var(--link) }
.marker { font-size: .85em; text-decoration: none }
.marker:hover, .marker:focus-visible { text-decoration: underline }
.sources { padding-inline-start: 1.75rem }
.sources p { margin: .5rem 0 .25rem }
.sources li:target, .said:has(:target) { background: var(--mark) }
blockquote { border-inline-start: .2rem solid var(--line); margin: 0 0 .75rem; padding-inline-start: .75rem;
white-space: pre-line }
@media print {
body { max-width: none; padding: 0 }
.back { display: none }
h2, h3 { break-after: avoid }
.sources li { break-inside: avoid }
}
"""


# -- Web annotations -------------------------------------------------------------------------------


def to_json(talk: Talk, language: Language = "zh") -> str:
    """Return a conversation, or some answers, as JSON: a W3C annotation collection, and beside it the answers.

    Source: Sanderson, Ciccarese and Young, "Web Annotation Data Model", W3C Recommendation, 2017. The answers stand
    under `turns`, which the context of that model does not know and its readers leave out.
    """
    return _harmless(json.dumps(to_collection(talk, language), ensure_ascii=False, indent=2) + "\n")


def to_collection(talk: Talk, language: Language = "zh") -> dict[str, Any]:
    """Return what `to_json` writes as plain values; see the head of this module for what its positions count."""
    turns = _turns(talk)
    name = _name_of(talk)
    items = [annotation(citation, turn, name) for turn in turns for citation in turn.answer.citations]
    collection: dict[str, Any] = {
        "@context": CONTEXT,
        "id": name.urn,
        "type": "AnnotationCollection",
        "label": _title(talk) or _WORDS[language].untitled,
    }
    if isinstance(talk, Conversation):
        collection |= {"created": talk.created, "modified": talk.changed}
    return collection | {
        "total": len(items),
        "first": {"id": uuid.uuid5(name, "page").urn, "type": "AnnotationPage", "startIndex": 0, "items": items},
        "turns": [
            {
                "number": turn.number,
                "states": {str(marker): state for marker, state in turn.states.items()},
                "answer": shared_answer(turn.answer),
            }
            for turn in turns
        ],
    }


def annotation(citation: Citation, turn: Turn, name: uuid.UUID) -> dict[str, Any]:
    """Return a citation as an annotation of its document: the sentences it carries are the bodies.

    Args:
        citation: One of the turn's answer.
        turn: Whose sentences and states are taken.
        name: Of the collection; the ids follow from it.
    """
    bodies = []
    for sentence in turn.answer.sentences:
        if citation.marker in sentence.markers:
            language = _language_of(sentence.text)
            body = {"type": "TextualBody", "value": sentence.text, "format": "text/plain"}
            bodies.append(body | ({"language": language} if language else {}))
    document = citation.document
    result: dict[str, Any] = {
        "id": uuid.uuid5(name, f"{turn.number}/{citation.marker}").urn,
        "type": "Annotation",
        "motivation": "describing",
    }
    if bodies:
        result["body"] = bodies
    if turn.states.get(citation.marker) in ("changed", "removed"):
        selectors: list[dict[str, Any]] = [{"type": "TextQuoteSelector", "exact": citation.quote}]
        return result | {"target": [_target(document, _file_id(document), selectors)]}
    mended = _target(document, _named_by(document.text), selectors_of(document.text, citation.start, citation.end))
    return result | {"target": [mended, *_of_file(citation)]}


def selectors_of(text: str, start: int, end: int) -> list[dict[str, Any]]:
    """Return what finds the span [start, end) of a text again: its words with their surroundings, and its position."""
    return [
        {
            "type": "TextQuoteSelector",
            "exact": text[start:end],
            "prefix": text[max(0, start - CONTEXT_SIZE) : start],
            "suffix": text[end : end + CONTEXT_SIZE],
        },
        {"type": "TextPositionSelector", "start": start, "end": end},
    ]


def find(selectors: Sequence[Mapping[str, object]], text: str) -> tuple[int, int] | None:
    """Return the span that selectors mean in a text, which may have changed since.

    It is for programs that read the JSON of an export and show its quotes in texts of their own; nothing here calls it.
    The position counts where the very words stand in it, in their surroundings. Else the words are looked for: of
    several places that one is meant whose surroundings are most alike, and of those the one nearest to the position.

    Args:
        selectors: As `selectors_of` makes them, or another program; what is malformed is passed over.
        text: The text.

    Returns:
        None where the words do not stand in the text, or in several places that nothing tells apart. Without words,
        the position is taken as it is where the text is long enough.
    """
    position = _position(selectors)
    quote = next((one for one in selectors if one.get("type") == "TextQuoteSelector"), {})
    exact = quote.get("exact")
    if not isinstance(exact, str) or not exact:
        return position if position and position[1] <= len(text) else None
    prefix, suffix = (value if isinstance(value := quote.get(key), str) else "" for key in ("prefix", "suffix"))
    if position and text[slice(*position)] == exact and _alike(text, *position, prefix, suffix) == len(prefix + suffix):
        return position
    # The very words with all that stood around them; alone they may stand in the old place by chance: a date, a name.
    places = _nearest(f"{prefix}{exact}{suffix}", text, position and position[0] - len(prefix))
    starts = [at + len(prefix) for at in places]
    if not starts:
        places = _places(exact, text)
        alike = [_alike(text, at, at + len(exact), prefix, suffix) for at in places]
        most = max(alike, default=0)
        starts = [at for at, value in zip(places, alike, strict=True) if value == most]
    if not starts or (len(starts) > 1 and position is None):
        return None
    start = starts[0] if position is None else min(starts, key=lambda at: abs(at - position[0]))
    return start, start + len(exact)


def _nearest(words: str, text: str, place: int | None) -> list[int]:
    """Return where words stand that is nearest to a place, before and after it; without one, at both ends."""
    if place is None:
        found = (text.find(words), text.rfind(words))
    else:
        place = max(0, place)
        found = (text.find(words, place), text.rfind(words, 0, place + len(words)))
    return sorted({at for at in found if at >= 0})


def _position(selectors: Sequence[Mapping[str, object]]) -> tuple[int, int] | None:
    for one in selectors:
        start, end = one.get("start"), one.get("end")
        if one.get("type") == "TextPositionSelector" and type(start) is int and type(end) is int and 0 <= start <= end:
            return start, end
    return None


def _places(exact: str, text: str) -> list[int]:
    places: list[int] = []
    at = text.find(exact)
    while at >= 0 and len(places) < MAX_PLACES:
        places.append(at)
        at = text.find(exact, at + 1)
    return places


def _alike(text: str, start: int, end: int, prefix: str, suffix: str) -> int:
    """Return how many characters before and after a span are those that should stand there, counted from the span."""
    before, after = text[max(0, start - len(prefix)) : start], text[end : end + len(suffix)]
    return _common(before[::-1], prefix[::-1]) + _common(after, suffix)


def _common(one: str, other: str) -> int:
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _target(document: Document, id_: str, selectors: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    source = {"id": id_, "type": "Text", "label": document.title}
    return {"type": "SpecificResource", "source": source, "selector": list(selectors)}


def _of_file(citation: Citation) -> list[dict[str, Any]]:
    """Return the target in the file itself, where one can say where in it a quote stands."""
    document, place = citation.document, citation.place
    if document.has_lines:
        start, end = place.source_start, place.source_end
        position = {"type": "TextPositionSelector", "start": start, "end": end}
        known = document.file_text[start:end] != ""
        return [
            _target(document, _file_id(document), selectors_of(document.file_text, start, end) if known else [position])
        ]
    if place.page:
        page = {
            "type": "FragmentSelector",
            "conformsTo": "http://tools.ietf.org/rfc/rfc3778",
            "value": f"page={place.page}",
        }
        return [_target(document, _file_id(document), [page])]
    return []


def _file_id(document: Document) -> str:
    """Return the address of a document's file, else what names it by its bytes."""
    if address := _address(document.source):
        return address
    try:
        return _named_by_digest(bytes.fromhex(document.digest))
    except ValueError:
        return uuid.uuid5(_SPACE, _harmless(f"{document.id} {document.digest}")).urn


@lru_cache(maxsize=2)  # the citations of one document come in a row
def _named_by(text: str) -> str:
    return _named_by_digest(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())


def _named_by_digest(digest: bytes) -> str:
    """Return the name of what has this SHA-256. Source: RFC 6920, "Naming Things with Hashes"."""
    return f"ni:///sha-256;{base64.urlsafe_b64encode(digest).decode('ascii').rstrip('=')}"


def shared_answer(answer: Answer, whole_documents: bool = False) -> dict[str, Any]:
    """Return `Answer.to_dict` as it may be told to others: without a user's folders, and without what was withheld."""
    record = shared(replace(answer, withheld=()).to_dict(whole_documents))
    record["models"] = {role: shared_model(model) for role, model in record["models"].items()}
    del record["withheld"]
    return record


def shared_citation(citation: Citation) -> dict[str, Any]:
    """Return `citation_to_dict` as it may be told to others."""
    record = citation_to_dict(citation)
    return record | {"source": shared_source(record["source"])}


def shared(record: dict[str, Any]) -> dict[str, Any]:
    """Shorten the sources in a record of citations, and of documents where it has them; return it."""
    for one in (*record["citations"], *record.get("documents", {}).values()):
        one["source"] = shared_source(one["source"])
    return record


def _name_of(talk: Talk) -> uuid.UUID:
    """Return the id of a conversation; of answers, what follows from their words."""
    if isinstance(talk, Conversation):
        try:
            return uuid.UUID(hex=talk.id)
        except ValueError:
            return uuid.uuid5(_SPACE, _harmless(talk.id))
    return uuid.uuid5(_SPACE, _harmless("\n".join(f"{one.question}\n{one.text}" for one in talk)))


# -- References ------------------------------------------------------------------------------------


def to_bibliography(talk: Talk, language: Language = "zh", accessed: date | None = None) -> str:
    """Return what a conversation, or some answers, cite as numbered references, each once, in the order of citing.

    Args:
        talk: What is exported.
        language: Of the places: 第4段, para. 4.
        accessed: The day that pages of the web were read on; None takes the day of a conversation's last question.

    Returns:
        One line for each, or "" where nothing is cited.
    """
    lines = [f"[{number}] {one}" for number, one in enumerate(_references(talk, language, accessed), start=1)]
    return _harmless("".join(f"{line}\n" for line in lines))


def reference(
    document: Document, accessed: date | None = None, citation: Citation | None = None, language: Language = "zh"
) -> str:
    """Return the reference to a document by GB/T 7714—2015.

    Only what is known is said: no author and no newspaper, and of a date no year that the article does not give. What
    the document is: a page of the web [EB/OL], a report of the news [N], a book [M], a table [DS], else [Z].

    Args:
        document: Any.
        accessed: The day it was read on; said of what has an address.
        citation: Of this document: where several articles stand in it the cited one is named, and the place is.
        language: Of the place.
    """
    return _reference(document, accessed, [citation] if citation else [], language)


def _reference(document: Document, accessed: date | None, citations: Sequence[Citation], language: Language) -> str:
    article = _article(document, citations[0] if citations else None)
    address = _address(document.source)
    kind = _kind(document, article, address)
    title = document.title if article is None or kind in ("M", "DS") or len(document.articles) == 1 else article.title
    told = [_day(article.date)] if kind == "N" and article and article.date else []
    # The standard has the place behind a colon, after the day of issue.
    told = [": ".join([*told, *([_places_words(citations, language)] if citations else [])])]
    read = f"[{accessed.isoformat()}]" if address and accessed else ""
    tail = f"{told[0]}{read}"
    parts = [f"{_line(title)}[{kind}/OL]" if address else f"{_line(title)}[{kind}]", tail, address]
    return ". ".join(part for part in parts if part) + ("" if address else ".")


def _article(document: Document, citation: Citation | None) -> Article | None:
    if citation is not None:
        inside = citation.start <= len(document.text)
        return document.article_at(citation.start) if inside else None
    return document.articles[0] if len(document.articles) == 1 else None


def _kind(document: Document, article: Article | None, address: str) -> str:
    name = urlsplit(address).path if address else document.source
    suffix = name.lower().rpartition(".")[2]
    if document.encoding == "epub" or suffix == "epub":
        return "M"
    if suffix in ("csv", "tsv"):
        return "DS"
    if address:
        return "EB"
    return "N" if article is not None and _is_news(document, article) else "Z"


def _is_news(document: Document, article: Article) -> bool:
    """Say whether an article is a report of a newspaper: it names its day at once, or goes on on another page."""
    if article.date is None:
        return False
    bodies = (one for one in document.paragraphs if article.start <= one.start < article.end and one.kind == "body")
    body = next(bodies, None)
    early = document.text[article.start : body.start + EARLY] if body else ""
    return find_date(early) is not None or article.continued is not None


def _day(written: str) -> str:
    """Return a day as the standard writes it, where its year is known; else as the article does."""
    written = _line(written)
    found = next((match for pattern in _DATES if (match := pattern.fullmatch(written))), None)
    if not found:
        return written
    month = found["month"]
    number = next((str(at) for at, name in enumerate(MONTHS, 1) if name.startswith(month[:3])), month)
    return f"{int(found['year']):04}-{int(number):02}-{int(found['day']):02}" if number.isdecimal() else written


def _places_words(citations: Sequence[Citation], language: Language) -> str:
    """Return where quotes stand: 第4、7段; pages where the file has them."""
    pages = [one.place.page for one in citations]
    numbers = sorted({page for page in pages if page}) if all(pages) else sorted({c.place.paragraph for c in citations})
    if language == "zh":
        return f"第{'、'.join(map(str, numbers))}{'页' if all(pages) else '段'}"
    return f"{'p.' if all(pages) else 'para.'} {', '.join(map(str, numbers))}"


def _references(talk: Talk, language: Language, accessed: date | None = None) -> list[str]:
    if accessed is None and isinstance(talk, Conversation):
        accessed = _date(talk.changed)
    cited: dict[tuple[str, str, str], list[Citation]] = {}
    for turn in _turns(talk):
        for one in turn.answer.citations:
            cited.setdefault((one.document.id, one.document.digest, one.place.article), []).append(one)
    return [_reference(group[0].document, accessed, group, language) for group in cited.values()]


# -- Parts -----------------------------------------------------------------------------------------


def file_name(talk: Talk, suffix: str, language: Language = "zh") -> str:
    """Return a name for a file of an export that every system takes: the title, cut, and the suffix."""
    name = unicodedata.normalize("NFC", _harmless(_title(talk)))
    name = "".join(" " if unicodedata.category(one)[0] in "CZ" else one for one in name)
    name = " ".join(re.sub(r'[<>:"/\\|?*]', " ", name).split())
    name = name[:MAX_FILE_NAME].strip(" .-~？")
    if not name or _DEVICES.match(name):
        name = f"{_WORDS[language].untitled} {name}".strip()
    return name + suffix


def _turns(talk: Talk) -> tuple[Turn, ...]:
    if isinstance(talk, Conversation):
        return talk.turns
    return tuple(Turn(number, answer) for number, answer in enumerate(talk, start=1))


def _title(talk: Talk) -> str:
    if isinstance(talk, Conversation):
        return talk.title
    return talk[0].question if talk else ""


def _moment(talk: Talk) -> str:
    """Return when a conversation was last added to: 2025-01-31 12:00 UTC; "" where it is not known."""
    changed = talk.changed if isinstance(talk, Conversation) else ""
    return f"{changed[:10]} {changed[11:16]} UTC" if re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d", changed) else ""


def _date(moment: str) -> date | None:
    try:
        return date.fromisoformat(moment[:10])
    except ValueError:
        return None


def _address(source: str) -> str:
    """Return a source's address on the web without a name and a password; "" where it is none."""
    try:
        parts = urlsplit(source.strip())
        if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
            return ""
    except ValueError:  # an unclosed [ of an IPv6 address
        return ""
    if any(one.isspace() or one in '<>"' for one in source.strip()):
        return ""
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def shared_source(source: str) -> str:
    """Return a source as it may be shared: an address, or a file's name without its folders."""
    return _address(source) or re.split(r"[/\\]", source)[-1]


def shared_model(name: str) -> str:
    """Return a model's name as it may be shared: of a folder its last part, an id of a hub (ORG/NAME) whole."""
    if not _FOLDER.match(name):
        return name
    return next((part for part in reversed(re.split(r"[/\\]", name)) if part), name)


def _line(text: str) -> str:
    return " ".join(text.split())


def _harmless(text: str) -> str:
    """Return a text that can be written as UTF-8: half a surrogate pair becomes ?, and every position stays."""
    return text.encode("utf-8", "replace").decode("utf-8")


WRITERS: Mapping[Format, Callable[[Talk, Language], str]] = {
    "markdown": to_markdown,
    "html": to_html,
    "json": to_json,
    "bibliography": to_bibliography,
}

__all__ = [
    "CONTEXT",
    "SUFFIXES",
    "WRITERS",
    "Format",
    "Talk",
    "annotation",
    "file_name",
    "find",
    "reference",
    "selectors_of",
    "to_bibliography",
    "to_collection",
    "to_html",
    "to_json",
    "to_markdown",
]
