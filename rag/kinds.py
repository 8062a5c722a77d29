"""Kinds of question: whether a text gives the kind of thing that is asked for. Rules, no model."""

import re
from collections.abc import Callable
from itertools import pairwise

from rag.folding import fold
from rag.lexicon import words_of
from rag.question import MONEY, Asked, Promise

_NUMERAL = "[零〇一二两三四五六七八九十百千万亿]"
_DATE = re.compile(
    rf"\d{{1,4}}\s*[年月日号]|{_NUMERAL}{{1,4}}[年月日号]|今[年天日]|去年|明年|昨[天日]|世纪|年代|上午|下午"
    r"|[一二三四]季度|上半年|下半年|周[一二三四五六日]|星期|\b(?:1[5-9]|20)\d\d\b|\bcentury\b"
    r"|\b(?:january|february|march|april|may|june|july|august|september|october|november|december)\b"
    r"|\b(?:mon|tues|wednes|thurs|fri|satur|sun)day\b"
)
_NUMBER = re.compile(
    # 一家公司, 一个项目 count nothing: 一 alone is an article.
    rf"\d|(?!一[^十百千万亿]){_NUMERAL}+\s*(?:[个项家条名位种次届辆台人年天倍级成公分米元吨亩户座所]|万|亿|%)|百分之|第{_NUMERAL}"
    r"|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|dozen|hundred|thousand|million|billion|half)\b"
)
_SUM = re.compile(
    rf"(?:\d|{_NUMERAL})[\d.,多余]*[十百千万亿]*(?:美|欧|日|港)?[元圆块]|[$£€¥]\s?\d|\d\s?(?:dollar|euro|pound|yuan|usd|rmb)"
)
_PLACE = re.compile(
    r"[省市县区镇乡村州国岛港山河湖海路街厂馆院]|大学|基地"
    r"|\b(?:city|county|state|province|university|street|north|south|east|west)\b"
)
_REASON = re.compile(
    r"因为|因此|由于|为了|以便|从而|原因|因而|缘于|源于|是因|导致|使得|造成|目的|旨在|为[^，。]{2,}"
    r"|\b(?:because|due to|since|so that|in order|caused?|reason)\b"
)
_ENUMERATES = re.compile(r"、|一是|二是|分别|以及|和|及|包括|\b(?:and|including)\b|,")
_QUOTED = re.compile(r"[“「《『\"]")
_DEFINES = re.compile(r"是|为|指|称|叫|即|属于|\b(?:is|are|was|were|called|known as)\b")
_TITLE = re.compile(
    r"书记|主席|主任|总理|总统|部长|省长|市长|县长|局长|院长|校长|教授|记者|先生|女士|导演|董事长|总裁|经理|会长|秘书长"
    r"|将军|博士|作家|演员|歌手|·|\b(?:mr|mrs|ms|dr|president|king|queen|sir|minister|professor)\b"
)
# The commonest surnames of the Hundred Family Surnames.
_SURNAMES = frozenset(
    "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦许何吕施张孔曹严华金魏陶姜谢邹苏潘葛范彭鲁韦马方俞任袁柳史唐费岑薛雷贺倪汤"
    "罗毕郝安常乐于傅齐康伍余顾孟黄穆萧尹姚邵汪毛狄戴宋庞熊纪项祝董梁杜阮蓝季贾路江童郭梅林钟徐邱骆高夏蔡田樊胡霍万"
    "柯卢莫房丁邓洪包左石崔龚程邢裴陆荣翁段侯宁仇甘武符刘景龙叶黎白蒲卓温庄柴瞿阎连习容向古易廖耿关欧聂曾游"
)


def _names_person(rest: str, text: str) -> bool:
    words = words_of(rest)
    if any(word.tag == "nr" and 2 <= len(word.text) <= 4 for word in words) or _TITLE.search(fold(text)):
        return True
    surnamed = any(
        word.text in _SURNAMES and len(after.text) == 1 and word.end == after.start for word, after in pairwise(words)
    )
    return surnamed or bool(re.search(r"[a-z\s,]\s[A-Z][a-z]+ [A-Z][a-z]+", " " + text))


def _names_place(rest: str, _: str) -> bool:
    return bool(_PLACE.search(rest)) or any(word.tag == "ns" for word in words_of(rest))


_GIVES: dict[str, Callable[[str, str], bool]] = {
    "date": lambda rest, _: bool(_DATE.search(rest)),
    "number": lambda rest, _: bool(_NUMBER.search(rest)),
    "person": _names_person,
    "place": _names_place,
    "reason": lambda rest, text: bool(_REASON.search(fold(text))),
    "list": lambda rest, text: bool(_ENUMERATES.search(text)),
}


def is_met(asked: Asked, text: str) -> bool:
    """Say whether a text gives the kind of thing that is asked for, as news: in words the question lacks.

    Always false for a kind that cannot be seen: see `asks_for_something`.
    """
    if asked.kind not in _GIVES or not _GIVES[asked.kind](without_terms(fold(text), asked), text):
        return False
    if asked.kind != "number":
        return True
    if asked.unit == MONEY:
        return bool(_SUM.search(fold(text)))
    if asked.unit:
        return bool(re.search(rf"(?:\d|{_NUMERAL})[\d.多余]{{0,4}}[十百千万亿]{{0,2}}{asked.unit}", fold(text)))
    # A date is no amount.
    return bool(_NUMBER.search(_DATE.sub(" ", without_terms(fold(text), asked))))


def without_terms(folded: str, asked: Asked) -> str:
    """Return a folded text without the words of the question, and without punctuation."""
    for term in asked.terms:
        folded = folded.replace(term.text, " ")
    return re.sub(r"[^\w%]+", " ", folded).strip()


def enumerates(text: str) -> bool:
    """Say whether a text gives several things side by side."""
    return bool(_ENUMERATES.search(text))


def defines(text: str) -> bool:
    """Say whether a text says what something is or is called."""
    return bool(_DEFINES.search(text))


def quotes(text: str) -> bool:
    """Say whether a text holds a quotation or a title."""
    return bool(_QUOTED.search(text))


def asks_for_something(asked: Asked) -> bool:
    """Say whether the kind of question is one that a text visibly gives or does not give."""
    return asked.kind in _GIVES


def contradiction(promise: Promise, text: str) -> str:
    """Return what a text says instead of a promised number of things: 四大定位 for 五大定位; else ""."""
    folded = fold(text)
    if promise.text in folded:
        return ""
    said = ""
    for found in re.finditer(
        rf"(?!一[^十百千万亿])(\d+|{_NUMERAL}+){re.escape(promise.unit)}{re.escape(promise.noun)}", folded
    ):
        if _value(found[1]) == _value(promise.number):
            return ""
        said = found[0]
    return said


def _value(numeral: str) -> int | str:
    if numeral.isdecimal():
        return int(numeral)
    digits = {character: value for value, character in enumerate("〇一二三四五六七八九十")} | {"两": 2, "零": 0}
    if len(numeral) == 1:
        return digits.get(numeral, numeral)
    if "十" in numeral and len(numeral) <= 3:
        tens, _, ones = numeral.partition("十")
        return 10 * int(digits.get(tens, 1) if tens else 1) + int(digits.get(ones, 0) if ones else 0)
    return numeral
