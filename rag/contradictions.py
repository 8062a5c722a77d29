"""Contradictions: whether quotes that answer one question in different documents give the same value.

Rules on numbers, dates and names. Where a quote gives no value of the kind that is asked for, several of them, or one
of another unit, time or level, nothing is said: a wrongly shown contradiction is worse than one that is missed.
Knows nothing of where the quotes come from, nor which of them is right; that they speak of one thing is for whoever
finds them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from typing import Literal

from rag.folding import fold
from rag.mentions import find_mentions
from rag.quantities import Quantity, agree, quantities, units_agree
from rag.question import MONEY, Asked

Verdict = Literal["agree", "differ", "unrelated"]

ROUGHLY = Fraction(1, 20)  # how far from what is said roughly another value may lie
BEYOND = Fraction(1, 4)  # the same for "more than" and "almost"

_AMOUNTS = ("number", "money", "percentage", "ratio")
_NEAR = re.compile(r"(?:约|接近|近|\babout|\baround|\bapproximately|\bsome|\broughly)\s*$")
_ABOVE = re.compile(
    r"(?:超过?|逾|突破|多于|高于|不少于|至少|\bover|\bmore than|\bat least|\babove|\bexceed(?:s|ed|ing)?)\s*(?:了)?$"
)
_BELOW = re.compile(r"(?:不足|不到|近|将近|少于|低于|至多|\bunder|\bless than|\bnearly|\balmost|\bfewer than)\s*$")
_NEAR_BEHIND = re.compile(r"\s*(?:左右|上下)")
_ABOVE_BEHIND = re.compile(r"\s*(?:以上|多|余)")
# What time a number is of, where no date says it.
_PERIOD = re.compile(
    r"[去今前明]年|[上下]半年|[一二三四]季度|[上本下]个?[月周]|同期|\b(?:last|this|next) (?:year|month|week|quarter)\b"
)
_PROVINCES = frozenset(
    "河北 山西 辽宁 吉林 黑龙江 江苏 浙江 安徽 福建 江西 山东 河南 湖北 湖南 广东 海南 四川 贵州 云南 陕西 甘肃 青海 "
    "台湾 内蒙古 广西 西藏 宁夏 新疆".split()
)
_LEVELS = (
    ("country", "国"),
    ("province", "省|自治区"),
    ("city", "市|州"),
    ("district", "[县区旗]"),
    ("town", "[镇乡村]|街道"),
)


@dataclass(frozen=True)
class Pair:
    """Two of the quotes, by their places in the sequence given, and what is said of them."""

    first: int
    second: int
    verdict: Verdict
    values: tuple[str, str]  # as written: 3000万辆, 三千万辆; both "" where they are unrelated


def compare_values(asked: Asked, texts: Sequence[str]) -> tuple[Pair, ...]:
    """Say for each two quotes whether they agree on what is asked for.

    Args:
        asked: The question; its kind says what is compared: numbers, dates, persons or places. For other kinds every
            pair is unrelated.
        texts: The quotes, one of each document.

    Returns:
        A pair for each two quotes, in the order of `itertools.combinations`.
    """
    return tuple(_compare(asked, texts, first, second) for first, second in combinations(range(len(texts)), 2))


def _compare(asked: Asked, texts: Sequence[str], first: int, second: int) -> Pair:
    left, right = texts[first], texts[second]
    verdict: Verdict = "unrelated"
    values = "", ""
    if asked.kind == "number":
        verdict, values = _numbers(asked, left, right)
    elif asked.kind == "date":
        verdict, values = _dates(asked, left, right)
    elif asked.kind in ("person", "place"):
        verdict, values = _names(asked, left, right)
    return Pair(first, second, verdict, values)


Judgement = tuple[Verdict, tuple[str, str]]
_NOTHING: Judgement = "unrelated", ("", "")


# -- Numbers -------------------------------------------------------------------------------------------


def _numbers(asked: Asked, left: str, right: str) -> Judgement:
    ours = [one for one in quantities(left) if _is_amount(asked, left, one)]
    theirs = [one for one in quantities(right) if _is_amount(asked, right, one)]
    pairs = [(one, other) for one in ours for other in theirs if _comparable(one, other)]
    if not _same_time(left, right):
        return _NOTHING
    for one, other in pairs:
        if _equal(left, one, right, other):
            return "agree", (_written(left, one), _written(right, other))
    # Of several numbers of one unit nobody knows which is the answer.
    if len(pairs) != 1:
        return _NOTHING
    one, other = pairs[0]
    return "differ", (_written(left, one), _written(right, other))


def _is_amount(asked: Asked, text: str, one: Quantity) -> bool:
    if one.kind not in _AMOUNTS or one.loose or _written(text, one) in asked.question:
        return False
    if asked.unit == MONEY:
        return one.kind == "money"
    if re.search(r"百分之|比例|比重|占比|[^效]率(?:是|为|有)|percent|share|rate", fold(asked.question)):
        return one.kind == "percentage"
    if not asked.unit:
        return True
    wanted = quantities(f"2{asked.unit}")
    return not wanted or units_agree(wanted[0], one)


def _comparable(one: Quantity, other: Quantity) -> bool:
    return one.kind == other.kind and units_agree(one, other)


def _equal(left: str, one: Quantity, right: str, other: Quantity) -> bool:
    if agree(one, other) or agree(other, one):
        return True
    values = _value(one), _value(other)
    if values[0] is None or values[1] is None:
        return False
    return _reaches(left, one, values[0], values[1]) or _reaches(right, other, values[1], values[0])


def _value(one: Quantity) -> Fraction | None:
    try:
        return Fraction(one.value)
    except (ValueError, ZeroDivisionError):
        return None


def _reaches(text: str, one: Quantity, value: Fraction, other: Fraction) -> bool:
    """Say whether what is said roughly may be the other value: 超过3000万 may be 3012万."""
    before, behind = fold(text[max(0, one.start - 14) : one.start]), fold(text[one.end : one.end + 3])
    more = _ABOVE.search(before) or _ABOVE_BEHIND.match(behind) or re.search("[多余]", _written(text, one))
    if more and value <= other <= value * (1 + BEYOND):
        return True
    if _BELOW.search(before) and value * (1 - BEYOND) <= other <= value:
        return True
    near = _NEAR.search(before) or _NEAR_BEHIND.match(behind)
    return bool(near) and abs(value - other) <= ROUGHLY * abs(value)


def _same_time(left: str, right: str) -> bool:
    """Say whether two quotes may speak of one time: not 2023年 and 2024年, nor 上半年 and 一季度."""
    dates = [[one for one in quantities(text) if one.kind == "date"] for text in (left, right)]
    pairs = [(one, other) for one in dates[0] for other in dates[1]]
    if pairs and all(_date_verdict(one, other, 3) == "differ" for one, other in pairs):
        return False
    periods = [set(_PERIOD.findall(fold(text))) for text in (left, right)]
    return not periods[0] or not periods[1] or bool(periods[0] & periods[1])


# -- Dates ---------------------------------------------------------------------------------------------

_PARTS = {"year": 1, "month": 2, "day": 3}


def _dates(asked: Asked, left: str, right: str) -> Judgement:
    kind = {"hour": "time", "weekday": "weekday"}.get(asked.unit, "date")
    ours = [one for one in quantities(left) if one.kind == kind and _written(left, one) not in asked.question]
    theirs = [one for one in quantities(right) if one.kind == kind and _written(right, one) not in asked.question]
    verdicts = [(_verdict_of(asked, one, other), one, other) for one in ours for other in theirs]
    for wanted in ("agree", "differ"):
        for verdict, one, other in verdicts:
            if verdict == wanted and (wanted == "agree" or len(verdicts) == 1):
                return verdict, (_written(left, one), _written(right, other))
    return _NOTHING


def _verdict_of(asked: Asked, one: Quantity, other: Quantity) -> Verdict:
    if one.kind == "date":
        return _date_verdict(one, other, _PARTS.get(asked.unit, 3))
    return "agree" if agree(one, other) or agree(other, one) else "differ"


def _date_verdict(one: Quantity, other: Quantity, parts: int) -> Verdict:
    """Compare what both dates say, down to year, month or day: 6月25日 and 2025年6月25日 agree."""
    both = [
        (mine, yours)
        for mine, yours in zip(one.value.split("-")[:parts], other.value.split("-")[:parts], strict=False)
        if mine and yours
    ]
    if not both:
        return "unrelated"
    return "agree" if all(mine == yours for mine, yours in both) else "differ"


# -- Names ---------------------------------------------------------------------------------------------


def _names(asked: Asked, left: str, right: str) -> Judgement:
    ours, theirs = _named(asked, left), _named(asked, right)
    for one in ours:
        for other in theirs:
            if _is_same(one, other):
                return "agree", (one, other)
    if len(ours) != 1 or len(theirs) != 1 or (asked.kind == "place" and not _same_level(ours[0], theirs[0])):
        return _NOTHING
    return "differ", (ours[0], theirs[0])


def _named(asked: Asked, text: str) -> list[str]:
    """Return the persons or places that a quote names and the question does not, each once."""
    question = fold(asked.question)
    kinds = ("person", "name") if asked.kind == "person" and text.isascii() else (asked.kind,)
    found = [one.text for one in find_mentions(text) if one.is_name and one.kind in kinds]
    return [name for name in dict.fromkeys(found) if fold(name) not in question]


def _is_same(one: str, other: str) -> bool:
    """Say whether two names may be of one: one holds the other, as 柳州市柳北区 does 柳州 and John Smith does Smith."""
    left, right = (re.sub(r"[\s·・.-]+", "", fold(name)) for name in (one, other))
    short, long = sorted((_stem(left), _stem(right)), key=len)
    return bool(short) and short in long


def _stem(name: str) -> str:
    return re.sub(r"(?<=..)(?:[市省县区镇乡村国]|自治区)$", "", name)


def _same_level(one: str, other: str) -> bool:
    """Say whether two places may exclude each other: 南宁 and 柳州, but not 广西 and 柳州."""
    levels = _level(one), _level(other)
    return levels[0] == levels[1] or ("" in levels and not {"country", "province"} & set(levels))


def _level(place: str) -> str:
    folded = fold(place)
    if folded in _PROVINCES:
        return "province"
    return next((level for level, end in _LEVELS if re.search(rf"(?:{end})$", folded)), "")


def _written(text: str, one: Quantity) -> str:
    return text[one.start : one.end]
