"""Citations: the exact words an answer stands on, where they are, and how they are found for a sentence.

A sentence is tied to the clauses of the hits whose words, numbers and names it has, whoever wrote it; where it has few
of them, as across languages, to what is nearest by dictionary and meaning. Whether they bear it out is not said here.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import Any

from rag.documents import Document
from rag.embedder import Embedder
from rag.errors import Language
from rag.folding import fold, is_han
from rag.lexical import Concept, concepts, grams, ways_of
from rag.lexicon import words_of
from rag.passages import Passage, clause_spans, sentence_spans
from rag.quantities import Quantity, missing_from, quantities
from rag.question import STOPWORDS
from rag.retriever import Hit

MAX_QUOTES = 4  # of one sentence
MAX_RUN = 8  # clauses of one quote
HINTED = 1.3  # factor of what a clause carries, where the writer named its passage
LEAST_GAIN = 0.12  # of what a sentence says, that one more quote must carry
LEAST_CARRIED = 0.35  # of it, that all quotes must carry by their words
LEAST_LIKE = 0.55  # of dictionary and meaning together, where the words are not the same
COST = 0.0015  # of a sentence's weight, for each character quoted: of two that carry as much, the shorter
NUMBER_WEIGHT = 3.0  # times that of a pair of characters
MAX_SENTENCE = 2000  # characters that are looked at
# Words that put what the source says, and say nothing of it.
FRAMES = frozenset(
    """
    提出 宣布 透露 补充 解释 回应 文中 原文 文章 报道 本文 文 中 根据 依据 据 按照 按 照 指出 提到 提及 介绍
    写道 写 称 说 说道 讲 认为 强调 要求 明确 其中 包括 包含 分别 即 也就是 也 就是 分为 分成 共 共有 总共 一共
    合计 主要 具体 具体来说 上述 以下 如下 内容 所述 显示 表明 可知 可见 得知 来看 来说 而言 方面 情况 信息 问题
    答案 回答 简言之 换言之 因此 所以 此外 另外 同时 并 并且 而 而且 以及 此 该 这 那 是 为 有 于 在 对 由 将 会
    了 的 地 得 着 过 被 把 等 等等 第 都 均 则 与 和 及 或 从 到 至 向 里 上 下 时 后 前 个 项 位 名 条 句 句话
    段 处 原话 一 text article report source document passage according says say said states stated state
    mentions mentioned mention reads notes noted writes wrote reports reported namely including included include
    includes following follows also answer original quote quoted here wording words overall respectively however
    therefore because while when where which who what
    """.split()
) | STOPWORDS  # fmt: skip


@dataclass(frozen=True)
class Place:
    """Where a quote stands, for people: in the mended text and in the file they own."""

    paragraph: int  # from 1
    article: str  # headline of the article within the document, or ""
    line: int  # in the source file, from 1
    column: int  # in that line, from 1
    source_start: int  # span in characters of the decoded source file, or of the text made of it
    source_end: int
    page: int | None = None  # from 1; None where the file has no pages

    def said(self, language: Language) -> str:
        """Return the page and the paragraph in words."""
        if language == "zh":
            return f"第{self.page}页第{self.paragraph}段" if self.page else f"第{self.paragraph}段"
        return f"page {self.page}, paragraph {self.paragraph}" if self.page else f"paragraph {self.paragraph}"

    def __str__(self) -> str:
        return self.said("zh")


@dataclass(frozen=True)
class Quote:
    """Words chosen from a passage: `[start, end)` in the document."""

    passage: Passage
    start: int
    end: int


@dataclass(frozen=True)
class Citation:
    """Marker `[n]` of an answer. Invariant: `document.text[start:end] == quote`."""

    marker: int  # from 1
    document: Document
    passage_id: str
    start: int
    end: int
    quote: str
    place: Place


def cite(marker: int, document: Document, passage: Passage, start: int, end: int) -> Citation:
    """Make the citation of `document.text[start:end]`."""
    source_start, source_end = document.origin.source_span(start, end)
    line, column = document.place_in_file(start)
    place = Place(
        document.paragraph_at(start).number,
        document.article_at(start).title,
        line,
        column,
        source_start,
        source_end,
        document.page_at(start),
    )
    return Citation(marker, document, passage.id, start, end, document.text[start:end], place)


def citation_to_dict(citation: Citation) -> dict[str, Any]:
    """Return plain values; the document is named, not held."""
    values = {name: getattr(citation, name) for name in ("marker", "passage_id", "start", "end", "quote")}
    document = citation.document
    return values | {
        "document_id": document.id,
        "title": document.title,
        "source": document.source,
        "place": asdict(citation.place),
    }


def citation_from_dict(row: Mapping[str, Any], documents: Mapping[str, Document]) -> Citation:
    """Return the citation that `citation_to_dict` was called on, given its document."""
    values = {name: row[name] for name in ("marker", "passage_id", "start", "end", "quote")}
    return Citation(document=documents[row["document_id"]], place=Place(**row["place"]), **values)


# -- Which words carry a sentence ------------------------------------------------------------------


def attribute(sentence: str, hits: Sequence[Hit], hints: Sequence[int], embedder: Embedder) -> tuple[Quote, ...]:
    """Return the smallest runs of clauses of the hits that carry a sentence, at most `MAX_QUOTES`, best first.

    Args:
        sentence: In Chinese or English; markers are taken out before.
        hits: The passages the answer was made of.
        hints: Ranks of the hits that its writer named; they help where several carry as much.
        embedder: For sentences that share few words with the hits.

    Returns:
        () where nothing carries it. Words that stand in a hit as they are are tied to exactly themselves.
    """
    sentence = sentence[:MAX_SENTENCE].strip()
    ordered = sorted(hits, key=lambda hit: (hit.rank not in hints, hit.rank))
    for hit in ordered:
        if found := _verbatim_span(sentence, hit.passage.text):
            return (_quote(hit, *found),)
    places = [place for inner in _quotations(sentence) if (place := _found(inner, ordered))]
    quoted = [_quote(hit, *span) for hit, span in places]
    features = _features(sentence)
    total = sum(features.values())
    if not total:
        return tuple(quoted[:MAX_QUOTES])
    runs = [run for hit in ordered for run in _runs(hit, features, hit.rank in hints)]
    held = set().union(*(run.held for run in runs))
    # A number that stands nowhere is not for a quote to carry: it is verified.
    features = {one: weight for one, weight in features.items() if one in held or not one.startswith("=")}
    total = sum(features.values()) or 1.0
    chosen = _cover(features, runs)
    carried = set().union(*(run.held for run in chosen))
    if sum(features[one] for one in carried) >= LEAST_CARRIED * total:
        return tuple(_joined([*(_quote(run.hit, run.start, run.end) for run in chosen), *quoted])[:MAX_QUOTES])
    if quoted:
        return tuple(_joined(quoted)[:MAX_QUOTES])
    return _nearest(sentence, ordered, hints, embedder)


@dataclass(frozen=True)
class _Run:
    """Clauses in a row: `[start, end)` in the passage's text, and what of the sentence they hold."""

    hit: Hit
    start: int
    end: int
    held: frozenset[str]
    factor: float


def _quote(hit: Hit, start: int, end: int) -> Quote:
    return Quote(hit.passage, hit.passage.start + start, hit.passage.start + end)


def _verbatim_span(sentence: str, text: str) -> tuple[int, int] | None:
    """Return where a sentence stands in a text, but for spaces, width, script and the signs around it."""
    wanted, _ = _bare(sentence)
    given, places = _bare(text)
    at = given.find(wanted) if len(wanted) > 1 else -1
    if at < 0:
        return None
    start, end = places[at], places[at + len(wanted) - 1] + 1
    cuts_word = any(
        0 < edge < len(text) and not is_han(text[edge]) and text[edge - 1].isalnum() and text[edge].isalnum()
        and not is_han(text[edge - 1])
        for edge in (start, end)
    )  # fmt: skip
    return None if cuts_word else (start, end)


@lru_cache(maxsize=256)
def _bare(text: str) -> tuple[str, list[int]]:
    """Return the folded letters, digits and signs inside of numbers of a text, and the place of each in it."""
    kept: list[str] = []
    places: list[int] = []
    for at, character in enumerate(text):
        folded = "".join(one for one in fold(character) if one.isalnum() or one in "%.")
        kept.append(folded)
        places += [at] * len(folded)
    bare = "".join(kept)
    stripped = bare.rstrip(".")
    return stripped, places[: len(stripped)]


def _quotations(sentence: str) -> list[str]:
    """Return what stands in quotation marks and is longer than a word."""
    found = re.findall(r'[“「『]([^“”「」『』]{4,})[”」』]|"([^"]{4,})"', sentence)
    return [chinese or other for chinese, other in found][:MAX_QUOTES]


def _found(words: str, hits: Sequence[Hit]) -> tuple[Hit, tuple[int, int]] | None:
    """Return the first hit that holds words as they are, and where."""
    for hit in hits:
        if span := _verbatim_span(words, hit.passage.text):
            return hit, span
    return None


def _features(sentence: str) -> dict[str, float]:
    """Return what a sentence says with weights: pairs of characters, words and numbers; one character counts little."""
    words = _words_said(sentence)
    inside = {gram for word in words if word not in STOPWORDS for gram in grams(word)}
    found: dict[str, float] = {}
    for gram in grams(" ".join(words)) + [one + other for one, other in pairwise("".join(words))]:
        if gram in STOPWORDS or not gram.strip():
            continue
        if is_han(gram[0]) and len(gram) == 1:
            found[gram] = 0.15
        elif gram in inside:
            found[gram] = 1.0
        elif all(map(is_han, gram)):  # across words: it tells their order
            found[gram] = 0.3
    for one in quantities(sentence):
        if not one.loose:
            found[_name_of(one)] = NUMBER_WEIGHT
    return found


def _words_said(sentence: str) -> list[str]:
    """Return the folded words of a sentence but for numbers and those that only put what is said."""
    numbers = [(one.start, one.end) for one in quantities(sentence)]
    kept, at = [], 0
    for start, end in [*numbers, (len(sentence), len(sentence))]:
        kept += [word.text for word in words_of(fold(sentence[at:start]))]
        at = max(at, end)
    return [word for word in kept if word not in FRAMES - STOPWORDS]


def _name_of(one: Quantity) -> str:
    return f"={one.kind} {one.value} {one.unit}"


def _runs(hit: Hit, features: Mapping[str, float], hinted: bool) -> list[_Run]:
    """Return the runs of clauses of a hit's sentences, each with what it holds of the sentence."""
    text = hit.passage.text
    numbers = [name for name in features if name.startswith("=")]
    runs = []
    for first, last in sentence_spans(text):
        spans = [(first + start, first + end) for start, end in clause_spans(text[first:last])]
        held = [_held(text[start:end], features, numbers) for start, end in spans]
        for at in range(len(spans)):
            if not held[at]:
                continue  # a quote begins with words that carry something
            carried: frozenset[str] = frozenset()
            for stop in range(at, min(at + MAX_RUN, len(spans))):
                carried |= held[stop]
                if held[stop]:
                    start, end = _trimmed(text, spans[at][0], spans[stop][1])
                    runs.append(_Run(hit, start, end, carried, HINTED if hinted else 1.0))
    return runs


def _held(clause: str, features: Mapping[str, float], numbers: Sequence[str]) -> frozenset[str]:
    held = {gram for gram in grams(clause) if gram in features}
    if numbers:
        given = quantities(clause)
        held |= {name for name in numbers if not missing_from(_quantity_of(name), given)}
    return frozenset(held)


def _quantity_of(name: str) -> Quantity:
    kind, value, unit = name[1:].split(" ", 2)
    return Quantity(0, 0, kind, value, unit)  # type: ignore[arg-type]


def _cover(features: Mapping[str, float], runs: Sequence[_Run]) -> list[_Run]:
    """Choose runs one by one, each time the one that adds most for its length.

    Source: Nemhauser, Wolsey and Fisher, "An analysis of approximations for maximizing submodular set functions",
        1978: choosing greedily covers at least 63 % of what the best choice of as many does.
    """
    total = sum(features.values())
    chosen: list[_Run] = []
    covered: frozenset[str] = frozenset()

    def gain(run: _Run) -> float:
        return run.factor * sum(features[one] for one in run.held - covered) / total

    while runs and len(chosen) < MAX_QUOTES:
        best = max(runs, key=lambda run: gain(run) - COST * (run.end - run.start))
        # One more quote must carry more than a number: that may stand anywhere.
        words = sum(features[one] for one in best.held - covered if not one.startswith("=")) / total
        if gain(best) < LEAST_GAIN or (chosen and words < LEAST_GAIN):
            break
        chosen.append(best)
        covered |= best.held
    return chosen


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """Return a span without the signs that follow its last word, but with those that close a quotation."""
    while end > start + 1 and (text[end - 1] in "，,；;：:。.、—" or text[end - 1].isspace()):
        end -= 1
    return start, end


def _joined(quotes: Sequence[Quote]) -> list[Quote]:
    """Join quotes of one passage that overlap or touch; the order stays that of the first of each."""
    kept: list[Quote] = []
    for quote in quotes:
        for at, other in enumerate(kept):
            near = (
                other.passage.id == quote.passage.id and quote.start <= other.end + 2 and other.start <= quote.end + 2
            )
            if near:
                kept[at] = replace(other, start=min(quote.start, other.start), end=max(quote.end, other.end))
                break
        else:
            kept.append(quote)
    return kept


def _nearest(sentence: str, hits: Sequence[Hit], hints: Sequence[int], embedder: Embedder) -> tuple[Quote, ...]:
    """Return the words nearest by dictionary, numbers and meaning: clauses of the nearest sentence; () for none."""
    near = _Nearness(sentence, hints, embedder)
    spans = [(hit, start, end) for hit in hits for start, end in sentence_spans(hit.passage.text)]
    scores = near.scores(spans)
    if not spans or max(scores) < LEAST_LIKE:
        return ()
    hit, start, end = spans[scores.index(max(scores))]
    clauses = [(start + first, start + last) for first, last in clause_spans(hit.passage.text[start:end])]
    runs = [
        (hit, clauses[first][0], clauses[last][1])
        for first in range(len(clauses))
        for last in range(first, min(first + MAX_RUN, len(clauses)))
    ]
    costs = [score - COST * (end - start) for score, (_, start, end) in zip(near.scores(runs), runs, strict=True)]
    hit, start, end = runs[costs.index(max(costs))]
    return (_quote(hit, *_trimmed(hit.passage.text, start, end)),)


class _Nearness:
    """How near texts are to a sentence, whatever their language."""

    def __init__(self, sentence: str, hints: Sequence[int], embedder: Embedder) -> None:
        self._hints, self._embedder = hints, embedder
        self._vector = embedder.embed_passages([sentence])[0]
        chinese = sum(map(is_han, sentence)) * 2 > len(re.findall("[A-Za-z]+", sentence))
        self._concepts = [one for one in concepts(sentence, not chinese, chinese) if _counts(one)]
        self._numbers = [one for one in quantities(sentence) if not one.loose]

    def scores(self, spans: Sequence[tuple[Hit, int, int]]) -> list[float]:
        """Return a score for each span of a hit's text: 0 for nothing in common, 2 for the same."""
        texts = [hit.passage.text[start:end] for hit, start, end in spans]
        cosines = self._embedder.embed_passages(texts) @ self._vector if texts else ()
        scores = []
        for (hit, _, _), text, cosine in zip(spans, texts, cosines, strict=True):
            given = quantities(text)
            known = [not missing_from(one, given) for one in self._numbers]
            share = sum(known) / len(known) if known else 1.0
            score = (_share_said(self._concepts, text) + max(0.0, float(cosine))) * (0.5 + 0.5 * share)
            scores.append(score * (HINTED if hit.rank in self._hints else 1.0))
        return scores


def _counts(concept: Concept) -> bool:
    return concept.weight > 0 and concept.literal not in STOPWORDS


def _share_said(said: Sequence[Concept], text: str) -> float:
    """Return the share, by weight, of the concepts that a text says in either language."""
    folded = fold(text)
    held = set(grams(text))
    total = sum(concept.weight for concept in said) or 1.0
    return (
        sum(
            concept.weight
            for concept in said
            if any(way in held or (len(way) > 1 and (way in folded)) for way, _ in ways_of(concept))
        )
        / total
    )
