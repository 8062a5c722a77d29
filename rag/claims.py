"""Claims: a text that somebody wrote, sentence by sentence against the documents: which words carry it, what is wrong.

For answers that did not come from here, as another model's. Each sentence is searched for, tied to the words that carry
it and verified by the same rules as our own answers; nothing is mended. Rules, no model: a sentence that says the same
as the documents in quite other words is called unsupported, not understood.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from rag.alignment import Problem, Rule, text_of
from rag.citations import Citation, Quote, attribute, citation_to_dict
from rag.composition import Sourced, number
from rag.documents import Document
from rag.drafts import read_markers, without_markup
from rag.embedder import Embedder
from rag.errors import InputError, Language
from rag.folding import is_han
from rag.passages import sentence_spans
from rag.retriever import Hit
from rag.verification import share_carried, verify

MAX_TEXT = 4000  # characters
MAX_CLAIMS = 60  # sentences
MAX_HINTS = 99  # markers of the writer, which are taken out
LEAST_SAME = 0.6  # of a sentence, that its quotes must carry for what is otherwise in it to contradict them
CONTEXT = 8  # passages cited before, that a sentence may go on about

# "supported": the cited words hold it. "contradicted": they hold most of it, and say something else in its place.
# "unsupported": nothing holds it.
ClaimVerdict = Literal["supported", "contradicted", "unsupported"]
Verdict = Literal["supported", "partial", "unsupported"]  # of the whole text: all, some or none of its sentences

_SAYS: dict[Rule, dict[Language, tuple[str, str]]] = {
    "quote": {
        "zh": ("引文与原文不符：{said}", "，原文是：{found}"),
        "en": ("These words are not a quotation of the documents: {said}", "; there: {found}"),
    },
    "number": {
        "zh": ("数字没有依据：{said}", "，原文是：{found}"),
        "en": ("The cited words do not have this number: {said}", "; they have: {found}"),
    },
    "date": {
        "zh": ("日期没有依据：{said}", "，原文是：{found}"),
        "en": ("The cited words do not have this date: {said}", "; they have: {found}"),
    },
    "unit": {
        "zh": ("单位与原文不符：{said}", "，原文是：{found}"),
        "en": ("The unit is another one: {said}", "; the cited words have: {found}"),
    },
    "word": {
        "zh": ("原文没有这个词：{said}", "，原文是：{found}"),
        "en": ("The cited words do not have this word: {said}", "; they have: {found}"),
    },
    "name": {
        "zh": ("名称没有依据：{said}", "，原文是：{found}"),
        "en": ("The cited words do not have this name: {said}", "; they have: {found}"),
    },
    "negation": {
        "zh": ("肯定与否定和原文相反：{said}", "，原文是：{found}"),
        "en": ("It is denied where the documents affirm it, or the reverse: {said}", "; there: {found}"),
    },
    "direction": {
        "zh": ("方向与原文相反：{said}", "，原文是：{found}"),
        "en": ("It goes the other way than in the documents: {said}", "; there: {found}"),
    },
    "count": {
        "zh": ("列出的项数与原文不符：{said}", "，缺少：{found}"),
        "en": ("The list is not as long as it should be: {said}", "; missing: {found}"),
    },
    "support": {
        "zh": ("原文没有这样说：{said}", "，原文是：{found}"),
        "en": ("The documents do not say this: {said}", "; they say: {found}"),
    },
}  # fmt: skip


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a sentence."""

    rule: Rule
    said: str  # the words of the sentence
    found: str  # what the documents have in their place; "" where that is not known
    message: str  # for people, in the language of the sentence


@dataclass(frozen=True)
class Claim:
    """One sentence of the text. Invariant: `text_given[start:end] == text`."""

    text: str
    start: int
    end: int
    verdict: ClaimVerdict
    markers: tuple[int, ...]  # of the citations that carry it, or that it contradicts
    faults: tuple[Fault, ...]


@dataclass(frozen=True)
class Verification:
    """What `Pipeline.verify` returns."""

    text: str  # as it was given
    verdict: Verdict
    claims: tuple[Claim, ...]  # in order; what says nothing, as a line of signs, is none
    citations: tuple[Citation, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, without the texts of the documents."""
        return {
            "text": self.text,
            "verdict": self.verdict,
            "claims": [asdict(claim) | {"markers": list(claim.markers)} for claim in self.claims],
            "citations": [citation_to_dict(citation) for citation in self.citations],
        }


def verify_text(
    text: str,
    retrieve: Callable[[str], Sequence[Hit]],
    embedder: Embedder,
    document_of: Callable[[str], Document],
    trusted: Callable[[Quote], bool] = lambda _: True,
) -> Verification:
    """Verify each sentence of a text.

    Args:
        text: In Chinese or English. Mark-up and markers in it are passed over.
        retrieve: Returns the hits for a query.
        embedder: Ties sentences that share few words with the hits.
        document_of: Returns a document by its id.
        trusted: Says whether words of a document may carry anything.

    Raises:
        InputError: The text is empty, longer than `MAX_TEXT`, or has more sentences than `MAX_CLAIMS`.
    """
    checker = _Checker(retrieve, embedder, document_of, trusted)
    found = [checker.check(text, start, end) for start, end in _spans(text)]
    sentences, citations = number([sourced for _, sourced in found], document_of)
    claims = tuple(replace(claim, markers=one.markers) for (claim, _), one in zip(found, sentences, strict=True))
    held = sum(claim.verdict == "supported" for claim in claims)
    verdict: Verdict = "unsupported" if not held else "supported" if held == len(claims) else "partial"
    return Verification(text, verdict, claims, tuple(citations))


def _spans(text: str) -> list[tuple[int, int]]:
    """Return the spans of the sentences of a text, or say why it cannot be verified."""
    if len(text) > MAX_TEXT:
        raise InputError(
            f"The text has {len(text)} characters; at most {MAX_TEXT} can be verified at once. Send it in parts.",
            f"文字有{len(text)}个字符，一次最多核对{MAX_TEXT}个。请分几次核对。",
        )
    spans: list[tuple[int, int]] = []
    for start, end in sentence_spans(text):
        if text_of(_said(text[start:end])).tokens:
            spans.append((start, end))
        elif spans and "\n" not in text[spans[-1][1] : start]:
            spans[-1] = (spans[-1][0], end)  # the markers behind a sentence
    if not spans:
        raise InputError("The text is empty. Give the sentences that are to be verified.", "没有要核对的文字。")
    if len(spans) > MAX_CLAIMS:
        raise InputError(
            f"The text has {len(spans)} sentences; at most {MAX_CLAIMS} can be verified at once. Send it in parts.",
            f"文字有{len(spans)}句，一次最多核对{MAX_CLAIMS}句。请分几次核对。",
        )
    return spans


def _said(written: str) -> str:
    """Return a sentence without mark-up and markers."""
    return read_markers(without_markup(written), MAX_HINTS).text


class _Checker:
    """Checks the sentences of one text in order: what the last ones cite is looked at for the next one, too."""

    def __init__(
        self,
        retrieve: Callable[[str], Sequence[Hit]],
        embedder: Embedder,
        document_of: Callable[[str], Document],
        trusted: Callable[[Quote], bool],
    ) -> None:
        self._retrieve, self._embedder, self._document_of, self._trusted = retrieve, embedder, document_of, trusted
        self._cited: list[Hit] = []

    def check(self, text: str, start: int, end: int) -> tuple[Claim, Sourced]:
        """Return what is found of one sentence, and the words it is tied to."""
        written = text[start:end]
        said = _said(written)
        quotes, problems = self._tied(said)
        faults = tuple(_fault(problem, said) for problem in _distinct(problems))
        verdict: ClaimVerdict = "supported"
        if problems:
            same = bool(quotes) and share_carried(said, self._words(quotes)) >= LEAST_SAME
            other = any(problem.rule != "support" or problem.detail for problem in problems)
            verdict = "contradicted" if same and other else "unsupported"
        if verdict == "unsupported":
            quotes = ()
        return Claim(written, start, end, verdict, (), faults), (written, quotes)

    def _tied(self, said: str) -> tuple[tuple[Quote, ...], tuple[Problem, ...]]:
        """Return the words that a sentence is tied to, and what is wrong with it."""
        own = list(self._retrieve(said))
        known = {hit.passage.id for hit in own}
        hits = own + [
            replace(hit, rank=len(own) + at)
            for at, hit in enumerate((hit for hit in self._cited if hit.passage.id not in known), start=1)
        ]
        quotes = tuple(quote for quote in attribute(said, hits, (), self._embedder) if self._trusted(quote))
        if not quotes:
            return (), (Problem("support", said),)
        problems = verify(said, self._words(quotes))
        if problems:
            whole = self._widened(quotes)
            fewer = verify(said, self._words(whole))
            if not fewer:
                quotes = whole
            # What the rest of its sentence excuses, as a name, is no fault; the words that say otherwise stay short.
            problems = min(problems, fewer, key=len)
        cited = {quote.passage.id for quote in quotes}
        self._cited = ([hit for hit in hits if hit.passage.id in cited] + self._cited)[:CONTEXT]
        return quotes, problems

    def _widened(self, quotes: Sequence[Quote]) -> tuple[Quote, ...]:
        """Return the whole sentences that quotes are taken from: what is named in the first clause holds in the last.

        A sentence may go on in the next passage.
        """
        whole: dict[tuple[str, int, int], Quote] = {}
        for quote in quotes:
            document = self._document_of(quote.passage.document_id)
            at, stop = document.paragraph_at(quote.start).start, document.paragraph_at(quote.end - 1).end
            spans = [(at + start, at + end) for start, end in sentence_spans(document.text[at:stop])]
            first = max((start for start, _ in spans if start <= quote.start), default=quote.start)
            last = min((end for _, end in spans if end >= quote.end), default=quote.end)
            whole[document.id, first, last] = Quote(quote.passage, first, last)
        return tuple(whole.values())

    def _words(self, quotes: Sequence[Quote]) -> list[str]:
        return [self._document_of(quote.passage.document_id).text[quote.start : quote.end] for quote in quotes]


def _distinct(problems: Sequence[Problem]) -> list[Problem]:
    """Return what is wrong, each words once: by the rule that says most of them, with what stands in their place."""
    kept: dict[str, Problem] = {}
    for problem in sorted(problems, key=lambda problem: problem.rule == "support"):
        detail = "" if problem.detail.isdecimal() or problem.detail in problem.said else problem.detail
        same = next((said for said in kept if problem.said in said or said in problem.said), problem.said)
        first = kept.setdefault(same, replace(problem, detail=detail))
        said = max(first.said, problem.said, key=len) if first.rule == problem.rule else first.said
        kept[same] = replace(first, said=said, detail=first.detail or detail * (first.rule != "count"))
    return list(kept.values())


def _fault(problem: Problem, said: str) -> Fault:
    language: Language = "zh" if any(map(is_han, said)) else "en"
    words, instead = _SAYS[problem.rule][language]
    message = words.format(said=_quoted(problem.said, language))
    if problem.detail:
        message += instead.format(found=_quoted(problem.detail, language))
    return Fault(problem.rule, problem.said, problem.detail, message + ("。" if language == "zh" else "."))


def _quoted(words: str, language: Language) -> str:
    short = words if len(words) <= 60 else f"{words[:59]}…"
    return f"“{short}”" if language == "zh" else f'"{short}"'
