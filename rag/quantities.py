"""Quantities: numbers, amounts, percentages, dates and times of a text, in a form that tells which are equal.

However they are written: 3000万 = 三千万 = 30,000,000 = 30 million; 六月二十五日 = June 25; 百分之三十 = 三成 = 30%.
A numeral inside a word or name (四川, 一带一路, COVID-19) is no number: words are compared as text. Knows nothing of
sentences or of what is counted, beyond its unit.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Literal

from rag.folding import fold, is_han
from rag.lexicon import load_lexicon

Kind = Literal["number", "money", "percentage", "date", "time", "weekday", "ordinal", "ratio"]

HAN_DIGITS = {digit: value for value, digit in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
HAN_UNITS = {"十": 10, "百": 100, "千": 1000, "万": 10**4, "亿": 10**8}
SMALL_NUMBERS = {
    word: value
    for value, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen".split()
    )
}
TENS = {
    word: 10 * value for value, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), 2)
}
SCALES = {"hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
NUMBER_WORD = "|".join((*sorted((*SMALL_NUMBERS, *TENS), key=len, reverse=True), *SCALES))
MONTHS = "January February March April May June July August September October November December".split()
MONTH_OF = {name.lower(): number for number, name in enumerate(MONTHS, 1)}
MONTH_OF |= {name[:3]: number for name, number in MONTH_OF.items()} | {"sept": 9}
# A lone 一 or 四 is a number where something is counted with it; elsewhere it is part of a word (一些, 四川).
MEASURES = (
    "个大项种条名位次届年月日号天岁人家台辆件份元座层楼米里成倍点时秒区县市省艘架所间支队组类方章节篇本册步周级"
    "包瓶箱袋杯盒双幅封颗匹枚栋幢笔宗桩轮局集卷"
)

LONGEST = 24  # characters of a numeral; a longer one is none


@dataclass(frozen=True)
class Quantity:
    """A number, amount or date: `[start, end)` in the text, and its value.

    `value` is a decimal number ("30000000", "1/3"; percentages as a share of one), for dates "year-month-day" with
    what is not said left empty ("-6-25"), for times "hour:minute" of twelve hours, for scores "5-3", for what is
    said roughly "~1000000" or "15~16". Units of one measure are converted: 1.5公里 is "1500" in unit 米.
    """

    start: int
    end: int
    kind: Kind
    value: str
    unit: str = ""  # in one language; "" where none stands beside it
    loose: bool = False  # 一 and "first" may count nothing: they are no fact of their own


# -- Numerals --------------------------------------------------------------------------------------


def parse_numeral(parts: Sequence[str]) -> Fraction | None:
    """Return the value of a numeral of Chinese digits and units, Arabic numbers before a unit: 三, 千, 万 is 30000000.

    Returns:
        None for a numeral that tells about how much (十五六), or none at all.
    """
    total = large = section = Fraction(0)
    number: Fraction | None = None
    unit = 1  # of the place before, which a last digit counts tenths of: 一百二 is 120
    for part in parts:
        if part in HAN_UNITS:
            size = HAN_UNITS[part]
            counted = number or Fraction(0)
            if size < 10**4:
                section += (Fraction(1) if number is None else number) * size
            elif size == 10**4:
                large, section = (section + counted or Fraction(1)) * size, Fraction(0)
            else:
                total, large, section = total + (large + section + counted or 1) * size, Fraction(0), Fraction(0)
            number, unit = None, size
        elif part in "零〇":
            unit = 1
        elif number is not None:
            return None
        else:
            number = Fraction(HAN_DIGITS[part]) if part in HAN_DIGITS else Fraction(part)
    if number is not None and unit > 10:  # 十五 is 15
        number *= Fraction(unit, 10)
    return total + large + section + (number or 0)


def parse_english(words: Sequence[str]) -> Fraction | None:
    """Return the value of an English numeral: two, hundred, thirty is 230; None for two numbers side by side."""
    total = part = Fraction(0)
    before = ""
    for word in words:
        if word in SCALES:
            if SCALES[word] == 100:
                part = (part or Fraction(1)) * 100
            else:
                total, part = total + (part or 1) * SCALES[word], Fraction(0)
        elif before in SMALL_NUMBERS or (before in TENS and (word in TENS or SMALL_NUMBERS.get(word, 0) > 9)):
            return None
        else:
            part += SMALL_NUMBERS[word] if word in SMALL_NUMBERS else TENS[word] if word in TENS else Fraction(word)
        before = word
    return total + part


def plain(value: Fraction) -> str:
    """Return a number as a decimal where it has a short one, else as a fraction: 1.5, 1/3."""
    if value.denominator == 1:
        return str(value.numerator)
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    if rest != 1 or value.denominator > 10**12:
        return f"{value.numerator}/{value.denominator}"
    digits = len(str(value.denominator)) + 40
    whole, left = divmod(abs(value.numerator), value.denominator)
    decimals = str(left * 10**digits // value.denominator).rjust(digits, "0").rstrip("0")
    return f"{'-' if value < 0 else ''}{whole}.{decimals}"


# -- Units -----------------------------------------------------------------------------------------

_ROWS: tuple[tuple[str, Kind, str, str], ...] = (
    # unit, kind, factor, words in which it is written
    ("元", "money", "1", "元 块钱 人民币 元人民币 yuan rmb cny renminbi"),
    ("美元", "money", "1", "美元 美金 dollars dollar usd"),
    ("欧元", "money", "1", "欧元 euros euro eur"),
    ("英镑", "money", "1", "英镑 pounds pound gbp"),
    ("日元", "money", "1", "日元 yen jpy"),
    ("港元", "money", "1", "港元 港币 hkd"),
    ("卢布", "money", "1", "卢布 roubles rubles"),
    ("韩元", "money", "1", "韩元 won"),
    ("米", "number", "1000", "公里 千米 km kilometres kilometre kilometers kilometer kms"),
    ("米", "number", "1", "米 m metres metre meters meter"),
    ("米", "number", "1/100", "厘米 cm centimetres centimeters"),
    ("米", "number", "1/1000", "毫米 mm millimetres millimeters"),
    ("英里", "number", "1", "英里 miles mile"),
    ("海里", "number", "1", "海里"),
    ("英尺", "number", "1", "英尺 feet foot ft"),
    ("克", "number", "1000000", "吨 tonnes tonne tons ton"),
    ("克", "number", "1000", "公斤 千克 kg kilograms kilogram kilos kgs"),
    ("克", "number", "500", "斤"),
    ("克", "number", "1", "克 g grams gram"),
    ("磅", "number", "1", "磅 lb lbs"),
    ("平方米", "number", "1000000", "平方公里 平方千米 km2"),
    ("平方米", "number", "1", "平方米 平米 m2"),
    ("平方米", "number", "10000", "公顷 hectares hectare ha"),
    ("平方米", "number", "2000/3", "亩 mu"),
    ("立方米", "number", "1", "立方米 m3"),
    ("升", "number", "1", "升 litres liters"),
    ("秒", "number", "1", "秒 秒钟 seconds secs"),
    ("秒", "number", "60", "分钟 minutes minute mins min"),
    ("秒", "number", "3600", "小时 个小时 钟头 个钟头 hours hour hrs"),
    ("秒", "number", "86400", "天 days day"),
    ("秒", "number", "604800", "周 星期 个星期 礼拜 个礼拜 weeks week"),
    ("月", "number", "1", "个月 months month"),
    ("月", "number", "12", "年 周年 个年头 years year"),
    ("月", "number", "120", "decades decade"),
    ("岁", "number", "1", "岁 周岁 years-old year-old years\u0020old"),
    ("度", "number", "1", "度 摄氏度 °c °f degrees degree"),
    ("瓦", "number", "1000", "千瓦 kw"),
    ("瓦", "number", "1000000", "兆瓦 mw"),
    ("瓦", "number", "1", "瓦"),
    ("倍", "number", "1", "倍 fold"),
    ("次", "number", "1", "次 回 times"),
    ("人", "number", "1", "人 名 位 口 例 人次 people persons person cases case"),
    ("户", "number", "1", "户 households"),
    ("辆", "number", "1", "辆 台 部 vehicles cars units"),
    ("家", "number", "1", "家 所 间 座 处 companies firms shops stores"),
    ("届", "number", "1", "届"),
    ("层", "number", "1", "层 楼 floors"),
    ("页", "number", "1", "页 pages"),
    ("票", "number", "1", "票 votes"),
    ("分", "number", "1", "分 points"),
    ("艘", "number", "1", "艘 ships"),
    ("架", "number", "1", "架 aircraft"),
    ("头", "number", "1", "头"),
    ("只", "number", "1", "只"),
    ("棵", "number", "1", "棵 株 trees"),
    ("套", "number", "1", "套"),
    ("国", "number", "1", "国 countries nations"),
    ("个", "number", "1", "个 大 项 种 条 类 点 方面 款 份 件 批 根 张 本 篇 支 组 章 节 级 重 对 段 场 期 市 县 区 "
     "省 镇 村 包 瓶 箱 袋 杯 盒 双 幅 封 颗 匹 枚 笔 宗 桩 轮 局 集 卷"),
)  # fmt: skip
_UNIT_OF: dict[str, tuple[str, Kind, Fraction]] = {
    word.replace("\u0020", " "): (unit, kind, Fraction(factor))
    for unit, kind, factor, words in _ROWS
    for word in re.split(r" (?!old\b)", words)
}
_UNIT_OF |= {"years old": ("岁", "number", Fraction(1)), "square kilometres": ("平方米", "number", Fraction(10**6))}
_UNIT_OF |= {
    "square kilometers": ("平方米", "number", Fraction(10**6)),
    "square metres": ("平方米", "number", Fraction(1)),
}
_ALTERNATION = "|".join(re.escape(word) for word in sorted(_UNIT_OF, key=len, reverse=True))
# English units end at a word's end; 年 of 年轻人 and the like cannot be told apart and do no harm.
_UNIT = re.compile(rf"[多余来几]?(?: ?(?:{_ALTERNATION})(?<=[^\x00-\x7f])|[ -]?(?:{_ALTERNATION})(?![a-z0-9]))")
_BEFORE = {"$": "美元", "us$": "美元", "usd": "美元", "£": "英镑", "€": "欧元", "¥": "元", "hk$": "港元", "rmb": "元"}
_MONEY_BEFORE = re.compile(r"(?:us\$|hk\$|usd|rmb|[$£€¥]) ?$")
# Counts that may stand for each other: 两个品牌 and 两大品牌, 5例 and 5人.
_ANY_COUNT = "个"
_COUNTS = frozenset("人户辆家届层页票艘架头只棵套国次分") | {_ANY_COUNT}

# -- Patterns on folded text -----------------------------------------------------------------------

_ARABIC = r"\d{1,3}(?:,\d{3})+(?![\d,])(?:\.\d+)?|\d{1,3}(?: \d{3})+(?![\d])(?= ?[^\d\s.,])|\d+(?:\.\d+)?"
_HAN_PART = rf"[{''.join(HAN_DIGITS)}]|[{''.join(HAN_UNITS)}]"
_PART = re.compile(rf"(?P<arabic>{_ARABIC})|(?P<han>{_HAN_PART})")
_ENGLISH = re.compile(rf"(?<![\w.])(?:{NUMBER_WORD})(?:(?:-| )(?:and )?(?:{NUMBER_WORD}))*(?!\w)")
_SCALE_AFTER = re.compile(r"(?: |-)?(hundred|thousand|million|billion|trillion|bn)(?![a-z])|(?: )?(m|k)(?![a-z0-9])")
_SHORT_MONTHS = r"(?:jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)\b\.?"
_MONTH = "(?P<month>" + "|".join([*(name.lower() for name in MONTHS), _SHORT_MONTHS]) + ")"
_RANGE = r"(?: ?[-–—~] ?| (?:to|and|until|through) )"
_DAYS = rf"(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?:{_RANGE}(?P<last>\d{{1,2}})(?:st|nd|rd|th)?)?"
_YEAR = r"(?P<year>\d{4})"
_ENGLISH_DATES = (
    re.compile(rf"\b{_MONTH} {_DAYS}(?![\d%])(?![.,]\d)(?:,? {_YEAR}\b)?"),
    re.compile(rf"\b{_DAYS} (?:of )?{_MONTH}\b(?:,? {_YEAR}\b)?"),
    re.compile(rf"\b{_MONTH}\b(?:,? {_YEAR}\b)?"),
)
_ISO = re.compile(r"(?<![\d.-])(\d{4})([-/.])(\d{1,2})\2(\d{1,2})(?![\d-])")
_DECADE = re.compile(r"(?:(上)世纪|(\d\d|二十|十九)世纪)?(\d0|[一二三四五六七八九]十)年代|\b(\d\d)?(\d)0s\b")
_WEEKDAY = re.compile(
    r"(?:周|星期|礼拜)([一二三四五六日天])(?![次个级期天年])|\b(mon|tues|wednes|thurs|fri|satur|sun)day\b"
)
_WEEKDAYS = {name: str(at) for at, name in enumerate("mon tues wednes thurs fri satur sun".split(), 1)}
_WEEKDAYS |= {name: str(at) for at, name in enumerate("一二三四五六日", 1)} | {"天": "7"}
_CLOCK = re.compile(r"(?<![\d:])([01]?\d|2[0-4]):([0-5]\d)(?![\d:])(?: ?(a|p)\.?m\b)?|\b(\d{1,2}) ?(a|p)\.?m\b\.?")
_PERIOD = re.compile(r"(?P<am>上午|早上|清晨|凌晨|早晨|早)|(?P<pm>下午|晚上|傍晚|中午|当晚|夜间|晚)")
_POINTS_SCORE = re.compile(r"(?<![\d.a-z_-])(\d{1,3}) ?[-–] ?(\d{1,3})(?![\d.%-])|(?<![\d.])(\d{1,3})比(\d{1,3})(?!\d)")
_FRACTION = re.compile(
    rf"([\d.]{{1,12}}|(?:{_HAN_PART}){{1,12}})分之((?:[\d.]{{1,12}}|(?:{_HAN_PART}){{1,12}})(?:点(?:{_HAN_PART}){{1,12}})?)"
)
_CENTURY = re.compile(
    rf"(\d\d|(?:{_HAN_PART}){{1,3}})世纪(?!\d0年代|[一二三四五六七八九]十年代)|\b(\d\d)(?:st|nd|rd|th)[- ]century\b"
)
_SHARE_WORDS = {"half": "1/2", "third": "1/3", "quarter": "1/4", "fifth": "1/5", "tenth": "1/10", "two-thirds": "2/3",
                "three-quarters": "3/4"}  # fmt: skip
_SHARE = re.compile(
    r"(?<!第)一半|半数|\b(?:half|(?:a|one)[- ](?:third|quarter|fifth|tenth)|two[- ]thirds|three[- ]quarters)\b"
    r"(?![- ]?(?:time|year|hour|way|day|final))"
)
_TENTHS = re.compile(
    r"([一二三四五六七八九两])成([一二三四五六七八九](?![成]))?(?![立功为员长果绩本分就都语熟份品型千])"
)
_HALF_UNIT = re.compile(r"(?<![上下前后])半(?:个)?(年|月|小时|天|世纪)|\bhalf (?:a|an) (year|month|hour|day|century)\b")
_ROUGH = re.compile(
    r"(?:数|好?几|上|近|逾|超|过|约)([十百千万亿]{1,2})(?![十百千万亿一二三四五六七八九\d])"
    r"|\b(hundreds|thousands|millions|billions) of\b"
)
_PERCENT = re.compile(r" ?%| ?个?百分点| ?(?:percentage points?)| ?(?:percent|per cent|pct)\b")
_FIRST = re.compile(
    r"首(?=[个次台家位批届条座款例套张部艘架名轮场期])|\b(first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth)\b"
)
_RANKS = {
    word: at for at, word in enumerate("first second third fourth fifth sixth seventh eighth ninth tenth".split(), 1)
}
_ORDINAL_END = re.compile(r"(?:st|nd|rd|th)\b")
_TO = re.compile(r"^ ?(?:[-–—~]|至|到|to) ?$")
_HOUR = re.compile(r"(点|时)(?![米代候])(?:(半)|([一三])刻|(\d{1,2}|[一二三四五六七八九十]{1,3})分|(整|钟))?")


@lru_cache(maxsize=4096)
def quantities(text: str) -> tuple[Quantity, ...]:
    """Return the quantities of a text, in order. Spans are in the text as given; none overlap."""
    folded, places = fold_with_places(text)
    reader = _Reader(text, folded, places)
    reader.read()
    found = [replace(one, start=places[one.start], end=places[one.end]) for one in reader.found]
    return tuple(sorted(found, key=lambda one: one.start))


def agree(said: Quantity, given: Quantity) -> bool:
    """Say whether `given` holds all that `said` says: 6月25日 is held by 2025年6月25日, not the other way round."""
    return _same_value(said, given) and units_agree(said, given)


def units_agree(one: Quantity, other: Quantity) -> bool:
    """Say whether two quantities may be of one unit; one that has none may be of any, except of money and shares."""
    if one.unit == other.unit or "date" in (one.kind, other.kind):
        return True
    if not one.unit or not other.unit:
        return {one.kind, other.kind} != {"percentage"} and (one.kind == "percentage") == (other.kind == "percentage")
    if one.kind == other.kind == "ordinal":
        return True
    both = {one.unit, other.unit}
    return both == {"倍", "次"} or (both <= _COUNTS and _ANY_COUNT in both) or both == {"家", "人"}


def missing_from(said: Quantity, given: Sequence[Quantity]) -> Literal["", "number", "date", "unit"]:
    """Return "" where some given quantities together hold what is said, else what is wrong with it.

    "unit": the number is there, of something else. What is loose is wrong only where the same is counted otherwise.
    """
    if any(agree(said, one) for one in given):
        return ""
    if said.kind in ("date", "time", "weekday"):
        return "" if said.kind == "date" and _held_by_several(said, given) else "date"
    if said.loose:
        others = [one for one in given if one.kind == said.kind and one.unit == said.unit and not one.loose]
        return "number" if others and said.unit not in ("", _ANY_COUNT) else ""
    return "unit" if any(_same_value(said, one) for one in given) else "number"


def _held_by_several(said: Quantity, given: Sequence[Quantity]) -> bool:
    """Say whether the year of a date is given by itself: 2025年 … 6月25日."""
    if said.value.endswith("s"):  # a decade or century
        return False
    year, month, day = said.value.split("-")
    dates = [one.value.split("-") for one in given if one.kind == "date" and not one.value.endswith("s")]
    years = {one[0] for one in dates} | {one.value for one in given if one.kind == "number"}
    return (
        bool(year and month)
        and year in years
        and any(one[0] in ("", year) and one[1:] == [month, day] for one in dates)
    )


def _same_value(said: Quantity, given: Quantity) -> bool:
    if said.kind == given.kind == "date":
        if "s" in said.value or "s" in given.value:
            return given.value.endswith(said.value) or said.value.endswith(given.value)
        pairs = zip(said.value.split("-"), given.value.split("-"), strict=True)
        return all(not one or one == other for one, other in pairs)
    if "date" in (said.kind, given.kind):  # 2011 alone is a number, and may be a year
        date, other = (said, given) if said.kind == "date" else (given, said)
        year = date.value.split("-")[0]
        return other.kind == "number" and not other.unit and other.value == year and date.value == f"{year}--"
    if said.kind == given.kind == "time":
        return said.value == given.value and (not said.unit or not given.unit or said.unit == given.unit)
    if given.kind == "ratio" and said.kind == "number":
        return said.value in given.value.split("-")
    if {said.kind, given.kind} & {"time", "weekday", "ratio", "ordinal"} and said.kind != given.kind:
        return False
    return said.value == given.value


def fold_with_places(text: str) -> tuple[str, list[int]]:
    """Return the folded text, and the place in the text of each of its characters and of its end."""
    folded: list[str] = []
    places: list[int] = []
    for at, character in enumerate(text):
        # A full-width comma stands between two numbers; an ASCII comma may group digits.
        other = "，" if character == "，" else "-" if character == "−" else fold(character)
        folded.append(other)
        places += [at] * len(other)
    return "".join(folded), [*places, len(text)]


@dataclass
class _Numeral:
    start: int
    end: int
    value: Fraction
    digits: str  # as written, for years
    rough: str = ""  # 15~16
    lone: str = ""  # a single Chinese digit, which may count nothing
    bare: bool = True  # no 万 or million


class _Reader:
    """Finds the quantities of one folded text, the longest forms first; what one takes no other sees."""

    def __init__(self, original: str, text: str, places: Sequence[int]) -> None:
        self.original, self.text, self.places = original, text, places
        self.used = bytearray(len(text))
        self.found: list[Quantity] = []

    def read(self) -> None:
        self._english_dates()
        for match in _ISO.finditer(self.text):
            year, month, day = int(match[1]), int(match[3]), int(match[4])
            if 1 <= month <= 12 and 1 <= day <= 31:
                self._add(match.start(), match.end(), "date", f"{year}-{month}-{day}")
        self._decades()
        for match in _WEEKDAY.finditer(self.text):
            self._add(match.start(), match.end(), "weekday", _WEEKDAYS[match[1] or match[2]])
        for match in _CLOCK.finditer(self.text):
            hour = int(match[1] or match[4])
            if hour <= 24:
                self._time(
                    match.start(),
                    match.end(),
                    hour,
                    int(match[2] or 0),
                    {"a": "am", "p": "pm"}.get(match[3] or match[5] or "", ""),
                )
        self._shares()
        self._scores()
        self._numerals()
        self._firsts()

    def _add(self, start: int, end: int, kind: Kind, value: str, unit: str = "", loose: bool = False) -> bool:
        if any(self.used[start:end]):
            return False
        self.used[start:end] = b"\1" * (end - start)
        self.found.append(Quantity(start, end, kind, value, unit, loose))
        return True

    def _english_dates(self) -> None:
        for pattern in _ENGLISH_DATES:
            for match in pattern.finditer(self.text):
                name = match["month"].strip(". ")
                # "may" and "march" are months only with a capital letter.
                if (
                    name in ("may", "mar", "march", "dec", "oct", "jun")
                    and not self.original[self.places[match.start("month")]].isupper()
                ):
                    continue
                groups = match.groupdict()
                year, month = groups["year"] or "", MONTH_OF[name]
                if groups.get("last"):
                    middle = match.end("day")
                    first, last = int(groups["day"]), int(groups["last"])
                    if not (0 < first < last <= 31):
                        continue
                    self._add(match.start(), middle, "date", f"{year}-{month}-{first}")
                    self._add(middle, match.end(), "date", f"{year}-{month}-{last}")
                elif not groups.get("day") or 0 < int(groups["day"]) <= 31:
                    day = int(groups["day"]) if groups.get("day") else ""
                    self._add(match.start(), match.end(), "date", f"{year}-{month}-{day}")

    def _decades(self) -> None:
        for match in _DECADE.finditer(self.text):
            tens = match[3] or f"{match[5]}0"
            tens = tens if tens.isdecimal() else f"{HAN_DIGITS[tens[0]]}0"
            century = "19" if match[1] else match[4] or ""
            if match[2]:
                century = str({"二十": 20, "十九": 19}.get(match[2]) or int(match[2]))
                century = str(int(century) - 1)
            self._add(match.start(), match.end(), "date", f"{century}{tens}s")
        for match in _CENTURY.finditer(self.text):
            number = _value_of(match[1] or match[2])
            if number and number.denominator == 1 and 1 <= number <= 21:
                self._add(match.start(), match.end(), "date", f"{int(number) - 1}00s")

    def _shares(self) -> None:
        for match in _FRACTION.finditer(self.text):
            below, above = _value_of(match[1]) if match[1] != "百" else Fraction(100), _value_of(match[2])
            if below and above is not None and len(match[0]) <= LONGEST:
                self._add(match.start(), match.end(), "percentage", plain(above / below), "%")
        for match in _TENTHS.finditer(self.text):
            if not self._inside_word(match.start(), match.end()):
                tenths = Fraction(HAN_DIGITS[match[1]], 10) + Fraction(HAN_DIGITS[match[2]] if match[2] else 0, 100)
                self._add(match.start(), match.end(), "percentage", plain(tenths), "%")
        for match in _HALF_UNIT.finditer(self.text):
            word = {"月": "个月", "century": "年"}.get(match[1] or match[2], match[1] or match[2])
            unit, kind, factor = _UNIT_OF.get(word, ("月", "number", Fraction(1200)))
            self._add(match.start(), match.end(), kind, plain(factor / 2), unit)
        for match in _SHARE.finditer(self.text):
            word = match[0].replace(" ", "-")
            name = word if word in _SHARE_WORDS else word.rpartition("-")[2]
            loose = word == "half" and not re.match(
                r" (?:of|the|its|their|his|her|our|a|all)\b", self.text[match.end() : match.end() + 7]
            )
            self._add(
                match.start(), match.end(), "percentage", plain(Fraction(_SHARE_WORDS.get(name, "1/2"))), "%", loose
            )
        for match in _ROUGH.finditer(self.text):
            if match[2]:
                value = SCALES[match[2][:-1]]
            else:
                value = 1
                for unit in match[1]:
                    value *= HAN_UNITS[unit]
            if value >= 10 and not self._inside_word(match.start(), match.end()):
                unit, _, _, end = self._unit_after(match.end())
                self._add(match.start(), end, "number", f"~{value}", unit)

    def _scores(self) -> None:
        for match in _POINTS_SCORE.finditer(self.text):
            one, other = match[1] or match[3], match[2] or match[4]
            unit = self._unit_after(match.end())[0]
            if not unit and not re.match(r"[日月年]|0s", self.text[match.end() : match.end() + 2]):
                self._add(match.start(), match.end(), "ratio", f"{int(one)}-{int(other)}")

    def _firsts(self) -> None:
        for match in _FIRST.finditer(self.text):
            rank = _RANKS[match[1]] if match[1] else 1
            self._add(match.start(), match.end(), "ordinal", str(rank), "", True)

    # -- Numerals and what stands beside them ------------------------------------------------------

    def _numerals(self) -> None:
        numerals = [one for one in self._scan() if not any(self.used[one.start : one.end])]
        after = {one.start: nxt for one, nxt in pairwise(numerals)}
        at = 0
        while at < len(numerals):
            at += (
                self._date(numerals, at)
                or self._hour(numerals[at])
                or self._number(numerals[at], after.get(numerals[at].start))
            )

    def _scan(self) -> list[_Numeral]:
        runs: list[list[re.Match[str]]] = []
        for part in _PART.finditer(self.text):
            if runs and self._continues(runs[-1][-1], part):
                runs[-1].append(part)
            else:
                runs.append([part])
        numerals = [one for run in runs if (one := self._numeral(run))]
        for match in _ENGLISH.finditer(self.text):
            words = [word for word in re.findall(r"[a-z]+", match[0]) if word != "and"]
            value = None if words[0] in SCALES and len(words) == 1 else parse_english(words)
            if value is not None and len(words) <= LONGEST:
                lone = "one" if words == ["one"] else ""
                numerals.append(_Numeral(match.start(), match.end(), value, "", lone=lone))
        return sorted(numerals, key=lambda one: one.start)

    def _continues(self, before: re.Match[str], part: re.Match[str]) -> bool:
        """Say whether a part belongs to the numeral before it."""
        gap = self.text[before.end() : part.start()]
        scale = part.group() in ("万", "亿", "千", "百")
        if gap and not (
            len(gap) == 1
            and ((gap == " " and before["arabic"] and part.group() in "万亿") or (gap in "多余几" and scale))
        ):
            return False
        if part["arabic"]:
            return before.group() in HAN_UNITS
        if before["arabic"]:
            return scale and (part.group() in "万亿" or len(before.group()) <= 2)
        return True

    def _numeral(self, run: Sequence[re.Match[str]]) -> _Numeral | None:
        start, end = run[0].start(), run[-1].end()
        if end - start > LONGEST:
            return None
        parts = [re.sub(r"[, ]", "", part.group()) for part in run]
        before, after = self.text[max(0, start - 2) : start], self.text[end : end + 1]
        if run[0]["arabic"] and re.search(r"[a-z_](?:[-.'’])?$", before):
            return None  # COVID-19, F1
        if run[-1]["arabic"] and re.match(r"[a-z_]", after) and not self._glued_unit(end):
            return None  # 1080p
        if (
            run[-1]["arabic"]
            and self._is_capital(end)
            and not _MONEY_BEFORE.search(self.text[max(0, start - 4) : start])
        ):
            return None  # 5G, 4K
        if len(parts) == 1 and run[0]["arabic"]:
            sign = -1 if re.search(r"(?:^|[^\w)])-$", before) or before == "零下" else 1
            return self._scaled(_Numeral(start, end, sign * Fraction(parts[0]), parts[0]))
        if self._inside_word(start, end):
            return None
        point = re.compile(rf"点((?:[{''.join(HAN_DIGITS)}])+)(?![刻分钟半])").match(self.text, end)
        if all(part in HAN_DIGITS for part in parts):
            return self._han_digits(start, end, parts, point)
        if parts[0] in HAN_UNITS and parts[0] != "十":
            return None  # 千万不要, 万一
        if parts == ["十"] and after in "分足" and after:
            return None
        value = parse_numeral(parts)
        if value is None:
            return self._rough(start, end, parts)
        if point and "万" not in parts and "亿" not in parts:
            return _Numeral(start, point.end(), value + _decimals(point[1]), "")
        if parts == ["十"] and not self._is_counted(start, end):
            return None
        return _Numeral(start, end, value, "", bare=not {"万", "亿"} & set(parts))

    def _han_digits(self, start: int, end: int, parts: Sequence[str], point: re.Match[str] | None) -> _Numeral | None:
        digits = "".join(str(HAN_DIGITS[part]) for part in parts)
        if len(parts) == 1:
            if point:
                return _Numeral(start, point.end(), int(digits) + _decimals(point[1]), "")
            if parts[0] != "两" and not self._is_counted(start, end):
                return None
            return _Numeral(start, end, Fraction(digits), digits, lone=parts[0])
        if len(parts) == 2 and int(digits[1]) - int(digits[0]) == 1:
            return _Numeral(start, end, Fraction(digits), "", rough=f"{digits[0]}~{digits[1]}")
        if len(parts) > 2 or {"零", "〇"} & set(parts):
            return _Numeral(start, end, Fraction(digits), digits)
        return None

    def _rough(self, start: int, end: int, parts: Sequence[str]) -> _Numeral | None:
        """Return what 十五六 or 三四百 say: from one number to another."""
        for at, (one, other) in enumerate(pairwise(parts)):
            if one in HAN_DIGITS and other in HAN_DIGITS and HAN_DIGITS[other] - HAN_DIGITS[one] == 1:
                low = parse_numeral([*parts[: at + 1], *parts[at + 2 :]])
                high = parse_numeral([*parts[:at], *parts[at + 1 :]])
                if low is not None and high is not None:
                    return _Numeral(start, end, low, "", rough=f"{plain(low)}~{plain(high)}")
        return None

    def _scaled(self, numeral: _Numeral) -> _Numeral:
        """Return an Arabic number with the English scale behind it: 30 million, $5m."""
        match = _SCALE_AFTER.match(self.text, numeral.end)
        if not match:
            return numeral
        if match[2] and not _MONEY_BEFORE.search(self.text[max(0, numeral.start - 4) : numeral.start]):
            return numeral  # elsewhere m may be metres
        size = {"bn": 10**9, "m": 10**6, "k": 10**3}.get(match[1] or match[2]) or SCALES[match[1]]
        return _Numeral(numeral.start, match.end(), numeral.value * size, "", bare=False)

    def _is_capital(self, end: int) -> bool:
        """Say whether a lone capital letter stands right behind a number."""
        after = self.text[end : end + 2]
        return bool(re.match(r"[gkm](?![a-z0-9])", after)) and self.original[self.places[end]].isupper()

    def _glued_unit(self, end: int) -> bool:
        return bool(
            _UNIT.match(self.text, end) or _ORDINAL_END.match(self.text, end) or _SCALE_AFTER.match(self.text, end)
            or re.compile(r"percent|pct|x\b|s\b").match(self.text, end)
        )  # fmt: skip

    def _is_counted(self, start: int, end: int) -> bool:
        before, after = self.text[start - 1 : start], self.text[end : end + 1]
        alone = not (before and is_han(before)) and not (after and is_han(after))
        return before == "第" or alone or (after != "" and (after in MEASURES or bool(_UNIT.match(self.text, end))))

    @cached_property
    def _words(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Where the words of the text begin and end."""
        words = load_lexicon().words(self.text)
        return tuple(word.start for word in words), tuple(word.end for word in words)

    def _inside_word(self, start: int, end: int) -> bool:
        """Say whether a numeral is part of a longer word that is more than a number with its measure."""
        starts, ends = self._words
        at = bisect_right(starts, start) - 1
        if at < 0 or ends[at] <= start:
            return False
        first, last = starts[at], ends[at]
        rest = self.text[first:start] + (self.text[end:last] if end < last else "")
        if not rest or last - first < 2:
            return False
        return not all(
            character in MEASURES
            or character in "第多余来几头份点半数整"
            or character in HAN_UNITS
            or character in HAN_DIGITS
            for character in rest
        )

    def _unit_after(self, end: int) -> tuple[str, Kind, Fraction, int]:
        """Return unit, kind, factor and end of the unit behind a number; unit "" where there is none."""
        match = _UNIT.match(self.text, end)
        if not match:
            return "", "number", Fraction(1), end
        word = match.group().lstrip(" -多余来几") or match.group()
        if word not in _UNIT_OF:
            return "", "number", Fraction(1), end
        return (*_UNIT_OF[word], match.end())

    def _number(self, numeral: _Numeral, following: _Numeral | None) -> int:
        start, end = numeral.start, numeral.end
        value = numeral.rough or plain(numeral.value)
        if start and self.text[start - 1] == "第":
            unit, *_, stop = self._unit_after(end)
            self._add(start - 1, stop, "ordinal", value, "" if unit == _ANY_COUNT else unit)
            return 1
        if match := _ORDINAL_END.match(self.text, end):
            self._add(start, match.end(), "ordinal", value)
            return 1
        if following and not numeral.rough and _TO.match(self.text[end : following.start]):
            numeral = self._as_in_range(numeral, following)
            unit, kind, factor, percent = self._beside(following)
            self._put(numeral, unit, kind, factor, end, percent)
            return 1
        unit, kind, factor, percent = self._beside(numeral)
        stop = self._percent_end(end) if percent else self._unit_after(end)[3] if unit else end
        self._put(numeral, unit, kind, factor, max(stop, end), percent)
        return 1

    def _as_in_range(self, numeral: _Numeral, following: _Numeral) -> _Numeral:
        """Return the first number of 3至5万 with the scale of the second."""
        tail = self.text[following.end - 1]
        if tail in "万亿" and numeral.bare and numeral.value < 1000 and not self._unit_after(numeral.end)[0]:
            scaled = numeral.value * HAN_UNITS[tail]
            if scaled < following.value:
                return replace(numeral, value=scaled)
        return numeral

    def _beside(self, numeral: _Numeral) -> tuple[str, Kind, Fraction, bool]:
        if match := _PERCENT.match(self.text, numeral.end):
            points = "点" in match.group() or "point" in match.group()
            return "百分点" if points else "%", "percentage", Fraction(1, 100), True
        before = _MONEY_BEFORE.search(self.text[max(0, numeral.start - 4) : numeral.start])
        unit, kind, factor, _ = self._unit_after(numeral.end)
        if before and kind != "money":
            return _BEFORE[before.group().strip()], "money", Fraction(1), False
        return unit, kind, factor, False

    def _percent_end(self, end: int) -> int:
        match = _PERCENT.match(self.text, end)
        return match.end() if match else end

    def _put(self, numeral: _Numeral, unit: str, kind: Kind, factor: Fraction, end: int, percent: bool) -> None:
        value = numeral.value * factor
        if not percent and unit in ("月", "秒") and re.match(r"(?:又)?半", self.text[end : end + 2]):
            value += factor / 2  # 两年半
        elif not percent and self.text[numeral.end : numeral.end + 2] == "个半":
            unit, kind, factor, end = self._unit_after(numeral.end + 2)
            value = (numeral.value + Fraction(1, 2)) * factor
        text = plain(value)
        if numeral.rough and factor == 1:
            text = numeral.rough
        elif numeral.rough:
            text = "~".join(plain(Fraction(side) * factor) for side in numeral.rough.split("~"))
        loose = numeral.lone in ("一", "one")
        if loose and numeral.lone == "one" and not unit:
            return  # no one
        self._add(numeral.start, end, kind, text, unit, loose)

    def _date(self, numerals: Sequence[_Numeral], at: int) -> int:
        """Read a Chinese date that begins at a numeral; return how many numerals it takes, 0 where there is none."""
        year = month = day = ""
        taken, end = 0, numerals[at].start
        start = end
        for sign in ("年", "月", "日号"):
            if at + taken >= len(numerals):
                break
            one = numerals[at + taken]
            gap = self.text[end : one.start]
            if taken and gap.strip(" "):
                break
            tail = self.text[one.end : one.end + 2].lstrip(" ")[:1]
            if tail and tail in sign and self._is_date_part(one, sign):
                value = plain(one.value)
                year, month, day = (
                    (value, month, day)
                    if sign == "年"
                    else (year, value, day)
                    if sign == "月"
                    else (year, month, value)
                )
                end = self.text.index(tail, one.end) + 1
                taken += 1
        if not taken:
            return self._bare_year(numerals, at)
        if month and not day and self.text[end : end + 1] == "份":
            end += 1
        if day and not month:
            year, month = self._month_before(start)
        self._add(start, end, "date", f"{year}-{month}-{day}")
        return taken

    def _is_date_part(self, one: _Numeral, sign: str) -> bool:
        if one.rough or one.value.denominator != 1 or not one.bare:
            return False
        value = int(one.value)
        if sign == "年":
            return 1000 <= value <= 2199 and len(one.digits or str(value)) == 4
        if sign == "月":
            return 1 <= value <= 12
        rest = self.text[one.end + 1 : one.end + 2]
        return (
            1 <= value <= 31 and rest not in ("元", "线", "楼", "门", "机", "院", "厅", "馆", "台") and one.lone != "两"
        )

    def _month_before(self, start: int) -> tuple[str, str]:
        """Return year and month of 25日 in 6月24日至25日: those of the date before, where but a sign stands between."""
        last = next((one for one in reversed(self.found) if one.kind == "date" and one.end <= start), None)
        if (
            last is None
            or not re.fullmatch(r" ?(?:[-–—~、]|至|到|和|及|与) ?", self.text[last.end : start])
            or last.value.endswith("s")
        ):
            return "", ""
        year, month, day = last.value.split("-")
        return (year, month) if day else ("", "")

    def _bare_year(self, numerals: Sequence[_Numeral], at: int) -> int:
        """Read 1950-53年, whose years share a century, and 1950至1953年."""
        if at + 1 >= len(numerals):
            return 0
        first, last = numerals[at], numerals[at + 1]
        is_year = len(first.digits) == 4 and first.digits.isdecimal() and 1000 <= int(first.digits) <= 2199
        if not is_year or not _TO.match(self.text[first.end : last.start]) or len(last.digits) not in (2, 4):
            return 0
        if len(last.digits) == 2 and self.text[last.end : last.end + 1] != "年":
            return 0
        is_named = self.text[last.end : last.end + 1] == "年"
        other = int(last.digits) if len(last.digits) == 4 else int(first.digits[:2] + last.digits)
        if not is_named or not int(first.digits) < other <= 2199:
            return 0
        self._add(first.start, first.end, "date", f"{first.digits}--")
        self._add(last.start, last.end + 1, "date", f"{other}--")
        return 2

    def _hour(self, numeral: _Numeral) -> int:
        match = _HOUR.match(self.text, numeral.end)
        if not match or numeral.value.denominator != 1 or not 0 <= numeral.value <= 24 or numeral.rough:
            return 0
        period = _PERIOD.search(self.text[max(0, numeral.start - 2) : numeral.start])
        given = period and period.end() == min(2, numeral.start)
        if not given and match[1] == "点" and not any(match.group(2, 3, 4, 5)):
            return 0  # 两点建议
        minutes = 30 if match[2] else 15 * HAN_DIGITS[match[3]] if match[3] else 0
        if match[4]:
            minutes = int(_value_of(match[4]) or 0)
        half = "" if not given or period is None else "am" if period["am"] else "pm"
        start = numeral.start - (len(period.group()) if given and period else 0)
        self._time(start, match.end(), int(numeral.value), minutes, half)
        return 1

    def _time(self, start: int, end: int, hour: int, minute: int, half: str) -> None:
        half = half or ("pm" if 12 < hour < 24 else "")
        self._add(start, end, "time", f"{hour % 12}:{minute:02}", half)


def _decimals(digits: str) -> Fraction:
    return Fraction(int("".join(str(HAN_DIGITS[digit]) for digit in digits)), 10 ** len(digits))


def _value_of(numeral: str) -> Fraction | None:
    """Return the value of a numeral that stands alone: 三十点五, 35.5."""
    whole, _, decimals = numeral.partition("点")
    if len(numeral) > LONGEST:
        return None
    try:
        parts = re.findall(rf"{_HAN_PART}|[\d.]+", whole)
        value = parse_numeral(parts)
        return None if value is None else value + (_decimals(decimals) if decimals else 0)
    except (ValueError, ZeroDivisionError):
        return None


def numbers_in(found: Sequence[Quantity]) -> Iterator[str]:
    """Yield what each quantity says, as one string that equal ones share: for counting overlaps."""
    for one in found:
        yield f"{one.kind if one.kind in ('date', 'time', 'weekday', 'ordinal') else 'n'}:{one.value}"
