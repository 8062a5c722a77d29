"""Enumerations: several things that a text gives side by side, and how many it promises. Rules, no model.

Chinese lists with 、 and 和, parallel clauses (坚持…，坚持…), numbered points (一是…二是…), English lists with
commas and "and". Where an item begins and ends is told by the words around it and by the length of its
neighbours, so the outer ends of a list are a guess. Knows nothing of questions.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from rag.folding import fold
from rag.lexicon import Word, words_of
from rag.passages import clause_spans, sentence_spans

Span = tuple[int, int]

MAX_ITEM = 40  # characters of an item in a list with 、
MAX_ITEMS = 60
NEAR = 8  # characters between the items and what promises their number
_NUMERALS = "两二三四五六七八九十"
_PROMISE = re.compile(
    rf"[“「『]?(?P<number>\d{{1,2}}|[{_NUMERALS}]+)(?P<unit>大|个|项|种|条|方面|点|重|类|家|位|名|座|所|部|届|省|市|县|区)"
    r"(?P<noun>[\u4e00-\u9fff]{1,6})"
)
_ENGLISH_NUMBERS = {word: at for at, word in enumerate("two three four five six seven eight nine ten".split(), 2)}
_ENGLISH_PROMISE = re.compile(rf"\b(?P<number>{'|'.join(_ENGLISH_NUMBERS)}|\d{{1,2}})\s+(?P<noun>[a-z]+(?:\s[a-z]+)?)")
_JOINS = re.compile(r"以及|和|与|及|或|暨")
_LEAD = re.compile(r"[^，。；,;]*[:：]\s*\Z")
MAX_LEAD = 20  # characters before a colon in which a number of things is promised
_MORE = re.compile(r"等")
_POINTS = re.compile(
    r"(?:^|(?<=[。；：，;:,\s]))(?:(?P<han>[一二三四五六七八九十])(?:是|要|、)|第(?P<rank>[一二三四五六七八九十])[，,、是]?"
    r"|[(（]?(?P<digit>\d{1,2})[)）.、](?!\d))"
)
_COMMON = re.compile(r"[\s“”\"'‘’「」『』]+")
_ENGLISH_LIST = re.compile(
    r"(?<![\w'’-])(?:[A-Za-z0-9][^,;:.!?()\n]{0,40},\s+){1,12}(?:[A-Za-z0-9][^,;:.!?()\n]{0,40}?,?\s+)?(?:and|or)\s+"
    r"[A-Za-z0-9][\w'’-]*(?:\s+[A-Z0-9][\w'’-]*)*"
)
_OPENING = frozenset(
    "the a an of in on at to for from by with including include includes included are is were was as and that".split()
)


@dataclass(frozen=True)
class Enumeration:
    """Several things side by side: spans `[start, end)` in the text that was looked into."""

    items: tuple[Span, ...]
    start: int  # of the first item, or of the promise where it stands before
    end: int  # of the last item, or of the promise where it stands behind
    promised: int | None = None  # how many the text says there are: 4 in “四大定位”
    noun: str = ""  # what it calls them, folded: 定位, or 民生事业 in 教育、医疗等民生事业
    open: bool = False  # followed by 等, "and so on": there are more


@lru_cache(maxsize=2048)
def enumerations(text: str) -> tuple[Enumeration, ...]:
    """Return the enumerations of a text, in the order of their beginnings."""
    folded = fold(text)
    if len(folded) != len(text):  # a sign that folds into two: places would be wrong
        folded = text.lower()
    found = [*_numbered(folded)]
    for start, end in sentence_spans(text):
        found += _parallel(folded, [(start + a, start + b) for a, b in clause_spans(text[start:end])])
    for start, end in clause_spans(text):
        found += _listed(folded, start, end)
    found += _english(text)
    unique = {(one.items[0][0], one.items[-1][1]): one for one in found if len(one.items) > 1}
    return tuple(sorted(unique.values(), key=lambda one: (one.start, one.end)))


def value_of(numeral: str) -> int:
    """Return the value of a small number in Chinese or Arabic numerals or an English word: 十二 is 12; 0 for others."""
    if numeral.isdecimal():
        return int(numeral)
    if numeral in _ENGLISH_NUMBERS:
        return _ENGLISH_NUMBERS[numeral]
    digits = {character: at for at, character in enumerate("〇一二三四五六七八九")} | {"两": 2, "零": 0}
    tens, ten, ones = numeral.rpartition("十")
    if (tens and tens not in digits) or (ones and ones not in digits):
        return 0
    return (10 * digits.get(tens, 1) if ten else 0) + digits.get(ones, 0)


# -- Lists with 、 -----------------------------------------------------------------------------------


def _listed(text: str, start: int, end: int) -> Iterator[Enumeration]:
    """Yield the list of a clause, such as A、B和C, or “A”和“B”两个品牌."""
    while end > start and text[end - 1] in "，,。；;：:！!？? ":
        end -= 1
    promise = _promise(text, start, end)
    body_start, body_end = start, end
    if promise:
        # What is promised stands behind its list (A、B两个品牌) or before it (两个品牌A、B).
        behind = promise.start() - start >= end - promise.end()
        body_start, body_end = (start, promise.start()) if behind else (_after_noun(text, promise, end), end)
    elif lead := _LEAD.search(text, max(0, start - MAX_LEAD), start):
        promise = _promise(text, lead.start(), start)  # 三个车站：东站、西站和南站
    *others, chunks = _lists(text, _chunks(text, body_start, body_end, bool(promise)))
    for other in others:
        if items := _cut_outer(text, other):
            yield Enumeration(items, items[0][0], items[-1][1])
    items = _cut_outer(text, chunks)
    if not items:
        return
    opened = bool(_MORE.match(text, items[-1][1]))
    first, last = items[0][0], items[-1][1]
    if promise and _is_near(text, items, promise):
        first, last = min(first, promise.start()), max(last, promise.end("noun"))
        noun = _noun(promise["noun"])
        yield Enumeration(items, first, last, value_of(promise["number"]), noun, opened)
    else:
        noun = _noun(text[last + 1 : min(end, last + 9)]) if opened else ""  # 等民生事业
        yield Enumeration(items, first, last, None, noun, opened)


def _promise(text: str, start: int, end: int) -> re.Match[str] | None:
    return next((found for found in _PROMISE.finditer(text, start, end) if value_of(found["number"]) > 1), None)


def _after_noun(text: str, promise: re.Match[str], end: int) -> int:
    """Return where a list may begin behind what promises it: after the noun's first word."""
    return min(end, promise.start("noun") + len(_noun(promise["noun"])))


def _noun(run: str) -> str:
    """Return the nouns that a run of characters begins with: 关键任务 of 关键任务包括."""
    end = 0
    for word in words_of(run):
        if word.tag[0] not in "nxjabgzt" and word.tag not in ("vn", "an") and end:
            break
        end = word.end
    return run[:end]


def _chunks(text: str, start: int, end: int, promised: bool) -> list[Span]:
    """Cut a clause at 、 outside of brackets, and its last part at 和; less than two where it is no list."""
    cuts, depth = [], 0
    for at in range(start, end):
        depth = max(0, depth + (text[at] in "(（《[【") - (text[at] in ")）》]】"))
        if text[at] == "、" and not depth:
            cuts.append(at)
    edges = [start, *(edge for cut in cuts for edge in (cut, cut + 1)), end]
    chunks = list(zip(edges[::2], edges[1::2], strict=True))
    joined = [
        found for found in _JOINS.finditer(text, *chunks[-1]) if chunks[-1][0] < found.start() < chunks[-1][1] - 1
    ]
    joined = [found for found in joined if not _inside_word(text, found.start(), found.end(), chunks[-1])]
    if joined and (cuts or promised or _alike(text, (chunks[-1][0], joined[0].start()), (joined[0].end(), end))):
        join = joined[0]
        chunks[-1:] = [(chunks[-1][0], join.start()), (join.end(), chunks[-1][1])]
    return chunks


def _lists(text: str, chunks: Sequence[Span]) -> list[list[Span]]:
    """Part the chunks where one holds the end of a list and the beginning of another: A、B到C、D."""
    sizes = sorted(end - start for start, end in chunks)
    usual = sizes[(len(sizes) - 1) // 2]
    lists: list[list[Span]] = [[]]
    for at, (start, end) in enumerate(chunks):
        words = words_of(text[start:end])
        verbs = [word for word in words[1:-1] if word.tag[0] in "vp" and word.tag != "vn"]
        if 0 < at < len(chunks) - 1 and end - start > 2.5 * usual and verbs:
            lists[-1].append((start, start + verbs[0].start))
            lists.append([(start + verbs[0].end, end)])
        else:
            lists[-1].append((start, end))
    return lists


def _inside_word(text: str, start: int, end: int, chunk: Span) -> bool:
    """Say whether 和 is a part of a longer word: 和平, 参与."""
    words = words_of(text[chunk[0] : chunk[1]])
    return not any((word.start + chunk[0], word.end + chunk[0]) == (start, end) for word in words)


def _alike(text: str, left: Span, right: Span) -> bool:
    """Say whether the two sides of 和 are of one form without a 、: both quoted, or one ending."""
    one, two = text[left[0] : left[1]].strip(), text[right[0] : right[1]].strip()
    if not one or not two:
        return False
    if one[-1] in "”」』》" and two[0] in "“「『《":
        return True
    last = words_of(one)[-1].text if words_of(one) else ""
    return len(last) > 1 and two.endswith(last)


def _cut_outer(text: str, chunks: Sequence[Span]) -> tuple[Span, ...]:
    """Cut from the first chunk what leads to the list, and from the last what follows it; () where it is no list."""
    if not 2 <= len(chunks) <= MAX_ITEMS or not all(text[start:end].strip() for start, end in chunks):
        return ()
    inner = [end - start for start, end in chunks[1:-1]]
    size = sum(inner) / len(inner) if inner else 0.0
    shortest = min(end - start for start, end in chunks)
    first_start, first_end = chunks[0]
    last_start, last_end = chunks[-1]
    first = _begin(text, first_start, first_end, size or min(shortest, last_end - last_start), chunks[1])
    last = _finish(text, last_start, last_end, size or (first_end - first))
    items = [(first, first_end), *chunks[1:-1], (last_start, last)]
    items = [_unquoted(text, *item) for item in items]
    return tuple(items) if all(0 < end - start <= MAX_ITEM for start, end in items) else ()


def _begin(text: str, start: int, end: int, size: float, following: Span) -> int:
    """Return where the first item begins: after a quotation mark, at the word all items begin with, or after a verb."""
    quoted = max(text.rfind(mark, start, end) for mark in "“「『《")
    if quoted >= start and text[end - 1] in "”」』》":
        return quoted
    words = list(words_of(text[start:end]))
    following_words = words_of(text[following[0] : following[1]])
    shared = following_words[0].text if following_words else ""
    same = [word.start for word in words if word.text == shared]
    if same:
        return start + same[-1]
    if size == following[1] - following[0] and text[end - 1] == text[following[1] - 1]:
        return max(start, end - int(size))  # 群众获得感、幸福感、安全感: of one form
    options = [0] + [
        word.end
        for before, word in zip([None, *words], words[:-1], strict=False)
        if _leads(word) or (word.tag[0] == "a" and before and before.tag[0] == "v")  # 建好, 打好
    ]
    return start + min(options, key=lambda at: (abs(end - start - at - size), at))


def _leads(word: Word) -> bool:
    return word.tag[0] in "vpducrfq" or word.tag in ("x", "ad") or word.text in ("的", "了", "由", "为", "是")


def _finish(text: str, start: int, end: int, size: float) -> int:
    """Return where the last item ends: before 等, behind its quotation mark, or before what is said of the list."""
    more = _MORE.search(text, start, end)
    if more and more.start() > start:
        return more.start()
    if text[start] in "“「『《":
        closing = min((at for mark in "”」』》" if (at := text.find(mark, start, end)) >= 0), default=-1)
        if closing >= 0:
            return closing + 1
    words = list(words_of(text[start:end]))
    options = [end - start] + [word.start for word in words[1:] if word.tag[0] in "vpd" or word.text in "的地得"]
    return start + min(options, key=lambda at: (abs(at - size), -at))


def _unquoted(text: str, start: int, end: int) -> Span:
    while start < end and (text[start].isspace() or text[start] in "“‘「『\"'"):
        start += 1
    while end > start and (text[end - 1].isspace() or text[end - 1] in "”’」』\"'，,。；;"):
        end -= 1
    return start, end


def _is_near(text: str, items: Sequence[Span], promise: re.Match[str]) -> bool:
    """Say whether what promises a number stands beside the items, with nothing but a few words between."""
    before, behind = items[0][0] - promise.end("noun"), promise.start() - items[-1][1]
    between = text[items[-1][1] : promise.start()] if behind >= 0 else ""
    return max(before, behind) <= NEAR and not re.search(r"[，。；,;]", between)


# -- Parallel clauses and numbered points ---------------------------------------------------------


def _parallel(text: str, spans: Sequence[Span]) -> Iterator[Enumeration]:
    """Yield runs of clauses of one sentence that begin with the same word, such as 坚持 in each."""
    heads = [next(iter(words_of(text[a : min(b, a + 12)])), None) for a, b in spans]
    at = 0
    while at < len(spans):
        stop = at + 1
        head = heads[at]
        while head and stop < len(spans) and heads[stop] and heads[stop].text == head.text:  # type: ignore[union-attr]
            stop += 1
        if head and stop - at >= 2 and head.tag[0] in "vpdm" and not head.text.isdecimal():
            items = tuple(_unended(text, a, b) for a, b in spans[at:stop])
            yield Enumeration(items, items[0][0], items[-1][1])
        at = stop


def _unended(text: str, start: int, end: int) -> Span:
    while end > start and text[end - 1] in "，,。；;、：: \n":
        end -= 1
    return start, end


def _numbered(text: str) -> Iterator[Enumeration]:
    """Yield runs of points that are numbered from one, such as 一是 and 二是."""
    run: list[re.Match[str]] = []

    def finished(stop: int) -> Iterator[Enumeration]:
        if len(run) < 2:
            return
        edges = [*(found.start() for found in run[1:]), stop]
        items = tuple(_unended(text, found.end(), edge) for found, edge in zip(run, edges, strict=True))
        if all(first < last for first, last in items):
            yield Enumeration(items, run[0].start(), items[-1][1])

    for found in _POINTS.finditer(text):
        number = value_of(found["han"] or found["rank"] or found["digit"])
        if run and number == len(run) + 1 and found.lastgroup == run[0].lastgroup:
            run.append(found)
        else:
            yield from finished(_sentence_end(text, run[-1].end()) if run else 0)
            run = [found] if number == 1 else []
    yield from finished(_sentence_end(text, run[-1].end()) if run else 0)


def _sentence_end(text: str, start: int) -> int:
    return next((at for at in range(start, len(text)) if text[at] in "。！？!?\n；"), len(text))


# -- English ---------------------------------------------------------------------------------------


def _english(text: str) -> Iterator[Enumeration]:
    """Yield English lists: A, B and C."""
    for found in _ENGLISH_LIST.finditer(text):
        pieces = list(re.finditer(r"[^,]+?(?=,|\s+(?:and|or)\s|$)", found.group()))
        items = []
        for piece in pieces:
            start, end = found.start() + piece.start(), found.start() + piece.end()
            words = list(re.finditer(r"\S+", text[start:end]))
            while words and words[0].group().lower() in _OPENING | {"or"}:
                words.pop(0)
            if words:
                items.append((start + words[0].start(), start + words[-1].end()))
        if len(items) < 2:
            continue
        items[0] = (_english_begin(text, *items[0]), items[0][1])
        promise = _ENGLISH_PROMISE.search(text.lower(), max(0, items[0][0] - 30), items[0][0])
        number = value_of(promise["number"]) if promise else None
        yield Enumeration(tuple(items), items[0][0], items[-1][1], number, promise["noun"] if promise else "")


def _english_begin(text: str, start: int, end: int) -> int:
    """Return where the first item begins: after the last small word before it, or at its run of capital letters."""
    words = list(re.finditer(r"\S+", text[start:end]))
    small = [at for at, word in enumerate(words[:-1]) if word.group().lower() in _OPENING]
    return start + words[small[-1] + 1].start() if small else start
