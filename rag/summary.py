"""Summaries: what a document, an article or a paragraph says, as the sentences of it that say most.

Which question asks for a summary is told by rules. Sentences are chosen by how near they stand to the whole of the
text and to its headline, how early they come, and how little they repeat each other. Nothing is put in other words:
what comes back are spans of the text. Knows neither search nor answers.

Choosing near and not yet said: Carbonell & Goldstein, "The use of MMR" (SIGIR 1998).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rag.documents import Document, Paragraph
from rag.embedder import Embedder, FloatMatrix
from rag.enumeration import value_of
from rag.folding import fold, is_han
from rag.lexicon import words_of
from rag.passages import Span, clause_spans, sentence_spans
from rag.question import STOPWORDS

Scope = Literal["document", "article", "paragraph"]

MAX_LENGTH = 400  # characters of a summary, in Chinese; other scripts take about `LATIN_FACTOR` as many
ENOUGH = 300  # characters beyond which only the first `MIN_SENTENCES` go
LATIN_FACTOR = 2.5
MAX_SENTENCES = 6
MIN_SENTENCES = 3
LONG_SENTENCE = 130  # characters; a longer one is cut at its commas
SHORT_SENTENCE = 8  # characters; a shorter one says too little
MAX_CANDIDATES = 600  # sentences looked at
_TEXT_KINDS = ("body", "list", "verse", "table")

# -- Requests --------------------------------------------------------------------------------------------

_NUMBER = r"[一二三四五六七八九十]{1,3}|\d{1,3}"
_TEXT = (
    r"(?:(?:这|该|那|本|此|整)?(?:一?[篇份个则条])?(?:新闻)?(?:文章|文档|文件|报道|新闻|课文|材料|稿子|文本|报告|东西|内容)"
    r"|本文|全文|原文|这篇|这份|文中|文章中|通篇|上文|上面(?:的)?(?:文章|内容)?)(?:里面?|中|的)?"
)
_PART = (
    rf"(?:{_TEXT})?(?:的)?(?:第(?P<number>{_NUMBER})|(?P<last>最后)一?|(?P<first>开头|首)(?:第?一)?)"
    r"(?:个)?(?:自然)?(?P<unit>段落?|节|篇)(?:文章|报道|新闻|文字|内容)?(?:里面?|中|的)?"
)
_WHAT = r"(?:一?些|哪些|个)?(?:什么|啥|哪些)"
_SAYS = (
    r"(?:主要|大概|大致|都|究竟|到底|具体|大体)*(?:是)?(?:在)?(?:讲|说|写|谈|介绍|报道|描述|论述|叙述|提)"
    rf"(?:述|到|及|的是)?了?的?(?:是)?{_WHAT}(?:内容|东西|事情?|主题|方面)?"
)
_GIST = (
    r"(?:主要|核心|大概|大致|中心|基本|关键)?的?"
    r"(?:内容|意思|大意|思想|观点|要点|主旨|主题|概要|梗概|摘要|重点|总结|概述)"
    r"(?:大概|主要)?(?:是|有|为|包括)?(?:什么|啥|哪些|怎样的)?"
)
_SUM_UP = (
    r"(?:请|帮我|麻烦|给我|能不能|能否|可以|能|再|你|为我|帮忙)*(?:用[^，,]{1,8}?话)?(?:简单|简要|简短|大致|大概)?地?"
    r"(?:总结|概括|归纳|概述|小结|摘要|提炼|缩写|梳理|概要)(?:一?下|出)?"
)
_ZH_WHOLE = (
    rf"{_TEXT}(?:{_SAYS}|{_GIST})|{_SUM_UP}(?:{_TEXT})?(?:的?{_GIST})?"
    r"|(?:主要|核心|大概)的?(?:内容|意思|大意)(?:是什么)?"
    rf"|(?:请|帮我|给我)*(?:写|做|给|列)(?:出|一?[个份段])?(?:{_TEXT})?(?:的)?(?:摘要|总结|概要|概述|要点|小结)"
    r"|讲了?(?:些)?(?:什么|啥)"
)
_ZH_PART = rf"(?:{_SUM_UP})?{_PART}(?:{_SAYS}|{_GIST})?"
_TOPIC = r"(?P<topic>[^，,。？?]{1,24}?)"
_ZH_TOPIC = (
    rf"(?:{_TEXT})?(?:关于|有关|就|对于?|围绕)(?:于)?{_TOPIC}(?:的(?:问题|方面|内容|部分|情况))?(?:这?方面)?，?(?:{_TEXT})?"
    rf"(?:都|主要|具体|里面)*(?:说|讲|谈|提|写|介绍|报道|描述|论述|有)(?:到|及|述)?了?{_WHAT}(?:内容|方面|说法|东西)?",
    rf"{_SUM_UP}(?:{_TEXT})?(?:关于|有关|对于?)?{_TOPIC}"
    r"(?:的(?:相关|主要)?(?:内容|部分|情况|要点|报道|信息))?",
    rf"{_TEXT}(?:关于|有关|对于?){_TOPIC}的(?:内容|部分|论述|表述|描述|说法)(?:是什么|有哪些|有什么)?",
)
_ZH_NO_TOPIC = re.compile(
    rf"什么|谁|哪|多少|怎|为何|如何|是否|吗$|^(?:的|了|一|这|那|它|你|我|上|下|中|里|全)*$|^(?:{_TEXT}|{_PART}|内容)$"
)
_EN_TEXT = (
    r"(?:(?:this|the|that|whole|entire|full|above|following|news) ?)*"
    r"(?:article|document|text|report|story|piece|page|file|paper|passage|content|it|this|that)s?"
)
_EN_ORDINAL = "first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth"
_EN_PART = (
    rf"(?:the )?(?:(?P<ordinal>{_EN_ORDINAL}|last|\d{{1,3}}(?:st|nd|rd|th))"
    r" (?P<unit>paragraph|section|article|report|story)"
    r"|(?P<unit2>paragraph|article) (?P<number>\d{1,3}|one|two|three|four|five))(?: of .{1,30})?"
)
_EN_POLITE = r"(?:please |can you |could you |would you |will you |briefly |quickly |short(?:ly)? )*"
_EN_SHORT = r"(?:an? |the )?(?:short |brief |quick )?"
_EN_SUM = (
    rf"{_EN_POLITE}(?:summari[sz]e|sum up|outline|give (?:me |us )?{_EN_SHORT}(?:summary|overview|gist|outline) of)"
)
_EN_NOUN = (
    r"(?:(?:main|key|central|overall) )?"
    r"(?:points?|ideas?|contents?|topic|message|gist|summary|takeaways?|subject)"
)
_EN_SAYS = r"(?:about|say|talk about|tell(?: us| me)?|cover|describe|report)"
_EN_WHOLE = (
    rf"{_EN_SUM}(?: {_EN_TEXT})?(?: (?:briefly|for me|please|in .{{1,30}}))*"
    rf"|{_EN_POLITE}(?:give (?:me |us )?)?{_EN_SHORT}(?:summary|overview|tl;?dr)(?: (?:of|for) {_EN_TEXT})?(?: please)?"
    rf"|{_EN_POLITE}(?:give|tell|list|show)(?: me| us)? the {_EN_NOUN}(?: (?:of|in) {_EN_TEXT})?"
    rf"|what(?: is|'s| does| did|s) {_EN_TEXT} {_EN_SAYS}(?: about)?"
    rf"|what (?:is|are|was|were) (?:the )?{_EN_NOUN}(?: (?:of|in) {_EN_TEXT})?"
)
_EN_PART_ASKED = (
    rf"(?:{_EN_SUM} |what(?: is|'s| does| did) |what (?:is|are) the {_EN_NOUN} of )?{_EN_PART}(?: {_EN_SAYS})?"
)
_EN_TOPIC = (
    rf"what (?:does|did|do) {_EN_TEXT} (?:say|tell us|tell me|mention|report|write)"
    r" (?:about|on|regarding|concerning) (?P<topic>.{2,60})",
    rf"{_EN_SUM} (?:what {_EN_TEXT} says? (?:about|on) )?(?P<topic>.{{2,60}})",
    r"what is (?:said|written|reported|mentioned) (?:about|on) (?P<topic>.{2,60})",
)
_EN_NO_TOPIC = re.compile(rf"(?:{_EN_TEXT}|{_EN_PART}|.*\b(?:who|when|where|why|how many|which)\b.*)")


@dataclass(frozen=True)
class SummaryRequest:
    """What is to be summarised: the document, its n-th article or paragraph, or what it says about a topic."""

    scope: Scope
    number: int = 0  # of the article or paragraph, from 1; -1 is the last; 0 for the document
    topic: str = ""  # as written; "" for all of it


def request(question: str) -> SummaryRequest | None:
    """Return what a question wants summarised, or None where it asks for something else."""
    aligned = "".join(one if len(one := fold(character)) == 1 else character for character in question)
    left = re.match(r"(?:请问|请|那么?|[\s,.!?，。！？])*", aligned)
    start = left.end() if left else 0
    stem = re.sub(r"[\s,，。.!！?？呢啊呀吧]+$", "", aligned[start:]).replace(",", "，")
    chinese = any(map(is_han, stem))
    if not stem:
        return None
    part = re.fullmatch(_ZH_PART if chinese else _EN_PART_ASKED, stem)
    if part:
        return _part(part)
    if re.fullmatch(_ZH_WHOLE if chinese else _EN_WHOLE, stem):
        return SummaryRequest("document")
    for pattern in _ZH_TOPIC if chinese else _EN_TOPIC:
        found = re.fullmatch(pattern, stem)
        if found and not (_ZH_NO_TOPIC.search(found["topic"]) if chinese else _EN_NO_TOPIC.fullmatch(found["topic"])):
            return SummaryRequest("document", topic=question[start:][found.start("topic") : found.end("topic")].strip())
    return None


def _part(found: re.Match[str]) -> SummaryRequest | None:
    groups = found.groupdict()
    unit = groups.get("unit") or groups.get("unit2") or ""
    scope: Scope = "article" if unit in ("篇", "article", "report", "story") else "paragraph"
    ordinal = groups.get("ordinal") or ""
    if groups.get("last") or ordinal == "last":
        return SummaryRequest(scope, -1)
    if groups.get("first"):
        return SummaryRequest(scope, 1)
    if ordinal in _EN_ORDINAL.split("|"):
        return SummaryRequest(scope, _EN_ORDINAL.split("|").index(ordinal) + 1)
    number = value_of(groups.get("number") or ordinal.rstrip("stndrh"))
    return SummaryRequest(scope, number) if number else None


def locate(document: Document, asked: SummaryRequest) -> Span | None:
    """Return the span of the document that is to be summarised; None where it has no such article or paragraph.

    Paragraphs are counted without headlines, bylines and notes, as readers count them.
    """
    if asked.scope == "document":
        return 0, len(document.text)
    parts = parts_of(document, asked.scope)
    if asked.number == -1 and parts:
        return parts[-1]
    return parts[asked.number - 1] if 0 < asked.number <= len(parts) else None


def parts_of(document: Document, scope: Scope) -> tuple[Span, ...]:
    """Return the spans of the articles or paragraphs of a document, or the one of all its text."""
    if scope == "article":
        return tuple((one.start, one.end) for one in document.articles)
    if scope == "paragraph":
        return tuple((one.start, one.end) for one in document.paragraphs if one.kind in _TEXT_KINDS)
    return ((0, len(document.text)),)


# -- Summaries -------------------------------------------------------------------------------------------

# Chosen on a hundred news texts with written summaries: bigram F1 0.43, against 0.40 of their first three sentences.
POSITION_WEIGHT = 1.0
HEADLINE_WEIGHT = 0.5
NEW_ARTICLE = 0.5  # for the first sentence of an article that has none yet, so that each is heard
NOVELTY = 0.7  # how much being like what is chosen already counts against a sentence


@dataclass(frozen=True)
class _Candidate:
    start: int
    end: int
    place: float  # 0 for the first sentence of its article, 1 for the last
    article: int

    @property
    def length(self) -> int:
        return self.end - self.start


def summarise(
    document: Document, embedder: Embedder, start: int = 0, end: int | None = None, topic: str = ""
) -> tuple[Span, ...]:
    """Choose the sentences of `document.text[start:end]` that say most.

    Args:
        document: Where they stand.
        embedder: Says how near sentences are to each other.
        start: First character that counts.
        end: One past the last; None for the end of the text.
        topic: Only sentences that hold all its words count, whatever their script or case.

    Returns:
        Spans of the document's text in its order, not overlapping: three to six where there are as many, at most
        `MAX_LENGTH` characters together unless the first is longer. () where no sentence mentions the topic.
    """
    end = len(document.text) if end is None else end
    candidates = _candidates(document, start, end, _content_words(topic))
    if not candidates:
        return ()
    chosen = _choose(document, embedder, candidates[:MAX_CANDIDATES], topic)
    return tuple((one.start, one.end) for one in sorted(chosen, key=lambda one: one.start))


def _content_words(topic: str) -> tuple[str, ...]:
    words = [word.text for word in words_of(fold(topic)) if any(map(str.isalnum, word.text))]
    return tuple(word for word in words if word not in STOPWORDS) or tuple(words)


def _candidates(document: Document, start: int, end: int, words: Sequence[str]) -> list[_Candidate]:
    """Return the sentences, and the parts of long ones, that may stand in a summary; in order."""
    found: list[_Candidate] = []
    seen: set[str] = set()
    for number, article in enumerate(document.articles or ()):
        spans: list[Span] = []
        for paragraph in document.paragraphs:
            inside = max(paragraph.start, start, article.start), min(paragraph.end, end, article.end)
            if paragraph.kind in _TEXT_KINDS and inside[0] < inside[1]:
                spans += _units(document.text, paragraph, *inside, words)
        last = max(1, len(spans) - 1)
        for at, span in enumerate(spans):
            sentence = document.text[slice(*span)]
            if sentence not in seen:
                seen.add(sentence)
                found.append(_Candidate(*span, at / last, number))
    return found


def _units(text: str, paragraph: Paragraph, start: int, end: int, words: Sequence[str]) -> list[Span]:
    run = text[start:end]
    units: list[Span] = []
    for first, last in sentence_spans(run):
        if not _mentions(run[first:last], words):
            continue
        if last - first > LONG_SENTENCE * (1 if _is_chinese(run) else LATIN_FACTOR):
            pieces = _clauses(run, first, last)
            units += [piece for piece in pieces if _mentions(run[slice(*piece)], words)] or [(first, last)]
        else:
            units.append((first, last))
    long_enough = [unit for unit in units if unit[1] - unit[0] >= SHORT_SENTENCE] or units
    return [(start + first, start + last) for first, last in long_enough]


def _mentions(sentence: str, words: Sequence[str]) -> bool:
    folded = fold(sentence)
    return all(
        bool(re.search(rf"\b{re.escape(word.removesuffix('s'))}", folded)) if word.isascii() else word in folded
        for word in words
    )


def _is_chinese(text: str) -> bool:
    return sum(map(is_han, text)) * 3 > len(text)


def _clauses(run: str, first: int, last: int) -> list[Span]:
    """Cut a long sentence at its commas into parts of about the length of a sentence."""
    most = LONG_SENTENCE * (1 if _is_chinese(run) else LATIN_FACTOR) * 0.7
    parts: list[Span] = []
    for begin, finish in clause_spans(run[first:last]):
        begin, finish = begin + first, finish + first
        if parts and finish - parts[-1][0] <= most:
            parts[-1] = (parts[-1][0], finish)
        else:
            parts.append((begin, finish))
    # What is quoted ends with a word, not with the comma it was cut at.
    return [(begin, begin + len(run[begin:finish].rstrip("，,：: "))) for begin, finish in parts]


def _choose(document: Document, embedder: Embedder, candidates: Sequence[_Candidate], topic: str) -> list[_Candidate]:
    """Take the best sentence that fits, again and again, each time counting what is said already."""
    texts = [document.text[one.start : one.end] for one in candidates]
    rows = np.asarray(embedder.embed_passages(texts), np.float32)
    scores = _scores(document, embedder, rows, candidates, topic)
    articles = np.array([one.article for one in candidates])
    lengths = np.array([one.length for one in candidates])
    factor = 1 if _is_chinese("".join(texts)) else LATIN_FACTOR
    repeats = np.zeros(len(candidates), np.float32)
    chosen: list[int] = []
    while len(chosen) < MAX_SENTENCES:
        budget = factor * (MAX_LENGTH if len(chosen) < MIN_SENTENCES else ENOUGH) - lengths[chosen].sum()
        gains = scores - NOVELTY * repeats + NEW_ARTICLE * ~np.isin(articles, articles[chosen])
        if chosen:
            gains[lengths > budget] = -np.inf
            gains[chosen] = -np.inf
        best = int(np.argmax(gains))
        if gains[best] == -np.inf:
            break
        chosen.append(best)
        repeats = np.maximum(repeats, rows @ rows[best])
    return [candidates[at] for at in chosen]


def _scores(
    document: Document, embedder: Embedder, rows: FloatMatrix, candidates: Sequence[_Candidate], topic: str
) -> FloatMatrix:
    scores = _centrality(rows, candidates) + POSITION_WEIGHT * _earliness(candidates)
    heads = [document.articles[one.article].title for one in candidates]
    scores += HEADLINE_WEIGHT * _nearness(embedder, rows, heads)
    return scores + _nearness(embedder, rows, [topic] * len(candidates)) if topic else scores


def _centrality(rows: FloatMatrix, candidates: Sequence[_Candidate]) -> FloatMatrix:
    """Return how near each sentence is to the mean of its text, longer sentences counting for more in it."""
    weights = np.array([one.length for one in candidates], np.float32)[:, None]
    centre = (rows * weights).sum(axis=0)
    return np.asarray(rows @ (centre / max(float(np.linalg.norm(centre)), 1e-9)))


def _earliness(candidates: Sequence[_Candidate]) -> FloatMatrix:
    return np.array([1.0 / (1.0 + 4.0 * one.place) for one in candidates], np.float32)


def _nearness(embedder: Embedder, rows: FloatMatrix, queries: Sequence[str]) -> FloatMatrix:
    distinct = list(dict.fromkeys(queries))
    vectors = dict(zip(distinct, embedder.embed_passages(distinct), strict=True))
    return np.array([float(row @ vectors[query]) for row, query in zip(rows, queries, strict=True)], np.float32)
