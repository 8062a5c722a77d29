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
# How a time is written that is as exact as asked.
_DATE_UNITS = {
    "year": re.compile(rf"\d{{4}}\s*年|{_NUMERAL}{{4}}年|[今去明前后]年|当年|同年|\b(?:1[5-9]|20)\d\d\b"),
    "month": re.compile(
        r"(?:\d|[一二三四五六七八九十])月|本月|上月|\b(?:jan|feb|mar|apr|may|june?|july?|aug|sep|oct|nov|dec)[a-z]*\b"
    ),
    "day": re.compile(
        rf"(?:\d|{_NUMERAL})[日号]|[今昨明前当次]天|[今昨当次]日|周[一二三四五六日]|星期[一二三四五六日天]"
        r"|\b(?:jan|feb|mar|apr|may|june?|july?|aug|sep|oct|nov|dec)[a-z]*\.? \d|\b\d{1,2}(?:st|nd|rd|th)?"
        r" (?:jan|feb|mar|apr|may|june?"
        r"|july?|aug|sep|oct|nov|dec)|\b(?:mon|tues|wednes|thurs|fri|satur|sun)day\b|\btoday|yesterday\b"
    ),
    "weekday": re.compile(r"周[一二三四五六日末]|星期|礼拜|\b(?:mon|tues|wednes|thurs|fri|satur|sun)day\b"),
    "hour": re.compile(rf"(?:\d|{_NUMERAL})\s*[点时]|\d:\d\d|\d\s?[ap]\.?m\b|中午|午夜|noon|midnight"),
}
# How the names of things end, by the noun that asks for them.
_ENDINGS = {
    noun: tuple(endings.split())
    for nouns, endings in (
        ("企业 公司 厂商 车企 药企", "公司 集团 厂 企业 车企 工厂 股份"),
        ("城市 市", "市"),
        ("区县", "区 县"),
        ("地区 地方 区域", "区 市 县 省 州 镇 乡 村 地"),
        ("国家 国", "国 兰 亚 本 拿大"),
        ("报纸 报刊 报", "报 时报 日报"),
        ("媒体", "报 社 台 网 新闻 电视"),
        ("法律 法规 法", "法 条例 法案 规定 办法"),
        ("文件 政策", "意见 通知 方案 规划 办法 规定 条例 决定 计划"),
        ("学校 高校 大学 院校", "大学 学院 中学 小学 学校"),
        ("机构 部门 单位 组织", "局 委 院 部 厅 处 会 中心 组织 机构 协会 委员会 所 办 办公室 公司 大学"),
        (
            "职务 职位 头衔 身份 官职",
            "书记 主席 主任 总理 总统 部长 省长 市长 县长 局长 院长 校长 教授 董事长 总裁 经理 会长 秘书长 主管 负责人",
        ),
        ("会议 会", "会议 会 大会 论坛 峰会"),
        ("奖 奖项 荣誉", "奖 奖章 称号 冠军"),
        ("河流 河", "江 河 溪"),
        ("山", "山 峰 岭"),
        ("省份 省", "省 自治区"),
        ("实验室 平台", "实验室 平台 中心"),
        ("疾病 病", "病 炎 症 癌 感染"),
        ("颜色", "色"),
        ("语言", "语 文"),
        ("产品 技术", "器 机 车 片 系统 技术 电池"),
        ("问题", "问题"),
        ("岛屿 岛", "岛"),
    )
    for noun in nouns.split()
}
_ANY_TIME = re.compile(
    rf"{_DATE.pattern}|[前后]$|时候?|之[前后]|当时|刚刚|目前|现在|以来|\b(?:since|after|before|until|during|ago|now|soon)\b|\b\d{{4}}s?\b"
)
_NUMBERS_SAID = (
    rf"\d|{_NUMERAL}|[几数]|首|唯一|全部|半|双|\b(?:no|none|zero|first|second|third|once|twice|both|several|dozens?|hundreds?|thousands?"
    r"|millions?|billions?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|[a-z]+teen|[a-z]+ty)\b"
)
# Units of one measure: a length is no time. Other units are not told apart.
_MEASURES = (
    ("秒", "秒钟", "分", "分钟", "小时", "天", "日", "周", "星期", "月", "个月", "年", "载", "岁", "世纪"),
    ("公里", "千米", "米", "厘米", "里", "海里", "英里"),
    ("平方", "平方米", "平方公里", "亩", "公顷"),
    ("公斤", "吨", "斤", "克", "千克"),
)
_ASKS_NAME = re.compile(r"名字|姓名|叫什么|姓什么|\bnames?\b")
_ORGANISATION = re.compile(
    r"公司|集团|委员会|党委|政府|大学|学院|研究所|协会|[局厅部院社队厂校所]|会(?![议见谈上])|\b(?:inc|company|university|team|group|government)\b"
)
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
    return bool(_TITLE.search(fold(text))) or _holds_name(rest, text)


def _holds_name(rest: str, text: str) -> bool:
    """Say whether a text holds somebody's name, not a title alone; `rest` is what of it counts, folded."""
    words = words_of(rest)
    if any(word.tag == "nr" and 2 <= len(word.text) <= 4 for word in words) or "·" in text:
        return True
    surnamed = any(
        word.text in _SURNAMES and len(after.text) == 1 and word.end == after.start for word, after in pairwise(words)
    )
    return surnamed or bool(re.search(r"[A-Z][a-z]+ (?:[A-Z]\.? )?[A-Z][a-z]+", text))


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
    if asked.kind == "date":
        return asked.unit not in _DATE_UNITS or bool(_DATE_UNITS[asked.unit].search(fold(text)))
    if asked.kind != "number":
        return True
    if asked.unit == MONEY:
        return bool(_SUM.search(fold(text)))
    if asked.unit:
        return bool(re.search(rf"(?:\d|{_NUMERAL})[\d.多余]{{0,4}}[十百千万亿]{{0,2}}{asked.unit}", fold(text)))
    # A date is no amount.
    return bool(_NUMBER.search(_DATE.sub(" ", without_terms(fold(text), asked))))


def can_answer(asked: Asked, text: str) -> bool:
    """Say whether a text may give what is asked for: false only where a person, a time or a number is plainly absent.

    More is let pass than in `is_met`: words of the question count too, and an organisation may be the one who did it.
    """
    folded = fold(text)
    if asked.kind == "date":
        return bool(_DATE_UNITS[asked.unit].search(folded) if asked.unit in _DATE_UNITS else _ANY_TIME.search(folded))
    if asked.kind == "number":
        if asked.unit == MONEY:
            return bool(_SUM.search(folded))
        unit = next((units for units in _MEASURES if asked.unit in units), ())
        counted = rf"(?:\d|{_NUMERAL})[\d.,多余]*[十百千万亿]{{0,2}}\s*(?:{'|'.join(unit)})" if unit else _NUMBERS_SAID
        return bool(re.search(counted, folded))
    if asked.kind == "person" and _ASKS_NAME.search(fold(asked.query)):
        return _holds_name(folded, text)
    if asked.kind == "person":
        return (
            _names_person(folded, text)
            or any(word.tag in ("ns", "nt") for word in words_of(folded))
            or bool(_ORGANISATION.search(folded))
        )
    return True


def names_wanted(asked: Asked, text: str) -> bool:
    """Say whether a text names a thing of the kind that the question's noun asks for: 柳北区 for 哪几个区县."""
    if not asked.wanted:
        return False
    endings = _ENDINGS.get(asked.wanted, (asked.wanted,))
    folded, own = fold(text), fold(asked.query)
    for ending in endings:
        for found in re.finditer(re.escape(ending), folded):
            # The noun alone, or as the question has it, names nothing: a name is longer.
            before = folded[max(0, found.start() - 2) : found.start()]
            if before and before[-1].isalnum() and before[-1:] + ending not in own:
                return True
    return False


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
