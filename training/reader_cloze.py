"""Questions made from news: a sentence with one of its phrases taken out and asked for.

They teach the reader what the small reading sets show too rarely: to find the place that says what a
question says, and to give the phrase that is missing there, whole and no longer.
"""

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rag.folding import is_han
from rag.lexicon import Word, words_of
from rag.passages import clause_spans, sentence_spans

_NUMERAL = "[零〇一二两三四五六七八九十百千万亿]"
_UNITS = (
    "小时|分钟|公里|平方米|平方公里|个月|亿元|万元|美元|人次|年|天|个|家|人|台|辆|次|岁|元|吨|亩|米|项|条|种|名|位|届|座|所"
    "|间|艘|架|件|套|户|倍|部|场|篇|枚"
)
_DATES = re.compile(
    r"(?:\d{4}年)?\d{1,2}月\d{1,2}日(?:[上下]午|凌晨|晚)?|\d{4}年\d{1,2}月|\d{4}年(?:底|初)?"
    r"|\d{1,2}月(?:底|初|中旬|上旬|下旬)"
)
_NUMBERS = re.compile(rf"(?:约|近|超过?)?(?:\d[\d.,]*|{_NUMERAL}{{1,6}})(?:多|余)?(?:万|亿)?(?P<unit>{_UNITS})")
_SHARES = re.compile(r"(?:约|近|超过?)?\d[\d.]*(?:%|个百分点)|百分之[一二三四五六七八九十百点零]+")
_QUOTES = re.compile(r"[“《]([^”》“《]{2,20})[”》]")
_LISTS = re.compile(
    r"[^\s，。；：、“”（）,;:]{2,12}(?:、[^\s，。；：、“”（）,;:]{2,12}){1,6}"
    r"(?:(?:和|及|以及|与)[^\s，。；：、“”（）,;:的]{2,8})?等?"
)
_REASONS = re.compile(r"(?:因为|由于|为了|为)([^，。；]{4,30})[，,]")
_DROPPED_TAGS = ("d", "u", "c", "y", "ad", "b")

ASKING: Mapping[str, tuple[str, ...]] = {
    "person": ("谁", "谁", "哪位", "什么人", "哪个人"),
    "place": ("哪里", "什么地方", "哪儿", "哪个地方", "何处"),
    "organisation": ("哪个机构", "哪家单位", "什么机构", "哪个组织", "哪家公司"),
    "date": ("什么时候", "何时", "哪一天", "哪年", "什么时间", "哪一年"),
    "number": ("多少", "多少", "几"),
    "share": ("多少", "百分之多少", "多大比例"),
    "thing": ("什么", "什么", "哪个", "哪一"),
    "list": ("哪些", "什么", "哪几个"),
    "reason": ("为什么", "为何", "什么原因"),
    "clause": ("什么", "怎样", "如何", "怎么样"),
}  # fmt: skip


@dataclass(frozen=True)
class Cloze:
    """A question made from a text; `[start, end)` is the phrase that answers it."""

    question: str
    start: int
    end: int
    kind: str


class ClozeMaker:
    """Makes questions from texts, with words exchanged for synonyms and words left out."""

    def __init__(self, synonyms: Mapping[str, Sequence[str]], chooser: random.Random) -> None:
        """Take synonyms by word, and the source of every choice."""
        self._synonyms = synonyms
        self._chooser = chooser

    def of(self, text: str, count: int) -> Iterator[Cloze]:
        """Yield up to `count` questions about different sentences of a text."""
        sentences = [(start, end) for start, end in sentence_spans(text) if 12 <= end - start <= 140]
        self._chooser.shuffle(sentences)
        for start, end in sentences[:count]:
            options = self._phrases(text[start:end])
            if not options:
                continue
            kinds = sorted({kind for kind, _, _ in options})
            kind = self._chooser.choice(kinds)
            _, first, last = self._chooser.choice([option for option in options if option[0] == kind])
            question = self._ask(text[start:end], first, last, kind)
            if question:
                yield Cloze(question, start + first, start + last, kind)

    def _phrases(self, sentence: str) -> list[tuple[str, int, int]]:
        found: list[tuple[str, int, int]] = []
        for kind, pattern in (("date", _DATES), ("number", _NUMBERS), ("share", _SHARES), ("list", _LISTS)):
            found += ((kind, *match.span()) for match in pattern.finditer(sentence))
        for kind, pattern in (("thing", _QUOTES), ("reason", _REASONS)):
            found += ((kind, *match.span(1)) for match in pattern.finditer(sentence))
        taken = [(first, last) for _, first, last in found]
        words = words_of(sentence)
        tags = {"nr": "person", "ns": "place", "nt": "organisation", "nz": "thing"}
        at = 0
        while at < len(words):
            word = words[at]
            stop = at + 1
            kind = tags.get(word.tag[:2], "")
            if word.tag[:2] == "nr" and len(word.text) == 1:
                kind = ""
            if word.tag[0] in "nvj" and word.tag[:2] not in ("nr", "v") and is_han(word.text[0]):
                # A noun with the nouns around it is one thing: 工业 + 总产值, 广西 + 汽车 + 集团.
                while stop < len(words) and words[stop].tag[0] in "nj" and words[stop].start == words[stop - 1].end:
                    stop += 1
                if words[stop - 1].tag[0] == "n":
                    suffix = words[stop - 1].text[-1]
                    longer = stop - at > 1
                    kind = (
                        "organisation" if longer and suffix in "局会院司厂校团社行委部所馆" else
                        "place" if suffix in "市县区镇乡村省州路桥港山河湖岛" and (kind or longer) else
                        kind if not longer and kind else
                        "thing" if longer or len(word.text) > 1 else ""
                    )  # fmt: skip
            span = (word.start, words[stop - 1].end)
            if kind and span[1] - span[0] >= 2 and not any(a < span[1] and span[0] < b for a, b in taken):
                found.append((kind, *span))
            at = stop
        if self._chooser.random() < 0.3:
            clauses = [(a, b) for a, b in clause_spans(sentence) if 6 <= b - a <= 40]
            if len(clauses) > 1:
                first, last = self._chooser.choice(clauses)
                while last > first and sentence[last - 1] in "，。；：、,;:!?！？ ":
                    last -= 1
                found.append(("clause", first, last))
        return [(kind, first, last) for kind, first, last in found if last - first < 0.6 * len(sentence)]

    def _ask(self, sentence: str, first: int, last: int, kind: str) -> str:
        clauses = list(clause_spans(sentence))
        own = next((at for at, (a, b) in enumerate(clauses) if a <= first < b), 0)
        closing = next((at for at, (a, b) in enumerate(clauses) if a < last <= b), own)
        low, high = own, closing
        room = self._chooser.choice((10, 16, 24))
        while clauses[high][1] - clauses[low][0] - (last - first) < room and (low or high < len(clauses) - 1):
            if low and (high == len(clauses) - 1 or self._chooser.random() < 0.6):
                low -= 1
            else:
                high += 1
            if clauses[high][1] - clauses[low][0] > 70:
                break
        before = self._reword(sentence[clauses[low][0] : first])
        after = self._reword(sentence[last : clauses[high][1]])
        if len(before) + len(after) < 4 or len(before) + len(after) > 45:
            return ""
        asking = self._chooser.choice(ASKING[kind])
        unit = next((found["unit"] for found in [_NUMBERS.fullmatch(sentence[first:last])] if found), "")
        if kind == "number" and unit:
            asking += unit
        elif kind == "thing":
            noun = words_of(sentence[first:last])
            if noun and self._chooser.random() < 0.3 and len(noun) > 1:
                asking = "什么" + noun[-1].text
        return self._order(before.rstrip("“《"), asking, after.lstrip("”》"), kind) + self._chooser.choice("？？？?")

    def _order(self, before: str, asking: str, after: str, kind: str) -> str:
        chance = self._chooser.random()
        if kind == "reason":
            return asking + before + after if chance < 0.5 else before + after.lstrip("，") + "的原因是什么"
        if chance < 0.55:
            return before + asking + after
        if chance < 0.8:
            rest = before.rstrip("，。在于是为") + after
            return rest + ("是" if kind in ("person", "thing", "place", "number", "share", "list") else "在") + asking
        if kind in ("date", "place") and chance < 0.9:
            return before + after + asking
        return asking + after + (("，" + before) if before and self._chooser.random() < 0.6 else "")

    def _reword(self, text: str) -> str:
        """Leave out some words, and put others for some."""
        rate = self._chooser.choice((0.0, 0.1, 0.25))
        parts: list[str] = []
        end = 0
        for word in words_of(text):
            parts.append(text[end : word.start])
            end = word.end
            parts.append(self._word(word, rate))
        parts.append(text[end:])
        joined = re.sub(r"[。！？!?；;]+", "，", "".join(parts))
        joined = re.sub(r"[“”《》（）()、]+", lambda found: found[0] if self._chooser.random() < 0.6 else "", joined)
        return re.sub(r"，{2,}", "，", joined).strip("，") if self._chooser.random() < 0.7 else joined.replace("，", "")

    def _word(self, word: Word, rate: float) -> str:
        chance = self._chooser.random()
        if word.tag[:1] in _DROPPED_TAGS or word.tag in _DROPPED_TAGS:
            return "" if chance < 0.3 + rate else word.text
        if chance < rate / 2:
            return ""
        others = self._synonyms.get(word.text)
        return self._chooser.choice(others) if others and chance < 1.5 * rate else word.text
